"""What columns of printed tables are headed with, and what layers are called."""

from __future__ import annotations

import re
from collections.abc import Mapping

HEADERS: Mapping[str, tuple[str, ...]] = {
    "layer": ("layer", "name", "layer name", "layer type", "type", "operation"),
    "op": ("op", "operator", "layer kind", "module type"),
    "stage": ("stage", "block", "module", "group"),
    "source": (
        *("input layer", "from", "inputs", "bottom", "connected to", "source", "previous layer"),
        "input from",
    ),
    "in": ("input", "input size", "input shape", "input image", "in size", "in shape"),
    "out": (
        *("output", "output size", "output shape", "out size", "out shape", "size"),
        *("feature map", "feature map size", "output image", "activation size"),
    ),
    "in_h": ("in h", "input h", "h in", "input height", "height in"),
    "in_w": ("in w", "input w", "w in", "input width", "width in"),
    "in_c": ("in c", "input c"),
    "out_h": ("out h", "output h", "h out", "output height", "height out"),
    "out_w": ("out w", "output w", "w out", "output width", "width out"),
    "out_c": ("out c", "output c"),
    "channels_in": (
        *("in", "channels in", "in channels", "input channels", "c in", "cin", "in features"),
        *("in planes", "input depth", "n in"),
    ),
    "channels_out": (
        *("out", "channels out", "out channels", "output channels", "c out", "cout", "filters"),
        *("out features", "out planes", "output depth", "feature maps", "filters or neurons"),
        *("neurons", "units", "kernels", "n out", "channels"),
    ),
    "kernel": ("kernel", "kernel size", "k", "f", "filter size", "filter", "patch size", "window"),
    "kernel_h": ("kernel h", "kernel height", "k h", "kh"),
    "kernel_w": ("kernel w", "kernel width", "k w", "kw"),
    "kernel_stride": ("patch size stride", "kernel stride", "kernel size stride"),
    "stride": ("stride", "strides", "s"),
    "pad": ("pad", "pads", "padding", "p"),
    "groups": ("groups", "group count", "g"),
    "params": (
        *("params", "param", "parameters", "parameter", "of param", "of params", "weights"),
        *("parameter count", "param count", "of parameters", "trainable params"),
    ),
    "ops": (
        *("ops", "macs", "mult adds", "multiply adds", "madds", "mac", "operations"),
        *("multiply accumulates", "of macs", "of ops"),
    ),
    "n1x1": ("n 1x1", "1x1"),
    "n3x3_reduce": ("n 3x3 reduce", "3x3 reduce"),
    "n3x3": ("n 3x3", "3x3"),
    "n5x5_reduce": ("n 5x5 reduce", "5x5 reduce"),
    "n5x5": ("n 5x5", "5x5"),
    "pool_proj": ("pool proj", "pool projection"),
}
"""What each role's column is headed with, in lower case and without punctuation."""

BRANCHES = ("n1x1", "n3x3_reduce", "n3x3", "n5x5_reduce", "n5x5", "pool_proj")
"""Columns of the widths of an inception module, as in table 1 of arXiv:1409.4842."""

ROLES = {header: role for role, headers in HEADERS.items() for header in headers}
KINDS = (
    ("total", r"\b(grand )?(total|sum)\b"),
    ("input", r"^(input|image|data)\b"),
    ("concat", r"concat|\bcat\b"),
    ("pool", r"pool"),
    ("norm", r"\bbn|batch.?norm"),
    ("same", r"relu|sigmoid|tanh|softmax|drop|identity|activation|local.?response|lrn|\bloss\b"),
    ("flatten", r"flatten|reshape"),
    ("add", r"^(add|sum|residual|elt)|\badd$"),
    ("linear", r"fc|linear|dense|fully"),
    ("conv", r"conv|depthwise|pointwise"),
)
"""What a layer is, by the first pattern that its operator or its name has."""


def plain_header(header: str) -> str:
    """A header in lower case without punctuation: ``# of Param`` is ``of param``."""
    words = re.sub(r"[^a-z0-9×]+", " ", header.lower().replace("size/stride", "size stride"))
    words = words.replace("×", "x").strip()
    return re.sub(r"^(number of|num|no of|total) ", "", words)


def kind_of(name: str) -> str:
    """What a layer of this name or operator is; ``""`` if it does not say."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").lower().strip()
    last = words.rpartition(".")[2] or words  # inception3a.concat is no inception
    for candidate in (last, words):
        for kind, pattern in KINDS:
            if re.search(pattern, candidate):
                return kind
    return ""
