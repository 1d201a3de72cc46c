"""A trained tensor by itself, where networks use one."""

from __future__ import annotations

from math import cos, sin
from typing import Any

import pytest
import sympy
import torch
from pydantic import ValidationError

import archcalc
from archcalc.errors import ShapeError
from archcalc.operators.base import Work
from archcalc.operators.join import Add, Concat, Mul
from archcalc.operators.parameter import Constant, Parameter
from archcalc.pytorch import module


def test_the_input_gives_it_the_batch_alone() -> None:
    token = Parameter(shape=(1, 768))

    assert token.infer((8, 196, 768)) == token.infer((8, 3)) == (8, 1, 768)


def test_it_is_stored_once_whatever_the_batch() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    token = Parameter(shape=(1, 768))

    assert token.weights((n, 196, 768)) == {"weight": (1, 768)}
    assert token.infer((n, 196, 768)) == (n, 1, 768)
    assert token.work((n, 1, 768), (n, 196, 768)) == Work()


def test_a_class_token_is_joined_to_the_patches() -> None:
    x = (8, 196, 768)

    assert Concat(dim=1).infer(Parameter(shape=(1, 768)).infer(x), x) == (8, 197, 768)


def test_a_positional_embedding_is_added_to_every_sample() -> None:
    x = (8, 197, 768)
    positions = Parameter(shape=(197, 768)).infer(x)
    output = Add().infer(x, positions)

    assert output == x
    assert Add().work(output, x, positions) == Work(adds=8 * 197 * 768)


def test_a_scale_of_every_channel_stretches() -> None:
    x = (8, 96, 56, 56)
    scale = Parameter(shape=(96, 1, 1)).infer(x)
    output = Mul().infer(x, scale)

    assert output == x
    assert Mul().work(output, x, scale) == Work(multiplies=8 * 96 * 56 * 56)


@pytest.mark.parametrize("shape", [[], [0], [-1, 3], "=width", 768])
def test_its_shape_is_a_list_of_sizes(shape: Any) -> None:
    with pytest.raises(ValidationError):
        Parameter(shape=shape)


def test_the_module_gives_its_weight_to_every_sample() -> None:
    made = module(Parameter(shape=(2, 3)), (4, 7))
    weight = made.get_parameter("weight")
    output = made(torch.zeros(4, 7))

    assert [name for name, _ in made.named_parameters()] == ["weight"]
    assert output.shape == (4, 2, 3)
    assert all(torch.equal(sample, weight) for sample in output)


def vision_transformer() -> archcalc.Graph:
    """The beginning of one: 4 x 4 patches of 8 features, a class token and positions."""
    layers = {
        "conv_proj": {"op": "Conv2d", "out_channels": 8, "kernel_size": 2, "stride": 2},
        "flatten": {"op": "Flatten", "start_dim": 2},
        "tokens": {"op": "Permute", "dims": [0, 2, 1]},
        "class_token": {"op": "Parameter", "shape": [1, 8]},
        "concat": {"op": "Concat", "from": ["class_token", "tokens"]},
        "pos_embedding": {"op": "Parameter", "shape": [17, 8]},
        "add": {"op": "Add", "from": ["concat", "pos_embedding"]},
    }
    return archcalc.expand(archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers}))


def test_of_a_network_it_is_parameters_and_no_work() -> None:
    analysis = archcalc.analyze(vision_transformer())

    # 8 filters of 3 x 2 x 2 and their biases; the token; 17 positions.
    assert analysis.params == 8 * 3 * 2 * 2 + 8 + 8 + 17 * 8
    assert analysis.macs == 16 * 8 * 3 * 2 * 2
    assert analysis.work.adds == 16 * 8 + 17 * 8
    assert analysis.row("add").shape == (1, 17, 8)


def test_it_sees_nothing_of_the_input() -> None:
    seen = archcalc.receptive_field(vision_transformer())

    assert "class_token" not in seen
    assert "pos_embedding" not in seen
    field = seen["conv_proj"]
    assert field is not None
    assert [axis.size for axis in field] == [2, 2]


