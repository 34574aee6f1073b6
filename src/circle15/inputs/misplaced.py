"""Metres that are no place of their CRS, and would be one with x and y exchanged or another zone number in front.

Chinese surveys call x what points north, and many write the number of the zone in front of the easting (38 500 000):
both give places in another part of the world, or none at all.
"""

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from pyproj.exceptions import ProjError

from circle15.errors import Problem
from circle15.units import FloatArray

ZONE_M = 1_000_000.0
"""What a zone's number is multiplied by when it stands in front of an easting."""
MARGIN_DEGREES = 6.0
"""How far beyond a CRS's area a place may lie without being suspicious: a zone's width, since districts reach over."""


def misplaced_metres(shapes: npt.NDArray[np.object_], crs: pyproj.CRS, where: str) -> list[Problem]:
    """Return a problem if coordinates lie outside their CRS's area, and a known mistake explains it.

    Parameters
    ----------
    shapes : object array of Geometry or None
        In `crs`.
    crs : pyproj.CRS
        A projected one; without a known area of use nothing can be told.
    where : str
        The file as messages name it.
    """
    xy = shapely.get_coordinates(shapes)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy) or crs.area_of_use is None or crs.geodetic_crs is None:
        return []
    middle = np.median(xy, axis=0)
    if _lies_in(middle, crs):
        return []
    shown = f"x {middle[0]:,.0f}, y {middle[1]:,.0f}"
    if _lies_in(middle[::-1], crs):
        remedy = (
            "Exchange them: columns.x has to name the easting and columns.y the northing (surveys may call the "
            "northing X); a layer has to be saved anew with its coordinates exchanged."
        )
        return [Problem(f"{shown}: in {crs.name} this is a place with x and y exchanged", where, remedy=remedy)]
    return _zone_number(middle, crs, where, shown)


def _zone_number(middle: FloatArray, crs: pyproj.CRS, where: str, shown: str) -> list[Problem]:
    """Return a problem if the place would be right with a zone's number before the easting, or without it."""
    number = int(_parameter(crs, "False easting") // ZONE_M)
    meridian = _parameter(crs, "Longitude of natural origin")
    zones = {round(meridian / 3), round((meridian + 3) / 6), round((meridian + 183) / 6)}  # of 3 degrees, of 6, UTM
    for swapped, (x, y) in ((False, middle), (True, middle[::-1])):
        also = ", and x and y exchanged" if swapped else ""
        zone = int(x // ZONE_M)
        if zone in zones and not number and _lies_in((x - zone * ZONE_M, y), crs):
            what = f"{shown}: the easting has a zone number in front ({zone}), which {crs.name} does not have{also}"
            remedy = f'Declare the crs of the same kind "zone {zone}", whose false easting is {zone} 500 000.'
            return [Problem(what, where, remedy=remedy)]
        if number and 0 <= x < ZONE_M and _lies_in((x + number * ZONE_M, y), crs):
            what = f"{shown}: the easting lacks the zone number ({number}), which {crs.name} has in front{also}"
            remedy = 'Declare the crs of the same kind that names its central meridian ("CM …E"), with 500 000.'
            return [Problem(what, where, remedy=remedy)]
    return []


def _parameter(crs: pyproj.CRS, name: str) -> float:
    """Return a number of the projection, 0 where it has none of this name."""
    params = crs.coordinate_operation.params if crs.coordinate_operation else []
    return next((float(param.value) for param in params if param.name == name), 0.0)


def _lies_in(place: tuple[float, float] | FloatArray, crs: pyproj.CRS) -> bool:
    """Return whether a place lies in the area that a CRS is made for, or near it."""
    area, base = crs.area_of_use, crs.geodetic_crs
    if area is None or base is None:
        return True
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, base, always_xy=True)
        lon, lat = to_degrees.transform(float(place[0]), float(place[1]), errcheck=True)
    except ProjError:
        return False
    inside = area.south - MARGIN_DEGREES <= lat <= area.north + MARGIN_DEGREES
    return bool(inside and area.west - MARGIN_DEGREES <= lon <= area.east + MARGIN_DEGREES)
