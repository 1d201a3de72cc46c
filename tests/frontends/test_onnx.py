"""ONNX files: published numbers of real ones, and what is refused of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import archcalc
from archcalc import ArchcalcError, Graph
from archcalc.cli.app import application
from archcalc.frontends.fold import to_spec
from archcalc.frontends.sources import graph as graph_of
from archcalc.frontends.sources import is_foreign
from archcalc.operators import operator

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

# Parameters and MACs of convolutions and matrix products, counted from the files' own shapes: their
# weights are ConstantOfShape nodes, and what scales after a batch normalization is a parameter.
COUNTED = {
    "bvlc_alexnet": (60_965_224, 654_560_384),
    "resnet50": (25_557_032, 4_089_184_256),
    "inception_v1": (6_998_552, 1_431_556_352),
    "inception_v2": (11_214_888, 2_018_851_840),
    "densenet121": (8_062_504, 2_834_161_664),
    "squeezenet": (1_235_496, 349_151_936),
    "shufflenet": (1_393_320, 124_664_528),
    "zfnet512": (87_250_536, 1_481_727_008),
    "vgg19": (
        143_667_240,
        19_632_062_464,
    ),  # Simonyan & Zisserman: 144 M; torchvision's 143,667,240
}


@pytest.mark.parametrize("name", COUNTED)
def test_real_files_count_as_published(name: str) -> None:
    graph = graph_of(LIGHT / f"light_{name}.onnx")
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.macs) == COUNTED[name]
    written = archcalc.analyze(to_spec(graph))
    assert (written.params, written.macs) == COUNTED[name]


@pytest.mark.parametrize("name", ["resnet18", "lenet5", "squeezenet1_1"])
def test_a_network_that_was_exported_comes_back(name: str, tmp_path: Path) -> None:
    from archcalc.pytorch.onnx import onnx as export

    ours = archcalc.expand(archcalc.load(name))
    path = tmp_path / "net.onnx"
    path.write_bytes(export(ours))
    theirs = graph_of(path)
    one, other = archcalc.analyze(ours), archcalc.analyze(theirs)
    assert (one.params, one.buffers, one.macs) == (other.params, other.buffers, other.macs)
    weighty = {n.name: (n.op, n.shape) for n in ours.nodes if n.applied.cost.weights}
    back = {n.name: (n.op, n.shape) for n in theirs.nodes if n.applied.cost.weights}
    assert [*weighty] == [*back]
    assert weighty == back


def model(
    nodes: list[Any],
    inputs: dict[str, Any],
    outputs: list[str],
    weights: dict[str, tuple[int, ...]] | None = None,
    path: Path | None = None,
    **more: Any,
) -> Path:
    """A file; weights are of zeros."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(k, more.get("dtype", 1), v) for k, v in inputs.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        [numpy_helper.from_array(np.zeros(v, "float32"), k) for k, v in (weights or {}).items()]
        + more.get("initializers", []),
    )
    made = helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid("", more.get("opset", 17)),
            helper.make_opsetid("com.microsoft", 1),
            helper.make_opsetid("mine", 1),
        ],
        functions=more.get("functions", []),
    )
    assert path is not None
    path.write_bytes(made.SerializeToString())
    return path


node = helper.make_node


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.onnx"


def test_a_file_is_a_network_by_its_end(path: Path) -> None:
    assert is_foreign("net.onnx")
    assert is_foreign("net.onnx@3x224x224")
    assert is_foreign(Path("NET.ONNX"))
    assert not is_foreign("net.yaml")


def conv(path: Path, shape: list[Any], **more: Any) -> Path:
    return model(
        [
            node("Conv", ["x", "c.weight"], ["y"], "conv", pads=[1, 1, 1, 1]),
            node("Relu", ["y"], ["z"]),
        ],
        {"x": shape},
        ["z"],
        {"c.weight": (8, 3, 3, 3)},
        path,
        **more,
    )


def test_what_tools_put_before_names_is_left_out() -> None:
    from archcalc.frontends.onnx.names import way

    assert way("If_0_then_branch__Inline_0__/encoder.0/conv") == "encoder.0.conv"
    assert way("F0::Inline_12__Inline_3___stft") == "stft"
    assert way("Inline") == "Inline"


def test_a_layer_has_the_name_of_its_weight(path: Path) -> None:
    graph = graph_of(conv(path, [1, 3, 8, 8]))
    assert [n.name for n in graph.nodes] == ["c", "relu"]


def test_a_batch_without_a_size_is_one_and_said(path: Path) -> None:
    graph = graph_of(conv(path, ["N", 3, 8, 8]))
    assert dict(graph.inputs) == {"x": (1, 3, 8, 8)}
    assert graph.edition == "N = 1"


def test_other_axes_without_a_size_are_asked_for(path: Path) -> None:
    conv(path, ["N", 3, "h", "w"])
    with pytest.raises(ArchcalcError, match=r"'x' is \(N, 3, h, w\)\n.*--input x=3xNxN"):
        graph_of(path)
    graph = graph_of(f"{path}@3x16x12")
    # 8 filters of 3x3x3 at 16x12 places
    assert archcalc.analyze(graph).macs == 8 * 27 * 16 * 12


