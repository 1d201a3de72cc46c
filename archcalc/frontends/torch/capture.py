"""A PyTorch module as one list of operations, without running it where that can be.

``torch.export`` follows a module with tensors that have shapes and no numbers, and gives the ATen
operators that it calls, in order, before any is decomposed: ``aten.conv2d``, ``aten.linear``. A
module that can't be followed so is tried in other ways, and the capture says in which it was had.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import inspect
import io
import opcode
import operator
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from archcalc.errors import ArchcalcError
from archcalc.frontends.torch.reasons import line_of, told
from archcalc.values import Remembering

MOST_NUMBERS = 256
"""Of a constant that is written with its numbers."""


@dataclass(frozen=True)
class Held:
    """A tensor that the module holds: a parameter, a buffer, or a constant of its code."""

    name: str
    """Its first name in the module: ``layer1.0.conv1.weight``."""
    kind: str
    """``parameter``, ``buffer`` or ``constant``."""
    shape: tuple[int, ...]
    dtype: str = ""
    """``int64``; ``""`` for one of floating-point numbers."""


@dataclass(frozen=True)
class Capture(Remembering):
    """What a module does with inputs of given shapes."""

    graph: fx.Graph
    held: Mapping[str, Held]
    """Node -> the tensor that it stands for."""
    inputs: Mapping[str, str]
    """Node -> the name of the argument that it stands for."""
    outputs: Sequence[fx.Node]
    parameters: Mapping[str, tuple[int, ...]]
    """All parameters of the module, used or not, each once."""
    buffers: Mapping[str, tuple[int, ...]]
    classes: Mapping[str, str]
    """The way to a submodule -> its class, ``torch.nn.modules.conv.Conv2d``."""
    module: nn.Module | None
    """The module itself, if it is at hand."""
    how: str
    """In which way it was had."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Node -> what a small constant of the module's code holds, in lists."""

    @cached_property
    def unsaved(self) -> frozenset[str]:
        """Buffers that ``state_dict`` leaves out."""
        if self.module is None:
            return frozenset()
        saved = self.module.state_dict(keep_vars=True)
        return frozenset(self.buffers) - saved.keys()


def capture(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Capture:
    """Follow a module at inference on these inputs, whose numbers do not matter.

    ``say`` is told before another way is tried. Raises :class:`ArchcalcError` with what each way
    said if there is none. The module is left as it was.
    """
    kwargs = dict(kwargs or {})
    with _as_it_was(module):
        found = _followed(module, args, kwargs, say)
    parameters, buffers = _owned(module)
    return replace(found, parameters=parameters, buffers=buffers)


def _followed(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], say: Callable[[str], None]
) -> Capture:
    """The capture in the first way that there is one."""
    # transformers' decoders give a cache besides, of a kind that no graph has.
    configs = {id(c): c for m in module.modules() if (c := getattr(m, "config", None)) is not None}
    caching = [config for config in configs.values() if getattr(config, "use_cache", None) is True]
    failures: list[str] = []
    module.eval()
    plain = module.register_forward_hook(lambda _module, _inputs, output: _plainly(output))
    try:
        for config in caching:
            config.use_cache = False
        for how, way in _WAYS.items():
            if failures:
                say(f"{failures[-1]}; trying {how}")
            try:
                with quiet():
                    fresh_args, fresh_kwargs = tree_map(_fresh, (args, kwargs))
                    return way(module, fresh_args, fresh_kwargs)
            except Exception as error:
                failures.append(f"{how}: {first_line(error)}")
            finally:
                if failures:
                    with quiet():  # logs that PyTorch leaves open would be told of later
                        gc.collect()
    finally:
        plain.remove()
        for config in caching:
            config.use_cache = True
    with quiet():
        given, named = tree_map(_fresh, (args, kwargs))
        said = told(module, given, named, failures)
    raise ArchcalcError(said)


@contextlib.contextmanager
def _as_it_was(module: nn.Module) -> Iterator[None]:
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


def _plainly(output: Any) -> Any:
    """What a module gives, without a class of its author's, which PyTorch doesn't look into."""
    if dataclasses.is_dataclass(output) and not isinstance(output, Mapping):
        return {f.name: _plainly(getattr(output, f.name)) for f in dataclasses.fields(output)}
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


# The ways ---------------------------------------------------------------------------------------


