"""What the rules of several tools are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from archcalc.analysis.counted import Row
from archcalc.dims import Shape, Size, maximum, minimum
from archcalc.errors import ArchcalcError
from archcalc.operators import FAMILIES, NAMES
from archcalc.operators.base import Applied, elements

Rule: TypeAlias = Callable[[Row], Size]


def named(family: str, *starts: str) -> tuple[str, ...]:
    """The operators of a family whose names begin so."""
    return tuple(name for name in FAMILIES[family] if name.startswith(starts))


CONVS = named("conv", "Conv1d", "Conv2d", "Conv3d")
TRANSPOSED = named("conv", "ConvTranspose")
BATCH_NORMS = named("normalization", "BatchNorm")
INSTANCE_NORMS = named("normalization", "InstanceNorm")
AVERAGES = named("pooling", "AvgPool")
ADAPTIVE_AVERAGES = named("pooling", "AdaptiveAvgPool")
POOLS = (*named("pooling", "MaxPool", "AdaptiveMaxPool"), *AVERAGES, *ADAPTIVE_AVERAGES)
RECURRENT = ("RNN", "LSTM", "GRU")
CELLS = ("RNNCell", "LSTMCell", "GRUCell")
NOT_HELD = ("Einsum",)
"""Operators of which it isn't known what a tool counts that has no rule for them."""


def bias_adds(row: Row) -> Size:
    """Adds of biases in a layer that multiplies and accumulates; none in any other.

    They are what the layer adds more than the same layer without its biases, so the biases of a
    recurrent or an attention layer are told from what else it adds. A bias that is no field's
    choice (``SubSampling2d``) is added once to every output element.
    """
    if type(row.macs) is int and row.macs == 0:
        return 0
    op, node = row.node.op, row.node
    if getattr(op, "bias", None) is True:
        without = op.model_copy(update={"bias": False})
        return row.work.adds - without.work(node.shape, *node.input_shapes).adds
    return row.connections - row.macs


def tool(
    rules: Mapping[str, Rule], scale: int = 1, unlike: Callable[[Row], Size | None] | None = None
) -> Rule:
    """The count of a tool with these rules, each ``scale`` times.

    ``unlike`` is what it counts of a layer that its author wrote otherwise than we do, if so.
    """

    def count(row: Row) -> Size:
        if not row.executed:
            return 0
        if unlike is not None and row.node.origin is not None:
            found = unlike(row)
            if found is not None:
                return scale * found
        rule = rules.get(row.op)
        if rule is not None:
            return scale * rule(row)
        if row.op in NOT_HELD:
            raise ArchcalcError(f"what tools count of '{row.name}' is not known: {row.op}")
        return 0

    return count


def uncropped(row: Row) -> Row:
    """A transposed convolution as PyTorch's module does it, before what is cropped is cropped."""
    node = row.node
    said = node.op.torch(*node.input_shapes).kwargs
    pads = tuple((p, p) for p in said["padding"])
    op = node.op.model_copy(update={"padding": pads, "output_padding": said["output_padding"]})
    applied = Applied.to(op, *node.input_shapes)
    return row._replace(node=node._replace(applied=applied), work=applied.cost.work)


def whole(rule: Rule) -> Rule:
    """A rule of a transposed convolution before what is cropped is cropped."""
    return lambda row: rule(uncropped(row))


def is_module(row: Row) -> bool:
    """Whether a layer is a module of PyTorch's: none of an author's own, nor a function.

    Tools that look for modules know them by their very classes.
    """
    node = row.node
    if node.origin is None or row.op not in NAMES:
        return True
    home, _, kind = node.origin.module.rpartition(".")
    target = node.op.torch(*node.input_shapes).target.rpartition(".")[2]
    return home.startswith("torch.nn.") and kind in (row.op, target)


def is_computed(row: Row) -> bool:
    """Whether a weight of ours is computed of others: PyTorch makes a class for such a module."""
    return row.node.origin is None and getattr(op_of(row), "parametrization", None) is not None


def own_module(row: Row) -> bool:
    """Whether PyTorch has no such module, so that ours does it: by a padded copy, say."""
    if row.node.origin is not None:
        return False
    if is_computed(row):
        return True
    target: str = row.node.op.torch(*row.node.input_shapes).target
    return target.startswith("archcalc.")


def by_type(rule: Rule) -> Rule:
    """A rule of what is known by the type of its module: nothing of one of ours."""
    return lambda row: 0 if own_module(row) else rule(row)


def unless_computed(rule: Rule) -> Rule:
    """The same of what is one of ours in any case, and made of PyTorch's."""
    return lambda row: 0 if is_computed(row) else rule(row)


def as_built(rule: Rule) -> Rule:
    """A rule of what our module does by several operators, and torchvision by one unseen by all."""
    return lambda row: rule(row) if row.node.origin is None else 0


