"""``measure``: how long a network takes in PyTorch, and how much memory."""

from __future__ import annotations

import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archcalc.analysis.analyze import analyze
from archcalc.analysis.measured import Machine, Measurement
from archcalc.analysis.memory import memory
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike
from archcalc.pytorch.perform import require_torch
from archcalc.spec.question import Input, Question, with_options

if TYPE_CHECKING:
    import torch

SECONDS = 0.5
"""How long a network is run at least on a CPU."""

GPU_SECONDS = 0.2
"""On a GPU, where runs differ less."""

RUNS = 5
"""How often it is run at least."""


@with_options
def measure(
    network: NetworkLike,
    *,
    device: str = "auto",
    dtype: str = "float32",
    batch: int = 1,
    input: Input = None,
    **variables: Any,
) -> Measurement:
    """Run a network at inference, with random weights, and say what that takes.

    It is warmed up and then run for :data:`SECONDS` at least (:data:`GPU_SECONDS`), and
    :data:`RUNS` times. On a GPU CUDA's events tell the time between the beginning and the end of
    each run; on a CPU it is ``torch.utils.benchmark``'s, with all of PyTorch's threads. The peak
    of memory is what PyTorch's allocator gave out in a run, above what it had given out before,
    with weights, buffers and input.

    ``device`` is ``cpu``, ``cuda``, or ``auto``: the GPU, if there is one. ``dtype``, ``batch``,
    ``input`` and ``variables`` are as in :func:`archcalc.crosscheck`.

    Raises :class:`ArchcalcError` when PyTorch is not installed, or for a device that is not there,
    and what :func:`archcalc.load` and :func:`archcalc.expand` raise.

    ::

        >>> import archcalc
        >>> archcalc.measure("lenet5", device="cpu")  # doctest: +SKIP
        <Measurement float32, batch 1: 199 µs, 5.03 k inputs/s on AMD EPYC, 2 threads, ...>
    """
    require_torch()
    import torch

    from archcalc.pytorch.asked import PRECISIONS, SEED, graphs, require_known, stored_as
    from archcalc.pytorch.build import build
    from archcalc.pytorch.inputs import draw
    from archcalc.pytorch.running import precision, seeded

    require_known("device", device, ("auto", "cpu", "cuda"))
    require_known("dtype", dtype, PRECISIONS)
    gpu = torch.cuda.is_available()
    if device == "cuda" and not gpu:
        raise ArchcalcError("PyTorch finds no CUDA device here\n  --device cpu needs none")
    place = ("cuda" if gpu else "cpu") if device == "auto" else device
    graph, _ = graphs(network, Question(input, batch, variables))
    stored_in = stored_as(dtype)
    with warnings.catch_warnings(), seeded(SEED), precision(dtype), torch.inference_mode():
        warnings.simplefilter("ignore", UserWarning)  # which kernel is the faster one
        built = build(graph, device=place, dtype=stored_in).eval()
        inputs = draw(graph, device=place, dtype=stored_in)

        def once() -> None:
            built(*inputs)

        once()
        if place == "cuda":
            times = _on_gpu(once)
            worked: int | None = _gpu_peak(once)
        else:
            times = _on_cpu(once)
            worked = _cpu_peak(once)
        held = {id(t): t for t in (*built.parameters(), *built.buffers(), *inputs)}
        stored = sum(t.numel() * t.element_size() for t in held.values())
    seconds, spread, runs = times
    predicted = memory(graph, dtype)
    return Measurement(
        machine(place),
        dtype,
        next(iter(graph.inputs.values()))[0],
        runs,
        seconds,
        spread,
        analyze(graph).macs,
        None if worked is None else stored + worked,
        predicted.total,
    )


def machine(device: str) -> Machine:
    """This machine, for what runs on its CPU or GPU."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    version = str(torch.version.cuda or "") if device == "cuda" else ""
    return Machine(device, name, torch.get_num_threads(), torch.__version__, version)


def processor() -> str:
    """The CPU's name, as the operating system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


Times = tuple[float, float, int]
"""Median and interquartile range in seconds, and the number of runs."""


def _on_cpu(once: Callable[[], None]) -> Times:
    import torch
    from torch.utils.benchmark import Timer

    timer = Timer("once()", globals={"once": once}, num_threads=torch.get_num_threads())
    spent = max(SECONDS, RUNS * timer.timeit(1).median)
    while True:
        found = timer.blocked_autorange(min_run_time=spent)
        runs = len(found.times) * found.number_per_run
        if runs >= RUNS:
            return found.median, found.iqr, runs
        spent *= RUNS  # on a machine that is suddenly busy


def _on_gpu(once: Callable[[], None]) -> Times:
    from statistics import median, quantiles

    times = _events(once, RUNS)
    more = min(1000, int(GPU_SECONDS / max(median(times), 1e-6))) - RUNS
    if more > 0:  # what was run before them is warmed up better
        times = _events(once, more + RUNS)
    low, _, high = quantiles(times, n=4)
    return median(times), high - low, len(times)


def _events(once: Callable[[], None], runs: int) -> list[float]:
    import torch

    def event() -> torch.cuda.Event:
        return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # PyTorch's

    pairs = [(event(), event()) for _ in range(runs)]
    torch.cuda.synchronize()
    for start, end in pairs:
        start.record()
        once()
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) / 1000 for start, end in pairs]


def _gpu_peak(once: Callable[[], None]) -> int:
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    once()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _cpu_peak(once: Callable[[], None]) -> int | None:
    """Bytes that the allocator gave out and had not got back, at the most; None if it tells not."""
    from torch.autograd.profiler import profile

    with _quiet(), profile(profile_memory=True) as profiled:
        once()
    results = profiled.kineto_results
    if results is None:
        return None
    events = [event for event in results.events() if event.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most if events else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch's profiler writes to standard error, past Python, when it begins."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
