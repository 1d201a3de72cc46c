"""Layers of an author's loop between the members of a list: they become a part of these.

``for part in parts: x = x + part(x)`` has its sums outside of ``parts``, which would be no block
then. What stores nothing has a name that nobody asks for, and so may stand elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from archcalc.frontends.fold.regions import Leaf, Region, Tree, reached
from archcalc.spec.graph import Node


class Settled(Tree):
    """A tree whose regions can be blocks."""

    def settle(self, root: Region) -> None:
        """Find what regions take and give; a region that can't be a block gives way."""
        while True:
            self.connect(root)
            wrong = self.tangled(root)
            if wrong is not None and taken_in(self, *wrong, self.needs(wrong[0])):
                continue
            if wrong is None and brought_nearer(self, root):
                continue
            wrong = wrong or self.sharing(root)
            if wrong is None:
                self.share(root)
                return
            parent, name = wrong
            inner = parent.members[name]
            assert isinstance(inner, Region)
            members: dict[str, Leaf | Region] = {}
            for key, member in parent.members.items():
                if key != name:
                    members[key] = member
                    continue
                word = f"_{name}" if name[0].isdigit() else name
                for below, each in inner.members.items():
                    each.name = f"{word}_{below}"
                    while each.name in members or each.name in parent.members:
                        each.name += "_"
                    members[each.name] = each
            parent.members = members


def taken_in(
    tree: Tree, parent: Region, name: str, needs: Mapping[str, Mapping[str, None]]
) -> bool:
    """Put in a member what it takes, and what is made of what it gives; whether that can be.

    ``needs`` are the members that each member takes something from.
    """
    inner = parent.members[name]
    assert isinstance(inner, Region)
    takers: dict[str, list[str]] = {key: [] for key in parent.members}
    for key, needed in needs.items():
        for need in needed:
            takers[need].append(key)
    both = reached(needs, name) & reached(takers, name)
    between = [key for key in parent.members if key in both and key != name]
    if not between or not all(_stores_nothing(parent.members[key]) for key in between):
        return False
    for key in between:
        _move(tree, parent, key, inner)
    # The last turn of the loop ends in what all of them end in.
    words = {_word(key) for key in between}
    while True:
        inside = _inside(inner)
        users = {user for each in inside for user in tree.users.get(each, ()) if user not in inside}
        last = [key for key in parent.members if {n.name for n in _of(parent, key)} == users]
        if not (
            len(last) == 1
            and len(users) == 1
            and _word(last[0]) in words
            and isinstance(parent.members[last[0]], Leaf)
            and _stores_nothing(parent.members[last[0]])
            and _sources(_of(parent, last[0])) <= inside | _sources(inner.nodes())
            and not inside & {*tree.graph.outputs, *tree.graph.training_outputs}
        ):
            return True
        _move(tree, parent, last[0], inner)


def brought_nearer(tree: Tree, region: Region) -> bool:
    """Put what was taken into a list in the member that gives it all, or that alone takes it."""
    moved = False
    for member in list(region.members.values()):
        if isinstance(member, Region):
            moved = brought_nearer(tree, member) or moved
    for key, member in list(region.members.items()):
        if not isinstance(member, Leaf) or member.node.name not in tree.between:
            continue
        node = member.node
        for other in region.members.values():
            if not isinstance(other, Region) or not other.name.isdigit():
                continue
            inside = _inside(other)
            outer = _sources(other.nodes())
            users = {u for each in inside for u in tree.users.get(each, ()) if u not in inside}
            ends = users == {node.name} and {*node.inputs} <= inside | outer
            begins = (
                outer == {node.name}
                and len(node.inputs) == 1
                and {*tree.users.get(node.name, ())} <= inside
            )
            if (ends or begins) and not inside & {*tree.graph.outputs}:
                _move(tree, region, key, other, first=begins)
                moved = True
                break
    return moved


def _move(tree: Tree, parent: Region, key: str, inner: Region, first: bool = False) -> None:
    """Put a member in another one, under a name that does not count what is outside."""
    member = parent.members.pop(key)
    tree.between.update(node.name for node in _nodes(member))
    word = name = _word(key)
    number = 1
    while name in inner.members:
        name, number = f"{word}_{number}", number + 1
    member.name = name
    rest = {} if not first else dict(inner.members)
    if first:
        inner.members.clear()
    inner.members[name] = member
    inner.members.update(rest)


def _word(key: str) -> str:
    """``add`` of ``add_2``."""
    return re.sub(r"_\d+$", "", key)


def _nodes(member: Leaf | Region) -> Iterator[Node]:
    if isinstance(member, Leaf):
        yield member.node
    else:
        yield from member.nodes()


def _of(region: Region, key: str) -> list[Node]:
    return list(_nodes(region.members[key]))


def _inside(region: Region) -> set[str]:
    return {node.name for node in region.nodes()}


def _sources(nodes: Iterable[Node]) -> set[str]:
    """What layers take of others."""
    nodes = list(nodes)
    return {source for node in nodes for source in node.inputs} - {node.name for node in nodes}


def _stores_nothing(member: Leaf | Region) -> bool:
    return not any(
        node.op.counted and (node.applied.cost.weights or node.applied.cost.buffers)
        for node in _nodes(member)
    )
