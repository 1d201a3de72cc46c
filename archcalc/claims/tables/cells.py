"""What a printed cell says: shapes, windows and numbers as people write them.

A cell that holds nothing of its kind gives None; nothing here guesses what a column means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import prod

from archcalc.claims.printed import Printed
from archcalc.claims.tables.symbols import in_numbers
from archcalc.errors import ArchcalcError

LARGEST = 10**12
"""Sizes above it are no sizes."""

NOTHING = frozenset(
    (
        *(
            "",
            "[]",
            "()",
            "-,-",
            "-",
            "--",
            "---",
            "–",
            "—",
            "−",
            "n/a",
            "scalar",
            "na",
            "none",
            "nan",
            ".",
            "…",
            "...",
        ),
        "multiple",  # Keras, of a layer whose sizes it does not know
    )
)
"""Cells that say that there is nothing to say."""

_BATCH = r"none|null|-1|\?|n|b|bs|batch(?:[ _]?size)?"
_LETTER = re.compile(
    r"[a-z]'?(/\d+)?|[a-z]+(_[a-z]+)+|(max)?(seq(len(gth)?)?|len(gth)?|time(steps)?)"
    r"|hidden|classes|features|dim"
)
"""A size that every user has another of: ``[B, T, 1024]``."""
_JOINED = re.compile(r"\d{1,6}( ?\+ ?\d{1,6})+")
_NUMBER = re.compile(r"\d{1,3}(?:[,\u202f]\d{3})+(?!\d)|\d{1,13}")


@dataclass(frozen=True, slots=True)
class Shape:
    """A printed size."""

    dims: tuple[int, ...]
    """Without a batch that shows that it is one; 0 for a size that is not fixed."""
    bracketed: bool = False
    batched: bool = False
    """Whether a batch without a number (``None``, ``-1``) was taken off."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a cell says of a kernel and how it moves."""

    kernel: tuple[int, ...] = ()
    stride: int | None = None
    strides: tuple[int, ...] = ()
    """Where they are not the same for all axes."""
    pad: int | None = None
    dilation: int | None = None
    weights: tuple[int, ...] = ()
    """Further numbers beside the kernel: channels in (``7x7x3``), or out and in."""
    out: int | None = None
    """Filters: ``(x96)``, ``3x3, 64``."""
    groups: int | None = None


def nothing(text: str) -> bool:
    """Whether a cell says that there is nothing to say."""
    plain = text.strip().lower()
    return plain in NOTHING or (set(plain) == {"?"} and len(plain) > 2)


SETTING = re.compile(
    r"\b(kernel|strides?|pad(ding)?|pool|dilation|groups|k|s|p)\b *[=:]? *[\[(]?\d", re.IGNORECASE
)
"""What a layer was told: its parameters in another sense."""
_WORKED = re.compile(
    r"(?=.*\d\s*[-+/^*x×].*=)(?:floor|ceil|int|[\d\s()\[\]+*/^.x×⌊⌋⌈⌉-])+=\s*(\d[\d,.]*)"
)
"""A number and how it was worked out: ``(28-3)/2+1=13``."""


def outcome(text: str) -> str:
    """What a cell comes to that says how, too; all others as they are."""
    worked = _WORKED.fullmatch(text)
    return worked[1] if worked else text


