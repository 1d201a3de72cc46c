"""A spec as it is written: the data model that YAML and JSON share."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    model_validator,
)

from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.spec.bits import Density, Format, Rule
from archcalc.spec.expressions import DOTTED, is_expression
from archcalc.spec.graph import Origin
from archcalc.spec.memory import Home
from archcalc.spec.patterns import LONGEST, named
from archcalc.spec.space import Space
from archcalc.spec.sugar import in_full, written_out
from archcalc.spec.text import Document

NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
"""What a layer, block, variable, or network may be called; dots separate names in a path."""

Name = Annotated[str, StringConstraints(pattern=NAME)]

LAYER = r"^([A-Za-z_][A-Za-z0-9_-]*|[0-9]{1,6})$"
"""What a layer may be called: a name, or a number, as members of a sequence are in PyTorch."""

LayerName = Annotated[str, StringConstraints(pattern=LAYER)]

Input = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.\*)?$")]
"""A name of a block's input; of any number of them with ``.*``."""

Kind = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")]
"""A block's name; that of a row is the way to it."""

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
"""Names of layers: ``layer1``, ``*.bn?``, ``!fc``."""

Quantity = Literal[
    "params", "buffers", "macs", "flops", "weight_bytes", "connections", "layers", "depth"
]
"""What a budget can limit."""

QUANTITIES: tuple[str, ...] = get_args(Quantity)

PATH = rf"^(=.*|{DOTTED})$"
"""A quantity: names joined by dots, the last one being what is asked, or an expression."""

OVERRIDABLE = ("input", "frozen", "bits", "edition", "title", "year", "source", "feature")
"""Keys of a spec that a variant may set, beside its variables."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_rules(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _readable(read: Callable[[Any], object]) -> BeforeValidator:
    """A text that means something: the error of who reads it is that of the field."""

    def check(value: Any) -> Any:
        if value is None:
            return value
        try:
            read(value)
        except ArchcalcError as error:
            raise ValueError(": ".join(line.strip() for line in str(error).split("\n"))) from None
        return value

    return BeforeValidator(check)


def _either(words: str, *kinds: type) -> BeforeValidator:
    """Say once what a value should be, where pydantic would say it for each kind it might be."""

    def check(value: Any) -> Any:
        if type(value) in kinds or value is None:
            return value
        raise ValueError(f"should be {words}, not {value!r}")

    return BeforeValidator(check)


def _some_input(value: Any) -> Any:
    if value == {}:
        raise ValueError("should name an input at least")
    if isinstance(value, str) and re.fullmatch(r"\d+([ ,x]+\d+)*", value):
        sizes = ", ".join(re.findall(r"\d+", value))
        raise ValueError(f"should be a list of extents: write [{sizes}]")
    return value


def _as_printed(value: Any) -> Any:
    if type(value) is float:
        raise ValueError(f"should be in quotes, to be kept as it was printed: '{value}'")
    return value


def _as_expression(value: Any) -> Any:
    if not is_expression(value):
        raise ValueError(f"should be an expression that makes the printed number, not {value!r}")
    return value


def _as_condition(value: Any) -> Any:
    if not is_expression(value):
        raise ValueError(f"should be an expression that is true or false, not {value!r}")
    return value


Times = Annotated[int | str | None, _either("a whole number or an expression", int, str)]
Printed = Annotated[
    int | str,
    _either("a number, in quotes unless it is whole", int, str),
    BeforeValidator(_as_printed),
]
Bound = Annotated[int | str | None, _either("a number like 4200000000 or 4.2G", int, str)]


class _Record(BaseModel):
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


KINDS = frozenset(("type", "class", "class_name", "module", "kind", "operator", "layer"))
"""What a layer's operator is called elsewhere."""


