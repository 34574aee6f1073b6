"""Requirements of a town or the district: provision, quality, adjacency, presence and totals.

Each gives one row an area, with its value, what is asked, what is missing, a verdict and its reason. Where figures are
missing, ``value`` is what is there for sure and ``value_high`` what there may be at most: a verdict needs both.
A figure that is not reached before the year it is due in is ``exempt`` (``not_due``), not failed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.assess.quality import attribute_of
from circle15.assess.supply import Supply, added_since, judge_amount, shares, sum_by, supply_of
from circle15.standard.model import Standard
from circle15.standard.requirements import Adjacency, Presence, Provision, Quality, Requirement, Total
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]

ROW_COLUMNS = (
    "requirement_id",
    "requirement_kind",
    "scope",
    "scope_id",
    "subject",
    "value",
    "target",
    "unit",
    "verdict",
    "reason",
    "due",
    "shortfall",
    "value_high",
    "value_straight",
)
CHECK_COLUMNS = (
    "requirement_id",
    "facility_id",
    "type_id",
    "town_id",
    "verdict",
    "reason",
    "other_facility_id",
    "distance_m",
    "straight_m",
    "threshold_m",
)


@dataclass(frozen=True)
class Areas:
    """The towns, or the district as one area.

    Attributes
    ----------
    scope : {"town", "district"}
        What they are.
    ids : tuple of str
        Their ids; ``""`` is the district.
    facility : int64 array of shape (facilities,)
        Row of each facility's area, -1 for none.
    people : dict of str to float64 array of shape (areas,)
        Persons by group, ``total`` for everybody; empty without a population.
    """

    scope: str
    ids: tuple[str, ...]
    facility: IntArray
    people: dict[str, FloatArray]


@dataclass(frozen=True)
class Stock:
    """What there is: the facilities, what sources cover, and the year.

    Attributes
    ----------
    standard : Standard
        What provides what.
    table : DataFrame
        The facilities, columns of `tables.FACILITIES` and attributes.
    covered : collection of str
        Types that some source claims to know.
    town : object array of str, shape (facilities,)
        Each facility's town, ``""`` for none.
    as_of : int
        The run's year.
    """

    standard: Standard
    table: pd.DataFrame
    covered: Mapping[str, object]
    town: TextArray
    as_of: int

    def knows(self, types: Sequence[str]) -> bool:
        """Return whether a source claims to know at least one of the types."""
        return any(t in self.covered for t in types)

    def knows_all(self, types: Sequence[str]) -> bool:
        """Return whether sources claim to know every one of the types: only then a share of them is certain."""
        return all(t in self.covered for t in types)

    def supply(self, types: Sequence[str], measure: str) -> tuple[Supply, float]:
        """Return what facilities offer, and how much more there may be: without end where a type isn't covered."""
        unseen = any(t not in self.covered for t in types)
        return supply_of(self.standard, self.table, types, measure), np.inf if unseen else 0.0


@dataclass(frozen=True)
class Adjacent:
    """How far each facility of one kind is from the nearest of another; arrays of shape (facilities of the kind,).

    Attributes
    ----------
    row : int64 array
        Rows in the facility table.
    distance_m, straight_m : float64 arrays
        Along the streets (NaN beyond the search limit) and in a straight line (NaN without any).
    other : int64 array
        Row of the nearest along the streets, -1 for none.
    unknown : bool array
        Those of which the distance can't be told: off the network, or with a facility that is off it in range.
    """

    row: IntArray
    distance_m: FloatArray
    straight_m: FloatArray
    other: IntArray
    unknown: BoolArray


def provision_rows(one: Provision, stock: Stock, areas: Areas) -> pd.DataFrame:
    """Return what there is for every `per` people of a group, by area."""
    supply, more = stock.supply(one.types, one.measure)
    low, high = sum_by(supply, areas.facility, len(areas.ids))
    people = areas.people.get(one.group, np.full(len(areas.ids), np.nan))
    somebody = np.where(people > 0, people, np.nan)
    low, high = one.per * low / somebody, one.per * (high + more) / somebody
    verdict, reason = judge_amount(low, high, one.at_least, stock.knows(one.types))
    if areas.people and one.group not in areas.people:
        reason[np.isnan(low) & (reason == tables.NO_PEOPLE)] = tables.NO_GROUP_DATA
    return _rows(one, stock, areas, low, high, one.at_least, one.unit_of_value, verdict, reason)


