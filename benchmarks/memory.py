"""What networks take in memory, as archcalc says and as PyTorch's allocator gives it out on a CPU.

    python benchmarks/memory.py [NAME...] >> benchmarks/memory.csv

A line a network and pass: at inference, and in a step of training with SGD whose gradients were
freed before it, once it was warmed up. ``allocated`` are bytes that were given out at once, with
weights, buffers and inputs; ``predicted`` is ``archcalc.memory(...).most``. Without names: the
first network of each family that takes at most MACS multiply-accumulates, and those of SMALL, fewer
and narrower layers of what is too large. Numbers of single bits are floats in PyTorch, and so here.
In training attention is not fused, as without ``--fused``.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import archcalc
from archcalc.pytorch.inputs import draw
from archcalc.pytorch.measure import _cpu_peak
from archcalc.spec import zoo

MACS = 130 * 10**9
"""More would take a CPU too long."""

BATCH = 2

_DECODER = {"length": 512, "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8}
_EXPERTS = {**_DECODER, "moe_intermediate_size": 512}

SMALL: dict[str, dict[str, Any]] = {
    "llama2_7b": {**_DECODER, "intermediate_size": 1376},
    "gemma_2b": {**_DECODER, "intermediate_size": 2048, "vocab_size": 32000},
    "qwen3_0_6b": {**_DECODER, "intermediate_size": 1536, "vocab_size": 32000},
    "gpt2": {"n_positions": 128},
    "mixtral_8x7b": _EXPERTS,
    "deepseek_v3": {
        **_EXPERTS,
        "vocab_size": 32000,
        "intermediate_size": 1024,
        "first_k_dense_replace": 1,
        "n_routed_experts": 16,
        "q_lora_rank": 192,
        "kv_lora_rank": 128,
    },
    "sd15_unet": {"width": 64},
}
"""What is set of networks that are too large."""


def main() -> None:
    """Print the lines."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    for name in sys.argv[1:] or chosen():
        for training in (False, True):
            lines.writerow(line(name, training))
            sys.stdout.flush()


def chosen() -> Iterator[str]:
    """The first network of each family that is not too large."""
    for path in zoo.families():
        family = archcalc.load(path)
        for name in list(family.variants) or [family.name]:
            if archcalc.analyze(name, batch=BATCH, **SMALL.get(name, {})).macs <= MACS:
                yield name
                break


def line(name: str, training: bool) -> tuple[Any, ...]:
    """Network, pass, batch, predicted bytes, allocated bytes, their share."""
    floats = archcalc.quantize(archcalc.load(name), weights="float32", activations="float32")
    graph = archcalc.expand(floats, batch=BATCH, **SMALL.get(name, {}))
    predicted = archcalc.memory(graph, training=training).most
    net = archcalc.build(graph).train(training)
    inputs = draw(graph)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def once() -> None:
        if not training:
            with torch.inference_mode():
                net(*inputs)
            return
        found = net(*inputs)
        outputs = found if isinstance(found, tuple) else (found,)
        torch.autograd.backward([x.sum() for x in outputs if x.requires_grad])
        del found, outputs
        optimizer.step()
        optimizer.zero_grad()

    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH) if training else nullcontext():
        warnings.simplefilter("ignore")
        once()
        worked = _cpu_peak(once)
    assert worked is not None
    held = {id(t): t for t in (*net.parameters(), *net.buffers(), *inputs)}
    seen = worked + sum(t.numel() * t.element_size() for t in held.values())
    how = "training" if training else "inference"
    shown = f"{name}, small" if name in SMALL else name
    return shown, how, BATCH, predicted, seen, f"{predicted / seen:.3f}"


if __name__ == "__main__":
    main()
