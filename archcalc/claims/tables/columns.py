"""What the columns of a printed table say, from their headers and from what stands in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from archcalc.claims.tables.abroad import translated
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
from archcalc.claims.tables.kinds import kind_of
from archcalc.claims.tables.modules import WIDTHS
from archcalc.errors import ArchcalcError, did_you_mean

HEADERS: Mapping[str, str] = {
    "row": r"batch|batch size|row|index|idx|id|s no|no|number|#|serial",
    "mem": r"mem|memory.*|.*\b(bytes|[mk]i?b)\b|mem(read|write|r w) b|"
    r"((param(eter)?s?|weights?|output|activation) )?(mem(ory)?|storage|footprint).*",
    "rf_in": r"(input|in) (rf|receptive fields?)|(rf|receptive fields?|r) in",
    "rf": r"((output|out|local|global|theoretical|cumulative|total|final|t|new|current) )?"
    r"(receptive fields?( size| value)?|rf( size| value)?|trf)( out)?|r out",
    "jump_in": r"(input|in) jump|(jump|j) in",
    "jump": r"((output|out) )?jump( out)?|j( out)?|(effective|cum|cumulative|total|output) stride",
    "remark": r"activation( function)?|act|non ?linearity|nonlin|nl|trainable|depth|note|notes|"
    r"remarks?|comments?|formulas?|calculations?|how|description|details?|purpose|"
    r"(primary )?function|duration.*|"
    r"receptive field.*|rf|eff(ective)? kernel.*|dropout|time.*|document|source line|se|hs|dtype|"
    r"initiali[sz]ation|"
    r"params? size.*|references?|exp size|non ?linear|normali[sz]ation|regulari[sz]ation|"
    r"forward(?! flops).*|.*% *|latency.*|macs ratio|ratio|.*percent.*|arguments|args",
    "inside": r"inside",
    "repeats": r"n|repeats?|times|of (blocks|layers|repeats)|blocks",
    "expansion": r"t|expansion( factor| ratio)?|exp",
    "volume": r"activation size|activations?|output (count|elements|neurons)|of activations",
    "channels": r"(ch(annels?|ns)?|feature maps|planes|filters) ?(i o|in out|in and out)|i o|"
    r"(in out|i o|input output) (ch(annels?|ns)?|features|planes|maps)|in(put)? x out(put)?|"
    r"n in n out",
    "biases": r"(of )?bias(es)?( params?| parameters?| count| number)?",
    "source": r"(input|vertex) (layers?|vertices|nodes?)|vertex inputs|from|inputs|"
    r"bottom|connected to|source|previous layer|input from|"
    r"connect(ion|ed)s?|parents?|inbound",
    "stage": r"stage|block|module|group",
    "frozen": r"(of |# )?non ?trainable.*",
    "trained": r"(of )?tr(ainable)? (params?|parameters?|weights)( count)?",
    "params": r"(of |trainable |learnable )*(params?|parameters?|weights|learnables?)"
    r"( count| number)?|"
    r"(kernel|filter|weights?) values?( number| count)?|"
    r".*\bpar[aá]m(s|eter|eters|etri|etros|[eè]tres)?\b.*|of weights|weights count",
    "in": r"(input|in|inp) ?(res(olution)?|size|shape|dims?|dim|dimensions?|image|picture"
    r"|feature ?maps?|tensor)?s?|size in|"
    r"input .*(size|shape)|shape in|dims? in|ifm(ap)?s?( size| shape)?|resolution|res in",
    "out": r"(output|out|outp) ?(res(olution)?|size|shape|dims?|dimensions?|image|feature ?maps?"
    r"|tensor|volume)?s?|"
    r"size( out)?|feature ?maps?( size)?"
    r"|(spatial|image|grid) ?(res(olution)?|size|shape|dim\w*)( after .*)?"
    r"|activation (size|shape)|output .*(size|shape)|shape"
    r"|activation shape|(tensor|data|map) size|dimensions?|dims?|dims? out|res out"
    r"|ofm(ap)?s?( size| shape)?",
    "in_d": r"(in|input) d|d in",
    "in_h": r"(in|input|ifmap) h|ifmap height|h in|input height|height in",
    "in_w": r"(in|input|ifmap) w|ifmap width|w in|input width|width in",
    "in_c": r"(in|input) c",
    "out_d": r"(out|output) d|d out",
    "out_h": r"(out|output) h|h out|output height|height out|h",
    "out_w": r"(out|output) w|w out|output width|width out|w",
    "out_c": r"(out|output) c",
    "channels_in": r"channels? in|(in|input) (channels?|features?|planes|depth|maps)|c in|cin|n in|"
    r"in ch|ch in|ic|ich|i ch|filt(er)? dim|(input|in) channels? (number|num|count)",
    "channels_out": r"channels? out|(out|output) (channels?|features?|planes|depth|maps|f)|c out|"
    r"cout|m out|feature maps? depth|"
    r"n c|features|filters|feature maps|"
    r"filters or neurons|neurons|units|kernels|n out|channels?|ch|c|width|"
    r"of (filters|kernels|channels|neurons|units)|out ch|maps?|filter count|nodes|hidden units|"
    r"num (filters|channels)|ch out|(convolution(al)? )?kernel types?|sampling types?|"
    r"((out|output) )?(kernel|filter|channel|neuron|unit)s? (number|num|count)s?|"
    r"oc|och|o ch|filts?",
    "kernel": r"kernels?( size| shape)?|ke?rne?l? ?si?ze?|weights? (shape|size|dims?)|k|f|"
    r"filters? ?(size|shape)|filter|patch size|"
    r"(convolution(al)? kernel|sampling area)( size)?|"
    r"window( size)?|ksize|(pool|conv) size|receptive field size|field size|support|"
    r"filter dimensions?|size strd( dil)?|"
    r"(kernel|filter|patch|window)s? ?(size|shape)?.* strides?( .*)?|k ?size|mask( size)?|"
    r"filter size stride|size stride",
    "kernel_d": r"kernel d|kernel depth|kd",
    "kernel_h": r"(kernel|filter) h|(kernel|filter) height|k h|kh",
    "kernel_w": r"(kernel|filter) w|(kernel|filter) width|k w|kw",
    "stride": r"strides?( size)?|s|step|strd|str|sub ?sampl(e|ing)",
    "pad": r"pads?|padding|p|zero padding",
    "dilation": r"dilations?|dil|rate|dilation rate|d|atrous rate",
    "groups": r"groups?|group count|g|cardinality",
    "bias": r"bias(es)?|use bias",
    "ops": r".*\b([kmgt]?flops?|flps|[kmgt]?macs?|madds?|m ?adds?|bflops|bf|fma|mult ?adds?|"
    r"multiply ?adds?|operations|operation count|ops|multiply accumulates?|multiplications|"
    r"computations?)\b.*",
    "op": r"op|(block|node) type|operators?|layer kind|module type|type layer|kind|layer type|type|"
    r"operation|class",
    "layer": r"layers?|names?|path|layer name|layer name type|layer type|type|operation|"
    r"layers? type|"
    r"(vertex|layer|module) name (vertex|layer|module) type|"
    r"module name|component|layer type depth idx|layer .*|module|part",
}
"""What each role's column is headed with, in lower case and without marks, the first that fits."""

