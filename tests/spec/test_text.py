from __future__ import annotations

import io
import json
import os
import time
import tracemalloc
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archcalc.errors import Problem, SpecError
from archcalc.spec.text import parse, read

SPEC = """\
name: lenet
# the digits
input: [1, 32, 32]
layers:
  conv1: {op: Conv2d, out_channels: 6}
  flat:
    op: Flatten
    from:
      - conv1
"""


def problems(text: str, file: str = "spec.yaml") -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse(text, file)
    return caught.value.problems


def problem(text: str, file: str = "spec.yaml") -> Problem:
    (only,) = problems(text, file)
    return only


def test_every_value_and_every_key_has_its_place() -> None:
    document = parse(SPEC, "lenet.yaml")
    assert document.data == {
        "name": "lenet",
        "input": [1, 32, 32],
        "layers": {
            "conv1": {"op": "Conv2d", "out_channels": 6},
            "flat": {"op": "Flatten", "from": ["conv1"]},
        },
    }
    assert document.marks == {
        (): (1, 1),
        ("name",): (1, 7),
        ("input",): (3, 8),
        ("input", 0): (3, 9),
        ("input", 1): (3, 12),
        ("input", 2): (3, 16),
        ("layers",): (5, 3),
        ("layers", "conv1"): (5, 10),
        ("layers", "conv1", "op"): (5, 15),
        ("layers", "conv1", "out_channels"): (5, 37),
        ("layers", "flat"): (7, 5),
        ("layers", "flat", "op"): (7, 9),
        ("layers", "flat", "from"): (9, 7),
        ("layers", "flat", "from", 0): (9, 9),
    }
    assert document.keys == {
        ("name",): (1, 1),
        ("input",): (3, 1),
        ("layers",): (4, 1),
        ("layers", "conv1"): (5, 3),
        ("layers", "conv1", "op"): (5, 11),
        ("layers", "conv1", "out_channels"): (5, 23),
        ("layers", "flat"): (6, 3),
        ("layers", "flat", "op"): (7, 5),
        ("layers", "flat", "from"): (8, 5),
    }


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        (("layers", "conv1", "out_channels"), False, (5, 37)),
        (("layers", "conv1", "out_channels"), True, (5, 23)),
        (("layers", "conv1", "stride", 0), False, (5, 10)),
        (("layers", "conv1", "stride"), True, (5, 10)),
        (("title",), False, (1, 1)),
    ],
)
def test_a_problem_is_at_the_nearest_place_known(
    path: tuple[str | int, ...], key: bool, place: tuple[int, int]
) -> None:
    found = parse(SPEC, "lenet.yaml").problem(path, "is wrong", "mend it", key)
    assert found == Problem("lenet.yaml", *place, (), "is wrong", "mend it")
    assert found.path == tuple(map(str, path))


JSON = '{"name":\t"a\\/b\\u00e9\\ud83d\\ude00",\r\n  "layers": {"c": [1, -2.5e3, true, null, "{"]}}'


def test_json_has_the_same_data_and_places_as_yaml() -> None:
    document = parse(JSON, "spec.json")
    assert document.data == {"name": "a/bé😀", "layers": {"c": [1, -2500.0, True, None, "{"]}}
    assert document.marks[("name",)] == (1, 10)
    assert document.keys[("layers", "c")] == (2, 14)
    assert document.marks[("layers", "c", 4)] == (2, 43)
    plain = '{"name": "lenet", "layers": {"c": [1, {"op": "ReLU"}]}}'
    assert parse("\n" + plain, "x") == parse("#\n" + plain, "x")


