"""A printed table as rows of evidence: what each cell says, by role, and what can't be read.

Nothing is corrected here. Sizes stand as ``in_h``, ``out_c`` and so on: ``c`` are channels or
features, ``d``, ``h`` and ``w`` the axes that a window slides over (one axis is ``h``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from archcalc.claims.printed import Printed
from archcalc.claims.tables.cells import (
    Shape,
    Window,
    count,
    natural,
    nothing,
    padding,
    shapes,
    window,
)
from archcalc.claims.tables.columns import NUMBERS, find_roles, unit
from archcalc.claims.tables.grid import Grid, read_grid
from archcalc.claims.tables.kinds import SLIDING, WEIGHTED, Kind, kind_of
from archcalc.claims.tables.lines import MOST_CHARACTERS
from archcalc.claims.tables.modules import WIDTHS, Pattern, pattern_of
from archcalc.claims.tables.words import said
from archcalc.errors import ArchcalcError
from archcalc.spec.zoo import folder

Number = int | Fraction
AXES = {0: "", 1: "h", 2: "hw", 3: "dhw"}
"""Names of the axes of a shape with so many beside its channels."""

LONGEST_PATH = 1_000
"""Characters of a file's name; what is longer is a table of one line."""

_PARTS = {"in": "dhwc", "out": "dhwc"}
_WINDOW = ("kernel_d", "kernel_h", "kernel_w")
_MAY_BE_NONE = frozenset(("pad", "out_pad", *WIDTHS))
_SYMBOL = re.compile(r"#?(n(um)?[_ ]?)?(of )?class(es)?|#?[A-Za-z]{1,2}'?", re.IGNORECASE)
"""What stands for a number that every user has another of."""
_SAID = frozenset(("row", "remark", "layer", "op", "stage", "source", "bias"))


@dataclass(frozen=True)
class Entry:
    """A row of a printed table."""

    index: int
    """From 0, totals included."""
    line: int
    """Of the text, from 1."""
    cells: tuple[str, ...]
    """As printed."""
    what: Kind
    name: str
    stage: str
    sources: tuple[str, ...]
    values: Mapping[str, Number]
    """What is printed, by role: ``in_h``, ``channels_out``, ``params``... Nothing for no cell."""
    printed: Mapping[str, Printed]
    """Counts with their precision."""
    flat: frozenset[str] = frozenset()
    """``in`` or ``out`` where a whole shape is printed that has no axes beside its features."""
    depth: int = 0
    container: bool = False
    """Whether the rows below it are what it is made of."""
    pattern: Pattern | None = None
    several: bool = False
    """Whether more than one output is printed."""
    same_pad: bool = False
    strides: tuple[int, ...] = ()
    """Strides that are not the same for all axes."""
    columns: Mapping[str, int] = field(default_factory=dict)
    """The place of each role's cell."""
    exact: frozenset[str] = frozenset()
    """Counts that are printed to the last digit."""

    @property
    def kind(self) -> str:
        """What the row is, by :data:`archcalc.claims.tables.kinds.WORDS`; ``layer`` for what has
        weights but no name that says more, or ``""``.
        """
        return self.what.kind

    @property
    def weighted(self) -> bool:
        """Whether it multiplies weights."""
        return self.kind in WEIGHTED or self.kind == "layer"


@dataclass(frozen=True)
class Unreadable:
    """A cell that holds no number where one belongs, or nothing where something does."""

    row: int
    column: int
    message: str


