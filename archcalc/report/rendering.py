"""The way from a result to text, which all reports take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from archcalc.document import Document, render
from archcalc.document.data import versioned
from archcalc.report.choice import choose


def renderer(
    document: Callable[..., Document],
    formats: Sequence[str],
    **others: Callable[..., Document | Mapping[str, Any] | str],
) -> Callable[..., str]:
    """What prints a result in one of ``formats``, the first of them where none is named.

    A format shows the ``document`` of the result, but where ``others`` has a function by its name:
    it gives another document, or data for JSON, or the text itself. All of them take the result
    and what may be said of it. What is made here raises :class:`ArchcalcError` for another format.
    """

    def rendered(found: Any, format: str = formats[0], *how: Any, **named: Any) -> str:
        form = choose("format", format, formats)
        made = others.get(form, document)(found, *how, **named)
        if isinstance(made, Document):
            return render(made, form)
        return made if isinstance(made, str) else versioned(made)

    return rendered
