"""Readings of rows that slide no window and multiply no matrix of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

from archcalc.claims.tables.evidence import (
    MISPRINT,
    UNKNOWN,
    Extents,
    Hints,
    Manner,
    Option,
    State,
    called_by_class,
    extents,
    filled,
    known,
    one_option,
    printed_state,
    slip,
    unnumbered,
)
from archcalc.claims.tables.fitting import croppable
from archcalc.claims.tables.kinds import compact
from archcalc.claims.tables.patterned import read_module
from archcalc.claims.tables.sheet import Entry, Number
from archcalc.claims.tables.stacks import read_stack
from archcalc.claims.tables.ultralytics import known_module, read_known
from archcalc.claims.tables.work import Layer


def read_same(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a row that changes no size."""
    printed = printed_state(entry, "out")
    start = filled(state, printed_state(entry, "in"))
    start = filled(start, printed)
    layer = Layer(entry.kind, start.c, start.c)
    price = 0.0
    if start.ext and printed.ext == () and start.flat == printed.c:
        yield one_option(entry, start, State(start.flat, ()), 0.3, layer, **_none(entry))
    if printed.c == 1 and re.match(r"norm\b", entry.what.word.lower()) and start.c != 1:
        # What a vector's length is.
        yield one_option(entry, start, State(1, start.ext), 0.5, layer, **_none(entry))
    written = "params" not in entry.columns
    if (
        written
        and printed.c not in (None, start.c)
        and re.search("softmax|output", entry.what.word.lower())
    ):
        # It stands for the layer before it, too.
        yield one_option(entry, start, State(printed.c, start.ext), 3.0, layer)
    for params, extra in _own(entry, start, manner):
        counts = {"params": params}
        if entry.kind == "norm" and "frozen" in entry.values and params:
            counts["frozen"] = params if entry.values["frozen"] else 0
        yield one_option(
            entry, start, start, price + extra, layer._replace(params=params), **counts
        )


def _none(entry: Entry) -> dict[str, int]:
    return {"params": 0, "frozen": 0} if "frozen" in entry.values else {"params": 0}


def _own(entry: Entry, state: State, manner: Manner) -> Iterator[tuple[int | None, float]]:
    """Parameters that a layer which changes no size may have, with prices."""
    if entry.kind == "same":
        yield 0, 0.0
        return
    c, printed = state.c, entry.values.get("params")
    if c is None:
        # Its numbers are two for each channel, however many these are.
        odd = entry.kind == "norm" and "params" in entry.exact and printed and printed % 2
        yield (int(printed) - 1 if odd and printed else None), 0.0
        return
    if entry.kind == "prelu":
        yield c, 0.0
        yield 1, 0.0
        if state.flat is not None:
            yield state.flat, 0.0
            if state.ext and None not in state.ext:
                yield from ((c * n, 1.0) for n in state.ext if n is not None)
        return
    width = c
    if manner.first and state.ext and entry.what.axes is None and _layered(entry):
        width = state.ext[-1] or c  # PyTorch's LayerNorm is over the last axes
    trained = "frozen" in entry.values
    usual = None if _layered(entry) else manner.norm
    if printed == 2 * width + 1 and width <= 4:
        yield 2 * width + 1, 1.0  # of the data: means, variances and how many were seen
    for times in (2, 4, 0, 1, 3):
        if times == 4 and (trained or _unlearned(entry)):
            continue
        if usual is None:
            price = (0.0, 1.5, 0.0, 2.5, 0.0)[times] if times else 1.0
        else:
            price = 0.0 if times == usual else 4.0
        yield times * width, price
        if width != c and times == 2:
            yield times * c, 0.5
    if state.flat is not None and _layered(entry) and printed == 2 * state.flat:
        yield 2 * state.flat, 0.5


def _unlearned(entry: Entry) -> bool:
    """Whether a normalization keeps no statistics, as it takes them of what it is given."""
    return bool(re.search("(layer|group|rms)norm", compact(entry.what.word)))


def _layered(entry: Entry) -> bool:
    return "layer" in entry.what.word.lower()


