"""Modules of which a table prints no rows: what they are made of, by their parameters.

A printout that ends at some depth has an ``Mlp`` or a ``TransformerEncoderLayer`` as one row. What
such modules are made of is usual, and how wide they are inside their parameters say: a width that
is no whole number is none of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from archcalc.claims.blocks import Module
from archcalc.claims.spelled import Fields
from archcalc.claims.tables.evidence import State, known
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.sheet import Entry

SAID = "what it is made of follows from its parameters; activations are left out"
HEAD = 64
"""Features of a head where nothing says how many there are."""

Body = dict[str, Any]


def inner(entry: Entry, before: State, after: State, tokens: bool) -> Module | None:
    """A row as a use of a block, or None where nothing usual has its parameters.

    ``tokens`` says whether features are the last axis of what it takes.
    """
    params, word = entry.values.get("params"), compact(re.sub(r"[: -]+\d.*$", "", entry.name))
    if not isinstance(params, int) or not params or before.c is None or after.c is None:
        return None
    for name, body, fields in _made(word, before, after, params, tokens):
        head = f"{name}({', '.join(fields)})" if fields else name
        return Module(head, body, {"block": name, **fields})
    return None


def _made(
    word: str, before: State, after: State, params: int, tokens: bool
) -> Iterator[tuple[str, Body, Fields]]:
    """What may have so many parameters: a block's name, body and arguments; the likeliest first."""
    c, out = before.c or 0, after.c or 0
    heads = c // HEAD if c % HEAD == 0 and c >= HEAD else 1
    same = before == after
    flat = tokens or not before.ext
    if same and tokens:
        if "attenti" in word or word.endswith(("attn", "mha")):
            yield from _attention(c, params, heads)
        for name, attentions in (("encoder", 1), ("decoder", 2)):
            attended = attentions * (4 * c * c + 6 * c) + 3 * c
            hidden = _whole(params - attended, 2 * c + 1)
            if hidden and re.search(r"coder|transformer|block|layer", word):
                fields = {"num_heads": heads, "hidden": hidden}
                yield f"{name}_layer", _encoder(attentions), fields
    squeezed = re.match(r"se($|[^q])|squeeze|channelatt|eca", word) is not None
    for bias in (True, False):
        # A linear layer, or two of them.
        rest = params - bias * out
        hidden = _whole(rest, c + out + bias)
        if before.ext and not flat and not squeezed:
            break
        if rest == c * out and not squeezed:
            yield _name("linear", bias), {"fc": _linear("=features", bias)}, {"features": out}
        if hidden and squeezed and before.ext:
            gate = {
                "pool": "GlobalAvgPool" if not tokens else {"op": "Mean", "dim": 1},
                "flat": "Flatten",
                "fc1": _linear("=hidden", bias),
                "fc2": _linear("=features", bias),
                "gate": {"op": "Reshape", "shape": ["=features", *(1 for _ in before.ext)]},
                "mul": {"op": "Mul", "from": ["input", "gate"]},
            }
            yield _name("squeeze_excitation", bias), gate, {"hidden": hidden, "features": out}
        elif hidden:
            body = {"fc1": _linear("=hidden", bias), "fc2": _linear("=features", bias)}
            yield _name("mlp", bias), body, {"hidden": hidden, "features": out}
    sizes, left = known(before.ext), known(after.ext)
    if not flat and sizes and left and len(sizes) == len(left):
        yield from _convolved(word, c, out, params, len(sizes), _stride(sizes, left))


def _name(name: str, bias: bool) -> str:
    return name if bias else f"{name}_unbiased"


def _whole(number: int, divisor: int) -> int:
    """A quotient; 0 where it is no whole number above 0."""
    return number // divisor if divisor and number > 0 and number % divisor == 0 else 0


def _linear(width: str, bias: bool) -> Body:
    return {"op": "Linear", "out_features": width, **({} if bias else {"bias": False})}


