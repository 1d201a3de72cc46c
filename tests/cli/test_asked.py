"""The same word asks the same thing of every command, and of the library's functions."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import pytest
import typer.main

import archcalc
from archcalc.cli.app import application
from archcalc.cli.asked import Asked, Stored

COMMANDS = typer.main.get_command(application()).commands  # type: ignore[attr-defined]

# What is asked of several networks is worded so; of tokens a batch is texts.
OTHERS = {"--input": {"compare", "diff"}, "--set": {"compare", "diff", "space", "sweep"}} | {
    "--batch": {"generate"},
    # What PyTorch can compute in, and several at once.
    "--dtype": {"build", "crosscheck"},
}
SHARED = ("--input", "--set", "--batch", "--weights", "--activations", "--density", "--exclude")

ASKING = (archcalc.memory, archcalc.largest_batch, archcalc.roofline, archcalc.generate)


@pytest.mark.parametrize("option", [*SHARED, "--cache", "--dtype", "--allow-unknown", "--frozen"])
def test_an_option_says_the_same_in_every_command(option: str) -> None:
    said = {
        (each.metavar, each.help, each.multiple)
        for name, command in COMMANDS.items()
        for each in command.params
        if option in each.opts and name not in OTHERS.get(option, ())
    }
    assert len(said) == 1


def test_a_command_has_each_option_of_a_value_in_its_place() -> None:
    names = [each.opts[0] for each in COMMANDS["roofline"].params]
    first, second = names.index("--weights"), names.index("--input")
    assert names[first : first + 4] == [f"--{name}" for name in Stored._fields]
    assert names[second : second + 3] == ["--input", "--batch", "--set"]
    assert [name.rstrip("_") for name in Asked._fields] == ["input", "batch", "set"]


@pytest.mark.parametrize("function", ASKING, ids=lambda function: function.__name__)
def test_the_library_takes_what_the_command_does(function: Callable[..., Any]) -> None:
    taken = signature(function).parameters
    for name in (*Stored._fields, "cache", "dtype"):
        same = signature(archcalc.memory).parameters[name]
        assert taken[name].annotation == same.annotation
        assert taken[name].default == same.default or (name, function) == (
            "dtype",
            archcalc.generate,  # no decoder is run in float32
        )


def test_keywords_of_one_name_are_of_one_kind() -> None:
    kinds: dict[str, set[str]] = {}
    for name in dir(archcalc):
        function = getattr(archcalc, name)
        if callable(function) and not isinstance(function, type):
            for each in signature(function).parameters.values():
                if each.kind is not Parameter.VAR_KEYWORD:
                    kinds.setdefault(each.name, set()).add(str(each.annotation))
    for word in ("weights", "activations", "density", "exclude", "cache", "allow_unknown", "fused"):
        assert len(kinds[word]) == 1, word
