"""``crosscheck``: what archcalc says of a network, held against PyTorch running that network."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.analysis.analyze import Analysis, Row, analyze
from archcalc.analysis.measured import Measurement
from archcalc.analysis.memory import memory
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.pytorch.asked import PRECISIONS, SEED, graphs, require_known
from archcalc.pytorch.perform import require_torch
from archcalc.pytorch.windows import placed
from archcalc.spec.bits import BYTES
from archcalc.spec.question import Input, Question, with_options
from archcalc.values import Remembering

if TYPE_CHECKING:
    from archcalc.pytorch.network import Network
    from archcalc.pytorch.running import Seen

DEVICES = ("auto", "cpu", "cuda", "meta")
"""Where a network is run. ``auto`` is ``meta``, and ``cuda`` or else ``cpu`` besides."""

TOLERANCE: Mapping[str, float] = {
    "float64": 1e-12,
    "float32": 5e-5,
    "tf32": 5e-3,
    "float16": 5e-3,
    "bfloat16": 5e-2,
}
"""How far a layer's output may be from what the CPU computes in float32 (float64 for float64) of
the same input: the norm of the difference over the norm. A dtype's rounding error (2^-24 of
float32, 2^-11 of tf32 and float16, 2^-9 of bfloat16), times what an operator makes of it that
rounds as often as an LSTM does; a wrong operator is off by a tenth and more."""

MOST_MACS = 5 * 10**9
"""Multiply-accumulates of a forward pass up to which ``auto`` runs a network on the CPU."""

MOST_BYTES = 10**9
"""Bytes of a training step up to which ``auto`` runs a network on the CPU."""

MOST_COMPARED_MACS = 10**11
"""Multiply-accumulates up to which the CPU computes what others are compared with."""

MOST_COMPARED_BYTES = 2 * 10**10
"""Bytes of a training step up to which it does."""


class Difference(NamedTuple):
    """One thing that archcalc and PyTorch say otherwise."""

    layer: str
    """``""`` for the network as a whole."""
    op: str
    what: str
    """``shape``, ``weights``, ``buffers``, ``tied``, ``macs``, ``params``, ``executed``,
    ``gradient``, ``finite``, ``values`` or ``run``."""
    ours: Any
    torchs: Any


class NotCounted(NamedTuple):
    """A layer whose multiply-accumulates nobody counts but archcalc."""

    layer: str
    op: str
    operations: tuple[str, ...]
    """What PyTorch runs in it, of which it is not known what they multiply."""


@dataclass(frozen=True)
class Run:
    """A network run on one device in one dtype."""

    device: str
    dtype: str
    batch: int
    differences: tuple[Difference, ...]
    not_counted: tuple[NotCounted, ...] = ()
    without_gradient: tuple[str, ...] = ()
    """Parameters that no gradient reaches, as is to be expected by the graph."""
    error: float | None = None
    """How far the output is from that of the CPU in float32; None where they weren't compared."""
    layer_error: float | None = None
    """How far the output of a layer is from what the CPU makes of the same input, at the most."""
    seconds: float = 0
    """How long all of it took."""
    measured: Measurement | None = None


class Counts(NamedTuple):
    """What archcalc counts in a network."""

    layers: int
    params: int
    buffers: int
    macs: int

    @classmethod
    def of(cls, analysis: Analysis) -> Counts:
        """Those of an analysis."""
        return cls(len(analysis.rows), analysis.params, analysis.buffers, analysis.macs)