def test_the_wrong_input_is_refused_by_name(path: Path) -> None:
    conv(path, [1, 3, 8, 8])
    with pytest.raises(ArchcalcError, match="no input 'y'"):
        graph_of(f"{path}@y=3x8x8")
    with pytest.raises(ArchcalcError, match="4 axes"):
        graph_of(f"{path}@8x8")


def test_rounded_layers_have_their_weights(path: Path) -> None:
    weight = numpy_helper.from_array(np.zeros((8, 3, 3, 3), "int8"), "w")
    scale = numpy_helper.from_array(np.array(0.5, "float32"), "s")
    bias = numpy_helper.from_array(np.zeros(8, "int32"), "b")
    zero = numpy_helper.from_array(np.array(0, "uint8"), "z")
    model(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            node("QLinearConv", ["q", "s", "z", "w", "s", "zi", "s", "z", "b"], ["y"]),
            node("DequantizeLinear", ["y", "s", "z"], ["f"]),
            node("DequantizeLinear", ["v", "s", "zi"], ["d"]),
            node("Conv", ["f", "d"], ["g"]),
        ],
        {"x": [1, 3, 8, 8]},
        ["g"],
        None,
        path,
        initializers=[
            weight,
            scale,
            bias,
            zero,
            numpy_helper.from_array(np.array(0, "int8"), "zi"),
            numpy_helper.from_array(np.zeros((4, 8, 1, 1), "int8"), "v"),
        ],
    )
    analysis = archcalc.analyze(graph_of(path))
    assert analysis.params == 8 * 27 + 8 + 4 * 8
    assert analysis.macs == 8 * 27 * 36 + 4 * 8 * 36


def test_a_product_and_a_sum_are_one_linear_layer(path: Path) -> None:
    model(
        [
            node("MatMul", ["x", "w"], ["y"]),
            node("Add", ["y", "b"], ["z"]),
            node("Sigmoid", ["z"], ["s"]),
            node("Mul", ["z", "s"], ["o"]),
        ],
        {"x": [1, 5, 4]},
        ["o"],
        {"w": (4, 7), "b": (7,)},
        path,
    )
    graph = graph_of(path)
    assert [type(n.op).__name__ for n in graph.nodes] == ["Linear", "SiLU"]
    assert archcalc.analyze(graph).params == 4 * 7 + 7


def branch(out: int) -> Any:
    """What an If does: a product that gives so many numbers."""
    weight = numpy_helper.from_array(np.zeros((4, out), "float32"), f"w{out}")
    return helper.make_graph(
        [node("MatMul", ["x", f"w{out}"], [f"y{out}"])],
        f"g{out}",
        [],
        [helper.make_tensor_value_info(f"y{out}", 1, None)],
        [weight],
    )


def test_a_branch_whose_condition_is_known_is_taken(path: Path) -> None:
    yes = numpy_helper.from_array(np.array(True), "yes")
    choice = node("If", ["yes"], ["o"], then_branch=branch(3), else_branch=branch(9))
    model([choice], {"x": [1, 4]}, ["o"], None, path, initializers=[yes])
    assert archcalc.analyze(graph_of(path)).params == 12


