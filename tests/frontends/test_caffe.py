"""Caffe's .prototxt in its three spellings."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc
from archcalc import ArchcalcError
from archcalc.frontends.sources import graph as graph_of

HEAD = 'name: "net"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 12\ninput_dim: 12\n'
SPELLINGS = {
    "first": 'layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 3 stride: 2 } '
    'bottom: "data" top: "c" }\n',
    "words": 'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" '
    "convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }\n",
    "last": 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    "convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }\n",
}
POOL = (
    'layer { name: "p" type: "Pooling" bottom: "c" top: "p" '
    "pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.prototxt"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_layer_is_the_same_in_every_spelling(path: Path, spelling: str) -> None:
    path.write_text(HEAD + SPELLINGS[spelling])
    analysis = archcalc.analyze(graph_of(path))
    # 12 by 12 in steps of 2 rounds down: 5 by 5 places
    assert (analysis.params, analysis.macs) == (4 * 27 + 4, 4 * 27 * 25)


def test_pooling_rounds_up(path: Path) -> None:
    path.write_text(HEAD + SPELLINGS["last"] + POOL)
    assert [n.shape for n in graph_of(path).nodes] == [(1, 4, 5, 5), (1, 4, 3, 3)]


def test_what_is_in_training_only_is_left_out(path: Path) -> None:
    train = 'layer { name: "t" type: "ReLU" bottom: "c" top: "c" include { phase: TRAIN } }\n'
    path.write_text(HEAD + SPELLINGS["last"] + train)
    assert [n.name for n in graph_of(path).nodes] == ["c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1  is no network of Caffe"),
        (HEAD + "layer {\n", ":7  a '{' without its '}'"),
        (HEAD + "}\n", ":7  '}' ends nothing"),
        (HEAD + 'layer { name: "c', "a quote without an end"),
        ("layer " + "a {" * 99, "nested too deeply"),
        (HEAD + 'layer { name: "r" type: "ReLU" bottom: "no" top: "r" }', "takes 'no'"),
        (HEAD + SPELLINGS["last"].replace("output: 4", "output: -4"), ":7  layer 'c': num_output"),
        (SPELLINGS["last"], "takes 'data'"),
    ],
)
def test_damaged_files_are_refused_at_their_line(path: Path, text: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(ArchcalcError) as caught:
        graph_of(path)
    assert said in str(caught.value)
