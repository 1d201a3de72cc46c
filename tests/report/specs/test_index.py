"""The index of the shipped networks says what the networks themselves say."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc
from archcalc.report.specs import index
from archcalc.spec import zoo


def test_what_is_listed_comes_from_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archcalc.report.specs.index.family", None)
    assert [network.name for network in archcalc.list()] == [
        entry["name"] for path in zoo.families() for entry in index.entries(path)
    ]


def test_the_index_is_used_for_the_file_it_was_made_from_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = zoo.folder() / "alexnet.yaml"
    (tmp_path / index.NAME).write_bytes((zoo.folder() / index.NAME).read_bytes())
    copy = tmp_path / own.name
    copy.write_bytes(own.read_bytes().replace(b"title: ", b"title: Another "))
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ninput: [3]\nlayers: {fc: {op: Linear, out_features: 2}}\n", encoding="utf-8"
    )
    monkeypatch.setattr(
        "archcalc.report.specs.zoo.families", lambda: [copy, tmp_path / "mine.yaml"]
    )

    *others, mine = archcalc.list()
    assert others
    assert all(network.title.startswith("Another ") for network in others)
    assert (mine.name, mine.params) == ("mine", 3 * 2 + 2)


def test_without_an_index_the_list_is_made(tmp_path: Path) -> None:
    own = zoo.folder() / "alexnet.yaml"
    copy = tmp_path / own.name
    copy.write_bytes(own.read_bytes())
    assert index.entries(copy) == index.entries(own)


def test_a_hint_knows_the_names_without_parsing() -> None:
    assert sorted(zoo.words()) == sorted(zoo.names())
