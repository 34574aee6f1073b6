"""Stage 1: files → checked tables, and one network per mode."""

import dataclasses
import secrets
from collections.abc import Iterable
from glob import escape
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from pyproj.enums import TransformDirection

from circle15.cache import hash_file, hash_of
from circle15.config import Config, Datum, LedgerConfig
from circle15.errors import ConfigError, Notes, Problem, raise_if_any
from circle15.inputs.access_rules import load_rules, rules_paths
from circle15.inputs.committees import read_committees, run_crs
from circle15.inputs.datum import NAMES as DATUMS
from circle15.inputs.datum import WGS84, from_wgs84, outside_china, to_wgs84
from circle15.inputs.facilities import OSM_MAPPING, read_facilities
from circle15.inputs.mapping import mapping_path
from circle15.inputs.osm_access import Access
from circle15.inputs.population import read_population
from circle15.inputs.streets import read_streets
from circle15.inputs.vector import check_overlap
from circle15.network.compounds import build_gated_network
from circle15.network.graph import ModeSpeeds, Network, build_network
from circle15.network.shift import MIN_POINTS, best_shift, choose_points, compare_shifts
from circle15.stages.run import Inputs, Networks, RuleBook, Run
from circle15.stages.study_area import nearby
from circle15.standard.model import Standard
from circle15.standard.requirements import Provision, Quality, Reach
from circle15.standard.resolve import Traits, possible_modes, resolve_rules, speed_kmh
from circle15.tables import SHAPE, TRAVEL_MODES, Streets
from circle15.units import FloatArray

ACCESS_RULES = "access rules"
"""First words of what ``run.json`` calls the files of access rules."""
POINTS_ELSEWHERE = (".vrt", ".ovf")
"""Files that only name others, which GDAL then reads."""
POINT_IDS = (0, 4)
"""Shapely's numbers of Point and MultiPoint."""


def hash_inputs(config: Config) -> dict[str, str]:
    """Return the sha256 of every input file, companions included; missing ones are found when read."""
    sources = [config.network.source, config.committees.source]
    if config.committees.areas:
        sources.append(config.committees.areas.source)
    if config.committees.water:
        sources.append(config.committees.water.source)
    if config.population:
        sources += [config.population.source, *config.population.groups.values()]
        sources += [config.population.census.source] if config.population.census else []
    sources += [config.overrides.source] if config.overrides else []
    sources += [item.source for item in config.facilities if item.source]
    sources += [item.entrances.source for item in config.facilities if item.entrances]
    hashes = {}
    for item in config.facilities:
        if item.mapping or item.from_osm:
            name = item.mapping or OSM_MAPPING
            path = mapping_path(name, config.folder)
            if path.is_file():
                hashes[f"mapping {name}"] = hash_file(path)
    for depth, path in enumerate(rules_paths(config.network.access, config.folder)):
        name = f"{ACCESS_RULES} {config.network.access}"
        hashes[f"{name}, extends {path.stem}" if depth else name] = hash_file(path)
    return hashes | hash_sources(config, sources)


