"""Why a network's numbers are what they are, as text, Markdown or LaTeX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from archcalc.algebra.forms import Form, Letter, letters_of
from archcalc.algebra.write import equation, latex_name, write
from archcalc.analysis.analyze import answer
from archcalc.analysis.conventions import Convention
from archcalc.analysis.conventions import convention as by_name
from archcalc.analysis.counted import Analysis, Row
from archcalc.analysis.explain import Reason, Reasons, reasons
from archcalc.dims import Size
from archcalc.document import Document
from archcalc.document.model import Block, Formula, Formulas, Heading, Items, many, number
from archcalc.errors import ArchcalcError
from archcalc.frontends.network import NetworkLike, one_of
from archcalc.operators.base import Moving
from archcalc.report.choice import choose
from archcalc.report.layers.columns import print_shape
from archcalc.report.layers.layout import Request, lay_out
from archcalc.report.reasons.story import columns, has_positions, story
from archcalc.report.rendering import renderer
from archcalc.spec.graph import Node
from archcalc.spec.model import Spec
from archcalc.spec.question import Input, Question, with_options
from archcalc.spec.records import records

FORMATS = ("text", "markdown", "latex")
"""The forms an explanation takes."""

MOST_SUMMANDS = 12
"""Of more layers than this the sum alone is shown."""

LABELS = {
    "params": "parameters",
    "macs": "MACs",
    "field": "receptive field",
    "field_stride": "its stride",
    "field_start": "its start",
}
"""What is printed for a quantity that is not called as it is."""


class Entry(NamedTuple):
    """A number: its formula, where there is one, and what is to be said of it."""

    label: str
    value: str
    formula: Form | None = None
    notes: tuple[str, ...] = ()


class Section(NamedTuple):
    """What is said of a layer, or of several."""

    title: str
    entries: tuple[Entry, ...]
    letters: tuple[Letter, ...] = ()
    notes: tuple[str, ...] = ()


@with_options
def explain(
    network: NetworkLike,
    layer: str | None = None,
    *,
    format: str = "text",
    convention: str = "macs",
    input: Input = None,
    batch: Size = 1,
    **variables: Any,
) -> str:
    """Why the numbers of a layer are what they are: the rule, with its numbers, and the result.

    The rules are those that compute: the operator's formulas, run on numbers that record what is
    done with them. Of a block, its layers' parameters and multiply-accumulates, and their sums.
    Without ``layer``, the network's story: where its parameters and its work are, and what is
    special about it. ``format`` is ``text``, ``markdown`` or ``latex`` (needs amsmath and
    booktabs). With a ``convention`` other than MACs its number of the work is given too. The rest
    is as in :func:`archcalc.analyze`.

    Raises :class:`ArchcalcError` for an unknown layer, format or convention, and where a size is
    a symbol or an array, and what :func:`archcalc.analyze` raises.

    ::

        >>> import archcalc
        >>> print(archcalc.explain("resnet18", "fc"))  # doctest: +ELLIPSIS
        fc: Linear, 512 -> 1000
          parameters       (C_in + 1)*C_out = (512 + 1)*1000 = 513,000
        ...
    """
    form, counted = choose("format", format, FORMATS), by_name(convention).name
    known = one_of(network)
    spec = known if isinstance(known, Spec) else None
    analysis = answer(spec or network, Question(input, batch, variables))
    return render(analysis, form, layer, counted, spec)


def document(
    analysis: Analysis, layer: str | None, convention: str = "macs", spec: Spec | None = None
) -> Document:
    """The reasons of a layer or a block, or the story of a network.

    With its ``spec``, what is printed otherwise of the layer, as is recorded there.
    """
    counted = by_name(convention)
    if analysis.partial:
        first = analysis.not_counted[0]
        raise ArchcalcError(f"explains what is known, and '{first}' is of an unknown operator")
    if layer is None:
        sentences = story(analysis)
        request = Request.of("stage", columns(analysis), "float32", counted.name)
        laid = lay_out(analysis, request)
        return Document.of(*laid.blocks, Items.of(sentences))
    rows = analysis.under(layer)
    if not rows:
        raise analysis.missing(layer)
    if rows[0].name == layer:
        section = _layer(analysis, rows[0], counted)
        wrong = tuple(_misprints(spec, analysis, rows[0])) if spec is not None else ()
        return Document.of(*_blocks([section._replace(notes=(*section.notes, *wrong))]))
    return Document.of(*_blocks(_block(analysis, layer, rows, counted)))


def _misprints(spec: Spec, analysis: Analysis, row: Row) -> Iterator[str]:
    """What others print of a layer, or of the input that it takes, and is known to be wrong."""
    takes = any(name in analysis.graph.inputs for name in row.node.inputs)
    for record in records(spec).documented:
        if record.erratum is None or (record.variant or spec.name) != analysis.graph.name:
            continue
        layer, _, what = record.quantity.rpartition(".")
        if (record.layer or layer) == row.name or (record.quantity == "input" and takes):
            yield (
                f"Its {what} is printed as {record.value} ({', '.join(record.source)}). "
                f"It is {record.erratum.value}: {record.erratum.reason}."
            )


def _aside(row: Row) -> str:
    """Why a layer does not run."""
    if row.node.idle:
        return "is stored, and nothing takes it"
    return "is of an expert that is not taken" if row.node.spare else "runs in training only"


def _shapes(row: Row) -> str:
    shapes = list(map(print_shape, row.node.input_shapes))
    alike = len(shapes) > 1 and len(set(shapes)) == 1
    given = f"{len(shapes)} of {shapes[0]}" if alike else ", ".join(shapes)
    return f"{row.op}, {given} -> {print_shape(row.shape)}"


def _layer(analysis: Analysis, row: Row, counted: Convention) -> Section:
    found = reasons(analysis, row.name)
    entries = list(_shape(found.shape))
    entries.append(_entry(found.params, _shared(row)))
    if found.buffers.value:
        entries.append(_entry(found.buffers))
    if not any(each.quantity == "macs" for each in found.work):
        entries.append(Entry("MACs", "0"))
    entries += map(_entry, found.work)
    entries += _counted([row], counted)
    entries += _field(analysis, found)
    notes = () if row.executed else (f"It {_aside(row)}: its work is not in the totals.",)
    return Section(f"{row.name}: {_shapes(row)}", tuple(entries), _mentioned(entries), notes)


def _counted(rows: Sequence[Row], counted: Convention) -> Iterator[Entry]:
    """The work as a convention counts it, if it counts something else than what is explained."""
    if counted.name != "macs":
        yield Entry(
            counted.header,
            number(sum(map(counted.count, rows))),
            None,
            (counted.about,),
        )


def _shared(row: Row) -> tuple[str, ...]:
    if row.node.share is None or not row.weights:
        return ()
    owner = row.node.share
    return (f"{number(row.shared)} of them are those of {owner}, where they are counted",)


def _entry(reason: Reason, notes: tuple[str, ...] = ()) -> Entry:
    label = LABELS.get(reason.quantity, reason.quantity)
    if reason.form.constant is not None:
        return Entry(label, number(reason.value), None, notes)
    rounded = tuple(_rounded(reason.form))
    return Entry(label, number(reason.value), reason.form, (*rounded, *notes))


def _rounded(of: Form) -> Iterator[str]:
    """What is left over where a quotient is not whole."""
    for atom in of.atoms():
        if atom.op in ("floordiv", "ceildiv") and not atom.exact:
            above, below = (arg.value for arg in atom.args)
            whole, rest = divmod(above, below)
            side = "up" if atom.op == "ceildiv" else "down"
            yield f"{above} = {whole}*{below} + {rest}, rounded {side}"


def _shape(found: Sequence[Reason]) -> Iterator[Entry]:
    """The extents, those together that follow from the same numbers by the same rule."""
    groups: dict[str, list[Reason]] = {}
    for reason in found:
        if reason.form.letter is None:
            groups.setdefault(write(reason.form, numbers=True), []).append(reason)
    for same in groups.values():
        label = ", ".join(reason.quantity for reason in same)
        yield _entry(same[-1])._replace(label=label)


def _field(analysis: Analysis, found: Reasons) -> Iterator[Entry]:
    name = found.row.name
    if not has_positions(analysis) or name not in analysis.receptive_fields:
        return
    fields = analysis.receptive_fields[name]
    if fields is None:
        yield Entry("receptive field", f"can't be said: {_lost(analysis, found.row.node)}")
        return
    axes = {tuple(write(r.form, numbers=True) for r in axis): axis for axis in found.field}
    if axes and not all(r.form.letter for axis in axes.values() for r in axis):
        for k, axis in enumerate(axes.values()):
            prefix = "" if len(axes) == 1 else f", axis {k + 1}"
            size, stride, start = map(_entry, axis)
            yield size._replace(label=size.label + prefix)
            yield stride
            middle = f"the centre of the first field is at {float(fields[k].centre):g}"
            yield start._replace(notes=(*start.notes, middle))
    elif fields and all(field.whole for field in fields):
        yield Entry("receptive field", "the whole input")
    elif fields:
        each = {(f.size, f.stride, f.start): None for f in fields}
        texts = [
            f"{size}, stride {'not the same everywhere' if stride is None else stride}, "
            f"start {start}"
            for size, stride, start in each
        ]
        said = "; ".join(texts)
        several = len(found.row.node.inputs) > 1
        why = "what its inputs see together" if several else "that of its input"
        if not several and not axes:
            why = ""
        yield Entry("receptive field", said, None, (why,) if why else ())


def _lost(analysis: Analysis, node: Node) -> str:
    """In which layer it is lost which positions are seen, and how."""
    nodes = {each.name: each for each in analysis.graph.nodes}
    fields = analysis.receptive_fields
    lost = node
    while before := [s for s in lost.inputs if s in nodes and fields.get(s, ()) is None]:
        lost = nodes[before[0]]
    op = type(lost.op).__name__
    who = op if lost is node else f"{lost.name} ({op})"
    if isinstance(lost.op, Moving):
        return f"{who} rearranges positions"
    return f"{who} does not say where it looks"


def _mentioned(entries: Iterable[Entry]) -> tuple[Letter, ...]:
    return tuple(letters_of(e.formula for e in entries if e.formula is not None).values())


def _block(
    analysis: Analysis, name: str, rows: Sequence[Row], counted: Convention
) -> Iterator[Section]:
    """Its layers that store or compute, briefly, and their sums."""
    quiet: Counter[str] = Counter()
    sums: dict[str, list[int]] = {"params": [], "macs": []}
    yield Section(f"{name}: {many(len(rows), 'layer')}", ())
    for row in rows:
        found = reasons(analysis, row.name)
        macs = [each for each in found.work if each.quantity == "macs"]
        entries = [_entry(found.params, _shared(row))] if found.params.value else []
        entries += map(_entry, macs)
        if not entries:
            quiet[row.op] += 1
            continue
        sums["params"].append(row.params)
        if row.executed:
            sums["macs"] += [each.value for each in macs]
        notes = () if row.executed else (f"It {_aside(row)}: its work is not in the sum.",)
        title = f"{row.name.removeprefix(f'{name}.')}: {_shapes(row)}"
        yield Section(title, tuple(entries), (), notes)
    entries = [
        Entry(LABELS[quantity], _sum([n for n in summands if n]))
        for quantity, summands in sums.items()
    ]
    entries += _counted(rows, counted)
    others = ", ".join(f"{count} {op}" for op, count in quiet.most_common())
    notes = (f"Without parameters and MACs: {others}.",) if others else ()
    yield Section(f"{name}, all layers", tuple(entries), (), notes)


def _sum(summands: Sequence[int]) -> str:
    total = number(sum(summands))
    if not 1 < len(summands) <= MOST_SUMMANDS:
        return total
    return f"{' + '.join(map(number, summands))} = {total}"


def _blocks(sections: Iterable[Section]) -> Iterator[Block]:
    for section in sections:
        yield Heading(section.title)
        yield Formulas(
            tuple(map(_formula, section.entries)),
            tuple((s.name, latex_name(s.name), s.meaning) for s in section.letters),
        )
        yield Items.of(section.notes)


def _formula(entry: Entry) -> Formula:
    if entry.formula is None:
        return Formula(entry.label, entry.value, notes=entry.notes)
    plain, latex = (equation(entry.formula, entry.value, latex) for latex in (False, True))
    return Formula(entry.label, plain, latex, entry.notes)


render = renderer(document, FORMATS)
"""The same of an analysis, in one of ``FORMATS``."""
