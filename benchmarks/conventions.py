"""Asks other counters for their numbers, and holds archcalc's conventions against them.

``conventions.csv`` beside this file lists what is asked for: networks, written by hand in
``networks.py`` and by name in archcalc, and layers alone, with their fields (JSON) and input
shapes; and what each tool printed, ``fails`` where it raised, with the version that did. A tool
that is not installed is named and not asked. Exits with 1 where a tool's number is not that of our
convention. ``--write`` records the numbers of the tools that were asked.

The tools are called as their documentation does, on the CPU, in evaluation mode, on one image.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from networks import NETWORKS
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import archcalc
from archcalc import Analysis, Graph, Node, Operator
from archcalc.analysis.conventions import convention
from archcalc.errors import ArchcalcError
from archcalc.operators import operator
from archcalc.operators.base import Applied
from archcalc.pytorch import module

RECORD = Path(__file__).with_name("conventions.csv")
INPUTS = "xyzw"
"""What the inputs of a layer alone are called."""
FAILS = "fails"
Number = int | str
"""What a tool prints, or ``fails``."""


class Tool(NamedTuple):
    """A counter, and how it is asked."""

    package: str
    module: str
    ask: Callable[[nn.Module, list[Tensor]], Any]


def ask_torch(network: nn.Module, inputs: list[Tensor]) -> Any:
    with import_module("torch.utils.flop_counter").FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops()


def ask_torchinfo(network: nn.Module, inputs: list[Tensor]) -> Any:
    return import_module("torchinfo").summary(network, input_data=inputs, verbose=0).total_mult_adds


def ask_fvcore(network: nn.Module, inputs: list[Tensor]) -> Any:
    return import_module("fvcore.nn").FlopCountAnalysis(network, tuple(inputs)).total()


def ask_ptflops(backend: str) -> Callable[[nn.Module, list[Tensor]], Any]:
    def ask(network: nn.Module, inputs: list[Tensor]) -> Any:
        macs, _ = import_module("ptflops").get_model_complexity_info(
            network,
            tuple(inputs[0].shape[1:]),
            print_per_layer_stat=False,
            as_strings=False,
            backend=backend,
            input_constructor=lambda _: dict(zip(INPUTS, inputs, strict=False)),
        )
        if macs is None:  # it prints the exception it met
            raise RuntimeError
        return macs

    return ask


def ask_thop(network: nn.Module, inputs: list[Tensor]) -> Any:
    return import_module("thop").profile(network, inputs=tuple(inputs), verbose=False)[0]


def ask_torchprofile(network: nn.Module, inputs: list[Tensor]) -> Any:
    return import_module("torchprofile").profile_macs(network, tuple(inputs))


def ask_deepspeed(network: nn.Module, inputs: list[Tensor]) -> Any:
    profiler = import_module("deepspeed.profiling.flops_profiler")
    return profiler.get_model_profile(network, args=inputs, print_profile=False, as_string=False)[0]


def ask_calflops(network: nn.Module, inputs: list[Tensor]) -> Any:
    return import_module("calflops").calculate_flops(
        network, args=inputs, print_results=False, output_as_string=False
    )[0]


TOOLS = {
    "torch": Tool("torch", "torch.utils.flop_counter", ask_torch),
    "torchinfo": Tool("torchinfo", "torchinfo", ask_torchinfo),
    "fvcore": Tool("fvcore", "fvcore.nn", ask_fvcore),
    "ptflops": Tool("ptflops", "ptflops", ask_ptflops("pytorch")),
    "ptflops-aten": Tool("ptflops", "ptflops", ask_ptflops("aten")),
    "thop": Tool("thop", "thop", ask_thop),
    "torchprofile": Tool("torchprofile", "torchprofile", ask_torchprofile),
    "deepspeed": Tool("deepspeed", "deepspeed.profiling.flops_profiler", ask_deepspeed),
    "calflops": Tool("calflops", "calflops", ask_calflops),
}
"""The tools by the names of our conventions."""


class Alone(nn.Module):
    """One layer as a network, with a parameter, since some tools ask for one."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.empty = nn.Parameter(torch.zeros(0))

    def forward(
        self, x: Tensor, y: Tensor | None = None, z: Tensor | None = None, w: Tensor | None = None
    ) -> Tensor:
        return cast(Tensor, self.layer(*(tensor for tensor in (x, y, z, w) if tensor is not None)))


