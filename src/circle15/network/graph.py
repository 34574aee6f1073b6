"""One contracted graph per mode: which streets it may use, how long each takes, its pieces, and where one boards it.

A journey begins and ends only where one can step onto the network and get somewhere. An edge may be boarded unless the
input says otherwise (a tunnel, a bridge, a ferry); to begin there, a way must lead from it into the *core*, and to end
there, one from the core to it. The core of each piece is the part with the most metres of street within which everybody
gets from everywhere to everywhere, and every other such part of at least `CORE_NODES` nodes. So nobody is put on a
one-way spur that ends blind.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import InputError, Notes, Problem, counted
from circle15.network.contract import chain_vertices, find_chains
from circle15.tables import BACKWARD, FORWARD, Streets
from circle15.units import FloatArray, travel_time_s

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

PUBLIC, PRIVATE, LINK = 0, 1, 2
"""Kinds of edges: open to everybody; inside a compound; and what no point may stand on: a gate, or the way around from
one gate of a compound to another (`network.compounds`). Without the switch every edge is public."""


@dataclass(frozen=True)
class ModeSpeeds:
    """How fast a mode moves.

    Attributes
    ----------
    mode : str
        One of `tables.TRAVEL_MODES`.
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

    @property
    def streets(self) -> str:
        """Whose access flags say which streets are open: the elderly walk where everybody walks."""
        return "walk" if self.mode == "elderly_walk" else self.mode


CORE_NODES = 100
"""A strongly connected part with so many nodes is no mistake of the map, even if one cannot leave it by the mode."""

Segments = tuple[IntArray, IntArray, FloatArray, shapely.STRtree]
"""Straight pieces of edges: first vertex, edge, metres before it on the edge, and their tree."""


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
    kind : uint8 array of shape (edges,)
        `PUBLIC`, `PRIVATE` or `LINK`.
    boards : bool array of shape (edges,)
        Whether a journey may begin or end on the edge between its ends, as far as the edge itself goes.
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
    kind: npt.NDArray[np.uint8]
    boards: BoolArray

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_xy)

    @cached_property
    def begins(self) -> BoolArray:
        """Which edges a journey may begin on, shape (edges,): boarded, and the core can be reached from them."""
        out = self._joined_to_core(leaving=True)
        leads = (self.forward & out[self.v]) | (self.backward & out[self.u])
        return np.asarray(self.boards & (self.kind != LINK) & leads)

    @cached_property
    def ends(self) -> BoolArray:
        """Which edges a journey may end on, shape (edges,): boarded, and they can be reached from the core."""
        into = self._joined_to_core(leaving=False)
        leads = (self.forward & into[self.u]) | (self.backward & into[self.v])
        return np.asarray(self.boards & (self.kind != LINK) & (leads | (self.kind == PRIVATE)))

    def _joined_to_core(self, *, leaving: bool) -> BoolArray:
        """Return which nodes the core can be reached from, also by a gate, or which can be reached from the core.

        The core is one of public edges.
        """
        public = self.kind == PUBLIC
        if (self.forward & self.backward)[self.kind != LINK].all():
            return np.ones(self.nodes, dtype=bool)
        tail, head, edge = self.arcs
        outside = public[edge]
        shape = (self.nodes, self.nodes)
        graph = sparse.csr_matrix((np.ones(int(outside.sum()), np.int8), (tail[outside], head[outside])), shape=shape)
        core = _core_nodes(graph, self.u[public], self.v[public], self.length_m[public])
        if leaving:
            graph = sparse.csr_matrix((np.ones(len(edge), np.int8), (head, tail)), shape=shape)
        return np.isfinite(csgraph.dijkstra(graph, indices=core, min_only=True, unweighted=True))

    @cached_property
    def segments_to_begin(self) -> Segments:
        """The straight pieces of the public edges that a journey may begin on."""
        return self.segments_of(self.begins & (self.kind == PUBLIC))

    @cached_property
    def segments_to_end(self) -> Segments:
        """The straight pieces of the public edges that a journey may end on."""
        same = bool((self.begins == self.ends)[self.kind == PUBLIC].all())
        return self.segments_to_begin if same else self.segments_of(self.ends & (self.kind == PUBLIC))

    @cached_property
    def private_segments_to_begin(self) -> Segments:
        """The straight pieces of the private edges that a journey may begin on."""
        return self.segments_of(self.begins & (self.kind == PRIVATE))

    @cached_property
    def private_segments_to_end(self) -> Segments:
        """The straight pieces of the private edges that a journey may end on."""
        same = bool((self.begins == self.ends)[self.kind == PRIVATE].all())
        return self.private_segments_to_begin if same else self.segments_of(self.ends & (self.kind == PRIVATE))

    def segments_of(self, chosen: BoolArray) -> Segments:
        """Return the straight pieces of some edges, given as a mask of shape (edges,)."""
        vertex, edge, before_m, lines = self._pieces
        keep = chosen[edge]
        return vertex[keep], edge[keep], before_m[keep], shapely.STRtree(lines[keep])

    @cached_property
    def _pieces(self) -> tuple[IntArray, IntArray, FloatArray, npt.NDArray[np.object_]]:
        """The straight pieces of all edges, made once: trees of some of them share their shapes."""
        size = np.diff(self.first)
        edge_of_vertex = np.repeat(np.arange(len(size)), size)
        vertex = np.flatnonzero(edge_of_vertex[1:] == edge_of_vertex[:-1])
        edge = edge_of_vertex[vertex]
        total = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self.xy, axis=0).T))])
        lines = shapely.linestrings(np.stack([self.xy[vertex], self.xy[vertex + 1]], axis=1))
        return vertex, edge, total[vertex] - total[self.first[edge]], np.asarray(lines)

    @cached_property
    def extent(self) -> shapely.Geometry:
        """The convex hull of all nodes: as far as the network is known."""
        # one line through all nodes has the same hull, and is made a hundred times faster than 60,000 points
        return shapely.LineString(np.vstack([self.node_xy, self.node_xy[:1]])).convex_hull

    @property
    def lines(self) -> npt.NDArray[np.object_]:
        """Every edge as a shapely LineString."""
        return np.asarray(shapely.linestrings(self.xy, indices=np.repeat(np.arange(len(self.u)), np.diff(self.first))))

    @property
    def has_compounds(self) -> bool:
        """Whether some edge is not open to everybody."""
        return bool((self.kind != PUBLIC).any())

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

    def darts_along(self, node: IntArray) -> IntArray:
        """Return the darts (see `network.contract`) of the fastest arcs between consecutive nodes of a path."""
        tail, head, edge = self.arcs
        key = tail.astype(np.int64) * self.nodes + head
        taken = edge[np.searchsorted(key, node[:-1] * self.nodes + node[1:])]
        return np.asarray(2 * taken + (self.u[taken] != node[:-1]), dtype=np.int64)

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


