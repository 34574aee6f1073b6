"""Service circles as polygons, for maps only: the land beside the street parts that are reached in time.

Every verdict comes from network time; these shapes only show it. A pixel of a fixed raster belongs to the circle if the
nearest street part lies within `BESIDE_M` of it and is reached early enough to walk over to the pixel. So land beyond a
river or a lake is claimed only if the streets there are reached, and open water only near a bank with a street: up to
`BESIDE_M`, which is measured between the middles of pixels, so that with the simplified outline a vertex may lie 80 m
from a reached street. The nearest street part of every pixel is found once for all by a distance transform.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio import features
from scipy import ndimage

from circle15.network.graph import PUBLIC, Network
from circle15.network.search import same_edge
from circle15.network.snap import Snapped, place
from circle15.network.travel import Ranges
from circle15.units import TIME_TOLERANCE_S, FloatArray, speed_m_per_s, travel_time_s

PIXEL_M = 25.0
BESIDE_M = 50.0
SIMPLIFY_M = 0.75 * PIXEL_M
"""Turns the raster's stairs into slopes; an outline is off by less than a pixel."""
TILE_M = 100 * 1000.0
"""Committees are drawn by tiles of this size, so that a stray one doesn't stretch the raster over a country."""


@dataclass(frozen=True)
class _Raster:
    """The nearest street part of every pixel near a street.

    `part` numbers the street parts, -1 beyond `BESIDE_M`; `beside_s` is the time from the part to the pixel.
    """

    west: float
    north: float
    part: npt.NDArray[np.int32]
    beside_s: npt.NDArray[np.float32]
    parts: Snapped


def draw_circles(
    network: Network, ranges: Ranges, origins: Snapped, xy: FloatArray, limit_s: FloatArray
) -> npt.NDArray[np.object_]:
    """Return the service circle of each origin.

    Parameters
    ----------
    network : Network
        The graph of the mode.
    ranges : Ranges
        What each origin reaches, at least to `limit_s`.
    origins : Snapped
        Centres of the circles.
    xy : float64 array of shape (origins, 2)
        Their coordinates.
    limit_s : float64 array of shape (origins,)
        The circle's time in seconds, inclusive; NaN where none is to be drawn.

    Returns
    -------
    object array of shape (origins,)
        MultiPolygon, or None where none is to be drawn or the origin is off the network.
    """
    circles = np.full(len(origins), None, dtype=object)
    wanted = np.flatnonzero(np.isfinite(limit_s) & origins.on_network)
    if not len(wanted):
        return circles
    reach_m = limit_s * speed_m_per_s(network.max_kmh)
    samples = _sample_edges(network)
    tile = np.floor(xy[wanted] / TILE_M).astype(np.int64)
    for each in np.unique(tile, axis=0):
        rows = wanted[(tile == each).all(axis=1)]
        raster = _allocate(network, samples, xy[rows], float(reach_m[rows].max()))
        _draw_tile(network, raster, ranges, origins, xy, limit_s, reach_m, rows, circles)
    return circles


def _draw_tile(
    network: Network,
    raster: _Raster,
    ranges: Ranges,
    origins: Snapped,
    xy: FloatArray,
    limit_s: FloatArray,
    reach_m: FloatArray,
    rows: npt.NDArray[np.int64],
    circles: npt.NDArray[np.object_],
) -> None:
    """Put the circles of `rows`, which all lie within the raster, into `circles`."""
    own = _own_edges(network, origins, raster.parts)
    node_s = np.full(network.nodes, np.inf)
    for row, radius in zip(rows.tolist(), reach_m[rows].tolist(), strict=True):
        node, time_s = ranges.of(row)
        node_s[node] = time_s
        circles[row] = _draw(
            network, raster, node_s, own.get(row), xy[row], radius, float(limit_s[row]), origins.leg_s[row]
        )
        node_s[node] = np.inf


