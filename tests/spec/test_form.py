"""The one form of specs: what it is, what it keeps, and that nothing means something else in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archcalc
from archcalc.errors import SpecError
from archcalc.spec import zoo
from archcalc.spec.form import as_json, as_yaml, fmt, form_of
from archcalc.spec.model import Spec
from archcalc.spec.text import parse
from archcalc.spec.zoo import examples, families, folder, spaces

SHIPPED = [*families(), *examples(), *spaces(), *sorted((folder() / "records").glob("*.yaml"))]
HAND_WRITTEN = sorted((Path(__file__).parents[1] / "specs" / "language").glob("*.yaml"))


def form(text: str) -> str:
    return form_of(text, "net.yaml")


def in_order(
    value: Any, at: tuple[Any, ...] = (), chosen: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Where names are chosen, of layers and variables, and these in their order.

    ``chosen`` says that those of ``value`` are, as a block may be called ``layers``.
    """
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in sorted(items, key=lambda item: str(item[0])):
        sections = ("layers", "args") if at else ("vars", "variants", "blocks", "layers")
        names = not chosen and key in sections
        if names and isinstance(inner, dict):
            yield (*at, key, *inner)
        if isinstance(inner, (dict, list)):
            yield from in_order(inner, (*at, key), names)


@pytest.mark.parametrize("path", [*SHIPPED, *HAND_WRITTEN], ids=lambda path: path.stem)
def test_what_is_shipped_is_in_its_one_form(path: Path) -> None:
    assert fmt(path) == path.read_text(encoding="utf-8")


def test_a_file_means_what_it_meant() -> None:
    text = """\
# A network,

# and more of it.
layers: # the layers
  # the first
  'a' : { bias: no,   out_features : =width*2, op : Linear }   # beside it
  b:
    op: ReLU

  c:   {op:   Add,  # the sum
        from: [ b,
                # the other
                a]}
  # the last

  # words at the end of the layers
# a word on the end
outputs: "c"
vars: {width: 0x10, "w2": 1.50, off: 'off', text: '1e5'}
input:
- 3
name: net
"""
    found = form(text)

    assert found == (
        "# A network,\n"
        "\n"
        "# and more of it.\n"
        "name: net\n"
        "input: [3]\n"
        'vars: {width: "0x10", w2: 1.50, "off": "off", text: "1e5"}\n'
        "layers:  # the layers\n"
        "  # the first\n"
        '  a: {op: Linear, out_features: =width*2, bias: "no"}  # beside it\n'
        "  b: {op: ReLU}\n"
        "\n"
        "  c:\n"
        "    op: Add  # the sum\n"
        "    from:\n"
        "      - b\n"
        "      # the other\n"
        "      - a\n"
        "  # the last\n"
        "\n"
        "  # words at the end of the layers\n"
        "# a word on the end\n"
        "outputs: c\n"
    )
    assert parse(found, "net.yaml").data == parse(text, "net.yaml").data
    assert form(found) == found


@pytest.mark.parametrize(
    ("written", "formed"),
    [
        ("'=dims[0] * 2'", '"=dims[0] * 2"'),
        ("'=width * 2'", "=width * 2"),
        ("'=max(w, 2)'", '"=max(w, 2)"'),
        ("'https://arxiv.org/abs/1512.03385'", "https://arxiv.org/abs/1512.03385"),
        ("'a: b'", '"a: b"'),
        ("'a #b'", '"a #b"'),
        ("'3x3'", "3x3"),
        ("'12'", '"12"'),
        ("'2015-01-01'", '"2015-01-01"'),
        ("'say \"so\"'", 'say "so"'),
        ("'say, \"so\"'", "'say, \"so\"'"),
        ("True", "true"),
        ("~", ""),
        ("[1,2 , 3]", "[1, 2, 3]"),
        ("{}", "{}"),
        ("007", "007"),
    ],
)
def test_quotes_stand_where_they_are_needed(written: str, formed: str) -> None:
    text = f"name: net\nlayers: {{a: {{op: X, y: {written}}}}}\n"

    assert form(text) == f"name: net\nlayers:\n  a: {{op: X, y: {formed}}}\n"


