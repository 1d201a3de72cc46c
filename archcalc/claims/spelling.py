"""Layers of a spec for a printed row, from how it was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import prod

from archcalc.claims.blocks import Module, module
from archcalc.claims.inner import SAID as INSIDE
from archcalc.claims.spelled import (
    ELEMENTWISE,
    RECURRENT,
    Fields,
    Spelled,
    activation,
    convolution,
    ends,
    norm,
    plain,
    pooling,
    recurrent,
)
from archcalc.claims.tables.evidence import UNKNOWN, Option, State
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer
from archcalc.claims.wiring import Wiring
from archcalc.errors import ArchcalcError

WIDE = 8
"""The widest kernel that is named beside the one that was taken."""
IMAGE = 4
"""Channels that images have, at most."""
FITS, FITS_TOO = "fit as well", "fits as well"

Inside = Callable[[Entry, State, State], Module | None]
"""What a row may be made of that takes one state and gives another."""


class Spelling:
    """What rows become."""

    def __init__(self, net: Wiring, kept: bool, inside: Inside) -> None:
        """``kept`` says whether the table counts the statistics of normalizations."""
        self.net, self.kept, self.inside = net, kept, inside

    def layers(self, entry: Entry, option: Option, sources: Sequence[str]) -> Iterator[Spelled]:
        """The operators of a row, with their fields and what is to be said of them."""
        layer, kind, out = option.layer, option.layer.kind, option.out
        state = self.net.states.get(sources[0], UNKNOWN)
        axes = len(out.ext or ())
        if kind in ("conv", "depthwise", "separable", "deconv"):
            try:
                open_ = option.takes.c is None
                yield from convolution(layer, axes, _unsure(entry, layer, open_))
            except ArchcalcError as error:
                raise ArchcalcError(f"row {entry.index + 1}, {entry.name}: {error}") from None
        elif kind == "linear":
            whole = layer.cin == (state.flat or layer.cin)
            if sources[0] not in self.net.flat and whole and not axes:
                yield Spelled("Flatten", {}, "", State(state.flat or layer.cin, ()))
            yield Spelled(
                "Linear", plain(out_features=layer.cout, bias=None if layer.bias else False)
            )
        elif kind in RECURRENT:
            steps = state if state.ext else State(layer.cout, (None,))
            gives = State(layer.cout, steps.ext) if not out.ext else out
            yield recurrent(entry, layer)._replace(outs=gives)
            if not out.ext:
                yield Spelled("Slice", {"start": -1}, "", State(layer.cout, (1,)))
                yield Spelled("Flatten", {})
        elif kind == "embedding" and option.expected.get("params") and out.ext:
            width = layer.cout or out.c or 1
            rows = int(option.expected["params"]) // width
            fields = {"num_embeddings": rows, "embedding_dim": width}
            yield Spelled("Embedding", fields)
        elif kind == "pool":
            yield pooling(entry, layer, len(state.ext or ()) or axes)
        elif kind == "gpool" and sources[0] in self.net.flat and out == state:
            yield Spelled("Identity", {}, f"{entry.name}: all was pooled before")
        elif kind == "gpool":
            word = "Max" if "max" in entry.what.word.lower() else "Avg"
            if axes:
                yield Spelled(f"Adaptive{word}Pool{axes}d", {"output_size": list(out.ext or ())})
            else:
                yield Spelled(f"Global{word}Pool", {})
        elif kind == "norm":
            yield from self.norm(entry, layer, state, axes, sources[0] in self.net.flat)
        elif kind in ("same", "prelu"):
            yield activation(entry, layer)
        elif kind == "flatten":
            yield Spelled("Flatten", {})
        elif kind in ("pad", "crop") and state.ext and out.ext:
            # The second of two is of the size to which the first is cropped.
            yield Spelled("Crop", {}) if len(sources) > 1 else ends(entry, state, out)
        elif kind == "reshape":
            yield self.reshaped(entry, sources[0], out)
        elif kind == "add":
            word = next((w for w in ELEMENTWISE if w in compact(entry.what.word)), "")
            said = "the average of them" if word == "average" else ""
            op = ELEMENTWISE.get(word, "Add") if len(sources) > 1 else "Identity"
            yield Spelled(op, {}, said)
        elif kind in ("concat", "merge"):
            if len(sources) < 2:
                raise ArchcalcError(f"row {entry.index + 1}: which rows it joins is not said")
            yield Spelled("Concat", self.net.axis(sources, out))
        elif kind == "upsample" and state.ext and out.ext:
            yield from self.larger(entry, state, out)
        elif kind == "module" and (entry.pattern is not None or entry.stack is not None):
            yield Spelled("", self.block(module(entry, layer, state, out)))
        elif (made := self.inside(entry, self.net.states[sources[0]], out)) is not None:
            if not state.ext and sources[0] not in self.net.flat:
                yield Spelled("Flatten", {}, "", state)
            yield Spelled("", self.block(made), INSIDE)
        elif parts(entry, state, out):
            yield self.part(sources[0], state, out)
        elif out == state and _idle(entry, kind):
            yield Spelled("Identity", {}, f"{entry.name}: what it does is not known")
        else:
            what = entry.what.word or entry.name or "row without a name"
            row = f"row {entry.index + 1}: "
            if entry.values.get("params") and kind in ("module", "unknown"):
                raise ArchcalcError(f"{row}what '{what}' is made of is not in the table")
            raise ArchcalcError(f"{row}'{what}' can't be written as a layer")

    def part(self, source: str, state: State, out: State) -> Spelled:
        """An equal part of the channels; each row takes the next one."""
        layers = self.net.written.values()
        index = sum(each.get("op") == "Split" and each.get("from") == source for each in layers)
        index = index % ((state.c or 1) // (out.c or 1))
        axis = {"dim": len(out.ext or ()) + 1} if source in self.net.turned else {}
        fields = {"from": source, "split_size_or_sections": out.c, "index": index, **axis}
        return Spelled("Split", fields, "which part is not in the table")

    def block(self, made: Module) -> Fields:
        """The use of a block, which another row may have written already."""
        name, body = made.fields["block"], made.body
        same = next((h for h, b in self.net.blocks.items() if (h, b) == (made.head, body)), None)
        if same is not None:
            return made.fields
        heads = {head.partition("(")[0] for head in self.net.blocks}
        free, k = name, 1
        while free in heads:
            k += 1
            free = f"{name}_{k}"
            if self.net.blocks.get(made.head.replace(name, free, 1)) == body:
                return {**made.fields, "block": free}
        self.net.blocks[made.head.replace(name, free, 1)] = body
        return {**made.fields, "block": free}

    def norm(
        self, entry: Entry, layer: Layer, state: State, axes: int, flat: bool
    ) -> Iterator[Spelled]:
        """A normalization; one over the first axis alone, as ConvNeXt's, between permutations."""
        own = norm(entry, layer, axes)
        c, kept = state.c or 0, self.kept
        if own.op.startswith("Batch") and kept and layer.params in (2 * c, 2 * c + 1, 3 * c):
            # Keras can leave out the scale, or both; the statistics are counted.
            yield own._replace(fields={"affine": False}, outs=state)
            if layer.params == 3 * c:
                center = self.net.last
                fields = {"shape": [c, *(1 for _ in state.ext or ())]}
                said = "the normalization's shift; it has no scale"
                yield Spelled(
                    "Parameter", fields, said, State(c, tuple(1 for _ in state.ext or ()))
                )
                yield Spelled("Add", {"from": [center, self.net.last]})
            return
        ext = state.ext or ()
        if own.op == "LayerNorm" and not (ext or flat) and layer.params == 2 * c:
            # Over channels, of what a pooling may have left with axes of 1.
            yield Spelled("Flatten", {})
        alone = own.op == "LayerNorm" and ext and not self.net.manages(state)
        if alone and layer.params == 2 * (state.c or 0) and ext[-1] != state.c:
            order = [*range(2, len(ext) + 2), 1]
            yield Spelled("Permute", {"dims": [0, *order]}, "", State(ext[0], (*ext[1:], state.c)))
            yield own._replace(outs=State(ext[0], (*ext[1:], state.c)))
            back = [len(ext) + 1, *range(1, len(ext) + 1)]
            yield Spelled("Permute", {"dims": [0, *back]})
        else:
            yield own

    def reshaped(self, entry: Entry, source: str, out: State) -> Spelled:
        """Numbers that a row arranges anew, as the table prints them."""
        if out.c is None or out.ext is None or None in out.ext:
            raise ArchcalcError(f"row {entry.index + 1}: what it gives is not said")
        if out == self.net.states.get(source) and self.net.manages(out):
            return self.net.turn(source)
        permuted = re.search("permute|transpose", entry.what.word.lower())
        return self.net.arranged(source, out, permuted is not None)

    def larger(self, entry: Entry, state: State, out: State) -> Iterator[Spelled]:
        """An upsampling."""
        before, after = tuple(n or 1 for n in state.ext or ()), tuple(n or 1 for n in out.ext or ())
        times = [m // n for n, m in zip(before, after, strict=True)]
        whole = tuple(n * t for n, t in zip(before, times, strict=True)) == after
        if state.c == out.c and whole:
            factor = times[0] if len(set(times)) == 1 else times
            yield Spelled("Upsample", {"scale_factor": factor})
        elif state.c == out.c:
            yield Spelled("Upsample", {"size": list(after)})
        elif state.c == (out.c or 0) * times[0] ** 2:
            yield Spelled("PixelShuffle", {"upscale_factor": times[0]})
        else:
            raise ArchcalcError(f"row {entry.index + 1}: '{entry.name}' can't be written")


def parts(entry: Entry, state: State, out: State) -> bool:
    """Whether a row is an equal part of the channels that it takes."""
    whole, part = state.c or 0, out.c or 0
    equal = state.ext == out.ext and 0 < part < whole and whole % part == 0
    return equal and re.search(r"(?i)\b(split|chunk)", entry.what.word) is not None


def _unsure(entry: Entry, layer: Layer, open_: bool) -> str:
    """What of a convolution the table does not print; ``open_`` where what it takes is open."""
    if "kernel_h" in entry.values or layer.kernel is None:
        return ""
    if "params" not in entry.values:
        return "assumed"
    others = list(_others(layer)) if open_ and layer.kind == "conv" else []
    if not others:
        return "the kernel follows from the parameters"
    those = ", ".join(f"kernel {k} over {c}" for k, c in others)
    return f"{those} channels {FITS if len(others) > 1 else FITS_TOO}"


def _others(layer: Layer) -> Iterator[tuple[int, int]]:
    """Square kernels and channels that have as many weights, as far as they are likely.

    Over two axes and more a network takes images: of few channels, or the channels are open.
    """
    kernel, cin = layer.kernel or (), layer.cin or 0
    weights = prod(kernel) * cin
    for k in range(1, WIDE + 1):
        c, rest = divmod(weights, k ** len(kernel))
        image = len(kernel) > 1 and cin <= IMAGE
        if not rest and (c, (k,) * len(kernel)) != (cin, kernel) and not (image and c > IMAGE):
            yield k, c


def _idle(entry: Entry, kind: str) -> bool:
    """Whether a row that keeps what it takes has no weights; of a module that is said."""
    params = entry.values.get("params")
    return (kind == "unknown" and not params) or (kind == "module" and params == 0)
