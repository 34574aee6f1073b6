"""`suggest`: from gaps and candidates to a ledger of projects."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from circle15.cache import trim
from circle15.config import Config
from circle15.errors import Circle15Error, ConfigError, Notes, Problem
from circle15.inputs.candidates import read_candidates
from circle15.inputs.towns import facility_towns
from circle15.outputs.plans import Sheet, write_plan
from circle15.pipeline import Judgement, judge, prepare, with_overrides
from circle15.plan.budget import other_spending, spend
from circle15.plan.closing import Programme, close_all, other_programmes
from circle15.plan.solver import Limits
from circle15.planning.begin import Stop, limits_of, start, told_of
from circle15.stages.costs import Costs, find_costs
from circle15.stages.propose import propose_candidates
from circle15.stages.run import Inputs, Networks, Progress, Run
from circle15.stages.siting import (
    Asked,
    Sites,
    build_siting,
    check_suggest,
    cover_people,
    find_demands,
    find_options,
    place_sites,
    weights_of_people,
)
from circle15.stages.suggestions import (
    PROPOSED,
    bill_table,
    candidate_table,
    outcome_table,
    people_by_option,
    programme_table,
    suggestion_table,
)
from circle15.standard.requirements import Reach
from circle15.units import FloatArray


@dataclass(frozen=True)
class Suggested:
    """What `suggest` leaves behind.

    Attributes
    ----------
    folder, notes, timings, files
        As of `pipeline.Outcome`.
    tables : dict of str to DataFrame
        What was written: ``suggestions``, ``outcomes``, ``bill``, ``programmes``, ``candidates``.
    solver : dict
        Value, bound, gap and whether the search was complete.
    stopped : bool
        Whether it was ended from outside.
    """

    folder: Path
    notes: Notes
    timings: dict[str, float]
    files: dict[str, str]
    tables: dict[str, pd.DataFrame]
    solver: dict[str, Any]
    stopped: bool


def suggest(
    config: Config,
    *,
    out: Path,
    standard: str | None = None,
    as_of: int | None = None,
    budget: float | None = None,
    by_town: bool = False,
    alternatives: int = 0,
    time_limit_s: float | None = None,
    cache: Path | None = None,
    bom: bool = False,
    stop: Stop | None = None,
    progress: Progress,
) -> Suggested:
    """Propose where to close gaps: all of them at least cost, or for the most people within a budget.

    Parameters
    ----------
    config, out, standard, as_of, cache, bom, progress
        As for `pipeline.compute`.
    budget : float or None
        The most that a programme may cost, inclusive; None closes every gap that can be closed.
    by_town : bool
        Whether a site serves only the committees of its own town.
    alternatives : int
        How many further programmes are asked for.
    time_limit_s : float or None
        Seconds for the search; the best found by then is taken, and the run is marked as not reproducible.
    stop : Stop or None
        For ending the search from outside.

    Raises
    ------
    ConfigError, InputError, ComputeError, OutputError
        As their names say; nothing half written stays behind.
    """
    config = with_overrides(config, standard, as_of, None)
    options = {"budget": budget, "by_town": by_town, "alternatives": alternatives, "time_limit_s": time_limit_s}
    sources = [config.candidates.source] if config.candidates else []
    begun = start(config, "suggest", sources, options, out=out, cache=cache, bom=bom, progress=progress)
    run, stop = begun.run, stop or Stop()
    try:
        inputs, networks, traits = prepare(run)
        check_suggest(run, inputs)
        given = read_candidates(run.config, run.standard, inputs.committees, inputs.facilities, run.notes)
        found = judge(run, inputs, networks, traits)
        with run.clock.stage("sites"):
            asked, sites, costs = _ask(run, inputs, networks, found, given, by_town=by_town, people=budget is not None)
        limits = limits_of(run, time_limit_s, stop)
        search = _Search(run, inputs, found, asked, sites, by_town)
        with run.clock.stage("solve"):
            stop.listening = True
            programmes = search.programmes(budget, alternatives, limits)
            stop.listening = False
        with run.clock.stage("tables"):
            tables = search.tables(programmes, costs, budget=budget is not None)
        solver = _figures(run, asked, programmes, costs, stop, budget=budget)
        manifest = dataclasses.replace(begun.manifest, figures={"solver": solver}, **told_of(inputs, found))
        trim(run.store)  # before the files are in place: what is interrupted then has written nothing
        with run.clock.stage("write"):
            manifest = dataclasses.replace(manifest, notes=run.notes, started=begun.began, timings=run.clock.timings)
            files = write_plan(out, manifest, _sheets(tables, inputs), inputs.crs)
    except Circle15Error as error:
        error.notes = run.notes
        raise
    return Suggested(out, run.notes, run.clock.timings, files, tables, solver, stop.asked.is_set())


def _ask(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    found: Judgement,
    given: gpd.GeoDataFrame | None,
    *,
    by_town: bool,
    people: bool,
) -> tuple[Asked, Sites, Costs]:
    """Return what is to be closed, and by what; with `people` also who is left out where no committee has a gap."""
    demands = find_demands(run, inputs, found.judged, found.scopes, run.config.suggest.also)
    left_out = _types_left_out(inputs, found) if people else []
    candidates = _candidates(run, inputs, networks, found, demands, given, left_out)
    sites = place_sites(run, networks, candidates)
    types = {t for names in demands["type_id"].unique() for t in str(names).split("|")}
    options = find_options(run.standard, types | {t for _, t in left_out}, candidates)
    costs = find_costs(run, candidates, options)
    _note_changing(run, inputs)
    asked = build_siting(
        run, inputs, networks, found.surveys, found.judged, demands, sites, costs, options, by_town=by_town
    )
    return asked, sites, costs


def _candidates(
    run: Run,
    inputs: Inputs,
    networks: Networks,
    found: Judgement,
    demands: pd.DataFrame,
    given: gpd.GeoDataFrame | None,
    left_out: list[tuple[int, str]],
) -> gpd.GeoDataFrame:
    """Return the sites of the configuration, or proposed ones, with their towns; those that come too late are out."""
    if given is None:
        gaps = demands[demands["committee"] >= 0][["committee", "type_id"]]
        gaps = gaps.assign(type_id=gaps["type_id"].str.split("|")).explode("type_id")
        gaps = pd.concat([gaps, pd.DataFrame(left_out, columns=["committee", "type_id"])], ignore_index=True)
        given = propose_candidates(run, inputs, networks, gaps, _left_out(inputs, found))
        given[PROPOSED] = True
    else:
        given[PROPOSED] = False
        blank = (given["town_id"] == "").to_numpy()
        if blank.any():
            asked = given[blank].rename(columns={"candidate_id": "facility_id"})[["facility_id", "geometry"]]
            given.loc[blank, "town_id"] = facility_towns(asked, inputs.committees, Notes())
        late = (given["earliest_year"] > run.config.plan_years[-1]).to_numpy()
        given = given[~late].reset_index(drop=True)
    return given


def _types_left_out(inputs: Inputs, found: Judgement) -> list[tuple[int, str]]:
    """Return every committee and type of which people are known to be out of reach."""
    pairs: list[tuple[int, str]] = []
    for one in found.judged:
        if one.requirement.headline and one.cells is not None and isinstance(one.requirement, Reach):
            left = one.cells.known & ~one.cells.covered & (inputs.persons > 0)
            pairs += [(int(row), one.requirement.type) for row in np.unique(inputs.cell_committee[left])]
    return pairs


def _note_changing(run: Run, inputs: Inputs) -> None:
    """Say which facilities open or close within the plan by themselves: gaps are those of the run's year."""
    first, last = run.config.run.as_of, run.config.plan_years[-1]
    closing = inputs.facilities.table[inputs.facilities.table["closes"].between(first + 1, last)]["facility_id"]
    absent = inputs.facilities.absent
    opening = absent[absent["opens"].between(first + 1, last)]["facility_id"]
    text = (
        f"{len(opening)} facilities open and {len(closing)} close by {last} by themselves: gaps are those of {first}, "
        f"and verify looks at the ledger's last year (--as-of {last} suggests for that year)"
    )
    run.notes.add("suggest.facilities_change", len(opening) + len(closing), text, [*opening, *closing])