def test_a_long_layer_goes_on_in_the_next_line() -> None:
    conv = "{op: Conv2d, out_channels: 64, kernel_size: 3, stride: 2, padding: 1, dilation: 1, "
    found = form(f"name: net\nlayers: {{a: {conv}groups: 1, bias: false, padding_mode: zeros}}}}\n")

    assert found == (
        f"name: net\nlayers:\n  a: {conv}groups: 1,\n    bias: false, padding_mode: zeros}}\n"
    )


CONV = "{op: Conv2d, out_channels: 64, kernel_size: 3, stride: 2, padding: 1, bias: false}"


def test_a_row_has_as_many_layers_on_a_line_as_fit_and_none_is_broken() -> None:
    found = form(
        f"name: net\nlayers: {{a: [ReLU, {CONV}, BatchNorm2d, ReLU],\n"
        f"b: {{layers: [Concat, {CONV}, ReLU], from: [a, input]}}}}\n"
    )

    assert found == (
        "name: net\n"
        "layers:\n"
        f"  a: [ReLU, {CONV},\n"
        "    BatchNorm2d, ReLU]\n"
        "  b: {from: [a, input], layers: [Concat,\n"
        f"    {CONV}, ReLU]}}\n"
    )
    assert form(found) == found


def test_a_row_that_would_take_four_lines_or_has_comments_has_a_line_a_layer() -> None:
    assert form(f"name: net\nlayers: {{a: [{', '.join([CONV] * 3)}]}}\n").count("\n") == 5
    found = form(f"name: net\nlayers: {{a: [{', '.join([CONV] * 4)}]}}\n")
    assert found == "name: net\nlayers:\n  a:\n" + f"    - {CONV}\n" * 4
    commented = "name: net\nlayers:\n  a:\n    - ReLU  # so\n    - Tanh\n"
    assert form(commented) == commented
    # What is said of the row as a whole stands behind its name.
    row = f"  a:  # so\n    - {CONV}\n    - BatchNorm2d\n"
    assert form(f"name: net\nlayers:\n{row}") == f"name: net\nlayers:\n{row}"
    long = CONV.replace("bias: false", "dilation: 1, groups: 1, padding_mode: zeros, bias: false")
    assert form(f"name: net\nlayers: {{a: [{long}, ReLU]}}\n").count("\n    - ") == 2


def test_a_block_with_other_keys_begins_a_line_with_each() -> None:
    found = form(
        f"name: net\nblocks:\n  a: {{inputs: [x, y], layers: [Concat, {CONV}, ReLU]}}\n"
        "  b: {inputs: [x, y], layers: [Concat, ReLU]}\n"
    )
    assert found == (
        "name: net\n"
        "blocks:\n"
        "  a:\n"
        "    inputs: [x, y]\n"
        "    layers: [Concat,\n"
        f"      {CONV}, ReLU]\n"
        "  b: {inputs: [x, y], layers: [Concat, ReLU]}\n"
    )


def test_what_is_made_from_data_is_written_in_short() -> None:
    data = {
        "name": "net",
        "input": [3, 8, 8],
        "blocks": {
            "row": {"layers": {"ReLU": {"op": "ReLU"}, "Tanh": {"op": "Tanh"}}},
            "conv": {
                "args": {"out": None, "kernel": 3, "pad": "=kernel // 2", "act": "ReLU"},
                "layers": {
                    "conv": {
                        "op": "Conv2d",
                        "out_channels": "=out",
                        "kernel_size": "=kernel",
                        "padding": "=pad",
                    },
                    "act": {"op": "=act"},
                },
            },
            "pair": {
                "args": {"sizes": [1, 2]},
                "inputs": ["a", "b"],
                "layers": {"add": {"op": "Add", "from": ["a", "b"]}},
            },
        },
        "layers": {
            "a": {"block": "conv", "out": 4},
            "b": {"block": "row", "repeat": 2},
            "c": {"block": "pair", "from": ["a", "b"]},
        },
    }
    found = as_yaml(data)

    assert (
        found
        == """\
name: net
input: [3, 8, 8]

blocks:
  row: [ReLU, Tanh]

  conv(out, kernel=3, pad=kernel // 2, act='ReLU'):
    conv: {op: Conv2d, out_channels: =out, kernel_size: =kernel, padding: =pad}
    act: {op: =act}

  pair: {args: {sizes: [1, 2]}, inputs: [a, b], layers: {add: {op: Add, from: [a, b]}}}

layers:
  a: {block: conv, out: 4}
  b: {block: row, repeat: 2}
  c: {block: pair, from: [a, b]}
"""
    )
    assert Spec.of(parse(found, "net.yaml")) == Spec.model_validate(data)