def read_flatten(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a row that flattens."""
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    layer = Layer("flatten", state.c, state.flat, params=0)
    out = State(state.flat if state.flat is not None else printed.c, ())
    if out.c is None and state.c is not None:
        out = out._replace(of=state.c)
    if printed.ext and state.flat is not None and printed.flat == state.flat and state != printed:
        # All axes but the channels' may be made one.
        yield one_option(entry, state, printed, 0.2, layer._replace(cout=printed.c), params=0)
    yield one_option(entry, state, out, 0.0, layer, params=0)
    if state.flat is None and printed.c:
        for c in hints.needs:
            yield one_option(entry, state, State(c, ()), 0.3, layer._replace(cout=c), params=0)
    if printed.c and state.flat and printed.c > state.flat and hints.after.c == printed.c:
        note = f"{printed.c - state.flat} more that {entry.name} joins stand in no row"
        yield one_option(entry, state, printed, 5.0, layer, note, params=0)


def read_reshape(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a row that arranges numbers anew."""
    state = filled(state, printed_state(entry, "in"))
    out = printed_state(entry, "out")
    layer = Layer("reshape", state.c, out.c, params=0)
    if out == UNKNOWN:
        yield one_option(entry, state, UNKNOWN, 0.0, layer, params=0)
        return
    numbers = out.flat, state.flat
    if None in numbers or numbers[0] == numbers[1]:
        yield one_option(entry, state, out, 0.0, layer, params=0)
        return
    # A vector that is repeated, or a size that no numbers make: what a slip makes is neither.
    goes_on = hints.after == out
    repeated = numbers[1] and numbers[0] and numbers[0] % numbers[1] == 0
    repeated = repeated and (goes_on or hints.after == UNKNOWN)
    repeated = repeated and (not state.ext or "repeat" in entry.what.word.lower())
    odd = MISPRINT - 1 if out.ext and goes_on else MISPRINT + 1
    yield one_option(entry, state, out, 4.0 if repeated else odd, layer, params=0)
    if out.ext == () and state.flat:
        yield one_option(entry, state, State(state.flat, ()), 0.0, layer, params=0)
    if out.c and out.ext and state.flat:
        for k, _ in enumerate(out.ext):
            rest = out.c * prod(n or 1 for j, n in enumerate(out.ext) if j != k)
            if state.flat % rest == 0:
                ext = tuple(state.flat // rest if j == k else n for j, n in enumerate(out.ext))
                yield one_option(entry, state, State(out.c, ext), 0.0, layer, params=0)
        area = prod(n or 1 for n in out.ext)
        if state.flat % area == 0:
            right = State(state.flat // area, out.ext)
            yield one_option(entry, state, right, 0.0, layer, params=0)


def read_input(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of the network's input."""
    out = filled(printed_state(entry, "out"), printed_state(entry, "in"))
    layer = Layer("input", out.c, out.c, params=0)
    yield one_option(entry, out, out, 0.0, layer, params=0)
    after = hints.after
    others = [State(out.c, after.ext)] if after.ext else []
    others += [State(c, out.ext) for c in (after.c, *hints.needs[:2], 1, 3) if c]
    if out.ext and len(out.ext) > 1:
        others += [State(out.c, (*out.ext[:-2], n, n)) for n in out.ext[-2:]]
    for other in others:
        if other != out:
            odd = 0.3 * bool(other.c and other.c > 8 and other.c % 2)
            yield one_option(entry, other, other, odd, layer, params=0)


def read_add(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of an elementwise sum."""
    start = filled(state, printed_state(entry, "out"))
    yield one_option(entry, start, start, 0.0, Layer("add", start.c, start.c, params=0), params=0)


CROPPED = 4.0
"""The price of a crop before what is joined."""


def read_concat(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The driver joins what flows in; here it only passes."""
    start = filled(state, printed_state(entry, "out"))
    for c in dict.fromkeys((start.c, *(hints.needs if state.c is None else ()))):
        made = start._replace(c=c)
        option = one_option(entry, made, made, 0.0, Layer("concat", c, c, params=0), params=0)
        for role in ("in_c", "channels_in"):
            if c is not None and entry.values.get(role, c) < c:
                option.expected.pop(role, None)  # of one of what it joins
        yield option
    printed = printed_state(entry, "out")
    row = len(known(state.ext) or ()) == len(known(printed.ext) or ()) == 1
    if row and printed.c == state.c and 0 < extents(printed) - extents(state) < 3:
        yield one_option(entry, state, printed, 0.5, Layer("concat", params=0))  # a token
    if state.c is None and manner.program == "pytorch" and croppable(state, printed):
        note = f"what row {entry.number} joins is cropped, which is not in the table"
        layer = Layer("concat", printed.c, printed.c, params=0)
        yield one_option(entry, state, printed, CROPPED, layer, note)


def read_pad(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a padding or a cropping."""
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    layer = Layer(entry.kind, state.c, state.c, params=0)
    ext = state.ext
    seen = set()
    if printed.c and state.c and printed.c > state.c and entry.kind == "pad":
        # Channels may be padded, too: a shortcut without weights.
        price = MISPRINT + 1 if hints.after.c == state.c else 1.0
        yield one_option(entry, state, filled(State(printed.c, None), printed), price, layer)
    if printed.ext is not None and ext is not None and len(ext) == len(printed.ext):
        grows = [(m or 0) - (n or 0) for n, m in zip(ext, printed.ext, strict=True)]
        right = all(g >= 0 for g in grows) if entry.kind == "pad" else all(g <= 0 for g in grows)
        price = 0.0 if right and max(map(abs, grows), default=0) <= 8 else 3.0 if right else 9.0
        price += 0.5 * (len(set(grows)) > 1 or any(g % 2 for g in grows))
        seen.add(printed.ext)
        yield one_option(entry, state, State(state.c, printed.ext), price, layer, params=0)
    elif ext is None or None in ext:
        yield one_option(entry, state, State(state.c, printed.ext or ext), 0.0, layer, params=0)
    if ext is not None and None not in ext:
        for by in (1, 2, 4, 6):
            sign = 1 if entry.kind == "pad" else -1
            out = tuple(max(1, (n or 0) + sign * by) for n in ext)
            if out not in seen:
                yield one_option(entry, state, State(state.c, out), 0.5, layer, params=0)


def read_upsample(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of an upsampling."""
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    layer = Layer("upsample", state.c, state.c, params=0)
    if entry.kind == "shuffle" or state.ext is None or None in state.ext:
        kept = State(None if entry.kind == "shuffle" else state.c, None)
        yield one_option(entry, state, filled(kept, printed), 0.0, layer, params=0)
        return
    for times in (2, 4, 8, 3, 16, 32):
        out = tuple((n or 0) * times for n in state.ext)
        price = 0.0 if times == 2 else 0.6 if out == printed.ext else 2.0
        yield one_option(entry, state, State(state.c, out), price, layer, params=0)
    if printed.ext is not None and len(printed.ext) == len(state.ext):
        # The sides of a square grow alike.
        uneven = len(set(state.ext)) == 1 < len(set(printed.ext))
        price = MISPRINT + 1 if uneven or hints.after.ext not in (None, printed.ext) else 5.0
        yield one_option(entry, state, State(state.c, printed.ext), price, layer, params=0)


def read_gpool(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a pooling over everything."""
    state = filled(state, printed_state(entry, "in"))
    printed = printed_state(entry, "out")
    c = state.c if state.c is not None else printed.c
    layer = Layer("gpool", c, c, params=0)
    if printed.ext and any(n != 1 for n in printed.ext) and "adaptive" in entry.what.word.lower():
        yield one_option(entry, state, State(c, printed.ext), 0.0, layer, params=0)
    yield one_option(entry, state, State(c, ()), 0.0, layer, params=0)


def read_tensor(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a row that is a tensor of weights and no layer."""
    values = entry.values
    axes = [role for role in ("out_d", "out_h", "out_w", "out_c") if role in values]
    dims = {role: int(values[role]) for role in axes}
    params = values.get("params")
    shapes = [(dims, 0.0)]
    for role in axes:
        rest = prod(n for each, n in dims.items() if each != role)
        if isinstance(params, int) and params and params % rest == 0:
            shapes.append(({**dims, role: params // rest}, 0.2))
    if entry.name.endswith("bias") and state.ext is not None and len(axes) == 1:
        known = {n for n in (state.c, *state.ext) if n is not None}
        if dims[axes[0]] not in known and state.c:
            shapes = [({axes[0]: n}, 0.1) for n in known]
    for shape, price in shapes:
        size = list(shape.values())
        made = State(size[-1] if size else None, tuple(size[:-1]))
        layer = Layer("tensor", params=prod(size))
        option = one_option(entry, UNKNOWN, made, price, layer, params=prod(size) if size else None)
        option.expected = {**shape, **({"params": prod(size)} if size else {})}
        yield option


def read_embedding(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of an embedding."""
    printed = printed_state(entry, "out")
    c = printed.c
    params = entry.values.get("params")
    last = manner.first and bool(printed.ext)
    if printed.ext and len(printed.ext) > 1 and c and printed.ext[-1] and params:
        # Of pairs of positions, whose features stand last even where tables have channels first.
        last = last or params % c > 0 == params % printed.ext[-1]
    if last and printed.ext:
        c = printed.ext[-1]
    layer = Layer("embedding", None, c)
    if c and isinstance(params, int):
        after = None if last else hints.after.c
        for width in dict.fromkeys((c, after or c, *hints.needs)):
            if width and params % width == 0:
                out = State(width, printed.ext)
                if last and printed.ext:
                    out = State(printed.c, (*printed.ext[:-1], width))
                yield one_option(entry, state, out, 0.0, layer, params=params)
        nearest = round(params / c) * c
        yield one_option(entry, state, printed, 0.1, layer, params=nearest)
        return
    yield one_option(entry, state, printed, 0.0, layer)


_CUTTING = r"slice|split|chunk|getitem|narrow|select|gather|lambda|attention|unbind|roll"
"""Words of what may give any size of what it takes."""
_PARTED = r"(slic|split|chunk|unbind|narrow|getitem)"
"""Words of what gives no more than it takes."""
_PIECES = frozenset(("split", "chunk"))
"""Those of what gives less."""


def read_block(entry: Entry, state: State, manner: Manner, hints: Hints) -> Iterator[Option]:
    """The readings of a row that is a module, or of which no word says the kind.

    What it is made of is not known, only that few things are usual: a module keeps extents, divides
    them by its stride, doubles them, or takes them all together.
    """
    if known_module(entry):
        yield from read_known(entry, state, manner, hints)
        return
    if entry.pattern is not None:
        yield from read_module(entry, state, manner, hints)
        return
    if entry.stack is not None:
        yield from read_stack(entry, state, manner, hints)
        return
    if not entry.values and not entry.kind and _heads(entry):
        yield one_option(entry, state, state, 0.0, Layer("unknown", state.c, state.c))
        return
    state = filled(state, printed_state(entry, "in"))
    if unnumbered(entry) in manner.keeping and known(state.ext) is not None:
        layer = Layer(entry.kind, state.c, state.c)
        yield one_option(entry, state, state, 0.0, layer)
        return
    printed, after = printed_state(entry, "out"), hints.after
    widths: dict[int | None, float] = {
        c: price for c, price in ((after.c, 0.3), (printed.c, 0.0)) if c is not None
    }
    widths |= {c: 0.3 for c in hints.needs if c not in widths}
    layer = Layer("module" if entry.kind == "module" else entry.kind or "unknown", state.c)
    if "out" in entry.flat or not state.ext or None in state.ext:
        ext = printed.ext if printed.ext is not None else () if entry.flat else state.ext
        if printed == UNKNOWN and entry.values and not entry.kind:
            ext = None
        for c, price in widths.items() or ((None, 0.0),):
            yield one_option(entry, state, State(c, ext), price, layer._replace(cout=c))
        return
    up = bool(re.search("up|deconv|transpose|decod", f"{entry.name} {entry.what.word}".lower()))
    sizes = _resized(state.ext, entry.values.get("stride"), printed.ext, after.ext, up)
    if printed.c is None and not widths:
        widths = {state.c: 0.0} if entry.kind == "module" else {None: 0.0}
    parted = re.match(_PARTED, entry.what.word.lower())
    if parted and parted[1] in _PIECES and state.c:
        widths |= {
            state.c // k: 0.3 for k in (2, 3) if state.c % k == 0 and state.c // k not in widths
        }
    cuts = re.search(_CUTTING, f"{entry.what.word} {entry.name}".lower())
    unknown = entry.kind in ("", "attention") and called_by_class(entry)
    sizes_ = {printed.c, *(printed.ext or ())}
    pairs = entry.kind == "attention" and len(sizes_) < 3 and sizes_ <= {state.c, *state.ext}
    # Nothing of what the row above gives, or all but the last axis, which holds features.
    other = not sizes_ & {state.c, *state.ext}
    features = (printed.c, *(printed.ext or ())[:-1]) == (state.c, *state.ext[:-1])
    if features and printed.ext:
        other = other or not slip(printed.ext[-1] or 0, state.ext[-1] or 0)
    if unknown and printed.c and printed.ext and (len(printed.ext) > 2 or pairs or other):
        # Attention's scores have another shape than what they are of: none is to be accused of.
        yield one_option(entry, state, printed, 4.0, layer._replace(cout=printed.c))
    if unknown and printed.c is not None and len(printed.ext or ()) != len(state.ext):
        yield one_option(entry, state, printed, 3.0, layer._replace(cout=printed.c))
    if cuts and printed.ext is not None and None not in printed.ext:
        dear = (MISPRINT + 1) * bool(parted and _more(parted[1], state, printed))
        yield one_option(entry, state, printed, 0.5 + dear, layer._replace(cout=printed.c))
    for (ext, stride), cost in sizes.items():
        for c, price in widths.items():
            made = State(c, ext)
            dear = (MISPRINT + 1) * bool(parted and _more(parted[1], state, made))
            yield one_option(
                entry, state, made, price + cost + dear, layer._replace(cout=c), stride=stride
            )


def _more(word: str, taken: State, made: State) -> bool:
    """Whether what gives a part gives more than it takes along an axis, or a piece is all of it."""
    whole, part = (taken.c, *(taken.ext or ())), (made.c, *(made.ext or ()))
    if len(whole) != len(part) or None in whole or None in part:
        return False
    larger = any((m or 0) > (n or 0) for n, m in zip(whole, part, strict=True))
    return larger or (word in _PIECES and whole == part)


def _heads(entry: Entry) -> bool:
    """Whether a row only says what the rows below it are: ``Middle flow``."""
    said = [cell for cell in entry.cells if cell]
    return len(said) == 1 and bool(re.match(r"[A-Za-z]", said[0])) and "..." not in said[0]


def _resized(
    ext: Extents,
    stride: Number | None,
    printed: Extents | None,
    after: Extents | None,
    up: bool,
) -> dict[tuple[Extents, Number | None], float]:
    """Extents that a module may leave of ``ext``, each with the stride that it then has."""
    whole = [n or 0 for n in ext]
    usual: dict[tuple[Extents, Number | None], float] = {}

    def add(out: Extents, step: Number | None, price: float) -> None:
        if min((n or 0 for n in out), default=1) > 0:
            usual[out, step] = min(price, usual.get((out, step), 99.0))

    for k, price in ((1, 0.0), (2, 0.5), (4, 1.5), (8, 3.0)):
        cost = price if stride in (None, k) else 0.3
        step = None if stride is None else k
        add(tuple(-(-n // k) for n in whole), step, cost)
        add(tuple(n // k for n in whole), step, cost + 0.2)
        if len(ext) == 3 and stride is None and k > 1:
            # Where a scan has few slices their number is kept.
            add((whole[0], *(-(-n // k) for n in whole[1:])), None, cost + 0.2)
            add((whole[0], *(n // k for n in whole[1:])), None, cost + 0.3)
    if stride and stride > 1:
        add(tuple(-(-n // int(stride)) for n in whole), stride, 0.0)
    if stride in (None, 1):
        add(tuple(n - 4 for n in whole), stride, 2.5)  # two 3x3s that pad nothing
    for k, price in ((2, 1.0), (4, 2.0)):
        # Something that transposes its stride may print it.
        add(tuple(n * k for n in whole), stride, price + 5.0 * (stride is not None and not up))
    add((), stride, 1.5)
    for given in (printed, after):
        if given is not None and None not in given and len(given) == len(ext):
            if all(m == 1 for m in given):
                add(given, stride, 1.0)
            grows = any((m or 0) > n for n, m in zip(whole, given, strict=True))
            bent = len(whole) > 1 and len(set(whole[-2:])) == 1 < len(set(given[-2:]))
            alone = given == printed and after == tuple(whole)
            dear = stride or alone or (bent and grows)
            add(given, stride, MISPRINT + 2 if dear else 8.0 if grows else 6.0)
            for n in given[-2:] if bent else ():
                add((*given[:-2], n, n), stride, 5.7)
    return usual
