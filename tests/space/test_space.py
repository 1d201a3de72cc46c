"""A space says exactly what is in it: counted, enumerated, drawn and walked about in."""

from __future__ import annotations

import itertools
from collections import Counter
from math import comb, prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc import ArchcalcError, Space, SpecError
from archcalc.space.points import shuffled
from archcalc.space.states import states
from archcalc.spec.scope import Wrong
from archcalc.spec.space import Space as Declared
from tests.space.spaces import SMALL, space


def declared(vars: dict[str, Any], where: list[str] | None = None) -> Any:
    return states(Declared.model_validate({"vars": vars, "where": where or []}), {})


def listed(point: dict[str, Any]) -> str:
    return str(sorted(point.items()))


def test_places_multiply() -> None:
    twenty = {"each": [f"b{k}" for k in range(20)], "times": 20}
    assert declared({"places": twenty}).size == 20**20
    assert declared({"a": [1, 2], "b": {"from": 0.25, "to": 1, "step": 0.25}}).size == 2 * 4
    assert declared({"a": {"places": [[1, 2], [3], {"from": 1, "to": 5}]}}).size == 10


def test_the_published_size_of_once_for_all() -> None:
    """Cai et al. 2020, section 3.2: five units of 2, 3 or 4 layers, each of three kernels and
    three ratios, are ((3 x 3)^2 + (3 x 3)^3 + (3 x 3)^4)^5, about 2 x 10^19.
    """
    depths = {"each": [2, 3, 4], "times": 5}
    layers = {"each": [3, 5, 7], "times": "=sum(depths)"}
    ratios = {"each": [3, 4, 6], "times": "=sum(depths)"}
    found = declared({"depths": depths, "kernels": layers, "ratios": ratios})
    assert found.size == (9**2 + 9**3 + 9**4) ** 5
    assert 2.1e19 < found.size < 2.2e19


def test_widths_that_do_not_fall() -> None:
    # Lists of four of 128 values in order are combinations with repetition.
    widths = {"each": {"from": 8, "to": 1024, "step": 8}, "times": 4}
    rising = [f"=w[{k}] <= w[{k + 1}]" for k in range(3)]
    assert declared({"w": widths}, rising).size == comb(128 + 3, 4)


def test_choices_of_those_above() -> None:
    tied = {"a": {"from": 1, "to": 4}, "b": {"from": "=a", "to": 4}, "c": "=a + b"}
    assert declared(tied).size == 4 + 3 + 2 + 1
    times = {"n": [0, 1, 3], "l": {"each": [1, 2], "times": "=n"}}
    assert declared(times).size == 1 + 2 + 8
    assert declared({"l": {"each": [1, 2], "times": [0, 2, 3]}}).size == 1 + 4 + 8


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.integers(0, 9),
    st.sampled_from(
        ["sum(l) <= k", "l[0] != l[-1]", "max(l) - min(l) < 2", "k in l", "len(l) > k"]
    ),
)
@settings(max_examples=60, deadline=None)
def test_conditions_are_counted_as_if_all_were_tried(
    sizes: list[int], k: int, condition: str
) -> None:
    places = [list(range(1, size + 1)) for size in sizes]
    vars = {"k": [k, k + 1], "l": {"places": places}}
    known = {"sum": sum, "max": max, "min": min, "len": len}
    truth = [
        items
        for value in (k, k + 1)
        for items in itertools.product(*places)
        if eval(condition, {}, {"l": items, "k": value, **known})
    ]
    if not truth:
        with pytest.raises(Wrong, match="empty"):
            declared(vars, [f"={condition}"])
    else:
        assert declared(vars, [f"={condition}"]).size == len(truth)


def test_all_are_enumerated_once_and_in_order() -> None:
    small = space()
    assert small.size == 3 * 6 * 27 * 2 * 3
    points = list(small.enumerate())
    assert len({listed(point) for point in points}) == small.size == len(points)
    assert all(point["depths"][0] <= point["depths"][1] for point in points)
    assert list(small.enumerate(100, 103)) == points[100:103]


def test_a_sample_is_the_same_for_the_same_seed_and_none_comes_twice() -> None:
    small = space()
    once = list(small.sample(500, seed=3))
    assert once == list(small.sample(500, seed=3))
    assert once != list(small.sample(500, seed=4))
    assert len({listed(point) for point in once}) == 500
    whole = {listed(point) for point in small.sample(small.size)}
    assert len(whole) == small.size
    with pytest.raises(ArchcalcError, match="can't differ"):
        next(small.sample(small.size + 1))