def each(names: Iterable[str], rule: Rule) -> dict[str, Rule]:
    """One rule for several operators."""
    return dict.fromkeys(names, rule)


def op_of(row: Row) -> Any:
    """The operator, whose fields its name tells."""
    return row.node.op


def nothing(row: Row) -> Size:
    """Nothing, which was seen: what has no rule may not have been asked."""
    return 0


def macs(row: Row) -> Size:
    """Its multiply-accumulates."""
    return row.macs


def per_input(times: int) -> Rule:
    """So many for every element of the first input."""
    return lambda row: times * elements(row.node.input_shapes[0])


def per_output(times: int) -> Rule:
    """So many for every element of the output."""
    return lambda row: times * elements(row.shape)


def attention_macs(row: Row) -> Size:
    """Multiply-accumulates of ``MultiheadAttention`` between its projections."""
    q, *others = row.node.input_shapes
    k = others[0] if others else q
    keys = k[1] + (1 if op_of(row).add_bias_kv else 0)
    return 2 * q[0] * q[1] * keys * q[2]


def projections(row: Row) -> Size:
    """Multiply-accumulates of the projections of ``MultiheadAttention``."""
    return row.macs - attention_macs(row)


def attention_projected(row: Row) -> Size:
    """Multiply-accumulates of the projections of ``Attention``, which are linear layers."""
    return sum(at * elements(shape) for at, shape in _projected(row, "weight"))


def attention_biases(row: Row) -> Size:
    """Uses of their biases."""
    return sum(at * elements(shape) for at, shape in _projected(row, "bias"))


def _projected(row: Row, kind: str) -> Iterator[tuple[Size, Shape]]:
    q, *others = row.node.input_shapes
    keys = others[0] if others else q
    for name, shape in op_of(row).tensors(*row.node.input_shapes).items():
        layer, _, tensor = name.rpartition(".")
        if tensor == kind and "norm" not in layer:
            positions = keys[1] if layer in ("k_proj", "v_proj") else q[1]
            yield q[0] * positions, shape


def sampled(row: Row) -> Size:
    """What our module samples of a map before it averages it (RoIAlign) or multiplies it."""
    op, (x, *others) = op_of(row), row.node.input_shapes
    if row.op == "RoIAlign":
        return elements((*row.shape, op.sampling_ratio, op.sampling_ratio))
    return elements((*x[:2], *op.kernel_size, *others[0][2:]))


def has_weights(row: Row) -> bool:
    """Whether a normalization scales by trained weights."""
    return "weight" in row.weights


def per_normalized(affine: int, plain: int) -> Rule:
    """So many for every element, with trained weights and without."""
    return lambda row: (affine if has_weights(row) else plain) * elements(row.shape)


def batch_norm(row: Row) -> Size:
    """Scale and shift, or statistics of the batch where none are stored."""
    affine, plain = (2, 1) if op_of(row).track_running_stats else (5, 4)
    return per_normalized(affine, plain)(row)


def padded_by_name(row: Row) -> bool:
    """Whether the convolution is given ``padding='same'``, which is an operator of its own."""
    return bool(op_of(row).padding == "same" and op_of(row).padding_mode == "zeros")


def traced_conv(row: Row) -> Size:
    """Multiply-accumulates; none with ``padding='same'``, which tracers don't know."""
    return 0 if padded_by_name(row) else row.macs


def first_times_columns(row: Row) -> Size:
    """A matrix product as counted from the first matrix, wrong where it alone is broadcast."""
    a, b = row.node.input_shapes
    return elements(a) * (b[-1] if len(b) > 2 else 1)


def unless_held(rule: Rule) -> Rule:
    """A rule of what is seen where a function is patched.

    Not seen is a function that the network holds since before: a module of ours with nothing but
    ``torch.matmul``, as ``@`` and ``torch.einsum``, which are not patched.
    """

    def count(row: Row) -> Size:
        if row.node.origin is not None:
            return rule(row)
        target = row.node.op.torch(*row.node.input_shapes).target
        return 0 if target.startswith(("torch.", "F.")) else rule(row)

    return count


def differ(a: Size, b: Size) -> Size:
    """0 where two sizes are equal, 1 where not."""
    return minimum(1, maximum(a - b, b - a))


def layers_of(row: Row) -> int:
    """Layers of a recurrent operator."""
    layers: int = getattr(op_of(row), "num_layers", 1)
    return layers


def directions_of(row: Row) -> int:
    """Directions in which a recurrent operator reads."""
    return 2 if getattr(op_of(row), "bidirectional", False) else 1


def steps_of(row: Row) -> Size:
    """Steps of all sequences together."""
    return elements(row.node.input_shapes[0][:-1])
