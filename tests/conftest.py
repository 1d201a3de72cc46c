"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

import archcalc
from archcalc.spec import zoo

# Small tensors gain nothing by threads, which wait for one another where each core has tests of its
# own. It is read when PyTorch is imported, here and in the commands that tests run.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What is printed is as wide as it is, whatever the shell that runs the tests exports.
os.environ.pop("COLUMNS", None)

# Tests are not timed: the machines are noisy. They are the same on every run, so that a change
# that turns them red is the change that broke them.
settings.register_profile("archcalc", deadline=None, derandomize=True)
settings.load_profile("archcalc")


OTHERS = {
    *("dcgan-discriminator", "googlenet-torchvision", "lenet5-1998", "regnet_y_800mf"),
    *("resnet18-cheatsheet", "resnet50", "vgg11_bn"),
}
"""Networks with operators, or with blocks, that the first of their family lacks."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests of every network take the first of each family, and what is new in its others."""
    if "ARCHCALC_EXHAUSTIVE" in os.environ:
        return
    some = set(OTHERS)
    for path in zoo.families():
        spec = archcalc.load(path)
        some.add(next(iter(spec.variants or [spec.name])))
    some.remove("deepseek_v3")  # thousands of layers of the kinds that mixtral has

    def taken(item: pytest.Item) -> bool:
        if item.get_closest_marker("every_network") is None:
            return True
        assert isinstance(item, pytest.Function)
        return item.callspec.params["name"] in some

    left_out = [item for item in items if not taken(item)]
    if left_out:
        items[:] = [item for item in items if taken(item)]
        config.hook.pytest_deselected(items=left_out)
