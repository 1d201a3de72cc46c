"""Pre-activation ResNets, against what was published of them."""

from __future__ import annotations

from functools import cache

import pytest

import archcalc
from archcalc import Analysis


@cache
def network(name: str) -> Analysis:
    return archcalc.analyze(archcalc.load(name))


# pytorchcv, pytorchcv/models/preresnet_cifar.py and preresnet.py. Its network for ImageNet
# normalizes the 64 channels of the stem once more in the first unit, against the paper's appendix.
PARAMS = {
    "preresnet110": 1_730_522,
    "preresnet164": 1_703_258,
    "preresnet1001": 10_327_706,
    "preresnet200": 64_666_280 - 2 * 64,
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_are_those_of_another_implementation(name: str) -> None:
    assert network(name).params == PARAMS[name]


def test_params_of_the_bottlenecks_by_hand() -> None:
    def stage(before: int, planes: int, n: int) -> tuple[int, int]:
        """Weights of the convolutions of n units, and channels that are normalized."""
        out = 4 * planes
        every = 9 * planes * planes + planes * out
        first, later = before * planes + before * out, out * planes
        return n * every + first + (n - 1) * later, before + (n - 1) * out + 2 * n * planes

    for name, n in (("preresnet164", 18), ("preresnet1001", 111)):
        stages = [stage(16, 16, n), stage(64, 32, n), stage(128, 64, n)]
        convolutions = 27 * 16 + sum(weights for weights, _ in stages)
        normalized = sum(channels for _, channels in stages) + 256
        assert network(name).params == convolutions + 2 * normalized + 257 * 10


@pytest.mark.parametrize(("name", "depth"), [(name, int(name[9:])) for name in PARAMS])
def test_depth_is_that_of_the_name(name: str, depth: int) -> None:
    rows = network(name).rows
    ways = [row for row in rows if "shortcut" not in row.name]
    assert sum(row.op in ("Conv2d", "Linear") for row in ways) == depth


def test_only_what_widens_shares_its_activation_with_the_shortcut() -> None:
    nodes = {row.name: row.node for row in network("preresnet164").rows}
    for stage in ("layer1", "layer2", "layer3"):
        shared = f"{stage}.0.shared.relu"
        assert nodes[f"{stage}.0.conv1"].inputs == (shared,)
        assert nodes[f"{stage}.0.shortcut"].inputs == (shared,)
        own = nodes[f"{stage}.1.preact1.bn"]
        assert nodes[f"{stage}.1.add"].inputs == (f"{stage}.1.conv3", *own.inputs)


def test_the_stem_of_imagenet_is_activated_once() -> None:
    # arXiv:1603.05027, appendix: the first activation comes right after the first convolution,
    # before the ways of the first unit part, and one more after the last unit.
    nodes = {row.name: row.node for row in network("preresnet200").rows}
    assert nodes["layer1.0.conv1"].inputs == nodes["layer1.0.shortcut"].inputs == ("maxpool",)
    assert nodes["postact.bn"].inputs == ("layer4.2.add",)


def test_nothing_comes_between_the_additions_of_a_stage() -> None:
    # The paper's point: a shortcut inside a stage is the sum before it, as it is.
    nodes = {row.name: row.node for row in network("preresnet110").rows}
    for i in range(1, 18):
        assert nodes[f"layer2.{i}.add"].inputs[1] == f"layer2.{i - 1}.add"
