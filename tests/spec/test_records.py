"""What is printed of networks, in the spec or in a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc
from archcalc import SpecError
from archcalc.claims.check import check
from archcalc.spec import zoo
from archcalc.spec.records import file_of, records, spec_of

NET = """\
name: net
input: [3, 8, 8]
variants: {small: {}, large: {}}
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: 1}
"""

PARAMS = "{variant: small, quantity: params, value: 16, source: a page}"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(NET)
    return path


def beside(net: Path, text: str) -> Path:
    path = net.parent / "records" / net.name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_records_are_read_from_beside_the_spec(net: Path) -> None:
    path = beside(net, f"documented:\n  - {PARAMS}\nfacts: []\n")

    (finding,) = check(net)

    assert (finding.network, finding.verdict, finding.computed) == ("small", "exact", 16)
    assert (finding.place.file, finding.place.line) == (str(path), 2)


def test_a_spec_may_hold_its_own(net: Path) -> None:
    net.write_text(f"{NET}documented:\n  - {PARAMS}\n")

    (finding,) = check(net)

    assert (finding.place.file, finding.place.line) == (str(net), 7)


def test_each_kind_may_stand_in_a_file_of_its_own(net: Path) -> None:
    net.write_text(f"{NET}documented:\n  - {PARAMS}\n")
    fact = "{variant: large, quantity: top1_accuracy, value: 70%, source: p, reason: measured}"
    path = beside(net, f"facts:\n  - {fact}\n")

    assert [finding.place.file for finding in check(net)] == [str(net), str(path)]


def test_one_kind_stands_in_one_file(net: Path) -> None:
    net.write_text(f"{NET}documented:\n  - {PARAMS}\n")
    path = beside(net, f"documented:\n  - {PARAMS}\n")

    with pytest.raises(SpecError) as refused:
        check(net)

    (problem,) = refused.value.problems
    assert (problem.file, problem.line) == (str(path), 1)
    assert problem.message == "'documented' stands in net.yaml, too: one has to hold all"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("documented:\n  - {quantity: params, value: 3}\n", 2, "needs 'source'"),
        (f"documented:\n  - {PARAMS.replace('small', 'smal')}\n", 2, "no variant 'smal'"),
        ("layers: {}\n", 1, "unknown key 'layers'"),
        (f"documented:\n  - {PARAMS.replace('16', '16.0')}\n", 2, "should be in quotes"),
    ],
)
def test_what_is_wrong_in_records_is_told_at_its_place(
    net: Path, text: str, line: int, message: str
) -> None:
    path = beside(net, text)

    (problem,) = archcalc.validate(net)

    assert (problem.file, problem.line) == (str(path), line)
    assert message in problem.message
    with pytest.raises(SpecError, match=message):
        check(net)


def test_a_network_is_counted_whatever_is_wrong_in_its_records(net: Path) -> None:
    beside(net, "documented: [")

    assert archcalc.analyze(archcalc.load(f"{net}::small")).params == 16
    assert len(archcalc.validate(net)) == 1


def test_a_changed_file_is_read_again(net: Path) -> None:
    beside(net, f"documented:\n  - {PARAMS}\n")
    assert [finding.ok for finding in check(net)] == [True]
    beside(net, f"documented:\n  - {PARAMS}\n  - {PARAMS.replace('16', '17')}\n")
    assert [finding.ok for finding in check(net)] == [True, False]


def test_a_file_of_records_stands_for_its_spec(net: Path) -> None:
    path = beside(net, f"documented:\n  - {PARAMS}\n")

    assert archcalc.load(path).document.file == str(net)
    assert archcalc.validate(str(path)) == []
    assert len(check(str(path))) == 1
    assert (file_of(net), spec_of(path), spec_of(net), file_of(path)) == (path, net, None, None)
    assert zoo.named(str(net.parent)) == [str(net)]


def test_a_mapping_has_no_file_beside_it() -> None:
    spec = archcalc.load({"name": "net", "input": [3], "layers": {"relu": "ReLU"}})

    assert records(spec).documented == ()


# The zoo's -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", zoo.families(), ids=lambda path: path.stem)
def test_networks_and_what_is_printed_of_them_lie_apart(path: Path) -> None:
    spec = archcalc.load(path)

    assert not spec.documented
    assert not spec.facts
    assert records(spec).documented


@pytest.mark.parametrize("path", zoo.families(), ids=lambda path: path.stem)
def test_a_record_is_readable_at_a_glance(path: Path) -> None:
    file = file_of(path)
    assert file is not None
    assert max(map(len, file.read_text(encoding="utf-8").splitlines())) <= 120


def test_every_file_of_records_is_about_a_family() -> None:
    files = sorted((zoo.folder() / "records").iterdir())

    assert [spec_of(path) for path in files] == zoo.families()
