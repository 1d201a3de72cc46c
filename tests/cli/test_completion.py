"""What a shell offers for an incomplete word of a command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import archcalc
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.cli.app import application
from archcalc.report.layers.columns import COLUMNS
from archcalc.spec.machines import machines


def offered(words: str) -> list[str]:
    """For the last word of a line, which may be empty."""
    shell = {
        "_ARCHCALC_COMPLETE": "complete_bash",
        "COMP_WORDS": f"archcalc {words}",
        "COMP_CWORD": str(len(words.split(" "))),
    }
    done = CliRunner().invoke(application(), [], prog_name="archcalc", env=shell)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # Variables of the network that stands on the line, with what follows them.
        ("table resnet50 --set wid", ["width=", "width_per_group="]),
        ("table vgg16 --batch 2 --set sid", ["side="]),
        ("sweep mobilenet_v2 --set wi", ["width="]),
        ("formula vgg16 --in classes,si", ["classes,side"]),
        ("fit mobilenet_v2 --vary wid", ["width"]),
        # Its layers, a part of the name at a time.
        ("explain googlenet inception3", ["inception3a", "inception3b"]),
        ("explain resnet50 layer1.0.conv", [f"layer1.0.conv{k}" for k in (1, 2, 3)]),
        ("explain resnet50 layer1.", ["layer1.0", "layer1.1", "layer1.2"]),
        ("formula alexnet --layer fc", ["fc6", "fc7", "fc8"]),
        ("table vgg16 --frozen conv5", ["conv5"]),
        # The last of several words.
        ("table resnet50 --columns layer,buff", ["layer,buffers"]),
        ("sweep resnet50 --quantities params,weight", ["params,weight_bytes"]),
        ("compare --columns network,printed_p", ["network,printed_params"]),
        ("crosscheck lenet5 --dtype float32,bf", ["float32,bfloat16"]),
        # Words that the program knows elsewhere.
        ("fit resnet50 --at-most par", ["params="]),
        ("memory resnet50 --optimizer adaf", ["adafactor"]),
        ("memory resnet50 --dtype bf", ["bfloat16"]),
        ("table alexnet --convention 2x", ["2xmacs"]),
        ("compare --bars top", ["top5"]),
    ],
)
def test_what_is_known_is_offered(words: str, expected: list[str]) -> None:
    assert offered(words) == expected


def test_all_conventions_columns_and_machines_are_offered() -> None:
    assert offered("table resnet50 --convention ") == list(CONVENTIONS)
    assert offered("table resnet50 --columns ") == list(COLUMNS)
    assert set(offered("roofline resnet50 --on ")) == {"here", *(m.name for m in machines())}


def test_variables_and_layers_of_a_file_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "name: n\nvars: {hidden: 4}\ninput: [3]\nlayers:\n  first: {op: Linear, out_features: 2}\n"
    )
    (tmp_path / "mine.yaml").write_text(text)
    assert offered("table mine.yaml --set h") == ["hidden="]
    assert offered("explain mine.yaml f") == ["first"]


@pytest.mark.parametrize("words", ["table nothing --set ", "table --set ", "explain broken.yaml "])
def test_where_there_is_no_network_nothing_is_offered(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.yaml").write_text("layers: [")
    assert offered(words) == []


@pytest.mark.parametrize(
    "network", ["googlenet", "resnet50", "llama2_7b", "mobilenet_v2", "googlenet-torchvision"]
)
def test_layers_are_offered_as_they_are_written_or_as_the_network_is_expanded(network: str) -> None:
    names = [node.name for node in archcalc.expand(network).nodes]
    deepest = max(names, key=lambda name: name.count("."))
    for depth in range(deepest.count(".") + 1):
        begun = "".join(f"{part}." for part in deepest.split(".")[:depth])
        there = {".".join(name.split(".")[: depth + 1]) for name in names if name.startswith(begun)}
        assert set(offered(f"explain {network} {begun}")) == there


def test_what_only_shapes_say_the_end_of_is_offered() -> None:
    """Which block MobileNetV2's first unit is, and whether there is a projection in ResNet's."""
    assert "stage7.unit.0.conv_dw" in offered("explain mobilenet_v2 stage7.unit.0.")
    assert "layer1.1.downsample" in offered("explain resnet50 layer1.1.")
