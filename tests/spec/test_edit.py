"""Values that are changed and added in a text of which nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.spec.form.edit import edited
from archcalc.spec.tree import TreePath

ENTRY = {"quantity": "params", "value": 7}
LINE = "- {quantity: params, value: 7}"
HEAD = "name: net  # mine\n\nlayers:\n  a: ReLU\n"


def grown(text: str, **added: Any) -> str:
    return edited(text, "net.yaml", {}, added or {"documented": [ENTRY]})


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_a_new_list_stands_at_the_end_behind_a_blank_line(end: str, last: str) -> None:
    text = (HEAD.removesuffix("\n") + last).replace("\n", end)
    assert grown(text) == f"{HEAD}\ndocumented:\n  {LINE}\n".replace("\n", end)


@pytest.mark.parametrize("dash", ["", "  ", "    "])
def test_entries_stand_behind_those_that_are_there_as_far_in(dash: str) -> None:
    before = f"documented:\n{dash}- {{quantity: macs, value: 1}}  # one\n"
    text = f"{before}\n{HEAD}"
    assert grown(text) == f"{before}{dash}{LINE}\n\n{HEAD}"


def test_an_entry_of_several_lines_is_passed_whole() -> None:
    before = "documented:\n  - quantity: macs\n    value: 1\n\n    note: x\n"
    assert grown(f"{before}{HEAD}") == f"{before}  {LINE}\n{HEAD}"
    at_the_end = f"{HEAD}{before}"
    assert grown(at_the_end) == f"{at_the_end}  {LINE}\n"
    assert grown(at_the_end.removesuffix("\n")) == f"{at_the_end}  {LINE}\n"


def test_two_lists_grow_at_once() -> None:
    text = f"{HEAD}budget:\n  - {{quantity: macs, at_most: 9}}\n"
    found = grown(text, documented=[ENTRY], budget=[{"quantity": "params", "at_most": 8}])
    assert found == (f"{text}  - {{quantity: params, at_most: 8}}\n\ndocumented:\n  {LINE}\n")


@pytest.mark.parametrize("was", ["1", "'1'", '"1"'])
def test_a_value_is_changed_where_it_stands(was: str) -> None:
    text = f"{HEAD}documented:\n  - {{value: {was}, quantity: macs}}  # {was}\n"
    found = edited(text, "net.yaml", {("documented", 0, "value"): 23}, {})
    assert found == text.replace(f"value: {was},", "value: 23,")


def test_of_two_values_on_a_line_each_is_found() -> None:
    text = f"documented: [{{value: 1, quantity: macs}}, {{value: 1, quantity: params}}]\n{HEAD}"
    changed: dict[TreePath, str | int] = {
        ("documented", 0, "value"): 123,
        ("documented", 1, "value"): 45,
    }
    found = edited(text, "net.yaml", changed, {})
    assert found == text.replace("1, quantity: m", "123, quantity: m").replace(
        "1, quantity: p", "45, quantity: p"
    )


def test_json_is_written_anew() -> None:
    found = edited('{"name": "net", "layers": {"a": "ReLU"}}', "net.json", {}, {"budget": [ENTRY]})
    assert found.splitlines()[-2] == ' "budget": [{"quantity": "params", "value": 7}]'
