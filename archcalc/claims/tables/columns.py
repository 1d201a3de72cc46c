"""What the columns of a printed table say, from their headers and from what stands in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from archcalc.claims.tables.cells import (
    SETTING,
    count,
    counted,
    in_words,
    natural,
    nothing,
    outcome,
    shapes,
    window,
    worked_out,
)
from archcalc.claims.tables.headers import (
    HEADERS,
    LETTERS,
    MORE_LETTERS,
    NUMBERS,
    ROLES,
    SIZED,
    WORDS,
    plain_header,
)
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.modules import WIDTHS
from archcalc.errors import ArchcalcError, did_you_mean


def find_roles(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    given: Mapping[str, str],
    name: str,
) -> dict[str, list[int]]:
    """The columns of each role. Only work and remarks may have several.

    Raises :class:`ArchcalcError` where ``given`` (roles and their headers) names nothing.
    """
    columns: dict[str, list[int]] = {}
    taken: set[int] = set()
    for role, header in given.items():
        if role not in ROLES:
            raise ArchcalcError(f"map: no role '{role}'\n  {did_you_mean(role, ROLES)}")
        wanted = plain_header(header)
        places = [k for k, h in enumerate(headers) if h == header or plain_header(h) == wanted]
        if not places:
            hint = did_you_mean(header, headers) or f"headed: {', '.join(headers)}"
            raise ArchcalcError(f"map: {name} has no column '{header}'\n  {hint}")
        columns[role] = [places[0]]
        taken.add(places[0])
    filled = [[row[k] for row in rows if not nothing(row[k])] for k in range(len(headers))]
    for k, header in enumerate(headers):
        if k in taken:
            continue
        if filled[k] and all(
            re.fullmatch(r"[<~]?[\d.,]+ ?%|\(recursive\)", cell) for cell in filled[k]
        ):
            columns.setdefault("remark", []).append(k)
            continue
        heads = [plain_header(each) for j, each in enumerate(headers) if j != k]
        role = _role(plain_header(header), filled[k], columns, heads)
        if not role and re.search(r"[(\[]", header):
            bare = plain_header(re.sub(r"[(\[][^)\]]*[)\]]?", " ", header))
            role = _role(bare, filled[k], columns, heads) if bare else ""
        if not role:
            # "Filters/Units": what its parts say.
            parts = map(plain_header, re.split(r"/|,|&|\bor\b|\band\b", header.lower()))
            said = (_role(part, filled[k], columns, heads) for part in parts if part)
            role = next(filter(None, said), "")
        if not role and re.match(r"conne[a-z]* ?(to?)?$", plain_header(header)):
            role = "remark"  # cut off at the edge of a screen, as the names in it are
        if not role:
            role = _by_words(plain_header(header), filled[k], columns, heads)
        again = "" if role else _role(plain_header(header), filled[k], {}, heads)
        if (
            again in SIZED
            and again in columns
            and all(nothing(row[k]) or nothing(row[columns[again][0]]) for row in rows)
        ):
            role = again  # of other rows: a table that is headed anew
        if role:
            columns.setdefault(role, []).append(k)
    _letters(columns, headers, filled)
    if "op" not in given:
        _settle_names(columns, filled, headers)
    stages = filled[columns["stage"][0]] if "stage" in columns else []
    if "layer" not in columns and stages and len(set(stages)) > 0.8 * len(rows):
        columns["layer"] = columns.pop("stage")  # each row's own
    _guess(columns, headers, filled)
    return columns


def _role(
    header: str, cells: list[str], columns: Mapping[str, list[int]], heads: Sequence[str]
) -> str:
    """The role of one column: the first whose words fit and whose kind of content it has."""
    for role, pattern in WIDTHS.items():
        if re.fullmatch(pattern, header) and role not in columns:
            return role
    for role, pattern in HEADERS.items():
        if not re.fullmatch(pattern, header):
            continue
        fitting = _fitting(role, header, cells, heads)
        if fitting and (
            fitting not in columns or fitting in ("ops", "mem", "remark", "row", "layer", "op")
        ):
            return fitting
    return ""


def _by_words(
    header: str, cells: list[str], columns: Mapping[str, list[int]], heads: Sequence[str]
) -> str:
    """The role that a word of a header says, where the cells are of that role's kind."""
    words = header.split()
    for role, pattern in WORDS:
        if not any(re.fullmatch(pattern, word) for word in words) or role in columns:
            continue
        if role in ("in", "out") and not sum(bool(shapes(c)) for c in cells) > len(cells) / 2:
            continue
        if role in ("stride", "channels_out") and not counted(cells):
            continue
        if role == "op" and not sum(bool(kind_of(c).kind) for c in cells) > len(cells) / 2:
            continue
        fitting = _fitting(role, header, cells, heads)
        if fitting and (fitting not in columns or fitting == "ops"):
            return fitting
    return ""


