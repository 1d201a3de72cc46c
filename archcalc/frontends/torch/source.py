"""``torch:PACKAGE.MODULE:FACTORY(...)``: a module that somebody's code makes, by its address.

This imports the code and runs it: that is what the address asks for. It is never guessed from the
name of a file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends.torch import exported
from archcalc.operators.base import LARGEST
from archcalc.spec.graph import Graph

DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "bool")
"""What an input may be of."""


def require_torch() -> None:
    """Raises :class:`ArchcalcError` where PyTorch is not installed."""
    try:
        import torch  # noqa: F401  (only whether it is there)
    except ModuleNotFoundError as error:
        raise ArchcalcError("PyTorch is not installed: pip install 'archcalc[torch]'") from error


def from_torch(module: Any, *inputs: Any, **kwargs: Any) -> Graph:
    """The graph of a ``torch.nn.Module``, as it works on these inputs, at inference.

    ``inputs`` and ``kwargs`` are what its ``forward`` takes; of tensors only shape and dtype
    matter, and a tuple of sizes, batch first, stands for a tensor of float32. The module is
    followed and not run, if that can be, and left as it was; its weights are not looked at, so it
    may be on the ``meta`` device.

    Layers are named by the way to the module that does them. What archcalc lacks is a layer of an
    unknown operator: :func:`archcalc.analyze` wants ``allow_unknown=True`` then. Parameters that
    nothing uses are owned and not executed.

    Raises :class:`ArchcalcError` for a module that can't be captured, and where PyTorch is not
    installed.

    ::

        >>> import archcalc, torch
        >>> graph = archcalc.from_torch(torch.nn.Linear(8, 4), torch.randn(1, 8))
        >>> archcalc.analyze(graph).params
        36
    """
    require_torch()
    import torch

    from archcalc.frontends.torch.batches import of_samples
    from archcalc.frontends.torch.capture import capture

    if not isinstance(module, torch.nn.Module):
        raise ArchcalcError(f"takes a torch.nn.Module, not a {type(module).__name__}")
    tensor = next((t for each in (module.parameters(), module.buffers()) for t in each), None)
    device = None if tensor is None else tensor.device

    def given(value: Any) -> Any:
        if isinstance(value, tuple) and value and all(type(n) is int for n in value):
            return torch.randn(value, device=device)
        if not isinstance(value, torch.Tensor) or device is None:
            return value
        return torch.empty_like(value, device=device) if value.is_meta else value.to(device)

    args, named = tuple(map(given, inputs)), {k: given(v) for k, v in kwargs.items()}
    found = capture(module, args, named)
    return of_samples(module, args, named, found, _named(type(module).__name__))


def read(address: str, inputs: Mapping[str, str]) -> Graph:
    """The graph of the module at an address, ``timm:create_model('resnet50')``, ``net.pt2``.

    ``inputs`` are shapes without the batch by the argument's name, ``""`` for the first one:
    ``3x224x224``, ``int64:128``. Raises :class:`ArchcalcError`.
    """
    require_torch()
    if address.endswith(exported.ENDING):
        return exported.read(address, inputs)
    factory, args, kwargs = _imported(address)
    texts = [arg for arg in args if isinstance(arg, str)]
    name = texts[0] if texts else address.partition("(")[0].rpartition(":")[2].rpartition(".")[2]
    return of_factory(f"torch:{address}", factory, args, kwargs, inputs, name)


def of_factory(
    address: str,
    factory: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inputs: Mapping[str, str],
    name: str,
) -> Graph:
    """The graph of the module that a function makes; ``address`` stands for it in messages."""
    import torch

    from archcalc.frontends.torch.assemble import assemble
    from archcalc.frontends.torch.batches import with_axes
    from archcalc.frontends.torch.capture import at_inference, capture
    from archcalc.frontends.torch.numbers import Making

    failure: ArchcalcError | None = None
    for devices in (("meta", "cpu"), ("cpu",)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            making = Making()
            module, device = _made(address, factory, args, kwargs, devices, making)
            at_inference(module)
            shapes = inputs or _known_inputs(module)
            if not shapes:
                raise ArchcalcError(
                    f"{address}: which input? --input 3x224x224, or --input NAME=int64:128"
                )
            given, tensors = _given(shapes, device)
        try:
            found = capture(module, given, tensors, at_most=device == "cpu")
            found = replace(found, making=making, called=any(inputs))
            graph = assemble(found, _named(name))
            return with_axes(graph, module, given, tensors)
        except ArchcalcError as error:
            failure = failure or error
            if device == "cpu":
                break
            if (size := _bytes(module)) > _memory() / 4:
                raise ArchcalcError(
                    f"{failure}\n  it would have to be run, and its weights alone take "
                    f"{size / 1e9:.1f} GB: more than a quarter of this machine's memory"
                ) from None
    assert failure is not None
    # Of a graph's nodes and edges there is no batch: the shapes are whole as they are written.
    whole = _given(shapes, device, whole=True)
    if _runs(module, *_given(shapes, device)) or not _runs(module, *whole):
        raise failure
    found = replace(capture(module, *whole), making=making, called=any(inputs))
    return assemble(found, _named(name), whole=True)


def _bytes(module: Any) -> int:
    from torch.nn.parameter import is_lazy

    tensors = (*module.parameters(), *module.buffers())
    return sum(each.numel() * each.element_size() for each in tensors if not is_lazy(each))


def _memory() -> float:
    """Bytes that the machine has; infinity where it doesn't say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError):
        return inf


