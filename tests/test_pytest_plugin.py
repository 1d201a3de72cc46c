"""Spec files as tests of pytest."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

NET = """\
name: net
input: [3, 32, 32]
layers:
  conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
documented:
  - {quantity: params, value: 224, source: a page}
  - {quantity: params, value: 224, source: another page}
  - {quantity: macs, value: 1.0M, source: a page}
facts:
  - {quantity: top5, value: 84.7%, source: a page, reason: measured}
budget:
  - {quantity: params, at_most: 300}
"""


@pytest.fixture
def nets(pytester: pytest.Pytester) -> pytest.Pytester:
    folder = pytester.mkdir("nets")
    (folder / "net.yaml").write_text(NET)
    (folder / "other.yaml").write_text("just: data\n")
    return pytester


def test_the_plugin_is_installed_with_the_package() -> None:
    (found,) = entry_points(group="pytest11", name="archcalc")
    assert found.value == "archcalc.pytest_plugin"


def test_every_number_and_budget_of_a_named_file_is_a_test(nets: pytest.Pytester) -> None:
    result = nets.runpytest("-v", "nets/net.yaml")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*net: params 224 PASSED*",
            "*net: params 224 (2) PASSED*",
            "*net: macs 1.0M FAILED*",
            "*net: params at most 300 PASSED*",
        ]
    )
    # 8 * 27 * 30 * 30 multiply-accumulates.
    result.stdout.fnmatch_lines(["*net.yaml:8:5*documented*2*", "*is 194,400: 805,600 less*"])


def test_one_number_can_be_chosen(nets: pytest.Pytester) -> None:
    nets.runpytest("nets/net.yaml::net: macs 1.0M").assert_outcomes(failed=1)
    nets.runpytest("nets/net.yaml", "-k", "params").assert_outcomes(passed=3, deselected=1)


def test_nothing_is_collected_that_is_not_asked_for(nets: pytest.Pytester) -> None:
    nets.makepyfile("def test_it(): pass")
    nets.runpytest().assert_outcomes(passed=1)
    assert nets.runpytest("nets/other.yaml").ret in (
        pytest.ExitCode.NO_TESTS_COLLECTED,
        pytest.ExitCode.USAGE_ERROR,
    )


def test_files_that_an_ini_option_matches_are_collected(nets: pytest.Pytester) -> None:
    nets.makeini("[pytest]\narchcalc_specs = nets/n*.yaml")
    nets.makepyfile("def test_it(): pass")
    nets.runpytest().assert_outcomes(passed=4, failed=1)


def test_records_are_tests_of_their_spec_and_not_twice(nets: pytest.Pytester) -> None:
    spec = nets.path / "nets" / "net.yaml"
    network, _, printed = spec.read_text().partition("documented:")
    printed, _, budget = printed.partition("budget:")
    (spec.parent / "records").mkdir()
    (spec.parent / "records" / spec.name).write_text(f"documented:{printed}")
    spec.write_text(f"{network}budget:{budget}" if budget else network)
    nets.makeini("[pytest]\narchcalc_specs = nets/*net.yaml")
    nets.makepyfile("def test_it(): pass")
    nets.runpytest().assert_outcomes(passed=4, failed=1)


def test_budgets_of_code_are_tests_where_running_it_is_asked_for(nets: pytest.Pytester) -> None:
    nets.makepyfile(mine="from torch import nn\ndef build(): return nn.Linear(3, 4)\n")
    stated = 'network = "torch:mine:build"\ninput = "3"\nbudget = [{quantity="params", at_most=15}]'
    nets.makepyprojecttoml(f"[[tool.archcalc.check]]\n{stated}\n")
    nets.makeini("[pytest]\narchcalc_specs = pyproject.toml")
    result = nets.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pyproject.toml:2:1*network*", "*option archcalc_run_code*"])
    nets.makeini("[pytest]\narchcalc_specs = pyproject.toml\narchcalc_run_code = true")
    # PyTorch can be loaded only once in a process, and pytester forgets what was loaded.
    result = nets.runpytest_subprocess("-v")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*build: params at most 15 FAILED*", "*16 is 1 over 15*"])


def test_a_malformed_spec_is_an_error_with_its_place(nets: pytest.Pytester) -> None:
    (nets.path / "nets" / "net.yaml").write_text(NET.replace("Conv2d", "Con2d"))
    result = nets.runpytest("nets/net.yaml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*net.yaml:4:14*", "*did you mean 'Conv2d'?*"])


def test_the_plugin_loads_nothing_before_there_is_a_spec(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    program = (
        "import pytest, sys; pytest.main(['-q', '-p', 'no:cacheprovider']); "
        "print(sorted(m for m in sys.modules if m.startswith(('archcalc', 'pydantic'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "['archcalc', 'archcalc.pytest_plugin']"


def test_todays_numbers_are_recorded_where_that_is_asked_for(nets: pytest.Pytester) -> None:
    file = nets.path / "nets" / "net.yaml"
    nets.runpytest("--archcalc-record", "nets/net.yaml").assert_outcomes(passed=5, failed=1)
    assert file.read_text().count("recorded by archcalc") == 2
    file.write_text(file.read_text().replace("out_channels: 8", "out_channels: 9"))
    nets.runpytest("nets/net.yaml", "-k", "macs").assert_outcomes(failed=2, deselected=4)
    nets.runpytest("--archcalc-record", "nets/net.yaml").assert_outcomes(passed=3, failed=3)
