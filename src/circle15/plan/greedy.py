"""Greedy choices: a first programme for the solver to improve on, and the last touches to its answer.

The first programme takes, again and again, what adds most per cost (Chvátal 1979 for covering at least cost). Touches
never cost anything: what nothing depends on is left out, and of equally good sites the one with the lowest id is taken.
"""

import numpy as np
import numpy.typing as npt

from circle15.plan.problem import ENOUGH, Siting
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FREE = 1e-12
"""Stands for a cost of nothing where gains are divided by costs."""
SAME_COST = 1e-9
"""Costs that differ by less than this share are equal."""


def greedy_cover(siting: Siting, chosen: BoolArray | None = None) -> BoolArray:
    """Choose options until every demand is met, or nothing that has room adds anything.

    Parameters
    ----------
    siting : Siting
        The problem.
    chosen : bool array of shape (options,), optional
        What is chosen already.

    Returns
    -------
    bool array of shape (options,)
        Without options that nothing depends on.
    """
    chosen = np.zeros(len(siting.option_site), dtype=bool) if chosen is None else chosen.copy()
    need = np.maximum(siting.need - siting.gives @ chosen.astype(np.float64), 0.0)
    room = siting.floor_area_m2.copy()
    np.subtract.at(room, siting.option_site[chosen], siting.option_area_m2[chosen])
    open_site = siting.sites_of(chosen)
    shares = siting.by_option
    while True:
        gain = _gains(siting, need)
        fits = siting.option_area_m2 <= (room + ENOUGH * siting.floor_area_m2)[siting.option_site]
        cost = siting.option_cost + np.where(open_site, 0.0, siting.fixed_cost)[siting.option_site]
        worth = np.where(chosen | ~fits | (gain <= ENOUGH), -1.0, gain / np.maximum(cost, FREE))
        if not len(worth) or worth.max() <= 0:
            return without_idle(siting, chosen)
        best = int(np.argmax(worth))  # the first of the best
        chosen[best], open_site[siting.option_site[best]] = True, True
        room[siting.option_site[best]] -= siting.option_area_m2[best]
        rows = shares.indices[shares.indptr[best] : shares.indptr[best + 1]]
        need[rows] = np.maximum(need[rows] - shares.data[shares.indptr[best] : shares.indptr[best + 1]], 0.0)


def _gains(siting: Siting, need: FloatArray) -> FloatArray:
    """Return for each option the share of needs that it would meet, added up over the demands."""
    shares = siting.by_option
    useful = np.minimum(shares.data, need[shares.indices]) / siting.need[shares.indices]
    column = np.repeat(np.arange(len(siting.option_site)), np.diff(shares.indptr))
    return np.bincount(column, weights=useful, minlength=len(siting.option_site)).astype(np.float64)


def without_idle(siting: Siting, chosen: BoolArray) -> BoolArray:
    """Return what is chosen without options that can go while every demand that is met stays met.

    The dearest go first, of equally dear ones the last: whole sites that can be saved before single types.
    """
    chosen = chosen.copy()
    keep = siting.met(chosen)
    got = siting.gives @ chosen.astype(np.float64)
    shares = siting.by_option

    def drop(rows: IntArray) -> bool:
        left = got.copy()
        for row in rows:
            at = slice(shares.indptr[row], shares.indptr[row + 1])
            left[shares.indices[at]] -= shares.data[at]
        if (left[keep] < siting.need[keep] * (1.0 - ENOUGH)).any():
            return False
        chosen[rows] = False
        got[:] = left
        return True

    sites = np.flatnonzero(siting.sites_of(chosen))
    whole = siting.fixed_cost[sites]
    for site in sites[np.lexsort((-sites, -whole))]:
        own = siting.options_of(int(site))
        drop(own[chosen[own]])
    rows = np.flatnonzero(chosen)
    for row in rows[np.lexsort((-rows, -siting.option_cost[rows]))]:
        drop(np.array([row]))
    return chosen


def with_lowest_ids(siting: Siting, chosen: BoolArray) -> BoolArray:
    """Return a programme of the same cost in which no site can give way to one with a lower id.

    A site gives way to an unused one that may take the same types at the same cost, has the room, and meets all that
    depends on the site. Sites are tried from the highest id down until nothing changes.
    """
    chosen = chosen.copy()
    changed = True
    while changed:
        changed = False
        for site in np.flatnonzero(siting.sites_of(chosen))[::-1]:
            other = _first_equal(siting, chosen, int(site))
            if other is not None:
                chosen[siting.options_of(int(site))] = False
                chosen[other] = True
                changed = True
    return chosen


def _first_equal(siting: Siting, chosen: BoolArray, site: int) -> IntArray | None:
    """Return the options of the first unused site, with a lower id, that can take this one's place."""
    own = siting.options_of(site)
    own = own[chosen[own]]
    keep = siting.met(chosen)
    without = chosen.copy()
    without[own] = False
    got = siting.gives @ without.astype(np.float64)
    lost = np.flatnonzero(keep & (got < siting.need * (1.0 - ENOUGH)))
    used = siting.sites_of(chosen)
    cost, room = _cost_on(siting, site, own), siting.option_area_m2[own].sum()
    types = set(siting.option_type[own])
    for other in _sites_giving(siting, lost):
        if other >= site:
            return None
        if used[other] or siting.floor_area_m2[other] * (1.0 + ENOUGH) < room:
            continue
        rows = np.array([row for row in siting.options_of(other) if siting.option_type[row] in types], dtype=np.int64)
        if len(rows) != len(own) or abs(_cost_on(siting, other, rows) - cost) > SAME_COST * max(1.0, abs(cost)):
            continue
        if siting.option_area_m2[rows].sum() > siting.floor_area_m2[other] * (1.0 + ENOUGH):
            continue
        gained = np.asarray(siting.gives[lost][:, rows].sum(axis=1)).ravel()
        if (got[lost] + gained >= siting.need[lost] * (1.0 - ENOUGH)).all():
            return rows
    return None


def _sites_giving(siting: Siting, demands: IntArray) -> list[int]:
    """Return the sites with an option for every one of some demands, ascending."""
    if not len(demands):
        return []
    common: set[int] | None = None
    for demand in demands:
        of = set(
            siting.option_site[siting.gives.indices[siting.gives.indptr[demand] : siting.gives.indptr[demand + 1]]]
        )
        common = of if common is None else common & of
    return sorted(int(site) for site in common or ())


def _cost_on(siting: Siting, site: int, options: IntArray) -> float:
    return float(siting.fixed_cost[site] + siting.option_cost[options].sum())
