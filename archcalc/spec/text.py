"""Text of a spec, YAML or JSON, to plain data with the place of every value.

Nothing here knows what a spec means. Scalars follow YAML 1.2's core schema in decimal: ``null``,
``~`` and nothing are None, ``true`` and ``false`` are bools, ``007`` and ``-7`` ints, ``1e-5`` and
``.5`` floats; everything else is a string, ``yes``, ``on``, ``0o7``, ``0x1F`` and dates included.
"""

from __future__ import annotations

import math
import os
import re
import sys
from bisect import bisect_left
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.spec.tree import NOT_TEXT, Document, Place, Tree, Value

if TYPE_CHECKING:
    from json import JSONDecodeError

LARGEST_FILE = 2**20
"""Bytes of a file, and characters of a text."""

MOST_DIGITS = 18
"""Digits of a number: the most that always fit in 64 bits."""

_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|-?Infinity|NaN")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# libyaml compares every %TAG directive with all before it: a megabyte of them takes seconds.
_TAG_DIRECTIVE = re.compile("(?:\\A|[\n\r\x85\u2028\u2029])(%TAG)")
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_UNQUOTED = re.compile(r"[:,\[{]\s*(=[^\"',}]*[\[{]|[\w.]+\.\{)")
"""An expression, or a reference with one, that YAML takes for the beginning of a list."""

_LINE_END = re.compile(r"\r\n|\n|\r")


def read(path: str | Path) -> Document:
    """The document in a file, or on standard input for ``-``. Raises :class:`SpecError`."""
    return parse(*contents(path))


def contents(path: str | Path) -> tuple[str, str]:
    """The text of a file, or of standard input for ``-``, and its name in messages.

    Raises :class:`SpecError` for what can't be read, is no text or too large.
    """
    if str(path) == "-":
        try:
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        except OSError as error:
            _refuse("<stdin>", f"can't be read: {error.strerror}")
        return _decode(data, "<stdin>"), "<stdin>"
    file = str(path)
    if os.path.isdir(file):
        _refuse(file, "is a directory, not a spec")
    try:
        with open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            data = stream.read(LARGEST_FILE + 1) if size <= LARGEST_FILE else b""
    except FileNotFoundError:
        _refuse(file, "no such file", _neighbours(Path(path)))
    except PermissionError:
        _refuse(file, "permission denied")
    except (OSError, ValueError) as error:
        _refuse(file, f"can't be read: {getattr(error, 'strerror', None) or error}")
    if size > LARGEST_FILE:
        _refuse(file, f"spec is {_mebibytes(size)} MiB; the limit is 1 MiB")
    return _decode(data, file), file


def parse(text: str, file: str) -> Document:
    """The document in a text, JSON or YAML; ``file`` is its name in messages.

    A text is JSON when ``file`` ends in ``.json`` or when it begins with ``{`` and is valid JSON.
    Raises :class:`SpecError` with every problem that reading on did not hide.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST_FILE:
        _refuse(file, "spec is more than 1 MiB; the limit is 1 MiB")
    wrong = NOT_TEXT.search(text)
    if wrong:
        place = _Lines(text).place(wrong.start())
        _refuse(file, f"is not text: it holds the character U+{ord(wrong[0]):04X}", "", place)
    if is_json(text, file):
        return _parse_json(text, file, _json_error(text))
    return _parse_yaml(text, file)


def is_json(text: str, file: str) -> bool:
    """Whether a text is read as JSON: by its file's name, or because it is."""
    named = file.lower().endswith(".json")
    return named or (text.lstrip().startswith("{") and _json_error(text) is None)


def _refuse(file: str, message: str, hint: str = "", place: Place = (0, 0)) -> NoReturn:
    raise SpecError([Problem(file, *place, (), message, hint)]) from None


def _mebibytes(size: int) -> str:
    # Rounded up, so that a file just above the limit is not said to be at it.
    return f"{math.ceil(size / LARGEST_FILE * 10) / 10:.1f}"


def _neighbours(path: Path) -> str:
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, 1000)]
    except (OSError, ValueError):
        return ""
    return did_you_mean(path.name, (n for n in names if n.endswith((".yaml", ".yml", ".json"))))