class Layer(_Record):
    """One line of a spec: an operator or a block, where its input comes from, and its fields.

    What is not one of the keys below is a field of the operator or an argument of the block.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    op: str | None = None
    """The operator's name, CamelCase as in PyTorch; an expression may choose it."""
    block: str | None = None
    """The block's name; an expression may choose it."""
    from_: Annotated[list[str] | None, BeforeValidator(_as_list), Field(alias="from")] = None
    """Where the input comes from, earlier layers by name; the layer before by default."""
    repeat: Times = None
    """How many times in a row, each taking the output of the one before. Expressions see the
    number of the repetition, from 0, as ``i``."""
    parallel: Times = None
    """How many times side by side, all taking the same input; ``name.*`` stands for the outputs."""
    active: Times = None
    """Of those side by side, how many an input takes: the experts of a mixture. ``name.*`` stands
    for that many; all own parameters, and only so many work."""
    when: Annotated[bool | str, _either("true, false or an expression", bool, str)] = True
    """Whether the layer is there at all; one that is not stands for its input."""
    share: str | None = None
    """The earlier layer whose tensors this one uses."""
    trainable: Annotated[bool | str | None, _either("true, false or an expression", bool, str)] = (
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

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The operator's fields or the block's arguments, as written."""
        return self.model_extra or {}

    @cached_property
    def counts_in_from(self) -> bool:
        """Whether what it takes depends on which repetition it is."""
        return bool(self.repeat is not None or self.parallel is not None) and any(
            "{" in reference for reference in self.from_ or ()
        )

    @cached_property
    def computed(self) -> frozenset[str]:
        """The fields that are expressions, or lists, which may hold some."""
        return frozenset(
            key
            for key, value in self.fields.items()
            if isinstance(value, list) or is_expression(value)
        )

    @cached_property
    def computed_in_order(self) -> tuple[str, ...]:
        """The same as they are written."""
        return tuple(key for key in self.fields if key in self.computed)


LAYER_KEYS = frozenset(field.alias or name for name, field in Layer.__pydantic_fields__.items())
"""What a layer's key may mean other than a field or an argument."""

Layers = dict[LayerName, Annotated[Layer, BeforeValidator(in_full)]]


class Block(_Record):
    """Layers under one name, to be used several times with different arguments."""

    args: dict[Name, Any] = {}
    """Arguments and their defaults; one without a default (null) must be given."""
    inputs: Annotated[list[Input], Field(min_length=1)] = ["input"]
    """The names by which the layers refer to the block's inputs; the last may end in ``.*`` and
    stand for any number of them."""
    output: str | None = None
    """The layer whose output is the block's; the last by default."""
    outputs: Annotated[list[str] | None, BeforeValidator(_as_list)] = None
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


Stored = Annotated[str, _readable(lambda value: Format.of(str(value)))]


class Bits(_Record):
    """How the numbers of some layers are stored."""

    layers: Annotated[list[Pattern], BeforeValidator(_as_list)] = []
    """Names of layers and blocks, patterns, operators, or ``ends``, the first and the last layer
    that multiply with weights; by default all that multiply."""
    exclude: Annotated[list[Pattern], BeforeValidator(_as_list)] = []
    """Of these the layers for which it does not hold, likewise."""
    weights: Stored | None = None
    """The format of matrices and kernels: ``int4``, ``int4:128`` with a scale for 128 numbers,
    ``int4:128:zero`` with zero points."""
    activations: Stored | None = None
    """The format in which layers take their inputs."""
    density: Annotated[str | float | int | None, _readable(Density.of)] = None
    """How many weights are no zero: ``2:4``, two of every four in a row, or a share of all."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.weights is None and self.activations is None and self.density is None:
            raise ValueError("needs 'weights', 'activations' or 'density'")
        return self

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """The record of a rule."""
        return cls(
            layers=list(rule.layers),
            exclude=list(rule.exclude),
            weights=rule.weights.name if rule.weights else None,
            activations=rule.activations.name if rule.activations else None,
            density=rule.density.text if rule.density else None,
        )

    @property
    def rule(self) -> Rule:
        """What it says, read."""
        return Rule(
            tuple(self.layers),
            tuple(self.exclude),
            Format.of(self.weights) if self.weights is not None else None,
            Format.of(self.activations) if self.activations is not None else None,
            Density.of(self.density) if self.density is not None else None,
        )


class Erratum(_Record):
    """Why a documented number is wrong, and the right one."""

    value: Printed
    """The right number."""
    mistake: Annotated[str, StringConstraints(pattern="^="), BeforeValidator(_as_expression)]
    """What makes the printed number: an expression of what was counted instead, such as
    ``=depth``, or of how much is amiss, such as ``=params - 584192``."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """What went wrong in the source."""


class Requirement(_Record):
    """What an input, or variables, must be like for a network to take them."""

    that: Annotated[str, StringConstraints(pattern="^="), BeforeValidator(_as_condition)]
    """An expression that is true of what the network takes: ``=height(input) % 32 == 0``. It may
    ask for the shapes of inputs and of layers."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """What the network takes and why, in words: what is said where it is not so."""
    training: bool = False
    """Whether it is required in training only."""


class Documented(_Record):
    """A number as somebody printed it, and where."""

    id: Annotated[list[str], BeforeValidator(_as_list)] = []
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
    source: Annotated[list[str], Field(min_length=1), BeforeValidator(_as_list)]
    """Who printed it: a page, a table, a file."""
    note: str = ""
    """What a reader should know of it."""
    erratum: Erratum | None = None
    """The right number, where the printed one is known to be wrong."""


class Fact(_Record):
    """Something printed that can't be computed from a network, such as an accuracy."""

    id: Annotated[list[str], BeforeValidator(_as_list)] = []
    """What a list of claims calls it; one for each source where several say the same."""
    variant: str | None = None
    """The variant it is about; by default the spec without variants."""
    quantity: Name
    """What it says: ``top5_accuracy``."""
    value: Printed
    """As printed."""
    source: Annotated[list[str], Field(min_length=1), BeforeValidator(_as_list)]
    """Who printed it: a page, a table, a file."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """Why it can't be computed."""


class Recorded(_Record):
    """What others print of a spec's networks, in a file apart from it."""

    documented: list[Documented] = []
    """Numbers as others printed them."""
    facts: list[Fact] = []
    """What others printed that can't be computed from the network."""


class Budget(_Record):
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


Axes = list[int | str]


@shown
class Spec(_Record):
    """A family of networks as written, and which of its variants is meant.

    ::

        >>> import archcalc
        >>> spec = archcalc.load("resnet18")
        >>> spec.label, spec.name, spec.inputs
        ('resnet18', 'resnet', {'input': [3, '=side', '=side']})
    """

    name: Name
    """The family's name; a spec without variants is a network of this name."""
    title: str = ""
    """The title of the publication, or a few words that say what this is."""
    edition: str = ""
    """What tells this form of the network from others: "as published", "for CIFAR-10"."""
    year: int | None = None
    """The year of the publication."""
    source: Annotated[list[str], BeforeValidator(_as_list)] = []
    """Where the network is described: addresses, or references in words."""
    feature: str = ""
    """The salient feature, in a few words."""
    input: Annotated[
        Axes | Annotated[dict[Name, Axes], Field(min_length=1)],
        _either("a list of extents, or a mapping of names to such lists", list, dict),
        BeforeValidator(_some_input),
    ]
    """The input's shape without the batch; several inputs by name."""
    vars: dict[Name, Any] = {}
    """Variables that expressions use, and their values; one without a value (null) gets it from
    the variant."""
    variants: dict[Name, dict[str, Any] | None] = {}
    """Networks of the family by name: the variables, and the texts, in which each differs."""
    blocks: dict[Kind, Block] = {}
    """Layers to be used several times, by the block's name."""
    layers: Annotated[Layers, Field(min_length=1)]
    """The layers by name, from the input to the output."""
    outputs: Annotated[list[str] | None, BeforeValidator(_as_list)] = None
    """Layers whose outputs are the network's; the last one by default."""
    frozen: Annotated[list[Pattern], BeforeValidator(_as_list)] = []
    """Layers and blocks that are not trained, by their names or patterns such as ``layer*``; with
    ``!`` before one it is trained after all, and the last that fits counts."""
    bits: Annotated[list[Bits], BeforeValidator(_as_rules)] = []
    """What numbers are stored in, by rule; of rules about the same layers the last one counts."""
    training_outputs: Annotated[list[str], BeforeValidator(_as_list)] = []
    """Outputs that exist in training only, such as auxiliary classifiers."""
    requires: list[Requirement] = []
    """What inputs and variables must be like, where shapes that fit don't say it all."""
    documented: list[Documented] = []
    """Numbers as others printed them."""
    facts: list[Fact] = []
    """What others printed that can't be computed from the network."""
    budget: list[Budget] = []
    """What the networks must not exceed."""
    space: Space | None = None
    """The design space: what each variable may be, for searches."""

    _document: Document = PrivateAttr()
    _variant: str | None = PrivateAttr(default=None)
    _family: Self | None = PrivateAttr(default=None)
    _home: Home = PrivateAttr(default_factory=Home)
    _origins: Mapping[str, Origin] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, document: Document) -> Self:
        """The spec that a document holds. Raises ``pydantic.ValidationError``."""
        document = written_out(document)
        spec = cls.model_validate(document.data)
        spec._document = document
        return spec

    @property
    def document(self) -> Document:
        """The text this spec was read from, with the places of everything in it."""
        return self._document

    @property
    def home(self) -> Home:
        """Where expansions of this family leave what later ones need; no part of its value."""
        home: Home = self._private["_home"]
        return home

    @property
    def origins(self) -> Mapping[str, Origin]:
        """How an author wrote its layers, by their names, where it was imported from code.

        No file says that: a spec that was written and read again is as it stands there.
        """
        return self._origins

    @property
    def variant(self) -> str | None:
        """The chosen variant."""
        variant: str | None = self._private["_variant"]
        return variant

    @property
    def _private(self) -> Mapping[str, Any]:
        # Where they are looked up at last; the way there takes a third of a recalled analysis.
        return self.__pydantic_private__ or {}

    @cached_property
    def inputs(self) -> dict[str, Axes]:
        """The inputs by name; one that is not named is called ``input``."""
        return self.input if isinstance(self.input, dict) else {"input": self.input}

    @property
    def label(self) -> str:
        """The variant's name, or the family's where no variant is chosen."""
        return self.variant or self.name

    def __eq__(self, other: object) -> bool:
        # Neither where it was read from nor what expansions left is part of a spec's value.
        return (
            isinstance(other, Spec)
            and (self._variant, self._origins) == (other._variant, other._origins)
            and all(getattr(self, f) == getattr(other, f) for f in type(self).__pydantic_fields__)
        )

    __hash__ = None  # type: ignore[assignment]  # it holds mappings

    def differing(self, variant: str) -> dict[str, Any]:
        """The variables and texts of a variant, looked at by themselves: a family may be large, and
        have many.

        Raises ``KeyError`` for a name that is no variant, and ``ValidationError``.
        """
        chosen = self.variants[variant]
        if not chosen:
            return {}
        texts = {key: value for key, value in chosen.items() if key in OVERRIDABLE}
        variables = {key: value for key, value in chosen.items() if key not in OVERRIDABLE}
        changed = self.model_validate(
            {
                "name": self.name,
                "input": self.input,
                "layers": dict(islice(self.layers.items(), 1)),
                "vars": variables,
                **texts,
            }
        )
        return {key: getattr(changed, key) for key in ("vars", *texts)}

    def choose(self, variant: str) -> Self:
        """The family with one of its variants chosen: its variables and texts take effect.

        Those of a variant that is chosen already do not. Raises ``KeyError`` for a name that is no
        variant.
        """
        family = self._family or self
        changed = family.differing(variant)
        variables = {**family.vars, **changed.pop("vars", {})}
        spec = family.model_copy(update={**changed, "vars": variables})
        spec._variant = variant
        spec._family = family
        spec._home = family._home  # the layers and blocks are the same
        return spec

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._home = Home()
        return copied

    def refrozen(self, patterns: Iterable[str]) -> Self:
        """The spec with more patterns of what is not trained, which count after its own.

        Raises :class:`ArchcalcError` for what can be none.
        """
        patterns = [named(each) for each in patterns]
        found = self.model_copy(update={"frozen": [*self.frozen, *patterns]})
        found._family = None if self._family is None else self._family.refrozen(patterns)
        return found

    def quantized(self, rules: Iterable[Rule]) -> Self:
        """The spec with more rules of what numbers are stored in, which count after its own."""
        return self.stored_by(rules, [each.rule for each in self.bits])

    def stored_by(self, rules: Iterable[Rule], before: Iterable[Rule] = ()) -> Self:
        """The spec with these rules alone, and those before them."""
        rules = tuple(rules)
        found = self.model_copy(update={"bits": [Bits.of(rule) for rule in (*before, *rules)]})
        found._family = None if self._family is None else self._family.quantized(rules)
        return found

    def spaced(self, space: Space) -> Self:
        """The network with another design space."""
        found = self.model_copy(update={"space": space})
        found._home = self._home  # the layers are the same
        return found

    @cached_property
    def freezes(self) -> bool:
        """Whether something is said of what is trained."""
        return bool(self.frozen) or any(
            layer.trainable is not None
            for _, _, layers in self.scopes()
            for layer in layers.values()
        )

    def scopes(self) -> Iterator[tuple[tuple[str, ...], list[str], Mapping[str, Layer]]]:
        """Every list of layers: the way to it, the names of its inputs, and the layers."""
        for name, block in self.blocks.items():
            yield ("blocks", name), block.sources, block.layers
        yield (), list(self.inputs), self.layers
