"""Sites for `suggest` where the configuration has no ``[candidates]``; every one is a proposal that nobody has checked.

Assumptions
-----------
- Hosts (means ``compound``) are those that the standard allows: each committee's own service station, taken to stand at
  its centre, and existing facilities. Whoever lies farther from every committee with a gap than its people get in the
  service circle's minutes, straight ahead and at the fastest mode of any zone, can close none and is not proposed.
- New sites stand at the street that is nearest to a committee with a gap, and where people are left out. They may hold
  every type that has a gap.
- A new site is never in water, and in the district: in a committee's area, or near the centre of one that has none.
- It is never on a motorway, for it stands on the streets that are open on foot: motorways and their ramps are closed
  there by their class (`inputs.osm_access`), in every format that names the class, unless the data say ``foot=yes``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.spatial import cKDTree

from circle15.errors import Notes
from circle15.inputs.land import read_water
from circle15.inputs.osm_file import OSM_SUFFIXES
from circle15.inputs.projects import on_degree_grid
from circle15.inputs.towns import NEAREST_M, facility_towns
from circle15.inputs.water import read_osm_water
from circle15.network.entrances import LINE, MULTI_LINE, MULTI_POLYGON, POLYGON, find_entrances
from circle15.network.graph import PUBLIC, Network, take_vertices
from circle15.network.snap import Snapped, snap_to_end
from circle15.stages.read import mode_speeds
from circle15.stages.run import Inputs, IntArray, Networks, Run, xy_of
from circle15.standard.model import Standard
from circle15.tables import CANDIDATES
from circle15.units import FloatArray, distance_m, minutes_to_s

ObjectArray = npt.NDArray[np.object_]
BoolArray = npt.NDArray[np.bool_]

SQUARE_M = 500.0
"""Side of the squares over the people left out, and how far from their middle a site may be, inclusive."""
APART_M = 150.0
"""New sites within this distance of each other, inclusive, are one."""
TRIES = 20
"""So many junctions near a place that can't be had are tried in its stead."""
PROPOSED_DECIMALS = 7
"""Of the degrees of a place that is proposed: a centimetre, short to write."""
SHORE_M = 0.1
"""This near to water counts as in it: coordinates are rounded to a centimetre, and no shore is known to ten."""


@dataclass(frozen=True)
class Choices:
    """Where new sites are wanted, and for each the places that will do, the best first.

    Attributes
    ----------
    label : tuple of str
        For whom, as a note names them.
    xy : float64 array of shape (wishes, choices, 2)
        Coordinates; NaN behind the last choice of a wish.
    """

    label: tuple[str, ...]
    xy: FloatArray


def propose_candidates(
    run: Run, inputs: Inputs, networks: Networks, gaps: pd.DataFrame, left_out: FloatArray
) -> gpd.GeoDataFrame:
    """Propose sites that may close gaps.

    Parameters
    ----------
    run, inputs, networks
        The run, its tables once people are placed, and its networks.
    gaps : DataFrame
        One row a gap: ``committee`` (row of `inputs.committees`) and ``type_id``.
    left_out : float64 array of shape (cells,)
        Persons × types that are known not to be covered, 0 where none; empty without a population.

    Returns
    -------
    GeoDataFrame
        Columns of `tables.CANDIDATES` and geometry (Point in the run's CRS), by ``candidate_id``. Without gaps, no row.
    """
    gap_types = set(gaps["type_id"])
    types = tuple(one.id for one in run.standard.types if one.id in gap_types)
    ids = inputs.committees["committee_id"].to_numpy(dtype=object)
    rows = np.unique(gaps["committee"].to_numpy(dtype=np.int64))
    rows = rows[np.argsort(ids[rows], kind="stable")]  # by id: the order of the file decides nothing
    if not types:
        return _table(inputs, [])
    compound = [
        *_stations(run.standard, inputs, rows, types),
        *_hosts(run, inputs, networks.of["walk"], rows, types),
    ]
    new = _new_sites(run, inputs, networks, rows, types, left_out)
    text = (
        f"{len(compound) + len(new)} sites are proposed, since there are no [candidates]: {len(compound)} compound, "
        f"{len(new)} new; nobody has checked that they can be had"
    )
    run.notes.add("candidates.proposed", len(compound) + len(new), text)
    return _table(inputs, [*compound, *new])


