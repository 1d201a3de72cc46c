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


def outputs(path: Path, data: Mapping[str, Any]) -> list[tuple[int, ...]]:
    graph = graph_of(written(path, data))
    shapes = {node.name: node.shape for node in graph.nodes}
    assert [n.shape for n in archcalc.expand(to_spec(graph)).nodes] == list(shapes.values())
    return [shapes[name] for name in graph.outputs]


LSTM = layer("LSTM", "r", units=5, return_sequences=True)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
def test_a_layer_read_both_ways_is_merged_in_each_way(path: Path, mode: str) -> None:
    both = layer("Bidirectional", "b", layer=LSTM, merge_mode=mode)
    net = sequential(both, shape=(7, 3))
    assert counts(path, net)[0] == 2 * 4 * (5 * (3 + 5) + 5)
    assert outputs(path, net) == [(1, 7, 10 if mode == "concat" else 5)]


def test_the_other_way_may_be_another_layer(path: Path) -> None:
    back = layer("GRU", "g", units=4, reset_after=False, return_sequences=True)
    both = layer("Bidirectional", "b", layer=LSTM, backward_layer=back)
    net = sequential(both, shape=(7, 3))
    assert counts(path, net)[0] == 4 * (5 * (3 + 5) + 5) + 3 * (4 * (3 + 4) + 4)
    assert outputs(path, net) == [(1, 7, 9)]


def called(node: dict[str, Any], *calls: Any, **named: Any) -> dict[str, Any]:
    return {**node, "inbound_nodes": [{"args": list(calls), "kwargs": named}]}


def tensor(name: str, index: int = 0, shape: Any = None) -> dict[str, Any]:
    said = {"keras_history": [name, 0, index], "shape": shape}
    return {"class_name": "__keras_tensor__", "config": said}


def functional(ends: Any, *layers: Any, **inputs: Any) -> dict[str, Any]:
    starts = [layer("InputLayer", name, batch_shape=[None, *s]) for name, s in inputs.items()]
    names = [[name, 0, 0] for name in inputs]
    return layer(
        "Functional", "net", layers=[*starts, *layers], input_layers=names, output_layers=ends
    )


def test_the_last_states_are_the_first_of_a_decoder(path: Path) -> None:
    encoder = called(layer("LSTM", "e", units=8, return_state=True), tensor("a"))
    decoder = layer("LSTM", "d", units=8, return_sequences=True)
    decoder = called(decoder, tensor("b"), initial_state=[tensor("e", 1), tensor("e", 2)])
    net = functional([["d", 0, 0], ["e", 0, 0]], encoder, decoder, a=(7, 5), b=(4, 6))
    assert outputs(path, net) == [(1, 4, 8), (1, 8)]
    params, _, macs = counts(path, net)
    assert params == 4 * 8 * (5 + 8 + 1) + 4 * 8 * (6 + 8 + 1)
    assert macs == 7 * 4 * 8 * (5 + 8) + 4 * 4 * 8 * (6 + 8)


def test_states_of_both_ways_are_told_apart(path: Path) -> None:
    both = layer("Bidirectional", "b", layer=layer("LSTM", "r", units=5, return_state=True))
    ends = [["b", 0, index] for index in range(5)]  # all, and h and c of each way
    net = functional(ends, called(both, tensor("x")), x=(7, 3))
    assert outputs(path, net) == [(1, 10), (1, 5), (1, 5), (1, 5), (1, 5)]


def test_cells_in_a_row_are_layers_in_a_row(path: Path) -> None:
    cells = [layer("LSTMCell", "a", units=4), layer("SimpleRNNCell", "b", units=6)]
    for cell in (cells, layer("StackedRNNCells", "s", cells=cells)):
        net = sequential(layer("RNN", "r", cell=cell, return_sequences=True), shape=(7, 3))
        assert counts(path, net)[0] == 4 * 4 * (3 + 4 + 1) + 6 * (4 + 6 + 1)
        assert outputs(path, net) == [(1, 7, 6)]