def _left_out(inputs: Inputs, found: Judgement) -> FloatArray:
    """Return persons × headline types of each cell that are known not to be covered."""
    left = np.zeros(len(inputs.persons))
    for one in found.judged:
        if one.requirement.headline and one.cells is not None and isinstance(one.requirement, Reach):
            left += np.where(one.cells.known & ~one.cells.covered, inputs.persons, 0.0)
    return left


@dataclass(frozen=True)
class _Search:
    """One siting problem, and what it takes to solve it and to tell of it."""

    run: Run
    inputs: Inputs
    found: Judgement
    asked: Asked
    sites: Sites
    by_town: bool

    def programmes(self, budget: float | None, alternatives: int, limits: Limits) -> list[Programme]:
        """Return the suggested programme, then further ones."""
        siting, slack = self.asked.siting, self.run.config.suggest.slack
        if budget is None:
            first = close_all(siting, limits)
            others = other_programmes(siting, first, alternatives, slack, limits) if alternatives else []
        else:
            if self.inputs.cells is None:
                remedy = "Add [population], or leave --budget out: then every gap is closed at least cost."
                raise ConfigError(Problem("a budget is spent on people, and there is no population", remedy=remedy))
            coverage = self.coverage(weights_of_people(self.run, self.inputs))
            first = spend(siting, coverage, budget, limits)
            others = (
                other_spending(siting, coverage, first, alternatives, slack, budget, limits) if alternatives else []
            )
        if len(others) < alternatives:
            text = (
                f"{len(others)} of {alternatives} alternatives were found: no further programme that is within "
                f"{100 * slack:g} % of the first differs from all before"
            )
            self.run.notes.add("suggest.few_alternatives", alternatives - len(others), text)
        return [first, *others]

    def coverage(self, persons: FloatArray, only: Any = None) -> Any:
        """Return who is served by which options."""
        return cover_people(
            self.run,
            self.inputs,
            self.found.surveys,
            self.found.judged,
            self.asked,
            self.sites,
            persons,
            only,
            by_town=self.by_town,
        )

    def tables(self, programmes: list[Programme], costs: Costs, *, budget: bool) -> dict[str, pd.DataFrame]:
        """Return everything that is to be written."""
        served = [float("nan")] * len(programmes)
        people = [np.full(len(self.asked.siting.option_site), np.nan)] * len(programmes)
        if self.inputs.cells is not None:
            used = np.any([one.chosen for one in programmes], axis=0)
            coverage = self.coverage(self.inputs.persons, used)
            people = [people_by_option(coverage, one.chosen) for one in programmes]
            served = [coverage.value(one.chosen.astype(np.float64)) for one in programmes]
        found: dict[str, pd.DataFrame] = {}
        for number, one in enumerate(programmes, start=1):
            suggestions = suggestion_table(self.run, self.inputs, self.asked, one, costs, people[number - 1])
            name = "suggestions" if number == 1 else f"suggestions_{number}"
            found[name] = suggestions
            if number == 1:
                ids = dict(zip(np.flatnonzero(one.chosen).tolist(), suggestions["project_id"], strict=True))
                found["outcomes"] = outcome_table(self.asked, one, ids, budget=budget)
                found["bill"] = bill_table(self.run, suggestions)
        found["programmes"] = programme_table(self.asked, programmes, served)
        chosen = self.asked.siting.option_site[programmes[0].chosen]
        found["candidates"] = candidate_table(self.asked, chosen, costs)
        return found


