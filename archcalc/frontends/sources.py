"""Other programs' models by their addresses: files, and what stands behind a scheme."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path

from archcalc.errors import ArchcalcError, did_you_mean
from archcalc.frontends.watched import watched
from archcalc.spec.graph import Graph

SCHEMES = {"torch": "torch.source", "hf": "torch.config"}
"""What an address of another program's model begins with -> the module that reads it."""

FILES = {
    ".onnx": "onnx.read",
    ".keras": "keras.read",
    ".cfg": "darknet",
    ".prototxt": "caffe.read",
}
"""What a file of another program's model ends with -> the module that reads it."""

MOST_BYTES = 2**26
"""How much of a JSON file is read to see what it is."""


def is_foreign(source: object) -> bool:
    """Whether a source is a model of another program, and no spec."""
    return isinstance(source, (str, Path)) and _reader(str(source)) is not None


def is_code(source: str) -> bool:
    """Whether a source is code that is imported and run to make a network."""
    return source.startswith("torch:")


def beside(source: str, folder: Path) -> str:
    """A source that is written in a file of this folder: files are looked for there."""
    scheme, colon, address = source.partition(":")
    if colon and scheme in SCHEMES:
        home = re.match(r"[^:()@]+", address)
        is_file = home and (scheme == "hf" or home[0].endswith((".py", ".pt2")))
        return f"{scheme}:{folder / address}" if is_file else source
    path = source.partition("::")[0]
    is_file = is_foreign(str(folder / path)) or path.endswith((".yaml", ".yml", ".json"))
    return str(folder / source) if is_file else source


def refuse_unsaid(source: str) -> None:
    """Raise :class:`ArchcalcError` for a file that runs code and is not said to."""
    address = split(source)[0]
    if address.endswith(".pt2") and not is_code(source):
        from archcalc.frontends.torch.exported import REASON

        raise ArchcalcError(f"{address}: {REASON}\n  if you trust it, write torch:{address}")


def graph(source: str | Path) -> Graph:
    """The graph of another program's model. Raises :class:`ArchcalcError`."""
    refuse_unsaid(str(source))
    found = _reader(str(source))
    if found is None and _is_missing(str(source)):
        raise ArchcalcError(f"{source}: no such file")
    path = split(str(source))[0]
    if found is None and path.lower().endswith(".json"):
        from archcalc.frontends.keras.config import config_of

        config_of(path)  # says why it is none
    if found is None:
        addresses = ", ".join(f"{name}:" for name in SCHEMES)
        raise ArchcalcError(f"{source}: known are {addresses} and files *{', *'.join(FILES)}")
    module, address, inputs = found
    if module not in SCHEMES.values() and not Path(address).exists():
        hint = _neighbour(Path(address))
        raise ArchcalcError(f"{address}: no such file" + (f"\n  {hint}" if hint else ""))
    read: Callable[[str, Mapping[str, str]], Graph] = import_module(
        f"archcalc.frontends.{module}"
    ).read
    with watched(f"taking in {address}"):
        return read(address, inputs)


def _neighbour(path: Path) -> str:
    """The file beside it that may be meant."""
    try:
        names = [each.name for each in islice(path.parent.iterdir(), 1000)]
    except OSError:
        return ""
    return did_you_mean(path.name, [name for name in names if name.endswith(path.suffix)]) or ""


def _is_missing(source: str) -> bool:
    """Whether a source looks like the way to a file that is not there."""
    path = split(source)[0]
    return bool(re.search(r"[/\\]|\.\w+$", path)) and not Path(path).exists()


def _reader(source: str) -> tuple[str, str, dict[str, str]] | None:
    """The module that reads a model, its address, and the inputs behind it; None for a spec."""
    scheme, colon, address = source.partition(":")
    if colon and scheme in SCHEMES:
        return SCHEMES[scheme], *split(address)
    for end, module in FILES.items():
        if source.lower().endswith(end):
            return module, source, {}
    address, inputs = split(source)
    for end, module in FILES.items():
        if address.lower().endswith(end):
            return module, address, inputs
    for path, given in ((source, {}), (address, inputs)):
        if path.lower().endswith(".json") and _is_keras(path):
            return FILES[".keras"], path, given
    return None


def _is_keras(path: str) -> bool:
    """Whether a JSON file is a config of Keras, or TensorFlow.js' model, and no spec."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(MOST_BYTES)
    except OSError:
        return False
    if b'"modelTopology"' in text:
        return True
    if b"class_name" not in text:
        return False
    from archcalc.frontends.keras.config import config_of

    try:
        config_of(path)
    except ArchcalcError:
        return False
    return True


def split(address: str) -> tuple[str, dict[str, str]]:
    """An address and the inputs behind its last ``@``, by their names.

    Raises :class:`ArchcalcError` for one that is given twice.
    """
    before, at, text = address.rpartition("@")
    if not at or not re.fullmatch(r"[\w.=:;x-]+", text):
        return address, {}
    inputs: dict[str, str] = {}
    for part in text.split(";"):
        name, _, shape = part.rpartition("=")
        if name in inputs:
            raise ArchcalcError(f"@{text}: '{name or 'the input'}' is given twice")
        inputs[name] = shape
    return before, inputs


def with_inputs(source: str, texts: Sequence[str]) -> str:
    """An address with inputs as the command line has them: ``3x224x224``, ``ids=int64:128``."""
    if not texts or split(source)[1]:
        return source
    return f"{source}@{';'.join(text.replace(',', 'x').replace(' ', '') for text in texts)}"
