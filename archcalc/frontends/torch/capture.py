"""A PyTorch module as one list of operations, without running it where that can be.

``torch.export`` follows a module with tensors that have shapes and no numbers, and gives the ATen
operators that it calls, in order, before any is decomposed: ``aten.conv2d``, ``aten.linear``. A
module that can't be followed so is tried in other ways, and the capture says in which it was had.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import io
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

from archcalc.errors import ArchcalcError
from archcalc.frontends.torch.captured import Capture, owned
from archcalc.frontends.torch.follow import (
    AT_MOST,
    BOXED,
    DRAFT,
    PLAIN,
    RUN,
    STRICT,
    WAYS,
    has_no_numbers,
)
from archcalc.frontends.torch.quantized import Plainly, plain
from archcalc.frontends.torch.reasons import line_of, told
from archcalc.frontends.torch.trial import is_steady, not_all
from archcalc.frontends.watched import tell


def capture(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    at_most: bool = True,
) -> Capture:
    """Follow a module at inference on these inputs, whose numbers do not matter.

    Where they do, because a size or a branch depends on them, and several calls on others do not
    take the same work, it is followed with all that there may be at most; where that can't be, what
    other numbers would lead to is a layer that is not counted. Without ``at_most`` a module that
    has no numbers is given up rather.

    Raises :class:`ArchcalcError` with what each way said if there is none. The module is left as
    it was.
    """
    kwargs = dict(kwargs or {})
    _require_sizes(module)
    with as_it_was(module), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        followed, dtypes = plain(module)
        found = _followed(followed, args, kwargs, at_most)
    with as_it_was(module):
        parameters, buffers = owned(plain(module)[0])  # without what it made in the call
    said = ", ".join(dict.fromkeys(dtypes.values()))
    how = f"{found.how}, weights of {said} counted as numbers" if dtypes else found.how
    return replace(found, how=how, parameters=parameters, buffers=buffers, dtypes=dtypes)


def at_inference(module: nn.Module) -> None:
    """Put a module into the mode in which it is used; what was exported knows no other."""
    with contextlib.suppress(NotImplementedError):
        module.eval()


def _require_sizes(module: nn.Module) -> None:
    """Raise :class:`ArchcalcError` for a parameter without a size that no call would give one."""
    for path, inner in module.named_modules():
        if isinstance(inner, (torch.jit.ScriptModule, LazyModuleMixin)):
            continue
        for name, tensor in inner.named_parameters(path, recurse=False):
            if is_lazy(tensor):
                raise ArchcalcError(
                    f"{type(module).__name__} can't be captured: parameter '{name}' is an "
                    f"{type(tensor).__name__}, without a size\n"
                    "  give it one, by its materialize() or an nn.Parameter of a shape, before"
                )


def _followed(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    at_most: bool,
) -> Capture:
    """The capture in the first way that there is one."""
    # transformers' decoders give a cache besides, of a kind that no graph has.
    configs = {id(c): c for m in module.modules() if (c := getattr(m, "config", None)) is not None}
    caching = [config for config in configs.values() if getattr(config, "use_cache", None) is True]
    failures: list[str] = []
    at_inference(module)
    hooks = contextlib.ExitStack()
    if not isinstance(module, torch.jit.ScriptModule):
        unpacking = module.register_forward_hook(lambda _module, _inputs, output: plainly(output))
        hooks.callback(unpacking.remove)
    try:
        for config in caching:
            config.use_cache = False
        for how, steady in _ways(module, args, kwargs, at_most):
            if failures:
                tell(f"{type(module).__name__} can't be followed at once; trying {how}")
            try:
                with quiet(), Plainly(), _unchecked():
                    fresh_args, fresh_kwargs = tree_map(_fresh, (args, kwargs))
                    found = WAYS[how](module, fresh_args, fresh_kwargs)
                return found if steady else not_all(found)
            except Exception as error:
                failures.append(f"{how}: {first_line(error)}")
            finally:
                if failures:
                    with quiet():  # logs that PyTorch leaves open would be told of later
                        gc.collect()
    finally:
        hooks.close()
        for config in caching:
            config.use_cache = True
    with quiet():
        given, named = tree_map(_fresh, (args, kwargs))
        said = told(module, given, named, failures)
    raise ArchcalcError(said)


def _ways(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], at_most: bool
) -> Iterator[tuple[str, bool]]:
    """The ways in which to try, and whether what is had in one is all that there may be."""
    scripted = isinstance(module, torch.jit.ScriptModule)  # which can only be run
    if not scripted:
        yield from ((PLAIN, True), (BOXED, True), (STRICT, True))
    if has_no_numbers(module, args, kwargs):
        yield DRAFT, True
        if at_most and not scripted:
            yield AT_MOST, True
        return
    tell(f"{type(module).__name__} looks at numbers; running it on several")
    with quiet():
        steady = is_steady(module, args, kwargs)
    if not scripted and not steady:
        yield AT_MOST, True
    if not scripted:
        yield DRAFT, steady
    yield RUN, steady
    if not scripted and steady:
        yield AT_MOST, True


@contextlib.contextmanager
def _unchecked() -> Iterator[None]:
    """Without a look of PyTorch's distributions at whether numbers can be theirs."""
    kind: Any = torch.distributions.Distribution
    was = kind._validate_args
    kind.set_default_validate_args(False)
    try:
        yield
    finally:
        kind.set_default_validate_args(was)


@contextlib.contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Afterwards a module has the attributes, the modes and the buffers that it had before.

    Some keep what they make in a call, which has no numbers where nothing is run.
    """
    kept = [(inner, type(inner), dict(vars(inner))) for inner in module.modules()]
    holders = [
        (value, value.copy())
        for _, _, own in kept
        for value in own.values()
        if type(value) in (dict, OrderedDict, list, set)
    ]
    buffers = [
        (buffer, buffer._version, buffer.clone())
        for buffer in module.buffers()
        if not (is_lazy(buffer) or buffer.is_meta or buffer.is_inference())
    ]
    modes = [(inner, inner.training) for inner, _, _ in kept]
    try:
        yield
    finally:
        if all(type(inner) is kind for inner, kind, _ in kept):
            for inner, _, own in kept:
                for name in vars(inner).keys() - own.keys():
                    del vars(inner)[name]
                vars(inner).update(own)
            for value, before in holders:
                value.clear()
                (value.extend if isinstance(value, list) else value.update)(before)
        for inner, training in modes:  # a lazy layer has become one for these inputs
            inner.training = training
        for buffer, version, before in buffers:
            if buffer._version != version:
                with torch.no_grad():
                    buffer.copy_(before)


def plainly(output: Any) -> Any:
    """What a module gives, without a class of its author's, which PyTorch doesn't look into."""
    if dataclasses.is_dataclass(output) and not isinstance(output, Mapping):
        return {f.name: plainly(getattr(output, f.name)) for f in dataclasses.fields(output)}
    return output


def _fresh(value: Any) -> Any:
    """A copy of an input: some modules write into theirs."""
    return value.detach().clone() if isinstance(value, Tensor) else value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what PyTorch prints of a module that it can't follow, and warns of in one it can."""
    import logging

    was = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(was)


def first_line(error: BaseException) -> str:
    """An error in one line: its class, and the first line of what it says."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [""]
    where = line_of(error)
    return f"{type(error).__name__}: {lines[0][:200]}" + (f" ({where})" if where else "")
