"""Losses and distances, step by step as PyTorch defines them."""

from __future__ import annotations

from typing import Any

from torch import fx

from archcalc.dims import Shape
from archcalc.frontends.torch.aten.call import Call, Made, broadcast, line, name_of

Given = fx.Node | Made

_LEAST = -100.0
"""PyTorch takes no logarithm of a probability for less."""


def _each(op: str, shape: Shape, *taken: Given, **fields: Any) -> Made:
    """An operator on elements, which gives a tensor of these extents."""
    return Made(op, fields, taken, shape=shape)


def _reduced(call: Call, losses: Made, shape: Shape) -> Made | None:
    """What is asked for of the losses: all, their mean or their sum."""
    how = call.arguments.get("reduction", 1)
    if how == 0:
        return losses
    return Made("Mean" if how == 1 else "Sum", {"dim": list(range(len(shape)))}, (losses,))


@line("mse_loss", "l1_loss")
def _differing(call: Call) -> Made | None:
    x, target = call.x, call["target"]
    shape = broadcast(call.shape(x), call.shape(target))
    op = "Square" if name_of(call.node) == "mse_loss" else "Abs"
    return _reduced(call, _each(op, shape, _each("Sub", shape, x, target)), shape)


@line("binary_cross_entropy")
def _of_probabilities(call: Call) -> Made | None:
    """``(t - 1) log(1 - x) - t log x``."""
    x, target, shape = call.x, call["target"], call.shape(call.x)
    if call.arguments.get("weight") is not None:
        return None
    other = _each("Log1p", shape, _each("Neg", shape, x))
    yes, no = (_each("Clamp", shape, f, min=_LEAST) for f in (_each("Log", shape, x), other))
    lack = _each("Sub", shape, target, by=1)
    found = _each("Sub", shape, _each("Mul", shape, lack, no), _each("Mul", shape, target, yes))
    return _reduced(call, found, shape)


@line("binary_cross_entropy_with_logits")
def _of_logits(call: Call) -> Made | None:
    """``(1 - t) x - log sigmoid(x)``."""
    x, target, shape = call.x, call["target"], call.shape(call.x)
    if call.arguments.get("weight") is not None or call.arguments.get("pos_weight") is not None:
        return None
    lack = _each("Sub", shape, target, of=1)
    found = _each("Sub", shape, _each("Mul", shape, lack, x), _each("LogSigmoid", shape, x))
    return _reduced(call, found, shape)


@line("huber_loss", "smooth_l1_loss")
def _huber(call: Call) -> Made | None:
    shape = broadcast(call.shape(call.x), call.shape(call["target"]))
    delta = call.arguments.get("delta", 1.0)
    if call.arguments.get("beta", 1.0) != 1:
        return None
    fields = {"delta": delta, "reduction": "none"}
    return _reduced(call, Made("HuberLoss", fields, (call.x, call["target"]), shape=shape), shape)


@line("kl_div")
def _divergence(call: Call) -> Made | None:
    """``t (log t - x)``."""
    x, target = call.x, call["target"]
    shape = broadcast(call.shape(x), call.shape(target))
    known = call.arguments.get("log_target")
    t, log = (
        (_each("Exp", shape, target), target) if known else (target, _each("Log", shape, target))
    )
    return _reduced(call, _each("Mul", shape, t, _each("Sub", shape, log, x)), shape)


@line("cosine_similarity")
def _cosine(call: Call) -> Made:
    """``x y / (|x| |y|)``, where no norm is taken for less than ``eps``."""
    a, b = call["x1"], call["x2"]
    dim, least = call.arguments.get("dim", 1), call.arguments.get("eps", 1e-8)
    whole = broadcast(call.shape(a), call.shape(b))
    shape = call.output
    product = _each("Sum", shape, _each("Mul", whole, a, b), dim=dim)
    norms = (
        _each("Clamp", shape, _each("Norm", shape, each, p=2, dim=dim), min=least)
        for each in (a, b)
    )
    return _each("Div", shape, product, _each("Mul", shape, *norms))


@line("pairwise_distance")
def _distance(call: Call) -> Made | None:
    """The norm of ``x - y + eps``."""
    a, b = call["x1"], call["x2"]
    order = call.arguments.get("p", 2)
    if order not in (1, 2):
        return None
    shape = broadcast(call.shape(a), call.shape(b))
    apart = _each("Sub", shape, a, b)
    moved = _each("Add", shape, apart, by=call.arguments.get("eps", 1e-6))
    kept = {"keepdim": True} if call.arguments.get("keepdim") else {}
    return Made("Norm", {"p": int(order), "dim": -1, **kept}, (moved,))
