"""What others call layers and write of shapes, in our terms."""

from __future__ import annotations

import re

from archcalc.dims import Shape
from archcalc.errors import ArchcalcError
from archcalc.operators.base import LARGEST


def as_name(text: str, whole: bool = False) -> str:
    """A name as specs have them; a ``whole`` one begins with no digit."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:200] or "_"
    return name if not whole or re.match(r"[A-Za-z_]", name) else f"_{name}"


def as_way(text: str) -> str:
    """The way to a layer with parts that are names or numbers: ``_1x1`` for ``1x1``."""
    parts = text.split(".") if text else []
    return ".".join(part if part.isdecimal() else as_name(part, True) for part in parts)


def parse_shape(text: str, what: str) -> Shape:
    """The sizes in ``3x224x224`` or ``int64:128``. Raises :class:`ArchcalcError`."""
    sizes = text.rpartition(":")[2]
    if not re.fullmatch(r"[0-9]{1,13}(x[0-9]{1,13})*", sizes):
        raise ArchcalcError(f"{what}: '{text}' is no shape: write 3x224x224, without the batch")
    shape = tuple(map(int, sizes.split("x")))
    if min(shape) < 1 or max(shape) > LARGEST:
        raise ArchcalcError(f"{what}: an extent should be from 1 to {LARGEST:,}")
    return shape
