"""The route behind one verdict: where the fastest way from a committee to a facility runs, piece by piece.

One exact search from the committee over the contracted graph; its time is that of the survey, which searches from the
facilities. The way is then put together from the edges' vertices.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import csgraph

from circle15.network.graph import PRIVATE, Network
from circle15.network.search import SLACK_S, same_edge, with_places
from circle15.network.snap import Snapped
from circle15.network.travel import Places
from circle15.units import FloatArray, within

IntArray = npt.NDArray[np.int64]

ACCESS, STREET, COMPOUND = "access", "street", "compound"
"""Kinds of parts of a route: the straight line between a point and the streets, public streets, private ones."""


@dataclass(frozen=True)
class Part:
    """A part of a route: one access leg, or (a part of) one edge."""

    kind: str
    length_m: float
    time_s: float


@dataclass(frozen=True)
class Route:
    """The fastest way from one point to one facility.

    Attributes
    ----------
    time_s, distance_m : float
        Seconds and metres, both access legs included; the sums over `parts`.
    entrance : int
        Row of the facility's entrance in the places that were asked about.
    first_leg, last_leg : LineString
        From the point to the streets, and from the streets to the entrance. Of no length where it lies on a street.
    way : LineString
        The way along the streets, in its direction, with every vertex.
    parts : tuple of Part
        In their order; parts of no length are left out.
    """

    time_s: float
    distance_m: float
    entrance: int
    first_leg: shapely.LineString
    way: shapely.LineString
    last_leg: shapely.LineString
    parts: tuple[Part, ...]

    @property
    def line(self) -> shapely.LineString:
        """The whole way, from the point to the entrance."""
        legs = [shapely.get_coordinates(one) for one in (self.first_leg, self.way, self.last_leg)]
        return shapely.LineString(_without_repeats(np.concatenate(legs)))


@dataclass(frozen=True)
class Near:
    """The nearest facilities of one point; arrays of shape (at most k,), nearest first.

    Attributes
    ----------
    facility : int64 array
        Their rows; of equally near ones the lower row comes first.
    time_s : float64 array
        Seconds, access legs included.
    entrance : int64 array
        Row of the nearest entrance of each in the places that were asked about.
    """

    facility: IntArray
    time_s: FloatArray
    entrance: IntArray


@dataclass(frozen=True)
class _Arrivals:
    """What one search from a point found.

    Attributes
    ----------
    place_s : float64 array of shape (places,)
        Seconds to each place, access legs included; infinite where no path leads.
    last : int64 array of shape (places,)
        The node that the way passes last before the place; -1 where it stays on one edge.
    previous : int32 array of shape (nodes,)
        The node before each; the first node on the way has one that is no node.
    """

    place_s: FloatArray
    last: IntArray
    previous: npt.NDArray[np.int32]


def nearest_few(network: Network, origin: Snapped, places: Places, k: int, limit_s: float = np.inf) -> Near:
    """Find the nearest facilities of one point, exactly.

    Parameters
    ----------
    network : Network
        The graph of the mode.
    origin : Snapped
        One point. Off the network it reaches nothing.
    places : Places
        Entrances of the facilities.
    k : int
        How many facilities at most; fewer where fewer are reached.
    limit_s : float
        Nothing beyond this is looked for, in seconds; inclusive.
    """
    arrivals = _search(network, origin, places.snapped, limit_s)
    entrance = np.flatnonzero(np.isfinite(arrivals.place_s) & within(arrivals.place_s, limit_s))
    time_s, facility = arrivals.place_s[entrance], places.facility[entrance]
    order = np.lexsort((entrance, time_s, facility))
    facility, first = np.unique(facility[order], return_index=True)
    entrance = entrance[order][first]
    nearest = np.lexsort((facility, arrivals.place_s[entrance]))[:k]
    return Near(facility[nearest], arrivals.place_s[entrance[nearest]], entrance[nearest])


def route(network: Network, origin: Snapped, origin_xy: FloatArray, places: Places) -> Route | None:
    """Find the fastest way from a point to the nearest of several entrances.

    Parameters
    ----------
    network : Network
        The graph of the mode.
    origin : Snapped
        One point.
    origin_xy : float64 array of shape (2,)
        Its coordinates.
    places : Places
        The entrances, usually of one facility. Of equally near ones the first counts.

    Returns
    -------
    Route or None
        None where the point is off the network or no path leads to any entrance.
    """
    arrivals = _search(network, origin, places.snapped, np.inf)
    if not len(arrivals.place_s) or not np.isfinite(arrivals.place_s.min()):
        return None
    entrance = int(np.argmin(arrivals.place_s))
    target = places.snapped.take(np.array([entrance]))
    stretches = _stretches(network, origin, target, arrivals, entrance)
    lines = [_cut(network, *stretch) for stretch in stretches]
    first, last = np.asarray(origin_xy, dtype=np.float64), places.xy[entrance]
    way = _without_repeats(np.concatenate(lines))
    start, stop = way[[0, -1]]
    streets = [_part_of(network, *stretch) for stretch in stretches]
    legs = [Part(ACCESS, float(one.leg_m[0]), float(one.leg_s[0])) for one in (origin, target)]
    parts = [legs[0], *streets, legs[1]]
    return Route(
        time_s=sum(part.time_s for part in parts),
        distance_m=sum(part.length_m for part in parts),
        entrance=entrance,
        first_leg=shapely.LineString([first, start]),
        way=shapely.LineString(way),
        last_leg=shapely.LineString([stop, last]),
        parts=tuple(part for part in parts if part.length_m > 0),
    )


def _search(network: Network, origin: Snapped, places: Snapped, limit_s: float) -> _Arrivals:
    """Search from the point to every place."""
    n = network.nodes
    if not origin.on_network[0]:
        nowhere = np.full(len(places), np.inf)
        return _Arrivals(nowhere, np.full(len(places), -1), np.full(n, -1, dtype=np.int32))
    graph, _ = with_places(network.graph, network, origin, origin.to_u, origin.to_v)
    found = csgraph.dijkstra(graph, indices=[n], limit=limit_s + SLACK_S, return_predecessors=True)
    time_s, previous = found[0][0], found[1][0]
    edge = np.where(places.on_network, places.edge, 0)
    u, v = network.u[edge].astype(np.int64), network.v[edge].astype(np.int64)
    by_u, by_v = time_s[u] + places.from_u, time_s[v] + places.from_v
    place_s, last = np.minimum(by_u, by_v), np.where(by_u <= by_v, u, v)
    _, target, along_s = same_edge(network, origin, places)
    along_s = along_s + origin.leg_s[0]
    shorter = along_s < place_s[target]
    place_s[target[shorter]], last[target[shorter]] = along_s[shorter], -1
    return _Arrivals(place_s + places.leg_s, last, previous[:n])


def _stretches(
    network: Network, origin: Snapped, target: Snapped, arrivals: _Arrivals, entrance: int
) -> list[tuple[int, float, float]]:
    """Return the way as stretches of edges: edge, metres along it where the way enters and where it leaves it."""
    from_edge, to_edge = int(origin.edge[0]), int(target.edge[0])
    node = int(arrivals.last[entrance])
    if node < 0:
        return [(from_edge, float(origin.along_m[0]), float(target.along_m[0]))]
    path = [node]
    while 0 <= arrivals.previous[path[-1]] < network.nodes:
        path.append(int(arrivals.previous[path[-1]]))
    nodes = np.array(path[::-1], dtype=np.int64)
    leaves_m = _end_m(network, from_edge, int(nodes[0]), origin.to_u[0], origin.to_v[0])
    enters_m = _end_m(network, to_edge, node, target.from_u[0], target.from_v[0])
    darts = network.darts_along(nodes)
    whole = [(e, 0.0, float(network.length_m[e])) for e in (darts >> 1).tolist()]
    turned = (darts & 1).astype(bool).tolist()
    inner = [(e, b, a) if back else (e, a, b) for (e, a, b), back in zip(whole, turned, strict=True)]
    return [
        (from_edge, float(origin.along_m[0]), leaves_m),
        *inner,
        (to_edge, enters_m, float(target.along_m[0])),
    ]


def _end_m(network: Network, edge: int, node: int, by_u_s: float, by_v_s: float) -> float:
    """Return the metres along an edge of its end at `node`; of a ring's two ends the one that is nearer in time."""
    at_u, at_v = bool(network.u[edge] == node), bool(network.v[edge] == node)
    return 0.0 if at_u and (not at_v or by_u_s <= by_v_s) else float(network.length_m[edge])


