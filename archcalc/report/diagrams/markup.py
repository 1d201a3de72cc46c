"""A diagram in the languages of Mermaid and Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as numbered

from archcalc.analysis.counted import Analysis
from archcalc.report.diagrams.picture import (
    Box,
    Picture,
    extents,
    frame_name,
    kinds,
    numbers,
    title,
)
from archcalc.report.diagrams.svg import COLORS


def _lines(box: Box) -> list[str]:
    if box.sign:
        return [" ".join(filter(None, (box.sign, box.about)))]
    return list(filter(None, (box.name, box.about, extents(box.shape), numbers(box))))


class _Names:
    """Gives boxes short names, and finds where the lines of frames begin and end."""

    def __init__(self) -> None:
        self.numbers = numbered()
        self.names: dict[int, str] = {}

    def of(self, box: Box) -> str:
        if id(box) not in self.names:
            self.names[id(box)] = f"n{next(self.numbers)}"
        return self.names[id(box)]

    def firsts(self, box: Box) -> list[Box]:
        """The boxes in a frame that take what comes into it; a box by itself."""
        if box.inside is None:
            return [box]
        taking = [b for a, b in box.inside.edges if a < 0 and b >= 0]
        return [each for k in taking for each in self.firsts(box.inside.boxes[k])]

    def lasts(self, box: Box) -> list[Box]:
        """The boxes in a frame whose outputs leave it; a box by itself."""
        if box.inside is None:
            return [box]
        giving = [a for a, b in box.inside.edges if b < 0 and a >= 0]
        return [each for k in giving for each in self.lasts(box.inside.boxes[k])]


def _edges(found: Picture, names: _Names) -> Iterator[tuple[str, str, bool]]:
    """Every line between boxes, those in frames too, and whether it is there in training only."""
    for a, b in found.edges:
        if a >= 0 and b >= 0:
            one, other = found.boxes[a], found.boxes[b]
            for source in names.lasts(one):
                for target in names.firsts(other):
                    yield names.of(source), names.of(target), source.training or target.training
    for box in found.boxes:
        if box.inside is not None:
            yield from _edges(box.inside, names)


def mermaid(found: Picture, analysis: Analysis) -> str:
    """The picture as a flowchart of Mermaid, which GitHub and many others draw."""
    names = _Names()
    heading = title(analysis.graph).replace('"', "'")
    out = [
        *("---", f'title: "{_unmarked(heading)}"'),
        # Mermaid would break a line between a number and what is counted.
        *("config:", "  flowchart:", "    wrappingWidth: 400"),
        *("---", "flowchart TD"),
    ]

    def boxes(part: Picture, indent: str) -> Iterator[str]:
        for box in part.boxes:
            name = names.of(box)
            if box.inside is not None:
                yield f'{indent}subgraph {name}["{_entities(frame_name(box))}"]'
                yield from boxes(box.inside, indent + "  ")
                yield f"{indent}end"
                yield f"{indent}class {name} frame"
                continue
            head, *rest = map(_entities, _lines(box))
            text = "<br/>".join([head if box.sign else f"<b>{head}</b>", *rest])
            left, right = ("((", "))") if box.sign else ("[[", "]]") if box.times > 1 else "[]"
            yield f'{indent}{name}{left}"{text}"{right}:::{box.kind}'

    out += boxes(found, "  ")
    out += [f"  {a} {'-.->' if dashed else '-->'} {b}" for a, b, dashed in _edges(found, names)]
    for kind in ("input", *kinds(found)):
        fill, stroke, *_ = COLORS[kind]
        out.append(f"  classDef {kind} fill:{fill},stroke:{stroke},color:#1b1f24")
    if any(box.inside is not None for box in found.boxes):
        out.append("  classDef frame fill:#f7f8fa,stroke:#c9d0d7,color:#1b1f24")
    return "\n".join(out) + "\n"


def _entities(text: str) -> str:
    """Text that Mermaid takes as text."""
    return "".join(f"#{ord(c)};" if c in '"<>&#`*_\\[]{}|' else c for c in text)


def _unmarked(text: str) -> str:
    return text.replace("\\", "/")


def dot(found: Picture, analysis: Analysis) -> str:
    """The picture in Graphviz's language."""
    names = _Names()
    out = [
        "digraph {",
        f"  graph [label={_quoted(title(analysis.graph))}, labelloc=t, fontsize=16,"
        ' fontname="Helvetica", nodesep=0.3, ranksep=0.35]',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11]',
        '  edge [color="#7a848f", arrowsize=0.7]',
    ]

    def boxes(part: Picture, indent: str) -> Iterator[str]:
        for box in part.boxes:
            name = names.of(box)
            if box.inside is not None:
                yield f"{indent}subgraph cluster_{name} {{"
                yield (
                    f"{indent}  graph [label={_quoted(frame_name(box))}, labelloc=t, labeljust=l, "
                    'fontsize=11, style="rounded,filled", color="#c9d0d7", fillcolor="#f7f8fa"]'
                )
                yield from boxes(box.inside, indent + "  ")
                yield f"{indent}}}"
                continue
            fill, stroke, *_ = COLORS[box.kind]
            looks = [f'fillcolor="{fill}"', f'color="{stroke}"']
            if box.sign:
                looks.append("shape=circle" if not box.about else "shape=ellipse")
                looks.append("margin=0.02")
            if box.times > 1:
                looks.append("peripheries=2")
            label = _quoted("\n".join(_lines(box)))
            yield f"{indent}{name} [label={label}, {', '.join(looks)}]"

    out += boxes(found, "  ")
    out += [
        f"  {a} -> {b}{' [style=dashed]' if dashed else ''}"
        for a, b, dashed in _edges(found, names)
    ]
    return "\n".join([*out, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
