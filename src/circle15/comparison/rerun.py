"""Detections that stand on kept inputs, with some of them exchanged for another run's."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.assess.rates import combine
from circle15.cache import hash_of
from circle15.config import CensusConfig, Config, OverridesConfig, PopulationConfig, WaterConfig
from circle15.errors import Notes
from circle15.outputs.archive import FOLDER, SETTINGS, STANDARD, STREETS, ZONE_WORD, Archive, read_archive
from circle15.outputs.manifest import sha256_of
from circle15.pipeline import place
from circle15.stages.overrides import override
from circle15.stages.read import build_networks, resolve
from circle15.stages.run import Clock, Inputs, Networks, Run
from circle15.stages.travel import survey_modes
from circle15.stages.verdicts import judge_all
from circle15.standard.load import parse_standard
from circle15.standard.model import Standard
from circle15.standard.resolve import Traits, zone_ids
from circle15.tables import SHAPE, FacilityTable

BOUNDARY, POPULATION, NETWORK, STANDARD_GROUP = "boundary", "population", "network", "standard"
FACILITIES, SETTINGS_GROUP, OVERRIDES = "facilities", "settings", "overrides"
GROUPS = {
    BOUNDARY: "committees: which there are, their centres, areas, zones, kinds, towns; water",
    POPULATION: "cells with their people, how they are cut, and the census that they are scaled to",
    NETWORK: "streets, and what is left out of them (min_component_nodes, gated_compounds)",
    STANDARD_GROUP: "the standard: requirements, thresholds, modes, speeds",
    FACILITIES: "facilities open in the run's year, and which types their sources cover",
    SETTINGS_GROUP: "max_snap_m, and which engine searches",
    OVERRIDES: "verdicts that somebody checked in the field",
}
"""Inputs that are exchanged together, in the order in which they are exchanged one after the other → what they are."""


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
    return Kept(archive, standard, _hashes(folder / FOLDER, archive, standard))


def _renamed(archive: Archive, rename: Mapping[str, str]) -> Archive:
    def named(table: Any) -> Any:
        if table is None or "committee_id" not in table:
            return table
        ids = table["committee_id"]
        return table.assign(committee_id=ids.map(rename).fillna(ids).astype(object))

    committees = named(archive.committees)
    overrides, census = named(archive.overrides), named(archive.census)
    return dataclasses.replace(archive, committees=committees, overrides=overrides, census=census)


def _hashes(folder: Path, archive: Archive, standard: Standard) -> dict[str, str]:
    """Return a hash of each group's content: its bytes may differ by the libraries' versions alone."""
    network, population = archive.config.network, archive.config.population
    by, size_m = (None, None) if population is None else (_by(population), population.cell_size_m)
    facilities, water = archive.facilities, archive.water
    kept = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    own: dict[str, tuple[Any, ...]] = {
        BOUNDARY: (_content(archive.committees, "name", "zone"), None if water is None else shapely.to_wkb(water)),
        POPULATION: (_content(archive.cells), _content(archive.census), by, size_m),
        NETWORK: (
            sha256_of(folder / STREETS),
            kept["road_classes"],
            network.min_component_nodes,
            network.gated_compounds,
        ),
        STANDARD_GROUP: (standard.model_dump(mode="json", exclude={"sha256", "origin", "note", "source"}),),
        FACILITIES: _of_facilities(facilities, {*facilities.table["type_id"], *facilities.covered}),
        SETTINGS_GROUP: (network.max_snap_m, network.engine),
        OVERRIDES: (_content(archive.overrides),),
    }
    return {group: hash_of(*own[group]) for group in GROUPS}


def _of_facilities(facilities: FacilityTable, types: Collection[str]) -> tuple[Any, ...]:
    """Return what verdicts depend on of the facilities of some types."""
    table, absent = (one[one["type_id"].isin(types)] for one in (facilities.table, facilities.absent))
    covered = {name: facilities.covered[name] for name in sorted(facilities.covered) if name in types}
    extents: dict[str, Any] = dict.fromkeys(sorted(facilities.extents))
    for name, extent in facilities.extents.items():
        if isinstance(extent, shapely.Geometry):
            extents[name] = shapely.to_wkb(extent)
    return _content(table, "name"), _content(absent), covered, extents


def _content(table: pd.DataFrame | None, *but: str) -> tuple[Any, ...]:
    """Return a table's columns as what `hash_of` can take, some columns left out."""
    if table is None:
        return ()
    found: list[tuple[str, Any]] = []
    for name in table.columns.drop([one for one in but if one in table]):
        if name in ("geometry", "area", SHAPE):
            found.append((str(name), shapely.to_wkb(table[name].to_numpy(dtype=object))))
        else:
            found.append((str(name), pd.util.hash_array(_plain(table[name]))))
    return tuple(found)


