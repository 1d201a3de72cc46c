"""Weights that are computed of others, as ``torch.nn.utils.parametrizations`` stores them."""

from __future__ import annotations

from typing import Any

import pytest

import archcalc
from archcalc.operators import operator

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


def test_a_batch_normalization_behind_it_is_not_folded() -> None:
    layers = {"conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 1}, "bn": "BatchNorm2d"}
    spec = {"name": "net", "input": [3, 8, 8], "layers": layers}
    graph = archcalc.expand(archcalc.load(spec))
    assert len(archcalc.fold_batch_norm(graph).nodes) == 1

    layers["conv"] = {**layers["conv"], "parametrization": "weight_norm"}  # type: ignore[dict-item]
    graph = archcalc.expand(archcalc.load(spec))
    assert len(archcalc.fold_batch_norm(graph).nodes) == 2


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


def test_an_unknown_one_is_told() -> None:
    spec = {
        "name": "net",
        "input": [8],
        "layers": {"a": {"op": "Linear", "out_features": 8, "parametrization": "weightnorm"}},
    }
    (problem,) = archcalc.validate(spec)
    assert "weight_norm" in problem.message + problem.hint
