"""The design space of a network: how large it is, and which configurations are in it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, Problem, SpecError
from archcalc.frontends.network import NetworkLike, load
from archcalc.space.points import (
    WHOLE,
    Codes,
    configuration,
    drawn,
    follow,
    numbered,
    shuffled,
)
from archcalc.space.states import (
    ABSENT,
    LENGTH,
    States,
    holds,
    narrowed,
    states,
    whole,
    within,
)
from archcalc.space.trace import asked, free, require_free, written
from archcalc.spec.expand import attempt
from archcalc.spec.expressions import is_expression
from archcalc.spec.model import Spec
from archcalc.spec.scope import Wrong
from archcalc.spec.space import Each, Places
from archcalc.spec.space import Space as Declared
from archcalc.values import Remembering, as_lists, as_tuples, exact

CHUNK = 2**15
"""Configurations that are looked at together."""

LONGEST = 300
"""Characters of a configuration in a message."""

FEW = 20
"""Choices of a step up to which all are tried."""

BLOCK = 2**10
"""Configurations that are drawn by one seed."""

MOST_TRIED = 10_000
"""Draws of which one at least has to fulfil the conditions that can't be counted."""


@shown
@dataclass(frozen=True)
class Space(Remembering):
    """The configurations of a network that its ``space`` declares, in order.

    ``network`` is a spec with a ``space``; ``fixed`` are variables that are given a value, or a
    list of values, in the place of what it declares. Raises :class:`ArchcalcError` for a network
    without one, for names that are no variables, and for choices that have no configuration.

    ::

        >>> import archcalc
        >>> space = archcalc.Space("nasbench201")
        >>> space.size
        15625
        >>> next(space.sample(1, seed=7))["edges"][:2]
        ['none', 'nor_conv_3x3']
    """

    network: Spec
    fixed: Mapping[str, Any]

    def __init__(self, network: NetworkLike, **fixed: Any) -> None:
        network = load(network)
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "fixed", fixed)
        if network.space is None:
            raise ArchcalcError(
                f"'{network.label}' declares no space\n  write what its variables may be under "
                "'space', or in a file of its own beside 'network'"
            )
        require_free(network, [name for name in fixed if name not in network.space.vars])
        _ = self.states

    @cached_property
    def declared(self) -> Declared:
        """What is declared, with the ``fixed`` variables in it."""
        assert self.network.space is not None
        changed: dict[str, Any] = {}
        here = self.network.space
        for name, value in self.fixed.items():
            if isinstance(value, range) or hasattr(value, "tolist"):
                value = list(value) if isinstance(value, range) else value.tolist()
            # Of what is a list itself, a list of its items is one value.
            one = isinstance(here.vars.get(name), (Each, Places)) and not any(
                isinstance(item, (list, tuple)) for item in value
            )
            changed[name] = value if isinstance(value, list) and not one else [value]
        return here.model_copy(update={"vars": {**here.vars, **changed}})

    @cached_property
    def states(self) -> States:
        """The space as steps, one a choice, and what lies between them."""
        try:
            return states(self.declared, self.network.vars)
        except Wrong as wrong:
            raise self._amiss(wrong) from None

    def _amiss(self, wrong: Wrong) -> ArchcalcError:
        """What is wrong with the space, at its place where that stands in a file."""
        document = self.network.spaced_by
        if document is None or (wrong.at[:1] == ("vars",) and wrong.at[1] in self.fixed):
            return ArchcalcError("\n  ".join(filter(None, (wrong.message, wrong.hint))))
        return SpecError([document.problem(("space", *wrong.at), wrong.message, wrong.hint)])

    @property
    def size(self) -> int:
        """How many configurations there are, however many.

        Where it can't be counted it is what there are at most: see :attr:`exact`.
        """
        return self.states.size

    @property
    def exact(self) -> bool:
        """Whether the size is exact: not where a condition asks for whole lists of many forms.

        Such a condition is asked of each configuration that is drawn or enumerated.
        """
        return not self.states.apart

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The variables that a configuration has, as the network takes them."""
        known = set(free(self.network))
        return tuple(name for name in self.declared.vars if name in known)

    def at(self, codes: Sequence[int]) -> dict[str, Any]:
        """The configuration with these choices."""
        found = configuration(self.states, codes)
        return {name: as_lists(found[name]) for name in self.variables}

    def rows(self, codes: Codes) -> Iterator[dict[str, Any]]:
        """Configurations, one by one."""
        for chosen in zip(*[column.tolist() for column in codes], strict=True):
            yield self.at(chosen)

    def enumerate(self, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
        """All configurations in order, or those from a number on, one by one."""
        for codes in self.between(start, self.size if stop is None else stop):
            yield from self.rows(codes)

    def between(self, start: int, stop: int, size: int = CHUNK) -> Iterator[Codes]:
        """The configurations of the numbers from ``start`` to before ``stop``, some at a time."""
        for first in range(max(start, 0), min(stop, self.size), size):
            yield self.part(range(first, min(first + size, stop, self.size)))

    def part(self, numbers: range) -> Codes:
        """The configurations of some numbers, without those that a condition refuses."""
        return self.kept(numbered(self.states, indices(list(numbers), self.size)))

    def sample(
        self, count: int, *, seed: int = 0, replace: bool = False
    ) -> Iterator[dict[str, Any]]:
        """So many configurations, each as likely as any other; the same for the same seed.

        They come one by one and take little memory. Without ``replace`` none comes twice, for
        which numbers are shuffled by a cipher of four rounds; raises :class:`ArchcalcError` where
        there are not so many.
        """
        for codes in self.drawn(count, seed, replace):
            yield from self.rows(codes)

    def drawn(self, count: int, seed: int, replace: bool) -> Iterator[Codes]:
        """The same, some at a time."""
        self.require(count, replace)
        first = left = 0
        while left < count:
            if not self.exact and not replace and first >= self.size:
                raise ArchcalcError(f"only {left:,} configurations fulfil the conditions")
            last = first + CHUNK if not self.exact else min(first + CHUNK, count)
            codes = self.draw(first, last if replace else min(last, self.size), seed, replace)
            first = last
            if first >= MOST_TRIED and not left and not len(codes[0]):
                asked = self.states.apart[0]
                raise ArchcalcError(f"of {first:,} configurations none fulfils {asked!r}")
            found = min(len(codes[0]), count - left)
            left += found
            yield [column[:found] for column in codes]

    def require(self, count: int, replace: bool) -> None:
        """Raise :class:`ArchcalcError` where there are not so many that differ."""
        if not replace and count > self.size:
            raise ArchcalcError(
                f"the space has {self.size:,} configurations, of which {count:,} can't differ"
            )

    def draw(self, first: int, last: int, seed: int, replace: bool) -> Codes:
        """A part of a sample, which depends on nothing but its place in it and the seed."""
        import numpy as np

        if not replace:
            return self.kept(numbered(self.states, shuffled(self.size, seed, first, last - first)))
        steps, start = len(self.states.steps), first // BLOCK * BLOCK
        blocks = [
            np.random.default_rng([seed, block]).random((steps, BLOCK))
            for block in range(first // BLOCK, -(-last // BLOCK))
        ]
        chances = np.concatenate(blocks, axis=1)[:, first - start : last - start]
        return self.kept(drawn(self.states, chances))

    def kept(self, codes: Codes) -> Codes:
        """Without those that a condition refuses that was not counted."""
        if self.exact:
            return codes
        import numpy as np

        given = {n: as_tuples(v) for n, v in self.network.vars.items() if not is_expression(v)}
        kept = []
        for k, chosen in enumerate(zip(*[column.tolist() for column in codes], strict=True)):
            names = {**given, **configuration(self.states, chosen)}
            try:
                if all(holds(text, names, self.declared) for text in self.states.apart):
                    kept.append(k)
            except Wrong as wrong:
                raise self._amiss(wrong) from None
        return [column[np.array(kept, np.int64)] for column in codes]

    def spec(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The network of a configuration as a spec's data, to be written out or loaded.

        Raises :class:`ArchcalcError` for what is no configuration of the space.
        """
        self.codes(point)
        return {**written(self.network, point), "name": f"{self.network.label}-found"}

    def codes(self, point: Mapping[str, Any]) -> list[int]:
        """The choices that make a configuration.

        Raises :class:`ArchcalcError` for what is none of the space, and says which variable is
        not.
        """
        at = {name: as_tuples(value) for name, value in point.items()}
        missing = [name for name in self.variables if name not in at]
        if missing:
            raise ArchcalcError(f"a configuration needs {', '.join(missing)}")
        amiss = ""

        def wanted(layer: int, alive: list[int]) -> int | None:
            nonlocal amiss
            step = self.states.steps[layer]
            amiss = step.name
            values = self.states.values[layer]
            if step.variable not in at:  # one that helps others
                return alive[0] if len(alive) == 1 else None
            value = at[step.variable]
            if step.place is None:
                sought: Any = value
            elif not isinstance(value, tuple):
                return None
            elif step.place == LENGTH:
                sought = len(value)
            elif step.place >= len(value):
                return ABSENT
            else:
                sought = value[step.place]
            return next((c for c in alive if c >= 0 and exact(values[c]) == exact(sought)), None)

        found = follow(self.states, wanted)
        told = configuration(self.states, found) if found is not None else {}
        for name in self.variables if found is not None else ():
            if exact(told[name]) != exact(at[name]):
                found, amiss = None, name
        if found is not None and not self.exact and not len(self.kept(_one(found))[0]):
            found, amiss = None, self.states.apart[0]
        if found is None:
            raise ArchcalcError(f"is no configuration of the space: see {amiss}")
        return found

    def __contains__(self, point: Mapping[str, Any]) -> bool:
        try:
            self.codes(point)
        except ArchcalcError:
            return False
        return True

    def neighbours(self, point: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The configurations that differ from one in a single choice, in order.

        Where another choice makes a list longer, its new places have their first choice; what
        follows from others follows. Raises :class:`ArchcalcError` where ``point`` is none.
        """
        own = self.codes(point)
        seen = {tuple(own)}
        for at in range(len(own)):
            for code in range(len(self.states.values[at])):
                if code == own[at]:
                    continue

                def wanted(layer: int, alive: list[int], at: int = at, code: int = code) -> Any:
                    if layer == at:
                        return code
                    if own[layer] in alive:
                        return own[layer]
                    step = self.states.steps[layer]
                    choices = self.declared.vars[step.variable]
                    follows = choices.times if step.place == LENGTH else choices  # type: ignore
                    new = own[layer] == ABSENT or alive == [ABSENT]
                    return alive[0] if new or isinstance(follows, str) else None

                found = follow(self.states, wanted)
                if found is None or tuple(found) in seen:
                    continue
                seen.add(tuple(found))
                if self.exact or len(self.kept(_one(found))[0]):
                    yield self.at(found)

    def cross(
        self, one: Mapping[str, Any], other: Mapping[str, Any], *, seed: int = 0
    ) -> dict[str, Any]:
        """A configuration that has each of its choices from one or the other of two, by chance.

        Raises :class:`ArchcalcError` where either is none of the space.
        """
        parents = [self.codes(one), self.codes(other)]
        chance = random.Random(seed)
        for _ in range(1000):

            def wanted(layer: int, alive: list[int]) -> Any:
                first, second = chance.sample(parents, 2)
                if first[layer] in alive:
                    return first[layer]
                if second[layer] in alive:
                    return second[layer]
                return alive[0] if len(alive) == 1 else None

            found = follow(self.states, wanted)
            if found is not None and (self.exact or len(self.kept(_one(found))[0])):
                return self.at(found)
        return self.at(parents[0])

    def check(self) -> list[Problem]:
        """What is wrong with the networks of the space: each choice is tried at its place.

        With each the first configuration is expanded, the last, and one by chance; of more than 20
        numbers only some are tried. What goes wrong where certain choices meet may not be found.
        """
        problems: dict[tuple[int, str], Problem] = {}
        everything = whole(self.states)
        for at, codes in enumerate(everything):
            few = codes if len(codes) <= FEW else (codes[0], codes[len(codes) // 2], codes[-1])
            for code in few:
                part, _ = within(self.states, narrowed(everything, at, [code]))
                if not part.size or code == ABSENT:
                    continue
                numbers = [0, part.size - 1, random.Random(0).randrange(part.size)]
                for chosen in zip(*numbered(part, indices(numbers, part.size)), strict=True):
                    point = self.at([int(number) for number in chosen])
                    for problem in attempt(self.network, asked(self.network, point)).problems:
                        told = ", ".join(f"{name}={value}" for name, value in point.items())
                        told = f"such as with {told[:LONGEST]}"
                        hint = "\n".join(filter(None, (problem.hint, told)))
                        found = dataclasses.replace(problem, hint=hint)
                        problems.setdefault((problem.line, problem.message), found)
        return sorted(problems.values())


def indices(numbers: Sequence[int], size: int) -> Any:
    """Numbers of configurations as an array."""
    import numpy as np

    return np.array(numbers, np.int64 if size < WHOLE else object)


def _one(codes: Iterable[int]) -> Codes:
    import numpy as np

    return [np.array([code]) for code in codes]