ROLES = (*HEADERS, "weights", *WIDTHS)
"""Everything that a column can say."""

NUMBERS = frozenset(("params", "frozen", "trained", "ops", "weights", "biases"))
UNIT = re.compile(
    r"[(\[]\s*(?:x?10\^?(\d)|([KMGB])(?!ACC?s?\W)\w*|(millions?|billions?|thousands?))\s*[)\]]"
)


def plain_header(header: str) -> str:
    """A header in lower case without marks: ``# of Param`` is ``of param``."""
    header = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", translated(header))
    words = re.sub(r"\(([kmgb]|millions?|billions?|x?10\^?\d)\)", " ", header.lower())
    words = re.sub(r"[^a-z0-9×#]+", " ", words).replace("×", "x").strip()
    words = re.sub(r"^#\s?(?=\S)", "", words).replace("#", "").strip() or words
    return re.sub(r"^(number of|num|no of|n of|total|the) (?=\w)", "", words).strip()


def heads_columns(cells: Sequence[str]) -> bool:
    """Whether cells are headers of sizes and numbers, two of them or one that stands alone."""
    heads = [cell for cell in cells if cell]
    said = (*_SIZED, "layer", "op") if len(cells) == 1 else _SIZED
    return len(heads) > min(1, len(cells) - 1) and all(
        len(head) > 2
        and not re.search(r"\d", head)
        and any(re.fullmatch(HEADERS[role], plain_header(head)) for role in said)
        for head in heads
    )


