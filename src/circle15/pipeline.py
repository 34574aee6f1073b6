"""A detection from configuration to files; reads like the diagram in the design.

What takes long is kept on disk by the content that it depends on (`cache`), so a changed requirement or one new
facility recomputes only what it touches.
"""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from circle15.assess.assemble import Judged
from circle15.cache import code_key, hash_of, open_cache, trim, versions
from circle15.config import Config
from circle15.errors import Circle15Error, Notes
from circle15.outputs.archive import Archive
from circle15.outputs.manifest import PLANNING, Manifest, is_current
from circle15.outputs.write import check_writable, read_rates, write_run
from circle15.stages.archive import archive_of
from circle15.stages.explain import Case, check_type, explain_one, row_of_committee
from circle15.stages.overrides import override
from circle15.stages.people import place_people
from circle15.stages.read import build_networks, check_places, check_shift, hash_inputs, read_inputs, resolve
from circle15.stages.record import balance, counts, draw, engine_figures
from circle15.stages.results import assemble, rates_of
from circle15.stages.run import Clock, Inputs, Networks, Progress, RuleBook, Run
from circle15.stages.scopes import judge_scopes
from circle15.stages.sensitivity import factors, find_turning, scaled
from circle15.stages.traits import place_facilities, traits_of
from circle15.stages.travel import ModeSurvey, content_of, survey_modes
from circle15.stages.verdicts import judge_all, note_providers
from circle15.standard.load import load_standard
from circle15.standard.resolve import Traits
from circle15.tables import Results

