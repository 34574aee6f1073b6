"""TOML files that people write: read them, and say what is wrong with them by the key that is wrong."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from circle15.errors import ConfigError, Problem

_PLAIN = {
    "tuple_type": 'should be a list, e.g. ["…"]',
    "list_type": 'should be a list, e.g. ["…"]',
    "dict_type": "should be a table, e.g. { key = … }",
    "model_type": "should be a table, e.g. { key = … }",
    "too_short": "has too few entries",
}
"""Findings of pydantic that speak of Python where a reader of TOML needs other words."""

UNKNOWN_KIND = "unknown_kind"
"""Finding of a list whose entries are of several models, told apart by their key ``kind``."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file, or raise a `ConfigError` that names file and line."""
    return parse_toml(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return a TOML file as it lies on the disk, or raise a `ConfigError` that names it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(Problem("no such file", str(path), remedy="Check the path.")) from None
    except IsADirectoryError:
        raise ConfigError(Problem("is a folder, not a TOML file", str(path), remedy="Name the file in it.")) from None
    except OSError as error:
        raise ConfigError(Problem(f"cannot be read ({error.strerror})", str(path))) from None


def parse_toml(data: bytes, where: str) -> dict[str, Any]:
    """Return the content of a TOML file's bytes, or raise a `ConfigError` that names `where` and the line."""
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            Problem(f"is not UTF-8 (byte {error.start})", where, remedy="Save the file as UTF-8.")
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(Problem(f"is not valid TOML: {error}", where, remedy="Correct that line.")) from None


def did_you_mean(word: str, known: Iterable[str], others: str = "Known here") -> str:
    """Return the remedy for an unknown word: the nearest known one, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f'Did you mean "{near[0]}"?' if near else f"{others}: {', '.join(known)}."


def problems_of(
    error: ValidationError, model: type[BaseModel], where: str, raw: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Translate pydantic's findings into problems that name the key, and the nearest known one where it is unknown.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type of BaseModel
        The model that was to be filled.
    where : str
        File, for the messages.
    raw : mapping, optional
        What the file holds. Where given, an entry of a list is named by its ``id`` beside its number.
    """
    problems = []
    found = error.errors()
    for item in found:
        model_at = _known_keys(model, item["loc"][:-1])
        item["loc"] = _without_tags(item["loc"], raw)
        if item["type"] == UNKNOWN_KIND and isinstance(item["input"], dict):
            # pydantic blames the whole entry, and the one key that is wrong is known
            item["loc"] = (*item["loc"], "kind")
            item["type"] = UNKNOWN_KIND if "kind" in item["input"] else "missing"
            item["input"] = item["input"].get("kind")
        if item["type"] == "too_short" and any(_lies_in(other["loc"], item["loc"]) for other in found):
            continue  # pydantic counts only the entries that are right, and the others are told of anyway
        key, rows = _dotted(item["loc"]), _id_at(raw, item["loc"])
        if item["type"] == "extra_forbidden":
            remedy = did_you_mean(str(item["loc"][-1]), model_at)
            problems.append(Problem(f'unknown key "{key}"', where, rows, remedy))
        elif item["type"] == "missing":
            problems.append(Problem(f'the key "{key}" is missing', where, rows, "Add it."))
        else:
            text = _PLAIN.get(item["type"], item["msg"])
            problems.append(Problem(f'"{key}": {text} (found {item["input"]!r:.80})', where, rows))
    return problems


def _lies_in(loc: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _dotted(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def _id_at(raw: Any, loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the id of the innermost table with one on the way to `loc`, as the only row label."""
    found: tuple[str, ...] = ()
    for part in loc[:-1]:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(raw, dict) and isinstance(raw.get("id"), str):
            found = (raw["id"],)
    return found


def _without_tags(loc: tuple[int | str, ...], raw: Any) -> tuple[int | str, ...]:
    """Return a place without the parts that only say which of several models pydantic took: no file has them."""
    kept: list[int | str] = []
    for part in loc:
        if isinstance(raw, Mapping) and part not in raw and part in (raw.get(key) for key in ("kind",)):
            continue
        kept.append(part)
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
    return tuple(kept)


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at `loc` may have; where it is one of several kinds, `loc` says which."""
    models = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        field = models[0].model_fields.get(part) if len(models) == 1 else None
        of_kind = [one for one in models if _kind_of(one) == part]
        models = of_kind or (_models_in(field.annotation) if field else [])
        if not models:
            return []
    return list(models[0].model_fields)


def _kind_of(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    values = getattr(field.annotation, "__args__", ()) if field else ()
    return values[0] if values else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in getattr(annotation, "__args__", ()) for one in _models_in(part)]