def test_a_sample_is_uniform_over_configurations_and_not_over_choices() -> None:
    # One of the eleven lists is empty, and eight have three items.
    network = archcalc.load(
        {
            **SMALL,
            "vars": {**SMALL["vars"], "l": [1]},
            "space": {"vars": {"l": {"each": [1, 2], "times": [0, 1, 3]}}},
        }
    )
    drawn = list(Space(network).sample(22_000, seed=1, replace=True))
    counts = Counter(listed(point) for point in drawn)
    assert len(counts) == 11
    # The statistic of 10 degrees of freedom is below 35.56 in 9,999 of 10,000 cases.
    assert sum((count - 2000) ** 2 / 2000 for count in counts.values()) < 35.56
    numbers = shuffled(11, 5, 0, 11).tolist()
    assert sorted(numbers) == list(range(11))


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 2**40 + 1, 20**20])
def test_a_shuffle_has_every_number_once(size: int) -> None:
    some = shuffled(size, 1, 0, min(size, 500)).tolist()
    assert len({*some}) == len(some)
    assert all(0 <= number < size for number in some)
    assert (
        shuffled(size, 1, len(some) // 2, len(some) - len(some) // 2).tolist()
        == some[len(some) // 2 :]
    )


def test_conditions_that_can_not_be_counted_are_said_and_kept() -> None:
    lists = {"each": list(range(30)), "times": 6}
    network = archcalc.load(
        {
            **SMALL,
            "vars": {**SMALL["vars"], "l": [1], "m": 0},
            "space": {"vars": {"l": lists, "m": [0, 1, 2, 3, 4, 5]}, "where": ["=l[m] > 20"]},
        }
    )
    found = Space(network)
    assert not found.exact
    assert found.size == 30**6 * 6
    assert all(p["l"][p["m"]] > 20 for p in found.sample(50, seed=2))
    assert all(p["l"][p["m"]] > 20 for p in itertools.islice(found.enumerate(), 5))


def test_neighbours_differ_in_one_choice() -> None:
    small = space()
    point = {
        "width": 16,
        "depths": [1, 1],
        "ops": ["conv", "same", "large"],
        "pooled": True,
        "side": 8,
    }
    found = list(small.neighbours(point))
    # 2 widths, 0 in the first place of the depths, 2 in the second, 3 x 2 blocks, 1 end, 2 sides
    assert len(found) == 2 + 1 + 1 + 6 + 1 + 2
    assert all(each in small for each in found)
    assert {"width": 8, **{k: v for k, v in point.items() if k != "width"}} in found


def test_a_crossing_has_each_choice_of_either() -> None:
    small = space()
    one, other = list(small.sample(2, seed=8))
    for seed in range(20):
        child = small.cross(one, other, seed=seed)
        assert child in small
        assert all(
            a in (b, c)
            for name in ("ops", "depths")
            for a, b, c in zip(child[name], one[name], other[name], strict=True)
        )
        assert child["width"] in (one["width"], other["width"])


def test_what_is_no_configuration_is_told() -> None:
    point = next(space().enumerate())
    assert point in space()
    with pytest.raises(ArchcalcError, match="see width"):
        space().codes({**point, "width": 9})
    with pytest.raises(ArchcalcError, match="needs side"):
        space().codes({name: value for name, value in point.items() if name != "side"})
    assert {**point, "depths": [2, 1]} not in space()


def test_variables_may_be_fixed() -> None:
    assert space(width=8).size == 6 * 27 * 2 * 3
    assert space(width=[8, 40], side=range(8, 17, 8)).size == 2 * 6 * 27 * 2 * 2
    with pytest.raises(ArchcalcError, match="did you mean 'width'"):
        space(widht=8)


def test_each_choice_is_tried() -> None:
    small = space(side=[4], pooled=[True])
    problems = small.check()
    assert any("kernel 9" in problem.message for problem in problems)
    assert all("'large'" in problem.hint for problem in problems)
    assert not space(ops=[["conv", "same", "same"]]).check()


BROKEN = """\
name: broken
input: [3, 8, 8]
vars: {width: 8, depths: [1]}
space:
  vars:
    widht: [8, 16]
    depths: {each: [1, 2], tims: 2}
    width: {from: 8, to: =depth, step: 8}
  where: [=wdth > 8, depths]
layers:
  conv: {op: Conv2d, out_channels: =width, kernel_size: 1}
"""


def test_what_is_wrong_is_told_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    found = {(p.line, p.message.partition(",")[0]): p.hint for p in archcalc.validate(str(path))}
    assert found[7, "unknown key 'tims'"] == "did you mean 'times'?"
    assert (9, "should be an expression that is true or false") in found
    path.write_text(BROKEN.replace("tims", "times").replace(", depths]", "]"))
    found = {(p.line, p.message): p.hint for p in archcalc.validate(str(path))}
    assert found[8, "unknown name 'depth' in '=depth'"] == "did you mean 'depths'?"
    assert (9, "unknown name 'wdth' in '=wdth > 8'") in found
    (missed,) = [hint for (line, message), hint in found.items() if line == 6]
    assert missed == "did you mean 'width'?"


def test_a_space_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("network: resnet18\nspace: {vars: {depths: {each: [1, 2], times: 4}}}\n")
    assert archcalc.validate(str(path)) == []
    network = archcalc.load(str(path))
    assert network.label == "resnet18"
    assert Space(network).size == 2**4
    path.write_text("network: resnet19\nspace: {vars: {depths: [[1, 1, 1, 1]]}}\n")
    with pytest.raises(SpecError, match=r"mine\.yaml:1:10"):
        archcalc.load(str(path))
    path.write_text("network: ../x.yaml\nspace: {vars: {depths: [[1, 1, 1, 1]]}}\n")
    with pytest.raises(SpecError, match="beside this one"):
        archcalc.load(str(path))


def test_a_network_without_a_space_says_so() -> None:
    with pytest.raises(ArchcalcError, match="declares no space"):
        Space(archcalc.load("alexnet"))


def test_choices_have_bounds() -> None:
    with pytest.raises(Wrong, match="at most"):
        declared({"a": {"from": 1, "to": 10**9}})
    with pytest.raises(Wrong, match="items"):
        declared({"a": {"each": [1], "times": 10**6}})
    with pytest.raises(Wrong, match="empty"):
        declared({"a": [1, 2]}, ["=a > 2"])
    assert declared({"a": {"each": [1, 2], "times": 9000}}).size == 2**9000


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ("width: {from: 8, to: 4}", "1:43  space › vars › width\n  'width' has no value"),
        ("width: {from: 4, to: 8, step: 0}", "1:66  space › vars › width › step"),
        ("depths: {each: [1, 2], times: =0 - 1}", "1:66  space › vars › depths › times"),
        (
            "depths: {each: {each: [1], times: 2}, times: 4}",
            "1:51  .*\n  should be choices of single items",
        ),
        ("depths: {places: []}", "1:53  .*\n  should be a list of what each place may be"),
        ("width: {from: =1 // 0, to: 4}", "1:43  space › vars › width\n  divides by zero"),
    ],
)
def test_what_is_amiss_is_told_where_it_stands(choices: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{{network: resnet18, space: {{vars: {{{choices}}}}}}}\n")
    with pytest.raises(SpecError, match=rf"mine\.yaml:{told}"):
        Space(str(path))


def test_the_condition_that_nothing_fulfils_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "network: resnet18\nspace:\n  vars: {width: [8, 16]}\n"
        "  where:\n  - =width > 4\n  - =width > 16\n"
    )
    with pytest.raises(SpecError, match=r"mine\.yaml:6:5  space › where › 1\n.*'width' may be"):
        Space(str(path))
    with pytest.raises(ArchcalcError, match=r"^'width' has no value"):
        Space(str(path), width=range(0))


def test_the_size_is_that_of_all_products() -> None:
    sizes = [3, 1, 4, 1, 5]
    vars = {f"v{k}": list(range(size)) for k, size in enumerate(sizes)}
    assert declared(vars).size == prod(sizes)


def test_a_configuration_is_written_out() -> None:
    small = space(ops=["conv", "same", "conv"])
    point = next(small.sample(1, seed=6))
    data = small.spec(point)
    assert not {"space", "variants"} & data.keys()
    written = archcalc.load(data)
    names = small.network.vars.keys()
    known = {name: value for name, value in point.items() if name in names}
    assert archcalc.analyze(written).macs == archcalc.analyze(small.network, **known).macs
    with pytest.raises(ArchcalcError, match="is no configuration"):
        small.spec({**point, "width": 7})


def test_a_list_of_items_is_one_value_of_what_is_a_list() -> None:
    whole = space().size
    assert space(ops=["conv", "same", "conv"]).size * 27 == whole
    assert space(ops=[["conv", "same", "conv"], ["conv", "conv", "same"]]).size * 27 == 2 * whole
    assert space(width=[8, 16]).size * 3 == 2 * whole
