"""The tables that travel between the rooms, and the contracts of their columns.

A contract is checked where a table is made; every problem of a file is found before any is raised.
Coordinates are metres in the run's metric CRS, times seconds, ids text.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.errors import Problem

TextArray = npt.NDArray[np.object_]

KINDS = ("residents", "village")
MODES = ("walk", "cycle", "drive")
"""Ways to use a street; each has its own access flags."""
TRAVEL_MODES = ("walk", "elderly_walk", "cycle", "drive")
"""Ways to travel; the elderly walk on the streets of `walk`, at a speed of their own."""
VERDICTS = ("pass", "fail", "unknown", "exempt")
MEANS = ("reuse", "compound", "new")
"""How the plan closes gaps, in its order of preference: 盘活存量, 复合利用, 规划完善."""
ACTIONS = ("open", "extend", "move", "close")
STATUSES = ("planned", "started", "done")
PROJECTS_SOURCE = "[projects]"
"""Source of the facilities that a ledger adds or moves; no file is called so."""

FORMULA_STARTS = r"=+\-@\t\r\n＝＋－＠﹦﹢﹣﹫−⁼⁺⁻₌₊₋﬩"
"""Signs, for a set in a pattern, with which text begins that a spreadsheet takes for a formula; those in full width
and others that are forms of the plain ones, as well."""

WITHIN = "within"
TOO_FEW = "too_few"
TOO_FAR = "too_far"
NONE_REACHABLE = "none_reachable"
NONE_EXISTS = "none_exists"
OFF_NETWORK = "off_network"
FACILITY_OFF_NETWORK = "facility_off_network"
NO_FACILITY_DATA = "no_facility_data"
NOT_REQUIRED = "not_required"
NO_ZONE = "no_zone"
CONDITION_UNKNOWN = "condition_unknown"
ATTRIBUTE_UNKNOWN = "attribute_unknown"
WITHOUT_ATTRIBUTE = "without_attribute"
ENOUGH = "enough"
TOO_LITTLE = "too_little"
AMOUNT_UNKNOWN = "amount_unknown"
NO_PEOPLE = "no_people"
NO_GROUP_DATA = "no_group_data"
OVERRIDDEN = "overridden"
WITH_ATTRIBUTE = "with_attribute"
LACKS_ATTRIBUTE = "lacks_attribute"

REASONS = {
    WITHIN: "enough facilities of the type lie within the threshold (inclusive)",
    TOO_FEW: "some facilities lie within the threshold, but fewer than the requirement asks for",
    TOO_FAR: "the nearest facility is beyond the threshold, however far",
    NONE_REACHABLE: "facilities exist, but no path leads to any of them",
    NONE_EXISTS: "a source covers the type and holds no facility of it",
    OFF_NETWORK: "the committee lies farther than max_snap_m from the network",
    FACILITY_OFF_NETWORK: "none is reached, and one that lies in straight-line range is off the network",
    NO_FACILITY_DATA: "no source covers the type",
    NOT_REQUIRED: "the requirement does not apply to this committee",
    NO_ZONE: "the committee has no zone, so no mode of travel",
    CONDITION_UNKNOWN: "which rule holds depends on a density or an age group that is not known here",
    ATTRIBUTE_UNKNOWN: "facilities are within the threshold, and of none that has the attribute it is known",
    WITHOUT_ATTRIBUTE: "facilities are within the threshold, and none of them has the attribute",
    ENOUGH: "what is offered for each person reaches the figure (inclusive)",
    TOO_LITTLE: "what is offered for each person is below the figure",
    AMOUNT_UNKNOWN: "capacities or floor areas are missing, and with them it may be enough or not",
    NO_PEOPLE: "nobody lives here as far as the population says, so nothing can be shared among them",
    NO_GROUP_DATA: "the population has no figures for the group that is asked about",
    OVERRIDDEN: "somebody checked it in the field; the verdict is theirs",
}
"""Reason code of a verdict → what it means."""

TARGET_MET = "target_met"
BELOW_TARGET = "below_target"
NO_TARGET = "no_target"
NOTHING_JUDGED = "nothing_judged"
NOT_DUE = "not_due"
NO_FACILITY = "no_facility"
NEEDS_LEDGER = "needs_ledger"
SOME_UNKNOWN = "some_unknown"

SCOPE_REASONS = {
    TARGET_MET: "the figure is reached (inclusive)",
    BELOW_TARGET: "the figure is not reached",
    NO_TARGET: "the requirement has no target for a share of committees; its value is reported",
    NOTHING_JUDGED: "no committee could be judged",
    SOME_UNKNOWN: "so many are unknown that it may be reached or not",
    NOT_DUE: "the figure is not reached, and its year has not come",
    NO_FACILITY: "there is no facility whose share could be taken",
    NO_FACILITY_DATA: REASONS[NO_FACILITY_DATA],
    AMOUNT_UNKNOWN: "figures are missing, and with them it may be reached or not",
    ATTRIBUTE_UNKNOWN: "the attribute is missing for so many facilities that it may be reached or not",
    NO_PEOPLE: REASONS[NO_PEOPLE],
    NO_GROUP_DATA: REASONS[NO_GROUP_DATA],
    NEEDS_LEDGER: "it counts projects, which a detection does not know",
}
"""Reason code of a requirement of a town or the district, or of a target → what it means."""

NEEDS_ATTRIBUTE = "needs_attribute"
NO_SITE_IN_REACH = "no_site_in_reach"
TYPE_NOT_ALLOWED = "type_not_allowed"
OTHER_TOWN = "other_town"
NO_FLOOR_AREA = "no_floor_area"
NO_AMOUNT = "no_amount"
TOO_FEW_SITES = "too_few_sites"
OVER_BUDGET = "over_budget"

OPEN_REASONS = {
    NO_SITE_IN_REACH: "no candidate is within the threshold",
    TYPE_NOT_ALLOWED: "candidates are within the threshold, and none of them may take in what is asked for",
    OTHER_TOWN: "candidates of other towns would serve it, which --by town leaves out",
    NO_FLOOR_AREA: "candidates are within the threshold, and their floor area does not suffice, or not for all gaps",
    NO_AMOUNT: "an amount is asked for, and [suggest.types] does not say how much a new facility offers",
    TOO_FEW_SITES: "all candidates together are too few or offer too little",
    OVER_BUDGET: "for the budget other sites serve more people, or closing it brings nobody within reach",
    NEEDS_ATTRIBUTE: "an attribute is asked for, which a site does not tell of",
    OVERRIDDEN: "somebody in the field says that it fails: no site changes that",
}
"""Reason code of a gap that `suggest` leaves open → what it means."""

FORWARD, BACKWARD, BOTH = 1, 2, 3
"""Bits of the direction flags of a street: with its geometry, against it, both. 0 is closed."""


@dataclass(frozen=True)
class Column:
    """One column of a table's contract.

    Attributes
    ----------
    name : str
        Column name.
    dtype : {"text", "number", "integer"}
        What its values are converted to.
    required : bool
        Whether the column must be there and filled in every row.
    unique : bool
        Whether no value may occur twice.
    minimum : float or None
        Smallest value allowed, inclusive; numbers must be finite in any case.
    allowed : tuple of str
        Values allowed; empty for any.
    """

    name: str
    dtype: str = "text"
    required: bool = False
    unique: bool = False
    minimum: float | None = None
    allowed: tuple[str, ...] = ()


COMMITTEES = (
    Column("committee_id", required=True, unique=True),
    Column("name"),
    Column("kind", required=True, allowed=KINDS),
    Column("town_id", required=True),
    Column("zone"),
)
POPULATION = (
    Column("cell_id", required=True, unique=True),
    Column("total", "number", required=True, minimum=0.0),
)
SHAPE = "shape"
"""Column of the cells as they are read, where some have an area: the polygon, None for points."""
FACILITIES = (
    Column("facility_id", required=True, unique=True),
    Column("type_id", required=True),
    Column("name"),
    Column("capacity", "number", minimum=0.0),
    Column("floor_area_m2", "number", minimum=0.0),
    Column("opens", "integer"),
    Column("closes", "integer"),
    Column("source"),
)
CANDIDATES = (
    Column("candidate_id", required=True, unique=True),
    Column("name"),
    Column("town_id"),
    Column("means", required=True, allowed=MEANS),
    Column("host_facility_id"),
    Column("types"),
    Column("floor_area_m2", "number", minimum=0.0),
    Column("fixed_cost", "number", minimum=0.0),
    Column("cost", "number", minimum=0.0),
    Column("earliest_year", "integer"),
)
"""Sites; ``types`` are ids joined by ``|`` (empty: all that have a gap). ``cost_<type>`` columns win over ``cost``."""
PROJECTS = (
    Column("project_id", required=True, unique=True),
    Column("action", required=True, allowed=ACTIONS),
    Column("facility_id"),
    Column("town_id"),
    Column("type_id"),
    Column("means", allowed=MEANS),
    Column("plan_year", "integer"),
    Column("start_year", "integer"),
    Column("open_year", "integer"),
    Column("status", required=True, allowed=STATUSES),
    Column("units", "integer", minimum=0.0),
    Column("capacity", "number", minimum=0.0),
    Column("floor_area_m2", "number", minimum=0.0),
    Column("cost", "number", minimum=0.0),
    Column("department"),
    Column("candidate_id"),
    Column("name"),
    Column("earliest_year", "integer"),
)
"""The ledger. A column ``marginal`` (``year``, ``means``, ``total``) marks rows that only count; see `plan.ledger`."""


OWN_NAMES = "own_names"
"""Attribute of a table: all columns of its file, as the file calls them, for messages."""

EXACT_FLOATS = 2.0**53
"""Below this every whole number has a float of its own."""


VALUES_SHOWN = 3
NUMBER_REMEDY = "Write plain digits (1234.5: no separators of thousands, no units), or leave the rows out with where."


def exact_floats(values: pd.Series) -> float:
    """Return below which number every whole one has a value of its own in a column of floats, by its bits."""
    bits = getattr(values.dtype, "numpy_dtype", values.dtype)
    return float(2.0 ** (np.finfo(bits).nmant + 1)) if isinstance(bits, np.dtype) else EXACT_FLOATS


def clean_text(values: pd.Series) -> pd.Series:
    """Return `values` as stripped text; each whole float loses its ``.0``, missing and blank become ``""``."""
    if pd.api.types.is_float_dtype(values):
        exact, told = exact_floats(values), values.dropna()
        all_whole = ((told % 1 == 0) & (told.abs() < exact)).all()
        values = values.astype("Int64") if all_whole else _whole_as_int(values, exact)
    elif values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) not in {"string", "empty"}:
        values = _whole_as_int(values, EXACT_FLOATS)
    text = values.astype("string").str.strip()
    return text.fillna("").astype(object)


def _whole_as_int(values: pd.Series, exact: float) -> pd.Series:
    """Return cells as they are, but whole floats below `exact` as integers."""
    cells = [
        int(cell) if isinstance(cell, float | np.floating) and cell.is_integer() and abs(float(cell)) < exact else cell
        for cell in values.astype(object)
    ]
    return pd.Series(cells, values.index, dtype=object)


def flat(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return geometries with x and y only; those that have no more are given back as they are."""
    plane = 2
    return shapely.force_2d(shapes) if (shapely.get_coordinate_dimension(shapes) > plane).any() else shapes


