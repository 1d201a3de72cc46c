"""Memory over the layers, as a picture."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.memory import Memory
from archcalc.report.needs.memory import title
from archcalc.report.picture import COLORS, drawn, limit, note
from archcalc.report.units import print_bytes


def draw(memory: Memory, format: str = "svg", budget: int | None = None) -> bytes:
    """What is there while each layer runs, by what it is for, with the peak and the ``budget``, in
    bytes, marked.

    The same memory gives the same bytes. Raises :class:`ArchcalcError` as
    :func:`archcalc.report.picture.drawn` does.
    """
    return drawn(lambda axes: _fill(axes, memory, budget), format)


def _fill(axes: Any, memory: Memory, budget: int | None) -> None:
    moments = memory.moments
    places = range(len(moments) + 1)
    stored = {
        name: size
        for name, size in memory.parts.items()
        if name not in ("activations", "gradients") and size
    }
    parts: dict[str, list[float]] = {name: [size] * len(moments) for name, size in stored.items()}
    optimizer = [name for name in parts if name.startswith("optimizer: ")]
    if optimizer:
        columns = [parts.pop(name) for name in optimizer]
        parts["optimizer"] = [sum(each) for each in zip(*columns, strict=True)]
    if memory.gradients:
        parts["gradients"] = [m.gradients for m in moments]
    parts["activations"] = [m.activations for m in moments]
    below = [0.0] * len(moments)
    scale, unit = (1e9, "GB") if memory.most >= 1e10 else (1e6, "MB")
    for k, (name, sizes) in enumerate(parts.items()):
        above = [a + b / scale for a, b in zip(below, sizes, strict=True)]
        axes.fill_between(
            places,
            [*below, below[-1] if below else 0],
            [*above, above[-1] if above else 0],
            step="post",
            color=COLORS[k % len(COLORS)],
            alpha=0.75,
            linewidth=0,
            label=name,
        )
        below = above
    most = max(range(len(moments)), key=below.__getitem__, default=None)
    if most is not None:
        axes.plot([most + 0.5], [below[most]], "v", color="#222222", markersize=5)
        side = "right" if most > len(moments) / 2 else "left"
        text = f"{moments[most].layer}: {print_bytes(memory.most)}"
        note(axes, text, (most + 0.5, below[most]), (0, 6), ha=side)
    if memory.training is not None:
        turn = sum(not m.backward for m in moments)
        axes.axvline(turn, color="#888888", linewidth=0.8, linestyle=":")
        axes.set_xlabel("layers, forwards and then backwards")
    else:
        axes.set_xlabel("layers, as they run")
    axes.set_xlim(0, len(moments))
    highest = max(below, default=1)
    if budget is not None:
        limit(axes, budget / scale, across=True, text=f"{print_bytes(budget)} are there")
        highest = max(highest, 1.16 * budget / scale)  # below the legend
    axes.set_ylim(0, 1.12 * highest)
    axes.set_ylabel(unit)
    about = f"{title(memory)}, batch {memory.batch:,}, {memory.dtype}"
    axes.set_title(about, loc="left", fontsize=9, color="#555555")
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    shown = [name for name in reversed(parts) if name in named]
    axes.legend([named[name] for name in shown], shown, frameon=False, fontsize=8, loc="upper left")
