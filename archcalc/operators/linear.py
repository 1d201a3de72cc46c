"""Products of vectors with matrices: linear layers, embeddings, and LeNet's distances."""

from typing import TYPE_CHECKING, final

from archcalc.dims import Shape, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import (
    WEIGHTS,
    Differentiable,
    Multiplying,
    Product,
    Saved,
    Stepwise,
    Weighing,
)
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Work,
    describe,
    elements,
    require_rank_from,
)
from archcalc.operators.parametrization import Parametrization, Parametrized
from archcalc.operators.taps import Sources, Traced, everything, on_axis

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


class _Projection(Traced):
    """Computes every element of the last axis from all of it, and no other axis matters."""

    if TYPE_CHECKING:  # a field of the operators, behind their own
        out_features: Count

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank_from(x, 2, "(N, *, in_features)")
        return (*x[:-1], self.out_features)

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        (x,) = inputs
        return (on_axis(everything(x[-1]), len(x) - 1, len(x)),)


@final
class Linear(Parametrized, _Projection, Stepwise, Weighing):
    """A matrix and a bias applied to the last axis of (N, *, in_features), as ``torch.nn.Linear``.

    Every position of the axes between is a product of its own: on (N, T, C) the
    multiply-accumulates are those of ``N * T`` vectors.
    """

    examples = (
        Example({"out_features": 10}, ((2, 84),)),
        Example({"out_features": 64, "bias": False}, ((2, 7, 16),)),
        Example({"out_features": 10, "parametrization": "weight_norm"}, ((2, 8),)),
        Example({"out_features": 10, "parametrization": "spectral_norm"}, ((2, 7, 8),)),
    )

    out_features: Count
    """Size of the output's last axis."""
    bias: bool = True
    """Whether a trained number is added to every feature."""
    parametrization: Parametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm`` or
    ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        weight = (self.out_features, inputs[0][-1])
        bias = {"bias": (self.out_features,)} if self.bias else {}
        return {"weight": weight, **bias}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """``in_features`` multiply-accumulates an output element; a bias is one add."""
        out = elements(output)
        return Work(macs=out * inputs[0][-1], adds=out if self.bias else 0, dots=out)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        autograd.keep_weights(self, inputs[0].shape, needed=inputs[0].trained)
        return autograd.linear(inputs[0], self.out_features)

    def torch(self, *inputs: Shape) -> Call:
        return Call(
            "nn.Linear",
            {"in_features": inputs[0][-1], **self.told},
            parametrization=self.parametrization,
        )


