"""Parts of what programs print, and rows that are written otherwise than the others."""

from __future__ import annotations

from archcalc.claims.audit import audit


def accused(text: str) -> list[tuple[int, str, str]]:
    """Rows, printed cells and what they should say."""
    return [(f.row + 1, f.printed, f.right) for f in audit(text).findings]


TREE = """│    └─Conv2d: 2-4                       [1, 8, 9, 9]              296
│    └─LeakyReLU: 2-5                    [1, 8, 9, 9]              --
│    └─LayerNorm: 2-6                    [1, 8, 9, 9]              1,296
├─Flatten: 1-2                           [1, 648]                  --
│    └─Linear: 2-7                       [1, 32]                   20,768
│    └─Linear: 2-8                       [1, 4]                    132
==========================================================================================
Total params: 24,000
Trainable params: 24,000
Non-trainable params: 0
Total mult-adds (M): 1.21
"""
"""The end of what torchinfo prints, which nothing heads: (9 * 4 + 1) * 8 = 296, of 8 * 9 * 9 = 648
features 2 * 648 = 1,296, (648 + 1) * 32 = 20,768 and (32 + 1) * 4 = 132."""


def test_a_part_of_a_tree_is_read_though_nothing_heads_it() -> None:
    found = audit(TREE)
    assert not found.findings
    assert found.headers == ("Layer (type)", "Output Shape", "Param #")
    assert len(found.rows) == 10
    assert accused(TREE.replace("20,768", "20,786")) == [(5, "20,786", "20,768")]


def test_samples_without_a_batch_stand_beside_batches() -> None:
    # (3 * 4 * 4 + 1) * 32 = 1,568, (64 - 4) / 2 + 1 = 31; (32 * 4 * 4 + 1) * 64 = 32,832,
    # floor((31 - 4) / 2) + 1 = 14; (64 * 2 * 2 + 1) * 8 = 2,056, 14 / 2 = 7;
    # (8 * 2 * 2 * 8) + 8 = 264, 7 * 2 = 14, and (8 * 4 + 1 * 0) * 3 + 3 = 99, 14 * 2 = 28.
    rows = """Layer (type:depth-idx)                   Output Shape              Param #
Net                                      [1, 3, 28, 28]            --
├─Conv2d: 1-1                            [32, 31, 31]              1,568
├─ReLU: 1-2                              [32, 31, 31]              --
├─Conv2d: 1-3                            [64, 14, 14]              32,832
├─ReLU: 1-4                              [64, 14, 14]              --
├─Conv2d: 1-5                            [1, 8, 7, 7]              2,056
├─ConvTranspose2d: 1-6                   [1, 8, 14, 14]            264
├─ConvTranspose2d: 1-7                   [1, 3, 28, 28]            99
"""
    assert not audit(rows).findings
    wrong = rows.replace("[64, 14, 14]              32", "[64, 14, 15]              32")
    assert accused(wrong) == [(4, "[64, 14, 15]", "[64, 14, 14]")]


def test_darknet_s_reorg_keeps_all_numbers() -> None:
    # 26 * 26 * 512 = 13 * 13 * 2,048, and with 1,024 more 3,072 channels.
    rows = """   16 conv    512  3 x 3 / 1    26 x  26 x 256   ->    26 x  26 x 512
   17 max          2 x 2 / 2    26 x  26 x 512   ->    13 x  13 x 512
   18 conv   1024  3 x 3 / 1    13 x  13 x 512   ->    13 x  13 x1024
   19 route  16
   20 reorg              / 2    26 x  26 x 512   ->    13 x  13 x2048
   21 route  20 18
   22 conv   1024  3 x 3 / 1    13 x  13 x3072   ->    13 x  13 x1024
"""
    assert not audit(rows).findings
    assert accused(rows.replace("x2048", "x2084")) == [(5, "13 x  13 x2084", "13 x  13 x2048")]
    assert accused(rows.replace("x3072", "x3027")) == [(7, "13 x  13 x3027", "13 x  13 x3072")]


def test_a_part_of_keras_is_read_though_nothing_heads_it() -> None:
    # (9 * 1 + 1) * 16 = 160, 28 - 2 = 26; (9 * 16 + 1) * 32 = 4,640, 26 - 2 = 24; 24 / 3 = 8.
    rows = """conv2d (Conv2D)              (None, 26, 26, 16)        160
_________________________________________________________________
conv2d_1 (Conv2D)            (None, 24, 24, 32)        4640
_________________________________________________________________
max_pooling2d (MaxPooling2D) (None, 8, 8, 32)          0
=================================================================
Total params: 4,800
"""
    assert accused(rows) == []
    assert accused(rows.replace("4640", "4460")) == [(2, "4460", "4640")]
    assert accused(rows.replace("8, 8, 32", "8, 9, 32")) == [
        (3, "(None, 8, 9, 32)", "(None, 8, 8, 32)")
    ]


