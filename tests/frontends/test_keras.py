"""Keras' configs in their three layouts, read without Keras; counts are its summaries'."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.frontends.fold import to_spec
from archcalc.frontends.sources import graph as graph_of
from archcalc.frontends.sources import is_foreign


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.json"


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def sequential(*layers: Any, shape: Any = (28, 28, 1)) -> dict[str, Any]:
    first = layer("InputLayer", "pixels", batch_shape=[None, *shape])
    return layer("Sequential", "net", layers=[first, *layers])


def written(path: Path, data: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(data))
    return path


def counts(path: Path, data: Mapping[str, Any]) -> tuple[int, int, int]:
    analysis = archcalc.analyze(graph_of(written(path, data)))
    return analysis.params, analysis.buffers, analysis.macs


CONVNET = sequential(  # the convolutional network of Keras' own example on digits
    layer("Conv2D", "conv2d", filters=32, kernel_size=[3, 3], activation="relu"),
    layer("MaxPooling2D", "max_pooling2d", pool_size=[2, 2]),
    layer("Conv2D", "conv2d_1", filters=64, kernel_size=[3, 3], activation="relu"),
    layer("MaxPooling2D", "max_pooling2d_1", pool_size=[2, 2]),
    layer("Flatten", "flatten"),
    layer("Dropout", "dropout", rate=0.5),
    layer("Dense", "dense", units=10, activation="softmax"),
)


def test_the_example_on_digits_has_34826_parameters(path: Path) -> None:
    # keras.io, "Simple MNIST convnet": 320 + 18,496 + 16,010 = 34,826
    assert counts(path, CONVNET)[0] == 34_826
    graph = graph_of(path)
    assert dict(graph.inputs) == {"pixels": (1, 1, 28, 28)}
    assert graph.edition == "channels first, where Keras has them last"
    owned = {n.name: n.applied.cost.params for n in graph.nodes if n.applied.cost.params}
    assert owned == {"conv2d": 320, "conv2d_1": 18_496, "dense": 16_010}
    assert archcalc.analyze(to_spec(graph)).params == 34_826


def test_a_keras_file_is_a_network(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(CONVNET))
    assert is_foreign(path)
    assert archcalc.analyze(archcalc.load(str(path))).params == 34_826


def test_a_spec_in_json_is_none_of_keras(path: Path) -> None:
    path.write_text(json.dumps({"name": "net", "input": [3, 8, 8], "layers": {"r": "ReLU"}}))
    assert not is_foreign(path)
    assert is_foreign(written(path, CONVNET))


# A dense layer that is called twice, d(x) + d(d(x)), in the three layouts.


def node3(*names: tuple[str, int]) -> dict[str, Any]:
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, k, 0]}}
        for name, k in names
    ]
    return {"args": [tensors if len(tensors) > 1 else tensors[0]], "kwargs": {}}


def layout(kind: str) -> dict[str, Any]:
    dense, add = layer("Dense", "d", units=4), layer("Add", "sum")
    if kind == "keras 3":
        start = layer("InputLayer", "x", batch_shape=[None, 4])
        dense["inbound_nodes"] = [node3(("x", 0)), node3(("d", 0))]
        add["inbound_nodes"] = [node3(("d", 0), ("d", 1))]
        ends: tuple[Any, Any] = (["x", 0, 0], ["sum", 0, 0])
        name = "Functional"
    else:
        start = layer("InputLayer", "x", batch_input_shape=[None, 4])
        dense["inbound_nodes"] = [[["x", 0, 0, {}]], [["d", 0, 0, {}]]]
        add["inbound_nodes"] = [[["d", 0, 0, {}], ["d", 1, 0, {}]]]
        ends = ([["x", 0, 0]], [["sum", 0, 0]])
        name = "Functional" if kind == "tf_keras" else "Model"
        if kind == "h5":
            for each in (start, dense, add):
                each["name"] = each["config"].pop("name")
    return layer(
        name, "net", layers=[add, dense, start], input_layers=ends[0], output_layers=ends[1]
    )


@pytest.mark.parametrize("kind", ["keras 3", "tf_keras", "h5"])
def test_a_layer_that_is_called_twice_owns_its_weights_once(path: Path, kind: str) -> None:
    params, _, macs = counts(path, layout(kind))
    assert (params, macs) == (4 * 4 + 4, 2 * 4 * 4)


def test_statistics_are_buffers_and_a_missing_scale_is_no_parameter(path: Path) -> None:
    norm = layer("BatchNormalization", "bn", axis=[3], scale=True, center=True)
    assert counts(path, sequential(norm, shape=(4, 4, 6)))[:2] == (12, 12 + 1)
    bare = layer("BatchNormalization", "bn", axis=[3], scale=False, center=True)
    assert counts(path, sequential(bare, shape=(4, 4, 6)))[:2] == (6, 12 + 1)


def test_a_normalization_keeps_a_mean_a_variance_and_of_how_many_they_are(path: Path) -> None:
    norm = layer("Normalization", "n", axis=[3], mean=None, variance=None)
    assert counts(path, sequential(norm, shape=(4, 4, 6)))[:2] == (0, 6 + 6 + 1)
    whole = layer("Normalization", "n", axis=None, mean=None, variance=None)
    assert counts(path, sequential(whole, shape=(4, 4, 6)))[:2] == (0, 1 + 1 + 1)


@pytest.mark.parametrize(
    ("kind", "config", "params"),
    [
        # Of 3 numbers to 5 units: kernels of 3 + 5 rows for each gate, and biases.
        ("LSTM", {}, 4 * (5 * (3 + 5) + 5)),
        ("GRU", {"reset_after": True}, 3 * (5 * (3 + 5) + 2 * 5)),
        ("GRU", {"reset_after": False}, 3 * (5 * (3 + 5) + 5)),
        ("SimpleRNN", {}, 5 * (3 + 5) + 5),
    ],
)
def test_recurrent_layers_have_the_biases_of_keras(
    path: Path, kind: str, config: dict[str, Any], params: int
) -> None:
    recurrent = layer(kind, "r", units=5, **config)
    assert counts(path, sequential(recurrent, shape=(7, 3)))[0] == params
    both = layer("Bidirectional", "b", layer=recurrent, merge_mode="concat")
    assert counts(path, sequential(both, shape=(7, 3)))[0] == 2 * params


def test_an_order_that_matters_is_turned(path: Path) -> None:
    dense = layer("Dense", "d", units=5)
    graph = graph_of(written(path, sequential(dense, shape=(4, 6, 3))))
    assert [(type(n.op).__name__, n.shape) for n in graph.nodes] == [
        ("Permute", (1, 4, 6, 3)),
        ("Linear", (1, 4, 6, 5)),
    ]


def test_channels_first_are_left(path: Path) -> None:
    conv = layer("Conv2D", "c", filters=2, kernel_size=3, data_format="channels_first")
    graph = graph_of(written(path, sequential(conv, shape=(3, 8, 8))))
    assert [n.shape for n in graph.nodes] == [(1, 2, 6, 6)]
    assert graph.edition == ""


def test_a_nested_model_has_its_layers_under_its_name(path: Path) -> None:
    inner = layer("Sequential", "inner", layers=[layer("Dense", "d", units=4)])
    graph = graph_of(written(path, sequential(inner, inner, shape=(4,))))
    assert [n.name for n in graph.nodes] == ["inner.d", "inner.d_1"]
    assert archcalc.analyze(graph).params == 20


def test_an_input_without_a_size_is_asked_for(path: Path) -> None:
    conv = layer("Conv2D", "c", filters=2, kernel_size=3, padding="same")
    written(path, sequential(conv, shape=(None, None, 3)))
    with pytest.raises(ArchcalcError, match=r"how large is the input 'pixels'"):
        graph_of(path)
    assert archcalc.analyze(graph_of(f"{path}@3x8x6")).macs == 2 * 27 * 8 * 6


def test_functions_and_classes_of_others_are_named_and_not_run(path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
    bad = sequential(layer("Lambda", "odd", function=code), layer("Mine", "mine"), shape=(4,))
    unknown = [n for n in graph_of(written(path, bad)).nodes if not n.op.counted]
    assert [n.name for n in unknown] == ["odd", "mine"]
    assert [n.op.name for n in unknown] == ["keras.Lambda", "keras.Mine"]  # type: ignore[attr-defined]


def cycle() -> dict[str, Any]:
    data = layout("keras 3")
    data["config"]["layers"][1]["inbound_nodes"] = [node3(("d", 1)), node3(("d", 0))]
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (cycle(), "layer 'sum': takes 'd', which comes to itself"),
        (layer("Functional", "net", layers=[]), "says no layers"),
        (layer("Functional", "net", layers=[3]), "without class_name"),
        (layer("Mine", "net"), "says no layers: it is a class"),
        (sequential(layer("Dense", "d", units=-1)), "layer 'd': Dense"),
        (sequential(layer("Dense", "d")), "layer 'd': Dense"),
        (sequential(layer("Dense", "d", units=2**60)), "layer 'd': Dense"),
        (sequential(layer("Conv2D", "c", filters=4, kernel_size=[99, 99])), "layer 'c'"),
        (sequential(shape=(0, 3)), "has the shape"),
    ],
)
def test_damaged_configs_are_refused_at_their_layer(
    tmp_path: Path, data: dict[str, Any], said: str
) -> None:
    path = tmp_path / "net.keras"
    with pytest.raises(ArchcalcError) as caught:
        graph_of(written(path, data))
    assert said in str(caught.value)


def test_models_without_an_end_are_refused(tmp_path: Path) -> None:
    inner: Any = layer("Dense", "d", units=4)
    for _ in range(60):
        inner = layer("Sequential", "s", layers=[inner])
    with pytest.raises(ArchcalcError, match="nested too deeply"):
        graph_of(written(tmp_path / "net.keras", sequential(inner, shape=(4,))))
    path = tmp_path / "deep.keras"
    path.write_text("[" * 100_000)
    with pytest.raises(ArchcalcError, match="nested too deeply"):
        graph_of(path)
    inner = layer("Dense", "d", units=4)
    for _ in range(20):
        inner = layer("Sequential", "s", layers=8 * [inner])
    with pytest.raises(ArchcalcError, match="more than 50,000 calls"):
        _graph_of_data(tmp_path, sequential(inner, shape=(4,)))


def _graph_of_data(tmp_path: Path, data: dict[str, Any]) -> None:
    from archcalc.frontends.keras.read import Reader

    Reader("net.keras", data).graph({})


def test_an_archive_that_bursts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (2**26 + 1))
    with pytest.raises(ArchcalcError, match="more than 67,108,864 bytes"):
        graph_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.json", b"{}")
    with pytest.raises(ArchcalcError, match=r"has no config\.json"):
        graph_of(path)
