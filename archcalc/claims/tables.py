"""Printed tables of layers: text -> rows of numbers, each number with its place.

Columns are recognized by what they are headed with and, where that says too little, by what stands
in them: ``in`` may head channels or ``56x56x64``. Nothing is corrected here.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import StringIO
from pathlib import Path

from archcalc.claims.headers import HEADERS, ROLES, kind_of, plain_header
from archcalc.claims.printed import Printed
from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.operators.base import LARGEST
from archcalc.spec.zoo import folder

Number = int | Fraction

MOST_CHARACTERS = 1_000_000
MOST_ROWS = 2_000
MOST_COLUMNS = 100
MOST_IN_A_CELL = 2_000
"""Tables come from strangers: one that is larger is refused."""

_PARTS = {
    "in": ("in_h", "in_w", "in_c"),
    "out": ("out_h", "out_w", "out_c"),
    "kernel": ("kernel_h", "kernel_w"),
    "kernel_stride": ("kernel_h", "kernel_w", "stride"),
}
"""Roles whose one cell holds several numbers."""

NOTHING = frozenset(
    ("", "-", "–", "—", "−", "n/a", "na", "none", "nan", ".", "same", "adaptive", "global")
)
"""Cells that say that there is nothing to say."""


@dataclass(frozen=True)
class Entry:
    """A row of a printed table."""

    index: int
    """From 0, totals included."""
    line: int
    """Of the text, from 1."""
    cells: tuple[str, ...]
    """As printed."""
    kind: str
    """One of ``KINDS``; ``layer`` for what has weights but no name that says more; ``""``."""
    name: str
    stage: str
    sources: tuple[str, ...]
    values: Mapping[str, Number]
    """What is printed, by role: ``in_h``, ``channels_out``, ``params``... Nothing for no cell."""
    printed: Mapping[str, Printed]
    """Params and ops with their precision."""

    @property
    def weighted(self) -> bool:
        """Whether it multiplies weights."""
        return self.kind in ("conv", "linear", "layer")


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
    headers: tuple[str, ...]
    columns: Mapping[str, int]
    """The place of each role's column; roles that share a cell share a place."""
    entries: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...]
    unmapped: tuple[str, ...]
    """Headers that say nothing to us."""
    channels_first: bool = False
    """Whether sizes are printed 64x56x56."""

    @property
    def layers(self) -> tuple[Entry, ...]:
        """All rows that are no totals."""
        return tuple(entry for entry in self.entries if entry.kind != "total")

    def has(self, *roles: str) -> bool:
        """Whether the table has a column for every one of these."""
        return all(role in self.columns for role in roles)


@dataclass
class _Reading:
    columns: dict[str, int] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    channels_first: bool = False


def read_table(table: str | Path, map: Mapping[str, str] | None = None) -> Sheet:
    """The rows of a table in a file or in a text of more than one line.

    A name without an ending, such as ``vgg16_structure``, may be that of a table that is shipped.
    Cells are separated by commas, semicolons, tabs or, as in Markdown, bars. ``map`` gives roles
    the headers of their columns (``{"channels_in": "planes"}``). Raises :class:`ArchcalcError` for
    what can't be read as a table, with the line.
    """
    name, text = _text(table)
    lines = _records(text, name)
    headers = lines[0][1]
    reading = _Reading(_roles(headers, lines[1:], map or {}, name))
    shared = [role for role in _PARTS if role in reading.columns]
    for role in shared:
        column = reading.columns[role]
        for part in _PARTS[role]:
            reading.columns.setdefault(part, column)
    reading.channels_first = _channels_first([line for _, line in lines[1:]], reading.columns)
    entries = tuple(
        _entry(index, number, cells, reading) for index, (number, cells) in enumerate(lines[1:])
    )
    known = set(reading.columns.values())
    unmapped = tuple(header for k, header in enumerate(headers) if k not in known)
    if not set(reading.columns) & {"params", "ops", "out_h", "out_c", "channels_out", "in_h"}:
        raise ArchcalcError(
            f"{name}: no column says anything of sizes or parameters\n"
            f"  headed: {', '.join(headers)}; name them with map, such as params={headers[-1]}"
        )
    return Sheet(
        name,
        headers,
        reading.columns,
        entries,
        tuple(reading.unreadable),
        unmapped,
        reading.channels_first,
    )


def _text(table: str | Path) -> tuple[str, str]:
    if isinstance(table, str) and "\n" in table:
        return "<table>", table
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


