"""How a whole table writes sizes: its batch, which axis holds channels, what two numbers are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from archcalc.claims.tables.cells import Shape, count, natural, shapes, window
from archcalc.claims.tables.draft import Draft, Row, cell_of
from archcalc.claims.tables.kinds import SLIDING, WEIGHTED, Kind
from archcalc.claims.tables.sheet import AXES, Number

ONES = 0.1
"""What two sides of one say of the order of axes: one of them may be the channels of an image."""


def _together(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether two axes change by about the same factor."""
    a, b = after[0] * before[1], after[1] * before[0]
    return after[0] != before[0] and after[1] != before[1] and 10 * abs(a - b) < max(a, b)


def settle(read: Draft, rows: Sequence[Row], kinds: Sequence[Kind]) -> None:
    """Whether there is a batch, which axis holds channels: decided by all rows at once."""
    found: list[tuple[Shape, Kind]] = []
    for role in ("in", "out"):
        if role in read.columns:
            for cells, what in zip(rows, kinds, strict=True):
                printed = shapes(cell_of(cells, role, read)) or ()
                found += [(each, what) for each in printed if each.dims and each.dims[-1]]
    read.single = _single(found)
    read.batched = any(shape.batched for shape, _ in found)
    if not read.batched:
        several = [each for each in found if each[0].dims not in read.single]
        read.batch, read.batched = _batch(several, read.tree)
    votes = 0.0
    ranks = Counter[int]()
    apart: Counter[str] = Counter()
    before: tuple[int, ...] = ()
    for shape, what in found:
        dims = shape.dims
        if read.batched and _led(shape, read) and len(dims) > 1:
            dims = dims[1:]
        ranks[len(dims)] += 1
        slides = what.kind in SLIDING or what.kind == "gpool"
        if len(dims) == 3 and re.search(r"[123]d\b", what.word) and slides:
            apart["first"] += dims[-1] == dims[-2] != dims[0]
        elif len(dims) == 3:
            apart["last"] += dims[-2] == dims[-3] != dims[-1]
        if what.kind == "pool" and before and len(before) == len(dims) in (3, 4):
            # A pooling leaves channels as they are.
            kept = (dims[-1] == before[-1]) - (dims[0] == before[0])
            votes -= kept * (dims[1:-1] != before[1:-1])
        if what.kind == "gpool" and len(before) == 3 and len(dims) == 1:
            votes += (dims[0] == before[0]) - (dims[0] == before[-1])
        if len(before) == len(dims) == 3 and 0 not in (*before, *dims):
            # Height and width shrink together.
            votes += _together(before[1:], dims[1:]) - _together(before[:2], dims[:2])
        before = dims
        if len(dims) in (3, 4):
            alike = (dims[-1] == dims[-2] != dims[0]) - (dims[-2] == dims[-3] != dims[-1])
            votes += alike * (1.0 if dims[-2] > 1 else ONES)
        if len(dims) > 1 and re.search(r"[a-z]\d[dD]|^[A-Z][a-z]+:", what.word):
            keras = re.search(r"\d+D", what.word) or re.search(r"\(None", str(rows[0]))
            votes += -0.1 if keras else 0.1
    behind = turned = 0
    for cells in rows:
        numbers = re.findall(r"\d+", cell_of(cells, "kernel", read))
        if len(numbers) == 4:
            behind += (numbers[0] == numbers[1]) - (numbers[2] == numbers[3])
            given = {n for shape in shapes(cell_of(cells, "out", read)) or () for n in shape.dims}
            turned += (int(numbers[1]) in given) - (int(numbers[0]) in given)
    read.kernel_last = behind > 0
    read.kernel_turned = turned > 0 >= behind
    for cells, what in zip(rows, kinds, strict=True):
        sides = [shapes(cell_of(cells, role, read)) or [] for role in ("in", "out")]
        if what.axes == 1 and what.kind in ("conv", "pool") and all(sides):
            # Of two numbers a convolution rather leaves the length, a pooling the channels.
            a, b = sides[0][0], sides[1][0]
            if len(a.dims) == len(b.dims) > 1:
                kept = (a.dims[-1] == b.dims[-1]) - (a.dims[-2] == b.dims[-2])
                votes += 3.0 * kept if what.kind == "conv" else -3.0 * kept
        seen = window(cell_of(cells, "kernel", read), what.axes)
        if seen and len(seen.weights) == 1 and what.kind in WEIGHTED:
            number, taken = seen.weights[0], shapes(cell_of(cells, "in", read)) or ()
            for shape in shapes(cell_of(cells, "out", read)) or ():
                fits = number in (shape.dims[0], shape.dims[-1])
                read.filters += 1 if fits else -1
                read.filters -= any(number in each.dims for each in taken)
        outs = natural(cell_of(cells, "channels_out", read) or "x")
        for shape in shapes(cell_of(cells, "out", read)) or ():
            dims = shape.dims
            if outs and len(dims) > 1 and dims[0] != dims[-1]:
                votes += (dims[0] == outs) - (dims[-1] == outs)
    votes += _divided(read, rows, kinds)
    votes += (
        0.3
        * sum(
            cell_of(cells, role, read).startswith("[")
            for cells in rows[:50]
            for role in ("in", "out")
        )
        * (read.batch == 1 and read.batched)
    )
    text = " ".join(" ".join(cells) for cells in rows[:50])
    votes += ("[-1," in text) - ("(None," in text) - 9 * (read.grid.form == "nnom")
    read.first = votes > 0
    # PyTorch's convolutions have channels first, whatever the layers around them do.
    read.mixed = apart["first"] > 1 and apart["last"] > 2
    read.first = read.first and not read.mixed
    axes = {what.axes for what in kinds if what.axes}
    pairs = [
        (shapes_[0].dims, natural(cell_of(cells, "channels_out", read)))
        for cells in rows
        if natural(cell_of(cells, "channels_out", read) or "x")
        if (shapes_ := shapes(cell_of(cells, "out", read)))
        if len(shapes_[0].dims) == 2
    ]
    told = [n in dims for dims, n in pairs]
    if pairs and 2 * sum(dims[0] == n != dims[1] for dims, n in pairs) > len(pairs):
        read.first = True
    heads = " ".join(read.grid.headers[read.columns[r]] for r in ("in", "out") if r in read.columns)
    deep = sum(told) > len(told) / 2 or bool(re.search("length|channel|depth", heads.lower()))
    deep = deep or _unlike(read, rows) or _featured(read, rows, kinds)
    named = " ".join(cell_of(cells, "layer", read) for cells in rows).lower()
    sequences = read.batched or bool(re.search("transformer|patch|token", named))
    read.tokens = bool(ranks[2]) and sequences and 1 not in axes and read.first
    read.squeezed = frozenset(
        max(shape.dims) for shape, _ in found if sorted(shape.dims)[:-1] == [1, 1]
    )
    read.vectors = set(ranks) == {1} and _multiplied(read, rows, kinds)
    pairs_ = [shape.dims for shape, _ in found if len(shape.dims) == 2 and 0 not in shape.dims]
    squares = len(pairs_) > 1 and all(a == b for a, b in pairs_)
    read.plane = (
        bool(ranks[2])
        and not deep
        and not (ranks[3] and not squares)  # channels may be said of some rows only
        and not ranks[4]
        and 1 not in axes
        and not (
            read.batched
            or {k.kind for k in kinds} & {"embedding", "lstm", "gru", "rnn", "attention"}
        )
    )
    sliding = {
        len(shape.dims) - (read.batched and _led(shape, read))
        for shape, what in found
        if what.kind in SLIDING
    }
    if sliding in ({2}, {4}) and not read.plane:
        read.axes = sliding.pop() - 1
    numbers = [cell_of(cells, "params", read) for cells in rows]
    marked = [each for each in numbers if re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+", each)]
    read.dotted = len(marked) > 1 and all(
        re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})*|0", each) for each in numbers if each
    )