def _exported(module: nn.Module, args: Any, kwargs: Any, how: str = "") -> Capture:
    from torch.fx.traceback import preserve_node_meta

    with _Signs(), preserve_node_meta():
        program = torch.export.export(module, args, kwargs, strict=False)
    if _is_open(program.graph):
        raise ArchcalcError(_OPEN)
    return read(program, module, how or PLAIN)


def _boxed(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    """A detector, which keeps as many boxes as its numbers say: with all that it may keep."""
    return _at_most(module, args, kwargs, f"{PLAIN} with all boxes that are kept at most", True)


def _at_most(
    module: nn.Module, args: Any, kwargs: Any, how: str = "", detector: bool = False
) -> Capture:
    from archcalc.frontends.torch.most import AtMost

    with AtMost() as mode:
        found = _exported(module, args, kwargs, how or AT_MOST)
    if detector and not mode.boxes:
        raise ArchcalcError("it sorts out no boxes")
    return found


class _Signs(TorchFunctionMode):
    """Notes where a sum or a product is written with a sign, ``a @ b``, and not by its name.

    PyTorch has one name for both; the instruction of the code that calls tells them apart.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function."""
        from torch.fx.traceback import annotate

        if getattr(func, "__name__", "") not in ("add", "mul", "matmul"):
            return func(*args, **(kwargs or {}))
        frame = inspect.currentframe()
        while frame is not None and frame.f_code.co_filename.startswith((_TORCH, __file__)):
            frame = frame.f_back
        signed = frame is not None and frame.f_code.co_code[frame.f_lasti] == _BINARY
        with annotate({_SIGN: signed}):
            return func(*args, **(kwargs or {}))


_TORCH = str(Path(torch.__file__).parent)
_BINARY = opcode.opmap["BINARY_OP"]
_SIGN = "archcalc_sign"


def _strictly(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    program = torch.export.export(module, args, kwargs, strict=True)
    if _is_open(program.graph):
        raise ArchcalcError(_OPEN)
    return read(program, module, f"{PLAIN}, strictly")


def _drafted(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    from torch.export import draft_export

    program = draft_export(module, args, kwargs)
    if _has_no_numbers(module, *_flat(args, kwargs)[0]) and _is_open(program.graph):
        raise ArchcalcError(_OPEN)  # it takes all sizes for zero
    return read(program, module, "torch.export.draft_export")


def _executed(module: nn.Module, args: Any, kwargs: Any) -> Capture:
    """Run on the CPU with numbers: what depends on them goes the way that they lead."""
    from torch.fx.experimental.proxy_tensor import make_fx

    tensors, rebuilt = _flat(args, kwargs)
    if _has_no_numbers(module, *tensors):
        raise ArchcalcError("it has tensors without numbers, and can't be run")
    kept: list[Any] = []

    def run(*given: Tensor) -> Any:
        positional, named = rebuilt(given)
        kept[:] = [module(*positional, **named)]
        return [leaf for leaf in tree_leaves(kept[0]) if isinstance(leaf, Tensor)]

    made = make_fx(run, tracing_mode="real", pre_dispatch=True, _error_on_data_dependent_ops=False)(
        *tensors
    )
    held = {}
    known = known_of(module)
    for node in made.graph.nodes:
        if node.op == "get_attr":
            value = getattr(made, str(node.target))
            if isinstance(value, Tensor):
                name = str(node.target).strip("_")
                held[node.name] = known.get(id(value)) or held_as(name, "constant", value)
    names = _argument_names(module, args, kwargs)
    placeholders = [node for node in made.graph.nodes if node.op == "placeholder"]
    inputs = {n.name: name for n, name in zip(placeholders, names, strict=True)}
    return _capture(made.graph, held, inputs, module, "running it on the CPU")


PLAIN = "torch.export"
"""The way in which nearly all modules are had."""
AT_MOST = f"{PLAIN} with what depends on numbers at its largest"

_WAYS: Mapping[str, Callable[[nn.Module, Any, Any], Capture]] = {
    PLAIN: _exported,
    f"{PLAIN} with boxes": _boxed,
    f"{PLAIN}, strictly": _strictly,
    f"{PLAIN}.draft_export": _drafted,
    "running it on the CPU": _executed,
    AT_MOST: _at_most,
}


def _has_no_numbers(module: nn.Module, *inputs: Tensor) -> bool:
    return any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers(), *inputs))


_OPEN = "sizes depend on numbers"


def _is_open(graph: fx.Graph) -> bool:
    """Whether a size in it is not known."""
    sizes = (
        size
        for node in graph.nodes
        for leaf in tree_leaves(node.meta.get("val"))
        if isinstance(leaf, Tensor)
        for size in leaf.shape
    )
    return any(isinstance(size, torch.SymInt) for size in sizes)


def _flat(args: Any, kwargs: Any) -> tuple[list[Tensor], Callable[[Sequence[Tensor]], Any]]:
    from torch.utils._pytree import tree_flatten, tree_unflatten

    leaves, spec = tree_flatten((args, kwargs))
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]

    def rebuilt(tensors: Sequence[Tensor]) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        return tree_unflatten(filled, spec)

    return [leaves[place] for place in places], rebuilt


