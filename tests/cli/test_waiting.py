"""What is shown while a model of another program is taken in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import archcalc
from archcalc.cli import waiting
from archcalc.frontends.watched import TOLD

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\nsize=1\nstride=1\n"


def test_it_is_told_when_a_model_is_taken_in_and_when_that_has_ended(tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(NET, encoding="utf-8")
    (tmp_path / "bad.cfg").write_text("[nothing]\n", encoding="utf-8")
    told: list[str] = []
    token = TOLD.set(told.append)
    try:
        archcalc.load(tmp_path / "net.cfg")
        with pytest.raises(archcalc.ArchcalcError):
            archcalc.load(tmp_path / "bad.cfg")
    finally:
        TOLD.reset(token)
    paths = [f"taking in {tmp_path / name}" for name in ("net.cfg", "bad.cfg")]
    assert told == [paths[0], "", paths[1], ""]


def test_nothing_is_shown_of_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 60.0)
    shown = waiting.Waiting()
    shown("taking in net.cfg")
    timer = shown.timer
    shown("")
    assert timer is not None
    assert timer.finished.is_set()
    assert shown.shown is None


def test_what_takes_longer_is_shown_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    shown = waiting.Waiting()
    shown("taking in net.cfg")
    for _ in range(200):
        if shown.shown is not None:
            break
        time.sleep(0.01)
    shown("running it")
    (task,) = shown.shown.tasks
    assert task.description == "running it"
    shown("")
    assert shown.shown is None


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    waiting.watch()
    assert TOLD.get() is None