def test_a_layer_for_each_step_has_its_weights_once_and_its_work_for_each(path: Path) -> None:
    def each(name: str, inner: Any) -> dict[str, Any]:
        return layer("TimeDistributed", name, layer=inner)

    conv = layer("Conv2D", "c", filters=8, kernel_size=3, padding="same")
    net = sequential(
        each("conv", conv),
        each("pool", layer("MaxPooling2D", "p", pool_size=2)),
        each("flat", layer("Flatten", "f")),
        layer("LSTM", "r", units=6),
        shape=(4, 16, 12, 3),
    )
    params, _, macs = counts(path, net)
    assert params == 27 * 8 + 8 + 4 * 6 * (8 * 6 * 8 + 6 + 1)
    assert macs == 4 * 16 * 12 * 27 * 8 + 4 * 4 * 6 * (8 * 6 * 8 + 6)
    assert outputs(path, net) == [(1, 6)]
    ops = [type(node.op).__name__ for node in graph_of(path).nodes]
    assert ops.count("Permute") == 1  # samples stay samples from one to the next
    model = layer(
        "Sequential", "m", layers=[conv, layer("Flatten", "f"), layer("Dense", "d", units=2)]
    )
    net = sequential(each("frames", model), shape=(4, 8, 8, 3))
    assert counts(path, net)[0] == 27 * 8 + 8 + 8 * 8 * 8 * 2 + 2
    assert outputs(path, net) == [(1, 4, 2)]


def test_a_convolution_in_time_is_counted(path: Path) -> None:
    # Of 3 and of 8 channels to four gates of 8: 4 * 8 * 9 * (3 + 8) + 32, in 5 steps of 14 x 14.
    conv = layer("ConvLSTM2D", "c", filters=8, kernel_size=[3, 3])
    params, _, macs = counts(path, sequential(conv, shape=(5, 16, 16, 3)))
    assert (params, macs) == (32 * 9 * 11 + 32, 5 * 14 * 14 * 32 * 9 * 11)


@pytest.mark.parametrize(
    ("kind", "config", "shapes", "out", "macs"),
    [
        ("Dot", {"axes": [2, 2]}, [(7, 5), (4, 5)], (1, 7, 4), 7 * 4 * 5),
        ("Dot", {"axes": -1, "normalize": True}, [(5,), (5,)], (1, 1), 5),
        ("Attention", {}, [(7, 5), (4, 5)], (1, 7, 5), 2 * 7 * 4 * 5),
        ("AdditiveAttention", {}, [(7, 5), (4, 5)], (1, 7, 5), 7 * 4 * 5),
        ("Matmul", {}, [(7, 5), (5, 3)], (1, 7, 3), 7 * 5 * 3),
        ("Einsum", {"subscripts": "bij,bkj->bik"}, [(7, 5), (4, 5)], (1, 7, 4), 7 * 4 * 5),
        ("Maximum", {}, [(7, 5), (7, 5)], (1, 7, 5), 0),
    ],
)
def test_products_of_two_tensors(
    path: Path, kind: str, config: Any, shapes: Any, out: Any, macs: int
) -> None:
    taken = called(layer(kind, "p", **config), [tensor("a"), tensor("b")])
    net = functional([["p", 0, 0]], taken, a=shapes[0], b=shapes[1])
    assert outputs(path, net) == [out]
    assert counts(path, net)[2] == macs


def test_a_product_by_letters_is_a_linear_layer_or_one_with_a_kernel(path: Path) -> None:
    config = {"equation": "abc,cd->abd", "output_shape": [None, 9], "bias_axes": "d"}
    plain = layer("EinsumDense", "e", **config)
    assert counts(path, sequential(plain, shape=(7, 5))) == (5 * 9 + 9, 0, 7 * 5 * 9)
    config = {"equation": "abc,cde->abde", "output_shape": [None, 2, 3], "bias_axes": "de"}
    net = sequential(layer("EinsumDense", "e", **config), shape=(7, 5))
    assert counts(path, net) == (5 * 6 + 6, 0, 7 * 5 * 6)
    assert outputs(path, net) == [(1, 7, 2, 3)]


def test_operations_on_tensors_are_layers(path: Path) -> None:
    ends = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
    cut = {"class_name": "__slice__", "config": {"start": 1, "stop": 4, "step": None}}
    layers = [
        called(layer("GetItem", "cut"), tensor("x"), [ends, cut]),
        called(layer("Transpose", "turn", axes=[0, 2, 1]), tensor("cut")),
        called(layer("Mean", "mean", axis=-1, keepdims=True), tensor("turn")),
        called(layer("Split", "split", indices_or_sections=5, axis=1), tensor("mean")),
    ]
    net = functional([["turn", 0, 0], ["split", 0, 4]], *layers, x=(7, 5))
    assert outputs(path, net) == [(1, 5, 3), (1, 1, 1)]


