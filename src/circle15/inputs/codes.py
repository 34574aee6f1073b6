"""Rows of a table → types, by the codes of its type column and, where a mapping asks for them, by names and areas.

A field may hold several codes joined by ``|``, as Amap's does. A place of several types stands once for each of them,
as an OSM object does.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.errors import Notes
from circle15.inputs.mapping import ANY, Condition, Mapping, TypeRule
from circle15.units import FloatArray

SEPARATOR = "|"
"""Joins the codes of one place."""

CODES_SHOWN = 20
"""How many codes a note names, the most frequent first."""

AREA_DIMENSION = 2


@dataclass(frozen=True)
class RowTypes:
    """What a mapping makes of one row.

    Attributes
    ----------
    types : tuple of str
        Its types, in the mapping's order.
    known : bool
        Whether the mapping has any of its codes.
    unmeasured : tuple of str
        Types that it may be of, if it only had an area.
    other_area : bool
        Whether some type would fit but for the area that it has.
    padded : bool
        Whether zeros were put in front of its code.
    """

    types: tuple[str, ...]
    known: bool = True
    unmeasured: tuple[str, ...] = ()
    other_area: bool = False
    padded: bool = False


class CodeBook:
    """The part of a mapping that is for tables, looked up by code."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.rules = tuple(rule for rule in mapping.types if rule.by_codes)
        conditions = [condition for rule in self.rules for condition in rule.any]
        self.codes = frozenset([*mapping.codes, *(code for one in conditions for code in one.codes)]) - {ANY}
        lengths = {len(code) if code.isdigit() and code.isascii() else 0 for code in self.codes}
        self.width = max(lengths) if len(lengths) == 1 else 0
        self._look_up = functools.cache(self._look_up_once)

    @property
    def asks_names(self) -> bool:
        """Whether some type depends on the place's name."""
        return any(condition.name for rule in self.rules for condition in (*_for_tables(rule), *rule.none))

    @property
    def only_by_area(self) -> frozenset[str]:
        """The types that only polygons can be of."""
        every = {rule.id for rule in self.rules if all(c.area_m2 is not None for c in _for_tables(rule))}
        return frozenset(every - set(self.mapping.codes.values()))

    def find(self, field: str, name: str, area_m2: float = math.nan) -> RowTypes:
        """Return what a row is by its code field, its name and its area (NaN where it is no polygon)."""
        codes, padded, rules = self._look_up(field)
        types: list[str] = []
        unmeasured: list[str] = []
        other_area = False
        for rule in rules:
            fitting = [one for one in _for_tables(rule) if one.has_codes(codes, name)]
            if not fitting or any(one.has_codes(codes, name) and one.has_area(area_m2) for one in rule.none):
                continue
            if any(one.has_area(area_m2) for one in fitting):
                types.append(rule.id)
            elif math.isnan(area_m2):
                unmeasured.append(rule.id)
            else:
                other_area = True
        types += [self.mapping.codes[code] for code in codes if code in self.mapping.codes]
        known = bool(types) or any(code in self.codes for code in codes)
        return RowTypes(tuple(dict.fromkeys(types)), known, tuple(unmeasured), other_area, padded)

    def _look_up_once(self, field: str) -> tuple[tuple[str, ...], bool, tuple[TypeRule, ...]]:
        """Return the codes of a field, whether zeros were put in front of one, and the rules that ask for any."""
        found = (field,) if field in self.codes else tuple(one.strip() for one in field.split(SEPARATOR))
        codes = tuple(dict.fromkeys(self._with_zeros(code) for code in found if code))
        wanted = {ANY, *codes}
        rules = tuple(rule for rule in self.rules if any(wanted.intersection(c.codes) for c in rule.any))
        return codes, any(code not in found for code in codes), rules

    def _with_zeros(self, code: str) -> str:
        """Return a code with the zeros that a spreadsheet took from its front, where the mapping has that code."""
        full = code.zfill(self.width)
        return full if code not in self.codes and code.isdigit() and full in self.codes else code


def _for_tables(rule: TypeRule) -> tuple[Condition, ...]:
    return tuple(condition for condition in rule.any if condition.codes)


def area_of(shapes: npt.NDArray[np.object_]) -> FloatArray:
    """Return the areas of polygons in the unit of their CRS, squared; NaN for all other geometries."""
    return np.where(shapely.get_dimensions(shapes) == AREA_DIMENSION, shapely.area(shapes), np.nan)


