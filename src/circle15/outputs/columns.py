"""The order, the kinds and the decimals of every column that is written.

CSV and GeoPackage show the same figures: a table is arranged once (columns in order, rows sorted by key, floats
rounded to what they can bear) and both formats are written from that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.tables import Results
from circle15.units import TIME_TOLERANCE_S, FloatArray, within

TIME_DECIMALS = 3
"""Times are written to the millisecond: at 0.1 s, a failing 900.04 s would read as the 900 s that pass."""
DECIMALS = {"_s": TIME_DECIMALS, "_m": 1, "_m2": 1, "_rate": 6, "_rate_without_edge": 6}
"""Ending of a column's name → decimals that are always shown."""
RATE_ENDINGS = ("_rate", "_rate_without_edge")
PERSONS_DECIMALS = 3
OTHER_DECIMALS = 6
"""Floats of other columns are rounded to this, and shown without trailing zeros."""
ROUNDED = {"people": PERSONS_DECIMALS}
"""Columns that are rounded to something else, likewise without trailing zeros: cells that are shared hold fractions."""

WHOLE = (
    *("opens", "closes", "count_within", "due", "shortfall_count", "plan_year", "start_year", "open_year", "units"),
    "earliest_year",
)
"""Columns that are whole numbers, though a table with gaps holds them as floats."""
GEOMETRIES = ("geometry", "area")

OTHERS = "*"
"""Stands in a layout for every column that the layout does not name, in the order in which they came."""


@dataclass(frozen=True)
class Layout:
    """What a table looks like in a file.

    Attributes
    ----------
    key : tuple of str
        Columns to sort by, in this order.
    columns : tuple of str
        Columns that are always written, in order, with `OTHERS` where those that are not named go.
    optional : tuple of str
        Those of `columns` that stay empty where the table lacks them.
    """

    key: tuple[str, ...]
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()


COUNTS = ("passed", "failed", "unknown", "exempt", "edge_affected", "overridden")
PEOPLE = ("population", "population_covered", "population_unknown")
RATES = (*COUNTS, "item_rate", "item_rate_without_edge", "committee_rate", *PEOPLE, "population_rate")
ITEM = ("committee_id", "type_id", "requirement_id")
VERDICTS = Layout(
    key=ITEM,
    columns=(
        *(*ITEM, "requirement_kind", "headline", "verdict", "reason", "edge_affected", "mode", "threshold_s"),
        *("time_s", "distance_m", "facility_id", "count_within", *PEOPLE),
        *("value", "target", "unit", "shortfall", "computed_verdict", OTHERS),
    ),
    optional=("population_unknown", "value", "target", "unit", "shortfall", "computed_verdict"),
)
REQUIREMENTS = Layout(
    key=("requirement_id", "scope", "scope_id", "subject"),
    columns=(
        *("requirement_id", "requirement_kind", "scope", "scope_id", "subject", "value", "target", "unit"),
        *("verdict", "reason", "due", "shortfall", "value_low", "value_high", "value_straight", OTHERS),
    ),
    optional=("requirement_kind", "shortfall", "value_low", "value_high", "value_straight"),
)
GAPS = Layout(
    key=ITEM,
    columns=(
        *("committee_id", "town_id", "type_id", "requirement_id", "reason", "edge_affected", "mode", "threshold_s"),
        *("time_s", "shortfall_s", "shortfall_count", "facility_id", "population", "population_affected", OTHERS),
    ),
    optional=("town_id", "mode", "facility_id", "population", "shortfall_count"),
)
COMMITTEES = Layout(
    ("committee_id",),
    ("committee_id", "name", "kind", "town_id", "zone", "population", OTHERS, "verdict", *COUNTS),
    optional=("population", "overridden"),
)
FACILITIES = Layout(
    ("facility_id",),
    ("facility_id", "type_id", "name", "capacity", "floor_area_m2", "opens", "closes", "source", "on_network", OTHERS),
)
CELLS = Layout(("cell_id",), ("cell_id", "total", OTHERS, "committee_id", "status"))
CIRCLES = Layout(("committee_id", "mode", "threshold_s"), ("committee_id", "mode", "threshold_s", "area_m2", OTHERS))
TARGETS = Layout(
    (),  # in the standard's order
    (
        *("target_id", "domain", "name_zh", "name_en", "operator", "value", "unit", "due", "measured"),
        *("measured_target", "measured_unit", "verdict", "reason", "measured_by", "clause", OTHERS),
    ),
    optional=("measured_target",),
)
FACILITY_CHECKS = Layout(
    ("requirement_id", "facility_id"),
    (
        *("requirement_id", "facility_id", "type_id", "town_id", "verdict", "reason", "other_facility_id"),
        *("distance_m", "straight_m", "threshold_m", OTHERS),
    ),
)
GROUPS = Layout((), ("type_id", "group", "scope", "scope_id", *PEOPLE, "population_rate", OTHERS))
EQUITY = Layout(
    (),
    (
        *("type_id", "scope", "scope_id", "measure", "people", "people_unknown", "gini", "palma"),
        *("without_access", "reason", OTHERS),
    ),
)
LORENZ = Layout((), ("type_id", "share_of_people", "share_of_access", OTHERS))
OVERRIDES = Layout(
    ("committee_id", "type_id"),
    ("committee_id", "type_id", "verdict", "computed_verdict", "author", "date", "reason", OTHERS),
)
SENSITIVITY = Layout(
    ITEM,
    (*ITEM, "headline", "verdict", "verdict_slower", "verdict_faster", "mode", "threshold_s", "time_s", OTHERS),
)
_NOT_ALWAYS = ("item_rate_without_edge", "population_unknown", "overridden")
RATE_LAYOUTS = {
    # Types, domains and zones keep the order of the standard that they come in: it is how planners know them.
    "types": Layout((), ("type_id", OTHERS, *RATES), _NOT_ALWAYS),
    "domains": Layout((), ("domain", OTHERS, *RATES), _NOT_ALWAYS),
    "towns": Layout(("town_id",), ("town_id", OTHERS, *RATES), _NOT_ALWAYS),
    "zones": Layout((), ("zone", OTHERS, *RATES), _NOT_ALWAYS),
    "district": Layout((), (OTHERS, *RATES), _NOT_ALWAYS),
}


