"""Holds the networks of the zoo against implementations of other people.

    pip install torchvision timm ultralytics transformers
    python benchmarks/implementations.py

Every network that one of these libraries has is built by it on the meta device, which holds no
numbers, and asked for the shapes of its parameters and buffers, and for the multiply-accumulates
that PyTorch's FlopCounterMode counts while it runs. The answers go to ``implementations.csv``,
to which a test holds archcalc, and which the page of networks shows. A library that is not
installed is passed over, and what was recorded of it is kept.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.pytorch.inputs import draw
from archcalc.spec import zoo

RECORD = Path(__file__).with_suffix(".csv")

TIMM: dict[str, str] = {}
"""Networks of the zoo by other names than timm's."""


class Line(NamedTuple):
    """What an implementation of a network holds and computes."""

    network: str
    implementation: str
    version: str
    params: str
    buffers: str
    tensors: str
    """The digest of all shapes: equal ones are of as many parameters and buffers of every shape."""
    macs: str
    """What FlopCounterMode counts, halved; ``""`` where it can't be run without numbers."""


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
    return made


LIBRARIES: tuple[Callable[[str], nn.Module | None], ...] = (torchvision, timm, ultralytics)


def digest(params: Iterable[Sequence[int]], buffers: Iterable[Sequence[int]]) -> str:
    """Sixteen hexadecimal digits that depend on the shapes, and not on their order."""
    sorts = [sorted(tuple(shape) for shape in shapes) for shapes in (params, buffers)]
    return sha256(repr(sorts).encode()).hexdigest()[:16]


def of_ours(name: str) -> tuple[str, str, str, str]:
    """Parameters, buffers, the digest of their shapes and MACs of a network of the zoo."""
    analysis = archcalc.analyze(archcalc.load(name))
    params: list[Sequence[int]] = []
    buffers: list[Sequence[int]] = []
    owned = {row.name: (row.weights, row.buffer_shapes) for row in analysis.rows}
    for row in analysis.rows:
        share = row.node.share
        borrowed = owned[share] if share is not None else ({}, {})
        params += [s for key, s in row.weights.items() if key not in borrowed[0]]
        buffers += [s for key, s in row.buffer_shapes.items() if key not in borrowed[1]]
    tensors = digest(params, buffers)
    return str(analysis.params), str(analysis.buffers), tensors, str(analysis.macs)


def of_theirs(name: str, model: nn.Module) -> tuple[str, str, str, str]:
    """The same of an implementation, run on the input that the zoo has for the network."""
    params, buffers = list(model.parameters()), list(model.buffers())
    macs = ""
    try:
        inputs = draw(archcalc.expand(archcalc.load(name)), device=params[0].device)
        with FlopCounterMode(display=False) as counter:
            model.eval()(*inputs)
        macs = str(counter.get_total_flops() // 2)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        print(f"{name}: not run: {error}"[:100], file=sys.stderr)
    return (
        str(sum(p.numel() for p in params)),
        str(sum(b.numel() for b in buffers)),
        digest([p.shape for p in params], [b.shape for b in buffers]),
        macs,
    )


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
                yield Line(name, library.__name__, installed, *of_theirs(name, model))


def main() -> None:
    """Compare all networks, or those that are named, and write down what came of it."""
    names = sys.argv[1:] or list(zoo.names())
    known = {}
    if RECORD.exists():
        with RECORD.open(encoding="utf-8") as file:
            lines = [Line(**row) for row in csv.DictReader(file)]
        known = {(line.network, line.implementation): line for line in lines}
    for line in asked(names):
        same = [a == b for a, b in zip(of_ours(line.network), line[3:], strict=True)]
        print(*line, "as ours" if all(same) else f"ours: {of_ours(line.network)}")
        known[line.network, line.implementation] = line
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows(known[key] for key in sorted(known) if key[0] in set(zoo.names()))


if __name__ == "__main__":
    main()