class ByName(nn.Module):
    """A network whose input is named ``x``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.network(x))


class Case(NamedTuple):
    """A line of the record."""

    network: str
    fields: str
    inputs: str
    numbers: dict[str, Number]

    @property
    def label(self) -> str:
        given = "" if not self.fields else f" {self.fields} on {self.inputs}"
        return f"{self.network}{given}"

    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in json.loads(self.inputs)]

    def analysis(self) -> Analysis:
        if not self.fields:
            local = RECORD.with_name(f"{self.network}.yaml")
            spec = archcalc.load(str(local) if local.exists() else self.network)
            return archcalc.analyze(spec)
        op = operator(self.network)(**json.loads(self.fields))
        return archcalc.analyze(alone(op, *self.shapes()))

    def make(self) -> tuple[nn.Module, list[Tensor]]:
        """The network in evaluation mode, and its inputs."""
        torch.manual_seed(0)
        inputs = [torch.ones(shape) for shape in self.shapes()]
        if not self.fields:
            return ByName(NETWORKS[self.network]()).eval(), inputs
        if self.network in ("Embedding", "EmbeddingBag", "CrossEntropyLoss"):
            inputs[-1] = inputs[-1].long()
        op = operator(self.network)(**json.loads(self.fields))
        return Alone(module(op, *self.shapes())).eval(), inputs


def alone(op: Operator, *shapes: tuple[int, ...]) -> Graph:
    """The graph of one layer."""
    names = tuple(INPUTS[: len(shapes)])
    node = Node("layer", Applied.to(op, *shapes), names)
    name = type(op).__name__
    return Graph(name, name, name, "", dict(zip(names, shapes, strict=True)), (node,), ("layer",))


@contextlib.contextmanager
def restored(*owners: object) -> Iterator[None]:
    """Undoes what a tool has patched: some leave it so when they fail."""
    before = [(owner, dict(vars(owner))) for owner in owners]
    try:
        yield
    finally:
        for owner, attributes in before:
            for name, value in attributes.items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)


def ask(tool: Tool, case: Case) -> Number:
    network, inputs = case.make()
    silent = io.StringIO()
    with (
        restored(F, torch, torch.Tensor),
        contextlib.redirect_stdout(silent),
        contextlib.redirect_stderr(silent),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            number = tool.ask(network, inputs)
        except Exception:  # whatever it raises is its answer
            return FAILS
    if number != int(number):
        raise ValueError(f"{case.label}: {tool.package} printed {number}")
    return int(number)


def ours(name: str, analysis: Analysis) -> Number:
    try:
        return int(convention(name).total(analysis))
    except ArchcalcError:
        return FAILS


def read(path: Path = RECORD) -> tuple[list[Case], dict[str, str]]:
    """The cases with their recorded numbers, and the tools' versions."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    columns = [column for column in lines[0] if column not in ("network", "fields", "inputs")]
    versions = dict(cast(tuple[str, str], tuple(column.split(" "))) for column in columns)
    cases = []
    for line in lines:
        numbers = {c.split(" ")[0]: line[c] for c in columns if line[c]}
        kept: dict[str, Number] = {k: n if n == FAILS else int(n) for k, n in numbers.items()}
        cases.append(Case(line["network"], line["fields"], line["inputs"], kept))
    return cases, versions


def write(cases: Sequence[Case], versions: dict[str, str]) -> None:
    with RECORD.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", "fields", "inputs", *(f"{t} {versions[t]}" for t in TOOLS)])
        for case in cases:
            numbers = [case.numbers.get(name, "") for name in TOOLS]
            writer.writerow([case.network, case.fields, case.inputs, *numbers])


def show(number: Number) -> str:
    return number if isinstance(number, str) else f"{number:,}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="record the numbers")
    parser.add_argument("--tools", default=",".join(TOOLS), help="which are asked")
    parser.add_argument("--networks", help="which are asked for, all by default")
    options = parser.parse_args()
    logging.disable(logging.WARNING)

    every, versions = read()
    names = options.networks.split(",") if options.networks else {case.network for case in every}
    cases = [case for case in every if case.network in names]
    asked: dict[str, Tool] = {}
    for name in options.tools.split(","):
        tool = TOOLS[name]
        if find_spec(tool.module.partition(".")[0]) is None:
            print(f"not asked: {name} (not installed)")
        else:
            asked[name] = tool
            versions[name] = version(tool.package).partition("+")[0].replace("-", ".post")

    wrong = 0
    tally = dict.fromkeys(asked, 0)
    print(f"{'network':24}{'tool':28}{'its number':>18}{'ours':>18}{'difference':>14}")
    for case in cases:
        analysis = case.analysis()
        for name, tool in asked.items():
            number, preset = ask(tool, case), ours(name, analysis)
            case.numbers[name] = number
            tally[name] += number == preset
            wrong += number != preset
            if number != preset or not case.fields:
                both = isinstance(number, int) and isinstance(preset, int)
                apart = show(cast(int, preset) - cast(int, number)) if both else ""  # ours - its
                print(
                    f"{case.network:24}{name + ' ' + versions[name]:28}"
                    f"{show(number):>18}{show(preset):>18}{apart:>14}"
                )
                if number != preset and case.fields:
                    print(f"    {case.label}")
    for name, exact in tally.items():
        print(f"{name} {versions[name]}: {exact} of {len(cases)} exact")
    if options.write:
        write(every, versions)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
