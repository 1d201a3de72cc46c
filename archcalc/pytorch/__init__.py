"""Networks in PyTorch. Nothing outside this package imports torch, and then only when used."""

from archcalc.pytorch.perform import module, require_torch

__all__ = ["module", "require_torch"]
