"""What a reading of a row is, what its cells should then say, and what it costs if they do not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import NamedTuple

from archcalc.claims.tables.kinds import WEIGHTED
from archcalc.claims.tables.sheet import AXES, Entry, Number
from archcalc.claims.tables.work import Held, Layer, memory_of, work_of

MISPRINT = 10.0
"""The price of a cell that says something else than its row's reading."""

USUAL = (3, 1, 5, 7, 2, 4, 11, 9)
DEAR = 24.0
"""How much more than its cheapest a reading of a row may cost."""

LIKE_OTHERS = 0.8
"""What it is worth that a misprint stands for what most other rows of the kind print."""

Extents = tuple[int | None, ...]
"""Sizes of axes; None for one that nothing says."""


Sizes = tuple[int, ...]
"""Extents of which every one is known."""


def known(ext: Extents | None) -> Sizes | None:
    """Extents of which every one is known, or None."""
    sizes = tuple(n for n in ext or () if n is not None)
    return sizes if ext is not None and len(sizes) == len(ext) else None


class State(NamedTuple):
    """What flows between rows."""

    c: int | None
    """Channels or features; None where nothing says."""
    ext: Extents | None
    """Extents of the axes beside them; None where not even their number is known."""
    of: int = 1
    """What its features are a whole multiple of, where they are not known."""

    @property
    def flat(self) -> int | None:
        """All of its numbers as one row."""
        ext = known(self.ext)
        return None if self.c is None or ext is None else self.c * prod(ext)


UNKNOWN = State(None, None)


@dataclass(slots=True)
class Option:
    """One reading of a row."""

    out: State
    price: float
    """Of what is unusual about it, or assumed."""
    expected: dict[str, Number]
    """What the row's cells should say, by role."""
    layer: Layer
    notes: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    """Roles of the cells that say something else."""
    cost: float = 0.0
    given: tuple[int, ...] | None = None
    takes: State = UNKNOWN
    """What the row is read to take, whatever made it."""


@dataclass
class Manner:
    """How a whole table counts, as far as is known: prices of departing from it."""

    biases: dict[tuple[str, bool], int] = field(default_factory=dict)
    """Biases (0, 1; 2 and 3 with a normalization) by kind and whether a normalization follows."""
    firm: dict[tuple[str, bool], bool] = field(default_factory=dict)
    """Whether nothing in the table departs from that, of many rows."""
    by_hand: bool = False
    """Whether somebody worked the numbers out, in one way for all layers of a kind."""
    norm: int | None = None
    """Numbers a channel of normalizations."""
    grouped: dict[bool, float] = field(default_factory=lambda: {True: 7.0, False: MISPRINT + 0.5})
    """The price of groups that are not printed: as many as channels, or some, of which one row
    alone is rather misprinted."""
    ceil: bool | None = None
    """Whether poolings round up; None where nothing says."""
    square: bool = False
    """Whether all kernels but one are square, of many that parameters tell."""
    thousand: int = 1000
    work: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each column of work, how each kind of row is counted."""
    memory: dict[str, Held] = field(default_factory=dict)
    """For each column of memory, what it counts."""
    batch: int = 1
    first: bool = False
    program: str = ""
    """``keras`` or ``pytorch``, if one of them printed the table."""
    window: tuple[int, int] | None = None
    """Side and stride of all poolings but one, of which neither is printed."""
    groups: tuple[int, int] = (0, 0)
    """Groups that all grouped convolutions have, and channels of each; 0 where they differ."""
    padded: bool | None = None
    """Whether all windows of more than one row are padded to keep what they take, or none is."""
    start: int = -1
    """The first row with weights: nothing goes back from it to the input."""
    windowed: frozenset[str] = frozenset()
    """Columns of work that is done for every window that stands in the place of the batch."""
    plainly: dict[str, bool] = field(default_factory=dict)
    """Of authors' classes, whether most rows of each are what its name says, as far as that is
    told."""
    keeping: frozenset[str] = frozenset()
    """Words of attention of which every row but one gives what it takes, of several."""
    usual: Mapping[tuple[str, str], Number] = field(default_factory=dict)
    """What most rows of a kind print of a window, by kind and role."""
    unsaid: bool = False
    """Whether convolutions may be dilated, or pooled in their own row, though nothing says so."""
    backward: frozenset[str] = frozenset()
    """Columns of work that is done backwards."""

    def bias_price(self, kind: str, followed: bool, bias: int) -> float:
        """What it costs to read a layer as having so many numbers a channel beside its kernel.

        Two are a normalization's, three those and a bias; four and five, where its statistics are
        counted, too.
        """
        usual = self.biases.get((kind, followed))
        if usual is None:
            return (0.0, 0.0, 3.0, 3.5, 3.2, 3.3)[bias]
        if bias == usual:
            return 0.0
        if self.by_hand and usual > bias and self.firm.get((kind, followed)) is not False:
            return MISPRINT + 2
        return (9.0 if self.firm.get((kind, followed)) else 2.0) + (bias > 1) * 2


class Hints(NamedTuple):
    """What the rows around one say that bears on it."""

    followed: bool = False
    """Whether a normalization follows."""
    after: State = UNKNOWN
    """What the next row is printed to take, or to give where it changes nothing."""
    ends: bool = False
    """Whether it is the first or the last row with weights."""
    needs: tuple[int, ...] = ()
    """Channels that the next row's parameters ask for."""
    sides: tuple[int, ...] = ()
    """Of kernels over one axis that no row prints, as other rows' parameters have them."""
    words: tuple[int, ...] = ()
    """Parameters of embeddings, of which a layer of features may be the transposed one."""


