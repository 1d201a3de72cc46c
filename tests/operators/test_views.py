"""Axes that come and go, copies, windows, and elements picked by numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import operator
from archcalc.operators.base import Work
from archcalc.pytorch import module


@pytest.mark.parametrize(
    ("name", "fields", "inputs", "output"),
    [
        ("Unsqueeze", {"dim": 1}, [(2, 8)], (2, 1, 8)),
        ("Unsqueeze", {"dim": -1}, [(2, 8)], (2, 8, 1)),
        ("Squeeze", {"dim": -1}, [(2, 8, 1)], (2, 8)),
        ("Squeeze", {"dim": [1, 3]}, [(2, 1, 8, 1)], (2, 8)),
        ("Transpose", {"dim0": 1, "dim1": -1}, [(2, 3, 4, 5)], (2, 5, 4, 3)),
        ("Expand", {"shape": [7, -1]}, [(2, 1, 8)], (2, 7, 8)),
        ("Expand", {"shape": [7, 8]}, [(2, 8)], (2, 7, 8)),
        (
            "Rearrange",
            {"pattern": "b (h d) n -> b h n d", "sizes": {"h": 4}},
            [(2, 64, 10)],
            (2, 4, 10, 16),
        ),
        (
            "Rearrange",
            {"pattern": "b c (h p) (w q) -> b (h w) (p q c)", "sizes": {"p": 2, "q": 3}},
            [(2, 5, 8, 9)],
            (2, 12, 30),
        ),
        ("Rearrange", {"pattern": "b c -> b c 1 1"}, [(2, 8)], (2, 8, 1, 1)),
        ("Rearrange", {"pattern": "b c 1 1 -> b c"}, [(2, 8, 1, 1)], (2, 8)),
        ("Rearrange", {"pattern": "b c ... -> b ... c"}, [(2, 8, 5, 7)], (2, 5, 7, 8)),
        ("Rearrange", {"pattern": "b c ... -> b (c ...)"}, [(2, 8, 5, 7)], (2, 280)),
        ("Rearrange", {"pattern": "b ... c -> b c ..."}, [(2, 8)], (2, 8)),
        ("Flip", {"dims": [1, 2]}, [(2, 3, 4)], (2, 3, 4)),
        ("Repeat", {"repeats": [3, 2]}, [(2, 4, 5)], (2, 12, 10)),
        ("Repeat", {"repeats": [3, 1]}, [(2, 5)], (2, 3, 5)),
        ("RepeatInterleave", {"repeats": 4}, [(2, 8, 5)], (2, 32, 5)),
        # Windows of 3x3 at every position of 10x7, with a border of 1.
        ("Unfold", {"kernel_size": 3, "padding": 1}, [(2, 8, 10, 7)], (2, 72, 70)),
        ("Unfold", {"kernel_size": 2, "stride": 2}, [(2, 3, 8, 6)], (2, 12, 12)),
        (
            "Fold",
            {"output_size": [8, 6], "kernel_size": 2, "stride": 2},
            [(2, 12, 12)],
            (2, 3, 8, 6),
        ),
        ("Chunk", {"chunks": 3, "index": 0}, [(2, 8, 5)], (2, 3, 5)),
        ("Chunk", {"chunks": 3, "index": 2}, [(2, 8, 5)], (2, 2, 5)),
        ("Select", {"index": 0}, [(2, 8, 5)], (2, 5)),
        ("Select", {"index": -1, "dim": -1}, [(2, 8, 5)], (2, 8)),
        ("Gather", {"dim": 1}, [(2, 6, 5), (2, 3, 5)], (2, 3, 5)),
        ("Index", {}, [(2, 20, 16), (2, 5)], (2, 5, 16)),
        ("Index", {}, [(2, 20, 16), (2,)], (2, 16)),
        ("Index", {"dim": 2}, [(2, 8, 20), (2, 3, 4)], (2, 8, 3, 4)),
        ("OneHot", {"num_classes": 10}, [(2, 7)], (2, 7, 10)),
    ],
)
def test_output_shape(
    name: str, fields: dict[str, Any], inputs: list[Shape], output: Shape
) -> None:
    op = operator(name)(**fields)

    assert op.infer(*inputs) == output
    # Putting 12 windows of 12 elements back for 2 samples adds each; all others move elements.
    adds = 288 if name == "Fold" else 0
    assert op.work(output, *inputs) == Work(adds=adds)


@pytest.mark.parametrize(
    ("name", "fields", "inputs", "message"),
    [
        ("Unsqueeze", {"dim": 0}, [(2, 8)], "dim=0 is the batch"),
        ("Squeeze", {"dim": 1}, [(2, 8)], "axis 1 of .* has 8 elements, not 1"),
        ("Transpose", {"dim0": 0, "dim1": 1}, [(2, 8)], "dim=0 is the batch"),
        ("Expand", {"shape": [7]}, [(2, 1, 8)], "fewer axes"),
        ("Expand", {"shape": [-1, 8]}, [(2, 8)], "no extent to keep"),
        ("Expand", {"shape": [7, 8]}, [(2, 3, 8)], "does not stretch .* 3 and 7"),
        ("Rearrange", {"pattern": "b c n -> b n c"}, [(2, 8)], "takes 3 axes"),
        ("Rearrange", {"pattern": "b (h d) -> b h d"}, [(2, 8)], "all but one of"),
        (
            "Rearrange",
            {"pattern": "b (h d) -> b h d", "sizes": {"h": 3}},
            [(2, 8)],
            "of 3 do not make up 8",
        ),
        ("Rearrange", {"pattern": "b c 1 -> b c"}, [(2, 8, 3)], "do not make up 3"),
        ("Rearrange", {"pattern": "b c h ... -> b h c ..."}, [(2, 8)], "takes 4 axes"),
        ("Rearrange", {"pattern": "b c -> b c", "sizes": {"h": 3}}, [(2, 8)], "no axis 'h'"),
        ("Repeat", {"repeats": [3]}, [(2, 4, 5)], "fewer axes"),
        ("Fold", {"output_size": 8, "kernel_size": 3}, [(2, 12, 36)], "does not divide 12"),
        ("Fold", {"output_size": 8, "kernel_size": 2}, [(2, 12, 36)], "has 49 windows, not 36"),
        ("Chunk", {"chunks": 3, "index": 3}, [(2, 8, 5)], "index=3 is none"),
        ("Select", {"index": 8}, [(2, 8, 5)], "index 8 is beyond"),
        ("Gather", {"dim": 1}, [(2, 6, 5), (2, 3)], "do not fit"),
        ("Gather", {"dim": 1}, [(2, 6, 5), (2, 3, 6)], "are longer than"),
        ("Index", {}, [(2, 6), (3, 1)], "batches differ"),
    ],
)
def test_refuses(name: str, fields: dict[str, Any], inputs: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        operator(name)(**fields).infer(*inputs)


@pytest.mark.parametrize(
    "pattern",
    [
        "b c",
        "b c -> c b",
        "b c -> b",
        "b c c -> b c",
        "(b c) -> b c",
        "b (c -> b c",
        "b c) -> b c",
        "b ((c d)) -> b c d",
        "... c -> ... c",
        "b (c ...) -> b c ...",
        "b ... -> b",
        "b ... ... -> b ...",
        "b .. -> b ..",
    ],
)
def test_a_pattern_that_can_not_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        operator("Rearrange").model_validate({"pattern": pattern})


@pytest.mark.parametrize(
    ("name", "fields", "inputs", "output"),
    [
        (
            "Rearrange",
            {"pattern": "b (h d) -> b d h", "sizes": {"h": 2}},
            [[[1, 2, 3, 4, 5, 6]]],
            [[[1, 4], [2, 5], [3, 6]]],
        ),
        (
            "Rearrange",
            {"pattern": "b h d -> b (d h)"},
            [[[[1, 2, 3], [4, 5, 6]]]],
            [[1, 4, 2, 5, 3, 6]],
        ),
        ("Flip", {"dims": 1}, [[[1, 2, 3]]], [[3, 2, 1]]),
        ("Repeat", {"repeats": [2]}, [[[1, 2]]], [[1, 2, 1, 2]]),
        ("RepeatInterleave", {"repeats": 2}, [[[1, 2]]], [[1, 1, 2, 2]]),
        ("Chunk", {"chunks": 2, "index": 1}, [[[1, 2, 3]]], [[3]]),
        ("Select", {"index": 1}, [[[1, 2], [3, 4]]], [2, 4]),
        # Each sample picks by its own numbers.
        ("Index", {}, [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[1], [0]]], [[[3, 4]], [[5, 6]]]),
        ("Index", {}, [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [1, 0]], [[3, 4], [5, 6]]),
        ("Index", {"dim": 2}, [[[[1, 2], [3, 4]]], [[1, 1, 0]]], [[[2, 2, 1], [4, 4, 3]]]),
        ("Gather", {}, [[[1, 2, 3]], [[2, 0]]], [[3, 1]]),
        ("OneHot", {"num_classes": 3}, [[[0, 2]]], [[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]),
    ],
)
def test_what_is_moved_where(
    name: str, fields: dict[str, Any], inputs: list[Any], output: list[Any]
) -> None:
    tensors = [torch.tensor(x) for x in inputs]
    made = module(operator(name)(**fields), *(tuple(x.shape) for x in tensors))

    assert made(*tensors).tolist() == output
