"""JSON schemas, read off the dataclasses, so that the two cannot part."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from xraybatch.evaluation import comparison
from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.report import SCHEMA_VERSION, Report
from xraybatch.evaluation.tries import Tries

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN = {bool: "boolean", str: "string", int: "integer", float: "number", type(None): "null"}


def report_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of `Report.to_dict`; published as ``docs/report.schema.json``."""
    return schema_of(Report, f"xraybatch report, version {SCHEMA_VERSION}")


def schema_of(record: type, title: str) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a tree of records as `report.plain` makes it JSON."""
    definitions: dict[str, Any] = {}
    root = _schema(record, definitions)
    return {
        "$schema": _DRAFT,
        "title": title,
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def comparison_schema() -> dict[str, Any]:
    """JSON schema of what ``compare --json`` prints: a `Comparison`, or of one run its `Tries`.

    Published as ``docs/comparison.schema.json``.
    """
    definitions: dict[str, Any] = {}
    either = [_schema(record, definitions) for record in (Comparison, Tries)]
    return {
        "$schema": _DRAFT,
        "title": f"xraybatch comparison, version {comparison.SCHEMA_VERSION}",
        "anyOf": either,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, definitions)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return {"anyOf": [_schema(part, definitions) for part in inner]}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(inner[1], definitions)}
    if origin is tuple and inner[1:] == (Ellipsis,):
        return {"type": "array", "items": _schema(inner[0], definitions)}
    raise TypeError(f"no JSON schema for {hint}")


def _record(record: type, definitions: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{record.__name__}"}
    if record.__name__ not in definitions:
        definitions[record.__name__] = {}  # a record may hold itself
        hints = get_type_hints(record)
        fields = [field.name for field in dataclasses.fields(record)]
        definitions[record.__name__] = {
            "type": "object",
            "description": (record.__doc__ or "").splitlines()[0],
            "properties": {name: _schema(hints[name], definitions) for name in fields},
            "required": fields,
            "additionalProperties": False,
        }
    return reference
