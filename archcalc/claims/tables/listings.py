"""Readers of what programs list a line a layer: Darknet, fvcore, labelled numbers."""

from __future__ import annotations

import re

from archcalc.claims.tables.lines import MOST_COLUMNS, MOST_IN_A_CELL, Line, Rows
from archcalc.claims.tables.markup import read_csv
from archcalc.errors import ArchcalcError


def read_fvcore(text: str, name: str) -> Rows:
    """Fvcore's table: modules with their parameters and work, tensors with their shapes."""
    found = [
        Line(number, tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip().startswith("|") and not re.fullmatch(r"[|:\- ]+", line.strip())
    ]
    if len(found) < 2 or len(found[0].cells) < 2:
        raise ArchcalcError(f"{name}: has a header but no rows")
    rows = []
    names = {line.cells[0] for line in found[1:]}
    for number, (label, count, *work) in found[1:]:
        # Some print modules without those that they stand in.
        parts = label.split(".")
        above = sum(".".join(parts[:k]) in names for k in range(1, len(parts)))
        depth = 0 if label == "model" else above + 1
        shape, params = (count, "") if count.startswith("(") else ("", count)
        rows.append(Line(number, ("│" * depth + label, shape, params, *work)))
    return ("module", "shape", "#params", *found[0].cells[2:]), rows


_SENTENCE = re.compile(
    r"\s*(\d+): (\w+) Layer: (\d+ x \d+ x +\d+) image"
    r"(?:, (\d+) filters -> (\d+ x \d+ x +\d+) image|, (\d+) size, (\d+) stride)?"
)


def _sentences(text: str) -> list[Line]:
    """Darknet's first listing: ``1: Maxpool Layer: 416 x 416 x 16 image, 2 size, 2 stride``."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SENTENCE.match(line):
            at, what, given, filters, out, size, step = (each or "" for each in found.groups())
            rows.append(Line(number, (f"{at} {what}", filters, size, step, given, out)))
    return rows


def read_darknet(text: str, name: str) -> Rows:
    """Darknet's listing: ``0 conv 16 3 x 3 / 1 416 x 416 x 3 -> 416 x 416 x 16 0.150 BF``."""
    if said := _sentences(text):
        return ("layer", "filters", "size", "stride", "input", "output"), said
    headers = ("layer", "filters", "size", "input", "output", "BFLOPs", "from")
    size = r"\d+\s*x\s*\d+\s*x\s*\d+"
    shape = re.compile(
        rf"\s*(\d+)\s+([a-z_]+)\s*(\d+)?\s*((?:\d+\s*x\s*\d+\s*)?/\s*\d+(?:\(\d+\))?)?\s*(\d+x)?\s*"
        rf"({size})?\s*(?:->\s*({size}))?\s*([\d.]+\s*B\w*)?\s*$"
    )
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        found = shape.match(line)
        linked = re.match(r"\s*(\d+)\s+(route|shortcut|Shortcut\w*)\s*[: ]\s*([-\d, ]+)(.*)", line)
        if linked is None and re.match(r"\s*\d+ res\s", line):
            line = re.sub(r"res(\s+)(\d+)", r"shortcut\1\2", line)
            linked = re.match(r"\s*(\d+)\s+(shortcut)\s*[: ]\s*([-\d]+)(.*)", line)
        if linked and re.search(r"\s\d+/\d+\s", linked[4]):
            linked = None
            line = re.sub(r"route(\s+-?\d+)", r"split\1", line)
            part = re.match(rf"\s*(\d+)\s+split\s+(-?\d+)\s.*?({size})", line)
            if part:
                name_ = f"{part[1]} split"
                rows.append(Line(number, (name_, "", "", "", part[3], "", part[2])))
            continue
        if linked:
            tail = re.search(rf"(?:->)?\s*({size})\s*([\d.]+ BF)?\s*$", line)
            where = re.sub(rf"(->)?\s*{size}.*$", "", linked[3] + linked[4])
            sources = "; ".join(re.findall(r"-?\d+", where))
            out, work = (tail[1], tail[2] or "") if tail else ("", "")
            rows.append(Line(number, (f"{linked[1]} {linked[2]}", "", "", "", out, work, sources)))
        elif found:
            at, op, filters, window, _, given, out, work = (each or "" for each in found.groups())
            work = re.sub(r"\s*B.*", "", work)
            rows.append(Line(number, (f"{at} {op}", filters, window, given, out, work, "")))
        elif re.match(r"\s*\d+\s+[a-z]", line):
            words = line.split()
            sizes = re.findall(size, line) if "->" in line else []
            ends = (sizes[0], sizes[-1]) if len(sizes) > 1 else ("", "")
            rows.append(Line(number, (" ".join(words[:2]), "", "", *ends, "", "")))
    if not rows:
        raise ArchcalcError(f"{name}: has no layers of Darknet")
    return headers, rows


LABELLED = re.compile(r"\s*([A-Za-z][\w -]{0,40}):\s*\[([\dx×, ]+)\]\s*(.*)$")
_PAIR = re.compile(r"([A-Za-z][\w ]{0,20}?):\s*(.*?)(?=\s{1,8}[A-Za-z][\w ]{0,20}:|$)")


def read_labelled(text: str, name: str) -> Rows:
    """A layer a line, its numbers labelled: ``CONV3-64: [224x224x64] params: 1,728``."""
    found: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if layer := LABELLED.match(line[:MOST_IN_A_CELL]):
            pairs = {key.strip().lower(): value.strip() for key, value in _PAIR.findall(layer[3])}
            found.append((number, {"layer": layer[1], "output": layer[2], **pairs}))
        elif total := re.match(r"\s*total ([a-z]+):\s*([\d.,]+ ?[KMBG]?)\b", line, re.IGNORECASE):
            found.append((number, {"layer": "Total", total[1].lower(): total[2]}))
    headers = tuple(dict.fromkeys(key for _, cells in found for key in cells))
    if len(headers) < 3 or len(headers) > MOST_COLUMNS:
        raise ArchcalcError(f"{name}: has no labelled numbers beside its layers")
    return headers, [Line(at, tuple(c.get(key, "") for key in headers)) for at, c in found]


ARROWED = re.compile(
    r"\W*(?P<layer>[A-Za-z]\w*):\s*(?P<taken>\d[^:]*?|[^:\d]*?.*?,)\s*(?:-+>|=>|→)\s*"
    r"(?P<given>\d+(?: ?[x×] ?\d+)*)(?P<more>\s.*)?"
)
"""A line that says what a layer makes of what: ``conv1: 32 x 32 x 3 --> 30 x 30 x 32``."""
_ALONE = re.compile(r"\W*(?P<layer>[A-Za-z]\w*):\s*(?P<given>\d+(?: ?[x×] ?\d+)*)?(?P<more>\s.*)?")


def read_arrowed(text: str, name: str) -> Rows:
    """A layer a line, with what it takes and gives; what changes nothing says so in words."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        short = line[:MOST_IN_A_CELL]
        if layer := ARROWED.fullmatch(short):
            size = layer["taken"] if re.match(r"[\dx× ]+$", layer["taken"]) else ""
            cells = (layer["layer"], size, layer["given"], (layer["more"] or "").strip())
            rows.append(Line(number, cells))
        elif layer := _ALONE.fullmatch(short):
            cells = (layer["layer"], "", layer["given"] or "", (layer["more"] or "").strip())
            rows.append(Line(number, cells))
    if len(rows) < 2:
        raise ArchcalcError(f"{name}: has no layers with arrows")
    return ("layer", "input", "output", "remark"), rows


LIGHTNING = re.compile(r"[\s|]*\|? *Name\s*\| *Type\s*\| *Params\b", re.MULTILINE)
"""What heads Lightning's summary."""
_IN_ALL = re.compile(r"^\s*([\d.,]+ ?[KMGB]?)\s+Total params", re.MULTILINE)


def read_lightning(text: str, name: str) -> Rows:
    """Lightning's modules, by their names a tree: ``4 | layer1.0.conv1 | Conv2d | 36.9 K``."""
    headers, lines = read_csv(text, name)
    skipped = headers.index("Name")
    names = {line.cells[skipped] for line in lines}
    rows = []
    for number, cells in lines:
        parts = cells[skipped].split(".")
        depth = sum(".".join(parts[:k]) in names for k in range(1, len(parts)))
        rows.append(Line(number, ("│" * depth + cells[skipped], *cells[skipped + 1 :])))
    if total := _IN_ALL.search(text):
        number = text[: total.end()].count("\n") + 1
        cells = ("Total params", "", total[1], *[""] * (len(headers) - skipped - 3))
        rows.append(Line(number, cells))
    return headers[skipped:], rows


# Trees of modules as PyTorch prints them --------------------------------------------------------

MODULE = re.compile(r"(\s*)\(([\w.-]+)\)?: (?:\((\d+)-(\d+)\): )?(?:(\d+) x )?(\w+) ?[({](.*)$")
_REPEATED = re.compile(r"(\s*)\((\d+)-(\d+)\): (\d+) x (\w+) ?\((.*)$")
ROOT = re.compile(r"\s*(?:\w+ = )?(\w+) ?[({]$")
"""What a tree of modules begins with; PyTorch once had a blank before each bracket, and braces."""
_COLONS = re.compile(r"\b(size|stride|padding|dilation|groups|nChannels): ?(?=[\d(])")
"""Keywords as PyTorch's first trees have them."""
_PARAMS = re.compile(
    r"(?:#params: )?([\d.]+ ?[kKMGB]?)(?: = [\d.]+%|, [\d.]+%)? ?Params|#params: ([\d.]+[KMGB]?)"
    r"|\bparameters=(\d+)\b"
)
_WEIGHTS = re.compile(r"\bweights=(\(\(\d[\d, ()]*\))(?=, \w|$)")
"""The sizes of a module's tensors, as many print them beside it."""
_MACS = re.compile(
    r"([\d.]+) ?([kKMGB]?) ?Macs?\b|([\d.]+) ?([kKMGB]?) ?MACs\b(?! =)|([\d.]+) ?([KMGB]?)MACs"
)
_FLOPS = re.compile(
    r"(?<!latency, )(?<!time, )(?<![\d.])([\d.]+) ?([kKMGB]?)FLOPS\b"
    r"|#flops: ([\d.]+[KMGB]?)|([\d.]+) ?([kKMGB]?)FLOPs(?=, [\d.]+% FLOPs)"
)
"""Operations; DeepSpeed's FLOPS are those of a second."""
_SHARES = re.compile(r"([\d.]+)% (Params|MACs|FLOPs|latency|time)\b")
"""What part of the whole a module has."""
_POSITIONAL = {
    **dict.fromkeys(("Conv", "Linear", "LSTM", "GRU", "RNN"), ("in", "out")),
    **dict.fromkeys(("BatchNorm", "InstanceNorm"), ("in",)),
    "GroupNorm": ("", "in"),
    "Embedding": ("", "out"),
}
"""What the first numbers of a call are, by how its name begins."""
_FIRST = re.compile(r"\s*(\d+)(?:(?:,| ->) ?(\d+))?(?=[,)\s]|$)")
"""The first numbers of a call; of old linear layers ``512 -> 10``."""
_KEYWORDS = {
    "in_features": "in",
    "out_features": "out",
    "in_channels": "in",
    "out_channels": "out",
    "kernel_size": "kernel",
    "stride": "stride",
    "padding": "padding",
    "dilation": "dilation",
    "groups": "groups",
    "bias": "bias",
    "num_features": "in",
    "num_channels": "in",
    "nChannels": "in",
    "embedding_dim": "out",
    "input_size": "in",
    "hidden_size": "out",
}
_TREE = (
    *("layer", "operator", "in", "out", "kernel", "stride", "padding", "dilation", "groups"),
    *("bias", "tensors", "params", "MACs", "FLOPs"),
    *("% of Params", "% of MACs", "% of FLOPs", "% of latency", "% of time"),
)


def read_modules(text: str, name: str) -> Rows:
    """A tree of modules: PyTorch's ``repr``, and ptflops', calflops' and fvcore's of it."""
    found: list[tuple[int, int, dict[str, str]]] = []
    path: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line[:MOST_IN_A_CELL]
        many = _REPEATED.match(line)
        one = MODULE.match(line)
        of = -1
        if many or one:
            if many:
                indent, label = len(many[1]), f"{many[2]}-{many[3]}"
                operator, said = many[5], many[6]
            elif one:
                indent, label, operator, said = len(one[1]), one[2], one[6], one[7]
            while path and path[-1][0] >= indent:
                path.pop()
            path.append((indent, label))
            full = ".".join(each for _, each in path)
            cells = {"layer": "│" * len(path) + full, "operator": operator}
            found.append((number, indent, cells))
        elif found and line.strip() not in ("", ")", "}"):
            said = line
            if closed := re.match(r"(\s*)\), ", line):  # of the module that ends here
                ends = [k for k, (_, at, _) in enumerate(found) if at == len(closed[1])]
                of = ends[-1] if ends else 0
        elif not found and ROOT.match(line.rstrip()):
            said = ""
            found.append((number, -1, {"layer": "Total", "operator": ""}))
            continue
        else:
            continue
        _said(found[of][2], said)
    if len(found) < 2:
        raise ArchcalcError(f"{name}: has no modules")
    headers = tuple(h for h in _TREE if any(cells.get(h) for _, _, cells in found))
    rows = [Line(at, tuple(cells.get(h, "") for h in headers)) for at, _, cells in found]
    total = [row for row in rows if row.cells[0] == "Total" and any(row.cells[1:])]
    return headers, [row for row in rows if row.cells[0] != "Total"] + total


def _said(cells: dict[str, str], text: str) -> None:
    """Add what is written of a module to its cells."""
    if (params := _PARAMS.search(text)) and "params" not in cells:
        cells["params"] = (params[1] or params[2] or params[3]).replace("k", "K")
    if weights := _WEIGHTS.search(text):
        cells.setdefault("tensors", weights[1])
    if (macs := _MACS.search(text)) and "MACs" not in cells:
        cells["MACs"] = "".join(part for part in macs.groups() if part).replace("k", "K")
    if (flops := _FLOPS.search(text)) and "FLOPs" not in cells:
        cells["FLOPs"] = "".join(part for part in flops.groups() if part)
    for share, whole in _SHARES.findall(text):
        cells.setdefault(f"% of {whole}", f"{share}%")
    operator = cells["operator"]
    wanted = next((w for start, w in _POSITIONAL.items() if operator.startswith(start)), ())
    plain = re.sub(r"^.*?(?:Params|MACs?|FLOPs|Mac)\b,?", "", text) if "%" in text else text
    plain = re.sub(
        r"^.*% (?:MACs|FLOPs|Params|latency|time),?(?: *[\d.]+ ?[KMGT]?FLOPS,?)?", "", plain
    )
    plain = _COLONS.sub(lambda found: f"{found[1]}=", plain)
    if re.match("Conv|.*Pool", operator):
        plain = re.sub(r"\bsize=", "kernel_size=", plain)
    first = _FIRST.match(plain)
    for role, value in zip(wanted, first.groups() if first else (), strict=False):
        if role:
            cells.setdefault(role, value or "")
    if wanted and not first and re.match(r"\s*-?\d", plain):
        cells.setdefault("in", plain.strip())  # in words of its own: it is not to be lost
    for key, value in re.findall(r"(\w+)=(\([^()]*\)|\[[^\[\]]*\]|\w+)", plain):
        if key in _KEYWORDS and (wanted or key != "bias"):
            value = value.replace("[", "(").replace("]", ")")  # as PaddlePaddle has them
            alone = re.fullmatch(r"\((\d+),?\)", value)
            cells.setdefault(_KEYWORDS[key], alone[1] if alone else value)
    if operator.startswith("Conv") and "kernel" in cells:
        cells.setdefault("groups", "1")
        cells.setdefault("bias", "True")
        cells.setdefault("padding", "0")