@dataclass(frozen=True)
class Sheet:
    """A printed table that was read."""

    name: str
    form: str
    headers: tuple[str, ...]
    columns: Mapping[str, int]
    """The place of each role's column; roles that share a cell share a place. Work columns are
    ``ops``, ``ops2``, ``ops3``..."""
    entries: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...]
    unmapped: tuple[str, ...]
    """Headers of columns that nothing is known of."""
    remarks: tuple[str, ...] = ()
    """Headers of columns that hold words and numbers that nothing is checked by."""
    channels_first: bool = False
    """Whether sizes are printed 64x56x56."""
    batch: int = 1
    """The batch that the printed sizes have; 1 where they have none."""
    whole: tuple[int, int] | None = None
    """Parameters that train and that do not, as said below the table."""
    tokens: bool = False
    """Whether features stand last where positions are one row, though channels stand first."""

    @property
    def layers(self) -> tuple[Entry, ...]:
        """All rows that are no totals and are not made of other rows."""
        return tuple(e for e in self.entries if e.kind != "total" and not e.container)

    def has(self, *roles: str) -> bool:
        """Whether the table has a column for every one of these."""
        return all(role in self.columns for role in roles)

    def has_any(self, *roles: str) -> bool:
        """Whether the table has a column for one of these."""
        return any(role in self.columns for role in roles)

    @property
    def by_hand(self) -> bool:
        """Whether somebody wrote it, kernels and all, and no program printed it."""
        printed = self.form in ("modules", "ultralytics") or any(
            re.search(r": \d+-\d+$", entry.name) for entry in self.entries
        )
        return self.has_any("kernel_h", "stride") and self.form != "darknet" and not printed

    @property
    def work(self) -> tuple[str, ...]:
        """The roles of its columns of work."""
        return tuple(role for role in self.columns if role.startswith("ops"))


def read_table(table: str | Path, map: Mapping[str, str] | None = None, form: str = "") -> Sheet:
    """The rows of a table in a file or in a text of more than one line.

    A name without an ending, such as ``vgg16_structure``, may be that of a table that is shipped.
    ``map`` gives roles the headers of their columns (``{"channels_in": "planes"}``), ``form``
    insists on a format. Raises :class:`ArchcalcError` for what can't be read as a table.
    """
    name, text = _text(table)
    return read_sheet(read_grid(text, name, form), name, map)


