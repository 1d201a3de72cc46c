"""Modules of a printed tree: what they take, how they join their rows, and what they have beside.

A table prints what a module gives and how many parameters it has, but not how it is wired.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from archcalc.claims.blocks import Module
from archcalc.claims.inner import called, inner, usual
from archcalc.claims.reach import TOKEN, reached
from archcalc.claims.spelled import ACTIVATIONS
from archcalc.claims.tables.evidence import UNKNOWN, Option, State, printed_state
from archcalc.claims.tables.flow import parts
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.sheet import Entry, Sheet
from archcalc.claims.wiring import Wiring
from archcalc.errors import ArchcalcError

RESIDUAL = r"^res$|resid|resblock|basicblock|bottleneck(?!transition)"
"""Classes of modules that add what they take."""
ATTENTION = r"atten|attn|mha"
"""Words of modules that attend."""
MODULES = frozenset(("module", "attention", "unknown", ""))
"""Kinds of rows that hold layers of which no row is printed."""


class Modules:
    """The modules of a table, as far as they are written."""

    def __init__(
        self, sheet: Sheet, options: Sequence[Option | None], net: Wiring, names: dict[int, str]
    ) -> None:
        """``names`` are the layers that give what rows give."""
        self.sheet, self.net, self.names = sheet, net, names
        self.begun: dict[int, tuple[str, int]] = {}
        """For each module, what its first row takes, and how many layers stand before it."""
        self.added: set[int] = set()
        """Modules of which the parameters beside their rows are written."""
        self.parts = parts(sheet)
        self.halved = {
            rows[0].index: printed_state(rows[0], "out")
            for row, rows in self.parts.items()
            if len(rows) == 1
            and printed_state(rows[0], "out").ext
            and printed_state(sheet.entries[row], "out") == _doubled(printed_state(rows[0], "out"))
        }
        """What parts take that stand alone in a module twice as wide: half of its channels."""
        self.closed: dict[str, None] = {}
        """Classes of modules that are taken to have nothing but their rows, printed before them."""
        self.split: dict[int, State] = {}
        """Modules that take their input apart, and what each half is."""
        self.usual = usual(
            (entry, taken, o.out, net.tokens(o.takes))
            for entry, o in zip(sheet.entries, options, strict=True)
            if o is not None and o.layer.kind in MODULES
            for taken in (self.halved.get(entry.index, o.takes),)
        )

    def inside(self, entry: Entry, before: State, after: State) -> Module | None:
        """What a row may be made of, of which no row is printed."""
        return inner(entry, before, after, self.net.tokens(before), self.usual)

    def begin(self, modules: Iterable[Entry], source: str) -> None:
        """Note what modules take of which a first row is written next."""
        for module in modules:
            self.begun.setdefault(module.index, (source, len(self.net.written)))

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
            fits = self.inside(entry, state, option.out) is not None
        else:
            fits = option.takes == state
        return name if fits else ""

    def half(self, entry: Entry, option: Option, inside: Sequence[Entry]) -> str:
        """Half of what a module takes, for its only part; ``""`` where it takes all."""
        half, source = self.halved.get(entry.index), self.net.last
        state = self.net.states.get(source, UNKNOWN)
        if half is None or state != _doubled(half) or option.layer.kind not in MODULES:
            return ""
        if self.inside(entry, half, option.out) is None:
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

    def ends_as(self, container: Entry) -> None:
        """The network's end, or a module's there: it gives what it prints."""
        out = printed_state(container, "out")
        if None in (out.c, out.ext) or container.several or len(self.net.open) > 1:
            return
        if self.net.states.get(self.net.last) != out:
            self.join(container)

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

    def join(self, container: Entry) -> None:
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
        made = None
        if self.net.states.get(source) == out:
            made = reached(self.net, out, self.net.last, inside, note)  # not what it takes alone
        made = made or reached(self.net, out, self.net.last, [source, *inside], note)
        if made is None:
            raise ArchcalcError(f"row {container.index + 1}: {note}")
        self.net.last = self.names[container.index] = made

    def made(self, entry: Entry) -> None:
        """Note a module without parameters, which its rows, printed before it, are taken to make.

        Raises :class:`ArchcalcError` for attention before which no row projects: its weights are
        called something else than what torchsummary counts.
        """
        before = (each for each in reversed(self.sheet.entries[: entry.index]))
        last = next((each for each in before if each.kind not in ("same", "input")), None)
        word = called(entry)
        if re.search(ATTENTION, word) and (last is None or last.kind not in ("linear", "conv")):
            raise ArchcalcError(
                f"row {entry.index + 1}: '{entry.what.word or entry.name}' prints no parameters, "
                "and no row of it stands before it: what it has is not in the table"
            )
        self.closed.setdefault(entry.what.word or entry.name)

    def before(self, entry: Entry) -> tuple[str, int]:
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


def _doubled(half: State) -> State:
    return State(2 * (half.c or 0), half.ext)
