"""A printed number is explained by the choices of counting that make it."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc import ArchcalcError, Explanation, SpecError
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.claims.candidates import MOST, MOST_VARIANTS, Candidates, readings
from archcalc.claims.reconcile import search


def small(**changes: Any) -> Any:
    """A network with one of everything that can be left out.

    - conv: 27 * 8 weights and 8 biases, 224; 216 * 6 * 6 = 7,776 MACs
    - bn: 16 weights, 16 statistics and a counter
    - fc: 288 * 10 weights and 10 biases, 2,890; 2,880 MACs

    Together 3,130 parameters and 10,656 MACs.
    """
    return {
        "name": "small",
        "input": [3, 8, 8],
        "vars": {"classes": 10},
        "layers": {
            "conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3},
            "bn": "BatchNorm2d",
            "flatten": "Flatten",
            "fc": {"op": "Linear", "out_features": "=classes"},
        },
        **changes,
    }


def explained(value: str, network: Any, quantity: str | None = None, **where: Any) -> Explanation:
    """The most natural explanation."""
    found = archcalc.reconcile(value, network, quantity, **where)
    assert found, value
    return found[0]


@pytest.mark.parametrize(
    ("value", "number", "words"),
    [
        ("3,130", 3130, "as it is"),
        ("3.1K", 3130, "as it is"),
        ("3,146", 3130 + 16, "with running means and variances"),
        ("3,147", 3130 + 17, "with all buffers"),
        ("3,112", 3130 - 18, "without biases"),
        ("3,114", 3130 - 16, "without batch normalization"),
        ("240", 224 + 16, "without the classifier"),
        ("2,906", 3130 - 224, "without the first layer"),
        ("3.057K", 3130, "1K as 1,024"),  # 3,130 / 1,024 = 3.0566
        ("289,240", 240 + 288_000 + 1000, "1000 classes"),
        ("3,128", 3130 + 16 - 18, "with running means and variances, without biases"),
        ("3,096", 3130 - 16 - 18, "without biases, without batch normalization"),
        # 222 x 222 x 8 = 394,272 features of an image of 224 x 224.
        ("3,942,970", 240 + 3_942_720 + 10, "input 224 x 224"),
    ],
)
def test_what_is_stored_is_counted_with_and_without_its_parts(
    value: str, number: int, words: str
) -> None:
    found = explained(value, small(), "params")
    assert (found.number, found.words) == (number, words)


@pytest.mark.parametrize(
    ("value", "quantity", "number", "words"),
    [
        ("10,656", "macs", 10_656, "as it is"),
        ("21,312", "macs", 21_312, "counting 2 for a MAC"),
        ("21.3K", "flops", 21_312, "counting 2 for a MAC"),
        ("10,656", "flops", 10_656, "counting MACs"),
        # A bias is used once by each of 288 and 10 outputs.
        ("10,954", "macs", 10_656 + 298, "counting MACs and uses of biases"),
        ("7,776", "macs", 7776, "without the classifier"),
        ("15,552", "macs", 15_552, "counting 2 for a MAC, without the classifier"),
        ("2,880", "macs", 2880, "without the first layer"),
    ],
)
def test_work_is_counted_in_several_ways(
    value: str, quantity: str, number: int, words: str
) -> None:
    found = explained(value, small(), quantity)
    assert (found.number, found.words) == (number, words)


TWINS = {
    "name": "twins",
    "input": {"left": [3, 29, 29], "right": [3, 29, 29]},
    "blocks": {
        "trunk": {
            "layers": {
                "conv1": {"op": "Conv2d", "out_channels": 64, "kernel_size": 10},
                "pool": {"op": "MaxPool2d", "kernel_size": 2},
                "flat": "Flatten",
            }
        }
    },
    "layers": {
        "a": {"block": "trunk", "from": "left"},
        "b": {"block": "trunk", "from": "right", "share": "a"},
        "diff": {"op": "Sub", "from": ["a", "b"]},
        "fc1": {"op": "Linear", "out_features": 1},
    },
}
GATES = {
    "name": "gates",
    "input": [64, 15],
    "layers": {
        "gru": {"op": "GRU", "hidden_size": 16},
        "dense": {"op": "Linear", "out_features": 8},
    },
}
AGAIN = {
    "name": "again",
    "input": [1024],
    "layers": {
        "fc": {"op": "Linear", "out_features": 1024},
        "more": {"op": "Linear", "out_features": 1024, "share": "fc", "repeat": 99},
    },
}
EMBEDDED = 12 * 12 * 768**2
"""The matrices of GPT-2: 12 of 768 x 768 in each of 12 blocks."""


@pytest.mark.parametrize(
    ("value", "network", "where", "words"),
    [
        # 163,037,184 is what Keras and GGUF files say of GPT-2, whose head is its table again.
        ("163,037,184", "gpt2", {}, "counting shared tensors at each use"),
        ("1,498,482,688", "llama3_2_1b", {}, "counting shared tensors at each use"),
        # 300 * 64 + 64 twice, and 6,400 + 1.
        ("44,929", TWINS, {}, "counting shared tensors at each use"),
        # 3 * 16 * (15 + 16 + 1), and 16 * 8 + 8.
        ("1,536", GATES, {"layer": "gru"}, "with one bias a gate"),
        ("1,672", GATES, {}, "with one bias a gate"),
        # Of 124,439,808 the tables of 50,257 tokens and of 1,024 positions.
        ("85,056,000", "gpt2", {}, "without the embeddings"),
        ("123,653,376", "gpt2", {}, "without the embeddings of positions"),
        ("85,842,432", "gpt2", {}, "without the embeddings of tokens"),
        (
            f"{EMBEDDED:,}",
            "gpt2",
            {},
            "without biases, without normalization, without the embeddings",
        ),
        ("85M", "gpt2", {}, "without the embeddings"),
        # Of 86,567,656 less a class token of 768 and a table of 197 positions: no modules.
        ("86,415,592", "vit_b_16", {}, "without the tensors that are no layer's"),
        # Three times 4.089 G multiply-accumulates.
        (
            "12.3 GFLOPs",
            "resnet50",
            {},
            "counting MACs, of a training step, three times the forward pass",
        ),
        ("12.27 GMACs", "resnet50", {}, "of a training step, three times the forward pass"),
        # The input and 100 outputs of 40 MiB, and 4.004 MiB of weights.
        (
            "4,044 MiB",
            AGAIN,
            {"batch": 10_240},
            "of the input, all layers' outputs and the weights",
        ),
        # torchinfo 1.8.0 and torchsummary 1.5.1 print these of torchvision's networks.
        (
            "177.83 MB",
            "resnet50",
            {},
            "twice the outputs of layers with weights, as torchinfo prints it",
        ),
        (
            "286.56 MiB",
            "resnet50",
            {},
            "twice all layers' outputs, as torchsummary prints it",
        ),
        (
            "107.96 MiB",
            "resnet18",
            {},
            "of the input, twice all layers' outputs and the weights, as torchsummary sums up",
        ),
    ],
)
def test_what_only_some_networks_have_is_counted_otherwise(
    value: str, network: Any, where: dict[str, Any], words: str
) -> None:
    assert explained(value, network, **where).words == words


@pytest.mark.parametrize(
    ("value", "network"),
    [
        # Both are in many reports of 2020 and 2021. Of ResNet-50's 4,089,184,256 twice 11,113,984
        # normalized elements and 50 for each of 2,048 averages more.
        (4_111_514_624, "resnet50"),
        (1_819_066_368, "resnet18"),
        # What thop 0.0.31.post2005241907 prints, run on the network that archcalc builds: a
        # global pooling of 13x13, biases, LeakyReLU, upsampling.
        (823_440_824, "squeezenet1_0"),
        (1_135_906_176, "alexnet"),
        (38_572_341_248, "c3d"),
        (33_047_808_547, "yolov3"),
    ],
)
def test_an_older_thop_counted_otherwise(value: int, network: str) -> None:
    assert explained(f"{value}", network, "macs").words == "as thop 0.0.31 counted"


def test_weights_are_stored_as_lengths_and_directions() -> None:
    plain = small()
    plain["layers"].pop("bn")
    # 3,114 without the normalization; weight normalization stores a length for each of 8 and 10.
    found = explained("3,132", plain, "params")
    assert found.words == "with weight normalization of every layer"
    normed = {"op": "Linear", "out_features": 3, "bias": False, "parametrization": "weight_norm"}
    assert explained("15", {"name": "w", "input": [4], "layers": {"fc": normed}}).number == 15


@pytest.mark.parametrize(
    ("conv", "input", "words"),
    [
        ({"op": "ConvTranspose2d"}, [4, 6, 6], "transposed convolutions"),
        ({"op": "Conv1d"}, [4, 36], "convolutions of one or three axes"),
        (
            {"op": "Conv2d", "parametrization": "weight_standardization"},
            *([4, 6, 6], "convolutions whose weight is computed"),
        ),
    ],
)
def test_a_tool_may_not_see_some_convolutions(
    conv: dict[str, Any], input: list[int], words: str
) -> None:
    # Two of 4 x 4 and their biases, and 4 x 3 features of the means of 4 maps: 12 MACs and 15
    # numbers are seen of 2 x 36 x 16 + 12 and 2 x 20 + 15.
    one = {**conv, "out_channels": 4, "kernel_size": 1}
    layers = {
        "a": one,
        "b": one,
        "pool": {"op": "GlobalAvgPool", "keepdim": False},
        "fc": {"op": "Linear", "out_features": 3},
    }
    net = {"name": "net", "input": input, "layers": layers}
    said = f"without {words}, which a tool may not see"
    # Of computed weights thop is known to see nothing.
    told = "as thop counts" if "parametrization" in conv else said
    assert explained("12", net, "macs").words == told
    assert explained("15", net, "params").words == said


def test_a_table_is_not_a_first_layer() -> None:
    assert all("first layer" not in each.words for each in archcalc.reconcile("85M", "gpt2"))


def test_cutting_digits_off_is_one_more_thing_to_believe() -> None:
    found = archcalc.reconcile("85M", "gpt2")
    (cut,) = [k for k, each in enumerate(found) if each.number == 85_842_432]
    one = [k for k, each in enumerate(found) if len(each.departures) == 1]
    assert cut == max(one)
    assert any(len(each.departures) == 2 for each in found[:cut]) or cut == 1


@pytest.mark.parametrize(
    ("value", "number", "words"),
    [
        ("12,520 bytes", 4 * 3130, "as it is"),
        ("12.5KB", 4 * 3130, "as it is"),
        ("12.23KB", 4 * 3130, "1 KB as 1,024 bytes"),  # 12,520 / 1,024 = 12.2266
        ("12.23KiB", 4 * 3130, "as it is"),
        ("6,260 bytes", 2 * 3130, "in float16"),
        ("12,584 bytes", 4 * 3146, "with running means and variances"),
        ("12,592 bytes", 4 * 3146 + 8, "with all buffers"),  # the counter is of 8 bytes
    ],
)
def test_bytes_are_told_by_their_unit(value: str, number: int, words: str) -> None:
    found = explained(value, small())
    assert (found.quantity, found.number, found.words) == ("bytes", number, words)


def test_batch_normalization_folds_into_biases() -> None:
    layers = {**small()["layers"]}
    layers["conv"] = {**layers["conv"], "bias": False}
    found = explained("216", small(layers=layers), "params", layer="conv")
    assert found.words == "as it is"
    # 216 weights and the 8 biases that folding makes, and the linear layer.
    folded = explained("3,114", small(layers=layers), "params")
    ways = {folded.words, *(", ".join(c.words for c in way) for way in folded.also)}
    assert "with batch normalization folded" in ways


def test_a_bias_may_be_counted_where_there_is_none() -> None:
    layers = {"conv": {"op": "Conv2d", "out_channels": 8, "kernel_size": 3, "bias": False}}
    found = explained("224", small(layers=layers, vars={}), "params")
    assert found.words == "with a bias in every convolution"


def test_groups_may_be_overlooked() -> None:
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 9, "kernel_size": 3, "groups": 3},
        "last": {"op": "Conv2d", "out_channels": 5, "kernel_size": 1},
    }
    spec = small(layers=layers, vars={})
    # 9 * 9 weights with groups and 3 times as many without; 9, 45 and 5 others.
    assert explained("140", spec, "params").words == "as it is"
    assert explained("302", spec, "params").words == "as if without groups"
    # 36 positions of 81 and 45, and of 243 and 45.
    assert explained("4,536", spec, "macs").words == "as it is"
    assert explained("10,368", spec, "macs").words == "as if without groups"


def test_auxiliary_heads_are_owned_and_run_in_training_only() -> None:
    layers = {
        "conv": {"op": "Conv2d", "out_channels": 2, "kernel_size": 3},
        "flatten": "Flatten",
        "fc": {"op": "Linear", "out_features": 5},
        "aux": {"op": "Linear", "from": "flatten", "out_features": 3},
    }
    spec = small(layers=layers, vars={}, outputs="fc", training_outputs="aux")
    # 56, 72 * 5 + 5 and 72 * 3 + 3 parameters; 54 * 36, 360 and 216 MACs.
    assert explained("640", spec, "params").words == "as it is"
    assert explained("421", spec, "params").words == "without the auxiliary heads"
    assert explained("56", spec, "params").words == "without the classifier"
    assert explained("2,304", spec, "macs").words == "as it is"
    assert explained("2,520", spec, "macs").words == "with the auxiliary heads, as in training"


def test_of_several_linear_layers_the_last_is_the_classifier() -> None:
    layers = {
        "flatten": "Flatten",
        "fc1": {"op": "Linear", "out_features": 4},
        "relu": "ReLU",
        "fc2": {"op": "Linear", "out_features": 2},
    }
    spec = {"name": "mlp", "input": [3], "layers": layers}
    # 3 * 4 + 4 and 4 * 2 + 2.
    assert explained("26", spec, "params").words == "as it is"
    assert explained("16", spec, "params").words == "without the classifier"


def test_shared_tensors_are_counted_once_under_every_choice() -> None:
    layers = {
        "fc1": {"op": "Linear", "out_features": 3},
        "fc2": {"op": "Linear", "out_features": 3, "share": "fc1"},
    }
    spec = {"name": "tied", "input": [3], "layers": layers}
    assert explained("12", spec, "params").words == "as it is"
    assert explained("9", spec, "params").words == "without biases"


# Totals that others publish: who does, how, and what they count.
@pytest.mark.parametrize(
    ("value", "network", "number", "words"),
    [
        # torchvision; the Keras documentation of its applications, whose convolutions have biases
        # and which counts moving means and variances; Caffe's bvlc_alexnet.
        ("25,557,032", "resnet50", 25_557_032, "as it is"),
        (
            "25,636,712",
            "resnet50",
            25_636_712,
            "with running means and variances, with a bias in every convolution",
        ),
        (
            "60,419,944",
            "resnet152",
            60_419_944,
            "with running means and variances, with a bias in every convolution",
        ),
        # Keras with include_top=False, where all linear layers are left out.
        ("14,714,688", "vgg16", 14_714_688, "without linear layers"),
        ("60,965,224", "alexnet", 60_965_224, "of alexnet-2gpu"),
        # torchvision: what runs of its GoogLeNet, beside 13,004,888 with the heads.
        (
            "6,624,904",
            "googlenet",
            6_624_904,
            "of googlenet-torchvision, without the auxiliary heads",
        ),
        # He et al. 2015, table 1: the stride is in the 1x1.
        ("3.8x10^9", "resnet50", None, "of resnet50-v1"),
    ],
)
def test_published_numbers_are_explained(
    value: str, network: str, number: int | None, words: str
) -> None:
    found = explained(value, network)
    assert found.words == words
    assert number is None or found.number == number


# What lectures and cheat sheets print; where the explanation is worked out is said beside it.
@pytest.mark.parametrize(
    ("value", "network", "layer", "words"),
    [
        (
            "1.5B",
            "alexnet",
            None,
            "of alexnet-2gpu, counting 2 for a MAC and 1 for every other operation",
        ),
        ("19.6B", "vgg16", None, "of vgg19"),
        ("2B", "googlenet", None, "as it is"),
        ("11B", "resnet152", None, "as it is"),
        ("60.3M", "resnet152", None, "with running means and variances"),
        ("102MB", "resnet50", None, "as it is"),  # 4 * 25,557,032 = 102,228,128
        ("11.174M", "resnet18", None, "of resnet18-cifar"),
        # Instead of 7 * 7 * 3 * 64 = 9,408 weights: 7 * 7 for each of 24 maps, and 24 * 64; 2,712,
        # and with 64 biases 2,776. At 112 * 112 positions 2,712 are 34,019,328 MACs.
        (
            "2.7K",
            "googlenet",
            "conv1",
            "as a depthwise convolution of 8 maps a channel and a 1x1",
        ),
        (
            "34M",
            "googlenet",
            "conv1",
            "as a depthwise convolution of 8 maps a channel and a 1x1",
        ),
    ],
)
def test_printed_numbers_are_explained(
    value: str, network: str, layer: str | None, words: str
) -> None:
    assert explained(value, network, layer=layer).words == words


def test_a_separable_convolution_has_these_numbers() -> None:
    assert explained("2,776", "googlenet", layer="conv1").number == 2776
    without = explained("2,712", "googlenet", layer="conv1")
    assert [choice.axis for choice in without.departures] == ["biases", "factored"]
    assert explained("34,019,328", "googlenet", layer="conv1").number == 34_019_328
    twice = explained("68,038,656", "googlenet", layer="conv1")
    assert [choice.axis for choice in twice.departures] == ["counted", "factored"]


@pytest.mark.parametrize(
    ("value", "network", "against", "known"),
    [
        # 553,430,176 bytes are 553 MB and 527.8 MiB, neither of them 533.
        ("533MB", "vgg16", None, "should be 553MB"),
        ("6.4M", "googlenet", None, "should be 7.0M"),
        ("12x", "googlenet", "alexnet", "should be 9x"),
        ("138,423,208", "vgg16", None, "should be 138,357,544"),
        ("138,357,545", "vgg16", None, None),
    ],
)
def test_a_number_that_nothing_explains_has_neighbours(
    value: str, network: str, against: str | None, known: str | None
) -> None:
    found = search(value, network, against=against)
    assert not found.ok
    assert any(not each.departures for each in found.nearest)
    distances = [abs(each.off) for each in found.nearest]
    assert distances == sorted(distances)
    assert [known in text for text in found.known if known] == [True] * (known is not None)


def test_a_ratio_is_that_of_two_networks_counted_alike() -> None:
    # 62,378,344 and 6,998,552; without classifiers of 4,097,000 and 1,025,000.
    found = explained("8.9x", "googlenet", against="alexnet")
    assert (found.number, found.words) == (Fraction(62_378_344, 6_998_552), "as it is")
    assert explained("9.76x", "googlenet", against="alexnet").words == "without the classifier"
    # The one that has more comes first, whichever is named first.
    assert explained("8.9x", "alexnet", against="googlenet").number == found.number


def test_of_what_a_number_is_is_told_by_its_size() -> None:
    assert search("3.1K", small()).quantities == ("params", "macs")  # 3,130 and 10,656
    assert search("60M", "resnet152").quantities == ("params",)
    assert search("11B", "resnet152").quantities == ("macs",)
    assert search("11B MACs", "resnet152", "flops").quantities == ("flops",)
    assert search("11 million parameters", "resnet152").quantities == ("params",)


def test_what_makes_no_difference_is_said_once() -> None:
    found = search("62M", "alexnet")
    assert {"buffers", "normalization", "auxiliary heads", "groups"} <= set(found.idle)
    assert "biases" not in found.idle
    assert "classifier" not in found.idle


def test_equal_numbers_are_listed_once() -> None:
    found = archcalc.reconcile("3K", small(), "params")
    assert len({(each.number, each.words) for each in found}) == len(found)
    plain = [each for each in found if each.number == 3130]
    assert len(plain) <= 2  # as K is 1000, and as it is 1024


def test_fewer_departures_come_first_and_then_less_far_fetched_ones() -> None:
    costs = [each.cost for each in archcalc.reconcile("60M", "resnet152")]
    assert costs == sorted(costs)
    assert costs[0] == (0, 0)
    assert max(costs)[0] <= MOST


@cache
def candidates(network: str, quantity: str) -> list[Explanation]:
    return Candidates(network).of(quantity, readings("1K", ratio=False))


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from(["lenet5", "alexnet-2gpu", "resnet18"]),
    st.sampled_from(["params", "macs", "flops", "bytes"]),
    st.sampled_from(["K", "M", "B"]),
    st.integers(0, 4),
    st.data(),
)
def test_whatever_can_be_counted_is_found_again_when_printed(
    network: str, quantity: str, suffix: str, decimals: int, data: st.DataObject
) -> None:
    candidate = data.draw(st.sampled_from(candidates(network, quantity)))
    thousand = 1024 if "thousand" in {c.axis for c in candidate.departures} else 1000
    scale = thousand ** ("KMB".index(suffix) + 1)
    steps = round(Fraction(candidate.number) / scale * 10**decimals)
    if steps:
        digits = f"{steps:0{decimals + 1}}"
        point = len(digits) - decimals
        printed = f"{digits[:point]}{'.' if decimals else ''}{digits[point:]}{suffix}"
        found = archcalc.reconcile(printed, network, quantity)
        axes = {choice.axis for choice in candidate.departures}
        assert any(
            each.number == candidate.number
            and ("thousand" in {c.axis for c in each.departures}) is ("thousand" in axes)
            for each in found
        )


def test_of_very_many_variants_only_some_are_tried_and_that_is_said() -> None:
    variants = {f"v{k}": {"classes": 10 + k} for k in range(MOST_VARIANTS + 1)}
    found = search("3,130", small(variants=variants), "params")
    assert (found.ok, found.whole) == (True, False)
    assert search("3,130", small(variants={"v0": {"classes": 10}}), "params").whole


@pytest.mark.parametrize("network", ["resnet18", "alexnet-2gpu", "googlenet-torchvision"])
def test_choices_agree_with_what_the_rest_of_the_library_counts(network: str) -> None:
    spec, number = archcalc.load(network), Candidates(network).number
    plain = archcalc.analyze(spec)
    for name, convention in CONVENTIONS.items():
        assert number("macs", {"counted": name}) == convention.total(plain)
    folded = archcalc.analyze(archcalc.fold_batch_norm(archcalc.expand(spec)))
    assert number("params", {"folded": "folded"}) == folded.params
    assert number("flops", {"folded": "folded"}) == folded.flops
    assert number("params", {"buffers": "all"}) == plain.params + plain.buffers
    assert number("params", {"heads": "without"}) == plain.executed_params
    training = archcalc.analyze(spec, training=True)
    assert number("macs", {"heads": "with"}) == training.macs
    small_images = archcalc.analyze(spec, input=[3, 256, 256], classes=10)
    assert number("macs", {"input": "256", "classes": "10"}) == small_images.macs
    stored = archcalc.memory(archcalc.expand(spec))
    assert number("bytes", {"buffers": "all"}) == stored.weights + stored.buffers


@pytest.mark.parametrize(
    ("value", "arguments", "message"),
    [
        ("many", {}, "is no number"),
        ("0", {}, "is no count"),
        ("84.7%", {}, "is no count"),
        ("1990s", {}, "is no count"),
        ("12x", {}, "--against"),
        ("3K", {"quantity": "parms"}, "did you mean 'params'"),
        ("3MB", {"quantity": "params"}, "is no number of parameters"),
        ("3K", {"layer": "cnv"}, "did you mean 'conv'"),
        ("3MB", {"against": "vgg16"}, "is no ratio"),
    ],
)
def test_what_can_t_be_understood_is_said(
    value: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArchcalcError, match=message):
        archcalc.reconcile(value, small(), **arguments)


def test_a_network_that_is_none_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(SpecError, match="did you mean 'vgg16'"):
        archcalc.reconcile("138M", "vvgg16")
