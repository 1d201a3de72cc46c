"""The JSON Schema of a spec file, by which an editor completes and marks what is written.

It is made from the data model and from the operators, and allows what they allow; what only an
expansion can know, such as references and shapes, it leaves open. Draft 7, because the servers
behind the editors support that one in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from archcalc.operators import NAMES, operator
from archcalc.operators.describe import attribute_docs, docstring
from archcalc.spec.documented import Budget, Documented, Erratum, Fact, Recorded, Requirement
from archcalc.spec.elsewhere import Elsewhere
from archcalc.spec.fields import LAYER, NAME, as_list
from archcalc.spec.layer import LAYER_KEYS, Block, Layer
from archcalc.spec.model import OVERRIDABLE, Bits, Spec
from archcalc.spec.space import Apart, Each, Places, Range, Space
from archcalc.spec.sugar import BLOCK_KEYS, OWN_KEYS, SIGNATURE

Json = dict[str, Any]

_ROW = {
    "description": "Layers in a row, each called as its operator or its block.",
    "type": "array",
    "items": {"$ref": "#/definitions/Layer"},
    "minItems": 1,
}
"""Layers without names."""

_EXPRESSION = {"$ref": "#/definitions/expression"}

_RECORDS = (
    *(Bits, Budget, Documented, Erratum, Fact, Requirement),
    *(Space, Range, Each, Places),
)
"""What a spec is made of, beside its layers."""

_EVALUATED = ("input", "repeat", "parallel", "active", "when", "trainable")
"""Keys whose text is an expression."""


def records_schema() -> dict[str, Any]:
    """The JSON Schema of a file of what is recorded of a spec's networks."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_record(Recorded),
        "definitions": {kind.__name__: _record(kind) for kind in (Documented, Erratum, Fact)},
    }


def network_schema() -> dict[str, Any]:
    """The JSON Schema of a file about a network elsewhere: what must hold of it, or its space."""
    stated = _record(Elsewhere)
    shape: Json = {
        "anyOf": [
            {"type": "string", "pattern": r"^(\w+:)?[1-9][0-9]*(x[1-9][0-9]*)*$"},
            {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
            {"type": "integer", "minimum": 1},
        ],
        "errorMessage": "should be a shape without the batch, 3x224x224",
    }
    properties = stated["properties"]
    properties["input"] = {
        "description": properties["input"]["description"],
        "if": {"type": "object"},
        "then": {"type": "object", "additionalProperties": shape},
        "else": shape,
    }
    kinds = (Budget, Documented, Erratum, Fact, Space, Range, Each, Places)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "description": docstring(Elsewhere),
        "type": "object",
        "required": ["network"],
        "if": {"required": ["space"]},
        "then": {"$ref": "#/definitions/Apart"},
        "else": {"$ref": "#/definitions/Elsewhere"},
        "definitions": {
            "Elsewhere": stated,
            "Apart": _record(Apart),
            **{kind.__name__: _record(kind) for kind in kinds},
        },
    }


def schema() -> dict[str, Any]:
    """The JSON Schema of a spec file.

    ::

        >>> import archcalc
        >>> archcalc.schema()["type"]
        'object'
    """
    spec = _record(Spec)
    properties = spec["properties"]
    properties["bits"] = _or(properties["bits"], {"$ref": "#/definitions/Bits"})
    block = _record(Block)
    for record in (spec, block):
        record["properties"]["layers"] = _or_row(record["properties"]["layers"])
    names = properties["blocks"]["propertyNames"]
    names["pattern"] = f"{names['pattern']}|{SIGNATURE}"
    block["properties"]["args"] = _or(block["properties"]["args"], {"type": "string"})
    for alternative in properties["variants"]["additionalProperties"]["anyOf"]:
        if alternative["type"] == "object":
            alternative["properties"] = {key: properties[key] for key in OVERRIDABLE}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **spec,
        "definitions": {
            **{kind.__name__: _record(kind) for kind in _RECORDS},
            "Block": {
                "description": docstring(Block),
                "if": {
                    "type": "object",
                    "anyOf": [{"required": [key]} for key in BLOCK_KEYS],
                },
                "then": {"$ref": "#/definitions/LongBlock"},
                "else": {
                    "if": {
                        "type": "object",
                        "anyOf": [
                            {"required": [key], "properties": {key: {"type": "string"}}}
                            for key in ("op", "block")
                        ],
                    },
                    "then": {"$ref": "#/definitions/LongLayer"},
                    "else": _or_row(
                        {
                            "additionalProperties": {"$ref": "#/definitions/Layer"},
                            "propertyNames": {"pattern": LAYER},
                            "minProperties": 1,
                        }
                    ),
                },
            },
            "LongBlock": block,
            "Layer": {
                # Editors complete the values of an 'anyOf', but tell a mistake in one only as
                # all that it might have been; so what is wrong in a long layer is told by 'then'.
                "anyOf": [{"$ref": "#/definitions/ShortLayer"}, {"type": "object"}, _ROW],
                "if": {"type": "object"},
                "then": {"$ref": "#/definitions/LongLayer"},
            },
            "LongLayer": _long_layer(),
            "ShortLayer": {
                "description": "An operator without fields, or a block without arguments.",
                "type": "string",
                "anyOf": [_operator_names(), {"pattern": "^(=|[a-z_][A-Za-z0-9_-]*$)"}],
            },
            **{name: _operator(name) for name in NAMES},
            "expression": {
                "type": "string",
                "pattern": "^=",
                "patternErrorMessage": "text here is an expression, which begins with '='",
            },
        },
    }