def hash_sources(config: LedgerConfig, sources: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of some inputs named in a configuration, companions included."""
    hashes: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        path = config.resolve(source)
        files = _files_of(path)
        if not files or path.suffix.lower() in POINTS_ELSEWHERE:
            # nothing here tells whether it has changed: neither the store nor an earlier run may answer for it
            hashes[f"{source} (not a file)"] = secrets.token_hex()
        for one in files:
            hashes[source if one == path else f"{source} ({one.relative_to(path.parent)})"] = hash_file(one)
    return hashes


def _files_of(path: Path) -> list[Path]:
    """Return every file that GDAL may read for a source: itself, what is in it, and what stands beside it.

    Beside it are files of the same name and another ending (``.dbf``, ``.prj``, ``.cpg``, ``.tfw``, ``.aux.xml`` …) and
    the journal of an SQLite file. One too many costs a run that could have been spared; one too few, a stale result.
    """
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file())
    stem, name = escape(path.stem), escape(path.name)
    beside = [*path.parent.glob(f"{stem}.*"), *path.parent.glob(f"{name}-wal"), *path.parent.glob(f"{name}-journal")]
    return sorted({one for one in beside if one.is_file()})


def read_inputs(run: Run) -> Inputs:
    """Read committees, population and facilities into the run's CRS."""
    check_metres(run)
    config, standard = run.config, run.standard
    committees = read_committees(config, run_crs(config), standard, run.notes)
    crs = pyproj.CRS(committees.crs)
    key = (str(config.folder), run.hashes, crs.to_wkt())
    network, types = config.resolve(config.network.source), [t.model_dump(mode="json") for t in standard.types]
    settings = config.model_dump(mode="json", include={"run": {"as_of"}, "network": {"source"}, "facilities": True})
    facilities = run.kept(
        lambda notes: read_facilities(config, standard, crs, network, notes), "facilities", settings, types, *key
    )
    settings = config.model_dump(mode="json", include={"population": True})
    where = nearby(standard, committees, run.sensitivity, facilities.table)
    box = None if where is None else dataclasses.astuple(where)
    cells = run.kept(lambda notes: read_population(config, crs, notes, where), "population", settings, box, *key)
    return Inputs(crs, committees, cells, facilities)


def check_places(run: Run, inputs: Inputs, networks: Networks) -> None:
    """Refuse inputs of which not one place lies in the network's box: a wrong CRS, or x and y swapped.

    Raises
    ------
    InputError
        Naming each such source.
    """
    every = np.concatenate([network.xy for network in networks.of.values()])
    (west, south), (east, north) = every.min(axis=0), every.max(axis=0)
    margin = run.config.network.max_snap_m
    box = (float(west - margin), float(south - margin), float(east + margin), float(north + margin))
    config, table = run.config, inputs.facilities.table
    committees = inputs.committees
    where_they_are = committees.geometry.fillna(gpd.GeoSeries(committees["area"], crs=committees.crs))
    problems = check_overlap(committees.set_geometry(where_they_are), box, config.committees.source)
    areas = committees[committees["area"].notna()]
    if config.committees.areas and len(areas):
        shapes = gpd.GeoSeries(areas["area"], crs=committees.crs)
        problems += check_overlap(areas.set_geometry(shapes), box, config.committees.areas.source)
        _note_strangers(run, areas)
    if inputs.cells is not None and config.population:
        cells = inputs.cells
        if SHAPE in cells:  # a large cell may reach the streets that its middle is far from
            outlines = gpd.GeoSeries(cells[SHAPE], index=cells.index, crs=cells.crs)
            cells = cells.set_geometry(outlines.fillna(cells.geometry))
        problems += check_overlap(cells, box, config.population.source)
        problems += _nobody_near(run, inputs)
    for source, part in table.groupby("source", sort=True):
        problems += check_overlap(part, box, str(source))
    raise_if_any(problems)


def _nobody_near(run: Run, inputs: Inputs) -> list[Problem]:
    """Return a problem if a raster, which is read around the committees only, has nobody there."""
    around = nearby(run.standard, inputs.committees, run.sensitivity, inputs.facilities.table)
    if inputs.cells is None or len(inputs.cells) or around is None or run.config.population is None:
        return []
    what = f"nobody lives within {around.beyond} of the committees"
    remedy = "Check the crs of both files, that both are of one place, and that band 1 holds persons per pixel."
    return [Problem(what, run.config.population.source, remedy=remedy)]


def _note_strangers(run: Run, areas: gpd.GeoDataFrame) -> None:
    """Note committees whose centre lies outside of their own area: ids or coordinates of one of the two are wrong."""
    centre = areas.geometry.to_numpy()
    given = ~shapely.is_missing(centre)
    away = given & ~shapely.intersects(areas["area"].to_numpy(), centre)
    text = (
        f"{away.sum()} of {given.sum()} committees have their centre outside of their own area: are the ids and the "
        "coordinates (crs, datum) of both files right?"
    )
    run.notes.add("committees.centre_outside", int(away.sum()), text, areas["committee_id"][away])


def check_shift(run: Run, inputs: Inputs, networks: Networks) -> None:
    """Note sources whose points fit the streets clearly better in another datum than the configuration declares.

    Committees and facilities given as points are looked at, source by source, those that lie in China. What comes from
    the network's own OSM file can't lie off it.
    """
    config = run.config
    given = inputs.committees[inputs.committees.geometry.notna()]
    sources = [("committees.shifted", Path(config.committees.source).name, config.committees.datum, given)]
    # a table of facilities knows its sources in the configuration's order
    for item, name in zip(config.facilities, inputs.facilities.extents, strict=False):
        table = inputs.facilities.table
        datum = item.entrances.datum if item.entrances else item.datum
        if not item.from_osm:
            sources.append(("facilities.shifted", name, datum, table[table["source"] == name]))
    for code, name, datum, table in sources:
        xy = _points_in_china(table)
        xy = xy[choose_points(xy)]
        if len(xy) < MIN_POINTS:
            continue
        found = best_shift(compare_shifts(networks.of["walk"], xy, _other_datums(xy, inputs.crs, datum)))
        if found is not None:
            text = (
                f"{name}: its places look shifted against the streets; they fit better {found.name} (on average "
                f"{found.moved_m:.0f} m to the nearest street, not {found.given_m:.0f} m, of {found.points} places). "
                f'Is its datum "{datum}", and that of the streets "{config.network.datum}"?'
            )
            run.notes.add(code, found.points, text)


def _points_in_china(table: gpd.GeoDataFrame) -> FloatArray:
    """Return the first point of every row that is one or several points and lies in China, shape (points, 2)."""
    shapes = np.asarray(table.geometry.array)
    shapes = shapes[np.isin(shapely.get_type_id(shapes), POINT_IDS) & ~shapely.is_empty(shapes)]
    coordinates, owner = shapely.get_coordinates(shapes, return_index=True)
    xy: FloatArray = coordinates[np.unique(owner, return_index=True)[1]]
    lon, lat = pyproj.Transformer.from_crs(table.crs, WGS84, always_xy=True).transform(*xy.T)
    return xy[~outside_china(lon, lat)]


def _other_datums(xy: FloatArray, crs: pyproj.CRS, declared: Datum) -> dict[str, FloatArray]:
    """Return where points would lie if another datum were the true one, by how a message calls it."""
    to_degrees = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    lon, lat = to_degrees.transform(*xy.T)
    as_read = from_wgs84(lon, lat, declared)
    moved = {f"as {DATUMS[one]}": to_wgs84(*as_read, one) for one in DATUMS if one != declared}
    if declared == "wgs84":  # somebody may have taken off an offset that was not there
        for one in (other for other in DATUMS if other != "wgs84"):
            moved[f"if {DATUMS[one]}'s offset was taken off without need"] = from_wgs84(lon, lat, one)
    return {
        name: np.stack(to_degrees.transform(*place, direction=TransformDirection.INVERSE), axis=1)
        for name, place in moved.items()
    }


def check_metres(run: Run) -> None:
    """Refuse metres along the streets where ferries are streets: a fastest way is then not the shortest.

    Raises
    ------
    ConfigError
        Naming the requirements.
    """
    asked = [
        one.id
        for one in run.standard.requirements
        if isinstance(one, Reach) and any(rule.metres is not None for rule in one.limits)
    ]
    if run.config.network.ferries and asked:
        what = "[network] ferries = true, and the standard asks for metres along the streets"
        remedy = "A ferry's metres are none on foot: set ferries = false, or give minutes."
        raise ConfigError(Problem(what, str(run.config.path), tuple(asked), remedy))


def resolve(standard: Standard, traits: Traits) -> RuleBook:
    """Return each requirement that speaks of committees, with the rule that holds for each of them."""
    return [
        (one, resolve_rules(standard, one, traits))
        for one in standard.requirements
        if isinstance(one, Reach | Provision | Quality) and one.scope == "committee"
    ]


def read_network(run: Run, crs: pyproj.CRS, notes: Notes) -> Streets:
    """Read the streets of ``[network]``."""
    settings = run.config.network
    return read_streets(
        run.config.resolve(settings.source),
        crs,
        layer=settings.layer,
        source_crs=settings.crs,
        ferries=settings.ferries,
        notes=notes,
        gated=settings.gated_compounds,
        access=Access(load_rules(settings.access, run.config.folder)),
        datum=settings.datum,
        ballpark=settings.ballpark,
    )


def build_networks(run: Run, crs: pyproj.CRS, committees: gpd.GeoDataFrame, streets: Streets | None = None) -> Networks:
    """Return a network for each mode that some rule may use; walking always, for it gives cells their committee.

    Given `streets` take the place of the network's file; the run has their hash in that file's place.
    """
    asked = possible_modes(run.standard, committees["zone"].to_numpy(), committees["kind"].to_numpy())
    modes = [m for m in TRAVEL_MODES if m == "walk" or m in asked]
    speeds = {mode: mode_speeds(run.standard, mode) for mode in modes}
    settings = run.config.network
    key = (
        "networks",
        {
            name: sha256
            for name, sha256 in run.hashes.items()
            if name == settings.source or name.startswith((f"{settings.source} (", ACCESS_RULES))
        },
        settings.model_dump(exclude={"engine", "max_snap_m"}),
        crs.to_wkt(),
        [dataclasses.asdict(one) for one in speeds.values()],
    )

    def build(notes: Notes) -> dict[str, Network]:
        every = read_network(run, crs, notes) if streets is None else streets
        make = build_gated_network if settings.gated_compounds else build_network
        return {mode: make(every, speeds[mode], settings.min_component_nodes, notes) for mode in modes}

    return Networks(run.kept(build, *key), hash_of(*key))


def mode_speeds(standard: Standard, mode: str) -> ModeSpeeds:
    """Return how fast a mode moves by the standard; the way to a car is walked."""
    walk = speed_kmh(standard, "walk")
    if mode == "drive":
        drive = standard.speeds_kmh.drive
        return ModeSpeeds(mode, float("nan"), walk, drive.by_class, drive.default)
    own = speed_kmh(standard, mode)
    return ModeSpeeds(mode, own, own, {}, float("nan"))