def check_columns(
    table: pd.DataFrame,
    contract: Iterable[Column],
    where: str,
    label: Callable[[npt.NDArray[np.bool_]], tuple[str, ...]],
) -> list[Problem]:
    """Convert `table` to its contract in place and return everything that breaks it.

    Parameters
    ----------
    table : DataFrame
        Columns already carry the contract's names; optional columns that are absent are added empty.
    contract : iterable of Column
        The columns to check.
    where : str
        File or layer for the messages.
    label : callable
        From a boolean mask over the rows to the labels that a message shows.
    """
    problems: list[Problem] = []
    for column in contract:
        if column.name not in table:
            if column.required:
                have = ", ".join(table.attrs.get(OWN_NAMES) or [str(c) for c in table.columns if c != "geometry"])
                problems.append(
                    Problem(
                        f'no column "{column.name}"',
                        where,
                        remedy=f'Map one, e.g. columns = {{ {column.name} = "…" }}; the file has: {have}.',
                    )
                )
                continue
            table[column.name] = "" if column.dtype == "text" else np.nan
        check = _check_text if column.dtype == "text" else _check_number
        problems += check(table, column, where, label)
    return problems


def some_of(values: pd.Series) -> str:
    """Return the first few distinct values, quoted, as a message shows them."""
    distinct = list(dict.fromkeys(values.astype(str)))
    more = f" and {len(distinct) - VALUES_SHOWN} more" if len(distinct) > VALUES_SHOWN else ""
    return ", ".join(f'"{value}"' for value in distinct[:VALUES_SHOWN]) + more


