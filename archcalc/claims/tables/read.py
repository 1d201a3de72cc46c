"""Printed tables as evidence: what their columns and rows are, from a file or a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from archcalc.claims.tables.beside import Network, networks
from archcalc.claims.tables.cells import count, nothing, shapes, weights_in, worked_out
from archcalc.claims.tables.columns import find_roles
from archcalc.claims.tables.conventions import settle
from archcalc.claims.tables.described import apart
from archcalc.claims.tables.draft import (
    CALL,
    FLOW,
    PARTS,
    WINDOW,
    Draft,
    Row,
    cell_of,
    mapped,
    shared,
    spaced,
    thousands,
)
from archcalc.claims.tables.grid import Grid, read_grid
from archcalc.claims.tables.headers import NUMBERS, plain_header, unit
from archcalc.claims.tables.kinds import Kind, kind_of
from archcalc.claims.tables.lines import MOST_CHARACTERS, SUMMING, TRAINED
from archcalc.claims.tables.modules import Pattern
from archcalc.claims.tables.rows import entry_of
from archcalc.claims.tables.several import of_layers, tables_of
from archcalc.claims.tables.sheet import Sheet
from archcalc.claims.tables.taken import stored_input
from archcalc.claims.tables.totals import SUB, SUBTOTAL
from archcalc.claims.tables.words import said, widths
from archcalc.errors import ArchcalcError
from archcalc.spec.zoo import folder

LONGEST_PATH = 1_000
"""Characters of a file's name; what is longer is a table of one line."""


def read_table(
    table: str | Path,
    map: Mapping[str, str] | None = None,
    form: str = "",
    patterns: Sequence[Pattern] = (),
) -> Sheet:
    """The rows of a table in a file or in a text of more than one line.

    A name without an ending, such as ``vgg16_structure``, may be that of a table that is shipped.
    ``map`` gives roles the headers of their columns (``{"channels_in": "planes"}``), ``form``
    insists on a format, and ``patterns`` are modules that rows may stand for. Raises
    :class:`ArchcalcError` for what can't be read as a table.
    """
    name, text = text_of(table)
    return read_sheet(read_grid(text, name, form), name, map, patterns)


def read_tables(
    table: str | Path,
    map: Mapping[str, str] | None = None,
    form: str = "",
    patterns: Sequence[Pattern] = (),
) -> tuple[list[Table], list[str]]:
    """All tables of layers in a file or a text, and what is said of those that are none.

    The arguments are those of :func:`read_table`, which reads a text as one table.
    """
    name, text = text_of(table)

    def made(text: str, name: str) -> Table:
        return _table(read_grid(text, name, form), name, map, patterns)

    tables: list[Table] = []
    said: list[str] = []
    texts: list[str] = []
    for number, part in enumerate(tables_of(text), 1):
        title = f"table {number}{f': {part.title}' if part.title else ''}"
        try:
            found = made(part.text, title)
            layers = all(of_layers(sheet) for sheet in found.sheets)
            why = "" if layers else f"{title} is none of layers"
        except ArchcalcError as error:
            why = str(error).splitlines()[0]
        if not why:
            tables.append(found)
            texts.append(part.text)
        elif part.follows and tables:
            # What the table before adds up to, say: the two are read as one.
            lines = zip(texts[-1].split("\n"), part.text.split("\n"), strict=True)
            texts[-1] = "\n".join(a or b for a, b in lines)
            tables[-1] = made(texts[-1], tables[-1].name)
        else:
            said.append(why)
    if len(tables) > 1:
        return tables, said
    if tables and said:
        return [made(texts[0], name)], said
    return [made(text, name)], []


class Table(NamedTuple):
    """A printed table of one network, or of several in columns."""

    name: str
    grid: Grid
    sheets: tuple[Sheet, ...]
    networks: tuple[Network, ...] = ()
    """Where each sheet stands in the table, if there are several."""


def _table(
    grid: Grid, name: str, given: Mapping[str, str] | None, patterns: Sequence[Pattern]
) -> Table:
    several = [] if given or patterns else networks(grid)
    if not several:
        return Table(name, grid, (read_sheet(grid, name, given, patterns),))
    sheets = (read_sheet(each.grid, each.title, each.roles) for each in several)
    return Table(name, grid, tuple(sheets), tuple(several))


def text_of(table: str | Path) -> tuple[str, str]:
    """The name of a table, and its text."""
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


