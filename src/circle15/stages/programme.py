"""A ledger by year: which of its projects are still to be given one, whom they serve, and the years put in."""

import dataclasses

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy import sparse

from circle15.assess.assemble import Judged
from circle15.config import PlanConfig
from circle15.errors import ConfigError, InputError, Problem
from circle15.plan.covering import Coverage, gather
from circle15.plan.problem import Siting
from circle15.plan.schedule import Calendar, Schedule
from circle15.plan.schedule import schedule as find_schedule
from circle15.plan.solver import Limits
from circle15.stages.projects import years_of_effect
from circle15.stages.run import Inputs, Networks, Run
from circle15.stages.siting import Asked, cover_people, place_sites, weights_of_people
from circle15.stages.travel import ModeSurvey
from circle15.units import FloatArray


def calendar_of(plan: PlanConfig, where: str) -> Calendar:
    """Return the configuration's years, budgets and milestones.

    Raises
    ------
    ConfigError
        If there are budgets for fewer or more years than there are.
    """
    if plan.budgets and len(plan.budgets) != len(plan.years):
        what = f"plan.budgets has {len(plan.budgets)} figures for {len(plan.years)} years"
        raise ConfigError(Problem(what, where, remedy="Give one for each of plan.years."))
    budgets = np.array(plan.budgets or [np.inf] * len(plan.years), dtype=np.float64)
    return Calendar(tuple(plan.years), budgets, tuple(plan.started_percent), plan.build_years)


def with_years(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    judged: list[Judged],
    ledger: gpd.GeoDataFrame,
    told: int,
    limits: Limits,
) -> tuple[gpd.GeoDataFrame, Schedule | None]:
    """Return the ledger with a year for every planned project that has none yet.

    Projects that have one keep it: that of their start, else the one that they are planned for, else so many years
    before they open as is built. Those that are started or done without any count from the plan's first. Without
    population only budgets, milestones and earliest years decide, which is noted.

    Parameters
    ----------
    told : int
        The year in which the ledger's status is told: nothing is given an earlier one.
    limits : Limits
        Gap and time of the search.

    Raises
    ------
    InputError
        If there are budgets, and a project that is to be scheduled has no cost.
    ComputeError
        As `plan.schedule.schedule`.
    """
    plan = run.config.plan or PlanConfig(years=run.config.plan_years)
    calendar = calendar_of(plan, str(run.config.path))
    real = np.flatnonzero((ledger["marginal"] == "").to_numpy())
    mine = ledger.iloc[real].reset_index(drop=True)
    start = mine["start_year"].fillna(mine["plan_year"]).fillna(mine["open_year"] - calendar.build_years)
    free = ((mine["status"] == "planned") & start.isna()).to_numpy(dtype=bool)
    if not free.any():
        return ledger, None
    fixed = np.where(free, np.nan, start.fillna(float(calendar.years[0])).to_numpy(dtype=np.float64))
    cost = mine["cost"].to_numpy(dtype=np.float64)
    missing = free & np.isnan(cost)
    if plan.budgets and missing.any():
        what, remedy = '"cost" is missing, and there are yearly budgets', "Fill it in, or remove plan.budgets."
        where = run.config.projects.source if run.config.projects else ""
        raise InputError(Problem(what, where, tuple(mine["project_id"][missing]), remedy))
    unpaid = ~free & np.isnan(cost)
    text = f"{unpaid.sum()} projects that have a start have no cost: yearly budgets don't count them"
    run.notes.add("plan.cost_missing", int(unpaid.sum()) if plan.budgets else 0, text, mine["project_id"][unpaid])
    text = "there is no population: only budgets, milestones and earliest years decide which project comes first"
    run.notes.add("plan.no_population", int(free.sum()) if inputs.cells is None else 0, text)
    coverage = coverage_of_projects(run, inputs, networks, surveys, judged, mine)
    earliest = mine["earliest_year"].to_numpy(dtype=np.float64).copy()
    earliest[free] = np.fmax(earliest[free], told)
    leaving = free & mine["action"].isin(["close", "move"]).to_numpy()
    earliest[leaving] = np.fmax(earliest[leaving], _latest_start(calendar))
    # what is past can't be met any more
    shares = tuple(
        share if year >= told else 0.0 for year, share in zip(calendar.years, calendar.started_percent, strict=False)
    )
    found = find_schedule(
        dataclasses.replace(calendar, started_percent=shares),
        fixed,
        earliest,
        np.nan_to_num(cost),
        coverage,
        limits,
        units=mine["units"].to_numpy(dtype=np.float64),
        opens=years_of_effect(mine, calendar.years[-1], calendar.build_years),
        ids=mine["project_id"].tolist(),
    )
    years = ledger.copy()
    at = years.index[real[free]]
    for column, value in (
        ("plan_year", found.start),
        ("start_year", found.start),
        ("open_year", found.start + calendar.build_years),
    ):
        years.loc[at, column] = value[free].astype(np.float64)
    return years, found


