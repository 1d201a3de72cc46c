"""Inputs that a network does not take."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc import Problem, Spec, SpecError
from archcalc.spec.refusal import misread, nearest


def conv(**rest: Any) -> dict[str, Any]:
    return {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, **rest}


def net(*requires: dict[str, Any], **rest: Any) -> Spec:
    # A convolution to half the side, and one of 3x3: the side is 5 at least.
    layers = {"half": conv(stride=2, padding=1), "conv": conv()}
    spec = {"name": "net", "input": [3, 32, 32], "layers": layers, "requires": list(requires)}
    return archcalc.load({**spec, **rest})


def refusal(spec: Spec, **given: Any) -> Problem:
    with pytest.raises(SpecError) as refused:
        archcalc.analyze(spec, **given)
    (problem,) = refused.value.problems
    assert str(refused.value) == str(problem)
    return problem


def test_an_input_that_does_not_fit_is_refused_and_the_spec_is_not_blamed() -> None:
    problem = refusal(net(), input=[3, 2, 2])

    assert str(problem).splitlines() == [
        "net",
        "  takes no input 3x2x2",
        "  conv: kernel 3 is larger than its input 1",
        "  the nearest that fits is 3x5x5",
    ]


def test_one_number_is_refused_as_the_shape_that_it_is() -> None:
    spec = net(vars={"k": 3}, input=["=k", 32, 32])

    assert refusal(spec, input=2) == refusal(spec, input=["=k", 2, 2])
    assert refusal(spec, input=2).message == "takes no input 3x2x2"


def test_a_spec_that_does_not_fit_its_own_input_is_blamed() -> None:
    spec = net(layers={"conv": conv(kernel_size="=k")}, vars={"k": 3})

    problem = refusal(spec, input=[3, 16, 16], k=40)

    assert problem.path == ("layers", "conv")
    assert problem.message == "kernel 40 is larger than its input 16"


def test_axes_of_different_extents_are_moved_one_by_one() -> None:
    problem = refusal(net(), input=[3, 4, 20])

    assert problem.hint.endswith("the nearest that fits is 3x5x20")


def test_nothing_near_that_fits_is_the_networks_own() -> None:
    # No side is enough where the channels can't be shared out to the groups.
    spec = net(layers={"conv": conv(out_channels=6, groups=3)})

    problem = refusal(spec, input=[4, 16, 16])

    assert problem.hint.endswith("its own is 3x32x32")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ([32, 32, 3], "channels come first: write 3x32x32"),
        ([40, 20, 3], "channels come first: write 3x40x20"),
        ([1, 3, 40, 20], "the batch is left out: write 3x40x20"),
        ([40, 20], "channels come first: write 3x40x20"),
        ([3, 8, 32, 32], "its own is 3x32x32, without the batch"),
        ([3, 32], "its own is 3x32x32, without the batch"),
    ],
)
def test_axes_in_another_order_are_told_the_order(given: list[int], hint: str) -> None:
    assert hint in refusal(net(), input=given).hint.splitlines()[-2:]


def test_channels_last_would_fit_and_be_another_network() -> None:
    one = net(layers={"conv": conv(padding=1)})

    assert "channels come first" in refusal(one, input=[32, 32, 3]).hint
    assert archcalc.analyze(one, input=[6, 32, 32]).params == 6 * 4 * 9 + 4
    assert archcalc.analyze(one, input=[3, 32, 3]).params == 3 * 4 * 9 + 4


def test_a_batch_of_features_is_not_taken_for_an_axis_of_them() -> None:
    layers = {"fc": {"op": "Linear", "out_features": 2}}
    tokens = archcalc.load({"name": "tokens", "input": [7, 5], "layers": layers})
    features = archcalc.load({"name": "features", "input": [5], "layers": layers})

    assert "the batch is left out: write 7x5" in refusal(tokens, input=[2, 7, 5]).hint
    assert archcalc.analyze(features, input=[7, 5]).macs == 7 * 5 * 2


def test_a_text_is_of_one_axis_and_a_sound_begins_with_its_channels() -> None:
    looked_up = {"op": "Embedding", "num_embeddings": 9, "embedding_dim": 2}
    text = archcalc.load({"name": "text", "input": [8], "layers": {"look": looked_up}})
    sound = {"op": "Conv1d", "out_channels": 4, "kernel_size": 3}
    heard = archcalc.load({"name": "sound", "input": [5, 40], "layers": {"conv": sound}})

    assert "the batch is left out: write 7" in refusal(text, input=[1, 7]).hint
    assert "has one axis: write 7" in refusal(text, input=[7, 1]).hint
    assert "channels come first: write 5x40" in refusal(heard, input=[40, 5]).hint
    assert archcalc.analyze(heard, input=[6, 5]).params == 6 * 4 * 3 + 4


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"by": [22]}, "by=22: the nearest that fits is by=20"),
        ({"by": [200]}, "by=200: its own are a=3x8x8, b=3x8x8, by=20, scalar"),
        ({"a": [3, 9, 9], "b": [3, 8, 7]}, "a=3x9x9, b=3x8x7: its own are a=3x8x8, b=3x8x8, by=20"),
        ({"b": [3, 8, 7]}, "b=3x8x7: it fits with a=3x8x7"),
    ],
)
def test_several_inputs_are_told_by_name(given: dict[str, list[int]], told: str) -> None:
    spec = archcalc.load(
        {
            "name": "several",
            "input": {"a": [3, 8, 8], "b": [3, 8, 8], "by": [20], "scalar": []},
            "layers": {
                "add": {"op": "Add", "from": ["a", "b"]},
                "weight": {"op": "Parameter", "shape": [20]},
                "one": {"op": "Add", "from": ["weight", "by"]},
                "two": {"op": "ReLU", "from": "scalar"},
            },
            "outputs": ["add", "one", "two"],
        }
    )

    problem = refusal(spec, input=given)

    said = f"{problem.message}: {problem.hint.splitlines()[-1]}"
    assert said.startswith(f"takes no input {told}")


def test_the_nearest_are_looked_for_as_far_as_allowed() -> None:
    def even(axes: Any) -> bool:
        return all(n % 10 == 0 for n in axes[1:])

    assert nearest([1, 13, 13], (1, 20, 20), even, 10) == [(1, 10, 10), (1, 20, 20)]
    assert nearest([1, 13, 13], (1, 20, 20), even, 3) == [(1, 10, 10)]
    assert nearest([1, 13, 13], (1, 20, 20), even, 2) == []
    assert nearest([1, 13, 38], (1, 20, 20), even, 10) == [(1, 10, 40)]


def test_what_is_refused_is_so_after_many_other_shapes() -> None:
    spec = net(EVEN, layers={"conv": conv(padding=1)})
    for side in range(20, 60, 2):
        assert archcalc.analyze(spec, input=[3, side, side]).macs == 3 * 4 * 9 * side**2

    assert "channels come first" in refusal(spec, input=[32, 32, 3]).hint
    assert "rows come in pairs" in refusal(spec, input=[3, 33, 32]).hint


# What is required ---------------------------------------------------------------------------------

EVEN = {"that": "=height(input) % 2 == 0", "reason": "rows come in pairs"}


def test_what_is_required_of_an_input_is_told_in_words() -> None:
    assert archcalc.analyze(net(EVEN), input=[3, 30, 31]).params
    assert str(refusal(net(EVEN), input=[3, 31, 31])).splitlines() == [
        "net",
        "  takes no input 3x31x31",
        "  rows come in pairs",
        "  the nearest that fit are 3x30x30 and 3x32x32",
    ]


def test_a_layer_may_be_asked_for() -> None:
    spec = net({"that": "=width(half) >= 10", "reason": "it needs a map of ten columns"})

    assert archcalc.analyze(spec, input=[3, 32, 19]).params  # (19 + 2 - 3) // 2 + 1 = 10
    assert refusal(spec, input=[3, 32, 18]).hint.startswith("it needs a map of ten columns\n")


def test_what_is_required_of_variables_is_told_at_its_place() -> None:
    spec = net({"that": "=n > 1", "reason": "one is too few"}, vars={"n": 2})

    problem = refusal(spec, n=1)

    assert (problem.message, problem.path) == ("one is too few", ("requires", "0"))
    assert problem.hint == "n > 1 is required"


def test_what_is_required_in_training_is_no_matter_else() -> None:
    spec = net({**EVEN, "training": True})

    assert archcalc.analyze(spec, input=[3, 31, 31]).params
    with pytest.raises(SpecError) as refused:
        archcalc.analyze(spec, input=[3, 31, 31], training=True)
    assert str(refused.value).splitlines() == [
        "net",
        "  takes no input 3x31x31 in training",
        "  rows come in pairs",
    ]
    assert archcalc.analyze(spec, input=[3, 30, 31], training=True).params


@pytest.mark.parametrize(
    ("that", "message"),
    [
        ("=height(inputs) > 1", "no layer 'inputs'"),
        ("=depth > 1", "unknown name 'depth' in '=depth > 1'"),
        ("=height(", "can't be understood ('(' was never closed): height("),
    ],
)
def test_names_in_what_is_required_are_checked(that: str, message: str) -> None:
    with pytest.raises(SpecError) as wrong:
        net({"that": that, "reason": "so"})

    assert [problem.message for problem in wrong.value.problems] == [message]


def test_what_is_required_is_true_or_false() -> None:
    with pytest.raises(SpecError) as wrong:
        archcalc.analyze(net({"that": "=height(input)", "reason": "so"}))

    assert "should be true or false, not 32" in str(wrong.value)


def test_a_sweep_leaves_out_what_is_refused() -> None:
    found = archcalc.sweep(net(EVEN), side=[30, 31, 32])

    assert found.columns["side"].tolist() == [30, 32]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([1, 3, 8, 8], "the batch is not written: if the 1 is meant so, write [3, 8, 8]"),
        ([2, 3, 8, 8], ""),  # a volume
        ([1, 8, 8], ""),  # a picture of one channel
        *(([5, 5, n], f"channels come first: if {n} is their number") for n in (1, 3, 4)),
        ([5, 5, 2], ""),
        ([5, 5, 5], ""),
        ([4, 4, 3], ""),  # as small as channels are
        ([6, 5, 3], ""),  # no square
        ([5, 5], ""),
        (["=side", 8, 8, 8], ""),
    ],
)
def test_a_spec_s_own_input_may_be_written_as_elsewhere(own: list[Any], said: str) -> None:
    found = misread((1, *own))

    assert found.startswith(said)
    assert bool(found) is bool(said)
