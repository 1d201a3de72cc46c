"""Caffe's .prototxt in its three spellings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def blob(name: str, *dims: int) -> str:
    return f'input: "{name}" input_shape {{ dim: [{", ".join(map(str, dims))}] }}\n'


def layer(kind: str, name: str, *bottoms: str, more: str = "", tops: int = 1) -> str:
    taken = " ".join(f'bottom: "{each}"' for each in bottoms)
    given = " ".join(f'top: "{name}{k or ""}"' for k in range(tops))
    return f'layer {{ name: "{name}" type: "{kind}" {taken} {given} {more} }}\n'


def shapes(path: Path, text: str) -> dict[str, tuple[int, ...]]:
    path.write_text(text)
    graph = graph_of(path)
    found = {node.name: node.shape for node in graph.nodes}
    spec = archcalc.to_spec(graph, allow_unknown=True)
    again = archcalc.expand(spec, allow_unknown=True)
    assert [node.shape for node in again.nodes] == list(found.values())
    return found


@pytest.mark.parametrize(
    ("kind", "more", "shape"),
    [
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }", (6, 6, 8)),
        ("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } }", (2, 24, 6)),
        ("Flatten", "flatten_param { axis: 2 }", (8, 36)),
        ("Tile", "tile_param { axis: 1 tiles: 3 }", (24, 6, 6)),
        ("ArgMax", "argmax_param { axis: 1 }", (1, 6, 6)),
        ("Reduction", "reduction_param { operation: MEAN axis: 2 }", (8,)),
        ("Interp", "interp_param { zoom_factor: 2 }", (8, 11, 11)),
        ("Interp", "interp_param { height: 9 width: 7 }", (8, 9, 7)),
        ("Upsample", "upsample_param { scale: 2 }", (8, 12, 12)),
        ("ShuffleChannel", "shuffle_channel_param { group: 2 }", (8, 6, 6)),
        ("MVN", "mvn_param { normalize_variance: false }", (8, 6, 6)),
        ("Power", "power_param { scale: 2 shift: -1 power: 2 }", (8, 6, 6)),
        ("SPP", "spp_param { pyramid_height: 2 }", (8 * 5,)),
        (
            "PriorBox",
            "prior_box_param { min_size: 9 max_size: 20 aspect_ratio: 2 }",
            (2, 4 * 4 * 36),
        ),
        ("Pooling", "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }", (8, 2, 2)),
        ("Convolution", "convolution_param { num_output: 4 kernel_h: 3 kernel_w: 1 }", (4, 4, 6)),
        ("Convolution", "convolution_param { num_output: 4 kernel_size: [3, 1] }", (4, 4, 6)),
    ],
)
def test_layers_give_the_shapes_of_caffe(path: Path, kind: str, more: str, shape: Any) -> None:
    text = blob("data", 1, 8, 6, 6) + layer(kind, "y", "data", more=more)
    assert list(shapes(path, text).values())[-1] == (1, *shape)


def test_a_map_is_cut_at_points_and_cropped_to_another(path: Path) -> None:
    cut = "slice_param { slice_point: 1 slice_point: 3 }"
    text = blob("data", 1, 8, 6, 6) + blob("small", 1, 3, 4, 4)
    text += layer("Slice", "s", "data", tops=3, more=cut)
    text += layer("Crop", "c", "s2", "small", more="crop_param { axis: 2 offset: 1 }")
    assert list(shapes(path, text).values())[-1] == (1, 5, 4, 4)


def test_norms_and_scales_of_detectors_are_counted(path: Path) -> None:
    norm = "norm_param { across_spatial: false channel_shared: false }"
    path.write_text(blob("data", 1, 8, 6, 6) + layer("Normalize", "n", "data", more=norm))
    assert archcalc.analyze(graph_of(path)).params == 8


def test_layers_whose_weights_have_one_name_share_them(path: Path) -> None:
    conv = (
        'param { name: "w" } param { name: "b" } convolution_param { num_output: 4 kernel_size: 3 }'
    )
    text = blob("a", 1, 2, 6, 6) + blob("b", 1, 2, 6, 6)
    text += layer("Convolution", "c", "a", more=conv) + layer("Convolution", "d", "b", more=conv)
    less = "eltwise_param { operation: SUM coeff: 1 coeff: -1 }"
    path.write_text(text + layer("Eltwise", "e", "c", "d", more=less))
    analysis = archcalc.analyze(graph_of(path))
    assert (analysis.params, analysis.macs) == (2 * 9 * 4 + 4, 2 * 16 * 4 * 18)


@pytest.mark.parametrize("kind", ["Upsample", "Unpooling"])
def test_a_pooling_is_undone_by_its_places(path: Path, kind: str) -> None:
    text = blob("data", 1, 2, 6, 6)
    pool = "pooling_param { kernel_size: 2 stride: 2 }"
    text += layer("Pooling", "p", "data", tops=2, more=pool) + layer(kind, "u", "p", "p1")
    path.write_text(text)
    assert [type(node.op).__name__ for node in graph_of(path).nodes] == ["MaxPool2d", "MaxUnpool2d"]


def test_a_recurrent_layer_has_steps_first(path: Path) -> None:
    lstm = "recurrent_param { num_output: 5 }"
    text = blob("x", 7, 2, 3) + blob("cont", 7, 2) + layer("LSTM", "r", "x", "cont", more=lstm)
    path.write_text(text)
    analysis = archcalc.analyze(graph_of(path))
    assert analysis.params == 4 * 5 * (3 + 5) + 4 * 5
    assert analysis.macs == 2 * 4 * 5 * (3 + 5)  # of one step


def test_regions_of_a_map_are_as_many_as_the_input_has(path: Path) -> None:
    roi = "roi_pooling_param { pooled_h: 3 pooled_w: 3 }"
    fc = "inner_product_param { num_output: 5 }"
    text = blob("data", 1, 2, 8, 8) + blob("rois", 16, 5)
    text += layer("ROIPooling", "r", "data", "rois", more=roi) + layer(
        "InnerProduct", "f", "r", more=fc
    )
    path.write_text(text)
    assert archcalc.analyze(graph_of(path)).macs == 16 * 18 * 5


def test_what_is_not_known_is_kept_and_what_rests_on_it_is_too(path: Path) -> None:
    text = blob("data", 1, 2, 8, 8) + layer("Python", "p", "data") + HEAD_FC
    found = shapes(path, text)
    graph = graph_of(path)
    assert [node.name for node in graph.nodes if not node.op.counted] == ["p"]
    assert found["fc"] == (1, 5)


HEAD_FC = layer("InnerProduct", "fc", "p", more="inner_product_param { num_output: 5 }")


def test_boxes_taken_out_of_maps_end_the_network(path: Path) -> None:
    text = (
        blob("data", 1, 2, 8, 8) + layer("ReLU", "r", "data") + layer("DetectionOutput", "d", "r")
    )
    assert list(shapes(path, text)) == ["r"]


def test_of_stages_deploy_is_that_of_inference(path: Path) -> None:
    size = "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }"
    text = layer(
        "Data", "x", tops=2, more='include { stage: "train" } transform_param { crop_size: 9 }'
    )
    text += layer("Input", "x", more=size + ' include { stage: "deploy" }')
    text += layer("ReLU", "r", "x") + layer("TanH", "t", "r", more='exclude { stage: "deploy" }')
    assert shapes(path, text) == {"r": (1, 3, 8, 8)}


def test_labels_are_no_inputs_and_losses_are_left_out(path: Path) -> None:
    data = "transform_param { crop_size: 8 force_gray: true }"
    text = layer("Data", "x", tops=2, more=data) + layer("Accuracy", "a", "x", "x1")
    text += layer("ReLU", "r", "x") + layer("EuclideanLoss", "l", "r", "x1")
    assert shapes(path, text) == {"r": (1, 1, 8, 8)}


FC = "inner_product_param { num_output: 5 }"
LSTM = "recurrent_param { num_output: 5 }"


def test_what_comes_to_weights_is_an_input_whoever_gives_it(path: Path) -> None:
    size = "transform_param { crop_size: 8 }"
    text = layer("Data", "x", tops=3, more=size) + layer("Slice", "s", "x2", tops=2)
    text += layer("ReLU", "r", "x1") + layer("InnerProduct", "f", "r", more=FC)
    text += layer("InnerProduct", "g", "x", more=FC) + layer("EuclideanLoss", "l", "f", "s")
    path.write_text(text)
    assert graph_of(path).inputs == {"x": (1, 3, 8, 8), "x1": (1, 3, 8, 8)}


def test_marks_of_where_sequences_go_on_may_come_with_the_data(path: Path) -> None:
    text = layer("HDF5Data", "x", tops=3) + layer("LSTM", "r", "x", "x1", more=LSTM)
    text += layer("Reverse", "b", "r") + layer("InnerProduct", "f", "b", more=FC + " axis: 2")
    path.write_text(text + layer("CTCLoss", "l", "f", "x1", "x2"))
    graph = graph_of(f"{path}@1x3")
    assert list(graph.inputs) == ["x"]
    assert archcalc.analyze(graph).params == 4 * 5 * (3 + 5) + 4 * 5 + 5 * 5 + 5


def test_what_labels_are_only_beside_is_taken_in(path: Path) -> None:
    # Targets that are made of labels end in losses, boxes do not; classes have a margin and no bias
    data = layer("Data", "x", tops=2, more="transform_param { crop_size: 8 }")
    targets = layer("Python", "t", "x", "x1") + layer("SmoothL1Loss", "l", "x", "t")
    text = data + targets + layer("Python", "b", "x", "x1", tops=2)
    text += layer("ROIPooling", "p", "x", "b", more="roi_pooling_param { pooled_h: 2 pooled_w: 2 }")
    text += layer("EuclideanLoss", "m", "p", "b1")
    margin = "margin_inner_product_param { num_output: 7 }"
    text += layer("MarginInnerProduct", "f", "p", "x1", tops=2, more=margin)
    path.write_text(text + layer("SoftmaxWithLoss", "s", "f", "x1"))
    graph = graph_of(path)
    assert [node.name for node in graph.nodes] == ["b", "p", "f_flatten", "f", "s"]
    assert archcalc.analyze(graph, allow_unknown=True).params == 3 * 2 * 2 * 7
    assert graph.edition == "taken to keep the sizes of its input: b"


def test_a_kernel_for_each_place_and_zeros_around_a_map_are_counted(path: Path) -> None:
    text = HEAD + "layers { layer { name: 'p' type: 'padding' pad: 2 } bottom: 'data' top: 'p' }\n"
    text += (
        "layers { layer { name: 'l' type: 'locally_connected' num_output: 4 kernelsize: 5 "
        "stride: 2 pad: 1 } bottom: 'p' top: 'l' }\n"
    )
    path.write_text(text)
    analysis = archcalc.analyze(graph_of(path))
    places = 7 * 7  # (12 + 2 * 2 + 2 * 1 - 5) / 2 + 1
    assert analysis.params == places * 4 * (3 * 5 * 5 + 1)
    assert analysis.macs == places * 4 * 3 * 5 * 5


def test_the_smallest_of_a_window_is_known_and_one_that_is_drawn_named(path: Path) -> None:
    window = "kernel_size: 4 stride: 4"
    text = blob("x", 1, 2, 8, 8) + layer(
        "Pooling", "m", "x", more=f"pooling_param {{ pool: MIN {window} }}"
    )
    text += layer("Pooling", "s", "x", more=f"pooling_param {{ pool: STOCHASTIC {window} }}")
    found = shapes(path, text)
    assert (found["m.back"], found["s"]) == ((1, 2, 2, 2), (1, 2, 2, 2))
    assert [node.name for node in graph_of(path).nodes if not node.op.counted] == ["s"]
    assert not graph_of(path).edition


def test_a_vector_becomes_maps_of_so_many_samples_as_are_made(path: Path) -> None:
    maps = "reshape_param { shape { dim: 64 dim: 3 dim: 2 dim: 2 } }"
    path.write_text(layer("RandVec", "z") + layer("Reshape", "m", "z", more=maps))
    assert [node.shape for node in graph_of(f"{path}@12").nodes] == [(1, 3, 2, 2)]


def test_a_batch_of_frames_that_becomes_steps_is_a_frame_and_a_step(path: Path) -> None:
    steps = "reshape_param { shape { dim: 3 dim: 2 dim: 12 } }"
    text = blob("data", 6, 3, 2, 2) + blob("go", 6, 1) + layer("Reshape", "s", "data", more=steps)
    text += layer("Reshape", "c", "go", more="reshape_param { shape { dim: 3 dim: 2 } }")
    text += layer("LSTM", "r", "s", "c", more=LSTM)
    found = shapes(path, text)
    assert (found["s"], found["r"]) == ((1, 1, 12), (1, 1, 5))


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
        (HEAD + "dim: [1, 2", "has no layers"),
        ('input: "x"\ninput_shape { dim: -1 }\nlayer { }', ":2  dim"),
        ("name: 'x'\n<<<<<<< HEAD\nlayer { }", ":2  a '<' without a name"),
        (HEAD + "[ 1 ]", ":7  a '[' without a name"),
        (HEAD + layer("Pooling", "p", "data", more="pooling_param { kernel_size: 0 }"), ":7"),
        (
            HEAD + layer("Concat", "c", "data", "data", more="concat_param { axis: 9 }"),
            "axis 9 of 4",
        ),
        (
            HEAD + layer("Slice", "s", "data", tops=2, more="slice_param { slice_point: 3 }"),
            "no 2 parts",
        ),
        (HEAD + layer("Tile", "t", "data", more=f"tile_param {{ tiles: {10**12} }}"), "layer 't'"),
        (HEAD + layer("SPP", "s", "data", more="spp_param { pyramid_height: 99 }"), "more than 16"),
        (HEAD + layer("Crop", "c", "data"), "layer 'c'"),
        (HEAD + layer("Power", "p", "data", more="power_param { scale: nan }"), "finite"),
        (
            HEAD
            + layer("Eltwise", "e", "data", "data", more='eltwise_param { coeff: "x" coeff: 1 }'),
            ":7",
        ),
        (HEAD + layer("Convolution", "c", "data"), "lacks 'num_output'"),
    ],
)
def test_damaged_files_are_refused_at_their_line(path: Path, text: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(ArchcalcError) as caught:
        graph_of(path)
    assert said in str(caught.value)
