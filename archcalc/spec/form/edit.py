"""Text -> text: some values are changed and some are added, and nothing else of the text is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from archcalc.errors import SpecError
from archcalc.spec import text
from archcalc.spec.tree import Document, TreePath

_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+$")
_SCALAR = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s,\]}]+")


def edited(
    written: str,
    file: str,
    changed: Mapping[TreePath, str | int],
    added: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """A text with other values in some places, and with more entries in some of its lists.

    ``added`` has entries by the key at the top whose list they go behind. Comments, order and all
    other lines stay as they are, where the lists have a line for each entry; JSON, and YAML that is
    written like it, is written anew. Raises :class:`SpecError` for a text that is none.
    """
    document = text.parse(written, file)
    data = deepcopy(document.data)
    for path, value in changed.items():
        inner: Any = data
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
    for name, entries in added.items():
        data[name] = [*data.get(name, []), *map(dict, entries)]
    lines = _LINE.findall(written)
    try:
        if not text.is_json(written, file) and _change(lines, document, changed):
            form = "".join(_grown(lines, document, added))
            if text.parse(form, file).data == data:
                return form
    except SpecError:
        pass
    return _anew(written, file, changed, data)


def _change(lines: list[str], document: Document, changed: Mapping[TreePath, str | int]) -> bool:
    """Put values in the places of others; whether all of them were found."""
    for path in sorted(changed, key=lambda path: document.marks[path], reverse=True):
        line, column = document.marks[path]
        whole = lines[line - 1]
        found = _SCALAR.match(whole, column - 1)
        if found is None:
            return False
        lines[line - 1] = f"{whole[: column - 1]}{changed[path]}{whole[found.end() :]}"
    return True


def _grown(
    lines: list[str], document: Document, added: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[str]:
    """The lines with more of them behind lists, or at the end where there is no such list."""
    from archcalc.spec.form import as_yaml

    end = "\r\n" if any(line.endswith("\r\n") for line in lines) else "\n"
    for name, entries in added.items():
        body = [f"{line}{end}" for line in as_yaml({name: entries}).splitlines()]
        if name not in document.data:
            if not lines[-1].endswith(("\n", "\r")):
                lines[-1] += end
            lines += [end, *body]
            continue
        first, last = (
            document.marks.get((name, k), (0, 0)) for k in (0, len(document.data[name]) - 1)
        )
        dash = re.match(r" *(?=- )", lines[first[0] - 1])
        if not first[0] or dash is None:
            continue  # a list on one line
        at = last[0]
        while at < len(lines) and re.match(rf"{dash[0]} +\S|\s*$", lines[at]):
            at += 1
        while not lines[at - 1].strip():
            at -= 1
        if not lines[at - 1].endswith(("\n", "\r")):
            lines[at - 1] += end
        lines[at:at] = [re.sub(r"^  ", dash[0], line) for line in body[1:]]
    return lines


def _anew(written: str, file: str, changed: Mapping[TreePath, str | int], data: Any) -> str:
    from archcalc.spec.form import as_json, layout
    from archcalc.spec.form.reading import tree_of
    from archcalc.spec.form.tree import Entry, Node

    if text.is_json(written, file):
        return as_json(data)
    root = tree_of(written.removeprefix("\ufeff"))
    for path, value in changed.items():
        *way, last = path
        node = root
        for key in way:
            node = _entry(node, key).node
        _entry(node, last).node = Node.of(value)
    for name, entries in data.items():
        known = root.get(name)
        if known is None:
            root.entries.append(Entry(name, Node.of(entries), before=[""]))
        elif isinstance(entries, list):
            known.entries += [Entry(None, Node.of(each)) for each in entries[len(known.entries) :]]
    return layout.text(root)


def _entry(node: Any, key: str | int) -> Any:
    return node.entries[key] if isinstance(key, int) else node.entry(key)
