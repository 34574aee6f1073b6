"""A programme by year: which project starts when, so that most people are served earliest.

Every project starts in one year of the plan and opens so many years later. Yearly budgets and the plan's milestones (so
many percent started by the end of each year) are conditions; what is maximised is the people within reach at the end of
each year, added up over the years, so that what serves many comes first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from circle15.errors import ComputeError, Problem
from circle15.plan.covering import Coverage, most_people
from circle15.plan.problem import ENOUGH, ROW_SIZE
from circle15.plan.solver import INFEASIBLE, Limits, Model, solve
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Calendar:
    """What a schedule has to keep to.

    Attributes
    ----------
    years : tuple of int
        The plan's years, one after the other.
    budgets : float64 array of shape (years,)
        Cost of what starts in each year at most, infinite where there is none.
    started_percent : tuple of float
        Percent of all projects that have started by the end of the first, second … year, at least.
    build_years : int
        So many years after its start a project opens.
    """

    years: tuple[int, ...]
    budgets: FloatArray
    started_percent: tuple[float, ...]
    build_years: int


@dataclass(frozen=True)
class Schedule:
    """When each project starts.

    Attributes
    ----------
    start : int64 array of shape (projects,)
        Years.
    people : float64 array of shape (years,)
        (Weighted) people who are newly within reach at the end of each year.
    value, bound : float
        Their sum, and the most that any schedule can have.
    complete : bool
        False where the search was ended.
    """

    start: IntArray
    people: FloatArray
    value: float
    bound: float
    complete: bool


def schedule(
    calendar: Calendar,
    fixed: FloatArray,
    earliest: FloatArray,
    cost: FloatArray,
    coverage: Coverage,
    limits: Limits,
    *,
    units: FloatArray | None = None,
    opens: FloatArray | None = None,
    ids: Sequence[str] = (),
) -> Schedule:
    """Give every project a year to start in.

    Parameters
    ----------
    calendar : Calendar
        Years, budgets and milestones.
    fixed : float64 array of shape (projects,)
        The year in which a project starts for certain, NaN where that is to be found.
    earliest : float64 array of shape (projects,)
        The first year in which it may start, NaN for any.
    cost : float64 array of shape (projects,)
        What it costs, all of it in the year of its start.
    coverage : Coverage
        Who is served by which project.
    limits : Limits
        Gap and time.
    units : float64 array of shape (projects,), optional
        How many each row stands for where milestones count them; 1 by default.
    opens : float64 array of shape (projects,), optional
        The year in which a project whose start is fixed opens; by default so long after it as is built.
    ids : sequence of str
        Names for messages.

    Raises
    ------
    KeyboardInterrupt
        If the search is stopped from outside before there is any schedule.
    ComputeError
        Naming the budget or milestone that can't be kept to.
    """
    given = fixed + calendar.build_years if opens is None else opens
    columns = _Columns.of(calendar, fixed, earliest, given, ids)
    size = np.ones(len(fixed)) if units is None else units
    model = _model(calendar, columns, cost, size)
    start = _first(calendar, model, columns, cost, size, limits)
    steps = [_opened(columns, len(fixed), year) for year in calendar.years]
    best = most_people(model, steps, coverage, limits, start)
    taken = np.round(best.x) == 1
    year = np.zeros(len(fixed), dtype=np.int64)
    year[columns.project[taken]] = columns.year[taken]
    people = np.array([coverage.value(np.round(one @ best.x)) for one in steps])
    return Schedule(year, people, best.value, best.bound, best.complete)


@dataclass(frozen=True)
class _Columns:
    """One column a project and year in which it may start; arrays of shape (columns,)."""

    project: IntArray
    year: IntArray
    opens: IntArray
    free: BoolArray

    @classmethod
    def of(
        cls, calendar: Calendar, fixed: FloatArray, earliest: FloatArray, opens: FloatArray, ids: Sequence[str]
    ) -> "_Columns":
        project, year = [], []
        last = calendar.years[-1] - calendar.build_years
        for row, (one, first) in enumerate(zip(fixed, earliest, strict=True)):
            within = [y for y in calendar.years if y <= last and not y < first]
            allowed = [int(one)] if np.isfinite(one) else within
            if not allowed:
                first_year = int(first) if np.isfinite(first) else calendar.years[0]
                what = (
                    f"a project may start in {first_year} at the earliest and takes {calendar.build_years} years, "
                    f"which is after the plan's last year {calendar.years[-1]}"
                )
                raise ComputeError(
                    Problem(what, rows=(ids[row] if ids else f"project {row + 1}",), remedy="Lengthen plan.years.")
                )
            project += [row] * len(allowed)
            year += allowed
        rows, years = np.array(project, dtype=np.int64), np.array(year, dtype=np.int64)
        free = np.isnan(fixed)[rows] if len(rows) else np.empty(0, dtype=bool)
        opening = np.where(free, years + calendar.build_years, np.nan_to_num(opens)[rows] if len(rows) else 0)
        return cls(rows, years, opening.astype(np.int64), free)


def _model(calendar: Calendar, columns: _Columns, cost: FloatArray, units: FloatArray) -> Model:
    """Return the model of all schedules: every project once, budgets, milestones."""
    size, projects = len(columns.project), len(units)
    index = np.arange(size)
    once = sparse.csr_matrix((np.ones(size), (columns.project, index)), shape=(projects, size))
    rows, lower, upper = [once], [np.ones(projects)], [np.ones(projects)]
    for year, budget in zip(calendar.years, calendar.budgets, strict=True):
        if np.isfinite(budget):
            # what is fixed is paid first, whether there is enough for it or not; what is left is for the others
            of_year = np.where(columns.year == year, cost[columns.project], 0.0)
            left = max(budget - float(of_year[~columns.free].sum()), 0.0)
            scale = (left if left > 0 else 1.0) / ROW_SIZE
            rows.append(sparse.csr_matrix(np.where(columns.free, of_year, 0.0) / scale))
            lower.append(np.array([-np.inf]))
            upper.append(np.array([left / scale * (1.0 + ENOUGH)]))
    for year, needed in milestones(calendar, units.sum()):
        rows.append(sparse.csr_matrix(np.where(columns.year <= year, units[columns.project], 0.0)))
        lower.append(np.array([float(needed)]))
        upper.append(np.array([np.inf]))
    return Model(
        np.zeros(size),
        np.zeros(size),
        np.ones(size),
        np.ones(size, dtype=bool),
        sparse.vstack(rows, format="csr"),
        np.concatenate(lower),
        np.concatenate(upper),
    )


def milestones(calendar: Calendar, projects: float) -> list[tuple[int, int]]:
    """Return by the end of which years how many projects have to have started."""
    return [
        (year, math.ceil(percent / 100.0 * projects - ENOUGH))
        for year, percent in zip(calendar.years, calendar.started_percent, strict=False)
    ]


def _first(
    calendar: Calendar, model: Model, columns: _Columns, cost: FloatArray, units: FloatArray, limits: Limits
) -> FloatArray:
    """Return some schedule that keeps to everything, or say what can't be kept to."""
    answer = solve(model, replace(limits, gap=0.0, deadline=float("inf")))
    if answer.x is not None:
        return answer.x
    if answer.status != INFEASIBLE:
        raise KeyboardInterrupt  # there is no time limit for this: somebody stopped it
    raise ComputeError(*_reasons(calendar, model, columns, cost, units, limits))


