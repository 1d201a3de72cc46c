"""Holds the zoo against torchvision's modules, layer by layer.

    pip install torchvision
    python benchmarks/differences.py [NETWORK ...]

Each network that both have by one name is imported on the input of the zoo's, which has some as
torchvision makes them besides (``googlenet-torchvision``). Layers that run and store tensors or
multiply have to be the same ones: of one operator, with as many parameters and
multiply-accumulates, and outputs of one shape. Prints what one has and the other lacks.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module

import torch

import archcalc

Layer = tuple[str, int, int, tuple[int, ...]]


def layers(analysis: archcalc.Analysis) -> Counter[Layer]:
    """What a network has to store and to multiply at inference."""
    running = analysis.graph.leading_to(*analysis.graph.outputs)
    return Counter(
        (type(row.node.op).__name__, row.params, row.macs, tuple(row.node.shape[1:]))
        for row in analysis.rows
        if (row.params or row.macs) and row.node.name in running
    )


def main(names: list[str]) -> int:
    """Print a line a network; 1 if any differs."""
    models = import_module("torchvision.models")
    known = {each.name for each in archcalc.list()}
    finding = models.list_models(module=models.detection)  # whose backbones would be fetched
    both = [name for name in models.list_models() if name in known and name not in finding]
    different = 0
    for name in names or both:
        own = f"{name}-torchvision"
        ours = archcalc.analyze(own if own in known else name)
        shapes = [(1, *shape[1:]) for shape in ours.graph.inputs.values()]
        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        try:
            with torch.device("meta"):
                module = models.get_model(name, weights=None, **extra).eval()
        except NotImplementedError:  # it works out its widths with tensors
            module = models.get_model(name, weights=None, **extra).eval().to("meta")
        theirs = archcalc.analyze(archcalc.from_torch(module, *shapes))
        lacking, beside = layers(theirs) - layers(ours), layers(ours) - layers(theirs)
        different += bool(lacking or beside)
        same = sum((layers(ours) & layers(theirs)).values())
        print(f"{name:24} {same:5} layers alike", flush=True)
        for sign, found in (("-", lacking), ("+", beside)):
            for (op, params, macs, shape), count in found.items():
                size = "x".join(map(str, shape))
                print(f"  {sign} {count} x {op} {params:,} params {macs:,} MACs, {size}")
    print(f"{len(names or both)} networks, {different} different")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
