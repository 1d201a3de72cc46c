"""What a network comes to today, written into its spec: from then on ``check`` holds it to that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from archcalc.claims.check import Checking, subjects
from archcalc.claims.facts import Axes, Scope
from archcalc.claims.printed import Printed
from archcalc.errors import ArchcalcError
from archcalc.spec import elsewhere, text
from archcalc.spec.documented import Budget, Documented
from archcalc.spec.form.edit import edited
from archcalc.spec.tree import Document, TreePath

SOURCE = "recorded by archcalc"
"""The source of numbers that are written by it, by which they are known again."""

TOTALS = ("params", "macs")
"""What is recorded of a network."""

ROWS = ("output", "params", "macs")
"""What is recorded of a layer; of those that have no parameters or do no work, not that."""


@dataclass(frozen=True)
class Difference:
    """A recorded number that is another today, or a budget that is exceeded."""

    network: str
    layer: str | None
    quantity: str
    was: str
    now: str | int

    def __str__(self) -> str:
        quantity = f"{self.layer}.{self.quantity}" if self.layer else self.quantity
        was, now = (f"{int(n):,}" if str(n).isdecimal() else n for n in (self.was, self.now))
        return f"{self.network}: {quantity} was recorded as {was}, and is {now}"


@dataclass(frozen=True)
class Recording:
    """A file as it is, and as it would be with today's numbers."""

    file: str
    differences: tuple[Difference, ...]
    """What would be changed."""
    added: int
    """Numbers that were not recorded."""
    written: str
    """The file's text."""
    text: str
    """What the text would be."""


def record(
    source: str | File, *, layers: bool = False, budget: bool = False, run_code: bool = False
) -> list[Recording]:
    """What would be written into the files of a network to hold it to today's numbers.

    For each variant, or for the one that is chosen, the parameters and multiply-accumulates, and
    with ``layers`` the shape, the parameters and the multiply-accumulates of each layer. With
    ``budget`` they are what may not be exceeded. Numbers go where such are kept already, in the
    spec or in the file of its records. Of what stands there, numbers of the source ``SOURCE`` and
    budgets that are exceeded are changed. Nothing is written: the texts are given.

    Raises :class:`SpecError` as :func:`archcalc.check` does, and :class:`ArchcalcError` for what
    is no file that can be written: a name of the zoo, standard input, ``pyproject.toml``.
    """
    if str(source) == "-":
        raise ArchcalcError("numbers are recorded in a file: name one")
    if File(source).name == elsewhere.PROJECT:
        raise ArchcalcError(f"{source}: numbers are recorded in a YAML or JSON file of its own")
    checked = [each for each, _ in subjects(source, run_code=run_code)]
    if not File(str(source).partition("::")[0]).is_file():
        raise ArchcalcError(f"'{source}' is shipped: numbers are recorded in a file of yours")
    return [_recording(each, layers, budget) for each in checked]


def _recording(checked: Checking, layers: bool, budget: bool) -> Recording:
    document, key = _home(checked, budget), "budget" if budget else "documented"
    field = "at_most" if budget else "value"
    stated: Sequence[Documented | Budget] = checked.records.documented
    if budget:
        stated = checked.records.budget
    known: dict[tuple[str | None, str | None, str], tuple[int, Documented | Budget]] = {}
    for number, each in enumerate(stated):
        if each.at_most is not None if isinstance(each, Budget) else each.source == [SOURCE]:
            known.setdefault((each.variant, each.layer, each.quantity), (number, each))
    changed: dict[TreePath, str | int] = {}
    added: list[dict[str, Any]] = []
    differences = []
    of_layers = layers or any(layer for _, layer, _ in known)
    for variant, layer, quantity, value in _today(checked, of_layers):
        number, there = known.get((variant, layer, quantity), (0, None))
        if there is None:
            if (layer and not layers) or (budget and quantity not in TOTALS):
                continue
            entry = {"variant": variant, "layer": layer, "quantity": quantity, field: value}
            if not budget:
                entry["source"] = SOURCE
            added.append({name: said for name, said in entry.items() if said is not None})
        elif not _holds(there, value):
            was = str(getattr(there, field))
            label = variant or checked.spec.label
            differences.append(Difference(label, layer, quantity, was, value))
            changed[(key, number, field)] = value
    written, _ = text.contents(document.file)
    wanted = {key: added} if added else {}
    form = edited(written, document.file, changed, wanted) if changed or added else written
    return Recording(document.file, tuple(differences), len(added), written, form)


def _holds(there: Documented | Budget, value: str | int) -> bool:
    if isinstance(there, Documented):
        return str(there.value) == str(value)
    return there.at_most is not None and int(value) <= Printed.parse(there.at_most).value


def _home(checked: Checking, budget: bool) -> Document:
    """The document that holds numbers of a kind, or would."""
    apart = checked.records.apart
    if apart is None or (budget and apart.data.keys().isdisjoint(("network", "budget"))):
        return checked.records.spec
    return checked.records.spec if "documented" in checked.records.spec.data else apart


def _today(
    checked: Checking, layers: bool
) -> Iterator[tuple[str | None, str | None, str, str | int]]:
    spec = checked.spec
    only = spec.variant if spec.variant != spec.name else None
    names: list[str | None] = [only] if only else list(spec.variants) or [None]
    for variant in names:
        scope = checked.scope(variant)
        for quantity in TOTALS:
            yield variant, None, quantity, _number(scope, quantity)
        for row in scope.analysis.rows if layers else ():
            here = scope.at(row.name.split("."))
            for quantity in ROWS:
                value = _number(here, quantity)
                if value != 0:
                    yield variant, row.name, quantity, value


def _number(scope: Scope, quantity: str) -> str | int:
    value = scope.fact(quantity)
    if isinstance(value, Axes) and len(value) > 1:
        return "x".join(map(str, value))
    return int(value[0] if isinstance(value, Axes) else value)
