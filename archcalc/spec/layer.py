"""Layers and blocks as they are written."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from archcalc.spec.expressions import braced, is_expression, parse
from archcalc.spec.fields import LayerName, Name, Record, as_list, either
from archcalc.spec.sugar import in_full

Input = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.\*)?$")]
"""A name of a block's input; of any number of them with ``.*``."""

Kind = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")]
"""A block's name; that of a row is the way to it."""

Times = Annotated[int | str | None, either("a whole number or an expression", int, str)]

KINDS = frozenset(("type", "class", "class_name", "module", "kind", "operator", "layer"))
"""What a layer's operator is called elsewhere."""


class Layer(Record):
    """One line of a spec: an operator or a block, where its input comes from, and its fields.

    What is not one of the keys below is a field of the operator or an argument of the block.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    op: str | None = None
    """The operator's name, CamelCase as in PyTorch; an expression may choose it."""
    block: str | None = None
    """The block's name; an expression may choose it."""
    from_: Annotated[list[str] | None, BeforeValidator(as_list), Field(alias="from")] = None
    """Where the input comes from, earlier layers by name; the layer before by default."""
    repeat: Times = None
    """How many times in a row, each taking the output of the one before. Expressions see the
    number of the repetition, from 0, as ``i``."""
    parallel: Times = None
    """How many times side by side, all taking the same input; ``name.*`` stands for the outputs."""
    active: Times = None
    """Of those side by side, how many an input takes: the experts of a mixture. ``name.*`` stands
    for that many; all own parameters, and only so many work."""
    when: Annotated[bool | str, either("true, false or an expression", bool, str)] = True
    """Whether the layer is there at all; one that is not stands for its input."""
    share: str | None = None
    """The earlier layer whose tensors this one uses."""
    trainable: Annotated[bool | str | None, either("true, false or an expression", bool, str)] = (
        None
    )
    """Whether its tensors are trained; where nothing is said, as the block around it is."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.op is None) == (self.block is None):
            said = next(
                (f"; '{key}' is called 'op' here" for key in self.fields if key in KINDS), ""
            )
            if len(self.fields) == 1 and not said and self.op is None:
                ((name, inner),) = self.fields.items()
                if isinstance(inner, dict) or (isinstance(inner, str) and inner[:1].isupper()):
                    said = f"; a layer with a name stands without a dash: {name}: ..."
            raise ValueError(
                f"needs either 'op' (an operator) or 'block'{said if not self.op else ''}"
            )
        if self.repeat is not None and self.parallel is not None:
            raise ValueError("takes 'repeat' or 'parallel', not both")
        if self.active is not None and self.parallel is None:
            raise ValueError("'active' is how many of those in 'parallel' work, and needs it")
        return self

    @property
    def written(self) -> dict[str, Any]:
        """What may be an expression, or hold some, by its key."""
        keys = ("op", "block", "repeat", "parallel", "active", "trainable", "when")
        return {**{key: getattr(self, key) for key in keys}, **self.fields}

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The operator's fields or the block's arguments, as written."""
        return self.model_extra or {}

    @cached_property
    def counts_in_from(self) -> bool:
        """Whether what it takes depends on which repetition it is."""
        return bool(self.repeat is not None or self.parallel is not None) and any(
            braced(reference) for reference in self.from_ or ()
        )

    @cached_property
    def counts_in_when(self) -> bool:
        """Whether it depends on which repetition it is whether that is there."""
        repeated = self.repeat is not None or self.parallel is not None
        return repeated and is_expression(self.when) and "i" in parse(str(self.when)[1:]).names

    @cached_property
    def computed(self) -> frozenset[str]:
        """The fields that are expressions, or lists and mappings, which may hold some."""
        return frozenset(
            key
            for key, value in self.fields.items()
            if isinstance(value, (list, dict)) or is_expression(value)
        )

    @cached_property
    def computed_in_order(self) -> tuple[str, ...]:
        """The same as they are written."""
        return tuple(key for key in self.fields if key in self.computed)


LAYER_KEYS = frozenset(field.alias or name for name, field in Layer.__pydantic_fields__.items())
"""What a layer's key may mean other than a field or an argument."""

Layers = dict[LayerName, Annotated[Layer, BeforeValidator(in_full)]]


class Block(Record):
    """Layers under one name, to be used several times with different arguments."""

    args: dict[Name, Any] = {}
    """Arguments and their defaults; one without a default (null) must be given."""
    inputs: Annotated[list[Input], Field(min_length=1)] = ["input"]
    """The names by which the layers refer to the block's inputs; the last may end in ``.*`` and
    stand for any number of them."""
    output: str | None = None
    """The layer whose output is the block's; the last by default."""
    outputs: Annotated[list[str] | None, BeforeValidator(as_list)] = None
    """The layers whose outputs are the block's, where it has several."""
    layers: Annotated[Layers, Field(min_length=1)]
    """The layers by name, from the input to the output."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.output is not None and self.outputs is not None:
            raise ValueError("takes 'output' or 'outputs', not both")
        for name in self.inputs[:-1]:
            if name.endswith(".*"):
                raise ValueError(f"only the last input can be any number, and '{name}' is not")
        return self

    @property
    def any_number(self) -> bool:
        """Whether the last input stands for any number of them."""
        return self.inputs[-1].endswith(".*")

    def ports(self, given: int) -> list[str] | None:
        """The names of so many inputs; None where it does not take that many."""
        if not self.any_number:
            return self.inputs if given == len(self.inputs) else None
        first, last = self.inputs[:-1], self.inputs[-1].removesuffix(".*")
        rest = given - len(first)
        return [*first, *(f"{last}.{k}" for k in range(rest))] if rest > 0 else None

    @cached_property
    def needed(self) -> list[str]:
        """The arguments that have no default."""
        return [name for name, default in self.args.items() if default is None]

    @property
    def results(self) -> list[str]:
        """The references to its outputs."""
        return self.outputs or [self.output or next(reversed(self.layers))]

    @property
    def sources(self) -> list[str]:
        """The names of its inputs, as references begin."""
        return [name.removesuffix(".*") for name in self.inputs]
