"""Closed forms give what the integer engine gives, at any values."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sympy

import archcalc
from archcalc.analysis.analyze import answer
from archcalc.report.families.closed import render
from archcalc.space.formula import Formula, formula
from archcalc.space.trace import asked, total
from archcalc.spec import zoo

QUANTITIES = ("params", "macs", "flops", "activations")


def analyzed(spec: archcalc.Spec, values: dict[str, Any]) -> dict[str, Any]:
    analysis = answer(spec, asked(spec, values))
    return {name: total(analysis, name) for name in QUANTITIES}


def python_of(found: Formula) -> Any:
    names: dict[str, Any] = {}
    exec(render(found, "python"), names)
    return next(value for name, value in names.items() if callable(value) and name != "math")


def test_resnet_152_in_its_side() -> None:
    # At 224 = 32 * 7 the MACs are torchvision's 11,513,626,624; the classifier's 2048 * 1000 of
    # them do not depend on the side: (11,513,626,624 - 2,048,000) / 49 = 234,930,176.
    found = formula(archcalc.load("resnet152"))
    k = sympy.Symbol("k", positive=True, integer=True)

    assert found.to_sympy()["macs"] == 234930176 * k**2 + 2048000
    assert found.to_sympy()["params"] == 60192808
    assert (found.symbols[0].times, found.symbols[0].plus) == (32, 0)
    assert "MACs         234,930,176 k^2 + 2,048,000\n" in render(found)


def test_an_extent_that_is_no_multiple_keeps_its_rest() -> None:
    found = formula(archcalc.load("alexnet"))

    # 227 = 32 * 7 + 3.
    assert (found.symbols[0].times, found.symbols[0].plus) == (32, 3)
    assert found(side=227)["params"] == 62_378_344
    with pytest.raises(archcalc.ArchcalcError, match="is not 32 k \\+ 3"):
        found(side=224)


@pytest.mark.every_network
@pytest.mark.parametrize("name", [*zoo.names()])
def test_substituted_values_give_the_engine_s_numbers(name: str) -> None:
    spec = archcalc.load(name)
    found = formula(spec)
    (symbol,) = found.symbols
    compute = python_of(found)
    chosen = random.Random(name)
    other = symbol.least + chosen.randrange(9)
    for value in (symbol.own, symbol.times * other + symbol.plus):
        values = {symbol.variable: value}
        expected = analyzed(spec, values)
        if found.conditions:  # it may be of another graph there, which it says
            try:
                assert found(**values) == expected
            except archcalc.ArchcalcError:
                continue
        assert found(**values) == expected
        assert compute(**values) == expected
        if symbol.multiple and not found.rounded:
            at = (value - symbol.plus) // symbol.times
            for quantity, expression in found.to_sympy().items():
                (k,) = expression.free_symbols or {sympy.Symbol("k")}
                assert expression.subs(k, at) == expected[quantity]


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("resnet50", {"side": range(64, 640, 32), "width": range(2, 130), "N": range(2, 9)}),
        ("resnet50", {"H": range(64, 640, 32), "W": range(64, 640, 32)}),
        ("resnet50", {"width": range(2, 130), "classes": range(1, 2000)}),
        ("vgg16", {"classes": range(1, 2000), "N": range(2, 9)}),
        ("mobilenet_v1", {"width": [1.25, 1.5, 1.75, 2.5, 3.0]}),
        ("mobilenet_v2", {"side": range(96, 300, 32)}),
    ],
)
def test_several_variables(name: str, variables: dict[str, Any]) -> None:
    spec = archcalc.load(name)
    found = formula(spec, list(variables))
    compute = python_of(found)
    chosen = random.Random(1)
    for _ in range(8):
        values = {variable: chosen.choice(list(some)) for variable, some in variables.items()}
        expected = analyzed(spec, values)
        assert found(**values) == expected
        assert compute(**values) == expected


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "googlenet", "vgg16"])
def test_with_floors_any_extent_will_do(name: str) -> None:
    spec = archcalc.load(name)
    found = formula(spec, floors=True)
    compute = python_of(found)
    for side in (225, 229, 240, 251, 333):
        expected = analyzed(spec, {"side": side})
        assert found(side=side) == expected
        assert compute(side=side) == expected


def test_windows_that_halve_again_and_again_are_one_quotient() -> None:
    # ceil(side / 32) is what five strides of 2 leave: floor((side + 31) / 32).
    text = render(formula(archcalc.load("resnet50"), floors=True))

    assert "floor((side - 1) / 32)" in text


def test_layers_and_stages_add_up_to_the_total() -> None:
    spec = archcalc.load("resnet18")
    found = formula(spec, detail="stage", quantities=["macs"])
    k = sympy.Symbol("k", positive=True, integer=True)
    from archcalc.algebra.symbolic import to_sympy

    stages = [to_sympy(line.forms["macs"], {"k": True}) for line in found.lines[:-1]]
    assert sympy.expand(sum(stages)) == found.to_sympy()["macs"]
    # The stem: a 7x7 kernel on 3 channels makes 64 at (16 k)^2 positions.
    alone = formula(spec, layer="conv1", quantities=["macs"])
    assert alone.lines[-1].name == "conv1"
    assert alone.to_sympy()["macs"].subs(next(iter(alone.to_sympy()["macs"].free_symbols)), 1) in (
        49 * 3 * 64 * n * n for n in range(1, 17)
    )
    assert k in found.to_sympy()["macs"].free_symbols


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "json", "python"])
def test_every_format_has_the_numbers(form: str) -> None:
    text = render(formula(archcalc.load("resnet152")), form).replace("{,}", "").replace(",", "")

    assert "234930176" in text
    assert "2048000" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"free_in": "sid"}, "did you mean 'side'"),
        ({"free_in": "depths"}, "no number: it has no place"),
        ({"layer": "conv9"}, "did you mean 'conv1'"),
        ({"detail": "layers"}, "known: total, stage, layer"),
        ({"free_in": "side,H"}, "one sets the other"),
    ],
)
def test_mistakes_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(archcalc.ArchcalcError, match=message):
        formula(archcalc.load("resnet18"), **options)


def test_quantities_may_be_a_word() -> None:
    spec = archcalc.load("lenet5")
    assert formula(spec, quantities="macs") == formula(spec, quantities=["macs"])
    assert list(formula(spec, quantities="macs, params").total) == ["macs", "params"]
    with pytest.raises(archcalc.ArchcalcError, match="did you mean 'macs'"):
        formula(spec, quantities="mac")


@pytest.mark.parametrize("name", ["int", "lambda", "max", "math", "round_to", "ValueError", "rest"])
def test_no_variable_s_name_is_in_the_way_of_the_function(name: str) -> None:
    channels = f"=round_to(16 * {name}, 8) + max({name}, 2)" if name != "lambda" else 8
    layers = {"one": {"op": "Conv2d", "out_channels": channels, "kernel_size": 3, "padding": 1}}
    data = {"name": name, "input": [3, 8, 8], "vars": {name: 3}, "layers": layers}
    found = formula(archcalc.load(data), [name])

    names: dict[str, Any] = {}
    exec(render(found, "python"), names)
    assert names[f"{name}_"](4) == found(**{name: 4})


def test_a_variable_is_not_taken_for_the_name_of_what_rounds() -> None:
    layers = {"one": {"op": "Linear", "out_features": "=n1 * round_to(n1, 8)"}}
    found = formula(
        archcalc.load({"name": "n", "input": [3], "vars": {"n1": 9}, "layers": layers}), "n1"
    )

    assert python_of(found)(n1=20) == found(n1=20)


LSTM: dict[str, Any] = {
    "name": "lstmp",
    "input": [7, 4],
    "vars": {"h": 3, "n": 2},
    "layers": {
        "lstm": {"op": "LSTM", "hidden_size": "=h", "num_layers": "=n", "proj_size": 2},
    },
}


@pytest.mark.parametrize(("n", "params"), [(1, 34 * 3), (2, 60 * 3), (5, (34 + 4 * 26) * 3)])
def test_layers_that_are_alike_are_counted_by_their_number(n: int, params: int) -> None:
    # Of 4 gates: (4 + 2 + 2) h in the first layer, (2 + 2 + 2) h in others, and 2 h each of
    # projections; 4 x 8 + 2 = 34, 4 x 6 + 2 = 26.
    found = archcalc.formula(LSTM, "h,n")

    assert found(h=3, n=n)["params"] == params
    assert found(h=3, n=n)["macs"] == archcalc.analyze(LSTM, n=n).macs
    assert "only where n <= 1,000\n" in render(found, "text")


def test_what_takes_a_plain_number_alone_is_pinned_alone() -> None:
    layers = {"lstm": {**LSTM["layers"]["lstm"], "parametrization": "weight_norm"}}
    normed = {**LSTM, "layers": layers}
    found = archcalc.formula(normed, "h,n")

    # 180 and 300 as above, and a magnitude for each row of ten weights: 4 x 4 h + 2 x 2.
    assert [found(h=h, n=2)["params"] for h in (3, 5)] == [180 + 52, 300 + 84]
    assert [archcalc.analyze(normed, h=h).params for h in (3, 5)] == [232, 384]
    assert "n == 2\n" in render(found, "text")


def tied(**body: Any) -> dict[str, Any]:
    return {
        "name": "tied",
        "input": [7],
        "vars": {"n": 3},
        "layers": {
            "embed": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
            "body": {"op": "Linear", "out_features": 4, "repeat": "=n", **body},
            "head": {"op": "Linear", "out_features": 10, "share": "embed"},
        },
    }


@pytest.mark.parametrize("n", [1, 3, 40])
def test_a_depth_is_free_where_the_first_and_last_layers_share(n: int) -> None:
    found = archcalc.formula(tied(), "n")

    # 10 x 4 of both, a bias of 10, and 4 x 4 + 4 of each in between.
    assert found(n=n)["params"] == 50 + 20 * n
    assert found(n=n)["macs"] == 7 * (16 * n + 40) == archcalc.analyze(tied(), n=n).macs
    assert "only where" not in render(found, "text")


def test_copies_that_share_are_not_counted_by_their_number() -> None:
    found = archcalc.formula(tied(share="body"), "n")

    assert found(n=3)["params"] == 50 + 20
    assert "only where n == 3\n" in render(found, "text")


@pytest.mark.parametrize(
    ("layers", "input", "name", "asked", "macs"),
    [
        # (L, C): each of L positions is 4 x 8.
        ({"fc": {"op": "Linear", "out_features": 8}}, [7, 4], "length", 9, 9 * 32),
        # (C, L): 8 kernels of 4 x 3 at L - 2 positions.
        (
            {"c": {"op": "Conv1d", "out_channels": 8, "kernel_size": 3}},
            *([4, 7], "length", 9, 7 * 8 * 12),
        ),
        # Words: 5 numbers each, and then 5 x 2.
        (
            {
                "words": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 5},
                "fc": {"op": "Linear", "out_features": 2},
            },
            *([7], "length", 9, 9 * 10),
        ),
        # A video keeps its 4 frames, a cube has three sides.
        (
            {"c": {"op": "Conv3d", "out_channels": 2, "kernel_size": 1}},
            *([3, 4, 6, 6], "side", 5, 2 * 3 * 4 * 25),
        ),
        (
            {"c": {"op": "Conv3d", "out_channels": 2, "kernel_size": 1}},
            *([3, 4, 4, 4], "side", 5, 2 * 3 * 125),
        ),
        (
            {"c": {"op": "Conv3d", "out_channels": 2, "kernel_size": 1}},
            *([3, 4, 6, 6], "D", 5, 2 * 3 * 5 * 36),
        ),
    ],
)
def test_volumes_and_sequences_have_extents(
    layers: dict[str, Any], input: list[int], name: str, asked: int, macs: int
) -> None:
    spec = {"name": "net", "input": input, "layers": layers}
    found = archcalc.formula(spec, name)

    assert found(**{name: asked})["macs"] == macs
    values: dict[str, Any] = {name: [asked, asked + 1]}
    swept = archcalc.sweep(spec, quantities="macs", **values)
    assert next(iter(swept.columns["macs"])) == macs
