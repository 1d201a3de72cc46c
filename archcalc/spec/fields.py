"""What the records of a spec have in common, and how names in it are written."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from archcalc.spec.expressions import is_expression
from archcalc.spec.patterns import LONGEST

NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
"""What a layer, block, variable, or network may be called; dots separate names in a path."""

Name = Annotated[str, StringConstraints(pattern=NAME)]

LAYER = r"^([A-Za-z_][A-Za-z0-9_-]*|[0-9]{1,6})$"
"""What a layer may be called: a name, or a number, as members of a sequence are in PyTorch."""

LayerName = Annotated[str, StringConstraints(pattern=LAYER)]

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
"""Names of layers: ``layer1``, ``*.bn?``, ``!fc``."""


def as_list(value: Any) -> Any:
    """A word stands for a list of it."""
    return [value] if isinstance(value, str) else value


def should_be(words: str, holds: Callable[[Any], object]) -> BeforeValidator:
    """Say once what a value should be, where pydantic would say it for each kind it might be."""

    def check(value: Any) -> Any:
        if holds(value):
            return value
        raise ValueError(f"should be {words}, not {value!r}")

    return BeforeValidator(check)


def either(words: str, *kinds: type) -> BeforeValidator:
    """The same of a value of some kinds, which may be left out."""
    return should_be(words, lambda value: type(value) in kinds or value is None)


def expression(that: str) -> BeforeValidator:
    """Say of what is no expression that it should be one, and what for."""
    return should_be(f"an expression that {that}", is_expression)


Computed = Annotated[str, StringConstraints(pattern="^="), expression("makes the printed number")]
Condition = Annotated[str, StringConstraints(pattern="^="), expression("is true or false")]


class Record(BaseModel):
    """What stands in a spec: fields that are checked, and don't change."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, defer_build=True
    )

    # What is worked out from the fields stays behind: a copy may have other fields.

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._forget()
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        copied = super().__deepcopy__(memo)
        copied._forget()
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        fields = type(self).__pydantic_fields__
        values = {name: value for name, value in self.__dict__.items() if name in fields}
        return {**super().__getstate__(), "__dict__": values}

    def _forget(self) -> None:
        for name in self.__dict__.keys() - type(self).__pydantic_fields__.keys():
            del self.__dict__[name]
