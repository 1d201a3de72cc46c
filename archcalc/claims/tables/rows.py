"""One row of a printed table: what its cells say, by role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from archcalc.claims.printed import Printed
from archcalc.claims.tables.cells import (
    Window,
    count,
    natural,
    padding,
    shapes,
    weights_in,
    window,
    worked_out,
)
from archcalc.claims.tables.conventions import state_of
from archcalc.claims.tables.draft import CALL, PARTS, SHARE, Draft, Row, cell_of, place_of
from archcalc.claims.tables.evidence import slip
from archcalc.claims.tables.headers import NUMBERS, byte_power
from archcalc.claims.tables.kinds import GATES, SLIDING, WEIGHTED, Kind
from archcalc.claims.tables.lines import MEMORY, MULT_ADDS, TRAINED
from archcalc.claims.tables.modules import WIDTHS, pattern_of
from archcalc.claims.tables.sheet import AXES, TREES, Entry, Number, Unreadable
from archcalc.claims.tables.stacks import stack_of
from archcalc.claims.tables.words import said as words_of

_MAY_BE_NONE = frozenset(("pad", "out_pad", *WIDTHS))
_SYMBOL = re.compile(
    r"#?(n(b|um(ber)?)?[_ ]?)?(of )?(class(es)?|actions|outputs)|(\d+ ?[x×*] ?){2}[a-z]"
    r"|#?[A-Za-z]{1,2}'?|[A-Za-z]_\w{1,8}",
    re.IGNORECASE,
)
"""What stands for a number that every user has another of."""
_OPEN_SIDE = re.compile(r"\d+ ?[x×] ?[A-Za-z]")
"""A window as long as what it takes: ``1×n``."""
_PROJECTS = re.compile(r"(?i)project|\bhead\b|classif|dense|\bfc\b|\bmlp\b")
"""Names of what multiplies features, whatever kind of layer it is."""
_ACTIVATION = re.compile(r"\W*(soft-?max|sigmoid)\b", re.IGNORECASE)
_SAID = frozenset(("row", "remark", "layer", "op", "stage", "source", "bias", "worked"))


def entry_of(index: int, line: int, cells: Row, what: Kind, read: Draft) -> Entry:
    """A row as evidence; what can't be read of it is added to ``read.unreadable``."""
    name = cell_of(cells, "layer", read)
    if MEMORY.fullmatch(name):
        return _below(index, line, cells, name, read, "size")
    if trained := TRAINED.match(name):
        role = "untrainable" if trained[1] else "trainable"
        return _below(index, line, cells, name, read, role)
    if MULT_ADDS.fullmatch(name):
        return _below(index, line, cells, name, read, "mult_adds")
    values: dict[str, Number] = {}
    printed: dict[str, Printed] = {}
    flat: set[str] = set()
    powers: dict[str, int] = {}
    several = same_pad = False
    strides: tuple[int, ...] = ()
    if read.axes and what.axes is None and what.kind in SLIDING:
        what = what._replace(axes=read.axes)
    stack = stack_of(cells) if what.kind not in ("linear", "pool", "total", "separable") else None
    if stack is not None:
        what = what._replace(kind="module")
    filters = natural(cell_of(cells, "channels_out", read) or "x")

    def unread(role: str, what_: str) -> None:
        column = place_of(cells, role, read)
        text = cells[column]
        read.unreadable.append(Unreadable(index, column, f"'{text[:40]}' is no {what_}"))

    for role in read.columns:
        text = cell_of(cells, role, read)
        given = role in read.roles or role in read.worded or role.startswith(("ops", "mem"))
        if role in _SAID or not text or not given:
            continue
        if what.kind == "separable" and role in ("kernel", "stride", "pad"):
            text = re.split(r",\s+(?=[^)\]]*$)", text)[
                0
            ]  # of the two convolutions, the first has a window
        if what.kind == "total" and role not in NUMBERS and not role.startswith(("ops", "mem")):
            continue  # a word that stands beside the sum
        if text == "(recursive)":
            continue
        if role in NUMBERS or role.startswith("ops"):
            number = _count(text, read, read.columns[role])
            if number is None:
                unread(role, "number")
            elif 0 < number.value < 1 and what.kind == "same":
                continue  # a dropout's rate
            elif number.value >= 0:
                printed[role] = number
                values[role] = _whole(number.value)
        elif role.startswith("mem"):
            power = byte_power(read.grid.headers[read.columns[role]])
            held = re.fullmatch(r"~?([\d.,]+)\s*([kmgKMG]?)(?:i?[bB](?:ytes)?)?", text.strip())
            number = count(held[1]) if held else None
            if held is None or number is None:
                continue  # said in words
            printed[role], values[role] = number, _whole(number.value)
            powers[role] = "kmg".index(held[2].lower()) + 1 if held[2] else power
        elif role in PARTS:
            if read.dotted and re.fullmatch(r"\d{1,3}(?:\.\d{3})+", text):
                text = text.replace(".", "")
            if what.kind in (*SLIDING, "input", "same", "norm"):
                text = re.sub(r"(?<=\d)\s*=\s*\d[\d,]*(?: \w+)?$", "", text)  # numbers in all
            sizes = shapes(text)
            if sizes is None:
                # What the network takes may be said in words, a size by a letter.
                worded = what.kind == "input" and re.search(r"[A-Za-z]{4}", text)
                called = bool(what.kind) and text == cells[0] and CALL.fullmatch(text)
                if not worded and not called and not _SYMBOL.fullmatch(text):
                    unread(role, "size")
            elif sizes:
                several = several or len(sizes) > 1
                # What is no map has its channels last: ``[1, 7710, 1]``.
                last = what.kind == "input" and place_of(cells, role, read) in read.mapped
                drawn = replace(read, first=False) if last else read
                found, vector = state_of(sizes[0], what, role, drawn, filters)
                if what.kind == "tensor":
                    axes = ("d", "h", "w", "c")[-len(sizes[0].dims) :]
                    found = {
                        f"{role}_{axis}": n for axis, n in zip(axes, sizes[0].dims, strict=False)
                    }
                    vector = False
                if len(sizes) > 1 and role == "in" and what.kind in ("concat", "merge"):
                    more = [state_of(s, what, role, read, None)[0].get("in_c") for s in sizes]
                    found["in_c"] = sum(c for c in more if c is not None)
                if len(sizes) > 1 and what.kind in GATES and len(sizes[1].dims) == 3:
                    found["hidden"] = sizes[1].dims[-1]  # PyTorch's state
                values |= {key: value for key, value in found.items() if key not in values}
                flat |= {role} if vector else set()
        elif role == "channels":
            pair = re.fullmatch(r"(\d+)\s*(?:[/,>→x×-]+|to)\s*(\d+)", text.strip())
            if pair is None:
                unread(role, "pair of channels")
            else:
                values |= {"channels_in": int(pair[1]), "channels_out": int(pair[2])}
        elif (
            role == "kernel"
            and what.kind == "linear"
            and (turn := re.fullmatch(r"([\d,]+)\s*(?:->|→|=>)\s*([\d,]+)", text.strip()))
        ):
            values["kernel_in"] = int(turn[1].replace(",", ""))
            values["kernel_out"] = int(turn[2].replace(",", ""))
        elif (
            role == "kernel"
            and what.kind == "linear"
            and (pair := re.fullmatch(r"[\[(]?(\d+)\s*[x×,]\s*(\d+)[\])]?", text.strip()))
            and max(int(pair[1]), int(pair[2])) > 31
        ):
            values["kernel_in"], values["kernel_out"] = int(pair[1]), int(pair[2])
        elif role == "kernel" and what.kind == "linear" and text.strip().isdecimal():
            if values.get("channels_out", 1) == 1 and int(text) > 1:
                values["channels_out"] = int(text)  # neurons
        elif role == "kernel" and (
            units := re.fullmatch(r"([\d,]+) *\(?(?:neurons|units|nodes|classes|outputs)\)?", text)
        ):
            if read.columns.get("channels_out") == read.columns["kernel"]:
                values["channels_out"] = int(units[1].replace(",", ""))
        elif stack is not None and role in ("kernel", *read.worded):
            continue
        elif role == "kernel" and what.kind == "linear" and role in read.worded:
            continue  # what is flattened: FC1 (64x7x7 -> 128)
        elif role == "kernel":
            if turned := re.match(r"(\d+)\s*(?:->|→|=>)\s*(\d+)\s*[,;(]\s*(?=\d)", text):
                # What it takes and gives stands before its window.
                values.setdefault("channels_in", int(turned[1]))
                values.setdefault("channels_out", int(turned[2]))
                text = text[turned.end() :].rstrip(")")
            seen = window(text, what.axes, read.kernel_last)
            if seen is None and "kernel" in (words := words_of(text)):
                # ``32 filters, kernel=3, padding=same``
                seen = window(words["kernel"], what.axes, read.kernel_last)
                if (filters_ := words.get("channels_out")) and "channels_out" not in read.roles:
                    values.setdefault("channels_out", int(filters_))
                same_pad = same_pad or words.get("pad") == "same"
            if seen is None:
                if re.match(r"\s*[\[(]?\d", text) and not _OPEN_SIDE.fullmatch(text.strip()):
                    unread(role, "size of a kernel")
                continue
            values |= {
                k: v
                for k, v in _window(seen, what, read).items()
                if k not in values and (v or k == "pad")
            }
            if seen.strides:
                strides = seen.strides
                values |= _strided(strides)
        elif role == "pad":
            ends = padding(text)
            if re.fullmatch(r"\(\d+, ?\d+(, ?\d+)?\)", text) and natural(text) is None:
                continue  # other paddings for other axes: sizes are not printed beside them
            if ends is None:
                unread(role, "padding")
            elif ends == "same":
                same_pad = True
            else:
                values["pad"] = _whole(Fraction(ends))
        else:
            steps = re.fullmatch(r"[\[(]?(\d+)((?:\s*[x×,]\s*\d+){1,2})[\])]?", text.strip())
            if role == "stride" and steps and natural(text) is None:
                strides = tuple(map(int, re.findall(r"\d+", text)))
                values |= _strided(strides)
                continue
            if role == "dilation" and steps and natural(text) is None:
                continue  # another for each axis: sizes are not printed beside it
            whole = natural(text)
            decimal = count(text)
            if whole is None and decimal is not None and decimal.value.denominator == 1:
                whole = int(decimal.value)
            if role == "channels_out" and what.kind == "linear" and role in values:
                continue
            if whole or (whole is not None and role in _MAY_BE_NONE):
                values[role] = whole
            elif whole == 0:
                continue  # a layer that has none of it
            elif role in WIDTHS or re.match(r"\s*[\[(]?-?\d", text) or what.kind in WEIGHTED:
                # A dropout's rate stands where a convolution has its filters.
                rate = role == "channels_out" and what.kind in ("same", "input", "")
                if not rate and not _SYMBOL.fullmatch(text):
                    unread(role, "number")
    whole_vector = what.kind in ("flatten", "linear") and values.get("out_c", 1) != 1
    apart = what.kind in ("pool", "gpool") and values.get("out_c", 1) != 1
    if (what.kind in ("input", "same") or whole_vector or apart) and values.get(
        "channels_out"
    ) == 1:
        del values["channels_out"]  # one image, one such layer
    features = values.get("channels_in"), values.get("channels_out")
    if what.kind == "input" and values.get("params") and None not in features:
        what = what._replace(kind="linear")  # the layer that takes the input
    said = not what.kind and "channels_in" in read.worded and None not in features
    if said and "params" not in read.roles and _PROJECTS.search(name):
        what = what._replace(kind="linear")
    if said and (has := values.get("params")):
        whole = int(features[0] or 0) * int(features[1] or 0)
        if any(slip(has, whole + biases) for biases in (0, int(features[1] or 0))):
            what = what._replace(kind="linear")  # a projection, say
    if what.kind == "same" and values.get("params") and _ACTIVATION.match(what.word):
        what = what._replace(kind="linear")  # it stands for the layer before it, too
    if "out" in flat or (values.get("out_c") == 1 and what.kind in ("linear", "same", "flatten")):
        sides = [values[f"out_{a}"] for a in "hw" if f"out_{a}" in values]
        if len(sides) == 1 and values.get("out_c") == 1 and what.kind in ("linear", "flatten"):
            values["out_c"] = values.pop("out_h")  # a column: (120, 1)
            flat.add("out")
    how = cells[read.columns["worked"]] if "worked" in read.columns else ""
    worked = worked_out(how)
    if read.tensors and (inside := worked or weights_in(how)):
        # There may be as many biases, or what is normalized by.
        has, long = int(values.get("params", 0)), map(int, re.findall(r"\d+", how)[-3:])
        beside = any(has - inside in (n, 2 * n, 3 * n) for n in long)
        worked = has if beside or not has else inside
    if worked and what.kind != "total":
        values["worked"] = worked
        tensor = re.match(
            r"(?:b: ?\{[\d,]*\}, )?W: ?\{(\d+),(\d+),(\d+),(\d+)\}", cells[read.columns["worked"]]
        )
        if tensor and what.kind == "conv" and "kernel" not in read.columns:
            # DL4J's weights, if they are of as many channels as are said beside them.
            out, into, high, wide = map(int, tensor.groups())
            if (into, out) == (values.get("channels_in"), values.get("channels_out")):
                values["kernel_h"], values["kernel_w"] = high, wide
        if what.kind not in (*WEIGHTED, "norm") and worked == values.get("params"):
            what = what._replace(kind="")  # a branch with a pooling, say
    windowed = {"kernel_h", "stride", "pad"} <= values.keys() and "params" not in values
    titles = (name, cell_of(cells, "op", read))  # ``9 × ResBlock(512)``
    repeated = any(re.match(r"\W*\d+ ?[x×] ?[A-Za-z]", each) for each in titles)
    if what.kind == "module" and stack is None and windowed and not repeated:
        what = what._replace(kind="conv")  # one window is all that is said of the block
    if "params" not in read.roles and "frozen" in read.roles and "trained" in values:
        values["params"], printed["params"] = values["trained"], printed["trained"]
    padded = re.match(r"(?:\w*Pad(?:ding)?[123]?d)\((\d{1,2})\) \+ Conv", name)
    if padded and "pad" in values and what.kind == "conv":
        values["pad"] += int(padded[1])
    turns = windowed and {"channels_in", "channels_out"} <= values.keys()
    if not what.kind and turns and stack is None and not re.match(r"(?i)\W*(up|de)", name):
        what = what._replace(kind="conv")  # what has a window and changes channels
    if "params" not in read.roles and {"weights", "biases"} <= values.keys():
        both = int(values["weights"] + values["biases"])
        values["params"], printed["params"] = both, Printed.parse(both)
    stated = cell_of(cells, "bias", read).lower()
    if stated in ("true", "false") and what.kind in WEIGHTED:
        values["bias"] = int(stated == "true")
    pattern, widths = pattern_of(values), {}
    for own, places in read.patterns:
        known = {width: natural(cells[at]) for width, at in places.items()}
        if re.search(own.words, f"{name} {what.word}", re.IGNORECASE) and all(known.values()):
            pattern, widths = own, {width: side for width, side in known.items() if side}
            what = what._replace(kind="module")
    if (
        pattern is None
        and not what.kind
        and values.get("params")
        and ("channels_out" in values or "out_c" in values)
    ) or (not what.kind and "kernel_out" in values):
        what = what._replace(kind="layer")
    if not name and "layer" in read.columns and what.kind == "layer":
        read.unreadable.append(Unreadable(index, read.columns["layer"], "the layer has no name"))
    depths = read.grid.depths
    container = bool(depths) and index + 1 < len(depths) and depths[index + 1] > depths[index]
    if container and read.grid.form == "fvcore" and name != "model":
        container = read.grid.rows[index + 1].cells[0].startswith(f"{name}.")
    numbered = read.tree
    source = cell_of(cells, "source", read)
    sources = _sources(source)
    joins = _joins(cell_of(cells, "out", read), what, values)
    beyond = tuple(int(n) > 0 for n in re.findall(r"\w\[\d+\]\[(\d+)\]", source))
    return Entry(
        index,
        line,
        cells,
        what,
        name,
        cell_of(cells, "stage", read),
        sources,
        values,
        printed,
        frozenset(flat),
        depths[index] if depths else 0,
        container
        and what.kind not in ("total", "gap")
        and (numbered or read.grid.form in TREES or what.kind not in SLIDING),
        pattern,
        widths,
        several,
        same_pad,
        strides,
        _columns(cells, read),
        frozenset(
            role for role, number in printed.items() if number.step <= 1 == number.value.denominator
        ),
        stack,
        powers,
        beyond=beyond if any(beyond) else (),
        windows=_windows(cells, read),
        joins=joins,
    )


