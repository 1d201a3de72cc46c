"""Readers of tables with marks between their cells: CSV, Markdown, LaTeX, HTML."""

from __future__ import annotations

import csv
import re
from collections import Counter
from html import unescape
from io import StringIO

from archcalc.claims.tables.lines import (
    MOST_CHARACTERS,
    MOST_COLUMNS,
    MOST_ROWS,
    Line,
    Rows,
    footers,
)
from archcalc.errors import ArchcalcError


def delimiter(lines: list[str]) -> str:
    """What separates the cells of a CSV, or ``""`` for a text that is none."""
    if not lines:
        return ""
    best = ""
    for mark in "\t;|,":
        head = lines[0].count(mark)
        if not head:
            continue
        try:
            rows = list(csv.reader(lines[:60], delimiter=mark, strict=False))
        except csv.Error:
            continue
        width = len(rows[0])
        full = sum(len(row) == width for row in rows)
        ruled = sum(bool(re.fullmatch(r"[-_=\s|+]+", line)) for line in lines)
        if full >= 0.6 * (len(rows) - ruled) and (not best or width > 2):
            best = mark if not best or lines[0].count(best) < head else best
    return best


def read_csv(text: str, name: str) -> Rows:
    """Values separated by commas, semicolons, tabs or bars."""
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    counts = Counter(each for each in first if each in ",;\t|")
    mark = delimiter(lines[:400]) or (counts.most_common(1)[0][0] if counts else "")
    if not mark:
        raise ArchcalcError(f"{name}: has no header with two columns or more")
    found: list[Line] = []
    footer: list[str] = []
    csv.field_size_limit(max(csv.field_size_limit(), MOST_CHARACTERS))
    reader = csv.reader(StringIO(text), delimiter=mark, strict=True)
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if mark == "|" and len(stripped) > 2 and not stripped[0] and not stripped[-1]:
                stripped = stripped[1:-1]
            if len(stripped) == 1 and len(found) > 1 and mark == "|":
                footer.append(stripped[0])
            elif any(stripped) and not re.fullmatch(r"[-=_+: ]{3,}", "".join(stripped)):
                plain = tuple(map(_plain, stripped)) if mark == "|" else stripped
                found.append(Line(reader.line_num, plain))
            if len(found) > MOST_ROWS + 1:
                break
    except csv.Error as error:
        raise ArchcalcError(f"{name}:{reader.line_num}: {error}") from None
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    headers = _whole(found[0].cells, max(len(line.cells) for line in found[1:]))
    return headers, found[1:] + footers(footer, headers, reader.line_num)


