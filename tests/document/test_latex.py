"""LaTeX that an author can paste: it compiles, and is no wider than the text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

import archcalc
from archcalc.cli.app import COMMANDS, application
from archcalc.document import Document
from archcalc.document.latex import escaped, fitted, latex
from archcalc.document.model import Head, Heading, Item, Items, Styled, Table, table

HEADS = [Head(name, name) for name in ("first", "second", "third")]


def wide() -> Table:
    row = ["e" * 30] * 3
    return table(HEADS, [row], narrow=("second", "third"))


def test_what_a_reader_misses_least_goes_first() -> None:
    # 30 letters take more than 100 points even in small print, and three columns more than 300.
    assert [head.name for head in fitted(wide(), 345.0).heads] == ["first", "third"]
    assert [head.name for head in fitted(wide(), 200.0).heads] == ["first"]
    assert len(fitted(wide(), None).heads) == 3
    assert "Left out to fit: second." in latex(Document.of(wide()))


def test_footnotes_are_numbered_without_those_of_what_is_left_out() -> None:
    long = "e" * 30
    marked = [Styled(long, mark=mark) for mark in (2, 1, 3)]
    noted = Items((Item("of second"), Item("of first"), Item("of third")), numbered=True)
    text = latex(Document.of(table(HEADS, [marked], narrow=("second", "third")), noted))
    assert re.findall(r"tnote\{(\d)\}", text) == ["1", "2"]
    assert re.findall(r"item (\[.*)", text) == ["[1] of first.", "[2] of third."]


def test_remarks_stand_below_and_the_caption_is_one_sentence() -> None:
    text = latex(Document.of(Heading("net: a title"), wide(), Items.of(["a remark"])))
    assert r"\caption{net: a title.}\label{tab:net}" in text
    assert text.index(r"\end{tabular}") < text.index("a remark")


def test_more_than_a_page_is_a_longtable() -> None:
    assert "longtable" in latex(Document.of(table(HEADS, [["a", "b", "c"]] * 60)))
    assert "longtable" not in latex(Document.of(table(HEADS, [["a", "b", "c"]] * 10)))


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("1.8x10^9", r"1.8$\times$10$^{9}$"),
        ("64x112x112", r"64$\times$112$\times$112"),
        ("conv3x3", "conv3x3"),
        ("a -> b", r"a $\to$ b"),
    ],
)
def test_shapes_and_powers_are_mathematics(words: str, written: str) -> None:
    assert escaped(words) == written


def test_numbers_are_left_to_siunitx_where_it_is_wanted() -> None:
    # 11 x 11 x 3 x 96 + 96, and times 55 x 55 places
    text = archcalc.table(archcalc.load("alexnet"), format="siunitx")
    assert r"$\num{34944}$ & $\num{105415200}$" in text
    assert r"\usepackage{booktabs,siunitx," in text
    # Words that begin with digits stay words, and so do notes below.
    assert r"11$\times$11" in text
    assert "params: 62,378,344" in text


def _has(package: str) -> bool:
    found = shutil.which("kpsewhich")
    done = found and subprocess.run([found, f"{package}.sty"], check=False, capture_output=True)
    return bool(done and done.stdout)


PRINTED = (
    "table resnet18",
    "table llama2_7b",
    "table googlenet --detail stage",
    "table resnet18 --format siunitx",
    "compare alexnet vgg16 googlenet resnet18",
    "explain alexnet conv1",
    "formula googlenet --in side",
    "generate llama2_7b",
    "memory resnet50 --training --optimizer adamw",
    "ops Conv2d",
    "roofline resnet50 --on h100",
    "roofline",
    "savings",
    "savings vgg16 --rewrite bottleneck:4",
    "space ofa_mobilenet_v3",
    "sweep resnet50 --set width=32,64,128",
)


def printed(line: str) -> str:
    words = line.split()
    words += ["--format", "latex"] * ("--format" not in words)
    return CliRunner().invoke(application(), words, catch_exceptions=False).stdout


def test_every_command_that_prints_latex_is_tried() -> None:
    def knows(command: str) -> bool:
        said = CliRunner().invoke(application(), [command, "--help"]).stdout
        return "latex" in said.partition("--format")[2]

    assert {line.split()[0] for line in PRINTED} == set(filter(knows, COMMANDS))


@pytest.mark.parametrize("line", PRINTED)
def test_tables_have_a_caption_and_a_label(line: str) -> None:
    text = printed(line)
    tables = re.findall(r"\\begin\{(?:tabular|longtable)\}", text)
    assert len(re.findall(r"\\caption\{[^\n]+\.\}\\label\{tab:[-a-z0-9]+\}", text)) == len(tables)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="TeX is not installed")
@pytest.mark.parametrize("line", PRINTED)
def test_it_compiles_and_no_box_is_overfull(tmp_path: Path, line: str) -> None:
    if "siunitx" in line and not _has("siunitx"):
        pytest.skip("TeX has no siunitx here")
    text = printed(line)
    first, _, body = text.partition("\n")
    packages = re.findall(r"usepackage\{.*?\}", first)
    head = [r"\documentclass{article}", *(f"\\{package}" for package in packages)]
    page = "\n".join([*head, r"\begin{document}", body, r"\end{document}"])
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "page.tex"]
    subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
    log = (tmp_path / "page.log").read_text(encoding="utf-8", errors="replace")
    assert not re.findall(r"^! .*|^Overfull.*", log, re.MULTILINE)
