"""Bounded searches on the contracted graph with SciPy: fields from many places, ranges around each place.

Places lie on edges, so each search starts from *virtual nodes*: one a place, joined to the ends of its edge by arcs
of the exact offsets. The graph itself is never changed; the virtual rows are appended to its matrix. A path that
stays on one edge passes no node and is added by hand (`same_edge`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from circle15.network.graph import Network
from circle15.network.snap import Snapped
from circle15.units import TIME_TOLERANCE_S, FloatArray

IntArray = npt.NDArray[np.int64]

SLACK_S = 2 * TIME_TOLERANCE_S
"""Searches go so far beyond their limit: a sum that is the limit on paper may come out above it. Whoever reads the
times holds them against the limit again."""

CHUNK_CELLS = 8_000_000
"""Entries of one dense block of search results (64 MB of float64): bounds the memory, not the result."""


@dataclass(frozen=True)
class Field:
    """The time from every node to the nearest of several places (or from it), within a limit.

    Attributes
    ----------
    time_s : float64 array of shape (nodes,)
        Seconds, the place's access leg included; infinite beyond the limit.
    place : int64 array of shape (nodes,)
        The nearest place, -1 where none is within the limit.
    previous : int32 array of shape (nodes,)
        The next node towards the place; -1 where the place's own edge follows. For tracing lengths.
    """

    time_s: FloatArray
    place: IntArray
    previous: npt.NDArray[np.int32]


def field_to(network: Network, places: Snapped, limit_s: float) -> Field:
    """Return the time from every node *to* the nearest place, by one search on the transposed graph.

    Parameters
    ----------
    network : Network
        The graph.
    places : Snapped
        Places to reach; those off the network are never reached. Of equal places the first counts.
    limit_s : float
        Search limit in seconds, inclusive; infinite for no limit.
    """
    n = network.nodes
    graph, used = with_places(network.transposed, network, places, places.from_u, places.from_v)
    if not len(used):
        return Field(np.full(n, np.inf), np.full(n, -1, np.int64), np.full(n, -1, np.int32))
    time_s, previous, source = csgraph.dijkstra(
        graph,
        indices=n + np.arange(len(used)),
        min_only=True,
        limit=limit_s + SLACK_S,
        return_predecessors=True,
    )
    source = source[:n].astype(np.int64)
    reached = np.isfinite(time_s[:n])
    previous = previous[:n]
    return Field(
        time_s[:n],
        np.where(reached, used[np.where(reached, source - n, 0)], -1),
        np.where(reached & (previous < n), previous, -1).astype(np.int32),
    )


def with_places(
    graph: sparse.csr_matrix, network: Network, places: Snapped, to_u: FloatArray, to_v: FloatArray
) -> tuple[sparse.csr_matrix, IntArray]:
    """Append one virtual row a place to `graph`, joined to the ends of its edge; return it with the rows' places.

    `to_u` and `to_v` are the seconds to the two ends; the access leg is added. Places at the very same spot share the
    row of the first, and places off the network have none.
    """
    used = np.flatnonzero(places.on_network)
    if len(used):
        spot = np.stack([places.edge[used], places.along_m[used], places.leg_m[used]], axis=1)
        used = used[np.sort(np.unique(spot, axis=0, return_index=True)[1])]
    edge = places.edge[used]
    head = np.stack([network.u[edge], network.v[edge]], axis=1).ravel()
    weight = np.stack([to_u[used], to_v[used]], axis=1).ravel() + np.repeat(places.leg_s[used], 2)
    open_arc = np.isfinite(weight)
    per_row = open_arc.reshape(-1, 2).sum(axis=1)
    size = network.nodes + len(used)
    return (
        sparse.csr_matrix(
            (
                np.concatenate([graph.data, weight[open_arc]]),
                np.concatenate([graph.indices, head[open_arc].astype(np.int32)]),
                np.concatenate([graph.indptr, graph.indptr[-1] + np.cumsum(per_row).astype(np.int32)]),
            ),
            shape=(size, size),
        ),
        used,
    )


def at_points(network: Network, field: Field, points: Snapped, places: Snapped) -> tuple[FloatArray, IntArray]:
    """Return the time from each point to its nearest place, and that place.

    Parameters
    ----------
    network, field, places
        A field made by `field_to` from these places.
    points : Snapped
        Where the journeys begin; their access leg is added.

    Returns
    -------
    time_s : float64 array of shape (points,)
        Infinite where no place is within the field's limit by way of a node.
    place : int64 array of shape (points,)
        -1 where `time_s` is infinite.
    """
    edge = np.where(points.on_network, points.edge, 0)
    by_u = points.to_u + field.time_s[network.u[edge]]
    by_v = points.to_v + field.time_s[network.v[edge]]
    time_s = np.minimum(by_u, by_v)
    nearest = np.where(by_u <= by_v, field.place[network.u[edge]], field.place[network.v[edge]])
    point, target, direct = same_edge(network, points, places)
    direct = direct + places.leg_s[target]
    order = np.lexsort((target, direct, point))
    point, first = np.unique(point[order], return_index=True)
    target, direct = target[order][first], direct[order][first]
    shorter = direct < time_s[point]
    time_s[point[shorter]] = direct[shorter]
    nearest[point[shorter]] = target[shorter]
    time_s = time_s + points.leg_s
    return time_s, np.where(np.isfinite(time_s), nearest, -1)


def same_edge(network: Network, points: Snapped, places: Snapped) -> tuple[IntArray, IntArray, FloatArray]:
    """Return every (point, place) on one edge with the seconds along it, where its direction allows; no access legs."""
    order = np.argsort(places.edge, kind="stable")
    edges = places.edge[order]
    on = np.flatnonzero(points.on_network)
    low = np.searchsorted(edges, points.edge[on], side="left")
    count = np.searchsorted(edges, points.edge[on], side="right") - low
    point = np.repeat(on, count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    target = order[np.repeat(low, count) + offset]
    edge = points.edge[point]
    ahead_m = places.along_m[target] - points.along_m[point]
    allowed = np.where(ahead_m > 0, network.forward[edge], np.where(ahead_m < 0, network.backward[edge], True))
    pace = network.time_s[edge] / np.where(network.length_m[edge] > 0, network.length_m[edge], 1.0)
    return point[allowed], target[allowed], (np.abs(ahead_m) * pace)[allowed]


def ranges_from(network: Network, origins: Snapped, limit_s: FloatArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield, block by block, the time from each origin to every node within its limit.

    Parameters
    ----------
    network : Network
        The graph.
    origins : Snapped
        Where the journeys begin; the access leg counts.
    limit_s : float64 array of shape (origins,)
        Limit of each origin in seconds, inclusive.

    Yields
    ------
    origin : int64 array of shape (block,)
        Rows of `origins`.
    time_s : float64 array of shape (block, nodes)
        Seconds; infinite beyond the block's largest limit or where nothing leads.
    """
    n = network.nodes
    order = np.argsort(limit_s, kind="stable")
    order = order[origins.on_network[order]]
    block = max(1, CHUNK_CELLS // n)
    for begin in range(0, len(order), block):
        rows = order[begin : begin + block]
        part = origins.take(rows)
        graph, used = with_places(network.graph, network, part, part.to_u, part.to_v)
        time_s = csgraph.dijkstra(graph, indices=n + np.arange(len(used)), limit=float(limit_s[rows].max()) + SLACK_S)
        yield rows, time_s[_row_of_spot(part, used), :n]


def _row_of_spot(places: Snapped, used: IntArray) -> IntArray:
    """Return for each place the virtual row that stands for its spot."""
    spot = np.stack([places.edge, places.along_m, places.leg_m], axis=1)
    _, label = np.unique(spot, axis=0, return_inverse=True)
    row = np.empty(label.max() + 1, dtype=np.int64)
    row[label[used]] = np.arange(len(used))
    return row[label]


def trace_lengths(network: Network, field: Field, points: Snapped, places: Snapped) -> FloatArray:
    """Return the length in metres of each point's fastest path, for networks whose edges differ in speed.

    The tree of the field is climbed by pointer doubling, so the work is log2(longest path) array steps.
    """
    n = network.nodes
    step = np.zeros(n)
    jump = np.arange(n)
    tail, head, edge = network.arcs
    inner = np.flatnonzero(field.previous >= 0)
    arc = np.searchsorted(tail.astype(np.int64) * n + head, inner * n + field.previous[inner])
    step[inner] = network.length_m[edge[arc]]
    jump[inner] = field.previous[inner]
    while True:
        further = jump[jump]
        if np.array_equal(further, jump):
            break
        step = step + step[jump]
        jump = further
    # what follows the last node of each path: the place's own edge and its access leg
    root = np.flatnonzero((field.place >= 0) & (field.previous < 0))
    last = np.zeros(n)
    last[root] = _last_leg(network, places, root, field.place[root])
    return _first_leg(network, field, points, places, step + last[jump])


def _last_leg(network: Network, places: Snapped, node: IntArray, place: IntArray) -> FloatArray:
    edge = places.edge[place]
    by_u = np.where(network.u[edge] == node, places.from_u[place], np.inf)
    by_v = np.where(network.v[edge] == node, places.from_v[place], np.inf)
    along = np.where(by_u <= by_v, places.along_m[place], network.length_m[edge] - places.along_m[place])
    return np.asarray(along + places.leg_m[place])


def _first_leg(network: Network, field: Field, points: Snapped, places: Snapped, beyond_m: FloatArray) -> FloatArray:
    edge = np.where(points.on_network, points.edge, 0)
    by_u = points.to_u + field.time_s[network.u[edge]]
    by_v = points.to_v + field.time_s[network.v[edge]]
    length = np.where(
        by_u <= by_v,
        points.along_m + beyond_m[network.u[edge]],
        network.length_m[edge] - points.along_m + beyond_m[network.v[edge]],
    )
    point, target, direct_s = same_edge(network, points, places)
    arrive_s = direct_s + places.leg_s[target]
    direct_m = np.abs(places.along_m[target] - points.along_m[point]) + places.leg_m[target]
    order = np.lexsort((target, arrive_s, point))
    point, first = np.unique(point[order], return_index=True)
    shorter = arrive_s[order][first] < np.minimum(by_u, by_v)[point]
    length[point[shorter]] = direct_m[order][first][shorter]
    return np.asarray(length + points.leg_m)