def reach_m(standard: Standard) -> float:
    """Return how far anybody gets in the service circle's minutes, straight ahead by the fastest mode of any zone."""
    modes = {mode for zone in standard.zones for _, mode in zone.modes}
    speeds = [mode_speeds(standard, mode) for mode in modes]
    kmh = [some for one in speeds for some in (one.kmh, one.default_kmh, *one.class_kmh.values())]
    return float(distance_m(minutes_to_s(standard.service_circle.minutes), float(np.nanmax(kmh))))


# what stands already -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """One row of the result, before it has its town."""

    candidate_id: str
    name: str
    means: str
    types: tuple[str, ...]
    place: shapely.Point
    host: str = ""
    town_id: str = ""


def _stations(standard: Standard, inputs: Inputs, rows: IntArray, types: Sequence[str]) -> list[Site]:
    """Propose the service station of each committee that is near enough to one with a gap."""
    held = {one for host in standard.hosts if host.committee for one in host.types}
    taken = tuple(one for one in types if one in held)
    if not taken:
        return []
    committees = inputs.committees
    centres = np.asarray(committees.geometry.array, dtype=object)
    near = np.flatnonzero(_within(centres, centres[rows], reach_m(standard)))
    town, ids = (committees[name].to_numpy(dtype=object) for name in ("town_id", "committee_id"))
    names = _names(committees)
    return [
        Site(f"station:{ids[i]}", f"{names[i]} 家门口服务站", "compound", taken, centres[i], town_id=town[i])
        for i in near
    ]


def _hosts(run: Run, inputs: Inputs, network: Network, rows: IntArray, types: Sequence[str]) -> list[Site]:
    """Propose each facility that may take in a type with a gap and is near enough to a committee with one."""
    held = {
        one: {taken for host in run.standard.hosts if one in host.host_types for taken in host.types} & set(types)
        for one in sorted({one for host in run.standard.hosts for one in host.host_types})
    }
    table = inputs.facilities.table
    geometry = np.asarray(table.geometry.array, dtype=object)
    of_type = table["type_id"].to_numpy(dtype=object)
    facility = np.flatnonzero(np.isin(of_type.astype(str), [one for one, taken in held.items() if taken]))
    centres = np.asarray(inputs.committees.geometry.array, dtype=object)[rows]
    facility = facility[_within(geometry[facility], centres, reach_m(run.standard))]
    places = _entered_at(geometry[facility], centres, network, run.config.network.max_snap_m)
    shut = shapely.is_missing(places)
    ids, names = (table[name].to_numpy(dtype=object)[facility] for name in ("facility_id", "name"))
    text = f"{shut.sum()} facilities that could take in others are off the streets and were not proposed as hosts"
    run.notes.add("candidates.host_without_entrance", int(shut.sum()), text, ids[shut])
    town = inputs.facility_town[facility] if len(inputs.facility_town) else np.full(len(facility), "", dtype=object)
    return [
        Site(
            f"host:{ids[i]}",
            names[i],
            "compound",
            tuple(one for one in types if one in held[of_type[facility[i]]]),
            places[i],
            host=ids[i],
            town_id=town[i],
        )
        for i in np.flatnonzero(~shut)
    ]


def _entered_at(geometry: ObjectArray, centres: ObjectArray, network: Network, max_snap_m: float) -> ObjectArray:
    """Return one place of each facility, None where it has no entrance on the streets.

    It is the first of its points; of a line or an area, the entrance nearest to the centre that is nearest to it all.
    """
    drawn = np.isin(shapely.get_type_id(geometry), (LINE, MULTI_LINE, POLYGON, MULTI_POLYGON))
    points = np.flatnonzero(~drawn)
    places = np.full(len(geometry), None, dtype=object)
    xy, of = shapely.get_coordinates(geometry[points], return_index=True)
    first = np.unique(of, return_index=True)
    places[points[first[0]]] = shapely.points(xy[first[1]])
    areas = np.flatnonzero(drawn)
    if len(areas):  # the tree of all streets is not worth it for points
        xy, of = find_entrances(network, geometry[areas], max_snap_m, Notes())
        known = np.isfinite(xy).all(axis=1)
        xy, of = xy[known], of[known]
        towards = shapely.get_coordinates(centres)[_nearest(geometry[areas], centres)]
        order = np.lexsort((*xy.T[::-1], np.hypot(*(xy - towards[of]).T), of))
        first = np.unique(of[order], return_index=True)
        places[areas[first[0]]] = shapely.points(xy[order][first[1]])
    return places


# new ones ----------------------------------------------------------------------------------------------------------