def test_functions_of_tensorflow_are_operations(path: Path) -> None:
    def function(name: str, said: str, source: str, **kwargs: Any) -> dict[str, Any]:
        made = layer("TFOpLambda", name, function=said)
        return {**made, "inbound_nodes": [[source, 0, 0, kwargs]]}

    layers = [
        function("scaled", "math.multiply", "x", y=2.0),
        function("sum", "__operators__.add", "scaled", y=["x", 0, 0]),
        function("turned", "compat.v1.transpose", "sum", perm=[0, 2, 1]),
        function("flat", "reshape", "turned", shape=[-1, 35]),
    ]
    assert outputs(path, functional([["flat", 0, 0]], *layers, x=(7, 5))) == [(1, 35)]


def test_a_nested_model_may_be_called_first_where_it_was_made(path: Path) -> None:
    inner = layer("Sequential", "inner", layers=[layer("Dense", "d", units=4)])
    inner["inbound_nodes"] = [[["x", 0, 0, {}]]]
    head = {**layer("Dense", "head", units=2), "inbound_nodes": [[["inner", 1, 0, {}]]]}
    net = functional([["head", 0, 0]], inner, head, x=(3,))
    assert counts(path, net)[0] == 3 * 4 + 4 + 4 * 2 + 2


def test_an_unknown_layer_has_the_shapes_that_the_file_says(path: Path) -> None:
    mine = called(layer("Mine", "mine"), tensor("x"))
    head = called(layer("Dense", "head", units=2), tensor("mine", 1, [None, 9, 6]))
    graph = graph_of(written(path, functional([["head", 0, 0]], mine, head, x=(4,))))
    assert graph.nodes[-1].shape == (1, 9, 2)
    assert archcalc.analyze(graph, allow_unknown=True).params == 6 * 2 + 2
    bare = functional([["c", 0, 0]], mine, called(LSTM, tensor("mine")), x=(4,))
    bare["config"]["output_layers"] = [["r", 0, 0]]
    with pytest.raises(ArchcalcError, match="does not say which shape 'mine' gives"):
        graph_of(written(path, bare))


def test_the_words_of_keras_1(path: Path) -> None:
    # Its own example on digits of 2016: 320 + 9,248 + 589,952 + 1,290.
    def conv(name: str) -> dict[str, Any]:
        words = {"nb_filter": 32, "nb_row": 3, "nb_col": 3, "border_mode": "valid"}
        return layer("Convolution2D", name, subsample=[1, 1], dim_ordering="th", bias=True, **words)

    first = conv("a")
    first["config"]["batch_input_shape"] = [None, 1, 28, 28]
    pool = layer("MaxPooling2D", "p", pool_size=[2, 2], border_mode="valid", strides=[2, 2])
    pool["config"]["dim_ordering"] = "th"
    net = {
        "class_name": "Sequential",
        "keras_version": "1.2.2",
        "config": [
            first,
            layer("Activation", "r", activation="relu"),
            conv("b"),
            pool,
            layer("Dropout", "drop", p=0.25),
            layer("Flatten", "f"),
            layer("Dense", "d", output_dim=128, bias=True, activation="relu"),
            layer("Dense", "e", output_dim=10, activation="softmax"),
        ],
    }
    assert counts(path, net)[0] == 320 + 9_248 + 589_952 + 1_290
    assert dict(graph_of(path).inputs) == {"input": (1, 1, 28, 28)}
    gru = layer("GRU", "g", output_dim=5, inner_activation="hard_sigmoid")
    gru["config"]["batch_input_shape"] = [None, 7, 3]
    net = {"class_name": "Sequential", "keras_version": "1.2.2", "config": [gru]}
    assert counts(path, net)[0] == 3 * 5 * (3 + 5 + 1)


