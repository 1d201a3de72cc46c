"""Shipped specs, changed at random: what is refused is refused in words, what is not is sound.

``ARCHCALC_FUZZ=3000 pytest tests/test_fuzz.py`` tries as many; ``ARCHCALC_FUZZ=3000,17`` from
another seed. What fails is told with its seed, and comes again with it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

import archcalc
from archcalc import Analysis, ArchcalcError, Graph, Spec
from archcalc.operators import NAMES
from archcalc.spec import zoo
from archcalc.spec.layer import LAYER_KEYS

CASES, _, FIRST = os.environ.get("ARCHCALC_FUZZ", "150").partition(",")
SEEDS = range(int(FIRST or 0), int(FIRST or 0) + int(CASES))
FILES = [*zoo.families(), *zoo.examples()]

Path_ = tuple[Any, ...]

ODD: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 64, 1000, 10**6, 2**31, 2**40, 2**40 + 1, 2**62, 10**18, -(2**62), 10**30),
    *(0.0, -0.0, 0.5, 1.5, 1e-9, 1e300, -3.5, float("inf"), float("nan"), True, False, None),
    *("", " ", "=", "==", "=1/0", "=i", "=x", "= 2", "=[1, 2]", "=-1", "=2**61", "=None", "='a'"),
    *("=input", "=batch", "=channels(input)", "=size(input, 9)", "=height(input) // 2", "=1/3"),
    *("=10 if True else 'x'", "=[i, i]", "=sum([])", "=max([])", "=[1][5]", "=width(nowhere)"),
    *(
        "same",
        "same_upper",
        "valid",
        "caffe",
        "circular",
        "input",
        "conv1",
        "ReLU",
        "Conv2d",
        "a.b",
    ),
    *(
        "stage.*",
        "*",
        "0",
        "1",
        "3",
        "Ü",
        "层",
        "\u202e",
        "\x1b[31m",
        "a\nb",
        "'",
        '"',
        "{",
        "x" * 200,
    ),
    *([], {}, [1], [1, 2], [[1, 2]], [[0, 1], [2, 3]], [-1, -1], [None], ["=1"], [[]], [0.5, 2]),
    *({"op": "ReLU"}, {"a": 1}, {"block": "x"}, {"op": "Add", "from": ["input", "input"]}),
)
"""What takes the place of a value."""

FORMATS = ("table", "markdown", "csv", "json", "latex", "html")

WORDS = (*LAYER_KEYS, "name", "vars", "layers", "blocks", "inputs", "output", "args", "training")
"""What takes the place of a key, beside the keys of the document."""


@cache
def original(path: Path) -> Spec:
    return archcalc.load(path)


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """The ways to all values in plain data, those of mappings and lists too."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*at, number))


def found(data: Any, at: Path_) -> Any:
    for key in at:
        data = data[key]
    return data


def a_spec(random: Random) -> dict[str, Any]:
    """The data of a shipped spec with few of its variants, and little of what it documents."""
    data = copy.deepcopy(original(random.choice(FILES)).document.data)
    variants = data.get("variants", {})
    kept = random.sample(sorted(variants), min(len(variants), random.choice((1, 1, 2))))
    if variants:
        data["variants"] = {name: variants[name] for name in kept}
    stated = [r for r in data.get("documented", []) if r.get("variant") in (None, *kept)]
    data["documented"] = random.sample(stated, min(len(stated), 2))
    data.pop("facts", None)
    return data


