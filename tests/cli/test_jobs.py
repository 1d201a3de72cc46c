"""What is done by several processes is what one does."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archcalc.cli.app import application
from archcalc.cli.jobs import each

GOOD = "name: good\ninput: [3]\nlayers: {fc: {op: Linear, out_features: 2}}\n"
BAD = GOOD.replace("Linear", "Lineal")


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(application(), args, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("check", "lenet5", "alexnet", "vgg16", "nin.yaml"), 2),
        (("validate", "lenet5", "-", "good.yaml", "bad.yaml"), 2),
        (("audit", "alexnet_structure", "vgg16_structure", "nothing.csv", "--quiet"), 1),
        (("audit", "alexnet_structure", "vgg16_structure", "--format", "json"), 1),
    ],
)
def test_jobs_change_nothing(
    command: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good", GOOD), ("bad", BAD)):
        Path(f"{name}.yaml").write_text(text)
    one = run(*command, stdin=GOOD)
    two = run(*command, "--jobs", "2", stdin=GOOD)
    assert one.exit_code == two.exit_code == code
    assert (one.stdout, one.stderr) == (two.stdout, two.stderr)
    assert one.stdout


def doubling(times: int) -> object:
    return lambda name: name * times


def test_what_is_no_file_stays_here() -> None:
    assert each(doubling, 2, ["a", "-", "b", "c"], 2) == ["aa", "--", "bb", "cc"]  # type: ignore[arg-type]
    assert each(doubling, 2, ["a", "-"], 8) == ["aa", "--"]  # type: ignore[arg-type]
