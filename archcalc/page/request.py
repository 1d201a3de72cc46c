"""What the page asks, checked before anything is done with it: it comes from a stranger."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from archcalc.operators.base import LARGEST
from archcalc.spec.text import LARGEST_FILE

LARGEST_REQUEST = 2**23
"""Bytes of a request: a file of a megabyte or a few, as text."""

LARGEST_TAKEN = 2**22
"""Bytes of a dropped file."""

_Word = Annotated[str, Field(max_length=200)]
_Extent = Annotated[int, Field(ge=1, le=LARGEST)]
_Text = Annotated[str, Field(max_length=LARGEST_FILE)]
_Scalar: TypeAlias = bool | int | float | _Word | None
_Value: TypeAlias = _Scalar | list[_Scalar | list[_Scalar]]


class _Closed(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, frozen=True)


class Network(_Closed):
    """A network as the page has it: a text, or a name of the zoo, and what is set of it."""

    text: _Text | None = None
    name: _Word | None = None
    """A network that is shipped; never a path."""
    variant: _Word | None = None
    input: Annotated[dict[_Word, Annotated[list[_Extent], Field(max_length=8)]], Field()] | None = (
        None
    )
    """Shapes without the batch, by the inputs' names."""
    batch: Annotated[int, Field(ge=1, le=2**30)] = 1
    vars: Annotated[dict[_Word, _Value], Field(max_length=100)] = {}


class Asked(Network):
    """One request. Which of the fields matter, ``ask`` says."""

    ask: Literal[
        "networks",
        "words",
        "analyze",
        "explain",
        "compare",
        "reconcile",
        "audit",
        "roofline",
        "take",
    ]
    training: bool = False
    dtype: _Word = "float32"
    convention: _Word = "macs"
    columns: Annotated[list[_Word], Field(max_length=64)] | None = None
    diagram: Literal["stage", "layer"] = "stage"
    layer: _Word | None = None
    """The layer or block to explain; the network as a whole without one."""
    other: Network | None = None
    """What the network is compared with."""
    value: _Word = ""
    """A printed number to reconcile."""
    machine: _Word = ""
    """A machine that is shipped, of the roofline."""
    table: _Text = ""
    """A printed table to audit."""
    file: _Word = ""
    """The name of a dropped file, of which only the ending matters."""
    content: Annotated[str, Field(max_length=LARGEST_REQUEST)] = ""
    """What is in it, in base 64."""