def presence_rows(one: Presence, stock: Stock, areas: Areas) -> pd.DataFrame:
    """Return how many facilities there are, by area."""
    supply, more = stock.supply(one.types, "count")
    low, high = sum_by(supply, areas.facility, len(areas.ids))
    verdict, reason = judge_amount(low, high + more, one.at_least, stock.knows(one.types))
    return _rows(one, stock, areas, low, high + more, one.at_least, "facilities", verdict, reason)


def total_rows(one: Total, stock: Stock, areas: Areas) -> pd.DataFrame:
    """Return the sum for the district: of all that is there, or of what opened since a year."""
    supply, more = stock.supply(one.types, one.measure)
    if one.since is not None:
        supply = added_since(stock.table, one.since, supply, stock.as_of)
    low, high = sum_by(supply, areas.facility, len(areas.ids))
    verdict, reason = judge_amount(low, high + more, one.at_least, stock.knows(one.types))
    return _rows(one, stock, areas, low, high + more, one.at_least, one.unit, verdict, reason)


def quality_rows(one: Quality, stock: Stock, areas: Areas) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the share of facilities with an attribute by area, and each facility's own verdict."""
    rows = np.flatnonzero(stock.supply(one.types, "count")[0].serving)
    attribute = attribute_of(stock.table, one)
    yes, unknown = attribute.yes[rows], attribute.unknown[rows]
    verdict = np.select([yes, unknown], ["pass", "unknown"], default="fail").astype(object)
    reason = np.select([yes, unknown], [tables.WITH_ATTRIBUTE, tables.ATTRIBUTE_UNKNOWN], tables.LACKS_ATTRIBUTE)
    checks = _checks(one, stock, rows, verdict, reason.astype(object))
    low, high = shares(yes, unknown, areas.facility[rows], len(areas.ids))
    assert one.percent is not None
    return _share_rows(one, stock, areas, low, high, one.percent, tables.ATTRIBUTE_UNKNOWN), checks


def adjacency_rows(one: Adjacency, stock: Stock, areas: Areas, found: Adjacent) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the share of facilities with one of another type near by, and each facility's own verdict."""
    yes = found.distance_m <= one.metres + LENGTH_TOLERANCE_M
    known = stock.knows_all(one.to_types)
    unknown = ~yes & ((found.unknown & ~(found.straight_m > one.metres)) | (not known))
    verdict = np.select([yes, unknown], ["pass", "unknown"], default="fail").astype(object)
    reason = np.select(
        [yes, unknown & (not known), unknown, np.isfinite(found.straight_m)],
        [tables.WITHIN, tables.NO_FACILITY_DATA, tables.OFF_NETWORK, tables.TOO_FAR],
        default=tables.NONE_EXISTS,
    ).astype(object)
    checks = _checks(one, stock, found.row, verdict, reason, found, one.metres)
    place = areas.facility[found.row]
    low, high = shares(yes, unknown, place, len(areas.ids))
    straight, _ = shares(found.straight_m <= one.metres + LENGTH_TOLERANCE_M, np.zeros_like(yes), place, len(areas.ids))
    missing = tables.AMOUNT_UNKNOWN if known else tables.NO_FACILITY_DATA
    return _share_rows(one, stock, areas, low, high, one.percent, missing, straight=straight), checks


