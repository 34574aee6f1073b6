"""Every demand that can be met, at least cost: weighted set covering with shared sites (`plan.problem`).

Parts of the district that share no site are solved one by one. Where floor areas keep some demands from being met
together, as many as possible are met, and those at least cost.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from circle15.plan.greedy import greedy_cover, with_lowest_ids, without_idle
from circle15.plan.problem import ENOUGH, ROW_SIZE, Siting, reachable_demands
from circle15.plan.solver import INFEASIBLE, OPTIMAL, STOPPED, Answer, Limits, Model, solve
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Programme:
    """What was chosen, and how good it is.

    Attributes
    ----------
    chosen : bool array of shape (options,)
        The options.
    value : float
        Its cost where everything is to be closed, the (weighted) people who are newly within reach for a budget.
    bound : float
        No programme that does the same costs less; none within the budget has more people.
    closed : bool array of shape (demands,)
        Which demands are met.
    complete : bool
        False where a time limit or an interruption ended the search: another run may give another programme.
    parts : int
        Number of parts that were solved by themselves.
    """

    chosen: BoolArray
    value: float
    bound: float
    closed: BoolArray
    complete: bool
    parts: int = 1

    @property
    def gap(self) -> float:
        """How far the bound lies from the value, as a share of the larger one; 0 for a proven optimum."""
        top = max(abs(self.value), abs(self.bound))
        if top == 0 or not np.isfinite(self.bound):
            return 0.0 if top == 0 else 1.0
        return max(0.0, abs(self.value - self.bound) / top)


def close_all(siting: Siting, limits: Limits) -> Programme:
    """Meet every demand that can be met, at least cost.

    Parameters
    ----------
    siting : Siting
        The problem.
    limits : Limits
        ``gap`` holds for each part, and so for their sum.

    Returns
    -------
    Programme
        ``value`` and ``bound`` are costs.
    """
    chosen = np.zeros(len(siting.option_site), dtype=bool)
    can = np.flatnonzero(reachable_demands(siting))
    asked = siting.of_demands(can)
    bound, complete = 0.0, True
    # the small parts first: what is left of a time limit is for those that need it
    parts = sorted(asked.components(), key=lambda part: (len(part[1]), part[0][0]))
    for sites, demands in parts:
        part, options = asked.part(sites, demands)
        one = _close_part(part, limits)
        chosen[options] = one.chosen
        bound += one.bound
        complete &= one.complete
    return Programme(chosen, siting.cost(chosen), bound, siting.met(chosen), complete, len(parts))


def _close_part(part: Siting, limits: Limits) -> Programme:
    first = greedy_cover(part)
    if part.met(first).all():
        answer = solve(covering_model(part), limits, start=_columns(part, first))
    else:
        first, answer = _close_most(part, first, limits)
    chosen = first if answer.x is None else _options_in(part, answer.x)
    if not part.fits(chosen) or part.met(chosen).sum() < part.met(first).sum():
        chosen = first
    chosen = with_lowest_ids(part, without_idle(part, chosen))
    if part.cost(first) < part.cost(chosen) and part.met(first).sum() >= part.met(chosen).sum():
        chosen = first  # stopped before the solver had anything better
    cost = part.cost(chosen)
    return Programme(chosen, cost, min(cost, max(answer.bound, 0.0)), part.met(chosen), answer.status == OPTIMAL)


def _close_most(part: Siting, first: BoolArray, limits: Limits) -> tuple[BoolArray, Answer]:
    """Meet as many demands as floor areas allow, then at least cost; return the first try and the answer."""
    most = _elastic(part, 0)
    count = np.concatenate([np.zeros(len(part.option_site) + len(part.site_id)), -np.ones(len(part.need))])
    # a number of demands is whole and no cost: it has to be the largest, and nobody is told of it
    start = np.concatenate([_columns(part, first), part.met(first)])
    silent = replace(limits, gap=0.0, tell=lambda _best, _bound: None)
    answer = solve(replace(most, cost=count), silent, start=start)
    complete = answer.status == OPTIMAL
    if answer.x is not None:
        other = _options_in(part, answer.x)
        if part.fits(other) and part.met(other).sum() > part.met(first).sum():
            first = without_idle(part, other)
    number = int(part.met(first).sum())
    start = np.concatenate([_columns(part, first), part.met(first)])
    answer = solve(_elastic(part, number), limits, start=start)
    if not complete:
        # more might be met together, and what that costs is not known
        answer = Answer(answer.x, answer.bound, STOPPED)
    return first, answer


def _elastic(part: Siting, number: int) -> Model:
    """Return the model of meeting at least a number of demands: one more column a demand tells whether it is met."""
    model, demands = covering_model(part), len(part.need)
    others = model.rows.shape[0] - demands
    met = sparse.vstack([-sparse.diags(part.need * (1.0 - ENOUGH)), sparse.csr_matrix((others, demands))])
    counted = sparse.csr_matrix(np.concatenate([np.zeros(len(model.cost)), np.ones(demands)]))
    rows = sparse.vstack([sparse.hstack([model.rows, met]), counted], format="csr")
    return Model(
        np.concatenate([model.cost, np.zeros(demands)]),
        np.zeros(rows.shape[1]),
        np.concatenate([model.upper, np.ones(demands)]),
        np.ones(rows.shape[1], dtype=bool),
        rows,
        np.concatenate([np.zeros(demands), model.row_lower[demands:], [float(number)]]),
        np.append(model.row_upper, np.inf),
    )


def _options_in(part: Siting, x: FloatArray) -> BoolArray:
    """Return which options a solution takes."""
    return np.asarray(np.round(x[: len(part.option_site)]) == 1, dtype=bool)


def covering_model(siting: Siting) -> Model:
    """Return the model of meeting every demand at least cost: columns are the options, then the sites."""
    options, sites, demands = len(siting.option_site), len(siting.site_id), len(siting.need)
    rows, upper = site_rows(siting)
    cover = sparse.hstack([siting.gives, sparse.csr_matrix((demands, sites))], format="csr")
    return Model(
        np.concatenate([siting.option_cost, siting.fixed_cost]),
        np.zeros(options + sites),
        np.concatenate([siting.fits_alone.astype(np.float64), np.ones(sites)]),
        np.ones(options + sites, dtype=bool),
        sparse.vstack([cover, rows], format="csr"),
        np.concatenate([siting.need * (1.0 - ENOUGH), np.full(rows.shape[0], -np.inf)]),
        np.concatenate([np.full(demands, np.inf), upper]),
    )


def site_rows(siting: Siting) -> tuple[sparse.csr_matrix, FloatArray]:
    """Return the rows that join options to their sites, and the sites' floor areas, with their upper sides."""
    options, sites = len(siting.option_site), len(siting.site_id)
    row = np.arange(options)
    joins = sparse.csr_matrix(
        (
            np.concatenate([np.ones(options), -np.ones(options)]),
            (np.tile(row, 2), np.concatenate([row, options + siting.option_site])),
        ),
        shape=(options, options + sites),
    )
    full = np.bincount(siting.option_site, weights=siting.option_area_m2, minlength=sites)
    tight = np.flatnonzero(full > siting.floor_area_m2)
    number = np.full(sites, -1, dtype=np.int64)
    number[tight] = np.arange(len(tight))
    of = np.flatnonzero((number[siting.option_site] >= 0) & (siting.option_area_m2 > 0))
    area, site = siting.option_area_m2[of], siting.option_site[of]
    size = np.where(siting.floor_area_m2[tight] > 0, siting.floor_area_m2[tight], 1.0) / ROW_SIZE
    areas = sparse.csr_matrix((area / size[number[site]], (number[site], of)), shape=(len(tight), options + sites))
    limit = siting.floor_area_m2[tight] / size * (1.0 + ENOUGH)
    return sparse.vstack([joins, areas], format="csr"), np.concatenate([np.zeros(options), limit])


