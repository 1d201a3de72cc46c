"""What every function takes for a network, and the spec or the graph that it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast, overload

from archcalc.dims import Size
from archcalc.errors import ArchcalcError, Problem
from archcalc.frontends.sources import graph, is_foreign, refuse_unsaid
from archcalc.spec import fold, frozen, quantized, zoo
from archcalc.spec.expand import settled
from archcalc.spec.graph import Graph
from archcalc.spec.model import Spec
from archcalc.spec.question import AS_IT_IS, Input, Question, with_options
from archcalc.spec.written import name_of


class Analyzed(Protocol):
    """A network that has been counted: :class:`archcalc.Analysis`."""

    @property
    def graph(self) -> Graph:
        """The network."""


NetworkLike: TypeAlias = zoo.Source | Spec | Graph | Analyzed
"""What every function takes for a network: a name of the zoo, a file, a model of another program,
a mapping that is a spec, a :class:`Spec`, a :class:`Graph` or an :class:`archcalc.Analysis`."""


def load(network: NetworkLike, *, allow_unknown: bool = False) -> Spec:
    """A network as a spec, wherever it comes from.

    A name is one of the zoo. A string that names an existing file, has a path separator or ends in
    ``.yaml``, ``.yml`` or ``.json`` is a path; ``FILE::VARIANT`` chooses a variant of a file, and
    ``-`` is standard input. A mapping is the data of a spec. A file that another program wrote
    (ONNX, Keras, Darknet, Caffe) is a network, and so is ``torch:PACKAGE.MODULE:FACTORY``, a
    PyTorch module that this imports and runs code to make; with the shapes of its inputs behind an
    ``@``: ``torch:timm:create_model('resnet50')@3x224x224``. A spec is itself. Of a graph or an
    analysis it is the spec that one would have written for it.

    With ``allow_unknown`` a layer may have an operator that is not known if it declares its
    output's ``shape``; what works with the spec has to be told so again. Raises
    :class:`SpecError` with every problem found, at its place in the file, and ``TypeError`` for
    what is no network.

    ::

        >>> import archcalc
        >>> archcalc.load("resnet50").edition
        'as torchvision has it, the stride in the 3x3'
        >>> archcalc.load({"name": "tiny", "input": [3, 8, 8], "layers": {"relu": "ReLU"}}).label
        'tiny'
    """
    if isinstance(network, Spec):
        return network
    found = _opened(network)
    if isinstance(found, (str, Path)):
        refuse_unsaid(str(found))
        if is_foreign(found):
            made = graph(found)
            if not allow_unknown:
                require_counted(made, str(found))
            found = made
    if isinstance(found, Graph):
        return to_spec(found, allow_unknown=allow_unknown)
    return zoo.load(found, allow_unknown=allow_unknown)


def not_counted(graph: Graph) -> str:
    """The layers of which nothing is known but their shapes, in a few words; ``""`` if none are."""
    names = [f"{n.name} ({name_of(n.op)})" for n in graph.nodes if not n.op.counted]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"not counted: {', '.join(names[:3])}{more}" if names else ""


def require_counted(graph: Graph, source: str) -> None:
    """Raise :class:`ArchcalcError` where a model of another program has an unknown operator."""
    if said := not_counted(graph):
        raise ArchcalcError(
            f"{source}: {said}\n  'archcalc table --allow-unknown' counts all but such layers; "
            "'archcalc import' writes a spec, in which to say their 'params' and 'macs'"
        )


def to_spec(network: NetworkLike, *, rename: bool = False, allow_unknown: bool = False) -> Spec:
    """A spec that expands to the layers of a graph, written as a person would.

    Equal parts become blocks with arguments, rows of them repetitions; layers keep their names.
    With ``rename`` they get others where the spec reads better by that, as ``archcalc import``
    writes it: by the turns of a loop of the author's code, ``step.0.ih`` for ``ih``, and with dots
    where names have none. What can't be said so is written flat, a line a layer, with ``_`` for
    the dots in names. Raises :class:`ArchcalcError` for a graph that no spec can say.

    ::

        >>> import archcalc
        >>> graph = archcalc.expand("resnet18", input=64)
        >>> archcalc.to_spec(graph).inputs
        {'input': [3, 64, 64]}
    """
    from archcalc.frontends.fold import to_spec as written

    graph = graph_of(network, _LENIENT)
    return written(graph, rename=rename, allow_unknown=allow_unknown)


_LENIENT = Question(allow_unknown=True)


def validate(network: NetworkLike) -> list[Problem]:
    """Everything wrong with a spec and what is recorded of it, in file order; empty if nothing is.

    Without a chosen variant all of them are expanded, so that shapes are known to fit in each.

    ::

        >>> import archcalc
        >>> archcalc.validate("resnet18")
        []
        >>> [wrong] = archcalc.validate({"name": "net", "input": [8], "layers": {"a": "Linaer"}})
        >>> wrong.hint
        "did you mean 'Linear'?"
    """
    found = network if isinstance(network, Spec) else _opened(network)
    return zoo.validate(load(found) if isinstance(found, Graph) else found)


def _opened(network: zoo.Source | Graph | Analyzed) -> zoo.Source | Graph:
    """The graph that something has; what is a graph, or is to be read, as it is."""
    if isinstance(network, (Graph, str, Path, Mapping)):
        return network
    found = getattr(network, "graph", None)
    # What is no network is told by who reads it.
    return found if isinstance(found, Graph) else cast("zoo.Source", network)


def one_of(network: NetworkLike, allow_unknown: bool = False) -> Spec | Graph:
    """A network as far as it is known: a graph, or else the spec."""
    if isinstance(network, Spec):
        return network
    found = _opened(network)
    return found if isinstance(found, Graph) else load(found, allow_unknown=allow_unknown)


def graph_of(network: NetworkLike, question: Question = AS_IT_IS) -> Graph:
    """The graph of a network that is asked for: :func:`expand`."""
    return settled(one_of(network, question.allow_unknown), question)


@with_options
def expand(
    network: NetworkLike,
    *,
    input: Input = None,
    batch: Size = 1,
    allow_unknown: bool = False,
    **variables: Any,
) -> Graph:
    """The graph of a network: every operator in order, with its shapes.

    ``input`` replaces the spec's input shape (without the batch; by name where a network has
    several), or all its axes but the first if it is one number, of a volume that is no cube
    those of an image; ``variables`` replaces its variables. Sizes may be ints, numpy arrays or
    sympy expressions, and so are what comes of them, though a type checker is told of ints.
    With ``allow_unknown`` a layer may have an operator that is not known if it declares its
    output's ``shape``. Raises :class:`SpecError` with every problem found, or, where the spec's own
    input fits and the given one does not, with why, and the nearest that does. What is a graph
    already has its shapes: with it, ``input``, ``batch`` and ``variables`` raise ``TypeError``.

    ::

        >>> import archcalc
        >>> archcalc.expand("resnet18", input=64, batch=8).nodes[0].shape
        (8, 64, 32, 32)
    """
    return graph_of(network, Question(input, batch, variables, allow_unknown=allow_unknown))


@overload
def freeze(network: zoo.Source | Spec, *patterns: str) -> Spec: ...
@overload
def freeze(network: Graph | Analyzed, *patterns: str) -> Graph: ...
def freeze(network: NetworkLike, *patterns: str) -> Spec | Graph:
    """The network with layers that are not trained: parameters without gradients.

    A pattern is a layer's or a block's name, which means all that is in it, or has ``*``, ``?`` and
    ``[...]`` as file names have: ``layer*``, ``*.bn1``. With ``!`` before it what fits is trained
    after all, and the last one that fits counts: ``freeze(network, "*", "!fc")``. Of shared tensors
    it is their owner's name that counts. Raises :class:`ArchcalcError` where nothing is called so,
    of a spec when it is expanded.

    A linear layer of 512 x 1000 weights and 1000 biases on a network that is not trained::

        >>> import archcalc
        >>> archcalc.analyze(archcalc.freeze("resnet18", "*", "!fc")).trainable
        513000
    """
    found = one_of(network)
    if isinstance(found, Spec):
        return found.refrozen(patterns) if patterns else found
    return frozen.freeze(found, *patterns)


@overload
def quantize(
    network: zoo.Source | Spec,
    *,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
) -> Spec: ...
@overload
def quantize(
    network: Graph | Analyzed,
    *,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
) -> Graph: ...
def quantize(
    network: NetworkLike,
    *,
    weights: str | Sequence[str] | None = None,
    activations: str | Sequence[str] | None = None,
    density: str | float | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
) -> Spec | Graph:
    """The network with other formats than the dtype that it is asked for.

    ``weights`` is the format in which matrices and kernels that multiply are stored:
    ``int4``, ``int4:128`` with a scale for each 128 numbers, ``int4:128:zero`` with zero points,
    too. ``activations`` is that in which layers take their inputs, and ``density`` how many weights
    are no zero: ``2:4``, two of every four in a row, or a share such as 0.1. ``fc=int8`` says it of
    a layer or block by its name or a pattern, ``Linear=int8`` of an operator, and
    ``ends=float32`` of the first and the last layer that multiply with weights; of several that are
    about the same layer the last one counts. ``exclude`` names, likewise, what is excepted from
    what is said of all. It counts after what the spec says. Raises :class:`ArchcalcError` for what
    is no format, and where nothing is called so, of a spec when it is expanded.

    Four bits for each of 61,470 weights, and four bytes for each of 236 biases::

        >>> import archcalc
        >>> lenet = archcalc.quantize("lenet", weights="int4")
        >>> archcalc.memory(lenet).weights
        31679
    """
    found: Spec | Graph = quantized.quantize(
        one_of(network),
        weights=weights,
        activations=activations,
        density=density,
        exclude=exclude,
    )
    return found


def fold_batch_norm(network: NetworkLike) -> Graph:
    """The graph with each batch normalization folded into the layer before it, where it can be.

    At inference it is a scale and a shift of each channel by numbers that no longer change, so
    a convolution, transposed or not, or a linear layer does the same with scaled weights and a
    bias: ``weight * scale`` and ``bias * scale + shift``. That is if nothing else takes the
    layer's output and no layer shares the tensors of either. Its consumers then take the layer's
    output by the layer's name. A graph in which nothing can be folded is returned as it is.

    ResNet-50 has 25,557,032 - 53,120 + 26,560 = 25,530,472 parameters then. 25,507,944, which an
    ONNX file of it is said to have, is another count: the exporter stores tensors of equal zeros
    once, which says nothing of the network::

        >>> import archcalc
        >>> archcalc.analyze(archcalc.fold_batch_norm("resnet50")).params
        25530472
    """
    return fold.fold_batch_norm(graph_of(network))
