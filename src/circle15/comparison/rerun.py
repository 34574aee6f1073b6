"""Detections that stand on kept inputs, with some of them exchanged for another run's."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import joblib
import pandas as pd

from circle15.assess.rates import combine
from circle15.config import CensusConfig, Config, OverridesConfig, WaterConfig
from circle15.errors import Notes
from circle15.outputs.archive import FOLDER, SETTINGS, STANDARD, STREETS, Archive, read_archive
from circle15.outputs.manifest import sha256_of
from circle15.pipeline import place
from circle15.stages.overrides import override
from circle15.stages.read import build_networks, resolve
from circle15.stages.run import Clock, Inputs, Networks, Run
from circle15.stages.travel import survey_modes
from circle15.stages.verdicts import judge_all
from circle15.standard.load import parse_standard
from circle15.standard.model import Standard
from circle15.standard.resolve import Traits
from circle15.tables import FacilityTable

BOUNDARY, POPULATION, NETWORK, STANDARD_GROUP = "boundary", "population", "network", "standard"
FACILITIES, SETTINGS_GROUP, OVERRIDES = "facilities", "settings", "overrides"
GROUPS = {
    BOUNDARY: "committees: which there are, their centres, areas, zones, kinds, towns; water",
    POPULATION: "cells with their people, and the census that they are scaled to",
    NETWORK: "streets, and what is left out of them (min_component_nodes, gated_compounds)",
    STANDARD_GROUP: "the standard: requirements, thresholds, modes, speeds",
    FACILITIES: "facilities open in the run's year, and which types their sources cover",
    SETTINGS_GROUP: "max_snap_m, and which engine searches",
    OVERRIDES: "verdicts that somebody checked in the field",
}
"""Inputs that are exchanged together, in the order in which they are exchanged one after the other → what they are."""

FILES = {
    BOUNDARY: ("committees.parquet", "water.parquet"),
    POPULATION: ("cells.parquet", "census.parquet"),
    NETWORK: (STREETS,),
    STANDARD_GROUP: (STANDARD,),
    FACILITIES: ("facilities.parquet", "absent.parquet"),
    SETTINGS_GROUP: (),
    OVERRIDES: ("overrides.parquet",),
}


@dataclass(frozen=True)
class Kept:
    """A run's kept inputs, and a hash of each group of them.

    Attributes
    ----------
    archive : Archive
        The inputs; committees by the ids that both runs are told in.
    standard : Standard
        Read from the archive.
    hashes : dict of str to str
        Group → hash of its content.
    """

    archive: Archive
    standard: Standard
    hashes: Mapping[str, str] = field(default_factory=dict)


def read_kept(folder: Path, rename: Mapping[str, str] | None = None) -> Kept:
    """Read what a run kept.

    Parameters
    ----------
    folder : Path
        The run's.
    rename : mapping of str to str, optional
        Committee id → the id that it goes by in the comparison.

    Raises
    ------
    InputError, ConfigError
        As `read_archive` and `parse_standard` do.
    """
    archive = read_archive(folder / FOLDER)
    if rename:
        archive = _renamed(archive, rename)
    standard = parse_standard(archive.standard, str(folder / FOLDER / STANDARD))
    return Kept(archive, standard, _hashes(folder / FOLDER, archive, rename or {}))


def _renamed(archive: Archive, rename: Mapping[str, str]) -> Archive:
    def named(table: Any) -> Any:
        if table is None or "committee_id" not in table:
            return table
        ids = table["committee_id"]
        return table.assign(committee_id=ids.map(rename).fillna(ids).astype(object))

    committees = named(archive.committees)
    overrides, census = named(archive.overrides), named(archive.census)
    return dataclasses.replace(archive, committees=committees, overrides=overrides, census=census)


def _hashes(folder: Path, archive: Archive, rename: Mapping[str, str]) -> dict[str, str]:
    """Return a hash of each group: the files' content, and of the settings what belongs to it."""
    network, census = archive.config.network, _census(archive.config)
    changed = {old: new for old, new in rename.items() if old != new}
    kept = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    own: dict[str, Any] = {
        BOUNDARY: changed,
        POPULATION: None if census is None else census.by,
        NETWORK: [kept["road_classes"], network.min_component_nodes, network.gated_compounds],
        STANDARD_GROUP: None,
        FACILITIES: [kept["covered"], kept["extents"]],
        SETTINGS_GROUP: [network.max_snap_m, network.engine],
        OVERRIDES: changed if archive.overrides is not None else None,
    }
    return {group: _hash_of([folder / name for name in FILES[group]], own[group]) for group in GROUPS}


def _hash_of(paths: Collection[Path], settings: Any) -> str:
    content = [sha256_of(path) if path.is_file() else "" for path in paths]
    return hashlib.sha256(json.dumps([content, settings], sort_keys=True).encode()).hexdigest()


def _census(config: Config) -> CensusConfig | None:
    return config.population.census if config.population else None


def differing(a: Kept, b: Kept) -> list[tuple[str, ...]]:
    """Return the groups whose content differs, as sets that are exchanged together, in the order of `GROUPS`.

    A standard that lacks zones of the other run's committees can't judge them: both are then exchanged together.
    """
    groups = [one for one in GROUPS if a.hashes[one] != b.hashes[one]]
    if {BOUNDARY, STANDARD_GROUP} <= set(groups) and not (_fits(a, b) and _fits(b, a)):
        return [(BOUNDARY, STANDARD_GROUP), *((one,) for one in groups if one not in (BOUNDARY, STANDARD_GROUP))]
    return [(one,) for one in groups]


def _fits(committees: Kept, standard: Kept) -> bool:
    known = {zone.id for zone in standard.standard.zones} | {""}
    return set(committees.archive.committees["zone"].fillna("")) <= known


