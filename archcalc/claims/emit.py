"""The network that was found in a printed table, as a spec: to explain, count, draw and build.

What the table does not say stands as a comment beside what was taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from archcalc.claims.blocks import SAID, Module, module
from archcalc.claims.emitted import Emitted, hold
from archcalc.claims.finding import Audit
from archcalc.claims.inner import SAID as INSIDE
from archcalc.claims.inner import called, inner, usual
from archcalc.claims.reach import FAR, TOKEN, reached
from archcalc.claims.spelled import (
    ACTIVATIONS,
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
    unpadded,
)
from archcalc.claims.tables.evidence import UNKNOWN, Option, State, printed_state
from archcalc.claims.tables.flow import RECURSIVE, begun_again, closed, parts
from archcalc.claims.tables.kinds import WEIGHTED, compact
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.work import Layer
from archcalc.claims.wiring import LENGTH, Wiring
from archcalc.errors import ArchcalcError
from archcalc.spec.form import as_yaml
from archcalc.spec.form.tree import Node

WEIGHTS = r"Conv|Linear|Norm|LSTM|GRU|RNN|Embedding|PReLU"
"""Operators that may have weights to share."""
TRIES = 40
"""Sums that are taken back to see whether the rest costs less."""
RESIDUAL = r"^res$|resid|resblock|basicblock|bottleneck(?!transition)"
"""Classes of modules that add what they take."""
SUMMED, LEFT = 0.7, 2.0
"""Prices of a sum that is not printed, and of a layer but the last that nothing takes."""
MODULES = frozenset(("module", "attention", "unknown", ""))
"""Kinds of rows that hold layers of which no row is printed."""


def emit(audit: Audit) -> str:
    """The spec of the network that was found, as YAML.

    Raises :class:`ArchcalcError` where the table does not determine one: a row whose operator has
    no equal here, an input that nothing says, a row that takes what nothing before it makes, or a
    row that prints something else than its layers have.
    """
    return emitted(audit).text


def emitted(audit: Audit) -> Emitted:
    """The spec of the network that was found, held against the table, and what is to be said of it.

    Raises :class:`ArchcalcError` as :func:`emit` does.
    """
    if audit.reading is None or audit.sheet is None:
        raise ArchcalcError(f"{audit.name}: no network was searched in it")
    try:
        return _cheapest(audit).emitted()
    except ArchcalcError as error:
        if str(error).startswith(audit.name):
            raise
        raise ArchcalcError(f"{audit.name}: {error}") from None


def _cheapest(audit: Audit) -> _Writer:
    """The wiring that costs least: sums are taken back one by one where what follows misses them.

    Branches that are of one size are summed by some networks and joined further down by others.
    """
    best = _Writer(audit)
    best.write()
    for row in best.sums[:TRIES] if best.cost > SUMMED * len(best.sums) + LEFT / 4 else ():
        other = _Writer(audit, best.apart | {row})
        other.write()
        if other.cost < best.cost:
            best = other
    return best


class _Writer:
    def __init__(self, audit: Audit, apart: frozenset[int] = frozenset()) -> None:
        """``apart`` are rows before which nothing is summed."""
        assert audit.reading is not None
        assert audit.sheet is not None
        self.audit, self.found, self.sheet = audit, audit.reading.found, audit.sheet
        self.net = Wiring(audit.sheet)
        self.layers_of: dict[int, list[str]] = {}
        """All layers that a row became."""
        self.names: dict[int, str] = {}
        """The layer that gives what a row gives."""
        self.begun: dict[int, tuple[str, int]] = {}
        """For each module, what its first row takes, and how many layers stand before it."""

        self.added: set[int] = set()
        """Modules of which the parameters beside their rows are written."""
        self.calls: dict[tuple[str, State, int], tuple[list[int], list[int]]] = {}
        """Rows of a class, depth and size: first calls, and calls of the same layers again."""
        self.parts = parts(self.sheet)
        self.halved = {
            rows[0].index: printed_state(rows[0], "out")
            for row, rows in self.parts.items()
            if len(rows) == 1
            and printed_state(rows[0], "out").ext
            and printed_state(self.sheet.entries[row], "out")
            == _doubled(printed_state(rows[0], "out"))
        }
        """What parts take that stand alone in a module twice as wide: half of its channels."""
        self.split: dict[int, State] = {}
        """Modules that take their input apart, and what each half is."""
        self.usual = usual(
            (entry, taken, o.out, self.net.tokens(o.takes))
            for entry, o in zip(self.sheet.entries, self.found.options, strict=True)
            if o is not None and o.layer.kind in MODULES
            for taken in (self.halved.get(entry.index, o.takes),)
        )
        self.apart = apart
        self.sums: list[int] = []
        """Rows before which something is summed."""
        self.failed: ArchcalcError | None = None
        self.said = ""
        """What is to be said of the input."""

    @property
    def cost(self) -> float:
        """Of what was assumed, and of layers that lead nowhere; any row that fails costs most."""
        return self.net.cost + LEFT * (len(self.net.open) - 1) + 1e6 * (self.failed is not None)

    def write(self) -> None:
        """Write all rows, or up to one that can't be written."""
        try:
            self.rows()
        except ArchcalcError as error:
            self.failed = error

    def rows(self) -> None:
        """Write all rows."""
        self.said = self.start()
        ended = closed(self.sheet)
        inside: list[Entry] = []
        for entry, option in zip(self.sheet.entries, self.found.options, strict=True):
            if entry.kind == "total":
                continue
            while inside and entry.depth <= inside[-1].depth:
                self.end(inside.pop())
            if entry.container:
                inside.append(entry)
            if option is not None:
                for container in ended.get(entry.index, ()):
                    self.names[container.index] = self.net.last
                self.row(entry, option, inside)
        while inside:
            self.end(inside[-1])
            self.ends_as(inside.pop())

    def ends_as(self, container: Entry) -> None:
        """The network's end, or a module's there: it gives what it prints."""
        out = printed_state(container, "out")
        if None in (out.c, out.ext) or container.several or len(self.net.open) > 1:
            return
        if self.net.states.get(self.net.last) != out:
            self.module(container)

    def emitted(self) -> Emitted:
        """What was written as a spec, held against the table."""
        if self.failed is not None:
            raise self.failed
        said = self.said
        name = re.sub(r"[^a-z0-9_-]+", "-", self.audit.name.lower().rpartition("/")[2])
        name = name.split(".")[0].strip("-") or "table"
        several = len(self.net.inputs) > 1
        data: dict[str, Any] = {
            "name": name if name[0].isalpha() else f"table-{name}",
            "input": self.net.inputs if several else next(iter(self.net.inputs.values())),
            **({"blocks": self.net.blocks} if self.net.blocks else {}),
            "layers": self.net.written,
        }
        if len(self.net.open) > 1:
            data["outputs"] = list(self.net.open)
        tree = Node.of(data)
        tree.entry("input").beside = said
        if len(self.net.open) > 1:
            tree.entry("outputs").beside = "# all that no row takes"
        for head in self.net.blocks:
            tree.entry("blocks", head).beside = f"# {SAID}"
        for layer, comment in self.net.beside.items():
            tree.entry("layers", layer).beside = f"# {comment}"
        differs = hold(self.audit, data, self.layers_of)
        return Emitted(as_yaml(tree), (*differs, *self.unsaid(said)))

    def unsaid(self, said: str) -> Iterator[str]:
        """How much of the spec no cell says."""
        if said:
            yield f"the input's size is not in the table: {said.rpartition(': ')[2]}"
        if self.net.blocks:
            n = len(self.net.blocks)
            yield f"{'a block stands' if n == 1 else f'{n} blocks stand'} for modules: {SAID}"
        if self.net.beside:
            those = (
                "a layer has"
                if len(self.net.beside) == 1
                else f"{len(self.net.beside)} layers have"
            )
            yield f"{those} a comment: what it says is not in the table, but taken for granted"
        if not self.sheet.has("source"):
            yield "no column says what each row takes: sums that no row prints may be missing"

    # The input -----------------------------------------------------------------------------------

    def start(self) -> str:
        """Begin with the network's inputs; what is to be said where one was worked out."""
        rows = list(zip(self.sheet.entries, self.found.options, strict=True))
        several = sum(entry.kind == "input" for entry, _ in rows) > 1
        said = ""
        for entry, option in rows:
            if entry.kind == "input" and option is not None:
                name = self.named(entry) if several else self.net.free("input")
                self.names[entry.index] = name
                said = self.take(name, option.out) or said
        if not self.net.inputs:
            state, said = self.before(*next((e, o) for e, o in rows if o is not None))
            said = self.take(self.net.free("input"), state) or said
        self.net.last = next(iter(self.net.inputs))
        return said

    def take(self, name: str, state: State) -> str:
        """Add an input."""
        if state.c is None or state.ext is None:
            raise ArchcalcError("nothing says what the network takes: no size is printed of it")
        self.net.states[name] = state
        if not state.ext:
            self.net.flat.add(name)
        first = next(
            (e for e in self.sheet.layers if e.kind not in ("input", "same", "norm")), None
        )
        features = ("linear", "embedding", "reshape", "wrapper", "attention", *RECURRENT)
        if self.net.manages(state) and first is not None and first.kind in features:
            self.net.turned.add(name)
        self.net.inputs[name] = list(self.net.shape(name))
        if None in state.ext:
            return f"# None in the table: {LENGTH} stands for any"
        return ""

    def before(self, entry: Entry, option: Option) -> tuple[State, str]:
        """What the first row takes, with a comment where it was worked out."""
        inward = printed_state(entry, "in")
        layer, out = option.layer, option.out.ext
        c = layer.cin if layer.cin is not None else inward.c
        if inward.ext is not None and None not in inward.ext and c is not None:
            return State(c, inward.ext), ""
        if layer.kind == "embedding" and out:
            rows = out[0] if self.net.manages(option.out) else option.out.c
            return State(rows or LENGTH, ()), ""
        if layer.kind in RECURRENT and c is not None:
            if self.sheet.channels_first and out and not self.net.manages(option.out):
                return State(option.out.c, (c,)), ""
            return State(c, out or (None,)), ""
        bare = entry.kind in MODULES and not entry.values.get("params")
        if (bare or entry.kind in ("pad", "crop", "reshape", "same")) and out and None not in out:
            takes = (o.layer.cin for o in self.found.options if o is not None and o.layer.cin)
            if c := option.out.c or next(takes, None):
                return State(c, out), "# not in the table: what the first row gives is taken"
        if c is None or out is None or None in out:
            raise ArchcalcError("nothing says what the network takes")
        if not out or layer.kernel is None:
            return State(c, out if layer.kind != "linear" else ()), ""
        steps = layer.strides or (layer.stride,) * len(out)
        if layer.kind == "deconv":
            pads = layer.pads or unpadded(layer)
            spread = zip(out, layer.kernel, steps, pads, strict=True)
            before = tuple(max(1, ((n or 1) - k + p) // step + 1) for n, k, step, p in spread)
            return State(c, before), "# not in the table: what the first row spreads is taken"
        before = tuple(
            _before(n or 1, k, step) for n, k, step in zip(out, layer.kernel, steps, strict=True)
        )
        return State(c, before), "# not in the table: the smallest that is usual is taken"

    # Rows ----------------------------------------------------------------------------------------

    def row(self, entry: Entry, option: Option, inside: Sequence[Entry]) -> None:
        """Write the layers of one row."""
        if entry.kind == "input":
            self.net.last = self.names[entry.index]
            return
        link = self.found.links[entry.index]
        rows = option.given if option.given is not None else link.rows or ()
        sources = [self.names[row] for row in rows if row in self.names] or [self.net.last]
        if link.rows == () and entry.index == begun_again(self.sheet):
            sources = [next(iter(self.net.inputs))]
        elif option.given is None and not link.named:
            sources = [self.net.last]
        branch = self.branch(entry, option, inside) or self.half(entry, option, inside)
        sources = [branch] if branch else sources
        for container in inside:
            self.begun.setdefault(container.index, (sources[0], len(self.net.written)))
        module = branch or (option.layer.kind in MODULES and not entry.values.get("params"))
        if len(rows) < 2 and not self.sheet.has("source") and not module:
            sources = [self.taken(entry, option, sources[0])]
        for container in inside:
            sources[:1] = [self.own(container, sources[0])]
        if self.passes(entry, option, sources):
            self.names[entry.index] = sources[0]
            self.layers_of.setdefault(entry.index, [])
            self.net.last = sources[0]
        else:
            self.spell(entry, option, sources)
        for note in option.notes:
            if number := re.search(r"^how the rows of row (\d+)", note):
                self.module(self.sheet.entries[int(number[1]) - 1])

    def branch(self, entry: Entry, option: Option, inside: Sequence[Entry]) -> str:
        """What a row takes that begins a branch of its module: what that takes; ``""`` for none.

        A module's parts are branches if it is as wide as they together, or if it adds what it takes
        and the first of them projects that.
        """
        new = [each for each in inside if each.index not in self.begun]
        outer = [each for each in inside if each.index in self.begun]
        unit = new[0] if new else entry
        if not outer or unit.depth != outer[-1].depth + 1:
            return ""
        module, out = outer[-1], printed_state(outer[-1], "out")
        name, _ = self.begun[module.index]
        parts = self.parts.get(module.index, [])
        state = self.net.states.get(name, UNKNOWN)
        if len(parts) < 2 or unit.index == parts[0].index or unit not in parts:
            return ""
        widths = [printed_state(each, "out") for each in parts]
        joined = sum(each.c or 0 for each in widths) == out.c
        first = int(parts[0].values.get("params", 0))
        projects = [((state.c or 0) + more) * (out.c or 0) for more in (0, 1, 2, 3)]
        summed = re.search(RESIDUAL, called(module)) and state != out and first in projects
        if any(each.ext != out.ext for each in widths) or not (joined or summed):
            return ""
        if option.layer.kind in MODULES:
            tokens = self.net.tokens(state)
            fits = inner(entry, state, option.out, tokens, self.usual) is not None
        else:
            fits = option.takes == state
        return name if fits else ""

    def half(self, entry: Entry, option: Option, inside: Sequence[Entry]) -> str:
        """Half of what a module takes, for its only part; ``""`` where it takes all."""
        half, source = self.halved.get(entry.index), self.net.last
        state = self.net.states.get(source, UNKNOWN)
        if half is None or state != _doubled(half) or option.layer.kind not in MODULES:
            return ""
        if inner(entry, half, option.out, self.net.tokens(half), self.usual) is None:
            return ""
        self.begun[inside[-1].index] = (source, len(self.net.written))
        self.split[inside[-1].index] = half
        return self.slice(source, half, 0)

    def slice(self, source: str, half: State, k: int) -> str:
        """The first half of a layer's channels, or the second."""
        c = half.c or 0
        dim = len(half.ext or ()) + 1 if source in self.net.turned else 1
        note = "channels are taken to be split in halves: the table has one of them"
        fields = {"dim": dim, "start": k * c, "end": (k + 1) * c}
        return self.net.assume("Slice", fields, [source], half, note)

    def taken(self, entry: Entry, option: Option, source: str) -> str:
        """What a row takes, after what stands before it that is not in the table."""
        state, wanted = self.net.states.get(source, UNKNOWN), option.takes
        if option.layer.kind in MODULES and option.out.flat == wanted.flat and wanted.flat:
            # It may take what it gives, in another order than it was given.
            own, turned = (
                inner(entry, each, option.out, self.net.tokens(each), self.usual)
                for each in (wanted, option.out)
            )
            wanted = option.out if own is None and turned is not None else wanted
        whole = entry.pattern is None and entry.stack is None and entry.values.get("params")
        if option.layer.kind in MODULES and whole and wanted == option.takes:
            wanted = self.widened(entry, option)
        note = f"{{}} before row {entry.index + 1} is not in the table"
        unsaid = all(note.startswith("how the rows of") for note in option.notes)
        unsaid = unsaid and wanted == option.takes and option.given is None
        known = wanted.c is not None and wanted.ext is not None and None not in wanted.ext
        if unsaid or state == wanted or not known:
            return self.summed(entry, source, note)
        near = list(self.net.states)[-FAR:]
        made = reached(self.net, wanted, source, near, note)
        if made is not None:
            return made
        if entry.kind not in WEIGHTED:
            raise ArchcalcError(f"{option.notes[0]}: what does so is not said")
        if len(self.net.inputs) == 1:
            self.net.first()
        made = self.net.free("input")
        self.take(made, wanted)
        return made

    def own(self, container: Entry, source: str) -> str:
        """What a module has beside its rows may be a vector of every position, which is added."""
        params, state = container.values.get("params"), self.net.states.get(source, UNKNOWN)
        if not params or container.index in self.added:
            return source
        if "batchnorm" in compact(container.name) and params == 2 * (state.c or 0):
            # A class of timm's that holds its activation.
            self.added.add(container.index)
            op = f"BatchNorm{len(state.ext or ()) or 1}d"
            return self.net.assume(op, {}, [source], state, f"what {container.name} has itself")
        if not self.net.tokens(state):
            return source
        token = self.net.beside.get(source, "").startswith(TOKEN)
        if params not in [((state.flat or 0) + k * (state.c or 0)) for k in range(1 + 2 * token)]:
            return source
        self.added.add(container.index)
        note = f"{container.name} has {params:,} parameters beside its rows': positions are taken"
        shape = {"shape": list(self.net.shape(source))}
        places = self.net.assume("Parameter", shape, [source], state, note)
        return self.net.assume("Add", {}, [source, places], state, note)

    def end(self, container: Entry) -> None:
        """A module's end: what it has beside its rows may be a scale of every channel."""
        state = self.net.states.get(self.net.last, UNKNOWN)
        alone = tuple(1 for _ in state.ext or ())
        c, tree = state.c or 0, container.values.get("params") == state.c
        if tree and alone and self.net.last in self.net.written:
            source = self.net.last
            note = f"{container.name} has {c:,} parameters beside its rows': a scale is taken"
            sizes = [*alone, c] if source in self.net.turned else [c, *alone]
            one = State(c, alone)
            scale = self.net.assume("Parameter", {"shape": sizes}, [source], one, note)
            self.net.assume("Mul", {}, [source, scale], state, note)
        self.residual(container, *self.begun.get(container.index, ("", 0)))
        self.names[container.index] = self.net.last

    def residual(self, module: Entry, source: str, count: int) -> None:
        """A module that is called residual adds what it takes, before its last activation.

        ``count`` layers stand before it. Nothing is added where one of its layers is a sum.
        """
        net, last = self.net, self.net.last
        inside = list(net.written)[count:]
        word = called(module)
        state = net.states.get(source, UNKNOWN)
        sums = any(net.written[name].get("op") == "Add" for name in inside)
        if not re.search(RESIDUAL, word) or sums or not inside or net.states[last] != state:
            return
        if last == source or module.index in self.split:
            return
        note = f"{module.name} is taken to add what it takes, as its name says"
        ends, act = inside[max(-2, -len(inside))], net.written[last]
        if act.get("op") not in ACTIVATIONS or act["op"] == "Dropout" or "from" in act:
            net.assume("Add", {}, [last, source], state, note)
            return
        net.open = [*(name for name in net.open if name != last), ends]
        del net.written[last]
        added = net.assume("Add", {}, [ends, source], state, note)
        net.put(last, act["op"], {k: v for k, v in act.items() if k != "op"}, [added], state)

    def passes(self, entry: Entry, option: Option, sources: list[str]) -> bool:
        """Whether a row is a module whose rows stand before it: it gives what they give."""
        made_of = entry.pattern is not None or entry.stack is not None
        if option.layer.kind not in MODULES or entry.values.get("params") or made_of:
            return False
        state = self.net.states.get(sources[0], UNKNOWN)
        if option.out == state:
            self.residual(entry, *self.before_module(entry))
            sources[:] = [self.net.last]
            return True
        note = f"how {entry.name} joins its rows is not in the table"
        near = list(self.net.states)[-FAR:]
        made = reached(self.net, option.out, sources[0], near, note)
        sources[:] = [made] if made is not None else sources
        return made is not None

    def before_module(self, entry: Entry) -> tuple[str, int]:
        """What a module takes whose rows stand before it, and how many layers come before those.

        They follow a pooling, or another module that is called residual.
        """
        for row in range(entry.index - 1, -1, -1):
            other = self.sheet.entries[row]
            word = called(other)
            if other.kind == "pool" or (other.kind in MODULES and re.search(RESIDUAL, word)):
                name = self.names.get(row, "")
                written = list(self.net.written)
                return name, written.index(name) + 1 if name in written else len(written)
        return "", len(self.net.written)

    def spell(self, entry: Entry, option: Option, sources: Sequence[str]) -> None:
        """Write what a row is."""
        name = self.named(entry)
        if option.layer.kind == "reshape" and option.out != self.net.states.get(sources[0]):
            sources = [self.net.laid(source, True) for source in sources]
        elif option.layer.kind in MODULES:
            tokens = self.net.tokens(option.takes)
            sources = [self.net.laid(source, tokens) for source in dict.fromkeys(sources)]
        twin = self.twin(entry)
        first = self.found.options[twin] if twin is not None else None
        if first is not None:
            option = replace(option, layer=first.layer)
        for k, each in enumerate(self.layers(entry, option, sources)):
            if twin is not None and re.search(WEIGHTS, each.op):
                each.fields["share"] = self.layers_of[twin][k]
            last = name if not k else self.net.free(f"{name}-{k + 1}")
            out = each.outs or option.out
            self.net.put(last, each.op, each.fields, sources if not k else [self.net.last], out)
            if each.beside:
                self.net.beside[last] = each.beside
            self.layers_of.setdefault(entry.index, []).append(self.net.last)
        self.names[entry.index] = self.net.last

    def twin(self, entry: Entry) -> int | None:
        """The row that is printed again, as torchinfo says of a layer's later calls."""
        key = entry.what.word.split(":")[0], printed_state(entry, "out"), entry.depth
        calls = self.calls.setdefault(key, ([], []))
        again = RECURSIVE in entry.cells
        calls[again].append(entry.index)
        if not again or not calls[0]:
            return None
        return calls[0][(len(calls[1]) - 1) % len(calls[0])]

    def layers(self, entry: Entry, option: Option, sources: Sequence[str]) -> Iterator[Spelled]:
        """The operators of a row, with their fields and what is to be said of them."""
        layer, kind, out = option.layer, option.layer.kind, option.out
        state = self.net.states.get(sources[0], UNKNOWN)
        axes = len(out.ext or ())
        if kind in ("conv", "depthwise", "separable", "deconv"):
            try:
                yield from convolution(layer, axes, self.unsure(entry, layer))
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
        elif (
            made := inner(
                entry, self.net.states[sources[0]], out, self.net.tokens(state), self.usual
            )
        ) is not None:
            if not state.ext and sources[0] not in self.net.flat:
                yield Spelled("Flatten", {}, "", state)
            yield Spelled("", self.block(made), INSIDE)
        elif kind in ("unknown", "module") and out == state and not entry.values.get("params"):
            yield Spelled("Identity", {}, f"{entry.name}: what it does is not known")
        else:
            what = entry.what.word or entry.name or "row without a name"
            raise ArchcalcError(f"row {entry.index + 1}: '{what}' can't be written as a layer")

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
        c, kept = state.c or 0, self.found.manner.norm in (3, 4)
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

    def unsure(self, entry: Entry, layer: Layer) -> str:
        """What of a convolution the table does not print."""
        if "kernel_h" in entry.values or layer.kernel is None:
            return ""
        return "the kernel follows from the parameters" if "params" in entry.values else "assumed"

    # What is not in the table --------------------------------------------------------------------

    def module(self, container: Entry) -> None:
        """Write how a module makes what it gives of its rows: it joins, sums or scales them."""
        source, count = self.begun.get(container.index, (self.net.last, 0))
        if half := self.split.get(container.index):
            both = [self.slice(source, half, 1), self.names[container.index + 1]]
            note = f"how {container.name} joins its halves is not in the table"
            whole = _doubled(half)
            self.net.assume("Concat", self.net.axis(both, whole), both, whole, note)
            return
        inside = list(self.net.written)[count:]
        note = f"how {container.name} joins its rows is not in the table"
        out = printed_state(container, "out")
        made = reached(self.net, out, self.net.last, [source, *inside], note)
        if made is None:
            raise ArchcalcError(f"row {container.index + 1}: {note}")
        self.net.last = self.names[container.index] = made

    def widened(self, entry: Entry, option: Option) -> State:
        """What a module takes whose parameters ask for more than the row before it gives."""
        wanted = option.takes
        earlier = [each for each in self.net.states.values() if each.ext == wanted.ext and each.c]
        more = [State((wanted.c or 0) + (each.c or 0), wanted.ext) for each in reversed(earlier)]
        jumped = list(self.net.states.values())[-FAR:]
        for taken in dict.fromkeys((wanted, *more, *reversed(jumped))):
            if inner(entry, taken, option.out, self.net.tokens(taken), self.usual) is not None:
                return taken
        return wanted

    def summed(self, entry: Entry, source: str, note: str) -> str:
        """A sum with what nothing else takes, where both have one shape: a shortcut's end."""
        net, state = self.net, self.net.states.get(source)
        ends = [name for name in net.open if name != source and net.states[name] == state]
        if not ends or source in net.inputs or source not in net.open or entry.index in self.apart:
            return source
        self.sums.append(entry.index)
        net.cost += SUMMED
        return net.assume("Add", {}, [*ends, source], net.states[source], note.format("a sum"))

    # Layers --------------------------------------------------------------------------------------

    def named(self, entry: Entry) -> str:
        """A layer's name that no other has."""
        own = re.fullmatch(r"(.+) \(([\w.-]+)\): \d+-\d+", entry.name)  # torchinfo's names
        bare = entry.name if own is None else own[2] if own[2][0].isalpha() else own[1] + own[2]
        bare = re.sub(r" \((\d\w{0,2})\)$", r"_\1", bare)  # inception (3a)
        bare = bare.split(" (")[0].replace(": ", "_")
        bare = re.sub(r"^(\d+) ([a-z]+)$", r"\2\1", bare)
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", bare).strip("_-").lower()
        if not plain or not plain[0].isalpha():
            plain = f"{compact(entry.what.word) or 'row'}_{plain}".strip("_")
        return self.net.free(plain if plain[0].isalpha() else f"row_{plain}")


def _doubled(half: State) -> State:
    return State(2 * (half.c or 0), half.ext)


def _before(n: int, k: int, stride: int) -> int:
    """An extent that a first window leaves as n."""
    if stride > 1:
        return n * stride
    return n if k % 2 else n + k - 1
