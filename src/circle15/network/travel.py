"""The two questions that verdicts ask: how far is the nearest facility, and how many lie within the threshold.

The first is answered by one search per type from all its facilities at once (`nearest`), for committees and
population cells alike. The second needs the time of every committee × facility pair in range (`Router.pairs_within`):
from pandana's hierarchy, or from SciPy's ranges around the committees. Which of the two is a matter of speed only; the
answers agree to 0.02 s, and a time nearer to its threshold than the hierarchy's error is settled by an exact search.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import shapely

from circle15.errors import ComputeError
from circle15.network.graph import Network
from circle15.network.hierarchy import Hierarchy, build_hierarchy
from circle15.network.search import at_points, field_to, ranges_from, same_edge, trace_lengths
from circle15.network.snap import Snapped
from circle15.units import TIME_TOLERANCE_S, FloatArray, distance_m, speed_m_per_s, travel_time_s

IntArray = npt.NDArray[np.int64]
Engine = Literal["pandana", "scipy"]


@dataclass(frozen=True)
class Places:
    """The entrances of facilities, on one network.

    Attributes
    ----------
    snapped : Snapped
        Each entrance on its edge.
    xy : float64 array of shape (entrances, 2)
        Coordinates of the entrances.
    facility : int64 array of shape (entrances,)
        The facility that each entrance belongs to, as its row in the facility table.
    """

    snapped: Snapped
    xy: FloatArray
    facility: IntArray

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Places":
        """Return the entrances of the facilities whose row is marked in `chosen`."""
        return self._take(np.flatnonzero(chosen[self.facility]))

    def of_one(self, facility: int) -> "Places":
        """Return the entrances of one facility."""
        return self._take(np.flatnonzero(self.facility == facility))

    def _take(self, index: IntArray) -> "Places":
        return Places(self.snapped.take(index), self.xy[index], self.facility[index])


@dataclass(frozen=True)
class Nearest:
    """The nearest facility of each point; arrays of shape (points,).

    Attributes
    ----------
    time_s : float64 array
        Both access legs included; NaN where none is reached within the search limit.
    distance_m : float64 array
        Length of that path, access legs included; NaN likewise.
    facility : int64 array
        Row of the facility, -1 likewise.
    """

    time_s: FloatArray
    distance_m: FloatArray
    facility: IntArray

    def first(self, count: int) -> "Nearest":
        """Return the answers of the first `count` points."""
        return Nearest(self.time_s[:count], self.distance_m[:count], self.facility[:count])


@dataclass(frozen=True)
class Pairs:
    """Times of the pairs within the threshold; arrays of shape (pairs,), sorted by origin, then facility.

    Attributes
    ----------
    origin, facility : int64 arrays
        Row of the origin and of the facility.
    time_s : float64 array
        Seconds by the nearest of the facility's entrances.
    """

    origin: IntArray
    facility: IntArray
    time_s: FloatArray


def nearest(network: Network, points: Snapped, places: Places, limit_s: float) -> Nearest:
    """Find each point's nearest facility by one search from all of them on the transposed graph.

    Parameters
    ----------
    network : Network
        The graph of the mode.
    points : Snapped
        Where the journeys begin.
    places : Places
        The facilities' entrances; equally near ones go to the lowest row.
    limit_s : float
        Search limit in seconds, inclusive.
    """
    field = field_to(network, places.snapped, limit_s)
    time_s, place = at_points(network, field, points, places.snapped)
    reached = np.isfinite(time_s) & (time_s <= limit_s + TIME_TOLERANCE_S)
    if network.kmh != network.access_kmh:  # NaN, too: edges of several speeds
        length = trace_lengths(network, field, points, places.snapped)
    else:
        length = distance_m(np.where(reached, time_s, 0.0), network.kmh)
    none = np.full(len(points), -1, dtype=np.int64)
    return Nearest(
        np.where(reached, time_s, np.nan),
        np.where(reached, length, np.nan),
        np.where(reached, places.facility[place], none) if len(places.facility) else none,
    )


def reachable(network: Network, points: Snapped, places: Places) -> npt.NDArray[np.bool_]:
    """Return which points have any path, however long, to one of the places."""
    field = field_to(network, places.snapped, np.inf)
    time_s, _ = at_points(network, field, points, places.snapped)
    return np.isfinite(time_s)


@dataclass(frozen=True)
class Ranges:
    """Every node within the limit of each origin, as sorted keys ``origin * nodes + node``.

    Attributes
    ----------
    key : int64 array of shape (reached,)
        Sorted.
    time_s : float64 array of shape (reached,)
        Seconds from the origin, its access leg included.
    nodes : int
        Number of nodes of the network.
    """

    key: IntArray
    time_s: FloatArray
    nodes: int

    def time_to(self, origin: IntArray, node: IntArray) -> FloatArray:
        """Return the seconds from origin to node, row by row; infinite beyond the range."""
        key = origin * self.nodes + node
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        if not len(self.key):
            return np.full(len(key), np.inf)
        return np.where(self.key[at] == key, self.time_s[at], np.inf)

    def of(self, origin: int) -> tuple[IntArray, FloatArray]:
        """Return the nodes within the limit of one origin and the seconds to each."""
        low, high = np.searchsorted(self.key, [origin * self.nodes, (origin + 1) * self.nodes])
        return self.key[low:high] - origin * self.nodes, self.time_s[low:high]


def find_ranges(network: Network, origins: Snapped, limit_s: FloatArray) -> Ranges:
    """Search from each origin to its limit (seconds, inclusive; NaN for none) and keep what it reaches."""
    wanted = np.where(np.isfinite(limit_s), limit_s, -1.0)
    rows = np.flatnonzero(wanted >= 0)
    keys, times = [np.empty(0, np.int64)], [np.empty(0)]
    for block, time_s in ranges_from(network, origins.take(rows), wanted[rows]):
        origin, node = np.nonzero(time_s <= wanted[rows[block], None] + TIME_TOLERANCE_S)
        keys.append(rows[block][origin] * network.nodes + node)
        times.append(time_s[origin, node])
    key, time = np.concatenate(keys), np.concatenate(times)
    order = np.argsort(key, kind="stable")
    return Ranges(key[order], time[order], network.nodes)


@dataclass(frozen=True)
class Router:
    """Answers committee × facility questions for one mode; builds what it needs when first asked.

    Attributes
    ----------
    network : Network
        The graph of the mode.
    origins : Snapped
        The committees.
    xy : float64 array of shape (origins, 2)
        Their coordinates.
    limit_s : float64 array of shape (origins,)
        The longest threshold of each committee in this mode; NaN where none applies.
    engine : {"pandana", "scipy"}
        What answers: the hierarchy, or ranges.
    from_facilities : bool
        Search from each facility instead: cheaper where a mode is asked about fewer facilities than committees.
    make_ranges : callable, optional
        Gives `ranges` from elsewhere, e.g. from disk.
    """

    network: Network
    origins: Snapped
    xy: FloatArray
    limit_s: FloatArray
    engine: Engine
    from_facilities: bool = False
    make_ranges: Callable[[], Ranges] | None = None

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """The contraction hierarchy of the network."""
        return build_hierarchy(self.network, float(np.nanmax(self.limit_s)))

    @cached_property
    def ranges(self) -> Ranges:
        """What each committee reaches within its longest threshold."""
        return self.make_ranges() if self.make_ranges else find_ranges(self.network, self.origins, self.limit_s)

    @property
    def error_s(self) -> float:
        """Bound in seconds on the difference between this router's times and exact ones."""
        return self.hierarchy.error_s if "hierarchy" in self.__dict__ else 0.0

    def pairs_within(self, places: Places, limit_s: FloatArray, thresholds_s: tuple[float, ...]) -> Pairs:
        """Return every committee × facility pair whose time is within the committee's limit, inclusively.

        Parameters
        ----------
        places : Places
            Entrances of the facilities.
        limit_s : float64 array of shape (origins,)
            Seconds; NaN where the committee isn't asked about; at most the router's own limit.
        thresholds_s : tuple of float
            Every threshold that a time will be held against; near one the hierarchy's times are settled exactly.
        """
        if self.from_facilities:
            return self._by_facility(places, limit_s)
        origin, place = self._in_straight_range(places, limit_s)
        if self.engine == "pandana":
            time_s = self._by_hierarchy(origin, place, places.snapped, limit_s)
            apart = np.abs(time_s[:, None] - np.array(thresholds_s)).min(axis=1, initial=np.inf)
            near = apart <= self.hierarchy.error_s
            time_s[near] = self._by_search(origin[near], place[near], places.snapped, limit_s)
        else:
            time_s = self._by_ranges(self.ranges, origin, place, places.snapped)
        time_s = self._with_same_edge(time_s, origin, place, places.snapped)
        inside = time_s <= limit_s[origin] + TIME_TOLERANCE_S
        return _least(origin[inside], places.facility[place[inside]], time_s[inside])

    def _by_facility(self, places: Places, limit_s: FloatArray) -> Pairs:
        """Search from each facility on the transposed graph; for modes whose facilities are fewer than committees."""
        limit = float(np.nanmax(limit_s, initial=0.0))
        origins, facilities, times = [], [], []
        for facility in np.unique(places.facility).tolist():
            own = places.of_one(facility)
            time_s, _ = at_points(self.network, field_to(self.network, own.snapped, limit), self.origins, own.snapped)
            inside = np.flatnonzero(time_s <= np.where(np.isfinite(limit_s), limit_s, -1.0) + TIME_TOLERANCE_S)
            origins.append(inside)
            facilities.append(np.full(len(inside), facility, dtype=np.int64))
            times.append(time_s[inside])
        if not origins:
            return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        return _least(np.concatenate(origins), np.concatenate(facilities), np.concatenate(times))

    def _in_straight_range(self, places: Places, limit_s: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the pairs that a straight line at the network's top speed could join within the limit."""
        asked = np.flatnonzero(np.isfinite(limit_s) & self.origins.on_network)
        usable = np.flatnonzero(places.snapped.on_network)
        if not len(asked) or not len(usable):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        reach_m = (limit_s[asked] + TIME_TOLERANCE_S) * speed_m_per_s(self.network.max_kmh)
        tree = shapely.STRtree(np.asarray(shapely.points(places.xy[usable])))
        origin, place = tree.query(shapely.points(self.xy[asked]), predicate="dwithin", distance=reach_m)
        return asked[origin], usable[place]

    def _by_hierarchy(self, origin: IntArray, place: IntArray, places: Snapped, limit_s: FloatArray) -> FloatArray:
        """Return times by way of the four combinations of edge ends; infinite where surely beyond the limit."""
        network, start = self.network, self.origins
        legs_s = start.leg_s[origin] + places.leg_s[place]
        best = np.full(len(origin), np.inf)
        for out, tail in ((start.to_u, network.u), (start.to_v, network.v)):
            for back, head in ((places.from_u, network.u), (places.from_v, network.v)):
                a = tail[start.edge[origin]].astype(np.int64)
                b = head[places.edge[place]].astype(np.int64)
                ends_s = out[origin] + back[place] + legs_s
                straight_m = np.hypot(*(network.node_xy[a] - network.node_xy[b]).T)
                # what a straight line at top speed can't do in time needs no question
                rows = np.flatnonzero(ends_s + travel_time_s(straight_m, network.max_kmh) <= limit_s[origin] + 1.0)
                pair, back_to = np.unique(a[rows] * network.nodes + b[rows], return_inverse=True)
                between = self.hierarchy.node_times(pair // network.nodes, pair % network.nodes)
                best[rows] = np.minimum(best[rows], ends_s[rows] + between[back_to])
        return best

    def _by_ranges(self, ranges: Ranges, origin: IntArray, place: IntArray, places: Snapped) -> FloatArray:
        edge = places.edge[place]
        by_u = ranges.time_to(origin, self.network.u[edge].astype(np.int64)) + places.from_u[place]
        by_v = ranges.time_to(origin, self.network.v[edge].astype(np.int64)) + places.from_v[place]
        return np.asarray(np.minimum(by_u, by_v) + places.leg_s[place])

    def _by_search(self, origin: IntArray, place: IntArray, places: Snapped, limit_s: FloatArray) -> FloatArray:
        """Return exact times of a few pairs; infinite beyond the limit."""
        if not len(origin):
            return np.empty(0)
        asked = np.full(len(limit_s), np.nan)
        asked[origin] = limit_s[origin]
        return self._by_ranges(find_ranges(self.network, self.origins, asked), origin, place, places)

    def _with_same_edge(self, time_s: FloatArray, origin: IntArray, place: IntArray, places: Snapped) -> FloatArray:
        o, p, along_s = same_edge(self.network, self.origins, places)
        if not len(o):
            return time_s
        direct = dict(zip(zip(o.tolist(), p.tolist(), strict=True), along_s.tolist(), strict=True))
        same = np.flatnonzero(self.origins.edge[origin] == places.edge[place])
        for row in same.tolist():
            pair = (int(origin[row]), int(place[row]))
            if pair in direct:
                total = direct[pair] + self.origins.leg_s[pair[0]] + places.leg_s[pair[1]]
                time_s[row] = min(time_s[row], total)
        return time_s


def _least(origin: IntArray, facility: IntArray, time_s: FloatArray) -> Pairs:
    """Return each origin × facility once, by its nearest entrance."""
    order = np.lexsort((time_s, facility, origin))
    origin, facility, time_s = origin[order], facility[order], time_s[order]
    new = np.ones(len(origin), dtype=bool)
    new[1:] = (origin[1:] != origin[:-1]) | (facility[1:] != facility[:-1])
    return Pairs(origin[new], facility[new], time_s[new])


def check_agreement(network: Network, time_s: FloatArray, pairs: Pairs, limit_s: FloatArray, error_s: float) -> float:
    """Hold the two answers against each other: the search from the facilities and the pairs' least times.

    Parameters
    ----------
    network : Network
        For the message.
    time_s : float64 array of shape (origins,)
        Seconds to the nearest facility by `nearest`, NaN where not reached.
    pairs : Pairs
        The pairs of the same facilities.
    limit_s : float64 array of shape (origins,)
        The limit that the pairs were asked with.
    error_s : float
        Difference that rounding explains.

    Returns
    -------
    float
        The largest difference in seconds.

    Raises
    ------
    ComputeError
        If a pass by one is a fail by the other, or a time differs by more than `error_s`.
    """
    least = np.full(len(time_s), np.inf)
    np.minimum.at(least, pairs.origin, pairs.time_s)
    asked = np.isfinite(limit_s)
    one = asked & (time_s <= np.where(asked, limit_s, 0.0) + TIME_TOLERANCE_S)
    other = asked & np.isfinite(least)
    apart = np.abs(np.where(one & other, time_s - least, 0.0))
    if (one != other).any() or apart.max(initial=0.0) > error_s + TIME_TOLERANCE_S:
        raise ComputeError(
            f"{network.mode}: two independent searches disagree ({int((one != other).sum())} verdicts, times up to "
            f"{apart.max(initial=0.0):.3f} s apart where {error_s:.3f} s is rounding). No result is given; report this"
        )
    return float(apart.max(initial=0.0))
