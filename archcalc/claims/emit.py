"""The network that was found in a printed table, as a spec: to explain, count, draw and build.

What the table does not say stands as a comment beside what was taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from archcalc.claims.emitted import Emitted, hold
from archcalc.claims.finding import Audit
from archcalc.claims.tables.evidence import UNKNOWN, Option, State, printed_state
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer
from archcalc.errors import ArchcalcError
from archcalc.spec.form import as_yaml
from archcalc.spec.form.tree import Node

ACTIVATIONS = (
    *("LogSoftmax", "Softmax", "Softplus", "LeakyReLU", "ReLU6", "PReLU", "ReLU", "Hardswish"),
    *("Hardsigmoid", "LogSigmoid", "Sigmoid", "Tanh", "SELU", "CELU", "GELU", "ELU", "SiLU"),
    *("Mish", "Dropout"),
)
"""Operators that change no size and take no field; a longer name before one that it holds."""

Fields = dict[str, Any]


def emit(audit: Audit) -> str:
    """The spec of the network that was found, as YAML.

    Raises :class:`ArchcalcError` where the table does not determine one: a row whose operator has
    no equal here, an input that nothing says, a concatenation of rows that are not named, or a row
    that prints something else than its layers have.
    """
    return emitted(audit).text


def emitted(audit: Audit) -> Emitted:
    """The spec of the network that was found, held against the table, and what is to be said of it.

    Raises :class:`ArchcalcError` as :func:`emit` does.
    """
    if audit.reading is None or audit.sheet is None:
        raise ArchcalcError(f"{audit.name}: a table of modules has no spec yet")
    return _Writer(audit).emitted()


class _Writer:
    def __init__(self, audit: Audit) -> None:
        assert audit.reading is not None
        assert audit.sheet is not None
        self.audit, self.found, self.sheet = audit, audit.reading.found, audit.sheet
        self.written: dict[str, Fields] = {}
        """Layers by name."""
        self.beside: dict[str, str] = {}
        """What is said of them in a comment."""
        self.layers_of: dict[int, list[str]] = {}
        """All layers that a row became."""
        self.names: dict[int, str] = {}
        """The layer that gives what a row gives."""
        self.taken: set[str] = {"input"}
        self.states: dict[str, State] = {}
        self.last = "input"
        self.flat: set[str] = set()
        """Layers that give one row of numbers."""
        self.open: list[str] = []
        """Layers that nothing takes yet."""

    def emitted(self) -> Emitted:
        start, said = self.start()
        self.states["input"] = start
        for entry, option in zip(self.sheet.entries, self.found.options, strict=True):
            if option is not None:
                self.row(entry, option)
        name = re.sub(r"[^a-z0-9_-]+", "-", self.audit.name.lower().rpartition("/")[2])
        name = name.split(".")[0].strip("-") or "table"
        data = {
            "name": name if name[0].isalpha() else f"table-{name}",
            "input": [start.c, *(start.ext or ())],
            "layers": self.written,
        }
        if len(self.open) > 1:
            data["outputs"] = list(self.open)
        tree = Node.of(data)
        tree.entry("input").beside = said
        if len(self.open) > 1:
            tree.entry("outputs").beside = "# all that no row takes"
        for layer, comment in self.beside.items():
            tree.entry("layers", layer).beside = f"# {comment}"
        differs = hold(self.audit, data, self.layers_of)
        return Emitted(as_yaml(tree), (*differs, *self.unsaid(said)))

    def unsaid(self, said: str) -> Iterator[str]:
        """How much of the spec no cell says."""
        if said:
            yield "the input's size is not in the table: the smallest that is usual is taken"
        if self.beside:
            those = "a layer has" if len(self.beside) == 1 else f"{len(self.beside)} layers have"
            yield f"{those} a comment: what it says is not in the table, but taken for granted"
        if not self.sheet.has("source"):
            yield "no column says what each row takes: sums that no row prints may be missing"

    # The input -----------------------------------------------------------------------------------

    def start(self) -> tuple[State, str]:
        """The network's input, with a comment where it was worked out."""
        rows = zip(self.sheet.entries, self.found.options, strict=True)
        entry, option = next((e, o) for e, o in rows if o is not None)
        if entry.kind == "input":
            return self.known(option.out), ""
        inward = printed_state(entry, "in")
        c = option.layer.cin if option.layer.cin is not None else inward.c
        ext = inward.ext
        if ext is not None and None not in ext:
            return self.known(State(c, ext)), ""
        layer, out = option.layer, option.out.ext
        if c is None or out is None or None in out:
            raise ArchcalcError(f"{self.audit.name}: nothing says what the network takes")
        if not out or layer.kernel is None:
            return State(c, ()), ""
        steps = layer.strides or (layer.stride,) * len(out)
        before = tuple(
            _before(n or 1, k, step) for n, k, step in zip(out, layer.kernel, steps, strict=True)
        )
        return State(c, before), "# not in the table: the smallest that is usual"

    def known(self, state: State) -> State:
        if state.c is None or state.ext is None or None in state.ext:
            raise ArchcalcError(f"{self.audit.name}: nothing says what the network takes")
        return state

    # Rows ----------------------------------------------------------------------------------------

    def row(self, entry: Entry, option: Option) -> None:
        """Write the layers of one row."""
        link = self.found.links[entry.index]
        rows = option.given if option.given is not None else link.rows or ()
        sources = [self.names.get(row, "input") for row in rows] or [self.last]
        if entry.kind == "input":
            self.names[entry.index] = "input"
            return
        for note in option.notes:
            if "a concatenation" in note and (joined := self.joined(note, option)):
                sources = [joined]
                continue
            if (
                "concatenation" in note
                or "given by no row" in note
                or "a permutation" in note
                or "a rearrangement" in note
            ):
                raise ArchcalcError(f"{self.audit.name}: {note}: what is joined is not said")
            sources = [self.assumed(note, sources[0], option)]
        if len(rows) < 2 and not option.notes:
            sources = [self.summed(sources[0], entry)]
        name = self.named(entry)
        for k, (op, fields, beside) in enumerate(self.layers(entry, option, sources)):
            last = name if not k else f"{name}-{k + 1}"
            self.write(last, op, fields, sources if not k else [self.last], beside)
            self.last = last
            self.layers_of.setdefault(entry.index, []).append(last)
        self.states[self.last] = option.out
        self.names[entry.index] = self.last

    def joined(self, note: str, option: Option) -> str:
        """Write a concatenation of what nothing takes yet, if that is as wide as what is wanted."""
        ext = self.states.get(self.last, UNKNOWN).ext
        ends = [name for name in self.open if self.states.get(name, UNKNOWN).ext == ext]
        widths = [self.states[name].c or 0 for name in ends]
        if len(ends) < 2 or sum(widths) != option.layer.cin:
            return ""
        name = self.free("assumed")
        self.write(name, "Concat", {}, ends, note)
        self.states[name] = State(sum(widths), ext)
        self.last = name
        return name

    def assumed(self, note: str, source: str, option: Option) -> str:
        """Write what stands between two rows that is not in the table."""
        state = self.states.get(source, State(None, None))
        window = re.search(r"a (\d+)(?:x\d+)* pooling", note)
        axes = len(state.ext or ())
        name = self.free("assumed")
        if window:
            fields: Fields = {"kernel_size": int(window[1]), "stride": 2 if window[1] == "3" else 0}
            fields = {key: value for key, value in fields.items() if value}
            out = self.after(option, state)
            if (
                out is not None
                and window[1] == "2"
                and any((n or 0) * 2 > (m or 0) for n, m in zip(out, state.ext or (), strict=False))
            ):
                fields["ceil_mode"] = True
            self.write(name, f"MaxPool{axes}d", fields, [source], note)
            self.states[name] = State(state.c, out)
        elif "global pooling" in note:
            self.write(name, "GlobalAvgPool", {}, [source], note)
            self.states[name] = State(state.c, ())
        elif "flatten" in note:
            self.write(name, "Flatten", {}, [source], note)
            self.states[name] = State(state.flat, ())
        elif "upsampling" in note:
            self.write(name, "Upsample", {"scale_factor": 2}, [source], note)
        else:
            raise ArchcalcError(f"{self.audit.name}: {note}: what does so is not said")
        self.last = name
        return name

    def after(self, option: Option, state: State) -> tuple[int | None, ...] | None:
        """Extents that an assumed pooling leaves, as far as the next row says."""
        taken, c = option.layer.taken, state.c
        if taken is None or not c or not state.ext or None in state.ext:
            return None
        for up in (False, True):
            halves = tuple(-(-(n or 0) // 2) if up else (n or 0) // 2 for n in state.ext)
            if State(c, halves).flat == taken:
                return halves
        return None

    def layers(
        self, entry: Entry, option: Option, sources: Sequence[str]
    ) -> Iterator[tuple[str, Fields, str]]:
        """The operators of a row, with their fields and what is to be said of them."""
        layer, kind, axes = option.layer, option.layer.kind, len(option.out.ext or ())
        state = self.states.get(sources[0], State(None, None))
        if kind in ("conv", "depthwise", "separable", "deconv"):
            yield from _convolution(layer, axes, self.unsure(entry, layer))
        elif kind == "linear":
            if sources[0] not in self.flat and layer.cin == (state.flat or layer.cin) and not axes:
                yield "Flatten", {}, ""
            yield "Linear", _plain(out_features=layer.cout, bias=_no(layer.bias)), ""
        elif kind == "pool":
            yield self.pooling(entry, option, state)
        elif kind == "gpool":
            word = "Max" if "max" in entry.what.word.lower() else "Avg"
            if axes:
                sides = list(option.out.ext or ())
                yield f"Adaptive{word}Pool{axes}d", {"output_size": sides}, ""
            else:
                yield f"Global{word}Pool", {}, ""
        elif kind == "norm":
            yield _norm(entry, layer, axes)
        elif kind in ("same", "prelu"):
            yield _activation(entry, layer)
        elif kind == "flatten":
            yield "Flatten", {}, ""
        elif kind == "add":
            yield ("Add" if len(sources) > 1 else "Identity"), {}, ""
        elif kind in ("concat", "merge"):
            if len(sources) < 2:
                raise ArchcalcError(f"row {entry.index + 1}: which rows it joins is not said")
            yield "Concat", {}, ""
        elif kind == "upsample" and state.ext and option.out.ext:
            times = {(m or 1) // (n or 1) for n, m in zip(state.ext, option.out.ext, strict=True)}
            yield "Upsample", {"scale_factor": times.pop()}, ""
        elif kind == "unknown" and option.out == state:
            yield "Identity", {}, f"{entry.name}: what it does is not known"
        else:
            what = entry.what.word or entry.name or "row without a name"
            raise ArchcalcError(f"row {entry.index + 1}: '{what}' can't be written as a layer")

    def pooling(self, entry: Entry, option: Option, state: State) -> tuple[str, Fields, str]:
        layer, axes = option.layer, len(state.ext or ()) or len(option.out.ext or ())
        word = "Avg" if re.search(r"av(g|erage)", entry.what.word.lower()) else "Max"
        if layer.kernel is None:
            return f"Global{word}Pool", {}, ""
        fields = _plain(kernel_size=_one(layer.kernel), stride=layer.stride, **_pads(layer.pads))
        if entry.strides or len(set(layer.kernel)) > 1:
            fields.pop("stride") if not entry.strides else fields.update(stride=entry.strides)
        if layer.ceil:
            fields["ceil_mode"] = True
        unsure = "the window is not in the table" if "kernel_h" not in entry.values else ""
        return f"{word}Pool{axes}d", fields, unsure

    def unsure(self, entry: Entry, layer: Layer) -> str:
        """What of a convolution the table does not print."""
        if "kernel_h" in entry.values or layer.kernel is None:
            return ""
        return "the kernel follows from the parameters" if "params" in entry.values else "assumed"

    def summed(self, source: str, entry: Entry) -> str:
        """A sum with what nothing else takes, where both have one shape: a shortcut's end."""
        state = self.states.get(source)
        ends = [name for name in self.open if name != source and self.states.get(name) == state]
        if not ends or source == "input" or source not in self.open:
            return source
        name = self.free("assumed")
        note = f"a sum before row {entry.index + 1} is not in the table"
        self.write(name, "Add", {}, [*ends, source], note)
        self.states[name] = state or State(None, None)
        self.last = name
        return name

    def write(
        self, name: str, op: str, fields: Fields, sources: Sequence[str], beside: str
    ) -> None:
        layer: Fields = {"op": op}
        if list(sources) != [self.last]:
            layer["from"] = sources[0] if len(sources) == 1 else list(sources)
        self.written[name] = {**layer, **fields}
        if beside:
            self.beside[name] = beside
        self.open = [each for each in self.open if each not in sources] + [name]
        if op in ("Flatten", "Linear") or (op in ACTIVATIONS and sources[0] in self.flat):
            self.flat.add(name)

    def named(self, entry: Entry) -> str:
        """A layer's name that no other has."""
        bare = entry.name.split(" (")[0].replace(": ", "_")
        bare = re.sub(r"^(\d+) ([a-z]+)$", r"\2\1", bare)
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", bare).strip("_-").lower()
        if not plain or not plain[0].isalpha():
            plain = f"{compact(entry.what.word) or 'row'}_{plain}".strip("_")
        return self.free(plain if plain[0].isalpha() else f"row_{plain}")

    def free(self, plain: str) -> str:
        name, k = plain[:60], 1
        while name in self.taken:
            k += 1
            name = f"{plain[:60]}_{k}"
        self.taken.add(name)
        return name


def _before(n: int, k: int, stride: int) -> int:
    """An extent that a first window leaves as n."""
    if stride > 1:
        return n * stride
    return n if k % 2 else n + k - 1


def _convolution(layer: Layer, axes: int, unsure: str) -> Iterator[tuple[str, Fields, str]]:
    """The layers of a convolution, a separable one being two."""
    if layer.kernel is None or layer.cout is None or layer.cin is None:
        raise ArchcalcError("a convolution's kernel is not determined by the table")
    bias = layer.bias in (1, 3)
    pads = layer.pads
    if not pads and layer.stride == 1:
        pads = tuple(k - 1 if k % 2 else 0 for k in layer.kernel)
    elif not pads:
        steps = layer.strides or (layer.stride,) * len(layer.kernel)
        pads = tuple(
            k - 1 if k % 2 else max(k - step, 0)
            for k, step in zip(layer.kernel, steps, strict=True)
        )
    shared = _plain(
        kernel_size=_one(layer.kernel),
        stride=list(layer.strides) or (layer.stride if layer.stride != 1 else None),
        dilation=layer.dilation if layer.dilation != 1 else None,
    )
    if layer.kind == "deconv":
        out = [t % 2 for t in pads]
        both = [(t + t % 2) // 2 for t in pads]
        fields = {"out_channels": layer.cout, **shared, "padding": _one(tuple(both))}
        if any(out):
            fields["output_padding"] = _one(tuple(out))
        fields |= _plain(groups=layer.groups if layer.groups > 1 else None, bias=_no(bias))
        yield f"ConvTranspose{axes}d", fields, unsure
    elif layer.kind == "separable":
        depth = {"out_channels": layer.cin, **shared, **_pads(pads), "groups": layer.cin}
        yield f"Conv{axes}d", {**depth, "bias": False}, unsure
        point = _plain(out_channels=layer.cout, kernel_size=1, bias=_no(bias))
        yield f"Conv{axes}d", point, ""
    else:
        groups = layer.cin if layer.kind == "depthwise" else layer.groups
        fields = {"out_channels": layer.cout, **shared, **_pads(pads)}
        fields |= _plain(groups=groups if groups > 1 else None, bias=_no(bias))
        yield f"Conv{axes}d", fields, unsure
    if layer.bias > 1:
        yield f"BatchNorm{axes}d", {}, ""


def _norm(entry: Entry, layer: Layer, axes: int) -> tuple[str, Fields, str]:
    word = entry.what.word.lower()
    affine = {"affine": False} if layer.params == 0 else {}
    if "layer" in word:
        return "LayerNorm", {}, ""
    if "group" in word:
        return "GroupNorm", {"num_groups": 1, **affine}, "how many groups is not in the table"
    kind = "InstanceNorm" if "instance" in word else "BatchNorm"
    return f"{kind}{axes or 1}d", {**affine}, ""


def _activation(entry: Entry, layer: Layer) -> tuple[str, Fields, str]:
    word = compact(re.sub(r"[-:_ ]\s*\d+(-\d+)?$", "", entry.what.word))
    if layer.kind == "prelu":
        return "PReLU", _plain(num_parameters=layer.params), ""
    if "localresponse" in word or "lrn" in word or "rnorm" in word:
        return "LocalResponseNorm", {"size": 5}, "the size is not in the table"
    for op in ACTIVATIONS:
        if op.lower() in word:
            return op, {"dim": 1} if "Softmax" in op else {}, ""
    return "Identity", {}, entry.name


def _plain(**fields: Any) -> Fields:
    return {key: value for key, value in fields.items() if value is not None}


def _no(bias: int) -> bool | None:
    return None if bias else False


def _one(sides: tuple[int, ...]) -> int | list[int]:
    return sides[0] if len(set(sides)) == 1 else list(sides)


def _pads(pads: tuple[int, ...]) -> Fields:
    """Padding of both ends together, as a field; none for none."""
    if not any(pads):
        return {}
    if all(p % 2 == 0 for p in pads):
        return {"padding": _one(tuple(p // 2 for p in pads))}
    return {"padding": [[p // 2, p - p // 2] for p in pads]}
