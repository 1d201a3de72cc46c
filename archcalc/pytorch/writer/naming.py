"""Names in source code: of classes, arguments and variables."""

from __future__ import annotations

import keyword
import re
from collections.abc import Container

from archcalc.pytorch.writer.code import Bracket, Code, broken, literal

INPUT = " (input)"
"""What an input's name ends with where a layer has the same."""

_WORDS = {
    "relu": "ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "resnet": "ResNet",
    "googlenet": "GoogLeNet",
    "resnext": "ResNeXt",
    "convnext": "ConvNeXt",
    "preresnet": "PreResNet",
    "seresnet": "SEResNet",
    "wideresnet": "WideResNet",
    "deit": "DeiT",
    "mnist": "MNIST",
    "detr": "DETR",
    "yolo": "YOLO",
    "vit": "ViT",
    "c2f": "C2f",
    "unet": "UNet",
    "zfnet": "ZFNet",
    "mbconv": "MBConv",
    **{w: w.upper() for w in ("bn", "se", "mlp", "ffn", "rbf", "rpn", "fpn", "aspp", "csp", "spp")},
    **{w: w.upper() for w in ("vgg", "bert", "gpt", "rcnn", "ssd", "lstm", "gru", "rnn", "cnn")},
    **{w: w.upper() for w in ("sppf", "nin", "gan", "dcgan", "fcn", "lrn", "nlp")},
}
"""How words are written that have capitals of their own."""


def class_name(name: str, path: bool = False) -> str:
    """``conv_relu`` as ``ConvReLU``. Of a ``path`` the last name counts, without its number."""
    if path:
        parts = [part for part in name.split(".") if not part.isdigit()]
        last = parts[-1] if parts else "block"
        name = re.sub(r"\d+[a-z]?$", "", last) or last
    words = [_word(word) for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    joined = ""
    for word in words:
        # Numbers that meet are told apart: wide_resnet_50_2.
        joined += f"_{word}" if joined[-1:].isdigit() and word[0].isdigit() else word
    return joined if joined[:1].isalpha() else f"Net{joined}"


def _word(word: str) -> str:
    letters = re.match(r"[A-Za-z]*", word)
    head = letters[0] if letters else ""
    rest = word[len(head) :]
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if head.lower() in _WORDS:
        return _WORDS[head.lower()] + rest
    if head.lower().endswith("net") and len(head) > 3:
        return f"{head[:-3].capitalize() if head.islower() else head[:-3]}Net{rest}"
    return (head[:1].upper() + head[1:]) + rest


def unused(name: str, taken: Container[str]) -> str:
    """The name, with a number if it is taken."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}{number}", number + 1
    return found


def access(path: str) -> str:
    """A submodule by its way: ``self.layer1[0].conv``."""
    found = "self"
    for part in path.split(".") if path else ():
        if part.isdigit():
            found += f"[{part}]"
        elif is_attribute(part):
            found += f".{part}"
        else:
            found = f"getattr({found}, {literal(part)})"
    return found


def put(path: str, made: Code, indent: int = 0) -> list[str]:
    """The statement that puts a module, or a tensor, at a place."""
    home, _, last = path.rpartition(".")
    if is_attribute(last):
        return broken(made, indent, f"{access(path)} = ")
    return broken(Bracket("setattr(", [access(home), literal(last), made]), indent)


def is_attribute(name: str) -> bool:
    """Whether a class can say it behind a dot: what begins with two underscores is its own."""
    own = name.startswith("__") and not name.endswith("__")
    return name.isidentifier() and not keyword.iskeyword(name) and not own
