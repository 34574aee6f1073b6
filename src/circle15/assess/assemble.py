"""Verdicts as tables: one row a committee and requirement, and what follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15 import tables
from circle15.assess.coverage import CellVerdicts, People, sum_people
from circle15.assess.rates import COUNTS, combine, judge_committees, rate
from circle15.assess.reach import Access
from circle15.assess.supply import enough
from circle15.standard.model import Domain, FacilityType, Standard, Zone
from circle15.standard.resolve import CommitteeRequirement, Rules
from circle15.units import FloatArray

TextArray = npt.NDArray[np.object_]

VERDICT_COLUMNS = (
    "committee_id",
    "type_id",
    "requirement_id",
    "requirement_kind",
    "headline",
    "verdict",
    "reason",
    "edge_affected",
    "mode",
    "threshold_s",
    "time_s",
    "distance_m",
    "facility_id",
    "count_within",
    "population",
    "population_covered",
    "population_unknown",
    "value",
    "target",
    "unit",
    "shortfall",
    "computed_verdict",
)


@dataclass(frozen=True)
class Judged:
    """One requirement, judged for every committee; arrays of shape (committees,).

    Attributes
    ----------
    requirement, rules
        What is asked, and of whom.
    access : Access
        What the network says.
    verdict, reason : object arrays of str
        Values of `tables.VERDICTS` and keys of `tables.REASONS`.
    edge_affected : bool array
        Fails whose disc leaves what is known.
    cells : CellVerdicts or None
        Which cells meet the requirement; None where there is no population, or it can't be said of cells.
    people : People or None
        The cells' people by committee; see `with_people`.
    value : float64 array or None
        What a provision requirement measured, NaN where it has no meaning; None for other kinds.
    value_high : float64 array or None
        What it may be at most, where figures are missing.
    target, unit
        What `value` is held against.
    computed : object array of str or None
        The verdict before somebody's check in the field was put over it; ``""`` where nobody's was.
    """

    requirement: CommitteeRequirement
    rules: Rules
    access: Access
    verdict: TextArray
    reason: TextArray
    edge_affected: npt.NDArray[np.bool_]
    cells: CellVerdicts | None = None
    people: People | None = None
    value: FloatArray | None = None
    value_high: FloatArray | None = None
    target: float = float("nan")
    unit: str = ""
    computed: TextArray | None = None


def with_people(one: Judged, persons: FloatArray, committee: npt.NDArray[np.int64], committees: int) -> Judged:
    """Return a judged requirement with the people of its cells added up by committee.

    Parameters
    ----------
    persons, committee : arrays of shape (cells,)
        People in each cell, and the row of its committee, -1 for none.
    committees : int
        Number of committees.
    """
    if one.cells is None:
        return one
    return replace(one, people=sum_people(one.cells, persons, committee, committees))


def verdict_table(committee_id: TextArray, facility_id: TextArray, judged: Sequence[Judged]) -> pd.DataFrame:
    """Return the table *verdicts* (columns of `VERDICT_COLUMNS`), requirements in the standard's order.

    Parameters
    ----------
    committee_id : object array of shape (committees,)
        Ids in the order of the arrays.
    facility_id : object array of shape (facilities,)
        Ids of the rows that `Access.facility` counts.
    judged : sequence of Judged
        One for each requirement.
    """
    frames = [_verdict_rows(committee_id, facility_id, one) for one in judged]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(VERDICT_COLUMNS))


def _verdict_rows(committee_id: TextArray, facility_id: TextArray, one: Judged) -> pd.DataFrame:
    asked = (one.verdict != "exempt") & one.access.on_network
    found = asked & (one.access.facility >= 0)
    nothing = np.full(len(committee_id), np.nan)
    people = one.people
    applies = one.verdict != "exempt"
    return pd.DataFrame(
        {
            "committee_id": committee_id,
            "type_id": one.rules.type_id,
            "requirement_id": one.requirement.id,
            "requirement_kind": one.requirement.kind,
            "headline": one.requirement.headline,
            "verdict": one.verdict,
            "reason": one.reason,
            "edge_affected": one.edge_affected,
            "mode": one.rules.mode,
            "threshold_s": one.rules.threshold_s,
            "time_s": np.where(found, one.access.time_s, np.nan),
            "distance_m": np.where(found, one.access.distance_m, np.nan),
            "facility_id": np.where(found, _pick(facility_id, one.access.facility), ""),
            "count_within": np.where(asked, one.access.count_within, np.nan) if one.value is None else nothing,
            "population": nothing if people is None else np.where(applies, people.population, np.nan),
            "population_covered": nothing if people is None else np.where(applies, people.covered, np.nan),
            "population_unknown": nothing if people is None else np.where(applies, people.unknown, np.nan),
            **_amounts(one, asked),
            "computed_verdict": "" if one.computed is None else one.computed,
        },
        columns=list(VERDICT_COLUMNS),
    )


def _amounts(one: Judged, asked: npt.NDArray[np.bool_]) -> dict[str, object]:
    """Return the columns of a figure that is to reach a target: a provision's, or the number that reach asks for."""
    if one.value is not None:
        value = np.where(asked, one.value, np.nan)
        target = np.where(asked, one.target, np.nan)
        unit = np.where(asked, one.unit, "")
    else:
        computed = one.verdict if one.computed is None else np.where(one.computed != "", one.computed, one.verdict)
        several = asked & (computed != "unknown") & (one.rules.min_count > 1)
        value = np.where(several, one.access.count_within, np.nan)
        target = np.where(several, one.rules.min_count, np.nan)
        unit = np.where(several, "facilities", "")
    short = np.where((one.verdict == "fail") & (value < target), target - value, np.nan)
    return {"value": value, "target": target, "unit": unit, "shortfall": short}