def _check_text(
    table: pd.DataFrame, column: Column, where: str, label: Callable[[npt.NDArray[np.bool_]], tuple[str, ...]]
) -> list[Problem]:
    problems = []
    values = clean_text(table[column.name])
    table[column.name] = values
    empty = (values == "").to_numpy()
    if column.required and empty.any():
        problems.append(Problem(f'"{column.name}" is empty', where, label(empty), "Fill it in for every row."))
    if column.unique:
        twice = values.duplicated(keep=False).to_numpy() & ~empty
        if twice.any():
            ids = tuple(dict.fromkeys(values[twice]))
            problems.append(Problem(f'"{column.name}" occurs more than once', where, ids, "Make each one unique."))
    if column.allowed:
        other = ~values.isin(column.allowed).to_numpy() & ~empty
        if other.any():
            found = ", ".join(repr(v) for v in dict.fromkeys(values[other]))
            problems.append(
                Problem(f'"{column.name}" has {found}', where, label(other), f"Allowed: {', '.join(column.allowed)}.")
            )
    return problems


def _check_number(
    table: pd.DataFrame, column: Column, where: str, label: Callable[[npt.NDArray[np.bool_]], tuple[str, ...]]
) -> list[Problem]:
    problems = []
    raw = table[column.name]
    missing = raw.isna().to_numpy() | (raw.astype("string").str.strip() == "").fillna(value=False).to_numpy(dtype=bool)
    values = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    table[column.name] = values
    text = np.isnan(values) & ~missing
    if text.any():
        what = f'"{column.name}" is not a number: {some_of(raw[text])}'
        problems.append(Problem(what, where, label(text), NUMBER_REMEDY))
    if np.isinf(values).any():
        problems.append(
            Problem(f'"{column.name}" is infinite', where, label(np.isinf(values)), "Correct these values.")
        )
    if column.required and missing.any():
        problems.append(
            Problem(
                f'"{column.name}" is missing (NaN or empty)',
                where,
                label(missing),
                "Fill in 0 where it is none, or remove the row.",
            )
        )
    if column.minimum is not None:
        low = values < column.minimum
        if low.any():
            problems.append(
                Problem(f'"{column.name}" is below {column.minimum:g}', where, label(low), "Correct these values.")
            )
    if column.dtype == "integer":
        part = np.isfinite(values) & (values % 1 != 0)
        if part.any():
            problems.append(
                Problem(f'"{column.name}" is not a whole number', where, label(part), "Correct these values.")
            )
    return problems


