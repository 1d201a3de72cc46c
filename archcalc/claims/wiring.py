"""Layers of a spec as they are written: their names, what each takes, and where features stand.

A printed table may have features last, as Keras has them, where a spec has them first: layers that
ask for the other order get a permutation before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.claims.spelled import ACTIVATIONS, Fields, Spelled, arranged
from archcalc.claims.tables.evidence import UNKNOWN, State
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.sheet import Entry, Sheet

LENGTH = 100
"""A length that stands for one of which the table says None: any will do."""

FIRST = r"Conv|Pool|BatchNorm|InstanceNorm|GroupNorm|Upsample|^Pad|Crop|LocalResponse|Shuffle"
"""Operators whose channels are the first axis."""
LAST = r"^(Linear|LSTM|GRU|RNN|LayerNorm|Embedding|Reshape|Slice)"
"""Operators whose features are the last axis."""


class Wiring:
    """The layers that were written so far."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.written: dict[str, Fields] = {}
        """Layers by name."""
        self.beside: dict[str, str] = {}
        """What is said of them in a comment."""
        self.blocks: dict[str, Mapping[str, Any]] = {}
        """Bodies by their names with arguments."""
        self.inputs: dict[str, list[int]] = {}
        self.states: dict[str, State] = {}
        """What each layer and input gives, as the table has it."""
        self.last = "input"
        self.cost = 0.0
        """Of what was assumed."""
        self.flat: set[str] = set()
        """Those that give one row of numbers."""
        self.turned: set[str] = set()
        """Those whose features are the last axis, of a table that prints them so."""
        self.open: list[str] = []
        """Layers that nothing takes yet."""
        self.halves: set[str] = set()
        """First halves of splits, which are left for what joins both again."""
        self.normed: set[str] = set()
        """Convolutions that a normalization takes."""
        self.taken: set[str] = set()
        """Names."""

    def free(self, plain: str) -> str:
        """A name that no layer has."""
        name, k = plain[:60], 1
        while name in self.taken:
            k += 1
            name = f"{plain[:60]}_{k}"
        self.taken.add(name)
        return name

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
        return self.free(plain if plain[0].isalpha() else f"row_{plain}")

    def manages(self, state: State) -> bool:
        """Whether the table prints features last, where a spec has them first but for few."""
        tokens = self.sheet.tokens and len(state.ext or ()) == 1
        return bool(state.ext) and (tokens or not self.sheet.channels_first)

    def tokens(self, state: State) -> bool:
        """Whether it is a row of positions whose features stand last."""
        return self.manages(state) and len(state.ext or ()) == 1

    def shape(self, name: str) -> tuple[int, ...]:
        """The sizes of what a layer gives in the spec, without the batch."""
        state = self.states[name]
        c, ext = state.c or 0, tuple(n or LENGTH for n in state.ext or ())
        return (*ext, c) if name in self.turned else (c, *ext)

    def laid(self, name: str, turned: bool) -> str:
        """A layer that gives the same with its features last, or first."""
        state = self.states.get(name, UNKNOWN)
        if not self.manages(state) or (name in self.turned) == turned or name in self.flat:
            return name
        made = self.free(f"{name}-turned")
        self.put(made, *self.turn(name)[:2], [name], state)
        return made

    def flattened(self, name: str) -> str:
        """A layer that gives the same as one row of numbers."""
        if name in self.flat:
            return name
        made = self.free(f"{name}-flat")
        self.put(made, "Flatten", {}, [name], State(self.states[name].flat, ()))
        return made

    def stretched(self, name: str, out: State) -> str:
        """A row of numbers as one position of what it is joined with element by element."""
        state = self.states.get(name, UNKNOWN)
        if name not in self.flat or state.c is None:
            return name
        made = self.free(f"{name}-stretched")
        one = State(state.c, tuple(1 for _ in out.ext or ()))
        self.put(made, "Reshape", {"shape": [state.c, *(one.ext or ())]}, [name], one)
        self.turned.discard(made)
        return made

    def turn(self, name: str) -> Spelled:
        """What puts features first that are last, and the other way round."""
        axes = len(self.states[name].ext or ())
        order = [axes + 1, *range(1, axes + 1)] if name in self.turned else [*range(2, axes + 2), 1]
        return Spelled("Permute", {"dims": [0, *order]})

    def put(self, name: str, op: str, fields: Fields, sources: Sequence[str], out: State) -> None:
        """Write a layer."""
        if re.search(LAST, op) and not (op == "Slice" and fields.get("dim") == 1):
            sources = [self.laid(source, True) for source in sources]
        elif re.search(FIRST, op):
            sources = [self.laid(source, False) for source in sources]
        elif len(sources) > 1:
            sources = [self.laid(source, sources[0] in self.turned) for source in sources]
            if out.ext == () and self.flat & set(sources):
                sources = [self.flattened(source) for source in sources]
            if out.ext and not re.search("Concat|Crop", op):
                sources = [self.stretched(source, out) for source in sources]
        layer: Fields = {"op": op} if op else {}
        if list(sources) != [self.last]:
            layer["from"] = sources[0] if len(sources) == 1 else list(sources)
        self.written[name] = {**layer, **fields}
        if "Norm" in op and "Conv" in str(self.written.get(sources[0], {}).get("op")):
            self.normed.add(sources[0])
        self.states[name] = out
        self.open = [each for each in self.open if each not in sources] + [name]
        row = op in ("Flatten", "Reshape", "") and out.ext == ()
        row = row or (op == "Concat" and all(source in self.flat for source in sources))
        if (
            row
            or (op == "Linear" and not out.ext)
            or (op in ACTIVATIONS and sources[0] in self.flat)
        ):
            self.flat.add(name)
        last = (sources[0] in self.turned or (not op and self.tokens(out))) and not re.search(
            FIRST, op
        )
        if op == "Permute" and self.states.get(sources[0]) == out:
            last = not last
        if self.manages(out) and (last or re.search(LAST, op)):
            self.turned.add(name)
        self.last = name

    def assume(self, op: str, fields: Fields, sources: Sequence[str], out: State, note: str) -> str:
        """Write a layer that no row is."""
        name = self.free("assumed")
        self.put(name, op, fields, sources, out)
        self.beside[name] = note
        return name

    def axis(self, sources: Sequence[str], out: State) -> Fields:
        """The axis over which rows are joined, where it is not that of the channels."""
        states = [self.states.get(name, UNKNOWN) for name in sources]
        turned = sources[0] in self.turned
        axes = len(out.ext or ())
        if sum(each.c or 0 for each in states) == out.c:
            return {"dim": axes + 1} if turned and axes else {}
        for k, n in enumerate(out.ext or ()):
            if sum((each.ext or (0,) * axes)[k] or 0 for each in states) == n:
                return {"dim": k + (1 if turned else 2)}
        return {}

    def first(self) -> None:
        """Name the input in layers that take it for none comes before them."""
        for layer in list(self.written.values())[:1]:
            layer.setdefault("from", next(iter(self.inputs)))

    def arranged(self, source: str, out: State, permuted: bool) -> Spelled:
        """What arranges numbers anew, as the table prints them, by an order of axes if one does."""
        sizes = tuple(n or LENGTH for n in out.ext or ())
        after = (*sizes, out.c or 0) if self.manages(out) else (out.c or 0, *sizes)
        return arranged(self.shape(source), after, permuted)
