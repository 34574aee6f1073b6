"""The streets and the facilities around the committees, from OpenStreetMap.

Both are asked for as far as the standard lets people travel: one threshold beyond every committee. The streets become
an osmnx GraphML, as ``[network] source`` names it; the facilities a GeoPackage, found by the same mapping and the same
rules as ``from_osm`` finds them in an OSM file (`circle15.inputs.osm`).

Nothing is replaced before everything has come: files are written under another name, then renamed.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pyproj
import shapely
from osmium.osm.mutable import Node, Relation, Way

from circle15.config import Config, FetchConfig
from circle15.errors import ConfigError, InputError, Notes, OutputError, Problem, raise_if_any
from circle15.inputs import overpass
from circle15.inputs.access_rules import load_rules
from circle15.inputs.committees import read_committees, run_crs
from circle15.inputs.mapping import Mapping, load_mapping
from circle15.inputs.osm import read_osm_places
from circle15.inputs.osm_access import Access
from circle15.inputs.overpass import Answer, Progress
from circle15.inputs.spelled import BARRIER_KEYS, spell_out
from circle15.standard.load import load_standard
from circle15.standard.model import Standard
from circle15.standard.resolve import speed_kmh
from circle15.units import SECONDS_PER_HOUR, distance_m, minutes_to_s

if TYPE_CHECKING:
    import networkx as nx

AREA_TOLERANCE_M = 100.0
"""How far the outline of the area may lie from the exact one, always outwards: fewer corners for the server."""
QUARTER_SEGMENTS = 8
"""Corners of a quarter circle."""
KEPT_S = 24 * SECONDS_PER_HOUR
"""Answers of an interrupted fetch that are older than this are asked for again: they would not fit the rest."""
LAYER = "facilities"

MEMBER_KINDS = {"node": "n", "way": "w", "relation": "r"}


@dataclass(frozen=True)
class Fetched:
    """What a fetch leaves behind.

    Attributes
    ----------
    network, facilities : Path
        The two files.
    kept : tuple of Path
        Those of them that were there and stay.
    reach_m : float or None
        How far around the committees was asked for; None if nothing was.
    covers : tuple of str
        Types of the standard that the mapping knows well enough to claim.
    """

    network: Path
    facilities: Path
    kept: tuple[Path, ...]
    reach_m: float | None
    covers: tuple[str, ...]


def fetch(
    config: Config, *, overpass_url: str | None = None, fresh: bool = False, notes: Notes, progress: Progress
) -> Fetched:
    """Get the streets and facilities around the committees of a configuration.

    Parameters
    ----------
    config : Config
        Its committees say where, its standard how far, ``[network] source`` and ``[fetch]`` where to.
    overpass_url : str, optional
        The server to ask; wins over ``[fetch] overpass_url``.
    fresh : bool
        Get both files again even if they are there.
    notes : Notes
        Gets what was left out, merged or assumed.
    progress : Progress
        Told of every stage and every answer.

    Raises
    ------
    ConfigError
        If a file's name does not end as its format does, or the standard or the mapping can't be used for this.
    InputError
        If the committees are wrong, or OpenStreetMap has no street or no facility there.
    ComputeError
        If the server can't be reached, stays busy, or gives no usable answer.
    OutputError
        If a file can't be written.
    """
    settings = config.fetch or FetchConfig()
    url = overpass_url or settings.overpass_url
    network, facilities = config.resolve(config.network.source), config.resolve(settings.facilities)
    _check_names(config, network, facilities, url)
    standard = load_standard(config.run.standard, config.folder)
    mapping = load_mapping(settings.mapping, config.folder)
    access = Access(load_rules(config.network.access, config.folder))
    covers = tuple(t.id for t in standard.types if t.id in mapping.covers())
    kept = () if fresh else tuple(path for path in (network, facilities) if path.exists())
    if len(kept) == 2:  # noqa: PLR2004 - both
        return Fetched(network, facilities, kept, None, covers)

    progress.stage("committees")
    committees = read_committees(config, run_crs(config), standard, notes)
    reach_m = settings.buffer_m or longest_reach_m(standard)
    area = area_around(committees, reach_m)
    answers = network.with_name(f"{network.name}.osmnx-cache")
    _forget_old(answers)
    wanted = [path for path in (network, facilities) if path not in kept]
    streets = places = None
    if network in wanted:
        streets = _fetch_streets(area, access, url, answers, notes, progress)
    if facilities in wanted:
        places = _fetch_places(area, url, answers, mapping, pyproj.CRS(committees.crs), facilities, notes, progress)
    progress.stage("write")
    if streets is not None:
        _write_renamed(network, lambda path: _save_graph(streets, path))
    if places is not None:
        _write_renamed(facilities, lambda path: places.to_file(path, layer=LAYER, driver="GPKG", engine="pyogrio"))
    shutil.rmtree(answers, ignore_errors=True)
    return Fetched(network, facilities, kept, reach_m, covers)


def _check_names(config: Config, network: Path, facilities: Path, url: str | None) -> None:
    problems = []
    if network.suffix.lower() != ".graphml":
        remedy = 'Name the file that is to be written, e.g. source = "network.graphml".'
        what = f"fetch writes the streets as GraphML, and [network] source is {network.name}"
        problems.append(Problem(what, str(config.path), remedy=remedy))
    if facilities.suffix.lower() != ".gpkg":
        remedy = 'E.g. facilities = "osm_facilities.gpkg".'
        what = f"fetch writes facilities as a GeoPackage, and [fetch] facilities is {facilities.name}"
        problems.append(Problem(what, str(config.path), remedy=remedy))
    raise_if_any(problems, ConfigError)
    overpass.check_url(url, str(config.path))


# how far -----------------------------------------------------------------------------------------------------------


def longest_reach_m(standard: Standard) -> float:
    """Return how far, in metres, people may travel to meet any requirement of a committee.

    The longest threshold times the speed of its mode; ``zone`` is any mode of any zone. A car, at the speed of the
    fastest street, counts only in requirements that decide the headline rate: 15 minutes of motorway would ask for half
    a country.

    Raises
    ------
    ConfigError
        If nothing is asked of committees within a time or distance.
    """
    zone_modes = {mode for zone in standard.zones for _, mode in zone.modes}
    found = []
    for requirement in standard.requirements:
        for limit in getattr(requirement, "limits", (requirement,)):
            metres, minutes, named = (getattr(limit, key, None) for key in ("metres", "minutes", "mode"))
            modes = zone_modes if named == "zone" else {str(named)}
            if metres is not None:
                found.append(float(metres))
            elif minutes is not None and named is not None:
                speeds = [_top_speed_kmh(standard, mode) for mode in modes if mode != "drive" or requirement.headline]
                found += [float(distance_m(minutes_to_s(minutes), kmh)) for kmh in speeds]
    if not found:
        remedy = "Say how far: buffer_m = 3000 under [fetch]."
        raise ConfigError(
            Problem(f'the standard "{standard.id}" asks for nothing within a time or distance', remedy=remedy)
        )
    return max(found)


def _top_speed_kmh(standard: Standard, mode: str) -> float:
    if mode == "drive":
        drive = standard.speeds_kmh.drive
        return max([drive.default, *drive.by_class.values()])
    return speed_kmh(standard, mode)


def area_around(committees: gpd.GeoDataFrame, reach_m: float) -> shapely.Polygon | shapely.MultiPolygon:
    """Return, in degrees, an area that holds everything within `reach_m` metres of any committee.

    A committee is its centre; where that is not known yet, any place of its area. Holes are filled.
    """
    shapes = committees.geometry.fillna(gpd.GeoSeries(committees["area"], crs=committees.crs))
    # A polygon drawn in a circle cuts its corners, and simplifying moves lines: both have to stay outside. GEOS takes
    # a ring's first corner out in a step of its own, so a line can move by twice what it is told. A straight line
    # in metres is not straight in degrees: over 1 km they part by about a centimetre.
    radius_m = (reach_m + AREA_TOLERANCE_M) / math.cos(math.pi / (4 * QUARTER_SEGMENTS))
    discs = shapely.union_all(shapely.buffer(np.asarray(shapes.array), radius_m, quad_segs=QUARTER_SEGMENTS))
    simple = shapely.simplify(discs, (AREA_TOLERANCE_M - 1) / 2)
    filled = shapely.union_all([shapely.Polygon(part.exterior) for part in shapely.get_parts(simple)])
    area: shapely.Polygon | shapely.MultiPolygon = (
        gpd.GeoSeries([shapely.segmentize(filled, 1000)], crs=committees.crs).to_crs(4326).iloc[0]
    )
    return area


# streets -----------------------------------------------------------------------------------------------------------


def _fetch_streets(
    area: shapely.Polygon | shapely.MultiPolygon,
    access: Access,
    url: str | None,
    answers: Path,
    notes: Notes,
    progress: Progress,
) -> "nx.MultiDiGraph[Any]":
    """Get every street in the area, closed and private ones included: `osm_access` decides who may use them."""
    import osmnx  # noqa: PLC0415 - brings scikit-learn: 0.7 s that only a fetch is worth

    never = "|".join(sorted(access.rules.classes.nobody))

    def ask() -> "nx.MultiDiGraph[Any]":
        return osmnx.graph_from_polygon(
            area,
            simplify=False,
            retain_all=True,
            truncate_by_edge=True,
            # osmnx's own filter for "all" would leave out squares, whose outlines the OSM reader takes
            custom_filter=f'["highway"]["highway"!~"^({never})$"]',
        )

    with overpass.connection(url, answers / "streets", progress.advance, **graph_settings(access)) as host:
        try:
            graph = overpass.patiently(ask, f"streets from {host}", host, progress)
        except ValueError as error:  # osmnx: the answer is empty, or nothing of it lies in the area
            shutil.rmtree(answers, ignore_errors=True)  # an answer without streets is not worth keeping
            raise InputError(_nothing("street", host)) from error
    progress.stage("graph")
    return whole_streets(graph, access, notes)


def graph_settings(access: Access) -> dict[str, Any]:
    """Return what osmnx has to keep for `spell_out`: each way once, in its own direction, with all that decides."""
    return {
        "all_oneway": True,
        "useful_tags_way": sorted({*access.way_keys, "name"}),
        "useful_tags_node": list(BARRIER_KEYS),
    }


def whole_streets(graph: "nx.MultiDiGraph[Any]", access: Access, notes: Notes) -> "nx.MultiDiGraph[Any]":
    """Return the graph to be saved, from one that osmnx made with `graph_settings` and did not simplify.

    The pieces of a way between two junctions become one edge, never pieces of two ways: each edge has one way's tags.
    """
    import osmnx  # noqa: PLC0415 - as above

    joined = osmnx.simplify_graph(
        graph, node_attrs_include=["barrier"], edge_attrs_differ=["osmid"], remove_rings=False
    )
    return spell_out(joined, access, notes)


def _nothing(what: str, host: str) -> Problem:
    remedy = "Check that the committees lie where they should, and that the server covers that part of the world."
    return Problem(f"has no {what} around the committees", host, remedy=remedy)


def _save_graph(graph: "nx.MultiDiGraph[Any]", path: Path) -> None:
    import osmnx  # noqa: PLC0415 - as above

    osmnx.save_graphml(graph, path)


# facilities --------------------------------------------------------------------------------------------------------


def _fetch_places(
    area: shapely.Polygon | shapely.MultiPolygon,
    url: str | None,
    answers: Path,
    mapping: Mapping,
    crs: pyproj.CRS,
    path: Path,
    notes: Notes,
    progress: Progress,
) -> gpd.GeoDataFrame:
    """Get the facilities that a mapping finds in the area, as the OSM reader finds them in a file."""
    overpass.clauses_of(mapping)  # its errors before the first request
    with overpass.connection(url, answers / "facilities", progress.advance) as host:
        found = overpass.patiently(
            lambda: list(overpass.download_places(area, mapping)), f"facilities from {host}", host, progress
        )
    progress.stage("types")
    elements = _elements(found)
    file = answers / f"{path.stem}.osm.pbf"
    file.unlink(missing_ok=True)
    _write_osm(elements, file)
    told = Notes()
    places = read_osm_places(file, crs, mapping, told)
    # the reader's file is gone tomorrow: its notes are about the one that stays
    notes.items += [replace(note, text=note.text.replace(file.name, path.name)) for note in told.items]
    places = _only_within(places, area, path, notes)
    if places.empty:
        shutil.rmtree(answers, ignore_errors=True)
        raise InputError(_nothing("facility that the mapping finds", host))
    places = _mended(places, path, notes)
    keys = {*mapping.keys, *(key for rule in mapping.types for one in rule.any for key in one.tags)}
    tags = [_tags_of(elements, name, keys) for name in places["facility_id"]]
    table = pd.DataFrame(places[["facility_id", "type_id", "name", "confidence"]]).assign(tags=tags)
    return gpd.GeoDataFrame(table, geometry=places.geometry)


def _elements(answers: Iterable[Answer]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return every element of the answers once, by kind and id: nodes, ways, relations, each by id."""
    every = {(one["type"], one["id"]): one for answer in answers for one in answer["elements"]}
    order = list(MEMBER_KINDS)
    return {
        key: every[key]
        for key in sorted((k for k in every if k[0] in order), key=lambda key: (order.index(key[0]), key[1]))
    }


