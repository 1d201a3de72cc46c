"""What layer a printed row may be: every reading of its cells, given what flows into it.

A reading is a layer (kernel, stride, padding, groups, biases) with what it gives, what each cell
should then say, and a price for what is unusual about it. Cells that say otherwise are misprints
under that reading; :mod:`archcalc.claims.tables.search` finds which readings cost least in all.
Parameters are evidence for the kernel as much as the kernel is for parameters: whichever is printed
gives candidates for the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from archcalc.claims.tables.convs import read_conv
from archcalc.claims.tables.evidence import (
    DEAR,
    MISPRINT,
    UNKNOWN,
    Hints,
    Manner,
    Option,
    State,
    authors_class,
    called_by_class,
    known,
    one_option,
    spread,
    weigh,
)
from archcalc.claims.tables.kinds import SAME, WEIGHTED
from archcalc.claims.tables.linear import read_linear
from archcalc.claims.tables.plain import (
    read_add,
    read_block,
    read_concat,
    read_embedding,
    read_flatten,
    read_gpool,
    read_input,
    read_pad,
    read_reshape,
    read_same,
    read_tensor,
    read_upsample,
)
from archcalc.claims.tables.recurrent import read_convlstm, read_recurrent, read_wrapper
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.tables.windows import read_pool
from archcalc.claims.tables.work import Layer

BENT = MISPRINT + 2
"""The price of a square that becomes none."""
OWN, NEVER = 5.0, 1.0
"""The price of reading a class as a module whose name says that it is an operator, and the same
where no row of the class is one."""


def options(entry: Entry, state: State, manner: Manner, hints: Hints) -> tuple[list[Option], int]:
    """The readings of a row that takes ``state``, the cheapest first, and how many were made."""
    made = list(_READERS.get(entry.kind, read_block)(entry, state, manner, hints))
    if entry.kind == "layer":
        # What no word says the kind of may be a module; a program's class most likely is one.
        for option in read_block(entry, state, manner, hints):
            convolves = "kernel_h" in entry.values
            ends = re.search(r"(?i)^\W*(output|logits?|输出)", entry.name)
            dear = MISPRINT + 2
            option.price += 1.0 if called_by_class(entry) else dear if convolves or ends else 6.0
            made.append(option)
    elif _empty(entry):
        # A class of which the name says so, without weights beside those of its rows.
        for option in read_block(entry, state, manner, hints):
            option.layer = option.layer._replace(kind="module")
            option.price += 0.5
            made.append(option)
    elif (called := authors_class(entry)) and entry.values.get("params"):
        # FireDeconv may be anything, but where other rows of the class are what it says.
        told = manner.plainly.get(called)
        price = OWN if told is None else MISPRINT + 2 if told else NEVER
        for option in read_block(entry, state, manner, hints):
            option.layer = option.layer._replace(kind="module")
            option.price += price
            made.append(option)
    made += [each for option in made for each in _squared(entry, state, option)]
    for option in made:
        weigh(entry, option, manner)
        if entry.joins and option.out.c is not None:
            option.out = State(option.out.c + entry.joins, option.out.ext)
    made.sort(key=lambda each: each.cost - 0.6 * (each.out.ext == hints.after.ext))
    best: dict[tuple[State, tuple[str, ...]], Option] = {}
    ways: dict[State, int] = {}
    for option in made:
        key = option.out, option.wrong
        if key in best or option.cost > made[0].cost + DEAR:
            continue
        many = ways.get(option.out, 0)
        if many < 3 and (many or len(ways) < 6):
            ways[option.out] = many + 1
            best[key] = option
    return list(best.values()), len(made)


def _squared(entry: Entry, state: State, option: Option) -> Iterator[Option]:
    """The readings in which a row that bends a square is misprinted; that one becomes dear.

    No window that is a square itself does so.
    """
    taken, given, layer = known(state.ext) or (), known(option.out.ext) or (), option.layer
    if layer.kind == "deconv" and state.ext == ():
        taken = (1, 1)
    bent = len(taken) == len(given) == 2 and len(set(taken)) == 1 < len(set(given))
    plain = (
        len(set(layer.kernel or ())) < 2 and not layer.strides and "kernel_h" not in entry.values
    )
    if not bent or not plain or layer.kind not in ("module", "conv", "deconv", "pad"):
        return
    if 1 in taken and layer.kind != "deconv":
        return
    for n in given:
        out = State(option.out.c, (n, n))
        said = {**option.expected, **spread("out", out, entry)}
        yield replace(option, out=out, expected=said)
    option.price += BENT


def _read_gap(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """Rows that are left out may give anything."""
    yield one_option(entry, UNKNOWN, UNKNOWN, 0.0, Layer("gap"))


def _empty(entry: Entry) -> bool:
    """Whether a row is a program's class that is an operator by its name, but has no weights."""
    weighted = entry.kind == "conv" or (entry.kind in WEIGHTED and bool(authors_class(entry)))
    return weighted and entry.values.get("params") == 0 and called_by_class(entry)


_READERS = {
    "gap": _read_gap,
    **dict.fromkeys(SAME, read_same),
    **dict.fromkeys(("conv", "deconv", "depthwise", "separable", "layer"), read_conv),
    "convlstm": read_convlstm,
    **dict.fromkeys(("lstm", "gru", "rnn"), read_recurrent),
    **dict.fromkeys(("pad", "crop"), read_pad),
    **dict.fromkeys(("upsample", "shuffle"), read_upsample),
    **dict.fromkeys(("add", "yolo"), read_add),
    **dict.fromkeys(("concat", "merge"), read_concat),
    "flatten": read_flatten,
    "reshape": read_reshape,
    "input": read_input,
    "gpool": read_gpool,
    "pool": read_pool,
    "linear": read_linear,
    "embedding": read_embedding,
    "wrapper": read_wrapper,
    "tensor": read_tensor,
}