@lru_cache(8192)
def shapes(text: str) -> Sequence[Shape] | None:
    """The sizes of a cell: ``56x56x64``, ``(None, 56, 56, 64)``, ``[[-1, 8], [-1, 4]]``."""
    plain = text.strip().lower().replace("×", "x").replace("✕", "x").replace("*", "x")
    plain = in_numbers(plain)
    many = re.fullmatch(r"([2-9])\s*x\s*(\([^()]*\)|\[[^\[\]]*\])", plain)
    if many and many[2].count(",") > 1:
        plain = ", ".join([many[2]] * int(many[1]))  # so many of that size
    plain = re.sub(r"(?<=[\])])(?:\s*x\s*\d{1,3}|\s+each)$", "", plain.replace("`", ""))
    if maps := re.fullmatch(r"(\d{1,6})\s*x\s*[\[(]\s*(\d+(?:\s*[,x]\s*\d+)+)\s*[\])]", plain):
        plain = f"({maps[1]}, {maps[2]})"  # so many of that size
    plain = re.sub(
        r"^(?:→|->)\s*|^flattened\s+(?=\d)|(?<=^\d) [a-z]{4,}$|(?<=^\d\d) [a-z]{4,}$", "", plain
    )
    if row := re.fullmatch(
        r"(\d{1,6}(?: ?x ?\d{1,6}){1,3})\s*(?:→|->|=)\s*(\d[\d,]*)(?: [a-zà-ÿ]+)?", plain
    ):
        # Flattened, if it comes to that: ``16x16x32 → 8192``.
        whole = prod(map(int, row[1].split("x")))
        plain = row[2] if int(row[2].replace(",", "")) == whole else plain
    plain = re.sub(r"(?<=\d)\s*@\s*(?=\d)", "x", plain)
    plain = re.sub(r"(?<!\d)(\d+)\s*(?:\^\s*2|²)", r"\1x\1", plain)
    if joined := re.match(r"\((\d{1,9}) *\+ *(\d{1,9})\)(?= *x)", plain):
        plain = f"{int(joined[1]) + int(joined[2])}{plain[joined.end() :]}"  # what is joined
    plain = re.sub(
        r"(?<=\d)\s*\([a-z][a-z /,-]*\)$"
        r"|(?<=\d)\s*(?:→|->)\s*flat(?:ten|tened)?\b.*$",
        "",
        plain,
    )
    plain = re.sub(r"\([\d,]+ *(?:dims?|features|units|values|elements|neurons)\)$", "", plain)
    plain = re.sub(r"(?<=\d)\s*\(=[^()]*\)$", "", plain)  # and how it comes about
    plain = re.sub(r"\b(?:bfloat|float|u?int|complex)\d+(?=\[)", "", plain)
    if re.fullmatch(r"torch\.size\((.*)\)", plain):
        plain = plain[11:-1]
    if cut := re.fullmatch(r"\[?\(((?:none|-1)(?:,\s*(?:none|-1|\d+))*),?", plain):
        lost = _shape(cut[1] + ",?" * plain.endswith(","), True, True)
        return None if lost is None else [lost]
    inner = re.findall(r"[\[(]\s*([^\[\]()]*?)\s*[\])]", plain)
    outside = re.sub(r"[\[(][^\[\]()]*[\])]", "", plain)
    if inner and not re.search(r"[\da-z]", outside):
        found = [_shape(each, True) for each in inner]
        return [each for each in found if each] if None not in found else None
    if inner:
        return None
    pieces = [p for p in re.split(r"\s*[;&]\s*|,\s+(?=\d+\s*x)", plain) if p]
    found = [_shape(each, False) for each in pieces]
    return [each for each in found if each] if found and None not in found else None


def _shape(text: str, bracketed: bool, cut_off: bool = False) -> Shape | None:
    if bracketed:
        between = r"[,x]" if re.search(r"[,x]", text) else r"\s+"
        parts = [part.strip() for part in re.split(between, text) if part.strip()]
    else:
        whole = _NUMBER.fullmatch(text)
        if "x" in text:
            text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
        parts = [text] if whole else [part.strip() for part in re.split(r"[x,]|\s{1,4}", text)]
        parts = [part for part in parts if part]
    if not 0 < len(parts) <= 6:
        return None
    batched = bool(re.fullmatch(_BATCH, parts[0]))
    numbers = parts[1:] if batched else parts
    numbers = [str(sum(map(int, p.split("+")))) if _JOINED.fullmatch(p) else p for p in numbers]
    dims = []
    lettered = bracketed and (len(numbers) > 1 or batched)
    for part in numbers:
        number = _NUMBER.fullmatch(part)
        open_ = part in ("none", "null", "-1", "?") or (lettered and bool(_LETTER.fullmatch(part)))
        if not number and not open_:
            return None
        dims.append(0 if open_ else int(re.sub(r"[,\u202f]", "", part)))
    if any(not 0 <= size <= LARGEST for size in dims) or re.search(r"(?<!\d)0(?!\d)", text):
        return None
    if cut_off:
        dims[-1:] = [0]  # of which some digits may be lost
    if not any(dims):
        return Shape((), bracketed, True)
    return Shape(tuple(dims), bracketed, batched)


