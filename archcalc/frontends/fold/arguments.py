"""What differs between the instances of a block, as arguments and expressions of them."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from archcalc.dims import Shape
from archcalc.frontends.fold.regions import ANY, Block, Value
from archcalc.spec.layer import LAYER_KEYS
from archcalc.spec.sugar import BLOCK_KEYS

if TYPE_CHECKING:
    from archcalc.frontends.fold.regions import Tree


class Arguments:
    """What differs between the instances of a block, said in as few arguments as will do."""

    def __init__(self, folder: Tree, block: Block) -> None:
        self.folder = folder
        self.block = block
        self.vectors: dict[str, list[Value]] = {}
        self.uses: Counter[str] = Counter()

    def say(
        self, key: str, name: str, values: list[Value], sources: Sequence[Sequence[str]]
    ) -> Value:
        """A value if all instances have the same, else an expression of what they have."""
        found = self.said(name, values, sources)
        if found is not None:
            return found
        listed = self.by_item(key, name, values, sources)
        if listed is not None:
            return listed
        argument = self.new(key, name)
        self.vectors[argument] = list(values)
        return f"={argument}"

    def said(
        self, name: str, values: list[Value], sources: Sequence[Sequence[str]], place: int = 0
    ) -> Value | None:
        """A value or an expression for which no new argument is needed; None if there is none.

        ``place`` is that of a size in a shape.
        """
        known = [v for v in values if v is not ANY]
        if not known:
            return ANY
        if all(_equal(v, known[0]) for v in known):
            return known[0]
        for argument, vector in self.vectors.items():
            if all(map(_fits, vector, values)):
                self.learn(argument, values)
                return f"={argument}"
        if not all(type(v) is int and v > 0 for v in known):
            return None
        extents = list(self.extents(sources, place)) if place or min(known) > 1 else []
        for word, sizes in extents:
            if all(map(_fits, sizes, values)):
                return f"={word}"
        vectors = [
            (argument, [w if v is not ANY else ANY for v, w in zip(values, vector, strict=True)])
            for argument, vector in self.vectors.items()
        ]
        for related in (_times, _part):
            for word, numbers in (*vectors, *(extents if name in _EXTENTS else ())):
                said = related(word, numbers, values)
                if said is not None:
                    return f"={said}"
        for argument, numbers in vectors if name == "padding" else ():
            if _is_half(numbers, values):
                return f"={argument} // 2"
        for k, (word, sizes) in enumerate(extents if place else ()):
            for other, others in extents[k + 1 :]:
                both = [
                    ANY if v is ANY else m * n
                    for v, m, n in zip(values, sizes, others, strict=True)
                ]
                if all(map(_fits, both, values)):
                    return f"={word} * {other}"
        return None

    def by_item(
        self, key: str, name: str, values: list[Value], sources: Sequence[Sequence[str]]
    ) -> list[Value] | None:
        """Lists of numbers, number by number, with one new argument for all of them at most."""
        known = [v for v in values if v is not ANY]
        lengths = {len(v) if type(v) is list else 0 for v in known}
        if lengths == {0} or len(lengths) != 1 or not all(type(n) is int for v in known for n in v):
            return None
        columns = [[ANY if v is ANY else v[k] for v in values] for k in range(lengths.pop())]
        found = [self.said(name, column, sources, k + 1) for k, column in enumerate(columns)]
        open_ = [k for k, each in enumerate(found) if each is None]
        if len(open_) == len(found) or any(columns[k] != columns[open_[0]] for k in open_):
            return None
        for k in open_:
            found[k] = self.say(key, "size", columns[k], ())
        return found

    def learn(self, argument: str, values: Sequence[Value]) -> None:
        vector = self.vectors[argument]
        self.vectors[argument] = [w if v is ANY else v for v, w in zip(vector, values, strict=True)]

    def extents(
        self, sources: Sequence[Sequence[str]], place: int = 0
    ) -> Iterator[tuple[str, list[Value]]]:
        """Sizes of what the layer takes and of what the block does, as words and as numbers.

        Those at the same ``place`` come first.
        """
        folder, block = self.folder, self.block
        if not sources or folder.plain:
            return
        given: dict[str, list[Shape]] = {}
        first = next((taken for taken in sources if taken), ())
        owner = block.instances[[bool(taken) for taken in sources].index(True)] if first else None
        for k, source in enumerate(first if place else first[:1]):
            assert owner is not None
            reference = folder.reference(owner, source)
            if block.model is not None and block.model.said and reference in owner.members:
                continue  # what it is called where another instance has a layer between
            several = reference == "input" and "*" in block.inputs[0]
            if "?" not in reference and not several:
                taken_ = [folder.shapes[each[k]] if each else () for each in sources]
                given.setdefault(reference, taken_)
        if block.inputs and "*" not in block.inputs[0]:
            entering = [folder.shapes[r.sources[0]] if r.sources else () for r in block.instances]
            given.setdefault(block.inputs[0], entering)
        for reference, shapes in given.items():
            plain = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", reference)
            word = reference if plain else f"'{reference}'"
            rank = min((len(shape) for shape in shapes if shape), default=0)
            if rank != max(map(len, shapes), default=0):
                continue
            axes = sorted(range(1, rank), key=lambda axis: axis != place)
            for axis in axes:
                said = f"size({word}, {axis if place or axis < rank - 1 or rank == 2 else -1})"
                if axis == 1 and not place and rank != 3:
                    said = f"channels({word})"
                yield said, [shape[axis] if shape else ANY for shape in shapes]

    def new(self, key: str, name: str) -> str:
        """A name for an argument: the field's, or with the layer's before it."""
        taken = {*self.vectors, "input", "i", "batch", *self.block.inputs}
        word = re.sub(r"\W", "_", name)
        if word in _RESERVED or word in taken:
            stem = re.sub(r"\W", "_", key)
            stem = stem if re.match(r"[A-Za-z_]", stem) else f"layer{stem}"
            word = f"{stem}_{word}"
        unique, number = word, 2
        while unique in taken or unique in _RESERVED:
            unique, number = f"{word}{number}", number + 1
        return unique

    def progress(
        self,
        key: str,
        name: str,
        rows: Sequence[list[Value] | None],
        sources: Sequence[Sequence[str]],
    ) -> Value:
        """What a repetition is given at each turn ``i``, in one form for all instances."""
        known = [row for row in rows if row is not None]

        def one(values: list[Value]) -> Value:
            return next((v for v in values if v is not ANY), ANY)

        def alike(values: list[Value]) -> bool:
            return all(_fits(v, one(values)) for v in values)

        def spread(pick: Callable[[list[Value]], Value]) -> list[Value]:
            return [ANY if row is None else pick(row) for row in rows]

        if all(alike(row) for row in known):
            return self.say(key, name, spread(one), sources)
        if all(alike(row[1:]) for row in known):
            heads, tails = spread(lambda row: row[0]), spread(lambda row: one(row[1:]))
            if all(v is ANY or v is True for v in heads) and not any(
                v is True for v in tails if v is not ANY
            ):
                return "=i == 0"
            if all(v is ANY or v is False for v in heads) and all(
                v is ANY or v is True for v in tails
            ):
                return "=i > 0"
            head = self.say(key, f"first_{name}", heads, sources)
            tail = self.say(key, name, tails, sources)
            return f"={_inside(head)} if i == 0 else {_inside(tail)}"
        if len({len(row) for row in known}) == 1 and all(
            row[-1] is False and all(v is True for v in row[:-1]) for row in known
        ):
            return f"=i < {len(known[0]) - 1}"
        flat = [v for row in known for v in row]
        if all(type(v) is int for v in flat):
            pairs = [pair for row in known for pair in pairwise(row)]
            steps = {b - a for a, b in pairs}
            if len(steps) == 1:
                start = self.say(key, name, spread(lambda row: row[0]), sources)
                step = steps.pop()
                times = "i" if abs(step) == 1 else f"{abs(step)} * i"
                if start == 0 and step > 0:
                    return f"={times}"
                return f"={_inside(start)} {'+' if step > 0 else '-'} {times}"
            if all(a and b == 2 * a for a, b in pairs):
                start = self.say(key, name, spread(lambda row: row[0]), sources)
                return "=2 ** i" if start == 1 else f"={_inside(start)} * 2 ** i"
        filled = [
            None if row is None else [one(row) if v is ANY else v for v in row] for row in rows
        ]
        said = self.say(key, name, [ANY if row is None else row for row in filled], sources)
        return f"={_inside(said)}[i]"

    def finish(self) -> None:
        """Settle the arguments of all instances, and the defaults."""
        for argument, values in self.vectors.items():
            for instance, value in zip(self.block.instances, values, strict=True):
                instance.args[argument] = value
            known = [v for v in values if v is not ANY]
            kinds = Counter(map(repr, known))
            word, times = kinds.most_common(1)[0]
            common = next(v for v in known if repr(v) == word)
            often = 2 * times > len(values) and type(common) in (int, bool, float)
            base = argument.endswith(("channels", "features"))
            needed = base and len(known) == len(values)
            self.block.args[argument] = (
                common if (often and not needed) or len(known) < len(values) else None
            )
        given = sorted(self.block.args.items(), key=lambda each: each[1] is not None)
        self.block.args = dict(given)


def _equal(a: Value, b: Value) -> bool:
    return type(a) is type(b) and bool(a == b)


def _fits(a: Value, b: Value) -> bool:
    return a is ANY or b is ANY or _equal(a, b)


def _times(word: str, numbers: Sequence[Value], values: Sequence[Value]) -> str | None:
    """Some values as so many times others; None if they differ in that."""
    ratio = _ratio(numbers, values)
    return None if ratio is None else f"{ratio} * {word}"


def _part(word: str, numbers: Sequence[Value], values: Sequence[Value]) -> str | None:
    """Some values as a part of others; None if they differ in that."""
    ratio = _ratio(values, numbers)
    return None if ratio is None else f"{word} // {ratio}"


def _is_half(numbers: Sequence[Value], values: Sequence[Value]) -> bool:
    """Whether values are the halves of odd numbers, as padding is of kernels."""
    pairs = list(zip(numbers, values, strict=True))
    return all(
        (n is ANY and v is ANY) or (type(n) is int and type(v) is int and n == 2 * v + 1)
        for n, v in pairs
    )


def _ratio(small: Sequence[Value], large: Sequence[Value]) -> int | None:
    """How many times larger all of some numbers are; None if they differ in that.

    One of a pair that does not matter is none of them, if the other doesn't either.
    """
    pairs = [(a, b) for a, b in zip(small, large, strict=True) if not (a is ANY and b is ANY)]
    if not pairs or not all(type(a) is int and type(b) is int and a > 0 for a, b in pairs):
        return None
    found = {b // a if b % a == 0 else 0 for a, b in pairs}
    ratio = found.pop()
    return ratio if not found and ratio > 1 else None


def _inside(value: Value) -> str:
    """A value inside of an expression."""
    if isinstance(value, str) and value.startswith("="):
        return value[1:]
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_inside, value))}]"
    return str(value)


_EXTENTS = frozenset(
    ("out_channels", "out_features", "num_heads", "groups", "shape", "split_size_or_sections")
)
"""Fields that may be so many times a size of the input."""

_RESERVED = frozenset(("input", "batch", "i", *LAYER_KEYS, *BLOCK_KEYS, *keyword.kwlist))
