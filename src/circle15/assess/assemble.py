"""Verdicts as tables: one row a committee and requirement, and what follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.assess.coverage import People
from circle15.assess.rates import COUNTS, combine, judge_committees, rate
from circle15.assess.reach import Access
from circle15.standard.model import Domain, FacilityType, Requirement, Standard, Zone
from circle15.standard.resolve import Rules
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
)


@dataclass(frozen=True)
class Judged:
    """One requirement, judged for every committee; arrays of shape (committees,)."""

    requirement: Requirement
    rules: Rules
    access: Access
    verdict: TextArray
    reason: TextArray
    edge_affected: npt.NDArray[np.bool_]
    people: People | None


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
    return pd.concat(frames, ignore_index=True)


def _verdict_rows(committee_id: TextArray, facility_id: TextArray, one: Judged) -> pd.DataFrame:
    asked = (one.verdict != "exempt") & (one.reason != "off_network")
    found = asked & (one.access.facility >= 0)
    nothing = np.full(len(committee_id), np.nan)
    people = one.people
    applies = one.verdict != "exempt"
    return pd.DataFrame(
        {
            "committee_id": committee_id,
            "type_id": one.requirement.type,
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
            "count_within": np.where(asked, one.access.count_within, np.nan),
            "population": nothing if people is None else np.where(applies, people.population, np.nan),
            "population_covered": nothing if people is None else np.where(applies, people.covered, np.nan),
            "population_unknown": nothing if people is None else np.where(applies, people.unknown, np.nan),
        },
        columns=list(VERDICT_COLUMNS),
    )


def _pick(ids: TextArray, row: npt.NDArray[np.int64]) -> TextArray:
    return ids[row] if len(ids) else np.full(len(row), "", dtype=object)


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
        ``committee_id, town_id, zone, type_id, domain, verdict, edge_affected, population, population_covered,
        population_unknown, headline``. A type without headline requirement has rows too, from its first requirement,
        marked ``headline = False``: they are reported, but in no other rate.
    """
    frames = []
    for type_id, domain in ((t.id, t.domain) for t in standard.types):
        own = [one for one in judged if one.requirement.type == type_id]
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
                    "verdict": verdict,
                    "edge_affected": (verdict == "fail") & _edge_decides(chosen),
                    "population": nothing if people is None else np.where(applies, people.population, np.nan),
                    "population_covered": nothing if people is None else np.where(applies, people.covered, np.nan),
                    "population_unknown": nothing if people is None else np.where(applies, people.unknown, np.nan),
                    "headline": bool(heads),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _edge_decides(chosen: Sequence[Judged]) -> npt.NDArray[np.bool_]:
    """Return where every failed requirement of the item is edge-affected: one sure fail is a sure fail."""
    sure = np.stack([(one.verdict == "fail") & ~one.edge_affected for one in chosen]).any(axis=0)
    return np.asarray(~sure, dtype=bool)


def rate_tables(items: pd.DataFrame, standard: Standard, town_ids: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables ``types``, ``domains``, ``towns``, ``zones`` and ``district``, in the standard's order."""
    heads = items[items.headline]
    types = rate(items, "type_id")
    types.insert(1, "headline", types.type_id.isin(heads.type_id.unique()))
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
    gaps["population_affected"] = gaps.population - gaps.population_covered - gaps.population_unknown
    towns = committees.set_index("committee_id").town_id
    gaps["town_id"] = gaps.committee_id.map(towns)
    columns = "committee_id town_id type_id requirement_id reason edge_affected mode threshold_s time_s shortfall_s"
    return gaps[[*columns.split(), "facility_id", "population", "population_affected"]].reset_index(drop=True)


def requirement_table(verdicts: pd.DataFrame, committees: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """Return the share of committees that meet each reach requirement, for the district and each town.

    Headline requirements are held against the standard's target; the others have none and no verdict.
    """
    towns = committees.set_index("committee_id").town_id
    marks = pd.DataFrame(
        {
            "requirement_id": verdicts.requirement_id,
            "scope_id": verdicts.committee_id.map(towns),
            "passed": verdicts.verdict == "pass",
            "judged": verdicts.verdict.isin(["pass", "fail"]),
        }
    )
    by_town = marks.groupby(["scope_id", "requirement_id"], sort=True).sum().reset_index().assign(scope="town")
    whole = marks.drop(columns="scope_id").groupby("requirement_id").sum().reset_index()
    counts = pd.concat([whole.assign(scope="district", scope_id=""), by_town], ignore_index=True)
    requirement = {r.id: r for r in standard.requirements}
    headline = counts.requirement_id.map({r.id: r.headline for r in standard.requirements}).to_numpy(dtype=bool)
    judged = counts.judged.to_numpy(dtype=np.int64)
    value = np.where(judged > 0, 100.0 * counts.passed / np.maximum(judged, 1), np.nan)
    conditions = [~headline, judged == 0, value >= standard.target.percent]
    return pd.DataFrame(
        {
            "requirement_id": counts.requirement_id,
            "scope": counts["scope"],
            "scope_id": counts.scope_id,
            "subject": [requirement[name].type for name in counts.requirement_id],
            "value": value,
            "target": np.where(headline, standard.target.percent, np.nan),
            "unit": "% of committees",
            "verdict": np.select(conditions, ["exempt", "unknown", "pass"], default="fail"),
            "reason": np.select(conditions, ["no_target", "nothing_judged", "target_met"], default="below_target"),
            "due": pd.array([standard.target.due if one else None for one in headline], dtype="Int64"),
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