def _joins(text: str, what: Kind, values: dict[str, Number]) -> int:
    """The channels that a row joins to those that it says that its layer gives."""
    terms = re.search(r"(?<!\d)(\d{1,6}) ?\+ ?(\d{1,6})(?! ?\+|\d)", text)
    own, out = values.get("channels_out"), values.get("out_c")
    if not terms or what.kind not in WEIGHTED or own in (None, out):
        return 0
    first, second = map(int, terms.groups())
    if out != first + second:
        return 0
    values["out_c"] = first
    return second


def _windows(cells: Row, read: Draft) -> int:
    """How many windows of each sample stand in the place of the batch."""
    sizes = shapes(cell_of(cells, "out", read)) if read.batched else None
    if not sizes or not sizes[0].bracketed or sizes[0].batched or len(sizes[0].dims) < 2:
        return 1
    times, rest = divmod(sizes[0].dims[0], read.batch)
    return 1 if rest else max(1, times)


def _columns(cells: Row, read: Draft) -> Mapping[str, int]:
    """The place of each role's cell in one row."""
    moved = {role: place_of(cells, role, read) for role in read.others}
    if moved == {role: read.columns[role] for role in moved}:
        return read.columns
    parts = {f"{role}_{a}": moved[role] for role in PARTS if role in moved for a in PARTS[role]}
    return {**read.columns, **moved, **parts}


