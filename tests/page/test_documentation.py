"""The tables of the documentation in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "docs" / "sorting.js"

ROWS = [("vgg16", "138,357,544"), ("resnet18", "11,689,512"), ("alexnet", "62,378,344")]


def table(rows: list[tuple[str, str]]) -> str:
    body = "".join(f"<tr><td><a>{name}</a></td><td>{size}</td></tr>" for name, size in rows)
    head = "<thead><tr><th>name</th><th>params</th></tr></thead>"
    return f"<article><table>{head}<tbody>{body}</tbody></table></article>"


def shown(page: Any) -> list[str]:
    return [str(text) for text in page.locator("tbody tr:visible td:first-child").all_inner_texts()]


def test_a_click_on_a_heading_sorts_numbers_as_numbers_and_a_second_turns_them(
    browser: Any,
) -> None:
    page = browser.new_page()
    page.set_content(table(ROWS))
    page.add_script_tag(path=str(SCRIPT))

    page.get_by_role("button", name="params").click()
    assert shown(page) == ["resnet18", "alexnet", "vgg16"]
    page.get_by_role("button", name="params").click()
    assert shown(page) == ["vgg16", "alexnet", "resnet18"]
    page.get_by_role("button", name="name").click()
    assert shown(page) == ["alexnet", "resnet18", "vgg16"]
    assert page.get_by_role("searchbox").count() == 0


def test_rows_of_a_long_table_are_found_by_any_words_in_them(browser: Any) -> None:
    page = browser.new_page()
    page.set_content(table([*ROWS, *((f"net{k}", str(k)) for k in range(30))]))
    page.add_script_tag(path=str(SCRIPT))

    page.get_by_role("searchbox", name="Filter rows").fill("138 VGG")
    assert shown(page) == ["vgg16"]
    page.get_by_role("searchbox").fill("")
    assert len(shown(page)) == 33
