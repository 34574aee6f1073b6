"""`verify`: detections without and with the projects of a ledger."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from circle15.cache import open_cache, trim
from circle15.config import Config, PlanConfig
from circle15.errors import Circle15Error, InputError, Notes
from circle15.inputs.projects import read_projects
from circle15.outputs.geopackage import map_layers
from circle15.outputs.plans import Sheet, write_plan
from circle15.pipeline import Judgement, judge, judge_headline, prepare, tabulate, with_overrides
from circle15.plan.ledger import is_late, ledger_targets
from circle15.planning.begin import start, told_of
from circle15.stages.changes import STATUSES as CHANGES
from circle15.stages.changes import State, contributions, effect_table, item_changes
from circle15.stages.projects import with_towns
from circle15.stages.record import draw
from circle15.stages.run import Inputs, Networks, Progress, Run
from circle15.stages.verify import Applied, Proof, choose, last_year, quietly, with_projects
from circle15.standard.load import load_standard
from circle15.standard.resolve import Traits
from circle15.tables import PROJECTS_SOURCE, STATUSES


@dataclass(frozen=True)
class Verified:
    """What `verify` leaves behind.

    Attributes
    ----------
    folder, notes, timings, files
        As of `pipeline.Outcome`.
    tables : dict of str to DataFrame
        What was written.
    as_of : int
        The year of both detections.
    """

    folder: Path
    notes: Notes
    timings: dict[str, float]
    files: dict[str, str]
    tables: dict[str, pd.DataFrame]
    as_of: int


def verify(
    config: Config,
    *,
    out: Path,
    standard: str | None = None,
    as_of: int | None = None,
    statuses: Sequence[str] = STATUSES,
    cache: Path | None = None,
    bom: bool = False,
    progress: Progress,
) -> Verified:
    """Detect again with the projects of a ledger applied, and hold it against the detection without.

    Parameters
    ----------
    config, out, standard, cache, bom, progress
        As for `pipeline.compute`.
    as_of : int or None
        The year of both detections; by default the ledger's last one, or the configuration's if that is later.
    statuses : sequence of str
        Only projects of these count.

    Raises
    ------
    ConfigError, InputError, ComputeError, OutputError
        As their names say; nothing half written stays behind.
    """
    options = {"as_of": as_of, "statuses": list(statuses)}
    config = at_year(with_overrides(config, standard, None, None), as_of)
    sources = [config.projects.source] if config.projects else []
    begun = start(config, "verify", sources, options, out=out, cache=cache, bom=bom, progress=progress)
    run = begun.run
    try:
        with scratch(run) as run:
            base, ledger = detect(run)
            proof = told_late(prove(run, base, ledger, statuses), run.config.run.as_of)
            shown = proof_tables(run, proof)
        manifest = dataclasses.replace(
            begun.manifest, figures={"verify": summary(proof)}, **told_of(base.inputs, base.judgement)
        )
        trim(run.store)  # before the files are in place: what is interrupted then has written nothing
        with run.clock.stage("write"):
            manifest = dataclasses.replace(manifest, notes=run.notes, started=begun.began, timings=run.clock.timings)
            beneath = list(map_layers(proof.after))
            files = write_plan(out, manifest, proof_sheets(shown, proof), proof.inputs.crs, beneath=beneath)
    except Circle15Error as error:
        error.notes = begun.run.notes
        raise
    return Verified(out, run.notes, run.clock.timings, files, shown, config.run.as_of)


def at_year(config: Config, as_of: int | None) -> Config:
    """Return the configuration at a year: the one asked for, else the last one in which its ledger changes something.

    The plan's years are those of the configuration's own year.
    """
    plan = config.plan or PlanConfig(years=config.plan_years)
    config = config.model_copy(update={"plan": plan})
    if as_of is None:
        as_of = config.run.as_of
        with suppress(InputError):  # what is wrong is told when the ledger is read with the district at hand
            standard = load_standard(config.run.standard, config.folder)
            as_of = last_year(read_projects(config, standard, None, None, Notes()), as_of, plan)
    return with_overrides(config, None, as_of, None)


@contextmanager
def scratch(run: Run) -> Iterator[Run]:
    """Give a run without a store one for as long as it goes on: its detections have most searches in common."""
    if run.store.location is not None:
        yield run
        return
    with TemporaryDirectory(prefix="circle15-") as folder:
        yield dataclasses.replace(run, store=open_cache(Path(folder)))


@dataclass(frozen=True)
class Base:
    """The detection without projects."""

    inputs: Inputs
    networks: Networks
    traits: Traits
    judgement: Judgement


def detect(run: Run) -> tuple[Base, gpd.GeoDataFrame]:
    """Read the ledger and detect without its projects; what is wrong with the ledger is told before the detection."""
    inputs, networks, traits = prepare(run)
    ledger = read_projects(run.config, run.standard, inputs.committees, inputs.facilities, run.notes)
    ledger = with_towns(run, inputs, ledger)
    return Base(inputs, networks, traits, judge(run, inputs, networks, traits)), ledger


def prove(run: Run, base: Base, ledger: gpd.GeoDataFrame, statuses: Sequence[str]) -> Proof:
    """Detect with the projects of a ledger, year by year, and hold it against the detection without.

    Parameters
    ----------
    run : Run
        At the year of the detections.
    ledger : GeoDataFrame
        From `detect`.
    statuses : sequence of str
        Only projects of these count.
    """
    inputs, old = base.inputs, base.judgement
    applied = choose(run, ledger, statuses)
    _note_changing(run, inputs, applied)
    before = tabulate(run, inputs, old)
    states: list[tuple[str, float, Mapping[str, pd.DataFrame]]] = [("before", float("nan"), before.rates)]
    changed, new, after = inputs, old, before
    for year in applied.years[:-1]:
        # on the way only rates are asked for
        rates = judge_headline(
            quietly(run), with_projects(quietly(run), inputs, applied, year), base.networks, base.traits
        )
        states.append(("after", float(year), rates))
    for year in applied.years[-1:]:
        again = quietly(run)
        changed = with_projects(run, inputs, applied, year)
        new = judge(again, changed, base.networks, base.traits)
        after = tabulate(again, changed, new)
        states.append(("after", float(year), after.rates))
        _tell_new(run, again)
    if not applied.years:
        states.append(("after", float(run.config.run.as_of), after.rates))
    with run.clock.stage("contributions"):
        then, now = State(inputs, old.surveys, old.judged), State(changed, new.surveys, new.judged)
        own = contributions(run, then, now, applied.applied)
    changes = item_changes(inputs.committees, before.verdicts, after.verdicts)
    with run.clock.stage("circles"):  # of streets and committees alone: projects don't change them
        after = dataclasses.replace(after, circles=draw(run, inputs, old.surveys))
    return Proof(inputs, applied, before, after, states, changes, _with_contributions(applied, own))


def _note_changing(run: Run, inputs: Inputs, applied: Applied) -> None:
    """Say which facilities open or close by themselves between the ledger's years: each state has those of one year."""
    if not applied.years:
        return
    first, last = applied.years[0], run.config.run.as_of
    opening = inputs.facilities.table[inputs.facilities.table["opens"].between(first + 1, last)]
    own = opening[opening["source"] != PROJECTS_SOURCE]["facility_id"]
    absent = inputs.facilities.absent
    closing = absent[absent["closes"].between(first + 1, last)]["facility_id"]
    text = (
        f"{len(own)} facilities open and {len(closing)} close from {first + 1} to {last} by themselves: every state is "
        f"that of {last} but for the projects (--as-of gives the state of another year)"
    )
    run.notes.add("projects.facilities_change", len(own) + len(closing), text, [*own, *closing])


