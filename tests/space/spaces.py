"""Spaces that several tests look through."""

from __future__ import annotations

from typing import Any

import archcalc

SMALL: dict[str, Any] = {
    "name": "small",
    "input": [3, "=side", "=side"],
    "vars": {
        "side": 16,
        "width": 8,
        "wide": "=2 * width",
        "depths": [1, 1],
        "ops": ["conv", "conv", "conv"],
        "pooled": True,
    },
    "blocks": {
        "conv": {"op": {"op": "Conv2d", "out_channels": "=channels(input)", "kernel_size": 1}},
        "same": {"op": {"op": "Identity"}},
        "large": {
            "op": {"op": "Conv2d", "out_channels": "=channels(input)", "kernel_size": 9},
            "back": {"op": "Pad", "pad": [4, 4, 4, 4]},
        },
        "cell": {
            "args": {"extra": 0},
            "layers": {
                "a": {"block": "=ops[0]"},
                "b": {"block": "=ops[1]", "from": "input"},
                "more": {"op": "ReLU", "repeat": "=extra"},
                "add": {"op": "Add", "from": ["a", "more"]},
                "c": {"block": "=ops[2]"},
            },
        },
    },
    "layers": {
        "stem": {"op": "Conv2d", "out_channels": "=width", "kernel_size": 3, "padding": 1},
        "stage1": {"block": "cell", "repeat": "=depths[0]", "extra": "=i"},
        "down": {"op": "Conv2d", "out_channels": "=wide", "kernel_size": 2, "stride": 2},
        "stage2": {"block": "cell", "repeat": "=depths[1]"},
        "pool": {"op": "MaxPool2d", "kernel_size": 2, "when": "=pooled"},
        "add": {"op": "Add", "from": ["pool", "pool"]},
        "head": {"op": "GlobalAvgPool", "keepdim": False},
        "fc": {"op": "Linear", "out_features": 10},
    },
    "space": {
        "vars": {
            "width": {"from": 8, "to": 24, "step": 8},
            "depths": {"each": [0, 1, 2], "times": 2},
            "ops": {"each": ["conv", "same", "large"], "times": 3},
            "pooled": [True, False],
            "side": [8, 12, 16],
        },
        "where": ["=depths[0] <= depths[1]"],
    },
}
"""3 widths, 6 pairs of depths, 27 cells, 2 ends, 3 sides; one block is too large."""


def space(**changed: Any) -> archcalc.Space:
    """The small space, with other choices."""
    return archcalc.Space(archcalc.load(SMALL), **changed)


CELLS: dict[str, Any] = {
    "name": "cells",
    "input": [8, 8, 8],
    "vars": {
        "ops": ["conv", "conv", "conv"],
        "others": ["conv", "same", "conv"],
        "takes": [0, 0, 1],
        "depth": 3,
        "seen": 1,
    },
    "blocks": {
        "conv": {"op": {"op": "Conv2d", "out_channels": "=channels(input)", "kernel_size": 1}},
        "half": {"op": {"op": "Conv2d", "out_channels": "=channels(input) // 2", "kernel_size": 1}},
        "same": {"op": {"op": "Identity"}},
        # What comes before is a state by its number; lists of choices are handed in. An argument
        # may be called like a layer.
        "cell": {
            "args": {"which": None, "b": None, "first": "=b"},
            "inputs": ["before", "last"],
            "outputs": ["last", "cat"],
            "layers": {
                "state0": {"op": "Conv2d", "from": "before", "out_channels": 8, "kernel_size": 1},
                "state1": {"op": "Conv2d", "from": "last", "out_channels": 4, "kernel_size": 1},
                "a": {"block": "=which[0]", "from": "state{takes[0]}"},
                "state2": {"op": "ReLU"},
                "b": {"block": "=which[1]", "from": "state{takes[1]}"},
                "state3": {"op": "ReLU"},
                "cat": {"op": "Concat", "from": ["a", "b", "state{2 if first else 3}"]},
            },
        },
        "tower": {
            "layers": {
                "unit": {"op": "Conv2d", "out_channels": 8, "kernel_size": 1, "repeat": "=depth"},
                "late": {"op": "Concat", "from": ["unit", "unit.{depth - seen}"]},
            }
        },
    },
    "layers": {
        "stem": {"op": "Conv2d", "out_channels": 6, "kernel_size": 1},
        "cells": {
            "block": "cell",
            "from": ["stem", "stem"],
            "repeat": 3,
            "which": "=others if i == 1 else ops",
            "b": "=i == 0",
        },
        "tower": {"block": "tower", "from": "cells.cat"},
        "skip": {"op": "Add", "from": ["tower", "tower"], "when": "=seen == 1"},
        "head": {"op": "GlobalAvgPool", "keepdim": False},
    },
    "space": {
        "vars": {
            "ops": {"each": ["conv", "half", "same"], "times": 2},
            "others": {"each": ["conv", "same"], "times": 2},
            "takes": {"places": [[0, 1], [0, 1, 2]]},
            "depth": [2, 3],
            "seen": {"from": 1, "to": "=depth"},
        }
    },
}
"""Cells that choose what they take, and of which list they are made: some leave a state aside."""


def cells(**changed: Any) -> archcalc.Space:
    """The space of cells, with other choices."""
    return archcalc.Space(archcalc.load(CELLS), **changed)