def _unlike(read: Draft, rows: Sequence[Row]) -> bool:
    """Whether two numbers change by other factors in most rows: they are no sides of an image."""
    sizes = [
        [each.dims for each in shapes(cell_of(cells, role, read)) or () if len(each.dims) == 2]
        for cells in rows
        for role in ("in", "out")
    ]
    pairs = [
        (a[0], b[0])
        for k, (a, b) in enumerate(pairwise(sizes))
        if k % 2 == 0 and a and b and a[0] != b[0] and 0 not in a[0] + b[0]
    ]
    factors = [(a[0] * b[1], a[1] * b[0]) for a, b in pairs]
    return sum(2 * n >= 3 * m or 2 * m >= 3 * n for n, m in factors) > len(pairs) / 2


def _featured(read: Draft, rows: Sequence[Row], kinds: Sequence[Kind]) -> bool:
    """Whether parameters of layers of features are multiples of the second of two numbers."""
    fits = []
    for cells, what in zip(rows, kinds, strict=True):
        params = natural(cell_of(cells, "params", read) or "x")
        sizes = shapes(cell_of(cells, "out", read)) or ()
        if what.kind == "linear" and params and sizes and len(sizes[0].dims) == 2:
            fits.append(params % max(1, sizes[0].dims[1]) == 0)
    return len(fits) > 1 and sum(fits) > len(fits) / 2


