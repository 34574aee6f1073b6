"""HiGHS behind one function: a mixed-integer model in, the best solution found and a bound on every other out.

Solves are repeatable: one thread, a fixed seed. Only a time limit or an interruption makes the outcome depend on the
machine, and then the answer says so.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from circle15.errors import ComputeError
from circle15.quiet import quiet_stdout
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

SEED = 0
OPTIMAL, STOPPED, INFEASIBLE = "optimal", "stopped", "infeasible"
FEASIBLE = 1e-6
"""How far HiGHS may miss a row or a whole number; solutions are rounded and held against the rows again."""


@dataclass(frozen=True)
class Model:
    """Minimise ``cost @ x`` with ``row_lower <= rows @ x <= row_upper`` and ``lower <= x <= upper``.

    Attributes
    ----------
    cost, lower, upper : float64 arrays of shape (columns,)
        Objective and bounds.
    integer : bool array of shape (columns,)
        Which columns are whole numbers.
    rows : csr matrix of shape (rows, columns)
        Coefficients.
    row_lower, row_upper : float64 arrays of shape (rows,)
        Infinite where open.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    rows: sparse.csr_matrix
    row_lower: FloatArray
    row_upper: FloatArray

    def misses(self, x: FloatArray) -> bool:
        """Return whether `x` breaks a row or a bound by more than `FEASIBLE` of the row's size."""
        value = self.rows @ x
        slack = FEASIBLE * np.maximum(1.0, np.abs(value))
        return bool(
            (value < self.row_lower - slack).any()
            or (value > self.row_upper + slack).any()
            or (x < self.lower - FEASIBLE).any()
            or (x > self.upper + FEASIBLE).any()
        )


@dataclass
class Limits:
    """When to stop, and who is told meanwhile.

    Attributes
    ----------
    gap : float
        A solution is good enough when no other can be better by more than this share of its value.
    deadline : float
        In seconds of `time.monotonic`; infinite for none.
    stop : Event
        Set from outside (Ctrl-C): end with the best found.
    tell : callable
        Takes the objective of the best solution and the bound while a solve goes on.
    """

    gap: float = 0.01
    deadline: float = float("inf")
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[float, float], None] = lambda _best, _bound: None

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return self.stop.is_set() or self.left_s <= 0.0


@dataclass(frozen=True)
class Answer:
    """What the solver found.

    Attributes
    ----------
    x : float64 array or None
        The best solution, whole numbers rounded; None if none was found.
    bound : float
        No solution has a lower objective; minus infinity if nothing is known.
    status : {"optimal", "stopped", "infeasible"}
        ``optimal`` is within the gap; ``stopped`` by the time limit or an interruption.
    """

    x: FloatArray | None
    bound: float
    status: str


def solve(model: Model, limits: Limits, start: FloatArray | None = None, *, relaxed: bool = False) -> Answer:
    """Minimise a model.

    Parameters
    ----------
    model : Model
        The model.
    limits : Limits
        Gap and time.
    start : float64 array, optional
        A solution to begin with.
    relaxed : bool
        Whether to forget that columns are whole numbers.

    Raises
    ------
    ComputeError
        If the solver fails, or gives a solution that breaks the model.
    """
    if limits.over:
        return Answer(start, -np.inf, STOPPED)
    with Solver(model, limits, relaxed=relaxed) as solver:
        return solver.run(start)


