"""Ways around: who has left a compound by one gate may come back by another.

No path of the graph leads back into a compound, so a link stands for the way outside from gate to gate, wherever it is
shorter than the way inside. It begins and ends at the compound's own nodes: only who is inside can take it. A way that
passes a third gate of the same compound needs no link, for its two halves are links or have ways inside as short.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from circle15.network.contract import Chains, chain_vertices
from circle15.network.graph import LINK, PRIVATE, Network
from circle15.units import FloatArray, travel_time_s

IntArray = npt.NDArray[np.int64]

LESS_S = 1e-9
"""A way around is shorter than one inside if it saves more than this, in seconds: more than rounding does."""
CHUNK_CELLS = 4_000_000
"""Entries of one dense block of search results: bounds the memory, not the result."""


@dataclass(frozen=True)
class _Pairs:
    """Pairs of gates of one compound, by gate number; arrays of shape (pairs,)."""

    one: IntArray
    other: IntArray
    inside_s: FloatArray

    def take(self, index: npt.NDArray[np.bool_] | IntArray) -> "_Pairs":
        """Return some of the pairs."""
        return _Pairs(self.one[index], self.other[index], self.inside_s[index])


@dataclass(frozen=True)
class _Way:
    """A way outside from the gate `one` to the gate `other`, by the public nodes in `path`."""

    one: int
    other: int
    time_s: float
    path: IntArray


def with_ways_around(network: Network) -> Network:
    """Return the network with a link for every way around a compound.

    Parameters
    ----------
    network : Network
        Its links are gates: from a compound's own node `u` to the public node `v`.
    """
    gates = np.flatnonzero(network.kind == LINK)
    own, street = network.u[gates].astype(np.int64), network.v[gates].astype(np.int64)
    compound, pairs = _pairs_inside(network, own)
    # no way around can be shorter than the straight line
    straight_m = np.hypot(*(network.node_xy[own[pairs.one]] - network.node_xy[own[pairs.other]]).T)
    pairs = pairs.take(travel_time_s(straight_m, network.max_kmh) < pairs.inside_s - LESS_S)
    gates_of: dict[int, set[int]] = {}
    for number, node in zip(compound.tolist(), street.tolist(), strict=True):
        gates_of.setdefault(number, set()).add(node)
    ways = [
        way
        for way in _ways_outside(network, street, pairs)
        if gates_of[int(compound[way.one])].isdisjoint(way.path[1:-1].tolist())
    ]
    return _with_links(network, own, ways) if ways else network


def _pairs_inside(network: Network, own: IntArray) -> tuple[IntArray, _Pairs]:
    """Return the compound of each gate, and the time inside between each two gates of one compound."""
    graph, node = _inside(network, own)
    at = np.searchsorted(node, own)
    _, label = csgraph.connected_components(graph, directed=False)
    compound = label[at].astype(np.int64)
    fellows: dict[int, list[int]] = {}
    for gate, number in enumerate(compound.tolist()):
        fellows.setdefault(number, []).append(gate)
    asked = np.array([gate for each in fellows.values() if len(each) > 1 for gate in each], dtype=np.int64)
    parts = [_Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    block = max(1, CHUNK_CELLS // max(len(node), 1))
    for start in range(0, len(asked), block):
        rows = asked[start : start + block]
        for gate, time_s in zip(rows.tolist(), csgraph.dijkstra(graph, indices=at[rows]), strict=True):
            others = np.array([other for other in fellows[int(compound[gate])] if other != gate])
            parts.append(_Pairs(np.full(len(others), gate), others, time_s[at[others]]))
    columns = zip(*((part.one, part.other, part.inside_s) for part in parts), strict=True)
    return compound, _Pairs(*(np.concatenate(column) for column in columns))


def _inside(network: Network, own: IntArray) -> tuple[sparse.csr_matrix, IntArray]:
    """Return the graph of the private edges alone, and the node of the network that each of its rows is, ascending."""
    tail, head, edge = network.arcs
    inner = network.kind[edge] == PRIVATE
    node = np.unique(np.concatenate([own, tail[inner], head[inner]]))
    arc = (np.searchsorted(node, tail[inner]), np.searchsorted(node, head[inner]))
    return sparse.csr_matrix((network.time_s[edge[inner]], arc), shape=(len(node), len(node))), node


def _ways_outside(network: Network, street: IntArray, pairs: _Pairs) -> Iterator[_Way]:
    """Yield the way outside of each pair for which it is shorter than the way inside."""
    farthest = np.zeros(len(street))
    np.maximum.at(farthest, pairs.one, pairs.inside_s)
    asked = np.unique(pairs.one)
    asked = asked[np.argsort(farthest[asked], kind="stable")]
    block = max(1, CHUNK_CELLS // network.nodes)
    of_one = np.argsort(pairs.one, kind="stable")
    for start in range(0, len(asked), block):
        rows = asked[start : start + block]
        time_s, previous = csgraph.dijkstra(
            network.graph, indices=street[rows], limit=float(farthest[rows].max()), return_predecessors=True
        )
        for row, one in enumerate(rows.tolist()):
            low, high = np.searchsorted(pairs.one[of_one], [one, one + 1])
            for pair in of_one[low:high].tolist():
                other = int(pairs.other[pair])
                outside_s = float(time_s[row, street[other]])
                if outside_s < pairs.inside_s[pair] - LESS_S:
                    yield _Way(one, other, outside_s, _trace(previous[row], int(street[other])))


def _trace(previous: npt.NDArray[np.int32], node: int) -> IntArray:
    """Return the nodes of the path that ends at `node`."""
    path = [node]
    while previous[path[-1]] >= 0:
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1], dtype=np.int64)


def _with_links(network: Network, own: IntArray, ways: list[_Way]) -> Network:
    darts = [network.darts_along(way.path) for way in ways]
    first = np.concatenate([[0], np.cumsum([len(one) for one in darts])]).astype(np.int64)
    xy, begin = chain_vertices(network.xy, network.first, Chains(np.concatenate(darts), first))
    size = len(ways)
    length_m = np.array([network.length_m[one >> 1].sum() for one in darts])
    return dataclasses.replace(
        network,
        u=np.concatenate([network.u, own[[way.one for way in ways]].astype(np.int32)]),
        v=np.concatenate([network.v, own[[way.other for way in ways]].astype(np.int32)]),
        forward=np.concatenate([network.forward, np.ones(size, dtype=bool)]),
        backward=np.concatenate([network.backward, np.zeros(size, dtype=bool)]),
        length_m=np.concatenate([network.length_m, length_m]),
        time_s=np.concatenate([network.time_s, [way.time_s for way in ways]]),
        xy=np.concatenate([network.xy, xy]),
        first=np.concatenate([network.first, network.first[-1] + begin[1:]]),
        kind=np.concatenate([network.kind, np.full(size, LINK, dtype=np.uint8)]),
        boards=np.concatenate([network.boards, np.zeros(size, dtype=bool)]),
    )