def read_sheet(
    grid: Grid,
    name: str,
    map: Mapping[str, str] | None = None,
    patterns: Sequence[Pattern] = (),
) -> Sheet:
    """The rows of a table whose cells are known."""
    rows = [Row(line.cells) for line in grid.rows]
    roles = find_roles(grid.headers, rows, map or {}, name)
    _sided(roles, grid.headers, rows)
    _arrowed(roles, rows)
    tensors = _tensors(roles, rows)
    listed = grid.form == "described"
    for k in apart(grid.headers) if listed else ():
        roles = {role: [at for at in places if at != k] for role, places in roles.items()}
        roles = {role: places for role, places in roles.items() if places}
        roles["remark"] = [*roles.get("remark", []), k]
    read = Draft(grid, roles, units={k: unit(h) for k, h in enumerate(grid.headers)})
    heads = {plain_header(head): k for k, head in reversed(list(enumerate(grid.headers)))}
    read.spaced = spaced(rows)
    read.mapped = mapped(rows)
    read.patterns = tuple(
        (each, {width: heads[plain_header(head)] for width, head in each.heads.items()})
        for each in patterns
        if all(plain_header(head) in heads for head in each.heads.values())
    )
    for role, places in roles.items():
        if role in ("ops", "mem"):
            for k, place in enumerate(places):
                read.columns[role if not k else f"{role}{k + 1}"] = place
        elif role not in ("row", "remark"):
            read.columns[role] = places[0]
            if len(places) > 1:
                read.others[role] = places[1:]
    for k in range(len(grid.headers)):
        sides = [FLOW.split(row[k], 1) for row in rows if not nothing(row[k])]
        both = sum(len(each) == 2 and all(shapes(side) for side in each) for each in sides)
        few = 0.5 if k in roles.get("out", ()) else 0.7
        if both > 1 and both > few * len(sides) and not {"in_h", "out_h"} & read.columns.keys():
            read.columns["in"] = read.columns["out"] = read.flow = k
            for places in roles.values():
                places[:] = [each for each in places if each != k]
            roles["in"] = roles["out"] = [k]
            read.columns = {r: at for r, at in read.columns.items() if at != k or r in PARTS}
    for role, parts in PARTS.items():
        if role in read.columns:
            for part in parts:
                read.columns.setdefault(f"{role}_{part}", read.columns[role])
    if "weights" in read.columns and "biases" in read.columns:
        read.columns.setdefault("params", read.columns["weights"])
    if "trained" in read.columns and "frozen" in read.columns:
        read.columns.setdefault("params", read.columns["trained"])
    if "channels" in read.columns:
        read.columns.setdefault("channels_in", read.columns["channels"])
        read.columns.setdefault("channels_out", read.columns["channels"])
    if "kernel" in read.columns:
        for role in BESIDE:
            read.columns.setdefault(role, read.columns["kernel"])
    _squared(read, rows)
    worded = (set() if listed else _worded(read, rows)) | _workings(read, rows)
    if tensors is not None:
        read.columns["worked"], read.tensors = tensors, True
        worded |= {tensors}
    if "stride" in read.columns:
        for axis in "dhw":
            read.columns[f"stride_{axis}"] = read.columns["stride"]
    read.tree = any(re.search(r": \d+-\d+$", cell_of(cells, "layer", read)) for cells in rows[:20])
    kinds = [_kind(cells, read) for cells in rows]
    upwards = len(rows) > 2 and kinds[-1].kind == "input" != kinds[0].kind and not grid.depths
    if upwards and "source" not in read.columns:
        rows, kinds = rows[::-1], kinds[::-1]
        grid = replace(grid, rows=grid.rows[::-1])
    read.rounded = thousands(rows)
    read.wholes = shared(rows, [what.kind == "total" for what in kinds])
    settle(read, rows, kinds)
    entries = tuple(
        entry_of(index, line.number, rows[index], kinds[index], read)
        for index, line in enumerate(grid.rows)
    )
    if upwards:
        entries = tuple(replace(e, place=len(entries) - 1 - e.index) for e in entries)
    known = {k for places in roles.values() for k in places} | worded
    known |= {k for _, places in read.patterns for k in places.values()}
    filled = [any(not nothing(row[k]) for row in rows) for k in range(len(grid.headers))]
    unmapped = tuple(h for k, h in enumerate(grid.headers) if k not in known and filled[k])
    unmapped += grid.left
    beside = sorted([*roles.get("remark", []), *roles.get("row", [])])
    remarks = tuple(grid.headers[k] for k in beside if filled[k] and k not in worded)
    checkable = {"params", "ops", "out_h", "out_c", "channels_out", "in_h", "in", "out", "rf"}
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
        read.batched,
        grid.whole,
        grid.given or stored_input(entries, read.first, read.batch),
        read.tokens,
        upwards,
        grid.chain,
    )


