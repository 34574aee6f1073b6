"""Stage 4: travel times and rules → verdicts, people and rates."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15 import tables
from circle15.assess.assemble import (
    Judged,
    committee_table,
    gap_table,
    item_table,
    rate_tables,
    requirement_table,
    town_table,
    verdict_table,
)
from circle15.assess.coverage import CellVerdicts, People, both, judge_cells, sum_people
from circle15.assess.reach import Access, disc_leaves, judge
from circle15.errors import Notes
from circle15.network.survey import answer
from circle15.stages.run import Inputs, RuleBook, Run
from circle15.stages.travel import ModeSurvey
from circle15.standard.model import Standard
from circle15.standard.resolve import Rules, serving_types
from circle15.units import FloatArray, speed_m_per_s

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _CellAccess:
    """What the network says about the population cells; arrays of shape (cells,)."""

    time_s: FloatArray
    on_network: BoolArray
    lost_nearby: BoolArray


def judge_all(run: Run, inputs: Inputs, surveys: dict[str, ModeSurvey], book: RuleBook) -> tables.Results:
    """Judge every requirement for every committee and its people; the service circles are still to be drawn."""
    facilities, n = inputs.facilities, len(inputs.committees)
    judged: list[Judged] = []
    of_type: dict[str, CellVerdicts] = {}
    known_area = _areas(facilities)
    for requirement, rules in book:
        serving = serving_types(run.standard, requirement.type)
        access, cells = _access(inputs, surveys, rules, serving)
        covered = requirement.type in facilities.covered
        exists = bool(facilities.table["type_id"].isin(serving).any())
        verdict, reason = judge(rules, access, covered, exists)
        edge = (verdict == "fail") & _edge_affected(inputs, surveys, rules, serving, known_area)
        people = None
        if inputs.cells is not None:
            # how many facilities a cell reaches is not surveyed: of several that are asked for, nothing can be said
            sayable = covered and rules.min_count == 1
            own = judge_cells(
                cells.time_s, cells.on_network, inputs.cell_committee, rules.threshold_s, sayable, cells.lost_nearby
            )
            people = sum_people(own, inputs.persons, inputs.cell_committee, n)
            if requirement.headline:
                of_type[requirement.type] = both(of_type[requirement.type], own) if requirement.type in of_type else own
        judged.append(Judged(requirement, rules, access, verdict, reason, edge, people))
    people_of: dict[str, People | None] = {
        t: sum_people(own, inputs.persons, inputs.cell_committee, n) for t, own in of_type.items()
    }
    _note_providers(run.standard, facilities, run.notes)
    return _assemble(run.standard, inputs, judged, people_of, surveys)


def _assemble(
    standard: Standard,
    inputs: Inputs,
    judged: Sequence[Judged],
    people_of: dict[str, People | None],
    surveys: dict[str, ModeSurvey],
) -> tables.Results:
    committees, cells, facilities = inputs.committees, inputs.cells, inputs.facilities.table
    ids = committees["committee_id"].to_numpy()
    verdicts = verdict_table(ids, facilities["facility_id"].to_numpy(), judged)
    items = item_table(committees, judged, standard, people_of)
    rates = rate_tables(items, standard, sorted(committees["town_id"].unique()))
    population: dict[str, FloatArray] = {}
    if cells is not None:
        inside = inputs.cell_committee >= 0
        for group in _groups(cells):
            persons = cells[group].to_numpy(dtype=np.float64)[inside]
            population[group] = np.bincount(inputs.cell_committee[inside], weights=persons, minlength=len(ids)).astype(
                np.float64
            )
        names = np.append(ids, "")  # row -1 is nobody's
        cells = cells.assign(committee_id=names[inputs.cell_committee], status=inputs.cell_status)
    on_network = np.ones(len(facilities), dtype=bool)
    for one in surveys.values():
        on_network[one.lost] = False
    return tables.Results(
        committees=committee_table(committees, items, population),
        verdicts=verdicts,
        requirements=requirement_table(verdicts, committees, standard),
        gaps=gap_table(verdicts, committees),
        facilities=facilities.assign(on_network=on_network),
        cells=cells,
        towns=town_table(committees, rates["towns"]),
        circles=gpd.GeoDataFrame(geometry=[], crs=inputs.crs),
        rates=rates,
    )


def _groups(cells: gpd.GeoDataFrame) -> list[str]:
    return [c for c in cells.columns if c not in ("cell_id", "geometry") and pd.api.types.is_numeric_dtype(cells[c])]


def _access(
    inputs: Inputs,
    surveys: dict[str, ModeSurvey],
    rules: Rules,
    serving: tuple[str, ...],
) -> tuple[Access, _CellAccess]:
    """Join the modes: each committee and each cell has the answer of its own rule's mode."""
    n, cell_committee = len(inputs.committees), inputs.cell_committee
    access = Access(
        on_network=np.zeros(n, dtype=bool),
        time_s=np.full(n, np.nan),
        distance_m=np.full(n, np.nan),
        facility=np.full(n, -1, dtype=np.int64),
        count_within=np.zeros(n, dtype=np.int64),
        any_path=np.zeros(n, dtype=bool),
        lost_nearby=np.zeros(n, dtype=bool),
    )
    size = len(cell_committee)
    cells = _CellAccess(np.full(size, np.nan), np.zeros(size, dtype=bool), np.zeros(size, dtype=bool))
    cell_limit_s = np.where(cell_committee >= 0, rules.threshold_s[cell_committee], np.nan)
    for mode, one in surveys.items():
        mine = rules.mode == mode
        if not mine.any():
            continue
        limit_s = np.where(mine, rules.threshold_s, np.nan)
        found = answer([one.surveys[t] for t in serving], limit_s, len(one.cells))
        access.on_network[mine] = one.router.origins.on_network[mine]
        for name in ("time_s", "distance_m", "facility", "count_within", "any_path"):
            getattr(access, name)[mine] = getattr(found, name)[mine]
        committee_at = inputs.committees.geometry.to_numpy()
        access.lost_nearby[mine] = _lost_nearby(inputs, one, serving, committee_at, limit_s)[mine]
        own = mine[cell_committee[one.cell_row]]
        rows = one.cell_row[own]
        cells.time_s[rows] = found.cell_time_s[own]
        cells.on_network[rows] = one.cells.on_network[own]
        if inputs.cells is not None:
            cell_at = inputs.cells.geometry.to_numpy()[rows]
            cells.lost_nearby[rows] = _lost_nearby(inputs, one, serving, cell_at, cell_limit_s[rows])
    return access, cells


