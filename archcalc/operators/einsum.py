"""Sums of products of any number of tensors, written as an equation."""

from collections.abc import Iterator
from itertools import chain
from math import prod
from string import ascii_letters
from typing import NamedTuple, final

from pydantic import field_validator

from archcalc.dims import Shape, Size, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import Multiplying, Product
from archcalc.operators.base import Call, Example, Weightless, Work, describe
from archcalc.operators.taps import Scattering


def parse_equation(equation: str) -> tuple[tuple[str, ...], str]:
    """The letters of every operand and of the output. Raises ``ValueError``."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = tuple(left.split(","))
    letters = "".join(terms)
    if not all(letter in ascii_letters for letter in letters + right) or not all(terms):
        raise ValueError(f"should be letters and ',' and one '->', not {equation!r}")
    if not arrow:
        right = "".join(sorted(x for x in set(letters) if letters.count(x) == 1))
    if len(set(right)) < len(right):
        raise ValueError(f"names an axis of the output twice: {equation!r}")
    unknown = [letter for letter in right if letter not in letters]
    if unknown:
        raise ValueError(f"makes '{unknown[0]}' of nothing: {equation!r}")
    return terms, right


class _Step(NamedTuple):
    """One operand taken in: what is summed on the way to it, and what is multiplied."""

    adds: Size
    products: Size
    sums: Size
    """Into how many elements the products are summed; as many where nothing is summed."""
    summed: bool


@final
class Einsum(Weightless, Scattering, Multiplying):
    """A sum of products of the inputs' elements, as ``torch.einsum``.

    ``nhwc,cu->nhwu``: each letter is an axis, and what is missing on the right is summed. The batch
    may be left out of an operand, or of all; samples are multiplied one by one. Inputs are taken
    in from left to right. Two with a letter to be summed take a multiply-accumulate for every
    combination of their letters; without one, or where all of those are one long, PyTorch takes no
    product of matrices but a multiply for each.
    A letter of one input alone is summed first.
    """

    arity = (1, None)

    equation: str
    """The letters of every input's axes, and of the output's."""

    examples = (
        Example({"equation": "nhwc,cu->nhwu"}, ((2, 7, 6, 16), (2, 16, 8))),
        Example({"equation": "bqhd,bkhd->bhqk"}, ((2, 10, 4, 16), (2, 12, 4, 16))),
        Example({"equation": "i,j->ij"}, ((2, 5), (2, 8))),
        Example({"equation": "bti,ij,btj->bt"}, ((2, 7, 5), (2, 5, 8), (2, 7, 8))),
    )

    @field_validator("equation")
    @classmethod
    def _reads(cls, value: str) -> str:
        parse_equation(value)
        return value

    def complete(self, *inputs: Shape) -> tuple[tuple[str, ...], str]:
        """The equation with the batch in every operand and in the output."""
        terms, output = parse_equation(self.equation)
        if len(terms) != len(inputs):
            raise ShapeError(f"'{self.equation}' takes {len(terms)} inputs, not {len(inputs)}")
        for term, x in zip(terms, inputs, strict=True):
            if not len(x) - 1 <= len(term) <= len(x):
                raise ShapeError(f"'{term}' names {len(term)} axes of {describe(x)}")
        whole = [term for term, x in zip(terms, inputs, strict=True) if len(term) == len(x)]
        used = set("".join(terms))
        batch = whole[0][0] if whole else next((x for x in ascii_letters if x not in used), "")
        if not batch or any(term[0] != batch for term in whole):
            raise ShapeError(f"'{self.equation}' should begin every input with the batch")
        short = [term for term in terms if term[:1] != batch]
        if any(batch in term for term in short) or any(term.count(batch) > 1 for term in terms):
            raise ShapeError(f"'{self.equation}' has the batch '{batch}' in another place")
        if whole and output[:1] != batch:
            raise ShapeError(f"'{self.equation}' should begin the output with the batch '{batch}'")
        completed = tuple(term if term[:1] == batch else batch + term for term in terms)
        return completed, output if output[:1] == batch else batch + output

    def extents(self, *inputs: Shape) -> dict[str, Size]:
        """How long the axis of every letter is."""
        terms, _ = self.complete(*inputs)
        found: dict[str, Size] = {}
        axes = chain.from_iterable(
            zip(t, x, strict=True) for t, x in zip(terms, inputs, strict=True)
        )
        for letter, n in axes:
            if letter not in found or holds(found[letter] == 1):
                found[letter] = n
            elif not holds(n == 1) and not same(found[letter], n):
                raise ShapeError(f"'{letter}' of '{self.equation}' is {found[letter]} and {n}")
        return found

    def infer(self, *inputs: Shape) -> Shape:
        extents = self.extents(*inputs)
        _, output = self.complete(*inputs)
        return tuple(extents[letter] for letter in output)

    def _steps(self, *inputs: Shape) -> Iterator[_Step]:
        terms, output = self.complete(*inputs)
        extents = self.extents(*inputs)

        def size(letters: set[str]) -> Size:
            return prod(extents[letter] for letter in letters)

        taken = set(terms[0])
        for k in range(1, len(terms) + 1):
            wanted = {*output, *chain.from_iterable(terms[k + 1 :])}
            given = set(terms[k]) if k < len(terms) else set()
            left = taken & (given | wanted)
            right = given & (taken | wanted)
            adds = size(taken) - size(left) + (size(given) - size(right) if given else 0)
            every, taken = left | right, (left | right) & wanted
            if k < len(terms):
                summed = any(not holds(extents[letter] == 1) for letter in every - taken)
                yield _Step(adds, size(every), size(taken), summed)
            elif len(terms) == 1:
                yield _Step(adds, 0, 0, False)

    def work(self, output: Shape, *inputs: Shape) -> Work:
        total = Work()
        for adds, products, sums, summed in self._steps(*inputs):
            total += Work(adds=adds)
            total += Work(macs=products, dots=sums) if summed else Work(multiplies=products)
        return total

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        return tuple(
            Product(products, (tuple(range(k)), (k,)))
            for k, (_, products, _, summed) in enumerate(self._steps(*inputs), 1)
            if summed
        )

    def torch(self, *inputs: Shape) -> Call:
        terms, output = self.complete(*inputs)
        return Call("archcalc.Einsum", {"equation": f"{','.join(terms)}->{output}"})
