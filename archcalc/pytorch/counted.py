"""The multiply-accumulates that PyTorch performs, as PyTorch itself counts them.

``torch.utils.flop_counter`` counts what is dispatched: products of matrices and convolutions. What
it does not see is of three kinds, and none is taken for zero:

- kernels that fuse several products. Attention is run by its unfused formula, whose products are
  counted, and of the others :data:`FUSED` has a formula of the tensors that the kernel is given;
- sums of products that PyTorch has no operation for (:data:`INSTEAD`): the same is computed once
  more with one that is counted;
- operations that are in no list here: what runs them is reported as not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


def _recurrent(input: Any, weights: list[Any]) -> int:
    """FLOPs of matrices that are each applied once a step of every sequence."""
    steps = input[0] * (input[1] if len(input) == 3 else 1)  # two axes where they are packed
    return int(2 * steps * sum(shape[0] * shape[1] for shape in weights if len(shape) == 2))


def _mkldnn_rnn_layer(input: Any, of_input: Any, of_state: Any, *_: Any, **__: Any) -> int:
    return _recurrent(input, [of_input, of_state])


def _cudnn_rnn(input: Any, weights: Any, *_: Any, **__: Any) -> int:
    return _recurrent(input, list(weights))


def _trilinear(x1: Any, weight: Any, x2: Any, *_: Any, **__: Any) -> int:
    """``x1 W`` for every output of ``Bilinear``, and the product of what it gives with ``x2``."""
    outputs, in1, in2 = weight
    return int(2 * x1[0] * outputs * (in1 * in2 + in2))


def _embedding_bag(weight: Any, indices: Any, *more: Any, **named: Any) -> int:
    """A sum of rows is of products only where each row has a weight."""
    weights = more[4] if len(more) > 4 else named.get("per_sample_weights")
    return 0 if weights is None else int(2 * indices[0] * weight[1])


def _matrix_vector(*shapes: Any, **_: Any) -> int:
    matrix = next(shape for shape in shapes if len(shape) == 2)
    return int(2 * matrix[0] * matrix[1])


def _vectors(a: Any, *_: Any, **__: Any) -> int:
    return int(2 * a[0])


FUSED: Mapping[Any, Callable[..., int]] = {
    aten.mkldnn_rnn_layer: _mkldnn_rnn_layer,
    aten._cudnn_rnn: _cudnn_rnn,
    aten._trilinear: _trilinear,
    aten._embedding_bag: _embedding_bag,
    aten._embedding_bag_forward_only: _embedding_bag,
    aten.mv: _matrix_vector,
    aten.addmv: _matrix_vector,
    aten.dot: _vectors,
    aten.vdot: _vectors,
}
"""Kernels that PyTorch's counter passes over -> their FLOPs, of the shapes that they are given."""


def _euclidean_rbf(layer: nn.Module, x: Tensor) -> Tensor:
    weight = layer.get_buffer("weight")
    distance = x.unsqueeze(-2) - weight
    return torch.einsum("...i,...i->...", distance, distance)


INSTEAD: Mapping[str, Callable[..., Tensor]] = {"EuclideanRBF": _euclidean_rbf}
"""Operators whose sums of products are no product of matrices to PyTorch -> the same function of
the layer and its inputs, with one."""

