"""Accuracy against work, drawn."""

from __future__ import annotations

import sys
from typing import Any
from xml.etree import ElementTree

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.report.claims.chart import draw, drawable


def accurate(name: str, channels: int, accuracy: str) -> dict[str, Any]:
    fact = {"quantity": "top5_accuracy", "value": accuracy, "source": "s", "reason": "measured"}
    conv = {"op": "Conv2d", "out_channels": channels, "kernel_size": 1}
    return {"name": name, "input": [3, 8, 8], "layers": {"conv": conv}, "facts": [fact]}


@pytest.fixture(autouse=True)
def _needs_matplotlib(request: pytest.FixtureRequest) -> None:
    if "without" not in request.node.name:
        pytest.importorskip("matplotlib")


def test_a_drawing_is_svg_or_png() -> None:
    found = archcalc.compare()
    assert ElementTree.fromstring(draw(found, "svg")).tag == "{http://www.w3.org/2000/svg}svg"
    assert draw(found, "png").startswith(b"\x89PNG\r\n\x1a\n")


def test_the_same_comparison_is_drawn_alike() -> None:
    assert draw(archcalc.compare()) == draw(archcalc.compare())


def test_areas_are_as_parameters_and_places_as_accuracy_and_work() -> None:
    from matplotlib.figure import Figure

    from archcalc.report.claims import chart

    axes: Any = Figure().add_subplot()
    entries = archcalc.compare(accurate("a", 1, "50%"), accurate("b", 4, "60%")).entries
    chart._fill(axes, entries, "MACs")
    # The largest is drawn first, each bubble followed by the dot in its middle.
    large, _, small, _ = axes.collections
    assert large.get_sizes()[0] == pytest.approx(4 * small.get_sizes()[0])
    # 3 * 64 products a channel.
    assert list(small.get_offsets()[0]) == pytest.approx([192, 50])
    assert list(large.get_offsets()[0]) == pytest.approx([768, 60])


def test_labels_lie_apart_and_inside() -> None:
    from matplotlib.figure import Figure

    from archcalc.report.claims import chart

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.add_subplot()
    chart._fill(axes, archcalc.compare().entries, "MACs")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    frame = axes.get_window_extent()
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)


def test_networks_of_equal_place_are_drawn() -> None:
    alike = [accurate("a", 1, "50%"), accurate("b", 1, "50%")]
    assert draw(archcalc.compare(*alike))


def test_works_of_many_orders_have_a_logarithmic_axis() -> None:
    from matplotlib.figure import Figure

    from archcalc.report.claims import chart

    axes = Figure().add_subplot()
    entries = archcalc.compare(accurate("a", 1, "50%"), accurate("b", 400, "60%")).entries
    chart._fill(axes, entries, "MACs")
    assert axes.get_xscale() == "log"


def test_networks_without_an_accuracy_are_left_out() -> None:
    found = archcalc.compare("vgg16", "lenet5")
    assert [entry.name for entry in drawable(found)] == ["vgg16"]


def test_what_can_t_be_drawn_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="nothing to draw"):
        draw(archcalc.compare("lenet5"))
    with pytest.raises(ArchcalcError, match="one convention"):
        draw(archcalc.compare("vgg16", convention="all"))
    with pytest.raises(ArchcalcError, match="no format of pictures 'gif'"):
        draw(archcalc.compare("vgg16"), "gif")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ArchcalcError, match=r"pip install 'archcalc\[plot\]'"):
        draw(archcalc.compare("vgg16"))