def _record(kind: type[BaseModel]) -> Json:
    """The schema of one of the model's records, its keys described."""
    made = kind.model_json_schema(ref_template="#/definitions/{model}")
    docs = attribute_docs(kind)
    properties = {}
    for name, field in kind.model_fields.items():
        key = field.alias or name
        written = _plain(made["properties"][key])
        if any(getattr(check, "func", None) is as_list for check in field.metadata):
            written = _or(written, {"type": "string"})  # a list of one
        if key in _EVALUATED:
            written = _text_is_expression(written)
        properties[key] = {"description": docs[name], **written}
    return {
        "description": docstring(kind).partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": made.get("required", []),
        "additionalProperties": made["additionalProperties"],
    }


def _long_layer() -> Json:
    layer, block = _record(Layer), _record(Block)
    layer["properties"]["op"] = {
        "description": layer["properties"]["op"]["description"],
        "anyOf": [_operator_names(), _EXPRESSION],
    }
    layer["properties"]["block"] |= {"type": "string", "pattern": f"{NAME}|^="}
    return {
        **layer,
        "if": {"required": ["op"]},
        "then": {"not": {"required": ["block"]}},
        "else": {
            "if": {"required": ["layers"], "not": {"required": ["block"]}},
            "then": {
                "properties": {
                    **{key: block["properties"][key] for key in OWN_KEYS},
                    "layers": _or_row(block["properties"]["layers"]),
                    **dict.fromkeys(layer["properties"], True),
                },
                "additionalProperties": False,
            },
            "else": {"required": ["block"]},
        },
        "not": {"required": ["repeat", "parallel"]},
        "errorMessage": "takes 'op', 'block' or 'layers', and 'repeat' or 'parallel', not both",
        "allOf": [
            {
                "if": {"properties": {"op": {"const": name}}, "required": ["op"]},
                "then": {"$ref": f"#/definitions/{name}"},
            }
            for name in NAMES
        ],
    }


def _operator_names() -> Json:
    texts = [docstring(operator(name)) for name in NAMES]
    return {
        "enum": list(NAMES),
        "enumDescriptions": texts,
        "errorMessage": "no operator of this name, and no expression",
    }


def _operator(name: str) -> Json:
    kind = operator(name)
    made = kind.model_json_schema()
    docs = attribute_docs(kind)
    fields = {
        field: {"description": docs[field], **_or_expression(_plain(written))}
        for field, written in made.get("properties", {}).items()
    }
    return {
        "description": docstring(kind),
        "type": "object",
        "properties": {**dict.fromkeys(sorted(LAYER_KEYS - {"block"}), True), **fields},
        "required": made.get("required", []),
        "additionalProperties": False,
    }


def _plain(written: Any) -> Any:
    """A schema of pydantic's without titles and empty defaults, in the words of draft 7."""
    if isinstance(written, list):
        return [_plain(item) for item in written]
    if not isinstance(written, Mapping):
        return written
    plain = {
        "items" if key == "prefixItems" else key: _plain(value)
        for key, value in written.items()
        if key != "title" and (key, value) != ("default", None)
    }
    if "patternProperties" in plain:
        # The same said so that editors complete values too: names of layers are of one pattern.
        ((pattern, value),) = plain.pop("patternProperties").items()
        plain |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
    return plain


def _or(written: Json, other: Json) -> Json:
    """A schema that allows ``other`` too; what it says beside its type stays outside."""
    outer = {key: value for key, value in written.items() if key in ("description", "default")}
    inner = {key: value for key, value in written.items() if key not in outer}
    alternatives = inner.get("anyOf", [inner])
    return {**outer, "anyOf": [*alternatives, other]}


def _or_row(layers: Json) -> Json:
    """A schema of layers by name that allows those without names too."""
    return {**layers, "type": ["object", "array"], "items": _ROW["items"], "minItems": 1}


def _or_expression(written: Json) -> Json:
    """A schema that allows an expression for the value, and for each item where it is a list."""
    if "anyOf" in written:
        written = {**written, "anyOf": [_expressive_items(each) for each in written["anyOf"]]}
    return _or(_expressive_items(written), _EXPRESSION)


def _expressive_items(written: Json) -> Json:
    values = written.get("additionalProperties")
    if isinstance(values, Mapping):
        return {**written, "additionalProperties": _or_expression(dict(values))}
    items = written.get("items")
    if isinstance(items, list):
        return {**written, "items": [_or_expression(item) for item in items]}
    return {**written, "items": _or_expression(items)} if items else written


def _text_is_expression(written: Any) -> Any:
    if written == {"type": "string"}:
        return _EXPRESSION
    if isinstance(written, list):
        return [_text_is_expression(item) for item in written]
    if isinstance(written, Mapping):
        return {key: _text_is_expression(value) for key, value in written.items()}
    return written
