"""The most people for a budget: maximal covering (Church & ReVelle 1974), exactly, for as many people as there are.

People are counted where they live: a *unit* is everybody who is served by the same options and needs as many of them.
With *w_u* people, the number of those within reach is a concave function of what is opened,

    f(y) = Σ_u w_u min(1, Σ_o∈u y_o)        (units that need one facility)

so that a programme's value is bounded by planes through earlier answers. The model holds those planes instead of a
column for every unit (Benders' cuts in closed form: Cordeau, Furini & Ljubić 2019, *EJOR* 275:882); it is solved again
until no programme can be better than the best one by more than the gap. Units that need several facilities have a
column of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from circle15.plan.solver import INFEASIBLE, OPTIMAL, Limits, Model, Solver
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

MILLION = 1e6
ROUNDS = 500
"""So many planes' rounds at most; the answer then is what was reached, with its gap."""
LEAST_STEP = 1e-4
"""The relaxed model is left for whole numbers when a round lowers its bound by less than this share."""


@dataclass(frozen=True)
class Coverage:
    """Who is served by what.

    Attributes
    ----------
    weight : float64 array of shape (units,)
        People, as they count.
    need : int64 array of shape (units,)
        How many more facilities each needs, 1 or more.
    reach : csr matrix of shape (units, options)
        1 where the option serves the unit.
    group : int64 array of shape (units,)
        Units of one group share their planes; finer groups need fewer rounds and make larger models.
    """

    weight: FloatArray
    need: IntArray
    reach: sparse.csr_matrix
    group: IntArray

    def value(self, opened: FloatArray) -> float:
        """Return the people who are served if options are opened (0 or 1), shape (options,)."""
        return float(self.weight[self.reach @ opened >= self.need - 0.5].sum())


def gather(
    weight: FloatArray, need: IntArray, unit: IntArray, option: IntArray, options: int, group: IntArray
) -> Coverage:
    """Return the coverage of people's cells, those who are served by the same options put together.

    Parameters
    ----------
    weight, need, group : arrays of shape (cells,)
        People of each cell, how many facilities they need, and their group.
    unit, option : int64 arrays of shape (pairs,)
        Which cell each option serves; each pair once.
    options : int
        How many there are.
    """
    order = np.lexsort((option, unit))
    unit, option = unit[order], option[order]
    first = np.searchsorted(unit, np.arange(len(weight) + 1))
    of: dict[tuple[bytes, int, int], int] = {}
    rows: list[IntArray] = []
    number = np.full(len(weight), -1, dtype=np.int64)
    for cell in np.flatnonzero((np.diff(first) > 0) & (weight > 0)):
        served = option[first[cell] : first[cell + 1]]
        key = (served.tobytes(), int(need[cell]), int(group[cell]))
        if key not in of:
            of[key] = len(rows)
            rows.append(served)
        number[cell] = of[key]
    used = number >= 0
    total = np.bincount(number[used], weights=weight[used], minlength=len(rows)).astype(np.float64)
    needs = np.array([key[1] for key in of], dtype=np.int64)
    groups = np.array([key[2] for key in of], dtype=np.int64)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    index = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    reach = sparse.csr_matrix((np.ones(len(index)), index, indptr), shape=(len(rows), options))
    return Coverage(total, needs, reach, groups)


@dataclass(frozen=True)
class Best:
    """The best found, and a bound on all others.

    Attributes
    ----------
    x : float64 array of shape (columns,)
        Values of the model's own columns.
    value, bound : float
        People served, and the most that any solution can serve (in every step together).
    complete : bool
        Whether the gap was reached.
    rounds : int
        How often the model was solved.
    """

    x: FloatArray
    value: float
    bound: float
    complete: bool
    rounds: int


def most_people(
    model: Model, opens: Sequence[sparse.csr_matrix], coverage: Coverage, limits: Limits, start: FloatArray
) -> Best:
    """Find the solution of a model that serves most people, added up over one or several steps.

    Parameters
    ----------
    model : Model
        What may be chosen; its costs are not looked at.
    opens : sequence of csr matrices of shape (options, columns)
        For each step (a year, say): which options are open by which columns.
    coverage : Coverage
        Who is served by what.
    limits : Limits
        Gap and time.
    start : float64 array of shape (columns,)
        A solution to begin with.
    """
    # people are counted in millionths of all of them: numbers of one size for the solver, whatever the weights
    unit = float(coverage.weight.sum()) / MILLION or 1.0
    told = replace(limits, tell=lambda value, bound: limits.tell(value * unit, bound * unit))
    found = _most_people(model, opens, replace(coverage, weight=coverage.weight / unit), told, start)
    value = sum(coverage.value(np.round(one @ found.x)) for one in opens)
    return replace(found, value=value, bound=max(value, found.bound * unit))