def _write_osm(elements: dict[tuple[str, int], dict[str, Any]], path: Path) -> None:
    """Write the elements as an OSM file, so that one reader decides what is a facility and what shape it has."""
    with osmium.SimpleWriter(str(path)) as writer:
        for (kind, number), one in elements.items():
            tags = {str(key): str(value) for key, value in one.get("tags", {}).items()}
            if kind == "node":
                writer.add_node(Node(id=number, version=1, location=(one["lon"], one["lat"]), tags=tags))
            elif kind == "way":
                writer.add_way(Way(id=number, version=1, nodes=one["nodes"], tags=tags))
            else:
                members = [(MEMBER_KINDS[m["type"]], m["ref"], m.get("role", "")) for m in one["members"]]
                writer.add_relation(Relation(id=number, version=1, members=members, tags=tags))


def _only_within(
    places: gpd.GeoDataFrame, area: shapely.Polygon | shapely.MultiPolygon, path: Path, notes: Notes
) -> gpd.GeoDataFrame:
    """Leave out what lies outside the area: of what is there, only some came along."""
    inside = places.intersects(gpd.GeoSeries([area], crs=4326).to_crs(places.crs).iloc[0]).to_numpy()
    text = f"{path.name}: {(~inside).sum()} facilities outside of the area were left out, since not all of them came"
    notes.add("fetch.outside", (~inside).sum(), text, places["facility_id"][~inside])
    return places.loc[inside].reset_index(drop=True)


