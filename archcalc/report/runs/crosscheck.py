"""What came of running networks in PyTorch, for people, for CI and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archcalc.analysis.measured import Measurement
from archcalc.document import Document
from archcalc.document.data import Case, junit
from archcalc.document.model import (
    Block,
    Cell,
    Head,
    Heading,
    Items,
    Picture,
    Prose,
    Styled,
    many,
    number,
    table,
)
from archcalc.pytorch.compared import Difference
from archcalc.pytorch.crosscheck import Crosscheck, Run
from archcalc.report.rendering import renderer
from archcalc.report.runs.measured import COLUMNS
from archcalc.report.runs.measured import as_data as data_of

WHAT: Mapping[str, str] = {
    "shape": "output shape",
    "weights": "parameters",
    "buffers": "buffers",
    "tied": "tied tensor",
    "macs": "MACs",
    "params": "parameters in all",
    "executed": "whether it runs",
    "gradient": "gradient",
    "finite": "numbers",
    "values": "distance to the CPU's output",
    "run": "running it",
}
"""Kinds of differences as they are printed."""


def verdict(found: Crosscheck) -> str:
    """``agrees``, ``differs``, or ``not run`` where every device was passed over."""
    if not found.runs:
        return "not run"
    return "agrees" if found.ok else "differs"


def summary(found: Sequence[Crosscheck]) -> str:
    """``40 networks agree with PyTorch``, and what does not."""
    agreeing = sum(each.ok for each in found)
    parts = [f"{many(agreeing, 'network')} agree{'s' if agreeing == 1 else ''} with PyTorch"]
    for word in ("differs", "not run"):
        those = [each.name for each in found if verdict(each) == word]
        if those:
            parts.append(f"{many(len(those), 'network')} {word}")
    return "; ".join(parts)


def _places(found: Crosscheck) -> str:
    """``meta, cpu``; a dtype other than float32 stands beside its device."""
    return ", ".join(
        run.device
        if run.dtype == "float32" or run.device == "meta"
        else f"{run.device} {run.dtype}"
        for run in found.runs
    )


def document(
    found: Sequence[Crosscheck], picture: str = "", left_out: Sequence[str] = ()
) -> Document:
    """A line for each network, then every difference, and what was measured.

    ``picture`` is the file in which that is drawn; ``left_out`` are the networks that were asked
    for and not come to.
    """
    rows = [
        (
            each.name,
            _places(each),
            each.counts.layers,
            each.counts.params,
            each.counts.macs,
            Styled(verdict(each), "good" if verdict(each) == "agrees" else "bad"),
        )
        for each in found
    ]
    about = "every layer as PyTorch runs it: shapes, parameters, buffers, MACs, gradients"
    blocks: list[Block] = [
        Prose(about, "about"),
        table(NETWORKS, rows, narrow=("layers", "device")),
        Items.of([*_notes(found), *_missing(left_out), summary(found)]),
    ]
    different = list(_differences(found))
    if different:
        blocks += [Heading("Differences"), table(DIFFERENCES, different, narrow=("op",))]
    measured = [run.measured for each in found for run in each.runs if run.measured]
    if measured:
        machines = dict.fromkeys(str(each.machine) for each in measured)
        about = (
            "time of a batch at inference: median and interquartile range; memory allocated at the "
            "peak beside the weights and live activations that archcalc predicts"
        )
        times = table(MEASURED, _measured(found), narrow=DROPPED_FIRST)
        compared = any(run.error is not None for each in found for run in each.runs)
        blocks += [
            Heading(f"Measured on {'; '.join(machines)}"),
            Prose(about, "about"),
            times if compared else times.drop("distance"),
        ]
    drawn = Picture("Time against multiply-accumulates", picture) if picture else None
    return Document.of(*blocks, drawn)


def _missing(left_out: Sequence[str]) -> Iterator[str]:
    if left_out:
        yield f"{many(len(left_out), 'network')} left out: {', '.join(left_out)}"


NETWORKS = (
    Head("network", "network"),
    Head("device", "device"),
    Head("layers", "layers", True),
    Head("params", "params", True),
    Head("macs", "MACs", True),
    Head("verdict", "verdict"),
)

DIFFERENCES = (
    Head("network", "network"),
    Head("layer", "layer"),
    Head("op", "operator"),
    Head("what", "what"),
    Head("archcalc", "archcalc", wraps=True),
    Head("pytorch", "PyTorch", wraps=True),
)


def _differences(found: Sequence[Crosscheck]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        for difference in each.differences:
            yield (
                each.name,
                difference.layer,
                difference.op,
                WHAT[difference.what],
                said(difference.ours),
                said(difference.torchs),
            )


def said(value: Any) -> str:
    """A shape, tensors by name, a number or text, as it is printed beside another."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(shape)}" for name, shape in value.items()) or "none"
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2g}"
    return number(value)


