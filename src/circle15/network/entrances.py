"""Where a facility is entered: its points, points along its line, or where the network meets its boundary."""

import numpy as np
import numpy.typing as npt
import shapely

from circle15.errors import Notes, counted
from circle15.network.graph import PUBLIC, Network
from circle15.units import FloatArray

LINE_STEP_M = 50.0
"""A trail can be entered anywhere: where streets cross it, at both ends and at least this often."""
MEETING_STEP_M = 10.0
"""A stretch that a boundary has in common with a street, or beside it, is entered this often."""
NEAREST_SLACK_M = 1.0
"""Places of a boundary whose distances to a street differ by less than this are equally near."""

POINT, LINE, POLYGON, MULTI_POINT, MULTI_LINE, MULTI_POLYGON = 0, 1, 3, 4, 5, 6


def find_entrances(
    network: Network, geometry: npt.NDArray[np.object_], max_snap_m: float, notes: Notes, of_kind: int = PUBLIC
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return the places at which each facility is entered.

    Parameters
    ----------
    network : Network
        The mode's network; areas are entered where edges that a journey may end on cross their boundary: no bridge
        over a park is a way into it.
    geometry : object array of shapely geometries, shape (facilities,)
        Points and multipoints are their own entrances. A line is entered where edges cross it and at samples
        (`LINE_STEP_M`). A part of an area that no edge crosses is entered where its boundary is nearest to one, never
        at its centroid.
    max_snap_m : float
        An area that no edge crosses is entered only if an edge lies this near.
    notes : Notes
        Receives how many areas have a part that no edge crosses.
    of_kind : int
        Which edges count: the public ones, or the private ones.

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
    # points ask nothing of the streets, and a tree of all of them takes a second
    edges = (
        network.lines[network.ends & (network.kind == of_kind)]
        if len(points) < len(geometry)
        else np.empty(0, dtype=object)
    )
    tree = shapely.STRtree(edges)
    for shape, step in ((shapely.segmentize(geometry[lines], LINE_STEP_M), False), (geometry[lines], True)):
        xy, of = _meetings(tree, edges, shape) if step else shapely.get_coordinates(shape, return_index=True)
        parts.append((xy, lines[of]))

    # each part of an area has entrances of its own: one far part that a street crosses must not shut a near one
    areas = np.flatnonzero(np.isin(kind, (POLYGON, MULTI_POLYGON)))
    polygons, of = shapely.get_parts(geometry[areas], return_index=True)
    if len(polygons):
        xy, polygon, uncrossed = _meet_boundaries(tree, edges, polygons, max_snap_m)
        parts.append((xy, areas[of[polygon]]))
        count = len(np.unique(of[uncrossed]))
        notes.add(
            f"facilities.{network.mode}.areas_not_crossed",
            count,
            f"{network.mode}: {counted(count, 'facility area has', 'facility areas have')} "
            "a part that no street crosses; it is entered where its "
            "boundary is nearest to one. Give entrances as points where they are known",
        )
    xy = np.concatenate([part[0] for part in parts])
    facility = np.concatenate([part[1] for part in parts])
    order = np.lexsort((xy[:, 1], xy[:, 0], facility))
    return xy[order], facility[order]


def _meetings(
    tree: shapely.STRtree, edges: npt.NDArray[np.object_], shapes: npt.NDArray[np.object_]
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return where edges cross the shapes (lines), with the shape's number; along a stretch in common, places on it."""
    shape, edge = tree.query(shapes, predicate="intersects")
    common = shapely.segmentize(shapely.intersection(shapes[shape], edges[edge]), MEETING_STEP_M)
    xy, of = shapely.get_coordinates(common, return_index=True)
    return xy, shape[of]


def _meet_boundaries(
    tree: shapely.STRtree, edges: npt.NDArray[np.object_], polygons: npt.NDArray[np.object_], max_snap_m: float
) -> tuple[FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the entrances of polygons, the polygon of each, and the polygons that no edge crosses.

    A polygon that no edge crosses is entered at every place of its boundary that is as near to an edge as the nearest
    (within `NEAREST_SLACK_M`), so that one that lies along a street is entered all along it.
    """
    boundary = shapely.boundary(polygons)
    xy, of = _meetings(tree, edges, boundary)
    alone = np.setdiff1d(np.arange(len(polygons)), of)
    places, owner = shapely.get_coordinates(shapely.segmentize(boundary[alone], MEETING_STEP_M), return_index=True)
    (place, _), away = tree.query_nearest(
        shapely.points(places), max_distance=max_snap_m, return_distance=True, all_matches=False
    )
    least = np.full(len(alone), np.inf)
    np.minimum.at(least, owner[place], away)
    near = place[away <= least[owner[place]] + NEAREST_SLACK_M]
    lost = np.flatnonzero(np.isinf(least))
    xy = np.concatenate([xy, places[near], np.full((len(lost), 2), np.nan)])
    return xy, np.concatenate([of, alone[owner[near]], alone[lost]]), alone