def arranged_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Return every table of `results` that is written without geometry, arranged, by the name of its CSV file."""
    tables = {
        "verdicts": arrange(results.verdicts, VERDICTS),
        "requirements": arrange(results.requirements, REQUIREMENTS),
        "gaps": arrange(results.gaps, GAPS),
        "committees": arrange(results.committees, COMMITTEES),
        "targets": arrange(results.targets, TARGETS),
        "facility_checks": arrange(results.facility_checks, FACILITY_CHECKS),
        "groups": arrange(results.groups, GROUPS),
        "equity": arrange(results.equity, EQUITY),
        "lorenz": arrange(results.lorenz, LORENZ),
    }
    if results.overrides is not None:
        tables["overrides"] = arrange(results.overrides, OVERRIDES)
    if results.sensitivity is not None:
        tables["sensitivity"] = arrange(results.sensitivity, SENSITIVITY)
    return tables | {name: arrange(results.rates[name], layout) for name, layout in RATE_LAYOUTS.items()}


def arrange(table: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Return `table` as it is written: columns in order, rows sorted by key, one dtype a kind, floats rounded.

    The dtypes are ``boolean``, ``Int64``, ``float64`` (NaN where missing) and ``object`` (text, None where missing or
    blank). Geometries stay behind, but the index keeps each row's position in `table`.

    Raises
    ------
    KeyError
        If a column of the layout is missing: a fault of circle15, never of the user.
    """
    names = [str(c) for c in table.columns if c not in GEOMETRIES]
    listed = [c for c in layout.columns if c != OTHERS]
    missing = [c for c in listed if c not in names and c not in layout.optional]
    if missing and len(table):
        raise KeyError(f"a table to be written lacks the columns {', '.join(missing)}")
    others = [c for c in names if c not in listed]
    at = layout.columns.index(OTHERS) if OTHERS in layout.columns else len(listed)
    order = listed[:at] + others + listed[at:]
    plain = pd.DataFrame(table.drop(columns=[c for c in GEOMETRIES if c in table])).reset_index(drop=True)
    if layout.key and len(plain):
        plain = plain.sort_values(list(layout.key), kind="stable")
    absent = pd.Series(None, index=plain.index, dtype=object)
    done = pd.DataFrame({c: _normal(plain.get(c, absent), c) for c in order}, index=plain.index)
    if {"value", "target", "verdict"} <= set(plain.columns):
        done["value"] = _honest_values(plain)
    if {"time_s", "threshold_s"} <= set(plain.columns):
        done["time_s"] = _honest_times(plain["time_s"], plain["threshold_s"])
    return done