def _latest_start(calendar: Calendar) -> float:
    """Return the last year in which something may start: closures and moves wait, since somebody loses by them."""
    all_of_them = 100.0
    milestone = [y for y, share in zip(calendar.years, calendar.started_percent, strict=False) if share >= all_of_them]
    return float(min([*milestone[:1], calendar.years[-1] - calendar.build_years]))


def coverage_of_projects(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    surveys: dict[str, ModeSurvey],
    judged: list[Judged],
    ledger: gpd.GeoDataFrame,
) -> Coverage:
    """Return who would be newly within reach of which project that opens something; options are the ledger's rows."""
    placed = np.flatnonzero(((ledger["action"] == "open") & ledger.geometry.notna()).to_numpy())
    nobody = np.empty(0, dtype=np.int64)
    if not len(placed) or inputs.cells is None:
        return gather(np.empty(0), nobody, nobody, nobody, len(ledger), nobody)
    sites = ledger.iloc[placed].rename(columns={"candidate_id": "_candidate"})
    sites = sites.assign(candidate_id=sites["project_id"]).reset_index(drop=True)
    quiet = dataclasses.replace(run, notes=type(run.notes)())
    asked = Asked(
        Siting(
            sites["candidate_id"].to_numpy(dtype=object),
            *(np.zeros(len(sites)), np.full(len(sites), np.inf)),
            np.arange(len(sites)),
            sites["type_id"].to_numpy(dtype=object),
            *(np.zeros(len(sites)), np.zeros(len(sites)), np.empty(0)),
            sparse.csr_matrix((0, len(sites))),
        ),
        pd.DataFrame({"requirement_id": [one.requirement.id for one in judged if one.requirement.headline]}),
        sites,
        nobody,
        np.empty(0, dtype=bool),
    )
    found = cover_people(
        run,
        inputs,
        surveys,
        judged,
        asked,
        place_sites(quiet, networks, sites),
        weights_of_people(run, inputs),
        by_town=False,
    )
    wide = sparse.csr_matrix(
        (found.reach.data, placed[found.reach.indices], found.reach.indptr), shape=(len(found.weight), len(ledger))
    )
    return Coverage(found.weight, found.need, wide, found.group)


def programme_table(ledger: pd.DataFrame, calendar: Calendar, people: FloatArray | None) -> pd.DataFrame:
    """Return one row a year: what starts and opens, what it costs against the budget, and who is served by its end.

    Parameters
    ----------
    ledger : DataFrame
        Real projects with their years.
    people : float64 array of shape (years,) or None
        From the schedule: persons × requirements newly within reach, as they are weighted.
    """
    rows = []
    start = ledger["start_year"].fillna(ledger["plan_year"]).fillna(ledger["open_year"] - calendar.build_years)
    opens = ledger["open_year"].fillna(start + calendar.build_years)
    every = float(ledger["units"].sum())
    for number, year in enumerate(calendar.years):
        begun = float(ledger["units"][start <= year].sum())
        rows.append(
            {
                "year": year,
                "starts": int(ledger["units"][start == year].sum()),
                "opens": int(ledger["units"][opens == year].sum()),
                "cost": float(ledger["cost"][start == year].sum()),
                "budget": calendar.budgets[number] if np.isfinite(calendar.budgets[number]) else np.nan,
                "started_percent": 100.0 * begun / every if every else np.nan,
                "people": np.nan if people is None else people[number],
            }
        )
    return pd.DataFrame(rows)