def _text(table: str | Path) -> tuple[str, str]:
    if isinstance(table, str) and "\n" in table:
        return "<table>", table
    if len(str(table)) > LONGEST_PATH:
        return "<table>", str(table)
    path = Path(table)
    shipped = folder() / "tables" / f"{path}.csv"
    if path.name == str(path) and not path.suffix and not path.exists() and shipped.is_file():
        path = shipped
    try:
        if path.stat().st_size > MOST_CHARACTERS:
            raise ArchcalcError(f"{path}: is larger than {MOST_CHARACTERS:,} bytes")
        return str(table), path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ArchcalcError(f"{path}: is no text in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArchcalcError(f"{path}: can't be read: {reason}") from None


@dataclass
class _Read:
    """What is known of a whole table while its rows are read."""

    grid: Grid
    roles: Mapping[str, list[int]]
    columns: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    first: bool = False
    batch: int = 1
    batched: bool = False
    units: Mapping[int, str] = field(default_factory=dict)
    dotted: bool = False
    """Whether dots separate thousands."""
    plane: bool = False
    """Whether two numbers are extents without channels."""
    mixed: bool = False
    """Whether some rows have channels first and some last, each kind as PyTorch has it."""
    filters: int = 0
    """More than 0 where ``3x3x64`` is of 64 filters."""
    tokens: bool = False
    """Whether positions stand in one row, features last, though images have channels first."""
    tree: bool = False
    """Whether rows are numbered by their depth, as in torchinfo's tree."""
    worded: set[str] = field(default_factory=set)
    """Roles that no column is for, said in the words of another."""


class _Row(tuple[str, ...]):
    """A row's cells, and what the words in them say by role."""

    said: Mapping[str, str] = {}


def read_sheet(grid: Grid, name: str, map: Mapping[str, str] | None = None) -> Sheet:
    """The rows of a table whose cells are known."""
    rows = [_Row(line.cells) for line in grid.rows]
    roles = find_roles(grid.headers, rows, map or {}, name)
    read = _Read(grid, roles, units={k: unit(h) for k, h in enumerate(grid.headers)})
    for role, places in roles.items():
        if role == "ops":
            for k, place in enumerate(places):
                read.columns["ops" if not k else f"ops{k + 1}"] = place
        elif role not in ("row", "remark"):
            read.columns[role] = places[0]
    for role, parts in _PARTS.items():
        if role in read.columns:
            for part in parts:
                read.columns.setdefault(f"{role}_{part}", read.columns[role])
    if "weights" in read.columns and "biases" in read.columns:
        read.columns.setdefault("params", read.columns["weights"])
    if "channels" in read.columns:
        read.columns.setdefault("channels_in", read.columns["channels"])
        read.columns.setdefault("channels_out", read.columns["channels"])
    if "kernel" in read.columns:
        for role in (*_WINDOW, "stride", "pad", "dilation", "kernel_in", "kernel_out"):
            read.columns.setdefault(role, read.columns["kernel"])
    worded = _worded(read, rows)
    read.tree = any(re.search(r": \d+-\d+$", _cell(cells, "layer", read)) for cells in rows[:20])
    kinds = [_kind(cells, read) for cells in rows]
    _conventions(read, rows, kinds)
    entries = tuple(
        _entry(index, line.number, rows[index], kinds[index], read)
        for index, line in enumerate(grid.rows)
    )
    known = {k for places in roles.values() for k in places} | worded
    filled = [any(not nothing(row[k]) for row in rows) for k in range(len(grid.headers))]
    unmapped = tuple(h for k, h in enumerate(grid.headers) if k not in known and filled[k])
    beside = sorted([*roles.get("remark", []), *roles.get("row", [])])
    remarks = tuple(grid.headers[k] for k in beside if filled[k])
    checkable = {"params", "ops", "out_h", "out_c", "channels_out", "in_h", "in", "out"}
    if not set(read.columns) & checkable:
        raise ArchcalcError(
            f"{name}: no column says anything of sizes or parameters\n"
            f"  headed: {', '.join(grid.headers)}; name them with map, such as "
            f"params={grid.headers[-1]}"
        )
    return Sheet(
        name,
        grid.form,
        grid.headers,
        read.columns,
        entries,
        tuple(read.unreadable),
        unmapped,
        remarks,
        read.first,
        read.batch,
        grid.whole,
        read.tokens,
    )


WORDED = ("out", "kernel", "stride", "pad", "dilation", "channels_out")
"""Roles that words may say."""

_APART: Mapping[str, tuple[str, ...]] = {
    "out": ("out", "out_h", "out_w", "in", "in_h"),
    "kernel": ("kernel", "kernel_h"),
    "channels_out": ("channels_out", "out", "out_c", "params"),
}
"""Columns that leave nothing for words to say."""


def _worded(read: _Read, rows: Sequence[_Row]) -> set[int]:
    """Find what columns of words say for which there is no column; which those columns are."""
    known = {k for places in read.roles.values() for k in places}
    named = [read.columns[role] for role in ("op", "layer") if role in read.columns]
    apart = {k for k in range(len(read.grid.headers)) if k not in known}
    apart |= {k for k in read.roles.get("remark", ()) if k not in named}
    used: set[int] = set()
    free = [r for r in WORDED if not any(c in read.columns for c in _APART.get(r, (r,)))]
    for k in [*sorted(apart), *named]:
        found = [said(row[k], k in named) if row[k] else {} for row in rows]
        telling = sum(bool(each) for each in found)
        filled = sum(bool(row[k]) for row in rows)
        if not telling or (k not in named and telling < 0.3 * filled):
            continue
        if k in named and not re.search(
            r"(?<![\dx])\d+ ?[x×] ?\d|=|stride|-\d\d", str([r[k] for r in rows])
        ):
            continue
        used |= {k} if k not in named else set()
        for role in free:
            if role in read.columns or not any(role in each for each in found):
                continue
            read.columns[role] = k
            read.worded.add(role)
            for row, each in zip(rows, found, strict=True):
                if role in each:
                    row.said = {**row.said, role: each[role]}
    for role, parts in _PARTS.items():
        if role in read.worded:
            for part in parts:
                read.columns.setdefault(f"{role}_{part}", read.columns[role])
    if "kernel" in read.worded:
        for role in (*_WINDOW, "stride", "pad", "dilation", "kernel_in", "kernel_out"):
            read.columns.setdefault(role, read.columns["kernel"])
    return used


def _cell(cells: _Row, role: str, read: _Read) -> str:
    if role in read.worded:
        return cells.said.get(role, "")
    found = cells[read.columns[role]] if role in read.columns else ""
    # A list cut short says too little to check anything by.
    return "" if nothing(found) or "..." in found else found


def _kind(cells: _Row, read: _Read) -> Kind:
    name, op = _cell(cells, "layer", read), _cell(cells, "op", read)
    what = kind_of(name, op)
    if read.grid.form == "fvcore" and what.kind != "tensor":
        return Kind("module", word=name)  # what it is is not said
    window_ = _cell(cells, "kernel", read).lower()
    if what.kind == "pool" and "global" in window_:
        what = what._replace(kind="gpool")
    elif what.kind == "conv" and re.search(r"\b(dw|depth-?wise)\b", window_):
        what = what._replace(kind="depthwise")
    if what.kind not in ("", "total"):
        return what
    firsts = [cell for cell in cells if cell][:2]
    if any(kind_of(cell).kind == "total" for cell in firsts):
        return Kind("total", word=name)
    return what


# Conventions of a whole table --------------------------------------------------------------------


def _conventions(read: _Read, rows: Sequence[_Row], kinds: Sequence[Kind]) -> None:
    """Whether there is a batch, which axis holds channels: decided by all rows at once."""
    found: list[tuple[Shape, Kind]] = []
    for role in ("in", "out"):
        if role in read.columns:
            for cells, what in zip(rows, kinds, strict=True):
                printed = shapes(_cell(cells, role, read)) or ()
                found += [(shape, what) for shape in printed if shape.dims]
    read.batched = any(shape.batched for shape, _ in found)
    if not read.batched:
        read.batch, read.batched = _batch(found)
    votes = 0.0
    ranks = Counter[int]()
    apart: Counter[str] = Counter()
    before: tuple[int, ...] = ()
    for shape, what in found:
        dims = shape.dims
        if read.batched and not shape.batched and len(dims) > 1:
            dims = dims[1:]
        ranks[len(dims)] += 1
        if len(dims) == 3 and re.search(r"[123]d\b", what.word) and what.kind in SLIDING:
            apart["first"] += dims[-1] == dims[-2] != dims[0]
        elif len(dims) == 3:
            apart["last"] += dims[-2] == dims[-3] != dims[-1]
        if what.kind == "pool" and before and len(before) == len(dims) == 3:
            # A pooling leaves channels as they are.
            kept = (dims[-1] == before[-1]) - (dims[0] == before[0])
            votes -= kept * (dims[1] != before[1])
        before = dims
        if len(dims) in (3, 4):
            votes += (dims[-1] == dims[-2] != dims[0]) - (dims[-2] == dims[-3] != dims[-1])
        if len(dims) > 1 and re.search(r"[a-z]\d[dD]|^[A-Z][a-z]+:", what.word):
            keras = re.search(r"\d+D", what.word) or re.search(r"\(None", str(rows[0]))
            votes += -0.1 if keras else 0.1
    for cells, what in zip(rows, kinds, strict=True):
        seen = window(_cell(cells, "kernel", read), what.axes)
        if seen and len(seen.weights) == 1 and what.kind in WEIGHTED:
            number, taken = seen.weights[0], shapes(_cell(cells, "in", read)) or ()
            for shape in shapes(_cell(cells, "out", read)) or ():
                fits = number in (shape.dims[0], shape.dims[-1])
                read.filters += 1 if fits else -1
                read.filters -= any(number in each.dims for each in taken)
        outs = natural(_cell(cells, "channels_out", read) or "x")
        for shape in shapes(_cell(cells, "out", read)) or ():
            dims = shape.dims
            if outs and len(dims) > 1 and dims[0] != dims[-1]:
                votes += (dims[0] == outs) - (dims[-1] == outs)
    votes += (
        0.3
        * sum(
            _cell(cells, role, read).startswith("[")
            for cells in rows[:50]
            for role in ("in", "out")
        )
        * (read.batch == 1 and read.batched)
    )
    text = " ".join(" ".join(cells) for cells in rows[:50])
    votes += ("[-1," in text) - ("(None," in text)
    read.first = votes > 0
    # PyTorch's convolutions have channels first, whatever the layers around them do.
    read.mixed = apart["first"] > 1 and apart["last"] > 2
    read.first = read.first and not read.mixed
    axes = {what.axes for what in kinds if what.axes}
    deep = sum(
        shapes_[0].dims[-1] == natural(_cell(cells, "channels_out", read) or "x")
        for cells in rows
        if (shapes_ := shapes(_cell(cells, "out", read)))
        if len(shapes_[0].dims) == 2
    )
    read.tokens = bool(ranks[2]) and read.batched and 1 not in axes and read.first
    read.plane = (
        bool(ranks[2])
        and deep < 0.5 * ranks[2]
        and not ranks[3]
        and not ranks[4]
        and 1 not in axes
        and not (
            read.batched
            or {k.kind for k in kinds} & {"embedding", "lstm", "gru", "rnn", "attention"}
        )
    )
    numbers = [_cell(cells, "params", read) for cells in rows]
    marked = [each for each in numbers if re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+", each)]
    read.dotted = len(marked) > 1 and all(
        re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})*|0", each) for each in numbers if each
    )