def _given(
    shapes: Mapping[str, str], device: str, whole: bool = False
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a module is called with, by its places and by its names."""
    tensors = {said: _tensor(said, text, device, whole) for said, text in shapes.items()}
    return tuple(tensors.pop(said) for said in ("",) if said in tensors), tensors


def _runs(module: Any, args: Any, kwargs: Any) -> bool:
    """Whether an ordinary call ends well."""
    import torch

    from archcalc.frontends.torch.capture import quiet

    try:
        with quiet(), torch.no_grad():
            module(*args, **kwargs)
    except Exception:  # whatever a stranger's code raises
        return False
    return True


def _named(text: str) -> str:
    name = re.sub(r"[^\w-]", "_", text)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


# What code makes --------------------------------------------------------------------------------


def _made(
    address: str,
    factory: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    devices: tuple[str, ...],
    making: AbstractContextManager[Any],
) -> tuple[Any, str]:
    import torch

    failure: Exception | None = None
    for device in devices:
        try:
            if isinstance(factory, torch.nn.Module):
                return factory, str(next(factory.parameters(), torch.empty(0)).device)
            with torch.device(device), making, redirect_stdout(sys.stderr):
                found = factory(*args, **kwargs)
        except Exception as error:  # whatever a stranger's code raises
            failure = error
            continue
        if not isinstance(found, torch.nn.Module):
            raise ArchcalcError(f"{address} makes a {type(found).__name__}, and no torch.nn.Module")
        return found, device
    from archcalc.frontends.torch.capture import first_line

    assert failure is not None
    raise ArchcalcError(f"{address}: can't be made: {first_line(failure)}")


def _imported(address: str) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """The function of an address and the literal arguments it is called with."""
    match = re.fullmatch(
        r"(?P<home>[^:()]+):(?P<names>[\w.]+)(?P<call>\(.*\))?", address, re.DOTALL
    )
    if match is None:
        raise ArchcalcError(
            f"torch:{address}: write torch:package.module:factory, torch:file.py:factory, or with "
            "literal arguments, torch:timm:create_model('resnet50')"
        )
    args, kwargs = _literals(address, match["call"] or "()")
    with importable():
        found = _module(address, match["home"])
        for name in match["names"].split("."):
            if not _has(address, found, name):
                known = [word for word in vars(found) if not word.startswith("_")]
                hint = did_you_mean(name, known)
                raise ArchcalcError(
                    f"torch:{address}: {match['home']} has no '{name}'"
                    + (f"\n  {hint}" * bool(hint))
                )
            found = getattr(found, name)
    _require_callable(address, found, args, kwargs)
    return found, args, kwargs


def _has(address: str, found: Any, name: str) -> bool:
    """Whether there is something of a name; a package may import what has it only now."""
    try:
        with redirect_stdout(sys.stderr):
            return hasattr(found, name)
    except Exception as error:  # whatever a stranger's code raises
        raise _not_imported(address, name, error) from error


def _not_imported(address: str, name: str, error: Exception) -> ArchcalcError:
    from archcalc.frontends.torch.capture import first_line

    while isinstance(error, (RuntimeError, ImportError)) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what packages say of a failure is that there was one
    return ArchcalcError(f"torch:{address}: {name} can't be imported: {first_line(error)}")


def _require_callable(address: str, found: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Raise :class:`ArchcalcError` for what is no factory, or needs other arguments."""
    import torch

    if isinstance(found, torch.nn.Module):
        return
    if not callable(found):
        kind = type(found).__name__
        raise ArchcalcError(
            f"torch:{address}: is a {kind}, and neither a torch.nn.Module nor what makes one"
        )
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return  # of what is written in C nothing is known
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        name = getattr(found, "__name__", "it")
        raise ArchcalcError(
            f"torch:{address}: {error}\n"
            f"  it is {name}{_briefly(signature)}: write the arguments as literals, "
            f"torch:...:{name}(...)\n"
            "  where they are none, name a function of your own that makes the module"
        ) from None


def _briefly(signature: inspect.Signature) -> str:
    """The arguments of a function, without their types."""
    parameters = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return str(inspect.Signature(parameters))


def _module(address: str, home: str) -> Any:
    try:
        if not home.endswith(".py"):
            with redirect_stdout(sys.stderr):
                return importlib.import_module(home)
        spec = importlib.util.spec_from_file_location(Path(home).stem, home)
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(found)
        return found
    except Exception as error:  # whatever a stranger's code raises
        if isinstance(error, ModuleNotFoundError) and home.startswith(str(error.name)):
            said = f"no module '{error.name}', neither installed nor in {Path.cwd()}"
            hint = "\n  of a file write its name, torch:net.py:Net" if "/" not in home else ""
            raise ArchcalcError(f"torch:{address}: {said}{hint}") from None
        if isinstance(error, FileNotFoundError) and not Path(home).is_file():
            raise ArchcalcError(f"torch:{address}: no such file as {home}") from None
        raise _not_imported(address, home, error) from error


@contextmanager
def importable() -> Iterator[None]:
    """With the current folder where Python looks for modules."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _literals(address: str, call: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        tree = ast.parse(f"_{call}", mode="eval").body
        assert isinstance(tree, ast.Call)
        args = tuple(ast.literal_eval(arg) for arg in tree.args)
        kwargs = {str(each.arg): ast.literal_eval(each.value) for each in tree.keywords if each.arg}
    except (SyntaxError, ValueError, AssertionError, RecursionError, MemoryError):
        raise ArchcalcError(
            f"torch:{address}: arguments are literals: numbers, text, lists, True, None"
        ) from None
    return args, kwargs


# Inputs -----------------------------------------------------------------------------------------


def _known_inputs(module: Any) -> dict[str, str]:
    """What a module says itself of its input: timm's and transformers' do."""
    said = getattr(module, "default_cfg", None)
    size = said.get("input_size") if isinstance(said, dict) else getattr(said, "input_size", None)
    if isinstance(size, (tuple, list)) and all(type(n) is int for n in size):
        return {"": "x".join(map(str, size))}
    config = getattr(module, "config", None)
    name = getattr(module, "main_input_name", None)
    if config is None or name is None:
        return {}
    if name == "input_ids":
        return {name: "int64:128"}
    side = getattr(config, "image_size", None)
    if name == "pixel_values" and side is not None:
        sides = [side, side] if isinstance(side, int) else list(side)
        channels = getattr(config, "num_channels", 3)
        return {name: "x".join(map(str, (channels, *sides)))}
    return {}


def _tensor(name: str, text: str, device: str, unbatched: bool = False) -> Any:
    import torch

    said = f"--input {name}={text}" if name else f"--input {text}"
    alone = text in DTYPES  # one number a sample, such as its step in time
    dtype, colon, shape = (text, "", "") if alone else text.rpartition(":")
    dtype = dtype or "float32"
    if dtype not in DTYPES:
        hint = did_you_mean(dtype, DTYPES) or f"known: {', '.join(DTYPES)}"
        raise ArchcalcError(f"{said}: no dtype '{dtype}'\n  {hint}")
    if not alone and not re.fullmatch(r"\d{1,13}(?:[x,]\d{1,13})*", shape, re.ASCII):
        raise ArchcalcError(f"{said}: is no shape\n  write 3x224x224, without the batch")
    sizes = [int(n) for n in re.split("[x,]", shape) if not alone]
    if not all(1 <= n <= LARGEST for n in sizes):
        raise ArchcalcError(f"{said}: an extent should be from 1 to {LARGEST:,}")
    # With a dtype people write a whole shape, ids=int64:1x128, whose first axis is the batch.
    whole = unbatched or (bool(colon) and len(sizes) > 1 and sizes[0] == 1)
    made = torch.zeros(
        tuple(sizes) if whole else (1, *sizes), dtype=getattr(torch, dtype), device=device
    )
    return made.normal_() if made.is_floating_point() else made
