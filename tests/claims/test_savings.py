"""What is saved, with numbers worked by hand from the definitions and taken from publications."""

from __future__ import annotations

from fractions import Fraction

import pytest

import archcalc
from archcalc.claims.savings import Change, Savings, examples, savings


def change(found: Savings, name: str) -> Change:
    return next(each for each in found.changes if each.name == name)


def test_the_lectures_reduction_is_a_bottleneck() -> None:
    # 192 channels, 12 times fewer are 16: the slides' 2,408,448 + 10,035,200 for 120,422,400.
    found = savings("specs/examples/conv1x1.yaml", "bottleneck:12")
    direct = change(found, "direct")

    assert [row.macs for row in direct.after] == [2_408_448, 10_035_200]
    assert (direct.before.macs, direct.macs) == (120_422_400, 12_443_648)
    assert direct.kept is True
    assert change(found, "reduce").reason == "is 1x1"


@pytest.mark.parametrize(
    ("name", "out", "kernel"), [("conv1.0.conv", 64, 3), ("conv3.1.conv", 256, 3)]
)
def test_a_separable_convolution_saves_what_the_paper_says(
    name: str, out: int, kernel: int
) -> None:
    # arXiv:1704.04861, section 3.1: 1/N + 1/D_K^2 of the work.
    found = change(savings("vgg16", "separable"), name)

    assert Fraction(found.macs, found.before.macs) == Fraction(1, out) + Fraction(1, kernel**2)


def test_vgg16_has_nothing_to_be_stacked() -> None:
    found = savings("vgg16", "stack3x3")

    assert {each.reason for each in found.changes} == {"is 3x3"}
    assert (found.before.params, found.before.macs) == (found.after.params, found.after.macs)
    assert found.after.params == 138_357_544


def test_a_stack_saves_where_the_channels_stay_as_many() -> None:
    # arXiv:1409.1556, section 2.3: 27 C^2 weights for 49 C^2.
    spec = archcalc.load(
        {
            "name": "net",
            "input": [8, 32, 32],
            "layers": {
                "conv": {
                    "op": "Conv2d",
                    "out_channels": 8,
                    "kernel_size": 7,
                    "padding": 3,
                    "bias": False,
                }
            },
        }
    )
    found = savings(spec, "stack3x3")

    assert (found.before.params, found.after.params) == (49 * 64, 27 * 64)
    assert (found.before.macs, found.after.macs) == (49 * 64 * 1024, 27 * 64 * 1024)


def test_alexnets_large_kernels_cost_more_as_stacks() -> None:
    found = savings("alexnet", "stack3x3")
    conv1, conv2 = change(found, "conv1"), change(found, "conv2")

    # 3x3 of 3 -> 96 once and of 96 -> 96 four times, 96 biases each.
    assert conv1.params == (27 * 96 + 96) + 4 * (9 * 96 * 96 + 96)
    # 227 loses two at every 3x3; the stride of 4 at the end leaves (219 - 3) / 4 + 1 = 55.
    sides = (225, 223, 221, 219)
    assert conv1.macs == 225**2 * 27 * 96 + sum(side**2 * 9 * 96 * 96 for side in (*sides[1:], 55))
    assert [row.shape[2] for row in conv1.after] == [225, 223, 221, 219, 55]
    # 5x5 with padding 2 on 27x27: 96 -> 256 and 256 -> 256, padding 1 each.
    assert conv2.params == (9 * 96 * 256 + 256) + (9 * 256 * 256 + 256)
    assert conv2.macs == 27**2 * (9 * 96 * 256 + 9 * 256 * 256)
    assert (conv1.seen, conv1.seen_after, conv1.kept) == ((11, 11), (11, 11), True)


@pytest.mark.parametrize(
    ("convention", "bias", "conv", "separable", "relu"),
    [
        # At 10x10, 5x5 of 4 -> 6: 600 outputs of 25 * 4 terms. Then 400 of 25 terms, and 600 of 4.
        ("macs", True, 600 * 100, 400 * 25 + 600 * 4, 0),
        ("2xmacs", True, 2 * 600 * 100, 2 * (400 * 25 + 600 * 4), 0),
        ("2xMACs", True, 2 * 600 * 100, 2 * (400 * 25 + 600 * 4), 0),
        # A bias is added once to every output, and a ReLU compares each once.
        ("all", True, 600 * (200 + 1), 400 * (50 + 1) + 600 * (8 + 1), 600),
        ("textbook", False, 600 * (200 - 1), 400 * (50 - 1) + 600 * (8 - 1), 0),
        # Weights and biases at each of 100 positions.
        ("torchinfo", True, 100 * (600 + 6), 100 * (100 + 4) + 100 * (24 + 6), 0),
    ],
)
def test_work_is_counted_under_the_convention(
    convention: str, bias: bool, conv: int, separable: int, relu: int
) -> None:
    layer = {"op": "Conv2d", "out_channels": 6, "kernel_size": 5, "padding": 2, "bias": bias}
    spec = archcalc.load(
        {"name": "net", "input": [4, 10, 10], "layers": {"conv": layer, "relu": "ReLU"}}
    )
    found = archcalc.savings(spec, "separable", convention=convention)
    (changed,) = found.changes

    assert (changed.number, changed.number_after) == (conv, separable)
    assert (found.number, found.number_after) == (conv + relu, separable + relu)
    assert (changed.before.macs, changed.macs) == (60_000, 12_400)


