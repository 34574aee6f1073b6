"""`plan`: a ledger by year, its milestones, and each town's plan."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from circle15 import tables
from circle15.cache import code_key, trim, versions
from circle15.config import Config, LedgerConfig, PlanConfig
from circle15.errors import Circle15Error, Notes
from circle15.inputs.projects import read_projects
from circle15.outputs.geopackage import map_layers
from circle15.outputs.manifest import Manifest
from circle15.outputs.plans import Sheet, write_plan
from circle15.outputs.write import check_writable
from circle15.pipeline import with_overrides
from circle15.plan.ledger import disagreements, ledger_figures, ledger_targets, milestones
from circle15.plan.problem import ENOUGH
from circle15.plan.schedule import Schedule
from circle15.planning.begin import Stop, limits_of, start, told_of
from circle15.planning.proof import (
    at_year,
    detect,
    proof_sheets,
    proof_tables,
    prove,
    rates_when_done,
    scratch,
    summary,
    told_late,
)
from circle15.stages.programme import calendar_of, with_years
from circle15.stages.programme import programme_table as programme_by_year
from circle15.stages.read import hash_sources
from circle15.stages.run import Clock, Progress, Run
from circle15.stages.siting import check_suggest
from circle15.stages.towns import town_plans
from circle15.stages.verify import Proof
from circle15.standard.load import load_standard
from circle15.standard.model import Standard
from circle15.tables import STATUSES


@dataclass(frozen=True)
class Planned:
    """What `plan` leaves behind.

    Attributes
    ----------
    folder, notes, timings, files
        As of `pipeline.Outcome`.
    tables : dict of str to DataFrame
        What was written; ``milestones``, ``figures`` and ``disagreements`` always, the others with a district at hand.
    towns : list of str
        Folders of the towns.
    """

    folder: Path
    notes: Notes
    timings: dict[str, float]
    files: dict[str, str]
    tables: dict[str, pd.DataFrame]
    towns: list[str]


def plan(
    config: LedgerConfig,
    *,
    out: Path,
    standard: str | None = None,
    as_of: int | None = None,
    time_limit_s: float | None = None,
    cache: Path | None = None,
    bom: bool = False,
    stop: Stop | None = None,
    progress: Progress,
) -> Planned:
    """Make a programme by year of a ledger, hold it against the milestones, and write each town's plan.

    Parameters
    ----------
    config : LedgerConfig
        With a district (`Config`), the ledger is scheduled and proved; without one, it is counted.
    as_of : int or None
        The year in which the ledger's status is told; the proof is of the ledger's last year.
    out, standard, time_limit_s, cache, bom, stop, progress
        As for `suggest`.

    Raises
    ------
    ConfigError, InputError, ComputeError, OutputError
        As their names say; nothing half written stays behind.
    """
    options = {"time_limit_s": time_limit_s}
    if not isinstance(config, Config):
        return _count(config, out=out, standard=standard, as_of=as_of, bom=bom, progress=progress)
    # the plan's years stay those of the configuration's own year
    config = config.model_copy(update={"plan": config.plan or PlanConfig(years=config.plan_years)})
    config = with_overrides(config, standard, as_of, None)
    told = config.run.as_of
    sources = [config.projects.source] if config.projects else []
    begun = start(config, "plan", sources, options, out=out, cache=cache, bom=bom, progress=progress)
    stop = stop or Stop()
    final = at_year(config, max(told, config.plan_years[-1]))
    run = dataclasses.replace(begun.run, config=final)
    try:
        with scratch(run) as run:
            base, ledger = detect(run)
            check_suggest(run, base.inputs)
            with run.clock.stage("schedule"):
                limits = limits_of(run, time_limit_s, stop)
                stop.listening = True
                found = base.judgement
                ledger, found_years = with_years(
                    run, base.inputs, base.networks, found.surveys, found.judged, ledger, told, limits
                )
                stop.listening = False
            proof = told_late(prove(run, base, ledger, STATUSES), told)
            done = rates_when_done(run, ledger, told)
        tables = _plan_tables(run, proof, told, found_years, done)
        texts, towns_csv = town_plans(run, proof, told)
        figures = {"verify": summary(proof), "plan": _schedule_figures(run, found_years)}
        manifest = dataclasses.replace(begun.manifest, figures=figures, **told_of(base.inputs, base.judgement))
        trim(run.store)  # before the files are in place: what is interrupted then has written nothing
        with run.clock.stage("write"):
            manifest = dataclasses.replace(manifest, notes=run.notes, started=begun.began, timings=run.clock.timings)
            sheets, beneath = proof_sheets(tables, proof), list(map_layers(proof.after))
            files = write_plan(out, manifest, sheets, proof.inputs.crs, texts, towns_csv, beneath)
    except Circle15Error as error:
        error.notes = begun.run.notes
        raise
    folders = sorted({str(Path(name).parent) for name in texts if "/" in name})
    return Planned(out, run.notes, run.clock.timings, files, tables, folders)


def _plan_tables(
    run: Run, proof: Proof, told: int, found: Schedule | None, done: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    ledger = proof.projects
    plan_config = run.config.plan or PlanConfig(years=run.config.plan_years)
    real = ledger[ledger["marginal"] == ""]
    calendar = calendar_of(plan_config, str(run.config.path))
    own = {
        "ledger": proof.applied.ledger,
        "programme": programme_by_year(real, calendar, None if found is None else found.people),
    }
    _note_over_budget(run, own["programme"])
    counted = _counted(run.config, run.standard, ledger, told, run.notes)
    reach = _reach_milestone(run, proof, told, done)
    counted["milestones"] = pd.concat([counted["milestones"], reach], ignore_index=True)
    return {**own, **counted, **proof_tables(run, proof)}


def _note_over_budget(run: Run, programme: pd.DataFrame) -> None:
    """Say in which years the ledger's own starts cost more than there is: what is fixed is never moved."""
    over = programme[programme["cost"] > programme["budget"]]
    years = ", ".join(f"{r['year']}: {r['cost']:,.6g} of {r['budget']:,.6g}" for r in over.to_dict("records"))
    text = f"what starts in {len(over)} years costs more than their budget, by the ledger's own years: {years}"
    run.notes.add("plan.over_budget", len(over), text, over["year"])


