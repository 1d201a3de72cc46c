"""What immutable values have in common: keys that tell them apart, and caches that stay at home."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])


def exact(value: Any) -> Hashable:
    """A key that is equal for the same values only: True is not 1, nor 1 1.0, nor 0.0 -0.0.

    Lists and tuples of the same are the same. It can't be hashed where there is an array in it.
    """
    kind = type(value)
    if kind is int or kind is str or value is None:
        return value  # type: ignore[no-any-return]
    if kind is tuple or kind is list:
        return (tuple, *map(exact, value))
    if kind is dict:
        return (dict, *((name, exact(each)) for name, each in value.items()))
    return kind, repr(value) if kind is float else value


def as_tuples(value: Any) -> Any:
    """A value whose lists are tuples, also within tuples."""
    return tuple(map(as_tuples, value)) if isinstance(value, (list, tuple)) else value


def as_lists(value: Any) -> Any:
    """A value whose tuples are lists, also within lists."""
    return list(map(as_lists, value)) if isinstance(value, (list, tuple)) else value


def rows_of(kind: type[T], *columns: Iterable[Any]) -> list[T]:
    """Many named tuples of a kind from the columns of their fields, in a third of the time that as
    many calls take: networks have tens of thousands of layers.
    """
    return list(map(partial(tuple.__new__, kind), zip(*columns, strict=True)))


class Remembering:
    """A value, a dataclass without slots, that keeps what it has worked out: its cached properties.

    Copies and pickles of it have its fields alone. So they are small, and whatever is changed in a
    copy is worked out anew.
    """

    def __getstate__(self) -> dict[str, Any]:
        fields = type(self).__dataclass_fields__  # type: ignore[attr-defined]
        return {name: value for name, value in self.__dict__.items() if name in fields}
