"""What a user reads when a spec is wrong: where, what, and what to do about it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc import SpecError

HEAD = "name: net\ninput: [3, 8, 8]\n"


def messages(tmp_path: Path, text: str) -> str:
    file = tmp_path / "net.yaml"
    file.write_text(HEAD + textwrap.dedent(text))
    found = "\n".join(map(str, archcalc.validate(file)))
    return found.replace(str(file), "net.yaml")


ONE_PROBLEM = {
    "unknown operator": (
        "layers:\n  conv: {op: Con2d, out_channels: 3}\n",
        "net.yaml:4:14  layers › conv › op\n  unknown operator 'Con2d'\n  did you mean 'Conv2d'?",
    ),
    "unknown operator in short": (
        "layers:\n  act: Relu\n",
        "net.yaml:4:8  layers › act › op\n  unknown operator 'Relu'\n  did you mean 'ReLU'?",
    ),
    "unknown field": (
        "layers:\n  fc: {op: Linear, out_features: 9, biass: true}\n",
        "net.yaml:4:37  layers › fc › biass\n  Linear has no field 'biass'\n  did you mean 'bias'?",
    ),
    "missing field": (
        "layers:\n  fc: {op: Linear}\n",
        "net.yaml:4:3  layers › fc\n  Linear needs 'out_features'",
    ),
    "wrong type": (
        "layers:\n  conv: {op: Conv2d, out_channels: many, kernel_size: 1}\n",
        "net.yaml:4:36  layers › conv › out_channels\n  should be a whole number, not 'many'",
    ),
    "number out of range": (
        "layers:\n  conv: {op: Conv2d, out_channels: 4, kernel_size: 0}\n",
        "net.yaml:4:52  layers › conv › kernel_size\n  should be at least 1, not 0",
    ),
    "too many axes": (
        "layers:\n  conv: {op: Conv2d, out_channels: 4, kernel_size: [1, 2, 3]}\n",
        "net.yaml:4:52  layers › conv › kernel_size\n"
        "  should be a number or a list of 2, not [1, 2, 3]",
    ),
    "items of a list, which was too short without them": (
        "layers:\n  pad: {op: Pad, pad: [-1, 0]}\n",
        "net.yaml:4:24  layers › pad › pad › 0\n  should be at least 0, not -1\n"
        "  what is cut off is a layer of its own: Crop",
    ),
    "too few items": (
        "layers:\n  pad: {op: Pad, pad: [1]}\n",
        "net.yaml:4:23  layers › pad › pad\n  should have at least 2 items, not 1",
    ),
    "unknown block": (
        "blocks:\n  unit: {layers: {a: ReLU}}\nlayers:\n  x: {block: unti}\n",
        "net.yaml:6:14  layers › x › block\n  unknown block 'unti'\n  did you mean 'unit'?",
    ),
    "unknown argument": (
        "blocks:\n  unit: {args: {planes: 4}, layers: {a: ReLU}}\n"
        "layers:\n  x: {block: unit, plane: 3}\n",
        "net.yaml:6:20  layers › x › plane\n"
        "  block 'unit' has no argument 'plane'\n"
        "  did you mean 'planes'?",
    ),
    "missing argument": (
        "blocks:\n  unit: {args: {planes: }, layers: {a: ReLU}}\nlayers:\n  x: unit\n",
        "net.yaml:6:3  layers › x\n  block 'unit' needs the argument 'planes'",
    ),
    "unknown reference": (
        "layers:\n  conv1: ReLU\n  sum: {op: Add, from: [conv1, conv2]}\n",
        "net.yaml:5:32  layers › sum › from › 1\n  no layer 'conv2'\n  did you mean 'conv1'?",
    ),
    "a cycle": (
        "layers:\n  a: {op: ReLU, from: b}\n  b: ReLU\n",
        "net.yaml:4:23  layers › a › from › 0\n"
        "  'b' comes later: a layer takes only what is above it\n"
        "  a network has no cycles; move one of the two",
    ),
    "a layer that takes itself": (
        "layers:\n  a: {op: ReLU, from: a}\n",
        "net.yaml:4:23  layers › a › from › 0\n"
        "  'a' comes later: a layer takes only what is above it\n"
        "  a network has no cycles; move one of the two",
    ),
    "kernel larger than its input": (
        "layers:\n  conv: {op: Conv2d, out_channels: 4, kernel_size: 11}\n",
        "net.yaml:4:3  layers › conv\n"
        "  kernel 11 is larger than its input 8\n"
        "  input (1, 3, 8, 8) comes from 'input'",
    ),
    "channels that groups don't divide": (
        "layers:\n  conv: {op: Conv2d, out_channels: 4, kernel_size: 1, groups: 2}\n",
        "net.yaml:4:3  layers › conv\n"
        "  groups=2 does not divide in_channels=3\n"
        "  input (1, 3, 8, 8) comes from 'input'",
    ),
    "addition of unlike shapes": (
        "layers:\n"
        "  conv: {op: Conv2d, out_channels: 4, kernel_size: 3}\n"
        "  sum: {op: Add, from: [conv, input]}\n",
        "net.yaml:5:3  layers › sum\n"
        "  (1, 4, 6, 6) and (1, 3, 8, 8) do not fit: 4 and 3\n"
        "  input (1, 4, 6, 6) comes from 'conv'\n"
        "  input (1, 3, 8, 8) comes from 'input'",
    ),
    "too few inputs": (
        "layers:\n  sum: Add\n",
        "net.yaml:4:3  layers › sum\n  takes two inputs, or one and a number as 'by'\n"
        "  input (1, 3, 8, 8) comes from 'input'",
    ),
    "duplicate key": (
        "layers:\n  a: ReLU\n  a: Tanh\n",
        "net.yaml:5:3  layers › a\n  key 'a' is already on line 4",
    ),
    "unknown key": (
        "layer: 3\nlayers: {a: ReLU}\n",
        "net.yaml:3:1  layer\n  unknown key 'layer'\n  did you mean 'layers'?",
    ),
    "neither operator nor block": (
        "layers:\n  a: {out_channels: 3}\n",
        "net.yaml:4:3  layers › a\n  needs either 'op' (an operator) or 'block'",
    ),
    "division by zero": (
        "vars: {z: 0}\nlayers:\n  fc: {op: Linear, out_features: =8 // z}\n",
        "net.yaml:5:34  layers › fc › out_features\n  divides by zero: 8 // z",
    ),
    "overflow": (
        "layers:\n  fc: {op: Linear, out_features: =9 ** 9 ** 9}\n",
        "net.yaml:4:34  layers › fc › out_features\n  overflows: 9 ** 9 ** 9",
    ),
    "a number too large": (
        "layers:\n  fc: {op: Linear, out_features: 100000000000000}\n",
        "net.yaml:4:34  layers › fc › out_features\n"
        "  100000000000000 is too large: the limit is 1,099,511,627,776",
    ),
    "variables that rest on one another": (
        "vars: {a: =b, b: =a}\nlayers: {r: ReLU}\n",
        "net.yaml:3:11  vars › a\n  variable depends on itself: a -> b -> a",
    ),
    "unknown name in an expression": (
        "vars: {width: 3}\nlayers:\n  fc: {op: Linear, out_features: =widht}\n",
        "net.yaml:5:34  layers › fc › out_features\n"
        "  unknown name 'widht' in '=widht'\n"
        "  did you mean 'width'?",
    ),
    "a call that is not allowed": (
        "layers:\n  fc: {op: Linear, out_features: \"=open('x')\"}\n",
        "net.yaml:4:34  layers › fc › out_features\n  call of unknown function 'open': known: min, "
        "max, floor, ceil, round, int, abs, sqrt, len, sum, round_to, channels, length, height, "
        "width, size",
    ),
    "too many repeats": (
        "layers:\n  a: {op: ReLU, repeat: 1000000000}\n",
        "net.yaml:4:25  layers › a › repeat\n  makes the network larger than 120,000 layers",
    ),
    "repeats in repeats": (
        "blocks:\n"
        "  a: {layers: {r: {op: ReLU, repeat: 1000}}}\n"
        "  b: {layers: {r: {block: a, repeat: 1000}}}\n"
        "layers:\n  x: {block: b, repeat: 1000}\n",
        "net.yaml:5:38  layers › x › 0 › r › repeat\n"
        "  makes the network larger than 120,000 layers",
    ),
    "many layers side by side into many": (
        "layers:\n"
        "  a: {op: ReLU, parallel: 4000}\n"
        "  b: {op: Add, from: ['a.*'], parallel: 4000}\n"
        "  c: {op: Add, from: ['b.*']}\n",
        "net.yaml:5:22  layers › b › from\n"
        "  makes the network's layers take more than 500,000 inputs together",
    ),
    "blocks that contain one another": (
        "blocks:\n  a: {layers: {r: b}}\n  b: {layers: {r: a}}\nlayers:\n  x: a\n",
        "net.yaml:5:19  layers › x › r › r › block\n  block contains itself: a -> b -> a",
    ),
    "unknown variable in a variant": (
        "vars: {width: 3}\nvariants: {small: {widht: 1}}\nlayers: {a: ReLU}\n",
        "net.yaml:4:20  variants › small › widht\n  no variable 'widht'\n  did you mean 'width'?",
    ),
    "a shape that fails in one variant": (
        "vars: {k: 3}\nvariants: {fits: {k: 3}, fails: {k: 9}}\n"
        "layers:\n  c: {op: MaxPool2d, kernel_size: =k}\n",
        "net.yaml:6:3  layers › c\n"
        "  kernel 9 is larger than its input 8\n"
        "  input (1, 3, 8, 8) comes from 'input'\n"
        "  in the variant 'fails'",
    ),
    "an unquoted decimal": (
        "layers: {a: ReLU}\ndocumented: [{quantity: params, value: 25.60, source: x}]\n",
        "net.yaml:4:40  documented › 0 › value\n"
        "  should be in quotes, to be kept as it was printed: '25.6'",
    ),
    "a tag": (
        "layers: {a: !!python/object/apply:os.system [ls]}\n",
        "net.yaml:3:13  layers › a\n"
        "  a tag is not allowed: !!python/object/apply:os.system\n"
        "  a spec is plain data",
    ),
}


@pytest.mark.parametrize("case", ONE_PROBLEM)
def test_one_problem_gives_one_clear_message_and_no_other(tmp_path: Path, case: str) -> None:
    text, expected = ONE_PROBLEM[case]
    assert messages(tmp_path, text) == expected


def test_the_input_of_a_failing_layer_is_named_in_full(tmp_path: Path) -> None:
    found = messages(
        tmp_path,
        """\
        blocks:
          unit:
            layers:
              relu1: ReLU
              conv2: {op: Conv2d, out_channels: 6, kernel_size: 3, groups: 2}
        layers:
          layer1: {block: unit, repeat: 2}
        """,
    )
    assert found == (
        "net.yaml:7:7  layers › layer1 › 0 › conv2\n"
        "  groups=2 does not divide in_channels=3\n"
        "  input (1, 3, 8, 8) comes from 'layer1.0.relu1'"
    )


def test_all_problems_of_a_file_are_reported_in_one_go(tmp_path: Path) -> None:
    found = messages(
        tmp_path,
        """\
        yeer: 2020
        layers:
          9lives: ReLU
          conv: {op: Conv2d, out_channels: 4, kernel_size: 3, from: input}
          both: {op: ReLU, block: unit}
          typo: {op: Relu, from: conv}
          field: {op: Linear, out_feature: 3, from: conv}
          big: {op: MaxPool2d, kernel_size: 7, from: conv}
          sum: {op: Add, from: [conv, input]}
          rest: {op: Concat, from: [both, typo, field, big, sum]}
        """,
    )
    places = [line.split()[0] for line in found.splitlines() if line.startswith("net.yaml")]
    assert places == [
        f"net.yaml:{place}"
        for place in ("3:1", "5:3", "7:3", "8:14", "9:3", "9:23", "10:3", "11:3")
    ]


def test_problems_in_different_places_are_in_file_order(tmp_path: Path) -> None:
    found = messages(tmp_path, "layers:\n  a: {op: X1, p: 2}\n  b: {op: X2}\n")
    assert found.index("'X1'") < found.index("'X2'")


FILES = {
    "empty": b"",
    "only a comment": b"# nothing\n",
    "a list": b"- 1\n",
    "binary": bytes(range(256)),
    "latin-1": "name: caf\xe9".encode("latin-1"),
    "half a mapping": b"name: {",
    "brackets": b"[" * 100_000,
    "braces": b"{" * 100_000,
    "aliases that explode": b"".join(
        [
            b"a0: &a0 [x, x]\n",
            *(b"a%d: &a%d [*a%d, *a%d]\n" % (k, k, k - 1, k - 1) for k in range(1, 40)),
        ]
    ),
    "an alias of itself": b"name: &a [*a]\n",
    "nesting": b"".join(b" " * k + b"a:\n" for k in range(500)),
    "a megabyte of names": b"name: " + b"x" * 2_000_000,
    "two documents": b"name: a\n---\nname: b\n",
}


@pytest.mark.parametrize("case", FILES)
def test_a_malformed_file_is_refused_quickly(tmp_path: Path, case: str) -> None:
    file = tmp_path / "net.yaml"
    file.write_bytes(FILES[case])
    began = time.process_time()
    problems = archcalc.validate(file)
    assert time.process_time() - began < 1
    assert len(problems) >= 1
    with pytest.raises(SpecError):
        archcalc.load(file)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's accounts")
def test_malformed_files_take_little_memory(tmp_path: Path) -> None:
    bomb = "blocks:\n" + "".join(
        f"  b{k}: {{layers: {{x: {{block: b{k + 1}, repeat: 99}}}}}}\n" for k in range(20)
    )
    cases = [
        *FILES.values(),
        f"{HEAD}{bomb}  b20: {{layers: {{r: ReLU}}}}\nlayers: {{x: b0}}".encode(),
    ]
    paths = []
    for number, data in enumerate(cases):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_bytes(data)
    # The peak of the process itself: that of resource.getrusage begins with its parent's.
    program = (
        "import re, sys, archcalc\n"
        "assert all(archcalc.validate(path) for path in sys.argv[1:])\n"
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1])\n"
    )
    command = [sys.executable, "-c", program, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 200 * 1024


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "resnet51",
            "resnet51\n  no network of this name, and no such file\n  did you mean 'resnet5",
        ),
        ("nothing/like/this.yaml", "no such file"),
        ("/", "is a directory, not a spec"),
    ],
)
def test_a_source_that_is_not_there_is_said_to_be_so(source: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        archcalc.load(source)
    assert text in str(caught.value)


LAYER = st.dictionaries(
    st.sampled_from(["op", "block", "from", "repeat", "when", "out_channels", "kernel_size", "x"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 10),
        st.sampled_from(
            ["ReLU", "Conv2d", "Add", "a", "b.*", "a.0", "=i", "=a", "=1/0", "=[1]", ""]
        ),
        st.lists(st.sampled_from(["a", "input", "=a", 3]), max_size=3),
    ),
    max_size=5,
)


@given(
    layers=st.dictionaries(st.sampled_from(["a", "b", "c", "", "1"]), LAYER, max_size=3),
    blocks=st.dictionaries(
        st.sampled_from(["a", "b"]),
        st.fixed_dictionaries(
            {"layers": st.dictionaries(st.sampled_from(["a", "b"]), LAYER, max_size=2)}
        ),
        max_size=2,
    ),
    variables=st.dictionaries(
        st.sampled_from(["a", "b"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.sampled_from(["=a", "=b+1"])),
    ),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_mapping_is_a_spec_or_a_list_of_problems(
    layers: object, blocks: object, variables: object
) -> None:
    source = {
        "name": "net",
        "input": [3, 8, 8],
        "vars": variables,
        "blocks": blocks,
        "layers": layers,
    }
    problems = archcalc.validate(source)
    try:
        archcalc.expand(archcalc.load(source))
    except SpecError:
        assert problems
    else:
        assert not problems


def test_what_is_wrong_inside_something_wrong_is_told_beside_it() -> None:
    blocks = {"a": {"args": ["no"], "layers": {"c": "ReLU"}}, "b": {"layers": {"c": {"stride": 2}}}}
    data = {"name": "n", "input": [3], "blocks": blocks, "layers": {"r": "ReLU"}}
    said = [problem.message for problem in archcalc.validate(data)]
    assert said == ["should be a mapping, not ['no']", "needs either 'op' (an operator) or 'block'"]
    for odd in ("=['b']", "=[['b']]", "=1", "=None", "=[]"):
        for key in ("op", "block"):
            layers = {"r": {key: odd}}
            (problem,) = archcalc.validate({**data, "blocks": {}, "layers": layers})
            assert problem.message.startswith("unknown")