def _whole(headers: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Headers of which a bracket holds a comma that nobody quoted: ``input (C,T)``."""
    if len(headers) <= width:
        return headers
    joined: list[str] = []
    for head in headers:
        if joined and joined[-1].count("(") > joined[-1].count(")"):
            joined[-1] += f",{head}"
        else:
            joined.append(head)
    return tuple(joined) if len(joined) >= width else headers


_BARE_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)+\|?\s*")
"""What stands below the header of a table of Markdown, with bars at its ends or without."""


def barred(text: str) -> str:
    """Tables of Markdown with bars at both ends of each line, which may be left out."""
    if not re.search(r"-:?\s*\|\s*:?-", text):
        return text
    lines = text.split("\n")
    for at, rule in enumerate(lines):
        if not at or not _BARE_RULE.fullmatch(rule):
            continue
        bars = rule.strip().strip("|").count("|")
        first = at if rule.lstrip().startswith("|") else at - 1  # a title may stand in front
        for k in range(first, len(lines)):
            bare = lines[k].strip()
            if bare.count("|") < bars or (k > at + 1 and _BARE_RULE.fullmatch(bare)):
                break
            if not bare.startswith("|"):
                lines[k] = f"| {bare}" if bare.endswith("|") else f"| {bare} |"
    return "\n".join(lines)


def read_markdown(text: str, name: str) -> Rows:
    """The first table of a page of Markdown."""
    found: list[Line] = []
    lines = _whole_rows(text.splitlines())
    last = len(lines) + 1
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        rule = lines[number].strip() if number < len(lines) else ""
        if not found and "|" in bare[1:] and re.fullmatch(r"\|[-+=:| ]+\|", rule):
            bare = bare[bare.index("|") :]  # a title stands in front of it
        if not bare.startswith("|"):
            if len(found) > 1 and bare and not bare.startswith("+"):
                last = number
                break
            continue
        if re.fullmatch(r"[-+=:| ]+", bare):
            continue
        depth = re.match(r"\|( *)", bare)
        cells = re.split(r"(?<!\\)\|", bare.strip("|") if bare.endswith("|") else bare[1:])
        plain = [_plain(cell) for cell in cells]
        if depth and len(depth[1]) > 2 and plain[0]:
            plain[0] = "│" * ((len(depth[1]) - 1) // 1) + plain[0]
        found.append(Line(number, tuple(plain)))
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    below = [re.sub(r"^[-*>\s]+|\*", "", line) for line in lines[last - 1 : last + BELOW]]
    below = [_in_prose(line) for line in below]
    return found[0].cells, found[1:] + footers(below, found[0].cells, last)


_PROSE = re.compile(
    r"(?:\b(?:total|in all|altogether|overall)\b[^.|~≈]{0,40}?|\bhas\b[^.|~≈\d]{0,20}?)"
    r"(?<![\d,.~])(?P<number>\d{1,3}(?:[,. \u00a0\u202f]\d{3})+|\d{4,12})(?![\d,.]*\d)\s*"
    r"(?:learnable |trainable )?par[aâáà]m(?:eter|[eèé]tre|etro|etri)?s?\b"
    r"|(?:总参数(?:量|数)?|총 ?파라미터(?: ?수)?|всего параметров|total de par[aâ]\w+)"
    r"[^\d~≈.]{0,6}(?P<abroad>\d{1,3}(?:,\d{3})+|\d{4,12})(?![\d,.]*\d)",
    re.IGNORECASE,
)
"""A total in a sentence: ``In total the network has 61,706 parameters.``"""


def _in_prose(line: str) -> str:
    """A line below a table as programs would say it, if it is a sentence with a total."""
    found = _PROSE.search(line)
    if found is None:
        return line
    number = found["number"] or found["abroad"]
    return "Total params: " + re.sub(r"\D", "", number)


def _whole_rows(lines: list[str]) -> list[str]:
    """Lines of which a row is one: a cell that holds line breaks goes on in the next."""
    found = list(lines)
    closed = sum(line.strip().startswith("|") and line.rstrip().endswith("|") for line in lines)
    for k, line in enumerate(lines):
        bare = line.strip()
        if not bare.startswith("|") or (bare.endswith("|") and len(bare) > 1) or closed < 3:
            continue
        more = [each.strip() for each in lines[k + 1 : k + 1 + MOST_BROKEN]]
        end = next((j for j, each in enumerate(more, 1) if each.endswith("|")), 0)
        if end and not any(each.startswith("|") or not each for each in more[:end]):
            found[k] = " ".join([bare, *more[:end]])
            found[k + 1 : k + 1 + end] = [""] * end
    return found


MOST_BROKEN = 4
"""Lines that a row with line breaks in its cells goes on for."""
BELOW = 8
"""Lines below a table of Markdown that may say what it adds up to."""


def _plain(cell: str) -> str:
    """A cell of Markdown or HTML without emphasis."""
    bare = _undoubled(re.sub(r"<br\s*/?>", " ", cell))
    if "$" in bare or "\\times" in bare:
        bare = _latex(bare)
    bare = re.sub(r"\\([*_#\[\](){}~`.!+-])", r"\1", bare)
    bare = unescape(bare.replace("\\|", "|").replace("&times;", "x")).strip()
    bare = re.sub(r"\*\*(?=\S)([^*]+)(?<=\S)\*\*", r"\1", bare)
    return re.sub(r"^(\*\*|__|`|\*)(.*)\1$", r"\2", bare).replace("\\_", "_").strip()


def _undoubled(cell: str) -> str:
    """A cell of which a page's copy holds what is seen and, behind it, the formula for it."""
    if "\\" not in cell or len(cell) > 200:
        return cell
    plain = cell.strip()
    for k in range(1, plain.index("\\") + 1):
        if _seen(plain[:k]) == _seen(plain[k:]):
            return plain[k:]
    return cell


def _seen(formula: str) -> str:
    """What is seen of a formula, without blanks."""
    return re.sub(r"[\\{}^_$\s]", "", formula.replace("\\times", "×")).replace("x", "×")


def read_latex(text: str, name: str) -> Rows:
    """A tabular of LaTeX."""
    if "\\\\\\\\" in text and not re.search(r"(?<!\\)\\[a-z]", text):
        text = text.replace("\\\\", "\\")  # as a program's strings hold it
    body = re.sub(r"(?<!\\)%.*", "", text)
    body = _NESTED.sub(_layers, body)
    body = re.sub(
        r"\\(?:makecell|shortstack|specialcell)(?:\[\w*\])?\{([^{}]*)\}",
        lambda each: re.sub(r"\\\\", " ", each[1]),
        body,
    )
    found: list[Line] = []
    spans: dict[int, tuple[int, str]] = {}
    """For each column, how many rows more a cell reaches down, and what it says."""
    line = 1
    for piece in re.split(r"\\\\(?:\[[^\]]*\])?|\\tabularnewline", body):
        line += piece.count("\n")
        bare = re.sub(r"\\begin\{[a-z*]+\}(\[[^\]]*\])?(\{[^\n]*\})?", "", piece)
        bare = re.sub(
            r"\\(hline|toprule|midrule|bottomrule|centering|cline\{[^}]*\}"
            r"|cmidrule(\([a-z]*\))?\{[^}]*\}|caption\{[^}]*\}|label\{[^}]*\}"
            r"|end\{[^}]*\})",
            "",
            bare,
        )
        if "&" not in bare:
            continue
        cells: list[str] = []
        for cell in re.split(r"(?<!\\)&", bare):
            at = len(cells)
            if high := _MULTIROW.search(cell):
                cell = _MULTIROW.sub(lambda each: each[2], cell)
                spans[at] = min(int(high[1]), MOST_ROWS) - 1, cell
            elif not cell.strip() and spans.get(at, (0, ""))[0] > 0:
                spans[at] = spans[at][0] - 1, spans[at][1]
                cell = spans[at][1]
            else:
                spans.pop(at, None)
            wide = re.search(r"\\multicolumn\{(\d+)\}\{[^}]*\}\{(.*)\}", cell)
            cells.append(_latex(wide[2] if wide else cell))
            cells += [""] * (min(int(wide[1]), MOST_COLUMNS) - 1 if wide else 0)
        if any(cells):
            found.append(Line(line, tuple(cells)))
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    return found[0].cells, found[1:]


_MULTIROW = re.compile(r"\\multirow(?:\[\w*\])?\{(\d{1,3})\}(?:\[[^\]]*\])?\{[^{}]*\}\{([^{}]*)\}")
"""A cell of several rows."""


def _layers(found: re.Match[str]) -> str:
    """Layers that stand in a matrix, in a row; in brackets where it draws some."""
    inside = re.sub(r"\\\\|&", "; ", found[2]).strip()
    return f"[{inside}]" if found[1] in ("bmatrix", "pmatrix") else inside


_NESTED = re.compile(
    r"\\begin\{(array|[bp]?matrix)\}(?:\{[^}]*\})?((?:(?!\\begin).){0,2000}?)\\end\{\1\}", re.DOTALL
)
"""Layers in brackets, a line each."""


def _latex(cell: str) -> str:
    bare = re.sub(r"\s*\\times\s*", "x", re.sub(r"\\(left|right|bigg?|Bigg?)(?![a-z])", "", cell))
    bare = re.sub(r"\\(?:to|(?:long)?rightarrow|mapsto)(?![a-zA-Z])", "→", bare)
    bare = re.sub(r"\\(textbf|textit|text|mathrm|emph|texttt|mathbf)\{([^}]*)\}", r"\2", bare)
    bare = bare.replace("\\_", "_").replace("\\#", "#").replace("\\%", "%").replace("~", " ")
    bare = re.sub(r"\\(sim|approx)(?![a-zA-Z])\s*", "∼", bare)
    bare = re.sub(r"\\(?:[hv]space\*?\{[^}]*\}|q?quad\b|[;:!])", " ", bare)
    bare = bare.replace("\\,", "").replace("{,}", ",").replace("$", "").replace("\\&", "&")
    return re.sub(r"\s+", " ", re.sub(r"[{}]", "", bare)).replace("∼", "~").strip()


def read_html(text: str, name: str) -> Rows:
    """The first table of a page of HTML."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[Line] = []
            self.row: list[str] | None = None
            self.cell: list[str] | None = None
            self.spans: dict[int, tuple[int, str]] = {}
            self.span = (1, 1)
            self.tables = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "table":
                self.tables += 1
            if tag == "tr" and self.tables < 2:
                self.flush()
                self.row = []
            elif tag in ("td", "th") and self.row is not None:
                self.close_cell()
                given = {k: int(v) for k, v in attrs if v and v.isdigit() and len(v) < 4}
                self.cell = []
                self.span = given.get("rowspan", 1), min(given.get("colspan", 1), MOST_COLUMNS)
            elif tag == "br" and self.cell is not None:
                self.cell.append(" ")

        def handle_endtag(self, tag: str) -> None:
            if tag in ("td", "th"):
                self.close_cell()
            elif tag in ("tr", "table"):
                self.flush()

        def handle_data(self, data: str) -> None:
            if self.cell is not None:
                self.cell.append(data)

        def close_cell(self) -> None:
            if self.cell is None or self.row is None:
                return
            self.fill()
            if len(self.row) > MOST_COLUMNS:
                raise ArchcalcError(f"{name}: has more than {MOST_COLUMNS} columns")
            text = "".join(self.cell)
            text = _latex(text) if "$" in text or "\\times" in text else text
            words = " ".join(text.replace("×", "x").split())
            for k in range(self.span[1]):
                if self.span[0] > 1:
                    self.spans[len(self.row)] = (self.span[0], words if k == 0 else "")
                self.row.append(words if k == 0 else "")
            self.cell = None

        def fill(self) -> None:
            """Cells of rows above that reach down to this one."""
            while self.row is not None and (at := len(self.row)) in self.spans:
                if at > MOST_COLUMNS:
                    raise ArchcalcError(f"{name}: has more than {MOST_COLUMNS} columns")
                left, words = self.spans[at]
                if left <= 1:
                    del self.spans[at]
                    return
                self.spans[at] = (left - 1, words)
                self.row.append(words)

        def flush(self) -> None:
            self.close_cell()
            if self.row is not None:
                self.fill()
                if any(self.row):
                    self.rows.append(Line(self.getpos()[0], tuple(self.row)))
            self.row = None

    reader = Reader()
    reader.feed(text)
    reader.flush()
    if len(reader.rows) < 2:
        raise ArchcalcError(f"{name}: has no table of two rows or more")
    return reader.rows[0].cells, reader.rows[1:]