@final
class Bilinear(Parametrized, Stepwise, Multiplying):
    """``y_o = sum_ij a_i W_oij b_j + bias_o`` of (N, *, in1) and (N, *, in2).

    As ``torch.nn.Bilinear``. The sum over ``i`` is taken first: for every output and position
    ``in2`` products of vectors of ``in1``, then one of vectors of ``in2``.
    """

    arity = (2, 2)
    takes = ("input1", "input2")
    examples = (
        Example({"out_features": 4}, ((2, 3), (2, 5))),
        Example({"out_features": 4, "bias": False}, ((2, 6, 3), (2, 6, 5))),
        Example({"out_features": 4, "parametrization": "weight_norm"}, ((2, 3), (2, 5))),
        Example({"out_features": 4, "parametrization": "spectral_norm"}, ((2, 3), (2, 5))),
    )

    out_features: Count
    """Size of the output's last axis."""
    bias: bool = True
    """Whether a trained number is added to every feature."""
    parametrization: Parametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm`` or
    ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    def infer(self, *inputs: Shape) -> Shape:
        a, b = inputs
        require_rank_from(a, 2, "(N, *, in1_features)")
        if len(a) != len(b) or not all(map(same, a[:-1], b[:-1])):
            raise ShapeError(f"inputs {describe(a)} and {describe(b)} differ before the last axis")
        return (*a[:-1], self.out_features)

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        a, b = inputs
        weight = (self.out_features, a[-1], b[-1])
        bias = {"bias": (self.out_features,)} if self.bias else {}
        return {"weight": weight, **bias}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """``in1 * in2 + in2`` multiply-accumulates an output element, in ``in2 + 1`` sums."""
        in1, in2 = (x[-1] for x in inputs)
        out = elements(output)
        return Work(
            macs=out * (in1 * in2 + in2), adds=out if self.bias else 0, dots=out * (in2 + 1)
        )

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """``W a``, and that with ``b``."""
        in1, in2 = (x[-1] for x in inputs)
        out = elements(output)
        return (
            Product(out * in1 * in2, ((WEIGHTS,), (0,))),
            Product(out * in2, ((WEIGHTS, 0), (1,))),
        )

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Of the weight and both inputs each is kept that the gradient of another needs."""
        a, b = inputs
        autograd.keep_weights(self, a.shape, b.shape, needed=a.trained or b.trained)
        if autograd.trainable or b.trained:
            autograd.keep(a)
        if autograd.trainable or a.trained:
            autograd.keep(b)
        return autograd.weighted((*a.shape[:-1], self.out_features), a, b)

    def torch(self, *inputs: Shape) -> Call:
        a, b = inputs
        return Call(
            "nn.Bilinear",
            {"in1_features": a[-1], "in2_features": b[-1], **self.told},
            parametrization=self.parametrization,
        )


@final
class Embedding(Parametrized, Differentiable):
    """A table's rows looked up by the indices (N, *), as ``torch.nn.Embedding``: (N, *, dim)."""

    indices = (0,)
    examples = (
        Example({"num_embeddings": 100, "embedding_dim": 16}, ((2, 7),)),
        Example(
            {"num_embeddings": 10, "embedding_dim": 4, "parametrization": "weight_norm"}, ((2, 7),)
        ),
    )

    num_embeddings: Count
    """Rows of the table: the size of the vocabulary."""
    embedding_dim: Count
    """Size of a row."""
    parametrization: Parametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm`` or
    ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    def infer(self, *inputs: Shape) -> Shape:
        return (*inputs[0], self.embedding_dim)

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """None: a look-up moves numbers and computes nothing."""
        return Work()

    def torch(self, *inputs: Shape) -> Call:
        return Call("nn.Embedding", self.told, parametrization=self.parametrization)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        return Saved(inputs=(0,), elements=sum(self.kept_of(self.tensors(*inputs)["weight"])))


@final
class EuclideanRBF(_Projection, Differentiable, Multiplying):
    """Squared distances ``y_i = sum_j (x_j - w_ij)^2`` of (N, *, in_features) to fixed vectors.

    The output layer of LeNet-5, whose ``w`` are drawings of the characters, set by hand and not
    trained: they are a buffer. LeCun et al., Gradient-based learning applied to document
    recognition, 1998, equation 7.
    """

    examples = (Example({"out_features": 10}, ((2, 84),)),)

    out_features: Count
    """How many fixed vectors there are."""

    def weights(self, *inputs: Shape) -> dict[str, Shape]:
        return {}

    def buffers(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.out_features, inputs[0][-1])}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        """One subtraction and one multiply-accumulate (the square) a term of the sum."""
        out = elements(output)
        terms = out * inputs[0][-1]
        return Work(macs=terms, adds=terms, dots=out)

    def saved(self, output: Shape, *inputs: Shape) -> Saved:
        """The differences, which are squared."""
        return Saved(elements=elements(output) * inputs[0][-1])

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """Squares of differences from vectors that are not trained."""
        return (Product(elements(output) * inputs[0][-1], ((0,),)),)

    def torch(self, *inputs: Shape) -> Call:
        return Call(
            "archcalc.EuclideanRBF",
            {"in_features": inputs[0][-1], "out_features": self.out_features},
        )
