"""Columns of which single blanks are left, as pages copy them: put back where they were.

The line that heads them is cut into headers that are known, a row into cells by what they look
like: what fits the columns best, all rows together, is how they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from archcalc.claims.tables.cells import nothing, shapes
from archcalc.claims.tables.headers import HEADERS, plain_header
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.lines import FOOTER, MOST_IN_A_CELL

HEADING = re.compile(r"[ \t]*Layer \(type[^|,;]*\s(?:Output|Input) [Ss]hape\s[^|,;]*Param[^|,;]*")
"""What heads the summary of a program."""
_SUMMARY = re.compile(
    r"\W*Layer \( ?type\) (- )?Output Shape (- )?Param( #)?( (- )?Connected to)?\s*"
)
_LAYER = re.compile(
    r"\s*(?:# )?(?P<name>\S.*?)\s*"
    r"(?P<shape>[\[(]+\s*(?:None|-1|\d+)\b[^()\[\]]*[\])]+|(?<=\s)(?:multiple|\?)(?=\s))\s+"
    r"(?P<params>\d[\d,]*)(?P<source>\s.*)?"
)


def heads_summary(line: str) -> bool:
    """Whether a line is what heads the summary of a program, its blanks lost or not."""
    return len(line) <= MOST_IN_A_CELL and bool(
        HEADING.fullmatch(line) or _SUMMARY.fullmatch(_single(line))
    )


def respaced(lines: list[str]) -> list[str]:
    """Lines with their columns where they were, if blanks were lost; nothing where columns are."""
    return _summary(lines) or _table(lines)


def _summary(lines: list[str]) -> list[str]:
    """Keras' or torchsummary's lines with their columns where they were, if blanks were lost.

    Nothing where columns are, or where a line is none of a layer.
    """
    at = next((k for k, line in enumerate(lines) if _SUMMARY.fullmatch(_single(line))), None)
    if at is None:
        return []
    linked = "Connected to" if "Connected" in lines[at] else ""
    found = [*lines[:at], in_columns("Layer (type)", "Output Shape", "Param #", linked)]
    odd = not re.search(r"Output Shape\s{2,}Param", lines[at])
    last: tuple[int, str, str, str, str] | None = None
    starts: set[int] = set()
    head = re.search(r"Param( #)?", lines[at])
    ends = head.span() if head else (0, 0)
    under = beside = 0
    below: list[str] = []
    for k, line in enumerate(lines[at + 1 :], at + 1):
        if re.fullmatch(r"[-_=─━—+#\s]*", line):
            found.append("")
            continue
        if FOOTER.match(line):
            below = lines[k:]
            break
        layer = _LAYER.fullmatch(line)
        if layer is None and last is not None and re.fullmatch(r"\s*\w*\)\s*", line):
            found.append("")  # it ends the name above it
            found[last[0]] = in_columns(last[1] + line.strip(), *last[2:])
            continue
        if layer is None and last is not None and _SOURCE.fullmatch(line):
            found.append(in_columns("", "", "", line.strip()))  # more that it takes
            continue
        if layer is None:
            return []
        name = re.sub(r"\( +", "(", layer["name"])
        before = line[layer.end("name") : layer.start("shape")]
        single = layer.start("params") - layer.end("shape") < 2
        odd = odd or single or not re.search(r"\s{2,}|\($", before)
        odd = odd and len(name) < 59
        source = (layer["source"] or "").strip()
        last = (len(found), name, layer["shape"], layer["params"], source)
        starts.add(layer.start("shape"))
        placed = layer.start("params") == ends[0] or layer.end("params") == ends[1]
        under, beside = under + placed, beside + (not placed)
        found.append(in_columns(*last[1:]))
    return found + below if odd or len(starts) > 2 or beside > under else []


_SOURCE = re.compile(r"\s+[\w./-]+\[\d+\]\[\d+\]\s*")
"""A line that only says what else the row above takes."""


def _single(line: str) -> str:
    """A line with single blanks."""
    return re.sub(r"\s+", " ", line).strip()


def in_columns(name: str, shape: str, params: str, source: str) -> str:
    """A line in columns."""
    shape = re.sub(r"\s+", " ", shape).replace("( ", "(")
    return f"{name:<60}{shape:<40}{params:<20}{source}".rstrip()


# Tables of any columns ---------------------------------------------------------------------------

MOST_HEADS = 200
"""Ways to cut a header that are tried."""
SAMPLE = 30
"""Rows that a way to cut the header is tried on."""
LONGEST = 5
"""Words of a header."""
AWRY = 1.2
"""What a row that fits its columns costs at most, a column."""

_NAMING = frozenset(("layer", "op", "stage", "remark", "source", ""))
_SIZES = frozenset(("in", "out", "channels"))
_TELLING = frozenset(
    (
        *("in", "out", "kernel", "params", "stride", "channels_in", "channels_out", "ops"),
        *("in_h", "out_h", "kernel_h", "weights", "trained"),
    )
)
_TOKEN = re.compile(
    r"\(?\d[\d ,.*×x+()/-]*[*×x+)][\d ,.*×x+()/-]*= ?[\d,.]+\d"  # how a number comes about
    r"|[^\W\d][^\s\[(]*[\[(][^\[\]()]*[\])]+"  # Conv2D(64, 3)
    r"|\d+ ?[x×] ?\[[^\[\]]*\]|[\[(][^\[\]()]*[\])]+"
    r"|\d+(?: ?[x×✕*@] ?\d+)+(?: ?/ ?\d+)?(?![\w.])"
    r"|\d+ ?/ ?\d+(?![\w.])|\d[\d,.]* [KMGB](?![\w.])|\S+"
)
_NUMBER = re.compile(r"[~<≈]?\d[\d,.]*(?: ?[KMGBkm])?%?|\(?\d.*= ?[\d,.]+")


class _Column(NamedTuple):
    """A header and what it heads."""

    head: str
    role: str
    usual: str = ""
    """What most of its cells look like."""


def _table(lines: list[str]) -> list[str]:
    """The lines of a table whose columns only single blanks part, set in columns."""
    at = next((k for k, line in enumerate(lines) if _cut(line)), None)
    if at is None:
        return []
    rows: list[tuple[int, list[str]]] = []
    last = len(lines)
    for k, line in enumerate(lines[at + 1 :], at + 1):
        if FOOTER.match(line) and len(rows) > 1 and re.match(r"(?i)\s*(total|non-|train)", line):
            last = k
            break
        if not re.fullmatch(r"[-_=─━—+\s]*", line):
            rows.append((k, _tokens(line)))
    wide = sum(len(re.split(r"\s{2,}|\t", lines[k].strip())) > 2 for k, _ in rows)
    if len(rows) < 2 or 2 * wide > len(rows):
        return []
    sample = [tokens for _, tokens in rows[:SAMPLE]]
    cost, columns = min(
        ((sum(min(_fit(r, way)[0], 9.0) for r in sample), way) for way in _cut(lines[at])),
        key=lambda each: each[0],
    )
    if cost > 0.5 * len(columns) * len(sample):
        return []
    columns = _learnt(columns, [row for price, row in (_fit(r, columns) for r in sample)])
    cells = [(k, *_fit(tokens, columns)) for k, tokens in rows]
    table = {at: [each.head for each in columns]}
    names = [j for j, each in enumerate(columns) if each.role in ("layer", "op")]
    before: list[str] | None = None
    for k, price, row in cells:
        if price > AWRY * len(columns):
            row = [_single(lines[k]), *[""] * (len(columns) - 1)]
        elif before:
            # What stands above several rows is theirs, and so is a name that stands alone.
            above = [] if any(row[j] for j in names) else names
            above = above if row[0] else [0, *above]
            row = [before[j] if j in above else cell for j, cell in enumerate(row)]
        table[k] = before = row
    widths = [max(len(row[j]) for row in table.values()) + 3 for j in range(len(columns))]
    return [
        "".join(cell.ljust(width) for cell, width in zip(table[k], widths, strict=True)).rstrip()
        if k in table
        else line
        for k, line in enumerate(lines[:last])
    ] + lines[last:]


def _learnt(columns: Sequence[_Column], rows: Sequence[list[str]]) -> tuple[_Column, ...]:
    """Columns with what most of their cells look like."""
    found = []
    for j, column in enumerate(columns):
        looks = [_look(row[j]) for row in rows if row[j] and not nothing(row[j])]
        usual = max(set(looks), key=looks.count) if len(looks) > 2 else ""
        sure = 4 * looks.count(usual) >= 3 * len(looks)
        found.append(column._replace(usual=usual if sure else ""))
    return tuple(found)


def _tokens(line: str) -> list[str]:
    """The words of a line, sizes and what stands in brackets being one each."""
    return _TOKEN.findall(line[:MOST_IN_A_CELL])


@lru_cache(256)
def _cut(line: str) -> tuple[tuple[_Column, ...], ...]:
    """The ways to cut a line into headers, if it heads columns and single blanks part them."""
    words = line.strip().split(" ")
    if not 2 < len(words) <= 30 or "" in words or re.search(r"[|,;:=]|\d{2}", line):
        return ()
    ways = []
    for way in _ways(tuple(words), 1):
        roles = [each.role for each in way]
        named = {"layer", "op"} & set(roles[:2])
        if named and len(way) > 2 and 3 * len(_TELLING & set(roles)) >= len(way):
            ways.append(way)
        if len(ways) > MOST_HEADS:
            break
    return tuple(ways)


def _ways(words: tuple[str, ...], unknown: int) -> Iterator[tuple[_Column, ...]]:
    """The ways to cut words into headers, with so many of which nothing is known."""
    if not words:
        yield ()
        return
    for n in range(min(LONGEST, len(words)), 0, -1):
        head = " ".join(words[:n])
        role = _role(head)
        if role or (n == 1 and unknown and re.fullmatch(r"[A-Za-z.]{3,}", head)):
            for rest in _ways(words[n:], unknown - (not role)):
                yield (_Column(head, role), *rest)


@lru_cache(4096)
def _role(head: str) -> str:
    """What a header says, of the roles that none but its own words say."""
    plain = plain_header(head)
    if re.match(r"layer (?!(name|type|kind|number|id|index|description)\b)", plain):
        return ""
    fits = (role for role, pattern in HEADERS.items() if re.fullmatch(pattern, plain))
    role = next(fits, "") if not re.match(r"[/&()]", head) else ""
    bare = plain_header(re.sub(r"\([^()]*\)$", "", head))
    return role or (_role(bare) if bare and bare != plain and head.endswith(")") else "")


def _fit(tokens: Sequence[str], columns: Sequence[_Column]) -> tuple[float, list[str]]:
    """What it costs to put words into columns, in their order, and the cells that cost least."""
    best: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
    best += [(99.0, ())] * len(tokens)
    for column in columns:
        after: list[tuple[float, tuple[str, ...]]] = []
        most = 12 if column.role in _NAMING else 1
        for end in range(len(tokens) + 1):
            ways = (
                (best[start][0] + _price(column, tuple(tokens[start:end])), start)
                for start in range(max(0, end - most), end + 1)
            )
            cost, start = min(ways)
            after.append((cost, (*best[start][1], " ".join(tokens[start:end]))))
        best = after
    return best[-1][0], list(best[-1][1])


@lru_cache(65_536)
def _price(column: _Column, tokens: tuple[str, ...]) -> float:
    """What it costs that a column has some words as its cell."""
    role = column.role
    if not tokens:
        return {"remark": 0.5, "": 0.5, "stage": 0.4, "source": 0.4}.get(role, 1.0)
    looks = [_look(token) for token in tokens]
    if role in ("layer", "op", "stage", ""):
        odd = sum(
            {"word": 0.05, "number": 0.3, "size": 0.6, "nothing": 0.4}[each] for each in looks
        )
        odd += 0.8 * (looks[0] != "word")
        said = " ".join(tokens)
        known = kind_of(said).kind
        if role in ("layer", "op"):
            # A name is no longer than it must be to say what it is.
            return odd + 0.5 * (not known) + 0.3 * (bool(known) and _early(tokens))
        return odd + 0.2
    unlike_ = 0.6 * (column.usual not in ("", looks[0]))
    if role in ("remark", "source"):
        plain = {"word": 0.1, "number": 0.2, "size": 0.5, "nothing": 0.1}
        if column.usual == looks[0] and len(looks) == 1:
            return 0.0
        return unlike_ + sum(plain[each] for each in looks)
    return _single_price(role, tokens[0], looks[0]) + unlike_ * (looks[0] != "nothing")


def _single_price(role: str, token: str, look: str) -> float:
    """What it costs that a column of numbers or sizes has one word as its cell."""
    if look == "nothing":
        return 0.1
    if role in _SIZES:
        return {"size": 0.0, "number": 0.5, "word": 3.0}[look]
    if role == "kernel":
        far = look == "size" and len(re.findall(r"\d+", token)) == 3 and "/" not in token
        return {"size": 0.3 * far, "number": 0.4, "word": 3.0}[look]
    if role == "pad" and re.fullmatch(r"(?i)same|valid|yes|no", token):
        return 0.0
    if role == "bias":
        return 0.0 if re.fullmatch(r"(?i)true|false|yes|no", token) else 1.0
    small = re.fullmatch(r"[\[(]?\d( ?[,x×] ?\d)+[\])]?", token)
    if role in ("stride", "pad", "dilation") and small:
        return 0.1
    return {"size": 2.5, "number": 0.0, "word": 3.0}[look]


def _early(tokens: Sequence[str]) -> bool:
    """Whether what a name is stands before its last words."""
    return any(kind_of(" ".join(tokens[k:])).kind for k in range(1, len(tokens)))


@lru_cache(16_384)
def _look(token: str) -> str:
    """What a word looks like."""
    if nothing(token):
        return "nothing"
    if _NUMBER.fullmatch(token):
        return "number"
    sized = shapes(re.sub(r" ?/ ?\d+$", "", token))
    if sized and (len(sized[0].dims) > 1 or sized[0].bracketed) and not token[:1].isalpha():
        return "size"
    return "word" if not re.fullmatch(r"\d+ ?/ ?\d+", token) else "size"
