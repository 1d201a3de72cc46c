"""The command ``memory``."""

from typing import Annotated

import typer

from archcalc.cli.asked import Asked, Stored
from archcalc.cli.completion import known, words
from archcalc.cli.options import (
    DTYPE,
    AllowUnknown,
    Frozen,
    Kept,
    NetworkName,
    Output,
    drawn,
    formats,
)
from archcalc.cli.output import publish, write
from archcalc.errors import ArchcalcError


def memory(
    *,
    network: NetworkName,
    dtype: Annotated[str | None, DTYPE] = None,
    stored: Stored,
    cache: Kept = None,
    asked: Asked,
    frozen: Frozen = None,
    training: Annotated[
        bool,
        typer.Option(
            help="Count gradients, the optimizer's states and what is kept for the backward pass.",
        ),
    ] = False,
    optimizer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="sgd, momentum, adagrad, rmsprop, rmsprop-momentum, adadelta, adam, adamw, "
            "amsgrad, adamax, nadam, radam, asgd, rprop, adafactor or lion.",
            autocompletion=known("analysis.optimizers:OPTIMIZERS"),
        ),
    ] = "sgd",
    master: Annotated[
        bool,
        typer.Option(
            help="The optimizer has float32 copies of the 16-bit weights, and float32 states. The "
            "dtype is bfloat16 then, unless another is said.",
        ),
    ] = False,
    autocast: Annotated[
        bool,
        typer.Option(
            help="Products in 16 bits, with copies of the float32 weights, as torch.autocast on a "
            "GPU.",
        ),
    ] = False,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="Run parts of the network again in the backward pass instead of keeping what is "
            "in them: stages (outermost blocks), blocks (repetitions), or a number of parts, cut "
            "between blocks where least is kept.",
            autocompletion=words("stages", "blocks"),
        ),
    ] = None,
    micro_batches: Annotated[
        int, typer.Option(metavar="N", help="Divide the batch, and sum up the gradients.", min=1)
    ] = 1,
    zero: Annotated[
        int,
        typer.Option(
            metavar="STAGE",
            help="ZeRO: share the optimizer's states (1), gradients too (2), weights too (3).",
            min=0,
            max=3,
        ),
    ] = 0,
    devices: Annotated[
        int, typer.Option(metavar="N", help="Among how many devices ZeRO shares.", min=1)
    ] = 1,
    fused: Annotated[
        bool,
        typer.Option(
            help="Attention keeps what fused kernels do (FlashAttention), not its scores.",
        ),
    ] = False,
    allow_unknown: AllowUnknown = False,
    fits: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES",
            help="Find the largest batch that fits: 24GB is 24 x 10^9 bytes, 24GiB 24 x 2^30.",
        ),
    ] = None,
    plot: Annotated[str | None, drawn("what is there while each layer runs")] = None,
    format: Annotated[
        str,
        formats(
            "table",
            "markdown",
            "csv (a line a layer as it runs)",
            "json",
            "latex",
            "siunitx",
            "html",
        ),
    ] = "table",
    output: Output = None,
) -> None:
    """Say what a network takes in memory, at inference or training.

    Bytes by what they are for, the tensors that are there at the peak, and what is not counted.
    With --fits, the largest batch for which there is room, what the next one lacks, and how large
    it is with one thing changed.

    \b
    Examples:
      archcalc memory resnet50 --batch 32
      archcalc memory resnet50 --training --optimizer adam --fits 24GB
      archcalc memory gpt2 --training --optimizer adamw --checkpoint blocks
    """
    import archcalc
    from archcalc.analysis.batches import Fits
    from archcalc.analysis.batches import fits as fitting
    from archcalc.analysis.memory import Memory, held
    from archcalc.analysis.training import Training
    from archcalc.cli.arguments import addressed, parse_bytes
    from archcalc.report.choice import choose
    from archcalc.report.needs import memory as report
    from archcalc.report.picture import picture_at
    from archcalc.spec.bits import BYTES

    usual = "bfloat16" if master else "float32"
    formats = stored.in_(usual if dtype is None else choose("dtype", dtype, BYTES), cache)
    parts = _parts(checkpoint)
    how = Training(optimizer, master, parts, micro_batches, zero, devices, fused, autocast)
    if how.said and not training:
        raise ArchcalcError(f"--{how.said.replace('_', '-')}: is for --training")
    picture = picture_at(plot) if plot is not None else None
    budget = parse_bytes("--fits", fits) if fits is not None else None
    if budget is not None and asked.batch != 1:
        raise ArchcalcError("--fits finds the batch: leave out --batch")
    spec = archcalc.load(addressed(network, asked.input), allow_unknown=allow_unknown)
    spec = archcalc.freeze(spec, *(frozen or ()))
    question = asked.of(archcalc.memory)._replace(allow_unknown=allow_unknown, formats=formats)
    trained = how if training else None
    found: Memory | Fits = (
        held(spec, question, trained)
        if budget is None
        else fitting(spec, budget, question, trained)
    )
    if picture is not None:
        from archcalc.report.needs.timeline import draw

        shown = (found.memory or found.beyond) if isinstance(found, Fits) else found
        write(draw(shown, picture[1], budget), picture[0])
    publish(report, found, format, output)


def _parts(checkpoint: str | None) -> str | int | None:
    if checkpoint is None or not checkpoint.isdecimal():
        return checkpoint
    if len(checkpoint) > 6:
        raise ArchcalcError(f"--checkpoint {checkpoint}: is no number of parts")
    return int(checkpoint)
