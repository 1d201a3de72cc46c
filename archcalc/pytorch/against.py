"""``crosscheck --against``: a spec held against anybody's PyTorch module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.dims import Shape
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.frontends.torch.source import importable
from archcalc.pytorch.alignment import Pair, aligned, squeezed
from archcalc.pytorch.asked import SEED, graphs, require_known
from archcalc.pytorch.crosscheck import MOST_BYTES, MOST_MACS
from archcalc.pytorch.drawn import training_bytes
from archcalc.pytorch.given import in_a_line, made, moved
from archcalc.pytorch.perform import require_torch
from archcalc.spec.question import Input, Question, with_options

if TYPE_CHECKING:
    from torch import nn

    from archcalc.pytorch.trace import Step, Trace, Use


Kind = Literal["missing", "extra", "differs"]

SAME = 1e-4
"""How far outputs of equal weights may be apart, relative to their norm, to be called the same."""


class Finding(NamedTuple):
    """One thing that the spec and the module have otherwise."""

    kind: Kind
    """``missing`` is in the spec alone, ``extra`` in the module alone."""
    layer: str
    """The spec's layer, or ``""``."""
    module: str
    """The way to the module that does it and PyTorch's function, or ``""``."""
    what: str
    """``weights``, ``buffers``, ``macs``, ``shape``, ``inputs``, ``params`` where one of them uses
    tensors of an earlier layer, or ``layer`` for all of it."""
    ours: Any
    theirs: Any


@shown
@dataclass(frozen=True)
class Against:
    """A spec beside a module.

    ::

        >>> import archcalc, torch
        >>> layers = {"fc": {"op": "Linear", "out_features": 4}}
        >>> spec = {"name": "one", "input": [8], "layers": layers}
        >>> archcalc.against(spec, lambda: torch.nn.Linear(8, 5)).ok
        False
    """

    name: str
    module: str
    analysis: Analysis
    device: str
    findings: tuple[Finding, ...]
    follows: int
    """Layers whose shape or multiply-accumulates differ because of a difference before them."""
    matched: int
    """Layers with weights or multiply-accumulates that both have."""
    params: tuple[int, int]
    """Parameters that each owns."""
    macs: tuple[int, int]
    remarks: tuple[str, ...]
    """What is no difference in anything that is counted."""
    distance: float | None
    """How far the module's output is from the spec's with the same weights, relative to its norm;
    None where they were not compared."""

    @property
    def ok(self) -> bool:
        """Whether layers with weights or multiply-accumulates are the same, and so are totals."""
        totals = self.params[0] == self.params[1] and self.macs[0] == self.macs[1]
        return totals and not self.findings


