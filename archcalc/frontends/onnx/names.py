"""Where a node of an ONNX file stands, as far as names tell."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from archcalc.frontends.words import as_name

if TYPE_CHECKING:
    import onnx

_NUMBERED = re.compile(r"_\d+$")
_WEIGHT = re.compile(
    r"[._/](?:weight|kernel|gamma|scale|W|w|s|weight_ih_l0)(?:_quantized)?(?::\d+)?(?:_\d+)?$"
)

_WRITTEN_OUT = re.compile(r"^(?:/|If_\d+_(?:then|else)_branch__|Inline_\d+__)*_*")
"""What onnx's and onnxruntime's tools put before names in branches and functions written out."""


def home(root: str) -> str:
    """The module that a stored tensor's name begins with; ``""`` for a name of another kind."""
    found = _WEIGHT.search(root)
    return way(root[: found.start()]) if found else ""


def way(text: str) -> str:
    """A name of the file as a way."""
    words = re.split(r"[./]+", _WRITTEN_OUT.sub("", text.split(":")[-1] or text))
    parts = [as_name(word, not word.isdigit()) for word in words if word]
    return ".".join(parts) or "tensor"


def place(node: onnx.NodeProto) -> tuple[str, str]:
    """The module that a node stands in, and what it does there."""
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes" and len(entry.value) < 10_000:
            try:
                scopes = [str(scope) for scope in ast.literal_eval(entry.value)]
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                break
            if len(scopes) > 1:
                return way(scopes[-2]) if scopes[-2] else "", _NUMBERED.sub("", scopes[-1])
    parts: list[str] = []
    for part in node.name.strip("/").split("/"):
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        elif part:
            parts.append(part)
    if parts and (len(parts) > 1 or parts[0].startswith(node.op_type)):
        last = parts.pop()
        if not last.startswith(node.op_type):
            parts.append(last)
        return way("/".join(parts)) if parts else "", node.op_type
    if parts and not re.fullmatch(r"\w?\d+|node_.*", parts[0]):
        return way(parts[0]), node.op_type
    return "", node.op_type