def test_an_input_that_says_which_way_is_asked_for_and_taken(path: Path) -> None:
    nodes = [
        node("Not", ["cond"], ["other"]),
        node("If", ["other"], ["o"], then_branch=branch(3), else_branch=branch(9)),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [
            helper.make_tensor_value_info("x", 1, [1, 4]),
            helper.make_tensor_value_info("cond", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("o", 1, None)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(made.SerializeToString())
    with pytest.raises(ArchcalcError, match="write --input cond=true, or false"):
        graph_of(path)
    with pytest.raises(ArchcalcError, match="'maybe' is none"):
        graph_of(f"{path}@cond=maybe")
    for said, params in (("true", 36), ("false", 12)):
        found = graph_of(f"{path}@cond={said}")
        assert archcalc.analyze(found).params == params
        assert found.edition == f"cond = {said}"
    printed = CliRunner().invoke(application("table"), ["table", str(path), "--input", "cond=true"])
    assert printed.exit_code == 0, printed.output
    assert "36" in printed.output


def test_an_input_that_is_a_number_is_asked_for_and_taken(path: Path) -> None:
    rate = numpy_helper.from_array(np.array(16000), "wide")
    nodes = [
        node("Equal", ["sr", "wide"], ["is_wide"]),
        node("If", ["is_wide"], ["y"], then_branch=branch(3), else_branch=branch(9)),
        node("Unsqueeze", ["n", "zero"], ["times"]),
        node("Concat", ["times", "one"], ["sizes"], axis=0),
        node("Tile", ["y", "sizes"], ["o"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [
            helper.make_tensor_value_info("x", 1, [1, 4]),
            helper.make_tensor_value_info("sr", TensorProto.INT64, []),
            helper.make_tensor_value_info("n", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("o", 1, None)],
        [
            rate,
            numpy_helper.from_array(np.array([0]), "zero"),
            numpy_helper.from_array(np.array([1]), "one"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(made.SerializeToString())
    with pytest.raises(ArchcalcError, match="write --input sr=1, or another value"):
        graph_of(f"{path}@n=1")
    with pytest.raises(ArchcalcError, match=r"'sr' is one whole number, and '8\.5' is none"):
        graph_of(f"{path}@sr=8.5")
    for rate_, params in ((16000, 12), (8000, 36)):
        found = graph_of(f"{path}@sr={rate_};n=1")
        assert archcalc.analyze(found).params == params
        assert found.edition == f"sr = {rate_}, n = 1"


def test_a_branch_that_depends_on_the_input_is_named_and_not_counted(path: Path) -> None:
    def branch(name: str) -> Any:
        return helper.make_graph(
            [node("Identity", ["x"], [name])],
            "g",
            [],
            [helper.make_tensor_value_info(name, 1, [1, 4])],
        )

    nodes = [
        node("ReduceSum", ["x"], ["t"], keepdims=0),
        node("Cast", ["t"], ["c"], to=TensorProto.BOOL),
        node("If", ["c"], ["o"], "choice", then_branch=branch("a"), else_branch=branch("b")),
    ]
    graph = graph_of(model(nodes, {"x": [1, 4]}, ["o"], None, path))
    assert [n.name for n in graph.nodes if not n.op.counted] == ["choice"]
    with pytest.raises(ArchcalcError, match="'choice'"):
        archcalc.analyze(graph)


def function(name: str, nodes: list[Any]) -> Any:
    return helper.make_function(
        "mine",
        name,
        ["a"],
        ["b"],
        nodes,
        [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)],
    )


def test_functions_of_the_file_are_written_out(path: Path) -> None:
    twice = function("Twice", [node("Add", ["a", "a"], ["t"]), node("Relu", ["t"], ["b"])])
    nodes = [node("Twice", ["x"], ["o"], domain="mine")]
    graph = graph_of(model(nodes, {"x": [1, 4]}, ["o"], None, path, functions=[twice]))
    assert [type(n.op).__name__ for n in graph.nodes] == ["Add", "ReLU"]


def test_functions_without_an_end_are_refused(path: Path) -> None:
    nodes = [node("F", ["x"], ["o"], domain="mine")]
    again = function("F", [node("F", ["a"], ["b"], domain="mine")])
    model(nodes, {"x": [1, 4]}, ["o"], None, path, functions=[again])
    with pytest.raises(ArchcalcError, match="function 'F' calls itself"):
        graph_of(path)
    bomb = [
        function(
            f"F{k}",
            [
                node(f"F{k + 1}", ["a"], ["c"], domain="mine"),
                node(f"F{k + 1}", ["c"], ["b"], domain="mine"),
            ],
        )
        for k in range(40)
    ]
    bomb.append(function("F40", [node("Relu", ["a"], ["b"])]))
    nodes = [node("F0", ["x"], ["o"], domain="mine")]
    model(nodes, {"x": [1, 4]}, ["o"], None, path, functions=bomb)
    with pytest.raises(ArchcalcError, match="more than 200,000 nodes"):
        graph_of(path)


def test_what_is_not_known_is_named(path: Path) -> None:
    nodes = [node("Strange", ["x"], ["y"], "odd", domain="mine"), node("Relu", ["x"], ["z"])]
    graph = graph_of(model(nodes, {"x": [1, 4]}, ["y", "z"], None, path))
    (unknown,) = [n for n in graph.nodes if not n.op.counted]
    assert unknown.name == "odd"
    assert unknown.op.name == "onnx.Strange"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([node("Add", ["x", "nothing"], ["o"], "r")], "node 'r' (Add) takes 'nothing'"),
        (
            [node("Add", ["x", "o"], ["p"], "a"), node("Relu", ["p"], ["o"])],
            "node 'a' (Add) takes 'o', which nothing before it gives",
        ),
        ([node("Relu", ["x"], ["p"])], "no node gives the output 'o'"),
        ([node("Conv", ["x", "w"], ["o"], "c")], "node 'c' (Conv) gives the shape [1, 8, 0, 0]"),
    ],
)
def test_damaged_graphs_are_refused_at_their_place(path: Path, nodes: list[Any], said: str) -> None:
    model(nodes, {"x": [1, 4, 8, 8]}, ["o"], {"w": (8, 4, 9, 9)}, path)
    with pytest.raises(ArchcalcError) as caught:
        graph_of(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("dtype", [0, 99])
def test_a_type_of_elements_that_there_is_none_of_is_refused(path: Path, dtype: int) -> None:
    tensor = numpy_helper.from_array(np.zeros((8, 4, 3, 3), "float32"), "w")
    tensor.data_type = dtype
    nodes = [node("Conv", ["x", "w"], ["o"], "c")]
    model(nodes, {"x": [1, 4, 8, 8]}, ["o"], {}, path, initializers=[tensor])
    with pytest.raises(ArchcalcError, match=f"initializer 'w' has the type {dtype}"):
        graph_of(path)


@pytest.mark.parametrize("size", [-3, 0, 2**50])
def test_sizes_that_none_can_have_are_refused(path: Path, size: int) -> None:
    conv(path, [1, 3, size, 8])
    with pytest.raises(ArchcalcError, match="shape"):
        graph_of(path)


@pytest.mark.parametrize("data", [b"", b"layers: {}", b"\x08" * 1000, b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_such_file_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ArchcalcError, match="no ONNX file"):
        graph_of(path)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(ArchcalcError, match="no such file"):
        graph_of("nowhere.onnx")


def test_weights_elsewhere_are_not_needed(path: Path) -> None:
    conv(path, [1, 3, 8, 8])
    made = onnx.load(path)
    (weight,) = made.graph.initializer
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    path.write_bytes(made.SerializeToString())
    assert archcalc.analyze(graph_of(path)).params == 8 * 27


def test_batch_normalization_that_an_exporter_folded_is_said(path: Path) -> None:
    nodes = [node("Conv", ["x", "onnx::Conv_7", "onnx::Conv_8"], ["o"], "/conv/Conv")]
    weights: dict[str, tuple[int, ...]] = {"onnx::Conv_7": (8, 3, 1, 1), "onnx::Conv_8": (8,)}
    graph = graph_of(model(nodes, {"x": [1, 3, 8, 8]}, ["o"], weights, path))
    assert graph.edition == "batch normalization folded"
    assert [n.name for n in graph.nodes] == ["conv"]


def test_opset_six_is_read(path: Path) -> None:
    graph: Graph = graph_of(
        model(
            [
                node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"], is_test=1),
                node("Flatten", ["y"], ["f"]),
                node("Gemm", ["f", "w", "c"], ["o"], broadcast=1, transB=1),
            ],
            {"x": [4, 3, 2, 2]},
            ["o"],
            {"g": (3,), "b": (3,), "m": (3,), "v": (3,), "w": (5, 12), "c": (5,)},
            path,
            opset=6,
        )
    )
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.buffers) == (3 + 3 + 5 * 12 + 5, 3 + 3 + 1)
    assert analysis.macs == 4 * 5 * 12  # of the batch in the file


@pytest.mark.parametrize("outputs", [["y"], ["", "h"], ["", "", "c"], ["y", "h", "c"]])
def test_a_recurrent_layer_is_counted_whatever_is_taken_of_it(
    path: Path, outputs: list[str]
) -> None:
    # 7 steps of 3 numbers, 5 units each way: kernels of 3 + 5 rows and two biases a gate.
    node = helper.make_node(
        "LSTM", ["x", "w", "r", "b"], outputs, hidden_size=5, direction="bidirectional"
    )
    weights: dict[str, tuple[int, ...]] = {"w": (2, 20, 3), "r": (2, 20, 5), "b": (2, 40)}
    given = [name for name in outputs if name]
    graph = graph_of(model([node], {"x": [7, 1, 3]}, given, weights, path=path))
    analysis = archcalc.analyze(graph)
    assert analysis.params == 2 * 4 * (5 * (3 + 5) + 2 * 5)
    assert analysis.macs == 2 * 7 * 4 * 5 * (3 + 5)
    shapes = {node.name: node.shape for node in graph.nodes}
    wanted = {"y": (7, 2, 1, 5), "h": (2, 1, 5), "c": (2, 1, 5)}
    for name, key in zip(given, graph.outputs, strict=True):
        assert shapes[key] in (wanted[name], (1, *wanted[name]))


def test_states_that_are_given_are_taken(path: Path) -> None:
    node = helper.make_node("GRU", ["x", "w", "r", "", "", "h0"], ["y", "h"], hidden_size=5)
    weights: dict[str, tuple[int, ...]] = {"w": (1, 15, 3), "r": (1, 15, 5)}
    for steps, taken in ((1, 2), (7, 1)):  # in the latter the input's first axis is no batch
        shapes: dict[str, Any] = {"x": [steps, 1, 3], "h0": [1, 1, 5]}
        graph = graph_of(model([node], shapes, ["y", "h"], weights, path=path))
        (recurrent,) = (node for node in graph.nodes if type(node.op).__name__ == "GRU")
        assert len(recurrent.inputs) == taken
        assert archcalc.analyze(graph).macs == steps * 15 * 8


def microsoft(kind: str, taken: list[str], given: list[str], **attributes: Any) -> Any:
    return helper.make_node(kind, taken, given, domain="com.microsoft", **attributes)


@pytest.mark.parametrize(
    ("node", "inputs", "weights", "params", "macs", "shape"),
    [
        (
            microsoft("FusedMatMul", ["x", "w"], ["y"], transB=1, alpha=0.5),
            {"x": [1, 7, 6]},
            {"w": (9, 6)},
            *(54, 7 * 54, (1, 7, 9)),
        ),
        (
            microsoft("FusedMatMul", ["x", "z"], ["y"], transB=1),
            {"x": [1, 7, 6], "z": [1, 4, 6]},
            {},
            *(0, 7 * 4 * 6, (1, 7, 4)),
        ),
        (
            microsoft("MultiHeadAttention", ["x", "z", "z"], ["y"], num_heads=2),
            {"x": [1, 7, 6], "z": [1, 4, 6]},
            {},
            *(0, 2 * 7 * 4 * 6, (1, 7, 6)),
        ),
        (
            microsoft("Attention", ["x", "w", "b"], ["y"], num_heads=2),
            {"x": [1, 7, 6]},
            {"w": (6, 18), "b": (18,)},
            *(6 * 18 + 18, 7 * 6 * 18 + 2 * 7 * 7 * 6, (1, 7, 6)),
        ),
        (
            microsoft("Attention", ["x", "w", "b", "", "z"], ["y", "p"], num_heads=2),
            {"x": [1, 7, 6], "z": [2, 1, 2, 4, 3]},  # behind 4 tokens
            {"w": (6, 18), "b": (18,)},
            *(6 * 18 + 18, 7 * 6 * 18 + 2 * 7 * 11 * 6, None),
        ),
        (
            microsoft("FusedGemm", ["x", "w", "b"], ["y"], transB=1, activation="Relu"),
            {"x": [1, 6]},
            {"w": (9, 6), "b": (9,)},
            *(63, 54, (1, 9)),
        ),
        (
            microsoft("TransposeMatMul", ["x", "w"], ["y"], transB=1),
            {"x": [1, 7, 6]},
            {"w": (9, 6)},
            *(54, 7 * 54, (1, 7, 9)),
        ),
        (
            microsoft("BiasAdd", ["x", "b", "z"], ["y"]),
            {"x": [1, 7, 6], "z": [1, 7, 6]},
            {"b": (6,)},
            *(6, 0, (1, 7, 6)),
        ),
        (
            microsoft("BiasSoftmax", ["x", "z"], ["y"], axis=2),
            {"x": [1, 7, 6], "z": [1, 7, 6]},
            {},
            *(0, 0, (1, 7, 6)),
        ),
        (
            microsoft("GroupNorm", ["x", "g", "b"], ["y"], groups=2, activation=1),
            {"x": [1, 7, 8, 6]},  # channels last
            {"g": (6,), "b": (6,)},
            *(12, 0, (1, 7, 8, 6)),
        ),
        (
            microsoft("NhwcConv", ["x", "w", "b"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
            {"x": [1, 7, 9, 6]},
            {"w": (5, 3, 3, 6), "b": (5,)},
            *(5 * 54 + 5, 3 * 4 * 5 * 54, (1, 3, 4, 5)),
        ),
        (
            microsoft("NhwcMaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
            {"x": [1, 8, 6, 5]},
            {},
            *(0, 0, (1, 4, 3, 5)),
        ),
        (
            microsoft("SkipLayerNormalization", ["x", "z", "g", "b"], ["y", "", "", "s"]),
            {"x": [1, 7, 6], "z": [1, 7, 6]},
            {"g": (6,), "b": (6,)},
            *(12, 0, (1, 7, 6)),
        ),
    ],
)
def test_operators_that_onnxruntime_joins_are_counted(
    path: Path, node: Any, inputs: Any, weights: Any, params: int, macs: int, shape: Any
) -> None:
    given = [name for name in node.output if name]
    graph = graph_of(model([node], inputs, given, weights, path=path))
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.macs) == (params, macs)
    shapes = {node.name: node.shape for node in graph.nodes}
    assert shape is None or all(shapes[name] == shape for name in graph.outputs)


def test_the_vectors_of_a_sentence_are_looked_up_summed_and_normalized(path: Path) -> None:
    # As onnxruntime's optimizer joins BERT's: 16 of 40 places are used, all 40 are owned.
    taken = ["ids", "kinds", "word", "place", "kind", "g", "b", "mask"]
    embed = microsoft("EmbedLayerNormalization", taken, ["e", "m"], epsilon=1e-12)
    attend = microsoft("Attention", ["e", "w", "c", "m"], ["y"], num_heads=2)
    weights: dict[str, tuple[int, ...]] = {
        "word": (30, 6),
        "place": (40, 6),
        "kind": (2, 6),
        "g": (6,),
        "b": (6,),
        "w": (6, 18),
        "c": (18,),
    }
    inputs: dict[str, Any] = {name: [1, 16] for name in ("ids", "kinds", "mask")}
    path = model([embed, attend], inputs, ["y"], weights, path=path)
    analysis = archcalc.analyze(graph_of(path))
    assert analysis.params == (30 + 40 + 2) * 6 + 2 * 6 + 6 * 18 + 18
    assert analysis.macs == 16 * 6 * 18 + 2 * 16 * 16 * 6


def test_a_classifier_of_scikit_learn_is_counted(path: Path) -> None:
    def learned(kind: str, taken: list[str], given: list[str], **attributes: Any) -> Any:
        return helper.make_node(kind, taken, given, domain="ai.onnx.ml", **attributes)

    nodes = [
        learned("Scaler", ["x"], ["s"], offset=[0.5, 1.0, 2.0, 3.0], scale=[1.0, 2.0, 3.0, 4.0]),
        helper.make_node("MatMul", ["s", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["a"]),
        helper.make_node("ArgMax", ["a"], ["i"], axis=1),
        learned("ArrayFeatureExtractor", ["names", "i"], ["l"]),
        learned("ZipMap", ["a"], ["z"], classlabels_int64s=[0, 1, 2]),
    ]
    path = model(
        nodes, {"x": [1, 4]}, ["l", "z"], {"w": (4, 3), "b": (3,), "names": (3,)}, path=path
    )
    analysis = archcalc.analyze(graph_of(path))
    assert (analysis.params, analysis.macs) == (4 * 3 + 3, 4 * 3)


@pytest.mark.parametrize("opset", [9, 11, 12, 13, 17])
def test_arithmetic_on_shapes_is_done_as_the_file_s_version_does_it(path: Path, opset: int) -> None:
    axes: dict[str, Any] = {"axes": [0]} if opset < 13 else {}
    more = ["axis"] if opset >= 13 else []
    zero = numpy_helper.from_array(np.array([0], np.int64), "axis")
    first = numpy_helper.from_array(np.array(1, np.int64), "first")
    last = numpy_helper.from_array(np.array([-1], np.int64), "last")
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n", *more], ["n1"], **axes),
        helper.make_node("Unsqueeze", ["one", *more], ["n0"], **axes),
        helper.make_node("Concat", ["n0", "n1", "last"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["y"]),
    ]
    one = numpy_helper.from_array(np.array(1, np.int64), "one")
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", 1, [1, 4, 3, 5])],
        [helper.make_tensor_value_info("y", 1, None)],
        [zero, first, last, one],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    found = graph_of(path)
    assert [node.shape for node in found.nodes] == [(1, 4, 15)]


def scoped(op: str, taken: list[str], given: str, *way: str, **fields: Any) -> Any:
    """A node of which PyTorch's exporter says in which module it is."""
    made = node(op, taken, [given], **fields)
    entry = made.metadata_props.add()
    entry.key, entry.value = "pkg.torch.onnx.name_scopes", repr(["", *way, op.lower()])
    return made


def test_tensors_of_equal_numbers_that_an_exporter_joined_are_each_layers_own(path: Path) -> None:
    # Weights of ones and biases of zeros are what layers begin with. Two norms of 8: 2 * (8 + 8).
    nodes = [
        scoped("LayerNormalization", ["x", "a.norm.weight", "a.norm.bias"], "y", "a", "a.norm"),
        scoped("LayerNormalization", ["y", "a.norm.weight", "a.norm.bias"], "o", "b", "b.norm"),
    ]
    weights: dict[str, tuple[int, ...]] = {"a.norm.weight": (8,), "a.norm.bias": (8,)}
    graph = graph_of(model(nodes, {"x": [1, 4, 8]}, ["o"], weights, path))
    assert archcalc.analyze(graph).params == 2 * (8 + 8)
    assert [n.name for n in graph.nodes] == ["a.norm", "b.norm"]
    # The older exporter gives each a name, which stands for the one that it kept.
    nodes = [
        node("Identity", ["onnx::Mul_1"], ["onnx::Mul_2"]),
        node("Mul", ["x", "onnx::Mul_1"], ["y"], "/a/Mul"),
        node("Mul", ["y", "onnx::Mul_2"], ["o"], "/b/Mul"),
    ]
    graph = graph_of(model(nodes, {"x": [1, 4, 8]}, ["o"], {"onnx::Mul_1": (8,)}, path))
    assert archcalc.analyze(graph).params == 8 + 8


def test_layers_of_one_weight_are_one_although_their_biases_of_zeros_are_anybodys(
    path: Path,
) -> None:
    # A filter that is used on each octave, and a second one with the same biases.
    nodes = [
        node("Conv", ["x", "one", "zeros"], ["a"], "/first/Conv"),
        node("Conv", ["x", "two", "zeros"], ["b"], "/second/Conv"),
        node("Conv", ["a", "one", "zeros"], ["c"], "/third/Conv"),
        node("Conv", ["b", "two", "zeros"], ["d"], "/fourth/Conv"),
        node("Add", ["c", "d"], ["o"]),
    ]
    weights: dict[str, tuple[int, ...]] = {"one": (8, 8, 99), "two": (8, 8, 99), "zeros": (8,)}
    analysis = archcalc.analyze(model(nodes, {"x": [1, 8, 400]}, ["o"], weights, path))
    assert analysis.params == 2 * (8 * 8 * 99 + 8)


def test_a_module_that_is_called_twice_shares_whatever_its_numbers_are(path: Path) -> None:
    norm = ["a.norm.weight", "a.norm.bias"]
    nodes = [
        node("LayerNormalization", ["x", *norm], ["y"], "/a/norm/LayerNormalization"),
        node("LayerNormalization", ["y", *norm], ["o"], "/a/norm_1/LayerNormalization"),
    ]
    weights: dict[str, tuple[int, ...]] = dict.fromkeys(norm, (8,))
    graph = graph_of(model(nodes, {"x": [1, 4, 8]}, ["o"], weights, path))
    assert archcalc.analyze(graph).params == 8 + 8


def test_a_bias_that_two_layers_have_is_owned_once(path: Path) -> None:
    bias = numpy_helper.from_array(np.arange(5, dtype="float32"), "b")
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Add", ["p", "b"], ["q"]),
        node("MatMul", ["q", "v"], ["r"]),
        node("Add", ["r", "b"], ["o"]),
    ]
    weights: dict[str, tuple[int, ...]] = {"w": (8, 5), "v": (5, 5)}
    model(nodes, {"x": [1, 8]}, ["o"], weights, path, initializers=[bias])
    graph = graph_of(path)
    assert archcalc.analyze(graph).params == 8 * 5 + 5 * 5 + 5
    assert archcalc.analyze(to_spec(graph)).params == 8 * 5 + 5 * 5 + 5


def test_a_mask_is_no_parameter(path: Path) -> None:
    mask = numpy_helper.from_array(np.triu(np.full((4, 4), -np.inf, "float32"), 1), "mask")
    nodes = [node("Add", ["x", "mask"], ["o"])]
    graph = graph_of(model(nodes, {"x": [1, 2, 4, 4]}, ["o"], {}, path, initializers=[mask]))
    assert archcalc.analyze(graph).params == 0


Q, KV = [1, 4, 24], [1, 6, 24]


@pytest.mark.parametrize(
    ("inputs", "fields", "macs"),
    [
        # 3 heads of 8: 4 queries times 6 keys, and the weighted sum of 6 values.
        ({"q": Q, "k": KV, "v": KV}, {"q_num_heads": 3, "kv_num_heads": 3}, 2 * 3 * 4 * 6 * 8),
        # 6 heads of 4 share the keys of 3; a mask of scores changes no product.
        (
            {"q": Q, "k": [1, 6, 12], "v": [1, 6, 12], "m": [4, 6]},
            {"q_num_heads": 6, "kv_num_heads": 3},
            2 * 6 * 4 * 6 * 4,
        ),
        # Scores that tanh keeps within 30 of 0 are the same products.
        (
            {"q": Q, "k": KV, "v": KV},
            {"q_num_heads": 3, "kv_num_heads": 3, "softcap": 30.0},
            2 * 3 * 4 * 6 * 8,
        ),
        # 12 tokens before these 6.
        (
            {"q": Q, "k": KV, "v": KV, "": [], "pk": [1, 3, 12, 8], "pv": [1, 3, 12, 8]},
            {"q_num_heads": 3, "kv_num_heads": 3},
            2 * 3 * 4 * 18 * 8,
        ),
    ],
)
def test_attention_on_three_axes_counts_its_products(
    inputs: dict[str, Any], fields: dict[str, Any], macs: int, path: Path
) -> None:
    nodes = [node("Attention", [*inputs], ["o"], **fields)]
    given = {name: shape for name, shape in inputs.items() if name}
    if "m" in given:
        given["m"] = [1, 1, 4, 6]
    graph = graph_of(model(nodes, given, ["o"], {}, path, opset=23))
    assert archcalc.analyze(graph).macs == macs
    assert graph.nodes[-1].shape == (1, 4, 24)


def test_attention_with_a_cache_of_onnxruntime_counts_its_products(path: Path) -> None:
    # One new token behind 12: 8 heads of 16 times 13 keys of 2 heads, and as many values.
    nodes = [
        node(
            "GroupQueryAttention",
            ["qkv", "", "", "pk", "pv", "lengths", "total", "cos", "sin"],
            ["o", "k", "v"],
            domain="com.microsoft",
            num_heads=8,
            kv_num_heads=2,
            do_rotary=1,
        )
    ]
    lengths = [
        numpy_helper.from_array(np.array([12], "int32"), name) for name in ("lengths", "total")
    ]
    tables: dict[str, tuple[int, ...]] = {"cos": (64, 8), "sin": (64, 8)}
    inputs = {"qkv": [1, 1, 12 * 16], "pk": [1, 2, 12, 16], "pv": [1, 2, 12, 16]}
    model(nodes, inputs, ["o", "k", "v"], tables, path, initializers=lengths)
    graph = graph_of(path)
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.macs) == (0, 2 * 8 * 13 * 16)
    assert [n.shape for n in graph.nodes if n.name in graph.outputs] == [
        (1, 1, 128),
        (1, 2, 13, 16),
        (1, 2, 13, 16),
    ]


def test_regions_offsets_and_powers_are_known(path: Path) -> None:
    regions = [node("RoiAlign", ["x", "boxes", "of"], ["o"], output_height=7, output_width=7)]
    regions[0].attribute.append(helper.make_attribute("sampling_ratio", 2))
    inputs = {"x": [1, 8, 20, 20], "boxes": [30, 4]}
    of = numpy_helper.from_array(np.zeros(30, "int64"), "of")
    graph = graph_of(model(regions, inputs, ["o"], {}, path, initializers=[of]))
    assert graph.nodes[-1].shape == (30, 8, 7, 7)
    assert not archcalc.analyze(graph).not_counted

    deformed = [node("DeformConv", ["x", "w", "offset", "b"], ["o"], pads=[1, 1, 1, 1])]
    inputs = {"x": [1, 8, 10, 10], "offset": [1, 18, 10, 10]}
    graph = graph_of(model(deformed, inputs, ["o"], {"w": (4, 8, 3, 3), "b": (4,)}, path, opset=19))
    analysis = archcalc.analyze(graph)
    assert (analysis.params, analysis.macs) == (4 * 8 * 9 + 4, 4 * 8 * 9 * 100)

    pooled = [node("LpPool", ["x"], ["o"], kernel_shape=[2, 2], strides=[2, 2], p=2)]
    graph = graph_of(model(pooled, {"x": [1, 8, 10, 10]}, ["o"], {}, path, opset=18))
    assert graph.nodes[-1].shape == (1, 8, 5, 5)
    assert not archcalc.analyze(graph).not_counted


def test_statistics_that_a_normalization_gives_are_part_of_its_work(path: Path) -> None:
    nodes = [node("LayerNormalization", ["x", "w", "b"], ["o", "mean", "deviation"])]
    shape: dict[str, tuple[int, ...]] = {"w": (8,), "b": (8,)}
    whole = archcalc.analyze(graph_of(model(nodes, {"x": [1, 4, 8]}, ["o", "mean"], shape, path)))
    nodes = [node("LayerNormalization", ["x", "w", "b"], ["o"])]
    alone = archcalc.analyze(graph_of(model(nodes, {"x": [1, 4, 8]}, ["o"], shape, path)))
    assert whole.not_counted == ()
    assert (whole.params, whole.flops) == (alone.params, alone.flops)


def test_what_rounded_weights_are_scaled_by_is_no_weight(path: Path) -> None:
    rounded = [
        numpy_helper.from_array(np.ones((4, 3, 1, 1), "int8"), "w"),
        numpy_helper.from_array(np.arange(1, 5, dtype="float32"), "scale"),
        numpy_helper.from_array(np.zeros(4, "int8"), "zero"),
    ]
    nodes = [
        node("DequantizeLinear", ["w", "scale", "zero"], ["v"], axis=0),
        node("Conv", ["x", "v"], ["o"]),
    ]
    graph = graph_of(model(nodes, {"x": [1, 3, 8, 8]}, ["o"], {}, path, initializers=rounded))
    assert archcalc.analyze(graph).params == 4 * 3


def test_a_rounded_softmax_is_multiplied_as_it_is_rounded(path: Path) -> None:
    one = numpy_helper.from_array(np.array(0.1, "float32"), "s")
    zero = numpy_helper.from_array(np.array(0, "uint8"), "z")
    pair = ["s", "z"]
    nodes = [
        node("QuantizeLinear", ["x", *pair], ["q"]),
        node("QLinearSoftmax", ["q", *pair, *pair], ["p"], domain="com.microsoft", opset=13),
        node("QLinearMatMul", ["p", *pair, "q", *pair, *pair], ["r"]),
        node("DequantizeLinear", ["r", *pair], ["o"]),
    ]
    graph = graph_of(model(nodes, {"x": [1, 4, 4]}, ["o"], {}, path, initializers=[one, zero]))
    assert archcalc.analyze(graph).macs == 4 * 4 * 4


def test_channels_that_a_weight_is_not_for_are_refused(path: Path) -> None:
    # TensorFlow's order at the input: 32x32x3 is right, 3x32x32 would be a convolution of 32.
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["o"], "conv", auto_pad="SAME_UPPER", strides=[2, 2]),
    ]
    model(nodes, {"x": [None, None, None, 3]}, ["o"], {"w": (8, 3, 3, 3)}, path)
    assert archcalc.analyze(graph_of(f"{path}@32x32x3")).macs == 8 * 27 * 16 * 16
    with pytest.raises(ArchcalcError, match=r"'conv'.*takes 3 channels, and is given"):
        graph_of(f"{path}@3x32x32")


@pytest.mark.parametrize("field", ["strides", "dilations"])
def test_a_window_that_does_not_move_is_refused(field: str, path: Path) -> None:
    still: dict[str, Any] = {field: [0, 0]}
    nodes = [node("Conv", ["x", "w"], ["o"], "conv", **still)]
    model(nodes, {"x": [1, 3, 8, 8]}, ["o"], {"w": (4, 3, 3, 3)}, path)
    with pytest.raises(ArchcalcError, match=rf"'conv' \(Conv\).*{field}"):
        graph_of(path)


def test_padding_wider_than_half_a_window_stands_before_it(path: Path) -> None:
    # 8 + 2 + 2 elements, windows of 3 at 10 places.
    nodes = [node("MaxPool", ["x"], ["o"], kernel_shape=[3, 3], pads=[2, 2, 2, 2])]
    graph = graph_of(model(nodes, {"x": [1, 3, 8, 8]}, ["o"], {}, path))
    assert [(type(n.op).__name__, n.shape) for n in graph.nodes] == [
        ("Pad", (1, 3, 12, 12)),
        ("MaxPool2d", (1, 3, 10, 10)),
    ]


def test_a_group_norm_that_was_taken_apart_is_one_layer(path: Path) -> None:
    # 12 channels in 3 groups: a factor and a sum a channel, 24 parameters; ones and zeros are none.
    arrays = {
        "to": np.array([1, 3, -1]),
        "ones": np.ones(3, "float32"),
        "zeros": np.zeros(3, "float32"),
        "back": np.array([1, 12, 4, 4]),
        "weight": np.arange(12, dtype="float32").reshape(12, 1, 1),
        "bias": np.arange(12, dtype="float32").reshape(12, 1, 1),
    }
    nodes = [
        node("Reshape", ["x", "to"], ["a"]),
        node("InstanceNormalization", ["a", "ones", "zeros"], ["b"]),
        node("Reshape", ["b", "back"], ["c"]),
        node("Mul", ["c", "weight"], ["d"]),
        node("Add", ["d", "bias"], ["o"], "/norm/Add"),
    ]
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = graph_of(model(nodes, {"x": [1, 12, 4, 4]}, ["o"], {}, path, initializers=stored))
    [norm] = graph.nodes
    groups: dict[str, Any] = {"num_groups": 3}
    assert (norm.name, norm.op) == ("norm", operator("GroupNorm")(**groups))
    assert archcalc.analyze(graph).params == 24


def test_a_gate_times_values_and_a_part_of_a_head_that_turns_are_known(path: Path) -> None:
    # Of 16 features a head 8 turn.
    nodes = [
        node("SwiGLU", ["x", "y"], ["g"]),
        node("RotaryEmbedding", ["g", "cos", "sin"], ["o"], rotary_embedding_dim=8),
    ]
    tables: dict[str, tuple[int, ...]] = {"cos": (1, 6, 4), "sin": (1, 6, 4)}
    inputs = {"x": [1, 2, 6, 16], "y": [1, 2, 6, 16]}
    graph = graph_of(model(nodes, inputs, ["o"], tables, path, opset=28))
    assert [type(n.op).__name__ for n in graph.nodes] == [
        *("SiLU", "Mul", "Slice", "RotaryEmbedding", "Slice", "Concat")
    ]
    assert graph.nodes[-1].shape == (1, 2, 6, 16)
