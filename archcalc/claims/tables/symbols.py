"""Sizes in letters, as in ``(B, 64, H/2, W/2)``: they are read with one number for ``H`` and ``W``.

The number is divisible by all that networks divide sides by, and no width of channels, so that what
is computed can be said in letters again.
"""

from __future__ import annotations

import re

SIDE = 6720
"""2^6 * 3 * 5 * 7: what ``H`` and ``W`` are taken to be."""
MOST_DIVIDED = 64
_LETTERED = re.compile(r"(?<![a-z\d])([hw])\s*(?:(//?)\s*(\d{1,3})|([+-])\s*(\d{1,2}))?(?![a-z\d])")


def in_numbers(plain: str) -> str:
    """A size in lower case with numbers for its sides, if both are letters."""
    found = {side[1] for side in _LETTERED.finditer(plain)}
    return _LETTERED.sub(_number, plain) if found == {"h", "w"} else plain


def _number(side: re.Match[str]) -> str:
    if side[3]:
        whole, rest = divmod(SIDE, max(1, int(side[3])))
        return side[0] if rest else str(whole)
    more = int(side[5] or 0)
    return str(SIDE - more if side[4] == "-" else SIDE + more)


def lettered(printed: str) -> bool:
    """Whether a cell's size has letters for its sides."""
    plain = printed.lower()
    return in_numbers(plain) != plain


def in_letters(text: str, printed: str) -> str:
    """Numbers that stand for sides as letters: in the order in which the cell has them."""
    order = [side[1] for side in _LETTERED.finditer(printed.lower())]
    upper = bool(re.search(r"[HW]", printed))
    count = 0

    def letter(found: re.Match[str]) -> str:
        nonlocal count
        value = int(found[0].replace(",", ""))
        if value < SIDE // MOST_DIVIDED or SIDE % value:
            return found[0]
        side = order[count % len(order)]
        count += 1
        named = side.upper() if upper else side
        return named if value == SIDE else f"{named}/{SIDE // value}"

    # Where the cell divides, what is computed stands in the place of its divisor.
    text = re.sub(r"([hwHW])\s*//?\s*(\d{3,4})(?!\d)", _divided, text)
    return re.sub(r"(?<![\d.,])\d[\d,]*(?![\d.])", letter, text)


def _divided(found: re.Match[str]) -> str:
    times, rest = divmod(SIDE, int(found[2]))
    return found[0] if rest else found[1] if times == 1 else f"{found[1]}/{times}"