def _figures(
    run: Run, asked: Asked, programmes: list[Programme], costs: Costs, stop: Stop, *, budget: float | None
) -> dict[str, Any]:
    """Return what `run.json` tells of the search."""
    first = programmes[0]
    complete = all(one.complete for one in programmes)
    if not complete:
        why = "it was interrupted" if stop.asked.is_set() else "the time limit ended it"
        text = f"the search is not complete ({why}): the best found is written, and another run may find another one"
        run.notes.add("suggest.not_reproducible", 1, text)
    open_ = int((~first.closed).sum())
    text = f"{open_} of {len(first.closed)} demands stay open; csv/outcomes.csv says why of each"
    run.notes.add("suggest.open", open_, text)
    _note_not_asked(run)
    _note_halves(run, asked, first)
    amounts = int((asked.demands["requirement_kind"] != "reach").sum())
    text = f"{amounts} demands are of amounts, presence or the like: a budget counts people within reach, and buys none"
    run.notes.add("suggest.not_bought", amounts if budget is not None else 0, text)
    return {
        "objective": "cost" if budget is None else "people",
        "value": first.value,
        "bound": first.bound,
        "gap": first.gap,
        "gap_asked": run.config.suggest.gap,
        "parts": first.parts,
        "complete": complete,
        "reproducible": complete,
        "relative_costs": costs.relative,
        "currency": "" if costs.relative else run.config.suggest.currency,
        "sites": len(asked.siting.site_id),
        "options": len(asked.siting.option_site),
        "demands": len(asked.demands),
    }


def _note_halves(run: Run, asked: Asked, first: Programme) -> None:
    """Say of how many items with several failed requirements only some are met: the item stays a gap."""
    heads = asked.demands.assign(met=first.closed)
    heads = heads[heads["headline"].astype(bool)]
    by_item = heads.groupby(["scope_id", "type_id"])["met"].agg(["any", "all"])
    half = by_item[by_item["any"] & ~by_item["all"]]
    text = f"{len(half)} items fail several requirements, and only some of these are met: they stay gaps"
    run.notes.add("suggest.half_closed", len(half), text, [f"{c} × {t}" for c, t in half.index])


def _note_not_asked(run: Run) -> None:
    """Say which requirements of towns and the district fail and are not asked to be closed."""
    also = set(run.config.suggest.also)
    others = [one.id for one in run.standard.requirements if one.scope != "committee" and one.id not in also]
    text = (
        f"{len(others)} requirements of towns and the district are not looked at: name those that are to be met "
        "in suggest.also"
    )
    run.notes.add("suggest.not_asked", len(others), text, others)


def _sheets(tables: Mapping[str, pd.DataFrame], inputs: Inputs) -> list[Sheet]:
    row_of = {name: row for row, name in enumerate(inputs.committees["committee_id"])}
    centres = inputs.committees.geometry.to_numpy()
    sheets = []
    for name, table in tables.items():
        if name == "outcomes":
            points = [centres[row_of[one]] if one in row_of else None for one in table["scope_id"]]
            sheets.append(Sheet(name, table, np.array([*points, None], dtype=object)[:-1], "", "What becomes of gaps"))
        elif isinstance(table, gpd.GeoDataFrame):
            text = "Candidates" if name == "candidates" else "Suggested projects"
            sheets.append(Sheet(name, pd.DataFrame(table), table.geometry.to_numpy(), _before(name), text))
        else:
            sheets.append(Sheet(name, table))
    return sheets


def _before(name: str) -> str:
    return "candidate_id" if name == "candidates" else "open_year"
