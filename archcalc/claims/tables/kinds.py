"""What a printed row is: its operator and how many axes it slides over, from words that people use.

One table of words for every framework; the first that a text holds is what the row is, so that
``Convolutional (ReLU)`` convolves. A word in brackets after a name (Keras) counts before the name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

WORDS = (
    ("total", r"^(grand|estimated)?(total|sum)(params?|parameters?|multadds?|flops|macs|s)?$"),
    ("wrapper", r"^(timedistribut|bidirectional)"),
    ("separable", r"separableconv|sepconv|separable|depthwise(and|plus)?pointwise"),
    ("depthwise", r"depthwise|dwconv|convdw|^dw\d*$|conv\d*dw"),
    (
        "deconv",
        r"conv\w*transpose|transposed?conv|deconv|upconv|convt(?:rans)?\d|^convt(?:rans)?$|^tconv|fractionallystr",
    ),
    ("embedding", r"^(token|word|position(al)?|input)?embedding"),
    ("convlstm", r"convlstm"),
    ("lstm", r"lstm"),
    ("gru", r"gru(?!p)"),
    ("rnn", r"simplernn|^rnn(?!output)"),
    ("attention", r"attenti|^mha$|^relativeposition|^shiftedwindow"),
    ("merge", r"^merge"),
    ("concat", r"concat|^cat\d*$|^route|^join|filterconcat"),
    ("prelu", r"prelu"),
    (
        "same",
        r"dropout|droppath|stochasticdepth|^drop\d*$|relu|^elu|leaky|^(selu|celu|gelu|silu|swish"
        r"|mish)|sigmoid|tanh|softmax|softplus|softsign|hardswish|^activation|identity"
        r"|localresponse|^lrn|^rnorm|^l2|^loss|noise|^masking|^norm$|^act\d*$|^relu|quantstub|regulariz"
        r"|^rescaling|^avgnorm|channelshuffle|^sign\d*$",
    ),
    ("pad", r"zeropad|reflectionpad|replicationpad|constantpad|^pad(ding)?\d*$"),
    ("crop", r"cropping|^crop"),
    ("upsample", r"upsampl|^resize|interpolat|unpool"),
    ("shuffle", r"pixelshuffle|depthtospace"),
    ("gpool", r"global\w*pool|^ga?p$|poolglobal|adaptive\w*pool|global(avg|average|max)"),
    (
        "pool",
        r"pool(?!er$)|^s[24]$|^(max|avg|average|maxp|avgp|mp|ap|subsampling|downsampling)\d*$|subsampl",
    ),
    (
        "norm",
        r"batchnorm|groupnorm|layernorm|instancenorm|normalization|^(b|l|g|i)n(orm)?(\d+[a-z]?)?$"
        r"|norm(1|2|3)d|rmsnorm|^norm\d+$|^bn",
    ),
    ("flatten", r"flatten"),
    (
        "reshape",
        r"reshape|^reorg|spacetodepth|pixelunshuffle|^view|unflatten|permute|repeatvector|squeeze$|^transpose$",
    ),
    (
        "add",
        r"^(add|sum|sub|div|elt|shortcut|multiply|mul|average|maximum|minimum|subtract)"
        r"(sum|wise|add|mul)?(\d*|ition|op|layer)$|eltwise|elementwise|skipconn|^stochadd",
    ),
    (
        "linear",
        r"dense(?!block|net|layer)|linear|^fc|fullyconn|fullconn|innerproduct|^logits?$|^ip\d"
        r"|^affine|^nn\.linear|^f\d+$|^(output)?classifier$|^(rnn)?outputlayer$|^pooler$",
    ),
    ("conv", r"conv|pointwise|^c\d+$"),
    ("input", r"^(input|image|data)(image|layer|data|size)?\d*$|^input"),
    ("yolo", r"^(yolo|detection|region)"),
    (
        "module",
        r"inverted|bottleneck|^bneck|^sequential|^modulelist|squeeze(and)?excit|encoder|decoder"
        r"|^functional|^model\d*$|\w+block(\d*|s)$|^(conv|dense|residual|basic|plain)(block|layer)$"
        r"|^residual$|^inception|^fire|^stage|^mixed|^block|^transition|^transformer|^patchmerg"
        r"|^mlp|^feedforward|^stem|^csp|^identityblock|^convblock|^cnblock|^mbconv|^maxx?vit",
    ),
)
"""Kinds of rows, by the words (without spaces and marks) that say so."""

_MODULE = (
    r"^(conv\w*norm\w*act\w*|basicconv\w*|(fused)?mbconv\w*|(conv|dense)\w*block"
    r"|(double|dual|triple)conv\w*)$"
)
"""Words that hold an operator's and mean a module."""

_POOLED_OTHERWISE = r"(kmax|roi|stats?|statistics|attenti(ve|on)|pyramid|mixed|gem|soft)pool"
"""Poolings whose windows and sizes follow other rules."""

SAME = frozenset(("same", "norm", "prelu"))
"""Kinds whose output has their input's shape."""

