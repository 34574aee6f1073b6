"""Mappings: from OSM tags, or from the codes of a table, to the types of the standard.

A mapping is a TOML file; ``configs/mappings/osm.toml`` describes the form at its top, and ``amap.toml`` that of codes
with names. What it knows of a type with high or medium confidence, a source read by it covers: where it finds none,
there is none. `circle15.inputs.codes` applies a mapping to a table, `circle15.inputs.osm` to an OSM file.
"""

import math
import re
from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from circle15.config import Datum
from circle15.errors import ConfigError, Problem, raise_if_any
from circle15.inputs.formats import nearest
from circle15.package_files import package_folder
from circle15.toml import problems_of, read_toml

NAME_KEYS = ("name", "name:zh")
"""OSM keys in which a condition's ``name`` is searched."""
ANY = "*"
CODE = "code"
"""The key of a condition that asks for a code in a table's type column."""


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _compiled(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None


def _interval(value: object) -> object:
    match value:
        case [int() | float() as low, int() | float() as high] if 0 <= low < high:
            return (float(low), float(high))
    raise ValueError("has to be [least, below], two numbers of square metres, 0 or more and ascending")


Values = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Pattern = Annotated[re.Pattern[str], BeforeValidator(_compiled)]
Interval = Annotated[tuple[float, float], BeforeValidator(_interval)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Part):
    """Tags that an object must all have, perhaps with a name that a pattern finds and an area in a range.

    Attributes
    ----------
    name : re.Pattern or None
        Searched in the object's name.
    area_m2 : (float, float) or None
        Square metres: the first included, the second not.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Values]

    name: Pattern | None = None
    area_m2: Interval | None = None

    @property
    def tags(self) -> dict[str, tuple[str, ...]]:
        """Key → values of which one is enough."""
        return self.__pydantic_extra__

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of which a table's row must have one, if this condition is for tables; else none."""
        return self.tags[CODE] if self.tags.keys() == {CODE} else ()

    def has_codes(self, codes: Collection[str], name: str) -> bool:
        """Return whether a table's row meets everything but the area; a condition on OSM tags never holds."""
        if self.tags.keys() - {CODE}:
            return False
        if CODE in self.tags and ANY not in self.codes and not any(code in self.codes for code in codes):
            return False
        return self.name is None or self.name.search(name) is not None

    def has_tags(self, tags: dict[str, str]) -> bool:
        """Return whether an object meets everything but the area."""
        for key, wanted in self.tags.items():
            found = tags.get(key)
            if found is None or not any(value == ANY or _value_holds(found, value) for value in wanted):
                return False
        return self.name is None or any(self.name.search(tags[key]) for key in NAME_KEYS if key in tags)

    def has_area(self, area_m2: float) -> bool:
        """Return whether an object's area is in range; NaN (no polygon) never is where a range is asked."""
        return self.area_m2 is None or self.area_m2[0] <= area_m2 < self.area_m2[1]


class TypeRule(_Part):
    """How one type is found.

    Attributes
    ----------
    id : str
        The type.
    confidence : {"high", "medium", "low"}
        How well the source knows the type; ``low`` is not covered.
    any : tuple of Condition
        One has to hold.
    none : tuple of Condition
        None may hold.
    not_within : tuple of Condition
        Objects inside a polygon of this kind do not count, except those for which `unless` holds.
    merge_within_m : float or None
        Objects found by different conditions of `any` this close to each other in metres, with the same name or one
        of them without, are one.
    """

    id: str = Field(min_length=1)
    confidence: Literal["high", "medium", "low"]
    note: str = ""
    any: tuple[Condition, ...] = ()
    none: tuple[Condition, ...] = ()
    not_within: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    merge_within_m: float | None = Field(default=None, gt=0)

    def condition_of(self, tags: dict[str, str], area_m2: float) -> int | None:
        """Return which condition of `any` finds an object (the first that does), None if it is not of this type."""
        for number, condition in enumerate(self.any):
            if condition.has_tags(tags) and condition.has_area(area_m2):
                excluded = any(other.has_tags(tags) and other.has_area(area_m2) for other in self.none)
                return None if excluded else number
        return None

    def has_tags(self, tags: dict[str, str]) -> bool:
        """Return whether an object is of this type but for its area."""
        excluded = any(other.has_tags(tags) and other.area_m2 is None for other in self.none)
        return not excluded and any(condition.has_tags(tags) for condition in self.any)

    @property
    def by_tags(self) -> bool:
        """Whether some condition of `any` is for OSM objects."""
        return any(not condition.codes for condition in self.any)

    @property
    def by_codes(self) -> bool:
        """Whether some condition of `any` is for rows of a table."""
        return any(condition.codes for condition in self.any)


class Ignored(_Part):
    """Objects that a reader might expect among the facilities and that are counted instead."""

    id: str = Field(min_length=1)
    note: str
    any: tuple[Condition, ...] = Field(min_length=1)


class Mapping(_Part):
    """Tags or codes → types.

    Attributes
    ----------
    name : str
        What it maps, for people.
    types : tuple of TypeRule
        The types that tags decide, and the confidence of any type.
    codes : dict of str to str
        Code in a table's type column → type.
    ignored : tuple of Ignored
        What is counted and left out.
    datum : str or None
        What the coordinates of such data are usually measured against (``gcj02`` for Amap).
    """

    name: str = ""
    datum: Datum | None = None
    types: tuple[TypeRule, ...] = ()
    codes: dict[str, str] = {}
    ignored: tuple[Ignored, ...] = ()

    def covers(self) -> tuple[str, ...]:
        """Return the types known with high or medium confidence: those of `types`, then others of `codes`."""
        low = {rule.id for rule in self.types if rule.confidence == "low"}
        every = [*(rule.id for rule in self.types), *self.codes.values()]
        return tuple(name for name in dict.fromkeys(every) if name not in low)

    def covers_by_tags(self) -> tuple[str, ...]:
        """Return those of `covers` that are found in an OSM file."""
        found = {rule.id for rule in self.types if rule.by_tags}
        return tuple(name for name in self.covers() if name in found)

    def covers_by_codes(self) -> tuple[str, ...]:
        """Return those of `covers` that are found in a table by its codes."""
        found = {*self.codes.values(), *(rule.id for rule in self.types if rule.by_codes)}
        return tuple(name for name in self.covers() if name in found)

    def types_of(self, tags: dict[str, str], area_m2: float = math.nan) -> tuple[str, ...]:
        """Return every type that an object's tags and area (NaN without a polygon) make it."""
        return tuple(rule.id for rule in self.types if rule.condition_of(tags, area_m2) is not None)

    @property
    def keys(self) -> frozenset[str]:
        """OSM keys of which an object must have one for any condition to find it."""
        return frozenset(self._by_key)

    def may_find(self, tags: dict[str, str]) -> bool:
        """Return whether some condition holds for an object's tags, leaving its area aside."""
        return any(c.has_tags(tags) for key in tags.keys() & self._by_key.keys() for c in self._by_key[key])

    @cached_property
    def _by_key(self) -> dict[str, list[Condition]]:
        """Every condition that finds objects, by a key that these must have."""
        conditions = [one for rule in self.types for one in (*rule.any, *rule.not_within)]
        conditions += [one for rule in self.ignored for one in rule.any]
        found: dict[str, list[Condition]] = {}
        for condition in conditions:
            for key in [next(iter(condition.tags))] if condition.tags else NAME_KEYS:
                found.setdefault(key, []).append(condition)
        return found


def mapping_path(name: str, folder: Path) -> Path:
    """Return the file of a mapping: one that circle15 ships (by id), or a ``.toml`` path relative to `folder`."""
    return folder / name if name.endswith(".toml") else _shipped(name)


def load_mapping(name: str, folder: Path, known_types: Collection[str] | None = None) -> Mapping:
    """Read and check a mapping.

    Parameters
    ----------
    name : str
        Id of one that circle15 ships (``osm``), or the path of a ``.toml`` file.
    folder : Path
        The folder that a relative path starts from.
    known_types : collection of str, optional
        Ids of the standard's types; any other in the mapping is an error. By default all are let through.

    Raises
    ------
    ConfigError
        If there is no such mapping, or it has unknown keys or types, bad patterns, or no conditions; all at once.
    """
    path = mapping_path(name, folder)
    raw = read_toml(path)
    try:
        mapping = Mapping.model_validate(raw)
    except ValidationError as error:
        problems = problems_of(error, Mapping, str(path), raw)
        raise ConfigError(*problems, *_unknown_types(_raw_types(raw), known_types, str(path))) from None
    ids = [rule.id for rule in mapping.types]
    problems = [
        Problem(f'type "{one}" is described {ids.count(one)} times', str(path), remedy="Join them in one.")
        for one in dict.fromkeys(ids)
        if ids.count(one) > 1
    ]
    problems += [
        Problem(f'type "{rule.id}" has neither any nor a code', str(path), remedy="Say how it is found.")
        for rule in mapping.types
        if not rule.any and rule.id not in mapping.codes.values()
    ]
    problems += [
        Problem(f'type "{rule.id}": a condition in {part} is empty', str(path), remedy="It would hold for everything.")
        for rule in mapping.types
        for part in ("any", "none", "not_within", "unless")
        for condition in getattr(rule, part)
        if not condition.tags and condition.name is None and condition.area_m2 is None
    ]
    raise_if_any([*problems, *_unknown_types([*ids, *mapping.codes.values()], known_types, str(path))], ConfigError)
    return mapping


def _raw_types(raw: dict[str, Any]) -> list[str]:
    """Return the types that an invalid mapping names, as far as it can be understood."""
    types, codes = raw.get("types"), raw.get("codes")
    found = [one.get("id") for one in types if isinstance(one, dict)] if isinstance(types, list) else []
    found += list(codes.values()) if isinstance(codes, dict) else []
    return [one for one in found if isinstance(one, str)]


def _unknown_types(found: Sequence[str], known: Collection[str] | None, where: str) -> list[Problem]:
    if known is None:
        return []
    unknown = [one for one in dict.fromkeys(found) if one not in known]
    return [Problem(f'unknown type "{one}"', where, remedy=nearest(one, list(known))) for one in unknown]


def _shipped(name: str) -> Path:
    files = package_folder("circle15.configs", "mappings")
    every = [file.removesuffix(".toml") for file in files if file.endswith(".toml")]
    if name not in every:
        remedy = f"{nearest(name, every)} A file of your own is named by its path, which ends in .toml."
        raise ConfigError(Problem(f'no mapping "{name}"', remedy=remedy))
    return Path(str(files[f"{name}.toml"]))


_RANGE = re.compile(r"(\d{1,3})\s*-\s*(\d{1,3})")


@lru_cache(maxsize=1 << 14)
def _value_holds(found: str, wanted: str) -> bool:
    """Return whether a tag's value is the wanted one, or lists all of its parts (``1;2``, ranges ``0-3``)."""
    return found == wanted or set(_split(wanted)) <= set(_split(found))


def _split(value: str) -> list[str]:
    parts: list[str] = []
    for part in re.split(r"[;,]", value):
        span = _RANGE.fullmatch(part.strip())
        if span:
            parts += [str(n) for n in range(int(span[1]), int(span[2]) + 1)]
        parts.append(part.strip())
    return parts