@shown
@dataclass(frozen=True)
class Crosscheck(Remembering):
    """What came of running a network in PyTorch.

    ::

        >>> import archcalc
        >>> archcalc.crosscheck("resnet18", device="meta").differences
        ()
    """

    name: str
    counts: Counts
    """Of the batch that was run."""
    runs: tuple[Run, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Device, dtype, or training, in which it was not run -> why."""

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Those of all runs, each once."""
        found = {repr(each): each for run in self.runs for each in run.differences}
        return tuple(found.values())

    @property
    def ok(self) -> bool:
        """Whether it was run and nothing differs."""
        return bool(self.runs) and not self.differences


@with_options
def crosscheck(
    network: NetworkLike,
    *,
    device: str = "auto",
    dtype: str | Sequence[str] = "float32",
    batch: int = 1,
    input: Input = None,
    measure: bool = False,
    **variables: Any,
) -> Crosscheck:
    """Build a network in PyTorch, run it, and compare everything that archcalc says of it.

    Of every layer: the output's shape, the parameters and buffers by name and shape, which of them
    are tied, and the multiply-accumulates, against those that ``torch.utils.flop_counter`` counts
    (what it does not see is counted in :mod:`archcalc.pytorch.counted`). Then one pass forward and
    back in training mode, of a batch of two at least: every parameter gets a finite gradient; not
    where a network does not take the input in training. On
    devices with numbers all outputs have to be finite, and on a GPU, or in another dtype than
    float32, equal to the CPU's in float32 up to :data:`TOLERANCE`.

    ``device`` ``auto`` is ``meta``, where only shapes are computed, and then a GPU where there is
    one, or the CPU for a network that is small enough. ``dtype`` is one of ``PRECISIONS`` or
    several. ``measure`` adds how long it takes and how much memory: :func:`archcalc.measure`.
    ``input`` (or a function of the spec that gives it), ``batch`` and ``variables`` are as in
    :func:`archcalc.expand`; a graph has them.

    Raises :class:`ArchcalcError` when PyTorch is not installed, for an unknown device or dtype and
    where there is no GPU, and what :func:`archcalc.load` and :func:`archcalc.expand` raise.

    ::

        >>> import archcalc
        >>> archcalc.crosscheck("resnet18", device="meta").ok
        True
    """
    require_torch()
    dtypes = (dtype,) if isinstance(dtype, str) else tuple(dtype)
    devices = _devices(device)
    for name in dtypes:
        require_known("dtype", name, PRECISIONS)
    if measure and devices == ("meta",):
        raise ArchcalcError("on the meta device there are no numbers, and nothing to measure")
    graph, larger = graphs(network, Question(input, batch, variables))
    analysis = analyze(graph)
    trained = analyze(larger, training=not larger.untrainable)
    runs: list[Run] = []
    skipped: dict[str, str] = {}
    for place in devices:
        drawn = _Drawn(analysis, trained, place)
        # On meta a dtype changes nothing but the names of dtypes.
        for name in dtypes if place != "meta" else dtypes[:1]:
            why = _too_large(analysis, trained, place, name, chosen=device != "auto")
            if why.not_run:
                skipped[place if place == "cpu" else f"{place} {name}"] = why.not_run
                continue
            if why.not_trained:
                skipped[f"{place} {name}, training"] = why.not_trained
            try:
                runs.append(_run(drawn, name, not why.not_trained, measure and place != "meta"))
            except _NotRunError as error:
                skipped[f"{place} {name}"] = f"PyTorch: {error}"
    return Crosscheck(graph.name, Counts.of(analysis), tuple(runs), skipped)


def _devices(device: str) -> tuple[str, ...]:
    import torch

    require_known("device", device, DEVICES)
    gpu = torch.cuda.is_available()
    if device == "auto":
        return ("meta", "cuda" if gpu else "cpu")
    if device == "cuda" and not gpu:
        raise ArchcalcError("PyTorch finds no CUDA device here\n  --device cpu or meta need none")
    return (device,)


def training_bytes(trained: Analysis, dtype: str) -> int:
    """No less than a training step takes: weights, gradients, and outputs with their gradients."""
    numbers: int = trained.params + trained.buffers + trained.activations
    return 2 * BYTES[dtype] * numbers


class _TooLarge(NamedTuple):
    """Why a network is not run, or only at inference; ``""`` where it is."""

    not_run: str = ""
    not_trained: str = ""


def _too_large(
    analysis: Analysis, trained: Analysis, device: str, dtype: str, chosen: bool
) -> _TooLarge:
    import torch

    size = training_bytes(trained, dtype)
    if device == "cpu" and not chosen:
        macs = trained.macs // next(iter(trained.graph.inputs.values()))[0]
        if macs > MOST_MACS:
            return _TooLarge(
                f"{macs / 1e9:,.1f} G multiply-accumulates, more than {MOST_MACS / 1e9:g} G"
            )
        if size > MOST_BYTES:
            return _TooLarge(f"trains in {size / 1e9:,.1f} GB, more than {MOST_BYTES / 1e9:g} GB")
    if device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()  # which PyTorch keeps of the network before
        free, _ = torch.cuda.mem_get_info()
        if size > free:
            at_inference = memory(analysis.graph, dtype).total
            if at_inference > free:
                return _TooLarge(f"takes {at_inference / 1e9:,.1f} GB, {free / 1e9:,.1f} are free")
            return _TooLarge(
                not_trained=f"trains in {size / 1e9:,.1f} GB, {free / 1e9:,.1f} are free"
            )
    return _TooLarge()


class _NotRunError(Exception):
    """PyTorch can't compute an operation in this dtype or on this device, or lacks the memory."""


class _Drawn:
    """A network on a device, with weights, inputs, and the output that the CPU computes of them.

    Of a network whose outputs are compared each dtype gets a copy of one drawn in float32 (float64
    for float64); another is drawn anew, so that it is in memory once.
    """

    def __init__(self, analysis: Analysis, trained: Analysis, device: str) -> None:
        self.analysis = analysis
        self.trained = trained
        self.device = device
        size = training_bytes(trained, "float32")
        small = analysis.macs <= MOST_COMPARED_MACS and size <= MOST_COMPARED_BYTES
        self._compared = small and device != "meta"
        self._exact: dict[Any, tuple[Network, tuple[Any, ...], Any]] = {}

    def of(self, dtype: str) -> tuple[Network, tuple[Any, ...], Any]:
        """The network in a dtype, inputs for it, and the CPU's output where that is compared."""
        import torch

        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import copied, moved_to

        stored_as: torch.dtype = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
        exact = torch.float64 if dtype == "float64" else torch.float32
        if not self._compared or (self.device == "cpu" and stored_as is exact):
            generator = torch.Generator().manual_seed(SEED)
            given: dict[str, Any] = {"device": self.device, "dtype": stored_as}
            inputs = draw(self.analysis.graph, **given, generator=generator)
            return self._built(stored_as), inputs, None
        if exact not in self._exact:
            self._exact[exact] = self._computed(exact)
        network, inputs, wanted = self._exact[exact]
        there = tuple(moved_to(x, self.device, stored_as) for x in inputs)
        return copied(network).to(dtype=stored_as), there, wanted

    def _built(self, dtype: Any) -> Network:
        from archcalc.pytorch.build import build
        from archcalc.pytorch.running import seeded

        with seeded(SEED):
            return build(self.analysis.graph, device=self.device, dtype=dtype)

    def _computed(self, exact: Any) -> tuple[Network, tuple[Any, ...], Any]:
        import torch

        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import copied, enlivened, precision, seeded

        generator = torch.Generator().manual_seed(SEED)
        given: dict[str, Any] = {"device": self.device, "dtype": exact, "generator": generator}
        network = self._built(exact)
        inputs = draw(self.analysis.graph, **given)
        with precision("float32"), seeded(SEED):
            enlivened(network, draw(self.trained.graph, **given) if self.trained.training else ())
        with torch.no_grad():
            there = network if self.device == "cpu" else copied(network).to("cpu")
            wanted = there.eval()(*(x.cpu() for x in inputs))
        return network, inputs, wanted


def _run(drawn: _Drawn, dtype: str, train: bool, measure: bool) -> Run:
    import torch

    from archcalc.pytorch.running import free_threads, precision

    start = perf_counter()
    batch = next(iter(drawn.analysis.graph.inputs.values()))[0]
    found = _Findings()
    measured = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # which kernel is the faster one
            with precision(dtype):
                with free_threads():
                    found.fill(drawn, dtype, train)
                if measure:
                    from archcalc.pytorch.measure import measure as measure_it

                    gc.collect()
                    measured = measure_it(drawn.analysis.graph, device=drawn.device, dtype=dtype)
    except (NotImplementedError, torch.OutOfMemoryError) as error:
        raise _NotRunError(str(error).splitlines()[0]) from error
    # Whatever PyTorch raises while it runs what archcalc takes to be right is a finding.
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        lines = str(error).strip().splitlines() or [""]
        found.differences.append(
            Difference(found.at, "", "run", "runs", f"{type(error).__name__}: {lines[0]}")
        )
    return Run(
        drawn.device,
        dtype,
        batch,
        tuple(found.differences),
        tuple(found.not_counted),
        tuple(found.without_gradient),
        found.error,
        found.layer_error,
        perf_counter() - start,
        measured,
    )


class _Findings:
    """What one run brings to light, as far as it comes."""

    def __init__(self) -> None:
        self.at = ""
        self.differences: list[Difference] = []
        self.not_counted: list[NotCounted] = []
        self.without_gradient: list[str] = []
        self.error: float | None = None
        self.layer_error: float | None = None

    def fill(self, drawn: _Drawn, dtype: str, train: bool) -> None:
        import torch

        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import counted, distance
        from archcalc.pytorch.running import trained as trained_once

        analysis, trained = drawn.analysis, drawn.trained
        stored_as: torch.dtype = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
        network, inputs, wanted = drawn.of(dtype)
        self.differences += _tensors(network, analysis, stored_as)
        output, seen = counted(network.eval(), inputs)
        self._layers(analysis, seen)
        if wanted is not None:
            self.error = distance(output, wanted)
            self._values(analysis, network, inputs, dtype)
        del output, wanted, inputs
        if not train or not trained.training:
            return
        generator = torch.Generator().manual_seed(SEED + 1)
        inputs = draw(trained.graph, device=drawn.device, dtype=stored_as, generator=generator)
        if analysis.graph.training_outputs:
            self._layers(trained, counted(network.train(), inputs)[1])
        self._layers(trained, trained_once(network, inputs, SEED), macs=False)
        self._gradients(network, analysis)

    def _values(self, analysis: Analysis, network: Network, inputs: Any, dtype: str) -> None:
        import torch

        from archcalc.pytorch.running import compared, copied

        exact = torch.float64 if dtype == "float64" else torch.float32
        twin = copied(network).to(device="cpu", dtype=exact)
        distances = compared(network, twin, inputs)
        self.layer_error = max(distances.values(), default=None)
        for row in analysis.rows:
            # Not a number is never within.
            if row.name in distances and not distances[row.name] <= TOLERANCE[dtype]:
                within = f"within {TOLERANCE[dtype]:g}"
                self.differences.append(
                    Difference(row.name, row.op, "values", within, distances[row.name])
                )

    def _layers(self, analysis: Analysis, seen: Mapping[str, Seen], macs: bool = True) -> None:
        told = {(each.layer, each.what) for each in self.differences}
        known = {each.layer for each in self.not_counted}
        for row in analysis.rows:
            here = seen.get(row.name)
            for difference in _layer(row, here, macs):
                if (row.name, difference.what) not in told:
                    self.differences.append(difference)
            if here is not None and here.not_counted and row.name not in known:
                self.not_counted.append(NotCounted(row.name, row.op, here.not_counted))

    def _gradients(self, network: Network, analysis: Analysis) -> None:
        import torch

        from archcalc.pytorch.running import differentiable, stored

        reached = differentiable(network)
        nodes = network.graph.nodes
        uses = {node.name: stored(network, node).params for node in nodes}
        expected = {
            id(tensor) for name in reached if name in uses for tensor in uses[name].values()
        }
        for row in analysis.rows:
            for name, tensor in uses[row.name].items():
                gradient, full = tensor.grad, f"{row.name}.{name}"
                problem = ""
                if gradient is None:
                    if row.node.frozen:
                        continue
                    if id(tensor) not in expected:
                        self.without_gradient.append(full)
                        continue
                    problem = "none"
                elif gradient.shape != tensor.shape:
                    problem = f"of shape {tuple(gradient.shape)}"
                elif not gradient.is_meta and not torch.isfinite(gradient).all():
                    problem = "not finite"
                if problem:
                    self.differences.append(
                        Difference(row.name, row.op, "gradient", f"of {name}, finite", problem)
                    )


def _layer(row: Row, seen: Seen | None, macs: bool) -> Iterator[Difference]:
    if (seen is not None) != row.executed:
        yield Difference(row.name, row.op, "executed", row.executed, seen is not None)
    if seen is None:
        return
    shape = placed(row.node) or seen.shape
    if not row.shape == shape == seen.shape:
        yield Difference(row.name, row.op, "shape", row.shape, shape)
    if macs and not seen.not_counted and seen.macs != row.macs:
        yield Difference(row.name, row.op, "macs", row.macs, seen.macs)
    if not seen.finite:
        yield Difference(row.name, row.op, "finite", "finite numbers", "infinite, or none")


def _tensors(network: Network, analysis: Analysis, dtype: Any) -> Iterator[Difference]:
    """What a network stores, layer by layer and in all."""
    from archcalc.pytorch.running import stored

    nodes = {node.name: node for node in network.graph.nodes}
    right = True
    for row in analysis.rows:
        params, buffers = stored(network, row.node)
        for what, ours, theirs in (
            ("weights", row.weights, params),
            ("buffers", row.buffer_shapes, buffers),
        ):
            shapes = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
            if shapes != dict(ours):
                right = False
                yield Difference(row.name, row.op, what, dict(ours), shapes)
        if row.node.share is not None:
            yield from _ties(row, params, stored(network, nodes[row.node.share]).params)
        for name, tensor in params.items():
            if tensor.requires_grad is row.node.frozen or tensor.dtype != dtype:
                how = "frozen" if row.node.frozen else "trained"
                found = f"{tensor.dtype}, requires_grad={tensor.requires_grad}"
                yield Difference(row.name, row.op, "weights", f"{name}, {how} in {dtype}", found)
    for what, tensors in (("params", network.parameters()), ("buffers", network.buffers())):
        # PyTorch lists a tied tensor once.
        total, ours = sum(tensor.numel() for tensor in tensors), getattr(analysis, what)
        if right and total != ours:
            yield Difference("", "", what, ours, total)


def _ties(row: Row, params: Mapping[str, Any], owners: Mapping[str, Any]) -> Iterator[Difference]:
    for name in params:
        if name in owners and params[name] is not owners[name]:
            yield Difference(row.name, row.op, "tied", f"{name} of {row.node.share}", "its own")
