"""``crosscheck``: what archcalc says of a network, held against PyTorch running that network."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.analysis.measured import Measurement
from archcalc.analysis.memory import memory
from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.pytorch.asked import PRECISIONS, graphs, require_known
from archcalc.pytorch.compared import Counts, Difference, Findings, NotCounted
from archcalc.pytorch.drawn import Drawn, training_bytes
from archcalc.pytorch.perform import require_built, require_torch
from archcalc.spec.question import Input, Question, with_options
from archcalc.values import Remembering

DEVICES = ("auto", "cpu", "cuda", "meta")
"""Where a network is run. ``auto`` is ``meta``, and ``cuda`` or else ``cpu`` besides."""

MOST_MACS = 5 * 10**9
"""Multiply-accumulates of a forward pass up to which ``auto`` runs a network on the CPU."""

MOST_BYTES = 10**9
"""Bytes of a training step up to which ``auto`` runs a network on the CPU."""


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
    where a network does not take the input in training. Of an imported network the calls that
    archcalc doesn't know are run as their author makes them, named, and in no count. On
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
    for node in graph.nodes:
        require_built(node)
    analysis = analyze(graph, allow_unknown=True)
    trained = analyze(larger, training=not larger.untrainable, allow_unknown=True)
    runs: list[Run] = []
    skipped: dict[str, str] = {}
    for place in devices:
        drawn = Drawn(analysis, trained, place)
        # On meta a dtype changes nothing but the names of dtypes.
        for name in dtypes if place != "meta" else dtypes[:1]:
            why = _too_large(analysis, trained, place, name, chosen=device != "auto")
            if why.not_run:
                skipped[place if place == "cpu" else f"{place} {name}"] = why.not_run
                continue
            if why.not_trained:
                skipped[f"{place} {name}, training"] = why.not_trained
            try:
                run, not_trained = _run(
                    drawn, name, not why.not_trained, measure and place != "meta"
                )
                runs.append(run)
                if not_trained:
                    skipped[f"{place} {name}, training"] = f"PyTorch: {not_trained}"
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


def _run(drawn: Drawn, dtype: str, train: bool, measure: bool) -> tuple[Run, str]:
    """What came of it, and why it was not trained, if PyTorch can't."""
    import torch

    from archcalc.pytorch.running import free_threads, precision

    start = perf_counter()
    batch = next(iter(drawn.analysis.graph.inputs.values()))[0]
    found = Findings()
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
    run = Run(
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
    return run, found.not_trained