def _decode(data: bytes, file: str) -> str:
    if len(data) > LARGEST_FILE:
        _refuse(file, "spec is more than 1 MiB; the limit is 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Of `object`, not of `data`: the codec counts from after a byte order mark.
        before = error.object[: error.start].decode()
        message = f"is not text: byte 0x{error.object[error.start]:02X} is not UTF-8"
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = "it looks like UTF-16: save it as UTF-8" if utf16 else ""
        _refuse(file, message, hint, _Lines(before).place(len(before)))


class _Lines:
    """Places in a text by offset."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def place(self, offset: int) -> Place:
        line = bisect_left(self._starts, offset + 1)
        return line, offset - self._starts[line - 1] + 1


def _number(text: str) -> int | float | None:
    """The number that ``text`` spells, or None. Raises ``ValueError`` for one that is refused."""
    if not _NUMBER.fullmatch(text):
        if _NOT_FINITE.fullmatch(text):
            raise ValueError(f"should be a finite number, not {text}")
        return None
    if text.lstrip("+-").isdigit():
        if len(text.lstrip("+-")) > MOST_DIGITS:
            raise ValueError(f"number too large: {MOST_DIGITS} digits are the most")
        return int(text)
    number = float(text)
    if abs(number) >= 10**MOST_DIGITS:
        raise ValueError(f"number too large: {MOST_DIGITS} digits are the most")
    return number


def literal(text: str) -> Any:
    """What a scalar without quotes means: null, a truth value, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    number = _number(text)
    return text if number is None else number


def _plain(tree: Tree, text: str, place: Place) -> Value:
    """A scalar without quotes."""
    try:
        value = literal(text)
    except ValueError as error:
        tree.report(place, str(error))
        value = 0
    return tree.scalar(value, place)


def _parse_yaml(text: str, file: str) -> Document:
    import yaml

    directive = _TAG_DIRECTIVE.search(text)
    if directive:
        place = _Lines(text).place(directive.start(1))
        _refuse(file, "a %TAG directive is not allowed", "a spec is plain data", place)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    tree = Tree(file)
    anchors: dict[str, Value] = {}
    documents = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            start: Any = event.start_mark
            place = start.line + 1, start.column + 1
            if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
                if event.tag is not None:
                    tag = event.tag.replace("tag:yaml.org,2002:", "!!")
                    message = f"a tag is not allowed: {tag:.60}"
                    tree.report(place, message, "a spec is plain data")
                if isinstance(event, yaml.ScalarEvent):
                    node = _add_scalar(tree, event.value, event.implicit[0], place)
                else:
                    empty: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                    node = tree.open(empty, place, bool(event.flow_style))
                if event.anchor is not None:
                    anchors[event.anchor] = node
            elif isinstance(event, yaml.CollectionEndEvent):
                tree.close()
            elif isinstance(event, yaml.AliasEvent):
                _add_alias(tree, anchors, event.anchor, place)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    tree.stop(place, "a second document begins here", "one file holds one spec")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        lines = text.splitlines() or [""]
        if place[0] > len(lines):  # libyaml's end is a line after the last
            place = len(lines), len(lines[-1]) + 1
        line = lines[place[0] - 1]
        tabs = "\t" in line[: len(line) - len(line.lstrip())]
        message = "; ".join(filter(None, (error.problem, error.context)))
        hint = "indent with spaces: YAML allows no tabs there" if tabs else ""
        unquoted = _UNQUOTED.search(line)
        if unquoted and not tabs:
            whole = _whole(line[unquoted.start(1) :])
            hint = f'in {{ }} quote an expression with brackets or commas: "{whole}"'
        tree.stop(place, f"is not valid YAML: {message}", hint)
    except yaml.YAMLError as error:
        tree.stop((0, 0), f"is not valid YAML: {error}")
    return tree.document()


def _whole(text: str) -> str:
    """The expression that a text begins with: up to a comma or bracket that is not its own."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0 or (sign == "," and not depth):
            return text[:at].rstrip()
    return text.rstrip()


def _add_alias(tree: Tree, anchors: dict[str, Value], anchor: Any, place: Place) -> None:
    if tree.wants_key:
        tree.stop(place, "a key should be text, not an alias")
    if anchor not in anchors:
        hint = did_you_mean(anchor, anchors)
        tree.stop(place, f"no anchor '&{anchor:.40}' before this alias", hint)
    tree.alias(anchors[anchor], place)


def _add_scalar(tree: Tree, text: str, plain: bool, place: Place) -> Value:
    rest = plain and tree.cut(text, place)
    if not tree.wants_key:
        return _plain(tree, text, place) if plain else tree.scalar(text, place)
    if plain and not rest:
        _check_plain_key(tree, text, place)
    tree.key(text, place, rest)
    return Value(text, place)


def _check_plain_key(tree: Tree, text: str, place: Place) -> None:
    if text == "<<":
        tree.report(place, "merge keys are not supported", "write the entries out")
    elif text == "":
        tree.report(place, "a key is missing")
    elif text in _WORDS or _NUMBER.fullmatch(text):
        tree.report(
            place,
            f"a key should be text, not {text:.40}",
            f'quote it: "{text:.40}"; a value stands behind a name',
        )


def _json_error(text: str) -> JSONDecodeError | None:
    import json

    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        return error
    except RecursionError:
        return None  # far deeper than allowed, which the tree will say
    return None


def _parse_json(text: str, file: str, error: JSONDecodeError | None) -> Document:
    """The document in a JSON text that has this ``error``, found by the standard library."""
    import json

    tree = Tree(file)
    lines = _Lines(text)
    if error is not None and text.strip():
        tree.stop(lines.place(error.pos), f"is not valid JSON: {error.msg}")
    for token in _JSON_TOKEN.finditer(text):
        word, place = token[0], lines.place(token.start())
        if word == "{":
            tree.open({}, place)
        elif word == "[":
            tree.open([], place)
        elif word in "}]":
            tree.close()
        elif word in ",:":
            continue
        elif tree.wants_key:
            tree.key(json.loads(word), place)
        elif word[0] == '"':
            tree.scalar(json.loads(word), place)
        else:
            _plain(tree, word, place)
    return tree.document()
