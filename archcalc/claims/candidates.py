"""Ways of counting that somebody may have meant, near the usual one first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from archcalc.analysis.conventions import CONVENTIONS
from archcalc.claims.counting import CONNECTIONS, THOP_2020, UNSEEN, Sums
from archcalc.claims.departures import Choice, Explanation, thousand_of
from archcalc.claims.facts import Scope
from archcalc.claims.printed import Number, Printed, exact
from archcalc.errors import ArchcalcError, SpecError
from archcalc.frontends.network import NetworkLike, expand, load
from archcalc.spec.fold import fold_batch_norm
from archcalc.spec.model import Spec

MOST = 3
"""The most departures that are combined: with more of them any number can be made."""

MOST_NODES = 500_000
"""The most operators that are expanded, over all networks that are tried."""

MOST_VARIANTS = 50
"""The most variants of a family that are tried."""

NEAR = 16
"""A number that is not said to be of a quantity may be of one that is at most this many times
more, or less."""

SIDES = (224, 227, 256, 299)
"""Extents that networks are given images of."""

CLASSES = (10, 1000)
"""Numbers of classes: of CIFAR-10 and MNIST, and of ImageNet."""

MAPS = (1, 8)
"""Maps a channel of a depthwise convolution in a 7x7's place: 8 in the paper that introduced batch
normalization (arXiv:1502.03167), "separable convolution with depth multiplier 8"."""


def is_number(value: object) -> bool:
    """Whether a word is a printed number."""
    try:
        return isinstance(value, str) and bool(Printed.parse(value))
    except ArchcalcError:
        return False


UNITS = {
    "bytes": "bytes",
    **dict.fromkeys(("params", "parameters"), "params"),
    "MACs": "macs",
    **dict.fromkeys(("FLOPs", "FLOP", "ops"), "flops"),
}


def readings(value: str | int, ratio: bool) -> dict[int, Printed]:
    """The printed number by what a thousand is: 1000, and 1024 where that makes a difference."""
    printed = {thousand: Printed.parse(value, thousand) for thousand in (1000, 1024)}
    plain = printed[1000]
    if plain.value <= 0 or plain.unit == "%" or plain.form == "decade":
        raise ArchcalcError(f"{value} is no count: write 62,378,344, 25.6M or 533MB")
    if ratio and plain.unit not in ("x", ""):
        raise ArchcalcError(f"{value} is no ratio: write 12x or 12")
    if not ratio and (plain.unit == "x" or plain.form == "fraction"):
        raise ArchcalcError(f"{value} compares two networks: name the other with --against")
    if printed[1024].value == plain.value:
        del printed[1024]
    return printed


AXES = {
    "edition": "edition",
    "against": "edition of the other",
    "input": "input size",
    "classes": "number of classes",
    "counted": "what is counted",
    "biases": "biases",
    "norm": "normalization",
    "folded": "folding batch normalization",
    "buffers": "buffers",
    "classifier": "classifier",
    "heads": "auxiliary heads",
    "embeddings": "embeddings",
    "loose": "tensors of no layer",
    "shared": "shared tensors",
    "gates": "biases of gates",
    "lengths": "weight normalization",
    "step": "training step",
    "tensors": "tensors between layers",
    "first": "first layer",
    "groups": "groups",
    "unseen": "convolutions that a tool can't see",
    "dtype": "dtype",
    "thousand": "1000 or 1024",
    "factored": "factors of the convolution",
}
"""The axes along which choices are made, one at most along each."""

_TENSORS = (
    ("outputs", "of all layers' outputs", 2),
    ("torchsummary", "twice all layers' outputs, as torchsummary prints it", 2),
    ("torchinfo", "twice the outputs of layers with weights, as torchinfo prints it", 2),
    ("all", "of the input, all layers' outputs and the weights", 3),
    (
        "torchsummary total",
        "of the input, twice all layers' outputs and the weights, as torchsummary sums up",
        3,
    ),
)
"""What bytes may be of beside what is stored."""


class Candidates:
    """Every number that a network has under at most ``MOST`` departures."""

    def __init__(
        self,
        network: NetworkLike,
        layer: str | None = None,
        against: NetworkLike | None = None,
        batch: int = 1,
    ) -> None:
        """Raises :class:`ArchcalcError` where a network or the layer is none."""
        self.batch = batch
        self.network = load(network)
        self.layer = layer
        self.other = None if against is None else load(against)
        self._left = MOST_NODES
        self._sums: dict[tuple[str, ...], Sums | None] = {}
        self._specs: dict[tuple[str, str], Spec] = {}
        self._depths: dict[tuple[str, str], int] = {}
        self.whole = True
        self.plain = self._sum(self.network)
        self.plain_other = self._sum(self.other) if self.other else None

    def _sum(self, spec: Spec, folded: bool = False, **changes: Any) -> Sums:
        graph = expand(spec, batch=self.batch, **changes)
        self._left -= len(graph.nodes)
        return Sums(fold_batch_norm(graph) if folded else graph, self.layer)

    def about(self, printed: Printed) -> tuple[str, ...]:
        """The quantities that a number of this size may be of."""
        far = {}
        for quantity in ("params", "macs"):
            number = self.number(quantity, {})
            if number:
                ratio = exact(number) / printed.value
                far[quantity] = max(ratio, 1 / ratio)
        if not far:
            raise ArchcalcError("there is nothing to count: it has no parameters and no MACs")
        near = tuple(quantity for quantity, times in far.items() if times <= NEAR)
        return near or (min(far, key=lambda quantity: far[quantity]),)

    def of(self, quantity: str, printed: Mapping[int, Printed]) -> list[Explanation]:
        """Different numbers, each with the departures that come to it first."""
        choices = self.choices(quantity, printed)
        axes = {choice.axis: [c for c in choices if c.axis == choice.axis] for choice in choices}
        sets = [
            picked
            for count in range(MOST + 1)
            for names in combinations(axes, count)
            for picked in product(*(axes[name] for name in names))
        ]
        sets.sort(key=lambda picked: (len(picked), sum(choice.cost for choice in picked)))
        ways: dict[tuple[Number, int], list[tuple[Choice, ...]]] = {}
        for picked in sets:
            number = self.number(quantity, {choice.axis: choice.value for choice in picked})
            if number is not None and number > 0:
                known = ways.setdefault((number, thousand_of(picked)), [])
                if not any(set(fewer) < set(picked) for fewer in known):
                    known.append(picked)
        return [
            Explanation(quantity, number, first, tuple(a for a in also if len(a) == len(first)))
            for (number, _), (first, *also) in ways.items()
        ]

    def number(self, quantity: str, chosen: Mapping[str, str]) -> Number | None:
        """The number under choices by axis; None where they can't be made together.

        Of two networks it is how many times more that one has which has more by default.
        """
        way = {"flops": "all"}.get(quantity, quantity)
        own = self._under(self.network, "edition", chosen)
        try:
            count = None if own is None else own.count(way, chosen)
            if self.other is None or self.plain_other is None:
                return count
            other = self._under(self.other, "against", chosen)
            second = None if other is None else other.count(way, chosen)
        except ArchcalcError:  # the tool whose convention it is can't count this network
            return None
        if not count or not second:
            return None
        plain, other_plain = self.plain.count(way, {}), self.plain_other.count(way, {})
        if not plain or not other_plain:
            return None
        return Fraction(second, count) if other_plain >= plain else Fraction(count, second)

    def _under(self, spec: Spec, axis: str, chosen: Mapping[str, str]) -> Sums | None:
        """The sums of a network in the edition, and of the size, that are chosen."""
        changing = [chosen.get(name, "") for name in (axis, "input", "classes", "folded")]
        key = (axis, *changing)
        if key not in self._sums:
            self._sums[key] = self._changed(spec, *changing)
        return self._sums[key]

    def _changed(
        self, spec: Spec, edition: str, side: str, classes: str, folded: str
    ) -> Sums | None:
        if edition:
            if (side or classes or folded) and self._depth(spec) != self._depth(spec, edition):
                return None  # it is far-fetched enough that another network is meant
            spec = self._variant(spec, edition)
        changes: dict[str, Any] = {"classes": int(classes)} if classes else {}
        if classes and not _is_count(spec.vars.get("classes")):
            return None
        if side:
            (axes,) = spec.inputs.values()
            if len(axes) != 3:
                return None
            changes["input"] = [axes[0], int(side), int(side)]
        if self._left <= 0:
            self.whole = False
            return None
        try:
            return self._sum(spec, bool(folded), **changes)
        except ArchcalcError:  # it does not fit this size, or has no such layer
            return None

    def _variant(self, spec: Spec, name: str) -> Spec:
        key = (spec.name, name)
        if key not in self._specs:
            self._specs[key] = spec.choose(name)
        return self._specs[key]

    def choices(self, quantity: str, printed: Mapping[int, Printed]) -> list[Choice]:
        """Every departure that this network allows, for a quantity."""
        work = quantity in ("macs", "flops")
        return [
            *self._editions(self.network, "edition"),
            *(self._editions(self.other, "against") if self.other else ()),
            *self._sizes(),
            *(_ways(quantity) if work else _stored(quantity, self.other is not None)),
            *self._parts(work),
            *(() if work else self._tensors(quantity)),
            *self._factors(),
            *_thousands(printed),
        ]

    def _editions(self, spec: Spec, axis: str) -> Iterator[Choice]:
        """Other variants: those of the same depth are editions, and the others more far-fetched."""
        others = [name for name in spec.variants if name != spec.variant]
        self.whole = self.whole and len(others) <= MOST_VARIANTS
        for name in others[:MOST_VARIANTS]:
            depth = self._depth(spec, name)
            if depth is not None:
                words = f"against {name}" if axis == "against" else f"of {name}"
                yield Choice(axis, name, words, 1 if depth == self._depth(spec) else 6)

    def _depth(self, spec: Spec, variant: str = "") -> int | None:
        """The depth of a network or a variant; None of a variant that can't be expanded."""
        key = (spec.name, variant)
        if key not in self._depths:
            if variant and self._left <= 0:
                self.whole = False
                return None
            try:
                scope = Scope.of(self._variant(spec, variant) if variant else spec)
            except SpecError:
                return None
            self._left -= len(scope.rows)
            self._depths[key] = scope.depth()
        return self._depths[key]

    def _sizes(self) -> Iterator[Choice]:
        specs = [spec for spec in (self.network, self.other) if spec is not None]
        if all(len(spec.inputs) == 1 and _image(spec) for spec in specs):
            for side in SIDES:
                yield Choice("input", str(side), f"input {side} x {side}", 3)
        if all(_is_count(spec.vars.get("classes")) for spec in specs):
            for classes in CLASSES:
                yield Choice("classes", str(classes), f"{classes} classes", 3)

    def _parts(self, work: bool) -> Iterator[Choice]:
        """What may be left out, or counted besides."""
        yield Choice("biases", "without", "without biases", 2)
        if not work:
            yield Choice("biases", "every", "with a bias in every convolution", 4)
        kind = "batch normalization" if self.plain.only_batch_norms else "normalization"
        yield Choice("norm", "without", f"without {kind}", 2)
        yield Choice("folded", "folded", "with batch normalization folded", 3)
        yield Choice("classifier", "last", "without the classifier", 2)
        yield Choice("classifier", "linear", "without linear layers", 3)
        if work:
            yield Choice("step", "3", "of a training step, three times the forward pass", 3)
            yield Choice("heads", "with", "with the auxiliary heads, as in training", 3)
        else:
            yield Choice("heads", "without", "without the auxiliary heads", 3)
        yield Choice("first", "without", "without the first layer", 4)
        yield Choice("groups", "without", "as if without groups", 4)
        for kind, words in UNSEEN.items():
            if kind in self.plain.kinds:
                yield Choice("unseen", kind, f"without {words}, which a tool may not see", 4)

    def _tensors(self, quantity: str) -> Iterator[Choice]:
        """What only some networks store, and what else takes bytes."""
        kinds = self.plain.kinds
        if "shared" in kinds:
            yield Choice("shared", "each", "counting shared tensors at each use", 2)
        if any(place.loose for place in self.plain.parts):
            yield Choice("loose", "without", "without the tensors that are no layer's", 4)
        if "second bias" in kinds:
            yield Choice("gates", "one", "with one bias a gate", 2)
        if {"tokens", "positions"} & kinds:
            yield Choice("embeddings", "all", "without the embeddings", 2)
        if {"tokens", "positions"} <= kinds:
            yield Choice("embeddings", "tokens", "without the embeddings of tokens", 3)
            yield Choice("embeddings", "positions", "without the embeddings of positions", 3)
        if "lengths" in kinds and not self.plain.kinds & {"statistics"}:
            yield Choice("lengths", "with", "with weight normalization of every layer", 5)
        if quantity == "bytes" and self.other is None:
            for value, words, cost in _TENSORS:
                yield Choice("tensors", value, words, cost)

    def _factors(self) -> Iterator[Choice]:
        if self.layer is not None and self.plain.convolutions:
            for maps in MAPS:
                plural = f"{maps} maps" if maps > 1 else "one map"
                words = f"as a depthwise convolution of {plural} a channel and a 1x1"
                yield Choice("factored", str(maps), words, 5)


