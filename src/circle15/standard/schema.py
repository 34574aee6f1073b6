"""The JSON Schema of standards, for editors: keys, values and what they mean, from the models and their docstrings.

It knows single keys. What entries say of one another, and that exactly one rule holds for every committee, only
loading a standard checks.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from circle15.standard import model, parts, requirements
from circle15.standard.model import Standard

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def standard_schema() -> dict[str, Any]:
    """Return the schema of a standard's file as a JSON document."""
    schema = Standard.model_json_schema()
    described: dict[str, Any] = _described(schema, Standard)
    described["$defs"] = {name: _described(part, _models()[name]) for name, part in schema["$defs"].items()}
    return {"$schema": DRAFT, "title": "Standard of circle15", **_without_titles(described)}


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(standard_schema(), ensure_ascii=False, indent=2) + "\n"


def key_texts(kind: type[BaseModel]) -> dict[str, str]:
    """Return what each key of a table means, where its class or one that it extends says so."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        if issubclass(cls, BaseModel):
            found |= dict(_attributes(cls.__doc__ or ""))
    return {key: found[key] for key in kind.model_fields if key in found}


def _models() -> dict[str, type[BaseModel]]:
    every = [one for module in (parts, requirements, model) for one in vars(module).values()]
    return {one.__name__: one for one in every if isinstance(one, type) and issubclass(one, BaseModel)}


def _described(schema: Mapping[str, Any], kind: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of one table with its docstring's first sentence, and each key with its own."""
    texts = key_texts(kind)
    first = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    keys = {key: part | ({"description": texts[key]} if key in texts else {}) for key, part in _properties(schema)}
    return {**schema, "description": first.replace("``", '"'), "properties": keys}


def _properties(schema: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(key, dict(part)) for key, part in schema.get("properties", {}).items()]


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield the names of a docstring's section *Attributes* with their texts."""
    section = re.split(r"Attributes\n\s*-+\n", docstring)
    if len(section) == 1:
        return
    names: list[str] = []
    told: list[str] = []
    for line in [*section[1].splitlines(), "    end"]:
        if re.match(r"    \S", line):
            yield from ((name, " ".join(told).replace("``", '"')) for name in names)
            names, told = [one.strip() for one in line.split(" : ")[0].split(",")], []
        elif line.strip():
            told.append(line.strip())


def _without_titles(part: Any) -> Any:
    """Return a schema without the titles that only repeat keys and class names."""
    if isinstance(part, list):
        return [_without_titles(one) for one in part]
    if not isinstance(part, dict):
        return part
    # a title is a text; a key of a table that is called "title" would be a schema
    return {k: _without_titles(v) for k, v in part.items() if not (k == "title" and isinstance(v, str))}