def weigh(entry: Entry, option: Option, manner: Manner) -> None:
    """Add what the cells say to a reading's price."""
    weigh_work(entry, option, manner)
    _split(entry, option)
    cost = option.price
    roles: list[str] = []
    for group in contradicted(entry, option.expected, manner).values():
        roles += group
        cost += misprinted(entry, option.expected, group)
        if all(manner.usual.get((entry.kind, r)) == option.expected[r] for r in group):
            cost -= LIKE_OTHERS
        if "params" in group and entry.values.get("worked") == entry.values["params"]:
            cost += MISPRINT - 1  # how it comes about is printed beside it
    option.wrong = tuple(roles)
    option.cost = cost


def contradicted(
    entry: Entry, expected: Mapping[str, Number], manner: Manner
) -> dict[int, list[str]]:
    """For each place of a cell that says something else than is expected, its roles."""
    wrong: dict[int, list[str]] = {}
    values = entry.values
    # Of weights and biases that are printed apart their sum is no witness of its own.
    both = {"weights", "biases"} <= values.keys() & expected.keys()
    for role, right in expected.items():
        printed = values.get(role)
        if printed is None or printed == right or (role == "params" and both):
            continue
        if role in entry.printed and holds(entry, role, right, manner):
            continue
        wrong.setdefault(_place(entry, role), []).append(role)
    return wrong


def misprinted(entry: Entry, expected: Mapping[str, Number], group: Sequence[str]) -> float:
    """The price of a cell of which some roles say something else."""
    slipped = slip(entry.values[group[0]], expected[group[0]])
    return MISPRINT + 0.1 * (len(group) - 1) + (0.0 if slipped else 0.4)


