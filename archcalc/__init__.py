"""archcalc: an architecture calculator for neural networks.

``load`` a spec, ``expand`` it to a graph, ``analyze`` that to numbers::

    >>> import archcalc
    >>> archcalc.analyze(archcalc.load("resnet50")).params
    25557032
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # A name is imported when it is first asked for, so that a command pays for what it uses.
    homes = _homes()
    if name == "__all__":
        found: Any = sorted([*homes, "__version__"])
    elif name in homes:
        found = getattr(import_module(homes[name]), name)
    else:
        raise AttributeError(f"module 'archcalc' has no attribute '{name}'")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __getattr__("__all__")


@cache
def _homes() -> Mapping[str, str]:
    """The public names and their modules, as the stub has them: ``from M import N as N``."""
    text = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    stated = re.findall(r"^from (\S+) import (\w+) as ", text, re.MULTILINE)
    return {name: home for home, name in stated}