def _squared(read: Draft, rows: Sequence[Row]) -> None:
    """Take the only side that is printed for both, unless windows slide over one axis."""
    heights = {"in_h", "out_h", "kernel_h"} & read.roles.keys()
    if heights or any(re.search(r"(?i)1-?d\b", cell) for row in rows for cell in row):
        return
    for prefix in ("in", "out", "kernel"):
        if f"{prefix}_w" in read.roles:
            read.roles[f"{prefix}_h"] = read.roles[f"{prefix}_w"]
            read.columns[f"{prefix}_h"] = read.columns[f"{prefix}_w"]


BESIDE = (*WINDOW, "stride", "pad", "dilation", "groups", "kernel_in", "kernel_out")
"""Roles that a kernel's cell may have numbers of."""
WORDED = ("out", "kernel", "stride", "pad", "dilation", "channels_in", "channels_out")
"""Roles that words may say."""

_APART: Mapping[str, tuple[str, ...]] = {
    "out": ("out", "out_h", "out_w", "in", "in_h"),
    "kernel": ("kernel", "kernel_h"),
    "channels_in": ("channels_in", "in", "in_h"),
    "channels_out": ("channels_out",),
}
"""Columns that leave nothing for words to say."""


def _worded(read: Draft, rows: Sequence[Row]) -> set[int]:
    """Find what columns of words say for which there is no column; which those columns are."""
    known = {k for places in read.roles.values() for k in places}
    named = [read.columns[role] for role in ("op", "layer") if role in read.columns]
    apart = {k for k in range(len(read.grid.headers)) if k not in known}
    apart |= {k for k in read.roles.get("remark", ()) if k not in named}
    used: set[int] = set()
    free = [r for r in WORDED if not any(c in read.columns for c in _APART.get(r, (r,)))]
    counted = {k for role in (*NUMBERS, "row") for k in read.roles.get(role, ())}
    sizes = set(range(len(read.grid.headers))) - counted
    for k in [*sorted(apart), *named]:
        # What the network takes is called by its size.
        inputs = [kind_of(row[k]).kind == "input" for row in rows]
        found = [
            said(row[k], k in named and not taken) if row[k] else {}
            for row, taken in zip(rows, inputs, strict=True)
        ]
        beside = [_numbers(row, sizes - {k}) for row in rows]
        found = [
            {**a, **b} for a, b in zip(found, widths([r[k] for r in rows], beside), strict=True)
        ]
        telling = sum(bool(each) for each in found)
        filled = sum(bool(row[k]) for row in rows)
        if not telling or (k not in named and telling < 0.3 * filled):
            continue
        if k in named and not re.search(
            r"(?<![\dx])\d+ ?[x×] ?\d|=|stride|-\d\d|→|->|\w\(\d|, kernel \d",
            str([r[k] for r in rows]),
        ):
            continue
        for role in free:
            if role in read.columns or not any(role in each for each in found):
                continue
            used |= {k} if k not in named else set()
            read.columns[role] = k
            read.worded.add(role)
            for row, each in zip(rows, found, strict=True):
                if role in each:
                    row.said = {**row.said, role: each[role]}
    for role, parts in PARTS.items():
        if role in read.worded:
            for part in parts:
                read.columns.setdefault(f"{role}_{part}", read.columns[role])
    if "kernel" in read.worded:
        for role in BESIDE:
            read.columns.setdefault(role, read.columns["kernel"])
    return used


def _sided(roles: dict[str, list[int]], headers: Sequence[str], rows: Sequence[Row]) -> None:
    """Take what a column headed ``output`` says for sides if channels stand in the kernels."""
    for k, head in enumerate(headers):
        pairs = sum(bool(re.search(r"\d ?(?:→|->|=>) ?\d", row[k])) for row in rows)
        sides = {"channels_in", "channels_out"} <= roles.keys() and "channels" not in roles
        if sides and "channels" in plain_header(head) and 2 * pairs > len(rows):
            # Channels stand elsewhere: ``Input`` and ``Output`` are of sides.
            roles["in_h"], roles["out_h"] = roles.pop("channels_in"), roles.pop("channels_out")
            roles["channels"] = [k]
    at, kernels = roles.get("channels_out"), roles.get("kernel")
    if not at or not kernels or plain_header(headers[at[0]]) not in ("out", "output", "outputs"):
        return
    both = [(shapes(row[kernels[0]]), row[at[0]]) for row in rows]
    told = [each[0].dims for each, _ in both if each and len(each[0].dims) == 4]
    apart = [str(each[0].dims[-1]) != n for each, n in both if each and len(each[0].dims) == 4]
    if len(told) > 2 and all(apart):
        roles["out_h"] = roles.pop("channels_out")


