"""The one form in which specs are written: by ``fmt`` what stands in a file, and what is made.

==========  ========================================================================================
``tree``    what is to be written: values, with the comments and blank lines that belong to them
``reading`` text -> tree
``order``   tree -> tree: keys in one order, and blank lines in what was made from data
``short``   tree -> tree: the short forms of what was made from data
``layout``  tree -> text
==========  ========================================================================================

YAML's libraries keep comments (ruamel.yaml) or lines (PyYAML), but choose neither flow nor block
style by what fits, and what they keep of comments is bound to the order of keys. So text is read
by PyYAML's events, which say where everything stands; comments are what is between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.spec import text
from archcalc.spec.form.tree import Node
from archcalc.spec.model import Spec

SCHEMA = "yaml-language-server: $schema=spec.schema.json"
"""The comment by which editors find the schema."""


def fmt(source: str | Path | Mapping[str, Any] | Spec) -> str:
    """The text of a file, of standard input for ``-``, or of data, in the one form of specs.

    Quotes stand only where they are needed, what fits in 100 columns is one line, and keys have one
    order; comments, blank lines, anchors and all values are kept. A JSON file stays JSON. The form
    has itself as its form. Raises :class:`SpecError` for what can't be read.

    ::

        >>> import archcalc
        >>> layers = {"fc": {"op": "Linear", "out_features": 10}}
        >>> print(archcalc.fmt({"name": "one", "input": [784], "layers": layers}), end="")
        name: one
        input: [784]
        <BLANKLINE>
        layers:
          fc: {op: Linear, out_features: 10}
    """
    if isinstance(source, Spec):
        source = source.document.short or source.document.data
    return as_yaml(source) if isinstance(source, Mapping) else form_of(*text.contents(source))


def form_of(written: str, file: str) -> str:
    """A text in the one form, by the name of its file. Raises :class:`SpecError` if it is none."""
    from archcalc.spec.form import layout
    from archcalc.spec.form.order import ordered
    from archcalc.spec.form.reading import tree_of
    from archcalc.spec.form.tree import plain

    data = text.parse(written, file).data
    if text.is_json(written, file):
        return as_json(plain(ordered(Node.of(data))))
    form = layout.text(ordered(tree_of(written.removeprefix("\ufeff"))))
    if text.parse(form, file).data != data:
        raise ArchcalcError(f"{file}: its one form would say something else; please report this")
    return form


def as_yaml(data: Mapping[str, Any] | Node, *comments: str) -> str:
    """The data of a spec as YAML, a layer a line as a person would write it, below comments."""
    from archcalc.spec.form import layout
    from archcalc.spec.form.order import ordered, spaced
    from archcalc.spec.form.short import in_short

    tree = data if isinstance(data, Node) else Node.of(data)
    tree.head[:0] = [f"# {comment}" for comment in comments]
    return layout.text(spaced(ordered(in_short(tree))))


def as_json(data: Mapping[str, Any]) -> str:
    """The data of a spec as JSON, a line for each layer."""
    from json import dumps

    parts = []
    for key, value in data.items():
        if key in ("blocks", "layers") and isinstance(value, dict) and value:
            lines = [f"  {dumps(name)}: {dumps(inner)}" for name, inner in value.items()]
            inner = ",\n".join(lines)
            parts.append(f" {dumps(key)}: {{\n{inner}\n }}")
        else:
            parts.append(f" {dumps(key)}: {dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
