"""``export`` to PyTorch: the source code of a network, to be read and run without archcalc."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import prod

from archcalc.analysis.analyze import analyze
from archcalc.analysis.counted import Analysis
from archcalc.dims import Shape
from archcalc.errors import ShapeError
from archcalc.operators.parametrization import STANDARDIZATIONS
from archcalc.pytorch.naming import attributes, authors, paths
from archcalc.pytorch.perform import require_torch
from archcalc.pytorch.writer.authored import authored
from archcalc.pytorch.writer.blocks import blocks
from archcalc.pytorch.writer.classes import classes as classes_of
from archcalc.pytorch.writer.code import WIDTH, Bracket, Code, broken
from archcalc.pytorch.writer.forward import Forward
from archcalc.pytorch.writer.library import Class, Library
from archcalc.pytorch.writer.naming import access, class_name, put
from archcalc.pytorch.writer.spelling import (
    EACH_WEIGHT,
    HELD,
    PARAMETRIZED,
    UNPACKED,
    arguments,
    is_module,
    target_of,
)
from archcalc.pytorch.writer.steps import Ref
from archcalc.spec.frozen import frozen_names
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec
from archcalc.spec.written import name_of


def source(graph: Graph, spec: Spec | None = None) -> str:
    """Python source code that defines the network as a ``torch.nn.Module``, and needs PyTorch only.

    Each block is a class, of which equal blocks are made with different arguments. With the
    ``spec`` that the graph was expanded from, classes and arguments have its names. Submodules are
    named as in :func:`archcalc.build`, so each loads the other's ``state_dict``; those of a graph
    that was captured are the module's, whose ``state_dict`` it loads. Raises
    :class:`ArchcalcError` when PyTorch is not installed.
    """
    require_torch()
    about, graph = graph, _of_one(graph)
    named = authored(graph)
    if named is not graph:
        graph, spec = named, None
    captured = any(node.origin is not None for node in graph.nodes)
    naming = authors if captured else attributes
    top = blocks(graph, spec, naming)
    library = classes_of(top, class_name(graph.name), graph)
    used = {target_of(call) for call in library.calls.values() if is_module(call)}
    own = sorted(target for target in used if target.startswith("archcalc."))
    classes = []
    for cls in library.classes:
        training: Sequence[Ref] = ()
        ties: list[str] = []
        if cls is library.top:
            count = len(graph.training_outputs)
            training = cls.outputs[len(cls.outputs) - count :] if count else ()
            ties = [
                *_ties(library, paths(graph, naming), graph),
                *_frozen(paths(graph, naming), graph),
                *_second_names(graph),
            ]
        classes.append("\n".join(_class(library, cls, training, ties, spec, graph)))
    needed = [target.removeprefix("archcalc.") for target in own]
    helpers = (EACH_WEIGHT, PARAMETRIZED, UNPACKED, *STANDARDIZATIONS)
    needed += (f for f in helpers if any(f"{f}(" in c for c in classes))
    extra, imports = _modules(needed)
    body = "\n\n\n".join([*extra, *classes])
    head = [f'"""{line}' if k == 0 else line for k, line in enumerate(_about(about, spec))]
    lines = [*head, '"""', ""]
    lines += sorted(line for line in imports if not line.startswith("from torch"))
    lines += [""] if len(lines) > len(head) + 2 else []
    if re.search(r"\btorch\.", body):
        lines.append("import torch")
    lines.append(f"from torch import {'Tensor, ' if 'Tensor' in body else ''}nn")
    if re.search(r"\bF\.", body):
        lines.append("from torch.nn import functional as F")
    # As ruff has it: two empty lines before a class, one before anything else.
    gap = "\n\n" if body.startswith(("class", "def")) else "\n"
    return "\n".join(lines) + f"\n{gap}{body}\n"


