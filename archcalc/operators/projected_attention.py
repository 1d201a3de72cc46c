"""Attention as networks write it: with its projections, of which everything is said in fields."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Self, final

from pydantic import Field, model_validator

from archcalc.dims import Shape, Size, divides, same
from archcalc.errors import ShapeError
from archcalc.operators.attention import Attending, ScaledDotProductAttention
from archcalc.operators.autograd import WEIGHTS, Multiplying, Product, Stepwise
from archcalc.operators.base import Call, Count, Example, Work, describe, elements, require_rank
from archcalc.operators.parametrization import Parametrization, Parametrized
from archcalc.operators.positions import RotaryEmbedding
from archcalc.operators.taps import Gathering

if TYPE_CHECKING:
    from archcalc.operators.saving import Autograd, Tensor


@final
class Attention(Parametrized, Gathering, Stepwise, Multiplying, Attending):
    """Projections, attention of ``num_heads`` heads and a projection, each as it is told.

    One input (N, T, E) attends to itself; of two the first asks the second; three are query, key
    and value; a fourth is added to the scores, to which (N, heads, Tq, Tk) it is broadcast: a mask
    or a bias, of all heads if it is (N, Tq, Tk). The output is (N, Tq, ``out_features``), with
    ``maps`` (N, Tq, ``out_features`` + heads Tk), which :class:`Split` takes apart.

    Keys and values may have fewer heads, ``num_kv_heads``, each serving several of queries, and
    values a width of their own, ``value_dim``. ``rotary`` turns queries and keys as
    :class:`RotaryEmbedding` does. The attention is counted as :class:`ScaledDotProductAttention`
    is, a bias as one add for every element of a projection.

    ``fused`` has one tensor for the three projections, ``qkv``, as ViT and GPT-2 do; otherwise they
    are ``q_proj``, ``k_proj`` and ``v_proj``; the last is ``out_proj``.
    """

    arity = (1, 4)
    takes = ("query", "key", "value", "attn_mask")

    num_heads: Count
    """Heads of queries."""
    num_kv_heads: Count | None = None
    """Heads of keys and values; as many as of queries by default."""
    head_dim: Count | None = None
    """Features of a head's queries and keys; those of the query by the heads by default."""
    value_dim: Count | None = None
    """Features of a head's values; ``head_dim`` by default."""
    out_features: Count | None = None
    """Features of the output; those of the query by default."""
    q_bias: bool = True
    """Whether the projection of the queries has a bias."""
    k_bias: bool = True
    """Whether that of the keys has one."""
    v_bias: bool = True
    """Whether that of the values has one."""
    out_bias: bool = True
    """Whether the last projection has one."""
    out_proj: bool = True
    """Whether there is a last projection."""
    fused: bool = False
    """Whether the first three projections are one tensor."""
    is_causal: bool = False
    """Whether a query sees earlier keys only; it changes no count."""
    rotary: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The base of the rotary positions, such as 10000; none by default."""
    maps: bool = False
    """Whether what each head attends to follows the output, as further features."""
    parametrization: Parametrization = None
    """What the weights are computed by, of other tensors that are stored instead: ``weight_norm``
    or ``spectral_norm``. It is done once for all samples, and no work is counted for it."""

    examples = (
        Example({"num_heads": 4}, ((2, 10, 64),)),
        Example({"num_heads": 4, "fused": True, "is_causal": True}, ((2, 10, 64),)),
        Example(
            {
                "num_heads": 8,
                "num_kv_heads": 2,
                "head_dim": 16,
                "rotary": 10000.0,
                "q_bias": False,
                "k_bias": False,
                "v_bias": False,
                "out_bias": False,
            },
            ((2, 10, 64),),
        ),
        Example({"num_heads": 2, "k_bias": False, "value_dim": 5}, ((2, 10, 16), (2, 12, 24))),
        Example(
            {"num_heads": 2, "out_proj": False},
            ((2, 10, 16), (2, 12, 16), (2, 12, 8), (2, 1, 10, 12)),
        ),
        Example(
            {"num_heads": 2, "num_kv_heads": 1, "maps": True},
            ((2, 10, 16), (2, 12, 16), (2, 12, 8), (2, 10, 12)),
        ),
        Example({"num_heads": 2, "parametrization": "weight_norm"}, ((2, 10, 16),)),
        Example(
            {"num_heads": 2, "fused": True, "parametrization": "spectral_norm"},
            ((2, 10, 16), (2, 12, 16)),
        ),
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.fused and len({self.q_bias, self.k_bias, self.v_bias}) > 1:
            raise ValueError("fused projections have one bias for all three, or none")
        if not self.out_proj and self.out_features is not None:
            raise ValueError("out_features is of a last projection, and out_proj is false")
        return self

    def _inputs(self, *inputs: Shape) -> tuple[Shape, Shape, Shape]:
        if len(inputs) > 2:
            return inputs[0], inputs[1], inputs[2]
        return inputs[0], inputs[-1], inputs[-1]

    def _heads(self, *inputs: Shape) -> tuple[Size, Size, Size, Size]:
        """Heads of queries and of keys, features of a query and of a value."""
        h = self.num_heads
        d = inputs[0][2] // h if self.head_dim is None else self.head_dim
        shared = h if self.num_kv_heads is None else self.num_kv_heads
        return h, shared, d, d if self.value_dim is None else self.value_dim

    def _split(self, *inputs: Shape) -> tuple[Shape, Shape, Shape]:
        """Queries, keys and values by heads."""
        q, k, v = self._inputs(*inputs)
        h, shared, d, dv = self._heads(*inputs)
        return (q[0], h, q[1], d), (k[0], shared, k[1], d), (v[0], shared, v[1], dv)

    def _attention(self) -> ScaledDotProductAttention:
        several = self.num_kv_heads is not None
        return ScaledDotProductAttention(is_causal=self.is_causal, enable_gqa=several)

    def infer(self, *inputs: Shape) -> Shape:
        for name, x in zip(("query", "key", "value"), self._inputs(*inputs), strict=True):
            require_rank(x, 3, f"{name} (N, T, E)")
        if self.head_dim is None and not divides(self.num_heads, inputs[0][2]):
            raise ShapeError(
                f"num_heads={self.num_heads} does not divide {inputs[0][2]} (or say head_dim)"
            )
        if self.fused and not all(same(x[2], inputs[0][2]) for x in self._inputs(*inputs)):
            raise ShapeError("fused projections need query, key and value of one width")
        if self.rotary is not None and not divides(2, self._heads(*inputs)[2]):
            raise ShapeError(f"rotary pairs features, and a head has {self._heads(*inputs)[2]}")
        split = self._split(*inputs)
        try:
            n, h, t, dv = self._attention().infer(*split, *self._mask(*inputs))
        except ShapeError as error:
            raise ShapeError(f"of heads {', '.join(map(describe, split))}: {error}") from None
        maps = h * split[1][2] if self.maps else 0
        return (n, t, (self._out(*inputs) if self.out_proj else h * dv) + maps)

    def _mask(self, *inputs: Shape) -> tuple[Shape, ...]:
        """The fourth input, if there is one, with an axis for the heads."""
        return tuple((x[0], 1, *x[1:]) if len(x) == 3 else x for x in inputs[3:])

    def _out(self, *inputs: Shape) -> Size:
        return inputs[0][2] if self.out_features is None else self.out_features

    def _projections(self, *inputs: Shape) -> tuple[tuple[str, Shape, Size, bool], ...]:
        """Name, input, features of the output and bias of the first three."""
        h, shared, d, dv = self._heads(*inputs)
        features = (h * d, shared * d, shared * dv)
        biases = (self.q_bias, self.k_bias, self.v_bias)
        names = ("q_proj", "k_proj", "v_proj")
        return tuple(zip(names, self._inputs(*inputs), features, biases, strict=True))

    def tensors(self, *inputs: Shape) -> dict[str, Shape]:
        h, _, _, dv = self._heads(*inputs)
        parts = self._projections(*inputs)
        if self.fused:
            parts = (("qkv", inputs[0], sum(part[2] for part in parts), self.q_bias),)
        tensors: dict[str, Shape] = {}
        for name, x, features, bias in parts:
            tensors[f"{name}.weight"] = (features, x[2])
            if bias:
                tensors[f"{name}.bias"] = (features,)
        if self.out_proj:
            tensors["out_proj.weight"] = (self._out(*inputs), h * dv)
            if self.out_bias:
                tensors["out_proj.bias"] = (self._out(*inputs),)
        return tensors

    def work(self, output: Shape, *inputs: Shape) -> Work:
        q, k, v = self._split(*inputs)
        attended = (*q[:-1], v[-1])
        total = self._attention().work(attended, q, k, v, *self._mask(*inputs))
        for _, x, features, bias in self._projections(*inputs):
            out = x[0] * x[1] * features
            total += Work(macs=out * x[2], dots=out, adds=out if bias else 0)
        if self.rotary is not None:
            turned = elements(q) + elements(k)
            total += Work(multiplies=2 * turned, adds=turned)
        if self.out_proj:
            out = attended[0] * attended[2] * self._out(*inputs)
            adds = out if self.out_bias else 0
            total += Work(macs=out * attended[1] * attended[3], dots=out, adds=adds)
        return total

    def products(self, output: Shape, *inputs: Shape) -> tuple[Product, ...]:
        """The three projections, scores, values, and the last projection."""
        q, k, v = self._split(*inputs)
        numbers = (0, 1, 2) if len(inputs) > 2 else (0, len(inputs) - 1, len(inputs) - 1)
        projected = tuple(
            Product(x[0] * x[1] * features * x[2], ((WEIGHTS,), (number,)))
            for (_, x, features, _), number in zip(self._projections(*inputs), numbers, strict=True)
        )
        scored = elements((*q[:-1], k[-2]))
        query, key, value = ((WEIGHTS, number) for number in numbers)
        scores = (*query, *key, *((3,) if len(inputs) == 4 else ()))
        attended = (
            Product(scored * q[-1], (query, key)),
            Product(scored * v[-1], (scores, value)),
        )
        if not self.out_proj:
            return (*projected, *attended)
        out = q[0] * q[2] * self._out(*inputs)
        last = Product(out * q[1] * v[3], ((WEIGHTS,), (*scores, *value)))
        return (*projected, *attended, last)

    def kept(self, *inputs: Shape) -> tuple[Size, ...]:
        _, shared, d, dv = self._heads(*inputs)
        return (shared * (d + dv),)

    def record(self, autograd: "Autograd", *inputs: "Tensor") -> "Tensor":
        """Its projections, attention as :class:`ScaledDotProductAttention` does it, and the last.

        With ``maps`` the scores are computed one by one, of keys and values that are copied.
        """
        given = inputs[:3] if len(inputs) > 2 else (inputs[0], *inputs[-1:] * 2)
        shapes = [x.shape for x in inputs]
        heads = self._heads(*shapes)
        projected = self._projected(autograd, given, [p[2] for p in self._projections(*shapes)])
        q, k, v = (
            autograd.permute(autograd.reshape(x, (*x.shape[:2], h, x.shape[2] // h)), (0, 2, 1, 3))
            for x, h in zip(projected, (heads[0], heads[1], heads[1]), strict=True)
        )
        if self.rotary is not None:
            turning = RotaryEmbedding(base=self.rotary)
            q, k = autograd.apply(turning, q), autograd.apply(turning, k)
        masks = [autograd.unsqueeze(x, 1) if len(x.shape) == 3 else x for x in inputs[3:]]
        maps = None
        if self.maps:
            k, v = (autograd.new((x.shape[0], heads[0], *x.shape[2:]), x) for x in (k, v))
            scores = autograd.elementwise(autograd.matmul(q, autograd.transpose(k)))
            maps = autograd.softmax(autograd.elementwise(scores, *masks))
            attended = autograd.matmul(maps, v)
        else:
            attended = self._attention().record(autograd, q, k, v, *masks)
        n, h, t, width = attended.shape
        output = autograd.reshape(autograd.permute(attended, (0, 2, 1, 3)), (n, t, h * width))
        if self.out_proj:
            kernel = (self._out(*shapes), output.shape[-1])
            autograd.keep_weight(self, kernel, output.trained)
            output = autograd.linear(output, self._out(*shapes))
        if maps is None:
            return output
        return autograd.new((n, t, output.shape[2] + h * maps.shape[3]), output, maps)

    def _projected(
        self, autograd: "Autograd", given: "Sequence[Tensor]", features: Sequence[Size]
    ) -> "list[Tensor]":
        if self.fused:
            kernel = (sum(features), given[0].shape[-1])
            autograd.keep_weight(self, kernel, any(x.trained for x in given))
        else:
            for x, n in zip(given, features, strict=True):
                autograd.keep_weight(self, (n, x.shape[-1]), x.trained)
        if not self.fused or given[0] is not given[1] or given[1] is not given[2]:
            return [autograd.linear(x, n) for x, n in zip(given, features, strict=True)]
        together = autograd.linear(given[0], sum(features))
        return [together._replace(shape=(*together.shape[:2], n)) for n in features]

    def torch(self, *inputs: Shape) -> Call:
        q, k, v = self._inputs(*inputs)
        h, shared, d, dv = self._heads(*inputs)
        return Call(
            "archcalc.Attention",
            {
                "widths": (q[2], k[2], v[2]),
                "num_heads": h,
                "num_kv_heads": shared,
                "head_dim": d,
                "value_dim": dv,
                "out_features": self._out(*inputs) if self.out_proj else None,
                "biases": (self.q_bias, self.k_bias, self.v_bias, self.out_bias),
                "fused": self.fused,
                "is_causal": self.is_causal,
                "rotary": self.rotary,
                **({"maps": True} if self.maps else {}),
            },
            parametrization=self.parametrization,
            several=True,
        )