def _multiplied(read: Draft, rows: Sequence[Row], kinds: Sequence[Kind]) -> bool:
    """Whether lone numbers that convolutions take and give are channels: of points."""
    if {"channels_in", "channels_out"} & read.roles.keys() or not {
        "in",
        "out",
    } <= read.roles.keys():
        return False
    for cells, what in zip(rows, kinds, strict=True):
        taken, given = (natural(cell_of(cells, role, read) or "x") for role in ("in", "out"))
        params = count(cell_of(cells, "params", read) or "x")
        if what.kind != "conv" or not taken or not given:
            continue
        return taken <= 4 or (
            params is not None and params.value in (taken * given, taken * given + given)
        )
    return False


def _divided(read: Draft, rows: Sequence[Row], kinds: Sequence[Kind]) -> int:
    """How many more convolutions' parameters are a multiple of the first size than of the last."""
    votes = 0
    for cells, what in zip(rows, kinds, strict=True):
        params = natural(cell_of(cells, "params", read) or "x")
        sizes = shapes(cell_of(cells, "out", read)) or ()
        ranks = (2,) if what.axes == 1 else (3, 4)
        if what.kind != "conv" or not params or not sizes or len(sizes[0].dims) not in ranks:
            continue
        first, last = sizes[0].dims[0], sizes[0].dims[-1]
        if first and last:
            votes += (params % first == 0) - (params % last == 0)
    return votes


def _single(found: Sequence[tuple[Shape, Kind]]) -> frozenset[tuple[int, ...]]:
    """Sizes of one sample, without a batch, beside others of a batch of one.

    PyTorch's windows take both: an author may leave the batch out on the way.
    """
    slid = [(s.dims, w.axes) for s, w in found if w.axes and w.kind in SLIDING]
    having = [dims for dims, axes in slid if len(dims) == axes + 2 and dims[0] == 1]
    lacking = [dims for dims, axes in slid if len(dims) == axes + 1]
    if len(having) < 2 or not lacking or len(having) + len(lacking) < len(slid):
        return frozenset()
    ranks = {len(dims) for dims in lacking}
    return frozenset(s.dims for s, _ in found if len(s.dims) in ranks and s.dims[0] > 1)