@pytest.mark.parametrize(
    "row",
    [
        "[ReLU, Tanh]",
        "[ReLU, [Tanh, ReLU], ReLU]",
        "{repeat: 2, layers: [ReLU, {op: Mul, by: =i}]}",
        "{from: [a, input], layers: [Add, Tanh]}",
        "{layers: {x: Tanh, y: {op: Add, from: [x, input]}}}",
        "{output: x, layers: {x: Tanh, y: {op: Sub, from: [x, input]}}}",
    ],
)
def test_a_row_that_was_written_out_is_one_again(row: str) -> None:
    text = f"name: net\ninput: [3, 8, 8]\nlayers: {{a: ReLU, b: {row}}}\n"
    spec = Spec.of(parse(text, "net.yaml"))
    written = as_yaml(spec.document.data)

    assert "blocks" not in written
    assert Spec.of(parse(written, "net.yaml")) == spec
    assert parse(written, "net.yaml").data == parse(text, "net.yaml").data


def test_keys_have_one_order_and_names_their_own() -> None:
    text = """\
name: net
blocks:
  unit: {layers: {z: {op: Linear, out_features: =b}, a: ReLU}, output: a, args: {b: 1, a: 2}}
layers:
  z: {when: true, share: a, a: 3, b: 4, repeat: 2, from: input, block: unit}
  a: {layers: [ReLU], from: z, when: false}
"""
    assert form(text) == (
        "name: net\n"
        "blocks:\n"
        "  unit: {args: {b: 1, a: 2}, output: a, "
        "layers: {z: {op: Linear, out_features: =b}, a: ReLU}}\n"
        "layers:\n"
        "  z: {block: unit, from: input, repeat: 2, b: 4, a: 3, share: a, when: true}\n"
        "  a: {from: z, when: false, layers: [ReLU]}\n"
    )


def test_an_anchor_stands_before_what_repeats_it() -> None:
    text = "layers: {b: {bias: *off, op: X, z: &off [1]}, a: &off {op: Y}, c: *off}\nname: net\n"
    with pytest.raises(SpecError, match="no anchor"):
        form(text)
    text = "vars: {b: &off [1], c: &off [2], d: *off}\nlayers: {a: {z: *off, op: X}}\nname: net\n"

    assert form(text) == (
        "name: net\nvars: {b: &off [1], c: &off_ [2], d: *off_}\nlayers:\n  a: {op: X, z: *off_}\n"
    )


def test_json_stays_json() -> None:
    text = '{"layers": {"a": {"out_features": 3, "op": "Linear"}}, "name": "net"}'
    found = form_of(text, "net.json")

    assert json.loads(found) == json.loads(text)
    assert found == (
        '{\n "name": "net",\n "layers": {\n  "a": {"op": "Linear", "out_features": 3}\n }\n}\n'
    )


def test_what_no_file_can_hold_is_refused() -> None:
    for text in ("", "a: [", "a: !!python/object 1", "a: 1\na: 2", "- a", "&a [*a]"):
        with pytest.raises(SpecError):
            form(text)


@pytest.mark.parametrize("path", families(), ids=lambda path: path.stem)
def test_data_of_a_network_comes_back(path: Path) -> None:
    spec = zoo.family(path)
    data = spec.document.data
    written = as_yaml(data, "a comment")

    again = Spec.of(parse(written, str(path)))
    assert again == spec
    assert form(written) == written
    assert list(in_order(again.document.data)) == list(in_order(data))
    assert parse(as_json(data), "net.json").data == data


signs = st.text(st.sampled_from("ab=[]{},:#&*!|>'\"%@`?-~. \t\n\\/0é\x85\u2028😀"), max_size=12)
words = st.one_of(
    signs,
    st.sampled_from(["null", "True", "off", "y", "0x1F", "1_000", "12:30", "=", "<<", ".5", "1e5"]),
    st.from_regex(r"=[a-z]+( [*+] [a-z0-9\[\](), ]{1,90})?", fullmatch=True),
)
scalars = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(-1e17, 1e17, allow_nan=False),
)
keys = st.one_of(
    st.sampled_from(["op", "block", "from", "layers", "args", "when", "a", "vars", "blocks"]),
    words.filter(lambda key: key.strip() != "<<"),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)
