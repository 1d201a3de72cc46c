"""A network's rows, one after another, written as layers of a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from archcalc.claims.causes import label
from archcalc.claims.finding import Audit
from archcalc.claims.given import given, take
from archcalc.claims.inner import searched
from archcalc.claims.nested import MODULES, Modules
from archcalc.claims.reach import FAR, reached
from archcalc.claims.spelling import Spelling, parts
from archcalc.claims.tables.evidence import UNKNOWN, Option, State, printed_state, unnumbered
from archcalc.claims.tables.flow import RECURSIVE, begun_again, closed
from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.wiring import Wiring
from archcalc.errors import ArchcalcError

WEIGHTS = r"Conv|Linear|Norm|LSTM|GRU|RNN|Embedding|PReLU"
"""Operators that may have weights to share."""
SUMMED, LEFT = 0.7, 2.0
"""Prices of a sum that is not printed, and of a layer but the last that nothing takes."""


class Writer:
    """The layers of a table's rows, and what is assumed between them."""

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
        self.modules = Modules(self.sheet, self.found.options, self.net, self.names)
        kept = self.found.manner.norm in (3, 4)
        self.spelling = Spelling(self.net, kept, self.modules.inside)
        self.calls: dict[tuple[str, State, int], tuple[list[int], list[int]]] = {}
        """Rows of a class, depth and size: first calls, and calls of the same layers again."""
        self.took: dict[int, State] = {}
        """What a row takes that is a module of which no row is printed."""
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
        self.said = given(self.net, self.found, self.names)
        ended = closed(self.sheet)
        inside: list[Entry] = []
        for entry, option in zip(self.sheet.entries, self.found.options, strict=True):
            if entry.kind == "total":
                continue
            while inside and entry.depth <= inside[-1].depth:
                self.modules.end(inside.pop())
            if entry.container:
                inside.append(entry)
            if option is not None:
                for container in ended.get(entry.index, ()):
                    self.names[container.index] = self.net.last
                self.row(entry, option, inside)
        while inside:
            self.modules.end(inside[-1])
            self.modules.ends_as(inside.pop())

    def row(self, entry: Entry, option: Option, inside: Sequence[Entry]) -> None:
        """Write the layers of one row."""
        if entry.kind == "input":
            self.net.last = self.names[entry.index]
            return
        link = self.found.links[entry.index]
        rows = option.given if option.given is not None else link.rows or ()
        sources = [self.names[row] for row in rows if row in self.names] or [self.net.last]
        if link.rows == () and entry.index in begun_again(self.sheet):
            sources = [next(iter(self.net.inputs))]
        elif (option.given is None or self.closes(entry, option)) and not link.named:
            sources = [self.net.last]
        branch = self.modules.branch(entry, option, inside) or self.modules.half(
            entry, option, inside
        )
        sources = [branch] if branch else sources
        self.modules.begin(inside, sources[0])
        module = branch or (option.layer.kind in MODULES and not entry.values.get("params"))
        if len(rows) < 2 and not self.sheet.has("source") and not module:
            sources = [self.taken(entry, option, sources[0])]
        for container in inside:
            sources[:1] = [self.modules.own(container, sources[0])]
        if self.passes(entry, option, sources):
            self.names[entry.index] = sources[0]
            self.layers_of.setdefault(entry.index, [])
            self.net.last = sources[0]
        else:
            self.spell(entry, option, sources)
        for note in option.notes:
            if number := re.search(r"^how the rows of row (\d+)", note):
                self.modules.join(self.sheet.entries[int(number[1]) - 1])

    def closes(self, entry: Entry, option: Option) -> bool:
        """Whether a row is a module below its rows, as torchsummary prints it."""
        bare = option.layer.kind in MODULES and not entry.values.get("params")
        return bare and re.search(r"^\w+-\d+$", entry.name) is not None

    def taken(self, entry: Entry, option: Option, source: str) -> str:
        """What a row takes, after what stands before it that is not in the table."""
        state, wanted = self.net.states.get(source, UNKNOWN), option.takes
        if option.layer.kind in MODULES and option.out.flat == wanted.flat and wanted.flat:
            # It may take what it gives, in another order than it was given.
            own, turned = (
                self.modules.inside(entry, each, option.out) for each in (wanted, option.out)
            )
            wanted = option.out if own is None and turned is not None else wanted
        whole = entry.pattern is None and entry.stack is None and entry.values.get("params")
        if option.layer.kind in MODULES and whole and wanted == option.takes:
            wanted = self.grown(entry, option) or self.widened(entry, option)
            self.took[entry.index] = wanted
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
            here = f"what {label(entry)} takes is given by no row"
            raise ArchcalcError(f"{next(iter(option.notes), here)}: what does so is not said")
        if len(self.net.inputs) == 1:
            self.net.first()
        made = self.net.free("input")
        take(self.net, made, wanted)
        return made

    def passes(self, entry: Entry, option: Option, sources: list[str]) -> bool:
        """Whether a row is a module whose rows stand before it: it gives what they give."""
        made_of = entry.pattern is not None or entry.stack is not None
        if option.layer.kind not in MODULES or entry.values.get("params") or made_of:
            return False
        if self.sheet.by_hand and not self.sheet.has("params"):
            return False  # it has layers of its own
        state = self.net.states.get(sources[0], UNKNOWN)
        if parts(entry, state, option.out):
            return False
        self.modules.made(entry)
        if option.out == state:
            self.modules.residual(entry, *self.modules.before(entry))
            sources[:] = [self.net.last]
            return True
        note = f"how {entry.name} joins its rows is not in the table"
        near = list(self.net.states)[-FAR:]
        made = reached(self.net, option.out, sources[0], near, note)
        sources[:] = [made] if made is not None else sources
        return made is not None

    def spell(self, entry: Entry, option: Option, sources: Sequence[str]) -> None:
        """Write what a row is."""
        name = self.net.named(entry)
        if option.layer.kind == "reshape" and option.out != self.net.states.get(sources[0]):
            sources = [self.net.laid(source, True) for source in sources]
        elif option.layer.kind in MODULES:
            tokens = self.net.tokens(option.takes)
            sources = [self.net.laid(source, tokens) for source in dict.fromkeys(sources)]
        twin = self.twin(entry)
        first = self.found.options[twin] if twin is not None else None
        if first is not None:
            option = replace(option, layer=first.layer)
        for k, each in enumerate(self.spelling.layers(entry, option, sources)):
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

    def grown(self, entry: Entry, option: Option) -> State | None:
        """What a module takes that is one of several, each of which takes what all before it give.

        They are of one class, and what they are rows of gives as much as they all and what the
        first of them takes.
        """
        whole, rows = self.beside(entry)
        made, given = (printed_state(each, "out") for each in (entry, whole or entry))
        took = self.took.get(rows[0].index, UNKNOWN) if rows else UNKNOWN
        alike = {(unnumbered(row), printed_state(row, "out")) for row in rows}
        if len(alike) != 1 or entry is rows[0] or None in (took.c, made.c, given.c):
            return None
        before = sum(row.index < entry.index for row in rows)
        first, each = took.c or 0, made.c or 0
        if given.ext != made.ext or first + len(rows) * each != given.c:
            return None
        taken = State(first + before * each, took.ext)
        return taken if self.modules.inside(entry, taken, option.out) is not None else None

    def beside(self, entry: Entry) -> tuple[Entry | None, list[Entry]]:
        """The module that a row stands in, and all rows right below that."""
        entries = self.sheet.entries
        above = (entries[k] for k in range(entry.index - 1, -1, -1))
        whole = next((each for each in above if each.depth < entry.depth), None)
        rows: list[Entry] = []
        for each in entries[whole.index + 1 :] if whole is not None else ():
            if each.kind == "total" or each.depth < entry.depth:
                break
            rows += [each] if each.depth == entry.depth else []
        return whole, rows

    def widened(self, entry: Entry, option: Option) -> State:
        """What a module takes whose parameters ask for other than what the row before it gives.

        What determines all its widths is likelier than that one was searched which just fits.
        """
        wanted = option.takes
        earlier = [each for each in self.net.states.values() if each.ext == wanted.ext and each.c]
        more = [State((wanted.c or 0) + (each.c or 0), wanted.ext) for each in reversed(earlier)]
        jumped = list(self.net.states.values())[-FAR:]
        fits = [
            (taken, searched(made))
            for taken in dict.fromkeys((wanted, *more, *reversed(jumped)))
            if (made := self.modules.inside(entry, taken, option.out)) is not None
        ]
        determined = (taken for taken, widths in fits if not widths)
        return next(determined, fits[0][0] if fits else wanted)

    def summed(self, entry: Entry, source: str, note: str) -> str:
        """A sum with what nothing else takes, where both have one shape: a shortcut's end."""
        net, state = self.net, self.net.states.get(source)
        ends = [name for name in net.open if name != source and net.states[name] == state]
        ends = [name for name in ends if name not in net.halves]
        if not ends or source in net.inputs or source not in net.open or entry.index in self.apart:
            return source
        self.sums.append(entry.index)
        net.cost += SUMMED
        return net.assume("Add", {}, [*ends, source], net.states[source], note.format("a sum"))