NUMBERS = st.integers(-(10**18) + 1, 10**18 - 1) | st.floats(-1e17, 1e17)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_what_json_writes_is_read_as_json_reads_it(
    data: dict[str, Any], indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    assert parse(text, "spec.json").data == json.loads(text) == data


@given(st.dictionaries(TEXTS, st.lists(TEXTS)), st.sampled_from(["'", '"']), st.booleans())
def test_text_that_yaml_writes_in_quotes_is_read_back(
    data: dict[str, Any], quote: str, flow: bool
) -> None:
    text = yaml.safe_dump(data, default_style=quote, default_flow_style=flow)
    assert parse(text, "x").data == data


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None), ("~", None), ("null", None), ("NULL", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("7", 7), ("-7", -7), ("+7", 7), ("007", 7), ("999999999999999999", 10**18 - 1),
        ("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1e-5", 1e-5), ("1E5", 1e5), ("-1.5e+2", -150.0),
        ("yes", "yes"), ("on", "on"), ("no", "no"), ("n", "n"), ("tRue", "tRue"),
        ("0o7", "0o7"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("1:30", "1:30"), ("٣", "٣"),
        ("2015-12-10", "2015-12-10"), ("1e", "1e"), (".", "."), ("+", "+"),
        ("inf", "inf"), ("nan", "nan"), ("=4*planes", "=4*planes"), ("25.6M", "25.6M"),
        ("'7'", "7"), ('"true"', "true"), ("''", ""), ("|\n  7\n", "7\n"), (">-\n  a\n  b", "a b"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, value: Any) -> None:
    result = parse(f"a: {written}", "x").data["a"]
    assert result == value
    assert type(result) is type(value)


def test_an_alias_repeats_a_value_and_has_the_places_of_its_anchor() -> None:
    document = parse("a: &a {b: [1, &c x]}\nd: *a\ne: *c\n", "x")
    assert document.data == {"a": {"b": [1, "x"]}, "d": {"b": [1, "x"]}, "e": "x"}
    assert document.marks[("d", "b", 1)] == document.marks[("a", "b", 1)] == (1, 15)
    assert document.keys[("d", "b")] == (1, 8)
    assert document.keys[("d",)] == (2, 1)
    assert document.marks[("e",)] == (1, 15)


@pytest.mark.parametrize("text", ["\ufeffname: a", "%YAML 1.2\n---\nname: a\n...\n", "{name: a}"])
def test_the_beginning_may_be_a_mark_a_directive_or_a_brace(text: str) -> None:
    assert parse(text, "x").data == {"name": "a"}


DEEP = "a: " + "[" * 31 + "]" * 31


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("", (1, 1), "spec is empty", "a spec is a mapping with 'name' and 'layers'"),
        ("# nothing\n", (1, 1), "spec is empty", "a spec is a mapping with 'name' and 'layers'"),
        ("---\n~", (1, 1), "spec is empty", "a spec is a mapping with 'name' and 'layers'"),
        ("\n- a", (2, 1), "a spec is a mapping with 'name' and 'layers'; this is a list", ""),
        ("lenet", (1, 1), "a spec is a mapping with 'name' and 'layers'; this is 'lenet'", ""),
        ("a: 1\nb: 2\na: 3", (3, 1), "key 'a' is already on line 1", ""),
        (
            "1: x",
            (1, 1),
            "a key should be text, not 1",
            'quote it: "1"; a value stands behind a name',
        ),
        (
            "true: x",
            (1, 1),
            "a key should be text, not true",
            'quote it: "true"; a value stands behind a name',
        ),
        ("?\n: x", (1, 2), "a key is missing", ""),
        ("[1]: x", (1, 1), "a key should be text, not a mapping or a list", ""),
        ("a: &k b\n*k : x", (2, 1), "a key should be text, not an alias", ""),
        ("k" * 201 + ": x", (1, 1), "a key should have at most 200 characters", ""),
        ("a: &a {b: 1}\nc: {<<: *a}", (2, 5), "merge keys are not supported",
         "write the entries out"),
        ("a: !!python/object:os.x 1", (1, 4), "a tag is not allowed: !!python/object:os.x",
         "a spec is plain data"),
        ("a: !x {b: 1}", (1, 4), "a tag is not allowed: !x", "a spec is plain data"),
        ("a: !!str 1", (1, 4), "a tag is not allowed: !!str", "a spec is plain data"),
        ("a: ! 1", (1, 4), "a tag is not allowed: !", "a spec is plain data"),
        ("%TAG !e! x\n---\na: 1", (1, 1), "a %TAG directive is not allowed",
         "a spec is plain data"),
        ("a: 1\n---\nb: 2", (2, 1), "a second document begins here", "one file holds one spec"),
        ("a: .inf", (1, 4), "should be a finite number, not .inf", ""),
        ("a: -.INF", (1, 4), "should be a finite number, not -.INF", ""),
        ("a: .nan", (1, 4), "should be a finite number, not .nan", ""),
        ("a: 1000000000000000000", (1, 4), "number too large: 18 digits are the most", ""),
        ("a: 1e18", (1, 4), "number too large: 18 digits are the most", ""),
        ("a: 1e999", (1, 4), "number too large: 18 digits are the most", ""),
        ("a: " + "9" * 10_000, (1, 4), "number too large: 18 digits are the most", ""),
        ("a: [*b]", (1, 5), "no anchor '&b' before this alias", ""),
        ("a: &conv x\nb: *conf", (2, 4), "no anchor '&conf' before this alias",
         "did you mean 'conv'?"),
        ("a: &a [*a]", (1, 8), "an alias can't stand inside the value that it repeats", ""),
        ("a: \x07", (1, 4), "is not text: it holds the character U+0007", ""),
        ("a: 1\nb: \ud800", (2, 4), "is not text: it holds the character U+D800", ""),
        ('a: "\\0"', (1, 4), "is not text: it holds the character U+0000", ""),
        (DEEP.replace("[]", "[[]]"), (1, 35), "is nested more than 32 deep", ""),
        ("a: &a [[]]\nb: " + "[" * 30 + "*a" + "]" * 30, (2, 34), "is nested more than 32 deep",
         ""),
        ("a: [" + "1," * 99_999 + "1]", (1, 200_001),
         "spec has more than 100,000 values, aliases counted in full", ""),
    ],
)  # fmt: skip
def test_what_a_spec_can_not_be_is_said_at_its_place(
    text: str, place: tuple[int, int], message: str, hint: str
) -> None:
    assert problem(text) == Problem("spec.yaml", *place, (), message, hint)