def _lost_nearby(
    inputs: Inputs,
    one: ModeSurvey,
    serving: tuple[str, ...],
    points: npt.NDArray[np.object_],
    limit_s: FloatArray,
) -> BoolArray:
    """Return which points have a facility that is off the network within their limit by straight line."""
    near = np.zeros(len(limit_s), dtype=bool)
    table = inputs.facilities.table
    lost = one.lost[table["type_id"].isin(serving).to_numpy()[one.lost]]
    asked = np.flatnonzero(np.isfinite(limit_s))
    if len(lost) and len(asked):
        reach_m = limit_s[asked] * speed_m_per_s(one.router.network.max_kmh)
        tree = shapely.STRtree(table.geometry.to_numpy()[lost])
        hit, _ = tree.query(points[asked], predicate="dwithin", distance=reach_m)
        near[asked[hit]] = True
    return near


def _areas(facilities: tables.FacilityTable) -> Callable[[frozenset[str]], shapely.Geometry | None]:
    """Return what tells the area that sources cover together; None where that is no less than the network's."""

    @functools.cache
    def known_area(sources: frozenset[str]) -> shapely.Geometry | None:
        areas = [facilities.extents[s] for s in sorted(sources)]
        if not areas or any(area is None for area in areas):
            return None
        return shapely.union_all(np.array(areas, dtype=object))

    return known_area


def _edge_affected(
    inputs: Inputs,
    surveys: dict[str, ModeSurvey],
    rules: Rules,
    serving: tuple[str, ...],
    known_area: Callable[[frozenset[str]], shapely.Geometry | None],
) -> BoolArray:
    """Return whose disc (threshold × top speed) leaves the network's extent, or that of the type's sources."""
    leaves = np.zeros(len(inputs.committees), dtype=bool)
    sources = {source for t in serving for source in inputs.facilities.covered.get(t, ())}
    known = known_area(frozenset(sources))
    for mode, one in surveys.items():
        radius_m = np.where(rules.mode == mode, rules.threshold_s, np.nan) * speed_m_per_s(one.router.network.max_kmh)
        if not np.isfinite(radius_m).any():
            continue
        leaves |= disc_leaves(one.router.network.extent, one.router.xy, radius_m)
        if known is not None:
            leaves |= disc_leaves(known, one.router.xy, radius_m)
    return leaves


def _note_providers(standard: Standard, facilities: tables.FacilityTable, notes: Notes) -> None:
    """Say where a type is judged although the data of a type that provides it is missing."""
    for one in standard.types:
        missing = [t for t in serving_types(standard, one.id)[1:] if t not in facilities.covered]
        if one.id in facilities.covered and missing:
            notes.add(
                f"facilities.{one.id}.providers",
                len(missing),
                f"{one.id} is judged without {', '.join(missing)}: no source covers what provides it as well, so "
                "some of its fails may not be real",
            )
