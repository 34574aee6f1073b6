"""Where a facility is entered: its points, points along its line, or where the network meets its boundary."""

import numpy as np
import numpy.typing as npt
import shapely

from circle15.errors import Notes
from circle15.network.graph import Network
from circle15.units import FloatArray

LINE_STEP_M = 50.0
"""A trail can be entered anywhere; it is sampled at both ends and at least this often in between."""

POINT, LINE, POLYGON, MULTI_POINT, MULTI_LINE, MULTI_POLYGON = 0, 1, 3, 4, 5, 6


def find_entrances(
    network: Network, geometry: npt.NDArray[np.object_], max_snap_m: float, notes: Notes
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return the places at which each facility is entered.

    Parameters
    ----------
    network : Network
        The mode's network; areas are entered where its edges cross their boundary.
    geometry : object array of shapely geometries, shape (facilities,)
        Points and multipoints are their own entrances. A line is sampled (`LINE_STEP_M`). An area that no edge
        crosses is entered at the one place of its boundary that lies nearest to an edge, never at its centroid.
    max_snap_m : float
        An area that no edge crosses is looked for this far.
    notes : Notes
        Receives how many areas no edge crosses.

    Returns
    -------
    xy : float64 array of shape (entrances, 2)
        Coordinates, sorted by facility.
    facility : int64 array of shape (entrances,)
        Row of the facility. An area farther than `max_snap_m` from every edge has one entrance of NaN.
    """
    kind = shapely.get_type_id(geometry)
    parts: list[tuple[FloatArray, npt.NDArray[np.int64]]] = []

    points = np.flatnonzero(np.isin(kind, (POINT, MULTI_POINT)))
    xy, of = shapely.get_coordinates(geometry[points], return_index=True)
    parts.append((xy, points[of]))

    lines = np.flatnonzero(np.isin(kind, (LINE, MULTI_LINE)))
    xy, of = shapely.get_coordinates(shapely.segmentize(geometry[lines], LINE_STEP_M), return_index=True)
    parts.append((xy, lines[of]))

    areas = np.flatnonzero(np.isin(kind, (POLYGON, MULTI_POLYGON)))
    if len(areas):
        xy, of, uncrossed = _meet_boundaries(network, geometry[areas], max_snap_m)
        parts.append((xy, areas[of]))
        notes.add(
            f"facilities.{network.mode}.areas_not_crossed",
            uncrossed,
            f"{network.mode}: {uncrossed} facility areas are crossed by no street; each is entered at the place of its "
            "boundary nearest to one. Give entrances as points where they are known",
        )
    xy = np.concatenate([part[0] for part in parts])
    facility = np.concatenate([part[1] for part in parts])
    order = np.lexsort((xy[:, 1], xy[:, 0], facility))
    return xy[order], facility[order]


def _meet_boundaries(
    network: Network, areas: npt.NDArray[np.object_], max_snap_m: float
) -> tuple[FloatArray, npt.NDArray[np.int64], int]:
    edges = network.lines
    tree = shapely.STRtree(edges)
    boundary = shapely.boundary(areas)
    area, edge = tree.query(boundary, predicate="intersects")
    meeting = shapely.intersection(boundary[area], edges[edge])
    xy, of = shapely.get_coordinates(meeting, return_index=True)
    facility = area[of]

    alone = np.setdiff1d(np.arange(len(areas)), facility)
    near, edge = tree.query_nearest(boundary[alone], max_distance=max_snap_m, all_matches=False)
    line = shapely.shortest_line(boundary[alone[near]], edges[edge])
    touch = shapely.get_coordinates(shapely.get_point(line, 0))
    lost = np.setdiff1d(np.arange(len(alone)), near)
    xy = np.concatenate([xy, touch, np.full((len(lost), 2), np.nan)])
    facility = np.concatenate([facility, alone[near], alone[lost]])
    return xy, facility, len(alone)
