"""What numbers are stored in, said in a spec or from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError, SpecError
from archcalc.spec.bits import Density, Format, Formats, Rule

NET: dict[str, Any] = {
    "name": "net",
    "input": [3, 8, 8],
    "blocks": {
        "unit": {"conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1}, "relu": "ReLU"}
    },
    "layers": {
        "first": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1},
        "units": {"block": "unit", "repeat": 2},
        "flatten": "Flatten",
        "last": {"op": "Linear", "out_features": 2},
    },
}


def weights(spec: archcalc.Spec) -> dict[str, str]:
    analysis = archcalc.analyze(spec)
    return {
        name: said.weights.name
        for name, said in analysis.stored.items()
        if said.weights is not None
    }


def net(bits: Any) -> archcalc.Spec:
    return archcalc.load({**NET, "bits": bits})


@pytest.mark.parametrize(
    "spec",
    [
        net({"weights": "int4", "exclude": "ends"}),
        net([{"weights": "int4"}, {"layers": "ends", "weights": "float32"}]),
        net({"layers": "units", "weights": "int4"}),
        net({"layers": ["units.?.conv"], "weights": "int4"}),
        archcalc.quantize(archcalc.load(NET), weights="int4", exclude="ends"),
        archcalc.quantize(archcalc.load(NET), weights=["int4", "ends=float32"]),
        archcalc.quantize(archcalc.load(NET), weights=["Conv2d=int4", "first=float32"]),
    ],
)
def test_the_ends_stay_as_they_are(spec: archcalc.Spec) -> None:
    """Of 4 x 4 weights in four bits 8 bytes; 12 and 512 weights, and 14 biases, in four bytes."""
    found = weights(spec)
    assert (found.get("units.0.conv"), found.get("units.1.conv")) == ("int4", "int4")
    assert {found.get("first", "float32"), found.get("last", "float32")} == {"float32"}
    assert archcalc.analyze(spec).weight_bytes() == 2 * 8 + 4 * (12 + 512 + 14)


def test_the_last_rule_about_a_layer_counts() -> None:
    spec = net([{"weights": "int8"}, {"layers": "units", "weights": "int4"}])
    assert weights(archcalc.quantize(spec, weights="units.0=int2")) == {
        "first": "int8",
        "units.0.conv": "int2",
        "units.0.relu": "int2",
        "units.1.conv": "int4",
        "units.1.relu": "int4",
        "last": "int8",
    }


def test_variants_have_bits_of_their_own() -> None:
    spec = archcalc.load({**NET, "variants": {"net": {}, "small": {"bits": {"weights": "int8"}}}})
    assert weights(spec) == {}
    assert len(weights(spec.choose("small"))) == 4
    assert weights(spec) == {}


def test_a_graph_takes_rules_too() -> None:
    graph = archcalc.quantize(archcalc.expand(archcalc.load(NET)), weights="int8", density="2:4")
    assert graph.bits == (Rule(weights=Format.of("int8"), density=Density.of("2:4")),)
    with pytest.raises(ArchcalcError, match="no layer, block or operator is called 'frist'"):
        archcalc.quantize(graph, weights="frist=int8")


def test_a_flat_spec_says_the_same() -> None:
    spec = net([{"weights": "int8", "exclude": "units.1"}, {"layers": "ends", "weights": "int4"}])
    flat = archcalc.load(json.loads(archcalc.export(spec, to="json")))
    assert weights(flat) == {"first": "int4", "units_0_conv": "int8", "last": "int4"}


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ({"weights": "int5"}, "no format 'int5'"),
        ({"weights": "int4:0"}, "write int4:128"),
        ({"density": "4:2"}, "write 2:4"),
        ({"density": 0}, "no density '0'"),
        ({"layers": "unit", "weights": "int8"}, "did you mean 'units'"),
        ({"exclude": "end", "weights": "int8"}, "did you mean 'ends'"),
        ({"layers": "units"}, "needs 'weights', 'activations' or 'density'"),
        ({"weight": "int8"}, "did you mean 'weights'"),
    ],
)
def test_what_can_not_be_meant_is_told(bits: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        archcalc.expand(net(bits))


def test_mistakes_are_told_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "name: net\ninput: [4]\nbits:\n  - {weights: int8}\n  - {layers: fb, weights: int4}\n"
        "layers:\n  fc: {op: Linear, out_features: 2}\n"
    )
    with pytest.raises(SpecError, match=r"net.yaml:5:6  bits › 1 › layers"):
        archcalc.expand(archcalc.load(path))


def test_nothing_is_excluded_from_nothing() -> None:
    with pytest.raises(ArchcalcError, match="nothing is said"):
        archcalc.quantize(archcalc.load(NET), exclude="ends")


# Formats and densities


def test_densities_are_stored_with_where_the_numbers_are() -> None:
    """Of 2 x 64 weights 64 are kept in 8 bits and a place among four, 2 bits; or a bit for each."""
    int8 = Format.of("int8")
    assert int8.bytes((2, 64), Density.of("2:4")) == 64 * (8 + 2) // 8
    assert int8.bytes((2, 64), Density.of("0.5")) == (64 * 8 + 128) // 8
    assert int8.bytes((2, 64), Density.of("4:8")) == 64 * (8 + 3) // 8
    assert int8.bytes((2, 64), Density.of("0.1")) == (13 * 8 + 128) // 8
    assert Format.of("int4:32").bytes((2, 64), Density.of("2:4")) == 64 * 6 // 8 + 4 * 2
    assert Format.of("binary:channel").bytes((2, 64)) == 16 + 2 * 2
    assert Format.of("int8:channel:zero").bytes((2, 64)) == 128 + 2 * 3


@pytest.mark.parametrize("text", ["0", "0:4", "4:4", "1.5", "-1", "nan", "2/4", "1e-3", "0.0"])
def test_no_densities(text: str) -> None:
    with pytest.raises(ArchcalcError, match="no density"):
        Density.of(text)


# What is asked for


def test_what_is_asked_for_is_one_value_of_keywords() -> None:
    found = Formats.of("bfloat16", "int4:128", density="2:4", exclude="fc", cache="float8")

    assert (found.dtype, found.width, found.kept) == ("bfloat16", 2, Format("float8", 8))
    four = Format("int4:128", 4, 128)
    assert found.rules == (Rule((), ("fc",), four, None, Density.of("2:4")),)
    assert Formats.of("tf32").width == 4
    assert Formats().kept == Format("float32", 32)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"dtype": "float31"}, "did you mean 'float32'"),
        ({"dtype": "int4"}, "no dtype 'int4'"),
        ({"cache": "int4:0"}, "write int4:128"),
        ({"exclude": "fc"}, "nothing is said from which"),
    ],
)
def test_what_cannot_be_asked_for(how: dict[str, str], message: str) -> None:
    with pytest.raises(ArchcalcError, match=message):
        Formats.of(**how)