def _batch(found: Sequence[tuple[Shape, Kind]]) -> tuple[int, bool]:
    """The batch that all printed sizes begin with, if they do."""
    if len(found) < 2:
        return 1, False
    axes = {what.axes for _, what in found if what.axes}
    firsts = Counter(shape.dims[0] for shape, _ in found)
    number, times = firsts.most_common(1)[0]
    ranks = {len(shape.dims) for shape, _ in found}
    if times < 0.9 * len(found) or min(ranks) < 2:
        return 1, False
    fit = [len(shape.dims) - 2 == what.axes for shape, what in found if what.axes in (1, 2, 3)]
    if (fit and sum(fit) > len(fit) / 2) or (not fit and (max(ranks) == 4 and not axes)):
        return number, True
    return 1, False


def _state(
    shape: Shape, what: Kind, role: str, read: _Read, filters: int | None
) -> tuple[dict[str, Number], bool]:
    """A printed size under its roles, and whether it is a whole vector."""
    dims = shape.dims
    if (
        read.batched
        and not shape.batched
        and len(dims) > 1
        and (dims[0] == read.batch or shape.bracketed)
    ):
        dims = dims[1:]
    elif read.batched and not shape.batched and len(dims) == 1:
        pass
    if not dims or len(dims) > 4:
        return {}, False
    if len(dims) == 1:
        lone = not shape.bracketed and not read.batched
        spatial = lone and what.kind in ("conv", "pool", "depthwise", "deconv")
        if spatial and dims[0] != filters and what.axes != 1:
            return {f"{role}_h": dims[0], f"{role}_w": dims[0]}, False
        return {f"{role}_c": dims[0]}, True
    if len(dims) == 2 and read.plane:
        return {f"{role}_h": dims[0], f"{role}_w": dims[1]}, False
    first = read.first
    if read.tokens and len(dims) == 2:
        first = False
    if read.mixed and len(dims) == 3:
        # As square as it can be.
        first = dims[-1] == dims[-2] if dims[0] != dims[-1] else what.kind in SLIDING
    c, ext = (dims[0], dims[1:]) if first else (dims[-1], dims[:-1])
    named = dict(zip((f"{role}_{axis}" for axis in AXES[len(ext)]), ext, strict=True))
    return {**named, f"{role}_c": c}, False


