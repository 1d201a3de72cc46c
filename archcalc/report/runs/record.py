"""A file that keeps what came of each network as it comes, so that a run can be taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from archcalc.analysis.measured import Machine, Measurement
from archcalc.document.data import FORMAT, dumps
from archcalc.errors import ArchcalcError
from archcalc.pytorch.compared import Counts, Difference, NotCounted
from archcalc.pytorch.crosscheck import Crosscheck, Run
from archcalc.report.runs.crosscheck import as_data


class Kept(NamedTuple):
    """What a record holds."""

    asked: Mapping[str, Any]
    """What all networks were asked: device, dtypes, batch and so on."""
    found: Mapping[str, Crosscheck]
    """What came of each, by what was asked for: a name, or a file's path."""


def read(path: Path) -> Kept:
    """A record; a last line that was not written to its end is passed over.

    Raises :class:`ArchcalcError` for a file that can't be read, or is none.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise _refused(path, "read", error) from None
    first, *lines = text[: text.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n")
    asked = _parsed(path, 1, first).get("asked")
    if not isinstance(asked, dict):
        raise ArchcalcError(f"{path}:1: no record of crosscheck")
    found = {}
    for number, line in enumerate(lines[:-1], 2):
        data = _parsed(path, number, line)
        try:
            found[data["asked"]] = from_data(data["found"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ArchcalcError(f"{path}:{number}: no network as crosscheck writes it") from None
    return Kept(asked, found)


class Record:
    """A line of JSON that says what was asked, then one for each network that was run.

    ``asked`` is what all networks are asked. A new file is begun, which must not be there yet;
    with ``resume`` one that was asked the same is gone on with.

    Raises :class:`ArchcalcError` for a file that can't be read or written, is no such record, or
    was asked something else.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any], resume: bool = False) -> None:
        self.path = path
        self.found: dict[str, Crosscheck] = {}
        asked = json.loads(json.dumps(asked))
        if not path.exists():
            self._write(dumps({"archcalc": FORMAT, "asked": asked}), "w")
        elif not resume:
            raise ArchcalcError(
                f"{path}: is there already\n  --resume goes on with it, or name another file"
            )
        else:
            kept = read(path)
            for key, value in asked.items():
                if kept.asked.get(key) != value:
                    raise ArchcalcError(
                        f"{path}: was made with {key} {_said(kept.asked.get(key))}, "
                        f"not {_said(value)}\n  ask the same, or name another file"
                    )
            self.found.update(kept.found)
            self._drop_the_torn_line()

    def _drop_the_torn_line(self) -> None:
        try:
            with self.path.open("r+b") as file:
                text = file.read()
                file.truncate(text.rfind(b"\n") + 1)
        except OSError as error:
            raise _refused(self.path, "written", error) from None

    def _write(self, line: str, mode: str) -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise _refused(self.path, "written", error) from None

    def add(self, name: str, found: Crosscheck) -> None:
        """Write a network's line, which is in the file when this returns.

        ``name`` is what was asked for, such as a file's.
        """
        self.found[name] = found
        self._write(dumps({"asked": name, "found": as_data(found)}), "a")


def _refused(path: Path, how: str, error: OSError) -> ArchcalcError:
    return ArchcalcError(f"{path}: can't be {how}: {error.strerror or error}")


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ArchcalcError(f"{path}:{number}: no record of crosscheck")
    return data


def from_data(data: Mapping[str, Any]) -> Crosscheck:
    """What :func:`archcalc.report.runs.crosscheck.as_data` made data of.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for other data.
    """
    numbers = {key: int(data[key]) for key in ("layers", "params", "buffers", "macs")}
    counts = Counts(**numbers, unknown=tuple(map(str, data.get("unknown", ()))))
    return Crosscheck(data["name"], counts, tuple(map(_run, data["runs"])), dict(data["skipped"]))


def _run(data: Mapping[str, Any]) -> Run:
    return Run(
        data["device"],
        data["dtype"],
        data["batch"],
        tuple(map(_difference, data["differences"])),
        tuple(
            NotCounted(each["layer"], each["op"], tuple(each["operations"]))
            for each in data["not_counted"]
        ),
        tuple(data["without_gradient"]),
        data["distance"],
        data["layer_distance"],
        data["seconds"],
        None if data["measured"] is None else _measured(data["measured"]),
    )


def _difference(data: Mapping[str, Any]) -> Difference:
    def value(one: Any) -> Any:
        if isinstance(one, Mapping):
            return {name: value(item) for name, item in one.items()}
        return tuple(one) if isinstance(one, Sequence) and not isinstance(one, str) else one

    return Difference(
        data["layer"] or "",
        data["op"] or "",
        data["what"],
        value(data["archcalc"]),
        value(data["pytorch"]),
    )


def _measured(data: Mapping[str, Any]) -> Measurement:
    return Measurement(
        Machine(**data["machine"]),
        data["dtype"],
        data["batch"],
        data["runs"],
        data["seconds"],
        data["spread"],
        data["macs"],
        data["peak_bytes"],
        data["predicted_bytes"],
    )
