"""Regions that are alike, or are but for layers that one lacks: what can be a block."""

from __future__ import annotations

from typing import Any

from archcalc.frontends.fold.between import Settled
from archcalc.frontends.fold.regions import Leaf, Region, is_plain
from archcalc.spec.written import name_of


class Alike(Settled):
    """A tree that tells which of its regions are instances of one block."""

    def skeleton(self, region: Region) -> Any:
        """What instances of one block have in common: all but numbers."""
        members = [
            (
                name,
                name_of(member.node.op) if isinstance(member, Leaf) else id(member.block),
                tuple(self.references(region, name)),
                member.share
                if isinstance(member, Region)
                else None
                if member.node.share is None
                else self.reference(region, member.node.share, whole=True),
            )
            for name, member in region.members.items()
        ]
        return (*members, *self.ends(region))

    def joined(self, one: Region, other: Region) -> Region | None:
        """What has the layers of two regions, of which either may lack some; None if none can."""
        if self.embeds(one, other):
            return one
        return self.spanned(one, other)

    def embeds(self, larger: Region, smaller: Region) -> bool:
        """Whether a region is another without some of its layers."""
        alike = larger.any_number and smaller.any_number
        if len(larger.sources) != len(smaller.sources) and not alike:
            return False
        there = smaller.members
        order = [key for key in larger.members if key in there]
        if order != list(there) or not order:
            return False
        if not all(self.is_like(larger.members[key], there[key]) for key in order):
            return False

        def standing(reference: str) -> str:
            """What a reference means where layers are left out."""
            while reference in larger.members and reference not in there:
                reference = self.reference(larger, self.taken(larger.members[reference])[0])
            return reference

        for key in order:
            ours = [standing(reference) for reference in self.references(larger, key)]
            if ours != self.references(smaller, key):
                return False
        return [*map(standing, self.ends(larger))] == self.ends(smaller)

    def is_like(self, one: Leaf | Region, other: Leaf | Region) -> bool:
        """Whether members have in common what has to be equal in instances of one block."""
        if isinstance(one, Region) or isinstance(other, Region):
            return (
                isinstance(one, Region)
                and isinstance(other, Region)
                and (one.block is other.block and one.share == other.share)
            )
        same = name_of(one.node.op) == name_of(other.node.op)
        return (same or (is_plain(one) and is_plain(other))) and (
            (one.node.share is None) == (other.node.share is None)
        )

    def spanned(self, one: Region, other: Region) -> Region | None:
        """A region with the layers of both of two, where each has some that the other lacks.

        A layer takes what it takes in the one, or in the other: that which is there in one alone
        stands for the other, if it is left out.
        """
        several = one.any_number or other.any_number or one.handed or other.handed
        if several or len(one.sources) != len(other.sources):
            return None
        common = [key for key in one.members if key in other.members]
        if common != [key for key in other.members if key in one.members]:
            return None
        if 2 * len(common) < len(other.members) or len(common) < 3:
            return None
        if not all(self.is_like(one.members[key], other.members[key]) for key in common):
            return None
        order: list[str] = []
        rest = list(other.members)
        for key in one.members:
            if key in other.members:
                order += rest[: rest.index(key)]
                rest = rest[rest.index(key) + 1 :]
            order.append(key)
        members = {key: (one.members | other.members)[key] for key in [*order, *rest]}
        said: dict[str, list[str]] = {}

        def chain(region: Region, beside: Region, reference: str) -> list[str]:
            """What a reference stands for, and for what where a layer is left out."""
            found = [reference]
            while found[-1] in region.members and found[-1] not in beside.members:
                found.append(self.references(region, found[-1])[0])
            return found

        def united(first: list[str], second: list[str]) -> list[str] | None:
            if len(first) != len(second):
                return None
            found = []
            for a, b in zip(first, second, strict=True):
                ones, others = chain(one, other, a), chain(other, one, b)
                if ones[-1] != others[-1] or min(len(ones), len(others)) > 1:
                    return None
                found.append(max(ones, others, key=len)[0])
            return found

        for key in members:
            if key not in common:
                said[key] = self.references(one if key in one.members else other, key)
                continue
            taken = united(self.references(one, key), self.references(other, key))
            if taken is None:
                return None
            said[key] = taken
        gives = united(self.ends(one), self.ends(other))
        if gives is None:
            return None
        return Region(one.path, one.name, members, one.sources, said=said, gives=gives)
