"""What is said of a network beside what it is: numbers as printed, budgets, requirements."""

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from archcalc.spec.expressions import DOTTED
from archcalc.spec.fields import Computed, Condition, Name, Record, as_list, either
from archcalc.spec.tree import TreePath

Quantity = Literal[
    "params", "buffers", "macs", "flops", "weight_bytes", "connections", "layers", "depth"
]
"""What a budget can limit."""

QUANTITIES: tuple[str, ...] = get_args(Quantity)

PATH = rf"^(=.*|{DOTTED})$"
"""A quantity: names joined by dots, the last one being what is asked, or an expression."""


def _as_printed(value: Any) -> Any:
    if type(value) is float:
        raise ValueError(f"should be in quotes, to be kept as it was printed: '{value}'")
    return value


Printed = Annotated[
    int | str,
    either("a number, in quotes unless it is whole", int, str),
    BeforeValidator(_as_printed),
]

Bound = Annotated[int | str | None, either("a number like 4200000000 or 4.2G", int, str)]


class Erratum(Record):
    """Why a documented number is wrong, and the right one."""

    value: Printed
    """The right number."""
    mistake: Computed
    """What makes the printed number: an expression of what was counted instead, such as
    ``=depth``, or of how much is amiss, such as ``=params - 584192``."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """What went wrong in the source."""


class Requirement(Record):
    """What an input, or variables, must be like for a network to take them."""

    that: Condition
    """An expression that is true of what the network takes: ``=height(input) % 32 == 0``. It may
    ask for the shapes of inputs and of layers."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """What the network takes and why, in words: what is said where it is not so."""
    training: bool = False
    """Whether it is required in training only."""


class Documented(Record):
    """A number as somebody printed it, and where."""

    id: Annotated[list[str], BeforeValidator(as_list)] = []
    """What a list of claims calls it; one for each source where several say the same."""
    variant: str | None = None
    """The variant it is about; by default the spec without variants."""
    layer: str | None = None
    """The layer or block it is about; the whole network by default."""
    quantity: Annotated[str, StringConstraints(pattern=PATH)]
    """What the number says: ``params``, ``Conv2d.kernel_size``, or an expression of such."""
    convention: str | None = None
    """The way of counting that makes this number."""
    value: Printed
    """As printed: ``25.6M``, ``62,378,344``, ``3x3``; quote what has a decimal point."""
    source: Annotated[list[str], Field(min_length=1), BeforeValidator(as_list)]
    """Who printed it: a page, a table, a file."""
    note: str = ""
    """What a reader should know of it."""
    erratum: Erratum | None = None
    """The right number, where the printed one is known to be wrong."""


class Fact(Record):
    """Something printed that can't be computed from a network, such as an accuracy."""

    id: Annotated[list[str], BeforeValidator(as_list)] = []
    """What a list of claims calls it; one for each source where several say the same."""
    variant: str | None = None
    """The variant it is about; by default the spec without variants."""
    quantity: Name
    """What it says: ``top5_accuracy``."""
    value: Printed
    """As printed."""
    source: Annotated[list[str], Field(min_length=1), BeforeValidator(as_list)]
    """Who printed it: a page, a table, a file."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """Why it can't be computed."""


class Recorded(Record):
    """What others print of a spec's networks, in a file apart from it."""

    documented: list[Documented] = []
    """Numbers as others printed them."""
    facts: list[Fact] = []
    """What others printed that can't be computed from the network."""


class Budget(Record):
    """What a network must not exceed, or not fall short of."""

    quantity: Quantity
    """What is limited."""
    at_most: Bound = None
    """The largest number allowed: ``4200000000`` or ``4.2G``."""
    at_least: Bound = None
    """The smallest number allowed."""
    variant: str | None = None
    """The variant it is about; all of them by default."""
    layer: str | None = None
    """The layer it is about; the whole network by default."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise ValueError("needs 'at_most' or 'at_least'")
        for bound in (self.at_most, self.at_least):
            if isinstance(bound, str) and not re.fullmatch(r"[\d,]+(\.\d+)? ?[kKMGTB]?", bound):
                raise ValueError(f"{bound!r} is no number: write 4200000000 or 4.2G")
        return self


def strangers(stated: Any, variants: Collection[str]) -> Iterator[tuple[TreePath, str]]:
    """The variants that records are about and that there are not, each with its place."""
    for key in ("documented", "facts", "budget"):
        for number, record in enumerate(getattr(stated, key, ())):
            if record.variant is not None and record.variant not in variants:
                yield (key, number, "variant"), record.variant