def _split(entry: Entry, option: Option) -> None:
    """Expect weights and biases apart where they have columns."""
    total, layer = option.expected.get("params"), option.layer
    if total is not None and "trained" in entry.values:
        # Of a normalization's numbers its statistics do not train; nothing does that is frozen.
        fits = (0, *([total // 2] if layer.kind == "norm" else []))
        option.expected["trained"] = next((n for n in fits if n == entry.values["trained"]), total)
    if total is None or not ({"weights", "biases"} & set(entry.values)):
        return
    if layer.kind == "norm":
        biases = total - total // 2
    else:
        biases = (layer.cout or 0) * layer.bias if total else 0
    if biases <= total:
        option.expected |= {"weights": total - biases, "biases": biases}


def holds(entry: Entry, role: str, right: Number, manner: Manner) -> bool:
    """Whether a printed count is a number at its precision."""
    if role in entry.exact and isinstance(right, int):
        return right == entry.values[role]
    exact = entry.printed[role]
    if manner.thousand != 1000 and role == "params" and exact.scale > 1:
        return abs(right - exact.value * Fraction(1024, 1000) ** _power(exact.scale)) <= (
            exact.step * Fraction(1024, 1000) ** _power(exact.scale)
        )
    return exact.verdict(right).holds


def _power(scale: Fraction) -> int:
    return {1000: 1, 10**6: 2, 10**9: 3}.get(int(scale), 0)


def _place(entry: Entry, role: str) -> int:
    """Roles that stand in one cell have one place."""
    return entry.columns.get(role, -1)


@lru_cache(10_000)
def slip(printed: Number, right: Number) -> bool:
    """Whether a number may have become the other by a slip of digits, or by one."""
    if -1 <= printed - right <= 1:
        return True
    p, r = str(printed), str(right)
    if len(p) == len(r):
        return sum(a != b for a, b in zip(p, r, strict=True)) <= 1 or (
            sorted(p) == sorted(r) and sum(a != b for a, b in zip(p, r, strict=True)) == 2
        )
    return abs(len(p) - len(r)) == 1 and (p in r or r in p or _dropped(p, r))


def _dropped(p: str, r: str) -> bool:
    shorter, longer = sorted((p, r), key=len)
    return any(longer[:k] + longer[k + 1 :] == shorter for k in range(len(longer)))


def spread(prefix: str, state: State, entry: Entry) -> dict[str, Number]:
    """What a row's cells should say of a state: each number under its role."""
    if prefix in entry.flat:
        return {} if state.flat is None else {f"{prefix}_c": state.flat}
    found: dict[str, Number] = {} if state.c is None else {f"{prefix}_c": state.c}
    if state.ext is None:
        return found
    printed = [axis for axis in "dhw" if f"{prefix}_{axis}" in entry.values]
    ext = state.ext
    if prefix in entry.columns and 0 < len(printed) < len(ext) and None not in ext:
        # A whole size is printed: what has more axes is no such size.
        first = len(printed) - 1
        ext = (*ext[:first], prod(n or 1 for n in ext[first:]))
    if len(printed) == len(ext):
        names = "".join(printed)
    elif not ext:
        names, ext = "".join(printed), (1,) * len(printed)
        if all(entry.values[f"{prefix}_{axis}"] != 1 for axis in printed):
            # A vector that is printed before it is flattened.
            whole = prod(entry.values[f"{prefix}_{axis}"] for axis in printed)
            if entry.values.get(f"{prefix}_c", 0) * whole == state.c:
                return {}
    else:
        names = AXES.get(len(ext), "")
        if len(printed) > len(ext):
            found |= {f"{prefix}_{axis}": 1 for axis in printed if axis not in names}
    found |= {f"{prefix}_{a}": n for a, n in zip(names, ext, strict=False) if n is not None}
    return found


def printed_state(entry: Entry, prefix: str) -> State:
    """The state that a row prints; None in it where it says nothing."""
    values = entry.values
    c = values.get(f"{prefix}_c")
    if c is None:
        c = values.get("channels_out" if prefix == "out" else "channels_in")
    if prefix in entry.flat:
        return State(as_int(c), ())
    axes = [a for a in "dhw" if f"{prefix}_{a}" in values]
    apart = prefix not in entry.columns and any(f"{p}_w" in entry.columns for p in ("in", "out"))
    if axes in (["w"], ["h"]) and (apart or axes == ["w"]):
        axes = ["h", "w"]  # the other has no column
    ext = tuple(as_int(values.get(f"{prefix}_{a}")) for a in axes)
    return State(as_int(c), ext or None)


def called_by_class(entry: Entry) -> bool:
    """Whether a row is called by a class, as programs print it."""
    return bool(
        re.search(r"[a-z][A-Z]|: \d+-\d+$|\w+\(", entry.name)
        or re.fullmatch(r"[A-Z]+[a-z\d]+[A-Z]\w*", entry.what.word)
    )


def unnumbered(entry: Entry) -> str:
    """A row's word without the number by which a program tells it from others."""
    return re.sub(r"(-|: \d+-)\d+$", "", entry.what.word)


_PYTORCH = re.compile(
    r"(lazy|sync)?(conv(transpose)?|batchnorm|instancenorm|(adaptive)?(avg|max)pool)[123]?d?"
    r"|linear|bilinear|(layer|group|rms|localresponse)norm",
    re.IGNORECASE,
)
"""PyTorch's own classes of layers that have weights or windows."""
OPERATORS = frozenset((*WEIGHTED, "norm", "pool", "same"))
"""Kinds by which people call modules of their own, too."""


def authors_class(entry: Entry) -> str:
    """The class by which PyTorch's printout calls a row, where it is an author's; or ``""``.

    Only of rows that are an operator by their name: ``NormLinear`` may be one or a module.
    """
    numbered = re.match(r"(\w+?)(?: \([\w.-]+\))?(?:-\d+|: \d+-\d+)$", entry.name)
    own = numbered is not None and not _PYTORCH.fullmatch(numbered[1])
    return numbered[1] if own and numbered and entry.kind in OPERATORS else ""


def as_int(value: Number | None) -> int | None:
    """A whole number, or None."""
    return None if value is None else int(value)


def filled(state: State, printed: State) -> State:
    """A state whose gaps are filled by what is printed."""
    c = printed.c if state.c is None else state.c
    if state.ext is None:
        return State(c, printed.ext)
    if c is None:
        return state
    ext = state.ext
    if None in ext and printed.ext is not None and len(printed.ext) == len(ext):
        ext = tuple(p if n is None else n for n, p in zip(ext, printed.ext, strict=True))
    return State(c, ext)


def one_option(
    entry: Entry,
    state: State,
    out: State,
    price: float,
    layer: Layer,
    *notes: str,
    **expected: Number | None,
) -> Option:
    """A reading with what every cell of sizes should say."""
    known: dict[str, Number] = {**spread("in", state, entry), **spread("out", out, entry)}
    if "volume" in entry.values and out.flat is not None:
        known["volume"] = out.flat
    if state.c is not None:
        known["channels_in"] = state.c
    if out.c is not None:
        known["channels_out"] = out.c
    known.update((role, value) for role, value in expected.items() if value is not None)
    layer = layer._replace(taken=state.flat, given=out.flat)
    return Option(out, price, known, layer, notes)


def weigh_work(entry: Entry, option: Option, manner: Manner) -> None:
    """Expect the work and the memory that the table's way of counting gives."""
    # A layer that the printed pass does not execute has none of either.
    for role, held in manner.memory.items():
        if entry.values.get(role):
            size = memory_of(option.layer, held, manner.batch, entry.powers[role])
            if size is not None:
                option.expected[role] = size
    for role, ways in manner.work.items():
        way = ways.get(option.layer.kind)
        if way and entry.values.get(role):
            found = work_of(stated(entry, option.layer), way, manner.batch)
            if found is not None:
                found *= entry.windows if role in manner.windowed else 1
                if role in manner.backward and entry.index == manner.start:
                    # Only its weights want gradients, no input does.
                    half = entry.printed[role].verdict(found // 2).holds
                    found = found // 2 if half else found
                option.expected[role] = found


def stated(entry: Entry, layer: Layer) -> Layer:
    """An attention with the parameters that its row prints, which nothing else tells of."""
    params = entry.values.get("params")
    unknown = layer.kind == "attention" and layer.params is None and "params" in entry.exact
    return layer._replace(params=int(params)) if unknown and params else layer


def extents(state: State) -> int:
    """How many positions a state has."""
    return prod(n for n in state.ext or () if n is not None)
