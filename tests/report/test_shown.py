"""Results show themselves: a line, a table, and what notebooks ask for."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas
import pytest

import archcalc
from archcalc.document import shown
from archcalc.report.shown import _LINES

SPEC = {
    "name": "small",
    "input": [3, 8, 8],
    "layers": {"conv": {"op": "Conv2d", "out_channels": 4, "kernel_size": 3}, "relu": "ReLU"},
    "documented": [{"quantity": "params", "value": 112, "source": "by hand"}],
}
OTHER = {**SPEC, "name": "other", "input": [3, 9, 9]}


@cache
def results() -> dict[str, Any]:
    spec = archcalc.load(SPEC)
    graph = archcalc.expand(spec)
    analysis = archcalc.analyze(graph)
    machine = archcalc.Machine("cpu", "Some CPU", 4, "2.13.0")
    found = [
        spec,
        graph,
        graph.nodes[0],
        analysis,
        analysis.rows[0],
        archcalc.memory(graph),
        archcalc.largest_batch(spec, 10_000),
        archcalc.roofline(spec),
        archcalc.generate(archcalc.load("gpt2"), prompt=9, tokens=3),
        archcalc.machines()[0],
        analysis.backward,
        analysis.cache,
        archcalc.diff(spec, archcalc.load(OTHER)),
        archcalc.compare(SPEC, OTHER),
        archcalc.audit("vgg16_structure"),
        archcalc.check(SPEC)[0],
        archcalc.reconcile("60.3M", "resnet152")[0],
        archcalc.Space("nasbench201"),
        archcalc.sweep(archcalc.load("lenet5"), side=[32, 40]),
        archcalc.fit(archcalc.load("mobilenet_v2"), {"macs": 300_000_000}, vary="width"),
        archcalc.formula(archcalc.load("vgg16")),
        archcalc.crosscheck(SPEC, device="meta"),
        archcalc.savings("alexnet", "separable"),
        archcalc.list("lenet")[0],
        archcalc.ops("Conv2d"),
        archcalc.Measurement(machine, "float32", 1, 9, 1e-3, 1e-5, 100, None, 2_000),
    ]
    return {type(each).__name__: each for each in found}


NAMES = sorted({*_LINES} - {"Against"})


@pytest.mark.parametrize("name", NAMES)
def test_a_result_has_a_line_a_table_and_what_notebooks_ask_for(name: str) -> None:
    result = results()[name]
    assert repr(result).startswith(f"<{name} ")
    assert len(repr(result)) < 300
    assert "\n" not in repr(result)
    assert str(result)
    assert not str(result).startswith("<")
    assert result._repr_markdown_()
    if name != "Graph":
        assert "<" in result._repr_html_()


def test_lines_say_what_matters() -> None:
    # 4 x 27 weights and 4 biases; 6 x 6 outputs of 4 x 27 products
    assert repr(results()["Analysis"]) == "<Analysis small: 112 params, 3,888 MACs, 2 layers>"
    assert repr(results()["Row"]) == "<Row conv: Conv2d, 4x6x6, 112 params, 3,888 MACs>"
    assert str(results()["Analysis"]) == archcalc.table(archcalc.load(SPEC)).rstrip("\n")
    googlenet = archcalc.analyze(archcalc.load("googlenet"))
    assert repr(googlenet) == (
        "<Analysis googlenet: 6,998,552 params, 1,582,671,872 MACs, 143 layers>"
    )


def test_a_graph_is_drawn() -> None:
    graph = results()["Graph"]
    assert graph._repr_svg_().startswith("<svg")
    assert not hasattr(graph, "_repr_html_")


def test_display_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(shown, "_reports", broken)
    for name, result in results().items():
        assert repr(result) == f"<{name}>"
        assert str(result) == f"<{name}>"
        assert getattr(result, "_repr_svg_", lambda: None)() is None
        assert getattr(result, "_repr_html_", lambda: None)() is None
        assert result._repr_markdown_() is None


def test_a_half_made_value_is_shown() -> None:
    assert repr(object.__new__(archcalc.Analysis)) == "<Analysis>"


@pytest.mark.parametrize("library", ["pandas", "polars", ""])
def test_rows_are_a_frame(library: str) -> None:
    if library == "polars":
        pytest.importorskip("polars")
    frame = results()["Analysis"].frame(library)
    assert list(frame["layer"]) == ["conv", "relu"]
    assert list(frame["output"]) == ["1x4x6x6", "1x4x6x6"]
    assert list(frame["params"]) == [112, 0]
    assert list(frame["macs"]) == [3888, 0]
    if library != "polars":
        assert isinstance(frame, pandas.DataFrame)


def test_a_frame_of_no_known_library_is_refused() -> None:
    with pytest.raises(archcalc.ArchcalcError, match="no library 'numpy'"):
        results()["Analysis"].frame("numpy")


def test_unknown_is_no_zero_in_a_frame() -> None:
    layers = {"mix": {"op": "MyOp", "shape": [3, 8, 8]}}
    spec = archcalc.load({**SPEC, "layers": layers, "documented": []}, allow_unknown=True)
    frame = archcalc.analyze(spec, allow_unknown=True).frame("pandas")
    assert list(frame["params"].isna()) == [True]
