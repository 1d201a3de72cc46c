"""What the words of a cell say of a layer: ``Convolution 5x5``, ``1x1 stride, outputs 28x28x6``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MOST_SAID = 300
"""Characters of a cell that are searched for what they say."""

_SIZE = r"\d+(?:\s*[x,]\s*\d+)*"
_UNITS = (
    "filters|units|neurons|nodes|channels|unidades|neuronas|filtros|canales|unit[eéà]s?|neurones"
    "|filtres|canaux|einheiten|neuronen|filtern?|kan[aä]le|neur[oô]nios|canais|filtri|neuroni"
    "|нейрон\\w*|фильтр\\w*|канал\\w*|ячеек|유닛|뉴런|필터|ユニット|単位"
)
"""What a layer has of, so many of which are its features."""
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("channels_out", r"\b(?:de)?conv\w*\s*\(\s*(\d{2,4})(?=\s*(?:\)(?!\s*:)|,\s*[a-z]))"),
    ("channels_out", r"\bconv(?:lstm)?\dd\(\s*(\d+)\s*\)(?!\s*:)"),
    (
        "channels_out",
        r"\bconv\dd ?\(\s*(\d+)(?=\s*,\s*(?:[(\[]?\d+\s*x\s*\d+|[(\[]\d+\s*,\s*\d+|k\w*\s*=))",
    ),
    (
        "channels_out",
        r"(?<!\()\b(?:dense|linear|fc|lstm|gru|simplernn)\s*\(\s*(\d{1,5})(?=\s*(?:\)(?!\s*:)|,\s*[a-z]))",
    ),
    ("channels_out", r"\b(?:(?:batch|instance)norm\dd|layernorm)\(\s*(\d+)\s*[,)](?!\s*:)"),
    ("pad", r"\b(valid|same|no|zero)[ -]*pad\w*"),
    ("pad", r"\bpad(?:ding)?s?\s*(?:of|=|:)?\s*'?(same|valid|\d+)\b"),
    ("pad", r"\bpad(?:ding)?s?\s*(?:of|=|:)?\s*(\[\s*\d+(?:[\s,]+\d+){1,5}\s*\])"),
    ("pad", r"(?<=[\s,(\d])p\s*=?\s*(\d)\b"),
    ("dilation", r"\bdilat\w*\s*(?:rate|of|=|:|\s)*(\d+)\b"),
    ("stride", r"\bstrides?\s*1/(\d)\b"),
    ("stride", r"\b(\d+(?:\s*x\s*\d+)?)\s*stride(?!s?\s*(?:of|is|=|:)?\s*[(\[]?\d)"),
    ("stride", r"\bstrides?\s*(?:of|is|=|:)?\s*[(\[]\s*(\d+\s*,\s*\d+)"),
    ("stride", r"\bstrides?\s*(?:of|is|=|:)?\s*[(\[]?(\d+(?:\s*x\s*\d+)?)"),
    ("stride", r"\bs\s*=\s*(\d+)\b"),
    ("stride", r"(?<=\d)\s*/\s*s?(\d)\b"),
    ("stride", r"/\s*s(\d)\b"),
    ("out", rf"\boutputs?(?:\s+(?:size|shape|dim\w*|is))?\s*(?:of|=|:|->|→)?\s*[(\[]?({_SIZE})"),
    ("out", r"(?:->|→)\s*[(\[]?(\d+(?:\s*[x,]\s*\d+)+)"),
    ("out", r"^[(\[]?(\d+(?:\s*[x,]\s*\d+){1,3})\b[^\d]*\b(?:image|input)"),
    ("out", r"\b(?:image|input)s?\b[^\d]*(\d+(?:\s*[x,]\s*\d+){1,3})\b"),
    (
        "kernel",
        rf"\b(?:kernel|filter|window|patch|pool)(?:s?\s*sizes?)?"
        rf"(?:\s*[=:]\s*|\s+|\s*(?=[(\[]))[(\[]?({_SIZE})",
    ),
    ("kernel", r"\b[fk]\s*=\s*(\d+)\b"),
    ("kernel", r"\bk(\d+x\d+)"),
    ("kernel", r"(?<=[,(\s])k(\d{1,2})(?=[\s,)])"),
    ("kernel", r"(?<![\dx.])(?<!x )(\d{1,2}(?:\s*x\s*\d{1,2}){1,2})(?!\s*x?\s*\d)"),
    ("kernel", r"(?<![\dx.])(?<!x )(\d{1,2}(?:\s*x\s*\d{1,2}){2}\s*x\s*\d{1,4})(?=\s*conv)"),
    ("channels_out", r"\b(\d{2,5})-?d\s+(?:fc\b|fully)"),
    ("channels_out", r"^\s*(\d+)\s*;\s*convolutions?\b"),
    ("channels_out", r"(\d+)\s*(?:通道|个|卷积核|神经元)"),
    (
        "channels_out",
        rf"\b(\d+)\s*(?:hidden\s+)?(?:feature maps|kernels|{_UNITS})(?![\w])",
    ),
    ("channels_out", rf"\b(?:{_UNITS})\s*[=:]\s*(\d+)\b"),
)

_FROM_TO = re.compile(r"(?<![\dx.])(\d+)\s*(?:→|->|=>)\s*(\d+)(?!\s*x?\s*\d|[.,]\d)")
"""What a layer takes and gives: ``Conv 3x3, 64 → 128``."""


_CALLED = re.compile(
    r"\b(?:Conv(?:Transpose)?[123]d|Linear)\((\d+), ?(\d+)(?:, ?(\d+))?(?=[,)])(?!, ?\d+,? ?\d)"
)
"""A layer as PyTorch is told to make it: ``Conv2d(3, 32, 5, stride=2)``."""


def said(text: str, name: bool = False) -> Mapping[str, str]:
    """What words say, by role, each as a cell of that role would.

    ``name`` is for what a layer is called: there numbers may only count layers, and mean less.
    """
    found: dict[str, str] = {}
    text = text[:MOST_SAID]
    if call := _CALLED.search(text):
        # PyTorch's layers say first what they take, and Keras' what they give.
        sides = zip(("channels_in", "channels_out", "kernel"), call.groups(), strict=True)
        found = {role: side for role, side in sides if side}
        text = f"{text[: call.start()]} ; {text[call.end() :]}"
    plain = text.lower().replace("×", "x").replace("✕", "x").replace("*", "x")
    plain = re.sub(r"(\d)\s*(?:\^2|²)", r"\1x\1", plain)
    if block := re.fullmatch(r"\s*conv(?:olution)?\s?(\d{1,2})-(\d{2,4})\s*(?:\(.*\))?", plain):
        return {"kernel": f"{block[1]}x{block[1]}", "channels_out": block[2]}
    if units := re.fullmatch(r"\s*(?:fc|dense|full\w*)[- (]\s*(\d{2,5})\)?\s*", plain):
        return {"channels_out": units[1]}
    if name and re.search(r"\w[._/]\w", re.sub(r"\b\d+\.\d+\b", "", plain)):
        return {}  # a path of names
    plain = plain.replace("_", " ")
    for role, pattern in _PATTERNS:
        if role in found or (name and role == "out"):
            continue
        if match := re.search(pattern, plain):
            if role == "stride" and len({m[1] for m in re.finditer(pattern, plain)}) > 1:
                return found  # of several layers
            found[role] = {"no": "valid", "zero": "same"}.get(match[1], match[1])
            if role == "kernel" and (
                more := re.match(
                    r"(?:\s*conv)?\s*,\s*(\d{2,4})\b(?!\s*(?:→|->))", plain[match.end() :]
                )
            ):
                found.setdefault("channels_out", more[1])
            plain = plain[: match.start()] + " ; " + plain[match.end() :]
    return found


def widths(texts: Sequence[str], sizes: Sequence[Sequence[int]]) -> Sequence[Mapping[str, str]]:
    """What cells say of channels with an arrow, by role, if it is channels that they say.

    ``sizes`` are the numbers of the shapes beside each: one that stands there once more than
    others do is a side, of ``5x5, 28 → 24`` beside 24x24x6.
    """
    nothing: Sequence[Mapping[str, str]] = [{} for _ in texts]
    found = [_FROM_TO.search(text[:MOST_SAID]) for text in texts]
    told = [
        sizes[k].count(int(pair[2])) == 1 or len(set(sizes[k])) == 1
        for k, pair in enumerate(found)
        if pair and int(pair[2]) in sizes[k]
    ]
    if not all(told) or sum(map(bool, found)) < 2 or (any(sizes) and not told):
        return nothing
    return [{"channels_in": pair[1], "channels_out": pair[2]} if pair else {} for pair in found]