def exchange(a: Kept, b: Kept, groups: Collection[str]) -> Kept:
    """Return the inputs of `a`, of some groups those of `b`; nothing is read or written."""
    of = {group: b if group in groups else a for group in GROUPS}
    configs = {group: kept.archive.config for group, kept in of.items()}
    settings = configs[SETTINGS_GROUP].network
    network = configs[NETWORK].network.model_copy(update={"max_snap_m": settings.max_snap_m, "engine": settings.engine})
    config = a.archive.config.model_copy(
        update={
            "network": network,
            "committees": configs[BOUNDARY].committees,
            "population": configs[POPULATION].population,
            "overrides": configs[OVERRIDES].overrides,
        }
    )
    archive = Archive(
        config=config,
        standard=of[STANDARD_GROUP].archive.standard,
        crs=a.archive.crs,
        committees=of[BOUNDARY].archive.committees,
        water=of[BOUNDARY].archive.water,
        cells=of[POPULATION].archive.cells,
        census=of[POPULATION].archive.census,
        facilities=of[FACILITIES].archive.facilities,
        streets=of[NETWORK].archive.streets,
        overrides=of[OVERRIDES].archive.overrides,
    )
    return Kept(archive, of[STANDARD_GROUP].standard, {group: kept.hashes[group] for group, kept in of.items()})


def place_kept(kept: Kept, store: joblib.Memory, clock: Clock, scratch: Path) -> tuple[Run, Inputs, Networks, Traits]:
    """Return a run on kept inputs, as far as `pipeline.prepare` brings one: everything placed, nothing judged.

    Parameters
    ----------
    kept : Kept
        The inputs.
    store : joblib.Memory
        For intermediate results.
    clock : Clock
        Times the stages.
    scratch : Path
        An empty folder, to which the tables go that a detection reads only when it needs them.
    """
    archive, known = kept.archive, [one.id for one in kept.standard.types]
    facilities = _of_types(archive.facilities, known)
    hashes = {"streets": kept.hashes[NETWORK], **{f"kept {group}": one for group, one in kept.hashes.items()}}
    run = Run(_on_scratch(archive, known, scratch), kept.standard, hashes, store, Notes(), clock)
    networks = build_networks(run, archive.crs, archive.committees, archive.streets)
    inputs = Inputs(archive.crs, archive.committees, archive.cells, facilities)
    return run, *place(run, inputs, networks)


def items_of(kept: Kept, store: joblib.Memory, clock: Clock) -> pd.Series:
    """Detect on kept inputs and return each item's verdict.

    Returns
    -------
    Series of str
        ``pass``, ``fail``, ``unknown`` or ``exempt`` by ``committee_id`` and ``type_id``: over all headline
        requirements of the type, as `stages.changes.decided_items` has them.
    """
    with TemporaryDirectory(prefix="circle15-") as scratch:
        run, inputs, networks, traits = place_kept(kept, store, clock, Path(scratch))
        book = [(one, rules) for one, rules in resolve(kept.standard, traits) if one.headline]
        surveys = survey_modes(run, inputs, networks, book)
        judged, _ = override(run, inputs, judge_all(run, inputs, networks, surveys, book, people=False))
    of_type: dict[str, list[Any]] = {}
    for one in judged:
        of_type.setdefault(one.rules.type_id, []).append(one.verdict)
    committees = inputs.committees["committee_id"]
    found = [
        pd.DataFrame({"committee_id": committees, "type_id": name, "verdict": combine(verdicts)})
        for name, verdicts in of_type.items()
    ]
    every = pd.concat(found) if found else pd.DataFrame(columns=["committee_id", "type_id", "verdict"])
    return every.set_index(["committee_id", "type_id"])["verdict"]


def _of_types(facilities: FacilityTable, known: list[str]) -> FacilityTable:
    """Leave out facilities of types that the standard does not have, as reading them would."""
    table, absent = facilities.table, facilities.absent
    covered = {name: sources for name, sources in facilities.covered.items() if name in known}
    kept = table[table["type_id"].isin(known)].reset_index(drop=True)
    return FacilityTable(
        kept, covered, facilities.extents, absent[absent["type_id"].isin(known)].reset_index(drop=True)
    )


def _on_scratch(archive: Archive, known: list[str], scratch: Path) -> Config:
    """Return the configuration with the kept tables as sources of what is read late."""
    config, tables = archive.config, archive.tables
    committees = config.committees.model_copy(update={"water": None})
    if "water" in tables:
        water = WaterConfig(source=_written(tables["water"], scratch / "water.parquet"))
        committees = committees.model_copy(update={"water": water})
    population = config.population if archive.cells is not None else None
    if population is not None and population.census is not None:
        areas = set(archive.committees["town_id" if population.census.by == "town" else "committee_id"])
        census = tables["census"]
        here = census[census.iloc[:, 0].isin(areas)]
        source = _written(here, scratch / "census.parquet")
        population = population.model_copy(update={"census": CensusConfig(source=source, by=population.census.by)})
    overrides = None
    if "overrides" in tables:
        table = tables["overrides"]
        here = table[table["committee_id"].isin(archive.committees["committee_id"]) & table["type_id"].isin(known)]
        if len(here):
            overrides = OverridesConfig(source=_written(here, scratch / "overrides.parquet"))
    network = config.network.model_copy(update={"source": "streets"})
    changed = {"committees": committees, "population": population, "overrides": overrides, "network": network}
    return config.model_copy(update=changed)


def _written(table: pd.DataFrame | gpd.GeoDataFrame, path: Path) -> str:
    table.reset_index(drop=True).to_parquet(path)
    return str(path)
