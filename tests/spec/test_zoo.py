"""Where specs come from."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import SpecError
from archcalc.spec import shelf, zoo

FAMILY = """\
name: tiny
edition: the large one
input: [3, =side, =side]
vars: {width: 8, side: 6}
variants:
  tiny: {}
  tiny-small: {width: 2, edition: the small one, input: [1, =side, 4]}
  other: {width: 5}
layers:
  conv: {op: Conv2d, out_channels: =width, kernel_size: 1}
"""


@pytest.fixture
def family(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(FAMILY)
    return file


# The names that others build on.
NAMES = [
    "lenet5",
    "lenet5-1998",
    "alexnet",
    "alexnet-2gpu",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50-v1",
    "resnet101-v1",
    "resnet152-v1",
    "resnet18-cifar",
    "resnet34-cifar",
    "resnet50-cifar",
    "resnet101-cifar",
    "resnet152-cifar",
    "resnet18-cheatsheet",
    "googlenet",
    "googlenet-aux",
    "googlenet-cheatsheet",
    "mnist-keras",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_network_of_the_zoo_is_loaded_by_its_name(name: str) -> None:
    spec = archcalc.load(name)
    assert spec.label == name
    assert spec.edition
    assert spec.title


def test_a_family_without_a_network_of_its_name_asks_for_a_variant() -> None:
    with pytest.raises(SpecError, match="choose a variant: resnet18, resnet34"):
        archcalc.expand(archcalc.load("resnet"))


def test_no_two_networks_of_the_zoo_have_one_name() -> None:
    names = list(zoo.names())
    assert len(names) == len(set(names))


def test_names_are_read_from_the_text_as_they_are_in_the_spec() -> None:
    for path in zoo.families():
        spec = zoo.family(path)
        assert zoo.words_of(path) == list(spec.variants or [spec.name])


def test_the_zoo_is_found_beside_the_package_or_in_it() -> None:
    assert (zoo.folder() / "resnet.yaml").is_file()


def test_a_file_is_loaded_by_its_path(family: Path) -> None:
    for source in (family, str(family)):
        assert archcalc.load(source).variant == "tiny"


def test_a_variant_of_a_file_is_chosen_after_two_colons(family: Path) -> None:
    small = archcalc.load(f"{family}::tiny-small")
    assert (small.variant, small.edition, small.vars["width"]) == ("tiny-small", "the small one", 2)
    assert archcalc.expand(small).inputs == {"input": (1, 1, 6, 4)}
    other = archcalc.load(f"{family}::other")
    assert (other.edition, other.vars["width"]) == ("the large one", 5)


def test_a_variant_that_is_not_there_is_said_to_be_so(family: Path) -> None:
    (problem,) = archcalc.validate(f"{family}::tiny-smal")
    assert problem.message == "no variant 'tiny-smal'"
    assert problem.hint == "did you mean 'tiny-small'?"
    with pytest.raises(SpecError, match="no variant 'tiny-smal'"):
        archcalc.load(f"{family}::tiny-smal")


def test_where_no_variant_of_many_is_near_one_of_them_is_said() -> None:
    (problem,) = archcalc.validate(archcalc.load("resnet").document.file + "::zzz")
    assert re.fullmatch(r"it has \d\d, such as resnet18", problem.hint)


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(FAMILY.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert archcalc.load("-").name == "tiny"


def test_json_and_a_mapping_give_the_same_spec_as_yaml(family: Path, tmp_path: Path) -> None:
    spec = archcalc.load(family)
    data = spec.document.data
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps(data, indent="\t"))
    expected = archcalc.expand(spec)
    assert archcalc.expand(archcalc.load(file)) == expected
    assert archcalc.expand(archcalc.load(data)) == expected


def test_a_name_near_to_a_network_is_suggested() -> None:
    with pytest.raises(SpecError, match="did you mean 'googlenet'"):
        archcalc.load("googlnet")


def test_validate_looks_at_every_variant(family: Path) -> None:
    family.write_text(FAMILY.replace("width: 5", "width: 0"))
    (problem,) = archcalc.validate(family)
    assert "in the variant 'other'" in problem.hint
    assert archcalc.validate(f"{family}::tiny") == []


def test_a_malformed_file_of_the_zoo_is_an_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.yaml").write_text("name: net\ninput: [4]\nlayers: {a: ReLU}\nyear: soon\n")
    monkeypatch.setattr(shelf, "folder", lambda: tmp_path)

    with pytest.raises(SpecError, match=r"net\.yaml:4:7  year"):
        list(zoo.names())


def test_a_mapping_may_hold_numbers_of_numpy() -> None:
    import numpy as np

    layers = {"fc": {"op": "Linear", "out_features": np.int64(2)}}
    spec = archcalc.load({"name": "n", "input": np.array([4]), "layers": layers})
    assert archcalc.analyze(spec).params == 4 * 2 + 2


@pytest.mark.parametrize("odd", [{1, 2}, b"x", 1j, object(), iter([1]), ...])
def test_a_mapping_of_what_is_no_plain_data_is_refused(odd: object) -> None:
    for data in ({"name": odd}, {"vars": {"x": odd}}, {("a", "b"): 1}):
        with pytest.raises(SpecError, match="a spec has mappings with text as keys"):
            archcalc.load(data)  # type: ignore[arg-type]


def test_a_mapping_without_an_end_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for data in (loop, {"vars": deep}):
        with pytest.raises(SpecError, match="nested without end"):
            archcalc.load(data)


@pytest.mark.parametrize(
    "name", ["../outside", "a/../../outside", "..", "", "x\0", "examples/conv1x1"]
)
def test_a_way_through_folders_is_no_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "zoo"
    for folder in (inside, inside / "a", inside / "examples"):
        folder.mkdir()
    for file in (tmp_path / "outside.yaml", inside / "examples/conv1x1.yaml", inside / ".yaml"):
        file.write_text(FAMILY)
    monkeypatch.setattr(shelf, "folder", lambda: inside)
    assert zoo.find(name) is None


def test_of_a_text_the_variant_of_the_familys_name_is_meant() -> None:
    assert zoo.parse(FAMILY, "page").variant == "tiny"
    assert zoo.parse(FAMILY, "page", "other").variant == "other"
    assert zoo.parse(FAMILY.replace("tiny: {}", "first: {}"), "page").variant == "first"


def test_of_a_text_only_the_chosen_variant_is_looked_at() -> None:
    broken = FAMILY.replace("{width: 5}", "{width: 0}")
    assert zoo.parse(broken, "page").variant == "tiny"
    with pytest.raises(SpecError, match="page:10"):
        zoo.parse(broken, "page", "other")


def test_a_folder_is_all_its_specs_unless_a_network_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("mine", "resnet18"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.yaml").write_text(FAMILY)
    monkeypatch.chdir(tmp_path)
    assert zoo.named("mine") == [str(Path("mine", "net.yaml"))]
    assert zoo.named("resnet18") == ["resnet18"]
    assert zoo.named("./resnet18") == [str(Path("resnet18", "net.yaml"))]