def test_an_unknown_convention_is_refused_with_a_near_miss() -> None:
    with pytest.raises(archcalc.ArchcalcError, match="did you mean 'fvcore'"):
        savings("lenet5", "separable", convention="fvcor")


def test_groups_divide_the_work() -> None:
    found = change(savings("vgg16", "groups:8"), "conv2.0.conv")

    assert found.before.macs == 8 * found.macs
    assert found.params == 9 * 64 * 128 // 8 + 128


def test_a_rank_costs_a_column_and_a_row_of_it() -> None:
    # 3x1 of 128 -> 64 and 1x3 of 64 -> 128 at 112x112.
    found = change(savings("vgg16", "lowrank:64"), "conv2.1.conv")

    assert found.macs == 112**2 * (3 * 128 * 64 + 3 * 64 * 128)
    assert found.params == 3 * 128 * 64 + 64 + 3 * 64 * 128 + 128


@pytest.mark.parametrize("how", ["bottleneck:2", "separable", "stack3x3", "groups:2", "lowrank:4"])
def test_receptive_fields_are_kept(how: str) -> None:
    assert savings("googlenet", how).kept is True


def test_padding_that_depends_on_the_input_keeps_the_receptive_field() -> None:
    # Of 6 pixels at stride 2 a 5x5 has (3 - 1) * 2 + 5 - 6 = 3 of SAME padding: 1 before, 2 after.
    # A stack has 1 and 1 before its first 3x3, 0 and 1 at its last.
    layer = {"op": "Conv2d", "out_channels": 4, "kernel_size": 5, "stride": 2}
    spec = archcalc.load(
        {"name": "net", "input": [4, 6, 6], "layers": {"a": {**layer, "padding": "same_upper"}}}
    )
    (stacked,) = savings(spec, "stack3x3").changes

    assert stacked.kept is True
    assert [row.shape[2] for row in stacked.after] == [6, 3]


def test_the_columns_add_up_to_the_totals() -> None:
    found = savings("googlenet", "bottleneck:4")
    saved = sum(each.before.params - each.params for each in found.changes)

    assert found.before.params - found.after.params == saved
    assert found.before.macs - found.after.macs == sum(
        each.before.macs - each.macs for each in found.changes
    )


def test_the_examples_are_the_lectures() -> None:
    shown = {each.network: [amount.value for amount in each.amounts[:2]] for each in examples()}

    assert shown == {
        "conv1x1": [120_422_400, 12_443_648],
        # 28^2 * 256 * (128 + 9 * 192 + 25 * 96), and the slides' products with 64 for 264.
        "inception": [854_196_224, 784 * (256 * (3 * 64 + 128) + 64 * (9 * 192 + 25 * 96))],
        "stacks-5x5": [25, 18],
        "stacks-7x7": [49, 27],
        "stacks-11x11": [121, 45],
    }


def test_the_truth_about_353_million() -> None:
    inception = next(each for each in examples() if each.network == "inception")
    reduced, five, as_printed, twice = (amount.value for amount in inception.amounts[1:])

    assert reduced == 271_351_808
    assert five == 784 * 96 * 25 * 264
    assert as_printed == reduced + 784 * 96 * 25 * 200
    assert twice == reduced + 784 * 192 * 9 * 64
    assert not any(round(value / 10**6) == 353 for value in (reduced, five, as_printed, twice))
    assert all(f"{round(value / 10**6)}M" in inception.remark for value in (reduced, twice))


def test_every_claim_of_the_examples_holds_or_is_a_known_mistake() -> None:
    findings = [finding for each in examples() for finding in each.findings]

    assert {finding.verdict for finding in findings} == {"exact", "rounds", "erratum"}
    assert {id for finding in findings for id in finding.ids if finding.verdict == "erratum"} == {
        "C155",
        "C156",
    }
