"""A number as somebody printed it: what it says, and how exactly.

``25.6M`` says that a number is nearer to 25.6 million than to 25.5 or 25.7, or that it was cut off
there. So a computed number is held against it at its own precision, in exact arithmetic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from archcalc.errors import ArchcalcError

LONGEST = 60
"""Characters of a printed number."""

Number = int | float | Fraction

Agreement = Literal["exact", "rounds", "truncates", "contradicted"]


class Verdict(NamedTuple):
    """How a computed number stands to a printed one."""

    agreement: Agreement
    """``rounds``: to the nearest that can be printed so; ``truncates``: what follows is cut off."""
    off: Fraction
    """The computed number minus the printed one."""

    @property
    def holds(self) -> bool:
        """Whether the printed number is right at its precision."""
        return self.agreement != "contradicted"


def exact(number: Number) -> Fraction:
    """A number without loss; a float is the shortest decimal that means it: 0.1 is 1/10.

    Raises :class:`ArchcalcError` for what is no finite number.
    """
    try:
        return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
    except (TypeError, ValueError):
        raise ArchcalcError(f"{number!r} is no number") from None


@dataclass(frozen=True, slots=True)
class Printed:
    """A number, the unit it is in, and one step of its last printed digit."""

    text: str
    """As printed."""
    value: Fraction
    """What it says: ``25.6M`` is 25,600,000, ``84.70%`` is 0.847, ``1/10th`` is 0.1."""
    step: Fraction
    """One in the last printed digit: 100,000 for ``25.6M``. Of a fraction, that of its
    denominator; of a decade, 10."""
    unit: str = ""
    """``%``, ``x`` (times), ``bytes``, or the word that follows the number; ``""`` for none."""
    form: Literal["decimal", "fraction", "decade"] = "decimal"
    suffix: str = ""
    """What follows the digits."""
    scale: Fraction = Fraction(1)
    """What the suffix multiplies by."""
    decimals: int = 0
    """Digits after the decimal point."""

    @classmethod
    def parse(cls, text: str | int, thousand: int = 1000) -> Printed:
        """The number that a text prints: ``62,378,344``, ``138 million``, ``533MB``, ``11.3x10^9``.

        K, M, B or G, and T are powers of ``thousand``, 1000 or 1024, bytes included; Ki, Mi and Gi
        are always powers of 1024. ``199x`` is a decade. Words before the number such as "about"
        mean nothing here: the digits say how exact it is.
        Raises :class:`ArchcalcError` for text that is no number.
        """
        written = str(text)
        if len(written) <= LONGEST:
            plain = _ABOUT.sub("", written.strip())
            if found := _DECADE.fullmatch(plain):
                value = Fraction(int(found[1]) * 10)
                return cls(written, value, Fraction(10), "", "decade", found[2])
            if (found := _FRACTION.fullmatch(plain)) and int(found[2]):
                a, b = int(found[1]), int(found[2])
                return cls(written, Fraction(a, b), Fraction(1), "", "fraction", found[3])
            if found := _DECIMAL.fullmatch(plain):
                return cls._decimal(written, found, thousand)
        raise ArchcalcError(f"{written!r:.80} is no number: write 62,378,344, 25.6M or 84.7%")

    @classmethod
    def _decimal(cls, written: str, found: re.Match[str], thousand: int) -> Printed:
        sign, whole, decimals, e, power, suffix = found.groups(default="")
        scale, unit = _unit(suffix, thousand, written)
        scale *= Fraction(10) ** int(e or power or 0)
        digits = re.sub(r"\D", "", whole) + decimals
        step = scale / 10 ** len(decimals)
        value = int(digits) * step * (-1 if sign in ("-", "−") else 1)
        tail = found.string[found.end(3 if decimals else 2) :]
        return cls(written, value, step, unit, "decimal", tail, scale, len(decimals))

    def verdict(self, computed: Number) -> Verdict:
        """Whether a computed number is this one, rounds to it, truncates to it, or neither.

        A half may have been rounded either way; truncation is towards zero.
        """
        number = exact(computed)
        off = number - self.value
        if not off:
            return Verdict("exact", off)
        ours, printed = number, self.value
        if self.form == "fraction":
            if not number:
                return Verdict("contradicted", off)
            # 1/10 is as exact as its denominator: 1/9.68 rounds to it, as 9.68 does to 10.
            ours, printed = self.value.numerator / number, Fraction(self.value.denominator)
        if self.form != "decade" and abs(ours - printed) <= self.step / 2:
            return Verdict("rounds", off)
        alike = ours >= 0 if printed >= 0 else ours < 0
        if alike and 0 <= abs(ours) - abs(printed) < self.step:
            return Verdict("truncates", off)
        return Verdict("contradicted", off)

    def like(self, computed: Number) -> str:
        """A computed number printed as this one is: as exact, in the same unit."""
        number = exact(computed)
        if self.form == "decade":
            return f"{number // 10}{self.suffix}"
        if self.form == "fraction":
            a = self.value.numerator
            return f"{a}/{round(a / number)}{self.suffix}" if number else "0"
        steps = round(number / self.step)
        whole, rest = divmod(abs(steps), 10**self.decimals)
        point = f".{rest:0{self.decimals}}" if self.decimals else ""
        grouped = f"{whole:,}" if "," in self.text or whole >= 10_000 else f"{whole}"
        return f"{'-' if steps < 0 else ''}{grouped}{point}{self.suffix}"


_ABOUT = re.compile(
    r"(?:[~≈<>]|about|around|approximately|approx\.|ca\.|nearly|over|more than|less than)\s*",
    re.IGNORECASE,
)
_DECADE = re.compile(r"((?:19|20)[0-9])(x|0['’]?s)")
_FRACTION = re.compile(r"([0-9]+) ?/ ?([0-9]+)(st|nd|rd|th|)")
_DECIMAL = re.compile(
    r"([-−+]?) ?"
    r"([0-9]{1,3}(?:[,_'’ \u2009\u202f][0-9]{3})+(?![0-9])|[0-9]+)(?:\.([0-9]+))?"
    r"(?:e([-+]?[0-9]{1,2})(?![0-9])| ?[x×·*] ?10\^?([-+]?[0-9]{1,2})(?![0-9]))?"
    r"([^0-9]*)"
)
_PREFIXES = {
    **dict.fromkeys(("thousand", "thousands", "K", "k"), 1),
    **dict.fromkeys(("million", "millions", "M", "m"), 2),
    **dict.fromkeys(("billion", "billions", "Bn", "bn", "B", "b", "G"), 3),
    **dict.fromkeys(("trillion", "trillions", "T"), 4),
}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}
_UNITS = {
    "%": "%",
    "percent": "%",
    **dict.fromkeys(("x", "×", "times", "-fold"), "x"),
    **dict.fromkeys(("byte", "bytes"), "bytes"),
    **{word: word for word in ("params", "parameters", "MACs", "FLOPs", "FLOP", "ops")},
}


def _unit(suffix: str, thousand: int, written: str) -> tuple[Fraction, str]:
    """What the text behind the digits multiplies by, and the unit it names."""
    rest = suffix.strip()
    if rest in _UNITS:
        return Fraction(1, 100) if _UNITS[rest] == "%" else Fraction(1), _UNITS[rest]
    for prefixes, base in ((_BINARY, 1024), (_PREFIXES, thousand)):
        for prefix, power in prefixes.items():
            after = rest.removeprefix(prefix)
            if after != rest:
                unit = "bytes" if after == "B" else _UNITS.get(after.strip())
                if not after or unit not in (None, "%"):
                    return Fraction(base**power), unit or ""
    if not rest or (suffix[0] == " " and re.fullmatch("[A-Za-z][A-Za-z -]*", rest)):
        return Fraction(1), rest
    raise ArchcalcError(f"{written!r} is no number: unknown unit '{rest}'")