@dataclass(frozen=True)
class Streets:
    """Every street of an input, as one edge between two nodes where streets meet or end.

    A row of the edge arrays is a piece of street between two *vertices that may be shared*; chains of degree-2
    nodes are contracted later, per mode. Coordinates are metres in a metric CRS.

    Attributes
    ----------
    node_xy : float64 array of shape (nodes, 2)
        Coordinates.
    u, v : int32 arrays of shape (edges,)
        First and last node of each edge, as rows of `node_xy`.
    xy : float64 array of shape (vertices, 2)
        The vertices of all edges, one edge after the other, both ends included.
    first : int64 array of shape (edges + 1,)
        Edge ``i`` has the vertices ``xy[first[i]:first[i + 1]]``.
    access : dict of str to uint8 array of shape (edges,)
        For each of `MODES`, the direction flags (`FORWARD`, `BACKWARD`, `BOTH`, 0).
    road_class : int16 array of shape (edges,)
        Index into `road_classes`; decides the car's speed.
    road_classes : tuple of str
        Values of the ``highway`` tag.
    speed_kmh : float64 array of shape (edges,)
        A speed that overrides the mode's (a ferry's), else NaN.
    boards : dict of str to bool array of shape (edges,)
        For each of `MODES`, whether a journey may begin or end on the edge between its nodes: not in a tunnel, on a
        bridge, on a ferry.
    source : str
        The file, for messages.
    private : dict of str to uint8 array of shape (edges,)
        For each of `MODES`, the direction flags for those who live there, where the street is closed to everybody else;
        0 elsewhere. Empty unless such streets were asked for.
    line : int64 array of shape (edges,)
        Which line of the input each edge was cut from. Empty likewise.
    """

    node_xy: npt.NDArray[np.float64]
    u: npt.NDArray[np.int32]
    v: npt.NDArray[np.int32]
    xy: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    access: dict[str, npt.NDArray[np.uint8]]
    road_class: npt.NDArray[np.int16]
    road_classes: tuple[str, ...]
    speed_kmh: npt.NDArray[np.float64]
    boards: dict[str, npt.NDArray[np.bool_]]
    source: str
    private: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    line: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class FacilityTable:
    """Facilities with the types that their sources claim to know.

    Attributes
    ----------
    table : GeoDataFrame
        Columns of `FACILITIES`, ``attributes`` left as read; geometry in the metric CRS: Point or MultiPoint
        (entrances), LineString or Polygon (reached where the network meets them).
    covered : dict of str to tuple of str
        Type id → names of the sources that claim to know every facility of the type.
    extents : dict of str to shapely geometry or None
        Source name → area that the source covers; None where it is that of the network (taken from the same file).
    absent : DataFrame
        ``facility_id, type_id, opens, closes`` of the facilities that are not open in the run's year.
    """

    table: gpd.GeoDataFrame
    covered: dict[str, tuple[str, ...]]
    extents: dict[str, object] = field(default_factory=dict)
    absent: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["facility_id", "type_id", "opens", "closes"])
    )