def _pick(ids: TextArray, row: npt.NDArray[np.int64]) -> TextArray:
    return ids[row] if len(ids) else np.full(len(row), "", dtype=object)


ITEM_COLUMNS = (
    *("committee_id", "town_id", "zone", "type_id", "domain", "decided_by", "verdict", "edge_affected", "overridden"),
    *("population", "population_covered", "population_unknown", "headline"),
)


def item_table(
    committees: pd.DataFrame, judged: Sequence[Judged], standard: Standard, people_of: Mapping[str, People | None]
) -> pd.DataFrame:
    """Return one row a committee × type, from all headline requirements of the type.

    Parameters
    ----------
    committees : DataFrame
        ``committee_id``, ``town_id``, ``zone`` in the order of the arrays.
    judged : sequence of Judged
        Every requirement.
    standard : Standard
        For the types' domains.
    people_of : mapping of str to People
        For each type, the people within all its headline requirements.

    Returns
    -------
    DataFrame
        ``committee_id, town_id, zone, type_id, domain, verdict, edge_affected, overridden, population,
        population_covered, population_unknown, headline``. A type without headline requirement has rows too, from its
        first requirement, marked ``headline = False``: they are reported, but in no other rate.
    """
    frames = []
    for type_id, domain in ((t.id, t.domain) for t in standard.types):
        own = [one for one in judged if one.rules.type_id == type_id]
        heads = [one for one in own if one.requirement.headline]
        chosen = heads or own[:1]
        if not chosen:
            continue
        people = people_of.get(type_id) if heads else chosen[0].people
        verdict = combine([one.verdict for one in chosen])
        applies = verdict != "exempt"
        nothing = np.full(len(committees), np.nan)
        frames.append(
            pd.DataFrame(
                {
                    "committee_id": committees.committee_id.to_numpy(),
                    "town_id": committees.town_id.to_numpy(),
                    "zone": committees.zone.to_numpy(),
                    "type_id": type_id,
                    "domain": domain,
                    "decided_by": "|".join(one.requirement.id for one in chosen),
                    "verdict": verdict,
                    "edge_affected": (verdict == "fail") & _edge_decides(chosen),
                    "overridden": np.any([one.reason == tables.OVERRIDDEN for one in chosen], axis=0),
                    "population": nothing if people is None else np.where(applies, people.population, np.nan),
                    "population_covered": nothing if people is None else np.where(applies, people.covered, np.nan),
                    "population_unknown": nothing if people is None else np.where(applies, people.unknown, np.nan),
                    "headline": bool(heads),
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(ITEM_COLUMNS))


def _edge_decides(chosen: Sequence[Judged]) -> npt.NDArray[np.bool_]:
    """Return where every failed requirement of the item is edge-affected: one sure fail is a sure fail."""
    sure = np.stack([(one.verdict == "fail") & ~one.edge_affected for one in chosen]).any(axis=0)
    return np.asarray(~sure, dtype=bool)


def rate_tables(items: pd.DataFrame, standard: Standard, town_ids: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables ``types``, ``domains``, ``towns``, ``zones`` and ``district``, in the standard's order."""
    heads = items[items.headline]
    types = rate(items, "type_id")
    types.insert(1, "headline", types.type_id.isin(heads.type_id.unique()))
    decided_by = items.drop_duplicates("type_id").set_index("type_id")["decided_by"]
    types.insert(1, "decided_by", types.type_id.map(decided_by))
    types.insert(1, "domain", types.type_id.map({t.id: t.domain for t in standard.types}))
    return {
        "types": _named(types, "type_id", standard.types),
        "domains": _named(rate(heads, "domain"), "domain", standard.domains),
        "towns": _in_order(rate(heads, "town_id"), "town_id", list(town_ids)),
        "zones": _named(rate(heads, "zone"), "zone", standard.zones),
        "district": rate(heads, None),
    }


def _named(table: pd.DataFrame, key: str, entries: Sequence[FacilityType | Domain | Zone]) -> pd.DataFrame:
    """Sort by the catalogue and put its names beside the ids."""
    table = _in_order(table, key, [one.id for one in entries])
    table.insert(1, "name_zh", table[key].map({one.id: one.zh for one in entries}))
    table.insert(2, "name_en", table[key].map({one.id: one.en for one in entries}))
    return table


def _in_order(table: pd.DataFrame, key: str, order: Sequence[str]) -> pd.DataFrame:
    place = {name: i for i, name in enumerate(order)}
    return table.sort_values(key, key=lambda column: column.map(place), kind="stable").reset_index(drop=True)


def gap_table(verdicts: pd.DataFrame, committees: pd.DataFrame) -> pd.DataFrame:
    """Return the failed headline rows: how far the nearest is, what is missing, whom it concerns.

    ``shortfall_s`` is the time beyond the threshold, empty where no facility was reached within the search limit.
    ``population_affected`` are the committee's people who are known not to be covered.
    """
    gaps = verdicts[(verdicts.verdict == "fail") & verdicts.headline].copy()
    # where too few are near (too_few), the nearest is in time: what is missing is no time
    gaps["shortfall_s"] = (gaps.time_s - gaps.threshold_s).where(gaps.time_s > gaps.threshold_s)
    gaps["shortfall_count"] = gaps.shortfall.where((gaps.reason == "too_few") & (gaps.unit == "facilities"))
    gaps["population_affected"] = gaps.population - gaps.population_covered - gaps.population_unknown
    towns = committees.set_index("committee_id").town_id
    gaps["town_id"] = gaps.committee_id.map(towns)
    columns = "committee_id town_id type_id requirement_id reason edge_affected mode threshold_s time_s shortfall_s"
    return gaps[[*columns.split(), "shortfall_count", "facility_id", "population", "population_affected"]].reset_index(
        drop=True
    )


def reach_shares(verdicts: pd.DataFrame, committees: pd.DataFrame, standard: Standard, as_of: int) -> pd.DataFrame:
    """Return the percent of committees that meet each requirement of committees, for the district and each town.

    ``value`` is that of the committees that could be judged; with the unknown ones it lies from ``value_low`` to
    ``value_high``. Headline requirements are held against the standard's target, and both ends have to agree; the
    others have none and no verdict.

    Returns
    -------
    DataFrame
        ``requirement_id, requirement_kind, scope, scope_id, subject, value, target, unit, verdict, reason, due,
        shortfall, value_low, value_high``.
    """
    towns = committees.set_index("committee_id").town_id
    marks = pd.DataFrame(
        {
            "requirement_id": verdicts.requirement_id,
            "scope_id": verdicts.committee_id.map(towns),
            "passed": verdicts.verdict == "pass",
            "judged": verdicts.verdict.isin(["pass", "fail"]),
            "unknown": verdicts.verdict == "unknown",
        }
    )
    by_town = marks.groupby(["scope_id", "requirement_id"], sort=True).sum().reset_index().assign(scope="town")
    whole = marks.drop(columns="scope_id").groupby("requirement_id").sum().reset_index()
    counts = pd.concat([whole.assign(scope="district", scope_id=""), by_town], ignore_index=True)
    requirement = {r.id: r for r in standard.requirements}
    headline = counts.requirement_id.map({r.id: r.headline for r in standard.requirements}).to_numpy(dtype=bool)
    passed, judged, unknown = (counts[name].to_numpy(dtype=np.float64) for name in ("passed", "judged", "unknown"))
    value = np.where(judged > 0, 100.0 * passed / np.maximum(judged, 1), np.nan)
    every = np.where(judged + unknown > 0, judged + unknown, np.nan)
    low, high = 100.0 * passed / every, 100.0 * (passed + unknown) / every
    target = standard.target.percent
    met, missed = enough(low, target), ~enough(high, target) & np.isfinite(high)
    early = as_of < standard.target.due
    conditions = [~headline, judged == 0, met, missed & early, missed]
    reasons = [tables.NO_TARGET, tables.NOTHING_JUDGED, tables.TARGET_MET, tables.NOT_DUE, tables.BELOW_TARGET]
    return pd.DataFrame(
        {
            "requirement_id": counts.requirement_id,
            "requirement_kind": [requirement[name].kind for name in counts.requirement_id],
            "scope": counts["scope"],
            "scope_id": counts.scope_id,
            "subject": ["|".join(requirement[name].types) for name in counts.requirement_id],
            "value": value,
            "target": np.where(headline, target, np.nan),
            "unit": "% of committees",
            "verdict": np.select(conditions, ["exempt", "unknown", "pass", "exempt", "fail"], default="unknown"),
            "reason": np.select(conditions, reasons, default=tables.SOME_UNKNOWN),
            "due": pd.array([standard.target.due if one else None for one in headline], dtype="Int64"),
            "shortfall": np.where(headline & missed, target - value, np.nan),
            "value_low": np.where(unknown > 0, low, np.nan),
            "value_high": np.where(unknown > 0, high, np.nan),
        }
    )


def committee_table(
    committees: gpd.GeoDataFrame, items: pd.DataFrame, population: Mapping[str, FloatArray]
) -> gpd.GeoDataFrame:
    """Return the committees with their people and their verdict over all headline items."""
    table = committees.copy()
    for name, persons in population.items():
        table["population" if name == "total" else name] = persons
    verdicts = judge_committees(items[items.headline])
    for column in ("verdict", *COUNTS):
        table[column] = verdicts[column].reindex(table.committee_id).to_numpy()
    return table


def town_table(committees: gpd.GeoDataFrame, towns: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return the rates by town with the committees' areas united, or their centres where any area is missing."""
    shapes = {}
    for town, part in committees.groupby("town_id", sort=True):
        areas = part["area"].to_numpy() if "area" in part else np.full(len(part), None)
        whole = all(area is not None for area in areas)
        shapes[town] = shapely.union_all(areas) if whole else shapely.MultiPoint(part.geometry.tolist())
    geometry = gpd.GeoSeries([shapes[town] for town in towns.town_id], crs=committees.crs)
    return gpd.GeoDataFrame(towns.reset_index(drop=True), geometry=geometry, crs=committees.crs)