FIRST = frozenset(("separable", "depthwise", "deconv", "total", "convlstm"))
"""Kinds whose words hold those of other kinds."""
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""How many matrices of its kind a recurrent layer has."""
WEIGHTED = frozenset(("conv", "deconv", "depthwise", "separable", "linear"))
SLIDING = frozenset(("conv", "deconv", "depthwise", "separable", "pool"))


ABROAD = (
    (
        "全连接层?|полносвязн\\w*|voll(verbunden|st[aä]ndig verbunden)\\w*|compl[eè]tement conn\\w*"
        "|totalmente con[ce]\\w*|\\bdensa\\b|\\bgęst\\w*|w pełni połączon\\w*"
        "|완전 ?연결 ?층?|밀집층|全結合層?"
        "|kết nối đầy đủ|tam bağl\\w*",
        "fullyconnected",
    ),
    ("深度可分离卷积", "separableconv"),
    ("(转置|反)卷积层?", "transposedconv"),
    (
        "卷积层?|св[её]рт\\w*|convoluci[oó]n\\w*|convolu[cç][aã]o\\w*|faltung\\w*"
        "|합성곱 ?층?|컨볼루션|畳み?込み層?|tích chập|konwolucyjn\\w*|splotow\\w*|evri[sş]im\\w*"
        "|згортк\\w*",
        "conv",
    ),
    ("全局平均池化层?", "globalaveragepool"),
    (
        "(最大|平均)?池化层?|пулинг|submuestreo|agrupamento|풀링 ?층?|プーリング層?|lớp gộp"
        "|havuzlama|podpróbkowani\\w*",
        "pool",
    ),
    ("批(量)?归一化层?|归一化|배치 ?정규화|バッチ正規化|chuẩn hóa", "batchnorm"),
    (
        "展平层?|평탄화|平坦化層?|làm phẳng|aplana\\w*|aplati\\w*|achata\\w*"
        "|spłaszcz\\w*|düzle[sş]tir\\w*|appiattimento",
        "flatten",
    ),
    (
        "输入层?|입력 ?층?|入力層?|đầu vào|eingabe\\w*|entrada|entr[ée]e"
        "|wejści\\w*|\\bgiri[sş]\\b|\\bingresso\\b",
        "input",
    ),
    (
        "输出层?|출력 ?층?|出力層?|đầu ra|ausgabe\\w*|salida|sa[ií]da|sortie"
        "|wyjści\\w*|\\bç[ıi]k[ıi][sş]\\b|\\buscita\\b",
        "output",
    ),
    (
        "합계|총계|合計|tổng( cộng)?|总计|合计|总参数量?|总和|итого|всього|разом"
        "|gesamt\\w*|summe|somme|totale|toplam|razem|łącznie|celkem",
        "total",
    ),
)
"""What rows are called in other languages."""


_ARGUMENT = re.compile(
    r"\b(pad(ding)?|strides?|dilation|groups)\s*[=:]?\s*\(?(\d+|same|valid)\b", re.IGNORECASE
)
"""What is said of a layer beside what it is."""


_LAYER = re.compile(r"\b(conv(?:olution(?:al)?)?|dense)[\s_-]+layers?(?![a-z])", re.IGNORECASE)
"""People's words for an operator, which are a module's where they are one, as of a class."""


class Kind(NamedTuple):
    """What a row is."""

    kind: str = ""
    """One of ``WORDS``, or ``""`` where nothing says."""
    axes: int | None = None
    """How many axes it slides over, where its name says so."""
    fused: str = ""
    """``norm`` for a convolution whose row holds its normalization too (Conv-BN-ReLU)."""
    word: str = ""
    """The operator as printed."""


def compact(text: str) -> str:
    """A text without spaces, marks and case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


@lru_cache(8192)
def _kind(text: str) -> str:
    """The kind of one operator or name; the words from the left, the whole first."""
    text = _LAYER.sub(r"\1 ", _ARGUMENT.sub(" ", text))
    for words, english in ABROAD:
        text = re.sub(words, f" {english} ", text, flags=re.IGNORECASE)
    text = re.sub(r"\b(conv|dense)\s+layer\b", r"\1", text, flags=re.IGNORECASE)  # no class
    whole = compact(text)
    if not whole:
        return ""
    numberless = re.sub(r"^\d+(?=[a-z])", "", whole)
    if re.search(_MODULE, re.sub(r"\d+$", "", numberless)):
        return "module"
    if re.search(r"[/_.](squeeze|expand)?\d+x\d+(_?red(uce)?)?$", text.lower()):
        return "conv"
    if re.search(r"upsampl\w*conv", whole):
        return "deconv"
    for kind, pattern in WORDS:
        if kind in FIRST and re.search(pattern, numberless):
            return kind
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    paired = re.match(r"[A-Z][a-z]+(\dD)?/[A-Z]", text)  # Conv2D/ReLU, and no path of names
    if not paired and re.search(r"[._/](relu|drop|dropout|bn|act)\d*$", text.lower()):
        words = re.split(r"[._/]", text)[-1]
    pieces = [p for p in re.split(r"[^A-Za-z0-9]+", words) if p and not p.isdigit()]
    spans = [compact(text), *(compact("".join(pieces[k:])) for k in range(len(pieces)))]
    found = [(at, kind) for kind, pattern in WORDS if (at := _first(pattern, pieces, spans)) >= 0]
    if not found:
        return ""
    # A word for a module before all others, or at the same place: a dense block is no dense layer.
    at, kind = min(found, key=lambda each: (each[0], each[1] != "module"))
    others = [each for each in found if each[1] != "module"]
    return (
        min(others, key=lambda each: each[0])[1]
        if kind == "module" and others and min(others)[0] > at
        else kind
    )


