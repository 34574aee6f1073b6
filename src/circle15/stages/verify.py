"""A ledger's states, year by year: what is applied when, and the detections before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.config import PlanConfig
from circle15.errors import Notes
from circle15.stages.projects import apply_projects, can_change, years_of_effect
from circle15.stages.run import Inputs, Run
from circle15.tables import Results
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Applied:
    """Which projects of a ledger count in a run, and from when; arrays of shape (projects,).

    Attributes
    ----------
    ledger : GeoDataFrame
        All of it.
    year : float64 array
        The year from which each one counts.
    counts : bool array
        Whether it changes something by the run's year: its status is asked for, it has a place, its year has come.
    """

    ledger: gpd.GeoDataFrame
    year: FloatArray
    counts: BoolArray

    @property
    def years(self) -> list[int]:
        """The years in which something changes, ascending."""
        return sorted({int(year) for year in self.year[self.counts]})

    def by(self, year: int) -> BoolArray:
        """Return which projects are applied by the end of a year."""
        return np.asarray(self.counts & (self.year <= year), dtype=bool)

    @property
    def applied(self) -> gpd.GeoDataFrame:
        """The projects that count."""
        return self.ledger[self.counts].reset_index(drop=True)


@dataclass(frozen=True)
class Proof:
    """Detections without and with a ledger's projects.

    Attributes
    ----------
    inputs : Inputs
        Without.
    applied : Applied
        The ledger, and what of it counts.
    before, after : Results
        Tables of both.
    states : list of (str, float, dict)
        Rates of every state, for `stages.changes.effect_table`.
    changes : DataFrame
        Items that were or are gaps, or changed.
    projects : GeoDataFrame
        The ledger with what each project contributed.
    """

    inputs: Inputs
    applied: Applied
    before: Results
    after: Results
    states: list[tuple[str, float, Mapping[str, pd.DataFrame]]]
    changes: pd.DataFrame
    projects: gpd.GeoDataFrame


def last_year(ledger: pd.DataFrame, as_of: int, plan: PlanConfig) -> int:
    """Return the year by which the whole ledger is done, or the run's own if that is later."""
    real = ledger[ledger["marginal"] == ""]
    if not len(real):
        return as_of
    return max(as_of, int(years_of_effect(real, plan.years[-1], plan.build_years).max()))


def choose(run: Run, ledger: gpd.GeoDataFrame, statuses: Sequence[str]) -> Applied:
    """Return what of a ledger counts in the run's year; what doesn't is noted."""
    as_of, last = run.config.run.as_of, run.config.plan_years[-1]
    year = years_of_effect(ledger, last, run.config.plan.build_years if run.config.plan else 0)
    able = can_change(ledger)
    asked = ledger["status"].isin(statuses).to_numpy(dtype=bool)
    come = year <= as_of
    ids = ledger["project_id"]
    undated = able & ledger[["open_year", "start_year", "plan_year"]].isna().all(axis=1).to_numpy(dtype=bool)
    text = f"{undated.sum()} projects have no year: they count from the plan's last, {last}"
    run.notes.add("projects.undated", int(undated.sum()), text, ids[undated])
    late = able & asked & ~come
    text = f"{late.sum()} projects count from a year after {as_of} and change nothing here (--as-of takes a later year)"
    run.notes.add("projects.later", int(late.sum()), text, ids[late])
    other = able & ~asked
    text = f"{other.sum()} projects are of a status that was not asked for, and change nothing here"
    run.notes.add("projects.other_status", int(other.sum()), text, ids[other])
    marginal = (ledger["marginal"] != "").to_numpy(dtype=bool)
    text = f"{marginal.sum()} rows of the ledger only count (marginal): they have no place and change nothing"
    run.notes.add("projects.marginal", int(marginal.sum()), text, ids[marginal])
    return Applied(ledger, year, able & asked & come)


def with_projects(run: Run, inputs: Inputs, applied: Applied, year: int) -> Inputs:
    """Return the inputs with everything applied that counts by the end of a year."""
    chosen = applied.by(year)
    return apply_projects(run, inputs, applied.ledger[chosen].reset_index(drop=True), applied.year[chosen])


def quietly(run: Run) -> Run:
    """Return the run with notes of its own: a detection that is made again would tell everything twice."""
    return Run(run.config, run.standard, run.hashes, run.store, Notes(), run.clock, run.sensitivity)
