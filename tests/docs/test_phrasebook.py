"""Every line of the phrasebook: what stands on both of its sides is the same."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from functorch.einops import rearrange
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

import archcalc
from archcalc.spec.text import parse

PAGE = (Path(__file__).parents[2] / "docs" / "phrasebook.md").read_text(encoding="utf-8")
ELSEWHERE = Path(__file__).with_name("phrases.csv")
"""What Keras 3.15.1 and einops 0.8 give for their lines, with channels first: the output's shape
and the trained parameters."""

BATCH = 2


class Phrase(NamedTuple):
    heading: str
    inputs: dict[str, list[int]]
    code: str
    spec: str


def phrases() -> Iterator[Phrase]:
    """The lines of the page, with the shapes that are said above them."""
    heading, code = "", ""
    inputs: dict[str, list[int]] = {}
    block = re.compile(r"```(python|yaml)\n(.*?)```", re.DOTALL)
    text = block.sub(lambda found: found[0].replace("\n", "\0"), PAGE)
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        if re.match(r"`\w+`(?: and `\w+`)? (?:is|are) \d", line):
            inputs = {}
            for names, sizes in re.findall(r"((?:`\w+`(?: and )?)+) (?:is|are) ([\d x]*\d)", line):
                for name in re.findall(r"`(\w+)`", names):
                    inputs[name] = [int(size) for size in sizes.split(" x ")]
        found = re.match(r"\| (`.*`) \| `(.*)` \|$", line)
        if found:
            for left in re.findall(r"`(.*?)`", found[1]):
                yield Phrase(heading, inputs, left, found[2])
        fence = block.fullmatch(line.replace("\0", "\n"))
        if fence and fence[1] == "python":
            code = fence[2]
        elif fence:
            yield Phrase(heading, inputs, code, fence[2])


PHRASES = list(phrases())
RECORDED = {
    row["code"]: row for row in csv.DictReader(ELSEWHERE.read_text(encoding="utf-8").splitlines())
}


def others(phrase: Phrase) -> bool:
    """Whether another package than PyTorch is needed to run the left side."""
    return phrase.heading == "Keras" or phrase.code.startswith(("reduce(", "repeat("))


def network(phrase: Phrase) -> archcalc.Spec:
    """The right side as a spec, whose outputs are all that its last layer gives."""
    written = parse(f"layers: {phrase.spec}" if "\n" not in phrase.spec else phrase.spec, "").data
    if "\n" not in phrase.spec:
        written = written["layers"]
    if isinstance(written, (str, list)) or {"op", "layers"} & written.keys():
        written = {"only": written}
    last, layer = list(written.items())[-1]
    several = isinstance(layer, dict) and "parallel" in layer
    named = set(re.findall(r"\w+", phrase.spec)) & phrase.inputs.keys()
    inputs = {name: phrase.inputs[name] for name in phrase.inputs if name in named}
    text = {
        "name": "phrase",
        "input": inputs or phrase.inputs["x"],
        "layers": written,
        "outputs": f"{last}.*" if several else last,
    }
    return archcalc.load(text)


def ran(phrase: Phrase, inputs: dict[str, Tensor]) -> tuple[list[Tensor], int, int]:
    """What the left side gives, and the parameters and buffers of its modules and of ``self``."""
    owner = nn.Module()
    made: dict[int, nn.Module] = {id(owner): owner}

    def keep(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        made[id(module)] = module

    known: dict[str, Any] = {
        "torch": torch,
        "nn": nn,
        "F": functional,
        "self": owner,
        "rearrange": rearrange,
        "weight_norm": weight_norm,
        "spectral_norm": spectral_norm,
        **inputs,
    }
    handle = nn.modules.module.register_module_parameter_registration_hook(keep)
    try:
        *before, last = phrase.code.rstrip().split("; ")
        exec("\n".join([*before, last if "\n" in last else f"x = {last}"]), known)
    finally:
        handle.remove()
    found = known["x"]
    params = {id(p): p.numel() for module in made.values() for p in module.parameters()}
    buffers = {id(b): b.numel() for module in made.values() for b in module.buffers()}
    results = list(found) if isinstance(found, (list, tuple)) else [found]
    return results, sum(params.values()), sum(buffers.values())


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.code.replace("\n", "; "))
def test_both_sides_are_the_same(phrase: Phrase) -> None:
    analysis = archcalc.analyze(network(phrase), batch=BATCH)
    graph = analysis.graph
    nodes = {node.name: node for node in graph.nodes}
    shapes = [tuple(nodes[name].shape) for name in graph.outputs]
    if others(phrase):
        row = RECORDED[phrase.code]
        assert (shapes, analysis.params) == ([tuple(json.loads(row["shape"]))], int(row["params"]))
        return
    torch.manual_seed(0)
    inputs = {
        name: torch.randint(50, (BATCH, *size)) if name == "ids" else torch.randn(BATCH, *size)
        for name, size in phrase.inputs.items()
    }
    results, params, buffers = ran(phrase, inputs)
    assert shapes == [tuple(result.shape) for result in results]
    assert (analysis.params, analysis.buffers) == (params, buffers)
    if not params and not buffers:
        given = [inputs.get(name, inputs["x"]) for name in graph.inputs]
        ours = archcalc.build(graph, returns="tuple").eval()(*given)
        for mine, theirs in zip(ours if isinstance(ours, tuple) else [ours], results, strict=True):
            assert torch.allclose(mine.to(theirs.dtype), theirs, atol=1e-5)


def test_every_kind_of_line_is_found() -> None:
    """So that a change of the page's form does not leave lines out."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    alternatives = sum(line.partition(" | ")[0].count("`") // 2 - 1 for line in lines)
    fences = PAGE.count("```python")

    assert len(PHRASES) == len(lines) + alternatives + fences
    assert {phrase.code for phrase in PHRASES if others(phrase)} == RECORDED.keys()
