"""Modules of which a table prints no rows: what they are made of, by their parameters.

A printout that ends at some depth has an ``Mlp`` or a ``TransformerEncoderLayer`` as one row. What
such modules are made of is usual, and how wide they are inside their parameters say: a width that
is no whole number is none of theirs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from archcalc.claims.blocks import Module
from archcalc.claims.convolved import Body, convolved, whole
from archcalc.claims.spelled import Fields
from archcalc.claims.tables.evidence import State, known
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.sheet import Entry

SAID = "what it is made of follows from its parameters; activations are left out"
HEAD = 64
"""Features of a head where nothing says how many there are."""


def called(entry: Entry) -> str:
    """What a row's module is called, without numbers: ``Bottleneck (0): 3-1`` is a bottleneck."""
    return compact(re.sub(r"( \([\w.-]+\))?[: -]+\d.*$", "", entry.name))


_SAID = frozenset(("channels", "stride", "features", "groups", "num_heads"))
"""Arguments that are determined by others, and by what a row takes and gives."""
Usual = Mapping[tuple[str, str], int]
"""How many rows of each class may be a block of each kind."""


def inner(
    entry: Entry, before: State, after: State, tokens: bool, usual: Usual | None = None
) -> Module | None:
    """A row as a use of a block, or None where nothing usual has its parameters.

    ``tokens`` says whether features are the last axis of what it takes. Of several blocks that have
    them it is the one with the fewest widths that were searched, and of the kind that most rows of
    its class may be.
    """
    params, word = entry.values.get("params"), called(entry)
    if not isinstance(params, int) or not params or before.c is None or after.c is None:
        return None
    votes = usual or {}
    made = max(
        _made(word, before, after, params, tokens),
        key=lambda each: (-len(each[2].keys() - _SAID), votes.get((word, kind_of(each[0])), 0)),
        default=None,
    )
    if made is None:
        return None
    name, body, fields = made
    head = f"{name}({', '.join(fields)})" if fields else name
    return Module(head, body, {"block": name, **fields})


def searched(made: Module) -> int:
    """How many widths of a block were searched, for want of what determines them."""
    return len(made.fields.keys() - _SAID - {"block"})


def kind_of(block: str) -> str:
    """The kind of a block by its name: of any kernel, with or without a projection."""
    return re.sub(r"_(projected|plain|thin|\dx\d)|(?<=conv)\d", "", block)


def usual(rows: Iterable[tuple[Entry, State, State, bool]]) -> Usual:
    """The kinds of blocks that rows may be, from what they take and give."""
    found: Counter[tuple[str, str]] = Counter()
    for entry, before, after, tokens in rows:
        params = entry.values.get("params")
        if isinstance(params, int) and params and before.c is not None and after.c is not None:
            word = called(entry)
            each = _made(word, before, after, params, tokens)
            found.update({(word, kind_of(name)) for name, *_ in each})
    return found


def _made(
    word: str, before: State, after: State, params: int, tokens: bool
) -> Iterator[tuple[str, Body, Fields]]:
    """What may have so many parameters: a block's name, body and arguments; the likeliest first."""
    c, out = before.c or 0, after.c or 0
    heads = c // HEAD if c % HEAD == 0 and c >= HEAD else 1
    same = before == after
    flat = tokens or not before.ext
    if same and tokens:
        if "attenti" in word or word.endswith(("attn", "mha")):
            yield from _attention(c, params, heads)
        for name, attentions in (("encoder", 1), ("decoder", 2)):
            attended = attentions * (4 * c * c + 6 * c) + 3 * c
            hidden = whole(params - attended, 2 * c + 1)
            if hidden and re.search(r"coder|transformer|block|layer", word):
                fields = {"num_heads": heads, "hidden": hidden}
                yield f"{name}_layer", _encoder(attentions), fields
    squeezed = re.match(r"se($|[^q])|squeeze|channelatt|eca", word) is not None
    for bias in (True, False):
        # A linear layer, or two of them.
        rest = params - bias * out
        hidden = whole(rest, c + out + bias)
        if before.ext and not flat and not squeezed:
            break
        if rest == c * out and not squeezed:
            yield _name("linear", bias), {"fc": _linear("=features", bias)}, {"features": out}
        if hidden and squeezed and before.ext:
            gate = {
                "pool": "GlobalAvgPool" if not tokens else {"op": "Mean", "dim": 1},
                "flat": "Flatten",
                "fc1": _linear("=hidden", bias),
                "fc2": _linear("=features", bias),
                "gate": {"op": "Reshape", "shape": ["=features", *(1 for _ in before.ext)]},
                "mul": {"op": "Mul", "from": ["input", "gate"]},
            }
            yield _name("squeeze_excitation", bias), gate, {"hidden": hidden, "features": out}
        elif hidden:
            body = {"fc1": _linear("=hidden", bias), "fc2": _linear("=features", bias)}
            yield _name("mlp", bias), body, {"hidden": hidden, "features": out}
    sizes, left = known(before.ext), known(after.ext)
    if not flat and sizes and left and len(sizes) == len(left):
        yield from convolved(word, c, out, params, len(sizes), _stride(sizes, left))


def _name(name: str, bias: bool) -> str:
    return name if bias else f"{name}_unbiased"


def _linear(width: str, bias: bool) -> Body:
    return {"op": "Linear", "out_features": width, **({} if bias else {"bias": False})}


def _attention(c: int, params: int, heads: int) -> Iterator[tuple[str, Body, Fields]]:
    """PyTorch's as wide as its input; Keras' of any width; Vision Transformers' without biases."""
    attention: Mapping[str, object] = {"op": "Attention", "num_heads": "=num_heads"}
    free = {"q_bias": False, "k_bias": False, "v_bias": False}
    fields: Fields = {"num_heads": heads}
    if params == 4 * c * c + 4 * c:
        own = {"op": "MultiheadAttention", "num_heads": "=num_heads"}
        yield "attention", {"attention": own}, fields
    elif params == 4 * c * c + c:
        yield "attention_half_biased", {"attention": {**attention, **free}}, fields
    elif params == 4 * c * c:
        yield "attention_unbiased", {"attention": {**attention, **free, "out_bias": False}}, fields
    elif width := whole(params - c, 4 * c + 3):
        heads = width // HEAD if width % HEAD == 0 else 1
        fields = {"num_heads": heads, "head_dim": width // heads}
        yield "attention", {"attention": {**attention, "head_dim": "=head_dim"}}, fields


def _encoder(attentions: int) -> Body:
    """A layer of a Transformer (arXiv:1706.03762), normalizations before; or of its decoder."""
    body: Body = {}
    last = "input"
    for k in range(1, attentions + 1):
        body[f"norm{k}"] = "LayerNorm" if k == 1 else {"op": "LayerNorm", "from": last}
        body[f"attention{k}"] = {"op": "MultiheadAttention", "num_heads": "=num_heads"}
        body[f"add{k}"] = {"op": "Add", "from": [f"attention{k}", last]}
        last = f"add{k}"
    k = attentions + 1
    body[f"norm{k}"] = "LayerNorm"
    body["fc1"] = {"op": "Linear", "out_features": "=hidden"}
    body["fc2"] = {"op": "Linear", "out_features": "=size(input, 2)"}
    body[f"add{k}"] = {"op": "Add", "from": ["fc2", last]}
    return body


def _stride(sizes: tuple[int, ...], left: tuple[int, ...]) -> int:
    return max(1, round(sizes[0] / left[0])) if left[0] else 1