def _notes(found: Sequence[Crosscheck]) -> Iterator[str]:
    for device in dict.fromkeys(device for each in found for device in each.skipped):
        those = [
            f"{each.name} ({each.skipped[device]})" for each in found if device in each.skipped
        ]
        yield f"not run on {device}: {', '.join(those)}"
    for each in found:
        if each.counts.unknown:
            yield (
                f"{each.name}: unknown operators, run as their author calls them and in no count, "
                f"so that the MACs are at least these: {', '.join(each.counts.unknown)}"
            )
        layers = {
            layer.layer: f"{layer.layer} ({', '.join(layer.operations)})"
            for run in each.runs
            for layer in run.not_counted
        }
        if layers:
            yield f"{each.name}: MACs not counted by PyTorch, in {', '.join(layers.values())}"
        silent = dict.fromkeys(name for run in each.runs for name in run.without_gradient)
        if silent:
            yield f"{each.name}: no gradient reaches {', '.join(silent)}, as the graph says"


MEASURED = (
    Head("network", "network"),
    Head("device", "device"),
    Head("dtype", "dtype"),
    Head("batch", "batch", True),
    Head("macs", "MACs", True),
    *(Head(name, shown.header, True) for name, shown in COLUMNS.items()),
    Head("distance", "distance", True),
)
"""The columns of measurements; the distance is that of the output to the CPU's in float32."""

DROPPED_FIRST = ("batch", "predicted", "dtype", "spread", "macs")
"""The columns that a narrow terminal goes without, in this order."""


def _measured(found: Sequence[Crosscheck]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        for run in each.runs:
            if run.measured:
                yield (each.name, run.device, *cells(run.measured), _distance(run))


def _distance(run: Run) -> str:
    return "" if run.error is None else f"{run.error:.1e}"


def cells(measured: Measurement) -> tuple[Cell, ...]:
    """A measurement as it is printed, from its dtype on."""
    numbers = (shown.show(measured) for shown in COLUMNS.values())
    return measured.dtype, measured.batch, measured.macs, *numbers


FORMATS = ("table", "markdown", "json", "junit")
"""The forms the outcome takes."""


def _data(
    found: Sequence[Crosscheck], picture: str = "", left_out: Sequence[str] = ()
) -> dict[str, Any]:
    networks = [as_data(each) for each in found]
    ok = all(each.ok for each in found)
    return {"ok": ok, "networks": networks, "left_out": list(left_out)}


def as_data(found: Crosscheck) -> dict[str, Any]:
    """What came of a network as JSON holds it."""
    return {
        "name": found.name,
        "ok": found.ok,
        "layers": found.counts.layers,
        "params": found.counts.params,
        "buffers": found.counts.buffers,
        "macs": found.counts.macs,
        "unknown": list(found.counts.unknown),
        "runs": [
            {
                "device": run.device,
                "dtype": run.dtype,
                "batch": run.batch,
                "differences": [_plain(difference) for difference in run.differences],
                "not_counted": [
                    {"layer": each.layer, "op": each.op, "operations": list(each.operations)}
                    for each in run.not_counted
                ],
                "without_gradient": list(run.without_gradient),
                "distance": run.error,
                "layer_distance": run.layer_error,
                "seconds": round(run.seconds, 3),
                "measured": None if run.measured is None else data_of(run.measured),
            }
            for run in found.runs
        ],
        "skipped": dict(found.skipped),
    }


def _plain(difference: Difference) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(item) for name, item in value.items()}
        if isinstance(value, tuple):
            return list(value)
        return value if isinstance(value, (bool, int, float)) else str(value)

    return {
        "layer": difference.layer or None,
        "op": difference.op or None,
        "what": difference.what,
        "archcalc": plain(difference.ours),
        "pytorch": plain(difference.torchs),
    }


def _junit(found: Sequence[Crosscheck], picture: str = "", left_out: Sequence[str] = ()) -> str:
    """A case for every network, device and dtype."""
    cases = [case for each in found for case in _cases(each)]
    cases += [Case(name, name, "skipped", "left out") for name in left_out]
    return junit({"crosscheck": cases})


def _cases(each: Crosscheck) -> Iterator[Case]:
    for run in each.runs:
        text = "; ".join(map(_sentence, run.differences))
        name = f"{each.name} on {run.device} in {run.dtype}"
        yield Case(name, each.name, "failure" if text else "", text)
    for device, why in each.skipped.items():
        yield Case(f"{each.name} on {device}", each.name, "skipped", why)


def _sentence(difference: Difference) -> str:
    place = f"{difference.layer}: " if difference.layer else ""
    ours, theirs = said(difference.ours), said(difference.torchs)
    return f"{place}{WHAT[difference.what]} {ours}, and {theirs} in PyTorch"


render = renderer(document, FORMATS, json=_data, junit=_junit)
"""Networks that were run, in one of ``FORMATS``."""
