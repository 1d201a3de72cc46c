"""Sets of indices, each looked up and put together."""

from typing import Literal, final

from archcalc.dims import Shape
from archcalc.operators.base import Call, Count, Example, Work, elements, require_rank
from archcalc.operators.parametrization import Parametrization, Parametrized


@final
class EmbeddingBag(Parametrized):
    """The sum, mean or maximum of a table's rows that (N, L) indices name: (N, embedding_dim).

    As ``torch.nn.EmbeddingBag``. A look-up is no work; of L rows L - 1 adds (or comparisons, of a
    maximum) an output element, and a division for the mean.
    """

    num_embeddings: Count
    """Rows of the table: the size of the vocabulary."""
    embedding_dim: Count
    """Size of a row."""
    mode: Literal["sum", "mean", "max"] = "mean"
    """How the rows are put together."""
    parametrization: Parametrization = None
    """What the weight is computed by, of other tensors that are stored instead: ``weight_norm`` or
    ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    examples = (
        Example({"num_embeddings": 100, "embedding_dim": 16}, ((2, 10),)),
        Example({"num_embeddings": 100, "embedding_dim": 16, "mode": "sum"}, ((2, 10),)),
        Example({"num_embeddings": 100, "embedding_dim": 16, "mode": "max"}, ((2, 10),)),
        Example(
            {"num_embeddings": 100, "embedding_dim": 16, "parametrization": "weight_norm"},
            ((2, 10),),
        ),
    )

    def infer(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        require_rank(x, 2, "(N, L)")
        return (x[0], self.embedding_dim)

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def work(self, output: Shape, *inputs: Shape) -> Work:
        out = elements(output)
        joins = (inputs[0][1] - 1) * out
        if self.mode == "max":
            return Work(comparisons=joins)
        return Work(adds=joins, divisions=out if self.mode == "mean" else 0)

    def torch(self, *inputs: Shape) -> Call:
        fields = dict(self)
        by = fields.pop("parametrization")
        return Call("nn.EmbeddingBag", fields, parametrization=by)
