"""The spaces that are shipped: as large as published, and published networks are points in them."""

from __future__ import annotations

import pytest

import archcalc
from archcalc import Space
from archcalc.spec import zoo

SHIPPED = [path.stem for path in zoo.spaces()]


@pytest.mark.parametrize("name", SHIPPED)
def test_sampled_networks_equal_analyze(name: str) -> None:
    found = Space(name)
    assert archcalc.validate(name) == []
    rows = archcalc.sweep(found, sample=40, seed=11, quantities="params,macs,flops")
    assert len(rows) == 40
    for k, point in enumerate(found.sample(40, seed=11)):
        if k % 8 == 0:
            analysis = archcalc.analyze(found.network, **point)
            assert analysis.params == rows[k]["params"]
            assert (analysis.macs, analysis.flops) == (rows[k]["macs"], rows[k]["flops"])


def test_nas_bench_201() -> None:
    """Dong and Yang 2020: five operations on six edges are 15,625 cells; the benchmark's numbers
    are documented in the spec.
    """
    found = Space("nasbench201")
    assert found.size == 5**6 == 15_625
    assert len(list(found.neighbours(next(found.enumerate())))) == 24  # as in tests of NASLib
    whole = archcalc.sweep(found, quantities="params,connections")
    assert len(whole) == 15_625
    assert all(each.ok for each in archcalc.check("nasbench201"))


def test_nats_bench_sizes() -> None:
    """Dong et al. 2021: five numbers of channels out of eight."""
    assert Space("nats_size").size == 8**5 == 32_768
    assert all(each.ok for each in archcalc.check("nats_size"))
    least, most = (archcalc.sweep("nats_size", top=1, by=by)[0] for by in ("-params", "params"))
    assert (least["params"], most["params"]) == (11_714, 713_674)


def test_darts() -> None:
    """Liu et al. 2019, appendix A.1: of the k + 1 states before it a node takes two, each with one
    of seven operations, so that there are 180 x 7^8 or about 10^9 cells of each kind.
    """
    assert Space("darts").size == (180 * 7**8) ** 2
    assert all(each.ok for each in archcalc.check("darts"))


def test_autoformer() -> None:
    """Chen et al. 2021, table 1, the small supernet: a depth, a width, and in each layer one of
    three numbers of heads and of three ratios.
    """
    space = Space("autoformer")
    assert space.size == 3 * (9**12 + 9**13 + 9**14)
    assert all(each.ok for each in archcalc.check("autoformer"))
    small = archcalc.load("autoformer-small")
    assert {name: small.vars[name] for name in space.variables} in space


@pytest.mark.parametrize(
    ("hidden_size", "num_hidden_layers", "billions"),
    [(4096, 32, "6.7"), (5120, 40, "13.0"), (6656, 60, "32.5"), (8192, 80, "65.2")],
)
def test_llamas_are_points(hidden_size: int, num_hidden_layers: int, billions: str) -> None:
    """Touvron et al. 2023, table 2; of the largest, the rest was cut off."""
    fixed = {"hidden_size": hidden_size, "num_hidden_layers": num_hidden_layers}
    space = Space("llama_grid", shared=1, vocab_size=32000, **fixed)
    (row,) = archcalc.sweep(space, quantities="params")
    millions = row["params"] // 10**6
    assert billions in (f"{millions / 1000:.1f}", f"{millions // 100 / 10:.1f}")


def test_a_grid_of_llamas() -> None:
    """Widths of 4 to 64 heads, of which so many share one that it goes up, 89 depths, 2 tables."""
    shared = sum(heads % each == 0 for heads in range(4, 65) for each in (1, 2, 4, 8))
    assert Space("llama_grid").size == shared * 89 * 2


def test_once_for_all() -> None:
    """Cai et al. 2020, section 3.2, and the 25 sides of section 4.1."""
    assert Space("ofa_mobilenet_v3", side=224).size == (9**2 + 9**3 + 9**4) ** 5
    assert Space("ofa_mobilenet_v3").size == 25 * (9**2 + 9**3 + 9**4) ** 5


@pytest.mark.parametrize(
    "name", ["regnet_x_400mf", "regnet_x_800mf", "regnet_x_1_6gf", "regnet_x_3_2gf"]
)
def test_published_regnets_are_points(name: str) -> None:
    space = Space("anynet_x")
    own = zoo.load(name)
    point = {variable: own.vars[variable] for variable in space.variables}
    assert point in space
    codes = {variable: [value] for variable, value in point.items()}
    found = archcalc.sweep(Space("anynet_x", **codes))[0]
    analysis = archcalc.analyze(own)
    assert (found["params"], found["macs"]) == (analysis.params, analysis.macs)
