"""The texts of the values in a class: numbers, or what its constructor is given."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.errors import ArchcalcError
from archcalc.pytorch.naming import identifier
from archcalc.pytorch.writer.blocks import Block
from archcalc.pytorch.writer.columns import (
    MISSING,
    Column,
    Param,
    Slot,
    Target,
    agree,
    constant,
    multiple,
    text_of,
)
from archcalc.pytorch.writer.naming import unused
from archcalc.spec.expressions import parse
from archcalc.values import as_tuples

_NEVER_SIZES = frozenset(
    ("kernel_size", "stride", "padding", "dilation", "bias", "p", "eps", "momentum", "inplace")
) | {"affine", "track_running_stats", "padding_mode", "mode", "ceil_mode", "count_include_pad"}
"""Arguments that have nothing to do with how large something else is."""


class Texts:
    """Works out which texts the values of one class have, and so what its constructor takes."""

    def __init__(self, blocks: Sequence[Block], variables: Mapping[str, Any]) -> None:
        self.blocks = blocks
        self.model = blocks[0]
        self.variables = variables
        self.slots: list[Slot] = []
        self.known: list[tuple[Column, str]] = []
        """Sizes that have a text."""
        self.names: set[str] = {"self", "i", "nn", "torch", "F", "Tensor", *dir(builtins)}
        self.by_arg: dict[str, Param] = {}
        self.by_local: dict[str, str] = {}
        self.locals: dict[str, str] = {}
        """Variables of the constructor, and what they are."""

    def slot(self, column: Sequence[Any], name: str, child: str, i: int | None = None) -> Slot:
        """A new place for a value: of an argument of a child, in repetition ``i`` if any."""
        slot = Slot(tuple(column), name, child, self.written(child, name), i)
        self.slots.append(slot)
        return slot

    def written(self, child: str, name: str) -> str | None:
        layer = self.model.layer(child)
        value: Any = None if layer is None else layer.fields.get(name)
        return str(value[1:]) if isinstance(value, str) and value.startswith("=") else None

    def ordered(self) -> list[Param]:
        """The constructor's arguments: those that must be given, then the others."""
        order = {name: k for k, name in enumerate(self.model.defaults)}
        params = sorted(
            self.by_arg.items(),
            key=lambda item: (item[1].default is not MISSING, order.get(item[0], -1)),
        )
        return [param for _, param in params]

    def settle(self) -> None:
        for slot in self.slots:
            if constant(slot.column) and not self.stays_open(slot):
                slot.text = text_of(next(v for v in slot.column if v is not MISSING))
        open_slots = [slot for slot in self.slots if not slot.text]
        for slot in open_slots:
            self.settle_written(slot, shapes=False)
        channels = self.input_channels()
        for slot in open_slots:
            inferred = slot.written is None and slot.name not in _NEVER_SIZES
            if not slot.text and inferred and channels and agree(slot.column, channels):
                self.settle_inferred(slot, channels)
        for slot in open_slots:
            if not slot.text:
                self.settle_written(slot, shapes=True)
        for slot in open_slots:
            if not slot.text:
                self.settle_inferred(slot)

    def stays_open(self, slot: Slot) -> bool:
        """Whether a value is an argument although it is the same wherever there is one.

        It is if the spec has an argument there that must always be given, or that is different
        in the blocks that are without the layer.
        """
        name = slot.written
        if name is None or name not in self.model.args or len(self.blocks) == 1:
            return False
        column = tuple(as_tuples(block.args[name]) for block in self.blocks)
        return self.model.defaults.get(name) is None or not constant(column)

    def input_channels(self) -> Column | None:
        """How many channels the first inputs of the blocks have."""
        shapes = [block.input_shapes[:1] for block in self.blocks]
        if any(not shape or shape[0] is None or len(shape[0]) < 2 for shape in shapes):
            return None
        return tuple(shape[0][1] for shape in shapes if shape[0] is not None)

    def settle_written(self, slot: Slot, shapes: bool) -> None:
        """Say it as the spec does."""
        if slot.written is None:
            return
        column = self.evaluated(slot.written, slot.i)
        if column is None or not agree(slot.column, tuple(map(as_tuples, column)), slot.name):
            return
        arg = self.arg_like(slot)
        if arg is not None:
            slot.text = self.arg_text(arg, slot.i, shapes)
        else:
            tree = ast.parse(slot.written, mode="eval").body
            text = self.translate(tree, slot.i, shapes)
            if text is None:
                return
            slot.text = text
        if slot.name not in _NEVER_SIZES:
            self.known.append((tuple(map(as_tuples, column)), slot.text))

    def arg_like(self, slot: Slot) -> str | None:
        """The argument of the block that a slot always equals, of those that it is said by."""
        assert slot.written is not None
        for match in re.finditer(r"[A-Za-z_]\w*", slot.written):
            name = match[0]
            if name in self.model.args:
                column = tuple(block.args.get(name) for block in self.blocks)
                if agree(slot.column, tuple(map(as_tuples, column)), slot.name):
                    return name
        return None

    def settle_inferred(self, slot: Slot, column: Column | None = None) -> None:
        """Say it by another size that it always equals, or by an argument of its own.

        ``column`` has values for blocks that are without the layer, too.
        """
        if slot.name not in _NEVER_SIZES:
            for known, text in self.known:
                if agree(slot.column, known):
                    slot.text = text
                    return
            for known, text in self.known:
                times = multiple(slot.column, known)
                if times and text.isidentifier():
                    slot.text = f"{times} * {text}"
                    return
        for param in self.by_arg.values():
            if param.name.endswith(slot.name) and agree(slot.column, param.column):
                slot.text = param.name
                return
        name = slot.name.removesuffix("_or_sections")
        if column is not None and name in ("num_features", "num_channels"):
            name = "in_channels"
        if isinstance(next(v for v in slot.column if v is not MISSING), Target):
            name = identifier(slot.child)
        param = self.new(name, column or slot.column, slot.child)
        slot.text = param.name
        if slot.name not in _NEVER_SIZES:
            self.known.append((param.column, param.name))

    def new(self, name: str, column: Column, child: str) -> Param:
        """A new argument of the constructor."""
        name = identifier(name)
        if name in self.names and child and not child.endswith(name):
            name = f"{identifier(child)}_{name}"
        name = unused(name, self.names)
        self.names.add(name)
        filled = tuple(None if value is MISSING else value for value in column)
        param = self.by_arg[f"={name}"] = Param(name, filled)
        return param

    def arg_text(self, arg: str, i: int | None, shapes: bool) -> str:
        """What stands for an argument of the spec's block.

        One that is always worked out from others, by the expression that is its default, is none
        of the constructor's.
        """
        default = self.model.defaults.get(arg)
        if arg in self.by_local:
            return self.by_local[arg]
        if arg in self.by_arg or not (isinstance(default, str) and default.startswith("=")):
            return self.need(arg).name
        column = tuple(as_tuples(block.args[arg]) for block in self.blocks)
        if self.evaluated(default[1:], None) == column:
            for match in re.finditer(r"[A-Za-z_]\w*", default[1:]):
                name = match[0]
                other = tuple(as_tuples(block.args.get(name)) for block in self.blocks)
                if name in self.model.args and name != arg and agree(column, other):
                    return self.arg_text(name, i, shapes)
            text = self.translate(ast.parse(default[1:], mode="eval").body, i, shapes)
            if text is not None:
                return self.local(arg, text)
        return self.need(arg).name

    def local(self, arg: str, text: str) -> str:
        """A variable of the constructor, for an argument that it works out itself."""
        if arg not in self.by_local:
            self.by_local[arg] = unused(identifier(arg), self.names)
            self.names.add(self.by_local[arg])
            self.locals[self.by_local[arg]] = text
        return self.by_local[arg]

    def need(self, arg: str) -> Param:
        """The constructor's argument for an argument of the spec's block."""
        if arg not in self.by_arg:
            column = tuple(as_tuples(block.args[arg]) for block in self.blocks)
            name = unused(identifier(arg), self.names)
            self.names.add(name)
            written = self.model.defaults.get(arg)
            literal_default = not (isinstance(written, str) and written.startswith("="))
            has_default = written is not None and literal_default
            default = as_tuples(written) if has_default else MISSING
            self.by_arg[arg] = Param(name, column, default)
        return self.by_arg[arg]

    def evaluated(self, written: str, i: int | None) -> Column | None:
        """An expression's values in all blocks, ``MISSING`` where it has none."""
        found = []
        for block in self.blocks:
            names = {**self.variables, **block.args}
            if i is not None:
                names["i"] = i
            try:
                found.append(parse(written)(names, block.shape_of))
            except (ArchcalcError, KeyError, LookupError):
                found.append(MISSING)
        return None if all(value is MISSING for value in found) else tuple(found)

    def translate(self, tree: ast.expr, i: int | None, shapes: bool) -> str | None:
        """An expression of the spec in terms of the constructor's arguments; None if it has none.

        What is the same in all blocks is written as a number.
        """
        written = ast.unparse(tree)
        column = self.evaluated(written, i)
        if column is None:
            return None
        if constant(column) and MISSING not in column:
            return text_of(column[0])
        match tree:
            case ast.Name(id=name) if name in self.model.args:
                return self.arg_text(name, i, shapes)
            case ast.Call(func=ast.Name(id="channels" | "size" | "height" | "width" | "length")):
                if not shapes:
                    return None
                return next((t for c, t in self.known if agree(column, c)), None)
            case ast.Call(
                func=ast.Name(id="min" | "max" | "int" | "abs" | "round" | "len" as name), args=args
            ):
                parts = [self.translate(arg, i, shapes) for arg in args]
                return None if None in parts else f"{name}({', '.join(map(str, parts))})"
            case ast.BinOp(left=left, op=op, right=right):
                if isinstance(op, ast.Div):
                    if any(type(value) is not int for value in column):
                        return None
                    op = ast.FloorDiv()
                return self.joined(ast.BinOp, [left, right], i, shapes, op)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self.joined(ast.Compare, [left, right], i, shapes, op)
            case ast.BoolOp(op=op, values=values):
                neutral = isinstance(op, ast.And)
                kept = []
                for value in values:
                    answers = self.evaluated(ast.unparse(value), i)
                    if answers is None or not all(a is neutral for a in answers):
                        kept.append(value)
                parts = [self.translate(value, i, shapes) for value in kept]
                word = " and " if neutral else " or "
                return None if None in parts else word.join(map(str, parts))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                part = self.translate(operand, i, shapes)
                return None if part is None else f"not {part}"
            case ast.IfExp(test=test, body=body, orelse=other):
                answers = self.evaluated(ast.unparse(test), i)
                if answers is not None and constant(answers) and MISSING not in answers:
                    return self.translate(body if answers[0] else other, i, shapes)
                parts = [self.translate(part, i, shapes) for part in (body, test, other)]
                return None if None in parts else f"{parts[0]} if {parts[1]} else {parts[2]}"
            case _:
                return None

    def joined(
        self, kind: Any, parts: Sequence[ast.expr], i: int | None, shapes: bool, op: Any
    ) -> str | None:
        texts = [self.translate(part, i, shapes) for part in parts]
        if None in texts:
            return None
        if isinstance(op, ast.Mult) and "1" in texts:
            return texts[1 - texts.index("1")]
        # Parsed again, so that it gets the brackets it needs and no others.
        left, right = (ast.parse(str(text), mode="eval").body for text in texts)
        tree = ast.BinOp(left, op, right) if kind is ast.BinOp else ast.Compare(left, [op], [right])
        return ast.unparse(tree)

    def condition(self, child: str, present: tuple[bool, ...]) -> str:
        """When a child is there, that some blocks are without."""
        layer = self.model.layer(child)
        if layer is not None and isinstance(layer.when, str):
            tree = ast.parse(layer.when[1:], mode="eval").body
            column = self.evaluated(layer.when[1:], None)
            if column is not None and tuple(bool(v) for v in column) == present:
                written = self.translate(tree, None, True)
                if written is not None:
                    return written
        for param in self.by_arg.values():
            if tuple(value is not None for value in param.column) == present:
                return f"{param.name} is not None"
        return self.new(f"with_{child}", present, "").name