def test_a_size_may_say_how_many_numbers_it_is() -> None:
    # 180 - 4 = 176, 240 - 4 = 236, and half of these; (25 * 2 + 1) * 12 = 612; 12 * 88 * 118.
    rows = """| layer | output shape | parameters |
|---|---|---|
| input | 2 × 180 × 240 = 86,400 | - |
| Conv1 (2→12, k5) | 12 × 176 × 236 | 612 |
| Pool 2 | 12 × 88 × 118 | 0 |
| Flatten | 124,608 | 0 |
"""
    assert accused(rows) == []
    assert accused(rows.replace("k5", "k3")) == [(2, "Conv1 (2→12, k3)", "5x5")]
    assert accused(rows.replace("236", "263"))[0][:2] == (2, "12 × 176 × 263")


def test_channels_stand_before_and_behind_an_arrow_beside_a_kernel() -> None:
    # (9 * 4 + 1) * 32 = 1,184 and (9 * 32 + 1) * 64 = 18,496; strides of 2 halve 192 x 640.
    rows = """| Layer | Output Shape | Parameters |
|---|---|---|
| Conv2d(4→32, 3×3, stride=2) | (B, 32, 96, 320) | 1,184 |
| Conv2d(32→64, 3×3, stride=2) | (B, 64, 48, 160) | 18,496 |
| Conv2d(64→64, 3×3, stride=2) | (B, 64, 24, 80) | 36,928 |
"""
    assert accused(rows) == []
    assert [r for r, *_ in accused(rows.replace("(32→64", "(23→64"))] == [2]
    assert accused(rows.replace("1,184", "1,814")) == [(1, "1,814", "1,184")]


def test_a_path_s_last_part_is_the_operator_and_its_window_tells_what_it_takes() -> None:
    # 8 * 32 = 256 weights each way; a mean and a maximum over channels are two: 7 * 7 * 2 = 98,
    # times 16 * 16 = 25,088.
    rows = """                     module name  input shape output shape  params      Flops
0          attention.avg_pooling   32  16  16   32   1   1     0.0        0.0
1                 attention.fc.0           32            8   256.0      256.0
2                 attention.fc.1            8            8     0.0        8.0
3                 attention.fc.2            8           32   256.0      256.0
4              attention.sigmoid           32           32     0.0        0.0
5         spatial_attention.conv    2  16  16    1  16  16    98.0   25,088.0
6      spatial_attention.sigmoid    1  16  16    1  16  16     0.0        0.0
total                                                        610.0   25,608.0
"""
    assert accused(rows) == []
    slip = rows.replace("8           32   256.0", "8           32   265.0")
    assert accused(slip) == [(4, "265.0", "256.0")]
    assert accused(rows.replace("25,608.0", "25,680.0")) == [(8, "25,680.0", "25,608.0")]


def test_a_table_may_stand_in_comments_of_three_marks() -> None:
    # (5 * 5 * 1 + 1) * 6 = 156, 28 - 4 = 24, half of it; (25 * 6 + 1) * 16 = 2,416.
    rows = """/// | Layer | Type | Output Shape | Params |
/// |-------|------|--------------|--------|
/// | Input | - | 1×28×28 | 0 |
/// | C1 | Conv 5×5, 6 | 6×24×24 | 156 |
/// | S2 | AvgPool 2×2 | 6×12×12 | 0 |
/// | C3 | Conv 5×5, 16 | 16×8×8 | 2,416 |
"""
    assert not audit(rows).unreadable
    assert accused(rows) == []
    assert accused(rows.replace("2,416", "2,146")) == [(4, "2,146", "2,416")]


def test_a_list_of_tensors_below_modules_is_named_as_not_read() -> None:
    modules = "Net(\n  (fc1): Linear(in_features=8, out_features=4, bias=True)\n"
    modules += "  (fc2): Linear(in_features=4, out_features=2, bias=True)\n)\n"
    assert audit(modules).unmapped == ()
    tensors = "\nfc1.weight: torch.Size([4, 8])\nfc1.bias: torch.Size([4])\n"
    assert audit(modules + tensors).unmapped == ("the list of tensors",)
