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


LONG = {
    *("resnet1202", "densenet-bc-250-24"),
    *("mixtral_8x22b", "qwen3_30b_a3b", "qwen3_235b_a22b", "mamba_2_8b", "deepseek_v3"),
}
"""Networks of thousands of layers of the same few kinds, which shorter ones have, too."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests of every network take two of each family: the first, and the last but the long."""
    if "ARCHCALC_EXHAUSTIVE" in os.environ:
        return
    some: set[str] = set()
    for path in zoo.families():
        spec = archcalc.load(path)
        names = [name for name in spec.variants or [spec.name] if name not in LONG]
        some.update((*names[:1], *names[-1:]))

    def taken(item: pytest.Item) -> bool:
        if item.get_closest_marker("every_network") is None:
            return True
        assert isinstance(item, pytest.Function)
        return item.callspec.params["name"] in some

    left_out = [item for item in items if not taken(item)]
    if left_out:
        items[:] = [item for item in items if taken(item)]
        config.hook.pytest_deselected(items=left_out)