def _plain(values: pd.Series) -> npt.NDArray[Any]:
    """Return numbers as float64 and everything else as text, whatever types the file gave them."""
    if values.dtype.kind in "biuf":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)


def _by(population: PopulationConfig) -> str | None:
    """Return what the census's rows speak of, if there is one."""
    return population.census.by if population.census else None


def differing(a: Kept, b: Kept) -> list[tuple[str, ...]]:
    """Return the groups whose content differs, as sets that are exchanged together, in the order of `GROUPS`.

    A standard that lacks zones of the other run's committees can't judge them: both are then exchanged together.
    Facilities of types that only one of the standards has belong to that standard (`exchange`).
    """
    groups = [one for one in GROUPS if a.hashes[one] != b.hashes[one]]
    both = {one.id for one in a.standard.types} & {one.id for one in b.standard.types}
    if hash_of(*_of_facilities(a.archive.facilities, both)) == hash_of(*_of_facilities(b.archive.facilities, both)):
        groups = [one for one in groups if one != FACILITIES or STANDARD_GROUP not in groups]
    if {BOUNDARY, STANDARD_GROUP} <= set(groups) and not (_fits(a, b) and _fits(b, a)):
        return [(BOUNDARY, STANDARD_GROUP), *((one,) for one in groups if one not in (BOUNDARY, STANDARD_GROUP))]
    return [(one,) for one in groups]


def _fits(committees: Kept, standard: Kept) -> bool:
    _, unknown = zone_ids(standard.standard, committees.archive.committees[ZONE_WORD])
    return not unknown.any()


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
        committees=_committees(of[BOUNDARY], of[STANDARD_GROUP]),
        water=of[BOUNDARY].archive.water,
        cells=of[POPULATION].archive.cells,
        census=of[POPULATION].archive.census,
        facilities=_facilities(of[FACILITIES], of[STANDARD_GROUP]),
        streets=of[NETWORK].archive.streets,
        overrides=of[OVERRIDES].archive.overrides,
    )
    hashes = {group: kept.hashes[group] for group, kept in of.items()}
    hashes[FACILITIES] += of[STANDARD_GROUP].hashes[FACILITIES]  # those of its own types come with the standard
    return Kept(archive, of[STANDARD_GROUP].standard, hashes)


def _committees(boundary: Kept, standard: Kept) -> gpd.GeoDataFrame:
    """Return the committees with their zones as a standard reads them."""
    table = boundary.archive.committees
    zones, _ = zone_ids(standard.standard, table[ZONE_WORD])
    return table.assign(zone=zones)


def _facilities(facilities: Kept, standard: Kept) -> FacilityTable:
    """Return one run's facilities; of types that its own standard lacks, those that came with the other standard.

    What a mapping or OpenStreetMap has of types that a standard lacks is left out when it is read, and so isn't kept.
    """
    own, other = facilities.archive.facilities, standard.archive.facilities
    late = {one.id for one in standard.standard.types} - {one.id for one in facilities.standard.types}
    if facilities is standard or not late:
        return own
    more = other.table[other.table["type_id"].isin(late)]
    twice = more["facility_id"].isin(own.table["facility_id"])
    more = more.assign(facility_id=more["facility_id"].where(~twice, more["facility_id"] + "/" + more["type_id"]))
    table = pd.concat([own.table, more]).sort_values("facility_id", ignore_index=True)
    absent = pd.concat([own.absent, other.absent[other.absent["type_id"].isin(late)]], ignore_index=True)
    covered = {**own.covered, **{name: other.covered[name] for name in other.covered if name in late}}
    return FacilityTable(gpd.GeoDataFrame(table, crs=own.table.crs), covered, other.extents | own.extents, absent)


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