def _joined(text: str) -> str:
    """The kind of what may be several operators: of those that are one row, that with weights."""
    pieces = [_kind(piece) for piece in re.split(r"\s[+→]\s", text)]
    weighted = [kind for kind in pieces if kind in WEIGHTED]
    lead = pieces[0] in ("flatten", "gpool", "pool", "pad", *SAME)
    return weighted[0] if len(weighted) == 1 and lead else _kind(text)


def _first(pattern: str, pieces: list[str], spans: list[str]) -> int:
    """At which word a pattern begins; -1 for nowhere."""
    for k, piece in enumerate(pieces):
        single = compact(piece)
        joined = compact("".join(pieces[k : k + 2]))
        triple = compact("".join(pieces[k : k + 3]))
        for each in (single, joined, triple, re.sub(r"\d+$", "", single)):
            match = re.search(pattern, each)
            if match and (match.start() == 0 or match.start() < len(single)):
                return k
    return 0 if len(pieces) > 3 and re.search(pattern, spans[0]) and pattern[0] == "^" else -1


def _named_so(name: str) -> bool:
    """Whether a name is not what a row is: ``conv2_relu`` ends in that, ``conv2.relu_dw`` is a path
    to it.
    """
    if re.fullmatch(r"\w+(\.\w+)*\.[a-z]\w*", name):
        return True
    last = re.split(r"[_/.]", re.sub(r"[_/.]?\d+$", "", name))[-1]
    return bool(re.search(r"[_/.]", name)) and _kind(last) not in WEIGHTED


@lru_cache(4096)
def kind_of(name: str, operator: str = "") -> Kind:
    """What a row of this name and operator is; ``conv1 (Conv2D)`` may stand in either."""
    if re.search(r"[._/](weights?|bias(es)?|kernel|gamma|beta|(running|moving)_\w+)(:0)?$", name):
        return Kind("tensor", word=name)
    own = re.search(r"\b(?:models\.|ultralytics\.)[\w.]*?(\w+)$", operator or name)
    if own:
        # Ultralytics' convolutions hold a normalization; most of its other classes are modules.
        if own[1] in ("Conv", "DWConv"):
            return Kind("conv", 2, "norm", operator or name)
        return Kind(
            _kind(own[1]) if own[1] in ("Concat", "Upsample") else "module", word=operator or name
        )
    texts = []
    if operator:
        texts.append(operator)
    elif re.fullmatch(r"\w+(\.\w+)*\.[A-Za-z]\w*", name):
        texts.append(name.rpartition(".")[2])  # a path to it
    inside = re.match(r"\s*([^()]+?)\s*\(([^()]*)\)?\s*$", name)
    if inside and re.fullmatch(r"(block|stage|branch|level|path)\W+\d+", inside[2].lower()):
        texts.append(inside[1])  # where it stands
    elif inside:
        texts += [inside[2], inside[1]]
    elif name:
        texts.append(name)
    if texts and re.search(_POOLED_OTHERWISE, compact(texts[0][:200])):
        return Kind(word=texts[0])
    kinds = [(text, _joined(text[:200])) for text in texts]
    known = [(text, kind) for text, kind in kinds if kind]
    if not known:
        return Kind(word=texts[0] if texts else "")
    text, kind = known[0]
    part = re.fullmatch(r"(?:\w+\.)+(\w*[A-Za-z]\w*)\.\d+", name)
    if part and not operator and kind == "attention" and _kind(part[1]) != kind:
        return Kind(word=name)  # a layer within it: attention.fc.0
    if inside and kind in ("add", "concat") and re.match("[a-z]", inside[2]):
        # What it is for stands behind it: conv5 (shortcut).
        text, kind = known[-1] if known[-1][1] in WEIGHTED else known[0]
    cut = inside and not name.rstrip().endswith(")")
    if cut and {known[0][1], known[-1][1]} <= WEIGHTED:
        text, kind = known[-1]
    weighted = [each for each in known if each[1] in WEIGHTED]
    called = inside and (_named_so(inside[1]) or inside[1].endswith("…"))
    if kind == "same" and weighted and not operator and not called:
        text, kind = weighted[0]
    axes = re.search(r"(?<![\dx])([123])\s?-?[dD](?![a-z])", text) or re.search(
        r"(?<![\dx])([123])\s?-?[dD](?![a-z])", name
    )
    rest = " ".join([name, operator]).lower()
    fused = (
        "norm" if kind in WEIGHTED and re.search(r"(batch|layer).?norm|\b[bl]n\b|_bn", rest) else ""
    )
    return Kind(kind, int(axes[1]) if axes else None, fused, text)
