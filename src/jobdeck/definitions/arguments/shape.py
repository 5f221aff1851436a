"""JSON Schema as forms read it: the same plain shape whatever kind of schema it came from.

An object of `properties`, each with a `title`, in the order they are to be shown. References stand resolved in place
(only a recursive type keeps its `$ref` and `$defs`); "or null" is `"type": ["string", "null"]`, a single choice an
`enum` of one. A property without a type and choices, with several types, or with `anyOf` takes any JSON. Formats beyond those of JSON Schema:

- `"type": "string", "format": "decimal"`: a number written as text, kept exactly
- `"type": "number", "format": "duration"`: seconds

Hints that JSON Schema has no word for:

- `x-hidden: true`: not shown in a form; its default is sent
- `x-options: [{"value": …, "title": …}]`: the choices with words for people (`enum` alone has values)
- `x-rows: n`: a text of several lines, n of them shown
- `x-order: n`: where the property stands among the others; `properties` are sorted by it already
- `x-last-success: true`: left empty, it gets the start of the last successful run
- `x-unit: "milliseconds"`: of a duration that is not in seconds
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from ...errors import FieldError
from .messages import path_of

PATTERN_LIMIT = 1024
HIDDEN_VALUE = "••••••"
_ONE = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames",
        "unevaluatedProperties", "unevaluatedItems")  # fmt: skip
_SEVERAL = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")


def words(name: str) -> str:
    """`dry_run` → `Dry run`."""
    text = " ".join(name.replace("_", " ").replace("-", " ").split())
    return text[:1].upper() + text[1:]


def simplify(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema`, of an object, in the plain shape."""
    simplifier = _Simplifier(schema)
    shape = simplifier.walk({name: value for name, value in schema.items() if name != "$defs"}, ("#",))
    if simplifier.is_recursive and "$defs" in schema:
        shape["$defs"] = schema["$defs"]
    return {"type": "object", "properties": {}, **shape}


class _Simplifier:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.is_recursive = False

    def walk(self, node: Any, trail: tuple[str, ...]) -> Any:
        if not isinstance(node, Mapping):
            return node
        if "$ref" in node:
            return self._resolved(node, trail)
        shape = dict(node)
        for name in shape.keys() & set(_ONE):
            shape[name] = self.walk(shape[name], trail)
        for name in shape.keys() & set(_SEVERAL):
            shape[name] = [self.walk(one, trail) for one in shape[name]]
        for name in shape.keys() & set(_NAMED):
            shape[name] = {key: self.walk(one, trail) for key, one in shape[name].items()}
        if isinstance(shape.get("properties"), Mapping):
            shape["properties"] = _titled(shape["properties"])
        if "const" in shape and "enum" not in shape:
            shape["enum"] = [shape.pop("const")]
        return _or_null(shape)

    def _resolved(self, node: Mapping[str, Any], trail: tuple[str, ...]) -> Any:
        reference = node["$ref"]
        if reference in trail:
            self.is_recursive = True
            return dict(node)
        target = resolve(self._root, reference)
        beside = {name: value for name, value in node.items() if name != "$ref"}
        if not isinstance(target, Mapping):
            return dict(node)
        return self.walk({**target, **beside}, (*trail, reference))


def resolve(root: Mapping[str, Any], reference: str) -> Any:
    """What `#/$defs/name` refers to in `root`; None when there is nothing."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(key)] if key.isdigit() and int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _titled(properties: Mapping[str, Any]) -> dict[str, Any]:
    titled = {
        name: {"title": words(name), **one} if isinstance(one, Mapping) else one for name, one in properties.items()
    }
    last = len(titled)
    order = {name: one.get("x-order", last) if isinstance(one, Mapping) else last for name, one in titled.items()}
    return {name: titled[name] for name in sorted(titled, key=lambda name: order[name])}


def _or_null(shape: dict[str, Any]) -> dict[str, Any]:
    """`anyOf: [X, null]` as X that may be null."""
    branches = shape.get("anyOf", [])
    others = [one for one in branches if one != {"type": "null"}]
    if len(others) != 1 or len(branches) != 2 or not isinstance(others[0].get("type", []), str | list):
        return shape
    rest = {name: value for name, value in shape.items() if name != "anyOf"}
    merged = {**others[0], **rest}
    if "type" in merged:
        types = merged["type"] if isinstance(merged["type"], list) else [merged["type"]]
        merged["type"] = [*types, "null"]
    if "enum" in merged:
        merged["enum"] = [*merged["enum"], None]
    return merged if "type" in merged or "enum" in merged else shape


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a property may have; empty when it does not say."""
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def overlong(schema: Mapping[str, Any], value: Any, *path: object) -> Iterator[FieldError]:
    """Texts too long to be matched against a pattern, which may take time beyond all measure."""
    if isinstance(value, str) and "pattern" in schema and len(value) > PATTERN_LIMIT:
        yield FieldError(field=path_of(*path), messages=(f"Longer than maximum length {PATTERN_LIMIT}.",))
    elif isinstance(value, Mapping):
        for name, one in schema.get("properties", {}).items():
            if name in value and isinstance(one, Mapping):
                yield from overlong(one, value[name], *path, name)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from overlong(schema["items"], item, *path, index)


def unknown_names(schema: Any, value: Any, *path: object) -> Iterator[str]:
    """Where an object in `value` has a name that its closed schema does not have."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for name, inner in value.items():
            if name not in properties and others is False:
                yield path_of(*path, name)
            else:
                yield from unknown_names(properties.get(name, others), inner, *path, name)
    elif isinstance(value, list):
        first = schema.get("prefixItems", [])
        for index, inner in enumerate(value):
            yield from unknown_names(first[index] if index < len(first) else schema.get("items"), inner, *path, index)


def redact(schema: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with what the schema marks as a password or write-only hidden."""
    shown = dict(data)
    for name, one in schema.get("properties", {}).items():
        value = shown.get(name)
        if value is None or not isinstance(one, Mapping):
            continue
        if one.get("format") == "password" or one.get("writeOnly"):
            shown[name] = HIDDEN_VALUE
        elif isinstance(value, Mapping):
            shown[name] = redact(one, value)
    return shown