def _of_one(graph: Graph) -> Graph:
    """The graph of one sample, if its author's calls were captured of one."""
    batch = next(iter(graph.inputs.values()))[0]
    if batch == 1 or all(node.spelled is None for node in graph.nodes):
        return graph
    try:
        one = graph.on(1)
    except ShapeError:
        return graph
    calls = [(node.spelled, node.input_shapes) for node in one.nodes if node.spelled is not None]
    same = all(
        prod(taken.shape) == prod(shapes[taken.number])
        for call, shapes in calls
        for taken in call.taken
        if taken.number < len(shapes)
    )
    return one if same else graph


def _about(graph: Graph, spec: Spec | None) -> Iterator[str]:
    """What the module's docstring says: where the network is from, and its numbers."""
    from textwrap import wrap

    spelled = any(node.spelled is not None for node in graph.nodes)
    analysis: Analysis = analyze(graph, allow_unknown=spelled)
    year = f" ({graph.year})" if graph.year else ""
    title = " ".join(graph.title.split())
    first = f"{graph.name}: {title}{year}." if title else f"{graph.name}."
    yield from wrap(_plain(first), WIDTH - 3)
    yield ""
    if graph.edition:
        edition = " ".join(graph.edition.split())
        yield from wrap(_plain(f"{edition[0].upper()}{edition[1:]}."), WIDTH)
    inputs = ", ".join(
        f"{'' if len(graph.inputs) == 1 else f'{name} '}{' x '.join(map(str, shape[1:]))}"
        for name, shape in graph.inputs.items()
    )
    batch = next(iter(graph.inputs.values()))[0]
    given = inputs if batch == 1 else f"a batch of {batch} of {inputs}"
    least = "at least " if analysis.partial else ""
    numbers = f"{analysis.params:,} parameters, {least}{analysis.macs:,} multiply-accumulates"
    numbers += f" for {given}."
    yield from wrap(numbers, WIDTH)
    for source in spec.source if spec is not None else ():
        yield from wrap(_plain(source), WIDTH, break_long_words=False, break_on_hyphens=False)


def _plain(text: str) -> str:
    """Text that a docstring can hold, whoever wrote it."""
    return text.replace("\\", "/").replace('"""', "'''").replace('"', "'")


def _class(
    library: Library,
    cls: Class,
    training: Sequence[Ref],
    ties: Sequence[str],
    spec: Spec | None,
    graph: Graph,
) -> Iterator[str]:
    top = cls is library.top
    forward = Forward(
        library,
        cls,
        training,
        _turned(cls, graph) if top else {},
        _dropped(cls, graph) if top else (),
        batched=graph.batched or not top,
    )
    method = forward.text()
    whole = _is_sequential(library, cls)
    base = "Sequential" if whole else "ModuleList" if _numbered(cls) else "Module"
    yield f"class {cls.name}(nn.{base}):"
    if top:
        title = _plain(" ".join(graph.title.split())) or graph.name
        lost = _lost(graph)
        if len(title) + 11 <= WIDTH or lost:
            yield f'    """{title}.' + ("" if lost else '"""')
            yield from (f"    {line}" if line else "" for line in lost)
            yield ""
    if cls.lines or cls.params or ties:
        yield from _constructor(cls, forward, ties, whole)
    if whole or not cls.outputs:  # what nothing calls only stores
        return
    if cls.lines or cls.params or ties:
        yield ""
    yield from (f"    {line}" if line else line for line in method)


def _turned(cls: Class, graph: Graph) -> Mapping[Ref, str]:
    """What makes of the network's outputs those of its author, who has no axis there."""
    nodes = {node.name: node for node in graph.nodes}
    found = {}
    inside = graph.sampled()
    for ref, name in zip(cls.outputs, graph.outputs, strict=False):
        node = nodes.get(name)
        gives = None if node is None or node.origin is None else node.origin.gives
        if not graph.batched:
            found[ref] = _without_batch(nodes[name].shape if node else graph.inputs[name], gives)
            continue
        if node is not None and node.origin is not None and name not in inside:
            found[ref] = _of_first(node.shape, gives)  # the same for all samples
            continue
        if node is None or gives is None or len(gives) >= len(node.shape):
            continue
        if node.origin is not None and node.origin.axis < 0:
            found[ref] = ".squeeze(0)"
        elif node.origin is not None and node.origin.axis:
            axis = node.origin.axis
            found[ref] = f".squeeze({axis + 1}).movedim(0, {axis})"
        elif prod(node.shape[1:]) == 1:
            found[ref] = ".flatten()" if gives else ".squeeze()"
        elif node.shape[1:] == gives:
            found[ref] = ".flatten(0, 1)"
    return found


