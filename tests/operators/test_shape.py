from __future__ import annotations

from typing import Any

import numpy
import pytest
import sympy
from pydantic import ValidationError

from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators import FAMILIES, operator
from archcalc.operators.base import Operator, Work
from archcalc.operators.padding import Crop, Pad
from archcalc.operators.resampling import ChannelShuffle, PixelShuffle, PixelUnshuffle, Upsample
from archcalc.operators.shape import Flatten, Permute, Reshape
from archcalc.operators.slicing import Select, Slice, Split


@pytest.mark.parametrize(
    ("op", "x", "output"),
    [
        (Flatten(), (2, 256, 6, 6), (2, 9216)),
        (Flatten(), (2, 256), (2, 256)),
        (Flatten(start_dim=0), (2, 3, 4), (24,)),
        (Flatten(start_dim=-3, end_dim=-2), (2, 3, 4, 5), (2, 12, 5)),
        (Reshape(shape=(16, 5, 5)), (2, 400), (2, 16, 5, 5)),
        (Reshape(shape=(8, -1, 7)), (2, 64, 7), (2, 8, 8, 7)),
        (Reshape(shape=(-1,)), (2, 3, 4), (2, 12)),
        (Permute(dims=(0, 2, 3, 1)), (2, 3, 8, 6), (2, 8, 6, 3)),
        (Permute(dims=(0, -1, 1)), (2, 3, 8), (2, 8, 3)),
        # PyTorch's order: the last axis first.
        (Pad(pad=(1, 2)), (2, 3, 8, 6), (2, 3, 8, 9)),
        (Pad(pad=(1, 2, 3, 4)), (2, 3, 8, 6), (2, 3, 15, 9)),
        (Pad(pad=(7, 7), mode="reflect"), (2, 3, 8), (2, 3, 22)),
        (Pad(pad=(8, 8), mode="circular"), (2, 3, 8), (2, 3, 24)),
        (Pad(pad=(9, 9), mode="replicate"), (2, 3, 8), (2, 3, 26)),
        (Crop(cropping=1), (2, 64, 10, 8), (2, 64, 8, 6)),
        (Crop(cropping=((4, 4), (3, 5))), (2, 64, 64, 72), (2, 64, 56, 64)),
        # Python's slices.
        (Slice(start=1), (2, 197, 768), (2, 196, 768)),
        (Slice(end=1), (2, 197, 768), (2, 1, 768)),
        (Slice(start=-5, step=2, dim=-1), (2, 3, 8), (2, 3, 3)),
        (Slice(start=-100, end=100), (2, 3, 8), (2, 3, 8)),
        (Slice(end=-1), (2, 3, 8), (2, 2, 8)),
        (Split(split_size_or_sections=29, index=1), (2, 58, 7), (2, 29, 7)),
        (Split(split_size_or_sections=4, index=2), (2, 10, 8), (2, 2, 8)),
        (Split(split_size_or_sections=20, index=0), (2, 10, 8), (2, 10, 8)),
        (Split(split_size_or_sections=(3, 7), index=1, dim=-1), (2, 8, 10), (2, 8, 7)),
        (Select(index=(0, 4, 5)), (2, 6, 14, 14), (2, 3, 14, 14)),
        (Select(index=(1, 1), dim=-1), (2, 6, 14), (2, 6, 2)),
        (Upsample(scale_factor=2), (2, 8, 10, 7), (2, 8, 20, 14)),
        (Upsample(scale_factor=(2, 0.5)), (2, 8, 10, 7), (2, 8, 20, 3)),
        # 100 * 0.57 is 56.99999999999999 in doubles, and PyTorch's floor of it is 56.
        (Upsample(scale_factor=0.57), (2, 8, 100), (2, 8, 56)),
        (Upsample(scale_factor=1 / 3), (2, 8, 3), (2, 8, 1)),
        (Upsample(size=(28, 20), mode="bicubic"), (2, 8, 14, 10), (2, 8, 28, 20)),
        (PixelShuffle(upscale_factor=3), (2, 27, 4, 5), (2, 3, 12, 15)),
        (PixelUnshuffle(downscale_factor=3), (2, 3, 12, 15), (2, 27, 4, 5)),
        (ChannelShuffle(groups=3), (2, 12, 4, 5), (2, 12, 4, 5)),
    ],
    ids=repr,
)
def test_output_shape(op: Operator, x: Shape, output: Shape) -> None:
    assert op.infer(x) == output