def summary_row(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the district for a requirement of every town: in how many of them it is met.

    One town that surely fails fails the district; else one that is unknown leaves it unknown.
    """
    counted = rows[rows["verdict"] != "exempt"]
    not_due = int((rows["reason"] == tables.NOT_DUE).sum())
    open_ = int((counted["verdict"] == "unknown").sum())
    passed, asked = int((counted["verdict"] == "pass").sum()), len(counted) + not_due
    settled = not_due > 0 or bool((counted["verdict"] != "unknown").any())
    first = rows.iloc[0]
    if asked == 0:
        verdict, reason = "exempt", str(first["reason"])
    elif not_due or (counted["verdict"] == "fail").any():
        verdict, reason = ("exempt", tables.NOT_DUE) if not_due else ("fail", tables.BELOW_TARGET)
    elif passed < asked:
        verdict, reason = "unknown", str(counted.loc[counted["verdict"] == "unknown", "reason"].iloc[0])
    else:
        verdict, reason = "pass", tables.TARGET_MET
    row = first.to_dict() | {
        "scope": "district",
        "scope_id": "",
        "value": float(passed) if settled else np.nan,
        "target": float(asked),
        "unit": "towns",
        "verdict": verdict,
        "reason": reason,
        "shortfall": float(asked - passed) if verdict == "fail" else np.nan,
        "value_high": float(passed + open_) if settled and open_ else np.nan,
        "value_straight": np.nan,
    }
    return pd.DataFrame([row], columns=list(ROW_COLUMNS)).astype({"due": "Int64"})


LENGTH_TOLERANCE_M = 1e-6
"""As `units.TIME_TOLERANCE_S`: what is 100 m on paper may come out a hair longer."""


def _share_rows(
    one: Requirement,
    stock: Stock,
    areas: Areas,
    low: FloatArray,
    high: FloatArray,
    percent: float,
    missing: str,
    *,
    straight: FloatArray | None = None,
) -> pd.DataFrame:
    known = stock.knows_all(one.types)
    verdict, reason = judge_amount(low, high, percent, known, missing)
    none = np.isnan(low) & known
    verdict[none], reason[none] = "exempt", tables.NO_FACILITY
    return _rows(one, stock, areas, low, high, percent, "% of facilities", verdict, reason, straight=straight)


def _rows(
    one: Requirement,
    stock: Stock,
    areas: Areas,
    low: FloatArray,
    high: FloatArray,
    target: float,
    unit: str,
    verdict: TextArray,
    reason: TextArray,
    *,
    straight: FloatArray | None = None,
) -> pd.DataFrame:
    met = {tables.ENOUGH: tables.TARGET_MET, tables.TOO_LITTLE: tables.BELOW_TARGET}
    reason = np.array([met.get(r, r) for r in reason], dtype=object)
    early = (verdict == "fail") & (one.due is not None and stock.as_of < one.due)
    known = reason != tables.NO_FACILITY_DATA
    value, most = np.where(known, low, np.nan), np.where(known & (high > low) & np.isfinite(high), high, np.nan)
    return pd.DataFrame(
        {
            "requirement_id": one.id,
            "requirement_kind": one.kind,
            "scope": areas.scope,
            "scope_id": list(areas.ids),
            "subject": "|".join(one.types),
            "value": value,
            "target": target,
            "unit": unit,
            "verdict": np.where(early, "exempt", verdict),
            "reason": np.where(early, tables.NOT_DUE, reason),
            "due": pd.array([one.due] * len(areas.ids), dtype="Int64"),
            "shortfall": np.where(verdict == "fail", target - value, np.nan),
            "value_high": most,
            "value_straight": np.nan if straight is None else straight,
        },
        columns=list(ROW_COLUMNS),
    )


def _checks(
    one: Requirement,
    stock: Stock,
    rows: IntArray,
    verdict: TextArray,
    reason: TextArray,
    found: Adjacent | None = None,
    threshold_m: float = float("nan"),
) -> pd.DataFrame:
    table = stock.table.iloc[rows]
    ids = np.append(stock.table["facility_id"].to_numpy(dtype=object), "")  # row -1 is none
    return pd.DataFrame(
        {
            "requirement_id": one.id,
            "facility_id": table["facility_id"].to_numpy(),
            "type_id": table["type_id"].to_numpy(),
            "town_id": stock.town[rows],
            "verdict": verdict,
            "reason": reason,
            "other_facility_id": "" if found is None else ids[found.other],
            "distance_m": np.nan if found is None else found.distance_m,
            "straight_m": np.nan if found is None else found.straight_m,
            "threshold_m": threshold_m,
        },
        columns=list(CHECK_COLUMNS),
    )
