"""Parts of a network whose names have no dots: layers whose names begin with the same words.

``conv2_block1_1_bn`` stands in ``conv2``, ``block1`` and ``1``, as its author's loops did.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from archcalc.spec.graph import Graph


def parted(graph: Graph) -> Graph | None:
    """A graph whose names are ways, word by word; None where most are so, or have no words."""
    stems = {node.name: node.name.partition(".")[0] for node in graph.nodes}
    single = dict.fromkeys(stems.values())
    if 2 * len(single) < len(stems):
        return None
    ways: dict[str, str] = {}
    _part([*single], 0, "", ways)
    names = {name: ways[stem] + name[len(stem) :] for name, stem in stems.items()}
    return graph.renamed(names) if len({*names.values()}) == len(names) else None


def _part(names: Sequence[str], start: int, above: str, ways: dict[str, str]) -> None:
    """Say the ways of names whose beginnings up to ``start`` are that ``above``."""
    rest = {name: name[start:] for name in names}
    groups: dict[str, list[str]] = {}
    for name, text in rest.items():
        groups.setdefault(text.partition("_")[0], []).append(name)
    for members in groups.values():
        ends = [rest[name] for name in members]
        pairs = takewhile(lambda pair: pair[0] == pair[1], zip(min(ends), max(ends), strict=False))
        common = "".join(letter for letter, _ in pairs).rpartition("_")[0]
        ends = [rest[name][len(common) + 1 :] for name in members]
        if not common or len(members) == 1 or all(map(str.isdigit, ends)):
            for name in members:
                numbered = rest[name][:1].isdigit() and not rest[name].isdigit()
                ways[name] = f"{above}{'_' * numbered}{rest[name]}"
        else:
            _part(members, start + len(common) + 1, f"{above}{common}.", ways)