def _most_people(
    model: Model, opens: Sequence[sparse.csr_matrix], coverage: Coverage, limits: Limits, start: FloatArray
) -> Best:
    master = _Master(model, opens, coverage)
    best, value = start, master.value(start)
    bound, rounds = float(coverage.weight.sum()) * len(opens), 0
    told = replace(limits, tell=lambda _best, low: limits.tell(value, min(bound, -low)))
    with Solver(master.model, told, relaxed=True) as solver:
        solver.add_rows(*master.planes(start))
        relaxed = True
        while rounds < ROUNDS and not limits.over:
            rounds += 1
            answer = solver.run(None if relaxed else master.full(best))
            if answer.status == INFEASIBLE or answer.x is None:
                break
            step = bound + answer.bound  # the model minimises: its bound is that of -people
            bound = min(bound, -answer.bound)
            x = answer.x[: len(start)]
            if not relaxed and master.value(x) > value:
                best, value = x, master.value(x)
            limits.tell(value, bound)
            if bound - value <= limits.gap * bound + _EXACT * max(1.0, bound):
                break
            rows, upper = master.planes(x, answer.x)
            if relaxed and (not rows.shape[0] or step < LEAST_STEP * bound):
                solver.make_whole()
                relaxed = False
            elif not rows.shape[0] and answer.status == OPTIMAL:
                break  # nothing bends the bound any more: what is left is rounding
            if rows.shape[0]:
                solver.add_rows(rows, upper)
    complete = bound - value <= limits.gap * bound + _EXACT * max(1.0, bound)
    return Best(best, value, max(bound, value), complete, rounds)


_EXACT = 1e-7
"""Share of the people by which a bound that is proven may differ from the value: the solver's rounding."""


class _Master:
    """The model with a column for the people of each group and step, and the planes that bound them."""

    def __init__(self, model: Model, opens: Sequence[sparse.csr_matrix], coverage: Coverage) -> None:
        self._opens, self._coverage = opens, coverage
        self._own = len(model.cost)
        self._several = np.flatnonzero(coverage.need > 1)
        self._single = np.flatnonzero(coverage.need == 1)
        groups, self._group = np.unique(coverage.group[self._single], return_inverse=True)
        self._groups = len(groups)
        self._per_step = self._groups + len(self._several)
        self._reach = coverage.reach[self._single]
        self._weight = coverage.weight[self._single]
        self._total = np.bincount(self._group, weights=self._weight, minlength=self._groups).astype(np.float64)
        self.model = self._with_people(model)

    def value(self, x: FloatArray) -> float:
        """Return the people served by a solution, over all steps."""
        return sum(self._coverage.value(np.round(opens @ x)) for opens in self._opens)

    def full(self, x: FloatArray) -> FloatArray:
        """Return a solution with the columns of people filled in."""
        parts: list[FloatArray] = [x]
        for opens in self._opens:
            opened = np.round(opens @ x)
            served = np.minimum(self._reach @ opened, 1.0) * self._weight
            several = self._coverage.reach[self._several] @ opened >= self._coverage.need[self._several]
            people = np.bincount(self._group, weights=served, minlength=self._groups).astype(np.float64)
            parts += [people, several.astype(np.float64)]
        return np.concatenate(parts)

    def planes(self, x: FloatArray, full: FloatArray | None = None) -> tuple[sparse.csr_matrix, FloatArray]:
        """Return the planes that touch the people's number at `x`; with `full` only those that it breaks.

        A unit that has its facility at `x` counts whole, any other by what is opened for it.
        """
        rows: list[sparse.csr_matrix] = []
        uppers: list[FloatArray] = []
        for step, opens in enumerate(self._opens):
            served = self._reach @ (opens @ x)
            there = served >= 1.0 - _EXACT
            constant = np.bincount(self._group[there], weights=self._weight[there], minlength=self._groups).astype(
                np.float64
            )
            missing = np.flatnonzero(~there)
            sums = sparse.csr_matrix(
                (self._weight[missing], (self._group[missing], missing)), shape=(self._groups, len(self._weight))
            )
            slope = (sums @ self._reach @ opens).tocsr()
            offset = self._own + step * self._per_step
            broken = np.arange(self._groups)
            if full is not None:
                claimed = full[offset : offset + self._groups]
                over = claimed - constant - slope @ x
                broken = np.flatnonzero(over > _EXACT * np.maximum(1.0, self._total))
            people = sparse.csr_matrix(
                (np.ones(len(broken)), (np.arange(len(broken)), offset + broken)),
                shape=(len(broken), len(self.model.cost)),
            )
            wide = sparse.csr_matrix(
                (slope[broken].data, slope[broken].indices, slope[broken].indptr), shape=people.shape
            )
            rows.append(people - wide)
            uppers.append(constant[broken])
        return sparse.vstack(rows, format="csr"), np.concatenate(uppers)

    def _with_people(self, model: Model) -> Model:
        several, steps = len(self._several), len(self._opens)
        wide = self._own + steps * self._per_step
        need, reach = self._coverage.need[self._several], self._coverage.reach[self._several]
        blocks = [sparse.hstack([model.rows, sparse.csr_matrix((model.rows.shape[0], wide - self._own))])]
        for step, opens in enumerate(self._opens):
            at = self._own + step * self._per_step + self._groups
            column = sparse.csr_matrix((need, (np.arange(several), at + np.arange(several))), shape=(several, wide))
            served = (reach @ opens).tocsr()
            blocks.append(
                column - sparse.csr_matrix((served.data, served.indices, served.indptr), shape=(several, wide))
            )
        people = np.concatenate([-np.ones(self._groups), -self._coverage.weight[self._several]])
        top = np.concatenate([self._total, np.ones(several)])
        whole = np.concatenate([np.zeros(self._groups, dtype=bool), np.ones(several, dtype=bool)])
        return Model(
            np.concatenate([np.zeros(self._own), np.tile(people, steps)]),
            np.concatenate([model.lower, np.zeros(steps * self._per_step)]),
            np.concatenate([model.upper, np.tile(top, steps)]),
            np.concatenate([model.integer, np.tile(whole, steps)]),
            sparse.vstack(blocks, format="csr"),
            np.concatenate([model.row_lower, np.full(steps * several, -np.inf)]),
            np.concatenate([model.row_upper, np.zeros(steps * several)]),
        )