def _allocate(
    network: Network, samples: tuple[npt.NDArray[np.int64], FloatArray, FloatArray], xy: FloatArray, reach_m: float
) -> _Raster:
    margin = reach_m + 2 * BESIDE_M
    west, south = np.floor((xy.min(axis=0) - margin) / PIXEL_M) * PIXEL_M
    east, north = np.ceil((xy.max(axis=0) + margin) / PIXEL_M) * PIXEL_M
    shape = (int((north - south) / PIXEL_M), int((east - west) / PIXEL_M))

    edge, along_m, at = samples
    column = np.floor((at[:, 0] - west) / PIXEL_M).astype(np.int64)
    line = np.floor((north - at[:, 1]) / PIXEL_M).astype(np.int64)
    inside = (column >= 0) & (column < shape[1]) & (line >= 0) & (line < shape[0])
    cell = (line * shape[1] + column)[inside]
    middle = np.stack([west + (column + 0.5) * PIXEL_M, north - (line + 0.5) * PIXEL_M], axis=1)[inside]
    off_centre = np.hypot(*(at[inside] - middle).T)
    # of several street parts in a pixel, the one nearest to its middle; a public one if there is any
    order = np.lexsort((off_centre, network.kind[edge[inside]] != PUBLIC, cell))
    cell, first = np.unique(cell[order], return_index=True)
    chosen = np.flatnonzero(inside)[order][first]
    number = np.full(shape, -1, dtype=np.int32)
    number.ravel()[cell] = np.arange(len(cell))

    away, (i, j) = ndimage.distance_transform_edt(number < 0, sampling=PIXEL_M, return_indices=True)
    part = np.where(away <= BESIDE_M, number[i, j], -1).astype(np.int32)
    beside_s = travel_time_s(away, network.access_kmh).astype(np.float32)
    parts = place(network, edge[chosen], along_m[chosen], np.zeros(len(chosen)))
    return _Raster(float(west), float(north), part, beside_s, parts)


def _sample_edges(network: Network) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Return places along streets that a journey may end on, at least two a pixel: edge, metres along, coordinates."""
    streets = np.flatnonzero(network.ends)
    xy, edge = shapely.get_coordinates(shapely.segmentize(network.lines[streets], PIXEL_M / 2), return_index=True)
    total = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    begin = np.concatenate([[0], np.flatnonzero(np.diff(edge)) + 1])
    return streets[edge], total - total[begin][edge], xy


def _own_edges(
    network: Network, origins: Snapped, parts: Snapped
) -> dict[int, tuple[npt.NDArray[np.int64], FloatArray]]:
    """Return for each origin the street parts on its own edge and the seconds to them along it."""
    origin, part, along_s = same_edge(network, origins, parts)
    order = np.argsort(origin, kind="stable")
    rows, first = np.unique(origin[order], return_index=True)
    groups = np.split(order, first[1:]) if len(rows) else []
    return {int(row): (part[group], along_s[group]) for row, group in zip(rows, groups, strict=True)}


def _draw(
    network: Network,
    raster: _Raster,
    node_s: FloatArray,
    own: tuple[npt.NDArray[np.int64], FloatArray] | None,
    centre: FloatArray,
    radius_m: float,
    limit_s: float,
    leg_s: float,
) -> shapely.MultiPolygon:
    half = int(np.ceil((radius_m + BESIDE_M) / PIXEL_M)) + 1
    column = int((centre[0] - raster.west) / PIXEL_M)
    line = int((raster.north - centre[1]) / PIXEL_M)
    window = (slice(max(line - half, 0), line + half + 1), slice(max(column - half, 0), column + half + 1))
    part = raster.part[window]
    street = np.flatnonzero(part.ravel() >= 0)
    number, back = np.unique(part.ravel()[street], return_inverse=True)
    parts, edge = raster.parts, raster.parts.edge[number]
    time_s = np.minimum(node_s[network.u[edge]] + parts.from_u[number], node_s[network.v[edge]] + parts.from_v[number])
    if own is not None:
        at = np.searchsorted(number, own[0])
        hit = (at < len(number)) & (number[np.minimum(at, len(number) - 1)] == own[0])
        np.minimum.at(time_s, at[hit], own[1][hit] + leg_s)
    mask = np.zeros(part.shape, dtype=np.uint8)
    arrive = time_s[back] + raster.beside_s[window].ravel()[street]
    mask.ravel()[street[arrive <= limit_s + TIME_TOLERANCE_S]] = 1
    transform = Affine(
        PIXEL_M, 0, raster.west + window[1].start * PIXEL_M, 0, -PIXEL_M, raster.north - window[0].start * PIXEL_M
    )
    outline = shapely.simplify(_outline(mask, transform), SIMPLIFY_M)
    return shapely.MultiPolygon([part for part in shapely.get_parts(outline) if not part.is_empty])


def _outline(mask: npt.NDArray[np.uint8], transform: Affine) -> shapely.MultiPolygon:
    """Return the pixels that are 1 as polygons along their edges."""
    found = [shape["coordinates"] for shape, _ in features.shapes(mask, mask=mask.astype(bool), transform=transform)]
    if not found:
        return shapely.MultiPolygon()
    rings = [ring for polygon in found for ring in polygon]
    corner = np.array([xy for ring in rings for xy in ring])
    ring_of_corner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    polygon_of_ring = np.repeat(np.arange(len(found)), [len(polygon) for polygon in found])
    closed = np.asarray(shapely.linearrings(corner, indices=ring_of_corner))
    return shapely.MultiPolygon(np.asarray(shapely.polygons(closed, indices=polygon_of_ring)).tolist())