def _of_first(shape: Shape, gives: Shape | None) -> str:
    """What makes of an output that no sample is in that of its author, who has it once."""
    if gives is None or shape == gives:
        return "[:1]"
    return "[0]" if shape[1:] == gives else f"[0].reshape({gives})"


def _without_batch(shape: Shape, gives: Shape | None) -> str:
    """What makes of an output that of an author who has no batch."""
    if gives is None or shape[1:] == gives:
        return ".squeeze(0)"
    return "" if shape == gives else f".reshape({gives})"


def _dropped(cls: Class, graph: Graph) -> list[Ref]:
    """Outputs of the network that its author computes and doesn't return."""
    dropped = {node.name for node in graph.nodes if node.origin and node.origin.dropped}
    found = [ref for ref, name in zip(cls.outputs, graph.outputs, strict=False) if name in dropped]
    return found if len(found) < len(graph.outputs) else []


LOST = "Made up, since no state_dict has them and it isn't known what they are: "
"""What a class says of tensors whose numbers its module has and the source has not."""
UNSAID = "Not what the module computes, since it isn't known how to say that: "
"""What a class says of layers whose author calls something else."""

ROUNDED = "No number is rounded here to the bits that the module keeps of it, or would keep."
"""What the class of a quantized network says, or of one that is trained to be."""


def _lost(graph: Graph) -> list[str]:
    """What the network's class says of what is not its module's, and the end of its docstring."""
    from textwrap import wrap

    lost: dict[str, str] = {}
    unsaid: dict[str, str] = {}
    for node in graph.nodes:
        origin = node.origin
        tensor = None if origin is None else origin.tensor
        if tensor is not None and not tensor.saved and tensor.numbers is None and not node.spelled:
            lost[node.name] = "x".join(map(str, tensor.shape)) or "1"
        if origin is not None and origin.unsaid:
            unsaid[node.name] = origin.function or name_of(node.op)
    rounded = bool(graph.bits) or any(kind.endswith("._Watched") for kind in graph.modules.values())
    if not (lost or unsaid or rounded):
        return []
    said = [ROUNDED] * rounded
    for head, found in ((LOST, lost), (UNSAID, unsaid)):
        text = head + ", ".join(f"{name} ({what})" for name, what in found.items()) + "."
        said += wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False) * bool(found)
    return ["", *said, '"""']


def _numbered(cls: Class) -> list[str]:
    """The numbers that submodules have for names, or stand in."""
    lines = [name for name, code in cls.lines if not (name.isdigit() and _is_parameter(code))]
    tops = {name.partition(".")[0] for name in lines}
    return sorted(filter(str.isdigit, tops), key=int)


def _is_sequential(library: Library, cls: Class) -> bool:
    """Whether a class does no more than to apply its numbered submodules in a row."""
    steps = cls.steps
    before: list[Ref] = [("port", 0, 0), *(("step", k, 0) for k in range(len(steps)))]
    return (
        cls is not library.top
        and len(steps) > 0
        and _numbered(cls) == [str(k) for k in range(len(steps))]
        and [step.child for step in steps] == _numbered(cls)
        and all(step.form == "call" and len(step.gives) == 1 for step in steps)
        and all(step.takes == (ref,) for step, ref in zip(steps, before, strict=False))
        and tuple(cls.outputs) == (before[-1],)
        and all(s.unit.node is None or is_module(library.call(s.unit.node)) for s in steps)
    )


