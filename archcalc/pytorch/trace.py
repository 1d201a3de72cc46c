"""What any module does when it is run: its operations in order, whoever wrote it.

Operations are PyTorch's functions, whether a layer calls them or the author does: ``nn.Conv2d``,
``F.conv2d`` and ``torch.conv2d`` are one. Each is told with the tensors of the module that it uses,
the multiply-accumulates that PyTorch counts in it, and the operations that its input comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from archcalc.dims import Shape
from archcalc.pytorch.counted import Counter, counting, hooked

DESCENDED = frozenset({"multi_head_attention_forward"})
"""Functions that are told by what they do: others write the same in parts."""


class Use(NamedTuple):
    """A tensor of the module that an operation uses, or a part of one."""

    name: str
    shape: Shape
    trained: bool
    start: int = 0
    """Where the part begins."""

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation that uses trained tensors, or multiplies and accumulates."""

    module: str
    """The way to the innermost module that does it."""
    function: str
    """PyTorch's name of it."""
    uses: tuple[Use, ...]
    params: int
    """Elements of its trained tensors, without those that an earlier operation uses."""
    macs: int
    inputs: tuple[Shape, ...]
    shape: Shape
    sources: frozenset[int]
    """The steps before, by their numbers, from which its inputs come without another between."""

    @property
    def weights(self) -> tuple[Shape, ...]:
        """Shapes of its trained tensors, in an order that is always the same."""
        return tuple(sorted(use.shape for use in self.uses if use.trained))

    @property
    def buffers(self) -> tuple[Shape, ...]:
        """Shapes of the tensors it uses that are stored and not trained."""
        return tuple(sorted(use.shape for use in self.uses if not use.trained))


@dataclass(frozen=True)
class Trace:
    """What a module did in one run."""

    steps: tuple[Step, ...]
    others: tuple[tuple[str, str], ...]
    """Module and function of all other operations, in order."""
    params: int
    """Elements of the parameters that it owns, used or not."""
    macs: int
    unused: tuple[str, ...]
    """Parameters that no operation used."""
    not_counted: tuple[str, ...]
    """Operations of which it is not known what they multiply."""
    outputs: tuple[Tensor, ...]
    kept: tuple[Tensor, ...] = ()
    """Copies of the steps' outputs, if they were asked for."""

    @property
    def unseen(self) -> int:
        """Multiply-accumulates that are in no step, such as those of compiled code."""
        return self.macs - sum(step.macs for step in self.steps)


def trace(network: nn.Module, inputs: Sequence[Tensor], keep: bool = False) -> Trace:
    """Run a module at inference and say what it does. Raises what the module raises."""
    was = network.training
    network.eval()
    try:
        with torch.no_grad(), counting() as counter:
            recorder = _Recorder(network, inputs, counter, keep)
            with recorder.named(network), recorder:
                output = network(*inputs)
            macs, not_counted = counter.macs, counter.not_counted()
    finally:
        network.train(was)
    used = {use.name for step in recorder.steps for use in step.uses}
    return Trace(
        tuple(recorder.steps),
        tuple(recorder.others),
        sum(tensor.numel() for tensor in network.parameters()),
        macs,
        tuple(name for name, _ in network.named_parameters() if name not in used),
        not_counted,
        tuple(leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)),
        tuple(recorder.kept),
    )


class _Origin(NamedTuple):
    """Where a tensor comes from."""

    data: bool
    """Whether the network's input is in it."""
    sources: frozenset[int] = frozenset()
    uses: tuple[Use, ...] = ()
    """The module's tensors that it was made of, where no input is in it."""
    product: int | None = None
    """The step whose output it is, if that multiplies and accumulates."""


