"""Sites for a budget: the most people who are newly within reach, on shared sites (`plan.covering`, `plan.problem`)."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from circle15.plan.closing import Programme, covering_model
from circle15.plan.covering import Coverage, most_people
from circle15.plan.greedy import FREE, with_lowest_ids, without_idle
from circle15.plan.problem import ENOUGH, ROW_SIZE, Siting
from circle15.plan.solver import Limits, Model

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def spend(siting: Siting, coverage: Coverage, budget: float, limits: Limits) -> Programme:
    """Serve the most people within a budget.

    Parameters
    ----------
    siting : Siting
        The problem; its demands decide nothing here.
    coverage : Coverage
        Who is served by which option.
    budget : float
        The most that the programme may cost, inclusive.
    limits : Limits
        Gap and time.

    Returns
    -------
    Programme
        ``value`` and ``bound`` are (weighted) people.
    """
    model = budget_model(siting, budget)
    options = len(siting.option_site)
    first = _better_half(siting, coverage, budget)
    start = np.concatenate([first, siting.sites_of(first)]).astype(np.float64)
    opens = sparse.hstack([sparse.eye(options), sparse.csr_matrix((options, len(siting.site_id)))], format="csr")
    best = most_people(model, [opens], coverage, limits, start)
    chosen = _without_use(siting, coverage, np.asarray(np.round(best.x[:options]) == 1, dtype=bool))
    return Programme(chosen, coverage.value(chosen.astype(np.float64)), best.bound, siting.met(chosen), best.complete)


def budget_model(siting: Siting, budget: float) -> Model:
    """Return the model of what a budget buys: columns are the options, then the sites."""
    model = covering_model(siting.of_demands(np.empty(0, dtype=np.int64)))
    scale = (budget if budget > 0 else 1.0) / ROW_SIZE
    return replace(
        model,
        rows=sparse.vstack([model.rows, sparse.csr_matrix(model.cost / scale)], format="csr"),
        row_lower=np.append(model.row_lower, -np.inf),
        row_upper=np.append(model.row_upper, budget / scale * (1.0 + ENOUGH)),
    )


def greedy_people(siting: Siting, coverage: Coverage, budget: float, *, by_cost: bool = True) -> BoolArray:
    """Choose, again and again, what serves most people more (for its cost) and can still be paid.

    Parameters
    ----------
    siting, coverage, budget
        As for `spend`.
    by_cost : bool
        Whether people are divided by what the option costs.
    """
    chosen = np.zeros(len(siting.option_site), dtype=bool)
    need = coverage.need.astype(np.float64)
    reach = coverage.reach.tocsc()
    column = np.repeat(np.arange(len(chosen)), np.diff(reach.indptr))
    room, left = siting.floor_area_m2.copy(), budget
    open_site = np.zeros(len(siting.site_id), dtype=bool)
    while True:
        # of those who need several, the first of them is worth its share
        useful = np.where(need > 0, coverage.weight / coverage.need, 0.0)[reach.indices]
        gain = np.bincount(column, weights=useful, minlength=len(chosen))
        cost = siting.option_cost + np.where(open_site, 0.0, siting.fixed_cost)[siting.option_site]
        can = ~chosen & (cost <= left * (1.0 + ENOUGH)) & (gain > 0)
        can &= siting.option_area_m2 <= (room + ENOUGH * siting.floor_area_m2)[siting.option_site]
        if not can.any():
            return chosen
        best = int(np.argmax(np.where(can, gain / np.maximum(cost, FREE) if by_cost else gain, -1.0)))
        chosen[best], open_site[siting.option_site[best]] = True, True
        room[siting.option_site[best]] -= siting.option_area_m2[best]
        left -= float(cost[best])
        rows = reach.indices[reach.indptr[best] : reach.indptr[best + 1]]
        need[rows] = np.maximum(need[rows] - 1.0, 0.0)


def _better_half(siting: Siting, coverage: Coverage, budget: float) -> BoolArray:
    """Return the better of the two greedy programmes, by people for the cost and by people alone."""
    both = [greedy_people(siting, coverage, budget, by_cost=one) for one in (True, False)]
    values = [coverage.value(one.astype(np.float64)) for one in both]
    return both[int(np.argmax(values))]


def _without_use(siting: Siting, coverage: Coverage, chosen: BoolArray) -> BoolArray:
    """Return what is chosen without options that nobody needs, the dearest first, on sites with the lowest ids."""
    served = replace(siting, need=coverage.need.astype(np.float64), gives=coverage.reach)
    chosen = with_lowest_ids(served, without_idle(served, chosen))
    value = coverage.value(chosen.astype(np.float64))
    rows = np.flatnonzero(chosen)
    for row in rows[np.lexsort((-rows, -siting.option_cost[rows]))]:
        chosen[row] = False
        if coverage.value(chosen.astype(np.float64)) < value:
            chosen[row] = True
    return chosen


def other_spending(
    siting: Siting, coverage: Coverage, first: Programme, count: int, slack: float, budget: float, limits: Limits
) -> list[Programme]:
    """Return programmes within the budget that serve nearly as many people on other sites.

    Each charges sites that earlier programmes used: a person served is worth the less the more of them a programme
    uses, so far that it gives up `slack` of the people at most (anything worse is left out).

    Returns
    -------
    list of Programme
        Fewer than `count` where no further one is near enough or differs.
    """
    found = [first]
    for _ in range(count):
        used = np.sum([siting.sites_of(one.chosen) for one in found], axis=0) > 0
        one = _elsewhere(siting, coverage, used, first, slack, budget, limits)
        if one is None or any((one.chosen == other.chosen).all() for other in found):
            break
        found.append(one)
    return found[1:]


def _elsewhere(
    siting: Siting, coverage: Coverage, used: BoolArray, first: Programme, slack: float, budget: float, limits: Limits
) -> Programme | None:
    """Find the fewest used sites, by halves, with which enough people are served."""
    least, most, best = 0, int(siting.sites_of(first.chosen).sum()) - 1, None
    while least <= most and not limits.over:
        allowed = (least + most) // 2
        one = _spend_with(siting, coverage, used, allowed, budget, limits)
        if one.value >= (1.0 - slack) * first.value:
            best, most = one, allowed - 1
        else:
            least = allowed + 1
    return best


def _spend_with(
    siting: Siting, coverage: Coverage, used: BoolArray, allowed: int, budget: float, limits: Limits
) -> Programme:
    options = len(siting.option_site)
    model = budget_model(siting, budget)
    row = sparse.csr_matrix(np.concatenate([np.zeros(options), used.astype(np.float64)]))
    model = replace(
        model,
        rows=sparse.vstack([model.rows, row], format="csr"),
        row_lower=np.append(model.row_lower, -np.inf),
        row_upper=np.append(model.row_upper, float(allowed)),
    )
    opens = sparse.hstack([sparse.eye(options), sparse.csr_matrix((options, len(siting.site_id)))], format="csr")
    best = most_people(model, [opens], coverage, limits, np.zeros(len(model.cost)))
    chosen = _without_use(siting, coverage, np.asarray(np.round(best.x[:options]) == 1, dtype=bool))
    return Programme(chosen, coverage.value(chosen.astype(np.float64)), best.bound, siting.met(chosen), best.complete)
