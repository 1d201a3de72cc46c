"""A design space as a table of its choices, and configurations of it as they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from archcalc.document import Document
from archcalc.document.data import dumps, versioned
from archcalc.document.model import Head, Heading, Items, Prose, table
from archcalc.report.rendering import renderer
from archcalc.space.design import Space
from archcalc.spec.space import Each, Places, Range

FORMATS = ("table", "markdown", "latex", "siunitx", "html", "json")
"""The forms of a space."""

SHOWN = 12
"""The most choices that are named in a cell."""


def document(space: Space, points: Sequence[Mapping[str, Any]] | None = None) -> Document:
    """What each variable may be, or some configurations."""
    if points is not None:
        heads = [Head(name, name) for name in space.variables]
        rows = [[_cell(point[name]) for name in space.variables] for point in points]
        return Document.of(
            Heading(f"{_headed(space)}, of which {len(points):,}"), table(heads, rows)
        )
    declared = space.declared
    rows = [[n, _said(choices), _counted(space, n)] for n, choices in declared.vars.items()]
    heads = [Head("name", "variable"), Head("choices", "choices"), Head("each", "values", True)]
    notes = [f"where {text.removeprefix('=')}" for text in declared.where]
    if not space.exact:
        asked = ", ".join(text.removeprefix("=") for text in space.states.apart)
        notes.append(
            f"at most: {asked} asks for whole lists of too many forms to be counted, and is asked "
            "of each configuration that is drawn"
        )
    helping = [name for name in declared.vars if name not in space.variables]
    if helping:
        notes.append(f"no variable of the network, for others: {', '.join(helping)}")
    title = declared.title or space.network.title
    return Document.of(
        Heading(_headed(space)),
        Prose(title, "about") if title else None,
        table(heads, rows),
        Items.of(notes),
    )


def _headed(space: Space) -> str:
    most = "" if space.exact else "at most "
    return f"{space.network.label}: {most}{space.size:,} configuration{'s' * (space.size != 1)}"


def _counted(space: Space, name: str) -> str:
    """How many values a variable has at each place."""
    steps = [k for k, step in enumerate(space.states.steps) if step.variable == name]
    counts = [len(space.states.values[k]) for k in steps if space.states.steps[k].place != -1]
    if not counts:
        return "1"
    if space.states.steps[steps[-1]].place is None:
        return f"{counts[0]:,}"
    lengths = [space.states.values[k] for k in steps if space.states.steps[k].place == -1]
    times = f"{min(lengths[0])} to {max(lengths[0])}" if lengths else f"{len(counts)}"
    each = f"{counts[0]:,}" if len({*counts}) == 1 else f"{min(counts):,} to {max(counts):,}"
    return f"{each} at {times} places"


def _said(choices: Any) -> str:
    if isinstance(choices, Range):
        step = "" if choices.step == 1 else f" in steps of {_cell(choices.step)}"
        return f"{_cell(choices.from_)} to {_cell(choices.to)}{step}"
    if isinstance(choices, Each):
        times = choices.times
        often = " or ".join(map(_cell, times)) if isinstance(times, list) else _cell(times)
        return f"a list, {often} times: {_said(choices.each)}"
    if isinstance(choices, Places):
        return "a list: " + "; ".join(map(_said, choices.places))
    if isinstance(choices, list):
        few = [_cell(each) for each in choices[:SHOWN]]
        return ", ".join(few) + (f", ... ({len(choices):,})" if len(choices) > SHOWN else "")
    return _cell(choices)


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_cell, value))}]"
    if isinstance(value, bool) or value is None:
        return dumps(value)
    return str(value).removeprefix("=") if isinstance(value, str) else f"{value}"


def as_json(space: Space, points: Iterable[Mapping[str, Any]] | None = None) -> str:
    """What is declared and how large it is, or configurations, one a line."""
    if points is not None:
        return "".join(f"{dumps(point)}\n" for point in points)
    data = {
        "network": space.network.label,
        "configurations": space.size,
        "exact": space.exact,
        "space": space.declared.model_dump(by_alias=True),
    }
    return versioned(data)


render = renderer(document, FORMATS, json=as_json)
"""A space, or configurations of it, in one of ``FORMATS``."""
