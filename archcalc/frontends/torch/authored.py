"""What the author of a captured module wrote: where calls stand, their tensors, their spelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, fx

from archcalc.frontends.table import Made
from archcalc.frontends.torch.aten.call import name_of
from archcalc.frontends.torch.aten.moves import is_rounding
from archcalc.frontends.torch.captured import (
    GETITEM,
    Capture,
    Held,
    dtype_of,
    function_of,
    known_of,
    stack,
)
from archcalc.frontends.torch.holding import Holding
from archcalc.frontends.torch.spelled import spelled
from archcalc.frontends.torch.ways import Ways, call_as_listed, call_as_owned
from archcalc.spec.graph import AuthorCall, Origin, OwnTensor, Taken, Word


class Authored(Holding):
    """A draft that knows of each call how its author wrote it."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(capture)
        self.values: dict[fx.Node, int] = {}
        """fx node -> a layer, or an input below zero."""
        call_as_listed(capture.graph, capture.classes)
        call_as_owned(capture.graph, capture.aliases)
        self.ways = Ways(capture.graph, capture.classes)
        self.here = ""
        """The module whose call is taken in."""
        self.entered: dict[str, int] = {}
        """A module -> the layer before its first."""
        stored = {} if capture.module is None else known_of(capture.module)
        self.dtypes = {h.name: h.dtype for h in (*capture.held.values(), *stored.values())}
        self.around = {
            home
            for name in (*capture.parameters, *capture.buffers)
            for home in _around(name.partition(".parametrizations.")[0].rpartition(".")[0])
        }
        """Modules with others within them that store tensors, which no layer of ours has."""
        self.looped = {h.name for n in capture.graph.nodes if (h := self.held(n)) and _is_looped(n)}
        """Tensors of the module that a line takes again and again."""

    def value(self, node: fx.Node) -> int | None:
        """The layer or the input that gives a tensor."""
        node = self.now(node)
        if node not in self.values:
            held = self.held(node)
            if held is None:
                return None
            key = self.values[node] = self.tensor(held.name, held.kind, held.shape)
            if node.name in self.capture.numbers:
                call = self.spelled(node, {})
                self.by_key[key].origin = Origin("", True, name=held.name, call=call)
        return self.values[node]

    def tensor(self, name: str, kind: str, shape: Sequence[int]) -> int:
        """A tensor by itself, in the module that has it.

        It has its batch of what comes before it there, and of nothing within another module.
        """
        path = name.rpartition(".")[0]
        recent = self.recent
        looped = name in self.looped
        if looped or not f"{path}.".startswith(f"{self.here}." * bool(self.here)):
            while path and path not in self.entered:  # a list of modules is not called
                path = path.rpartition(".")[0]
            self.recent = self.entered[path] if path else -1
        key = super().tensor(name, kind, shape)
        self.recent = recent
        path = name.rpartition(".")[0]
        module = self.capture.classes.get(path)
        if module is not None or kind == "constant":
            own = self.own_tensor(name, shape)
            self.by_key[key].origin = Origin(
                module or "", self.is_leaf(path), name=name, tensor=own
            )
        return key

    def is_whole(self, home: str, names: Mapping[str, str]) -> bool:
        """Whether a layer has all tensors of its module, and all of modules within it."""
        stored = (*self.capture.parameters, *self.capture.buffers)
        if home not in self.around:
            mine = {each for each in stored if each.rpartition(".")[0] == home}
            # Batch normalization counts its batches without a call that says so.
            return mine - {f"{home}.num_batches_tracked"} <= {*names.values()}
        return {each for each in stored if each.startswith(f"{home}.")} <= {*names.values()}

    def tied(self, node: fx.Node, op: str, names: Mapping[str, str]) -> bool:
        """Whether a module like ours is called that has another's tensors by its own names."""
        path = stack(node)[-1][0] if stack(node) else ""
        ways = [self.capture.tied.get(f"{path}.{name}") for name in names]
        return self.capture.classes.get(path, "").endswith(op) and ways == [*names.values()]

    def unsaid(
        self, node: fx.Node, made: Made[fx.Node], inputs: Sequence[int]
    ) -> AuthorCall | None:
        """The call of what gives other numbers than our operator does."""
        value = node.meta.get("val")
        if made.op == "Identity" and not made.said and not is_rounding(node):
            dtype = Word(str(dtype_of(node)))
            shape = self.shape(inputs[0])  # its own, whatever its author's is
            return AuthorCall("Tensor.to", (Taken(0, shape), dtype), (), shape)
        if made.op != "Constant":
            given_ = {s: k for k, s in enumerate(made.inputs) if isinstance(s, fx.Node)}
            return None if made.said else self.spelled(node, given_)
        if not isinstance(value, Tensor):
            return None
        like = None if made.said else self.like(node, made)
        if like is not None and self.value(like) == inputs[0]:
            return self.spelled(node, {like: 0})
        whole = made.fields.get("fill") == "arange"
        if made.said and whole != value.is_floating_point() and value.dtype != torch.bool:
            return None
        return self.spelled(node, {})

    def like(self, node: fx.Node, made: Made[fx.Node]) -> fx.Node | None:
        """The tensor that has as many numbers as a call makes: ``randn_like``."""
        source = node.args[0] if node.args else None
        if made.op != "Constant" or not name_of(node).endswith("_like"):
            return None
        return source if isinstance(source, fx.Node) and self.held(source) is None else None

    def with_tensors(
        self,
        node: fx.Node,
        made: Made[fx.Node],
        inputs: Sequence[int],
        origin: Origin | None,
    ) -> Origin | None:
        """How an author wrote a call of tensors that are none of a module like ours."""
        call = node.args[0] if node.target is GETITEM else node
        given = [source for source in made.inputs if isinstance(source, fx.Node)]
        if len(given) != len(inputs) or not isinstance(call, fx.Node):
            return origin
        found: dict[str, Held] = {}

        def number(source: fx.Node) -> int | None:
            held = None if source in given else self.held(source)
            if held is None or held.kind == "constant":
                return None
            found.setdefault(held.name, held)
            return len(given) + list(found).index(held.name)

        places = {source: k for k, source in enumerate(given)}
        with _without_bias(node, given, made):
            said = spelled(node, places, self.capture.numbers, self.now, number)
        if said is None:
            return origin
        tensors = tuple(
            (held.name, held.kind == "parameter", self.own_tensor(held.name, held.shape))
            for held in found.values()
        )
        origin = origin or Origin("", True)
        return origin._replace(call=said, tensors=tensors)

    def own_tensor(self, name: str, shape: Sequence[int]) -> OwnTensor:
        saved = name not in self.capture.unsaved and name not in self.capture.constants
        numbers = None if saved else self.capture.numbers_of(name, whole=True)
        return OwnTensor(tuple(shape), saved, self.dtypes.get(name, ""), numbers)

    def place(self, node: fx.Node) -> tuple[str, str]:
        """The submodule that a call stands in, and what it is called there."""
        origin = node.args[0] if node.target is GETITEM else node
        name = name_of(origin).strip("_") if isinstance(origin, fx.Node) else ""
        return self.ways.to(node)[0], name or "call"

    def origin(self, node: fx.Node, call: AuthorCall | None = None) -> Origin | None:
        """How the author wrote a call; with the call itself where we have no such operator."""
        modules = stack(node)
        if not modules:
            return None if call is None else Origin("", True, call=call)
        path, kind, _ = modules[-1]
        again = any(self.ways.numbers[path, call] for path, _, call in modules)
        return Origin(kind, self.is_leaf(path), function_of(node), again=again, call=call)

    def spelled(self, node: fx.Node, taken: Mapping[fx.Node, int]) -> AuthorCall | None:
        """A call as its author made it, on tensors as they are when it is made."""
        return spelled(node, taken, self.capture.numbers, self.now)

    def is_leaf(self, path: str) -> bool:
        """Whether a module has no others within it."""
        return path not in self.ways.parents


@contextmanager
def _without_bias(node: fx.Node, given: Sequence[fx.Node], made: Made[fx.Node]) -> Iterator[None]:
    """While it is entered, a product is called without a bias that is added to it apart."""
    args = node.args
    apart = len(args) > 2 and args[2] not in given and "bias" not in made.weights
    weighing = made.declared or made.op == "Linear" or made.op.startswith("Conv")
    if apart and weighing and isinstance(args[2], fx.Node):
        node.args = (*args[:2], None, *args[3:])
    try:
        yield
    finally:
        node.args = args


def _around(path: str) -> Iterator[str]:
    """The modules that one stands in."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def _is_looped(node: fx.Node) -> bool:
    """Whether a line of code takes something several times."""
    lines = Counter(user.meta.get("stack_trace") for user in node.users)
    return any(times > 1 for line, times in lines.items() if line)
