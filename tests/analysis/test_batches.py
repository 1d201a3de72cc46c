"""The largest batch that fits."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archcalc import ArchcalcError, largest_batch, load, memory
from archcalc.analysis.batches import _changes, boundary
from archcalc.analysis.training import Training
from archcalc.spec.question import Question

CONV = {"op": "Conv1d", "out_channels": 2, "kernel_size": 1}
SPEC = load(
    {
        "name": "net",
        "input": [2, 4],
        "blocks": {"pair": {"layers": {"conv": CONV, "relu": "ReLU"}}},
        "layers": {"block": {"block": "pair", "repeat": 3}},
    }
)


def test_inference_by_hand() -> None:
    """3 x 6 weights of 4 bytes; at the peak two tensors of 8 numbers for each input."""
    found = largest_batch(SPEC, 72 + 10 * 64 + 63)

    assert found.batch == 10
    assert found.memory is not None
    assert (found.memory.most, found.beyond.most, found.missing) == (72 + 640, 72 + 704, 1)
    # 36 bytes of weights and 32 an input in 16 bits; 18 and 16 in 8.
    assert found.changes == {"--dtype bfloat16": 739 // 32, "--dtype int8": 757 // 16}


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1_000, 200_000),
    st.sampled_from(["sgd", "adam"]),
    st.sampled_from([None, "blocks", 2]),
    st.sampled_from([1, 3]),
)
def test_one_more_does_not_fit(budget: int, optimizer: str, parts: Any, micro: int) -> None:
    how: dict[str, Any] = {"optimizer": optimizer, "checkpoint": parts, "micro_batches": micro}
    found = largest_batch(SPEC, budget, training=True, **how)

    if found.batch:
        assert memory(SPEC, training=True, batch=found.batch, **how).most <= budget
    assert memory(SPEC, training=True, batch=found.batch + micro, **how).most > budget
    assert found.batch % micro == 0
    for batch in found.changes.values():
        assert batch > found.batch


def test_where_nothing_fits_that_is_said() -> None:
    found = largest_batch(SPEC, 100)

    assert (found.batch, found.memory, found.missing) == (0, None, 72 + 64 - 100)


def test_a_memory_without_end_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="more than 16,777,216"):
        largest_batch(SPEC, 10**15)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300), st.integers(-(10**7), 10**7))
@example([0] * 149 + [10**6] + [0] * 150, -1)  # a line through both ends points nowhere near
def test_a_boundary_is_where_a_number_that_never_falls_is_not_negative(
    steps: list[int], begin: int
) -> None:
    values = list(accumulate(steps, initial=begin))
    by_hand = next((k for k, value in enumerate(values, 1) if value >= 0), None)
    asked: list[int] = []

    def over(number: int) -> int:
        asked.append(number)
        return values[number - 1]

    assert boundary(over, len(values)) == by_hand
    assert len(asked) == len(set(asked))
    assert len(asked) <= 2 + 3 * len(values).bit_length()


@given(st.integers(-(10**12), -1), st.integers(1, 10**9))
def test_where_it_grows_by_as_much_each_time_five_looks_are_enough(begin: int, step: int) -> None:
    asked: list[int] = []

    def over(number: int) -> int:
        asked.append(number)
        return begin + step * number

    assert boundary(over, 2**50) == max(1, -(begin // step))
    assert len(asked) <= 5


@pytest.mark.parametrize(
    ("optimizer", "offered"), [("adam", True), ("sgd", False), ("adafactor", False)]
)
def test_a_leaner_optimizer_is_offered_where_there_is_one(optimizer: str, offered: bool) -> None:
    # Adam keeps two numbers a parameter, plain SGD none, which no optimizer undercuts.
    found = [words for words, *_ in _changes(Question(), Training(optimizer=optimizer))]
    assert ("--optimizer adafactor" in found) is offered


def test_what_is_offered_is_what_its_words_say() -> None:
    offered = {words: (question, how) for words, question, how in _changes(Question(), ALL)}
    for words, (question, how) in offered.items():
        assert how is not None
        said = dict(zip(words.split()[::2], words.split()[1::2], strict=True))
        there = {
            "--dtype": question.formats.dtype,
            "--checkpoint": how.checkpoint,
            "--micro-batches": how.micro_batches,
            "--optimizer": how.optimizer,
            "--zero": how.zero,
            "--devices": how.devices,
        }
        assert {name: str(there[name]) for name in said} == said
    assert {words.split()[0] for words in offered} >= {"--dtype", "--checkpoint", "--micro-batches"}
    assert "--zero 3 --devices 8" in offered


ALL = Training(optimizer="adam")