@with_options
def against(
    network: NetworkLike,
    module: str | nn.Module | Callable[[], nn.Module],
    *,
    device: str = "auto",
    batch: int = 1,
    input: Input = None,
    **variables: Any,
) -> Against:
    """Compare a spec with a PyTorch module that somebody else wrote, by running both.

    ``module`` is one, or a function without arguments that makes one, or says where that is:
    ``package.module:factory`` or ``file.py:factory``, with the current folder importable. It is
    the user's wish that this code is run. It is given the inputs of the spec, in order.

    What is compared are the operations of both, in whatever way they are written: layers and
    functions that use trained tensors or multiply and accumulate have to be the same, with the
    shapes of their tensors, their multiply-accumulates and as many numbers in their output, and
    have to be connected in the same way. Their names don't matter, nor the order of branches.
    Activations, poolings, dropout, padding and what only arranges numbers may be written in any
    way. A tensor that is used twice counts once in the parameters, and work as often as it is done.

    Where all of that is the same and the network is small enough for the CPU, or ``device`` says
    so, the spec's network is given the module's weights, and it is said how far the outputs are
    apart, and from where on: so another activation, padding or constant is found.

    Raises :class:`ArchcalcError` for a module that can't be had or run.

    ::

        >>> import archcalc, torch
        >>> layers = {"fc": {"op": "Linear", "out_features": 4}}
        >>> spec = {"name": "one", "input": [8], "layers": layers}
        >>> archcalc.against(spec, lambda: torch.nn.Linear(8, 4)).ok
        True
    """
    require_torch()
    import torch

    from archcalc.pytorch.build import build
    from archcalc.pytorch.inputs import draw
    from archcalc.pytorch.running import seeded
    from archcalc.pytorch.trace import trace

    require_known("device", device, ("auto", "cpu", "cuda", "meta"))
    graph, _ = graphs(network, Question(input, batch, variables))
    analysis = analyze(graph)
    small = analysis.macs <= MOST_MACS and training_bytes(analysis, "float32") <= MOST_BYTES
    place = ("cpu" if small else "meta") if device == "auto" else device
    name = module if isinstance(module, str) else getattr(module, "__name__", type(module).__name__)
    with importable(), seeded(SEED):
        theirs = made(module)
        inputs = draw(graph, device=place, generator=torch.Generator().manual_seed(SEED))
        with seeded(SEED):
            ours = build(graph, device=place)
        right = trace(ours, inputs)
        try:
            moved(theirs, place)
            left = trace(theirs, inputs if graph.batched else [each[0] for each in inputs])
        except Exception as error:
            hint = "\n  --device cpu runs it with numbers" if place == "meta" else ""
            raise ArchcalcError(f"{name} can't be run: {in_a_line(error)}{hint}") from error
    pairs = aligned(right.steps, left.steps)
    findings, follows = _findings(right.steps, left.steps, pairs)
    remarks = list(_remarks(right, left, pairs))
    distance = None
    whole = not findings and not follows and right.params == left.params
    if whole and pairs and place != "meta":
        distance, where = _values(ours, theirs, right, left, pairs, inputs)
        remarks += [where] if where else []
    return Against(
        graph.name,
        name,
        analysis,
        place,
        tuple(findings),
        follows,
        sum(a is not None and b is not None for a, b in pairs),
        (analysis.params, left.params),
        (analysis.macs, left.macs),
        tuple(remarks),
        distance,
    )


def _findings(
    ours: Sequence[Step], theirs: Sequence[Step], pairs: Sequence[Pair]
) -> tuple[list[Finding], int]:
    partner = {a: b for a, b in pairs if a is not None and b is not None}
    back = {b: a for a, b in partner.items()}
    found: list[Finding] = []
    follows = 0
    for a, b in pairs:
        if b is None:
            assert a is not None
            found.append(Finding("missing", ours[a].module, "", "layer", _about(ours[a]), ""))
            continue
        if a is None:
            found.append(Finding("extra", "", _place(theirs[b]), "layer", "", _about(theirs[b])))
            continue
        one, other = ours[a], theirs[b]
        mine = _resolved(one.sources, ours, partner)
        others = _resolved(other.sources, theirs, back)
        reused = one.weights == other.weights
        values: list[tuple[str, Any, Any]] = [
            ("weights", one.weights, other.weights),
            ("buffers", one.buffers, other.buffers),
            *([("params", one.params, other.params)] if reused else []),
            ("shape", one.shape, other.shape),
            ("macs", one.macs, other.macs),
        ]
        if not _unlike("weights", one.weights, other.weights) and _sizes(one.inputs) != _sizes(
            other.inputs
        ):
            # Given something else, it gives something else.
            follows += any(_unlike(*value) for value in values)
            values = []
        place = one.module, _place(other)
        found += [
            Finding("differs", *place, what, mine_, theirs_)
            for what, mine_, theirs_ in values
            if _unlike(what, mine_, theirs_)
        ]
        if {partner[k] for k in mine} != others:
            found.append(
                Finding(
                    "differs",
                    *place,
                    "inputs",
                    tuple(ours[k].module for k in sorted(mine)) or ("the input",),
                    tuple(_place(theirs[k]) for k in sorted(others)) or ("the input",),
                )
            )
    return found, follows


def _unlike(what: str, one: Any, other: Any) -> bool:
    # (N, T, C) and (N, H, W, C) are the same numbers.
    if what == "shape":
        return bool(prod(one) != prod(other))
    if what in ("weights", "buffers"):
        one, other = squeezed(one), squeezed(other)
        return bool(one != other and [*map(_matrix, one)] != [*map(_matrix, other)])
    return bool(one != other)


def _matrix(shape: Shape) -> Any:
    """A kernel that sees its whole input does what a matrix does, and is as good."""
    return (shape[0], prod(shape[1:])) if len(shape) > 1 else shape


def _sizes(shapes: Sequence[Sequence[int]]) -> list[int]:
    return sorted(prod(shape) for shape in shapes)