def _core_nodes(
    graph: sparse.csr_matrix, u: npt.NDArray[np.int32], v: npt.NDArray[np.int32], length_m: FloatArray
) -> IntArray:
    """Return one node of each strongly connected part that belongs to the core (see the module).

    `u`, `v` and `length_m` are those of the edges. A piece in which no street leads back to where it began has no such
    part; there every node is taken for the core.
    """
    _, weak = csgraph.connected_components(graph, directed=True, connection="weak")
    _, strong = csgraph.connected_components(graph, directed=True, connection="strong")
    size = np.bincount(strong)
    inside = strong[u] == strong[v]
    inside_m = np.bincount(strong[u[inside]], weights=length_m[inside], minlength=len(size))
    _, first = np.unique(strong, return_index=True)  # one node of each part
    piece = weak[first]
    most_m = np.zeros(weak.max() + 1)
    np.maximum.at(most_m, piece, inside_m)
    order = np.lexsort((first, -inside_m, piece))
    is_core = size >= CORE_NODES
    is_core[order[np.unique(piece[order], return_index=True)[1]]] = True
    is_core |= most_m[piece] == 0
    used = np.zeros(len(size), dtype=bool)
    used[strong[u]] = used[strong[v]] = True  # nodes of compounds are of no public edge
    is_core &= used
    return first[is_core].astype(np.int64)


def _csr(tail: npt.NDArray[np.int32], head: npt.NDArray[np.int32], weight: FloatArray, nodes: int) -> sparse.csr_matrix:
    indptr = np.concatenate([[0], np.cumsum(np.bincount(tail, minlength=nodes))]).astype(np.int32)
    return sparse.csr_matrix((weight, head.astype(np.int32), indptr), shape=(nodes, nodes))


@dataclass(frozen=True)
class Pieces:
    """Streets of one mode before they are contracted; rows are edges as in `tables.Streets`.

    Attributes
    ----------
    node_xy, u, v, xy, first
        As in `tables.Streets`.
    flags : uint8 array of shape (edges,)
        Direction flags, not 0.
    kmh : float64 array of shape (edges,)
        Speed.
    kind : uint8 array of shape (edges,)
        `PUBLIC`, `PRIVATE` or `LINK`.
    boards : bool array of shape (edges,)
        Whether a journey may begin or end between the edge's ends.
    """

    node_xy: FloatArray
    u: IntArray
    v: IntArray
    flags: npt.NDArray[np.uint8]
    kmh: FloatArray
    kind: npt.NDArray[np.uint8]
    boards: BoolArray
    xy: FloatArray
    first: IntArray