# Rows --------------------------------------------------------------------------------------------


def _entry(index: int, line: int, cells: _Row, what: Kind, read: _Read) -> Entry:
    name = _cell(cells, "layer", read)
    values: dict[str, Number] = {}
    printed: dict[str, Printed] = {}
    flat: set[str] = set()
    several = same_pad = False
    strides: tuple[int, ...] = ()
    filters = natural(_cell(cells, "channels_out", read) or "x")

    def unread(role: str, what_: str) -> None:
        column = read.columns[role]
        text = cells[column]
        read.unreadable.append(Unreadable(index, column, f"'{text[:40]}' is no {what_}"))

    for role in read.columns:
        text = _cell(cells, role, read)
        given = role in read.roles or role in read.worded or role.startswith("ops")
        if role in _SAID or not text or not given:
            continue
        if role in NUMBERS or role.startswith("ops"):
            number = _count(text, read, read.columns[role])
            if number is None:
                unread(role, "number")
            elif number.value >= 0:
                printed[role] = number
                values[role] = _whole(number.value)
        elif role in _PARTS:
            sizes = shapes(text)
            if sizes is None:
                unread(role, "size")
            elif sizes and all(sizes[0].dims):
                several = several or len(sizes) > 1
                found, vector = _state(sizes[0], what, role, read, filters)
                if what.kind == "tensor":
                    axes = ("d", "h", "w", "c")[-len(sizes[0].dims) :]
                    found = {
                        f"{role}_{axis}": n for axis, n in zip(axes, sizes[0].dims, strict=False)
                    }
                    vector = False
                if len(sizes) > 1 and role == "in" and what.kind in ("concat", "merge"):
                    more = [_state(s, what, role, read, None)[0].get("in_c") for s in sizes]
                    found["in_c"] = sum(c for c in more if c is not None)
                values |= {key: value for key, value in found.items() if key not in values}
                flat |= {role} if vector else set()
        elif role == "channels":
            pair = re.fullmatch(r"(\d+)\s*(?:[/,>→-]+|to)\s*(\d+)", text.strip())
            if pair is None:
                unread(role, "pair of channels")
            else:
                values |= {"channels_in": int(pair[1]), "channels_out": int(pair[2])}
        elif role == "kernel" and what.kind == "linear" and text.strip().isdecimal():
            if values.get("channels_out", 1) == 1 and int(text) > 1:
                values["channels_out"] = int(text)  # neurons
        elif role == "kernel":
            seen = window(text, what.axes)
            if seen is None:
                if re.match(r"\s*[\[(]?\d", text):
                    unread(role, "size of a kernel")
                continue
            values |= {
                k: v
                for k, v in _window(seen, what, read.filters > 0).items()
                if k not in values and (v or k == "pad")
            }
        elif role == "pad":
            ends = padding(text)
            if re.fullmatch(r"\(\d+, \d+(, \d+)?\)", text) and natural(text) is None:
                continue  # other paddings for other axes: sizes are not printed beside them
            if ends is None:
                unread(role, "padding")
            elif ends == "same":
                same_pad = True
            else:
                values["pad"] = _whole(Fraction(ends))
        else:
            steps = re.fullmatch(r"[\[(]?(\d+)((?:\s*[x×,]\s*\d+){1,2})[\])]?", text.strip())
            if role == "stride" and steps and natural(text) is None:
                strides = tuple(map(int, re.findall(r"\d+", text)))
                continue
            whole = natural(text)
            decimal = count(text)
            if whole is None and decimal is not None and decimal.value.denominator == 1:
                whole = int(decimal.value)
            if role == "channels_out" and what.kind == "linear" and role in values:
                continue
            if whole or (whole is not None and role in _MAY_BE_NONE):
                values[role] = whole
            elif whole == 0:
                continue  # a layer that has none of it
            elif role in WIDTHS or re.match(r"\s*[\[(]?-?\d", text) or what.kind in WEIGHTED:
                # A dropout's rate stands where a convolution has its filters.
                rate = role == "channels_out" and what.kind in ("same", "input", "")
                if not rate and not _SYMBOL.fullmatch(text):
                    unread(role, "number")
    if what.kind in ("input", "same") and values.get("channels_out") == 1:
        del values["channels_out"]  # one image, one such layer
    if what.kind == "same" and values.get("params") and "softmax" in what.word.lower():
        what = what._replace(kind="linear")  # it stands for the layer before it, too
    if "out" in flat or (values.get("out_c") == 1 and what.kind in ("linear", "same", "flatten")):
        sides = [values[f"out_{a}"] for a in "hw" if f"out_{a}" in values]
        if len(sides) == 1 and values.get("out_c") == 1 and what.kind in ("linear", "flatten"):
            values["out_c"] = values.pop("out_h")  # a column: (120, 1)
            flat.add("out")
    if "params" not in read.roles and {"weights", "biases"} <= values.keys():
        both = int(values["weights"] + values["biases"])
        values["params"], printed["params"] = both, Printed.parse(both)
    stated = _cell(cells, "bias", read).lower()
    if stated in ("true", "false") and what.kind in WEIGHTED:
        values["bias"] = int(stated == "true")
    pattern = pattern_of(values)
    if (
        pattern is None
        and not what.kind
        and values.get("params")
        and ("channels_out" in values or "out_c" in values)
    ) or (not what.kind and "kernel_out" in values):
        what = what._replace(kind="layer")
    if not name and "layer" in read.columns and what.kind == "layer":
        read.unreadable.append(Unreadable(index, read.columns["layer"], "the layer has no name"))
    depths = read.grid.depths
    container = bool(depths) and index + 1 < len(depths) and depths[index + 1] > depths[index]
    if container and read.grid.form == "fvcore" and name != "model":
        container = read.grid.rows[index + 1].cells[0].startswith(f"{name}.")
    numbered = read.tree
    sources = _sources(_cell(cells, "source", read))
    return Entry(
        index,
        line,
        cells,
        what,
        name,
        _cell(cells, "stage", read),
        sources,
        values,
        printed,
        frozenset(flat),
        depths[index] if depths else 0,
        container
        and what.kind != "total"
        and (numbered or read.grid.form in ("modules", "fvcore") or what.kind not in SLIDING),
        pattern,
        several,
        same_pad,
        strides,
        read.columns,
        frozenset(role for role, number in printed.items() if number.step <= 1),
    )


