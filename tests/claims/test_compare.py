"""Networks side by side, and what is documented of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError, SpecError
from archcalc.claims.compare import Entry, compare
from archcalc.report.claims import compare as report

SMALL: dict[str, Any] = {
    "name": "small",
    "input": [3, 8, 8],
    "vars": {"k": 3},
    "layers": {"conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": "=k"}},
}
"""3 * 3 * 3 * 4 + 4 = 112 parameters; 6 * 6 positions of 108 products are 3,888."""


def only(network: Any, **options: Any) -> Entry:
    (entry,) = compare(network, **options).entries
    return entry


def documenting(*documented: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**SMALL, "documented": [{"source": "a page", **each} for each in documented], **more}


def test_without_names_the_four_of_the_usual_comparison_are_meant() -> None:
    found = archcalc.compare()
    # Krizhevsky 2012, Simonyan 2014, Szegedy 2014 and He 2015; parameters as torchvision prints
    # them for VGG-16 and ResNet-152, and as the cheat sheet and its corrected sum have the others.
    assert [(entry.name, entry.analysis.params) for entry in found.entries] == [
        ("alexnet", 62_378_344),
        ("vgg16", 138_357_544),
        ("googlenet", 6_998_552),
        ("resnet152", 60_192_808),
    ]
    assert [entry.accuracy for entry in found.entries] == [0.847, 0.923, 0.933, 0.9551]


@pytest.mark.parametrize(
    ("network", "kind", "printed", "of", "computed", "verdict"),
    [
        ("alexnet", "params", "62M", "alexnet", 62_378_344, "rounds"),
        ("vgg16", "params", "138M", "vgg16", 138_357_544, "rounds"),
        # The row of "VGGNet" prints the parameters of VGG-16 and the work of VGG-19.
        ("vgg16", "work", "19.6B", "vgg19", 19_632_062_464, "rounds"),
        ("googlenet", "params", "6.4M", "googlenet", 6_998_552, "erratum"),
        ("googlenet", "work", "2B", "googlenet", 1_582_671_872, "rounds"),
        # With 151,579 means, variances and counters of 155 normalizations, which are not trained.
        ("resnet152", "params", "60.3M", "resnet152", 60_344_387, "convention"),
    ],
)
def test_what_the_usual_comparison_prints_is_explained(
    network: str, kind: str, printed: str, of: str, computed: int, verdict: str
) -> None:
    found = only(network).said(kind)
    assert found is not None
    assert (found.printed, found.network) == (printed, of)
    assert (found.computed, found.verdict) == (computed, verdict)


def test_only_the_row_of_a_source_tells_what_another_variant_has_to_do_with_it() -> None:
    """A table's title is the source of all its rows: it says nothing of the row."""
    spec = {
        **SMALL,
        "variants": {"small": {}, "large": {"k": 5}},
        "documented": [
            {"variant": "small", "quantity": "params", "value": 112, "source": "page, line 3"},
            {"variant": "large", "quantity": "macs", "value": 1, "source": "page"},
            {"variant": "large", "quantity": "macs", "value": 4800, "source": "page, line 3"},
        ],
    }
    found = only(spec).documented
    assert found is not None
    # 4 * 4 positions of 5 * 5 * 3 * 4 products.
    assert [(f.network, f.printed, f.verdict) for f in found["work"]] == [
        ("large", "4800", "exact")
    ]


def test_a_network_s_own_number_goes_before_that_of_its_row() -> None:
    spec = {
        **SMALL,
        "variants": {"small": {}, "large": {"k": 5}},
        "documented": [
            {"variant": "large", "quantity": "macs", "value": 4800, "source": "page, line 3"},
            {"variant": "small", "quantity": "macs", "value": 3888, "source": "page, line 3"},
        ],
    }
    assert [f.network for f in (only(spec).documented or {})["work"]] == ["small"]


def test_what_does_not_hold_is_told_first() -> None:
    found = only(
        documenting({"quantity": "params", "value": 112}, {"quantity": "params", "value": 113})
    ).said("params")
    assert found is not None
    assert (found.printed, found.verdict) == ("113", "contradicted")


@pytest.mark.parametrize(
    ("convention", "record", "verdict", "message"),
    [
        # 3,888 multiply-accumulates; with 144 uses of biases 7,920 operations.
        ("macs", {"quantity": "macs", "value": "3,888"}, "exact", ""),
        ("macs", {"quantity": "flops", "value": "7,920"}, "convention", "counts as 'all'"),
        ("2xmacs", {"quantity": "macs", "value": "3,888"}, "convention", "counts as 'macs'"),
        ("2xmacs", {"quantity": "flops", "convention": "2xmacs", "value": "7.8K"}, "rounds", ""),
        (
            "macs",
            {"quantity": "flops", "convention": "2xmacs", "value": "7.8K"},
            "convention",
            "counts as '2xmacs'",
        ),
    ],
)
def test_printed_work_is_held_against_the_number_beside_it(
    convention: str, record: dict[str, Any], verdict: str, message: str
) -> None:
    found = only(documenting(record), convention=convention).said("work")
    assert found is not None
    assert (found.verdict, found.message) == (verdict, message)


