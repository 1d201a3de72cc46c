"""The largest network inside a budget: nothing larger fits."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import archcalc
from archcalc.analysis.analyze import answer
from archcalc.space.fit import fit
from archcalc.space.trace import asked, total
from archcalc.spec.form import as_yaml
from tests.space.test_sweep import line

# The line of test_sweep: 27 w + 2 w^2 parameters, and (side - 2)^2 times as many MACs.


@pytest.mark.parametrize(
    ("kind", "input", "vary", "macs"),
    [
        ("Conv1d", [4, 100], "length", 3 * 32 * 101),
        ("Conv3d", [4, 9, 9, 9], "side", 27 * 32 * 12**3),
    ],
)
def test_an_extent_is_that_of_its_own_axes(
    kind: str, input: list[int], vary: str, macs: int
) -> None:
    layer = {"op": kind, "out_channels": 8, "kernel_size": 3, "padding": 1}
    spec = archcalc.load({"name": "net", "input": input, "layers": {"conv": layer}})

    assert fit(spec, {"macs": macs}, vary={vary: range(1, 200)}).totals["macs"] == macs


def test_the_boundary_is_exact() -> None:
    # w = 9: 243 + 162 = 405; w = 10: 270 + 200 = 470.
    assert fit(line(), {"params": 470}, vary=["width"]).values == {"width": 10}
    below = fit(line(), {"params": 469}, vary=["width"])

    assert below.values == {"width": 9}
    assert below.totals["params"] == 405
    assert below.beyond[0].totals == {"params": 470}
    assert below.beyond[0].exceeded == ("params",)


def test_of_several_variables_nothing_larger_fits() -> None:
    widths, sides = range(1, 40), range(3, 40)
    budget = {"macs": 200_000, "params": 1_000}
    found = fit(line(), budget, vary={"width": widths, "side": sides})
    products = {}
    for w, s in itertools.product(widths, sides):
        params = 27 * w + 2 * w * w
        macs = params * (s - 2) ** 2
        if macs <= 200_000 and params <= 1_000:
            products[w, s] = macs * params

    best = max(products.values())
    assert products[found.values["width"], found.values["side"]] == best
    assert [set(over.exceeded) != set() for over in found.beyond] == [True, True]


@pytest.mark.parametrize(
    ("name", "budget", "vary"),
    [
        ("mobilenet_v1", {"macs": 300_000_000}, ["width"]),
        ("mobilenet_v2", {"macs": 300_000_000, "params": 4_000_000}, ["width", "side"]),
        ("resnet18", {"macs": 10**9}, ["side"]),
        ("resnet18", {"macs": 10**9}, {"width": range(8, 256, 4)}),
    ],
)
def test_a_step_up_exceeds_the_budget(name: str, budget: dict[str, int], vary: Any) -> None:
    spec = archcalc.load(name)
    found = fit(spec, budget, vary=vary)

    assert all(found.totals[quantity] <= limit for quantity, limit in budget.items())
    assert len(found.beyond) == len(vary)
    for over in found.beyond:
        analysis = answer(spec, asked(spec, over.values))
        assert any(total(analysis, quantity) > limit for quantity, limit in budget.items())


def test_compound_scaling_stops_before_the_budget_is_exceeded() -> None:
    bases = {"width": 1.1, "depth": 1.2, "side": 1.15}
    spec = archcalc.load("efficientnet_b0")
    found = fit(spec, {"macs": 10**9}, compound=bases)
    phi = found.phi
    assert phi is not None

    assert found.values["width"] == 1.1**phi
    assert found.values["side"] == int(224 * 1.15**phi + 0.5)
    assert found.totals["macs"] <= 10**9 < found.beyond[0].totals["macs"]


def test_a_budget_of_what_it_is_gives_the_network_itself() -> None:
    # torchvision's MobileNetV2: 3,504,872 parameters.
    found = fit(archcalc.load("mobilenet_v2"), {"params": 3_504_872}, vary=["width"])

    assert found.values == {"width": 1.0}
    assert found.totals["params"] == 3_504_872


@pytest.mark.parametrize(
    ("name", "vary"), [("mobilenet_v2_0_5", ["width", "side"]), ("resnet18", ["side"])]
)
def test_what_is_written_out_is_the_network_and_keeps_its_budget(
    name: str, vary: list[str], tmp_path: Any
) -> None:
    found = fit(archcalc.load(name), {"macs": 250_000_000, "params": 20_000_000}, vary=vary)
    path = tmp_path / "fit.yaml"
    path.write_text(as_yaml(found.spec), encoding="utf-8")
    spec = archcalc.load(path)

    assert archcalc.validate(path) == []
    analysis = archcalc.analyze(spec)
    assert {q: total(analysis, q) for q in found.totals} == found.totals
    assert [finding.verdict for finding in archcalc.check(spec)] == ["within"] * 2


def test_where_all_that_may_be_chosen_fits_the_last_is_the_answer() -> None:
    found = fit(line(), {"macs": 10**9}, vary={"width": [1, 2], "side": [8]})

    assert found.values == {"width": 2, "side": 8}
    assert found.beyond == ()


@pytest.mark.parametrize(
    ("budget", "options", "message"),
    [
        ({"mac": 1}, {"vary": ["width"]}, "did you mean 'macs'"),
        ({}, {"vary": ["width"]}, "without a budget"),
        ({"macs": 1}, {"vary": ["widht"]}, "did you mean 'width'"),
        ({"macs": 1}, {"vary": ["width"]}, "nothing fits: width=1 has 1,044 macs"),
        ({"params": 10**6}, {"vary": ["side"]}, "no largest value"),
        ({"macs": 1}, {}, r"nothing is varied: .*\n  variables: width, "),
        ({"macs": 1}, {"vary": ["width"], "compound": {"width": 2}}, "not both"),
        ({"macs": 1}, {"compound": {"width": 0.5}}, "at least 1"),
    ],
)
def test_mistakes_are_explained(
    budget: dict[str, int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(archcalc.ArchcalcError, match=message):
        fit(line(), budget, **options)


@pytest.mark.parametrize("vary", [["side", "N"], ["width", "side"], ["classes", "side"]])
def test_what_has_no_largest_value_is_refused_before_anything_is_counted(
    vary: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archcalc.space.fit.plan", None)
    with pytest.raises(archcalc.ArchcalcError, match=r"whatever '.*' is, the budget is kept"):
        fit(archcalc.load("resnet18"), {"params": 10**15}, vary=vary)


def test_the_least_time_on_a_machine_is_a_budget() -> None:
    """Exact at the boundary, in nanoseconds; the spec keeps no budget that a machine decides."""
    spec = archcalc.load("mobilenet_v2")
    found = fit(
        spec, {"time": 20_000}, vary={"width": [0.5, 0.75, 1.0, 1.4]}, on="orin", dtype="int8"
    )

    def least(width: float) -> float:
        return archcalc.roofline(spec, "orin", dtype="int8", width=width).seconds * 1e9

    assert least(found.values["width"]) <= found.totals["time"] < 20_000
    assert found.totals["time"] - least(found.values["width"]) < 1
    (over,) = found.beyond
    assert least(over.values["width"]) > 20_000
    assert found.spec["budget"] == []


def test_a_time_needs_a_machine() -> None:
    with pytest.raises(archcalc.ArchcalcError, match="say which"):
        fit(archcalc.load("mobilenet_v2"), {"time": 100}, vary="width")