@dataclass(frozen=True)
class Chained:
    """The same after contraction; rows are chains.

    Attributes
    ----------
    start, end : int64 arrays of shape (chains,)
        Nodes, numbered as before.
    along, against : bool arrays of shape (chains,)
        Whether the chain may be used from start to end, and back.
    length_m, kmh : float64 arrays of shape (chains,)
        Length and speed.
    kind : uint8 array of shape (chains,)
        As its edges'.
    boards : bool array of shape (chains,)
        As its edges'.
    xy, first : arrays
        Vertices.
    chain_of : int64 array of shape (edges,)
        The chain that each edge has become a part of.
    """

    start: IntArray
    end: IntArray
    along: BoolArray
    against: BoolArray
    length_m: FloatArray
    kmh: FloatArray
    kind: npt.NDArray[np.uint8]
    boards: BoolArray
    xy: FloatArray
    first: IntArray
    chain_of: IntArray


def build_network(streets: Streets, speeds: ModeSpeeds, min_component_nodes: int, notes: Notes) -> Network:
    """Contract the streets that `speeds.mode` may use and drop components too small to matter.

    Parameters
    ----------
    streets : Streets
        Every street of the input; what is private is left out.
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
    pieces = take_pieces(streets, open_edges(streets, speeds), speeds)
    chained = contract(pieces)
    components = find_components(chained, len(streets.node_xy), min_component_nodes)
    note_components(components, chained, min_component_nodes, speeds.mode, notes)
    return number_nodes(chained, np.flatnonzero(components.stays[components.label]), streets.node_xy, speeds)


def open_edges(streets: Streets, speeds: ModeSpeeds) -> IntArray:
    """Return the edges that are open to everybody by the mode, or raise an `InputError` if there is none."""
    used = np.flatnonzero(streets.access[speeds.streets] > 0)
    if not len(used):
        raise InputError(
            Problem(f"no street is open to the mode {speeds.mode}", streets.source, remedy="Check the access tags.")
        )
    return used


def take_pieces(streets: Streets, rows: IntArray, speeds: ModeSpeeds) -> Pieces:
    """Return public edges of the streets as they are."""
    xy, first = take_vertices(streets.xy, streets.first, rows)
    return Pieces(
        node_xy=streets.node_xy,
        u=streets.u[rows].astype(np.int64),
        v=streets.v[rows].astype(np.int64),
        flags=streets.access[speeds.streets][rows],
        kmh=speed_of(streets, rows, speeds),
        kind=np.full(len(rows), PUBLIC, dtype=np.uint8),
        boards=streets.boards[speeds.streets][rows],
        xy=xy,
        first=first,
    )


def take_vertices(xy: FloatArray, first: IntArray, rows: IntArray) -> tuple[FloatArray, IntArray]:
    """Return the vertices of some rows of a ragged array, and where those of each begin."""
    size = first[rows + 1] - first[rows]
    begin = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    vertex = np.arange(begin[-1]) - np.repeat(begin[:-1], size) + np.repeat(first[rows], size)
    return xy[vertex], begin


def contract(pieces: Pieces) -> Chained:
    """Join chains of degree-2 nodes; a link is never part of one, so that a gate stays a node."""
    apart = np.where(pieces.kind == LINK, np.nan, pieces.kmh)  # NaN equals no speed, not even itself
    chains = find_chains(pieces.u, pieces.v, pieces.flags, apart, pieces.boards, len(pieces.node_xy))
    xy, first = chain_vertices(pieces.xy, pieces.first, chains)
    opening, closing = chains.dart[chains.first[:-1]], chains.dart[chains.first[1:] - 1]
    flags = pieces.flags[opening >> 1]
    turned = (opening & 1).astype(bool)
    chain_of = np.empty(len(pieces.u), dtype=np.int64)
    chain_of[chains.dart >> 1] = np.repeat(np.arange(len(opening)), np.diff(chains.first))
    return Chained(
        start=np.where(turned, pieces.v[opening >> 1], pieces.u[opening >> 1]),
        end=np.where(closing & 1, pieces.u[closing >> 1], pieces.v[closing >> 1]),
        along=np.where(turned, flags & BACKWARD, flags & FORWARD) > 0,
        against=np.where(turned, flags & FORWARD, flags & BACKWARD) > 0,
        length_m=edge_lengths(xy, first),
        kmh=pieces.kmh[opening >> 1],
        kind=pieces.kind[opening >> 1],
        boards=pieces.boards[opening >> 1],
        xy=xy,
        first=first,
        chain_of=chain_of,
    )


def number_nodes(chained: Chained, keep: IntArray, node_xy: FloatArray, speeds: ModeSpeeds) -> Network:
    """Make a network of the chains in `keep`, with only the nodes at which they end."""
    node, ends = np.unique(np.concatenate([chained.start[keep], chained.end[keep]]), return_inverse=True)
    xy, first = take_vertices(chained.xy, chained.first, keep)
    kmh, half = chained.kmh[keep], len(keep)
    return Network(
        mode=speeds.mode,
        access_kmh=speeds.access_kmh,
        max_kmh=float(max(kmh.max(), speeds.access_kmh)),
        kmh=float(kmh[0]) if np.ptp(kmh) == 0 else float("nan"),
        node_xy=node_xy[node],
        u=ends[:half].astype(np.int32),
        v=ends[half:].astype(np.int32),
        forward=chained.along[keep],
        backward=chained.against[keep],
        length_m=chained.length_m[keep],
        time_s=travel_time_s(chained.length_m[keep], kmh),
        xy=xy,
        first=first,
        kind=chained.kind[keep],
        boards=chained.boards[keep],
    )


def edge_lengths(xy: FloatArray, first: npt.NDArray[np.int64]) -> FloatArray:
    """Return the length in metres of each polyline of a ragged array of vertices."""
    step = np.hypot(*np.diff(xy, axis=0).T)
    total = np.concatenate([[0.0, 0.0], np.cumsum(step)])  # total[i + 1]: along all vertices up to vertex i
    # the jump between two polylines is no part of either: it lies between first[i + 1] - 1 and first[i + 1]
    return np.asarray(total[first[1:]] - total[first[:-1] + 1])


def speed_of(streets: Streets, rows: IntArray, speeds: ModeSpeeds) -> FloatArray:
    """Return the speed in km/h on each edge of `rows`."""
    if np.isnan(speeds.kmh):
        # a piece of several classes (a;b), joined by another program, is as slow as the slowest
        classes = [name.split(";") for name in streets.road_classes]
        by_class = np.array([min(speeds.class_kmh.get(one, speeds.default_kmh) for one in each) for each in classes])
        kmh = by_class[streets.road_class[rows]]
    else:
        kmh = np.full(len(rows), speeds.kmh)
    given = streets.speed_kmh[rows]
    return np.where(np.isnan(given), kmh, given)


@dataclass(frozen=True)
class Components:
    """The separate pieces of a network.

    Attributes
    ----------
    label : int64 array of shape (chains,)
        The piece that each chain belongs to.
    size : int64 array of shape (pieces,)
        Number of its nodes; 0 for a label that is only a node on no chain.
    stays : bool array of shape (pieces,)
        Whether it has as many nodes as asked for, or the most of all.
    """

    label: IntArray
    size: IntArray
    stays: BoolArray


def find_components(chained: Chained, nodes: int, min_nodes: int) -> Components:
    """Find the pieces, and which of them have at least `min_nodes` nodes or are the largest one."""
    start, end = chained.start, chained.end
    joined = sparse.coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(nodes, nodes))
    count, label = csgraph.connected_components(joined, directed=False)
    in_use = np.zeros(nodes, dtype=bool)
    in_use[start] = True
    in_use[end] = True
    size = np.bincount(label[in_use], minlength=count)
    stays = size >= min_nodes
    stays[np.argmax(size)] = True
    return Components(label[start].astype(np.int64), size, stays)


def note_components(
    components: Components,
    chained: Chained,
    min_nodes: int,
    mode: str,
    notes: Notes,
    taken: BoolArray | None = None,
) -> None:
    """Say which pieces were dropped; those in `taken` (by label) were not, for a compound has them."""
    gone = (components.size > 0) & ~components.stays
    if taken is not None:
        gone &= ~taken
    dropped = int(np.count_nonzero(gone))
    length_m = chained.length_m
    notes.add(
        f"network.{mode}.small_components",
        dropped,
        f"{mode}: {counted(dropped, 'separate piece', 'separate pieces')} of the network with fewer than {min_nodes} "
        f"nodes, dropped ({counted(int(components.size[gone].sum()), 'node', 'nodes')}, "
        f"{length_m[gone[components.label]].sum() / 1000:.1f} km of "
        f"{length_m.sum() / 1000:.1f} km); what lies there snaps to the rest or counts as off the network",
    )
    others = int(np.count_nonzero(components.stays)) - 1
    notes.add(
        f"network.{mode}.pieces",
        others,
        f"{mode}: the network is in {others + 1} pieces that no path joins; the largest has "
        f"{components.size.max()} nodes",
    )
