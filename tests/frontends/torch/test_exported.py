"""Programs that torch.export saved: the same network as the module that they were made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import archcalc
from archcalc.cli.app import application
from archcalc.errors import ArchcalcError
from archcalc.frontends.sources import graph as graph_of
from tests.frontends.torch.models import MODELS, Language, ResNet


def saved(path: Path, module: torch.nn.Module, *inputs: Any, **given: Any) -> str:
    tensors = tuple(torch.zeros(x) if isinstance(x, tuple) else x for x in inputs)
    torch.export.save(torch.export.export(module.eval(), tensors, **given), path)
    return f"torch:{path}"


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("name", ["resnet", "encoder", "windows", "language", "normed"])
def test_a_saved_program_is_counted_as_its_module(tmp_path: Path, name: str) -> None:
    kind, inputs = MODELS[name]
    module = kind()
    saving = archcalc.analyze(graph_of(saved(tmp_path / "net.pt2", module, *inputs)))
    itself = archcalc.analyze(archcalc.from_torch(module, *inputs))
    assert (saving.params, saving.macs) == (itself.params, itself.macs)
    assert (saving.buffers, saving.executed_params) == (itself.buffers, itself.executed_params)


def test_layers_keep_their_names_and_blocks(tmp_path: Path) -> None:
    graph = graph_of(saved(tmp_path / "net.pt2", ResNet(), (1, 3, 64, 64)))
    assert graph.name == "net"
    assert [*archcalc.to_spec(graph).blocks] == ["residual", "residual.downsample"]
    assert {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "fc"} <= {
        node.name for node in graph.nodes
    }


@pytest.mark.filterwarnings("ignore:The tensor attributes")
def test_tied_tensors_are_one(tmp_path: Path) -> None:
    ids = torch.zeros(1, 7, dtype=torch.int64)
    graph = graph_of(saved(tmp_path / "net.pt2", Language(), ids))
    assert {node.name: node.share for node in graph.nodes}["head"] == "embedding"


def test_a_batch_that_was_left_open_is_no_part_of_the_network(tmp_path: Path) -> None:
    batch = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    path = saved(tmp_path / "net.pt2", ResNet(), (4, 3, 64, 64), **batch)
    analysis = archcalc.analyze(archcalc.load(path))
    assert analysis.macs == archcalc.analyze(archcalc.from_torch(ResNet(), (1, 3, 64, 64))).macs


def test_a_file_is_loaded_only_where_torch_is_said(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_text("anything")
    for source in (str(path), f"{path}@3x8x8"):
        with pytest.raises(ArchcalcError, match=r"unpickles.*\n  if you trust it, write torch:"):
            archcalc.load(source)
    for command in ("table", "import", "memory"):
        result = CliRunner().invoke(application(command), [command, str(path)])
        assert (result.exit_code, "unpickles" in result.stderr) == (2, True)


def test_what_is_wrong_is_told_in_a_few_words(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt2", torch.nn.Linear(3, 2), (1, 3))
    assert archcalc.analyze(graph_of(f"{path}@3")).params == 8
    with pytest.raises(ArchcalcError, match="was exported for input 3: leave --input out"):
        graph_of(f"{path}@4")
    (tmp_path / "bad.pt2").write_text("anything")
    with pytest.raises(ArchcalcError, match=r"bad\.pt2: torch\.export\.load can't read it: "):
        graph_of(f"torch:{tmp_path / 'bad.pt2'}")
    with pytest.raises(ArchcalcError, match=r"none\.pt2: no such file"):
        graph_of("torch:none.pt2")