def mutate(data: dict[str, Any], random: Random) -> None:
    """Change one thing: a value, a key, an order, a place."""
    every = list(places(data))
    # Most of a spec are layers; the few lines around them are as worth while.
    at = random.choice([random.choice(every), random.choice(every), (random.choice(list(data)),)])
    around, key = found(data, at[:-1]), at[-1]
    value = around[key]
    kind = random.randrange(9)
    if kind <= 2:
        around[key] = copy.deepcopy(random.choice(ODD))
    elif kind == 3 and type(value) in (int, float):
        around[key] = random.choice(
            (value + 1, value - 1, -value, value * 2, value // 2, value / 2)
        )
    elif kind == 3 and isinstance(value, str):
        around[key] = random.choice((*NAMES, f"={value}", value[:-1], value.swapcase(), value * 9))
    elif kind == 4:
        del around[key]
    elif kind == 5 and isinstance(around, dict):
        keys = [k for place in every for k in place if isinstance(k, str)]
        fresh = random.choice((random.choice(keys), random.choice(WORDS), f"{key}x", key.upper()))
        items = [(fresh if k == key else k, v) for k, v in around.items()]
        around.clear()
        around.update(items)
    elif kind == 5:
        around.insert(key, copy.deepcopy(random.choice((value, *ODD))))
    elif kind == 6:
        other = random.choice(every)
        around[key] = copy.deepcopy(found(data, other))
    elif kind == 7:
        other = random.choice(every)
        elsewhere = found(data, other[:-1])
        if other[: len(at)] != at and at[: len(other)] != other:
            around[key], elsewhere[other[-1]] = elsewhere[other[-1]], value
    elif isinstance(around, dict):
        items = list(around.items())
        random.shuffle(items)
        around.clear()
        around.update(items)
    else:
        random.shuffle(around)


def vary(data: dict[str, Any], random: Random) -> None:
    """Change a number or an operator a little, so that what comes out may well be a network."""
    leaves = [at for at in places(data) if at[0] not in ("documented", "source", "year")]
    every = [at for at in leaves if type(found(data, at)) in (int, float) or at[-1] == "op"]
    at = random.choice(every or [("input",)])
    around, value = found(data, at[:-1]), found(data, at)
    if at[-1] == "op":
        around["op"] = random.choice(NAMES)
    elif isinstance(value, list):
        around[at[-1]] = [*value[:1], *(random.choice((1, 2, 31, 65)) for _ in value[1:])]
    else:
        around[at[-1]] = random.choice(
            (value + 1, value - 1, 1, 2 * value, value // 2, "=2 + 1", 0)
        )


def changed(seed: int) -> dict[str, Any]:
    random = Random(seed)
    data = a_spec(random)
    change = random.choice((mutate, vary))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        change(data, random)
    return data


def tried(compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What is computed; None where it is refused, which is told in words."""
    try:
        return compute(*args, **kwargs)
    except ArchcalcError as error:
        if not str(error).strip():
            raise AssertionError("refused without a word") from error
        return None


def require_sound(analysis: Analysis) -> None:
    """No number of a network is absurd: sizes are at least 1, counts at least 0, sums are sums."""
    for row in analysis.rows:
        assert all(type(size) is int and size >= 1 for size in row.shape), row
        assert all(
            type(count) is int and count >= 0
            for count in (row.params, row.buffers, row.macs, row.work.flops)
        ), row
    assert analysis.params <= sum(row.params for row in analysis.rows)
    assert analysis.macs == sum(row.macs for row in analysis.rows if row.executed)


def same(one: Graph, other: Graph) -> bool:
    """Whether two graphs are one, whatever their layers are called."""
    numbers = [
        {name: k for k, name in enumerate((*g.inputs, *(n.name for n in g.nodes)))}
        for g in (one, other)
    ]
    outputs = [
        [of[n] for n in (*g.outputs, *g.training_outputs)]
        for g, of in zip((one, other), numbers, strict=True)
    ]
    return (
        outputs[0] == outputs[1]
        and len(one.nodes) == len(other.nodes)
        and all(
            a.applied == b.applied
            and [numbers[0][n] for n in a.inputs] == [numbers[1][n] for n in b.inputs]
            for a, b in zip(one.nodes, other.nodes, strict=True)
        )
    )


class _Quoting(yaml.SafeDumper):
    """Quotes every text: PyYAML writes YAML 1.1, where ``1e-4`` is one."""


_Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def require_the_same_in_every_file(
    data: dict[str, Any], graph: Graph | None, tmp_path: Path
) -> None:
    """A spec is one whether it is JSON or YAML, laid out or not."""
    for name, text in (
        ("a.json", json.dumps(data)),
        ("b.yaml", yaml.dump(data, Dumper=_Quoting, sort_keys=False, allow_unicode=True)),
    ):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        again = tried(lambda file=file: archcalc.expand(archcalc.load(file)))
        assert (again is None) == (graph is None), name
        if graph is not None:
            assert again.nodes == graph.nodes, name


def require_the_same_when_flat(spec: Spec, graph: Graph, tmp_path: Path) -> None:
    """What is exported as a flat spec is the network."""
    for form in ("yaml", "json"):
        text = tried(archcalc.export, spec, to=form)
        if text is None:
            continue
        file = tmp_path / f"flat.{form}"
        file.write_text(text, encoding="utf-8")
        assert same(archcalc.expand(archcalc.load(file)), graph)


def exercise(data: dict[str, Any], random: Random, tmp_path: Path) -> None:
    """Ask everything of a spec."""
    problems = archcalc.validate(data)
    for problem in problems:
        assert problem.message.strip()
    spec = tried(archcalc.load, data)
    graph = None if spec is None else tried(archcalc.expand, spec)
    if not problems:
        assert spec is not None
        assert graph is not None or spec.variants
    if len(json.dumps(data)) < 30_000:
        require_the_same_in_every_file(data, graph, tmp_path)
    if spec is not None:
        tried(archcalc.check, spec)
    if spec is None or graph is None:
        return
    analysis = archcalc.analyze(graph)
    require_sound(analysis)
    if len(graph.nodes) > 3000:
        return
    archcalc.receptive_field(graph)
    # A network that can be used and not trained on images so small is refused in words.
    memory = tried(archcalc.memory, graph, training=random.random() < 0.5)
    if memory is not None:
        assert min(memory.weights, memory.buffers, memory.activations, memory.total) >= 0
    archcalc.backward(analysis)
    for form in random.sample(FORMATS, 2):
        assert tried(
            archcalc.table, spec, format=form, detail=random.choice(("stage", "layer", "all"))
        )
    layer = random.choice(graph.nodes).name if graph.nodes else None
    tried(archcalc.explain, spec, layer, format=random.choice(("text", "markdown", "json")))
    tried(archcalc.export, spec, to=random.choice(("mermaid", "dot", "svg")))
    require_the_same_when_flat(spec, graph, tmp_path)
    for ask in random.sample(
        [
            lambda: archcalc.formula(spec),
            lambda: archcalc.sweep(spec, N=[1, 2]),
            lambda: archcalc.compare(spec, original(FILES[0])),
            lambda: archcalc.diff(spec, original(random.choice(FILES))),
            lambda: archcalc.savings(spec, f"bottleneck:{random.choice((1, 12, 10**9))}"),
            lambda: archcalc.reconcile(random.choice(("138M", "1.8x10^9", 12, "0", "3MB")), spec),
            lambda: archcalc.analyze(archcalc.fold_batch_norm(graph)),
            lambda: archcalc.analyze(spec, batch=random.choice((0, 2, 2**40))),
            lambda: archcalc.analyze(spec, input=[random.choice((1, 3, 224)) for _ in range(3)]),
            lambda: archcalc.export(spec, to="torch"),
            lambda: archcalc.fit(spec, {"params": 10**6}, vary=sorted(spec.vars)[:1]),
        ],
        3,
    ):
        tried(ask)


@pytest.mark.parametrize("part", range(10))
def test_a_changed_spec_is_sound_or_refused_in_words(part: int, tmp_path: Path) -> None:
    failed = []
    for seed in SEEDS[part::10]:
        try:
            exercise(changed(seed), Random(seed), tmp_path)
        except Exception as error:
            failed.append((seed, repr(error)[:200]))
    assert failed == []