def _cut(network: Network, edge: int, enter_m: float, leave_m: float) -> FloatArray:
    """Return the vertices of a stretch of an edge, in the direction of the way; both ends included."""
    xy = network.xy[network.first[edge] : network.first[edge + 1]]
    at_m = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    low, high = min(enter_m, leave_m), max(enter_m, leave_m)
    ends = np.stack([np.interp([low, high], at_m, xy[:, axis]) for axis in (0, 1)], axis=1)
    inner = xy[(at_m > low) & (at_m < high)]
    line = np.concatenate([ends[:1], inner, ends[1:]])
    return line[::-1] if enter_m > leave_m else line


def _without_repeats(xy: FloatArray) -> FloatArray:
    """Return vertices without those that repeat the one before; two at least, for a line needs them."""
    moved = np.ones(len(xy), dtype=bool)
    moved[1:] = (xy[1:] != xy[:-1]).any(axis=1)
    return xy[moved] if moved.sum() > 1 else xy[[0, -1]]


def _part_of(network: Network, edge: int, enter_m: float, leave_m: float) -> Part:
    length_m, whole_m = abs(leave_m - enter_m), float(network.length_m[edge])
    time_s = float(network.time_s[edge]) * (length_m / whole_m if whole_m > 0 else 0.0)
    return Part(COMPOUND if network.kind[edge] == PRIVATE else STREET, length_m, time_s)