_STEP = re.compile(r"(?:/|,|;|\s)\s*(?:s(?:tride)?s?\s*[=:]?\s*)?(\d{1,4})(?:\s*x\s*\d+)?$")


def window(text: str, axes: int | None = None, last: bool = False) -> Window | None:
    """A kernel and what stands beside it: ``7x7/2 (x96)``, ``7x7x3,2``, ``24@5x5``, ``3x3 s2 p1``.

    ``last`` says that channels stand behind the kernel even where ``1x1x64x64`` leaves that open.
    """
    plain = text.strip().lower().replace("×", "x").replace("*", "x")
    plain = re.sub(r"\s*x\s*", "x", plain)
    plain = re.sub(r"^k\s*=?\s*(?=\d)|x[?？]$", "", plain)
    found: dict[str, int] = {}
    strides: tuple[int, ...] = ()
    if listed := re.fullmatch(r"(\d+(?:x\d+)*) */ *(\d{1,3}) */ *(\d{1,3})", plain):
        plain, found = listed[1], {"stride": int(listed[2]), "pad": int(listed[3])}
    patterns = (
        ("out", r"^(\d{1,7})\s*@\s*(?=\d)"),
        ("out", r"\(\s*x?\s*(\d{1,7})\s*\)$"),
        (
            "out",
            r"[,;，；\s]+(\d{1,7})\s*(?:个|通道|卷积核|核|filters?|kernels?|channels?|maps)\s*$",
        ),
        ("out", r"[,;\s/]+k\s*=\s*(\d{1,7})\b"),
        ("groups", r"[,;\s/]+g(?:roups?)?\s*=\s*(\d{1,7})\b"),
        ("pad", r"[,;\s/]?\s*\bp(?:ad(?:ding)?)?\s*[=:]?\s*(\d{1,4})\b"),
        ("dilation", r"[,;\s/]?\s*\bd(?:il(?:ation)?)?\s*[=:]?\s*(\d{1,4})\b"),
        ("stride", r"[,;\s/]*\bs(?:trides?)?\s*[=:]?\s*(\d{1,4}(?:x\d{1,4}){0,2})\b"),
        ("stride", r"(?<=\d)s(\d{1,3})\b"),
        ("pad", r"(?<=\d)p(\d{1,3})\b"),
    )
    for name, pattern in patterns:
        if name not in found and (match := re.search(pattern, plain)):
            each = tuple(map(int, match[1].split("x")))
            if len(each) == 3 and each[0] == 1 and axes != 3:
                each = each[1:]  # none over channels
            if len(set(each)) == 1:
                found[name] = each[0]
            else:
                strides = each
            plain = (plain[: match.start()] + plain[match.end() :]).strip(" ,;/")
    plain = re.sub(r"\b[a-z][a-z-]+\b", " ", plain).replace("()", "").strip(" ,;/")
    bracket = re.match(r"[\[(]\s*(\d+(?:\s*[,x]\s*\d+)*)\s*[\])]", plain)
    if bracket:
        numbers = [int(each) for each in re.split("[,x]", bracket[1])]
        rest = plain[bracket.end() :].strip()
    else:
        match = re.match(r"\d+(?:x\d+)*", plain)
        if not match:
            return None
        numbers, rest = [int(each) for each in match[0].split("x")], plain[match.end() :].strip()
    if rest:
        if both := re.fullmatch(r",\s*(\d{2,5})\s*[,;]?\s*/\s*(\d{1,2})", rest):
            found["out"], rest = int(both[1]), f"/{both[2]}"  # 3x3, 64, /2
        elif both := re.fullmatch(r"/\s*(\d{1,2})\s*,\s*(\d{2,5})", rest):
            found["out"], rest = int(both[2]), f"/{both[1]}"  # 11x11/4, 96
        more = re.fullmatch(r"[/,;]?\s*\(?(\d{1,4})(?:x\d+)?\)?", rest)
        if not more:
            return None
        if rest[0] == "," and len(numbers) == 1 and "stride" not in found and axes != 1:
            numbers.append(int(more[1]))  # 5,5
        elif rest[0] == "," and int(more[1]) > 8:
            found["out"] = int(more[1])  # 3x3, 64
        elif "stride" not in found:
            found["stride"] = int(more[1])
        else:
            return None
    if any(not 0 < each <= 10**7 for each in numbers) or len(numbers) > 5:
        return None
    kernel, weights = _kernel(tuple(numbers), axes, last)
    return Window(kernel, strides=strides, weights=weights, **found)


