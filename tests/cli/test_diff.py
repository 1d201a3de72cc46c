"""The command that shows what distinguishes two networks."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application


def run(*args: str) -> Result:
    result = CliRunner().invoke(application(), ["diff", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


# VGG-19 has a fourth convolution where it has 256 channels at 56x56, and two stages of 512, at
# 28x28 and 14x14: of 9 products for every pair of channels.
MORE = 9 * (56**2 * 256**2 + 28**2 * 512**2 + 14**2 * 512**2)


@pytest.mark.parametrize(
    ("args", "header", "more"),
    [
        ([], "MACs", MORE),
        (["--convention", "macs"], "MACs", MORE),
        (["--convention", "2XMACs"], "2 x MACs", 2 * MORE),
        # With a bias for every dot product, twice the products.
        (["--convention", "textbook"], "textbook FLOPs", 2 * MORE),
        (["--convention", "torch"], "FLOPs (torch)", 2 * MORE),
    ],
)
def test_work_is_counted_under_the_convention(args: list[str], header: str, more: int) -> None:
    lines = run("vgg16", "vgg19", *args).stdout.splitlines()
    assert lines[3].endswith(f"  {header}")
    (total,) = (line for line in lines if line.startswith(f"{header} "))
    assert f" +{more:,} " in total


def test_json_has_the_convention_beside_the_macs() -> None:
    data = json.loads(run("vgg16", "vgg19", "--convention", "2xmacs", "--format", "json").stdout)
    assert data["convention"] == "2xmacs"
    assert sum(layer["macs"] for layer in data["layers"]) == MORE
    assert sum(layer["work"] for layer in data["layers"]) == 2 * MORE


def test_an_unknown_convention_is_refused_with_the_nearest() -> None:
    result = run("vgg16", "vgg19", "--convention", "fvcor")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no convention 'fvcor'\n  did you mean 'fvcore'?" in result.stderr


def test_a_convention_is_no_variable_of_the_networks() -> None:
    result = run("vgg16", "vgg19", "--set", "convention=1")
    assert result.exit_code == 2
    assert "convention" in result.stderr