def told_late(proof: Proof, told: int) -> Proof:
    """Return the proof with a mark on the projects that are late in a year."""
    return dataclasses.replace(proof, projects=proof.projects.assign(late=is_late(proof.projects, told)))


def rates_when_done(run: Run, ledger: gpd.GeoDataFrame, told: int) -> Mapping[str, pd.DataFrame]:
    """Return the rates of a year with those projects alone that are done by then: what has been reached so far."""
    quiet = quietly(dataclasses.replace(run, config=with_overrides(run.config, None, told, None)))
    inputs, networks, traits = prepare(quiet)
    done = choose(quiet, ledger, ("done",))
    return judge_headline(quiet, with_projects(quiet, inputs, done, told), networks, traits)


def _tell_new(run: Run, again: Run) -> None:
    """Take over the notes of the last detection that the first had no reason for."""
    known = {(note.code, note.rows, note.count) for note in run.notes.items}
    run.notes.items += [note for note in again.notes.items if (note.code, note.rows, note.count) not in known]


def _with_contributions(applied: Applied, own: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return the ledger with each project's part; what wasn't applied has none."""
    again = {*own.columns, "applied", "late"} - {"project_id"}  # a ledger that an earlier verification wrote
    ledger = applied.ledger.drop(columns=[c for c in applied.ledger if c in again])
    joined = ledger.merge(own, on="project_id", how="left", validate="one_to_one")
    joined.insert(len(ledger.columns), "applied", applied.counts)
    for name in own.columns.drop("project_id"):
        if name != "redundant_for_reach":
            joined[name] = joined[name].astype(np.float64)
    return gpd.GeoDataFrame(joined, geometry="geometry", crs=applied.ledger.crs)


def proof_tables(run: Run, proof: Proof) -> dict[str, pd.DataFrame]:
    """Return what `verify` writes: the second detection's tables, the first one's verdicts, and what changed."""
    after = proof.after
    return {
        "verdicts": after.verdicts,
        "verdicts_before": proof.before.verdicts,
        "requirements": after.requirements,
        "requirements_before": proof.before.requirements,
        "gaps": after.gaps,
        **after.rates,
        "targets": with_ledger_targets(run, proof),
        "effects": effect_table(proof.states),
        "changes": proof.changes,
        "projects": proof.projects,
    }


def with_ledger_targets(run: Run, proof: Proof) -> pd.DataFrame:
    """Return the targets after the projects; those that count projects are judged by the ledger."""
    counted = ledger_targets(proof.applied.ledger, run.standard, run.config.run.as_of)
    if not len(counted):
        return proof.after.targets
    table = proof.after.targets.set_index("target_id")
    own = counted.drop_duplicates("target_id").set_index("target_id")
    columns = ["measured", "measured_target", "measured_unit", "verdict", "reason"]
    rows = table.index.intersection(own.index)
    for name in columns:
        table[name] = table[name].astype(object)
        table.loc[rows, name] = own.loc[rows, name]
    for name in ("measured", "measured_target"):
        table[name] = table[name].astype(np.float64)
    return table.reset_index()


def summary(proof: Proof) -> dict[str, Any]:
    """Return what `run.json` tells of a verification."""
    status = proof.changes["status"].value_counts()
    return {
        "projects": len(proof.applied.ledger),
        "applied": int(proof.applied.counts.sum()),
        "years": proof.applied.years,
        **{f"gaps_{name}": int(status.get(name, 0)) for name in CHANGES},
        "redundant_for_reach": int(proof.projects["redundant_for_reach"].fillna(value=False).astype(bool).sum()),
    }


def proof_sheets(tables: Mapping[str, pd.DataFrame], proof: Proof) -> list[Sheet]:
    """Return the sheets of `proof_tables`: changes at their committees, projects where they are."""
    row_of = {name: row for row, name in enumerate(proof.inputs.committees["committee_id"])}
    centres = proof.inputs.committees.geometry.to_numpy()
    sheets = []
    for name, table in tables.items():
        if name in ("changes", "gaps"):
            at = centres[[row_of[one] for one in table["committee_id"]]] if len(table) else np.empty(0, dtype=object)
            sheets.append(
                Sheet(name, table, at, "", "Items before and after" if name == "changes" else "Gaps that stay")
            )
        elif isinstance(table, gpd.GeoDataFrame) and name in ("projects", "ledger"):
            points = table.geometry.to_numpy()
            text = "Projects and what they contribute" if name == "projects" else "The ledger with its years"
            sheets.append(Sheet(name, pd.DataFrame(table), points, "open_year", text))
        else:
            sheets.append(Sheet(name, pd.DataFrame(table)))
    return sheets