def decimals_of(name: str) -> int | None:
    """Return how many decimals a float column always shows, or None for as many as its figures need."""
    if name.startswith("population") and not name.endswith("_rate"):
        return PERSONS_DECIMALS
    return next((places for ending, places in DECIMALS.items() if name.endswith(ending)), None)


def geometry_of(table: gpd.GeoDataFrame, name: str = "geometry") -> npt.NDArray[np.object_]:
    """Return the geometries of a column as an array of shapely objects, None where missing."""
    column = table.geometry if name == "geometry" else table[name]
    found = np.array(column, dtype=object)
    found[pd.isna(found)] = None
    return found


def _normal(values: pd.Series, name: str) -> pd.Series:
    """Return a column in the one dtype of its kind, floats rounded."""
    kind = "integer" if name in WHOLE else _kind(values)
    if kind == "boolean":
        return values.astype("boolean")
    if kind == "integer":
        return pd.to_numeric(values).astype("Int64")
    if kind == "floating":
        figures = _figures(values)
        places = decimals_of(name)
        places = ROUNDED.get(name, OTHER_DECIMALS) if places is None else places
        if name.endswith(RATE_ENDINGS):
            figures = _rates_short_of_all(figures)
        # Adding 0 turns -0.0, which would read as a difference between two runs, into 0.0.
        return pd.Series(np.round(figures, places) + 0.0, index=values.index)
    return _text(values)


def _kind(values: pd.Series) -> str:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "text"
    if pd.api.types.is_bool_dtype(values.dtype):
        return "boolean"
    if pd.api.types.is_integer_dtype(values.dtype):
        return "integer"
    if pd.api.types.is_float_dtype(values.dtype):
        return "floating"
    found = pd.api.types.infer_dtype(values, skipna=True)
    return {"boolean": "boolean", "integer": "integer", "floating": "floating", "mixed-integer-float": "floating"}.get(
        found, "text"
    )


def _text(values: pd.Series) -> pd.Series:
    """Return text with None where missing or blank; what is no text (a list, a date) becomes its JSON or its name."""
    cells = values.astype(object)
    if pd.api.types.infer_dtype(cells, skipna=True) not in {"string", "empty"}:
        cells = cells.map(_cell_text).astype(object)
    array = np.array(cells, dtype=object)
    array[pd.isna(array) | (array == "")] = None
    return pd.Series(array, index=values.index, dtype="object")


def _cell_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else str(value)  # noqa: PLR0124 - NaN


def _rates_short_of_all(rates: FloatArray) -> FloatArray:
    """Keep a rate below 1 from being rounded to it: 1.000000 means all of them. Likewise 0 means none."""
    step = 10.0 ** -DECIMALS["_rate"]
    return np.where((rates > 0) & (rates < 1), np.clip(rates, step, 1 - step), rates)


def _honest_times(time_s: pd.Series, threshold_s: pd.Series) -> pd.Series:
    """Round times to the millisecond, but up where a time beyond its threshold would read as within it."""
    time = _figures(time_s)
    threshold = _figures(threshold_s)
    shown = np.round(time, TIME_DECIMALS)
    hidden = np.isfinite(time) & ~within(time, threshold) & within(shown, threshold)
    steps = 10**TIME_DECIMALS
    shown[hidden] = (np.floor((threshold[hidden] + TIME_TOLERANCE_S) * steps) + 1) / steps
    return pd.Series(shown + 0.0, index=time_s.index)


def _honest_values(table: pd.DataFrame) -> pd.Series:
    """Round values, but down where one that fails its target would read as reaching it."""
    value, target = _figures(table["value"]), _figures(table["target"])
    shown = np.round(value, OTHER_DECIMALS)
    hidden = (table["verdict"] == "fail").to_numpy() & (shown >= target) & (value < target)
    shown[hidden] -= 10.0**-OTHER_DECIMALS
    return pd.Series(shown + 0.0, index=table.index)


def _figures(values: pd.Series) -> FloatArray:
    return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