def test_the_bounds_themselves_are_allowed() -> None:
    parse(DEEP, "x")
    parse("a: &a [[]]\nb: " + "[" * 29 + "*a" + "]" * 29, "x")
    parse("k" * 200 + ": x", "x")
    # The document, its one entry, and what the list holds.
    assert len(parse("a: [" + "1," * 99_997 + "1]", "x").marks) == 100_000


def test_all_problems_are_said_at_once_with_the_way_to_each() -> None:
    found = problems("a: {1: .inf}\nb: [x, {c: !t 1, c: 2}]\n")
    assert [(p.line, p.column, p.path) for p in found] == [
        (1, 5, ("a",)),
        (1, 8, ("a", "1")),
        (2, 12, ("b", "1", "c")),
        (2, 18, ("b", "1", "c")),
    ]
    assert len(problems("a: 1\n" * 1000)) == 50


@pytest.mark.parametrize(
    ("text", "line", "words", "hint"),
    [
        ("a:\n\tb: 1", 2, "is not valid YAML", "indent with spaces: YAML allows no tabs there"),
        ("a: [1, 2\nb: 3", 2, "is not valid YAML", ""),
        ('a: "b', 1, "is not valid YAML", ""),
        ("a: b: c", 1, "mapping values are not allowed in this context", ""),
        ("{a: 1", 1, "is not valid YAML", ""),
        ('{"a": 1 "b": 2}', 1, "is not valid YAML", ""),
    ],
)
def test_errors_of_yaml_are_located(text: str, line: int, words: str, hint: str) -> None:
    found = problem(text)
    assert (found.line, found.hint) == (line, hint)
    assert found.column >= 1
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": 1,\n "b" 2}', (2, 6), "is not valid JSON"),
        ('{"a": 1,}', (1, 9), "is not valid JSON"),
        ("a: 1", (1, 1), "is not valid JSON"),
        ('{"a": 1}\n{}', (2, 1), "is not valid JSON"),
        ("", (1, 1), "spec is empty"),
        ("null", (1, 1), "spec is empty"),
        ('{"a": 1,\r\n "a": 2}', (2, 2), "key 'a' is already on line 1"),
        ('{"a": NaN}', (1, 7), "should be a finite number, not NaN"),
        ('{"a": -Infinity}', (1, 7), "should be a finite number, not -Infinity"),
        ('{"a": 1e999}', (1, 7), "number too large"),
        ('{"a": ' + "9" * 10_000 + "}", (1, 7), "number too large"),
        ('{"a": "\\ud800"}', (1, 7), "U+D800"),
        ('{"\\u0000": 1}', (1, 2), "U+0000"),
        ("[1]", (1, 1), "this is a list"),
        ("1", (1, 1), "this is 1"),
        ('{"a":' * 33 + "1" + "}" * 33, (1, 161), "is nested more than 32 deep"),
        ('{"a":' * 50_000, (1, 161), "is nested more than 32 deep"),
    ],
)
def test_errors_of_json_are_located(text: str, place: tuple[int, int], words: str) -> None:
    found = problem(text, "spec.json")
    assert (found.line, found.column) == place
    assert words in found.message


LAUGHS = "a0: &a0 ha\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize("file", ["x.yaml", "x.json"])
@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        *(
            start + (unit * 100_000)[:100_000]
            for start in ("", "a: ")
            for unit in ("[", "{", "- - - - ", '"', "&a ", "&a", "*a ", "a: &a [*a]\n", "{a: ",
                         "? ",
                         ": ", "- ", "\\", "'", "|\n", "!", "!a ", "%a\n", "---\n", "...\n", "#\n",
                         " ", "\n", "\t", "a\n", "a: [", '{"a":', "[],", "9", "&a a: *a\n", ",")
        ),
        "".join(f"%TAG !a{i}! x\n" for i in range(60_000)) + "---\na: 1",
        "a: 1\n...\n" + "".join(f"%TAG !a{i}! x\n" for i in range(60_000)),
        "".join(f"{' ' * i}a:\n" for i in range(1000)),
        "".join(f"k{i}: &k{i} *k{i + 1}\n" for i in range(10_000)),
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_the_worst_text_is_done_with_in_a_second(text: str, file: str) -> None:
    began = time.process_time()
    with suppress(SpecError):
        parse(text, file)
    assert time.process_time() - began < 1


