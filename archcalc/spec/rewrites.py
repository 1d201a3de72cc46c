"""The rewrites that are known, and which convolutions each fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from archcalc.errors import ArchcalcError, unknown
from archcalc.operators.base import LARGEST
from archcalc.operators.conv import Conv2d
from archcalc.spec.graph import Node

REWRITES: dict[str, tuple[int | None, str]] = {
    "bottleneck": (2, "a 1x1 convolution to 1/N of the channels, then the convolution"),
    "separable": (None, "a convolution of each channel on its own, then a 1x1 convolution"),
    "stack3x3": (None, "3x3 convolutions in a row that see as much as the large kernel"),
    "groups": (2, "the convolution with its channels shared out to N groups"),
    "lowrank": (1, "a k x 1 convolution to N channels, then a 1 x k convolution"),
}
"""Rewrite -> the least number after its colon, None if it takes none, and what it does.

``bottleneck``: Szegedy et al., arXiv:1409.4842, section 4, after Lin et al., arXiv:1312.4400.
``separable``: Howard et al., arXiv:1704.04861, section 3.1. ``stack3x3``: Simonyan and Zisserman,
arXiv:1409.1556, section 2.3. ``groups``: Krizhevsky et al. 2012, section 3.5. ``lowrank``:
Jaderberg, Vedaldi and Zisserman, arXiv:1405.3866, section 2.2 (scheme 2).
"""

FIELDS = tuple(Conv2d.__pydantic_fields__)
"""The fields of a convolution, in their order."""

BOTH_AXES: dict[str, tuple[str, ...]] = {
    "stack3x3": ("kernel_size", "padding"),
    "lowrank": ("kernel_size", "stride", "padding", "dilation"),
}
"""Fields that a block takes axis by axis, because it splits them."""


class Rewrite(NamedTuple):
    """What is done to convolutions: ``bottleneck:4``."""

    name: str
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Rewrite:
        """The rewrite that a text names. Raises :class:`ArchcalcError` for what is none."""
        name, colon, digits = text.strip().partition(":")
        if name not in REWRITES:
            raise unknown("rewrite", name, REWRITES)
        least, _ = REWRITES[name]
        if least is None:
            if colon:
                raise ArchcalcError(f"'{name}' takes no number: write {name}")
            return cls(name)
        if not re.fullmatch(r"[0-9]{1,13}", digits) or not least <= int(digits) <= LARGEST:
            given = f", not '{digits}'" if colon else ""
            raise ArchcalcError(f"'{name}' takes a whole number from {least}{given}: {name}:8")
        return cls(name, int(digits))

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}:{self.number}"

    @property
    def slug(self) -> str:
        """As part of a name: ``bottleneck4``."""
        return str(self).replace(":", "")


class Clause(NamedTuple):
    """Something that must hold of a convolution that is to be rewritten."""

    holds: Callable[[Conv2d, int], bool]
    """Of the operator and how many channels it takes."""
    written: str
    """The same in the language of specs, in a block that has the fields as arguments."""
    reason: Callable[[Conv2d, int], str]
    """What to say where it does not hold."""
    asks: tuple[str, ...]
    """The fields in ``written``."""
    numbered: bool = False
    """Whether another number might make it hold."""


def clauses_of(how: Rewrite) -> list[Clause]:
    """What a convolution has to be like for a rewrite to take it."""
    n = how.number or 1
    wide = Clause(
        lambda op, _: max(op.kernel_size) > 1,
        "max(kernel_size) > 1",
        lambda op, _: "is 1x1",
        ("kernel_size",),
    )
    divided = Clause(
        lambda op, channels: channels % n == 0,
        f"channels(input) % {n} == 0",
        lambda op, channels: f"{n} does not divide its {channels} input channels",
        (),
        True,
    )
    if how.name == "bottleneck":
        shared = Clause(
            lambda op, channels: channels // n % op.groups == 0,
            f"channels(input) // {n} % groups == 0",
            lambda op, channels: (
                f"its {op.groups} groups do not divide {channels} / {n} = {channels // n} channels"
            ),
            ("groups",),
            True,
        )
        return [wide, divided, shared]
    if how.name == "separable":
        mixed = Clause(
            lambda op, channels: op.groups == 1 or op.groups < channels,
            "groups == 1 or groups < channels(input)",
            lambda op, _: "is one of each channel on its own",
            ("groups",),
        )
        return [wide, mixed]
    if how.name == "groups":
        finer = Clause(
            lambda op, _: op.groups < n and n % op.groups == 0,
            f"groups < {n} and {n} % groups == 0",
            lambda op, _: f"has {op.groups} groups",
            ("groups",),
            True,
        )
        filled = Clause(
            lambda op, _: op.out_channels % n == 0,
            f"out_channels % {n} == 0",
            lambda op, _: f"{n} does not divide its {op.out_channels} output channels",
            ("out_channels",),
            True,
        )
        return [finer, divided, filled]
    if how.name == "stack3x3":
        large = Clause(
            lambda op, _: max(op.kernel_size) > 3,
            "max(kernel_size) > 3",
            lambda op, _: f"is {_x(op.kernel_size)}",
            ("kernel_size",),
        )
        square = Clause(
            lambda op, _: op.kernel_size[0] == op.kernel_size[1] and op.kernel_size[0] % 2 == 1,
            "kernel_size[0] == kernel_size[1] and kernel_size[0] % 2 == 1",
            lambda op, _: f"no stack of 3x3 sees {_x(op.kernel_size)}",
            ("kernel_size",),
        )
        return [large, square]
    broad = Clause(
        lambda op, _: min(op.kernel_size) > 1,
        "min(kernel_size) > 1",
        lambda op, _: f"is {_x(op.kernel_size)}",
        ("kernel_size",),
    )
    ranked = Clause(
        lambda op, _: n % op.groups == 0,
        f"{n} % groups == 0",
        lambda op, _: f"its {op.groups} groups do not divide {n} channels",
        ("groups",),
        True,
    )
    return [broad, ranked]


def _x(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def reason(node: Node, at: Mapping[str, int], clauses: Sequence[Clause]) -> str:
    """Why a convolution can't be rewritten; ``""`` if it can."""
    if not isinstance(node.op, Conv2d):
        return f"is a {type(node.op).__name__}, and only Conv2d is rewritten"
    if node.name not in at:
        return "its operator is an expression"
    failed = first_failed(node, clauses)
    return failed.reason(node.op, node.input_shapes[0][1]) if failed else ""


def first_failed(node: Node, clauses: Sequence[Clause]) -> Clause | None:
    """The first clause that a convolution does not meet."""
    assert isinstance(node.op, Conv2d)
    channels = node.input_shapes[0][1]
    return next((clause for clause in clauses if not clause.holds(node.op, channels)), None)
