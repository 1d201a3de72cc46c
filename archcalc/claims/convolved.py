"""Modules of convolutions of which a table prints no rows, found by their parameters.

Convolutions have normalizations or biases, or both, all of a module alike. How wide a module is
inside is solved for, or is one of the widths that are usual; the likeliest comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from archcalc.claims.spelled import Fields

Body = dict[str, Any]
Made = tuple[str, Body, Fields]
"""A block's name, body and arguments."""

SIDES = (3, 5, 7)
"""Of kernels inside a bottleneck."""
EXPANDED = (6, 4, 3, 2, 1)
"""How many times wider inverted bottlenecks are inside (MobileNetV2's, EfficientNet's)."""
WIDEST = 8
"""Times as wide as what it takes that one is searched for inside."""
RESIDUAL = r"resid|invert|mbconv|bneck|^irb|cnblock|convnextblock"
"""Words of modules that add what they take where both have one shape."""


def whole(number: int, divisor: int) -> int:
    """A quotient; 0 where it is no whole number above 0."""
    return number // divisor if divisor and number > 0 and number % divisor == 0 else 0


class _Shape(NamedTuple):
    """What is known of a module."""

    word: str
    c: int
    """Channels that it takes."""
    out: int
    params: int
    axes: int
    stride: int
    norms: bool
    bias: bool

    @property
    def each(self) -> int:
        """Numbers of a convolution for each channel that it gives, beside its kernel."""
        return 2 * self.norms + self.bias

    @property
    def mark(self) -> str:
        return ("_bn" if self.norms else "") + ("" if self.bias else "_unbiased")

    @property
    def adds(self) -> bool:
        """Whether it adds what it takes, as its name says."""
        return self.c == self.out and self.stride == 1 and bool(re.search(RESIDUAL, self.word))

    @property
    def step(self) -> Fields:
        return {"stride": "=stride"} if self.stride > 1 else {}

    @property
    def own(self) -> Fields:
        return {"channels": self.out, **self.step, **({"stride": self.stride} if self.step else {})}

    def conv(self, name: str, side: int = 1, norms: bool | None = None, **more: Any) -> Body:
        """A convolution that keeps sizes but for its stride, and its normalization."""
        fields: Body = {"out_channels": "=channels", "kernel_size": side}
        fields |= {"padding": side // 2} if side > 1 else {}
        bias = {} if self.bias else {"bias": False}
        made: Body = {name: {"op": f"Conv{self.axes}d", **fields, **more, **bias}}
        normed = self.norms if norms is None else norms
        return made | ({f"{name}_bn": f"BatchNorm{self.axes}d"} if normed else {})


def convolved(word: str, c: int, out: int, params: int, axes: int, stride: int) -> Iterator[Made]:
    """Modules of convolutions of ``params`` parameters that make ``out`` channels of ``c``."""
    for norms, bias in ((True, False), (False, True), (True, True), (False, False)):
        shape = _Shape(word, c, out, params, axes, stride, norms, bias)
        yield from _plain(shape)
        if "dense" in word or "transition" in word:
            yield from _before(shape)
        yield from _necks(shape)
    shape = _Shape(word, c, out, params, axes, stride, True, False)
    yield from _fused(shape)
    yield from _next(shape)
    yield from _squeezed(shape)


def _plain(shape: _Shape) -> Iterator[Made]:
    """One convolution, two, or two with a projection beside them."""
    _, c, out, params, axes, *_ = shape
    each, mark, conv = shape.each, shape.mark, shape.conv
    for k in (1, 3, 5, 7):
        if params == (k**axes * c + each) * out:
            yield f"conv{k}{mark}", conv("conv", k, **shape.step), shape.own
        if params == (k**axes + each) * c and c == out and k > 1:
            fields = {**shape.own, "channels": c}
            yield f"depthwise{k}{mark}", conv("conv", k, groups="=channels", **shape.step), fields
        if params == k**axes * c + each * c + (c + each) * out and k > 1:
            deep = conv("conv1", k, out_channels="=features", groups="=features", **shape.step)
            yield f"separable_{k}x{k}{mark}", deep | conv("conv2"), {**shape.own, "features": c}
    two = conv("conv1", 3, **shape.step) | conv("conv2", 3)
    double = ((c + out) * 3**axes + 2 * each) * out
    if params == double:
        yield f"double_conv{mark}", two, shape.own
    if params == double + (c + each) * out:
        yield f"residual{mark}", two | _shortcut(shape, two), shape.own


def _joined(shape: _Shape, body: Body, projected: bool = False) -> Body:
    """What adds to a body what it takes: projected, as it is, or nothing."""
    if projected:
        return _shortcut(shape, body)
    return {"add": {"op": "Add", "from": [list(body)[-1], "input"]}} if shape.adds else {}


def _shortcut(shape: _Shape, body: Body) -> Body:
    """A projection of what a module takes, and the sum with what it makes."""
    short = shape.conv("shortcut", 1, None, **{"from": "input"}, **shape.step)
    return {**short, "add": {"op": "Add", "from": [list(body)[-1], list(short)[-1]]}}


def _before(shape: _Shape) -> Iterator[Made]:
    """Normalizations before convolutions: a layer of a dense block, and what is between blocks."""
    _, c, out, params, axes, stride, _, bias = shape
    norm = f"BatchNorm{axes}d"
    own: Fields = {"channels": out}
    if params == 2 * c + (c + bias) * out:
        pool: Body = {"op": f"AvgPool{axes}d", "kernel_size": stride}
        body = {"norm": norm, **shape.conv("conv", norms=False)}
        yield f"transition{shape.mark}", body | ({"pool": pool} if stride > 1 else {}), own
    width = whole(params - 2 * c - bias * out, c + bias + 2 + 3**axes * out)
    if width:
        body = {"norm1": norm, **shape.conv("conv1", out_channels="=width")}
        body |= shape.conv("conv2", 3, norms=False)
        yield f"dense_layer{shape.mark}", body, {**own, "width": width}


def _necks(shape: _Shape) -> Iterator[Made]:
    """Bottlenecks: a 1x1 convolution, one in groups, and a 1x1; or the last two of them."""
    for width, k, group, three, projected in _widths(shape):
        fields: Fields = {**shape.own, "width": width}
        middle = {**shape.step, "out_channels": "=width"}
        if group < width:
            middle["groups"], fields["groups"] = "=groups", width // group
        body = shape.conv("conv1", out_channels="=width") if three else {}
        body |= shape.conv("conv2", k, **middle) | shape.conv("conv3")
        body |= _joined(shape, body, projected)
        kind = "projected" if projected else "plain" if three else "separable"
        yield f"bottleneck_{kind}_{k}x{k}{shape.mark}", body, fields


def _widths(shape: _Shape) -> Iterator[tuple[int, int, int, bool, bool]]:
    """Widths inside a bottleneck, its kernel, channels of a group, convolutions, and a shortcut's.

    A depthwise convolution is of any width that is a multiple of what is taken (MobileNetV2,
    arXiv:1801.04381); one in groups is of a usual width (ResNeXt's and RegNet's).
    """
    _, c, out, params, axes, *_ = shape
    each = shape.each
    for projected in (False, True):
        rest = params - each * out - projected * (c + each) * out
        for k in SIDES:
            wide = whole(rest, c + out + k**axes + 2 * each)
            if wide and wide > c and (wide % c == 0 or (shape.norms and wide % 8 == 0)):
                yield wide, k, 1, True, projected
        for width in dict.fromkeys((out // 4, out // 2, out)):
            group = whole(rest - (c + 2 * each + out) * width, 3**axes * width)
            if group and width % group == 0 and (group > 1 or width == out):
                yield width, 3, group, True, projected


def _squeezed(shape: _Shape) -> Iterator[Made]:
    """Inverted bottlenecks and RegNet's, with channels that are squeezed to gates.

    MobileNetV3's (arXiv:1905.02244), EfficientNet's (arXiv:1905.11946) and RegNetY's
    (arXiv:2003.13678); of several that have the parameters, the one of the most usual widths.
    """
    _, c, out, params, axes, *_ = shape
    for _, k, width, group, squeeze, projected in _gated(c, out, params, axes):
        fields: Fields = {**shape.own, "width": width, "squeeze": squeeze}
        middle: Fields = {**shape.step, "out_channels": "=width", "groups": "=groups"}
        fields["groups"] = width // group
        thin = width == c and group == 1
        body = {} if thin else shape.conv("conv1", out_channels="=width")
        body |= shape.conv("conv2", k, **middle)
        gated = list(body)[-1]
        body |= {
            "pool": {"op": f"AdaptiveAvgPool{axes}d", "output_size": 1},
            "fc1": {"op": f"Conv{axes}d", "out_channels": "=squeeze", "kernel_size": 1},
            "fc2": {"op": f"Conv{axes}d", "out_channels": "=width", "kernel_size": 1},
            "scale": {"op": "Mul", "from": [gated, "fc2"]},
            **shape.conv("conv3"),
        }
        body |= _joined(shape, body, projected)
        kind = "projected" if projected else "thin" if thin else "plain"
        yield f"squeezed_{kind}_{k}x{k}{shape.mark}", body, fields


@lru_cache(4096)
def _gated(
    c: int, out: int, params: int, axes: int
) -> tuple[tuple[float, int, int, int, int, bool], ...]:
    """The most usual of such modules, if one has the parameters, how unusual that is first.

    Its kernel, its width, channels of a group, how many are squeezed, and a shortcut's projection.
    """
    found = []
    for projected, k, (width, group, price) in product(
        (False, True), SIDES, [*_inverted(c), *_grouped(out)]
    ):
        thin = width == c and group == 1
        rest = params - (k**axes * group + 2) * width - (width + 2) * out
        rest -= (0 if thin else (c + 2) * width) + projected * (c + 2) * out
        squeeze = whole(rest - width, 2 * width + 1)
        if not squeeze or squeeze > width or (group > 1 and k != 3):
            continue
        usual = (c // 4, round(width / 32) * 8, width // 4, width // 16, out // 4)
        if squeeze not in usual and (squeeze % 8 or squeeze > width // 2):
            continue
        unusual = usual.index(squeeze) if squeeze in usual else 9
        found.append((projected * 5 + price + unusual, k, width, group, squeeze, projected))
    return tuple(sorted(found)[:1])


def _inverted(c: int) -> Iterator[tuple[int, int, float]]:
    """Widths of an inverted bottleneck, channels of a group, and how unusual those are."""
    for k, times in enumerate(EXPANDED):
        yield c * times, 1, k / 10
    yield from ((width, 1, 3.0) for width in range(8, WIDEST * c + 1, 8) if width % c)


def _grouped(out: int) -> Iterator[tuple[int, int, float]]:
    """As wide inside as outside, in groups of 8 channels and more."""
    yield from ((out, group, 2.0) for group in range(8, out + 1, 4) if out % group == 0)


def _fused(shape: _Shape) -> Iterator[Made]:
    """A convolution that expands, and a 1x1: EfficientNetV2's (arXiv:2104.00298)."""
    _, c, out, params, axes, *_ = shape
    for k in SIDES:
        width = whole(params - 2 * out, k**axes * c + 2 + out)
        if width and width % c == 0 and width > c:
            body = shape.conv("conv1", k, out_channels="=width", **shape.step)
            body |= shape.conv("conv2")
            body |= _joined(shape, body)
            yield f"fused_{k}x{k}{shape.mark}", body, {**shape.own, "width": width}


def _next(shape: _Shape) -> Iterator[Made]:
    """ConvNeXt's block (arXiv:2201.03545): a depthwise convolution, and an MLP of each position."""
    _, c, out, params, axes, stride, *_ = shape
    if c != out or stride > 1 or axes != 2:
        return
    for k, scaled in product((7, 5, 3), (True, False)):
        hidden = whole(params - (k * k + 4 + scaled) * c, 2 * c + 1)
        if not hidden or hidden % c:
            continue
        body: Body = {
            "conv": {
                "op": "Conv2d",
                "out_channels": "=features",
                "kernel_size": k,
                "padding": k // 2,
                "groups": "=features",
            },
            "last": {"op": "Permute", "dims": [0, 2, 3, 1]},
            "norm": "LayerNorm",
            "fc1": {"op": "Linear", "out_features": "=hidden"},
            "fc2": {"op": "Linear", "out_features": "=features"},
            "first": {"op": "Permute", "dims": [0, 3, 1, 2]},
        }
        if scaled:
            body["scale"] = {"op": "Parameter", "shape": ["=features", 1, 1]}
            body["scaled"] = {"op": "Mul", "from": ["first", "scale"]}
        body["add"] = {"op": "Add", "from": [list(body)[-1], "input"]}
        fields: Fields = {"features": c, "hidden": hidden}
        yield f"convnext_{k}x{k}{'' if scaled else '_unscaled'}", body, fields
