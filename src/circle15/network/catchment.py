"""Every pair of population cell and facility within a limit, for floating catchments.

Journeys run from the cell to the facility, so the search runs from the facility on the transposed graph. A facility is
one virtual node, joined to the ends of its entrances' edges; a cell hangs on the ends of its own edge. Facilities are
searched in blocks, and only the cells at nodes that a facility reaches are looked at, so that the work grows with the
pairs found and the memory with the largest block.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from circle15.network.graph import Network
from circle15.network.search import CHUNK_CELLS, SLACK_S, same_edge
from circle15.network.snap import Snapped
from circle15.network.travel import Places
from circle15.units import FloatArray, within

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CatchmentPairs:
    """Times of the pairs within the limit; arrays of shape (pairs,), sorted by facility, then cell, each pair once.

    Attributes
    ----------
    cell, facility : int64 arrays
        Row of the cell and of the facility (as in `Places`).
    time_s : float64 array
        Seconds from the cell to the nearest of the facility's entrances, both access legs included.
    """

    cell: IntArray
    facility: IntArray
    time_s: FloatArray


@dataclass(frozen=True)
class _Times:
    """Times between numbered things, sorted by `row`; arrays of shape (entries,)."""

    row: IntArray
    column: IntArray
    time_s: FloatArray

    def first(self, rows: int) -> IntArray:
        """Return where each row begins, and in the end how many entries there are; shape (rows + 1,)."""
        return np.searchsorted(self.row, np.arange(rows + 1)).astype(np.int64)


def catchment_pairs(network: Network, cells: Snapped, places: Places, limit_s: float) -> CatchmentPairs:
    """Return every cell × facility pair whose time is within the limit.

    Parameters
    ----------
    network : Network
        The graph of the mode.
    cells : Snapped
        Where people live and journeys begin; those off the network are in no pair.
    places : Places
        Entrances of the facilities; those off the network are never reached.
    limit_s : float
        Limit in seconds, inclusive (see `units.within`).

    Raises
    ------
    ValueError
        If the limit is negative or NaN.
    """
    if not limit_s >= 0:
        raise ValueError(f"a limit of {limit_s} s is no limit: it must be 0 or more")
    facility, doors = _doors(network, places)
    ends, direct = _ends(network, cells), _direct(network, cells, places, facility)
    block = max(1, CHUNK_CELLS // max(network.nodes, 2 * len(cells), 1))
    found = [_Times(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for begin in range(0, len(facility), block):
        size = min(block, len(facility) - begin)
        reached = _search(network, _rows(doors, begin, size), size, limit_s)
        one = _join(reached, ends, _rows(direct, begin, size), cells, network.nodes, limit_s)
        found.append(_Times(one.row + begin, one.column, one.time_s))
    row, cell = (np.concatenate([getattr(one, name) for one in found]) for name in ("row", "column"))
    return CatchmentPairs(cell, facility[row], np.concatenate([one.time_s for one in found]))


def _doors(network: Network, places: Places) -> tuple[IntArray, _Times]:
    """Return the facilities that have an entrance on the network, and their times from the ends of its edges."""
    on = np.flatnonzero(places.snapped.on_network)
    facility, row = np.unique(places.facility[on], return_inverse=True)
    own = places.snapped.take(on)
    seconds = np.concatenate([own.from_u, own.from_v]) + np.tile(own.leg_s, 2)
    node = np.concatenate([network.u[own.edge], network.v[own.edge]])
    return facility, _least(np.tile(row, 2), node.astype(np.int64), seconds, network.nodes)


def _ends(network: Network, cells: Snapped) -> _Times:
    """Return node × cell: the time from the cell's place to each end of its edge, without the access leg."""
    on = np.flatnonzero(cells.on_network)
    edge = cells.edge[on]
    node = np.concatenate([network.u[edge], network.v[edge]]).astype(np.int64)
    return _least(node, np.tile(on, 2), np.concatenate([cells.to_u[on], cells.to_v[on]]), len(cells))


def _direct(network: Network, cells: Snapped, places: Places, facility: IntArray) -> _Times:
    """Return facility × cell for those on one edge: the time along it, without the cell's access leg."""
    cell, place, along_s = same_edge(network, cells, places.snapped)
    row = np.searchsorted(facility, places.facility[place]).astype(np.int64)
    return _least(row, cell, along_s + places.snapped.leg_s[place], len(cells))


def _rows(times: _Times, begin: int, size: int) -> _Times:
    """Return `size` rows from `begin` on, numbered from 0."""
    low, high = np.searchsorted(times.row, [begin, begin + size])
    return _Times(times.row[low:high] - begin, times.column[low:high], times.time_s[low:high])


def _search(network: Network, doors: _Times, size: int, limit_s: float) -> FloatArray:
    """Return the time from every node to each of `size` facilities; infinite beyond the limit."""
    graph, n = network.transposed, network.nodes
    joined = sparse.csr_matrix(
        (
            np.concatenate([graph.data, doors.time_s]),
            np.concatenate([graph.indices, doors.column.astype(np.int32)]),
            np.concatenate([graph.indptr, graph.indptr[-1] + doors.first(size)[1:].astype(np.int32)]),
        ),
        shape=(n + size, n + size),
    )
    return csgraph.dijkstra(joined, indices=n + np.arange(size), limit=limit_s + SLACK_S)[:, :n]


def _join(time_s: FloatArray, ends: _Times, direct: _Times, cells: Snapped, nodes: int, limit_s: float) -> _Times:
    """Return facility × cell within the limit, by way of a node or along one edge, access legs included."""
    row, node = np.nonzero(within(time_s, limit_s))
    first = ends.first(nodes)
    count = (first[1:] - first[:-1])[node]
    # the entries of `ends` at each reached node, one after the other
    at = np.arange(count.sum()) + np.repeat(first[node] - np.cumsum(count) + count, count)
    cell = np.concatenate([ends.column[at], direct.column])
    total = np.concatenate([ends.time_s[at] + np.repeat(time_s[row, node], count), direct.time_s]) + cells.leg_s[cell]
    row = np.concatenate([np.repeat(row, count), direct.row])
    inside = within(total, limit_s)
    return _least(row[inside], cell[inside], total[inside], len(cells))


def _least(row: IntArray, column: IntArray, time_s: FloatArray, columns: int) -> _Times:
    """Return each row × column of which a time is known once, in that order, with its least time."""
    known = np.isfinite(time_s)
    key = row[known] * columns + column[known]
    order = np.argsort(key, kind="stable")
    key, time_s = key[order], time_s[known][order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    return _Times(key[first] // max(columns, 1), key[first] % max(columns, 1), np.minimum.reduceat(time_s, first))