class Solver:
    """A model inside HiGHS, to which rows can be added between solves."""

    def __init__(self, model: Model, limits: Limits, *, relaxed: bool = False) -> None:
        self._model, self._limits, self._relaxed = model, limits, relaxed
        with quiet_stdout():  # version 1.16 prints its name when it is made
            self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        # with output_flag off, HiGHS tells its callbacks nothing, either
        options = {
            "log_to_console": False,
            "output_flag": True,
            "threads": 1,
            "random_seed": SEED,
            "mip_rel_gap": limits.gap,
        }
        options["mip_abs_gap"] = 0.0 if limits.gap == 0 else FEASIBLE
        for name, value in options.items():
            self._highs.setOptionValue(name, value)
        self._highs.passModel(_lp(model, relaxed=relaxed))
        self._highs.cbMipInterrupt.subscribe(self._interrupt)
        self._highs.cbSimplexInterrupt.subscribe(self._interrupt)
        self._highs.cbIpmInterrupt.subscribe(self._interrupt)
        self._highs.cbMipLogging.subscribe(self._log)

    def __enter__(self) -> "Solver":
        return self

    def __exit__(self, *_: object) -> None:
        self._highs.clear()

    def run(self, start: FloatArray | None = None) -> Answer:
        """Solve, from `start` if one is given."""
        if start is not None and not self._relaxed:
            solution = highspy.HighsSolution()
            solution.col_value = start.tolist()
            self._highs.setSolution(solution)
        if np.isfinite(self._limits.deadline):
            # HiGHS counts the time of all runs of one instance together
            self._highs.setOptionValue("time_limit", float(self._highs.getRunTime() + self._limits.left_s))
        self._highs.run()
        if start is not None and not self._tells_its_value():
            # version 1.16 may give back the start that it was handed although it has found something better
            self._highs.clearSolver()
            self._highs.run()
        return self._answer(self._highs.getModelStatus())

    def _tells_its_value(self) -> bool:
        """Return whether the solution has the objective that the solver names for it."""
        info = self._highs.getInfo()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return True
        value = float(self._model.cost @ np.array(self._highs.getSolution().col_value))
        told = float(info.objective_function_value)
        return abs(value - told) <= FEASIBLE * max(1.0, abs(told))

    def add_rows(self, rows: sparse.csr_matrix, upper: FloatArray) -> None:
        """Add rows with upper sides only."""
        count = rows.shape[0]
        self._highs.addRows(
            count,
            np.full(count, -highspy.kHighsInf),
            upper,
            rows.nnz,
            rows.indptr[:-1].astype(np.int32),
            rows.indices.astype(np.int32),
            rows.data,
        )
        stacked = sparse.vstack([self._model.rows, rows], format="csr")
        self._model = Model(
            self._model.cost,
            self._model.lower,
            self._model.upper,
            self._model.integer,
            stacked,
            np.append(self._model.row_lower, np.full(count, -np.inf)),
            np.append(self._model.row_upper, upper),
        )

    def make_whole(self) -> None:
        """Ask for whole numbers from now on."""
        columns = np.flatnonzero(self._model.integer).astype(np.int32)
        kinds = np.full(len(columns), highspy.HighsVarType.kInteger)
        self._highs.changeColsIntegrality(len(columns), columns, kinds)
        self._relaxed = False

    def _answer(self, status: Any) -> Answer:
        info = self._highs.getInfo()
        kinds = highspy.HighsModelStatus
        if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
            return Answer(None, np.inf, INFEASIBLE)
        stopped = status in (kinds.kTimeLimit, kinds.kInterrupt)
        if status == kinds.kModelEmpty:
            return Answer(np.zeros(len(self._model.cost)), 0.0, OPTIMAL)
        if status != kinds.kOptimal and not stopped:
            name = self._highs.modelStatusToString(status)
            raise ComputeError(f"the solver ended without an answer ({name}): this is a fault of circle15")
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        x = None
        if found:
            x = np.array(self._highs.getSolution().col_value)
            if not self._relaxed:
                x = np.where(self._model.integer, np.round(x), x)
            if self._model.misses(x):
                if not stopped:
                    raise ComputeError("the solver's solution breaks its own model: this is a fault of circle15")
                x = None
        if self._relaxed:
            bound = float(info.objective_function_value) if not stopped else -np.inf
        else:
            bound = float(info.mip_dual_bound) if np.isfinite(info.mip_dual_bound) else -np.inf
            if not self._model.integer.any() and not stopped:
                bound = float(info.objective_function_value)
        return Answer(x, bound, STOPPED if stopped else OPTIMAL)

    def _interrupt(self, event: Any) -> None:
        # HiGHS counts its time over all runs of an instance, or of one, as it likes
        if self._limits.over:
            event.interrupt()

    def _log(self, event: Any) -> None:
        self._limits.tell(float(event.data_out.mip_primal_bound), float(event.data_out.mip_dual_bound))


def _lp(model: Model, *, relaxed: bool) -> Any:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(model.cost), model.rows.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, model.lower, model.upper
    lp.row_lower_, lp.row_upper_ = model.row_lower, model.row_upper
    columns = sparse.csc_matrix(model.rows)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = columns.indptr.astype(np.int32)
    lp.a_matrix_.index_ = columns.indices.astype(np.int32)
    lp.a_matrix_.value_ = columns.data
    if not relaxed:
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger if one else kinds.kContinuous for one in model.integer]
    return lp
