"""Attention: queries that look up values by their keys (Vaswani et al. 2017)."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, final

from archcalc.dims import Shape, Size, divides, holds, same
from archcalc.errors import ShapeError
from archcalc.operators.autograd import FLOAT32, WEIGHTS, Multiplying, Product, Stepwise
from archcalc.operators.base import (
    Call,
    Count,
    Example,
    Operator,
    Weightless,
    Work,
    describe,
    elements,
    require_rank,
    require_rank_from,
)
from archcalc.operators.parametrization import Parametrization, Parametrized
from archcalc.operators.softmax import Softmax
from archcalc.operators.taps import Gathering, Sources, Traced

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


class Attending(Operator):
    """An operator whose keys and values can be kept from one position to the next."""

    keeps: ClassVar[tuple[int, ...]] = ()
    """Which inputs, from 0, are keys and values themselves; none where it projects its own."""

    @abstractmethod
    def kept(self, *inputs: Shape) -> tuple[Size, ...]:
        """Numbers of the keys and values of one position of a sample, for each of ``keeps``."""


@final
class ScaledDotProductAttention(Weightless, Traced, Stepwise, Multiplying, Attending):
    """``softmax(Q K^T / sqrt(d)) V``, as ``torch.nn.functional.scaled_dot_product_attention``.

    Queries (N, *, h, Tq, d), keys (N, *, h, Tk, d) and values (N, *, h, Tk, dv) give (N, *, h, Tq,
    dv). With ``enable_gqa`` there may be fewer heads of keys and values, each serving as many
    queries'. A fourth input is added to the scores, to which it is broadcast: a bias or a mask.

    ``N h Tq Tk (d + dv)`` multiply-accumulates, times the axes between; the ``N h Tq Tk`` scores
    cost a multiply each for the scale, an add for a fourth input, and a softmax. A causal mask
    halves nothing: every score is counted, as it is by PyTorch's ``FlopCounterMode``, although a
    kernel may skip the masked ones.
    """

    arity = (3, 4)
    takes = ("query", "key", "value", "attn_mask")
    keeps = (1, 2)

    is_causal: bool = False
    """Whether a query sees earlier keys only; it changes no count."""
    enable_gqa: bool = False
    """Whether several heads of queries share a head of keys and values."""
    latent: Count | None = None
    """How many numbers of a token are kept of which keys and values are made again, where it is
    not these themselves (multi-head latent attention); it changes no count."""

    examples = (
        Example({}, ((2, 4, 10, 16), (2, 4, 12, 16), (2, 4, 12, 8))),
        Example(
            {"is_causal": True, "enable_gqa": True},
            ((2, 8, 10, 16), (2, 2, 10, 16), (2, 2, 10, 16)),
        ),
        Example({}, ((2, 4, 3, 9, 16), (2, 4, 3, 9, 16), (2, 4, 3, 9, 16), (2, 1, 3, 9, 9))),
    )

    def infer(self, *inputs: Shape) -> Shape:
        q, k, v, *biases = inputs
        for name, x in (("query", q), ("key", k), ("value", v)):
            require_rank_from(x, 4, f"{name} (N, *, heads, T, d)")
        if not len(q) == len(k) == len(v):
            raise ShapeError(f"axes differ: {describe(q)}, {describe(k)} and {describe(v)}")
        if not (same(q[0], k[0]) and same(k[0], v[0])):
            raise ShapeError(f"batches differ: {q[0]}, {k[0]} and {v[0]}")
        for m, n, o in zip(q[1:-3], k[1:-3], v[1:-3], strict=True):
            if not (same(m, n) and same(n, o)):
                raise ShapeError(f"axes before the heads differ: {m}, {n} and {o}")
        if not same(k[-3], v[-3]):
            raise ShapeError(f"heads of key and value differ: {k[-3]} and {v[-3]}")
        if self.enable_gqa and not divides(k[-3], q[-3]):
            raise ShapeError(f"{k[-3]} heads of keys do not divide {q[-3]} of queries")
        if not self.enable_gqa and not same(q[-3], k[-3]):
            raise ShapeError(
                f"heads of query and key differ: {q[-3]} and {k[-3]} (enable_gqa shares them)"
            )
        if not same(q[-1], k[-1]):
            raise ShapeError(f"query {describe(q)} and key {describe(k)} differ in d")
        if not same(k[-2], v[-2]):
            raise ShapeError(f"key {describe(k)} and value {describe(v)} differ in length")
        if biases:
            self._require_bias(biases[0], (*q[:-1], k[-2]))
        return (*q[:-1], v[-1])

    def _require_bias(self, bias: Shape, scores: Shape) -> None:
        if self.is_causal:
            raise ShapeError("is_causal masks by itself and takes no fourth input")
        if len(bias) != len(scores) or not all(
            holds(n == 1) or same(n, m) for n, m in zip(bias, scores, strict=True)
        ):
            raise ShapeError(f"{describe(bias)} does not fit scores {describe(scores)}")

    def work(self, output: Shape, *inputs: Shape) -> Work:
        q, k, v, *biases = inputs
        scores = (*q[:-1], k[-2])
        scored = elements(scores)
        products = Work(
            macs=scored * (q[-1] + v[-1]),
            multiplies=scored,
            adds=scored if biases else 0,
            dots=scored + elements(output),
        )
        return products + Softmax(dim=-1).work(scores, scores)

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """Queries with keys, and the softmax of that with values."""
        q, k, v, *biases = inputs
        scored = elements((*q[:-1], k[-2]))
        looked_up = (0, 1, 3) if biases else (0, 1)
        return (
            Product(scored * q[-1], ((0,), (1,))),
            Product(scored * v[-1], (looked_up, (2,))),
        )

    def kept(self, *inputs: Shape) -> tuple[Size, ...]:
        if self.latent is not None:
            return self.latent, 0
        return tuple(elements(x[1:-2]) * x[-1] for x in inputs[1:3])

    def taps(self, output: Shape, *inputs: Shape) -> tuple[Sources, ...]:
        """All of an input, but where axes between keep windows apart."""
        return tuple("everywhere" if len(x) == 4 else "anywhere" for x in inputs)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Its products one by one, as PyTorch does where nothing fuses them: the scores are kept.

        Half of the scale is multiplied to the queries, half to the keys. Kernels that are fused
        keep queries, keys, values, the output and a float32 for each query instead.
        """
        autograd, inputs = autograd.within(*inputs)
        q, k, v, *biases = inputs
        if autograd.fused:
            output = autograd.new(self.infer(*(x.shape for x in inputs)), *inputs)
            if output.trained:
                autograd.keep(*inputs, output)
                autograd.keep_more(elements(q.shape[:-1]), FLOAT32)
            return output
        if self.enable_gqa:
            k, v = (autograd.new((*x.shape[:-3], q.shape[-3], *x.shape[-2:]), x) for x in (k, v))
        keys = autograd.elementwise(autograd.transpose(k))
        scores = autograd.matmul(autograd.elementwise(q), keys)
        if biases:
            scores = autograd.elementwise(scores, *biases)
        return autograd.matmul(autograd.softmax(scores), v)

    def torch(self, *inputs: Shape) -> Call:
        gqa = {"enable_gqa": True} if self.enable_gqa else {}
        return Call("F.scaled_dot_product_attention", {"is_causal": self.is_causal, **gqa})


