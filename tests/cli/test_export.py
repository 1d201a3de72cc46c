"""The command ``export``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import archcalc
from archcalc.cli.app import application


def run(*args: str) -> Result:
    return CliRunner().invoke(application("export", "list"), ["export", *args])


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("torch", '"""lenet5: Gradient-based learning'),
        ("json", '{\n "name": "lenet5"'),
        ("yaml", "# yaml-language-server: $schema=spec.schema.json\nname: lenet5\n"),
        ("mermaid", "---\ntitle: "),
        ("dot", "digraph {\n"),
        ("svg", "<svg xmlns="),
    ],
)
def test_every_form_is_printed_as_the_library_makes_it(form: str, begins: str) -> None:
    done = run("lenet5", "--to", form)

    assert done.exit_code == 0
    assert done.stdout.startswith(begins)
    assert done.stdout == archcalc.export(archcalc.load("lenet5"), to=form)


def test_a_file_is_written(tmp_path: Path) -> None:
    file = tmp_path / "net.svg"
    done = run("lenet5", "--to", "svg", "-o", str(file))

    assert (done.exit_code, done.stdout) == (0, "")
    assert file.read_text(encoding="utf-8").endswith("</svg>\n")


def test_variables_the_input_and_the_batch_are_set() -> None:
    text = run("resnet18", "--to", "torch", "--set", "classes=7", "--input", "64").stdout

    assert "self.fc = nn.Linear(512, 7)\n" in text
    assert "multiply-accumulates for 3 x 64 x 64." in text
    assert "a batch of 4 of 1 x 32 x 32." in run("lenet5", "--to", "torch", "--batch", "4").stdout


def test_a_diagram_has_a_detail() -> None:
    assert "layer1 · 2 × basic" in run("resnet18", "--to", "svg", "--detail", "layer").stdout
    assert "layer1 · 2 × basic" not in run("resnet18", "--to", "svg").stdout


def test_onnx_needs_a_file() -> None:
    for output in ((), ("-o", "-")):
        done = run("lenet5", "--to", "onnx", *output)

        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == "ONNX is no text: name a file with -o\n"


def test_onnx_is_written(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    file = tmp_path / "net.onnx"
    spec = tmp_path / "net.yaml"
    spec.write_text("name: net\ninput: [4]\nlayers: {relu: ReLU}\n", encoding="utf-8")
    done = run(str(spec), "--to", "onnx", "-o", str(file))

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert file.stat().st_size > 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lenet5", "--to", "torhc"), "no form 'torhc'\n  did you mean 'torch'?"),
        (("lenet5", "--to", "svg", "--detail", "layers"), "did you mean 'layer'?"),
        (("lenet55", "--to", "svg"), "did you mean 'lenet5'?"),
        (("lenet5", "--to", "svg", "--set", "detail=1"), "'detail' can only be set in the spec"),
    ],
)
def test_what_can_not_be_exported_is_refused(
    args: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "out"
    done = run(*args, "-o", str(file))

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert not file.exists()


@pytest.mark.parametrize(
    "words",
    ["export lenet5 --to torch", "export lenet5 --to onnx", "build lenet5", "crosscheck lenet5"],
)
def test_without_pytorch_says_how_to_install_it(words: str, tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from archcalc.cli import main; main()"
    file = ["-o", str(tmp_path / "out")] if "export" in words else []
    command = [sys.executable, "-c", code, *words.split(), *file]  # nothing is loaded before
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "PyTorch is not installed: pip install 'archcalc[torch]'\n"
    assert not (tmp_path / "out").exists()


def test_specs_and_diagrams_are_made_without_heavy_libraries() -> None:
    code = (
        "import sys, archcalc\n"
        "spec = archcalc.load('googlenet')\n"
        "for form in ('json', 'yaml', 'mermaid', 'dot', 'svg'):\n"
        "    archcalc.export(spec, to=form)\n"
        "print(*{'torch', 'numpy', 'sympy', 'matplotlib'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"