_NUMBERED = re.compile(r"\W*(stage|group|block)\W*\d", re.IGNORECASE)
"""Where a row stands, which is no operator."""


def _fitting(role: str, header: str, cells: list[str], heads: Sequence[str]) -> str:
    """The role itself, or what its content makes of it."""
    if not cells:
        return role
    counts = role in NUMBERS or role == "ops"
    if counts and len(cells) > 1:
        worded = sum(bool(re.search(r"[A-Za-z]{4}", c)) or count(c) is None for c in cells)
        if re.fullmatch(r"[^\d?]+", "".join(cells)) or (role == "ops" and worded > len(cells) / 2):
            return ""  # words, not counts
        said = sum(bool(re.match(r"[^\d=]*[A-Za-z]{4}", c)) and not worked_out(c) for c in cells)
        if 2 * said > len(cells) or 3 * sum(bool(SETTING.search(c)) for c in cells) > len(cells):
            return ""
    if role == "out" and 3 * sum(bool(shapes(c)) for c in cells) < len(cells) > 3:
        return ""  # words
    sized = sum(len(each[0].dims) > 1 for c in cells if (each := shapes(c)))
    numeric = sum(bool(re.fullmatch(r"[\d,.]+", c)) for c in cells)
    if role == "row":
        numeric = sum(bool(re.fullmatch(r"\d+(\.|(-|–|…|\.\.)\d+)?", c)) for c in cells)
    if role in ("channels_in", "channels_out") and sized > len(cells) / 2:
        return "kernel" if "kernel" in header or "filter" in header else role[9:]
    if role == "channels_out" and header in ("filters", "kernels") and sized:
        return "kernel"
    if role in ("in", "out") and header in ("in", "out", "input", "output") and not sized:
        words = sum(bool(re.search("[a-z]", c.lower())) for c in cells)
        if words > len(cells) / 2 and role == "in":
            return "source"
        batched = any(c.startswith(("[", "(")) for c in cells)
        return role if batched else f"channels_{role}"
    apart = "map" in header or {"h", "w"} <= set(heads)
    if role == "out" and not sized and numeric == len(cells) and apart:
        return "channels_out"
    if role == "params" and re.fullmatch(
        r"(of )?weights( count)?|(kernel|filter|weights?) values?( number| count)?", header
    ):
        beside = any(
            re.fullmatch(r"(of |trainable )*param(eter)?s?|(of )?bias(es)?( number)?", h)
            for h in heads
        )
        return "weights" if beside else role
    if role == "trained" and not any(re.fullmatch(HEADERS["params"], head) for head in heads):
        return "params"
    if role == "biases" and not (numeric == len(cells) and any(len(c) > 1 for c in cells)):
        return "bias"
    if role == "volume" and sized > len(cells) / 2:
        return "out"
    if role in ("repeats", "expansion", "volume") and numeric < len(cells):
        return "remark"
    if role == "out" and header == "size":
        apart = any(re.fullmatch(r"out(put)?( (size|shape|dim\w*))?s?", h) for h in heads)
        if apart or sum("/" in c for c in cells) > len(cells) / 2:
            return "kernel"
    if role in ("rf", "jump", "rf_in", "jump_in"):
        return (
            role if sum(bool(natural(outcome(c))) for c in cells) > 0.8 * len(cells) else "remark"
        )
    if role == "mem":
        said = sum(bool(re.match(r"[~\d.]", c)) for c in cells)
        return role if said > len(cells) / 2 else "remark"
    if role == "source" and numeric == len(cells) and any(len(c) > 4 for c in cells):
        return "ops"  # of each layer
    if role == "source" and header in ("inputs", "from", "source") and sized > len(cells) / 2:
        return "in"
    if (
        role == "kernel"
        and header == "filter"
        and any(re.fullmatch(HEADERS["kernel"], each) and each != "filter" for each in heads)
    ):
        return "channels_out"
    if role == "kernel" and header == "filter" and numeric == len(cells):
        values = [int(float(c.replace(",", ""))) for c in cells if c.strip(",.")]
        return "channels_out" if values and min(values) > 12 else role
    if (
        role == "channels_out"
        and header == "channels"
        and {"filter", "filter height"} <= set(heads)
    ):
        return "channels_in"
    if role in ("stride", "pad", "dilation") and 2 * sum(map(in_words, cells)) > len(cells):
        return ""
    if role in ("layer", "op", "row") and numeric < len(cells) and role == "row":
        return ""
    kinds = [c for c in cells if kind_of(c).kind and not _NUMBERED.match(c)]
    if role == "stage" and len(kinds) > 0.8 * len(cells):
        return "op"
    if role == "groups" and numeric < len(cells) / 2:
        return "stage"
    return role