def _new_sites(
    run: Run, inputs: Inputs, networks: Networks, rows: IntArray, types: tuple[str, ...], left_out: FloatArray
) -> list[Site]:
    """Propose sites at streets near the committees with a gap, and near the people left out."""
    wishes = [
        _near_committees(run, inputs, networks, rows),
        _near_people(run, inputs, networks.of["walk"], left_out),
    ]
    water = _water(run, inputs)
    places = np.concatenate([_choose(run, inputs, wish, water) for wish in wishes])
    places = places[np.isfinite(places).all(axis=1)]
    stays = _thin(places)
    joined = int((~stays).sum())
    text = f"{joined} places for new sites lie within {APART_M:g} m of another; with that one they are one site"
    run.notes.add("candidates.joined", joined, text)
    places = places[stays]
    _note_unknown(run, len(places), water)
    by_id = np.argsort(inputs.committees["committee_id"].to_numpy(dtype=object), kind="stable")
    names = _names(inputs.committees)[by_id]
    points = np.asarray(shapely.points(places), dtype=object)
    nearest = _nearest(points, np.asarray(inputs.committees.geometry.array, dtype=object)[by_id])
    return [
        Site(f"place:{round(x)}_{round(y)}", f"new site near {names[near]}", "new", types, point)
        for (x, y), near, point in zip(places, nearest, points, strict=True)
    ]


def _near_committees(run: Run, inputs: Inputs, networks: Networks, rows: IntArray) -> Choices:
    """Choose the junction at the nearer end of each committee's nearest street, then the junctions around it.

    Where both ends are farther along the street than a point may lie from the network, it is the place on the street
    itself: a contracted street may be kilometres long.
    """
    network, limit_m = networks.of["walk"], run.config.network.max_snap_m
    labels = inputs.committees["committee_id"].to_numpy(dtype=object)[rows]
    xy = xy_of(inputs.committees)[rows]
    snapped = run.snap_to_end(networks, "walk", xy)
    on = snapped.on_network
    text = f"{(~on).sum()} committees with a gap lie more than {limit_m:g} m from any street; no new site is near them"
    run.notes.add("candidates.committee_off_network", int((~on).sum()), text, labels[~on])
    snapped, xy = snapped.take(np.flatnonzero(on)), xy[on]
    rest_m = network.length_m[snapped.edge] - snapped.along_m
    end = np.where(snapped.along_m <= rest_m, network.u[snapped.edge], network.v[snapped.edge])
    at_end = np.minimum(snapped.along_m, rest_m) <= limit_m
    first = np.where(at_end[:, None], network.node_xy[end], _on_street(network, snapped))
    return Choices(tuple(labels[on]), np.concatenate([first[:, None], _junctions(network, xy, np.inf)], axis=1))


def _near_people(run: Run, inputs: Inputs, network: Network, left_out: FloatArray) -> Choices:
    """Choose the junctions near the middle of the people left out in each square, the most people first.

    Where no junction is near enough, it is the nearest place on a street.
    """
    lost = np.flatnonzero(left_out > 0)
    if inputs.cells is None or not len(lost):
        return Choices((), np.empty((0, TRIES + 1, 2)))
    square, middle = _squares(xy_of(inputs.cells.iloc[lost]), left_out[lost])
    snapped = snap_to_end(network, middle, SQUARE_M)
    choices = np.full((len(middle), TRIES + 1, 2), np.nan)
    choices[:, :TRIES] = _junctions(network, middle, SQUARE_M)
    none = np.isnan(choices[:, 0, 0]) & snapped.on_network
    choices[none, 0] = _on_street(network, snapped.take(np.flatnonzero(none)))
    labels = np.array([f"square {x * SQUARE_M:.0f} {y * SQUARE_M:.0f}" for x, y in square], dtype=object)
    off = np.isnan(choices[:, 0, 0])
    text = f"{off.sum()} squares of {SQUARE_M:g} m with people left out have no street within {SQUARE_M:g} m"
    run.notes.add("candidates.square_off_network", int(off.sum()), text, labels[off])
    return Choices(tuple(labels[~off]), choices[~off])


