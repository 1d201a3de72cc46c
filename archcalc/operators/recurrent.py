"""Recurrent layers over a sequence (N, T, F): PyTorch's, with ``batch_first``.

One step of one direction of one layer multiplies the layer's own input and its last state by the
weights of ``gates`` gates, each of ``H = hidden_size`` units. Every unit of a gate costs one add
to join its two dot products and, with ``bias``, two more: PyTorch adds two biases, one to each.
With ``biases: 1`` it is one more, as Keras has it.
A sigmoid is one transcendental, one add and one division, and a tanh one transcendental. The
first state is zero unless it is given, and is multiplied like any other.

A state is what every layer and direction hands on: (N, S, H), or 2 H if ``bidirectional``, of S =
``num_layers``; an LSTM's has twice as many rows, first those of ``h`` and then those of ``c``. A
second input gives the first state, and with ``states`` the last one follows the sequence as S
further steps.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self, final

from pydantic import field_validator, model_validator

from archcalc.dims import Shape, Size, holds, is_recorded, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import WEIGHTS, Multiplying, Product
from archcalc.operators.base import Call, Count, Example, Natural, Work, describe, require_rank
from archcalc.operators.parametrization import Parametrization, Parametrized

MOST_LAYERS = 1000
"""The largest ``num_layers``: far above any network, and few enough to list the weights of."""

LSTM_UNIT = Work(transcendentals=3 + 2, adds=3 + 1, divisions=3, multiplies=3)
"""A unit's 3 sigmoids and 2 tanh, ``f c + i g`` and ``o tanh(c')``."""

GRU_UNIT = Work(transcendentals=2 + 1, adds=2 + 2, divisions=2, multiplies=3)
"""A unit's 2 sigmoids and a tanh, ``r`` times a sum, and ``(1 - z) n + z h``."""


class _Recurrent(Parametrized, Multiplying):
    arity = (1, 2)
    takes = ("input", "first state")
    gates: ClassVar[int]
    memories: ClassVar[int] = 1
    """Tensors that a state is made of."""

    hidden_size: Count
    """Units of a layer: H."""
    num_layers: Count = 1
    """How many layers are stacked."""
    bias: bool = True
    """Whether the gates have biases."""
    biases: Literal[1, 2] = 2
    """How many each gate has: 2 as in PyTorch, 1 as in Keras."""
    bidirectional: bool = False
    """Whether the sequence is read from both ends."""
    states: bool = False
    """Whether the last states follow the output, as further steps."""
    parametrization: Parametrization = None
    """What the weights are computed by, of other tensors that are stored instead: ``weight_norm``
    or ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    @field_validator("num_layers")
    @classmethod
    def _layers(cls, value: Size) -> Size:
        if type(value) is not int and not is_recorded(value):
            raise ValueError(f"should be a number, not {value}: it decides which weights there are")
        if not holds(value <= MOST_LAYERS):
            raise ValueError(f"{value} is too large: the limit is {MOST_LAYERS}")
        return value

    @abstractmethod
    def unit(self) -> Work:
        """The arithmetic of one unit in one step, once the gates' dot products are summed."""

    @abstractmethod
    def projection(self) -> Size:
        """The size to which a state is projected; 0 for none."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """What PyTorch's module takes besides the sizes that all have."""

    def infer(self, *inputs: Shape) -> Shape:
        x, *first = inputs
        require_rank(x, 3, "(N, T, F)")
        if (first or self.states) and self.memories > 1 and self._projects():
            raise ShapeError("states in and out are not of one size where they are projected")
        state = (x[0], self.memories * self.num_layers, self._state() * self._directions())
        for given in first:
            if len(given) != 3 or not all(map(same, given, state)):
                raise ShapeError(f"takes a first state {describe(state)}, not {describe(given)}")
        return (x[0], x[1] + state[1] if self.states else x[1], state[2])

    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _state(self) -> Size:
        return self.projection() if self._projects() else self.hidden_size

    def _projects(self) -> bool:
        return not holds(self.projection() == 0)

    def _cells(self, features: Size) -> Iterator[tuple[str, Size, Size]]:
        """Of every layer and direction the suffix of its weights' names, its input size, and 1.

        Those after the first are alike: where it is recorded what is done with their number, one
        stands for all of them, and the number comes in place of the 1.
        """
        several = is_recorded(self.num_layers) and self.parametrization is None
        for layer in range(2 if several else self.num_layers):
            size = features if layer == 0 else self._state() * self._directions()
            times = self.num_layers - 1 if several and layer else 1
            for suffix in ("", "_reverse")[: self._directions()]:
                yield f"l{layer}{suffix}", size, times

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        rows = self.gates * self.hidden_size
        tensors: dict[str, Shape] = {}
        for name, size, times in self._cells(inputs[0][2]):
            stack = () if type(times) is int else (times,)
            tensors[f"weight_ih_{name}"] = (*stack, rows, size)
            tensors[f"weight_hh_{name}"] = (*stack, rows, self._state())
            if self.bias:
                tensors[f"bias_ih_{name}"] = (*stack, rows)
                if self.biases == 2:
                    tensors[f"bias_hh_{name}"] = (*stack, rows)
            if self._projects():
                tensors[f"weight_hr_{name}"] = (*stack, self.projection(), self.hidden_size)
        return tensors

    def work(self, output: Shape, *inputs: Shape) -> Work:
        rows = self.gates * self.hidden_size
        steps = inputs[0][0] * inputs[0][1]
        joins = Work(adds=rows * (1 + (self.biases if self.bias else 0)))
        projection = Work(macs=self.projection() * self.hidden_size, dots=self.projection())
        total = Work()
        for _, size, times in self._cells(inputs[0][2]):
            dots = Work(macs=rows * (size + self._state()), dots=2 * rows)
            cell: Work = dots + joins + self.unit() * self.hidden_size + projection
            total += cell * (steps * times)
        return total

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """Of every layer and direction: its input, its last state and its projection.

        The state before the first step is a constant, whose gradient nobody asks for, unless it
        is an input.
        """
        batch, times, features = inputs[0]
        first = ((WEIGHTS,), (1,)) if len(inputs) > 1 else ((WEIGHTS,),)
        inside = (WEIGHTS, *range(len(inputs)))
        rows = self.gates * self.hidden_size
        found = []
        for k, (_, size, alike) in enumerate(self._cells(features)):
            given = (0,) if k < self._directions() else inside
            layers = batch * alike
            state = layers * rows * self._state()
            found += [
                Product(layers * times * rows * size, ((WEIGHTS,), given)),
                Product(state, first),
                Product(state * (times - 1), ((WEIGHTS,), inside)),
                Product(
                    layers * times * self.projection() * self.hidden_size,
                    ((WEIGHTS,), inside),
                ),
            ]
        return tuple(found)

    def torch(self, *inputs: Shape) -> Call:
        fields = {
            "input_size": inputs[0][2],
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bias": self.bias,
            "batch_first": True,
            "bidirectional": self.bidirectional,
            **self.fields(),
        }
        name, by = type(self).__name__, self.parametrization
        if len(inputs) == 1 and self.biases == 2 and not self.states:
            return Call(f"nn.{name}", fields, unpack=0, parametrization=by, several=True)
        fields |= {"biases": self.biases, "states": self.states}
        return Call(f"archcalc.Stateful{name}", fields, parametrization=by, several=True)