def _reasons(
    calendar: Calendar, model: Model, columns: _Columns, cost: FloatArray, units: FloatArray, limits: Limits
) -> list[Problem]:
    """Return which budget or milestone keeps a schedule from being possible."""
    named = ", ".join(f"{year}: {budget:,.6g}" for year, budget in zip(calendar.years, calendar.budgets, strict=True))
    budgets = f"budgets {named}; " if np.isfinite(calendar.budgets).any() else ""
    problems, projects = [], len(units)
    loose = replace(model, row_lower=np.where(np.arange(len(model.row_lower)) < projects, 0.0, -np.inf))

    def most(weight: FloatArray) -> int:
        answer = solve(replace(loose, cost=-weight), replace(limits, gap=0.0, deadline=float("inf")))
        return 0 if answer.x is None else round(float(weight @ answer.x))

    started = most(np.ones(len(columns.project)))
    if started < projects:
        what = (
            f"only {started} of {projects} projects can be started within the yearly budgets ({budgets.strip('; ')}); "
            f"all of them cost {cost.sum():,.6g}"
        )
        problems.append(Problem(what, remedy="Raise plan.budgets, add years, or leave projects out."))
    for year, needed in milestones(calendar, units.sum()):
        can = most(np.where(columns.year <= year, units[columns.project], 0.0))
        if can < needed:
            what = (
                f"{needed} of {units.sum():g} projects have to be started by the end of {year}, and only {can} can be "
                f"({budgets}earliest years and fixed starts of the ledger)"
            )
            problems.append(Problem(what, remedy="Raise plan.budgets, or lower plan.started_percent."))
    return problems or [Problem("budgets and milestones can't be kept together", remedy="Loosen one of them.")]


def _opened(columns: _Columns, projects: int, year: int) -> sparse.csr_matrix:
    """Return which projects are open at the end of a year, by which columns."""
    there = np.flatnonzero(columns.opens <= year)
    return sparse.csr_matrix(
        (np.ones(len(there)), (columns.project[there], there)), shape=(projects, len(columns.project))
    )