@final
class MultiheadAttention(Parametrized, Gathering, Stepwise, Multiplying):
    """Projections, attention of ``num_heads`` heads and a projection, as
    ``torch.nn.MultiheadAttention`` with ``batch_first``.

    One input (N, T, E) attends to itself; three are query (N, Tq, E), key (N, Tk, kdim) and value
    (N, Tk, vdim), and give (N, Tq, E). ``embed_dim``, ``kdim`` and ``vdim`` are inferred. The
    attention is counted as :class:`ScaledDotProductAttention` is, and a bias as one add for every
    element of a projection.
    """

    arity = (1, 3)
    takes = ("query", "key", "value")

    num_heads: Count
    """How many heads the features are shared out to."""
    bias: bool = True
    """Whether the projections have biases."""
    add_bias_kv: bool = False
    """Whether a trained key and value are put behind the others, which all queries see."""
    parametrization: Parametrization = None
    """What the weights are computed by, of other tensors that are stored instead: ``weight_norm``
    or ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    examples = (
        Example({"num_heads": 4}, ((2, 10, 64),)),
        Example({"num_heads": 4, "add_bias_kv": True}, ((2, 10, 64),)),
        Example({"num_heads": 2, "bias": False}, ((2, 10, 16), (2, 12, 16), (2, 12, 16))),
        Example({"num_heads": 2}, ((2, 10, 16), (2, 12, 24), (2, 12, 8))),
        Example({"num_heads": 4, "parametrization": "weight_norm"}, ((2, 10, 64),)),
        Example(
            {"num_heads": 2, "parametrization": "spectral_norm"},
            ((2, 10, 16), (2, 12, 24), (2, 12, 8)),
        ),
    )

    def infer(self, *inputs: Shape) -> Shape:
        if len(inputs) == 2:
            raise ShapeError("takes one input, or query, key and value, not two")
        q, k, v = self._inputs(*inputs)
        for name, x in (("query", q), ("key", k), ("value", v)):
            require_rank(x, 3, f"{name} (N, T, E)")
        if not divides(self.num_heads, q[2]):
            raise ShapeError(f"num_heads={self.num_heads} does not divide embed_dim={q[2]}")
        if not (same(q[0], k[0]) and same(k[0], v[0])):
            raise ShapeError(f"batches differ: {q[0]}, {k[0]} and {v[0]}")
        if not same(k[1], v[1]):
            raise ShapeError(f"key {describe(k)} and value {describe(v)} differ in length")
        return q

    def _inputs(self, *inputs: Shape) -> tuple[Shape, Shape, Shape]:
        q, k, v = inputs * 3 if len(inputs) == 1 else inputs
        return q, k, v

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        q, k, v = self._inputs(*inputs)
        e = q[2]
        tensors: dict[str, Shape]
        # Sizes that are only perhaps equal have weights of their own, whose count is right anyway.
        if holds(k[2] == e) and holds(v[2] == e):
            tensors = {"in_proj_weight": (3 * e, e)}
        else:
            tensors = {
                "q_proj_weight": (e, e),
                "k_proj_weight": (e, k[2]),
                "v_proj_weight": (e, v[2]),
            }
        if self.bias:
            tensors["in_proj_bias"] = (3 * e,)
        if self.add_bias_kv:
            tensors |= {"bias_k": (1, 1, e), "bias_v": (1, 1, e)}
        tensors["out_proj.weight"] = (e, e)
        if self.bias:
            tensors["out_proj.bias"] = (e,)
        return tensors

    def work(self, output: Shape, *inputs: Shape) -> Work:
        q, k, v = self._inputs(*inputs)
        (n, _, e), h = q, self.num_heads
        more = 1 if self.add_bias_kv else 0
        lengths = (q[1], k[1] + more, v[1] + more)
        heads = [(n, h, length, e // h) for length in lengths]
        attention = ScaledDotProductAttention().work(heads[0], *heads)
        # The projection of the output has the query's shape, as the query's own has.
        projected = sum(n * x[1] * e for x in (q, k, v, q))
        macs = sum(n * x[1] * e * x[2] for x in (q, k, v, q))
        adds = projected if self.bias else 0
        return attention + Work(macs=macs, adds=adds, dots=projected)

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """The three projections, the attention, whose factors they all are, and the last one."""
        shapes = self._inputs(*inputs)
        n, e = shapes[0][0], shapes[0][2]
        numbers = (0, 0, 0) if len(inputs) == 1 else (0, 1, 2)
        projections = tuple(
            Product(n * x[1] * e * x[2], ((WEIGHTS,), (number,)))
            for x, number in zip(shapes, numbers, strict=True)
        )
        length = shapes[0][1]
        scored = n * length * (shapes[1][1] + (1 if self.add_bias_kv else 0)) * e
        query, key, value = ((WEIGHTS, number) for number in numbers)
        return (
            *projections,
            Product(scored, (query, key)),
            Product(scored, ((*query, *key), value)),
            Product(n * length * e * e, ((WEIGHTS,), (*query, *key, *value))),
        )

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Positions come first, and what is projected from one tensor is projected at once."""
        sources: list[Tensor] = []
        for x in inputs * 3 if len(inputs) == 1 else inputs:
            seen = next((s for s, given in zip(sources, inputs, strict=False) if given is x), None)
            sources.append(autograd.permute(x, (1, 0, 2)) if seen is None else seen)
        e = sources[0].shape[2]
        *projections, last = self.kernels(*(x.shape for x in inputs)).values()
        for k, kernel in enumerate(projections):
            asking = sources if len(projections) == 1 else sources[k : k + 1]
            autograd.keep_weight(self, kernel, any(x.trained for x in asking))
        if sources[1] is not sources[2] or len(projections) > 1:
            parts = [autograd.linear(x, e) for x in sources]
        elif sources[0] is sources[1] or len(inputs) == 1:
            parts = self._projected(autograd, sources[0], 3)
        else:
            parts = [autograd.linear(sources[0], e), *self._projected(autograd, sources[1], 2)]
        if self.add_bias_kv:
            parts[1:] = [autograd.new((x.shape[0] + 1, *x.shape[1:]), x) for x in parts[1:]]
        heads = [self._heads(autograd, part) for part in parts]
        attended = ScaledDotProductAttention().record(autograd, *heads)
        joined = autograd.contiguous(autograd.permute(attended, (2, 0, 1, 3)))
        autograd.keep_weight(self, last, joined.trained)
        output = autograd.linear(autograd.reshape(joined, sources[0].shape), e)
        return autograd.permute(output, (1, 0, 2))

    def _projected(self, autograd: "Autograd", x: "Tensor", parts: int) -> list["Tensor"]:
        t, n, e = x.shape
        together = autograd.linear(x, parts * e)
        copied = autograd.contiguous(
            autograd.permute(autograd.reshape(together, (t, n, parts, e)), (2, 0, 1, 3))
        )
        return [copied._replace(shape=x.shape, strides=copied.strides[1:])] * parts

    def _heads(self, autograd: "Autograd", x: "Tensor") -> "Tensor":
        """(T, N, E) as (N, heads, T, E / heads)."""
        t, n, e = x.shape
        shape = (t, n, self.num_heads, e // self.num_heads)
        return autograd.permute(autograd.reshape(x, shape), (1, 2, 0, 3))

    def torch(self, *inputs: Shape) -> Call:
        q, k, v = self._inputs(*inputs)
        sizes = {"embed_dim": q[2], "num_heads": self.num_heads, "kdim": k[2], "vdim": v[2]}
        fields = {**sizes, "bias": self.bias, "batch_first": True}
        more = {"add_bias_kv": True} if self.add_bias_kv else {}
        return Call(
            "archcalc.MultiheadAttention",
            {**fields, **more},
            parametrization=self.parametrization,
            several=True,
        )