def apply_mapping(
    mapping: Mapping, table: gpd.GeoDataFrame, column: str, area_m2: FloatArray, name: str, notes: Notes
) -> tuple[gpd.GeoDataFrame, frozenset[str]]:
    """Translate the codes of a table to types.

    Parameters
    ----------
    mapping : Mapping
        Codes → types.
    table : GeoDataFrame
        ``type_id`` holds the codes as text, ``name`` and ``facility_id`` are text.
    column : str
        Where the codes stay in the table returned; a column of that name is left as it is.
    area_m2 : float64 array of shape (rows,)
        Square metres; NaN for what is no polygon.
    name : str
        The source, for the notes.
    notes : Notes
        Gets rows left out, by code: no code of theirs is in the mapping; the name is another's; no area, or one that
        fits no type. Also places of several types, and codes that got zeros in front.

    Returns
    -------
    GeoDataFrame
        One row a place and type, in the order of `table`; where a place is of several, its id has ``/`` and the type.
    frozenset of str
        Types that some rows may be of that have no area, and those that none could be of for want of any polygon: of
        them this table does not know every facility.
    """
    book = CodeBook(mapping)
    codes = table["type_id"]
    rows = [book.find(*one) for one in zip(codes, table["name"], area_m2.tolist(), strict=True)]
    _note_left_out(rows, table, name, notes)
    _note_several(rows, table, name, notes)
    count = np.array([len(row.types) for row in rows], dtype=np.int64)
    repeated = np.repeat(np.arange(len(table)), count)
    types = [one for row in rows for one in row.types]
    several = (count > 1)[repeated]
    extra = {} if column in table else {column: codes}
    found = table.assign(**extra).iloc[repeated].reset_index(drop=True)
    ids = [f"{i}/{t}" if many else i for i, t, many in zip(found["facility_id"], types, several, strict=True)]
    found["type_id"] = pd.Series(types, dtype=object)
    found["facility_id"] = pd.Series(ids, dtype=object)
    unmeasured = {one for row in rows for one in row.unmeasured}
    if np.isnan(area_m2).all():
        unmeasured |= book.only_by_area
    return found, frozenset(unmeasured)


def _note_left_out(rows: Sequence[RowTypes], table: gpd.GeoDataFrame, name: str, notes: Notes) -> None:
    codes, ids = table["type_id"], table["facility_id"]
    unmapped = _mask(not row.known for row in rows)
    text = f"{name}: {unmapped.sum()} rows left out, since the mapping has no type for their code: "
    notes.add("facilities.unmapped", unmapped.sum(), text + _counts(codes[unmapped]), ids[unmapped])

    other = _mask(row.known and not (row.types or row.unmeasured or row.other_area) for row in rows)
    text = f"{name}: {other.sum()} rows left out, since their name fits no type of their code: "
    notes.add("facilities.name_not_of_type", other.sum(), text + _counts(codes[other]), ids[other])

    flat = _mask(bool(row.unmeasured) for row in rows)
    lost = int(_mask(bool(row.unmeasured) and not row.types for row in rows).sum())
    types = ", ".join(sorted({one for row in rows for one in row.unmeasured}))
    text = (
        f"{name}: {flat.sum()} rows may be of types that follow from the area ({types}), and are no polygons; {lost} "
        "of them are of no other type and left out. Unless covers claims them, this source does not cover these types"
    )
    notes.add("facilities.no_area", flat.sum(), text, ids[flat])

    size = _mask(row.other_area and not (row.types or row.unmeasured) for row in rows)
    text = f"{name}: {size.sum()} rows left out, since no type of their code has room for their area: "
    notes.add("facilities.area_not_of_type", size.sum(), text + _counts(codes[size]), ids[size])


def _note_several(rows: Sequence[RowTypes], table: gpd.GeoDataFrame, name: str, notes: Notes) -> None:
    several = _mask(len(row.types) > 1 for row in rows)
    sized = [c for c in ("capacity", "floor_area_m2") if c in table and table.loc[several, c].notna().any()]
    text = f"{name}: {several.sum()} places are of several types and stand once for each, with the type in the id"
    text += f"; their {' and '.join(sized)} stands whole in each" if sized else ""
    notes.add("facilities.several_types", several.sum(), text, table["facility_id"][several])

    padded = _mask(row.padded for row in rows)
    text = f"{name}: {padded.sum()} codes lack zeros in front that the mapping's have; they are read with them: "
    notes.add(
        "facilities.code_zeros", padded.sum(), text + _counts(table["type_id"][padded]), table["facility_id"][padded]
    )


def _mask(values: Iterable[bool]) -> npt.NDArray[np.bool_]:
    return np.fromiter(values, dtype=bool)


def _counts(codes: pd.Series) -> str:
    """Return how often each code occurs, the most frequent first."""
    counts = codes.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    shown = ", ".join(f"{code} ({number})" for code, number in counts.head(CODES_SHOWN).items())
    more = len(counts) - CODES_SHOWN
    return f"{shown} and {more} other codes" if more > 0 else shown