def _below(index: int, line: int, cells: Row, name: str, read: Draft, role: str) -> Entry:
    """What stands below a table of the memory that it takes, or of its work."""
    at = read.columns.get("params", 0)
    at = next((k for k in (at, *range(1, len(cells))) if count(cells[k])), at)
    size = count(cells[at])
    printed = {} if size is None else {role: size}
    values = {each: _whole(number.value) for each, number in printed.items()}
    total = Kind("total", word=name)
    return Entry(index, line, cells, total, name, "", (), values, printed, columns={role: at})


def _strided(strides: tuple[int, ...]) -> dict[str, Number]:
    """Strides that differ, each under its axis."""
    return {f"stride_{a}": n for a, n in zip(AXES[len(strides)], strides, strict=True)}


def _window(seen: Window, what: Kind, read: Draft) -> dict[str, Number]:
    """A kernel's cell under its roles."""
    kernel = seen.kernel
    axes = what.axes or (len(kernel) if len(kernel) > 1 else 2)
    if len(kernel) == 1:
        kernel = kernel * axes
    found: dict[str, Number] = {
        f"kernel_{axis}": side
        for axis, side in zip(AXES.get(len(kernel), ""), kernel, strict=False)
    }
    for role in ("stride", "pad", "dilation", "groups"):
        if (number := getattr(seen, role)) is not None:
            found[role] = number
    if what.kind == "pool" and seen.weights == (1,):
        return found  # one channel at a time
    if len(seen.weights) == 1:
        found["kernel_out" if read.filters > 0 else "kernel_in"] = seen.weights[0]
    elif len(seen.weights) == 2:
        sides = seen.weights[::-1] if read.kernel_turned else seen.weights
        found["kernel_out"], found["kernel_in"] = sides
    if seen.out is not None:
        found["kernel_out"] = seen.out
    return found