def _resolved(
    sources: frozenset[int], steps: Sequence[Step], paired: Mapping[int, int]
) -> set[int]:
    """The nearest steps before that both have: what only one has is seen through."""
    found: set[int] = set()
    open_ = list(sources)
    while open_:
        source = open_.pop()
        if source in paired:
            found.add(source)
        else:
            open_ += steps[source].sources
    return found


def _place(step: Step) -> str:
    return f"{step.module} {step.function}".strip()


def _about(step: Step) -> str:
    weights = ", ".join(map(str, step.weights))
    return f"{step.function} {weights}".strip()


def _remarks(ours: Trace, theirs: Trace, pairs: Sequence[Pair]) -> Iterator[str]:
    if theirs.unused:
        names = ", ".join(theirs.unused[:5]) + (", ..." if len(theirs.unused) > 5 else "")
        yield f"{len(theirs.unused)} parameters of the module were not used: {names}"
    if theirs.unseen:
        yield f"{theirs.unseen:,} MACs of the module are in code that can't be looked into"
    if theirs.not_counted:
        yield f"of the module it is not known what these multiply: {', '.join(theirs.not_counted)}"
    arranged = [
        ours.steps[a].module
        for a, b in pairs
        if a is not None and b is not None
        if ours.steps[a].shape != theirs.steps[b].shape
        and prod(ours.steps[a].shape) == prod(theirs.steps[b].shape)
    ]
    if arranged and all(a is not None and b is not None for a, b in pairs):
        yield (
            f"{len(arranged)} layers give the same numbers in another arrangement: "
            f"{', '.join(arranged[:3])}{', ...' if len(arranged) > 3 else ''}"
        )


def _flat(use: Use) -> Shape:
    return squeezed([use.shape])[0]


def _values(
    ours: nn.Module,
    theirs: nn.Module,
    right: Trace,
    left: Trace,
    pairs: Sequence[Pair],
    inputs: Any,
) -> tuple[float | None, str]:
    """How far outputs are apart with the module's weights in ours, and from where on."""
    import torch

    from archcalc.pytorch.running import distance
    from archcalc.pytorch.trace import trace

    mine = {**dict(ours.named_parameters()), **dict(ours.named_buffers())}
    other = {**dict(theirs.named_parameters()), **dict(theirs.named_buffers())}
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    with torch.no_grad():
        # No step uses whole numbers: they have their names, or are the only ones of their shape.
        for name, tensor in mine.items():
            if tensor.is_floating_point() or name.endswith("num_batches_tracked"):
                continue
            kind = tensor.shape, tensor.dtype
            same = [t for t in other.values() if (t.shape, t.dtype) == kind]
            theirs_ = next((t for t in same if t is other.get(name)), None)
            if theirs_ is None and len(same) == 1:
                (theirs_,) = same
            if theirs_ is not None:
                tensor.copy_(theirs_)
            elif not tensor.any():
                return None, f"values were not compared: the module has no {name} of whole numbers"
        for a, b in both:
            uses, sources = list(right.steps[a].uses), list(left.steps[b].uses)
            for use in uses:
                # In the order in which they are given, which is that of the function.
                alike = [each for each in sources if _flat(each) == _flat(use)]
                alike += [each for each in sources if each.size == use.size]
                source = alike[0] if alike else None
                if source is None:
                    return None, "values were not compared: tensors are stored otherwise"
                sources.remove(source)
                part = other[source.name].flatten()[source.start :][: use.size]
                mine[use.name].view(-1)[use.start :][: use.size] = part
    right, left = trace(ours, inputs, keep=True), trace(theirs, inputs, keep=True)
    if [tuple(y.shape) for y in right.outputs] != [tuple(y.shape) for y in left.outputs]:
        shapes = " and ".join(
            ", ".join(str(tuple(y.shape)) for y in run.outputs) for run in (right, left)
        )
        return None, f"values were not compared: the outputs are {shapes}"
    apart = distance(left.outputs, right.outputs)
    if apart <= SAME:
        return apart, ""
    for a, b in sorted(both):
        one, another = right.kept[a], left.kept[b]
        if one.shape == another.shape and distance(another, one) > SAME:
            what = "an activation, a padding or a constant before it is another"
            return apart, f"{right.steps[a].module} is the first to compute other values: {what}"
    last = right.steps[-1].module
    return apart, f"what follows the last layers with weights ({last}) computes other values"