def _attention(c: int, params: int, heads: int) -> Iterator[tuple[str, Body, Fields]]:
    """PyTorch's as wide as its input; Keras' of any width; Vision Transformers' without biases."""
    attention: Mapping[str, Any] = {"op": "Attention", "num_heads": "=num_heads"}
    free = {"q_bias": False, "k_bias": False, "v_bias": False}
    fields: Fields = {"num_heads": heads}
    if params == 4 * c * c + 4 * c:
        own = {"op": "MultiheadAttention", "num_heads": "=num_heads"}
        yield "attention", {"attention": own}, fields
    elif params == 4 * c * c + c:
        yield "attention_half_biased", {"attention": {**attention, **free}}, fields
    elif params == 4 * c * c:
        yield "attention_unbiased", {"attention": {**attention, **free, "out_bias": False}}, fields
    elif width := _whole(params - c, 4 * c + 3):
        heads = width // HEAD if width % HEAD == 0 else 1
        fields = {"num_heads": heads, "head_dim": width // heads}
        yield "attention", {"attention": {**attention, "head_dim": "=head_dim"}}, fields


def _encoder(attentions: int) -> Body:
    """A layer of a Transformer (arXiv:1706.03762), normalizations before; or of its decoder."""
    body: Body = {}
    last = "input"
    for k in range(1, attentions + 1):
        body[f"norm{k}"] = "LayerNorm" if k == 1 else {"op": "LayerNorm", "from": last}
        body[f"attention{k}"] = {"op": "MultiheadAttention", "num_heads": "=num_heads"}
        body[f"add{k}"] = {"op": "Add", "from": [f"attention{k}", last]}
        last = f"add{k}"
    k = attentions + 1
    body[f"norm{k}"] = "LayerNorm"
    body["fc1"] = {"op": "Linear", "out_features": "=hidden"}
    body["fc2"] = {"op": "Linear", "out_features": "=size(input, 2)"}
    body[f"add{k}"] = {"op": "Add", "from": ["fc2", last]}
    return body


def _stride(sizes: tuple[int, ...], left: tuple[int, ...]) -> int:
    return max(1, round(sizes[0] / left[0])) if left[0] else 1


def _convolved(
    word: str, c: int, out: int, params: int, axes: int, stride: int
) -> Iterator[tuple[str, Body, Fields]]:
    """Modules of convolutions, each with its normalization."""
    own = {"channels": out, **({"stride": stride} if stride > 1 else {})}
    step = {"stride": "=stride"} if stride > 1 else {}
    for norms, bias in ((True, False), (False, True), (True, True), (False, False)):
        each, conv = 2 * norms + bias, partial(_conv, axes, norms, bias)
        mark = ("_bn" if norms else "") + ("" if bias else "_unbiased")
        for k in (1, 3, 5, 7):
            if params == (k**axes * c + each) * out:
                yield f"conv{k}{mark}", conv("conv", k, step), own
        two = conv("conv1", 3, step) | conv("conv2", 3, {})
        last = list(two)[-1]
        double = ((c + out) * 3**axes + 2 * each) * out
        if params == double:
            yield f"double_conv{mark}", two, own
        short = conv("shortcut", 1, {"from": "input", **step})
        if params == double + (c + each) * out:
            add = {"op": "Add", "from": [last, list(short)[-1]]}
            yield f"residual{mark}", {**two, **short, "add": add}, own
        for neck in _necks(c, out, params, axes, each):
            first, k, group, last_k, projected = neck
            fields = {**own, "width": first}
            middle = {**step, "out_channels": "=width"}
            if group < first:
                middle["groups"], fields["groups"] = "=groups", first // group
            body = conv("conv1", 1, {"out_channels": "=width"}) if last_k != 2 else {}
            body |= conv("conv2", k, middle) | conv("conv3", 1, {})
            end = list(body)[-1]
            if projected:
                body |= {**short, "add": {"op": "Add", "from": [end, list(short)[-1]]}}
            elif c == out and stride == 1 and "resid" in word:
                body["add"] = {"op": "Add", "from": [end, "input"]}
            kind = "projected" if projected else "separable" if last_k == 2 else "plain"
            yield f"bottleneck_{kind}_{k}x{k}{mark}", body, fields


def _necks(
    c: int, out: int, params: int, axes: int, each: int
) -> Iterator[tuple[int, int, int, int, bool]]:
    """Widths inside a bottleneck, its kernel, channels of a group, convolutions, and a shortcut's.

    A depthwise convolution is of any width that is a multiple of what is taken (MobileNetV2,
    arXiv:1801.04381); one in groups is of a usual width (ResNeXt's and RegNet's).
    """
    for projected in (False, True):
        rest = params - each * out - projected * (c + each) * out
        for k in (3, 5, 7):
            area = k**axes
            wide = _whole(rest, c + out + area + 2 * each)
            if wide and wide % c == 0 and wide > c:
                yield wide, k, 1, 3, projected
            if rest == c * (area + each + out):
                yield c, k, 1, 2, projected
        for width in dict.fromkeys((out // 4, out // 2, out)):
            group = _whole(rest - (c + 2 * each + out) * width, 3**axes * width)
            if group and width % group == 0:
                yield width, 3, group, 3, projected


def _conv(
    axes: int, norms: bool, bias: bool, name: str, side: int, more: Mapping[str, Any]
) -> Body:
    """A convolution that keeps sizes but for its stride, and its normalization."""
    fields: Body = {"out_channels": "=channels", "kernel_size": side}
    fields |= {"padding": side // 2} if side > 1 else {}
    made: Body = {
        name: {"op": f"Conv{axes}d", **fields, **more, **({} if bias else {"bias": False})}
    }
    return made | ({f"{name}_bn": f"BatchNorm{axes}d"} if norms else {})
