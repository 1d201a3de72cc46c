from __future__ import annotations

from typing import Any

import numpy
import pytest
import sympy

from archcalc.errors import ShapeError
from archcalc.operators.window import (
    Rounding,
    has_padding,
    parse_padding,
    require_source,
    resolve_padding,
    slide,
)


@pytest.mark.parametrize(
    ("written", "axes", "stored"),
    [
        (1, 1, ((1, 1),)),
        (1, 2, ((1, 1), (1, 1))),
        ([3], 3, ((3, 3), (3, 3), (3, 3))),
        ([0, 1], 2, ((0, 0), (1, 1))),
        ([[0, 1]], 2, ((0, 1), (0, 1))),
        ([[0, 1]], 1, ((0, 1),)),
        ([[0, 1], [2, 3]], 2, ((0, 1), (2, 3))),
        ("valid", 2, "valid"),
        ("same", 2, "same"),
        ("same_upper", 2, "same_upper"),
        ("same_lower", 2, "same_lower"),
    ],
)
def test_padding_has_one_stored_form_which_parses_as_itself(
    written: Any, axes: int, stored: Any
) -> None:
    assert parse_padding(written, axes) == stored
    assert parse_padding(stored, axes) == stored


@pytest.mark.parametrize(
    ("written", "axes", "message"),
    [
        ("SAME", 2, "'SAME'"),
        (-1, 2, "at least 0, not -1"),
        (0.5, 2, "whole number, not 0.5"),
        ([1, 2, 3], 2, "list of 2"),
        ([], 2, "list of 2"),
        ([[0, 1], [0, 1], [0, 1]], 2, "a pair for each of 2 axes"),
        ([[0, 1, 2]], 2, r"\[\[before, after\]\]"),
        ([0, 1], 1, r"for unequal ends write \[\[0, 1\]\]"),
    ],
)
def test_padding_that_means_nothing_is_refused(written: Any, axes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_padding(written, axes)


@pytest.mark.parametrize(
    ("mode", "n", "k", "s", "d", "pads"),
    [
        ("valid", 224, 7, 2, 1, (0, 0)),
        # TensorFlow's SAME: o = ceil(n / s) takes (o - 1) s + d (k - 1) + 1 - n in all.
        ("same_upper", 224, 7, 2, 1, (2, 3)),
        ("same_lower", 224, 7, 2, 1, (3, 2)),
        ("same_upper", 225, 7, 2, 1, (3, 3)),
        ("same_upper", 4, 1, 2, 1, (0, 0)),
        ("same_upper", 10, 3, 1, 2, (2, 2)),
        ("same_upper", 9, 2, 2, 1, (0, 1)),
        # PyTorch's: d (k - 1) in all, whatever n.
        ("same", 10, 3, 1, 1, (1, 1)),
        ("same", 10, 4, 1, 1, (1, 2)),
        ("same", 3, 5, 1, 2, (4, 4)),
    ],
)
def test_modes_of_padding(mode: str, n: int, k: int, s: int, d: int, pads: tuple[int, int]) -> None:
    assert resolve_padding(mode, [n], [k], [s], [d]) == (pads,)


@pytest.mark.parametrize("mode", ["same_upper", "same_lower"])
@pytest.mark.parametrize("n", range(1, 12))
@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("s", [1, 2, 3])
def test_same_makes_the_output_the_input_over_the_stride_rounded_up(
    mode: str, n: int, k: int, s: int
) -> None:
    (pad,) = resolve_padding(mode, [n], [k], [s], [1])

    assert slide(n, k, s, 1, pad) == (n + s - 1) // s
    assert abs(pad[0] - pad[1]) <= 1


def test_same_of_pytorch_needs_stride_1() -> None:
    with pytest.raises(ShapeError, match="needs stride 1, as in PyTorch, not 2"):
        resolve_padding("same", [8], [3], [2], [1])


def test_symmetric_padding_gives_the_extent_of_same_from_another_centre() -> None:
    assert slide(224, 7, 2, 1, (3, 3)) == slide(224, 7, 2, 1, (2, 3)) == 112


FLOOR: tuple[Rounding, bool] = ("floor", True)
CEIL: tuple[Rounding, bool] = ("ceil", True)
UNCLIPPED: tuple[Rounding, bool] = ("ceil", False)


@pytest.mark.parametrize(
    ("n", "k", "s", "p", "how", "positions"),
    [
        (112, 3, 2, 0, FLOOR, 55),
        (112, 3, 2, 0, CEIL, 56),  # GoogLeNet's pool1
        (5, 2, 2, 1, FLOOR, 3),
        (5, 2, 2, 1, CEIL, 3),
        (5, 2, 2, 1, UNCLIPPED, 4),
        (9, 4, 4, 2, CEIL, 3),
        (9, 4, 4, 2, UNCLIPPED, 4),
        (2, 1, 2, 0, CEIL, 1),
        (2, 1, 2, 0, UNCLIPPED, 2),
        (1, 2, 2, 0, CEIL, 1),  # no window fits whole
        (227, 11, 4, 0, FLOOR, 55),  # AlexNet's conv1
        (3, 3, 1, 0, FLOOR, 1),
        (1, 3, 1, 1, FLOOR, 1),
    ],
)
def test_positions_of_a_window(
    n: int, k: int, s: int, p: int, how: tuple[Rounding, bool], positions: int
) -> None:
    rounding, clip = how

    assert slide(n, k, s, 1, (p, p), rounding, clip) == positions


def starts(n: int, window: int, s: int, before: int, after: int) -> tuple[list[int], int]:
    """Where windows start that fit into the padded input, and where the next one would."""
    fit = list(range(-before, n + after - window + 1, s))
    return fit, fit[-1] + s


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("s", [1, 2, 3, 5])
@pytest.mark.parametrize("d", [1, 2])
def test_positions_are_those_found_by_moving_the_window(k: int, s: int, d: int) -> None:
    window = d * (k - 1) + 1
    for n in range(1, 14):
        for p in range(window // 2 + 1):
            if n + 2 * p < window:
                continue
            fit, following = starts(n, window, s, p, p)
            # Rounding up adds the next window where elements are left over for it, padding
            # included, and it starts in the input or before.
            left_over = fit[-1] + window < n + p
            added = left_over and following < n

            assert slide(n, k, s, d, (p, p)) == len(fit)
            assert slide(n, k, s, d, (p, p), "ceil") == len(fit) + added
            assert slide(n, k, s, d, (p, p), "ceil", clip=False) == len(fit) + left_over


@pytest.mark.parametrize(
    ("d", "pad", "message"),
    [
        (1, (0, 0), r"kernel 5 is larger than its input 4$"),
        (2, (2, 1), r"kernel 5 dilated by 2 is larger than its input 4 padded by 2\+1$"),
    ],
)
def test_a_window_larger_than_its_input_is_refused(
    d: int, pad: tuple[int, int], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        slide(4, 5, 1, d, pad)


def test_rounding_up_needs_a_window_within_one_stride_of_its_input() -> None:
    assert slide(1, 3, 3, 1, (0, 0), "ceil") == 1
    with pytest.raises(ShapeError, match="kernel 3 is larger than its input 1"):
        slide(1, 3, 2, 1, (0, 0), "ceil")


def test_a_sweep_is_refused_where_one_point_is() -> None:
    sizes: Any = numpy.array([5, 2])
    with pytest.raises(ShapeError, match="kernel 3"):
        slide(sizes, 3, 1, 1, (0, 0))


@pytest.mark.parametrize("how", [FLOOR, CEIL, UNCLIPPED])
def test_arrays_and_symbols_give_the_numbers_of_ints(how: tuple[Rounding, bool]) -> None:
    rounding, clip = how
    sizes = [5, 9, 11, 112]
    n = sympy.Symbol("n", integer=True, positive=True)
    ints = [slide(size, 4, 3, 1, (2, 1), rounding, clip) for size in sizes]

    array: Any = numpy.array(sizes)
    swept: Any = slide(array, 4, 3, 1, (2, 1), rounding, clip)
    closed: Any = slide(n, 4, 3, 1, (2, 1), rounding, clip)

    assert swept.tolist() == ints
    assert [closed.subs(n, size) for size in sizes] == ints


@pytest.mark.parametrize(
    ("pads", "answer"),
    [
        (((0, 0), (0, 0)), False),
        (((0, 0), (0, 1)), True),
        (((numpy.array([0, 0]), 0),), False),
        (((numpy.array([0, 1]), 0),), True),
        (((sympy.Symbol("p"), 0),), True),
    ],
)
def test_padding_anywhere_is_padding(pads: Any, answer: bool) -> None:
    assert has_padding(pads) is answer


@pytest.mark.parametrize(
    ("mode", "n", "most"),
    # A mirror leaves out the element at the end; a circle has every element once.
    [("reflect", 4, 3), ("circular", 4, 4)],
)
def test_padding_takes_no_more_of_the_input_than_there_is(mode: str, n: int, most: int) -> None:
    require_source(mode, n, (most, most))
    for pad in [(most + 1, 0), (0, most + 1)]:
        with pytest.raises(ShapeError, match=f"can't pad {n} elements by {most + 1}"):
            require_source(mode, n, pad)


@pytest.mark.parametrize("mode", ["zeros", "constant", "replicate"])
def test_padding_that_takes_one_element_or_none_has_no_limit(mode: str) -> None:
    require_source(mode, 1, (9, 9))


@pytest.mark.parametrize("rounding", ["ceil", "caffe"])
def test_rounded_up_a_window_may_overhang_by_less_than_a_stride(rounding: Rounding) -> None:
    # PyTorch: ceil((n - k) / s) + 1, which is 1 for n = 2, k = 3, s = 2 and 0 for k = 4.
    assert slide(2, 3, 2, 1, (0, 0), rounding) == 1
    with pytest.raises(ShapeError, match="kernel 4 is larger than its input 2"):
        slide(2, 4, 2, 1, (0, 0), rounding)
    with pytest.raises(ShapeError, match="kernel 3 is larger than its input 2"):
        slide(2, 3, 2, 1, (0, 0), "floor")