def _reach_milestone(run: Run, proof: Proof, told: int, done: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the milestone of reach: all items pass by the plan's last year; with what is done, and with everything."""
    due, target = run.config.plan_years[-1], run.standard.target.percent
    then, now = (rates["district"].iloc[0] for rates in (done, proof.after.rates))
    value, promised = (100.0 * float(one["item_rate"]) for one in (then, now))
    judged = float(then["passed"] + then["failed"])
    missing = max(0.0, math.ceil(target / 100.0 * judged - ENOUGH) - float(then["passed"])) if judged else 0.0
    met = judged > 0 and missing == 0
    reason = tables.TARGET_MET if met else tables.NOT_DUE if told < due else tables.BELOW_TARGET
    row = {
        "milestone": f"reach_{due}",
        "name_zh": "15分钟慢行可及达标率",
        "name_en": "Items that are reached in 15 minutes",
        "due": due,
        "basis": "items",
        "target": target,
        "value": value,
        "value_planned": promised,
        "projects": float(then["passed"] + then["failed"]),
        "counted": float(then["passed"]),
        "missing": missing,
        "verdict": {tables.TARGET_MET: "pass", tables.NOT_DUE: "exempt", tables.BELOW_TARGET: "fail"}[reason],
        "reason": reason,
    }
    return pd.DataFrame([row])


def _counted(
    config: LedgerConfig, standard: Standard, ledger: pd.DataFrame, told: int, notes: Notes
) -> dict[str, pd.DataFrame]:
    """Return what a ledger counts, whether it has a district or not; a status ahead of its own years is noted."""
    opens, starts = (pd.to_numeric(ledger[name]) for name in ("open_year", "start_year"))
    ahead = ((ledger["status"] == "done") & (opens > told)) | (
        ledger["status"].isin(["started", "done"]) & (starts > told)
    )
    text = (
        f"{ahead.sum()} projects are started or done by their status, and by their years only after {told}: milestones "
        "go by the status, rates by the years"
    )
    notes.add("projects.ahead", int(ahead.sum()), text, ledger["project_id"][ahead])
    plan_config = config.plan or PlanConfig(years=config.plan_years)
    return {
        "figures": ledger_figures(ledger, standard, told),
        "milestones": milestones(ledger, standard, plan_config.years, plan_config.started_percent, told),
        "ledger_targets": ledger_targets(ledger, standard, told),
        "disagreements": disagreements(ledger, standard),
    }


def _schedule_figures(run: Run, found: Schedule | None) -> dict[str, Any]:
    if found is None:
        return {"scheduled": False}
    if not found.complete:
        text = "the schedule's search was ended: the best found is written, and another run may find another one"
        run.notes.add("plan.not_reproducible", 1, text)
    return {
        "scheduled": True,
        "people_years": found.value,
        "bound": found.bound,
        "complete": found.complete,
        "reproducible": found.complete,
    }


def _count(
    config: LedgerConfig, *, out: Path, standard: str | None, as_of: int | None, bom: bool, progress: Progress
) -> Planned:
    """Count a ledger that has no district: figures by domain, type, year, means; milestones; disagreements."""
    clock, notes, began = Clock(progress), Notes(), datetime.now(UTC)
    run_config = config.run.model_copy(
        update={k: v for k, v in (("standard", standard), ("as_of", as_of)) if v is not None}
    )
    # the plan's years stay those of the configuration's own year
    frozen = config.plan or PlanConfig(years=config.plan_years)
    config = config.model_copy(update={"run": run_config, "plan": frozen})
    with clock.stage("check"):
        catalogue = load_standard(config.run.standard, config.folder)
        hashes = hash_sources(config, [config.projects.source] if config.projects else [])
        manifest = Manifest(config, catalogue, hashes, code_key(), versions(), bom, command="plan")
    check_writable(out, "plan", [config.resolve(config.projects.source)] if config.projects else [])
    try:
        with clock.stage("ledger"):
            ledger = read_projects(config, catalogue, None, None, notes)
            tables = _counted(config, catalogue, ledger, config.run.as_of, notes)
        with clock.stage("write"):
            manifest = dataclasses.replace(manifest, notes=notes, started=began, timings=clock.timings)
            files = write_plan(out, manifest, [Sheet(name, table) for name, table in tables.items()], None)
    except Circle15Error as error:
        error.notes = notes
        raise
    return Planned(out, notes, clock.timings, files, tables, [])