def _count(text: str, read: Draft, column: int) -> Printed | None:
    """A count under its column's unit."""
    share = SHARE.fullmatch(text)
    if share and (whole := read.wholes.get(column)):
        part = Printed.parse(share[1])
        scale = whole.value / 100
        return replace(
            part,
            text=text,
            value=part.value * scale,
            step=part.step * scale,
            suffix=" %",
            scale=scale,
        )
    dotted = read.dotted and column == read.columns.get("params")
    plain = text.replace(".", "") if dotted else text
    suffix = read.units.get(column, "")
    if suffix and re.fullmatch(r"\s*[\d.,]+\s*(bf|g|m|k)?\s*", plain, re.IGNORECASE):
        plain = re.sub(r"[^\d.,]", "", plain) + suffix
    found = count(plain)
    if found is not None and column in read.rounded and found.value:
        return replace(found, step=Fraction(1000))
    return found


def _sources(text: str) -> tuple[str, ...]:
    """The names of the rows that an input comes from: ``conv1[0][0]; conv2[0][0]``."""
    if "'" in text:
        # Keras from 2.9 on prints a list: ['conv1d[0][0]', 'conv1d_1[0][0]'].
        return tuple(re.findall(r"'([\w./:-]+)", text))
    if listed := re.fullmatch(r"\[([^\[\]]*[A-Za-z0-9][^\[\]]*)\]", text.strip()):
        text = listed[1]  # DL4J prints a list of bare names
    split = r"[,;+&]|\s+" if "[" in text else r"[,;+&]|\s{2,}|(?<=…)\s+"
    words = re.split(split, re.sub(r"\[(\d+|…)(?:\]|(?=\s|$))|\[\d*…?", "", text))
    return tuple(filter(None, (word.strip() for word in words)))


def _whole(value: Fraction) -> Number:
    return value.numerator if value.denominator == 1 else value