def _columns(siting: Siting, chosen: BoolArray) -> FloatArray:
    return np.concatenate([chosen, siting.sites_of(chosen)]).astype(np.float64)


def other_programmes(siting: Siting, first: Programme, count: int, slack: float, limits: Limits) -> list[Programme]:
    """Return programmes that meet the same demands at nearly the same cost on other sites.

    Modelling to generate alternatives (Brill, Chang & Hopkins 1982): each one uses as few as possible of the sites
    that earlier ones used, counted as often as they were used, among all that cost at most `slack` more than the first.

    Parameters
    ----------
    siting : Siting
        The problem.
    first : Programme
        From `close_all`.
    count : int
        How many more are asked for.
    slack : float
        Share of the first one's cost that another may cost more, in each part that shares no site with the others.

    Returns
    -------
    list of Programme
        Fewer than `count` where a further one would be one of those before. Parts are varied each by itself, so a
        programme that mixes earlier ones part by part isn't looked for. ``bound`` is that of the first: what costs
        least has nothing to do with what differs most.
    """
    asked = siting.of_demands(np.flatnonzero(first.closed))
    found = [first]
    for _ in range(count):
        chosen, complete = np.zeros(len(first.chosen), dtype=bool), True
        for sites, demands in asked.components():
            part, options = asked.part(sites, demands)
            before = [one.chosen[options] for one in found]
            own, ended = _differ(part, before, slack, limits)
            chosen[options] = own
            complete &= ended
        if any((chosen == one.chosen).all() for one in found):
            break
        found.append(Programme(chosen, siting.cost(chosen), first.bound, siting.met(chosen), complete, first.parts))
    return found[1:]


def _differ(part: Siting, before: list[BoolArray], slack: float, limits: Limits) -> tuple[BoolArray, bool]:
    model = covering_model(part)
    used = np.sum([part.sites_of(one) for one in before], axis=0).astype(np.float64)
    most = part.cost(before[0]) * (1.0 + slack)
    scale = (most if most > 0 else 1.0) / ROW_SIZE
    # each drops at least one option of every one before: no programme without idle options holds another
    earlier = np.zeros((len(before), len(model.cost)))
    earlier[:, : len(part.option_site)] = np.array(before, dtype=np.float64)
    paid = sparse.csr_matrix(model.cost / scale)
    rows = sparse.vstack([model.rows, paid, sparse.csr_matrix(earlier)], format="csr")
    # of programmes that differ as much, the cheapest: costs weigh less than one site does in all
    objective = np.concatenate([np.zeros(len(part.option_site)), used]) + model.cost / scale / (2.0 * ROW_SIZE)
    differing = Model(
        objective,
        model.lower,
        model.upper,
        model.integer,
        rows,
        np.append(model.row_lower, np.full(1 + len(before), -np.inf)),
        np.concatenate([model.row_upper, [most / scale * (1.0 + ENOUGH)], earlier.sum(axis=1) - 1.0]),
    )
    answer = solve(differing, limits)
    if answer.x is None:
        return before[0], answer.status == INFEASIBLE
    chosen = without_idle(part, _options_in(part, answer.x))
    sound = part.met(chosen).all() and part.fits(chosen)
    return (chosen, answer.status == OPTIMAL) if sound else (before[0], False)
