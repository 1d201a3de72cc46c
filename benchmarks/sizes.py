"""Holds the editions of the zoo that say "as X has it" against X at other sizes than their own.

    pip install torchvision timm ultralytics keras
    python benchmarks/sizes.py [NETWORK ...]

Every such network is built by its library as it is by default, Keras' for the size because it makes
no other, and run on images of several sizes, on the meta device, which holds no numbers, where that
is possible. What came of it goes to ``sizes.csv``: the
parameters, the multiply-accumulates that PyTorch's FlopCounterMode counts, or the refusal. A test
holds archcalc to it. A library that is not installed is passed over, and what was recorded of it
is kept.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import implementations
import torch
from implementations import ultralytics
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc.spec import zoo

RECORD = Path(__file__).with_suffix(".csv")

SIZES = ("112x112", "192x192", "225x225", "256x256", "299x299", "320x240")
"""Height by width: smaller and larger than what the networks are for, odd, and not square."""


class Line(NamedTuple):
    """What an implementation of a network says to an image of a size."""

    network: str
    implementation: str
    version: str
    size: str
    params: str
    macs: str
    """What FlopCounterMode counts, halved; ``""`` where the image is refused."""


WIDTHS = {
    "mobilenet_v2_1_4": 1.4,
    "mobilenet_v2_1_3": 1.3,
    "mobilenet_v2_0_75": 0.75,
    "mobilenet_v2_0_5": 0.5,
    "mobilenet_v2_0_35": 0.35,
    **dict.fromkeys((f"mobilenet_v2_{side}" for side in (192, 160, 128, 96)), 1.0),
}
"""MobileNets that torchvision has no name for, but makes."""

PUBLISHED = ("vgg11", "vgg13", "vgg16", "vgg19")
"""What torchvision has too, but pools as the zoo's published edition does not."""


def torchvision(name: str) -> nn.Module | None:
    """The network of this name in torchvision, where the zoo's edition is torchvision's."""
    if name in WIDTHS:
        made: nn.Module = import_module("torchvision.models").mobilenet_v2(width_mult=WIDTHS[name])
        return made
    return None if name in PUBLISHED else implementations.torchvision(name)


def timm(name: str) -> nn.Module | None:
    """The network of this name in timm, where the zoo's edition is timm's."""
    found = {"inception_v3-no-aux": "inception_v3"}.get(name)
    if name in (f"coatnet_{k}" for k in range(6)):
        found = f"{name}_224"
    if found is None:
        return None
    made: nn.Module = import_module("timm").create_model(found)
    return made


def keras(name: str) -> Callable[[int, int], nn.Module] | None:
    """Makes the network of this name in Keras, on its backend of PyTorch."""
    if name != "xception":
        return None
    os.environ["KERAS_BACKEND"] = "torch"
    import_module("keras").config.set_image_data_format("channels_first")
    applications = import_module("keras.applications")

    def make(height: int, width: int) -> nn.Module:
        made: nn.Module = applications.Xception(weights=None, input_shape=(3, height, width))
        return made

    return make


LIBRARIES: tuple[Callable[[str], Any], ...] = (torchvision, timm, ultralytics, keras)


def asked(library: Callable[[str], Any], name: str) -> Iterator[tuple[str, str, str]]:
    """Each size, the parameters and the multiply-accumulates, "" where it is refused."""
    model = keras(name) if library is keras else implementations.built(library, name)
    if model is None:
        return
    for size in SIZES:
        height, width = map(int, size.split("x"))
        params = macs = ""
        try:
            sized = model if isinstance(model, nn.Module) else model(height, width)
            # What Keras' normalization has beside its weights is of parameters too, not trained.
            held = [p for p in sized.parameters() if library is not keras or p.requires_grad]
            params = str(sum(p.numel() for p in held))
            device = next(sized.parameters()).device
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                sized.eval()(torch.empty(1, 3, height, width, device=device))
            macs = str(counter.get_total_flops() // 2)
        except NotImplementedError as error:  # it asks for numbers, of which there are none
            print(f"{name}: not run: {error}"[:100], file=sys.stderr)
            return
        except (RuntimeError, AssertionError, ValueError) as error:
            print(f"{name} {size}: {error}"[:160], file=sys.stderr)
        yield size, params, macs


def read() -> list[Line]:
    """The record."""
    with RECORD.open(encoding="utf-8") as file:
        return [Line(**row) for row in csv.DictReader(file)]


def main() -> None:
    """Ask of all networks, or of those that are named, and write down what came of it."""
    names = sys.argv[1:] or list(zoo.names())
    known = {line[:2] + line[3:4]: line for line in read()} if RECORD.exists() else {}
    for library in LIBRARIES:
        try:
            installed = version(library.__name__)
        except PackageNotFoundError:
            print(f"{library.__name__} is not installed", file=sys.stderr)
            continue
        for name in names:
            for size, params, macs in asked(library, name):
                line = Line(name, library.__name__, installed, size, params, macs)
                known[line[:2] + line[3:4]] = line
                print(*line)
    networks = set(zoo.names())
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows(known[key] for key in sorted(known) if key[0] in networks)


if __name__ == "__main__":
    main()