def test_a_model_of_tensorflow_js_is_its_layers(path: Path) -> None:
    # What its converter writes, and what its own `save` does: the weights stand beside.
    weights = [{"paths": ["w.bin"], "weights": [{"name": "dense/kernel", "shape": [1600, 10]}]}]
    topology = {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": CONVNET}
    for model in (topology, {**CONVNET, "keras_version": "tfjs-layers 1.2.2"}):
        data = {"format": "layers-model", "modelTopology": model, "weightsManifest": weights}
        assert counts(path, data)[0] == 34_826
    gru = layer("GRU", "g", units=5, batch_input_shape=[None, 7, 3])
    old = {
        "keras_version": "2.1.6-tf",
        "model_config": {"class_name": "Sequential", "config": [gru]},
    }
    assert counts(path, {"modelTopology": old})[0] == 3 * 5 * (3 + 5 + 1)
    assert is_foreign(written(path, {"modelTopology": {"node": [{"op": "Placeholder"}]}}))
    with pytest.raises(ArchcalcError, match="is a graph of TensorFlow's operations"):
        graph_of(path)


def test_models_of_keras_2_in_a_row_and_merged_have_names_of_their_own(path: Path) -> None:
    def dense(name: str, units: int, size: int) -> dict[str, Any]:
        return layer("Dense", name, units=units, batch_input_shape=[None, size])

    def row(*layers: Any) -> dict[str, Any]:
        return {"class_name": "Sequential", "config": list(layers)}

    assert counts(path, row(row(dense("a", 5, 3), dense("b", 4, 5)), dense("c", 2, 4)))[0] == (
        5 * (3 + 1) + 4 * (5 + 1) + 2 * (4 + 1)
    )
    ways = [row(dense("a", 5, 3)), row(dense("a", 4, 6))]
    merged = layer("Merge", "m", mode="concat", concat_axis=-1, layers=ways)
    assert counts(path, row(merged, dense("c", 2, 9)))[0] == 5 * 4 + 4 * 7 + 2 * 10
    graph = graph_of(path)
    assert graph.inputs == {"a_input": (1, 3), "a_input_1": (1, 6)}
    again = archcalc.expand(to_spec(graph))
    assert [node.shape for node in again.nodes] == [node.shape for node in graph.nodes]


def test_what_is_not_known_of_a_picture_is_one(path: Path) -> None:
    net = sequential(layer("Lambda", "l"), layer("Conv2D", "c", filters=2, kernel_size=1))
    graph = graph_of(written(path, net))
    assert [(node.name, node.shape) for node in graph.nodes] == [
        ("l", (1, 1, 28, 28)),
        ("c", (1, 2, 28, 28)),
    ]
    assert graph.edition.endswith("taken to keep the sizes of its input: l")


SPLIT = layer("Split", "s", indices_or_sections=3, axis=1)


def lost() -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": 7}}


def cycle() -> dict[str, Any]:
    data = layout("keras 3")
    data["config"]["layers"][1]["inbound_nodes"] = [node3(("d", 1)), node3(("d", 0))]
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (cycle(), "layer 'sum': takes 'd', which comes to itself"),
        (layer("Functional", "net", layers=[]), "says no layers"),
        ({"class_name": "Functional", "config": [layer("Dense", "d")]}, "says no layers"),
        (layer("Functional", "net", layers=[3]), "without class_name"),
        (layer("Mine", "net"), "says no layers: it is a class"),
        (sequential(layer("Dense", "d", units=-1)), "layer 'd': Dense"),
        (sequential(layer("Dense", "d")), "layer 'd': Dense"),
        (sequential(layer("Dense", "d", units=2**60)), "layer 'd': Dense"),
        (sequential(layer("Conv2D", "c", filters=4, kernel_size=[99, 99])), "layer 'c'"),
        (
            sequential(layer("Conv2D", "c", filters=4, kernel_size=3, strides=0)),
            "layer 'c': Conv2D: stride should be at least 1",
        ),
        (
            sequential(layer("Conv2D", "c", filters=4, kernel_size=3, padding="full")),
            "layer 'c': Conv2D: padding should be 'valid', 'same' or 'causal', not 'full'",
        ),
        (
            sequential(layer("LayerNormalization", "n", axis=-9)),
            "layer 'n': LayerNormalization: axis -9 of 4 axes",
        ),
        (
            layer("Functional", "net", layers=2 * [layer("ReLU", "r")]),
            "layer 'r': 2 layers of a model have this name",
        ),
        (sequential(shape=(0, 3)), "has the shape"),
        (
            sequential(
                layer("RNN", "r", cell=2000 * [layer("LSTMCell", "c", units=4)]), shape=(4, 3)
            ),
            "2,000 cells",
        ),
        (
            sequential(
                layer("ConvLSTM2D", "c", filters=4, kernel_size=3, strides=0), shape=(4, 8, 8, 3)
            ),
            "layer 'c': ConvLSTM2D",
        ),
        (
            functional([["d", 0, 0]], {**layer("Dense", "d"), "inbound_nodes": [7]}, x=(3,)),
            "layer 'd'",
        ),
        (
            layer("Sequential", "n", layers=[layer("Merge", "m", layers=3)]),
            "layer 'm': takes nothing",
        ),
        (functional([["d", 0, 0]], called(layer("Dense", "d"), lost()), x=(3,)), "layer 'd'"),
        (
            functional([["s", 0, 9]], called(SPLIT, tensor("x")), x=(3,)),
            "no layer gives the output 's'",
        ),
        (
            sequential(layer("LSTM", "r", units=4, return_state=True), shape=(8, 8, 3)),
            "layer 'r': LSTM",
        ),
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
