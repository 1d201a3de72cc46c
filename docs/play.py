"""Makes the page that needs nothing behind it: archcalc itself, in Python in WebAssembly.

    npm --prefix web ci && python docs/play.py site/play

What is pure Python is copied from where this runs; of pydantic-core pip finds the wheel for
WebAssembly, of exactly the version that this pydantic wants. numpy, rich and typer are not needed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import archcalc
from archcalc.page.answer import respond
from archcalc.spec import zoo

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"

PURE = ("pydantic", "annotated_types", "typing_extensions", "typing_inspection", "yaml")

CORE = (
    *("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm"),
    *("python_stdlib.zip", "pyodide-lock.json"),
)
"""Of Pyodide what it takes to run."""

PLATFORM = ("--python-version", "3.14", "--implementation", "cp", "--abi", "cp314")
WASM = "pyemscripten_2026_0_wasm32"

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'"
)

FIRST = {
    "ask": "analyze",
    "name": "googlenet",
    "variant": None,
    "vars": {},
    "input": None,
    "batch": 1,
    "training": False,
    "dtype": "float32",
    "convention": "macs",
    "columns": None,
    "diagram": "stage",
}
"""What the page asks first, in the order in which it does."""


def main(out: Path) -> None:
    """Write the page into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    subprocess.run(["node", WEB / "build.mjs", out.resolve()], check=True)
    (out / "pyodide").mkdir(exist_ok=True)
    for name in CORE:
        shutil.copyfile(WEB / "node_modules" / "pyodide" / name, out / "pyodide" / name)
    with zipfile.ZipFile(out / "archcalc.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in files():
            archive.write(path, name)
        with tempfile.TemporaryDirectory() as folder:
            core = zipfile.ZipFile(wheel(Path(folder)))
            for name in core.namelist():
                archive.writestr(name, core.read(name))
    asked = (FIRST, {"ask": "networks"})
    first = {
        json.dumps(each, separators=(",", ":")): json.loads(respond(json.dumps(each)))
        for each in asked
    }
    (out / "first.json").write_text(json.dumps(first), encoding="utf-8")
    index = out / "index.html"
    head = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    text = index.read_text(encoding="utf-8").replace('<meta charset="utf-8">', head)
    index.write_text(text, encoding="utf-8")


def files() -> Iterator[tuple[Path, str]]:
    """The files of Python packages, and where they go."""
    package = Path(archcalc.__file__).parent
    found = [(package, "archcalc")]
    if zoo.folder().parent != package:  # not installed: beside the package
        found.append((zoo.folder(), "archcalc/specs"))
    for name in PURE:
        origin = Path(str((spec := find_spec(name)) and spec.origin))
        if origin.name == "__init__.py":
            found.append((origin.parent, name))
        else:
            yield origin, origin.name
    for folder, name in found:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            skipped = {"__pycache__", "built"} & set(inside.parts)
            if path.suffix in (".py", ".pyi", ".yaml", ".json", ".csv", ".txt") and not skipped:
                yield path, f"{name}/{inside.as_posix()}"


def wheel(folder: Path) -> Path:
    """The wheel of pydantic-core for WebAssembly, downloaded into a folder."""
    wanted = f"pydantic-core=={version('pydantic-core')}"
    options = ("--no-deps", "--only-binary", ":all:", "--platform", WASM, *PLATFORM)
    words = ["-m", "pip", "download", "--quiet", *options, "--dest", str(folder), wanted]
    subprocess.run([sys.executable, *words], check=True)
    return next(folder.glob("*.whl"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