def _constructor(cls: Class, forward: Forward, ties: Sequence[str], whole: bool) -> Iterator[str]:
    params = []
    for param in cls.params:
        default = "" if param.default_text is None else f" = {param.default_text}"
        params.append(f"{param.name}: {param.annotation}{default}")
    yield from broken(Bracket("def __init__(", ["self", *params], ") -> None:"), 4)
    if whole:
        for name, text in cls.locals.items():
            yield f"        {name} = {text}"
        numbered = sorted(cls.lines, key=lambda line: int(line[0]))
        yield from broken(Bracket("super().__init__(", [code for _, code in numbered]), 8)
        yield from (f"        {tie}" for tie in ties)
        return
    yield "        super().__init__()"
    for param in cls.params:
        if param.name in forward.stored:
            yield f"        self.{forward.stored[param.name]} = {param.name}"
    for name, text in cls.locals.items():
        yield f"        {name} = {text}"
    codes = dict(cls.lines)
    numbers = _numbered(cls)
    for k in range(int(numbers[-1]) + 1 if numbers else 0):
        made, inside = _holder(str(k), codes)
        yield from broken(Bracket("self.append(", [made]), 8)
        yield from inside
    done = {name for name in codes if name.partition(".")[0] in numbers}
    for name in codes.keys() - done:
        if name.isdigit():  # a parameter, which Python has no other way to call so
            yield from broken(Bracket("self.register_parameter(", [f'"{name}"', codes[name]]), 8)
            done.add(name)
    for name in codes:
        top = name.partition(".")[0]
        if name not in done:
            made, inside = _holder(top, codes)
            yield from put(top, made, 8)
            yield from inside
            done |= {each for each in codes if each.partition(".")[0] == top}
    for tie in ties:
        yield f"        {tie}"


def _holder(path: str, codes: Mapping[str, Code]) -> tuple[Code, list[str]]:
    """What is made at a place, and the statements that put others in it.

    What is called from outside, a layer at a time, is only held: numbers by a list, the rest by a
    module that does nothing.
    """
    if path in codes:
        return codes[path], []
    inner = [name[len(path) + 1 :] for name in codes if name.startswith(f"{path}.")]
    if not inner:
        return "nn.Identity()", []
    parts = list(dict.fromkeys(name.partition(".")[0] for name in inner))
    numbers = [int(part) for part in parts if part.isdigit()]
    items: list[Code] = []
    statements: list[str] = []
    for k in range(max(numbers) + 1 if numbers else 0):
        made, inside = _holder(f"{path}.{k}", codes)
        items.append(made)
        statements += inside
    for part in parts:
        if not part.isdigit():
            made, inside = _holder(f"{path}.{part}", codes)
            statements += [*put(f"{path}.{part}", made, 8), *inside]
    if not items:
        return "nn.Module()", statements
    if any(map(_is_parameter, items)):
        return Bracket("nn.ParameterList(", [Bracket("[", items, "]")]), statements
    return Bracket("nn.ModuleList(", [Bracket("[", items, "]")]), statements


def _is_parameter(code: Code) -> bool:
    return isinstance(code, Bracket) and code.head == "nn.Parameter("


def _ties(library: Library, way: Mapping[str, str], graph: Graph) -> Iterator[str]:
    """Statements that make layers use the tensors of others, where no module is used twice."""
    aliased = tuple(_aliased(library))
    nodes = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        if node.share is None or node.name.startswith(aliased) or f"{node.name}." in aliased:
            continue
        owner = nodes[node.share]
        call, other = library.call(node), library.call(owner)
        mine = {**node.op.weights(*node.input_shapes), **node.op.buffers(*node.input_shapes)}
        theirs = {**owner.op.weights(*owner.input_shapes), **owner.op.buffers(*owner.input_shapes)}
        if not mine:
            continue
        told = [(a.name, a.value) for a in arguments(call)]
        if call.target == other.target and told == [(a.name, a.value) for a in arguments(other)]:
            yield from put(way[node.name], access(way[owner.name]))
            continue
        own = node.origin and node.origin.tensor and node.origin.name.rpartition(".")[2]
        for name in mine:
            whose = own if own in theirs else name
            if whose in theirs:
                tied, first = way[node.name], way[owner.name]
                tied += "" if call.target in HELD else f".{name}"
                first += "" if other.target in HELD else f".{whose}"
                yield from put(tied, access(first))


