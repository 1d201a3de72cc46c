"""Networks that are held against PyTorch: what agrees, and that a mistake is found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

import archcalc
from archcalc.dims import Shape
from archcalc.errors import ArchcalcError
from archcalc.operators import NAMES, operator
from archcalc.operators.base import KINDS, Applied, Example, Operator, Work
from archcalc.pytorch import compared
from archcalc.pytorch.crosscheck import Crosscheck, crosscheck
from archcalc.pytorch.network import Network
from archcalc.spec.graph import Graph, Node


def spec(layers: dict[str, Any], **more: Any) -> archcalc.Spec:
    return archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers, **more})


SMALL = {
    "conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
    "bn": "BatchNorm2d",
    "flatten": "Flatten",
    "fc": {"op": "Linear", "out_features": 5},
}


def said(found: Crosscheck) -> set[tuple[str, str]]:
    return {(each.layer, each.what) for each in found.differences}


# What agrees ----------------------------------------------------------------------------------


def test_a_small_network_is_run_on_meta_and_on_a_device_with_numbers() -> None:
    found = crosscheck(spec(SMALL))

    assert found.ok
    assert [run.device for run in found.runs] == [
        "meta",
        "cuda" if torch.cuda.is_available() else "cpu",
    ]
    # 4 filters of 3x3x3 at 8x8 places, and 256 x 5.
    assert found.counts.macs == 4 * 27 * 64 + 256 * 5


@pytest.mark.parametrize(
    ("name", "device"), [("lenet5", "cpu"), ("lenet5-1998", "auto"), ("googlenet-aux", "meta")]
)
def test_networks_of_the_zoo_agree(name: str, device: str) -> None:
    found = crosscheck(name, device=device)

    assert found.ok, found.differences
    assert not any(run.not_counted for run in found.runs)


def test_a_large_network_is_run_on_meta_alone_and_it_is_said_why() -> None:
    found = crosscheck("vgg16", device="auto")

    assert found.ok
    if not torch.cuda.is_available():
        assert [run.device for run in found.runs] == ["meta"]
        # 15.5 G, as in the tables of VGG.
        assert found.skipped == {"cpu": "15.5 G multiply-accumulates, more than 5 G"}


def test_a_batch_an_input_and_variables_are_those_of_the_network() -> None:
    found = crosscheck("resnet18", device="meta", batch=3, input=[3, 64, 64], classes=7)

    assert found.ok
    # The last layer is 7 outputs of 512 numbers, where it was 1000; see torchvision's resnet18.
    assert found.counts.params == 11_689_512 - 993 * 513
    assert [run.batch for run in found.runs] == [3]


def test_another_dtype_is_near_to_float32() -> None:
    found = crosscheck(spec(SMALL), device="cpu", dtype=["float64", "bfloat16", "float32"])
    exact, coarse, usual = (run.error for run in found.runs)

    assert found.ok
    assert (exact, usual) == (None, None)
    # bfloat16 has 8 digits: each number is off by up to 1/512 of itself.
    assert coarse is not None
    assert 1e-4 < coarse < 2e-2


def test_a_layer_that_computes_something_else_is_found_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layers = {**SMALL, "relu": "ReLU", "last": {"op": "Linear", "out_features": 3}}
    right = torch.nn.functional.batch_norm

    def wrong(x: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:
        y = right(x, *more, **named)
        return y * 1.2 if x.dtype == torch.bfloat16 else y

    monkeypatch.setattr(torch.nn.functional, "batch_norm", wrong)
    found = crosscheck(spec(layers), device="cpu", dtype="bfloat16")

    # A fifth too much in one layer is seen there, and not in those that go on with it.
    assert said(found) == {("bn", "values")}
    assert found.differences[0].torchs == pytest.approx(0.2, abs=0.01)
    assert found.runs[0].layer_error == found.differences[0].torchs


def test_layers_that_overwrite_their_input_or_join_several_are_compared() -> None:
    layers = {
        "a": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1},
        "b": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1, "from": "input"},
        "cat": {"op": "Concat", "from": ["a", "b"]},
        "relu": {"op": "ReLU", "inplace": True},
        "last": {"op": "ArgMax", "dim": 1},
    }
    found = crosscheck(spec(layers), device="cpu", dtype="bfloat16")

    assert found.ok, found.differences
    assert found.runs[0].layer_error is not None


def test_indices_that_are_picked_with_a_number_are_whole_ones() -> None:
    found = crosscheck(
        archcalc.load(
            {
                "name": "padded",
                "input": [8],
                "layers": {
                    "ignored": {"op": "Eq", "by": -100},
                    "padding": {"op": "Constant", "from": "input", "shape": [1]},
                    "picked": {"op": "Where", "from": ["ignored", "padding", "input"]},
                    "kept": {"op": "MaskedFill", "from": ["picked", "ignored"], "value": 0},
                    "embed": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
                },
            }
        )
    )
    assert found.ok, found.differences


def test_the_signal_reaches_the_last_of_many_layers() -> None:
    from archcalc.pytorch.running import enlivened, seeded

    conv = {"op": "Conv2d", "out_channels": 16, "kernel_size": 3, "padding": 1}
    layers: dict[str, Any] = {}
    for number in range(30):
        layers |= {f"conv{number}": conv, f"relu{number}": "ReLU"}
    graph = archcalc.expand(spec(layers))
    with seeded(0):
        network = archcalc.build(graph)
        inputs = torch.randn(2, 2, 3, 8, 8)
    apart = []
    for _ in range(2):
        with torch.no_grad():
            one, other = (network(x) for x in inputs)
        apart.append(float((one - other).norm() / one.norm()))
        enlivened(network, ())

    # As PyTorch draws the weights, two inputs give the same to a millionth.
    assert apart[0] < 1e-5
    assert apart[1] > 1e-2


def test_parameters_of_a_training_output_are_checked_too() -> None:
    layers = {
        "a": {"op": "Linear", "out_features": 2},
        "b": {"op": "Linear", "from": "input", "out_features": 3},
    }
    found = crosscheck(spec(layers, outputs="a", training_outputs=["b"]))

    assert found.ok
    assert not found.runs[0].without_gradient


def test_a_parameter_that_no_gradient_reaches_is_explained() -> None:
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 3, "kernel_size": 1},
        "pool": {"op": "MaxPool2d", "kernel_size": 2, "from": "input"},
        "unpool": {"op": "MaxUnpool2d", "kernel_size": 2, "from": ["pool", "conv"]},
    }
    found = crosscheck(spec(layers))

    # Only where the maxima are is asked of conv.
    assert found.ok
    assert found.runs[0].without_gradient == ("conv.weight", "conv.bias")


def test_tied_tensors_agree() -> None:
    layers = {
        "embedding": {"op": "Embedding", "num_embeddings": 10, "embedding_dim": 4},
        "decoder": {"op": "Linear", "out_features": 10, "share": "embedding"},
    }
    found = crosscheck(archcalc.load({"name": "tied", "input": [6], "layers": layers}))

    assert found.ok
    assert found.counts.params == 40 + 10


# What differs ---------------------------------------------------------------------------------


def test_tensors_that_are_not_tied_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = {
        "one": {"op": "Linear", "out_features": 3, "bias": False},
        "two": {"op": "Linear", "out_features": 3, "bias": False, "share": "one"},
    }
    monkeypatch.setattr("archcalc.pytorch.network._tie", lambda *_: None)

    found = crosscheck(archcalc.load({"name": "net", "input": [3], "layers": layers}), device="cpu")
    assert said(found) == {("two", "tied"), ("", "params")}


def replaced(monkeypatch: pytest.MonkeyPatch, change: Callable[[Network], Any]) -> Crosscheck:
    """A network that is changed after it was built."""
    from archcalc.pytorch import build as building

    build = building.build

    def wrong(*args: Any, **kwargs: Any) -> Network:
        network = build(*args, **kwargs)
        change(network)
        return network

    monkeypatch.setattr(building, "build", wrong)
    return crosscheck(spec(SMALL), device="cpu")


def test_a_number_that_is_none_is_found_where_it_arises(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(network: Network) -> None:
        with torch.no_grad():
            network.get_parameter("bn.weight").fill_(torch.inf)

    found = replaced(monkeypatch, spoil)
    assert ("bn", "finite") in said(found)
    assert ("conv", "finite") not in said(found)


def test_a_gradient_that_is_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def detach(network: Network) -> None:
        network.get_submodule("bn").register_forward_hook(lambda _m, _x, y: y.detach())

    found = replaced(monkeypatch, detach)
    assert said(found) == {(layer, "gradient") for layer in ("conv", "bn")}
    assert len(found.differences) == 4


def test_a_parameter_that_is_frozen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = replaced(monkeypatch, lambda net: net.get_parameter("fc.bias").requires_grad_(False))

    assert ("fc", "weights") in said(found)


def test_a_layer_that_does_not_run_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(network: Network) -> None:
        monkeypatch.setattr(network, "forward", lambda x: x)

    found = replaced(monkeypatch, stop)
    assert {(layer, "executed") for layer in SMALL} <= said(found)


def test_values_off_by_more_than_a_dtype_s_rounding_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(compared.TOLERANCE, "bfloat16", 1e-6)

    found = crosscheck(spec(SMALL), device="cpu", dtype="bfloat16")
    # Flatten only moves numbers.
    assert said(found) == {("conv", "values"), ("bn", "values"), ("fc", "values")}


def test_what_pytorch_refuses_to_run_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise RuntimeError("not implemented for 'Half'\nmore")

    found = replaced(monkeypatch, lambda net: net.get_submodule("fc").register_forward_hook(stop))
    (difference,) = found.differences
    assert (difference.what, difference.torchs) == (
        "run",
        "RuntimeError: not implemented for 'Half'",
    )


def test_a_dtype_that_pytorch_has_no_kernel_for_is_no_difference() -> None:
    layers = {"norm": {"op": "LocalResponseNorm", "size": 5}}
    found = crosscheck(spec(layers), device="cpu", dtype=["float32", "bfloat16"])

    # It averages over channels with avg_pool3d, which the CPU has in float32 and float64.
    assert found.ok
    assert [run.dtype for run in found.runs] == ["float32"]
    assert "not implemented for 'BFloat16'" in found.skipped["cpu bfloat16"]


def test_what_nobody_counts_is_reported_and_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure_distances(_module: Any, _inputs: Any, y: torch.Tensor) -> torch.Tensor:
        torch.cdist(y.detach(), y.detach())
        return y

    found = replaced(
        monkeypatch,
        lambda net: net.get_submodule("flatten").register_forward_hook(measure_distances),
    )
    assert found.ok
    assert found.runs[0].not_counted == (("flatten", "Flatten", ("aten._cdist_forward",)),)


# Mistakes in operators ------------------------------------------------------------------------


PARTIAL = {"Log", "Log2", "Log10", "Log1p", "Sqrt", "Rsqrt", "Pow"}
"""Functions that are not defined of every number, but of every one above zero."""


def one_layer(name: str, example: Example) -> Graph:
    """A network of one operator, on the inputs of one of its examples, or on their exponentials."""
    op: Operator = operator(name)(**example.fields)
    inputs = {f"x{k}": shape for k, shape in enumerate(example.inputs)}
    drawn = tuple(inputs)
    positive: list[Node] = []
    if name in PARTIAL:
        exp = operator("Exp")()
        positive = [Node(f"{x}_exp", Applied.to(exp, inputs[x]), (x,)) for x in inputs]
        drawn = tuple(node.name for node in positive)
    node = Node("layer", Applied.to(op, *example.inputs), drawn)
    return Graph("net", "net", "", "", inputs, (*positive, node), ("layer",))


def examples(name: str) -> list[Example]:
    """The operator's examples; a batch of one can't be normalized in training where it is alone."""
    return [each for each in operator(name).examples if each.inputs]


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_agrees(name: str) -> None:
    for example in examples(name):
        for device in ("meta", "cpu"):
            found = crosscheck(one_layer(name, example), device=device)
            # Caffe's rounding may give a window that lies in the padding: the maximum of nothing.
            empty = device == "cpu" and example.fields.get("ceil_mode") == "caffe"
            unlike = [each for each in found.differences if not (empty and each.what == "finite")]
            assert unlike == []
            assert not found.runs[0].not_counted


def more(shape: Shape) -> Shape:
    return (*shape[:-1], shape[-1] + 1) if shape else (1,)


def wrong_shape(op: Any) -> dict[str, Any]:
    return {"infer": lambda self, *inputs: more(op.infer(self, *inputs))}


def wrong_weights(op: Any) -> dict[str, Any]:
    """One row more in the first tensor, or a tensor more where there is none."""

    def weights(self: Any, *inputs: Shape) -> dict[str, Shape]:
        right = op.weights(self, *inputs)
        first = next(iter(right), "weight")
        return {**right, first: more(right.get(first, ()))}

    return {"weights": weights}


def missing_weights(op: Any) -> dict[str, Any]:
    return {"weights": lambda self, *inputs: dict(list(op.weights(self, *inputs).items())[1:])}


def misnamed_weights(op: Any) -> dict[str, Any]:
    def weights(self: Any, *inputs: Shape) -> dict[str, Shape]:
        return {f"{name}_": shape for name, shape in op.weights(self, *inputs).items()}

    return {"weights": weights}


def wrong_buffers(op: Any) -> dict[str, Any]:
    def buffers(self: Any, *inputs: Shape) -> dict[str, Shape]:
        return {**op.buffers(self, *inputs), "counter": ()}

    return {"buffers": buffers}


def missing_buffers(op: Any) -> dict[str, Any]:
    return {"buffers": lambda self, *inputs: dict(list(op.buffers(self, *inputs).items())[1:])}


def wrong_macs(op: Any) -> dict[str, Any]:
    return {"work": lambda self, *shapes: op.work(self, *shapes) + Work(macs=1)}


MISTAKES: dict[str, tuple[Callable[[Any], dict[str, Any]], set[str]]] = {
    "shape": (wrong_shape, {"shape"}),
    "weights": (wrong_weights, {"weights"}),
    "weights left out": (missing_weights, {"weights"}),
    "weights misnamed": (misnamed_weights, {"weights"}),
    "buffers": (wrong_buffers, {"buffers"}),
    "buffers left out": (missing_buffers, {"buffers"}),
    "macs": (wrong_macs, {"macs"}),
}
"""What is done to an operator, and by which differences it has to be told."""

STORED = {
    "weights left out": "weights",
    "weights misnamed": "weights",
    "buffers left out": "buffers",
}
"""Mistakes that only an operator that stores something can have."""


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_in_any_operator_is_found(
    name: str, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, told = MISTAKES[mistake]
    cls = operator(name)
    changed = False
    for example in examples(name):
        if mistake in STORED and not getattr(cls(**example.fields), STORED[mistake])(
            *example.inputs
        ):
            continue
        changed = True
        with monkeypatch.context() as patch:
            originals = type(
                "Originals",
                (),
                {m: staticmethod(getattr(cls, m)) for m in ("infer", "weights", "buffers", "work")},
            )
            for method, wrong in plant(originals).items():
                patch.setattr(cls, method, wrong)
            found = crosscheck(one_layer(name, example), device="meta")
        assert not found.ok
        # Where PyTorch's spelling follows from the shape, it may not run at all.
        what = {each.what for each in found.differences}
        assert told <= what or (mistake == "shape" and "run" in what)
        break  # one example shows it: of others the check is the same
    if not changed:
        assert mistake in STORED


UNSEEN = (*(kind for kind in KINDS if kind != "macs"), "dots")
"""Kinds of work that PyTorch gives no second opinion on: its counter counts products that are
summed, and it publishes no count of other arithmetic. A comparison with a count of our own per ATen
operation would be the same definition written twice. So these are held to definitions worked by
hand, in the tests of operators, and not by running."""


@pytest.mark.parametrize("name", NAMES)
def test_of_other_work_pytorch_says_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more_work = Work(**dict.fromkeys(UNSEEN, 1))
    cls = operator(name)
    right = cls.work
    monkeypatch.setattr(cls, "work", lambda self, *shapes: right(self, *shapes) + more_work)

    assert crosscheck(one_layer(name, examples(name)[0]), device="meta").ok


# What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "no device 'gpu'\n  did you mean 'cpu'?"),
        ({"dtype": "float23"}, "no dtype 'float23'\n  did you mean 'float32'?"),
        ({"device": "meta", "measure": True}, "there are no numbers, and nothing to measure"),
    ],
)
def test_what_can_t_be_run_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchcalcError) as told:
        crosscheck("lenet5", **options)
    assert message in str(told.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused() -> None:
    with pytest.raises(ArchcalcError, match="finds no CUDA device here"):
        crosscheck("lenet5", device="cuda")


def test_without_pytorch_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ArchcalcError, match=r"not installed: pip install 'archcalc\[torch\]'"):
        crosscheck("lenet5")


def test_a_graph_has_its_shapes() -> None:
    graph = archcalc.expand(spec(SMALL), batch=2)

    assert crosscheck(graph, device="meta").ok
    with pytest.raises(TypeError, match="a graph has its shapes"):
        crosscheck(graph, batch=3)


# On a GPU -------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here")
@pytest.mark.parametrize("name", ["lenet5", "resnet18", "googlenet"])
def test_a_gpu_computes_what_the_cpu_does(name: str) -> None:
    found = crosscheck(name, device="cuda", dtype=["float32", "tf32", "bfloat16"])

    assert found.ok, found.differences
    assert all(run.error is not None for run in found.runs)


@pytest.mark.parametrize(
    ("load", "cores", "most", "used"), [(0, 4, 4, 4), (2.6, 4, 4, 1), (9, 2, 2, 1), (0.2, 8, 3, 3)]
)
def test_threads_are_as_many_as_processors_are_free(
    load: float, cores: int, most: int, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archcalc.pytorch.running import free_threads

    threads = [most]
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    with free_threads():
        assert threads[-1] == used
    assert threads[-1] == most


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("swin_t", [3, 100, 75]),  # padded to windows, and to even sides, on both axes
        ("vgg11_bn", [3, 64, 40]),
        ("googlenet-torchvision", [3, 96, 80]),
        ("inception_v3", [3, 128, 112]),  # which it can't be trained on
    ],
)
def test_editions_agree_at_sizes_that_are_not_their_own(name: str, shape: list[int]) -> None:
    found = crosscheck(name, device="meta", input=shape)

    assert found.ok
    graph = archcalc.expand(archcalc.load(name), input=shape)
    assert (graph.untrainable != ()) is (name == "inception_v3")


def test_what_a_gpu_has_no_memory_for_is_left_out_or_not_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from archcalc.pytorch.crosscheck import _too_large

    # 62,378,344 weights of 4 bytes are 249.5 MB, and with their gradients twice as many.
    spec = archcalc.load("alexnet")
    analysis, trained = archcalc.analyze(spec), archcalc.analyze(spec, training=True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def told(free: int) -> tuple[str, str]:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, free))
        return _too_large(analysis, trained, "cuda", "float32", False)

    assert told(200_000_000) == ("takes 0.3 GB, 0.2 are free", "")
    assert told(400_000_000) == ("", "trains in 0.5 GB, 0.4 are free")
    assert told(900_000_000) == ("", "")
