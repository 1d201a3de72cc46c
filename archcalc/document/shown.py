"""How results show themselves: a line, a table, and what a notebook asks for."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def shown(kind: type[T]) -> type[T]:
    """A class whose values show themselves as the reports say, and never raise doing so.

    ``repr`` is a line, ``str`` the table; notebooks get HTML, or Markdown.
    """
    methods = {
        "__repr__": _line,
        "__str__": lambda self: _rendered(self, "text").rstrip("\n") or _line(self),
        "_repr_html_": lambda self: _rendered(self, "html") or None,
        "_repr_markdown_": lambda self: _rendered(self, "markdown") or None,
    }
    if hasattr(kind, "_repr_svg_"):  # a notebook would show the table instead
        del methods["_repr_html_"]
    for name, method in methods.items():
        method.__name__ = name
        setattr(kind, name, method)
    return kind


def drawing(network: Any) -> str | None:
    """The diagram of a network, or None where there can be none."""
    try:
        found: str = _reports().svg(network)
        return found
    except Exception:
        return None


def _line(self: Any) -> str:
    from archcalc.document.safe import visible

    kind = type(self).__name__
    try:
        return f"<{kind} {visible(_reports().line(self))}>"
    except Exception:  # a debugger shows values that are not whole yet
        return f"<{kind}>"


def _rendered(self: Any, format: str) -> str:
    from archcalc.document import render
    from archcalc.document.html import fragment

    try:
        document = _reports().document(self)
        return fragment(document) if format == "html" else render(document, format)
    except Exception:
        return ""


def _reports() -> Any:
    # What is low in the house doesn't know the reports; only when asked for a look, by name.
    from importlib import import_module

    return import_module("archcalc.report.shown")