@final
class RNN(_Recurrent):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, as ``torch.nn.RNN``.

    (N, T, F) -> (N, T, H), or (N, T, 2 H) if ``bidirectional``. With ``nonlinearity`` ``relu`` a
    unit costs one comparison instead of the tanh.
    """

    gates = 1

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The function of a unit."""

    examples = (
        Example({"hidden_size": 8}, ((2, 5, 4),)),
        Example(
            {"hidden_size": 8, "num_layers": 2, "nonlinearity": "relu", "bias": False},
            ((2, 5, 4),),
        ),
        Example({"hidden_size": 8}, ((2, 5, 4), (2, 1, 8))),
        Example({"hidden_size": 8, "parametrization": "spectral_norm"}, ((2, 5, 4),)),
    )

    def unit(self) -> Work:
        return Work(transcendentals=1) if self.nonlinearity == "tanh" else Work(comparisons=1)

    def projection(self) -> Size:
        return 0

    def fields(self) -> dict[str, Any]:
        return {"nonlinearity": self.nonlinearity}


@final
class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), as ``torch.nn.LSTM``.

    ``i, f, o`` are sigmoids and ``g`` a tanh; ``c' = f c + i g`` and ``h' = o tanh(c')``, so a
    unit costs 3 sigmoids, 2 tanh, 3 multiplies and 1 add. With ``proj_size`` the state is
    projected to so many units: (N, T, F) -> (N, T, proj_size), else (N, T, H); twice as many if
    ``bidirectional``.
    """

    gates = 4
    memories = 2

    proj_size: Natural = 0
    """To how many units the state is projected; 0 for no projection."""

    examples = (
        Example({"hidden_size": 32, "bias": False}, ((2, 5, 16),)),
        Example(
            {"hidden_size": 8, "num_layers": 2, "bidirectional": True, "proj_size": 3},
            ((2, 5, 4),),
        ),
        Example({"hidden_size": 8, "biases": 1}, ((2, 5, 4),)),
        Example({"hidden_size": 8, "states": True}, ((2, 5, 4), (2, 2, 8))),
        Example({"hidden_size": 8, "parametrization": "weight_norm"}, ((2, 5, 4),)),
    )

    @model_validator(mode="after")
    def _smaller(self) -> Self:
        if not holds(self.proj_size < self.hidden_size):
            raise ValueError(
                f"proj_size={self.proj_size} is not below hidden_size={self.hidden_size}"
            )
        return self

    def unit(self) -> Work:
        return LSTM_UNIT

    def projection(self) -> Size:
        return self.proj_size

    def fields(self) -> dict[str, Any]:
        return {"proj_size": self.proj_size}


@final
class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014), as ``torch.nn.GRU``.

    ``r, z`` are sigmoids, ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))`` and
    ``h' = (1 - z) n + z h``, so a unit costs 2 sigmoids, 1 tanh, 3 multiplies and 2 adds.
    (N, T, F) -> (N, T, H), or (N, T, 2 H) if ``bidirectional``.
    """

    gates = 3

    examples = (
        Example({"hidden_size": 8}, ((2, 5, 4),)),
        Example({"hidden_size": 8, "num_layers": 2, "bidirectional": True}, ((2, 5, 4),)),
        Example({"hidden_size": 8, "biases": 1, "states": True}, ((2, 5, 4),)),
        Example(
            {"hidden_size": 8, "biases": 1, "parametrization": "weight_norm"},
            ((2, 5, 4),),
        ),
    )

    def unit(self) -> Work:
        return GRU_UNIT

    def projection(self) -> Size:
        return 0

    def fields(self) -> dict[str, Any]:
        return {}
