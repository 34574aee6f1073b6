"""Stage 4: travel times and rules → verdicts, people and rates."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely

from circle15 import tables
from circle15.assess.assemble import (
    Judged,
)
from circle15.assess.coverage import CellVerdicts, judge_cells
from circle15.assess.quality import Attribute, Within, attribute_of, judge_quality
from circle15.assess.reach import Access, disc_leaves, judge
from circle15.errors import Notes
from circle15.network.survey import answer
from circle15.network.travel import nearest
from circle15.stages.catchments import judge_catchment
from circle15.stages.run import Inputs, Networks, RuleBook, Run
from circle15.stages.travel import ModeSurvey, all_pairs, near_any, renumber
from circle15.standard.model import Standard
from circle15.standard.requirements import Provision, Quality, Reach
from circle15.standard.resolve import Rules, serving_any, serving_types
from circle15.units import FloatArray, distance_m, speed_m_per_s, within

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _CellAccess:
    """What the network says about the population cells; arrays of shape (cells,)."""

    time_s: FloatArray
    on_network: BoolArray
    lost_nearby: BoolArray


def judge_all(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    book: RuleBook,
    *,
    speed: float = 1.0,
    people: bool = True,
) -> list[Judged]:
    """Judge every requirement of committees for each of them and its people.

    Parameters
    ----------
    speed : float
        Speeds as a multiple of the standard's; the book's thresholds are scaled by it already, catchments are here.
    people : bool
        Whether to judge the population cells as well.
    """
    judge_one = _Judge(run, inputs, surveys, _areas(inputs.facilities), people)
    judged = []
    for requirement, rules in book:
        if isinstance(requirement, Provision):
            one = judge_catchment(run, inputs, networks, surveys, requirement, rules, speed)
            judged.append(judge_one.with_edge(one))
        elif isinstance(requirement, Quality):
            judged.append(judge_one.quality(requirement, rules))
        else:
            judged.append(judge_one.reach(requirement, rules))
    return judged


@dataclass(frozen=True)
class _Judge:
    """Judges reach and quality from the surveys."""

    run: Run
    inputs: Inputs
    surveys: dict[str, ModeSurvey]
    known_area: Callable[[frozenset[str]], shapely.Geometry | None]
    people: bool

    def reach(self, requirement: Reach, rules: Rules) -> Judged:
        """Judge whether enough facilities are within the threshold of each committee, and which people are."""
        inputs = self.inputs
        serving = serving_types(self.run.standard, requirement.type)
        access, cells = _access(inputs, self.surveys, rules, serving)
        covered = requirement.type in inputs.facilities.covered
        verdict, reason = judge(rules, access, covered, self._exists(serving))
        edge = (verdict == "fail") & _edge_affected(inputs, self.surveys, rules, serving, self.known_area)
        cell_verdicts = None
        if inputs.cells is not None and self.people:
            cell_verdicts = judge_cells(
                cells.time_s,
                cells.on_network,
                inputs.cell_committee,
                rules.threshold_s,
                covered,
                cells.lost_nearby,
                self._several(rules, serving),
                rules.reason == tables.CONDITION_UNKNOWN,
            )
        return Judged(requirement, rules, access, verdict, reason, edge, cells=cell_verdicts)

    def quality(self, requirement: Quality, rules: Rules) -> Judged:
        """Judge whether a facility that has the attribute is within the threshold of each committee."""
        facilities = self.inputs.facilities
        serving = serving_any(self.run.standard, requirement.types)
        access, _ = _access(self.inputs, self.surveys, rules, serving)
        covered = any(t in facilities.covered for t in requirement.types)
        all_covered = all(t in facilities.covered for t in requirement.types)
        verdict, reason = judge(rules, access, covered, self._exists(serving))
        attribute = attribute_of(facilities.table, requirement)
        lost_nearby = access.lost_nearby
        yes, unknown, access = _with_attribute(access, attribute, self.surveys, rules, serving)
        verdict, reason = judge_quality(Within(yes, unknown), lost_nearby, all_covered, verdict, reason)
        edge = (verdict == "fail") & _edge_affected(self.inputs, self.surveys, rules, serving, self.known_area)
        cells = None
        if self.inputs.cells is not None and self.people:
            cells = self._cells_of_quality(rules, serving, attribute, covered, all_covered)
        return Judged(requirement, rules, access, verdict, reason, edge, cells=cells)

    def _cells_of_quality(
        self, rules: Rules, serving: tuple[str, ...], attribute: Attribute, covered: bool, all_covered: bool
    ) -> CellVerdicts:
        """Judge which cells have a facility with the attribute within their committee's threshold."""
        _, cells = _access(self.inputs, self.surveys, rules, serving)
        committee, table = self.inputs.cell_committee, self.inputs.facilities.table
        limit_s = np.append(rules.threshold_s, np.nan)[committee]
        asked, of_type = np.isfinite(limit_s), table["type_id"].isin(serving).to_numpy()
        within_good, within_unsure = (
            within(self._cell_times(rules, np.flatnonzero(of_type & chosen)), np.where(asked, limit_s, -1.0))
            for chosen in (attribute.yes, attribute.unknown)
        )
        certain_no = ~within_unsure & ~cells.lost_nearby & all_covered
        known = asked & cells.on_network & covered & (within_good | certain_no)
        return CellVerdicts(asked, known, known & within_good)

    def _cell_times(self, rules: Rules, rows: IntArray) -> FloatArray:
        """Return the seconds from each cell to the nearest of some facilities; NaN beyond the longest threshold."""
        time_s = np.full(len(self.inputs.cell_committee), np.nan)
        for mode, one in self.surveys.items():
            limit_s = np.where(rules.mode == mode, rules.threshold_s, np.nan)
            if len(rows) and np.isfinite(limit_s).any() and len(one.cells):
                places = renumber(one.places, rows, len(self.inputs.facilities.table))
                found = nearest(one.router.network, one.cells, places, float(np.nanmax(limit_s)))
                own = (rules.mode == mode)[self.inputs.cell_committee[one.cell_row]]
                time_s[one.cell_row[own]] = found.time_s[own]
        return time_s

    def with_edge(self, one: Judged) -> Judged:
        """Mark the fails of a catchment whose disc leaves what is known: what lies beyond might be shared, too."""
        assert isinstance(one.requirement, Provision)
        serving = serving_any(self.run.standard, one.requirement.types)
        edge = _edge_affected(self.inputs, self.surveys, one.rules, serving, self.known_area)
        return replace(one, edge_affected=(one.verdict == "fail") & edge)

    def _several(self, rules: Rules, serving: tuple[str, ...]) -> BoolArray | None:
        """Return which cells reach as many facilities as are asked for; None where one is enough for everybody."""
        if (rules.min_count <= 1).all():
            return None
        count = count_of_cells(self.run, self.inputs, self.surveys, rules, serving)
        return count >= rules.min_count[self.inputs.cell_committee]

    def _exists(self, serving: tuple[str, ...]) -> bool:
        return bool(self.inputs.facilities.table["type_id"].isin(serving).any())


