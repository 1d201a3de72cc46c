"""Darknet's .cfg: what its program prints of known networks, worked out from the text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import archcalc
from archcalc import ArchcalcError, Graph
from archcalc.frontends.fold import to_spec
from archcalc.frontends.sources import graph as graph_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.cfg"


def net(side: int) -> str:
    return f"[net]\nwidth={side}\nheight={side}\nchannels=3\n"


def conv(filters: int, size: int = 3, stride: int = 1, *, linear: bool = False) -> str:
    normed = "" if linear else "batch_normalize=1\n"
    activation = "linear" if linear else "leaky"
    return (
        f"[convolutional]\n{normed}filters={filters}\nsize={size}\nstride={stride}\n"
        f"pad=1\nactivation={activation}\n"
    )


def route(*layers: int, half: bool = False) -> str:
    text = f"[route]\nlayers = {', '.join(map(str, layers))}\n"
    return text + ("groups=2\ngroup_id=1\n" if half else "")


POOL = "[maxpool]\nsize=2\nstride=2\n"
YOLO = "[yolo]\nclasses=80\n"


def yolov4_tiny() -> str:
    """The layers of YOLOv4-tiny, as its authors give them."""
    text = net(416) + conv(32, stride=2) + conv(64, stride=2)
    for filters in (64, 128, 256):
        half = filters // 2
        text += conv(filters) + route(-1, half=True) + conv(half) + conv(half)
        text += route(-1, -2) + conv(filters, 1) + route(-6, -1) + POOL
    text += conv(512) + conv(256, 1) + conv(512) + conv(255, 1, linear=True) + YOLO
    text += route(-4) + conv(128, 1) + "[upsample]\nstride=2\n" + route(-1, 23)
    return text + conv(256) + conv(255, 1, linear=True) + YOLO


def yolov3() -> str:
    """Darknet-53 and three heads, as in the paper's repository."""
    text = net(416) + conv(32)
    for filters, times in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        text += conv(filters, stride=2)
        text += times * (
            conv(filters // 2, 1) + conv(filters) + "[shortcut]\nfrom=-3\nactivation=linear\n"
        )

    def head(filters: int) -> str:
        pair = conv(filters // 2, 1) + conv(filters)
        return 3 * pair + conv(255, 1, linear=True) + YOLO

    text += head(1024)
    for filters, other in ((512, 61), (256, 36)):
        text += route(-4) + conv(filters // 2, 1) + "[upsample]\nstride=2\n" + route(-1, other)
        text += head(filters)
    return text


def test_yolov4_tiny_is_what_darknet_prints(path: Path) -> None:
    path.write_text(yolov4_tiny())
    graph = graph_of(path)
    analysis = archcalc.analyze(graph)
    assert round(2 * analysis.macs / 1e9, 2) == 6.91  # BFLOPS printed: 6.910
    # yolov4-tiny.weights has 24,251,276 bytes: 5 words of header and 6,062,814 numbers.
    assert stored(graph) == 6_062_814
    assert archcalc.analyze(to_spec(graph)).macs == analysis.macs


def test_yolov3_is_what_darknet_prints(path: Path) -> None:
    path.write_text(yolov3())
    graph = graph_of(path)
    # The convolutions among the BFLOPs that it prints.
    assert round(2 * archcalc.analyze(graph).macs / 1e9, 3) == 65.864
    # yolov3.weights has 248,007,048 bytes, 5 words of them a header.
    assert stored(graph) == 62_001_757


def stored(graph: Graph) -> int:
    """The numbers of a file of weights: parameters, means and variances, but no counters."""
    analysis = archcalc.analyze(graph)
    normed = sum(type(node.op).__name__.startswith("BatchNorm") for node in graph.nodes)
    return int(analysis.params + analysis.buffers - normed)


def test_another_size_is_said_with_the_input(path: Path) -> None:
    path.write_text(net(416) + conv(8))
    assert archcalc.analyze(graph_of(f"{path}@3x32x64")).macs == 8 * 27 * 32 * 64


def shapes(path: Path, *sections: str) -> Sequence[tuple[int, ...]]:
    path.write_text("".join(sections))
    return [node.shape[1:] for node in graph_of(path).nodes]


def test_a_maximum_with_stride_one_keeps_the_size(path: Path) -> None:
    assert shapes(path, net(13), "[maxpool]\nsize=2\nstride=1\n") == [(3, 13, 13)]
    assert shapes(path, net(13), "[maxpool]\nsize=5\nstride=1\n") == [(3, 13, 13)]
    assert shapes(path, net(13), "[maxpool]\nsize=2\nstride=2\n") == [(3, 7, 7)]


def test_a_shortcut_between_unlike_maps_adds_the_channels_of_both(path: Path) -> None:
    text = net(8) + conv(4, linear=True) + conv(6, linear=True) + "[shortcut]\nfrom=-2\n"
    found = shapes(path, text)
    assert found[-1] == (6, 8, 8)
    assert (4, 8, 8) in found


def test_normalization_takes_the_place_of_biases(path: Path) -> None:
    path.write_text(net(8) + conv(4, 1))
    assert archcalc.analyze(graph_of(path)).params == 3 * 4 + 2 * 4


def test_what_is_not_known_is_named(path: Path) -> None:
    path.write_text(net(8) + "[history]\nsize=3\nfilters=4\n")
    (node,) = graph_of(path).nodes
    assert not node.op.counted
    assert node.op.name == "darknet.history"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1  is no network"),
        ("layers: {}\n", ":1  'layers: {}' is neither"),
        ("[net]\nwidth=8\nheight=8\n", "has no layers"),
        ("[net]\n[convolutional]\n", "says no width and height"),
        (net(8) + "[convolutional]\nfilters=-3\n", ":6  [convolutional]  filters=-3"),
        (net(8) + "[convolutional]\nfilters=9999999999999999999\n", "should be a whole number"),
        (net(8) + conv(4) + "[route]\nlayers=-2\n", "layers=-2 is none of the 1 before it"),
        (net(8) + conv(4) + "[route]\nlayers=1\n", "layers=1 is none of the 1 before it"),
        (net(8) + conv(4) + "[shortcut]\n", "'from' should be whole numbers"),
        (net(8) + "[convolutional]\nsize=9\nfilters=2\n", "[convolutional]"),
        (net(8) + "[convolutional]\nactivation=leeky\n", "did you mean 'leaky'?"),
        (net(8) + "[connected\n", "is no [section]"),
        (
            net(8) + "[maxpool]\nsize=2\nstride=0\n",
            ":7  [maxpool]  stride should be at least 1, not 0",
        ),
        (net(8) + conv(4) + "[softmax]\ngroups=7\n", "groups=7 do not divide"),
    ],
)
def test_damaged_files_are_refused_at_their_line(path: Path, text: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(ArchcalcError) as caught:
        graph_of(path)
    assert f"{path}" in str(caught.value)
    assert said in str(caught.value)


def test_a_section_that_does_one_thing_is_one_layer(path: Path) -> None:
    """And blocks are called without the number that a section has for a name."""
    path.write_text(net(16) + conv(4) + conv(6) + conv(5, linear=True))
    path.write_text(path.read_text() + "[route]\nlayers=-1\ngroups=5\n[upsample]\nstride=2\n")
    graph = graph_of(path)
    whole = [node.name for node in graph.nodes if "." not in node.name]
    assert whole == ["convolutional2", "route3", "upsample4"]
    spec = to_spec(graph)
    assert [block.partition("(")[0] for block in spec.blocks] == ["convolutional"]


@pytest.mark.parametrize(
    ("section", "products", "sums"),
    [
        # Products of an input of 6 and a state of 4, and an output of 5: a bias for each sum.
        ("[rnn]\nhidden=4\noutput=5\n", 6 * 4 + 4 * 4 + 4 * 5, 4 + 4 + 5),
        ("[rnn]\nhidden=4\noutput=5\nbatch_normalize=1\n", 60, 2 * 13),
        ("[gru]\noutput=4\n", 3 * (6 * 4 + 4 * 4), 6 * 4),
        ("[lstm]\noutput=4\n", 4 * (6 * 4 + 4 * 4), 8 * 4),
    ],
)
def test_recurrent_sections_are_counted(path: Path, section: str, products: int, sums: int) -> None:
    path.write_text(f"[net]\ninputs=6\n{section}")
    analysis = archcalc.analyze(graph_of(path))
    assert (analysis.params, analysis.macs) == (products + sums, products)


def test_recurrent_convolutions_are_counted(path: Path) -> None:
    path.write_text(net(8) + "[crnn]\nhidden=4\noutput=5\nsize=3\npad=1\n")
    analysis = archcalc.analyze(graph_of(path))
    weights = 9 * (3 * 4 + 4 * 4 + 4 * 5)
    assert (analysis.params, analysis.macs) == (weights + 13, 64 * weights)
    path.write_text(net(8) + "[conv_lstm]\noutput=4\nsize=3\npad=1\n")
    analysis = archcalc.analyze(graph_of(path))
    weights = 4 * 9 * (3 * 4 + 4 * 4)
    assert (analysis.params, analysis.macs) == (weights + 8 * 4, 64 * weights)


def test_a_local_section_has_a_kernel_for_each_place(path: Path) -> None:
    path.write_text(net(7) + "[local]\nsize=3\nstride=1\npad=1\nfilters=4\nactivation=ramp\n")
    analysis = archcalc.analyze(graph_of(path))
    assert analysis.macs == 7 * 7 * 4 * 9 * 3
    assert analysis.params == analysis.macs + 7 * 7 * 4
    path.write_text(net(7) + "[local]\nsize=9\nfilters=4\n")
    with pytest.raises(ArchcalcError, match="do not fit"):
        graph_of(path)


def window(*more: str, filters: int = 4, size: int = 3) -> str:
    said = [f"filters={filters}", f"size={size}", "pad=1", "activation=linear", *more]
    return "[convolutional]\n" + "\n".join(said) + "\n"


START = "[net]\nwidth=8\nheight=8\nchannels=4\n"


def test_sections_may_share_the_weights_of_one_before(path: Path) -> None:
    # Three branches of one kernel, dilated by 1, 2 and 3: a trident.
    text = START + window("batch_normalize=1")
    for dilation in (2, 3):
        text += "[route]\nlayers=-2\n" if dilation > 2 else "[route]\nlayers=-1\n"
        text += window("batch_normalize=1", "share_index=0", f"dilation={dilation}")
    path.write_text(text)
    analysis = archcalc.analyze(graph_of(path))
    assert analysis.params == 4 * 4 * 9 + 2 * 4
    assert analysis.macs == 3 * 4 * 4 * 9 * 64
    path.write_text(START + window() + window("share_index=-1", filters=5))
    with pytest.raises(ArchcalcError, match=r":15  \[convolutional\]  section 0 has other weights"):
        graph_of(path)


def test_a_softened_step_is_done_behind_the_window(path: Path) -> None:
    # The kernel on all 8 by 8 places, then a fixed mean of 3 by 3 at every second one.
    path.write_text(START + window("stride=2", "antialiasing=1") + window(filters=2, size=1))
    analysis = archcalc.analyze(graph_of(path))
    assert analysis.params == 4 * 4 * 9 + 4 + 4 * 2 + 2
    assert analysis.macs == 64 * 4 * 4 * 9 + 16 * 4 * 9 + 16 * 4 * 2


def test_what_passes_on_and_what_is_divided_by_a_norm_is_known(path: Path) -> None:
    ends = "[empty]\n[l2norm]\n[avgpool]\n[softmax]\ngroups=2\n[logistic]\n"
    path.write_text(START + window() + ends)
    graph = graph_of(path)
    assert graph.nodes[-1].shape == (1, 4)
    assert all(node.op.counted for node in graph.nodes)
    assert [n.shape for n in graph.nodes if n.name.endswith("softmax")] == [(1, 2, 2)]
