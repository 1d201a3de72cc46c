"""The command ``crosscheck``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from archcalc.cli.asked import Asked
from archcalc.cli.completion import networks, several, words
from archcalc.cli.options import NETWORKS, Frozen, Output, drawn, formats
from archcalc.cli.output import progress, publish, write
from archcalc.errors import ArchcalcError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from archcalc.pytorch.crosscheck import Crosscheck
    from archcalc.spec.model import Spec
    from archcalc.spec.question import Question


def crosscheck(
    *,
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE...",
            autocompletion=networks,
            help=NETWORKS,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option(help="All networks of the zoo.")] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="Compare with anybody's torch.nn.Module, or a function that makes one: "
            "package.module:name or file.py:name. This runs its code.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE",
            help="cpu, cuda or meta, where only shapes are computed. auto is meta, and then a GPU "
            "if there is one, or the CPU for what is small enough.",
            autocompletion=words("auto", "cpu", "cuda", "meta"),
        ),
    ] = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="float64, float32, tf32, bfloat16 or float16, or several of them. float32, "
            "unless a GPU is measured: then float32,tf32,bfloat16.",
            autocompletion=several(words("float64", "float32", "tf32", "bfloat16", "float16")),
        ),
    ] = None,
    asked: Asked,
    frozen: Frozen = None,
    measure: Annotated[bool, typer.Option(help="Measure time and memory, too.")] = False,
    plot: Annotated[str | None, drawn("the measured time against multiply-accumulates")] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Begin with no further network after 8m, 90s or 1h, and say which were left out.",
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Run N networks at once, in processes. What is measured is measured alone.",
            min=1,
            max=256,
        ),
    ] = 1,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Keep what comes of each network as it comes, a line of JSON each.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(help="Go on with a record: what is in it is not run again."),
    ] = False,
    format: Annotated[str, formats("table", "markdown", "json", "junit (test reports)")] = "table",
    output: Output = None,
) -> None:
    """Build networks in PyTorch, run them, and compare everything.

    Of every layer the shape of its output, its parameters and buffers by name, and its
    multiply-accumulates; then one pass forward and back, in which every parameter has to get a
    finite gradient. Exits with 1 if anything differs. --all goes from small to large networks;
    whoever interrupts it gets what it has so far.

    With --against, the spec is compared with a module that somebody else wrote: what uses weights
    or multiplies has to be the same and connected in the same way, whatever it is called.

    \b
    Examples:
      archcalc crosscheck resnet50
      archcalc crosscheck --all --device meta
      archcalc crosscheck --all --limit 8m --record run.jsonl
      archcalc crosscheck resnet18 --against torchvision.models:resnet18
    """
    import archcalc
    from archcalc.cli.arguments import parse_duration
    from archcalc.pytorch import require_torch
    from archcalc.report.choice import choose
    from archcalc.report.runs import against as opposed
    from archcalc.report.runs import crosscheck as report
    from archcalc.report.runs.record import Record
    from archcalc.spec import zoo

    require_torch()
    if bool(networks) == all_:
        raise ArchcalcError("name networks, or say --all")
    dtypes = _dtypes(dtype, measure and device == "cuda")
    if against is not None:
        if all_ or len(networks or ()) != 1 or measure or plot or dtype is not None:
            raise ArchcalcError("--against compares one network, in float32, and measures nothing")
        choose("format with --against", format, opposed.FORMATS)
        if frozen:
            raise ArchcalcError("--against compares no training: leave --frozen out")
        told = asked.of(archcalc.against).keywords
        other = archcalc.against((networks or [])[0], against, device=device, **told)
        publish(opposed, other, format, output)
        if not other.ok:
            raise typer.Exit(1)
        return
    picture = _picture(plot, measure)
    seconds = parse_duration(limit, "--limit") if limit is not None else None
    if resume and record is None:
        raise ArchcalcError("--resume goes on with a record: --record FILE")
    names = list(networks or [])
    if all_:  # from small to large, so that little time comes to many
        sizes = _sizes()
        names = sorted(zoo.names(), key=lambda name: sizes.get(name, 0))
    question = _Run(
        device, dtypes, asked.input or [], tuple(frozen or ()), asked.of(archcalc.crosscheck)
    )
    told = {
        "device": device,
        "dtype": dtypes,
        "batch": asked.batch,
        "input": asked.input,
        "set": question.asked.variables,
        **({"frozen": frozen} if frozen else {}),
        "measure": measure,
    }
    kept = Record(Path(record), told, resume) if record is not None else None
    until = inf if seconds is None else monotonic() + seconds
    done = dict(kept.found) if kept is not None else {}
    waiting = [name for name in names if name not in done]
    interrupted = False
    try:
        for name, each in _watched(_run(waiting, question, measure, jobs, until), len(waiting)):
            done[name] = each
            if kept is not None:
                kept.add(name, each)
    except KeyboardInterrupt:
        interrupted = True
    found = [done[name] for name in names if name in done]
    left_out = [name for name in names if name not in done]
    if picture is not None:
        from archcalc.report.runs.timing import draw

        write(draw(found, picture.suffix[1:].lower()), picture)
    drawn_in = picture.name if picture is not None else ""
    publish(report, found, format, output, drawn_in, left_out)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not all(each.ok for each in found):
        raise typer.Exit(1)


class _Run(NamedTuple):
    """What every network is asked, as another process can be told it."""

    device: str
    dtypes: tuple[str, ...]
    inputs: list[str]
    frozen: tuple[str, ...]
    asked: Question

    def network(self, name: str) -> str | Spec:
        import archcalc
        from archcalc.cli.arguments import addressed

        address = addressed(name, self.inputs)
        return archcalc.freeze(archcalc.load(address), *self.frozen) if self.frozen else address


def _one(name: str, question: _Run, measure: bool = False) -> Crosscheck:
    import archcalc

    how: dict[str, Any] = {"device": question.device, "dtype": question.dtypes, "measure": measure}
    return archcalc.crosscheck(question.network(name), **how, **question.asked.keywords)


def _run(
    names: Sequence[str], question: _Run, measure: bool, jobs: int, until: float
) -> Iterator[tuple[str, Crosscheck]]:
    """What comes of the networks, one after the other, as long as there is time.

    Processes run some at once; what is measured is measured afterwards, when nothing else runs.
    The largest have the machine for themselves.
    """
    from archcalc.pytorch.drawn import MOST_COMPARED_MACS

    sizes = _sizes()
    alone = [name for name in names if jobs == 1 or sizes.get(name, 0) > MOST_COMPARED_MACS]
    together = [name for name in names if name not in set(alone)]
    if together:
        with _processes(jobs) as pool:
            for start in range(0, len(together), 4 * jobs):
                if monotonic() >= until:
                    return
                some = together[start : start + 4 * jobs]
                results = list(pool.map(_one, some, repeat(question)))
                for name, each in zip(some, results, strict=True):
                    yield name, _measured(name, each, question) if measure else each
    for name in alone:
        if monotonic() >= until:
            return
        yield name, _one(name, question, measure)


def _measured(name: str, found: Crosscheck, question: _Run) -> Crosscheck:
    import archcalc

    network, told = question.network(name), question.asked.keywords
    runs = [
        run
        if run.device == "meta"
        else replace(
            run,
            measured=archcalc.measure(network, device=run.device, dtype=run.dtype, **told),
        )
        for run in found.runs
    ]
    return replace(found, runs=tuple(runs))


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A process that has used a GPU can't be forked.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (jobs,))
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool:
        raise ArchcalcError(
            "a process that ran a network was ended: mostly for want of memory\n"
            "  with fewer --jobs each has more of it"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(jobs: int) -> None:
    """Leave interruptions to the first process, and processors to the others."""
    import signal

    from archcalc.pytorch.running import share_processors

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    share_processors(jobs)


INTERRUPTED = 130
"""The exit code of a program that SIGINT ends, as shells give it: 128 + SIGINT."""


def _sizes() -> dict[str, int]:
    """Multiply-accumulates of the networks of the zoo."""
    import archcalc

    return {network.name: network.macs for network in archcalc.list()}


def _picture(plot: str | None, measure: bool) -> Path | None:
    """Where a picture goes: told before anything is run."""
    from archcalc.report.picture import picture_at

    if plot is None:
        return None
    path, _ = picture_at(plot)
    if not measure:
        raise ArchcalcError("--plot draws what is measured: --measure")
    return path


def _dtypes(text: str | None, gpu: bool) -> tuple[str, ...]:
    if text is None:
        return ("float32", "tf32", "bfloat16") if gpu else ("float32",)
    return tuple(name.strip() for name in text.split(","))


def _watched(
    found: Iterator[tuple[str, Crosscheck]], count: int
) -> Iterator[tuple[str, Crosscheck]]:
    """What is found, as it comes; a terminal shows how far it is."""
    with progress(count, 2) as told:
        for done, (name, each) in enumerate(found, 1):
            if told is not None:
                told(done, name)
            yield name, each
