"""What a printed row was read as, spelled as layers of a spec: operators and their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any, NamedTuple

from archcalc.claims.tables.evidence import State
from archcalc.claims.tables.kinds import GATES, compact
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer
from archcalc.errors import ArchcalcError

ACTIVATIONS = (
    *("LogSoftmax", "Softmax", "Softplus", "LeakyReLU", "ReLU6", "PReLU", "ReLU", "Hardswish"),
    *("Hardsigmoid", "LogSigmoid", "Sigmoid", "Tanh", "SELU", "CELU", "GELU", "ELU", "SiLU"),
    *("Mish", "Dropout"),
)
"""Operators that change no size and take no field; a longer name before one that it holds."""

CALLED = {"swish": "SiLU", "hardswish": "Hardswish", "hsigmoid": "Hardsigmoid"}
"""Activations that others name otherwise."""

ELEMENTWISE = {
    "multiply": "Mul",
    "mul": "Mul",
    "subtract": "Sub",
    "sub": "Sub",
    "maximum": "Maximum",
    "minimum": "Minimum",
    "average": "Add",
}
"""Operators of rows that join element by element, but sums."""

RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}

Fields = dict[str, Any]


class Spelled(NamedTuple):
    """A layer of a spec."""

    op: str
    fields: Fields
    beside: str = ""
    """What is to be said of it in a comment."""
    outs: State | None = None
    """What it gives, where that is not what its row gives."""


def plain(**fields: Any) -> Fields:
    """Fields without those that are None."""
    return {key: value for key, value in fields.items() if value is not None}


def one(sides: tuple[int, ...]) -> int | list[int]:
    """One number where all axes have the same."""
    return sides[0] if len(set(sides)) == 1 else list(sides)


def padding(pads: tuple[int, ...]) -> Fields:
    """Padding of both ends together, as a field; none for none."""
    if not any(pads):
        return {}
    if all(p % 2 == 0 for p in pads):
        return {"padding": one(tuple(p // 2 for p in pads))}
    return {"padding": [[p // 2, p - p // 2] for p in pads]}


def convolution(layer: Layer, axes: int, unsure: str) -> Iterator[Spelled]:
    """The layers of a convolution, a separable one being two, and of its normalization.

    Raises :class:`ArchcalcError` where the table does not determine its kernel.
    """
    if layer.kernel is None or layer.cout is None or layer.cin is None:
        raise ArchcalcError("a convolution's kernel is not determined by the table")
    bias = layer.bias in (1, 3)
    axes = axes or len(layer.kernel)
    pads = layer.pads
    if not pads and layer.kind == "deconv":
        pads = unpadded(layer)
    elif not pads and layer.stride == 1:
        pads = tuple(k - 1 if k % 2 else 0 for k in layer.kernel)
    elif not pads:
        steps = layer.strides or (layer.stride,) * len(layer.kernel)
        pads = tuple(
            k - 1 if k % 2 else max(k - step, 0)
            for k, step in zip(layer.kernel, steps, strict=True)
        )
    shared = plain(
        kernel_size=one(layer.kernel),
        stride=list(layer.strides) or (layer.stride if layer.stride != 1 else None),
        dilation=layer.dilation if layer.dilation != 1 else None,
    )
    if layer.kind == "deconv":
        out = [t % 2 for t in pads]
        both = [(t + t % 2) // 2 for t in pads]
        fields = {"out_channels": layer.cout, **shared, "padding": one(tuple(both))}
        if any(out):
            fields["output_padding"] = one(tuple(out))
        fields |= plain(groups=layer.groups if layer.groups > 1 else None, bias=_no(bias))
        yield Spelled(f"ConvTranspose{axes}d", fields, unsure)
    elif layer.kind == "separable":
        depth = {"out_channels": layer.cin, **shared, **padding(pads), "groups": layer.cin}
        yield Spelled(f"Conv{axes}d", {**depth, "bias": False}, unsure)
        point = plain(out_channels=layer.cout, kernel_size=1, bias=_no(bias))
        yield Spelled(f"Conv{axes}d", point)
    else:
        groups = layer.cin if layer.kind == "depthwise" else layer.groups
        fields = {"out_channels": layer.cout, **shared, **padding(pads)}
        fields |= plain(groups=groups if groups > 1 else None, bias=_no(bias))
        yield Spelled(f"Conv{axes}d", fields, unsure)
    if layer.bias > 1:
        yield Spelled(f"BatchNorm{axes}d", {})


def unpadded(layer: Layer) -> tuple[int, ...]:
    """What a transposed convolution is taken to cut off, where no size says: what strides leave."""
    steps = layer.strides or (layer.stride,) * len(layer.kernel or ())
    return tuple(
        max(k - step, 0) if step > 1 else 0
        for k, step in zip(layer.kernel or (), steps, strict=True)
    )


def norm(entry: Entry, layer: Layer, axes: int) -> Spelled:
    """A normalization."""
    word = entry.what.word.lower()
    affine = {"affine": False} if layer.params == 0 else {}
    if "layer" in word:
        return Spelled("LayerNorm", {})
    if "group" in word:
        return Spelled("GroupNorm", {"num_groups": 1, **affine}, "how many groups is not said")
    kind = "InstanceNorm" if "instance" in word else "BatchNorm"
    return Spelled(f"{kind}{axes or 1}d", {**affine})


def activation(entry: Entry, layer: Layer) -> Spelled:
    """A layer that changes no size."""
    word = compact(re.sub(r"[-:_ ]\s*\d+(-\d+)?$", "", entry.what.word))
    if layer.kind == "prelu":
        return Spelled("PReLU", plain(num_parameters=layer.params))
    if "localresponse" in word or "lrn" in word or "rnorm" in word:
        return Spelled("LocalResponseNorm", {"size": 5}, "the size is not in the table")
    for op in ACTIVATIONS:
        if op.lower() in word:
            return Spelled(op, {"dim": 1} if "Softmax" in op else {})
    for name, op in CALLED.items():
        if name in word:
            return Spelled(op, {})
    if "channelshuffle" in word:
        return Spelled("ChannelShuffle", {"groups": 2}, "how many groups is not in the table")
    if "depth" in word or "droppath" in word or "identity" in word:
        return Spelled("Identity", {})
    return Spelled("Identity", {}, entry.name)


def pooling(entry: Entry, layer: Layer, axes: int) -> Spelled:
    """A pooling over windows, or over everything."""
    word = "Avg" if re.search(r"av(g|erage)", entry.what.word.lower()) else "Max"
    if layer.kernel is None:
        return Spelled(f"Global{word}Pool", {})
    steps = entry.strides or layer.strides or (layer.stride,) * len(layer.kernel)
    apart = len(set(layer.kernel)) > 1 and steps == layer.kernel
    step = None if apart else one(steps)
    fields = plain(kernel_size=one(layer.kernel), stride=step, **padding(layer.pads))
    if layer.ceil:
        fields["ceil_mode"] = True
    unsure = "the window is not in the table" if "kernel_h" not in entry.values else ""
    return Spelled(f"{word}Pool{axes}d", fields, unsure)


def ends(entry: Entry, before: State, after: State) -> Spelled:
    """A padding or a cropping: how much is at which end no row says where it is odd."""
    if before.ext is None or after.ext is None or None in (*before.ext, *after.ext):
        raise ArchcalcError(f"row {entry.index + 1}: how much it pads is not said")
    grows = [(m or 0) - (n or 0) for n, m in zip(before.ext, after.ext, strict=True)]
    if entry.kind == "crop" or min(grows) < 0:
        cut = [[-g // 2, -g - -g // 2] for g in grows]
        return Spelled("Crop", {"cropping": cut}, "how much at which end is not in the table")
    pads = [n for g in reversed(grows) for n in (g // 2, g - g // 2)]
    wider = (after.c or 0) - (before.c or 0)
    if wider:
        pads += [wider // 2, wider - wider // 2]
    odd = any(g % 2 for g in (*grows, wider))
    return Spelled("Pad", {"pad": pads}, "at which end is not in the table" if odd else "")


def recurrent(entry: Entry, layer: Layer) -> Spelled:
    """A recurrent layer: how many layers, ways and biases it has its parameters say.

    Raises :class:`ArchcalcError` where none has as many.
    """
    hidden, features, params = layer.cout, layer.cin, layer.params
    name = RECURRENT[layer.kind]
    if hidden is None or features is None or params is None:
        raise ArchcalcError(f"row {entry.index + 1}: what '{name}' takes is not said")
    for stacked, both, biases in product((1, 2, 3, 4), (1, 2), (1, 2, 0)):
        h = hidden // both
        first = both * GATES[layer.kind] * h * (features + h + biases)
        more = both * GATES[layer.kind] * h * (both * h + h + biases)
        if hidden % both or first + (stacked - 1) * more != params:
            continue
        fields = plain(
            hidden_size=h,
            num_layers=stacked if stacked > 1 else None,
            bias=False if not biases else None,
            biases=1 if biases == 1 else None,
            bidirectional=True if both == 2 else None,
        )
        known = layer.kind in entry.what.word.lower() or entry.kind == layer.kind
        return Spelled(name, fields, "" if known else "its kind follows from the parameters")
    raise ArchcalcError(f"row {entry.index + 1}: no {name} has {params:,} parameters")


def arranged(before: tuple[int, ...], after: tuple[int, ...], permuted: bool) -> Spelled:
    """What makes one shape of another: an order of its axes if one does, or a reshape."""
    if permuted and sorted(before) == sorted(after):
        axes = range(1, len(before) + 1)
        turns = [(*axes[k:], *axes[:k]) for k in range(len(before))]
        for dims in (*turns, *permutations(axes)):
            if tuple(before[d - 1] for d in dims) == after and dims != tuple(axes):
                return Spelled("Permute", {"dims": [0, *dims]})
    return Spelled("Reshape", {"shape": list(after)})


def _no(bias: int) -> bool | None:
    return None if bias else False
