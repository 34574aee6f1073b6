"""Everything that a detection would refuse or doubt, all at once.

A detection stops at the first input that is wrong. Here its own first stages run as far as they go; where one fails,
each input is read by itself and what is left of it is looked at (`stages.salvage`), so that one fault does not hide the
others. The first error met is the one with which a detection would end.
"""

import dataclasses
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from circle15.cache import open_cache, trim
from circle15.config import Config, load_config
from circle15.errors import Circle15Error, Note, Notes, Problem
from circle15.stages.doubts import (
    count_committees,
    count_types,
    doubt_people,
    doubt_places,
    doubt_study_area,
    doubt_types,
)
from circle15.stages.judgeable import Unjudged, unjudged, waiting
from circle15.stages.people import place_people
from circle15.stages.read import build_networks, check_places, check_shift, hash_inputs, read_inputs, resolve
from circle15.stages.run import Clock, Inputs, Networks, Progress, RuleBook, Run
from circle15.stages.salvage import Log, Salvaged, read_tables, salvage
from circle15.stages.traits import place_facilities, traits_of
from circle15.stages.verdicts import note_providers
from circle15.standard.load import load_standard
from circle15.standard.model import Standard
from circle15.standard.resolve import Traits
from circle15.toml import read_toml

FACTS = ("population.total", "population.shared", "population.far")
"""Notes that are no doubts."""

REMEDIES = {
    "committees.no_zone": "Give them a zone of the standard, unless nothing is to be asked of them.",
    "committees.same_centre": "Check these coordinates: a default or a copied row?",
    "committees.no_area": "Add their areas: no person counts as theirs.",
    "committees.no_people": "Check that the population covers them and that their areas are theirs.",
    "committees.<mode>.off_network": "Check their coordinates, and that the network covers them.",
    "<topic>.<mode>.dropped_piece": (
        "A detection takes the next street that stays, perhaps across water. Join these streets to the others, or "
        "lower network.min_component_nodes."
    ),
    "<topic>.<mode>.other_piece": "Is a bridge or a street missing? Nothing on another piece can be reached.",
    "<topic>.header_typo": "Rename them, or map them with columns, if they are meant.",
    "<topic>.dates_in_utc": "Store years, or dates without a time.",
    "<topic>.datum_operation": "Convert the file with the surveying office's parameters, if that is not enough.",
    "<topic>.leading_zero": "Compare with the original; store codes as text.",
    "facilities.<mode>.off_network": "Check their coordinates, and that the network covers them.",
    "facilities.<mode>.entrances_off_network": "Check these entrances.",
    "facilities.outside_study_area": "Check their coordinates, unless they are meant to be there.",
    "facilities.duplicates": "Set drop_duplicates in the source that is to yield, or remove one of each pair.",
    "facilities.same_place": "Remove one of each pair, unless they are two.",
    "facilities.not_covered": "Let a source claim the types with covers, if it knows all of them.",
    "facilities.types_without_source": "Add a source, or let one claim them with covers, if it knows all of them.",
    "facilities.types_empty": "Take them out of covers, unless there really are none.",
    "facilities.not_open": "Check opens and closes, and run.as_of.",
    "facilities.unmapped": "Add their codes to the mapping, if they are of any type.",
    "facilities.town_outside": "Give town_id in the source, unless they lie outside the district.",
    "facilities.town_unknown": "Write towns as the committees do.",
    "facilities.entrances_far": "Check the ids and coordinates of these entrances.",
    "facilities.<type>.providers": "Add sources of those types.",
    "network.<mode>.small_components": "Join streets that are to be one, or lower network.min_component_nodes.",
    "network.<mode>.pieces": "Join them where a bridge or a street is missing.",
    "run.no_out": "Add out under [run], or give --out DIR.",
    "population.none": "Add [population], if there are figures.",
    "population.outside": "Check that the committees' areas are complete, unless these people live elsewhere.",
    "population.several_areas": "Mend areas that overlap.",
    "population.in_water": "Check [committees.water], unless they live on boats.",
    "population.nan_pixels": "Declare the value that stands for no data.",
    "population.<mode>.off_network": "Check that the network covers them.",
}
"""Code of a note → what to do about it, where its own text does not say so."""