def _kernel(
    numbers: tuple[int, ...], axes: int | None, last: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The window's numbers, and those of channels that stand beside them."""
    count = len(numbers)
    if axes is not None and count in (axes, 1):
        return numbers, ()
    rank = axes or 2
    if count <= 2:
        return numbers, ()
    if count == rank + 1:
        if rank == 2 and numbers[0] != numbers[1] == numbers[2]:
            return numbers[1:], numbers[:1]  # 32x9x9
        return numbers[:rank], numbers[rank:]
    if count == rank + 2:
        behind = numbers[0] == numbers[1] and (numbers[-1] != numbers[-2] or last)
        if behind and rank == 2:
            return numbers[:2], (numbers[3], numbers[2])
        return numbers[2:], numbers[:2]
    return numbers, ()


_APART = re.compile(
    r"[\d,]+ ?(?:w|weights?)(?: ?\+ ?[\d,]+ ?(?:b|bias(?:es)?|scales?|offsets?|shifts?))+",
    re.IGNORECASE,
)
"""Weights and biases of one layer, and what scales them."""


_POWER = re.compile(r"(\d+(?:\.\d+)?)\s*[x×·*⋅]\s*10\s*\^?\s*\(?(3|6|9|12|⁶|⁹|³)\)?")
"""A number and a power of ten, be it that its place above the line was lost: ``1.8×109``."""
_POWERS = {"3": "K", "³": "K", "6": "M", "⁶": "M", "9": "G", "⁹": "G", "12": "T"}


def count(text: str, thousand: int = 1000) -> Printed | None:
    """A count as printed: ``1,234``, ``9K``, ``115M``, ``18.8 M``, ``(3*3*3+1)*64 = 1,792``."""
    if re.search(r"\((?:\w+ )?only\b", text):
        return None  # of some of them
    text = re.sub(r"^(?:shared|tied)\s*,\s*(?=0\s*$)", "", text.strip())
    text = re.sub(r"^total(?: param(?:eter)?s)?: *(?=\d)", "", text, flags=re.IGNORECASE)
    if power := _POWER.fullmatch(text.strip("*` ~≈")):
        found = Printed.parse(f"{power[1]}{_POWERS[power[2]]}")
        return replace(found, text=text)
    if bytes_ := re.search(r"(?<![\d,])([\d,]+) \([\d.,]+ [KMG]?B\)$", text):
        text = bytes_[1]  # what it is made of stands before it
    if apart := _APART.fullmatch(text.strip()):
        parts = re.findall(r"\d[\d,]*", apart[0])
        return Printed.parse(sum(int(n.replace(",", "")) for n in parts))
    if worked := re.fullmatch(r"([\d,.]+[KMB]?) *\([\d\s*×x+()-]+\)", text.strip()):
        text = worked[1]
    text = re.sub(r"(?<=\d) *\([\d.,]+ ?[KMB]? (?:non-?)?trainable\)$", "", text.strip())
    text = re.sub(
        r"\*?\((?:[^()\d]*|~[\d.]+ ?[KMB])\)\*?\s*$", "", text
    )  # a remark, or itself rounded
    text = re.sub(r"\s*[✅✓✔☑]\ufe0f?$", "", text.replace("·", "×"))
    if re.fullmatch(r"\d[\d,]*(?: ?\+ ?\d[\d,]*)+", text.strip("*` ")):
        return Printed.parse(sum(int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", text)))
    left, _, plain = text.strip().strip("*` ").rpartition("=")
    if re.fullmatch(r"\d[\d,.]*[KMB]?", left.strip("*` ")):
        plain = left  # how it comes about stands behind it
    plain = plain.strip("*` ")
    if plain.count("(") != plain.count(")") or re.fullmatch(r"\([^()]*\)", plain):
        plain = plain.strip("() ")
    plain = re.sub(r"^(?:macc?s?|comp|param|flops|ops)\s+(?=[\d.])", "", plain)
    if re.search(r"\d\s*[*×x]\s*\d", plain):
        value = worked_out(plain)
        return None if value is None else Printed.parse(value)
    if re.fullmatch(r"\d{1,3}(?:[ '\u00a0\u202f]\d{3})+", plain):
        plain = re.sub(r"\D", "", plain)  # as many languages part thousands
    plain = re.sub(r"\s+(?=[KMBGTkmb]\w*$)", "", plain)
    plain = re.sub(
        r"(?<=[KMGBTkm])(?:i?flops|flop|macs?|mac|param\w*|f)$", "", plain, flags=re.IGNORECASE
    )
    plain = re.sub(r"(?<=\d)\s*(?:params?|parameters|bf|bflops)$", "", plain, flags=re.IGNORECASE)
    try:
        return Printed.parse(plain, thousand)
    except ArchcalcError:
        return None


_TERM = re.compile(r"\s*(\d{1,9}(?:,\d{3})*|[-+*×x()])")


def worked_out(text: str) -> int | None:
    """What a sum of products comes to: ``3*3*64 + 64``, ``Weights 3×3×8``, ``((2, 8), (2,))``."""
    if len(text) > 120:
        return None
    text = text.replace("·", "×")
    tensors = re.findall(r"[A-Za-z]\w*: ?\{(\d+(?:,\d+)*)\}", text)
    if tensors:
        return sum(prod(map(int, each.split(","))) for each in tensors)
    named = re.findall(r"[A-Za-z]+\s+(\d+(?:\s*[×x]\s*\d+)+)", text)
    if named:
        return sum(prod(map(int, re.findall(r"\d+", each))) for each in named)
    if re.fullmatch(r"\((\([\d, ]+\),? ?)+\)", text):
        return sum(prod(map(int, re.findall(r"\d+", t))) for t in re.findall(r"\([\d, ]+\)", text))
    terms = _TERM.findall(text)
    if "".join(terms) != re.sub(r"\s", "", text) or text.count("(") != text.count(")"):
        return None
    value, rest = _sum(terms)
    return None if rest or value is None or not 0 <= value <= LARGEST else value


def weights_in(text: str) -> int | None:
    """How many numbers tensors hold whose sides are printed: ``(400, 17)``, ``(200,) × 2``."""
    plain = text.strip("*` ").replace("`", "")
    found = 0
    for piece in re.split(r"\s*(?:/|\+(?=\s*\())\s*", plain):
        sides = re.fullmatch(r"[(\[]\s*(\d[\d ,x×]*?),?\s*[)\]](?:\s*[x×]\s*(\d{1,3}))?", piece)
        if sides is None:
            whole = re.fullmatch(r"\d[\d,]*(?: ?[x×*] ?\d[\d,]*)*(?: ?\+ ?\d[\d,]*)?", piece)
            value = worked_out(piece) if whole else None
            if value is None:
                return None
            found += value
            continue
        found += prod(map(int, re.findall(r"\d+", sides[1]))) * int(sides[2] or 1)
    return found


def _sum(terms: list[str]) -> tuple[int | None, list[str]]:
    total, rest = _product(terms)
    while rest and rest[0] in "+-" and total is not None:
        more, after = _product(rest[1:])
        total = None if more is None else total + more if rest[0] == "+" else total - more
        rest = after
    return total, rest


def _product(terms: list[str]) -> tuple[int | None, list[str]]:
    value, rest = _factor(terms)
    while rest and rest[0] in "*×x" and value is not None:
        more, rest = _factor(rest[1:])
        value = None if more is None else value * more
    return value, rest


def _factor(terms: list[str]) -> tuple[int | None, list[str]]:
    if not terms or terms[0] in "+-*×x)":
        return None, []
    if terms[0] == "(":
        value, rest = _sum(terms[1:])
        return (value, rest[1:]) if rest and rest[0] == ")" else (None, [])
    return int(terms[0].replace(",", "")), terms[1:]


def natural(text: str) -> int | None:
    """A whole number: ``64``, ``1,024``, ``64.0``, ``1x1`` and ``(2, 2)`` where all are equal."""
    listed = text.strip()[:1] in "[("
    text = re.sub(r"(?<=\d)\s*ch(?:annels?)?\b(?:\s*(?:→|,).*)?$", "", text)
    text = re.sub(
        r"(?<=\d)(?: [a-z]+)?\s+(?:filters?|kernels?|units|neurons|nodes|maps|logits|classes"
        r"|outputs)(?: \([^()]*\))?$",
        "",
        text,
    )
    plain = text.strip().strip("[]()").replace("×", "x").replace(" ", "").lower()
    parts = re.split(r"x|," if listed and plain.count(",") < 3 else r"x|,(?!\d{3}(?!\d))", plain)
    numbers = {part.replace(",", "").removesuffix(".0") for part in parts}
    if len(numbers) == 1 and re.fullmatch(r"\d{1,12}", only := numbers.pop()):
        return int(only)
    return None


def padding(text: str) -> Fraction | str | None:
    """Padding at both ends: ``1``, ``0.5``, ``0+1``, ``same``, ``valid``."""
    plain = text.strip().lower()
    if plain in ("valid", "no", "none", "without"):
        return Fraction(0)
    if plain.startswith("same") or plain in ("yes", "half"):
        return "same"
    if around := re.fullmatch(r"\[(\d) (\d) (\d) (\d)\]", plain):
        top, bottom, left, right = map(int, around.groups())
        return Fraction(top + bottom, 2) if top + bottom == left + right else None
    ends = re.fullmatch(r"(\d{1,6})(?:\.(0|5))?(?: ?\+ ?(\d{1,6}))?", plain)
    if ends is None:
        single = natural(plain)
        return None if single is None else Fraction(single)
    pad = Fraction(int(ends[1]) + (int(ends[3]) if ends[3] else int(ends[1])), 2)
    return pad + Fraction(ends[2] == "5", 2)


def in_words(cell: str) -> bool:
    """Whether a cell that may hold a number holds words."""
    return bool(re.search(r"[A-Za-z]{3}", cell)) and not re.match(r"same|valid|none", cell.lower())


def counted(cells: Sequence[str]) -> bool:
    """Whether most cells begin with a number."""
    return sum(bool(re.match(r"[~<(\[]?\d", c)) for c in cells) > len(cells) / 2
