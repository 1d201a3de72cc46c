"""Holds the networks of the zoo against implementations of other people.

    pip install torchvision timm ultralytics transformers
    python benchmarks/implementations.py

Every network that one of these libraries has is built by it on the meta device, which holds no
numbers, and compared with what archcalc says of it: the shapes of all parameters and of all
buffers, and the multiply-accumulates that PyTorch's FlopCounterMode counts while it runs. The
result goes to ``implementations.csv``, which the page of networks shows. A library that is not
installed is passed over, and what was recorded of it is kept.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.spec import zoo

RECORD = Path(__file__).with_suffix(".csv")

TIMM: dict[str, str] = {}
"""Networks of the zoo by other names than timm's."""


class Line(NamedTuple):
    """What comparing a network with an implementation of it said."""

    network: str
    implementation: str
    version: str
    params: str
    """``same``: as many parameters of every shape; ``total``: as many numbers; else theirs."""
    buffers: str
    """The same of buffers."""
    macs: str
    """``same``, or theirs; ``""`` where they can't be run without numbers."""


def torchvision(name: str) -> nn.Module | None:
    """The network of this name in torchvision, if it has one."""
    models = import_module("torchvision.models")
    if name == "fasterrcnn_resnet50_fpn":
        return _faster_rcnn()
    found = {"googlenet-torchvision": "googlenet"}.get(name, name)
    # googlenet and alexnet are the published editions here.
    if name in ("googlenet", "alexnet") or found not in models.list_models(module=models):
        return None
    extra = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
    made: nn.Module = models.get_model(found, weights=None, **extra.get(found, {}))
    return made


def _faster_rcnn() -> nn.Module:
    # With trained weights torchvision freezes the normalization, and so does this.
    detection = import_module("torchvision.models.detection")
    frozen = import_module("torchvision.ops.misc").FrozenBatchNorm2d
    backbone = detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=frozen, trainable_layers=5
    )
    made: nn.Module = detection.FasterRCNN(backbone, 91)
    return made


def timm(name: str) -> nn.Module | None:
    """The network of this name in timm, if it has one."""
    if name not in TIMM:
        return None
    made: nn.Module = import_module("timm").create_model(TIMM[name])
    return made


def ultralytics(name: str) -> nn.Module | None:
    """The network of this name in Ultralytics, if it has one."""
    if not name.startswith("yolov8"):
        return None
    tasks = import_module("ultralytics.nn.tasks")
    with torch.device("cpu"):  # it computes with what it has just made
        made: nn.Module = tasks.DetectionModel(f"{name}.yaml", verbose=False)
    return made.to("meta")


LIBRARIES: tuple[Callable[[str], nn.Module | None], ...] = (torchvision, timm, ultralytics)


def _judge(ours: Counter[tuple[int, ...]], theirs: Counter[tuple[int, ...]]) -> str:
    if ours == theirs:
        return "same"
    totals = [
        sum(torch.Size(shape).numel() * times for shape, times in shapes.items())
        for shapes in (ours, theirs)
    ]
    return "total" if totals[0] == totals[1] else str(totals[1])


def compare(name: str, model: nn.Module) -> tuple[str, str, str]:
    """What a network and an implementation of it agree on: parameters, buffers, MACs."""
    analysis = archcalc.analyze(archcalc.load(name))
    params: Counter[tuple[int, ...]] = Counter()
    buffers: Counter[tuple[int, ...]] = Counter()
    owned = {row.name: (row.weights, row.buffer_shapes) for row in analysis.rows}
    for row in analysis.rows:
        share = row.node.share
        borrowed = owned[share] if share is not None else ({}, {})
        params.update(s for key, s in row.weights.items() if key not in borrowed[0])
        buffers.update(s for key, s in row.buffer_shapes.items() if key not in borrowed[1])
    theirs = Counter(tuple(p.shape) for p in model.parameters())
    stored = Counter(tuple(b.shape) for b in model.buffers())
    model.eval()
    (shape,) = analysis.graph.inputs.values()
    try:
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(shape, device="meta"))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        print(f"{name}: not run: {type(error).__name__}: {error}"[:200], file=sys.stderr)
        macs = ""
    else:
        counted = counter.get_total_flops() // 2
        macs = "same" if counted == analysis.macs else str(counted)
    return _judge(params, theirs), _judge(buffers, stored), macs


def asked(names: list[str]) -> Iterator[Line]:
    """What every library that is installed says of the networks it has."""
    for library in LIBRARIES:
        try:
            installed = version(library.__name__)
        except PackageNotFoundError:
            print(f"{library.__name__} is not installed", file=sys.stderr)
            continue
        for name in names:
            with torch.device("meta"):
                model = library(name)
            if model is not None:
                yield Line(name, library.__name__, installed, *compare(name, model))


def main() -> None:
    """Compare all networks, or those that are named, and write down what came of it."""
    names = sys.argv[1:] or list(zoo.names())
    known = {}
    if RECORD.exists():
        with RECORD.open(encoding="utf-8") as file:
            lines = [Line(**row) for row in csv.DictReader(file)]
        known = {(line.network, line.implementation): line for line in lines}
    for line in asked(names):
        print(*line)
        known[line.network, line.implementation] = line
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows(known[key] for key in sorted(known) if key[0] in set(zoo.names()))


if __name__ == "__main__":
    main()
