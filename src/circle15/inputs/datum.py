"""Longitudes and latitudes of Chinese maps (GCJ-02, BD-09) → WGS 84, and back.

GCJ-02 (Amap, Tencent) adds to WGS 84 a smooth offset that follows from the place alone; BD-09 (Baidu) adds a second one
to GCJ-02. Near Shanghai they lie 0.47 km and 1.1 km off. The offsets are known as formulas only from WGS 84 to the map;
the way back is iterated. CGCS2000 counts as WGS 84: they differ by less than a metre.

The formulas are those in common use; who set the offsets has not published them. They agree with published answers of
Amap's and Baidu's own services to 0.7 m.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from circle15.config import Datum
from circle15.errors import ConfigError, Notes, Problem
from circle15.inputs.transform import DATUMS_LIKE_WGS84
from circle15.units import FloatArray

CHINA = (72.004, 0.8293, 137.8347, 55.8271)
"""West, south, east, north of the box in which GCJ-02 differs from WGS 84; it holds parts of China's neighbours too."""
NAMES: dict[Datum, str] = {"wgs84": "WGS 84", "gcj02": "GCJ-02", "bd09": "BD-09"}

AXIS_M = 6_378_245.0
ECCENTRICITY_2 = 0.00669342162296594323
"""Krasovsky's ellipsoid of 1940, on which GCJ-02 turns its metres into degrees."""
ORIGIN = (105.0, 35.0)
BD_SHIFT = (0.0065, 0.006)
BD_WAVE = np.pi * 3000.0 / 180.0

TOLERANCE_DEGREES = 1e-10
"""The iteration ends when no coordinate moves farther than this, a hundredth of a millimetre."""
MAX_STEPS = 30
"""Each step shrinks the error about a hundredfold; four or five are enough wherever the offset is smooth."""
EDGE_DEGREES = 0.02
"""No offset is as large as this, so that no place farther outside `CHINA` can come from inside."""

WEB_MERCATOR = "Popular Visualisation Pseudo Mercator"
WGS84 = pyproj.CRS.from_epsg(4326)
GEOD = pyproj.Geod(ellps="WGS84")

Offset = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


