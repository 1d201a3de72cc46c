from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from archcalc.operators import NAMES, operator
from archcalc.spec import text, zoo
from archcalc.spec.layer import LAYER_KEYS
from archcalc.spec.model import Spec
from archcalc.spec.records import file_of
from archcalc.spec.schema import network_schema, records_schema, schema

RECORDS = jsonschema.Draft7Validator(records_schema())
SCHEMA = schema()
NETWORKS = jsonschema.Draft7Validator(network_schema())
LANGUAGE = sorted((Path(__file__).parents[1] / "specs" / "language").glob("*.yaml"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def spec(**keys: Any) -> dict[str, Any]:
    return {"name": "net", "input": [3, 8, 8], "layers": {"relu": "ReLU"}, **keys}


def layer(written: Any) -> dict[str, Any]:
    return spec(layers={"it": written})


def conv(**fields: Any) -> dict[str, Any]:
    return layer({"op": "Conv2d", "out_channels": 8, "kernel_size": 3, **fields})


def wrong_places(document: Any) -> set[tuple[str | int, ...]]:
    return {tuple(error.absolute_path) for error in VALIDATOR.iter_errors(document)}


def test_it_is_a_schema_itself() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("family", zoo.families(), ids=lambda path: path.stem)
def test_every_shipped_spec_is_valid(family: Any) -> None:
    assert wrong_places(text.read(family).data) == set()


@pytest.mark.parametrize("path", LANGUAGE, ids=lambda path: path.stem)
def test_specs_in_short_forms_are_valid(path: Path) -> None:
    assert wrong_places(text.read(path).data) == set()


@pytest.mark.parametrize(
    ("blocks", "place"),
    [
        ({"unit(n": ["ReLU"]}, ("blocks",)),
        ({"(n)": ["ReLU"]}, ("blocks",)),
        ({"unit(n)": 3}, ("blocks", "unit(n)")),
        ({"unit(n)": []}, ("blocks", "unit(n)")),
        ({"unit(n)": [{"op": "Relu"}]}, ("blocks", "unit(n)", 0, "op")),
        ({"unit(n)": {"inputs": ["a"], "layer": {}}}, ("blocks", "unit(n)")),
        ({"unit(n)": {"a": {"op": "Linear", "out": 3}}}, ("blocks", "unit(n)", "a")),
    ],
)
def test_a_mistake_in_short_forms_is_marked(blocks: Any, place: tuple[str | int, ...]) -> None:
    assert place in wrong_places(spec(blocks=blocks))


@pytest.mark.parametrize("family", zoo.families(), ids=lambda path: path.stem)
def test_every_shipped_file_of_records_is_valid(family: Any) -> None:
    path = file_of(family)
    assert path is not None
    assert not list(RECORDS.iter_errors(text.read(path).data))


def test_records_are_checked() -> None:
    record = {"quantity": "params", "value": 3, "source": "a page"}
    assert RECORDS.is_valid({"documented": [record]})
    assert not RECORDS.is_valid({"documented": [{**record, "value": 3.5}]})
    assert not RECORDS.is_valid({"documented": [record], "layers": {}})
    assert not RECORDS.is_valid({"facts": [{**record, "quantity": "top5"}]})


@pytest.mark.parametrize(
    "document",
    [
        spec(),
        layer("=unit"),
        layer("unit"),
        layer({"block": "=unit", "planes": [1, "two", None]}),
        layer({"op": "=kind", "anything": 1}),
        layer({"op": "ReLU", "from": "input", "repeat": "=n", "when": "=n > 1"}),
        layer({"op": "Concat", "from": ["a", "b.*"]}),
        conv(out_channels="=width", kernel_size=[1, "=k"]),
        conv(padding=1),
        conv(padding=[0, 1]),
        conv(padding=[[0, 1]]),
        conv(padding=[["=p", 1], [0, "=p + 1"]]),
        conv(padding="same_upper"),
        layer({"op": "MaxPool2d", "kernel_size": 3, "stride": None, "ceil_mode": "caffe"}),
        layer({"op": "Crop", "cropping": [[1, 1], [2, "=c"]]}),
        layer({"op": "Slice", "dim": -1, "start": -3}),
        spec(input={"left": [3, "=side"], "right": [4]}),
        spec(variants={"a": None, "b": {"width": 3, "edition": "as published"}}),
        spec(outputs="relu", training_outputs=["relu"]),
        spec(documented=[{"quantity": "params", "value": "25.6M", "source": "a page"}]),
        spec(budget=[{"quantity": "macs", "at_most": "4.2G"}]),
        spec(blocks={"unit": {"args": {"n": None}, "layers": {"relu": "ReLU"}}}),
    ],
)
def test_what_the_language_allows(document: dict[str, Any]) -> None:
    assert wrong_places(document) == set()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"name": "net", "input": [3], "layer": {}}, ()),
        (spec(extra=1), ()),
        (spec(name="1st"), ("name",)),
        (spec(name=3), ("name",)),
        (spec(year="2015"), ("year",)),
        (spec(input=3), ("input",)),
        (spec(input=[3, "side"]), ("input",)),
        (spec(layers={}), ("layers",)),
        (spec(layers={"1x": "ReLU"}), ("layers",)),
        (spec(outputs=[1]), ("outputs",)),
        (spec(variants={"a": {"year": "old"}}), ("variants", "a")),
        (spec(blocks={"unit": {"layers": {"c": "Conv"}}}), ("blocks", "unit", "layers", "c")),
        (spec(blocks={"unit": {"layer": {}}}), ("blocks", "unit", "layer")),
        (spec(documented=[{"quantity": "params", "value": 3}]), ("documented", 0)),
        (spec(budget=[{"quantity": "parms", "at_most": 3}]), ("budget", 0, "quantity")),
        (layer("Relu"), ("layers", "it")),
        (layer(None), ("layers", "it")),
        (layer({}), ("layers", "it")),
        (layer({"op": "ReLU", "block": "unit"}), ("layers", "it")),
        (layer({"op": "Con2d"}), ("layers", "it", "op")),
        (layer({"op": "ReLU", "from": 3}), ("layers", "it", "from")),
        (layer({"op": "ReLU", "repeat": "many"}), ("layers", "it", "repeat")),
        (layer({"op": "ReLU", "when": "stride"}), ("layers", "it", "when")),
        (layer({"block": "unit", "repeat": 2, "parallel": 2}), ("layers", "it")),
        (layer({"op": "Conv2d", "kernel_size": 3}), ("layers", "it")),
        (conv(strid=2), ("layers", "it")),
        (conv(stride=-2), ("layers", "it", "stride")),
        (conv(stride=0), ("layers", "it", "stride")),
        (conv(kernel_size=[3, 0]), ("layers", "it", "kernel_size")),
        (conv(out_channels="many"), ("layers", "it", "out_channels")),
        (conv(out_channels=1.5), ("layers", "it", "out_channels")),
        (conv(bias="yes"), ("layers", "it", "bias")),
        (conv(padding=0.5), ("layers", "it", "padding")),
        (conv(padding="full"), ("layers", "it", "padding")),
        (conv(padding_mode="zero"), ("layers", "it", "padding_mode")),
        (layer({"op": "Dropout", "p": 1.5}), ("layers", "it", "p")),
        (layer({"op": "Reshape", "shape": []}), ("layers", "it", "shape")),
    ],
)
def test_a_mistake_is_marked_where_it_is(
    document: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    assert wrong_places(document) == {place}


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_completed_with_its_fields_and_their_texts(name: str) -> None:
    known = SCHEMA["definitions"][name]
    fields = {key: value for key, value in known["properties"].items() if key not in LAYER_KEYS}

    assert known["description"]
    assert set(fields) == set(operator(name).model_fields)
    assert all(field["description"] for field in fields.values())
    assert name in SCHEMA["definitions"]["ShortLayer"]["anyOf"][0]["enum"]


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_s_examples_are_valid(name: str) -> None:
    for example in operator(name).examples:
        assert wrong_places(layer({"op": name, **example.fields})) == set()


def test_every_key_has_a_text() -> None:
    for record in ("LongBlock", "Budget", "Documented", "Erratum", "LongLayer"):
        properties = SCHEMA["definitions"][record]["properties"]
        assert all(field["description"] for field in properties.values())
    assert set(SCHEMA["properties"]) == set(Spec.model_fields)
    assert all(field["description"] for field in SCHEMA["properties"].values())


def test_an_operator_s_text_is_said_when_its_name_is_chosen() -> None:
    names = SCHEMA["definitions"]["ShortLayer"]["anyOf"][0]

    texts = dict(zip(names["enum"], names["enumDescriptions"], strict=True))
    assert texts["ReLU"] == "`max(0, x)`: 1 comparison. As `torch.nn.ReLU`."


BUDGET = {"quantity": "params", "at_most": "9M"}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"input": "3x224x224"},
        {"input": [3, 224, 224], "name": "mine"},
        {"input": {"ids": "int64:1x128", "mask": [128]}},
        {"budget": [BUDGET], "facts": []},
        {"documented": [{"quantity": "params", "value": "3M", "source": "a page"}]},
        {"space": {"vars": {"width": [8, 16]}}, "title": "of widths"},
    ],
)
def test_files_about_networks_elsewhere_are_valid(said: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(NETWORKS.schema)
    assert NETWORKS.is_valid({"network": "net.onnx", **said})


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"budgets": [BUDGET]}, ()),
        ({"network": 3}, ("network",)),
        ({"input": "3x224x"}, ("input",)),
        ({"input": {"ids": "int64"}}, ("input", "ids")),
        ({"budget": [{**BUDGET, "quantity": "parms"}]}, ("budget", 0, "quantity")),
        ({"budget": [{"quantity": "params", "atmost": 3}]}, ("budget", 0)),
        ({"documented": [{"quantity": "params", "value": 3}]}, ("documented", 0)),
        ({"space": {}}, ("space",)),
        ({"space": {"vars": {"width": [8]}}, "budget": []}, ()),
    ],
)
def test_their_mistakes_are_marked(said: dict[str, Any], place: tuple[str | int, ...]) -> None:
    found = NETWORKS.iter_errors({"network": "net.onnx", **said})
    assert place in {tuple(error.absolute_path) for error in found}


@pytest.mark.parametrize("path", sorted(zoo.folder().glob("spaces/*.yaml")), ids=lambda p: p.stem)
def test_shipped_spaces_apart_name_the_schema_that_they_keep(path: Path) -> None:
    data = text.read(path).data
    if "network" in data:
        assert NETWORKS.is_valid(data)
        assert "network.schema.json" in path.read_text().splitlines()[0]