def _letters(
    columns: dict[str, list[int]], headers: Sequence[str], filled: Sequence[list[str]]
) -> None:
    """Columns that are headed with the letters of formulas, as hardware's papers do."""
    bare = [header.strip() for header in headers]
    for letters in LETTERS:
        if not set(letters) <= set(bare):
            continue
        for k, head in enumerate(bare):
            role = letters.get(head) or MORE_LETTERS.get(head, "")
            numeric = all(re.fullmatch(r"[\d,]+", cell) for cell in filled[k])
            if not role or not numeric:
                continue
            for places in columns.values():
                if k in places:
                    places.remove(k)
            columns[role] = [k]
        for role in [role for role, places in columns.items() if not places]:
            del columns[role]
        return


def _settle_names(
    columns: dict[str, list[int]], filled: list[list[str]], headers: Sequence[str]
) -> None:
    """Which columns name rows and which say their operator, where several might."""
    heads = [plain_header(header) for header in headers]
    naming = (*columns.get("layer", ()), *columns.get("op", ()))
    names, types = (
        [k for k in naming if re.search(word, heads[k])]
        for word in (r"\bname$", r"\b(type|class)$")
    )
    apart = len(names) == len(types) == 1 and names != types
    if apart and len(filled[types[0]]) >= len(filled[names[0]]):
        columns["layer"], columns["op"] = names, types
        rest = [k for k in naming if k not in (*names, *types)]
        columns.setdefault("remark", []).extend(rest)
        return
    layers, ops = columns.pop("layer", []), columns.pop("op", [])
    places = [*layers, *ops]

    def known(k: int) -> float:
        return sum(bool(kind_of(c).kind) for c in filled[k]) / max(1, len(filled[k]))

    def wordy(k: int) -> bool:
        return any(re.search("[A-Za-z]", c) for c in filled[k])

    named = sorted((k for k in places if wordy(k)), key=known)
    if named and named[0] in ops and known(named[0]) < 0.5 and any(wordy(k) for k in layers):
        # What it is headed as an operator says other things of each layer.
        columns.setdefault("remark", []).append(named.pop(0))
        places = [k for k in places if k not in columns["remark"]]
    if not named:
        if places:
            columns["layer"] = [places[0]]
        columns.setdefault("row", []).extend(places[1:])
        return
    columns["layer"] = [named[0]]
    if len(named) > 1 and known(named[-1]) > 0:
        columns["op"] = [named[-1]]
    columns.setdefault("row", []).extend(k for k in places if k not in named)
    columns.setdefault("remark", []).extend(named[1:-1])
    telling = [k for k in columns["remark"] if known(k) > 0.6]
    if "op" not in columns and telling and known(named[0]) < 0.5:
        columns["op"] = [telling[0]]
        columns["remark"].remove(telling[0])


def _running(cells: Sequence[str]) -> bool:
    """Whether numbers only count rows."""
    return len(cells) > 2 and [int(c) - int(cells[0]) for c in cells] == list(range(len(cells)))


def _guess(columns: dict[str, list[int]], headers: Sequence[str], filled: list[list[str]]) -> None:
    """Columns whose header says nothing, by what stands in them."""
    taken = {k for places in columns.values() for k in places}
    for k, header in enumerate(headers):
        cells = filled[k]
        if k in taken or not cells:
            continue
        share = len(cells) * 0.7
        sized = sum(len(each[0].dims) > 2 for c in cells if (each := shapes(c)))
        windows = sum("x" in c.replace("×", "x") and bool(window(c)) for c in cells)
        words = sum(bool(kind_of(c).kind) for c in cells)
        worded = sum(bool(re.match(r"[A-Za-z]", c)) for c in cells)
        if not k and not header and "layer" not in columns and worded > share:
            columns["layer"] = [k]
        elif all(re.fullmatch(r"\d+ ?[x×]", cell) for cell in cells):
            columns.setdefault("repeats", [k])
        elif "layer" not in columns and words > share:
            columns["layer"] = [k]
        elif sized >= share and "out" not in columns and "out_h" not in columns:
            columns["out"] = [k]
        elif windows >= share and not sized:
            wide = sum(max(map(int, re.findall(r"\d+", c))) > 31 for c in cells if window(c))
            role = "out" if wide > len(cells) / 2 else "kernel"
            if role not in columns:
                columns[role] = [k]
        elif "layer" in columns and not any(
            re.match(r"[\[(]*\d", c) and (natural(c) or shapes(c) or window(c)) for c in cells
        ):
            columns.setdefault("remark", []).append(k)
        elif all(c.isdigit() for c in cells) and (not header or _running(cells)):
            columns.setdefault("row", []).append(k)