def outside_china(lon: FloatArray, lat: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which points lie outside `CHINA`, where GCJ-02 equals WGS 84; NaN lies nowhere and counts as inside."""
    west, south, east, north = CHINA
    return (lon < west) | (lon > east) | (lat < south) | (lat > north)


def from_wgs84(lon: FloatArray, lat: FloatArray, datum: Datum) -> tuple[FloatArray, FloatArray]:
    """Return points of WGS 84 as a Chinese map has them.

    Parameters
    ----------
    lon, lat : float64 arrays of shape (points,)
        Degrees. NaN stays NaN.
    datum : {"wgs84", "gcj02", "bd09"}
        The map's.

    Returns
    -------
    tuple of float64 arrays
        Longitudes and latitudes in degrees. Outside `CHINA` GCJ-02 is WGS 84; Baidu's own offset is added everywhere.
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if datum == "wgs84":
        return lon.copy(), lat.copy()
    east, north = _gcj_offset(lon, lat)
    inside = ~outside_china(lon, lat)
    lon, lat = lon + np.where(inside, east, 0.0), lat + np.where(inside, north, 0.0)
    if datum == "bd09":
        east, north = _bd_offset(lon, lat)
        lon, lat = lon + east, lat + north
    return lon, lat


def to_wgs84(lon: FloatArray, lat: FloatArray, datum: Datum) -> tuple[FloatArray, FloatArray]:
    """Return points of a Chinese map in WGS 84: the inverse of `from_wgs84`.

    Parameters
    ----------
    lon, lat : float64 arrays of shape (points,)
        Degrees. NaN stays NaN.
    datum : {"wgs84", "gcj02", "bd09"}
        What they are given in.

    Returns
    -------
    tuple of float64 arrays
        Longitudes and latitudes in degrees. There and back is less than a millimetre off over China. Outside `CHINA`
        GCJ-02 is WGS 84; within an offset's length of the edge of that box two places share one GCJ-02 coordinate, and
        the one inside is returned.

    Notes
    -----
    The offset varies so little that p ← q − offset(p) converges to the place whose map coordinate is q.
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if datum == "wgs84":
        return lon.copy(), lat.copy()
    if datum == "bd09":
        lon, lat = _undo(_bd_offset, lon, lat)
    west, south, east, north = CHINA
    near = (lon > west - EDGE_DEGREES) & (lon < east + EDGE_DEGREES)
    near &= (lat > south - EDGE_DEGREES) & (lat < north + EDGE_DEGREES)
    out_lon, out_lat = lon.copy(), lat.copy()
    back_lon, back_lat = _undo(_gcj_offset, lon[near], lat[near])
    inside = ~outside_china(back_lon, back_lat)
    out_lon[near] = np.where(inside, back_lon, lon[near])
    out_lat[near] = np.where(inside, back_lat, lat[near])
    return out_lon, out_lat


def _undo(offset: Offset, lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the places p with p + offset(p) = (lon, lat)."""
    at_lon, at_lat = lon, lat
    for _ in range(MAX_STEPS):
        east, north = offset(at_lon, at_lat)
        new_lon, new_lat = lon - east, lat - north
        steps = np.abs([new_lon - at_lon, new_lat - at_lat])
        at_lon, at_lat = new_lon, new_lat
        if not (steps > TOLERANCE_DEGREES).any():
            break
    return at_lon, at_lat


def _gcj_offset(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what GCJ-02 adds to a place of WGS 84, in degrees, as if all the world were China.

    Two polynomials with waves around 105° E, 35° N, in metres, turned into degrees on Krasovsky's ellipsoid.
    """
    x, y = lon - ORIGIN[0], lat - ORIGIN[1]
    fine = 20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)
    east_waves = fine + _waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0))
    north_waves = fine + _waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0))
    root = np.sqrt(np.abs(x))
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + east_waves * 2.0 / 3.0
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + north_waves * 2.0 / 3.0

    latitude = np.radians(lat)
    flattening = 1.0 - ECCENTRICITY_2 * np.sin(latitude) ** 2
    meridian_m = AXIS_M * (1.0 - ECCENTRICITY_2) / flattening**1.5
    parallel_m = AXIS_M / np.sqrt(flattening) * np.cos(latitude)
    return np.degrees(east_m / parallel_m), np.degrees(north_m / meridian_m)


def _waves(at: FloatArray, *terms: tuple[float, float]) -> FloatArray:
    """Return the sum of amplitude × sin(π · at ÷ length) over the (amplitude, length) in `terms`."""
    total = np.zeros_like(at)
    for amplitude, length in terms:
        total = total + amplitude * np.sin(np.pi * at / length)
    return total


def _bd_offset(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what BD-09 adds to a place of GCJ-02, in degrees."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * BD_WAVE)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * BD_WAVE)
    return radius * np.cos(angle) + BD_SHIFT[0] - lon, radius * np.sin(angle) + BD_SHIFT[1] - lat


# layers ------------------------------------------------------------------------------------------------------------


def check_datum(crs: pyproj.CRS, datum: Datum, where: str) -> None:
    """Refuse a Chinese map's datum for coordinates that no such map has.

    Raises
    ------
    ConfigError
        Unless `crs` is of longitudes and latitudes of WGS 84 or CGCS2000, or Web Mercator (the maps' tiles).
    """
    base = crs.geodetic_crs
    like = base is not None and base.datum is not None and base.datum.name in DATUMS_LIKE_WGS84
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    degrees = crs.is_geographic and all(axis.unit_name == "degree" for axis in crs.axis_info[:2])
    if datum == "wgs84" or (like and (degrees or method == WEB_MERCATOR)):
        return
    remedy = (
        f'{NAMES[datum]} speaks of longitudes and latitudes (crs = "EPSG:4326"), or of a map\'s tiles ("EPSG:3857"). '
        "If the file was brought into this CRS from a correct one, remove datum; if it was not converted before "
        "it was projected, export it again in degrees."
    )
    raise ConfigError(Problem(f'datum = "{datum}" contradicts the CRS, {crs.name}', where, remedy=remedy))


def correct(
    xy: FloatArray, crs: pyproj.CRS, datum: Datum, topic: str, where: str, notes: Notes
) -> tuple[FloatArray, pyproj.CRS]:
    """Return coordinates without a Chinese map's offset; with ``wgs84`` they are given back as they are.

    Parameters
    ----------
    xy : float64 array of shape (points, 2)
        In `crs`, x or longitude first. What is not finite stays so.
    crs : pyproj.CRS
        Theirs.
    datum : {"wgs84", "gcj02", "bd09"}
        What the configuration declares.
    topic : str
        First part of the notes' codes.
    where : str
        The file as messages name it.
    notes : Notes
        Gets ``<topic>.datum``: how many points were moved, and how far on average; ``<topic>.datum_outside``: how many
        lie outside China.

    Returns
    -------
    tuple of float64 array of shape (points, 2) and pyproj.CRS
        Degrees of WGS 84 if anything was to be done.

    Raises
    ------
    ConfigError
        If `datum` contradicts `crs`.
    """
    if datum == "wgs84":
        return xy, crs
    check_datum(crs, datum, where)
    lon, lat = xy.T
    if not crs.is_geographic:
        lon, lat = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True).transform(lon, lat)
    true = np.column_stack(to_wgs84(lon, lat, datum))
    known = np.isfinite(true).all(axis=1)
    far = outside_china(lon, lat) & known
    moved = known & ((true[:, 0] != lon) | (true[:, 1] != lat))
    name = Path(where).name
    if moved.any():
        away_m = distance_m(lon[moved], lat[moved], *true[moved].T)
        by = f"by {away_m.mean():,.0f} m on average"
        text = f"{name}: {moved.sum():,} points moved from {NAMES[datum]} to WGS 84, {by}"
        notes.add(f"{topic}.datum", moved.sum(), text)
    text = f"{name}: {far.sum():,} points lie outside China, where GCJ-02 is WGS 84"
    notes.add(f"{topic}.datum_outside", far.sum(), text)
    return true, WGS84


def correct_shapes(
    shapes: npt.NDArray[np.object_], crs: pyproj.CRS, datum: Datum, topic: str, where: str, notes: Notes
) -> tuple[npt.NDArray[np.object_], pyproj.CRS]:
    """Return geometries of any type without a Chinese map's offset, vertex by vertex, as `correct` does it."""
    if datum == "wgs84":
        return shapes, crs
    xy, found = correct(shapely.get_coordinates(shapes), crs, datum, topic, where, notes)
    return shapely.set_coordinates(shapes.copy(), xy), found


def distance_m(lon: FloatArray, lat: FloatArray, other_lon: FloatArray, other_lat: FloatArray) -> FloatArray:
    """Return the lengths of the geodesics between points of WGS 84, in metres."""
    return np.asarray(GEOD.inv(lon, lat, other_lon, other_lat)[2], dtype=np.float64)