def _mended(places: gpd.GeoDataFrame, path: Path, notes: Notes) -> gpd.GeoDataFrame:
    """Make areas valid that became invalid when they were projected: the reader of the file refuses them."""
    bad = ~places.is_valid.to_numpy()
    text = f"{path.name}: the outlines of {bad.sum()} areas cross themselves and were mended"
    notes.add("fetch.mended", bad.sum(), text, places["facility_id"][bad])
    shapes = np.asarray(places.geometry.array).copy()
    shapes[bad] = shapely.make_valid(shapes[bad], method="structure", keep_collapsed=False)
    return places.set_geometry(gpd.GeoSeries(shapes, index=places.index, crs=places.crs))


def _tags_of(elements: dict[tuple[str, int], dict[str, Any]], facility_id: str, keys: set[str]) -> str:
    """Return, as JSON, the tags that the mapping looks at of the object that a facility's id names."""
    kind = next(name for name, letter in MEMBER_KINDS.items() if letter == facility_id[0])
    tags = elements[kind, int(facility_id[1:].partition("/")[0])].get("tags", {})
    return json.dumps({key: tags[key] for key in sorted(tags) if key in keys}, ensure_ascii=False)


# files -------------------------------------------------------------------------------------------------------------


def _forget_old(answers: Path) -> None:
    """Remove what an interrupted fetch left if it is too old to go on with."""
    limit = time.time() - KEPT_S
    if any(path.stat().st_mtime < limit for path in answers.rglob("*.json")):
        shutil.rmtree(answers, ignore_errors=True)
    try:
        for name in ("streets", "facilities"):
            (answers / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(answers, error) from error


def _write_renamed(path: Path, write: Callable[[Path], None]) -> None:
    beside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        write(beside)
        beside.replace(path)
    except (OSError, RuntimeError) as error:
        raise _not_written(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def _not_written(path: Path, error: Exception) -> OutputError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OutputError(
        Problem(f"cannot be written ({why})", str(path), remedy="Free some space, or name another place.")
    )
