"""How many bits numbers are stored in: formats, densities, and the rules that say which layers have
which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

from archcalc.dims import Shape, Size
from archcalc.errors import ArchcalcError, did_you_mean, unknown
from archcalc.spec.patterns import named

BITS: dict[str, int] = {
    "float64": 64,
    "float32": 32,
    "tf32": 32,
    "bfloat16": 16,
    "float16": 16,
    "float8": 8,
    "int8": 8,
    "float4": 4,
    "int4": 4,
    "int3": 3,
    "int2": 2,
    "ternary": 2,
    "binary": 1,
}
"""Bits of a number, by format. TF32's are stored as float32; three values take two bits."""

BYTES = {name: bits // 8 for name, bits in BITS.items() if bits % 8 == 0}
"""Bytes of a number, by the dtypes that products are computed in."""

SCALE = 16
"""Bits of a scale: a float16, as GPTQ, AWQ and most others have it."""

ROW = -1
"""Stands for the length of a row."""

ENDS = "ends"
"""The word for the first and the last layer that multiply with weights."""

LONGEST = 12
"""Digits of a density."""


class Format(NamedTuple):
    """How numbers are stored: some bits each, and a scale for each group."""

    name: str
    bits: int
    group: int = 0
    """How many numbers of a row share a scale; 0 where none is counted, ``ROW`` for all of them."""
    zero: bool = False
    """Whether each group has a zero point too, of as many bits as a number."""

    @classmethod
    def of(cls, text: str) -> Format:
        """``int4``, ``int4:128`` with a scale for 128 numbers, ``int4:128:zero`` with zero points,
        ``int8:channel`` with a scale for each row of a matrix, or each filter.

        Raises :class:`ArchcalcError` for what is no format.
        """
        name, _, rest = text.strip().lower().partition(":")
        if name not in BITS:
            hint = did_you_mean(name, BITS) or f"known: {', '.join(BITS)}"
            raise ArchcalcError(f"no format '{text:.40}'\n  {hint}")
        found = re.fullmatch(r"(channel|0*[1-9]\d{0,5})(:zero)?", rest, re.ASCII) if rest else None
        if rest and found is None:
            raise ArchcalcError(
                f"no format '{text:.40}'\n"
                "  write int4:128 for a scale for 128 numbers, int4:128:zero, int8:channel"
            )
        of_row = found is not None and found[1] == "channel"
        group = ROW if of_row else int(found[1]) if found else 0
        return cls(text.strip().lower(), BITS[name], group, bool(found and found[2]))

    @property
    def kind(self) -> str:
        """The format of a number, without groups: ``int4``."""
        return self.name.partition(":")[0]

    @property
    def whole(self) -> bool:
        """Whether its numbers are integers, or one of two or three values."""
        return "float" not in self.kind and self.kind != "tf32"

    def bytes(self, shape: Shape, density: Density | None = None) -> Size:
        """Bytes of a tensor, rounded up: groups begin anew in each row."""
        bits = density.bits(shape, self.bits) if density else prod(shape) * self.bits
        if self.group and shape:
            rows = prod(shape[:-1])
            groups = rows if self.group == ROW else rows * -(-shape[-1] // self.group)
            bits += groups * (SCALE + (self.bits if self.zero else 0))
        return -(-bits // 8)


class Density(NamedTuple):
    """How many weights are no zero: two of every four in a row, or a share of all, anywhere."""

    text: str
    kept: Fraction
    """Of all weights."""
    block: int = 0
    """Within how many the kept ones are counted out; 0 where they are anywhere."""

    @classmethod
    def of(cls, text: str | float) -> Density:
        """``2:4``, or a share such as ``0.1``. Raises :class:`ArchcalcError` for neither."""
        written = str(text).strip()
        if found := re.fullmatch(r"(\d{1,3}):(\d{1,3})", written, re.ASCII):
            kept, block = int(found[1]), int(found[2])
            if 0 < kept < block:
                return cls(written, Fraction(kept, block), block)
        elif len(written) <= LONGEST and re.fullmatch(r"0?\.\d+|1(\.0*)?", written, re.ASCII):
            share = Fraction(written)
            if share:
                return cls(written, share)
        raise ArchcalcError(
            f"no density '{written:.40}'\n"
            "  write 2:4 where two of every four are kept, or a share of all, such as 0.1"
        )

    @property
    def scattered(self) -> bool:
        """Whether what is kept may be anywhere, so that zeros are multiplied like other numbers."""
        return not self.block

    @property
    def executed(self) -> Fraction:
        """The share of the weights that is multiplied: hardware skips zeros in a pattern."""
        return Fraction(1) if self.scattered else self.kept

    def stored(self, shape: Shape) -> Size:
        """Numbers of a tensor that are stored, rounded up."""
        numbers = prod(shape) * self.kept.numerator
        return -(-numbers // self.kept.denominator)

    def bits(self, shape: Shape, width: int) -> Size:
        """Bits of what is kept and of where it is.

        Of 2:4 each number has its place among four, two bits; of what is scattered each place has
        a bit that says whether there is a number.
        """
        kept = self.stored(shape)
        if self.scattered:
            return kept * width + prod(shape)
        return kept * (width + (self.block - 1).bit_length())


class Rule(NamedTuple):
    """What is said of the numbers of some layers."""

    layers: tuple[str, ...] = ()
    """Names, patterns, operators, or ``ends``; none for all that multiply."""
    exclude: tuple[str, ...] = ()
    """Of these the layers for which it does not hold, likewise."""
    weights: Format | None = None
    activations: Format | None = None
    density: Density | None = None

    def renamed(self, names: Mapping[str, str]) -> Rule:
        """The same of layers that have other names."""
        layers, exclude = (
            tuple(names.get(each, each) for each in some) for some in (self.layers, self.exclude)
        )
        return self._replace(layers=layers, exclude=exclude)

    def __str__(self) -> str:
        said = []
        if self.weights is not None or self.density is not None:
            format = f" in {self.weights.name}" if self.weights else ""
            density = f" of density {self.density.text}" if self.density else ""
            said.append(f"weights{format}{density}")
        if self.activations is not None:
            said.append(f"activations in {self.activations.name}")
        where = f" of {', '.join(self.layers)}" if self.layers else ""
        but = f" (not {', '.join(self.exclude)})" if self.exclude else ""
        return f"{', '.join(said)}{where}{but}"


def described(rules: Sequence[Rule]) -> str:
    """Rules in words: ``weights in int4, activations in int8 (not ends)``."""
    return ", ".join(map(str, rules))


def rules_of(
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
) -> Iterator[Rule]:
    """What is said in a line, ``int4`` of all or ``fc=int8`` of some layers, as rules.

    What is said of some counts after what is said of all, which alone ``exclude`` is about.
    Raises :class:`ArchcalcError`.
    """
    read: tuple[tuple[str, Sequence[str], Callable[[str], Any]], ...] = (
        ("weights", _several(weights), Format.of),
        ("activations", _several(activations), Format.of),
        ("density", _several(density), Density.of),
    )
    of_all: dict[str, Any] = {}
    of_some = []
    for key, texts, reader in read:
        for text in texts:
            layers, equals, said = text.rpartition("=")
            if equals:
                of_some.append(Rule((named(layers.strip()),), **{key: reader(said)}))
            else:
                of_all[key] = reader(said)
    if of_all:
        yield Rule((), tuple(map(named, _several(exclude))), **of_all)
    yield from of_some


class Formats(NamedTuple):
    """In what a network's numbers are stored, beside what it says itself of its layers."""

    dtype: str = "float32"
    """Of all of which nothing else is said, and in which products are computed."""
    rules: tuple[Rule, ...] = ()
    cache: str | None = None
    """The format of what is kept of steps before; None is the dtype."""

    @classmethod
    def of(
        cls,
        dtype: str = "float32",
        weights: str | Sequence[str] | None = None,
        activations: str | Sequence[str] | None = None,
        density: str | float | Sequence[str] | None = None,
        exclude: str | Sequence[str] = (),
        cache: str | None = None,
    ) -> Formats:
        """Raises :class:`ArchcalcError` for what is no format."""
        if dtype not in BYTES:
            raise unknown("dtype", dtype, BYTES)
        rules = tuple(rules_of(weights, activations, density, exclude))
        if exclude and not rules:
            raise ArchcalcError("nothing is said from which layers could be excluded")
        return cls(dtype, rules, None if cache is None else Format.of(cache).name)

    @property
    def width(self) -> int:
        """Bytes of a number of the dtype."""
        return BYTES[self.dtype]

    @property
    def kept(self) -> Format:
        """The format of what is kept of steps before."""
        return Format.of(self.cache or self.dtype)


def _several(texts: str | float | Sequence[str] | None) -> tuple[str, ...]:
    if texts is None:
        return ()
    return (str(texts),) if isinstance(texts, str | float | int) else tuple(texts)