def _argument_names(module: nn.Module, args: Any, kwargs: Any) -> list[str]:
    """A name for each tensor among the inputs: the argument's, and its place in it."""
    from torch.utils._pytree import tree_flatten_with_path

    signature = inspect.signature(module.forward)
    try:
        bound: Mapping[str, Any] = signature.bind(*args, **kwargs).arguments
    except TypeError:
        bound = {**{f"input_{k}": value for k, value in enumerate(args)}, **kwargs}
    names = []
    for argument, value in bound.items():
        for path, leaf in tree_flatten_with_path(value)[0]:
            if isinstance(leaf, Tensor):
                parts = [argument, *(re.sub(r"\W", "", str(key)) for key in path)]
                names.append("_".join(filter(None, parts)))
    return names


# Reading ----------------------------------------------------------------------------------------


def read(program: torch.export.ExportedProgram, module: nn.Module | None, how: str) -> Capture:
    """The capture that an exported program holds; without its module, by the program's own word."""
    from torch.export.graph_signature import InputKind

    _inline(program.graph, program.graph_module)
    kinds = {
        InputKind.PARAMETER: "parameter",
        InputKind.BUFFER: "buffer",
        InputKind.CONSTANT_TENSOR: "constant",
    }
    known = _by_name(module) if module is not None else _stored(program)
    held: dict[str, Held] = {}
    inputs: dict[str, str] = {}
    nodes = {node.name: node for node in program.graph.nodes}
    for spec in program.graph_signature.input_specs:
        name = getattr(spec.arg, "name", None)
        if name is None:
            continue
        if spec.kind in kinds:
            target = str(spec.target)
            tensor = nodes[name].meta["val"]
            held[name] = known.get(target) or held_as(target, kinds[spec.kind], tensor)
        elif spec.kind is InputKind.USER_INPUT and name in nodes:
            inputs[name] = name
    numbers = {
        name: tensor.tolist()
        for name, each in held.items()
        if each.kind == "constant"
        and isinstance(tensor := program.constants.get(each.name), Tensor)
        if tensor.numel() <= MOST_NUMBERS and not tensor.is_meta
    }
    if module is not None:
        return replace(_capture(program.graph, held, inputs, module, how), numbers=numbers)
    tensors = [*known.values(), *held.values()]
    parameters, buffers = (
        {h.name: h.shape for h in tensors if h.kind == kind} for kind in ("parameter", "buffer")
    )
    classes = {path: name for node in program.graph.nodes for path, name, _ in stack(node)}
    outputs = outputs_of(program.graph)
    return Capture(
        program.graph, held, inputs, outputs, parameters, buffers, classes, None, how, numbers
    )


def held_as(name: str, kind: str, tensor: Tensor) -> Held:
    """What is held of a tensor."""
    dtype = "" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return Held(name, kind, tuple(tensor.shape), dtype)


def _by_name(module: nn.Module) -> dict[str, Held]:
    """The tensors of a module by each of their names."""
    known = known_of(module)
    return {
        alias: known[id(tensor)]
        for table in (module.named_parameters, module.named_buffers)
        for alias, tensor in table(remove_duplicate=False)
    }


def _stored(program: torch.export.ExportedProgram) -> dict[str, Held]:
    """The tensors that a program keeps, by each of their names: tied ones lie in one place."""
    found: dict[str, Held] = {}
    first: dict[Any, Held] = {}
    trained = set(program.graph_signature.parameters)
    for name, tensor in program.state_dict.items():
        kind = "parameter" if name in trained or isinstance(tensor, nn.Parameter) else "buffer"
        held = held_as(name, kind, tensor)
        place = (tensor.data_ptr(), tensor.shape, kind) if tensor.numel() else name
        found[name] = first.setdefault(place, held)
    return found