def _window(seen: Window, what: Kind, filters: bool) -> dict[str, Number]:
    """A kernel's cell under its roles."""
    kernel = seen.kernel
    axes = what.axes or (len(kernel) if len(kernel) > 1 else 2)
    if len(kernel) == 1:
        kernel = kernel * axes
    found: dict[str, Number] = {
        f"kernel_{axis}": side
        for axis, side in zip(AXES.get(len(kernel), ""), kernel, strict=False)
    }
    for role in ("stride", "pad", "dilation"):
        if (number := getattr(seen, role)) is not None:
            found[role] = number
    if len(seen.weights) == 1:
        found["kernel_out" if filters else "kernel_in"] = seen.weights[0]
    elif len(seen.weights) == 2:
        found["kernel_out"], found["kernel_in"] = seen.weights
    if seen.out is not None:
        found["kernel_out"] = seen.out
    return found


def _count(text: str, read: _Read, column: int) -> Printed | None:
    """A count under its column's unit."""
    dotted = read.dotted and column == read.columns.get("params")
    plain = text.replace(".", "") if dotted else text
    suffix = read.units.get(column, "")
    if suffix and re.fullmatch(r"\s*[\d.,]+\s*(bf|g|m|k)?\s*", plain, re.IGNORECASE):
        plain = re.sub(r"[^\d.,]", "", plain) + suffix
    return count(plain)


def _sources(text: str) -> tuple[str, ...]:
    """The names of the rows that an input comes from: ``conv1[0][0]; conv2[0][0]``."""
    split = r"[,;+&]|\s+" if "[" in text else r"[,;+&]|\s{2,}"
    words = re.split(split, re.sub(r"\[(\d+|…)(?:\]|(?=\s|$))|\[\d*…?", "", text))
    return tuple(filter(None, (word.strip() for word in words)))


def _whole(value: Fraction) -> Number:
    return value.numerator if value.denominator == 1 else value
