"""A diagram as SVG, drawn without help: no program to install, and files that stay small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from archcalc.analysis.counted import Analysis
from archcalc.report.diagrams.layered import Cell, Layout, Point, lay_out
from archcalc.report.diagrams.picture import (
    KINDS,
    Box,
    Picture,
    count,
    extents,
    frame_name,
    kinds,
    numbers,
    title,
)

MARGIN = 20
HEAD = 14
"""What a frame has at its top for its name where lines would pass it."""

PAD = 14
"""Around what is in a frame."""

COLORS: dict[str, tuple[str, str, str, str]] = {
    "input": ("#f1f3f5", "#868e96", "#2b2f34", "#868e96"),
    "conv": ("#dceafb", "#3b7dc4", "#17304d", "#5a9ae0"),
    "linear": ("#dcf2e1", "#2f9150", "#15361f", "#4fb873"),
    "attention": ("#ecdffa", "#8350bf", "#301c49", "#a77be0"),
    "recurrent": ("#d8f1f1", "#22898d", "#0f3637", "#46b4b8"),
    "pooling": ("#fde6d3", "#cf6f1d", "#43260d", "#e8924a"),
    "normalization": ("#fbf2c6", "#b08a0c", "#3a3009", "#d4b13a"),
    "activation": ("#fbdfe4", "#c8455f", "#431820", "#e5748b"),
    "join": ("#e3e6ea", "#5d6873", "#363c43", "#9aa5b1"),
    "other": ("#eef0f2", "#868e96", "#2b2f34", "#868e96"),
}
"""Kind -> fill and stroke on a light ground, fill and stroke on a dark one."""

_LIGHT = {
    "ground": "#ffffff",
    "ink": "#1b1f24",
    "soft": "#5b6570",
    "line": "#7a848f",
    "frame": "#f7f8fa",
    "edge": "#c9d0d7",
}
_DARK = {
    "ground": "#15181c",
    "ink": "#e8eaed",
    "soft": "#a3acb6",
    "line": "#8b96a1",
    "frame": "#1c2025",
    "edge": "#414951",
}

# Widths of Helvetica's characters in thousandths of the font size, rounded up, as sans-serif
# fonts are much alike; of all others that of a digit.
_NARROW = {**dict.fromkeys("ijl.,:;|'!It()[]f· ", 300), **dict.fromkeys("mwMW@", 900)}


BOLD = 1.13
"""How much wider bold text is."""


def width(text: str, size: float) -> float:
    """About how wide a text is."""
    capital = sum(char.isupper() for char in text)
    return (sum(_NARROW.get(char, 600) for char in text) + 90 * capital) / 1000 * size


def svg(found: Picture, analysis: Analysis, linked: bool = False) -> str:
    """The picture with a heading and a legend, on a ground that is light or dark.

    ``linked`` gives what is drawn of a layer or block its name, as ``data-layer``.
    """
    graph = analysis.graph
    sizes = _Sizes(found, linked)
    body: list[str] = []
    layout = lay_out([_cell(box, sizes) for box in found.boxes], found.edges)
    legend = kinds(found)
    about = _about(analysis)
    heading = title(graph)
    entries = [(kind, KINDS[kind]) for kind in legend]
    if any(box.training for box in found.boxes):
        entries.append(("other t", "in training only"))
    wide = max(layout.width, width(heading, 16) * BOLD, width(about, 12), 200)
    wide = max(layout.width, min(wide, 720))
    lines = _wrapped(heading, 16 * BOLD, wide)
    top = MARGIN + 22 * len(lines) + 20
    rows: list[list[tuple[str, str, float]]] = [[]]
    for look, words in entries:
        room = width(words, 11) + 34
        if rows[-1] and sum(w for *_, w in rows[-1]) + room > wide:
            rows.append([])
        rows[-1].append((look, words, room))
    ground = top + 20 * len(rows) + 14
    total_width = wide + 2 * MARGIN
    total_height = ground + layout.height + MARGIN
    for k, line in enumerate(lines):
        body.append(_text(MARGIN, MARGIN + 16 + 22 * k, line, "h"))
    abouts = _wrapped(about, 12, wide)
    body.append(_text(MARGIN, top - 8, abouts[0], "a"))
    for k, row in enumerate(rows):
        x = float(MARGIN)
        for look, words, room in row:
            y = top + 8 + 20 * k
            body.append(_rect(x, y, 14, 12, look, 3))
            body.append(_text(x + 19, y + 10, words, "a s"))
            x += room
    body.append(f'<g transform="translate({_n(MARGIN + (wide - layout.width) / 2)} {_n(ground)})">')
    body += _draw(found, layout, sizes)
    body.append("</g>")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(total_width)} '
            f'{_n(total_height)}" width="{_n(total_width)}" height="{_n(total_height)}" '
            f'role="img" aria-label="{escape(heading)}">',
            f"<style>{_style(legend)}</style>",
            '<defs><marker id="e" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path class="m" d="M0 .8 8 4 0 7.2z"/></marker></defs>',
            f'<rect class="ground" width="{_n(total_width)}" height="{_n(total_height)}" rx="8"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _about(analysis: Analysis) -> str:
    shapes = ", ".join(extents(shape) for shape in analysis.graph.inputs.values())
    return (
        f"input {shapes}; {count(analysis.params)} parameters, "
        f"{count(analysis.macs)} multiply-accumulates"
    )


def _wrapped(text: str, size: float, room: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, size) > room and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


class _Sizes:
    """How wide boxes are: where all stand below one another, all alike."""

    def __init__(self, found: Picture, linked: bool) -> None:
        self.linked = linked
        boxes = [box for box in found.boxes if box.inside is None and not box.sign]
        self.inner: dict[int, tuple[Layout, float]] = {}
        """By frame, the layout of what is in it, and how far that is from the left edge."""
        self.compact = any(box.inside is not None for box in found.boxes) or _abreast(found)
        self.left = max((_left(box) for box in boxes), default=0)
        self.right = max((_right(box) for box in boxes), default=0)

    def size(self, box: Box) -> tuple[float, float]:
        if box.sign:
            beside = width(box.about, 11)
            return 26 + (2 * beside + 12 if beside else 0), 26
        if self.compact or box.kind == "input":
            lines = _lines(box)
            wide = max(width(text, size) for text, _, size in lines) + 24
            return max(wide, 84), 10 + 15 * len(lines)
        return self.left + self.right + 56, 44


def _abreast(found: Picture) -> bool:
    """Whether boxes stand side by side: each has then little room."""
    outs: dict[int, int] = {}
    ins: dict[int, int] = {}
    for a, b in found.edges:
        outs[a] = outs.get(a, 0) + 1
        ins[b] = ins.get(b, 0) + 1
    return max(outs.values(), default=1) > 2 or sum(n > 1 for n in ins.values()) > 2


def _left(box: Box) -> float:
    return max(width(box.name, 13) * BOLD, width(box.about, 11))


def _right(box: Box) -> float:
    return max(width(extents(box.shape), 12), width(numbers(box), 11))


def _lines(box: Box) -> list[tuple[str, str, float]]:
    """The lines of a narrow box: text, look and size."""
    lines = [(box.name, "n", 13 * BOLD)]
    if box.about:
        lines.append((box.about, "a s", 11))
    lines.append((extents(box.shape), "s", 11))
    if numbers(box):
        lines.append((numbers(box), "a s", 11))
    return lines


def _cell(box: Box, sizes: _Sizes) -> Cell:
    if box.inside is None:
        wide, high = sizes.size(box)
        return Cell(wide, high, wide / 2, wide / 2)
    # A frame: lines come in through a point at its top and leave through one at its bottom.
    inside = box.inside
    end = len(inside.boxes) + 1
    cells = [Cell(2, 0, 1, 1), *(_cell(each, sizes) for each in inside.boxes), Cell(2, 0, 1, 1)]
    edges = [(a + 1, end if b < 0 else b + 1) for a, b in inside.edges]
    inner = lay_out(cells, edges)
    label = width(frame_name(box), 12) + PAD + 10
    if any(points[-1][0] < label for (a, _), points in inner.lines.items() if a == 0):
        # Lines that turn to the left turn below the name.
        cells[0].height = HEAD
        inner = lay_out(cells, edges)
    entry, leave = cells[0].top[0] + PAD, cells[-1].top[0] + PAD
    # Lines come in beside the name and not through it.
    shift = PAD + max(label - entry, 0)
    sizes.inner[id(box)] = inner, shift
    wide = inner.width + shift + PAD
    return Cell(wide, inner.height, entry + shift - PAD, leave + shift - PAD)


def _draw(found: Picture, layout: Layout, sizes: _Sizes) -> Iterator[str]:
    """Lines first, so that boxes lie on them."""
    frames = {k for k, box in enumerate(found.boxes) if box.inside is not None}
    for (a, b), points in layout.lines.items():
        dashed = found.boxes[a].training or found.boxes[b].training
        yield _line(points, b not in frames, dashed)
    for box, cell in zip(found.boxes, layout.cells, strict=True):
        yield from _drawn(box, cell, sizes)


def _drawn(box: Box, cell: Cell, sizes: _Sizes) -> Iterator[str]:
    if not (sizes.linked and box.layer):
        yield from _shapes(box, cell, sizes)
        return
    yield f'<g data-layer="{escape(box.layer)}">'
    yield from _shapes(box, cell, sizes)
    yield "</g>"


def _shapes(box: Box, cell: Cell, sizes: _Sizes) -> Iterator[str]:
    x, y, wide, high = cell.x, cell.y, cell.width, cell.height
    dashed = " t" if box.training else ""
    if box.inside is not None:
        layout, shift = sizes.inner[id(box)]
        if box.times > 1:
            yield _rect(x + 5, y + 5, wide, high, f"f{dashed}", 8)
        yield _rect(x, y, wide, high, f"f{dashed}", 8)
        yield _text(x + 10, y + 17, frame_name(box), "a")
        yield f'<g transform="translate({_n(x + shift)} {_n(y)})">'
        end = len(layout.cells) - 1
        framed = {k + 1 for k, each in enumerate(box.inside.boxes) if each.inside is not None}
        if layout.cells[0].height:
            yield _line([layout.cells[0].top, layout.cells[0].bottom], False, box.training)
        for (_, b), points in layout.lines.items():
            yield _line(points, b not in framed and b != end, box.training)
        for each, place in zip(box.inside.boxes, layout.cells[1:-1], strict=True):
            yield from _drawn(each, place, sizes)
        yield "</g>"
        return
    if box.sign:
        cx, cy = x + wide / 2, y + high / 2
        yield f'<circle class="join{dashed}" cx="{_n(cx)}" cy="{_n(cy)}" r="{_n(high / 2)}"/>'
        yield _text(cx, cy + 5, box.sign, "n c")
        if box.about:
            yield _text(cx + high / 2 + 6, cy + 4, box.about, "a s")
        return
    if box.times > 1:
        yield _rect(x + 4, y + 4, wide, high, f"{box.kind}{dashed}", 5)
    yield _rect(x, y, wide, high, f"{box.kind}{dashed}", 5)
    if sizes.compact or box.kind == "input":
        lines = _lines(box)
        for k, (text, look, _) in enumerate(lines):
            yield _text(x + wide / 2, y + 19 + 15 * k, text, f"{look} c")
        return
    middle = y + high / 2 + 4.5
    yield _text(x + 12, middle if not box.about else y + 18, box.name, "n")
    if box.about:
        yield _text(x + 12, y + 34, box.about, "a s")
    told = numbers(box)
    yield _text(x + wide - 12, y + 18 if told else middle, extents(box.shape), "r")
    if told:
        yield _text(x + wide - 12, y + 34, told, "a s r")


def _rect(x: float, y: float, wide: float, high: float, look: str, round: int) -> str:
    return (
        f'<rect class="{look}" x="{_n(x)}" y="{_n(y)}" width="{_n(wide)}" height="{_n(high)}" '
        f'rx="{round}"/>'
    )


def _line(points: Sequence[Point], arrow: bool, dashed: bool) -> str:
    look = f"l{' e' if arrow else ''}{' t' if dashed else ''}"
    return f'<path class="{look}" d="{_path(points)}"/>'


def _path(points: Sequence[Point]) -> str:
    """A smooth line down through some points."""
    (x, y), *rest = points
    parts = [f"M{_n(x)} {_n(y)}"]
    for a, b in rest:
        if abs(a - x) < 0.5:
            parts.append(f"V{_n(b)}")
        else:
            middle = (b - y) / 2
            parts.append(f"C{_n(x)} {_n(y + middle)} {_n(a)} {_n(b - middle)} {_n(a)} {_n(b)}")
        x, y = a, b
    return "".join(parts)


def _text(x: float, y: float, text: str, look: str) -> str:
    return f'<text class="{look}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>'


def _n(number: float) -> str:
    """A coordinate with one digit after the point, if that is not 0."""
    return f"{number:.1f}".removesuffix(".0")


def _style(legend: Sequence[str]) -> str:
    used = dict.fromkeys(("input", *legend, "other"))

    def look(ground: dict[str, str], fill: int) -> str:
        kinds = "".join(
            f".{k}{{fill:{COLORS[k][fill]};stroke:{COLORS[k][fill + 1]}}}" for k in used
        )
        return (
            f".ground{{fill:{ground['ground']};stroke:none}}text{{fill:{ground['ink']}}}"
            f".a{{fill:{ground['soft']}}}.l{{stroke:{ground['line']}}}.m{{fill:{ground['line']}}}"
            f".f{{fill:{ground['frame']};stroke:{ground['edge']}}}{kinds}"
        )

    return (
        "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,'DejaVu Sans',"
        "sans-serif;font-size:12px}.h{font-size:16px;font-weight:600}"
        ".n{font-size:13px;font-weight:600}.s{font-size:11px}.c{text-anchor:middle}"
        ".r{text-anchor:end}.l{fill:none;stroke-width:1.4}.e{marker-end:url(#e)}"
        "rect,circle{stroke-width:1.2}.t{stroke-dasharray:4 3}"
        f"{look(_LIGHT, 0)}@media (prefers-color-scheme:dark){{{look(_DARK, 2)}}}"
    )
