"""What other tools print: for each one, what its number holds of every operator.

A tool is a mapping of operators to rules, read from its source and held against the tool itself
by ``benchmarks/conventions.py``; an operator that is not in it adds nothing. The rules are the
tools' own, mistakes included. They are for PyTorch on the CPU, at inference, with gradients, and
for the network that :func:`archcalc.build` makes: layers as modules of ``torch.nn``, sums and
products of tensors, matrices too, by PyTorch's functions, attention as ``nn.MultiheadAttention``
with ``need_weights=False``, and what PyTorch lacks as the modules in ``archcalc.pytorch.modules``.
The same network written otherwise may have another number: a tool that patches functions sees
``torch.matmul(a, b)`` in a module's ``forward``, and neither ``a @ b`` nor what was there before
it patched.
"""

from archcalc.analysis.counters.dispatched import ptflops_aten, torch
from archcalc.analysis.counters.hooked import thop, thop_2020, torchinfo
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
    "thop_2020",
    "torch",
    "torchinfo",
    "torchprofile",
]
