"""One contracted graph per mode: which streets it may use, how long each takes, and its pieces."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import InputError, Notes, Problem
from circle15.network.contract import chain_vertices, find_chains
from circle15.tables import BACKWARD, FORWARD, Streets
from circle15.units import FloatArray, travel_time_s

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ModeSpeeds:
    """How fast a mode moves.

    Attributes
    ----------
    mode : str
        ``walk``, ``cycle`` or ``drive``.
    kmh : float
        Speed on every street; NaN where it follows from the road class.
    class_kmh : dict of str to float
        Speed by ``highway`` value (car).
    default_kmh : float
        Speed on a road class that `class_kmh` does not know; NaN where there is no such case.
    access_kmh : float
        Speed on the access leg between a point and the street: the mode's own, by car that of walking.
    """

    mode: str
    kmh: float
    access_kmh: float
    class_kmh: dict[str, float]
    default_kmh: float


@dataclass(frozen=True)
class Network:
    """The contracted graph of one mode.

    Attributes
    ----------
    mode : str
        The mode.
    access_kmh : float
        Speed on the access leg.
    max_kmh : float
        No path is faster than this, so that straight line / `max_kmh` is a lower bound on every time.
    kmh : float
        The speed on every edge; NaN if edges differ.
    node_xy : float64 array of shape (nodes, 2)
        Coordinates in metres.
    u, v : int32 arrays of shape (edges,)
        Ends of the edges.
    forward, backward : bool arrays of shape (edges,)
        Whether the edge may be used from `u` to `v`, from `v` to `u`.
    length_m, time_s : float64 arrays of shape (edges,)
        Length and the time that it takes; constant speed along an edge.
    xy, first : arrays
        Vertices of the edges, as in `tables.Streets`.
    """

    mode: str
    access_kmh: float
    max_kmh: float
    kmh: float
    node_xy: FloatArray
    u: npt.NDArray[np.int32]
    v: npt.NDArray[np.int32]
    forward: BoolArray
    backward: BoolArray
    length_m: FloatArray
    time_s: FloatArray
    xy: FloatArray
    first: npt.NDArray[np.int64]

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_xy)

    @cached_property
    def segments(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray, shapely.STRtree]:
        """The straight pieces of all edges: first vertex, edge, metres before it on the edge, and their tree."""
        size = np.diff(self.first)
        edge_of_vertex = np.repeat(np.arange(len(size)), size)
        vertex = np.flatnonzero(edge_of_vertex[1:] == edge_of_vertex[:-1])
        edge = edge_of_vertex[vertex]
        total = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self.xy, axis=0).T))])
        pieces = np.stack([self.xy[vertex], self.xy[vertex + 1]], axis=1)
        tree = shapely.STRtree(np.asarray(shapely.linestrings(pieces)))
        return vertex, edge, total[vertex] - total[self.first[edge]], tree

    @cached_property
    def extent(self) -> shapely.Geometry:
        """The convex hull of all nodes: as far as the network is known."""
        # one line through all nodes has the same hull, and is made a hundred times faster than 60,000 points
        return shapely.LineString(np.vstack([self.node_xy, self.node_xy[:1]])).convex_hull

    @property
    def lines(self) -> npt.NDArray[np.object_]:
        """Every edge as a shapely LineString."""
        return np.asarray(shapely.linestrings(self.xy, indices=np.repeat(np.arange(len(self.u)), np.diff(self.first))))

    @cached_property
    def arcs(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Directed arcs as (from, to, edge): of parallel ones the fastest (then lowest edge), no loops."""
        edge = np.arange(len(self.u))
        tail = np.concatenate([self.u[self.forward], self.v[self.backward]])
        head = np.concatenate([self.v[self.forward], self.u[self.backward]])
        edge = np.concatenate([edge[self.forward], edge[self.backward]])
        apart = tail != head
        tail, head, edge = tail[apart], head[apart], edge[apart]
        order = np.lexsort((edge, self.time_s[edge], head, tail))
        tail, head, edge = tail[order], head[order], edge[order]
        new = np.ones(len(tail), dtype=bool)
        new[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
        return tail[new], head[new], edge[new]

    @cached_property
    def graph(self) -> sparse.csr_matrix:
        """Times in seconds from row to column. Explicit zeros are edges too."""
        tail, head, edge = self.arcs
        return _csr(tail, head, self.time_s[edge], self.nodes)

    @cached_property
    def transposed(self) -> sparse.csr_matrix:
        """The same graph with every arc turned, for searches from facilities."""
        tail, head, edge = self.arcs
        order = np.lexsort((tail, head))
        return _csr(head[order], tail[order], self.time_s[edge[order]], self.nodes)


def _csr(tail: npt.NDArray[np.int32], head: npt.NDArray[np.int32], weight: FloatArray, nodes: int) -> sparse.csr_matrix:
    indptr = np.concatenate([[0], np.cumsum(np.bincount(tail, minlength=nodes))]).astype(np.int32)
    return sparse.csr_matrix((weight, head.astype(np.int32), indptr), shape=(nodes, nodes))


def build_network(streets: Streets, speeds: ModeSpeeds, min_component_nodes: int, notes: Notes) -> Network:
    """Contract the streets that `speeds.mode` may use and drop components too small to matter.

    Parameters
    ----------
    streets : Streets
        Every street of the input.
    speeds : ModeSpeeds
        The mode and its speeds.
    min_component_nodes : int
        Components with fewer nodes than this after contraction are dropped and counted; the largest always stays.
    notes : Notes
        Receives what was dropped.

    Raises
    ------
    InputError
        If no street is open to the mode.
    """
    flags = streets.access[speeds.mode]
    used = np.flatnonzero(flags > 0)
    if not len(used):
        raise InputError(
            Problem(f"no street is open to the mode {speeds.mode}", streets.source, remedy="Check the access tags.")
        )
    kmh = _speed_of(streets, used, speeds)
    chains = find_chains(streets.u[used], streets.v[used], flags[used], kmh, len(streets.node_xy))

    size = streets.first[used + 1] - streets.first[used]
    begin = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    vertex = np.arange(begin[-1]) - np.repeat(begin[:-1], size) + np.repeat(streets.first[used], size)
    xy, first = chain_vertices(streets.xy[vertex], begin, chains)

    opening, closing = chains.dart[chains.first[:-1]], chains.dart[chains.first[1:] - 1]
    u, v = streets.u[used], streets.v[used]
    length = edge_lengths(xy, first)
    start = np.where(opening & 1, v[opening >> 1], u[opening >> 1])
    end = np.where(closing & 1, u[closing >> 1], v[closing >> 1])
    along = np.where(opening & 1, flags[used][opening >> 1] & BACKWARD, flags[used][opening >> 1] & FORWARD) > 0
    against = np.where(opening & 1, flags[used][opening >> 1] & FORWARD, flags[used][opening >> 1] & BACKWARD) > 0
    kmh = kmh[opening >> 1]

    keep = _large_components(start, end, len(streets.node_xy), min_component_nodes, length, speeds.mode, notes)
    node, ends = np.unique(np.concatenate([start[keep], end[keep]]), return_inverse=True)
    size = np.diff(first)[keep]
    begin = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    vertex = np.arange(begin[-1]) - np.repeat(begin[:-1], size) + np.repeat(first[:-1][keep], size)
    half = len(keep)
    return Network(
        mode=speeds.mode,
        access_kmh=speeds.access_kmh,
        max_kmh=float(max(kmh[keep].max(), speeds.access_kmh)),
        kmh=float(kmh[keep][0]) if np.ptp(kmh[keep]) == 0 else float("nan"),
        node_xy=streets.node_xy[node],
        u=ends[:half].astype(np.int32),
        v=ends[half:].astype(np.int32),
        forward=along[keep],
        backward=against[keep],
        length_m=length[keep],
        time_s=travel_time_s(length[keep], kmh[keep]),
        xy=xy[vertex],
        first=begin,
    )


def edge_lengths(xy: FloatArray, first: npt.NDArray[np.int64]) -> FloatArray:
    """Return the length in metres of each polyline of a ragged array of vertices."""
    step = np.hypot(*np.diff(xy, axis=0).T)
    total = np.concatenate([[0.0, 0.0], np.cumsum(step)])  # total[i + 1]: along all vertices up to vertex i
    # the jump between two polylines is no part of either: it lies between first[i + 1] - 1 and first[i + 1]
    return np.asarray(total[first[1:]] - total[first[:-1] + 1])


def _speed_of(streets: Streets, used: npt.NDArray[np.int64], speeds: ModeSpeeds) -> FloatArray:
    if np.isnan(speeds.kmh):
        by_class = np.array([speeds.class_kmh.get(name, speeds.default_kmh) for name in streets.road_classes])
        kmh = by_class[streets.road_class[used]]
    else:
        kmh = np.full(len(used), speeds.kmh)
    given = streets.speed_kmh[used]
    return np.where(np.isnan(given), kmh, given)


def _large_components(
    start: npt.NDArray[np.int32],
    end: npt.NDArray[np.int32],
    nodes: int,
    min_nodes: int,
    length_m: FloatArray,
    mode: str,
    notes: Notes,
) -> npt.NDArray[np.int64]:
    """Return the edges of components that have at least `min_nodes` nodes, or are the largest one."""
    joined = sparse.coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(nodes, nodes))
    count, label = csgraph.connected_components(joined, directed=False)
    in_use = np.zeros(nodes, dtype=bool)
    in_use[start] = True
    in_use[end] = True
    size = np.bincount(label[in_use], minlength=count)
    stays = size >= min_nodes
    stays[np.argmax(size)] = True
    kept = stays[label[start]]
    dropped = int(np.count_nonzero((size > 0) & ~stays))
    notes.add(
        f"network.{mode}.small_components",
        dropped,
        f"{mode}: {dropped} separate pieces of the network with fewer than {min_nodes} nodes were dropped "
        f"({int(size[~stays].sum())} nodes, {length_m[~kept].sum() / 1000:.1f} km of "
        f"{length_m.sum() / 1000:.1f} km); what lies there snaps to the rest or counts as off the network",
    )
    others = int(np.count_nonzero(stays)) - 1
    notes.add(
        f"network.{mode}.pieces",
        others,
        f"{mode}: the network is in {others + 1} pieces that no path joins; the largest has {size.max()} nodes",
    )
    return np.flatnonzero(kept)
