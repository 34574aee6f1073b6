"""Points meet the network at the nearest place of the nearest *edge*, with exact offsets to both of its ends.

Nearest among those that one can board there: a journey begins on one from which the network can be reached, and ends on
one that can be reached (`Network.begins`, `Network.ends`). Whoever needs a place on the network asks here: committees,
cells, facilities and entrances, candidates, projects.

The graph doesn't change when a point is added: a point is an edge, a place along it and an access leg.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from circle15.network.graph import PRIVATE, PUBLIC, Network, Segments
from circle15.units import FloatArray, travel_time_s

AT_NODE_M = 1e-6
"""So near to the end of its edge, a place is the node itself: a micrometre, the rounding of coordinates."""


@dataclass(frozen=True)
class Snapped:
    """Points on the network; every array has the shape (points,).

    Attributes
    ----------
    edge : int64 array
        The nearest edge; -1 where none lies within the limit. All times are then infinite.
    along_m : float64 array
        Metres from the edge's end `u` to the place on it.
    leg_m : float64 array
        Straight line from the point to that place (also where it is off the network, if known, else NaN).
    leg_s : float64 array
        The time that the access leg takes.
    to_u, to_v : float64 arrays
        Seconds from the place to each end of its edge, infinite against a one-way street; no access leg.
    from_u, from_v : float64 arrays
        Seconds from each end of the edge to the place.
    """

    edge: npt.NDArray[np.int64]
    along_m: FloatArray
    leg_m: FloatArray
    leg_s: FloatArray
    to_u: FloatArray
    to_v: FloatArray
    from_u: FloatArray
    from_v: FloatArray

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.edge)

    @property
    def on_network(self) -> npt.NDArray[np.bool_]:
        """Which points lie near enough to the network."""
        return self.edge >= 0

    def take(self, index: npt.NDArray[np.int64]) -> "Snapped":
        """Return the points at `index`, in that order."""
        return Snapped(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def with_rows(self, rows: npt.NDArray[np.bool_], other: "Snapped") -> "Snapped":
        """Return the same with the marked rows taken from `other`."""
        return Snapped(
            *(np.where(rows, getattr(other, name), getattr(self, name)) for name in self.__dataclass_fields__)
        )

    def followed_by(self, other: "Snapped") -> "Snapped":
        """Return these points and then those of `other`."""
        names = self.__dataclass_fields__
        return Snapped(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


def snap_to_end(network: Network, xy: FloatArray, max_snap_m: float) -> Snapped:
    """Put the ends of journeys on their nearest public edge that a journey may end on.

    Parameters
    ----------
    network : Network
        Where to; private edges and links are no ground for everybody.
    xy : float64 array of shape (points, 2)
        Coordinates in the network's CRS; NaN (an unknown place) is off the network.
    max_snap_m : float
        Farther than this, exclusive, is off the network.

    Notes
    -----
    Of equally near pieces of street the one with the lowest edge number counts, so the result doesn't depend on
    the order of the points.
    """
    return _snap(network, network.segments_to_end, xy, max_snap_m)


def snap_to_begin(network: Network, xy: FloatArray, max_snap_m: float) -> Snapped:
    """Put people on their nearest edge that a journey may begin on, public or private, by the rules of `snap_to_end`.

    A private edge counts only if it is nearer than every public one by more than `AT_NODE_M`: whoever stands in front
    of a gate is outside.
    """
    outside = _snap(network, network.segments_to_begin, xy, max_snap_m)
    if not network.has_compounds:
        return outside
    inside = _snap(network, network.private_segments_to_begin, xy, max_snap_m)
    nearer = inside.on_network & ~(outside.on_network & (outside.leg_m <= inside.leg_m + AT_NODE_M))
    return outside.with_rows(nearer, inside)


def snap_inside(network: Network, xy: FloatArray, max_snap_m: float) -> Snapped:
    """Put the ends of journeys on their nearest private edge, by the rules of `snap_to_end`."""
    return _snap(network, network.private_segments_to_end, xy, max_snap_m)


@dataclass(frozen=True)
class PassedOver:
    """Which points have an edge for their nearest that they cannot board; arrays of shape (points,).

    Attributes
    ----------
    cannot_board : bool array
        It is a tunnel, a bridge or the like.
    leads_nowhere : bool array
        No way leads from it to the rest of the network, or from there to it.
    farther_m : float64 array
        By how much the access leg to the edge that is taken is longer, in metres; NaN for all others and where none is
        near enough.
    """

    cannot_board: npt.NDArray[np.bool_]
    leads_nowhere: npt.NDArray[np.bool_]
    farther_m: FloatArray


def passed_over(network: Network, xy: FloatArray, snapped: Snapped, max_snap_m: float, *, begins: bool) -> PassedOver:
    """Find the points that did not get their nearest public edge, since no journey may begin or end on it.

    Parameters
    ----------
    network, xy, max_snap_m
        As for `snap_to_begin` or `snap_to_end`.
    snapped : Snapped
        What it gave.
    begins : bool
        Which of the two it was.
    """
    closed = ~(network.begins if begins else network.ends) & (network.kind == PUBLIC)
    away_m, edge = np.full(len(xy), np.inf), np.zeros(len(xy), dtype=np.int64)
    if closed.any():
        _, edge_of_piece, _, tree = network.segments_of(closed)
        known = np.flatnonzero(np.isfinite(xy).all(axis=1))
        (point, piece), distance = tree.query_nearest(
            shapely.points(xy[known]), max_distance=max_snap_m, return_distance=True, all_matches=False
        )
        away_m[known[point]], edge[known[point]] = distance, edge_of_piece[piece]
    passed = away_m < np.where(snapped.on_network, snapped.leg_m, np.inf) - AT_NODE_M
    boards = network.boards[edge]
    return PassedOver(passed & ~boards, passed & boards, np.where(passed, snapped.leg_m - away_m, np.nan))


def as_beginnings(network: Network, xy: FloatArray, ends: Snapped, max_snap_m: float) -> Snapped:
    """Return places where journeys end as places where they begin; those inside of compounds stay where they are."""
    if network.segments_to_begin is network.segments_to_end:
        return ends
    inside = ends.on_network & (network.kind[np.where(ends.on_network, ends.edge, 0)] == PRIVATE)
    return ends.with_rows(~inside, _snap(network, network.segments_to_begin, xy, max_snap_m))


def _snap(network: Network, segments: Segments, xy: FloatArray, max_snap_m: float) -> Snapped:
    vertex, edge, before_m, tree = segments
    a, b = network.xy[vertex], network.xy[vertex + 1]
    known = np.flatnonzero(np.isfinite(xy).all(axis=1))
    point, segment = tree.query_nearest(shapely.points(xy[known]), max_distance=max_snap_m, all_matches=True)
    order = np.lexsort((segment, point))
    point, at = np.unique(point[order], return_index=True)
    segment = segment[order][at]
    point = known[point]

    step = b[segment] - a[segment]
    length = np.hypot(*step.T)
    share = np.einsum("ij,ij->i", xy[point] - a[segment], step) / np.where(length > 0, length, 1.0) ** 2
    share = np.clip(share, 0.0, 1.0)
    foot = a[segment] + share[:, None] * step
    return place(
        network,
        _fill(len(xy), point, edge[segment], -1),
        _fill(len(xy), point, before_m[segment] + share * length, 0.0),
        _fill(len(xy), point, np.hypot(*(xy[point] - foot).T), np.nan),
    )


def place(network: Network, edge: npt.NDArray[np.int64], along_m: FloatArray, leg_m: FloatArray) -> Snapped:
    """Return places on edges with the times to and from the edges' ends."""
    on = edge >= 0
    at = np.where(on, edge, 0)
    pace = network.time_s[at] / np.where(network.length_m[at] > 0, network.length_m[at], 1.0)
    along_m = np.clip(along_m, 0.0, network.length_m[at])  # rounding of the last digit only
    rest_m = network.length_m[at] - along_m
    up, down = along_m * pace, rest_m * pace
    forward, backward = network.forward[at] & on, network.backward[at] & on
    # a place at a node is on every street there, whatever the direction of the one that it was found on
    at_u, at_v = on & (along_m <= AT_NODE_M), on & (rest_m <= AT_NODE_M)
    return Snapped(
        edge=edge.astype(np.int64),
        along_m=along_m,
        leg_m=leg_m,
        leg_s=np.where(on, travel_time_s(leg_m, network.access_kmh), np.inf),
        to_u=np.where(backward | at_u, up, np.inf),
        to_v=np.where(forward | at_v, down, np.inf),
        from_u=np.where(forward | at_u, up, np.inf),
        from_v=np.where(backward | at_v, down, np.inf),
    )


def _fill(size: int, at: npt.NDArray[np.int64], values: npt.NDArray, default: float) -> npt.NDArray:  # type: ignore[type-arg]
    full = np.full(size, default, dtype=values.dtype)
    full[at] = values
    return full
