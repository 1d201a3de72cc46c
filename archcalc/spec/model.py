"""A spec as it is written: the data model that YAML and JSON share."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.spec.bits import Density, Format, Rule
from archcalc.spec.documented import Budget, Documented, Fact, Requirement
from archcalc.spec.fields import Name, Pattern, Record, as_list, either
from archcalc.spec.graph import Origin
from archcalc.spec.layer import Block, Kind, Layer, Layers
from archcalc.spec.memory import Home
from archcalc.spec.patterns import named
from archcalc.spec.space import Space
from archcalc.spec.sugar import written_out
from archcalc.spec.tree import Document

OVERRIDABLE = ("input", "frozen", "bits", "edition", "title", "year", "source", "feature")
"""Keys of a spec that a variant may set, beside its variables."""


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


def _some_input(value: Any) -> Any:
    if value == {}:
        raise ValueError("should name an input at least")
    if isinstance(value, str) and re.fullmatch(r"\d+([ ,x]+\d+)*", value):
        sizes = ", ".join(re.findall(r"\d+", value))
        raise ValueError(f"should be a list of extents: write [{sizes}]")
    return value


Stored = Annotated[str, _readable(lambda value: Format.of(str(value)))]


class Bits(Record):
    """How the numbers of some layers are stored."""

    layers: Annotated[list[Pattern], BeforeValidator(as_list)] = []
    """Names of layers and blocks, patterns, operators, or ``ends``, the first and the last layer
    that multiply with weights; by default all that multiply."""
    exclude: Annotated[list[Pattern], BeforeValidator(as_list)] = []
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


Axes = list[int | str]


@shown
class Spec(Record):
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
    source: Annotated[list[str], BeforeValidator(as_list)] = []
    """Where the network is described: addresses, or references in words."""
    feature: str = ""
    """The salient feature, in a few words."""
    input: Annotated[
        Axes | Annotated[dict[Name, Axes], Field(min_length=1)],
        either("a list of extents, or a mapping of names to such lists", list, dict),
        BeforeValidator(_some_input),
    ]
    """The input's shape without the batch; several inputs by name."""
    batched: bool = True
    """Whether it is called on batches; ``false`` where the inputs are one sample as a whole, such
    as the nodes and edges of a graph: its source code takes them so."""
    vars: dict[Name, Any] = {}
    """Variables that expressions use, and their values; one without a value (null) gets it from
    the variant."""
    variants: dict[Name, dict[str, Any] | None] = {}
    """Networks of the family by name: the variables, and the texts, in which each differs."""
    blocks: dict[Kind, Block] = {}
    """Layers to be used several times, by the block's name."""
    layers: Annotated[Layers, Field(min_length=1)]
    """The layers by name, from the input to the output."""
    outputs: Annotated[list[str] | None, BeforeValidator(as_list)] = None
    """Layers whose outputs are the network's; the last one by default."""
    frozen: Annotated[list[Pattern], BeforeValidator(as_list)] = []
    """Layers and blocks that are not trained, by their names or patterns such as ``layer*``; with
    ``!`` before one it is trained after all, and the last that fits counts."""
    bits: Annotated[list[Bits], BeforeValidator(_as_rules)] = []
    """What numbers are stored in, by rule; of rules about the same layers the last one counts."""
    training_outputs: Annotated[list[str], BeforeValidator(as_list)] = []
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
    _aliases: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _spaced_by: Document | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, document: Document) -> Self:
        """The spec that a document holds. Raises ``pydantic.ValidationError``."""
        document = written_out(document)
        spec = cls.model_validate(document.data)
        spec._document = spec._spaced_by = document
        return spec

    @property
    def document(self) -> Document:
        """The text this spec was read from, with the places of everything in it."""
        return self._document

    @property
    def spaced_by(self) -> Document | None:
        """The text that its design space was read from; None where that was made of values."""
        return self._spaced_by

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
    def aliases(self) -> Mapping[str, str]:
        """Of what was imported from code: other names of its modules -> the first of each."""
        return self._aliases

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
            and self._aliases == other._aliases
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

    def spaced(self, space: Space, document: Document | None = None) -> Self:
        """The network with another design space, which stands in a document or in none."""
        found = self.model_copy(update={"space": space})
        found._spaced_by = document
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