def _ways(quantity: str) -> Iterator[Choice]:
    """Ways to count work: our own first, then those of tools."""
    default = {"flops": "all"}.get(quantity, quantity)
    for name, words, cost in (
        ("macs", "counting MACs", 1),
        ("2xmacs", "counting 2 for a MAC", 1),
        ("all", "counting 2 for a MAC and 1 for every other operation", 1),
        (CONNECTIONS, "counting MACs and uses of biases", 2),
        ("textbook", "counting 2 K - 1 for a dot product and 1 for a bias", 2),
    ):
        if name != default:
            yield Choice("counted", name, words, cost)
    for name, convention in CONVENTIONS.items():
        if convention.tool:
            yield Choice("counted", name, f"as {name} counts", 4)
    yield Choice("counted", THOP_2020, f"as {THOP_2020} counted", 4)


def _stored(quantity: str, ratio: bool) -> Iterator[Choice]:
    yield Choice("buffers", "statistics", "with running means and variances", 1)
    yield Choice("buffers", "all", "with all buffers", 2)
    if quantity == "bytes" and not ratio:
        yield Choice("dtype", "float16", "in float16", 1)


def _thousands(printed: Mapping[int, Printed]) -> Iterator[Choice]:
    if 1024 in printed:
        plain, binary = printed[1000], printed[1024]
        if plain.unit == "bytes":
            words = f"1 {plain.suffix.strip()} as {int(binary.scale):,} bytes"
        else:
            words = f"1{plain.suffix.strip()[:1].upper()} as {int(binary.scale):,}"
        yield Choice("thousand", "1024", words, 2)


def _image(spec: Spec) -> bool:
    """Whether the input is an image: channels, height and width."""
    return all(len(axes) == 3 for axes in spec.inputs.values())


def _is_count(value: object) -> bool:
    return type(value) is int