documents = st.dictionaries(keys, values, min_size=1, max_size=6)


@given(documents)
def test_any_data_is_read_again_as_it_is(data: dict[str, Any]) -> None:
    from archcalc.spec.form import layout
    from archcalc.spec.form.order import ordered
    from archcalc.spec.form.tree import Node

    written = layout.text(ordered(Node.of(data)))
    again = parse(written, "net.yaml").data

    assert again == data
    assert list(in_order(again)) == list(in_order(data))
    assert form(written) == written
    assert all(line == line.rstrip() for line in written.split("\n") if '"' not in line)


def test_what_looks_cut_at_a_comma_stands_in_quotes() -> None:
    data = {"layers": {"a": {"op": ["=a + (", "b)"]}}}

    assert parse(form(json.dumps(data)), "net.yaml").data == data


@pytest.mark.parametrize(("length", "column"), [(9, 14), (35, 40), (36, 8)])
def test_comments_of_one_mapping_stand_in_one_column_but_beside_longer_lines_than_40(
    length: int, column: int
) -> None:
    text = f"name: net\nvars:\n  abc: 1  # 1\n  {'b' * length}: 2  # 2\n  c: 3\nlayers: [ReLU]\n"
    _, _, first, long, plain, *_ = form(text).splitlines()
    assert first.index("#") == column + 2
    assert long.endswith(": 2  # 2")
    assert plain == "  c: 3"


def test_what_stands_above_an_item_of_an_item_stands_above_the_dash() -> None:
    found = form("op:\n- -\n    # why\n    a:\n")
    assert found == "op:\n  # why\n  - [{a: }]\n"
    assert form(found) == found


@given(documents, st.randoms(use_true_random=False))
def test_no_comment_is_lost(data: dict[str, Any], random: Any) -> None:
    """Comments in the places where a line ends that is no part of a text."""
    import yaml

    class Plain(yaml.SafeDumper):
        """Without aliases, and with texts on one line."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    style = random.choice([None, False, True])
    lines = yaml.dump(data, Dumper=Plain, default_flow_style=style, width=10**6).split("\n")
    count = 0
    commented = []
    for line in lines:
        if random.random() < 0.4 and not re.search(r"['\"|>]|^ *$", line):
            indent = " " * (len(line) - len(line.lstrip()))
            count += 1
            if random.random() < 0.5:
                line = f"{line} # {count}."
            else:
                commented.append(f"{indent}# {count}.")
        commented.append(line)
    text = "\n".join(commented)
    try:
        before = parse(text, "net.yaml").data
    except SpecError:  # a comment within a text of several lines
        return
    found = form(text)

    assert parse(found, "net.yaml").data == before
    assert sorted(re.findall(r"# \d+\.", found)) == sorted(re.findall(r"# \d+\.", text))
    assert form(found) == found


def test_a_result_of_the_library_is_written_in_the_same_form(tmp_path: Path) -> None:
    flat = archcalc.export(archcalc.load("lenet"), to="yaml")
    assert isinstance(flat, str)
    rewritten = archcalc.savings("vgg16", "separable").text
    fitted = archcalc.fit(
        archcalc.load("lenet"), {"macs": 10**6}, vary={"classes": range(2, 20)}
    ).spec
    folded = archcalc.to_spec(archcalc.expand(archcalc.load("resnet18"))).document.data
    for text in (flat, rewritten, archcalc.new("net"), fmt(fitted), fmt(folded)):
        assert form(text) == text
        path = tmp_path / "net.yaml"
        path.write_text(text, encoding="utf-8")
        assert archcalc.validate(path) == []
        assert fmt(path) == text
    assert archcalc.load(path) == archcalc.load(folded)


def test_a_row_of_no_layers_is_written_too() -> None:
    data = {"name": "a", "layers": {"row": {"layers": [], "op": "x", "when": "y"}}}
    assert parse(as_yaml(data), "a.yaml").data == data
