"""``crosscheck``: what archcalc says of a network, held against PyTorch running that network."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.analysis.analyze import BYTES, Analysis, Row, analyze
from archcalc.analysis.measured import Measurement
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.pytorch.asked import PRECISIONS, SEED, graphs, require_known
from archcalc.pytorch.perform import require_torch
from archcalc.pytorch.windows import placed
from archcalc.spec import zoo
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec
from archcalc.spec.question import Input, Question
from archcalc.values import Remembering

if TYPE_CHECKING:
    from archcalc.pytorch.network import Network
    from archcalc.pytorch.running import Seen

DEVICES = ("auto", "cpu", "cuda", "meta")
"""Where a network is run. ``auto`` is ``meta``, and ``cuda`` or else ``cpu`` besides."""

TOLERANCE: Mapping[str, float] = {
    "float64": 1e-9,
    "float32": 1e-4,
    "tf32": 2e-2,
    "float16": 2e-2,
    "bfloat16": 1e-1,
}
"""How far outputs may be from those that the CPU computes in float32 (float64 for float64): the
norm of the difference over the norm. A dtype's rounding error, times what deep networks make of
it."""

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
    seconds: float = 0
    """How long all of it took."""
    measured: Measurement | None = None


@shown
@dataclass(frozen=True)
class Crosscheck(Remembering):
    """What came of running a network in PyTorch."""

    name: str
    analysis: Analysis
    """Of the batch that was run."""
    runs: tuple[Run, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Device, or device and dtype, on which it was not run -> why."""

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Those of all runs, each once."""
        found = {repr(each): each for run in self.runs for each in run.differences}
        return tuple(found.values())

    @property
    def ok(self) -> bool:
        """Whether it was run and nothing differs."""
        return bool(self.runs) and not self.differences


def crosscheck(
    network: zoo.Source | Spec | Graph,
    *,
    device: str = "auto",
    dtype: str | Sequence[str] = "float32",
    batch: int = 1,
    input: Input | Callable[[Spec], Input] = None,
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
        why = _too_large(trained, place, chosen=device != "auto")
        if why:
            skipped[place] = why
            continue
        # On meta a dtype changes nothing but the names of dtypes.
        for name in dtypes if place != "meta" else dtypes[:1]:
            try:
                runs.append(_run(analysis, trained, place, name, measure and place != "meta"))
            except _NoKernelError as error:
                skipped[f"{place} {name}"] = f"PyTorch: {error}"
    return Crosscheck(graph.name, analysis, tuple(runs), skipped)


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


def _too_large(trained: Analysis, device: str, chosen: bool) -> str:
    """Why a network is not run on a device; ``""`` where it is."""
    import torch

    size = training_bytes(trained, "float32")
    if device == "cpu" and not chosen:
        macs = trained.macs // next(iter(trained.graph.inputs.values()))[0]
        if macs > MOST_MACS:
            return f"{macs / 1e9:,.1f} G multiply-accumulates, more than {MOST_MACS / 1e9:g} G"
        if size > MOST_BYTES:
            return f"trains in {size / 1e9:,.1f} GB, more than {MOST_BYTES / 1e9:g} GB"
    if device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()  # which PyTorch keeps of the network before
        free, _ = torch.cuda.mem_get_info()
        if size > free:
            return f"trains in {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free"
    return ""


class _NoKernelError(Exception):
    """PyTorch can't compute an operation in this dtype, or on this device."""


def _run(analysis: Analysis, trained: Analysis, device: str, dtype: str, measure: bool) -> Run:
    from archcalc.pytorch.running import free_threads, precision

    start = perf_counter()
    batch = next(iter(analysis.graph.inputs.values()))[0]
    found = _Findings()
    measured = None
    try:
        with precision(dtype), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # which kernel is the faster one
            with free_threads():
                found.fill(analysis, trained, device, dtype)
            if measure:
                from archcalc.pytorch.measure import measure as measure_it

                gc.collect()
                measured = measure_it(analysis.graph, device=device, dtype=dtype)
    except NotImplementedError as error:
        raise _NoKernelError(str(error).splitlines()[0]) from error
    # Whatever PyTorch raises while it runs what archcalc takes to be right is a finding.
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        lines = str(error).strip().splitlines() or [""]
        found.differences.append(
            Difference(found.at, "", "run", "runs", f"{type(error).__name__}: {lines[0]}")
        )
    return Run(
        device,
        dtype,
        batch,
        tuple(found.differences),
        tuple(found.not_counted),
        tuple(found.without_gradient),
        found.error,
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

    def fill(self, analysis: Analysis, trained: Analysis, device: str, dtype: str) -> None:
        import torch

        from archcalc.pytorch.build import build
        from archcalc.pytorch.inputs import draw
        from archcalc.pytorch.running import counted, distance, seeded
        from archcalc.pytorch.running import trained as train

        stored_as: torch.dtype = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
        generator = torch.Generator().manual_seed(SEED)
        # Weights are drawn on the CPU where outputs are compared, so that each device has the same.
        size = training_bytes(analysis, "float32")
        small = analysis.macs <= MOST_COMPARED_MACS and size <= MOST_COMPARED_BYTES
        home = "cpu" if device == "cuda" and small else device
        exact = torch.float64 if dtype == "float64" else torch.float32
        with seeded(SEED):
            network = build(analysis.graph, device=home, dtype=exact)
        inputs = draw(analysis.graph, device=home, dtype=exact, generator=generator)
        wanted = None
        if small and (device == "cuda" or (device == "cpu" and stored_as is not exact)):
            with torch.no_grad():
                wanted = network.eval()(*inputs)
        network.to(device=device, dtype=stored_as)
        inputs = tuple(_moved(x, device, stored_as) for x in inputs)
        self.differences += _tensors(network, analysis, stored_as)
        output, seen = counted(network.eval(), inputs)
        self._layers(analysis, seen)
        if wanted is not None:
            self.error = distance(output, wanted)
            if not self.error <= TOLERANCE[dtype]:
                self.differences.append(
                    Difference("", "", "values", f"within {TOLERANCE[dtype]:g}", self.error)
                )
        del output, wanted, inputs
        if not trained.training:
            return
        inputs = draw(trained.graph, device=device, dtype=stored_as, generator=generator)
        if analysis.graph.training_outputs:
            self._layers(trained, counted(network.train(), inputs)[1])
        self._layers(trained, train(network, inputs, SEED), macs=False)
        self._gradients(network, analysis)

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


def _moved(x: Any, device: str, dtype: Any) -> Any:
    return x.to(device=device, dtype=dtype if x.is_floating_point() else None)


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
            if not tensor.requires_grad or tensor.dtype != dtype:
                yield Difference(
                    row.name, row.op, "weights", f"{name}, trained in {dtype}", tensor.dtype
                )
    for what, tensors in (("params", network.parameters()), ("buffers", network.buffers())):
        # PyTorch lists a tied tensor once.
        total, ours = sum(tensor.numel() for tensor in tensors), getattr(analysis, what)
        if right and total != ours:
            yield Difference("", "", what, ours, total)


def _ties(row: Row, params: Mapping[str, Any], owners: Mapping[str, Any]) -> Iterator[Difference]:
    for name in params:
        if name in owners and params[name] is not owners[name]:
            yield Difference(row.name, row.op, "tied", f"{name} of {row.node.share}", "its own")
