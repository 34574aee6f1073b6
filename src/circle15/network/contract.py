"""Chains of degree-2 nodes become one edge each, with every vertex kept, all by array operations.

Each edge is seen as two *darts*: dart ``2 e`` runs from ``u[e]`` to ``v[e]``, dart ``2 e + 1`` back. A node is
*through* where exactly two different edges end that have the same speed, let the same traffic pass and agree in whether
they may be boarded; the dart that arrives there is followed by the dart that leaves on the other side. Chains are then
found by pointer doubling: log2(longest chain) steps for all chains at once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Chains:
    """Edges in their order along chains.

    Attributes
    ----------
    dart : int64 array of shape (edges,)
        Every edge once, as the dart in the chain's direction, chain after chain.
    first : int64 array of shape (chains + 1,)
        Chain ``i`` is ``dart[first[i]:first[i + 1]]``.
    """

    dart: IntArray
    first: IntArray


def find_chains(
    u: npt.NDArray[np.integer],
    v: npt.NDArray[np.integer],
    flags: npt.NDArray[np.uint8],
    speed: npt.NDArray[np.float64],
    boards: BoolArray,
    nodes: int,
) -> Chains:
    """Find the maximal chains of edges whose inner nodes are *through* (see the module).

    Parameters
    ----------
    u, v : int arrays of shape (edges,)
        Ends of the edges.
    flags : uint8 array of shape (edges,)
        Direction flags, 1 with the edge, 2 against it, 3 both.
    speed : float64 array of shape (edges,)
        Only edges of equal speed are joined, so that time along a chain is proportional to length; NaN equals none.
    boards : bool array of shape (edges,)
        Whether a journey may begin or end on the edge; only edges that agree are joined.
    nodes : int
        Number of nodes.
    """
    edges = len(u)
    tail = np.stack([u, v], axis=1).ravel().astype(np.int64)
    head = np.stack([v, u], axis=1).ravel().astype(np.int64)
    follow = _following_dart(tail, flags, speed, boards, nodes)
    follow = _cut_rings(follow, head, edges)

    last, steps = _jump_to_end(follow)
    # A dart starts a chain where nothing leads into it. Each chain is found twice, once per direction;
    # of the two start darts the lower one decides the direction.
    start = np.ones(2 * edges, dtype=bool)
    start[follow[follow >= 0]] = False
    other_start = last ^ 1
    canonical_end = np.full(2 * edges, -1, dtype=np.int64)
    starts = np.flatnonzero(start)
    chosen = starts[starts < other_start[starts]]
    canonical_end[last[chosen]] = np.arange(len(chosen))

    chain_of_dart = canonical_end[last]
    member = np.flatnonzero(chain_of_dart >= 0)
    order = member[np.lexsort((-steps[member], chain_of_dart[member]))]
    counts = np.bincount(chain_of_dart[member], minlength=len(chosen))
    return Chains(order, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


def _following_dart(
    tail: IntArray, flags: npt.NDArray[np.uint8], speed: npt.NDArray[np.float64], boards: BoolArray, nodes: int
) -> IntArray:
    """Return for each dart the one that carries on behind its head, -1 where the chain ends there."""
    open_dart = np.stack([flags & 1 != 0, flags & 2 != 0], axis=1).ravel()
    degree = np.bincount(tail, minlength=nodes)
    leaving = np.argsort(tail, kind="stable")
    first = np.concatenate([[0], np.cumsum(degree)])[:-1]
    two = np.flatnonzero(degree == 2)  # noqa: PLR2004 - a through node has two edges
    a, b = leaving[first[two]], leaving[first[two] + 1]
    same = (a >> 1 != b >> 1) & (speed[a >> 1] == speed[b >> 1]) & (boards[a >> 1] == boards[b >> 1])
    # what comes in along a's edge (dart a ^ 1) must be what goes out along b, and the other way round
    same &= (open_dart[a ^ 1] == open_dart[b]) & (open_dart[b ^ 1] == open_dart[a])
    a, b = a[same], b[same]
    follow = np.full(len(tail), -1, dtype=np.int64)
    follow[a ^ 1] = b
    follow[b ^ 1] = a
    return follow


def _cut_rings(follow: IntArray, head: IntArray, edges: int) -> IntArray:
    """Cut rings that have no end, at their lowest node, so that every chain has two ends."""
    linked = np.flatnonzero(follow >= 0)
    pairs = sparse.coo_matrix((np.ones(len(linked), np.int8), (linked >> 1, follow[linked] >> 1)), shape=(edges, edges))
    count, label = csgraph.connected_components(pairs, directed=False)
    links = np.bincount(label[linked >> 1], minlength=count)  # counted once per direction
    ring = links == 2 * np.bincount(label, minlength=count)
    in_ring = linked[ring[label[linked >> 1]]]
    if not len(in_ring):
        return follow
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, label[in_ring >> 1], head[in_ring])
    follow = follow.copy()
    follow[in_ring[head[in_ring] == lowest[label[in_ring >> 1]]]] = -1
    return follow


def _jump_to_end(follow: IntArray) -> tuple[IntArray, IntArray]:
    """Return each dart's last dart along the chain and the number of steps to it, by pointer doubling."""
    here = np.arange(len(follow))
    jump = np.where(follow >= 0, follow, here)
    steps = (follow >= 0).astype(np.int64)
    while True:
        further = jump[jump]
        if np.array_equal(further, jump):
            return jump, steps
        steps = steps + steps[jump]
        jump = further


def chain_vertices(
    xy: npt.NDArray[np.float64], first: IntArray, chains: Chains
) -> tuple[npt.NDArray[np.float64], IntArray]:
    """Return the vertices of each chain, joints once, and where each chain's vertices begin.

    Parameters
    ----------
    xy, first
        The vertices of the edges as in `tables.Streets`.
    chains : Chains
        The edges' order.
    """
    edge = chains.dart >> 1
    against = (chains.dart & 1).astype(bool)
    size = first[edge + 1] - first[edge]
    opens = np.zeros(len(edge), dtype=bool)
    opens[chains.first[:-1]] = True
    skip = np.where(opens, 0, 1)  # the first vertex of a later edge is the last one of the edge before
    keep = size - skip
    begin = np.concatenate([[0], np.cumsum(keep)])
    within = np.arange(begin[-1]) - np.repeat(begin[:-1], keep) + np.repeat(skip, keep)
    index = np.where(
        np.repeat(against, keep),
        np.repeat(first[edge + 1] - 1, keep) - within,
        np.repeat(first[edge], keep) + within,
    )
    return xy[index], begin[chains.first]
