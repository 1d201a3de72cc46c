"""Operators that are not known: refused, unless all but them is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sympy
from typer.testing import CliRunner

import archcalc
from archcalc import ArchcalcError, SpecError
from archcalc.cli.app import application
from archcalc.spec.unknown import UnknownOperator

# A stem of 3 -> 8 channels, 3x3, and a mystery; after it 16 -> 10 features.
# The convolution has 3 * 9 * 8 + 8 = 224 parameters and does 216 * 32 * 32 = 221,184
# multiply-accumulates; the classifier has 170 and does 160.
NET: dict[str, Any] = {
    "name": "net",
    "input": [3, 32, 32],
    "blocks": {
        "stem": {
            "layers": {
                "conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1},
                "mix": {"op": "Mystery", "shape": [16, "=height(conv)", 32], "kernel_size": 5},
            }
        }
    },
    "layers": {
        "stem": "stem",
        "pool": {"op": "GlobalAvgPool", "keepdim": False},
        "fc": {"op": "Linear", "out_features": 10},
    },
}


def partial(**options: Any) -> archcalc.Analysis:
    spec = archcalc.load(NET, allow_unknown=True)
    return archcalc.analyze(spec, allow_unknown=True, **options)


def refused(source: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(SpecError) as raised:
        archcalc.load(source, **options)
    return str(raised.value).splitlines()


def of(layer: dict[str, Any]) -> dict[str, Any]:
    return {"name": "net", "input": [3, 8, 8], "layers": {"layer": layer}}


def test_an_unknown_operator_is_an_error() -> None:
    place, message, *hints = refused(NET)
    assert place.endswith("blocks › stem › layers › mix › op")
    assert message == "  unknown operator 'Mystery'"
    assert hints == ["  'archcalc table --allow-unknown' counts all but such layers"]


def test_the_shape_of_an_unknown_output_has_to_be_said() -> None:
    _, message, *hints = refused(of({"op": "Con2d", "out_channels": 4}), allow_unknown=True)
    assert message == "  unknown operator 'Con2d'"
    assert hints == [
        "  did you mean 'Conv2d'?",
        "  say the 'shape' of its output, without the batch: it can't be inferred",
    ]


@pytest.mark.parametrize("shape", [[0, 8], [1.5], ["wide"], 8, [], "=height(input)"])
def test_a_shape_that_is_none_is_refused(shape: Any) -> None:
    spec = archcalc.load(of({"op": "Mystery", "shape": shape}), allow_unknown=True)
    with pytest.raises(SpecError, match="layers › layer › shape"):
        archcalc.expand(spec, allow_unknown=True)


def test_an_operator_that_an_expression_chooses_may_be_unknown_too() -> None:
    layer = {"op": "='Mystery' if height(input) == 8 else 'ReLU'", "shape": [3, 8, 8]}
    spec = archcalc.load(of(layer), allow_unknown=True)
    assert archcalc.expand(spec, allow_unknown=True).nodes[0].shape == (1, 3, 8, 8)
    with pytest.raises(SpecError, match="unknown operator 'Mystery'"):
        archcalc.expand(spec)


def test_a_known_operator_is_as_strict_as_ever() -> None:
    layer = {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "shape": [4, 6, 6]}
    assert "Conv2d has no field 'shape'" in refused(of(layer), allow_unknown=True)[1]


def test_the_declared_shape_goes_on() -> None:
    analysis = partial(batch=2)
    assert analysis.row("stem.mix").shape == (2, 16, 32, 32)
    assert analysis.row("stem.mix").op == "Mystery"
    assert analysis.row("fc").node.input_shapes == ((2, 16),)


def test_all_but_the_unknown_is_counted() -> None:
    analysis = partial()
    assert analysis.partial
    assert analysis.not_counted == ("stem.mix",)
    assert (analysis.params, analysis.macs) == (224 + 170, 221_184 + 160)
    # 8 and 16 channels of 32x32, and 16 and 10 features: shapes are known of all.
    assert analysis.activations == (8 + 16) * 32 * 32 + 16 + 10


def test_a_network_of_known_operators_is_not_partial() -> None:
    analysis = archcalc.analyze(archcalc.load("lenet5", allow_unknown=True), allow_unknown=True)
    assert not analysis.partial
    assert analysis == archcalc.analyze(archcalc.load("lenet5"))


def test_every_step_has_to_be_told() -> None:
    spec = archcalc.load(NET, allow_unknown=True)
    graph = archcalc.expand(spec, allow_unknown=True)
    with pytest.raises(SpecError, match="unknown operator 'Mystery'"):
        archcalc.expand(spec)
    with pytest.raises(SpecError, match="unknown operator 'Mystery'"):
        archcalc.analyze(spec)
    with pytest.raises(ArchcalcError, match=r"'stem\.mix' is of an unknown operator"):
        archcalc.analyze(graph)


def test_what_knows_no_lower_bounds_refuses() -> None:
    spec = archcalc.load(NET, allow_unknown=True)
    graph = archcalc.expand(spec, allow_unknown=True)
    for ask in (archcalc.memory, archcalc.build, archcalc.explain):
        with pytest.raises(ArchcalcError, match="unknown operator"):
            ask(graph)
    with pytest.raises(ArchcalcError, match="unknown operator"):
        archcalc.explain(partial(), "fc")
    with pytest.raises(ArchcalcError, match="unknown operator"):
        archcalc.compare(spec)
    with pytest.raises(ArchcalcError, match="unknown operator"):
        archcalc.diff(spec, spec)
    documented = {**NET, "documented": [{"quantity": "params", "value": 394, "source": "x"}]}
    with pytest.raises(ArchcalcError, match="unknown operator"):
        archcalc.check(archcalc.load(documented, allow_unknown=True))
    assert archcalc.receptive_field(graph)["fc"] is None


def test_an_unknown_operator_has_no_number_at_all() -> None:
    op = UnknownOperator(name="Mystery", shape=(4, 4))
    assert op.infer((2, 3)) == (2, 4, 4)
    for ask in (lambda: op.weights((2, 3)), lambda: op.buffers((2, 3)), lambda: op.torch((2, 3))):
        with pytest.raises(ArchcalcError, match="what it costs can't be said"):
            ask()
    with pytest.raises(ArchcalcError, match="what it costs can't be said"):
        op.work((2, 4, 4), (2, 3))


def test_symbols_pass_through() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    shape = [4, "=height(input)", 8]
    spec = archcalc.load(of({"op": "Mystery", "shape": shape}), allow_unknown=True)
    analysis = archcalc.analyze(spec, input=(3, n, n), allow_unknown=True)
    assert analysis.rows[0].shape == (1, 4, n, 8)


# Printed ----------------------------------------------------------------------------------------


def printed(**options: Any) -> str:
    spec = archcalc.load(NET, allow_unknown=True)
    return archcalc.table(spec, allow_unknown=True, **options)


def test_a_partial_table_says_at_least() -> None:
    lines = [line.split() for line in printed(columns="layer,params,macs").splitlines()]
    assert ["stem.conv", "224", "221,184"] in lines
    assert ["stem.mix", "unknown", "unknown"] in lines
    assert ["total", "≥394", "≥221,344"] in lines
    assert ["params", "≥394"] in lines
    assert ["MACs", "≥221,344"] in lines
    assert ["not", "counted", "stem.mix", "(Mystery)"] in lines


def test_a_block_with_something_unknown_is_a_lower_bound() -> None:
    names = "layer,depth,params,params%,macs,backward,activations"
    lines = [line.split() for line in printed(columns=names, detail="stage").splitlines()]
    # A percentage of what is not known is not known. Of the backward pass the convolution has the
    # weight's gradient, and the classifier both.
    assert ["stem", "≥1", "≥224", "unknown", "≥221,184", "≥221,184", "24,576"] in lines
    assert ["fc", "1", "170", "unknown", "160", "320", "10"] in lines
    assert ["total", "≥394", "unknown", "≥221,344", "≥221,504", "24,602"] in lines
    assert ["depth", "≥2"] in lines


@pytest.mark.parametrize("convention", ["2xmacs", "all", "textbook", "torch", "torchinfo", "thop"])
def test_every_convention_is_a_lower_bound(convention: str) -> None:
    lines = printed(convention=convention, columns="layer,macs").splitlines()
    (total,) = (line.split()[1] for line in lines if line.startswith("total"))
    assert total.startswith("≥")


def test_other_formats_say_it_too() -> None:
    assert "$\\geq$221,344" in printed(format="latex")
    assert "≥221,344" in printed(format="html")
    assert "**≥221,344**" in printed(format="markdown")
    assert "stem,mix,unknown,unknown" in printed(format="csv", columns="stage,layer,params,macs")
    by_stage = printed(format="csv", columns="layer,params,macs", detail="stage")
    assert "stem,≥224,≥221184" in by_stage


def test_json_has_null_for_what_is_not_known() -> None:
    data = json.loads(printed(format="json", detail="all"))
    assert (data["partial"], data["not_counted"]) == (True, ["stem.mix"])
    assert data["totals"]["params"] == 394
    conv, mix, *_ = data["layers"]
    assert (conv["params"], "partial" in conv) == (224, False)
    assert (mix["op"], mix["output"]) == ("Mystery", [1, 16, 32, 32])
    assert [mix[key] for key in ("params", "buffers", "weights", "macs")] == [None] * 4
    assert set(mix["work"].values()) == {None}
    stem = json.loads(printed(format="json", detail="stage"))["layers"][0]
    assert (stem["name"], stem["params"], stem["partial"]) == ("stem", 224, True)


def test_many_unknown_layers_are_not_all_named() -> None:
    layers = {f"l{k}": {"op": "Mystery", "shape": [3, 8, 8]} for k in range(20)}
    source = {"name": "net", "input": [3, 8, 8], "layers": layers}
    text = archcalc.table(archcalc.load(source, allow_unknown=True), allow_unknown=True)
    assert "l0 (Mystery), ..., l19 (Mystery) (20 layers)" in text


def test_folding_leaves_what_is_unknown_alone() -> None:
    layers = {
        "mystery": {"op": "Mystery", "shape": [4, 8, 8]},
        "bn0": "BatchNorm2d",
        "conv": {"op": "Conv2d", "out_channels": 2, "kernel_size": 1, "bias": False},
        "bn1": "BatchNorm2d",
    }
    spec = archcalc.load({"name": "n", "input": [3, 8, 8], "layers": layers}, allow_unknown=True)
    text = archcalc.table(spec, allow_unknown=True, fold_bn=True, columns="layer,params")
    lines = [line.split() for line in text.splitlines()]
    # bn0 has 2 * 4; the convolution 4 * 2 and the two biases it is given
    assert ["bn0", "8"] in lines
    assert ["conv", "10"] in lines
    assert ["total", "≥18"] in lines


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(NET))
    found = CliRunner().invoke(application(), ["table", str(path), "--allow-unknown", "--training"])
    assert found.exit_code == 0
    assert "backward MACs  ≥221,504" in found.stdout