def _squares(xy: FloatArray, weight: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the squares that hold points, as multiples of their side, and the points' weighted middle in each.

    The heaviest come first, of equals the one farther west, then south. Nothing depends on the order of the points, not
    even the last digit of a sum.
    """
    order = np.lexsort((weight, xy[:, 1], xy[:, 0]))
    xy, weight = xy[order], weight[order]
    square, of = np.unique(np.floor(xy / SQUARE_M).astype(np.int64), axis=0, return_inverse=True)
    of = of.reshape(-1)
    total = np.bincount(of, weights=weight)
    middle = np.stack([np.bincount(of, weights=weight * along) for along in xy.T], axis=1) / total[:, None]
    order = np.lexsort((square[:, 1], square[:, 0], -total))
    return square[order], middle[order]


def _junctions(network: Network, xy: FloatArray, limit_m: float) -> FloatArray:
    """Return the nodes of public streets that one can board nearest to each point, up to `TRIES` within the limit.

    Returns
    -------
    float64 array of shape (points, TRIES, 2)
        Coordinates, the nearest first (of equals the one farther west, then south); NaN behind the last.
    """
    public = network.ends & (network.kind == PUBLIC)
    node_xy = network.node_xy[np.unique(np.concatenate([network.u[public], network.v[public]]))]
    found = np.full((len(xy), TRIES, 2), np.nan)
    count = min(TRIES, len(node_xy))
    _, near = cKDTree(node_xy).query(xy, k=range(1, count + 1))
    nodes = node_xy[near]
    away_m = np.hypot(*np.moveaxis(nodes - xy[:, None], 2, 0))
    order = np.lexsort((nodes[..., 1], nodes[..., 0], away_m), axis=1)
    nodes, away_m = np.take_along_axis(nodes, order[..., None], 1), np.take_along_axis(away_m, order, 1)
    found[:, :count] = np.where((away_m <= limit_m)[..., None], nodes, np.nan)
    return found


def _on_street(network: Network, snapped: Snapped) -> FloatArray:
    """Return the coordinates of places on edges, shape (places, 2)."""
    if not len(snapped):
        return np.empty((0, 2))
    xy, first = take_vertices(network.xy, network.first, snapped.edge)
    lines = shapely.linestrings(xy, indices=np.repeat(np.arange(len(snapped)), np.diff(first)))
    places: FloatArray = shapely.get_coordinates(shapely.line_interpolate_point(lines, snapped.along_m))
    return places


def _choose(run: Run, inputs: Inputs, wish: Choices, water: ObjectArray) -> FloatArray:
    """Return the first place of each wish that is in the district and not in water, NaN where none is; shape (n, 2)."""
    shape = wish.xy.shape[:2]
    given = np.isfinite(wish.xy).all(axis=2)
    points = np.full(shape, None, dtype=object)
    points[given] = shapely.points(wish.xy[given])
    wet, inside = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    wet[given] = _within(points[given], water, SHORE_M)
    inside[given] = _in_district(points[given], inputs.committees)
    usable: BoolArray = given & ~wet & inside
    best = usable.argmax(axis=1)
    lost = np.asarray(~usable.any(axis=1))
    _note_choice(run, wish, lost, wet[:, 0], moved=~lost & (best > 0))
    places = np.take_along_axis(wish.xy, best[:, None, None], axis=1)[:, 0]
    return np.where(lost[:, None], np.nan, places)


def _note_choice(run: Run, wish: Choices, lost: BoolArray, wet: BoolArray, moved: BoolArray) -> None:
    labels = np.array(wish.label, dtype=object)
    water, outside = lost & wet, lost & ~wet
    text = f"{moved.sum()} places for new sites lie in water or outside of the district; a junction near by stands in"
    run.notes.add("candidates.moved", int(moved.sum()), text, labels[moved])
    text = f"{water.sum()} places for new sites lie in water, and no junction near by can stand in; they were left out"
    run.notes.add("candidates.in_water", int(water.sum()), text, labels[water])
    text = f"{outside.sum()} places for new sites lie outside of the district, and no junction near by can stand in"
    run.notes.add("candidates.outside", int(outside.sum()), f"{text}; they were left out", labels[outside])


def _in_district(points: ObjectArray, committees: gpd.GeoDataFrame) -> BoolArray:
    """Return which points lie in a committee's area, boundary included, or near the centre of one without an area."""
    areas = committees["area"].to_numpy(dtype=object)
    drawn = ~shapely.is_missing(areas)
    centres = np.asarray(committees.geometry.array, dtype=object)[~drawn]
    return np.asarray(_within(points, areas[drawn], 0.0) | _within(points, centres, NEAREST_M))


def _thin(xy: FloatArray) -> BoolArray:
    """Return which places stay, if in their order each goes that is too near to one that stays."""
    stays = np.zeros(len(xy), dtype=bool)
    if len(xy):
        for place, near in enumerate(cKDTree(xy).query_ball_point(xy, APART_M)):
            stays[place] = not stays[near].any()
    return stays


def _water(run: Run, inputs: Inputs) -> ObjectArray:
    """Return every polygon of water that the run's files hold."""
    # densities has read the same file before, where there are people, and told what there was to tell
    told = Notes() if inputs.cells is not None else run.notes
    given = read_water(run.config, inputs.crs, told)
    source = run.config.network.source
    path = run.config.resolve(source)
    shapes = [np.empty(0, dtype=object) if given is None else given]
    if path.name.lower().endswith(OSM_SUFFIXES):
        hashes = {k: v for k, v in run.hashes.items() if k == source or k.startswith(f"{source} (")}
        crs = inputs.crs
        key = ("water", str(path), hashes, crs.to_wkt())
        shapes.append(run.kept(lambda notes: read_osm_water(path, crs, notes), *key))
    return np.concatenate(shapes)


def _note_unknown(run: Run, sites: int, water: ObjectArray) -> None:
    """Say what can't be known of the new sites. A file of streets alone holds no water, wherever there is some."""
    if not len(water):
        text = (
            f"whether {sites} new sites lie in water is not known: neither [committees.water] nor the streets' file "
            "holds any"
        )
        run.notes.add("candidates.water_unknown", sites, text)
    unclassed = sum(note.count for note in run.notes.items if note.code == "streets.no_highway")
    if unclassed:
        text = (
            f"whether {sites} new sites lie on a motorway is not known: {unclassed} streets have no highway value and "
            "were taken as open on foot"
        )
        run.notes.add("candidates.motorway_unknown", sites, text)


# shared ------------------------------------------------------------------------------------------------------------


def _within(shapes: ObjectArray, others: ObjectArray, limit_m: float) -> BoolArray:
    """Return which shapes lie within a straight line of any of the others, inclusive."""
    near = np.zeros(len(shapes), dtype=bool)
    near[shapely.STRtree(others).query(shapes, predicate="dwithin", distance=limit_m)[0]] = True
    return near


def _nearest(shapes: ObjectArray, others: ObjectArray) -> IntArray:
    """Return the number of the nearest of the others, of equals the first, for each shape."""
    shape, other = shapely.STRtree(others).query_nearest(shapes, all_matches=True)
    order = np.lexsort((other, shape))
    _, first = np.unique(shape[order], return_index=True)
    return np.asarray(other[order][first], dtype=np.int64)


def _names(committees: gpd.GeoDataFrame) -> ObjectArray:
    """Return how a site names each committee: by its id where it has no name."""
    names = committees["name"].to_numpy(dtype=object)
    return np.asarray(np.where(names != "", names, committees["committee_id"].to_numpy(dtype=object)))


def _table(inputs: Inputs, sites: list[Site]) -> gpd.GeoDataFrame:
    """Return the sites as a table of candidates, each with its town."""
    sites = sorted(sites, key=lambda site: site.candidate_id)
    places = np.array([site.place for site in sites], dtype=object)
    columns: dict[str, object] = {
        column.name: "" if column.dtype == "text" else np.full(len(sites), np.nan) for column in CANDIDATES
    }
    columns |= {
        "candidate_id": [site.candidate_id for site in sites],
        "name": [site.name for site in sites],
        "means": [site.means for site in sites],
        "host_facility_id": [site.host for site in sites],
        "types": ["|".join(site.types) for site in sites],
    }
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(sites)))
    # as drawn: rounded, a place on a boundary might be outside of every town
    asked = gpd.GeoDataFrame(
        {"facility_id": frame["candidate_id"], "source": "", "town_id": [site.town_id for site in sites]},
        geometry=gpd.GeoSeries(places, index=frame.index, crs=inputs.crs),
    )
    frame["town_id"] = facility_towns(asked, inputs.committees, Notes()) if sites else ""
    frame = frame.astype({column.name: object for column in CANDIDATES if column.dtype == "text"})
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(_rounded(places, frame, inputs), crs=inputs.crs))


def _rounded(places: ObjectArray, frame: pd.DataFrame, inputs: Inputs) -> ObjectArray:
    """Return places as a CSV file can hold them: a host's is kept, any other is brought to a centimetre."""
    if frame.empty:
        return places
    hosted = (frame["host_facility_id"] != "").to_numpy()
    free = on_degree_grid(places, inputs.crs, PROPOSED_DECIMALS)
    return np.where(hosted, on_degree_grid(places, inputs.crs), free)