def test_a_billion_laughs_take_no_memory() -> None:
    tracemalloc.start()
    try:
        found = problem(LAUGHS)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()
    assert found.message == "spec has more than 100,000 values, aliases counted in full"


YAML_TOKENS = [
    "a", "b: ", "c:\n  ", "- ", "\n", "[", "]", "{", "}", ",", ": ", "? ", "&a ", "*a", "!t ", "'",
    '"', "|\n", ">", "#", "%YAML 1.2\n", "---\n", "...", "\t", "  ", "\\", "1", ".inf", "<<", "~",
    "\x00", "\ud800", "\x85", "\ufeff", "true",
]  # fmt: skip


@given(
    st.text() | st.lists(st.sampled_from(YAML_TOKENS)).map("".join),
    st.sampled_from(["x.yaml", "x.json"]),
)
def test_any_text_is_a_document_or_has_problems(text: str, file: str) -> None:
    with suppress(SpecError):
        parse(text, file)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spec") / "spec.yaml"


@given(data=st.binary())
def test_any_bytes_are_a_document_or_have_problems(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with suppress(SpecError):
        read(file)


def refused(path: Path | str) -> Problem:
    with pytest.raises(SpecError) as caught:
        read(path)
    (only,) = caught.value.problems
    return only


def test_a_file_is_read_with_its_name(file: Path) -> None:
    file.write_text("\ufeff" + SPEC, encoding="utf-8")
    assert read(file) == read(str(file)) == parse(SPEC, str(file))


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"name: a")))
    assert read("-") == parse("name: a", "<stdin>")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a" * (2**20 + 1))))
    assert refused("-").message == "spec is more than 1 MiB; the limit is 1 MiB"


@pytest.mark.parametrize(
    ("data", "place", "message", "hint"),
    [
        (b"\x89PNG\r\n", (1, 1), "is not text: byte 0x89 is not UTF-8", ""),
        (b"a: 1\nb: \xc3\xa9\xff", (2, 5), "is not text: byte 0xFF is not UTF-8", ""),
        (b"\xef\xbb\xbfa: \xff", (1, 4), "is not text: byte 0xFF is not UTF-8", ""),
        (b"a: \x00", (1, 4), "is not text: it holds the character U+0000", ""),
        ("a: 1".encode("utf-16"), (1, 1), "is not text: byte 0xFF is not UTF-8",
         "it looks like UTF-16: save it as UTF-8"),
        (b"#" * 5_452_595, (0, 0), "spec is 5.2 MiB; the limit is 1 MiB", ""),
        (b"#" * (2**20 + 1), (0, 0), "spec is 1.1 MiB; the limit is 1 MiB", ""),
    ],
)  # fmt: skip
def test_a_file_must_be_text_of_a_modest_size(
    file: Path, data: bytes, place: tuple[int, int], message: str, hint: str
) -> None:
    file.write_bytes(data)
    assert refused(file) == Problem(str(file), *place, (), message, hint)


def test_a_file_of_the_largest_size_is_read(file: Path) -> None:
    file.write_bytes(b"a: 1\n" + b"#" * (2**20 - 5))
    assert read(file).data == {"a": 1}


def test_a_missing_file_is_told_from_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "resnet.yaml").touch()
    (tmp_path / "resnte.txt").touch()
    path = tmp_path / "resnte.yaml"
    assert refused(path) == Problem(
        str(path), 0, 0, (), "no such file", "did you mean 'resnet.yaml'?"
    )
    assert refused(tmp_path / "none" / "resnet.yaml").message == "no such file"


@pytest.mark.parametrize(("others", "hint"), [(999, "did you mean 'resnet.yaml'?"), (1000, "")])
def test_of_very_many_neighbours_a_thousand_are_asked(
    others: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*(f"{k}.txt" for k in range(others)), "resnet.yaml"]
    entries = nullcontext(SimpleNamespace(name=name) for name in names)
    monkeypatch.setattr(os, "scandir", lambda _: entries)
    assert refused(tmp_path / "resnte.yaml").hint == hint


def test_what_is_no_file_is_refused(tmp_path: Path, file: Path) -> None:
    assert refused(tmp_path).message == "is a directory, not a spec"
    file.touch()
    assert refused(file / "spec.yaml").message == "can't be read: Not a directory"
    assert refused("a\0b").message == "can't be read: embedded null byte"
    assert refused("a" * 5000).message == "can't be read: File name too long"


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert refused("/dev/zero").message == "spec is more than 1 MiB; the limit is 1 MiB"


def test_permission_may_be_denied(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("builtins.open", deny)
    assert refused(os.fspath(file)).message == "permission denied"


def test_libyaml_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = parse(SPEC, "x")
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert parse(SPEC, "x") == expected
    assert problem("a:\n\tb: 1").line == 2
