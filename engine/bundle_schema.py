"""The JSON Schema of a bundle's files, for editors: built from the keys that the reader knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine import bundle_keys as keys
from engine.bundle_describes import ABOUT, NEEDED, SECTIONS_ABOUT, VALUES

Schema = dict[str, Any]
NAME = "^[a-z0-9]+(-[a-z0-9]+)*$"
IDENTIFIER = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
_WHERE = r"^[a-z0-9-]+(\.[a-z0-9-]+)?(:[a-z0-9-]+)?$"
_TREATMENT_TEXT = "What it says: the keys that its channel asks for"


def schema() -> Schema:
    """The schema of one file: each section of it may be there, none has to be."""
    sections = {name: _section(name, kind) for name, kind in keys.SECTIONS.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A file of a Tactful bundle",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
        "definitions": {_name(kind): _definition(kind) for kind in keys.KEYS},
    }


def schema_text() -> str:
    """The schema as it is kept in the repository."""
    return json.dumps(schema(), indent=2) + "\n"


def _section(name: str, kind: str | None) -> Schema:
    about = {"description": SECTIONS_ABOUT[name]}
    if name in keys.SINGLE and kind is not None:
        return {**about, "allOf": [_of(kind)]}
    pattern = IDENTIFIER if name in ("segments", "values") else NAME
    each = _of(kind) if kind else VALUES[name]
    if name in ("max_ages", "fallbacks", "placements"):
        return {**about, "type": "object", "additionalProperties": each}
    return {**about, **_named(pattern, each)}


def _named(pattern: str, each: Schema) -> Schema:
    return {
        "type": "object",
        "patternProperties": {pattern: each},
        "additionalProperties": False,
    }


def _definition(kind: str) -> Schema:
    found: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _property(kind, key) for key in keys.KEYS[kind]},
    }
    if needed := [key for key in keys.KEYS[kind] if key in NEEDED.get(kind, ())]:
        found["required"] = needed
    if kind == "treatment":
        found["additionalProperties"] = {"type": "string", "description": _TREATMENT_TEXT}
    return found


def _property(kind: str, key: str) -> Schema:
    """What one key may have; what is not told for a kind is the same for all that have it."""
    told: Mapping[str, tuple[Any, str]] = ABOUT.get(kind, {})
    values, words = told[key] if key in told else ABOUT["*"][key]
    if isinstance(values, str):
        each = _of(values)
        pattern = _WHERE if values == "treatment" else NAME
        shape = {"allOf": [each]} if values == "thresholds" else _named(pattern, each)
        return {**shape, "description": words}
    return {**values, "description": words}


def _of(kind: str) -> Schema:
    return {"$ref": f"#/definitions/{_name(kind)}"}


def _name(kind: str) -> str:
    return kind.replace(" ", "_")