def _frozen(way: Mapping[str, str], graph: Graph) -> Iterator[str]:
    """Statements that leave layers untrained."""
    for name in frozen_names(graph):
        inside = [node.name for node in graph.nodes if f"{node.name}.".startswith(f"{name}.")]
        depth = name.count(".") + 1
        yield f"{access('.'.join(way[inside[0]].split('.')[:depth]))}.requires_grad_(False)"


def _second_names(graph: Graph) -> Iterator[str]:
    """Statements that give modules and tensors their other names, which are keys as well."""
    named: set[str] = set()
    modules = [node for node in graph.nodes if node.spelled is None]
    used = set(_prefixes(node.name for node in modules))
    layers = {node.name: node.applied.cost.weights for node in modules}
    for name, first in graph.aliases.items():
        home = name.rpartition(".")[0]
        if home in named:  # with the module around it
            named.add(name)
        elif name not in used and home not in layers and (first in used or _has(layers, first)):
            named.add(name)
            for path in _prefixes([home] if home else []):
                if path not in used:
                    yield from _put(path, "nn.Module()")
                    used.add(path)
            yield from _put(name, access(first))


def _has(layers: Mapping[str, Collection[str]], tensor: str) -> bool:
    """Whether a layer has a tensor of that name."""
    home, _, name = tensor.rpartition(".")
    return name in layers.get(home, ())


def _put(path: str, made: str) -> list[str]:
    """The statement that puts a module at a place, whatever that is called."""
    home, _, last = path.rpartition(".")
    return [f'{access(home)}.add_module("{last}", {made})'] if last.isdigit() else put(path, made)


def _prefixes(paths: Iterable[str]) -> Iterator[str]:
    """The ways, and those to what they stand in, from the outermost."""
    for path in paths:
        parts = path.split(".")
        yield from (".".join(parts[: k + 1]) for k in range(len(parts)))


def _aliased(library: Library) -> Iterator[str]:
    """Beginnings of the names of what stands in modules that are used twice."""
    for cls in library.classes:
        for block in cls.blocks:
            for name in map(block.names.__getitem__, cls.aliases):
                yield f"{block.path}.{name}." if block.path else f"{name}."


def _modules(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The source of small modules and of what they need, and the imports they need."""
    if not names:
        return [], []
    from archcalc.pytorch import modules

    homes: dict[str, str] = {}
    defined: dict[str, tuple[ast.stmt, str]] = {}
    for file in modules.FILES:
        text = inspect.getsource(file)
        for statement in ast.parse(text).body:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    home = f"from {statement.module} import {alias.name}"
                    homes[alias.asname or alias.name] = home
            elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
                defined[statement.name] = statement, text
            elif isinstance(statement, ast.Assign):
                defined[ast.unparse(statement.targets[0])] = statement, text
    wanted: set[str] = set()

    def need(name: str) -> None:
        if name in wanted or name not in (*defined, *homes):
            return
        wanted.add(name)
        if name in defined:
            for inner in ast.walk(defined[name][0]):
                if isinstance(inner, ast.Name):
                    need(inner.id)

    for name in names:
        need(name)
    sources = []
    for name, (statement, text) in defined.items():
        if name in wanted:
            lines = text.splitlines()[statement.lineno - 1 : statement.end_lineno]
            sources.append("\n".join(lines))
    by_module: dict[str, list[str]] = {}
    for name in sorted(wanted):
        if name in homes and name not in defined and not homes[name].startswith("from torch"):
            _, module, _, what = homes[name].split()
            by_module.setdefault(module, []).append(what)
    imports = [f"from {module} import {', '.join(w)}" for module, w in by_module.items()]
    return sources, imports
