"""What columns of printed tables are headed: words by role, letters of formulas, units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from archcalc.claims.tables.abroad import translated
from archcalc.claims.tables.modules import WIDTHS

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
    said = (*SIZED, "layer", "op") if len(cells) == 1 else SIZED
    return len(heads) > min(1, len(cells) - 1) and all(
        len(head) > 2
        and not re.search(r"\d", head)
        and any(re.fullmatch(HEADERS[role], plain_header(head)) for role in said)
        for head in heads
    )


SIZED = (
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


WORDS = (
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

LETTERS = (
    # Eyeriss (10.1109/JSSC.2016.2616357), DianNao (10.1145/2541940.2541967), and what is alike.
    {"H": "in_h", "R": "kernel_h", "E": "out_h", "C": "channels_in", "M": "channels_out"},
    {"H": "in_h", "R": "kernel_h", "C": "channels_in", "K": "channels_out"},
    {"H": "in_h", "R": "kernel_h", "C": "channels_in", "M": "channels_out"},
    {"Nx": "in_w", "Kx": "kernel_w", "Ni": "channels_in", "No": "channels_out"},
)
MORE_LETTERS = {
    "W": "in_w",
    "S": "kernel_w",
    "F": "out_w",
    "P": "out_h",
    "Q": "out_w",
    "U": "stride",
    "Ny": "in_h",
    "Ky": "kernel_h",
}