def test_a_scale_leaves_the_receptive_field_as_it_is() -> None:
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3},
        "layer_scale": {"op": "Parameter", "shape": [4, 1, 1]},
        "mul": {"op": "Mul", "from": ["conv", "layer_scale"]},
    }
    net = archcalc.load({"name": "net", "input": [3, 8, 8], "layers": layers})
    field = archcalc.receptive_field(archcalc.expand(net))["mul"]

    assert field is not None
    assert [axis.size for axis in field] == [3, 3]


def test_what_it_gives_is_in_the_memory_of_its_weight() -> None:
    layers = {
        "token": {"op": "Parameter", "shape": [5]},
        "concat": {"op": "Concat", "from": ["token", "input"]},
    }
    net = archcalc.load({"name": "net", "input": [3], "layers": layers})
    found = archcalc.memory(archcalc.expand(net, batch=2), dtype="int8")

    assert found.weights == 5
    # The input and the output: 2 x 3 and 2 x 8.
    assert found.activations == 2 * 3 + 2 * 8


def test_a_network_with_one_is_built_and_trained() -> None:
    built = archcalc.build(vision_transformer())
    output = built(torch.randn(3, 3, 8, 8))
    output.sum().backward()

    assert output.shape == (3, 17, 8)
    assert {"class_token.weight", "pos_embedding.weight"} <= set(built.state_dict())
    # Every sample adds one to the derivative of every element.
    gradient = built.get_parameter("pos_embedding.weight").grad
    assert gradient is not None
    assert bool((gradient == 3).all())


def constant(shape: list[int], fill: float | str, x: torch.Tensor) -> torch.Tensor:
    made: torch.Tensor = module(Constant.model_validate({"shape": shape, "fill": fill}), (1, 1))(x)
    return made


def test_a_buffer_is_stored_and_not_trained() -> None:
    op = Parameter(shape=(2, 3), trained=False)
    made = module(op, (4, 7))

    assert op.weights((4, 7)) == {}
    assert op.buffers((4, 7)) == {"weight": (2, 3)}
    assert [name for name, _ in made.named_buffers()] == ["weight"]
    assert not list(made.parameters())


@pytest.mark.parametrize(
    ("shape", "fill", "sample"),
    [
        ([2], 0, [0.0, 0.0]),
        ([2], 1.5, [1.5, 1.5]),
        ([3], "arange", [0, 1, 2]),
        ([2, 2], "arange", [[0, 1], [0, 1]]),
        ([2, 3], "eye", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        ([2, 3], "tril", [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]),
        # Position 0 has sines of 0 and cosines of 1.
        ([1, 4], "sinusoidal", [[0.0, 1.0, 0.0, 1.0]]),
    ],
)
def test_a_constant_is_filled_by_its_rule(shape: list[int], fill: float | str, sample: Any) -> None:
    assert constant(shape, fill, torch.zeros(3, 1)).tolist() == [sample] * 3


def test_sinusoidal_positions_are_those_of_the_paper() -> None:
    made = constant([9, 6], "sinusoidal", torch.zeros(1, 1))[0]
    # PE(pos, 2i) = sin(pos / 10000^(2i / d)), PE(pos, 2i + 1) = cos of the same.
    assert made[7, 2].item() == pytest.approx(sin(7 / 10000 ** (2 / 6)), abs=1e-6)
    assert made[8, 5].item() == pytest.approx(cos(8 / 10000 ** (4 / 6)), abs=1e-6)


def test_a_constant_has_the_dtype_of_its_input() -> None:
    assert constant([2], 0, torch.zeros(1, 1, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert constant([2], 0, torch.zeros(1, 1, dtype=torch.long)).dtype == torch.float


def test_a_constant_needs_the_axes_that_its_rule_fills() -> None:
    with pytest.raises(ShapeError, match="two axes"):
        Constant(shape=(3,), fill="eye").infer((2, 3))


def test_a_network_with_one_has_no_parameters_of_it() -> None:
    layers = {
        "zeros": {"op": "Constant", "shape": [4]},
        "add": {"op": "Add", "from": ["zeros", "input"]},
    }
    found = archcalc.analyze(archcalc.load({"name": "net", "input": [3, 4], "layers": layers}))

    assert (found.params, found.buffers, found.work.adds) == (0, 0, 12)
