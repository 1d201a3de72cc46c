"""What machines reach at most, read from files that say where every number stands in print."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from archcalc.document.shown import shown
from archcalc.errors import ArchcalcError, Problem, SpecError, did_you_mean
from archcalc.spec import text
from archcalc.spec.shelf import MACHINES, folder
from archcalc.spec.tree import Document

_SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}

_UNITS = {
    "memory": r"(GB|GiB|MB)",
    "cache": r"(MB|MiB|kB|KiB)",
    "bandwidth": r"(TB/s|GB/s|MB/s)",
    "peak": r"(PFLOP/s|TFLOP/s|GFLOP/s|TOP/s|GOP/s)",
}


class Stated(NamedTuple):
    """A number as a source prints it."""

    value: float
    """In bytes, bytes a second or operations a second, of products without sparsity."""
    printed: str
    sparse: bool
    """Whether what is printed is with 2:4 sparsity: twice as much as without."""
    source: str
    doubles: bool = False
    """Whether products with 2:4 sparsity are printed as twice as fast, here or beside it."""


@shown
@dataclass(frozen=True)
class Hardware:
    """What a machine reaches at most. What is not known of it is None.

    ::

        >>> import archcalc
        >>> [h100] = [each for each in archcalc.machines() if each.name == "h100-sxm"]
        >>> h100.title
        'NVIDIA H100 SXM5, 80 GB'
    """

    name: str
    title: str
    memory: Stated | None
    """Bytes that it has, 2**30 a printed GB."""
    cache: Stated | None
    """Bytes of the last cache that all of it shares, 2**20 a printed MB."""
    bandwidth: Stated | None
    """Bytes a second from and to its memory."""
    peaks: Mapping[str, Stated]
    """Operations a second of dense products, two a multiply-accumulate, by dtype."""
    notes: str = ""

    def peak(self, dtype: str) -> Stated:
        """How fast it multiplies in a dtype. Raises :class:`ArchcalcError` where that's unknown."""
        if dtype in self.peaks:
            return self.peaks[dtype]
        known = ", ".join(self.peaks) or "none"
        asked = ("float16", "float32", *self.peaks)
        instead = next((each for each in asked if each in self.peaks), "")
        raise ArchcalcError(
            f"nothing is known of {self.name} in {dtype}\n  its peaks are of: {known}"
            + (f"; ask in {instead}: --dtype {instead}" if instead else "")
        )


def machines() -> list[Hardware]:
    """The machines that are shipped, by name.

    ::

        >>> import archcalc
        >>> "h100-sxm" in [machine.name for machine in archcalc.machines()]
        True
    """
    return [read(path) for path in sorted((folder() / MACHINES).glob("*.yaml"))]


def find(name: str) -> Hardware:
    """A machine by its name, another name of it, or its file; ``2xh100`` are two of them.

    Raises :class:`ArchcalcError` for an unknown name, and :class:`SpecError` for a file that says
    something else than a machine.
    """
    several = re.fullmatch(r"\s*([1-9]\d{0,4})\s*x\s*(.+)", name)
    if several and not Path(name).is_file():
        return together(int(several[1]), find(several[2]))
    if name.endswith((".yaml", ".yml", ".json")) or "/" in name:
        return read(Path(name))
    named = {path.stem: path for path in sorted((folder() / MACHINES).glob("*.yaml"))}
    wanted = name.strip().lower()
    if wanted not in named:
        for path in list(named.values()):
            named.update(dict.fromkeys(text.read(path).data.get("also", ()), path))
    if wanted in named:
        return read(named[wanted])
    hint = did_you_mean(wanted, named) or f"known: {', '.join(sorted(named))}"
    if "," in wanted:
        hint = f"one at a time; 'archcalc compare NETWORK --on {name}' puts them side by side"
    raise ArchcalcError(
        f"no machine '{name}'\n  {hint}\n  here is this one; a file may describe another one"
    )