def test_a_second_input_says_to_what_extents_the_first_is_cropped() -> None:
    assert Crop().infer((2, 64, 64, 65), (2, 128, 56, 56)) == (2, 64, 56, 56)


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Flatten(start_dim=3, end_dim=1), [(2, 3, 4, 5)], "start_dim=3 comes after end_dim=1"),
        (Flatten(start_dim=2), [(2, 3)], "dim=2 is no axis of a tensor of 2 axes"),
        (Reshape(shape=(16, 5, 5)), [(2, 401)], r"has 400 elements, but a sample .* has 401"),
        (Reshape(shape=(-1, 7)), [(2, 64)], r"multiple of 7 elements, but a sample .* has 64"),
        (Permute(dims=(0, 1)), [(2, 3, 4)], r"\(0, 1\) is no order of the 3 axes"),
        (Permute(dims=(0, 1, -2)), [(2, 3, 4)], r"\(0, 1, -2\) is no order"),
        (Pad(pad=(1, 1) * 3), [(2, 3)], r"pads 3 axes, but \(2, 3\) has 2"),
        (Pad(pad=(0, 8), mode="reflect"), [(2, 3, 8)], "can't pad 8 elements by 8"),
        (Pad(pad=(9, 0), mode="circular"), [(2, 3, 8)], "can't pad 8 elements by 9"),
        (Pad(pad=(1, 1), mode="reflect"), [(2, 3, 8, 8)], "can't pad 1 axes of"),
        (Crop(), [(2, 3, 8)], "needs 'cropping'"),
        (Crop(cropping=1), [(2, 3, 8), (2, 3, 6)], "leave out 'cropping'"),
        (Crop(cropping=4), [(2, 3, 8)], r"4 leaves nothing of \(2, 3, 8\)"),
        (Crop(cropping=((1, 1),)), [(2, 3, 8, 8)], r"crops 1 axes, but .* has 2"),
        (Crop(), [(2, 3, 8), (2, 3, 9)], r"\(2, 3, 8\) is smaller than \(2, 3, 9\)"),
        (Crop(), [(2, 3, 8), (2, 3, 8, 8)], r"can't be cropped to"),
        (Slice(start=5, end=5), [(2, 8)], "slice 5:5 takes nothing of 8"),
        (Slice(start=8), [(2, 8)], "slice 8: takes nothing of 8"),
        (Split(split_size_or_sections=5, index=2), [(2, 10)], "index=2 is none of 2 pieces"),
        (Split(split_size_or_sections=(3, 8), index=0), [(2, 10)], "add up to 11, but .* has 10"),
        (Split(split_size_or_sections=(3, 7), index=2), [(2, 10)], "index=2 is none of 2 pieces"),
        (Select(index=(6,)), [(2, 6)], "index 6 is beyond the 6"),
        (Upsample(size=(4, 4)), [(2, 3, 8)], r"names 2 axes, but .* has 1"),
        (Upsample(size=4, mode="bilinear"), [(2, 3, 8)], "not one of 3 axes"),
        (Upsample(scale_factor=0.1), [(2, 3, 8)], "scale_factor=0.1 leaves nothing of 8"),
        (PixelShuffle(upscale_factor=2), [(2, 6, 4, 4)], "multiple of 4 channels, not 6"),
        (PixelUnshuffle(downscale_factor=2), [(2, 6, 4, 5)], "2 does not divide width=5"),
        (ChannelShuffle(groups=4), [(2, 6, 4)], "groups=4 does not divide channels=6"),
    ],
    ids=repr,
)
def test_refuses_inputs_that_do_not_fit(op: Operator, inputs: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op.infer(*inputs)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("Reshape", {"shape": [-1, -1]}, "only one item can be -1"),
        ("Reshape", {"shape": [0]}, "at least 1, or -1"),
        ("Reshape", {"shape": []}, "at least 1 item"),
        ("Pad", {"pad": [1, 2, 3]}, "not 3 numbers"),
        ("Pad", {"pad": [-1, 0]}, "at least 0"),
        ("Pad", {"pad": [1, 1], "mode": "reflect", "value": 1.0}, "needs mode 'constant'"),
        ("Select", {"index": [-1]}, "at least 0"),
        ("Split", {"split_size_or_sections": 0, "index": 0}, "at least 1"),
        ("Slice", {"step": -1}, "at least 1"),
        ("Upsample", {}, "either size or scale_factor"),
        ("Upsample", {"size": 2, "scale_factor": 2}, "either size or scale_factor"),
        ("Upsample", {"scale_factor": 0}, "above 0"),
        ("Upsample", {"scale_factor": float("nan")}, "above 0"),
        ("Upsample", {"scale_factor": 2, "align_corners": True}, "takes no align_corners"),
    ],
    ids=repr,
)
def test_refuses_fields_that_mean_nothing(name: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        operator(name).model_validate(fields)


@pytest.mark.parametrize(
    ("mode", "x", "each"),
    [
        ("nearest", (1, 8, 10, 10), Work()),
        ("linear", (1, 8, 10), Work(multiplies=2, adds=1)),
        ("bilinear", (1, 8, 10, 10), Work(multiplies=4, adds=3)),
        ("trilinear", (1, 8, 10, 10, 10), Work(multiplies=8, adds=7)),
        ("bicubic", (1, 8, 10, 10), Work(multiplies=16, adds=15)),
    ],
)
def test_upsampling_weighs_the_neighbours_of_every_output(mode: Any, x: Shape, each: Work) -> None:
    op = Upsample(scale_factor=2, mode=mode)
    outputs = 8 * 20 ** (len(x) - 2)

    assert op.work(op.infer(x), x) == each * outputs


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES["shape"] if name not in ("Upsample", "Fold")]
)
def test_moving_elements_is_no_work(name: str) -> None:
    cls = operator(name)
    for example in cls.examples:
        op = cls(**example.fields)
        assert op.work(op.infer(*example.inputs), *example.inputs) == Work()


def test_a_factor_floors_symbols_and_arrays_too() -> None:
    k = sympy.Symbol("k", integer=True, positive=True)
    sizes: Any = numpy.array([4, 7, 9])
    half = Upsample(scale_factor=0.5)
    swept: Any = half.infer((1, 3, sizes))[2]

    assert half.infer((1, 3, 32 * k, 7)) == (1, 3, 16 * k, 3)
    assert swept.tolist() == [2, 3, 4]


def test_a_slice_can_not_count_from_both_ends_in_one_sweep() -> None:
    with pytest.raises(ShapeError, match="from the start and from the end"):
        Slice(start=numpy.array([1, -1])).infer((2, 8))
