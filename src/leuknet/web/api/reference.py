"""Reads the API's description into what a page tells of it: operations, and the shapes that they name.

Start at `read_reference`. The page `/api/v1/docs` and docs/api.md are both made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """A parameter, or a field of a shape.

    Attributes
    ----------
    where
        `path`, `query` or `header`; "" for a field.
    kind
        Its type in words.
    """

    name: str
    where: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    """A method of an address.

    Attributes
    ----------
    sends
        The shape or content type of the body; "" without one.
    gives
        The shape or content types of the answer.
    errors
        Statuses of the errors that are its own, beside those of all.
    """

    method: str
    path: str
    text: str
    status: str
    sends: str
    gives: str
    values: tuple[Value, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """An object that is sent or given."""

    name: str
    text: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Reference:
    """All that a page tells.

    Attributes
    ----------
    groups
        Operations by their subject.
    webhooks
        What the reading room sends by itself.
    common
        Errors of all operations: status and meaning.
    """

    groups: Mapping[str, tuple[Operation, ...]]
    webhooks: tuple[Operation, ...]
    shapes: tuple[Shape, ...]
    common: tuple[tuple[str, str], ...]


def read_reference(description: Schema) -> Reference:
    """Return what a page tells of an API, from its description in OpenAPI."""
    groups: dict[str, tuple[Operation, ...]] = {}
    meanings: dict[str, str] = {}
    for path, methods in description["paths"].items():
        for method, found in methods.items():
            tag = found["tags"][0]
            groups[tag] = (*groups.get(tag, ()), _operation(method, path, found))
            meanings |= {
                code: answer["description"] for code, answer in found["responses"].items() if code >= "4"
            }
    webhooks = tuple(
        _operation(method, name, found)
        for name, methods in description.get("webhooks", {}).items()
        for method, found in methods.items()
    )
    schemas = sorted(description["components"]["schemas"].items())
    shapes = tuple(_shape(name, schema) for name, schema in schemas if "properties" in schema)
    return Reference(groups, webhooks, shapes, tuple(sorted(meanings.items())))


def _operation(method: str, path: str, found: Schema) -> Operation:
    answers = found["responses"]
    good = next(code for code in answers if code < "4")
    parameters = (
        Value(
            parameter["name"],
            parameter["in"],
            _kind(parameter["schema"]),
            parameter.get("required", False),
            _one_line(parameter),
        )
        for parameter in found.get("parameters", ())
    )
    return Operation(
        method=method.upper(),
        path=path,
        text=_one_line(found),
        status=good,
        sends=_content(found.get("requestBody", {})),
        gives=_content(answers[good]),
        values=tuple(parameters),
        errors=tuple(code for code in answers if code >= "4"),
    )


def _shape(name: str, schema: Schema) -> Shape:
    required = schema.get("required", ())
    values = (
        Value(field, "", _kind(value), field in required, _one_line(value))
        for field, value in schema["properties"].items()
    )
    return Shape(name, _one_line(schema), tuple(values))


def _content(body: Schema) -> str:
    kinds = (
        _kind(content["schema"]) if media_type == "application/json" and content.get("schema") else media_type
        for media_type, content in body.get("content", {}).items()
    )
    return ", ".join(kinds)


def _kind(schema: Schema) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(str(word) for word in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        inner = schema.get("items") or {}
        return f"list of {_kind(inner)}" if inner else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    limits = [
        f"{sign} {schema[key]:,}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"))
        if isinstance(schema.get(key), int | float)
    ]
    return " ".join([str(schema.get("format") or schema.get("type", "any")), *limits])


def _one_line(described: Schema) -> str:
    return " ".join(str(described.get("description", "")).split())
