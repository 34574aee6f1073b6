"""Stage 4a: provision by catchment: what facilities offer, shared among all the people who reach them.

People outside every committee, and those of committees of which nothing is asked, share it as well; they are in
nobody's figure. Where a requirement is by the zone's mode, they walk.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15 import tables
from circle15.assess.assemble import Judged
from circle15.assess.catchment import committee_access, two_step, weights_2sfca, weights_gaussian, weights_steps
from circle15.assess.coverage import CellVerdicts
from circle15.assess.reach import Access
from circle15.assess.supply import Supply, enough, judge_amount, supply_of
from circle15.network.catchment import CatchmentPairs
from circle15.stages.run import Inputs, Networks, Run, xy_of
from circle15.stages.travel import ModeSurvey, all_pairs, blocks_of, lost_facilities, near_any, places_by, renumber
from circle15.standard.requirements import Provision
from circle15.standard.resolve import Rules
from circle15.units import FloatArray, minutes_to_s, speed_m_per_s

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _CellAccess:
    """What each cell's people have; arrays of shape (cells,).

    For sure, at most as far as figures are there, whether it may be anything since a figure is missing or since a
    facility in straight-line range is off the network, and whether it can be said at all.
    """

    low: FloatArray
    high: FloatArray
    endless: BoolArray
    lost: BoolArray
    known: BoolArray


def judge_catchment(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    requirement: Provision,
    rules: Rules,
    speed: float = 1.0,
) -> Judged:
    """Judge whether what each committee's people reach and share with others is enough.

    A committee's value is the mean of its people's. `speed` multiplies the standard's speeds.
    """
    n, facilities = len(inputs.committees), inputs.facilities
    people = inputs.group(requirement.group)
    covered = any(t in facilities.covered for t in requirement.types)
    all_covered = all(t in facilities.covered for t in requirement.types)
    low, high, lost = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=bool)
    cells = None
    if people is not None:
        supply = supply_of(run.standard, facilities.table, requirement.types, requirement.measure)
        found = _cell_access(run, inputs, networks, surveys, requirement, rules, people, supply, speed)
        counted = np.where(found.known, people, 0.0)
        low = requirement.per * committee_access(found.low, counted, inputs.cell_committee, n)
        high = requirement.per * committee_access(found.high, counted, inputs.cell_committee, n)
        endless, lost = (
            committee_access(flag.astype(np.float64), counted, inputs.cell_committee, n) > 0
            for flag in (found.endless, found.lost)
        )
        high[endless | lost | (not all_covered)] = np.inf
        lost &= ~endless & all_covered
        cells = _cell_verdicts(found, inputs, rules, requirement, all_covered)
    verdict, reason = judge_amount(low, high, requirement.at_least, covered)
    reason[lost & (reason == tables.AMOUNT_UNKNOWN)] = tables.FACILITY_OFF_NETWORK
    if people is None:
        reason[reason == tables.NO_PEOPLE] = tables.NO_GROUP_DATA
    applies = rules.reason == ""
    return Judged(
        requirement,
        rules,
        _no_access(n),
        np.where(applies, verdict, np.where(rules.reason == tables.CONDITION_UNKNOWN, "unknown", "exempt")).astype(
            object
        ),
        np.where(applies, reason, rules.reason).astype(object),
        np.zeros(n, dtype=bool),
        cells=cells,
        value=np.where(np.isfinite(low), low, np.nan),
        value_high=np.where(np.isfinite(low), high, np.nan),
        target=requirement.at_least,
        unit=requirement.unit_of_value,
    )


def _cell_access(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    requirement: Provision,
    rules: Rules,
    people: FloatArray,
    supply: Supply,
    speed: float,
) -> _CellAccess:
    assert requirement.minutes is not None
    limit_s = minutes_to_s(requirement.minutes) * speed
    mode_of_cell = modes_of_cells(requirement, rules, inputs)
    cell, facility, time_s = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    known, lost = np.zeros(len(people), dtype=bool), np.zeros(len(people), dtype=bool)
    assert inputs.cells is not None
    cell_xy, cell_at = xy_of(inputs.cells), inputs.cells.geometry.to_numpy()
    serving = np.flatnonzero(supply.serving)
    for mode in networks.of:
        rows = np.flatnonzero(mode_of_cell == mode)
        if not len(rows):
            continue
        snapped = run.snap_to_begin(networks, mode, cell_xy[rows])
        known[rows] = snapped.on_network
        every = places_by(run, inputs, networks, surveys, mode)
        gone = lost_facilities(networks.of[mode], every, len(supply.serving))
        reach_m = limit_s * speed_m_per_s(networks.of[mode].max_kmh)
        lost[rows] = near_any(inputs, gone[supply.high[gone] > 0], cell_at[rows], reach_m)
        for block in blocks_of(inputs.facilities.table):
            own = np.intersect1d(serving, block)
            if len(own):
                places = renumber(every, own, len(supply.serving))
                pairs = all_pairs(run, networks.key, networks.of[mode], snapped, places, limit_s)
                cell.append(rows[pairs.cell])
                facility.append(own[pairs.facility])
                time_s.append(pairs.time_s)
    joined = _in_order(np.concatenate(cell), np.concatenate(facility), np.concatenate(time_s))
    weights = pair_weights(requirement, joined.time_s, limit_s, speed)
    low = two_step(joined.cell, joined.facility, weights, people, supply.low).access
    high, endless_cell = low, np.zeros(len(people), dtype=bool)
    if (supply.high > supply.low).any():
        endless = np.isinf(supply.high)
        high = two_step(joined.cell, joined.facility, weights, people, np.where(endless, 0.0, supply.high)).access
        endless_cell[joined.cell[endless[joined.facility] & (weights > 0)]] = True
    return _CellAccess(low, high, endless_cell, lost, known)


def _in_order(cell: IntArray, facility: IntArray, time_s: FloatArray) -> CatchmentPairs:
    """Return pairs by facility and cell: sums have their last digits from the order, whatever blocks there were."""
    order = np.lexsort((cell, facility))
    return CatchmentPairs(cell[order], facility[order], time_s[order])


def modes_of_cells(requirement: Provision, rules: Rules, inputs: Inputs) -> npt.NDArray[np.object_]:
    """Return how the people of each cell travel to what they share, shape (cells,)."""
    modes = np.where(rules.mode == "", _others_mode(requirement), rules.mode).astype(object)
    return np.asarray(np.append(modes, _others_mode(requirement))[inputs.cell_committee], dtype=object)


def _others_mode(requirement: Provision) -> str:
    """Return how those travel of whom nothing is asked: they share what there is as well."""
    mode = requirement.mode
    return "walk" if mode in (None, "zone") else str(mode)


def pair_weights(requirement: Provision, time_s: FloatArray, limit_s: float, speed: float = 1.0) -> FloatArray:
    """Return how much each pair of cell and facility counts by the requirement's method."""
    if requirement.method == "gaussian":
        return weights_gaussian(time_s, limit_s)
    if requirement.method == "e2sfca":
        return weights_steps(time_s, [(step.minutes * speed, step.weight) for step in requirement.steps])
    return weights_2sfca(time_s, limit_s)


def _cell_verdicts(
    found: _CellAccess, inputs: Inputs, rules: Rules, requirement: Provision, all_covered: bool
) -> CellVerdicts:
    asked = np.append(rules.reason == "", False)[inputs.cell_committee]
    met = enough(requirement.per * found.low, requirement.at_least)
    may_be_more = found.endless | found.lost | (not all_covered)
    settled = met | (~may_be_more & ~enough(requirement.per * found.high, requirement.at_least))
    covered = any(t in inputs.facilities.covered for t in requirement.types)
    known = asked & found.known & settled & covered
    return CellVerdicts(asked, known, known & met)


def _no_access(n: int) -> Access:
    nothing = np.full(n, np.nan)
    return Access(
        on_network=np.ones(n, dtype=bool),
        time_s=nothing,
        distance_m=nothing,
        facility=np.full(n, -1, dtype=np.int64),
        count_within=np.zeros(n, dtype=np.int64),
        any_path=np.zeros(n, dtype=bool),
        lost_nearby=np.zeros(n, dtype=bool),
    )