__all__ = ["Outcome", "Progress", "compute"]


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind.

    Attributes
    ----------
    folder : Path
        Where the files are.
    results_rates : dict of str to DataFrame
        ``types``, ``domains``, ``towns``, ``zones``, ``district``, and ``targets``.
    notes : Notes
        What was dropped, assumed or left out.
    unchanged : bool
        Whether the outputs of an earlier run were verified and stay.
    timings : dict of str to float
        Seconds by stage.
    files : dict of str to str
        Relative name → sha256.
    gaps : int
        Number of failed headline requirements.
    """

    folder: Path
    results_rates: dict[str, pd.DataFrame]
    notes: Notes
    unchanged: bool
    timings: dict[str, float]
    files: dict[str, str]
    gaps: int


def compute(
    config: Config,
    *,
    out: Path,
    standard: str | None = None,
    as_of: int | None = None,
    engine: str | None = None,
    cache: Path | None = None,
    bom: bool = False,
    fresh: bool = False,
    sensitivity: float | None = None,
    archive: bool = False,
    progress: Progress,
) -> Outcome:
    """Detect: from the inputs of a configuration to verdicts, rates and files.

    Parameters
    ----------
    config : Config
        The run's configuration.
    out : Path
        Folder to write; made if absent.
    standard, as_of, engine
        Override the configuration's; None keeps it.
    cache : Path or None
        Folder for intermediate results; None keeps none.
    bom : bool
        Whether CSV files begin with a byte order mark.
    fresh : bool
        Write anew even if the outputs of an earlier run are verified to be those that this run would give.
    sensitivity : float or None
        Percent by which speeds are lowered and raised to find the verdicts that turn; None leaves that out.
    archive : bool
        Whether to keep the inputs as they were read in the run's folder, for `comparison`.
    progress : Progress
        Told of every stage.

    Raises
    ------
    ConfigError, InputError, ComputeError, OutputError
        As their names say; nothing half written stays behind.
    """
    config = with_overrides(config, standard, as_of, engine)
    clock, notes, started = Clock(progress), Notes(), datetime.now(UTC)
    with clock.stage("check"):
        catalogue = load_standard(config.run.standard, config.folder)
        hashes = hash_inputs(config)
        manifest = Manifest(
            config=config,
            standard=catalogue,
            inputs=hashes,
            code=code_key(),
            versions=versions(),
            bom=bom,
            sensitivity=sensitivity,
            options={"archive": True} if archive else {},
        )
        current = not fresh and is_current(out, manifest.fingerprint)
    if current:
        return _earlier(out, clock)
    check_writable(out, "compute")  # before the work, not after it

    run = Run(config, catalogue, hashes, open_cache(cache), notes, clock, sensitivity)
    try:
        results, manifest, inputs = _detect(run, manifest, keep=archive)
        with clock.stage("write"):
            manifest = dataclasses.replace(manifest, started=started, timings=clock.timings)
            files = write_run(results, out, manifest, results.committees.crs, inputs)
    except Circle15Error as error:
        error.notes = notes
        raise
    trim(run.store)
    rates = results.rates | {"targets": results.targets}
    return Outcome(out, rates, notes, False, clock.timings, files, len(results.gaps))


def explain(
    config: Config,
    *,
    committee: str,
    type_id: str,
    standard: str | None = None,
    as_of: int | None = None,
    cache: Path | None = None,
    progress: Progress,
) -> tuple[Case, Notes]:
    """Explain the verdicts of one committee and type; only what they need is computed, and nothing is written.

    Parameters
    ----------
    committee, type_id : str
        Ids.
    config, standard, as_of, cache, progress
        As for `compute`.

    Raises
    ------
    ConfigError
        If there is no such committee or type, or no requirement of committees names the type.
    InputError, ComputeError
        As `compute`.
    """
    config = with_overrides(config, standard, as_of, None)
    clock, notes = Clock(progress), Notes()
    with clock.stage("check"):
        catalogue = load_standard(config.run.standard, config.folder)
        hashes = hash_inputs(config)
    run = Run(config, catalogue, hashes, open_cache(cache), notes, clock)
    check_type(catalogue, type_id)
    inputs, networks, traits = prepare(run)
    row = row_of_committee(inputs, committee)
    book = [(one, rules) for one, rules in resolve(catalogue, traits) if type_id in one.types]
    surveys = survey_modes(run, inputs, networks, book)
    with clock.stage("verdicts"):
        judged, overrides = override(run, inputs, judge_all(run, inputs, networks, surveys, book), type_id)
        case = explain_one(run, inputs, networks, surveys, traits, judged, row, type_id, overrides)
    return case, notes


def prepare(run: Run) -> tuple[Inputs, Networks, Traits]:
    """Read everything, and give people and facilities their places."""
    return place(run, *read_all(run))


def read_all(run: Run) -> tuple[Inputs, Networks]:
    """Read everything; people have no committee yet."""
    with run.clock.stage("inputs"):
        inputs = read_inputs(run)
    with run.clock.stage("network"):
        networks = build_networks(run, inputs.crs, inputs.committees)
        check_places(run, inputs, networks)
        check_shift(run, inputs, networks)
    return inputs, networks


def place(run: Run, inputs: Inputs, networks: Networks) -> tuple[Inputs, Networks, Traits]:
    """Give people and facilities their places."""
    with run.clock.stage("people"):
        inputs = place_facilities(run, place_people(run, inputs, networks))
        return inputs, networks, traits_of(run, inputs)


@dataclass(frozen=True)
class Judgement:
    """What a detection finds before it is made into tables.

    Attributes
    ----------
    book : RuleBook
        Every requirement of committees with its rules.
    surveys : dict of str to ModeSurvey
        By mode.
    judged : list of Judged
        Overrides included.
    scopes, checks : DataFrame
        Requirements of towns and the district, and single facilities' verdicts.
    overrides, sensitivity : DataFrame or None
        As in `tables.Results`.
    """

    book: RuleBook
    surveys: dict[str, ModeSurvey]
    judged: list[Judged]
    scopes: pd.DataFrame
    checks: pd.DataFrame
    overrides: pd.DataFrame | None
    sensitivity: pd.DataFrame | None


def judge(run: Run, inputs: Inputs, networks: Networks, traits: Traits) -> Judgement:
    """Judge every requirement."""
    book = resolve(run.standard, traits)
    every_speed = [book, *(scaled(book, f) for f in factors(run.sensitivity))] if run.sensitivity else [book]
    surveys = survey_modes(run, inputs, networks, [pair for one in every_speed for pair in one])

    def make(notes: Notes) -> tuple[Any, ...]:
        own = dataclasses.replace(run, notes=notes)
        note_providers(run.standard, inputs.facilities, notes)
        judged = judge_all(own, inputs, networks, surveys, book)
        scopes, checks = judge_scopes(own, inputs, networks, surveys)
        turning = None
        if run.sensitivity:
            turning = find_turning(own, inputs, networks, surveys, book, judged, run.sensitivity)
        judged, overrides = override(own, inputs, judged)
        return judged, scopes, checks, overrides, turning

    with run.clock.stage("verdicts"):
        return Judgement(book, surveys, *run.kept(make, "verdicts", state_key(run, inputs)))


def judge_headline(run: Run, inputs: Inputs, networks: Networks, traits: Traits) -> dict[str, pd.DataFrame]:
    """Judge only what rates are made of: headline requirements, and the first one of each type that has none."""
    every = resolve(run.standard, traits)
    heads = {rules.type_id for one, rules in every if one.headline}
    first = {rules.type_id: one.id for one, rules in reversed(every) if rules.type_id not in heads}
    book = [(one, rules) for one, rules in every if one.headline or first.get(rules.type_id) == one.id]

    def make(notes: Notes) -> dict[str, pd.DataFrame]:
        own = dataclasses.replace(run, notes=notes)
        surveys = survey_modes(own, inputs, networks, book)
        with run.clock.stage("verdicts"):
            judged, _ = override(own, inputs, judge_all(own, inputs, networks, surveys, book))
            return rates_of(own, inputs, judged)

    rates: dict[str, pd.DataFrame] = run.kept(make, "rates", state_key(run, inputs))
    return rates


def state_key(run: Run, inputs: Inputs) -> str:
    """Return a hash of all that verdicts depend on: settings, files, and the facilities with any projects applied."""
    facilities = inputs.facilities
    table = pd.DataFrame(facilities.table.drop(columns=facilities.table.geometry.name))
    return hash_of(
        str(run.config.folder),
        run.config.model_dump(mode="json", exclude=PLANNING),
        run.standard.sha256,
        run.hashes,
        run.sensitivity,
        [str(name) for name in table],
        pd.util.hash_pandas_object(table, index=False).to_numpy(),
        content_of(facilities.table.geometry.to_numpy()),
        pd.util.hash_array(inputs.facility_town),
        facilities.covered,
        facilities.extents,
        pd.util.hash_pandas_object(facilities.absent, index=False).to_numpy(),
    )


def tabulate(run: Run, inputs: Inputs, found: Judgement) -> Results:
    """Make the tables of what was judged; the service circles are still to be drawn."""
    with run.clock.stage("verdicts"):
        results = assemble(run, inputs, found.judged, found.scopes, found.checks, found.surveys)
    return dataclasses.replace(results, overrides=found.overrides, sensitivity=found.sensitivity)


def _detect(run: Run, manifest: Manifest, *, keep: bool) -> tuple[Results, Manifest, Archive | None]:
    """Return what was found, the manifest with what there is to tell of it, and the inputs if they are to be kept."""
    clock = run.clock
    inputs, networks = read_all(run)
    archive = None
    if keep:
        with clock.stage("archive"):
            archive = archive_of(run, inputs)
    inputs, networks, traits = place(run, inputs, networks)
    found = judge(run, inputs, networks, traits)
    results = tabulate(run, inputs, found)
    surveys = found.surveys
    with clock.stage("circles"):
        results = dataclasses.replace(results, circles=draw(run, inputs, surveys))
    manifest = dataclasses.replace(
        manifest,
        notes=run.notes,
        counts=counts(inputs, results),
        people=balance(inputs),
        engine=engine_figures(surveys),
        crs=inputs.crs,
    )
    return results, manifest, archive


def with_overrides(config: Config, standard: str | None, as_of: int | None, engine: str | None) -> Config:
    """Return the configuration with what the command line says otherwise."""
    run = {k: v for k, v in (("standard", standard), ("as_of", as_of)) if v is not None}
    changes: dict[str, Any] = {"run": config.run.model_copy(update=run)}
    if engine is not None:
        changes["network"] = config.network.model_copy(update={"engine": engine})
    return config.model_copy(update=changes)


def _earlier(out: Path, clock: Clock) -> Outcome:
    rates, notes, files, gaps = read_rates(out)
    return Outcome(out, rates, notes, True, clock.timings, files, gaps)