def _arrowed(roles: dict[str, list[int]], rows: Sequence[Row]) -> None:
    """Where layers say what they take and give (``Linear(256→128)``), that is said twice."""
    beside = "channels_out" in roles and not {"out", "channels_in"} & roles.keys()
    named = [row[roles["layer"][0]] for row in rows] if "layer" in roles else []
    if beside and named and all(re.search(r"\w\(\d+ ?(→|->) ?\d+\D", name) for name in named):
        roles["out"] = roles.pop("channels_out")


def _tensors(roles: dict[str, list[int]], rows: Sequence[Row]) -> int | None:
    """The column of sizes, if these are of the weights whose numbers stand beside them.

    Then it says how these come about, and nothing of what flows.
    """
    at, params = roles.get("out"), roles.get("params")
    if not at or not params or "in" in roles:
        return None
    pairs = [(row, (weights_in(row[at[0]]), count(row[params[0]]))) for row in rows]
    biased = [n + int(re.findall(r"\d+", row[at[0]])[-1]) if n else 0 for row, (n, _) in pairs]
    told = [
        c.value in (n, m)
        for (_, (n, c)), m in zip(pairs, biased, strict=True)
        if n and c is not None and c.value
    ]
    named = sum(kind_of(row[0]).kind == "tensor" for row in rows)
    if sum(told) < 3 or 3 * sum(told) < 2 * len(told) or 2 * named > len(rows):
        return None
    return roles.pop("out")[0]


def _numbers(row: Row, places: Set[int]) -> list[int]:
    """The numbers of the shapes in some of a row's cells."""
    found = [shapes(row[k]) or () for k in sorted(places) if row[k]]
    return [n for each in found for shape in each for n in shape.dims if n]


def _workings(read: Draft, rows: Sequence[Row]) -> set[int]:
    """The column that says how each row's parameters come about, if there is one."""
    words = ("remark", "op")
    known = {k for role, places in read.roles.items() if role not in words for k in places}
    role = next((r for r in ("params", "rf") if r in read.columns), None)
    for k in sorted(set(range(len(read.grid.headers))) - known if role else ()):
        sums = [worked_out(row[k]) for row in rows]
        counts = [count(row[read.columns[role or ""]]) for row in rows]
        told = [c is not None and c.value == n for n, c in zip(sums, counts, strict=True) if n]
        if sum(told) > 1 and 2 * sum(told) > len(told):
            read.columns["worked"] = k
            return {k}
    return set()


_DL4J = re.compile(r"(Layer|Vertex)Name \((Layer|Vertex)Type\)")


def _kind(cells: Row, read: Draft) -> Kind:
    name, op = cell_of(cells, "layer", read), cell_of(cells, "op", read)
    if not {"layer", "op"} & read.columns.keys() and (call := CALL.fullmatch(cells[0])):
        name = call[1]
    if any(cells) and all(re.fullmatch(r"[.…⋮·:\s]*", cell) for cell in cells):
        return Kind("gap", word="...")
    if TRAINED.match(name):
        return Kind("total", word=name)
    if read.tree:
        name = re.sub(r" \([\w.-]+\)(?=: \d+-\d+$)", "", name)  # what its module calls it
    what = kind_of(name, op)
    if what.kind == "norm" and re.fullmatch(r"[A-Za-z]+ ?\d+ ?[-–~] ?[A-Za-z]*\d+", name):
        return Kind(word=name)  # several of them: bn1-3
    if what.kind == "module" and "(DenseLayer)" in name and _DL4J.match(read.grid.headers[0]):
        what = what._replace(kind="linear")  # of torchvision's DenseNet it would be a module
    if what.kind == "total" and SUMMING.match(name):
        return Kind(word=name)
    if read.grid.form == "fvcore" and what.kind != "tensor":
        return Kind("module", word=name)  # what it is is not said
    window_ = cell_of(cells, "kernel", read).lower()
    if what.kind == "pool" and "global" in window_:
        what = what._replace(kind="gpool")
    elif what.kind == "conv" and re.search(r"\b(dw|depth-?wise)\b", window_):
        what = what._replace(kind="depthwise")
    elif what.kind == "conv" and any(re.search(r"(?i)\bstrides?\s*1/\d", cell) for cell in cells):
        what = what._replace(kind="deconv")
    if what.kind not in ("", "total"):
        return what
    if not what.kind and re.fullmatch(r"[\d,]+\s*(?:→|->|=>)\s*[\d,]+", window_):
        return what._replace(kind="linear")  # a matrix has no window
    firsts = [cell for cell in cells if cell][:2]
    if any(SUBTOTAL.fullmatch(cell) for cell in firsts):
        return Kind("total", word=SUB)
    if not name and not op and firsts and firsts == [cell_of(cells, "params", read)]:
        return Kind("total")  # of the rows above it
    if any(kind_of(cell).kind == "total" for cell in firsts):
        return Kind("total", word=name)
    return what
