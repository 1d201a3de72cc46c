"""What a network takes, as a printed table says it or as its first row must have been given."""

from __future__ import annotations

from archcalc.claims.nested import MODULES
from archcalc.claims.spelled import RECURRENT, unpadded
from archcalc.claims.tables.evidence import Option, State, printed_state
from archcalc.claims.tables.paths import Reading as Found
from archcalc.claims.tables.sheet import Entry
from archcalc.claims.wiring import LENGTH, Wiring
from archcalc.errors import ArchcalcError


def given(net: Wiring, found: Found, names: dict[int, str]) -> str:
    """Begin with the network's inputs; what is to be said where one was worked out.

    ``names`` are the layers that give what rows give: rows of inputs are added to it.
    """
    rows = list(zip(net.sheet.entries, found.options, strict=True))
    several = sum(entry.kind == "input" for entry, _ in rows) > 1
    said = ""
    for entry, option in rows:
        if entry.kind == "input" and option is not None:
            name = net.named(entry) if several else net.free("input")
            names[entry.index] = name
            said = take(net, name, option.out) or said
    if not net.inputs:
        state, said = _first(net, found, *next((e, o) for e, o in rows if o is not None))
        said = take(net, net.free("input"), state) or said
    net.last = next(iter(net.inputs))
    return said


def take(net: Wiring, name: str, state: State) -> str:
    """Add an input."""
    if state.c is None or state.ext is None:
        raise ArchcalcError("nothing says what the network takes: no size is printed of it")
    net.states[name] = state
    if not state.ext:
        net.flat.add(name)
    first = next((e for e in net.sheet.layers if e.kind not in ("input", "same", "norm")), None)
    features = ("linear", "embedding", "reshape", "wrapper", "attention", *RECURRENT)
    if net.manages(state) and first is not None and first.kind in features:
        net.turned.add(name)
    net.inputs[name] = list(net.shape(name))
    if None in state.ext:
        return f"# None in the table: {LENGTH} stands for any"
    return ""


def _first(net: Wiring, found: Found, entry: Entry, option: Option) -> tuple[State, str]:
    """What the first row takes, with a comment where it was worked out."""
    inward = printed_state(entry, "in")
    taken = option.takes
    if net.sheet.given and taken.c is not None and taken.ext and None not in taken.ext:
        return taken, "# not in the table: what is said beside it, or of memory below, is taken"
    layer, out = option.layer, option.out.ext
    c = layer.cin if layer.cin is not None else inward.c
    if inward.ext is not None and None not in inward.ext and c is not None:
        return State(c, inward.ext), ""
    if layer.kind == "embedding" and out:
        rows = out[0] if net.manages(option.out) else option.out.c
        return State(rows or LENGTH, ()), ""
    if layer.kind in RECURRENT and c is not None:
        if net.sheet.channels_first and out and not net.manages(option.out):
            return State(option.out.c, (c,)), ""
        return State(c, out or (None,)), ""
    bare = entry.kind in MODULES and not entry.values.get("params")
    if (bare or entry.kind in ("pad", "crop", "reshape", "same")) and out and None not in out:
        takes = (o.layer.cin for o in found.options if o is not None and o.layer.cin)
        if c := option.out.c or next(takes, None):
            return State(c, out), "# not in the table: what the first row gives is taken"
    if c is None or out is None or None in out:
        raise ArchcalcError("nothing says what the network takes")
    if not out or layer.kernel is None:
        return State(c, out if layer.kind != "linear" else ()), ""
    steps = layer.strides or (layer.stride,) * len(out)
    if layer.kind == "deconv":
        pads = layer.pads or unpadded(layer)
        spread = zip(out, layer.kernel, steps, pads, strict=True)
        before = tuple(max(1, ((n or 1) - k + p) // step + 1) for n, k, step, p in spread)
        return State(c, before), "# not in the table: what the first row spreads is taken"
    before = tuple(
        _before(n or 1, k, step) for n, k, step in zip(out, layer.kernel, steps, strict=True)
    )
    return State(c, before), "# not in the table: the smallest that is usual is taken"


def _before(n: int, k: int, stride: int) -> int:
    """An extent that a first window leaves as n."""
    if stride > 1:
        return n * stride
    return n if k % 2 else n + k - 1