WITHOUT_PRODUCTS = frozenset(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _batch_norm_no_update _batch_norm_with_update
    _cudnn_init_dropout_state _fused_dropout _fused_rms_norm _log_softmax
    _native_batch_norm_legit _native_batch_norm_legit_no_training _prelu_kernel _safe_softmax
    _softmax _thnn_fused_gru_cell _thnn_fused_lstm_cell _to_copy _unsafe_index _unsafe_view
    _upsample_bicubic2d_aa _upsample_bilinear2d_aa _weight_norm_interface
    adaptive_max_pool2d adaptive_max_pool3d
    alias all amax amin any arange argmax argmin as_strided avg_pool2d avg_pool3d bernoulli
    bucketize cat channel_shuffle clone col2im complex constant_pad_nd contiguous copy
    cudnn_batch_norm cummax cummin cumprod cumsum detach diag_embed diagonal_copy diff embedding
    empty empty_like empty_permuted empty_strided eye fill flatten flip full full_like gather glu
    grid_sampler_2d grid_sampler_3d hardswish histc huber_loss im2col index index_put index_select
    isfinite isin kthvalue leaky_relu lift_fresh lift_fresh_copy linalg_norm linalg_vector_norm
    linspace log_sigmoid_forward logcumsumexp logsumexp masked_fill masked_select max max_pool2d
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d mean median meshgrid min
    miopen_batch_norm mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d mode mse_loss
    native_batch_norm native_dropout native_group_norm native_layer_norm new_empty new_full
    new_ones new_zeros nll_loss2d_forward nll_loss_forward nonzero norm normal one_hot ones
    ones_like pad_sequence pixel_shuffle pixel_unshuffle polar prod rand rand_like randint
    randn randn_like randperm reflection_pad1d reflection_pad2d reflection_pad3d renorm repeat
    replication_pad1d replication_pad2d replication_pad3d reshape resize roll rot90
    scalar_tensor scatter searchsorted set slice_scatter smooth_l1_loss sort
    split_with_sizes_copy squeeze stack std std_mean sum t take topk transpose tril
    tril_indices triu triu_indices unfold_backward uniform unique unsafe_split
    unsafe_split_with_sizes unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_linear1d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_nearest_exact2d
    upsample_trilinear3d var var_mean vector_norm view view_as_complex view_as_real where zero
    zeros zeros_like
    """.split()  # noqa: SIM905  (a hundred names in quotes are harder to read)
)
"""ATen's operations that multiply no two tensors and sum, besides those that are known by their
tag: of single elements, and views."""


class _Unknown(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch's
    """Names the operations that run and are in no list."""

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's
        self.counted = counter.flop_registry
        self.found: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func.overloadpacket
        if packet not in self.counted and not func.is_view:
            name = packet.__name__
            # What ends in _ is the same, done in place.
            known = torch.Tag.pointwise in func.tags or name.rstrip("_") in WITHOUT_PRODUCTS
            if not known and func.namespace != "prim":
                self.found[f"{func.namespace}.{name}"] = None
        return func(*args, **(kwargs or {}))


class _Nowhere:
    """In place of PyTorch's watch over modules: only the sum is asked for, and it hooks gradients,
    which a parameter that a layer hands on as it is does not bear.
    """

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def hooked(handles: Iterable[Any]) -> Iterator[None]:
    """Remove PyTorch's hooks in the end."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Counter:
    """Counts while it is entered."""

    def __init__(self, flops: FlopCounterMode, unknown: _Unknown) -> None:
        self._flops = flops
        self._unknown = unknown
        self._apart = 0
        self._before: list[int] = []

    @property
    def macs(self) -> int:
        """All that were performed so far: PyTorch counts two FLOPs each.

        What computes a weight of other tensors is no work of a sample, and left out.
        """
        total = self._before[0] if self._before else self._flops.get_total_flops()
        return (total - self._apart) // 2

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Know what computes weights."""

        def enter(module: torch.nn.Module, *_: Any) -> None:
            if isinstance(module, ParametrizationList):
                self._before.append(self._flops.get_total_flops())

        def leave(module: torch.nn.Module, *_: Any) -> None:
            if isinstance(module, ParametrizationList):
                before = self._before.pop()
                if not self._before:
                    self._apart += self._flops.get_total_flops() - before

        handles = (
            register_module_forward_pre_hook(enter),
            register_module_forward_hook(leave, always_call=True),
        )
        with hooked(handles):
            yield

    def not_counted(self) -> tuple[str, ...]:
        """The operations since it was last asked of which it is not known what they multiply."""
        found = tuple(self._unknown.found)
        self._unknown.found.clear()
        return found


@contextmanager
def counting() -> Iterator[Counter]:
    """Count what is run inside, with attention unfused, so that its products are seen."""
    flops = FlopCounterMode(display=False, custom_mapping=dict(FUSED))
    flops.mod_tracker = _Nowhere()  # type: ignore[assignment]  # has what is asked of one
    unknown = _Unknown(flops)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        counter = Counter(flops, unknown)
        with sdpa_kernel(SDPBackend.MATH), counter.watching(), unknown, flops:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
