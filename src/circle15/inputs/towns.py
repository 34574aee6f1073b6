"""Which town a facility is of: as its source says, else by the committees' areas, else by the nearest committee."""

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from circle15.errors import Notes, counted
from circle15.tables import clean_text
from circle15.units import METRES_PER_KM

ObjectArray = npt.NDArray[np.object_]
BoolArray = npt.NDArray[np.bool_]

NEAREST_M = 3000.0
"""How far the nearest committee may be, in metres, where it has no area; farther facilities are outside of
every town. The same 3 km that a committee's people reach by bicycle in 15 minutes."""


def facility_towns(facilities: gpd.GeoDataFrame, committees: gpd.GeoDataFrame, notes: Notes) -> ObjectArray:
    """Return the town of each facility.

    A ``town_id`` that the facility's source gives holds. Where it is blank, or the source has none, it is the town of
    the committee whose area holds the facility's representative point, its boundary included. In no area, it is that of
    the nearest committee, up to `NEAREST_M` by straight line, inclusive, if that one has no area. Where several
    committees fit, the one with the lowest id does.

    Parameters
    ----------
    facilities : GeoDataFrame
        ``facility_id``, ``source``, ``town_id`` if any source gives one, and geometry (none missing).
    committees : GeoDataFrame
        ``committee_id``, ``town_id``, ``area`` (polygon or None) and the centre as geometry, in the same metric CRS.
    notes : Notes
        Gets ``facilities.town_unknown`` (given, and no committee is of it: they have none), ``facilities.town_nearest``
        (of the nearest committee, which is an assumption) and ``facilities.town_outside`` (in no area, or farther).

    Returns
    -------
    object array of str, shape (facilities,)
        One of the committees' town ids, or ``""`` for none.
    """
    ordered = committees.iloc[np.argsort(committees["committee_id"].to_numpy(dtype=object), kind="stable")]
    towns = np.full(len(facilities), "", dtype=object)
    given, stated = _stated(facilities)
    known = np.isin(stated.astype(str), ordered["town_id"].to_numpy().astype(str)) & given
    towns[known] = stated[known]
    unknown = given & ~known & (stated != "")
    names = ", ".join(sorted(set(stated[unknown])))
    text = f"{unknown.sum()} facilities are of towns that no committee is of, and count for none: {names}"
    notes.add("facilities.town_unknown", unknown.sum(), text, facilities["facility_id"][unknown])

    points = shapely.point_on_surface(facilities.geometry.to_numpy())
    areas = ordered["area"].to_numpy(dtype=object)
    drawn = ~shapely.is_missing(areas)
    of = _holding(points, areas, drawn)
    guessed = np.zeros(len(facilities), dtype=bool)
    where = "in the area of no committee"
    if not drawn.all():
        # a place in no area is of its nearest committee, if that is one without an area
        near = _nearest(points, ordered.geometry.to_numpy())
        guessed = ~given & (of < 0) & (near >= 0) & ~drawn[near]
        of = np.where(guessed, near, of)
        where = f"in no area, and none without one within {NEAREST_M / METRES_PER_KM:g} km is the nearest"
    found = ~given & (of >= 0)
    towns[found] = ordered["town_id"].to_numpy(dtype=object)[of[found]]
    if guessed.any():
        text = f"{guessed.sum()} facilities are taken for their nearest committee's town, since it has no area"
        notes.add("facilities.town_nearest", guessed.sum(), text, facilities["facility_id"][guessed])
    outside = ~given & (of < 0)
    text = f"{counted(outside.sum(), 'facility lies', 'facilities lie')} {where}; counted for no town"
    notes.add("facilities.town_outside", outside.sum(), text, facilities["facility_id"][outside])
    return towns


def _stated(facilities: gpd.GeoDataFrame) -> tuple[BoolArray, ObjectArray]:
    """Return which facilities are given a town, and the towns that are given (blank where none is)."""
    if "town_id" not in facilities:
        return np.zeros(len(facilities), dtype=bool), np.full(len(facilities), "", dtype=object)
    stated = clean_text(facilities["town_id"]).to_numpy(dtype=object)
    return np.asarray(stated != "", dtype=bool), stated


def _holding(points: ObjectArray, areas: ObjectArray, drawn: BoolArray) -> npt.NDArray[np.int64]:
    """Return the first committee whose area holds each point, boundary included; -1 where none does."""
    committees = np.flatnonzero(drawn)
    point, area = shapely.STRtree(areas[committees]).query(points, predicate="intersects")
    return _first(len(points), point, committees[area])


def _nearest(points: ObjectArray, centres: ObjectArray) -> npt.NDArray[np.int64]:
    """Return the first of the nearest committees of each point; -1 where it is farther than `NEAREST_M`."""
    (point, centre), away_m = shapely.STRtree(centres).query_nearest(points, return_distance=True, all_matches=True)
    near = away_m <= NEAREST_M
    return _first(len(points), point[near], centre[near])


def _first(size: int, point: npt.NDArray[np.int64], committee: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    of = np.full(size, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(of, point, committee)
    return np.where(of == np.iinfo(np.int64).max, -1, of)