def count_of_cells(
    run: Run, inputs: Inputs, surveys: dict[str, ModeSurvey], rules: Rules, serving: tuple[str, ...]
) -> IntArray:
    """Return how many facilities each cell reaches within its committee's threshold, shape (cells,)."""
    committee, table = inputs.cell_committee, inputs.facilities.table
    count = np.zeros(len(committee), dtype=np.int64)
    rows = np.flatnonzero(table["type_id"].isin(serving).to_numpy())
    for mode, one in surveys.items():
        limit_s = np.where(rules.mode == mode, rules.threshold_s, np.nan)
        if not np.isfinite(limit_s).any():
            continue
        places = renumber(one.places, rows, len(table))
        pairs = all_pairs(run, one.key, one.router.network, one.cells, places, float(np.nanmax(limit_s)))
        cell = one.cell_row[pairs.cell]
        inside = within(pairs.time_s, np.where(np.isfinite(limit_s), limit_s, -1.0)[committee[cell]])
        count += np.bincount(cell[inside], minlength=len(count))
    return count


def _with_attribute(
    access: Access, attribute: Attribute, surveys: dict[str, ModeSurvey], rules: Rules, serving: tuple[str, ...]
) -> tuple[IntArray, IntArray, Access]:
    """Count facilities within the threshold that have the attribute, and those of which it isn't known.

    The access that is returned is that to the nearest one with the attribute, where there is one.
    """
    n = len(rules.mode)
    yes, unknown = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    time_s, distance, facility = access.time_s.copy(), access.distance_m.copy(), access.facility.copy()
    for mode, one in surveys.items():
        origin, row, seconds = pairs_within(one, serving, np.where(rules.mode == mode, rules.threshold_s, -1.0))
        has = attribute.yes[row]
        yes += np.bincount(origin[has], minlength=n)
        unknown += np.bincount(origin[attribute.unknown[row]], minlength=n)
        nearest_first = np.lexsort((row[has], seconds[has], origin[has]))
        near, first = np.unique(origin[has][nearest_first], return_index=True)
        chosen = nearest_first[first]
        time_s[near], facility[near] = seconds[has][chosen], row[has][chosen]
        distance[near] = distance_m(time_s[near], one.router.network.kmh)  # NaN where edges differ in speed
    return yes, unknown, replace(access, time_s=time_s, distance_m=distance, facility=facility)


def pairs_within(
    one: ModeSurvey, serving: tuple[str, ...], limit_s: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return committee, facility row and seconds of every pair within the committees' limits (negative for none)."""
    origins, rows, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for found, row in (pair for t in serving for pair in one.surveys.get(t, ())):
        pairs = found.pairs
        inside = within(pairs.time_s, limit_s[pairs.origin])
        origins.append(pairs.origin[inside])
        rows.append(row[pairs.facility[inside]])
        times.append(pairs.time_s[inside])
    return np.concatenate(origins), np.concatenate(rows), np.concatenate(times)


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
        found = answer([pair for t in serving for pair in one.surveys[t]], limit_s, len(one.cells))
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
    lost = one.lost[inputs.facilities.table["type_id"].iloc[one.lost].isin(serving).to_numpy()]
    return near_any(inputs, lost, points, limit_s * speed_m_per_s(one.router.network.max_kmh))


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


def note_providers(standard: Standard, facilities: tables.FacilityTable, notes: Notes) -> None:
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
