"""What all tests share."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import settings

# Small tensors gain nothing by threads, which wait for one another where each core has tests of its
# own. It is read when PyTorch is imported, here and in the commands that tests run.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What is printed is as wide as it is, whatever the shell that runs the tests exports.
os.environ.pop("COLUMNS", None)

EXHAUSTIVE = "ARCHCALC_EXHAUSTIVE" in os.environ

# Tests are not timed: the machines are noisy. They are the same on every run, so that a change
# that turns them red is the change that broke them.
settings.register_profile(
    "archcalc", deadline=None, derandomize=True, max_examples=100 if EXHAUSTIVE else 40
)
settings.load_profile("archcalc")


SOME = {
    *("c3d_depth1", "clip_vit_b_32", "coatnet_0", "dcgan-discriminator", "dcgan-generator-paper"),
    *(
        "dit_s_2",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_vgg16",
        "googlenet",
        "googlenet-torchvision",
    ),
    *("gpt2", "highway-mnist-16", "lenet5-1998", "llama3_2_1b", "mamba_130m", "mnist-keras"),
    *("mobilenet_v2", "mobilenet_v3_small", "reactnet", "resnet18", "resnet18-cheatsheet"),
    *("resnet50", "shufflenet_v2_x0_5", "swin_t", "t5_small", "unet", "vgg11_bn", "vit_b_16"),
    *("wavenet", "whisper_tiny", "yolov8n", "zfnet"),
}
"""Small networks with all that others have, but for parts of those of thousands of layers."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests of every network, and of many of a kind, take some, unless all are asked for."""
    if EXHAUSTIVE:
        return
    met: Counter[str] = Counter()

    def taken(item: pytest.Item) -> bool:
        assert isinstance(item, pytest.Function)
        if item.get_closest_marker("every_network"):
            return item.callspec.params["name"] in SOME
        one_in = item.get_closest_marker("one_in")
        if one_in is None:
            return True
        met[item.originalname] += 1
        return bool(met[item.originalname] % one_in.args[0] == 1)

    left_out = [item for item in items if not taken(item)]
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=left_out)
