"""Weights that are computed of others, as ``torch.nn.utils.parametrizations`` stores them."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc.operators import operator
from archcalc.pytorch.perform import module as build

G, V = "parametrizations.weight.original0", "parametrizations.weight.original1"
ORIGINAL = "parametrizations.weight.original"
LEFT, RIGHT = "parametrizations.weight.0._u", "parametrizations.weight.0._v"

CASES: list[tuple[str, dict[str, Any], tuple[int, ...], tuple[int, ...], tuple[int, int]]] = [
    # The weight, and the matrix that it is taken for: rows are the outputs.
    ("Conv1d", {"out_channels": 6, "kernel_size": 3}, (2, 4, 9), (6, 4, 3), (6, 12)),
    (
        "Conv2d",
        {"out_channels": 6, "kernel_size": 3, "groups": 2},
        (2, 4, 9, 9),
        (6, 2, 3, 3),
        (6, 18),
    ),
    ("ConvTranspose2d", {"out_channels": 6, "kernel_size": 2}, (2, 4, 9, 9), (4, 6, 2, 2), (6, 16)),
    ("Linear", {"out_features": 10}, (2, 8), (10, 8), (10, 8)),
    ("Embedding", {"num_embeddings": 10, "embedding_dim": 4}, (2, 7), (10, 4), (10, 4)),
]


@pytest.mark.parametrize(("name", "fields", "x", "weight", "matrix"), CASES)
def test_tensors_are_stored_in_the_place_of_the_weight(
    name: str,
    fields: dict[str, Any],
    x: tuple[int, ...],
    weight: tuple[int, ...],
    matrix: tuple[int, int],
) -> None:
    bare = operator(name)(**fields)
    normed = operator(name)(**{**fields, "parametrization": "weight_norm"})
    spectral = operator(name)(**{**fields, "parametrization": "spectral_norm"})
    bias = {key: shape for key, shape in bare.weights(x).items() if key == "bias"}

    assert bare.weights(x) == {"weight": weight, **bias}
    assert normed.weights(x) == {G: (weight[0], *(1,) * (len(weight) - 1)), V: weight, **bias}
    assert spectral.weights(x) == {ORIGINAL: weight, **bias}
    assert (bare.buffers(x), normed.buffers(x)) == ({}, {})
    assert spectral.buffers(x) == {LEFT: (matrix[0],), RIGHT: (matrix[1],)}
    assert bare.work(bare.infer(x), x) == normed.work(bare.infer(x), x)


SEVERAL: list[
    tuple[str, dict[str, Any], tuple[tuple[int, ...], ...], dict[str, tuple[int, int]]]
] = [
    # Every weight that is a matrix, by the name of where PyTorch stores what it is computed of.
    (
        "LSTM",
        {"hidden_size": 6, "num_layers": 2, "bidirectional": True, "proj_size": 2},
        ((2, 5, 4),),
        {
            f"parametrizations.weight_{kind}_l{layer}{way}": size
            for layer, x in ((0, 4), (1, 4))
            for way in ("", "_reverse")
            for kind, size in (("ih", (24, x)), ("hh", (24, 2)), ("hr", (2, 6)))
        },
    ),
    (
        "GRU",
        {"hidden_size": 6, "biases": 1},
        ((2, 5, 4),),
        {"parametrizations.weight_ih_l0": (18, 4), "parametrizations.weight_hh_l0": (18, 6)},
    ),
    (
        "RNN",
        {"hidden_size": 6, "states": True},
        ((2, 5, 4), (2, 1, 6)),
        {"parametrizations.weight_ih_l0": (6, 4), "parametrizations.weight_hh_l0": (6, 6)},
    ),
    (
        "LSTMCell",
        {"hidden_size": 6},
        ((2, 4), (2, 2, 6)),
        {"parametrizations.weight_ih": (24, 4), "parametrizations.weight_hh": (24, 6)},
    ),
    (
        "GRUCell",
        {"hidden_size": 6},
        ((2, 4), (2, 6)),
        {"parametrizations.weight_ih": (18, 4), "parametrizations.weight_hh": (18, 6)},
    ),
    (
        "MultiheadAttention",
        {"num_heads": 2},
        ((2, 5, 8),),
        {
            "parametrizations.in_proj_weight": (24, 8),
            "out_proj.parametrizations.weight": (8, 8),
        },
    ),
    (
        "MultiheadAttention",
        {"num_heads": 2, "add_bias_kv": True},
        ((2, 5, 8), (2, 3, 4), (2, 3, 6)),
        {
            "parametrizations.q_proj_weight": (8, 8),
            "parametrizations.k_proj_weight": (8, 4),
            "parametrizations.v_proj_weight": (8, 6),
            "out_proj.parametrizations.weight": (8, 8),
        },
    ),
    (
        "Attention",
        {"num_heads": 2, "num_kv_heads": 1},
        ((2, 5, 8),),
        {
            "q_proj.parametrizations.weight": (8, 8),
            "k_proj.parametrizations.weight": (4, 8),
            "v_proj.parametrizations.weight": (4, 8),
            "out_proj.parametrizations.weight": (8, 8),
        },
    ),
]


@pytest.mark.parametrize(("name", "fields", "inputs", "places"), SEVERAL)
def test_each_of_several_weights_is_computed(
    name: str,
    fields: dict[str, Any],
    inputs: tuple[tuple[int, ...], ...],
    places: dict[str, tuple[int, int]],
) -> None:
    bare = operator(name)(**fields)
    normed = operator(name)(**{**fields, "parametrization": "weight_norm"})
    spectral = operator(name)(**{**fields, "parametrization": "spectral_norm"})
    biases = {key: shape for key, shape in bare.weights(*inputs).items() if "weight" not in key}

    assert normed.weights(*inputs) == biases | {
        f"{place}.original{k}": (rows, columns if k else 1)
        for place, (rows, columns) in places.items()
        for k in (0, 1)
    }
    assert spectral.weights(*inputs) == biases | {f"{p}.original": n for p, n in places.items()}
    assert spectral.buffers(*inputs) == {
        f"{place}.0.{vector}": (n,)
        for place, size in places.items()
        for vector, n in zip(("_u", "_v"), size, strict=True)
    }
    output = bare.infer(*inputs)
    assert bare.work(output, *inputs) == normed.work(output, *inputs)


@pytest.mark.parametrize("how", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize(("name", "fields", "inputs", "places"), SEVERAL)
def test_they_compute_what_pytorchs_own_do_before_and_after_a_step(
    name: str,
    fields: dict[str, Any],
    inputs: tuple[tuple[int, ...], ...],
    places: dict[str, tuple[int, int]],
    how: str,
) -> None:
    """A bare layer whose weights are computed by hand, of what is stored, is the judge."""
    import torch

    made = build(operator(name)(**{**fields, "parametrization": how}), *inputs).double().eval()
    bare = build(operator(name)(**fields), *inputs).double().eval()
    x = [torch.randn(shape, dtype=torch.float64) for shape in inputs]

    def computed() -> dict[str, torch.Tensor]:
        stored = made.state_dict()
        weights = {key: value for key, value in stored.items() if "parametrizations" not in key}
        for place in places:
            if how == "weight_norm":
                g, v = (stored[f"{place}.original{k}"] for k in (0, 1))
                weight = g * v / v.norm(dim=1, keepdim=True)
            else:
                weight = stored[f"{place}.original"]
                u, v = (stored[f"{place}.0.{vector}"] for vector in ("_u", "_v"))
                weight = weight / (u @ weight @ v)
            weights[place.replace("parametrizations.", "")] = weight
        return weights

    for _ in range(2):
        output = made(*x)
        bare.load_state_dict(computed())
        assert torch.allclose(output, bare(*x))
        output.square().sum().backward()
        torch.optim.SGD(made.parameters(), 0.1).step()
        made.zero_grad()


@pytest.mark.parametrize("how", ["weight_norm", "spectral_norm"])
def test_networks_of_them_are_built_written_tied_and_frozen(how: str) -> None:
    import torch

    lstm = {"op": "LSTM", "hidden_size": 8, "parametrization": how}
    attend = {"op": "MultiheadAttention", "num_heads": 2, "parametrization": how}
    layers = {
        "lstm": lstm,
        "again": {**lstm, "share": "lstm"},
        "gru": {"op": "GRU", "hidden_size": 8, "biases": 1, "parametrization": how},
        "attend": attend,
        "heads": {"op": "Attention", "num_heads": 2, "parametrization": how, "trainable": False},
    }
    spec = archcalc.load({"name": "net", "input": [5, 8], "layers": layers})

    assert archcalc.crosscheck(spec).ok
    home: dict[str, Any] = {}
    exec(archcalc.export(spec, to="torch"), home)
    written, made = home["Net"](), archcalc.build(spec)
    written.load_state_dict(made.state_dict())
    x = torch.randn(2, 5, 8)
    assert torch.allclose(written.eval()(x), made.eval()(x), atol=1e-6)
    assert sum(p.numel() for p in written.parameters()) == archcalc.analyze(spec).params
    frozen = sum(p.numel() for p in written.parameters() if not p.requires_grad)
    assert frozen == sum(p.numel() for p in written.heads.parameters())


def test_a_batch_normalization_behind_it_is_not_folded() -> None:
    layers = {"conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1}, "bn": "BatchNorm2d"}
    spec = {"name": "net", "input": [3, 8, 8], "layers": layers}
    graph = archcalc.expand(archcalc.load(spec))
    assert len(archcalc.fold_batch_norm(graph).nodes) == 1

    layers["conv"] = {**layers["conv"], "parametrization": "weight_norm"}  # type: ignore[dict-item]
    graph = archcalc.expand(archcalc.load(spec))
    assert len(archcalc.fold_batch_norm(graph).nodes) == 2


def test_a_gain_for_each_kernel_is_stored_where_standardized_weights_are_scaled() -> None:
    # timm's StdConv2d and ScaledStdConv2d: 6 kernels of 4 x 3 x 3, and 6 gains.
    fields: dict[str, Any] = {"out_channels": 6, "kernel_size": 3, "bias": False}
    even = operator("Conv2d")(**{**fields, "parametrization": "weight_standardization"})
    scaled = operator("Conv2d")(**{**fields, "parametrization": "scaled_weight_standardization"})
    x = (2, 4, 9, 9)

    assert even.weights(x) == {ORIGINAL: (6, 4, 3, 3)}
    gain = {"parametrizations.weight.0.gain": (6, 1, 1, 1)}
    assert scaled.weights(x) == {ORIGINAL: (6, 4, 3, 3), **gain}
    assert even.work(even.infer(x), x) == scaled.work(scaled.infer(x), x)
    assert even.work(even.infer(x), x).macs == 2 * 6 * 7 * 7 * 36


@pytest.mark.parametrize("how", ["weight_norm", "spectral_norm"])
def test_networks_are_built_written_and_tied(how: str) -> None:
    import torch
    from torch.nn.utils import parametrizations

    layer = {"op": "Linear", "out_features": 8, "parametrization": how}
    spec = archcalc.load(
        {
            "name": "net",
            "input": [8],
            "layers": {"a": layer, "b": {**layer, "share": "a"}, "c": {**layer, "repeat": 2}},
        }
    )
    theirs = getattr(parametrizations, how)(torch.nn.Linear(8, 8))
    each = sum(p.numel() for p in theirs.parameters())

    assert archcalc.analyze(spec).params == 3 * each
    assert archcalc.crosscheck(spec).ok
    source = archcalc.export(spec, to="torch")
    home: dict[str, Any] = {}
    exec(source, home)
    assert sum(p.numel() for p in home["Net"]().parameters()) == 3 * each


def test_a_block_may_be_told_which() -> None:
    unit = {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, "parametrization": "=how"}
    ways = ("weight_norm", "spectral_norm", "scaled_weight_standardization", None)
    layers = {
        f"unit{k}": {"block": "unit", "how": f"={how}" if how is None else how}
        for k, how in enumerate(ways)
    }
    spec = archcalc.load(
        {"name": "net", "input": [8, 9, 9], "blocks": {"unit(how)": {"conv": unit}}}
        | {"layers": layers}
    )
    home: dict[str, Any] = {}
    exec(archcalc.export(spec, to="torch"), home)

    theirs = sum(parameter.numel() for parameter in home["Net"]().parameters())
    assert theirs == archcalc.analyze(spec).params == 4 * (8 * 8 * 9 + 8) + 8 + 8


@pytest.mark.parametrize(("how", "scaled"), [("weight", False), ("scaled_weight", True)])
@pytest.mark.parametrize("groups", [1, 2])
def test_kernels_are_standardized_as_their_papers_say(how: str, scaled: bool, groups: int) -> None:
    import torch
    from torch.nn import functional

    fields: dict[str, Any] = {"out_channels": 6, "kernel_size": 3, "groups": groups, "bias": False}
    op = operator("Conv2d")(**{**fields, "parametrization": f"{how}_standardization"})
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    module = build(op, tuple(x.shape), dtype=torch.float64)
    kernels: torch.Tensor = dict(module.named_parameters())[ORIGINAL]
    assert sum(p.numel() for p in module.parameters()) == kernels.numel() + 6 * scaled

    # Each kernel of n numbers: less their mean, over their deviation (of all n, not n - 1).
    n = 4 // groups * 9
    mean = kernels.mean(dim=(1, 2, 3), keepdim=True)
    variance = ((kernels - mean) ** 2).mean(dim=(1, 2, 3), keepdim=True)
    even = (kernels - mean) / (variance + 1e-6).sqrt()
    if scaled:  # the gain is one at first
        even = even / n**0.5
    assert torch.allclose(module(x), functional.conv2d(x, even, groups=groups))


def test_an_unknown_one_is_told() -> None:
    spec = {
        "name": "net",
        "input": [8],
        "layers": {"a": {"op": "Linear", "out_features": 8, "parametrization": "weightnorm"}},
    }
    (problem,) = archcalc.validate(spec)
    assert "weight_norm" in problem.message + problem.hint
