"""The U-Net of Stable Diffusion 1.5, worked level by level."""

from __future__ import annotations

import archcalc

TEXT, TIME = 768, 1280


def resnet(before: int, after: int) -> int:
    convs = 9 * before * after + after + 9 * after * after + after
    shortcut = before * after + after if before != after else 0
    return 2 * before + convs + TIME * after + after + 2 * after + shortcut


def transformer(d: int) -> int:
    own, other = 4 * d * d + d, 2 * d * d + 2 * TEXT * d + d
    mlp = d * 8 * d + 8 * d + 4 * d * d + d
    return 2 * d + 2 * (d * d + d) + 3 * 2 * d + own + other + mlp


def test_params_worked_level_by_level() -> None:
    found = archcalc.analyze(archcalc.load("sd15_unet"))
    w = (320, 640, 1280, 1280)
    time = 320 * TIME + TIME + TIME * TIME + TIME
    conv = 9 * 4 * 320 + 320
    down = before = 0
    before = 320
    lefts = [320]
    for level, d in enumerate(w):
        for _ in range(2):
            down += resnet(before, d) + (transformer(d) if level < 3 else 0)
            before = d
            lefts.append(d)
        if level < 3:
            down += 9 * d * d + d
            lefts.append(d)
    middle = 2 * resnet(1280, 1280) + transformer(1280)
    up = 0
    for level, d in reversed([*enumerate(w)]):
        for _ in range(3):
            up += resnet(before + lefts.pop(), d) + (transformer(d) if level < 3 else 0)
            before = d
        up += 9 * d * d + d if level else 0
    last = 2 * 320 + 9 * 320 * 4 + 4
    assert found.params == time + conv + down + middle + up + last == 859_520_964


def test_the_text_is_looked_at_by_all_but_the_deepest_level() -> None:
    found = archcalc.analyze(archcalc.load("sd15_unet"))
    asked = [row.name for row in found.rows if row.name.endswith("attn2.sdpa")]
    assert len(asked) == 3 * 2 + 1 + 3 * 3
    assert found.row("down0.a.transformer.attn2.sdpa").macs == 2 * 4096 * 77 * 320


def test_latents_of_odd_extents_come_back_to_them() -> None:
    # 63 is halved to 32, 16, 8, and comes back over the extents that are on the left.
    found = archcalc.analyze("sd15_unet", input={"latent": [4, 63, 63]})

    assert [found.row(f"up{k}.larger").shape[2] for k in range(3)] == [16, 32, 63]
    assert found.row("conv_out").shape == (1, 4, 63, 63)
    assert found.params == 859_520_964
