"""What other tools print: for each one, what its number holds of every operator.

A tool is a mapping of operators to rules, read from its source and held against the tool itself
by ``benchmarks/conventions.py``; an operator that is not in it adds nothing. The rules are the
tools' own, mistakes included. They are for PyTorch on the CPU, at inference, and for networks as
they are usually written: layers as modules of ``torch.nn``, sums and products of tensors as ``+``
and ``*``, matrix products as ``torch.matmul``, attention as ``nn.MultiheadAttention`` with
``need_weights=False``, padding that the layer's module can't do as ``F.pad`` before it, and what
PyTorch lacks as the modules in ``archcalc.pytorch.modules``.
"""

from archcalc.analysis.counters.dispatched import ptflops_aten, torch
from archcalc.analysis.counters.hooked import thop, torchinfo
from archcalc.analysis.counters.patched import calflops, deepspeed, ptflops
from archcalc.analysis.counters.rules import bias_adds
from archcalc.analysis.counters.traced import fvcore, torchprofile

__all__ = [
    "bias_adds",
    "calflops",
    "deepspeed",
    "fvcore",
    "ptflops",
    "ptflops_aten",
    "thop",
    "torch",
    "torchinfo",
    "torchprofile",
]