def test_quantities_of_a_part_are_not_those_of_the_network() -> None:
    spec = documenting(
        {"quantity": "params", "value": 112, "layer": "conv"},
        {"quantity": "Conv2d.params", "value": 112},
    )
    assert only(spec).documented == {}


def test_nothing_is_documented_of_a_network_that_was_changed() -> None:
    spec = documenting({"quantity": "params", "value": 112})
    assert only(spec, k=3).documented == only(spec).documented
    assert only(spec, input=[3, 8, 8]).documented == only(spec).documented
    changed = only(spec, k=5)
    assert changed.documented is None
    assert changed.top5 is None
    assert changed.analysis.params == 304
    assert only(spec, input=lambda spec: [3, 9, 9]).documented is None


@pytest.mark.parametrize(
    ("value", "accuracy"), [("84.7%", 0.847), ("0.847", 0.847), ("84.7", 0.847), ("high", None)]
)
def test_an_accuracy_is_printed_in_several_ways(value: str, accuracy: float | None) -> None:
    fact = {"quantity": "top5_accuracy", "value": value, "source": "s", "reason": "measured"}
    entry = only({**SMALL, "facts": [fact]})
    assert entry.accuracy == accuracy
    assert entry.top5 is not None
    assert entry.top5.printed == value


def test_where_only_an_error_is_printed_the_rest_is_the_accuracy() -> None:
    error = {"quantity": "top5_error", "value": "7.46%", "source": "s", "reason": "measured"}
    accuracy = {"quantity": "top5_accuracy", "value": "93%", "source": "s", "reason": "measured"}

    assert only({**SMALL, "facts": [error]}).accuracy == pytest.approx(0.9254)
    assert only({**SMALL, "facts": [error, accuracy]}).accuracy == 0.93


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("params", ["lenet5", "googlenet", "resnet18-cifar", "vgg16"]),
        ("-params", ["vgg16", "resnet18-cifar", "googlenet", "lenet5"]),
        ("year", ["lenet5", "vgg16", "googlenet", "resnet18-cifar"]),
        # 92.30%, 93.30%, and two of which none is documented, in the order given
        ("top5", ["vgg16", "googlenet", "resnet18-cifar", "lenet5"]),
        ("-top5", ["googlenet", "vgg16", "resnet18-cifar", "lenet5"]),
        ("network", ["googlenet", "lenet5", "resnet18-cifar", "vgg16"]),
    ],
)
def test_unknown_is_sorted_last(sort: str, names: list[str]) -> None:
    found = compare("resnet18-cifar", "vgg16", "googlenet", "lenet5", sort=sort)
    assert [entry.name for entry in found.entries] == names


def test_the_baseline_is_one_of_them_or_put_first() -> None:
    among = compare("vgg16", "alexnet", baseline="alexnet")
    assert [entry.name for entry in among.entries] == ["vgg16", "alexnet"]
    assert among.baseline is among.entries[1]
    beside = compare("vgg16", baseline="alexnet")
    assert [entry.name for entry in beside.entries] == ["alexnet", "vgg16"]
    assert beside.baseline is beside.entries[0]


def test_networks_of_one_name_are_called_as_they_were_asked_for(tmp_path: Path) -> None:
    import json

    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        path.write_text(json.dumps(SMALL))
    found = compare(*map(str, paths), baseline=str(paths[1]))
    assert [entry.name for entry in found.entries] == list(map(str, paths))
    assert found.baseline is found.entries[1]


def test_a_tool_that_fails_leaves_the_number_unknown() -> None:
    layers = {"up": {"op": "Upsample", "scale_factor": [2, 3]}}
    entry = only({"name": "n", "input": [4, 6, 6], "layers": layers}, convention="calflops")
    assert entry.number is None
    assert "calflops fails on 'up'" in entry.failure


def test_every_convention_at_once() -> None:
    found = compare(SMALL, convention="all")
    assert found.convention is None
    numbers = {each.convention.name: each.number for each in found.entries[0].differences}
    assert (numbers["macs"], numbers["2xmacs"], numbers["all"]) == (3_888, 7_776, 7_920)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convention": "flop"}, "no convention 'flop'"),
        ({"sort": "size!"}, "did you mean 'size'"),
        ({"sort": ""}, "can't sort by ''"),
        ({"baseline": "alexnett"}, "did you mean 'alexnet'"),
        ({"side": 7}, "kernel"),
        ({"sides": 7}, "did you mean 'side'"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchcalcError, match=message):
        compare("vgg16", **options)


def test_a_documented_number_that_is_none_is_told_with_its_place() -> None:
    with pytest.raises(SpecError, match="documented › 0 › value"):
        compare(documenting({"quantity": "params", "value": "many"}))


def test_least_times_stand_beside_each_network() -> None:
    found = compare("lenet5", "resnet18", on=["h100", "orin"], dtype="int8", sort="-time")

    assert [entry.name for entry in found.entries] == ["resnet18", "lenet5"]
    for entry in found.entries:
        for bound, machine in zip(entry.bounds, ("h100-sxm", "jetson-agx-orin"), strict=True):
            assert bound == archcalc.roofline(entry.spec, machine, dtype="int8")
    text = report.render(found)
    assert "least on jetson-agx-orin" in text
    assert "least times are bounds, of int8" in text