def _records(text: str, name: str) -> list[tuple[int, tuple[str, ...]]]:
    """Lines with their cells, blank ones left out, all as long as the header."""
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise ArchcalcError(f"{name}: is no table of at most {MOST_CHARACTERS:,} characters")
    first = next((line for line in text.splitlines() if line.strip()), "")
    counts = Counter(mark for mark in first if mark in ",;\t|")
    if not counts:
        raise ArchcalcError(f"{name}: has no header with two columns or more")
    delimiter = counts.most_common(1)[0][0]
    found: list[tuple[int, list[str]]] = []
    reader = csv.reader(StringIO(text), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if delimiter == "|" and stripped and not stripped[0] and not stripped[-1]:
                stripped = [cell.strip("*`") for cell in stripped[1:-1]]
            rule = delimiter == "|" and all(re.fullmatch(":?-+:?", cell) for cell in stripped)
            if any(stripped) and not rule:
                found.append((reader.line_num, stripped))
    except csv.Error as error:
        raise ArchcalcError(f"{name}:{reader.line_num}: {error}") from None
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    width = len(found[0][1])
    if width > MOST_COLUMNS or len(found) > MOST_ROWS:
        raise ArchcalcError(f"{name}: has more than {MOST_COLUMNS} columns or {MOST_ROWS:,} rows")
    even = []
    for line, cells in found:
        if any(cells[width:]):
            raise ArchcalcError(f"{name}:{line}: has {len(cells)} cells under {width} headers")
        if any(len(cell) > MOST_IN_A_CELL for cell in cells):
            raise ArchcalcError(f"{name}:{line}: has a cell of over {MOST_IN_A_CELL:,} characters")
        even.append((line, tuple((cells + [""] * width)[:width])))
    return even


def _roles(
    headers: Sequence[str],
    lines: Sequence[tuple[int, Sequence[str]]],
    given: Mapping[str, str],
    name: str,
) -> dict[str, int]:
    columns: dict[str, int] = {}
    for role, header in given.items():
        if role not in HEADERS:
            raise ArchcalcError(f"map: no role '{role}'\n  {did_you_mean(role, HEADERS)}")
        places = [
            k
            for k, h in enumerate(headers)
            if h == header or plain_header(h) == plain_header(header)
        ]
        if not places:
            hint = did_you_mean(header, headers) or f"headed: {', '.join(headers)}"
            raise ArchcalcError(f"map: {name} has no column '{header}'\n  {hint}")
        columns[role] = places[0]
    for k, header in enumerate(headers):
        role = ROLES.get(plain_header(header), "")
        if k in columns.values() or not role:
            continue
        several = any(len(_first_size(cells[k])) > 1 for _, cells in lines)
        end = role.removeprefix("channels_")
        if several and end in ("in", "out"):
            role = end
        elif plain_header(header) in ("input", "output") and f"channels_{end}" not in columns:
            role = f"channels_{end}"
        if role == "kernel" and any("/" in cells[k] for _, cells in lines):
            role = "kernel_stride"
        columns.setdefault(role, k)
    if "layer" not in columns and "op" in columns:
        columns["layer"] = columns["op"]
    return columns


def _first_size(cell: str) -> list[int]:
    """The numbers of a cell's first size; none where there is none."""
    return _sizes(cell) or _sizes(cell.split(", ")[0]) or []


def _channels_first(rows: Sequence[Sequence[str]], columns: Mapping[str, int]) -> bool:
    """Whether sizes are printed 64x56x56: decided by all that can only be read one way."""
    votes = 0
    for role in ("in", "out"):
        if role in columns:
            for cells in rows:
                sizes = _first_size(cells[columns[role]])
                if len(sizes) == 4:
                    votes += 1
                elif len(sizes) == 3 and sizes[0] != sizes[2]:
                    votes += (sizes[1] == sizes[2]) - (sizes[0] == sizes[1])
    return votes > 0


def _entry(index: int, line: int, cells: tuple[str, ...], reading: _Reading) -> Entry:
    columns = reading.columns
    values: dict[str, Number] = {}
    printed: dict[str, Printed] = {}

    def text(role: str) -> str:
        found = cells[columns[role]] if role in columns else ""
        # A list cut short says too little to check anything by.
        return "" if found.lower() in NOTHING or "..." in found else found

    name, op = text("layer"), text("op")
    kind = kind_of(op) or kind_of(name)
    if not kind and any(cell.strip().lower() in ("total", "sum") for cell in cells):
        kind = "total"
    sources = tuple(filter(None, (word.strip() for word in re.split("[,;+]", text("source")))))

    composite = {columns[role] for role in _PARTS if role in columns}
    for role in columns:
        written = text(role)
        part = role not in _PARTS and columns[role] in composite
        if role in ("layer", "op", "stage", "source") or part or not written:
            continue
        if role in ("params", "ops"):
            try:
                printed[role] = Printed.parse(written)
                found = {role: _whole(printed[role].value)}
            except ArchcalcError:
                found = {}
        elif role in _PARTS:
            outs = _number("", text("channels_out"))
            found = _parts(role, written, kind, outs, reading.channels_first)
        else:
            number = _number(role, written)
            found = {} if number is None else {role: number}
        # A dropout's rate and the like stand where a convolution has its filters.
        if not found and (role != "channels_out" or kind not in ("same", "input", "")):
            message = f"'{written[:40]}' is no {'size' if role in _PARTS else 'number'}"
            reading.unreadable.append(Unreadable(index, columns[role], message))
        values |= {each: value for each, value in found.items() if each not in values}
    if not kind and values.get("params") and ("channels_out" in values or "out_c" in values):
        kind = "layer"
    if not name and "layer" in columns and kind == "layer":
        reading.unreadable.append(Unreadable(index, columns["layer"], "the layer has no name"))
    return Entry(index, line, cells, kind, name, text("stage"), sources, values, printed)


def _whole(value: Fraction) -> Number:
    return value.numerator if value.denominator == 1 else value


def _sizes(text: str) -> list[int] | None:
    """``56x56x64``, ``[1, 64, 56, 56]``, ``(56, 56)`` or ``56``."""
    plain = text.replace("×", "x").strip("[]() ")
    comma = "," if plain != text else ", "  # 4,096 is a number
    if not re.fullmatch(rf"\d{{1,12}}((\s*[x*]\s*|{comma}\s*)\d{{1,12}}){{0,3}}", plain):
        return None
    sizes = [int(number) for number in re.findall(r"\d+", plain)]
    return sizes if all(0 < size <= LARGEST for size in sizes) else None


def _parts(
    role: str, text: str, kind: str, outs: Number | None, channels_first: bool
) -> dict[str, Number]:
    """The numbers of a cell that holds several; none where it can't be read."""
    window, _, step = text.partition("/")
    if role in ("kernel", "kernel_stride"):
        sizes = _sizes(window)
        if sizes is None or len(sizes) > 2 or (step and not re.fullmatch(r" ?\d{1,9}", step)):
            return {}
        kernel: dict[str, Number] = {"kernel_h": sizes[0], "kernel_w": sizes[-1]}
        return kernel | ({"stride": int(step)} if step else {})
    shapes = [_sizes(shape) for shape in (text.split(", ") if "x" in text else [text])]
    first = shapes[0]
    if first is None or any(shape is None or len(shape) != len(first) for shape in shapes):
        return {}
    h, w, c = _PARTS[role]
    if text.startswith(("[", "(")) and len(first) in (2, 4):
        first = first[1:]  # the batch
        shapes = [first]
    if len(first) == 1:
        # A lone number is an extent where there is one, unless it is the number of channels.
        spatial = kind in ("conv", "pool") and first[0] != outs
        return {h: first[0], w: first[0]} if spatial else {c: first[0]}
    if len(first) == 2:
        return {h: first[0], w: first[1]}
    at = 0 if channels_first or len(first) == 4 else 2
    first = first[-3:]
    joined = sum(shape[-3:][at] for shape in shapes if shape) if kind == "concat" else first[at]
    extents = first[1:] if at == 0 else first[:2]
    return {h: extents[0], w: extents[1], c: joined}


def _number(role: str, text: str) -> Number | None:
    if role == "pad" and text.lower() != "valid":
        ends = re.fullmatch(r"(\d{1,6})(?:\.(0|5))?(?: ?\+ ?(\d{1,6}))?", text)
        if ends is None:
            return None
        # A pad of 0+1 is one in all, as 0.5 at both ends is.
        pad = Fraction(int(ends[1]) + (int(ends[3]) if ends[3] else int(ends[1])), 2)
        return _whole(pad + Fraction(ends[2] == "5", 2))
    if role == "pad":
        return 0
    sizes = _sizes(text.replace(" ", ""))
    if sizes is not None and len(set(sizes)) == 1:
        return sizes[0]
    try:
        found = Printed.parse(text).value
    except ArchcalcError:
        return None
    return found.numerator if found.denominator == 1 and 0 <= found <= LARGEST else None
