"""What reports say and how it is printed: one model of a document, one renderer a format."""

from __future__ import annotations

from archcalc.document.model import Document

__all__ = ["Document", "render"]


def render(document: Document, format: str, width: float | None = None) -> str:
    """A document as ``table``, ``text``, ``markdown``, ``html``, ``latex``, ``siunitx`` or ``csv``.

    ``width`` is how wide text may be in characters, and LaTeX in points.
    """
    from importlib import import_module

    name = "text" if format == "table" else format
    how = (width,) if width is not None and name in ("text", "latex", "siunitx") else ()
    found: str = getattr(import_module(f"archcalc.document.{name}"), name)(document, *how)
    return found
