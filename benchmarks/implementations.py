"""Holds the networks of the zoo against implementations of other people.

    pip install torchvision timm pytorchcv transformers ultralytics
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
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.pytorch.inputs import draw
from archcalc.spec import zoo

RECORD = Path(__file__).with_suffix(".csv")

TIMM = {
    "xception": "legacy_xception",
    "mobilenet_v1": "mobilenetv1_100",
}
"""timm's names of what torchvision does not have as the zoo does."""

PYTORCHCV = {
    "densenet-bc-100-12": "densenet100_k12_bc_cifar10",
    "densenet-bc-190-40": "densenet190_k40_bc_cifar10",
    "densenet-bc-250-24": "densenet250_k24_bc_cifar10",
    "mobilenet_v1_0_75": "mobilenet_w3d4",
    "mobilenet_v1_0_5": "mobilenet_wd2",
    "mobilenet_v1_0_25": "mobilenet_wd4",
    "preresnet110": "preresnet110_cifar10",
    "pyramidnet110_a48": "pyramidnet110_a48_cifar10",
    "pyramidnet110_a84": "pyramidnet110_a84_cifar10",
    "pyramidnet110_a270": "pyramidnet110_a270_cifar10",
    "pyramidnet164_a270": "pyramidnet164_a270_bn_cifar10",
    "pyramidnet200_a240": "pyramidnet200_a240_bn_cifar10",
    "pyramidnet236_a220": "pyramidnet236_a220_bn_cifar10",
    "pyramidnet272_a200": "pyramidnet272_a200_bn_cifar10",
    "wrn-16-10": "wrn16_10_cifar10",
    "wrn-28-10": "wrn28_10_cifar10",
    "wrn-40-8": "wrn40_8_cifar10",
    "xception": "xception",
    "zfnet": "zfnet",
    "zfnet-b": "zfnetb",
}
"""pytorchcv's names of networks of the zoo."""

PYRAMIDNETS: dict[str, dict[str, Any]] = {
    "pyramidnet164_a48": {"num_classes": 10, "blocks": 164, "alpha": 48, "bottleneck": True},
    "pyramidnet164_a84": {"num_classes": 10, "blocks": 164, "alpha": 84, "bottleneck": True},
    "pyramidnet200_a300": {"blocks": 200, "alpha": 300},
    "pyramidnet200_a450": {"blocks": 200, "alpha": 450},
}
"""PyramidNets that pytorchcv has no name for, but makes; for CIFAR those whose classes are said."""

GPT2 = {
    "gpt2": (768, 12),
    "gpt2-medium": (1024, 24),
    "gpt2-large": (1280, 36),
    "gpt2-xl": (1600, 48),
}
"""Width and layers of each GPT-2, as the configurations that OpenAI published have them; the
defaults of transformers are those of the smallest."""

LLAMA: dict[str, dict[str, Any]] = {
    "llama2_7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32},
    "llama3_8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "llama3_2_1b": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
}
"""Configurations that Meta published, for transformers; each has 32 heads."""


class Line(NamedTuple):
    """What an implementation of a network holds and computes."""

    network: str
    implementation: str
    version: str
    params: str
    buffers: str
    tensors: str
    """The digest of all shapes: equal ones are of as many parameters and buffers of every size."""
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


def pytorchcv(name: str) -> nn.Module | None:
    """The network of this name in pytorchcv, if it has one."""
    if name in PYRAMIDNETS:
        kind = "pyramidnet_cifar" if "num_classes" in PYRAMIDNETS[name] else "pyramidnet"
        make = getattr(import_module(f"pytorchcv.models.{kind}"), f"get_{kind}")
        pyramidnet: nn.Module = make(**PYRAMIDNETS[name])
        return pyramidnet
    if name not in PYTORCHCV:
        return None
    made: nn.Module = import_module("pytorchcv.model_provider").get_model(PYTORCHCV[name])
    return made


def transformers(name: str) -> nn.Module | None:
    """The language model of this name in transformers, if it has one."""
    library = import_module("transformers")
    if name in GPT2:
        width, layers = GPT2[name]
        config = library.GPT2Config(n_embd=width, n_layer=layers, n_head=width // 64)
        gpt2: nn.Module = library.GPT2LMHeadModel(config)
        return gpt2
    if name in LLAMA:
        config = library.LlamaConfig(num_attention_heads=32, **LLAMA[name])
        llama: nn.Module = library.LlamaForCausalLM(config)
        return llama
    return None


def ultralytics(name: str) -> nn.Module | None:
    """The network of this name in Ultralytics, if it has one."""
    if not name.startswith("yolov8"):
        return None
    tasks = import_module("ultralytics.nn.tasks")
    with torch.device("cpu"):  # it computes with what it has just made, and when it runs
        made: nn.Module = tasks.DetectionModel(f"{name}.yaml", verbose=False)
    return made


LIBRARIES: tuple[Callable[[str], nn.Module | None], ...] = (
    torchvision,
    timm,
    pytorchcv,
    transformers,
    ultralytics,
)


def digest(params: Iterable[Sequence[int]], buffers: Iterable[Sequence[int]]) -> str:
    """Sixteen hexadecimal digits that depend on the shapes, and not on their order.

    Nor on the order of a tensor's axes, and on axes of 1, in which libraries differ.
    """
    sorts = [
        sorted(tuple(sorted(n for n in shape if n != 1)) for shape in shapes)
        for shapes in (params, buffers)
    ]
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
    params, kept = list(model.parameters()), model.state_dict()
    # What a library only keeps while it runs is none of the network's.
    buffers = [tensor for name, tensor in model.named_buffers() if name in kept]
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


def built(library: Callable[[str], nn.Module | None], name: str) -> nn.Module | None:
    """A library's network without numbers, if it has one."""
    try:
        with torch.device("meta"):
            return library(name)
    except (NotImplementedError, RuntimeError):  # it computes sizes with tensors
        model = library(name)
        return model and model.to("meta")


def asked(names: list[str]) -> Iterator[Line]:
    """What every library that is installed says of the networks it has."""
    for library in LIBRARIES:
        try:
            installed = version(library.__name__)
        except PackageNotFoundError:
            print(f"{library.__name__} is not installed", file=sys.stderr)
            continue
        for name in names:
            model = built(library, name)
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
    networks = set(zoo.names())
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows(known[key] for key in sorted(known) if key[0] in networks)


if __name__ == "__main__":
    main()
