from __future__ import annotations

import doctest
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

import archcalc

ROOT = Path(__file__).resolve().parents[2]


def load_generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generate()


@pytest.mark.parametrize("path", generate.GENERATED_FILES)
def test_a_generated_file_is_what_the_program_says(path: str) -> None:
    text = generate.GENERATED_FILES[path]()

    assert text == (ROOT / path).read_text(encoding="utf-8"), "run: python docs/generate.py"


@pytest.mark.parametrize("path", generate.WRITTEN_BY_HAND)
def test_every_command_on_a_page_prints_what_stands_below_it(path: str) -> None:
    page = (ROOT / path).read_text(encoding="utf-8")

    assert generate.with_outputs(page) == page, "run: python docs/generate.py"


@pytest.mark.parametrize("path", ["README.md", "docs/page.md"])
def test_the_picture_of_the_page_shows_what_is_said_of_it(path: str) -> None:
    page = (ROOT / path).read_text(encoding="utf-8")
    ((said, picture),) = re.findall(r"!\[([^]]*)\]\(([^)]*page\.png)\)", page)
    assert ((ROOT / path).parent / picture).is_file()
    # A layer of GoogLeNet: 128 kernels of 96 x 3 x 3 at 28 x 28 positions.
    macs = archcalc.analyze("googlenet")["inception3a.conv3x3.conv"].macs
    assert macs == 128 * 96 * 9 * 28 * 28
    assert f"{macs:,} MACs" in said
    assert "GoogLeNet" in said


def test_the_first_command_prints_the_table_that_the_readme_begins_with() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^\$ (archcalc table googlenet.*)$", page, re.MULTILINE)
    (typed,) = re.findall(r"&& \.venv/bin/(archcalc table .*)$", page, re.MULTILINE)
    assert typed == shown


@pytest.mark.parametrize("path", generate.WRITTEN_BY_HAND)
def test_examples_in_python_hold(path: str) -> None:
    failed, _ = doctest.testfile(str(ROOT / path), module_relative=False)

    assert failed == 0


def test_the_package_s_own_example_holds() -> None:
    import archcalc

    assert doctest.testmod(archcalc) == (0, 1 + 1)


def yaml_blocks() -> Iterator[tuple[str, str]]:
    for path in generate.WRITTEN_BY_HAND:
        page = (ROOT / path).read_text(encoding="utf-8")
        for block in re.findall(r"^```yaml\n(name:.*?)^```$", page, re.MULTILINE | re.DOTALL):
            yield path, block


@pytest.mark.parametrize(("path", "block"), list(yaml_blocks()))
def test_a_whole_spec_on_a_page_is_valid(path: str, block: str, tmp_path: Path) -> None:
    import archcalc

    file = tmp_path / "spec.yaml"
    file.write_text(block, encoding="utf-8")

    assert archcalc.validate(file) == []


@pytest.mark.parametrize("path", [*generate.WRITTEN_BY_HAND, *generate.GENERATED_FILES])
def test_every_link_to_a_file_leads_to_one(path: str) -> None:
    page = (ROOT / path).read_text(encoding="utf-8")
    links = [] if path.endswith(".json") else re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page)

    assert [
        link for link in links if not (ROOT / path).parent.joinpath(unquote(link)).exists()
    ] == []


def test_every_operator_command_and_network_has_its_place() -> None:
    import archcalc
    from archcalc.spec import zoo

    operators = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    networks = (ROOT / "docs/zoo.md").read_text(encoding="utf-8")

    assert all(f"\n### {each.name}\n" in operators for each in archcalc.ops())
    assert all(f"\n| `{name}` | " in networks for name in zoo.names())
