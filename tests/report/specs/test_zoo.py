"""The list of networks."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise

import pytest

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.report.specs.zoo import render
from archcalc.spec.zoo import names


def test_without_a_word_all_networks_are_listed() -> None:
    assert [network.name for network in archcalc.list()] == list(names())


def test_a_network_has_its_numbers() -> None:
    (network,) = (each for each in archcalc.list("vgg16") if each.name == "vgg16")
    assert network.family == "vgg"
    assert network.year == 2014
    assert network.input == {"input": (1, 3, 224, 224)}
    assert network.params == 138_357_544
    # 3x3 convolutions of the paper's configuration D, then three classifiers
    convs = [
        (224, 3, 64),
        (224, 64, 64),
        (112, 64, 128),
        (112, 128, 128),
        (56, 128, 256),
        (56, 256, 256),
        (56, 256, 256),
        (28, 256, 512),
        (28, 512, 512),
        (28, 512, 512),
        *[(14, 512, 512)] * 3,
    ]
    fully = 25088 * 4096 + 4096 * 4096 + 4096 * 1000
    assert network.macs == sum(9 * side**2 * i * o for side, i, o in convs) + fully


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("LENET5-", {"lenet5-1998"}),  # name, whatever its case
        ("two gpus", {"alexnet-2gpu"}),  # edition
        ("gradient-based learning", {"lenet5", "lenet5-1998"}),  # title
        ("2012", {"alexnet", "alexnet-2gpu"}),  # year
        ("deeper", {"alexnet", "alexnet-2gpu"}),  # feature
        ("no such thing", set()),
    ],
)
def test_a_word_is_looked_for_in_all_that_describes_a_network(word: str, found: set[str]) -> None:
    names = {network.name for network in archcalc.list(word)}
    if word == "deeper":  # titles have it too
        names = {name for name in names if name.startswith("alexnet")}
    assert names == found


def test_the_formats_agree() -> None:
    networks = archcalc.list("alexnet")
    (first, *_) = csv.DictReader(io.StringIO(render(networks, "csv")))
    (entry, *_) = json.loads(render(networks, "json"))["networks"]
    assert entry["input"] == [1, 3, 227, 227]
    assert first["input"] == "3x227x227"
    for key in ("name", "family", "title", "edition", "year", "feature", "params", "macs"):
        assert str(entry[key]) == first[key]
    for form in ("table", "markdown"):
        assert "62,378,344" in render(networks, form)
        assert "spread over two GPUs" in render(networks, form)
    widths = {line.count("|") for line in render(networks, "markdown").splitlines()}
    assert widths == {7}


def test_a_list_counts_by_the_convention_asked_for() -> None:
    vgg16 = next(each for each in archcalc.list("vgg16", "2xmacs") if each.name == "vgg16")
    assert (vgg16.convention, vgg16.work) == ("2xmacs", 2 * vgg16.macs)
    assert vgg16.macs == 15_470_264_320
    for form in ("table", "markdown"):
        assert "2 x MACs" in render([vgg16], form)
        assert "30,940,528,640" in render([vgg16], form)
    with pytest.raises(ArchcalcError, match="no convention 'flop'"):
        archcalc.list("vgg16", "flop")


@pytest.mark.parametrize("by", ["year", "params", "macs"])
def test_a_list_is_ordered_from_the_smallest(by: str) -> None:
    values = [getattr(network, by) for network in archcalc.list(by=by)]

    assert len(set(values)) > 5
    assert values == sorted(values)


def test_an_order_by_macs_is_by_the_work_that_is_counted() -> None:
    works = [network.work for network in archcalc.list("resnet", "fvcore", by="macs")]

    assert works == sorted(works)


def test_without_an_order_families_stay_together() -> None:
    families = [network.family for network in archcalc.list()]
    changes = sum(before != after for before, after in pairwise(families))

    assert changes == len(set(families)) - 1


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ArchcalcError, match=r"no order 'param'\n  did you mean 'params'\?"):
        archcalc.list(by="param")