def together(count: int, machine: Hardware) -> Hardware:
    """As many machines as one: at best they share everything, and wait for nothing."""

    def all_of(stated: Stated | None) -> Stated | None:
        if stated is None or count == 1:
            return stated
        return stated._replace(value=count * stated.value, printed=f"{count:,} x {stated.printed}")

    note = (
        "They are taken to share work and memory evenly; what passes between them is not counted."
    )
    return Hardware(
        f"{count}x{machine.name}",
        f"{count:,} x {machine.title}",
        all_of(machine.memory),
        all_of(machine.cache),
        all_of(machine.bandwidth),
        {dtype: peak for dtype, each in machine.peaks.items() if (peak := all_of(each))},
        " ".join(filter(None, (machine.notes, note if count > 1 else ""))),
    )


def read(path: Path) -> Hardware:
    """The machine that a file describes. Raises :class:`SpecError` with every problem of it."""
    document = text.read(path)
    found = _Reading(document)
    for key in document.data:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS) or f"known: {', '.join(_KEYS)}"
            found.problems.append(document.problem((key,), f"no key '{key}'", hint, key=True))
    name = document.data.get("name", path.stem)
    peaks = {dtype: found.stated("peak", "peaks", dtype) for dtype in found.mapping("peaks")}
    hardware = Hardware(
        str(name),
        str(document.data.get("title", name)),
        found.stated("memory", "memory"),
        found.stated("cache", "cache"),
        found.stated("bandwidth", "bandwidth"),
        {dtype: each for dtype, each in peaks.items() if each is not None},
        " ".join(str(document.data.get("notes", "")).split()),
    )
    if found.problems:
        raise SpecError(found.problems)
    return hardware


_KEYS = ("name", "also", "title", "sources", "memory", "cache", "bandwidth", "peaks", "notes")


class _Reading:
    """A file that is being read, and what is wrong with it so far."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.sources = self.mapping("sources")

    def amiss(self, at: tuple[str, ...], message: str, hint: str = "") -> Stated | None:
        self.problems.append(self.document.problem(at, message, hint))
        return None

    def mapping(self, key: str) -> Mapping[str, Any]:
        found = self.document.data.get(key, {})
        if not isinstance(found, Mapping):
            self.amiss((key,), "should be names with values")
            return {}
        return found

    def stated(self, kind: str, *at: str) -> Stated | None:
        """A number at a place of the file, None where it is not there or wrong."""
        data: Any = self.document.data
        for key in at:
            data = data.get(key)
            if data is None:
                return None
        if not isinstance(data, Mapping):
            return self.amiss(at, "should be a mapping: {printed: 80 GB, source: ...}")
        for key in data:
            if key not in ("printed", "sparse", "beside", "source"):
                self.amiss((*at, key), f"no key '{key}'", "printed, sparse, beside, source")
        printed, source = str(data.get("printed", "")), data.get("source")
        unit = _UNITS[kind]
        match = re.fullmatch(rf"(\d{{1,9}}(?:\.\d{{1,6}})?) {unit}", printed.replace(",", ""))
        if match is None:
            units = ", ".join(unit.strip("()").split("|"))
            message = f"'{printed:.40}' is no number with one of the units {units}"
            return self.amiss((*at, "printed") if "printed" in data else at, message)
        if not isinstance(source, str) or not source:
            return self.amiss(at, "a source has to be named")
        sparse, beside = data.get("sparse", False), data.get("beside")
        if type(sparse) is not bool or (sparse and kind != "peak"):
            return self.amiss((*at, "sparse"), "is true or false, and of peaks alone")
        if beside is not None and (kind != "peak" or sparse or beside != "twice with sparsity"):
            message = "is 'twice with sparsity', and of dense peaks alone"
            return self.amiss((*at, "beside"), message)
        number = Fraction(match[1])
        if number == 0:
            return self.amiss(at, "is nothing: leave out what is not known")
        # What stores is made in powers of two, whatever is printed: an H200 of 141 GB has 143,771
        # MiB.
        stores = kind in ("memory", "cache")
        scale = 1024 ** (1 + "kmg".index(match[2][0].lower())) if stores else _SCALES[match[2][0]]
        value = float(number * scale / (2 if sparse else 1))
        source = str(self.sources.get(source, source))
        return Stated(value, printed, sparse, source, doubles=sparse or beside is not None)
