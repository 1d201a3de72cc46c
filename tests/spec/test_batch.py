"""What is a spec at one batch is the same at every other: samples never meet."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archcalc
from archcalc import SpecError

BATCHES = (1, 2, 3, 8)
"""Extents are drawn from 1 to 3 and 8, so that a batch may equal any of them."""


def scaled(shape: list[int], parameter: list[int]) -> archcalc.Spec:
    layers: dict[str, Any] = {
        "w": {"op": "Parameter", "shape": parameter},
        "y": {"op": "Mul", "from": ["input", "w"]},
    }
    return archcalc.load({"name": "net", "input": shape, "layers": layers})


@pytest.mark.parametrize("batch", [1, 2, 8, 16])
def test_a_parameter_meets_the_last_axes_as_in_pytorch(batch: int) -> None:
    net = archcalc.build(scaled([16, 8], [8]))
    weight = net.get_parameter("w.weight")
    x = torch.randn(batch, 16, 8)

    assert archcalc.expand(scaled([16, 8], [8]), batch=batch).nodes[-1].shape == (batch, 16, 8)
    assert torch.equal(net(x), x * weight)


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_what_does_not_fit_is_refused_at_every_batch(batch: int) -> None:
    with pytest.raises(SpecError, match="do not fit: 8 and 16"):
        archcalc.expand(scaled([16, 8], [16]), batch=batch)


extents = st.lists(st.sampled_from([1, 2, 3, 8]), min_size=1, max_size=3)


@st.composite
def specs(draw: st.DrawFn) -> archcalc.Spec:
    layers: dict[str, Any] = {}
    names = ["input"]
    for k in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["Parameter", "Add", "Mul", "MatMul", "Concat", "Permute"]))
        sources = [draw(st.sampled_from(names)) for _ in range(1 if kind == "Permute" else 2)]
        layer: dict[str, Any] = {"op": kind, "from": sources}
        if kind == "Parameter":
            layer = {"op": kind, "shape": draw(extents), "from": "input"}
        elif kind == "Permute":
            rank = draw(st.integers(2, 4))
            layer["dims"] = [0, *draw(st.permutations(range(1, rank)))]
        layers[f"layer{k}"] = layer
        names.append(f"layer{k}")
    written = {"name": "net", "input": draw(extents), "layers": layers, "outputs": names[1:]}
    return archcalc.load(written)


@settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_a_spec_fits_at_all_batches_or_at_none(spec: archcalc.Spec) -> None:
    found: list[Any] = []
    for batch in BATCHES:
        try:
            graph = archcalc.expand(spec, batch=batch)
        except SpecError:
            found.append(None)
            continue
        assert all(node.shape[0] == batch for node in graph.nodes)
        found.append([node.shape[1:] for node in graph.nodes])
        outputs = archcalc.build(graph, device="meta")(
            *(torch.empty(shape, device="meta") for shape in graph.inputs.values())
        )
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert [tuple(output.shape) for output in outputs] == [n.shape for n in graph.nodes]
    assert all(shapes == found[0] for shapes in found)
