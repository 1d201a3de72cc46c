"""One step of a recurrent layer: (N, F) and the last state give the next one.

It is counted as a step of the layer is, two biases a gate included.
"""

from abc import abstractmethod
from typing import ClassVar, Literal, final

from archcalc.dims import Shape, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import WEIGHTS, Multiplying, Product
from archcalc.operators.base import Call, Count, Example, Work, describe, require_rank
from archcalc.operators.parametrization import Parametrization, Parametrized
from archcalc.operators.recurrent import GRU_UNIT, LSTM_UNIT


class _Cell(Parametrized, Multiplying):
    arity = (2, 2)
    takes = ("input", "state")
    gates: ClassVar[int]
    memories: ClassVar[int] = 1
    """Tensors that a state is made of."""
    home: ClassVar[str] = "nn"
    """Whose class is meant: PyTorch's, or ours with the same name."""

    hidden_size: Count
    """Units: H."""
    bias: bool = True
    """Whether the gates have biases, two each as in PyTorch."""
    parametrization: Parametrization = None
    """What the weights are computed by, of other tensors that are stored instead: ``weight_norm``
    or ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    @abstractmethod
    def unit(self) -> Work:
        """The arithmetic of one unit, once the gates' dot products are summed."""

    def infer(self, *inputs: Shape) -> Shape:
        x, state = inputs
        require_rank(x, 2, "(N, F)")
        several = (self.memories,) if self.memories > 1 else ()
        wanted = (x[0], *several, self.hidden_size)
        if len(state) != len(wanted) or not all(map(same, state, wanted)):
            raise ShapeError(f"takes a state {describe(wanted)}, not {describe(state)}")
        return wanted

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        rows = self.gates * self.hidden_size
        tensors: dict[str, Shape] = {
            "weight_ih": (rows, inputs[0][1]),
            "weight_hh": (rows, self.hidden_size),
        }
        return {**tensors, "bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else tensors

    def work(self, output: Shape, *inputs: Shape) -> Work:
        batch, features = inputs[0]
        rows = self.gates * self.hidden_size
        dots = Work(macs=rows * (features + self.hidden_size), dots=2 * rows)
        joins = Work(adds=rows * (3 if self.bias else 1))
        work: Work = (dots + joins + self.unit() * self.hidden_size) * batch
        return work

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """The input and the state, each with its weights."""
        batch, features = inputs[0]
        rows = batch * self.gates * self.hidden_size
        return (
            Product(rows * features, ((WEIGHTS,), (0,))),
            Product(rows * self.hidden_size, ((WEIGHTS,), (1,))),
        )

    def torch(self, *inputs: Shape) -> Call:
        fields = {"input_size": inputs[0][1], **self.told}
        target = f"{self.home}.{type(self).__name__}"
        return Call(target, fields, parametrization=self.parametrization, several=True)


@final
class RNNCell(_Cell):
    """A step of ``RNN``, as ``torch.nn.RNNCell``: (N, F) and a state (N, H) give a state (N, H)."""

    gates = 1

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The function of a unit."""

    examples = (
        Example({"hidden_size": 8}, ((2, 4), (2, 8))),
        Example({"hidden_size": 8, "nonlinearity": "relu", "bias": False}, ((2, 4), (2, 8))),
        Example({"hidden_size": 8, "parametrization": "spectral_norm"}, ((2, 4), (2, 8))),
    )

    def unit(self) -> Work:
        return Work(transcendentals=1) if self.nonlinearity == "tanh" else Work(comparisons=1)


@final
class LSTMCell(_Cell):
    """A step of ``LSTM``, as ``torch.nn.LSTMCell``: (N, F) and a state (N, 2, H) give (N, 2, H).

    A state is ``h`` and ``c``, in this order.
    """

    gates = 4
    memories = 2
    home = "archcalc"
    examples = (
        Example({"hidden_size": 8}, ((2, 4), (2, 2, 8))),
        Example({"hidden_size": 8, "bias": False}, ((2, 4), (2, 2, 8))),
        Example({"hidden_size": 8, "parametrization": "weight_norm"}, ((2, 4), (2, 2, 8))),
    )

    def unit(self) -> Work:
        return LSTM_UNIT


@final
class GRUCell(_Cell):
    """A step of ``GRU``, as ``torch.nn.GRUCell``: (N, F) and a state (N, H) give a state (N, H)."""

    gates = 3
    examples = (
        Example({"hidden_size": 8}, ((2, 4), (2, 8))),
        Example({"hidden_size": 8, "parametrization": "weight_norm"}, ((2, 4), (2, 8))),
    )

    def unit(self) -> Work:
        return GRU_UNIT