class _Recorder(TorchFunctionMode):
    def __init__(
        self, network: nn.Module, inputs: Sequence[Tensor], counter: Counter, keep: bool
    ) -> None:
        super().__init__()
        self.counter = counter
        self.keep = keep
        self.steps: list[Step] = []
        self.others: list[tuple[str, str]] = []
        self.kept: list[Tensor] = []
        self.path = [""]
        self.seen: set[tuple[str, int, int]] = set()
        self.origins: Any = WeakTensorKeyDictionary()
        self.storages: dict[Any, tuple[str, Tensor, bool]] = {}
        for trained, tensors in (
            (True, network.named_parameters()),
            (False, network.named_buffers()),
        ):
            for name, tensor in tensors:
                # Indices by which others are looked up are as good in another order.
                uses = [Use(name, tuple(tensor.shape), trained)] * tensor.is_floating_point()
                self.origins[tensor] = _Origin(False, uses=tuple(uses))
                self.storages[tensor.untyped_storage()._cdata] = (name, tensor, trained)
        for tensor in inputs:
            self.origins[tensor] = _Origin(True)

    @contextmanager
    def named(self, network: nn.Module) -> Iterator[None]:
        """Know in which module an operation is."""
        handles = []
        for name, inner in network.named_modules():

            def enter(*_: Any, name: str = name) -> None:
                self.path.append(name)

            def leave(*_: Any) -> None:
                self.path.pop()

            handles += [
                inner.register_forward_pre_hook(enter),
                inner.register_forward_hook(leave, always_call=True),
            ]
        with hooked(handles):
            yield

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func)).strip("_")
        if name in DESCENDED:
            return self._inside(func, args, kwargs)
        before = self.counter.macs
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if name.endswith("_as"):  # of the second only the shape matters: x.view_as(y)
            given = given[:1]
        shapes = {id(tensor): tuple(tensor.shape) for tensor in given}
        result = func(*args, **kwargs)
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if name == "setitem":
            results = given[:1]
        if not results or name.startswith("new_") or name.endswith("_like"):
            return result  # of what is given only the shape matters, if anything
        origins = [(tensor, self.origins.get(tensor)) for tensor in given]
        data = [(tensor, origin) for tensor, origin in origins if origin and origin.data]
        uses = tuple(
            dict.fromkeys(
                self._part(tensor, use)
                for tensor, origin in origins
                if origin and not origin.data
                for use in origin.uses
            )
        )
        sources = frozenset(source for _, origin in data for source in origin.sources)
        macs = self.counter.macs - before
        if not data:
            made = _Origin(False, uses=uses)
            if macs:
                self._step(name, uses, macs, (), results[0].shape, sources, results[0])
        elif macs or any(use.trained for use in uses):
            inputs = tuple(shapes[id(tensor)] for tensor, _ in data)
            number = self._biased(name, uses, macs, data)
            if number is not None:
                self._keep(number, results[0])
                self.origins[results[0]] = _Origin(True, frozenset({number}))
                return result
            if name == "scaled_dot_product_attention":
                macs, sources = self._scores(given, shapes, macs, sources, uses)
                uses = ()
            shape = results[0].shape
            number = self._step(name, uses, macs, inputs, shape, sources, results[0])
            made = _Origin(True, frozenset({number}), product=number if macs else None)
        else:
            self.others.append((self.path[-1], name))
            made = _Origin(True, sources)
        for tensor in results:
            # A function may hand on what it was given, such as a parameter.
            if not any(tensor is one for one, origin in origins if origin and not origin.data):
                self.origins[tensor] = made
        return result

    def _inside(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function of PyTorch that is written in Python, and see what it calls."""
        home: Any = functional
        asks = home.has_torch_function
        # It asks whether somebody looks on, and would only call this again.
        home.has_torch_function = lambda _: False
        try:
            with self:
                return func(*args, **kwargs)
        finally:
            home.has_torch_function = asks

    def _part(self, tensor: Tensor, use: Use) -> Use:
        """A use of a part of a tensor, where a view of less than all of it is given."""
        home = self.storages.get(tensor.untyped_storage()._cdata)
        if home is None or home[0] != use.name or tensor.numel() >= home[1].numel():
            return use
        start = int(tensor.storage_offset() - home[1].storage_offset())
        return Use(use.name, tuple(tensor.shape), use.trained, start)

    def _biased(
        self, name: str, uses: tuple[Use, ...], macs: int, data: Sequence[tuple[Tensor, _Origin]]
    ) -> int | None:
        """The product to which this adds its bias: ``x @ w.T + b`` is one layer as ``F.linear`` is.

        None for any other operation.
        """
        numbers = {origin.product for _, origin in data}
        if name.strip("_") not in ("add", "radd", "iadd") or macs or len(data) != 1:
            return None
        (number,) = numbers
        vectors = [use for use in uses if sum(n > 1 for n in use.shape) <= 1]
        if number is None or len(vectors) != len(uses) or len(uses) != 1:
            return None
        step = self.steps[number]
        self.steps[number] = replace(
            step, uses=(*step.uses, *uses), params=step.params + self._new(uses)
        )
        return number

    def _keep(self, number: int, result: Tensor) -> None:
        if self.keep:
            # What is done in place afterwards must not be seen in it.
            self.kept[number : number + 1] = [result.detach().clone()]

    def _new(self, uses: Sequence[Use]) -> int:
        """Elements of trained tensors that no step before uses."""
        params = 0
        for use in uses:
            key = use.name, use.start, use.size
            if use.trained and key not in self.seen:
                self.seen.add(key)
                params += use.size
        return params

    def _scores(
        self,
        given: Sequence[Tensor],
        shapes: Mapping[int, Shape],
        macs: int,
        sources: frozenset[int],
        uses: tuple[Use, ...],
    ) -> tuple[int, frozenset[int]]:
        """What attention does before its last product, as steps: others write it out.

        Gives the multiply-accumulates that are left, and what they come from.
        """
        q, k, v = (shapes[id(tensor)] for tensor in given[:3])
        scores = (*q[:-1], k[-2])
        part = macs * q[-1] // (q[-1] + v[-1])
        last = self._step("matmul", (), part, (q, k), scores, sources)
        if uses:  # a trained bias
            last = self._step("add", uses, 0, (scores,), scores, frozenset({last}))
        return macs - part, sources | {last}

    def _step(
        self,
        name: str,
        uses: tuple[Use, ...],
        macs: int,
        inputs: tuple[Shape, ...],
        shape: Sequence[int],
        sources: frozenset[int],
        result: Tensor | None = None,
    ) -> int:
        """The number of a step behind all others; nobody asks for one without a result."""
        number, params, made = len(self.steps), self._new(uses), tuple(shape)
        self.steps.append(Step(self.path[-1], name, uses, params, macs, inputs, made, sources))
        self._keep(number, torch.empty(0) if result is None else result)
        return number