def _inline(graph: fx.Graph, home: nn.Module) -> None:
    """Put what runs under another setting, without gradients or in half precision, in its place."""
    for node in list(graph.nodes):
        if not str(node.target).startswith("wrap_with_"):
            continue
        at = next(k for k, each in enumerate(node.args) if _is_graph(each, home))
        inner = home.get_submodule(str(node.args[at].target))
        assert isinstance(inner, fx.GraphModule)
        _inline(inner.graph, inner)
        holders = [each for each in inner.graph.nodes if each.op == "placeholder"]
        given = dict(zip(holders, node.args[at + 1 :], strict=True))
        with graph.inserting_before(node):
            made = graph.graph_copy(inner.graph, given)
        results = made if isinstance(made, (tuple, list)) else [made]
        for user in list(node.users):
            if user.target is GETITEM:
                user.replace_all_uses_with(results[user.args[1]])
                graph.erase_node(user)
        if node.users:
            node.replace_all_uses_with(results[0])
        graph.erase_node(node)


def _is_graph(value: Any, home: nn.Module) -> bool:
    return (
        isinstance(value, fx.Node)
        and value.op == "get_attr"
        and isinstance(getattr(home, str(value.target), None), fx.GraphModule)
    )


def known_of(module: nn.Module) -> dict[int, Held]:
    """Tensor -> what it is called first."""
    found = {}
    for kind, table in (
        ("parameter", module.named_parameters()),
        ("buffer", module.named_buffers()),
    ):
        for name, tensor in table:
            found[id(tensor)] = held_as(name, kind, tensor)
    return found


def _owned(module: nn.Module) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The parameters and the buffers of a module, each once."""
    return (
        {name: tuple(tensor.shape) for name, tensor in module.named_parameters()},
        {name: tuple(tensor.shape) for name, tensor in module.named_buffers()},
    )


def _capture(
    graph: fx.Graph,
    held: Mapping[str, Held],
    inputs: Mapping[str, str],
    module: nn.Module,
    how: str,
) -> Capture:
    return Capture(
        graph,
        held,
        inputs,
        outputs_of(graph),
        *_owned(module),
        {
            name: f"{type(inner).__module__}.{type(inner).__qualname__}"
            for name, inner in module.named_modules(remove_duplicate=False)
        },
        module,
        how,
    )


def outputs_of(graph: fx.Graph) -> list[fx.Node]:
    """The tensors that a graph gives."""
    (last,) = [node for node in graph.nodes if node.op == "output"]
    return [leaf for leaf in tree_leaves(last.args) if isinstance(leaf, fx.Node)]


def stack(node: fx.Node) -> list[tuple[str, str, int]]:
    """The submodules that a node stands in, from the outermost: way, class, number of the call."""
    found = []
    for key, (path, kind) in (node.meta.get("nn_module_stack") or {}).items():
        name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        call = re.search(r"@(\d+)$", str(key))
        path = re.sub(r"@\d+$", "", path)
        found.append((path, name, int(call[1]) if call else 0))
    return found


def function_of(node: fx.Node) -> str:
    """The function of Python that a call is: ``F.relu``, ``torch.relu``, ``Tensor.add``.

    ``operator.add`` is a sign between two tensors. ``""`` where that isn't known.
    """
    kind, _, name = str((node.meta.get("torch_fn") or ("", ""))[1]).rpartition(".")
    if kind in ("method_descriptor", "wrapper_descriptor"):
        signed = (node.meta.get("custom") or {}).get(_SIGN, True)
        return f"operator.{name}" if signed else f"Tensor.{name}"
    if kind == "builtin_function_or_method":
        same = getattr(functional, name, None)
        return f"F.{name}" if isinstance(same, BuiltinFunctionType) else f"torch.{name}"
    return f"F.{name}" if kind == "function" and hasattr(functional, name) else ""


def shape_of(node: fx.Node) -> Any:
    """The sizes of what a node gives, or a list of those of several; None for what is no tensor."""
    value = node.meta.get("val")
    if value is None and (said := node.meta.get("tensor_meta")) is not None:
        value = said
    return _shapes(value)


def _shapes(value: Any) -> Any:
    if hasattr(value, "shape"):
        return tuple(int(n) for n in value.shape)
    if isinstance(value, (list, tuple)):
        return [_shapes(item) for item in value]
    return None


GETITEM = operator.getitem