@dataclass(frozen=True)
class Results:
    """Everything that one detection found, ready to be written.

    Attributes
    ----------
    committees : GeoDataFrame
        One row a committee: columns of `COMMITTEES`, ``population`` and each population group, ``verdict`` and
        ``passed``, ``failed``, ``unknown``, ``exempt``, ``edge_affected`` (numbers of headline items); geometry is
        the centre.
    verdicts : DataFrame
        The table *verdicts* of the design, one row a committee and requirement.
    requirements : DataFrame
        ``requirement_id, scope, scope_id, subject, value, target, unit, verdict, reason, due``.
    gaps : DataFrame
        One row a failed headline item: ``committee_id, type_id, requirement_id, reason, time_s, threshold_s,
        shortfall_s, population_affected, edge_affected``.
    facilities : GeoDataFrame
        Columns of `FACILITIES` and ``on_network``; geometry as given.
    cells : GeoDataFrame or None
        ``cell_id, total``, groups, ``committee_id`` (``""`` outside), ``status``; geometry is the point.
    towns : GeoDataFrame
        The rates by town with the committees' areas united, or their centres.
    circles : GeoDataFrame
        ``committee_id, mode, threshold_s, area_m2``; geometry is the service circle.
    rates : dict of str to DataFrame
        ``types``, ``domains``, ``towns``, ``zones``, ``district``.
    targets : DataFrame
        One row a dated target of the standard (`circle15.assess.targets`).
    facility_checks : DataFrame
        One row a requirement of quality or adjacency and facility (`circle15.assess.scopes`).
    groups : DataFrame
        Population rates of the groups that types are for (`circle15.assess.groups`).
    equity, lorenz : DataFrame
        How evenly people are served, by type (`circle15.assess.equity`).
    overrides : DataFrame or None
        Verdicts that somebody checked in the field; None where the configuration names none.
    sensitivity : DataFrame or None
        Verdicts that turn at other speeds; None where it wasn't asked.
    """

    committees: gpd.GeoDataFrame
    verdicts: pd.DataFrame
    requirements: pd.DataFrame
    gaps: pd.DataFrame
    facilities: gpd.GeoDataFrame
    cells: gpd.GeoDataFrame | None
    towns: gpd.GeoDataFrame
    circles: gpd.GeoDataFrame
    rates: dict[str, pd.DataFrame]
    targets: pd.DataFrame = field(default_factory=pd.DataFrame)
    facility_checks: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    equity: pd.DataFrame = field(default_factory=pd.DataFrame)
    lorenz: pd.DataFrame = field(default_factory=pd.DataFrame)
    overrides: pd.DataFrame | None = None
    sensitivity: pd.DataFrame | None = None