_SIZED = (
    *("in", "out", "in_h", "in_w", "out_h", "out_w", "channels_in", "channels_out"),
    *("kernel", "kernel_h", "kernel_w", "stride", "pad", "params", "ops"),
)


def unit(header: str) -> str:
    """The unit that all numbers of a column are in: ``M`` for ``FLOPs (M)``; ``""`` for none."""
    found = UNIT.search(header)
    if found is None:
        words = re.fullmatch(r"([KMGB])(flops|macs|madds?|params?)", header.strip(), re.IGNORECASE)
        return words[1].upper() if words else "B" if header.strip().lower() == "bf" else ""
    if found[1]:
        return {"3": "K", "6": "M", "9": "B"}.get(found[1], "")
    return (found[2] or found[3][0]).upper()


def byte_power(header: str) -> int:
    """The power of K that a column of memory is in: 2 for ``Memory (MB)``; 0 where nothing says."""
    found = re.search(r"\b([kmg])i?b(ytes)?\b", header.lower())
    return 0 if found is None else "kmg".index(found[1]) + 1


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
            again in _SIZED
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


_WORDS = (
    ("out", r"out(put)?s?|outshape|ofm(ap)?|activation"),
    ("in", r"in(put)?s?|ifm(ap)?"),
    ("params", r"params?|parameters?|weights?"),
    ("ops", r"\w*flops?|macs?|madds?"),
    ("kernel", r"kernels?|filters?|windows?|patch"),
    ("stride", r"strides?"),
    ("pad", r"pad(ding)?s?"),
    ("channels_out", r"channels|filters?|units|neurons"),
    ("op", r"types?|operators?|operation|layers?"),
)
"""Words in a longer header, and the roles that they may mean."""


def _by_words(
    header: str, cells: list[str], columns: Mapping[str, list[int]], heads: Sequence[str]
) -> str:
    """The role that a word of a header says, where the cells are of that role's kind."""
    words = header.split()
    for role, pattern in _WORDS:
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


LETTERS = (
    # Eyeriss (10.1109/JSSC.2016.2616357), DianNao (10.1145/2541940.2541967), and what is alike.
    {"H": "in_h", "R": "kernel_h", "E": "out_h", "C": "channels_in", "M": "channels_out"},
    {"H": "in_h", "R": "kernel_h", "C": "channels_in", "K": "channels_out"},
    {"H": "in_h", "R": "kernel_h", "C": "channels_in", "M": "channels_out"},
    {"Nx": "in_w", "Kx": "kernel_w", "Ni": "channels_in", "No": "channels_out"},
)
_MORE_LETTERS = {
    "W": "in_w",
    "S": "kernel_w",
    "F": "out_w",
    "P": "out_h",
    "Q": "out_w",
    "U": "stride",
    "Ny": "in_h",
    "Ky": "kernel_h",
}


def _letters(
    columns: dict[str, list[int]], headers: Sequence[str], filled: Sequence[list[str]]
) -> None:
    """Columns that are headed with the letters of formulas, as hardware's papers do."""
    bare = [header.strip() for header in headers]
    for letters in LETTERS:
        if not set(letters) <= set(bare):
            continue
        for k, head in enumerate(bare):
            role = letters.get(head) or _MORE_LETTERS.get(head, "")
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