@dataclass(frozen=True)
class Doubt:
    """Something that a detection takes as it is, and that may be wrong.

    Attributes
    ----------
    code, count, what
        As `errors.Note` has them.
    where : str
        The file, relative to the configuration, if it can be told.
    rows : tuple of str
        Labels of everything concerned, where there are any.
    remedy : str
        What to do about it.
    """

    code: str
    count: int
    what: str
    where: str
    rows: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes
    ----------
    folder : Path
        The configuration's; files are named relative to it.
    exit_code : int
        That of a detection: 0, or that of the first error it would meet.
    problems : tuple of Problem
        What it would refuse.
    doubts : tuple of Doubt
        What it would take with a note, and more.
    skipped : tuple of str
        What was not looked at, and why.
    facts : tuple of str
        Plain counts: people, committees.
    types : DataFrame or None
        As `doubts.count_types` returns it; None if nothing could be read.
    committees : DataFrame or None
        As `doubts.count_committees` returns it.
    requirements : tuple of Unjudged
        What the data cannot carry.
    requirements_asked : int
        Number of requirements of the standard.
    requirements_waiting : int
        Those of them that ask for inputs that could not be read.
    """

    folder: Path
    exit_code: int
    problems: tuple[Problem, ...]
    doubts: tuple[Doubt, ...] = ()
    skipped: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    types: pd.DataFrame | None = None
    committees: pd.DataFrame | None = None
    requirements: tuple[Unjudged, ...] = ()
    requirements_asked: int = 0
    requirements_waiting: int = 0


@dataclass
class _Found:
    """What the stages give to the report."""

    inputs: Inputs | None = None
    book: RuleBook = field(default_factory=list)
    traits_known: bool = False
    unread: frozenset[str] = frozenset()


def check(
    path: Path,
    *,
    standard: str | None = None,
    as_of: int | None = None,
    cache: Path | None = None,
    progress: Progress,
) -> Report:
    """Find everything that a detection would refuse or doubt.

    Parameters
    ----------
    path : Path
        The configuration. If it or the standard is wrong, nothing else is read.
    standard, as_of : str, int or None
        Override the configuration's; None keeps it.
    cache : Path or None
        Folder for intermediate results, shared with detections; None keeps none.
    progress : Progress
        Told of every stage.

    Raises
    ------
    MemoryError
        Everything else that goes wrong is in the report.
    """
    log, clock = Log(), Clock(progress)
    with clock.stage("check"):
        config, catalogue = _settings(path, standard, log)
        if config is None or catalogue is None:
            return _report(path, log)
        changes: dict[str, Any] = {k: v for k, v in (("standard", standard), ("as_of", as_of)) if v is not None}
        config = config.model_copy(update={"run": config.run.model_copy(update=changes)})
        # without hashes nothing may be taken from the cache
        hashes = log.attempt("inputs", lambda: hash_inputs(config)) or {"unknown": secrets.token_hex()}
    run = Run(config, catalogue, hashes, open_cache(cache), Notes(), clock)
    found = _look(run, log)
    log.attempt("cache", lambda: trim(run.store))
    return _report(path, log, run, found)


def _settings(path: Path, standard: str | None, log: Log) -> tuple[Config | None, Standard | None]:
    """Read configuration and standard; the standard that a faulty configuration names is read as well."""
    config = log.attempt("configuration", lambda: load_config(path))
    name = standard or (config.run.standard if config is not None else _named_standard(path))
    if name is None:
        return config, None
    return config, log.attempt("standard", lambda: load_standard(name, path.resolve().parent))


def _named_standard(path: Path) -> str | None:
    try:
        run = read_toml(path).get("run")
    except Circle15Error:
        return None
    name = run.get("standard") if isinstance(run, dict) else None
    return name if isinstance(name, str) and name else None


# the stages --------------------------------------------------------------------------------------------------------


def _look(run: Run, log: Log) -> _Found:
    """Go through the stages of a detection up to the travel times."""
    clock = run.clock
    with clock.stage("inputs"):
        whole = log.attempt("inputs", lambda: read_inputs(run))
        read = _as_it_is(run, whole) if whole is not None else log.attempt("inputs", lambda: salvage(run, log))
    if read is None:
        return _Found()
    found = _Found(read.inputs, unread=read.unread)
    with clock.stage("network"):
        networks = log.attempt("network", lambda: build_networks(run, read.inputs.crs, read.inputs.committees))
        if networks is not None:
            log.attempt("places", lambda: check_places(run, read.inputs, networks))
            sources = run.config.model_copy(update={"facilities": list(read.sources)})
            readable = dataclasses.replace(run, config=sources)
            log.attempt("datum", lambda: check_shift(readable, read.inputs, networks))
    with clock.stage("people"):
        found.inputs = _place(run, log, read, networks)
        found.book, found.traits_known = _rules(run, log, found.inputs, read)
        read_tables(run, log, read)
    with clock.stage("doubts"):
        _doubt(run, log, found, networks)
    return found


def _as_it_is(run: Run, inputs: Inputs) -> Salvaged:
    ids = pd.DataFrame(inputs.committees[["committee_id", "town_id"]])
    return Salvaged(inputs, ids, whole=True, sources=tuple(run.config.facilities))


def _place(run: Run, log: Log, read: Salvaged, networks: Networks | None) -> Inputs:
    """Give people and facilities their places, as far as that goes."""
    inputs = read.inputs
    if inputs.committees.empty:
        log.skipped.append("who lives in which committee, and what lies in which town: no committee has a place")
        return inputs
    census = run.config.population.census if run.config.population else None
    if networks is None and not inputs.committees["area"].notna().any():
        log.skipped.append("who lives in which committee: without areas that follows from the network")
    else:
        streets = networks or Networks({}, "")
        placed = log.attempt("people", lambda: place_people(run, inputs, streets)) if read.whole else None
        if placed is None and (census or not read.whole):
            placed = log.attempt("people", lambda: place_people(_without_census(run), inputs, streets))
        inputs = placed or inputs
    return log.attempt("facilities", lambda: place_facilities(run, inputs)) or inputs


def _without_census(run: Run) -> Run:
    population = run.config.population
    if population is None:
        return run
    without = population.model_copy(update={"census": None})
    return dataclasses.replace(run, config=run.config.model_copy(update={"population": without}))


def _rules(run: Run, log: Log, inputs: Inputs, read: Salvaged) -> tuple[RuleBook, bool]:
    """Return the rule of each committee, and whether densities and age groups were known as a detection knows them."""
    committees, placed = inputs.committees, inputs.cells is None or len(inputs.cell_committee) > 0
    traits = log.attempt("committees", lambda: traits_of(run, inputs)) if read.whole and placed else None
    known = traits is not None
    by_zone = traits or Traits.of(committees["zone"].to_numpy(), committees["kind"].to_numpy())
    book = log.attempt("rules", lambda: resolve(run.standard, by_zone)) or []
    return book, known


def _doubt(run: Run, log: Log, found: _Found, networks: Networks | None) -> None:
    inputs = found.inputs
    if inputs is None:
        return
    if networks is None:
        log.skipped.append("what is off the network: there is none")
    elif inputs.committees.geometry.notna().all():
        log.attempt("places", lambda: doubt_places(run, inputs, networks, found.book))
    else:
        log.skipped.append("what is off the network: the committees' centres are where their people are")
    log.attempt("study area", lambda: doubt_study_area(run, inputs))
    log.attempt("people", lambda: doubt_people(run, inputs))
    log.attempt("types", lambda: doubt_types(run, inputs, found.unread))
    if not found.unread:
        log.attempt("types", lambda: note_providers(run.standard, inputs.facilities, run.notes))
    if run.config.run.out is None:
        run.notes.add("run.no_out", 1, "there is no folder to write to: compute needs --out")


# the report --------------------------------------------------------------------------------------------------------


def _report(path: Path, log: Log, run: Run | None = None, found: _Found | None = None) -> Report:
    folder = path.resolve().parent
    problems = tuple(
        dataclasses.replace(one, what=_short(one.what, path), where=_short(one.where, path)) for one in log.problems
    )
    exit_code = log.errors[0].exit_code if log.errors else 0
    if run is None or found is None:
        return Report(folder, exit_code, problems, skipped=("the inputs: configuration and standard come first",))
    inputs = found.inputs
    doubts = tuple(_doubt_of(note, run, inputs, path) for note in _doubtful(run.notes))
    asked = len(run.standard.requirements)
    if inputs is None:
        return Report(folder, exit_code, problems, doubts, tuple(log.skipped), requirements_asked=asked)
    facts = tuple(note.text for note in dict.fromkeys(run.notes.items) if note.code in FACTS)
    book = found.book if found.traits_known else []
    lacking = log.attempt("requirements", lambda: unjudged(run, inputs, book, found.unread)) or ()
    return Report(
        folder,
        exit_code,
        problems,
        doubts,
        tuple(log.skipped),
        facts,
        types=log.attempt("counts", lambda: count_types(run, inputs, found.unread)),
        committees=log.attempt("counts", lambda: count_committees(inputs)),
        requirements=lacking,
        requirements_asked=asked,
        requirements_waiting=waiting(run, inputs, found.unread),
    )


def _doubtful(notes: Notes) -> list[Note]:
    return [note for note in dict.fromkeys(notes.items) if note.code not in FACTS]


def _doubt_of(note: Note, run: Run, inputs: Inputs | None, path: Path) -> Doubt:
    where, what = _file_of(note, run.config, inputs), _short(note.text, path)
    for name in (where, Path(where).name):
        what = what.removeprefix(f"{name}: ") if name else what
    remedy = next((text for code, text in REMEDIES.items() if re.fullmatch(_pattern(code), note.code)), "")
    return Doubt(note.code, note.count, what, where, note.rows, remedy)


def _pattern(code: str) -> str:
    return re.sub(r"<\w+>", "[^.]+", re.escape(code).replace(r"\<", "<").replace(r"\>", ">"))


def _file_of(note: Note, config: Config, inputs: Inputs | None) -> str:
    """Return the file that a note speaks of: by what it says, by its rows, or by its code."""
    sources = {Path(item.source).name: item.source for item in config.facilities if item.source}
    said = re.match(r"([^:]+): ", note.text)
    if said and said[1] in sources:
        return sources[said[1]]
    topic = note.code.split(".")
    if topic[0] == "facilities":
        return _sources_of(note.rows, inputs, sources)
    population, areas, water = config.population, config.committees.areas, config.committees.water
    files: dict[tuple[str, ...], str] = {
        ("committees",): config.committees.source,
        ("committees", "areas"): areas.source if areas else "",
        ("committees", "water"): water.source if water else "",
        ("population",): population.source if population else "",
        ("population", "census"): population.census.source if population and population.census else "",
        ("overrides",): config.overrides.source if config.overrides else "",
        **{(name,): config.network.source for name in ("network", "streets", "osm")},
    }
    return files.get(tuple(topic[:2]), files.get((topic[0],), ""))


def _sources_of(rows: tuple[str, ...], inputs: Inputs | None, sources: dict[str, str]) -> str:
    """Return the sources of the facilities that rows begin with, if every row begins with one."""
    if inputs is None or not rows:
        return ""
    of = dict(zip(inputs.facilities.table["facility_id"], inputs.facilities.table["source"], strict=True))
    found = {of.get(row.split(" ")[0]) for row in rows}
    return "" if None in found else ", ".join(sorted(sources.get(str(one), str(one)) for one in found))


def _short(text: str, path: Path) -> str:
    """Name files relative to the configuration's folder."""
    for folder in (path.resolve().parent, path.parent):
        if str(folder) != ".":
            text = text.replace(f"{folder}{os.sep}", "")
    return text
