"""How fast archcalc counts networks of other structures: searches over blocks, and over depths.

    python benchmarks/structure.py

A search space of 20 places, each of which takes one of 20 blocks of nine layers, is sampled at
random; ResNet-50 is counted with 10,000 lists of depths; and a sweep over graphs of few
configurations is held against a loop over ``analyze``. Each is also done by specs that were loaded
anew, whose engine knows nothing from before, and must come to the same numbers. Ratios are of one
run, with processor seconds.
"""

from __future__ import annotations

import itertools
import os
import platform
import random
import time
from collections.abc import Callable
from functools import partial
from statistics import mean, median
from typing import Any

import archcalc

PLACES, BLOCKS = 20, 20


def search_space() -> dict[str, Any]:
    """Twenty places for inverted bottlenecks of five ratios and four kernels."""
    blocks = {}
    for number in range(BLOCKS):
        ratio, kernel = 1 + number % 5, 3 + 2 * (number // 5)
        wide = f"={ratio} * channels(input)"
        depthwise = {"op": "Conv2d", "out_channels": wide, "kernel_size": kernel, "bias": False}
        blocks[f"b{number}"] = {
            "layers": {
                "expand": {"op": "Conv2d", "out_channels": wide, "kernel_size": 1, "bias": False},
                "norm1": "BatchNorm2d",
                "act1": "ReLU6",
                "depthwise": {**depthwise, "padding": kernel // 2, "groups": wide},
                "norm2": "BatchNorm2d",
                "act2": "ReLU6",
                "project": {
                    "op": "Conv2d",
                    "out_channels": "=channels(input)",
                    "kernel_size": 1,
                    "bias": False,
                },
                "norm3": "BatchNorm2d",
                "add": {"op": "Add", "from": ["input", "norm3"]},
            }
        }
    layers: dict[str, Any] = {
        "stem": {"op": "Conv2d", "out_channels": 32, "kernel_size": 3, "stride": 2, "padding": 1}
    }
    for place in range(PLACES):
        layers[f"place{place}"] = {"block": f"=choices[{place}]"}
        if place % 5 == 4:
            wider = {"op": "Conv2d", "out_channels": 32 + 8 * place, "kernel_size": 1, "stride": 2}
            layers[f"down{place}"] = wider
    layers |= {
        "pool": {"op": "AdaptiveAvgPool2d", "output_size": 1},
        "flatten": "Flatten",
        "fc": {"op": "Linear", "out_features": 1000},
    }
    return {
        "name": "search",
        "input": [3, 224, 224],
        "vars": {"choices": ["b0"] * PLACES},
        "blocks": blocks,
        "layers": layers,
    }


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = run()
    return time.process_time() - began, found


def all_of(spec: archcalc.Spec, choices: list[list[str]]) -> list[int]:
    return [archcalc.analyze(spec, choices=some).macs for some in choices]


def searched(count: int) -> None:
    data, chosen = search_space(), random.Random(0)

    def several(n: int) -> list[list[str]]:
        return [[f"b{chosen.randrange(BLOCKS)}" for _ in range(PLACES)] for _ in range(n)]

    spec = archcalc.load(data)
    warm, _ = seconds(partial(all_of, spec, several(count)))
    rates, choices = [], several(count)
    for _ in range(7):
        choices = several(count)
        took, found = seconds(partial(all_of, spec, choices))
        rates.append(count / took)
    some = range(0, count, count // 10)
    fresh, expected = seconds(
        lambda: [archcalc.analyze(archcalc.load(data), choices=choices[k]).macs for k in some]
    )
    assert [found[k] for k in some] == expected
    print(f"{PLACES} places x {BLOCKS} blocks, networks a second (goal: 5,000)")
    print(f"  the first {count}, which leave their pieces: {count / warm:,.0f}")
    print(f"  after that, median {median(rates):,.0f}, mean {mean(rates):,.0f}")
    print(f"  each loaded anew {len(some) / fresh:,.0f}, and equal")


def deepened(count: int) -> None:
    spec, chosen = archcalc.load("resnet50"), random.Random(0)
    lists = [[chosen.randrange(1, 12) for _ in range(4)] for _ in range(count)]
    archcalc.sweep(archcalc.load("alexnet"), batch=[1, 2])  # numpy is loaded once
    taken = [seconds(lambda: archcalc.sweep(spec, depths=lists)) for _ in range(7)]
    found = taken[0][1]
    for k in range(0, count, count // 20):
        analysis = archcalc.analyze(archcalc.load("resnet50"), depths=lists[k])
        assert (analysis.params, analysis.macs) == (found[k]["params"], found[k]["macs"])
    times = [took for took, _ in taken]
    print(f"{count:,} lists of depths of ResNet-50, milliseconds (goal: 50)")
    print(f"  median {1e3 * median(times):.1f}, mean {1e3 * mean(times):.1f}, and equal")


def looped() -> None:
    depths = [list(some) for some in itertools.product((1, 2, 3, 4), (2, 3, 4), (3, 4, 5), (2, 3))]
    units = ["basic", "bottleneck"]
    widths = [32, 48, 64]

    def sweep() -> list[int]:
        found = archcalc.sweep(archcalc.load("resnet50"), unit=units, depths=depths, width=widths)
        return [row["macs"] for row in found]

    def loop() -> list[int]:
        spec = archcalc.load("resnet50")
        return [
            archcalc.analyze(spec, unit=unit, depths=some, width=width).macs
            for unit, some, width in itertools.product(units, depths, widths)
        ]

    (swept, rows), (one_by_one, numbers) = seconds(sweep), seconds(loop)
    assert rows == numbers
    print(f"{len(units) * len(depths)} graphs x {len(widths)} widths of ResNets, seconds")
    print(f"  a sweep {swept:.3f}, a loop over analyze {one_by_one:.3f}: ", end="")
    print(f"{one_by_one / swept:,.1f}x")


def main() -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    searched(500)
    deepened(10_000)
    looped()


if __name__ == "__main__":
    main()
