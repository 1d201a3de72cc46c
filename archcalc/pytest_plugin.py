"""A pytest plugin: every documented number and budget of a spec file is a test.

Spec files are collected where they are named on the command line, and where the ini option
``archcalc_specs`` matches them, and so are files that say what must hold of a network elsewhere;
where that is code, it is imported and run if ``archcalc_run_code`` is true. Nothing of archcalc is
loaded before there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from archcalc.claims.check import Finding

ENDINGS = (".yaml", ".yml", ".json")
PROJECT = "pyproject.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option and the ini options."""
    parser.getgroup("archcalc").addoption(
        "--archcalc-record",
        action="store_true",
        help="write today's params and MACs into the spec files, for those that were recorded",
    )
    about = "spec files whose documented numbers and budgets are tests: nets/*.yaml"
    parser.addini("archcalc_specs", about, type="args", default=[])
    about = "import and run the code that such files name: network: torch:PACKAGE.MODULE:FACTORY"
    parser.addini("archcalc_run_code", about, type="bool", default=False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """A spec file that is asked for, and no other file."""
    if (file_path.suffix in ENDINGS or file_path.name == PROJECT) and (
        _is_matched(file_path, parent.config)
        or (parent.session.isinitpath(file_path) and _looks_like_a_spec(file_path))
    ):
        collected: SpecFile = SpecFile.from_parent(parent, path=file_path)
        return collected
    return None


def _is_matched(path: Path, config: pytest.Config) -> bool:
    patterns = config.getini("archcalc_specs")
    if not patterns or not path.is_relative_to(config.rootpath):
        return False
    name = path.relative_to(config.rootpath).as_posix()
    if not any(fnmatch(name, pattern) for pattern in patterns):
        return False
    from archcalc.spec.records import spec_of

    return spec_of(path) is None  # records are tests of the spec that they are about


def _looks_like_a_spec(path: Path) -> bool:
    # Other plugins have YAML files of their own that one may name.
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.name == PROJECT:
        return "tool.archcalc" in text
    return any(f"\n{key}:" in f"\n{text}" or f'"{key}"' in text for key in ("layers", "network"))


class SpecFile(pytest.File):
    """A spec file, whose tests are what it states of its networks."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test for every documented number and budget; facts can't be tested."""
        from archcalc.claims.check import check
        from archcalc.document.safe import safe, visible
        from archcalc.errors import ArchcalcError

        run_code = self.config.getini("archcalc_run_code")
        try:
            if self.config.getoption("--archcalc-record"):
                _record(self.path, run_code)
            findings = check(self.path, run_code=run_code)
        except ArchcalcError as error:
            raise self.CollectError(safe(str(error))) from None
        taken: dict[str, int] = {}
        for finding in findings:
            if finding.verdict != "fact":
                times = taken[finding.name] = taken.get(finding.name, 0) + 1
                name = visible(finding.name if times == 1 else f"{finding.name} ({times})")
                item: SpecItem = SpecItem.from_parent(self, name=name, finding=finding)
                yield item


def _record(path: Path, run_code: bool) -> None:
    """Write what the networks of a file come to into it. Raises :class:`ArchcalcError`."""
    from archcalc.claims.record import record
    from archcalc.cli.output import write

    for each in record(path, run_code=run_code):
        if each.text != each.written:
            write(each.text, Path(each.file))


class SpecItem(pytest.Item):
    """One documented number, or one budget of one network."""

    def __init__(self, *, finding: Finding, **given: Any) -> None:
        super().__init__(**given)
        self.finding = finding

    def runtest(self) -> None:
        """Fail where the number does not hold."""
        if not self.finding.ok:
            raise Contradicted

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """What is wrong, at its place in the file."""
        if isinstance(excinfo.value, Contradicted):
            from archcalc.document.safe import safe

            return safe(str(self.finding.place))
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is written."""
        # A name that ended as the node's id does would be shown with '::' for its dots.
        line = self.finding.place.line
        return self.path, line - 1, f"{self.name}, line {line}"


class Contradicted(Exception):
    """A documented number does not hold, or a budget is exceeded."""
