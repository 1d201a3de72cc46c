"""What tests of captures share."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="session", autouse=True)
def small_heap() -> None:
    """Leaves the tests and PyTorch out of garbage collections, which a capture that fails asks for:
    they were half of the time.
    """
    gc.collect()
    gc.freeze()