def _batch(found: Sequence[tuple[Shape, Kind]], tree: bool) -> tuple[int, bool]:
    """The batch that all printed sizes begin with, if they do, or all but one of many."""
    if len(found) < 2:
        return 1, False
    axes = {what.axes for _, what in found if what.axes and what.kind != "norm"}
    firsts = Counter(shape.dims[0] for shape, _ in found)
    number, times = firsts.most_common(1)[0]
    found = [each for each in found if each[0].dims != (number,)]  # of a number each
    times -= firsts.total() - len(found)
    ranks = {len(shape.dims) for shape, _ in found}
    axed = [len(s.dims) - 2 == w.axes for s, w in found if w.axes and w.kind != "norm"]
    if not number:
        return 1, False  # a length that every user has another of
    if len(axed) > 2 and all(axed) and 2 * times > len(found) and min(ranks, default=0) > 1:
        return number, True  # whatever the batch of what is cut out of an image
    few = times < min(0.9 * len(found), max(4, len(found) - 1))
    if tree and few and min(ranks, default=0) > 1 and not axes:
        return number, True  # positions may stand in one row with it
    if few or min(ranks, default=0) < 2:
        return 1, False
    if not axes and max(ranks) == 3 and any(w.kind in ("lstm", "gru", "rnn") for _, w in found):
        return number, True  # of sequences
    fit = [len(s.dims) - 2 == w.axes for s, w in found if w.axes and w.kind != "norm"]
    if fit:
        return (number, True) if sum(fit) > len(fit) / 2 else (1, False)
    # Tokens and vectors that begin alike have that in common alone.
    mixed = len(ranks) > 1 and times == len(found) > 3
    if not axes and (max(ranks) == 4 or mixed or tree):
        return number, True
    return 1, False


def _led(shape: Shape, read: Draft) -> bool:
    """Whether a batch stands first in a size of a table of batches that does not show that it is.

    A size without brackets beside some with them may have none: 28x28x6 beside (None, 1600).
    """
    if shape.batched or shape.dims in read.single:
        return False
    return shape.dims[0] == read.batch or shape.bracketed


def state_of(
    shape: Shape, what: Kind, role: str, read: Draft, filters: int | None
) -> tuple[dict[str, Number], bool]:
    """A printed size under its roles, and whether it is a whole vector."""
    dims = shape.dims
    if read.batched and len(dims) > 1 and _led(shape, read):
        dims = dims[1:]
    if not dims or len(dims) > 4:
        return {}, False
    if 0 in dims:
        c = dims[0] if read.first else dims[-1]
        return ({f"{role}_c": c} if c else {}), False
    if len(dims) == 1:
        lone = not (shape.bracketed or read.batched or read.vectors)
        apart = "channels_out" in read.roles and (filters or 1) > 1
        spatial = lone and (
            what.kind in ("conv", "pool", "depthwise", "deconv")
            or (what.kind in ("module", "input") and "rf" in read.roles)
            or (apart and what.kind not in ("linear", "flatten"))
        )
        if lone and what.kind == "linear" and apart and dims[0] == 1:
            return {f"{role}_h": 1, f"{role}_w": 1}, False
        spatial = spatial and dims[0] not in read.squeezed
        if spatial and dims[0] != filters and what.axes != 1:
            return {f"{role}_h": dims[0], f"{role}_w": dims[0]}, False
        return {f"{role}_c": dims[0]}, True
    if len(dims) == 2 and read.plane:
        return {f"{role}_h": dims[0], f"{role}_w": dims[1]}, False
    first = read.first
    if read.tokens and len(dims) == 2:
        first = False
    if len(dims) == 3 and dims[:2] == (1, 1) != dims[1:] and what.kind not in SLIDING:
        first = False  # a vector, its ones before it
    if read.mixed and len(dims) == 3:
        # As square as it can be.
        first = dims[-1] == dims[-2] if dims[0] != dims[-1] else what.kind in SLIDING
    c, ext = (dims[0], dims[1:]) if first else (dims[-1], dims[:-1])
    named = dict(zip((f"{role}_{axis}" for axis in AXES[len(ext)]), ext, strict=True))
    return {**named, f"{role}_c": c}, False
