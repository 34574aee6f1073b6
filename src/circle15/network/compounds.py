"""Gated compounds: private streets that are open to those who live there, and closed to everybody else.

A compound gets nodes of its own, also where it meets the public streets. There a *link* of no length leads from the
compound's node to the public one, and none back: a *gate*. So no path enters a compound from outside, whoever starts
inside leaves by a gate, and one graph serves all.

Assumptions
-----------
- Private streets are one compound where they meet at a node that no public street touches. Where one does, only the two
  sides of the same street (one line of the input) are: two compounds may face each other across a public street.
- A piece of public streets that is too small to stay, and that private streets touch, lies inside: its gates are
  private, its streets have no tag. A larger piece stays what it is without the switch.
- Who has left by one gate may come back by another (`network.around`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import Notes
from circle15.network.around import with_ways_around
from circle15.network.entrances import find_entrances
from circle15.network.graph import (
    LINK,
    PRIVATE,
    Chained,
    ModeSpeeds,
    Network,
    Pieces,
    contract,
    edge_lengths,
    find_components,
    note_components,
    number_nodes,
    open_edges,
    speed_of,
    take_pieces,
    take_vertices,
)
from circle15.network.snap import AT_NODE_M, Snapped, snap_inside, snap_to_end
from circle15.network.travel import Places
from circle15.tables import FORWARD, Streets
from circle15.units import METRES_PER_KM

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Compounds:
    """The compounds of one mode; nodes numbered as in `tables.Streets`, and beyond those the gates' own.

    Attributes
    ----------
    edge : int64 array of shape (edges,)
        Rows of `tables.Streets`: the streets of compounds that have a gate.
    u, v : int64 arrays of shape (edges,)
        Their ends.
    gate : int64 array of shape (gates,)
        The public node of each gate; the compound's own node there is ``len(node_xy) + gate number``.
    count : int
        Number of compounds with a gate.
    sealed : int
        Number of compounds without.
    sealed_edge : int64 array
        The private streets of those.
    """

    edge: IntArray
    u: IntArray
    v: IntArray
    gate: IntArray
    count: int
    sealed: int
    sealed_edge: IntArray


def build_gated_network(streets: Streets, speeds: ModeSpeeds, min_component_nodes: int, notes: Notes) -> Network:
    """Make the network of a mode with compounds in it (see the module).

    Parameters
    ----------
    streets, speeds, min_component_nodes, notes
        As in `network.graph.build_network`; the streets read with their private ones. Which public pieces are large
        enough to stay is decided without the private streets.

    Returns
    -------
    Network
        The public edges are those of `build_network`, but for further nodes at the gates.

    Raises
    ------
    InputError
        If no street is open to everybody.
    """
    used = open_edges(streets, speeds)
    public = take_pieces(streets, used, speeds)
    chained = contract(public)
    nodes = len(streets.node_xy)
    components = find_components(chained, nodes, min_component_nodes)
    label = components.label[chained.chain_of]
    stays = components.stays[label]
    private = np.flatnonzero(streets.private[speeds.streets] > 0)
    found = _find_compounds(streets, used[stays], used[~stays], private)

    taken = np.zeros(len(components.size), dtype=bool)
    taken[label[np.isin(used, found.edge)]] = True
    note_components(components, chained, min_component_nodes, speeds.mode, notes, taken)
    inner = _inner_pieces(streets, found, speeds)
    _note(found, inner, speeds.mode, notes)
    every = _joined(take_pieces(streets, used[stays], speeds), inner, streets, found)
    whole: Chained = contract(every)
    network = number_nodes(whole, np.arange(len(whole.start)), every.node_xy, speeds)
    return with_ways_around(network)


def _find_compounds(streets: Streets, public: IntArray, lost: IntArray, private: IntArray) -> _Compounds:
    """Gather private edges, and public ones that did not stay, into compounds."""
    nodes = len(streets.node_xy)
    is_public = np.zeros(nodes, dtype=bool)
    is_public[streets.u[public]] = is_public[streets.v[public]] = True
    edge = np.concatenate([private, lost])
    ends = np.stack([streets.u[edge], streets.v[edge]], axis=1).astype(np.int64)
    outside = is_public[ends]
    # what edges have in common: a node of their own, or their line where it passes a public node
    _, of_line = np.unique(streets.line[edge][:, None] * nodes + ends, return_inverse=True)
    shared = np.where(outside, nodes + of_line.reshape(-1, 2), ends)
    size = len(edge) + int(shared.max(initial=0)) + 1
    link = (np.repeat(np.arange(len(edge)), 2), len(edge) + shared.ravel())
    joined = sparse.coo_matrix((np.ones(2 * len(edge), np.int8), link), shape=(size, size))
    _, label = csgraph.connected_components(joined, directed=False)
    label = label[: len(edge)].astype(np.int64)

    has_private, has_gate = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    has_private[label[: len(private)]] = True
    has_gate[label[outside.any(axis=1)]] = True
    sealed = (has_private & ~has_gate)[label]
    kept = np.flatnonzero((has_private & has_gate)[label])

    ends, outside, label_of_end = ends[kept], outside[kept], np.repeat(label[kept], 2).reshape(-1, 2)
    gates, number = np.unique(label_of_end[outside] * nodes + ends[outside], return_inverse=True)
    ends[outside] = nodes + number
    return _Compounds(
        edge=edge[kept],
        u=ends[:, 0],
        v=ends[:, 1],
        gate=gates % nodes,
        count=len(np.unique(label[kept])),
        sealed=len(np.unique(label[sealed])),
        sealed_edge=edge[: len(private)][sealed[: len(private)]],
    )


def _inner_pieces(streets: Streets, found: _Compounds, speeds: ModeSpeeds) -> Pieces:
    """Return the streets inside compounds, with the gates' nodes after all others."""
    xy, first = take_vertices(streets.xy, streets.first, found.edge)
    mode = speeds.streets
    return Pieces(
        node_xy=np.concatenate([streets.node_xy, streets.node_xy[found.gate]]),
        u=found.u,
        v=found.v,
        # an edge is open to everybody or private, never both
        flags=streets.access[mode][found.edge] | streets.private[mode][found.edge],
        kmh=speed_of(streets, found.edge, speeds),
        kind=np.full(len(found.edge), PRIVATE, dtype=np.uint8),
        boards=streets.boards[mode][found.edge],
        xy=xy,
        first=first,
    )


def _joined(public: Pieces, inner: Pieces, streets: Streets, found: _Compounds) -> Pieces:
    """Return public streets, compounds and a one-way link of no length at each gate, in this order.

    The order matters: where several edges are equally near to a point, the lowest number counts.
    """
    gates = len(found.gate)
    begin = np.cumsum([0, len(public.xy), len(inner.xy)])
    links = begin[2] + 2 * np.arange(1, gates + 1)
    return Pieces(
        node_xy=inner.node_xy,
        u=np.concatenate([public.u, inner.u, len(streets.node_xy) + np.arange(gates)]),
        v=np.concatenate([public.v, inner.v, found.gate]),
        flags=np.concatenate([public.flags, inner.flags, np.full(gates, FORWARD, dtype=np.uint8)]),
        # a link has no length, so any speed that occurs will do
        kmh=np.concatenate([public.kmh, inner.kmh, np.full(gates, public.kmh.max())]),
        kind=np.concatenate([public.kind, inner.kind, np.full(gates, LINK, dtype=np.uint8)]),
        boards=np.concatenate([public.boards, inner.boards, np.zeros(gates, dtype=bool)]),
        xy=np.concatenate([public.xy, inner.xy, np.repeat(streets.node_xy[found.gate], 2, axis=0)]),
        first=np.concatenate([public.first, begin[1] + inner.first[1:], links]).astype(np.int64),
    )


def _note(found: _Compounds, inner: Pieces, mode: str, notes: Notes) -> None:
    km = edge_lengths(inner.xy, inner.first).sum() / METRES_PER_KM
    notes.add(
        f"network.{mode}.compounds",
        found.count,
        f"{mode}: {found.count} compounds ({km:.1f} km of private streets, {len(found.gate)} gates) are open to those "
        "who live there, and to nobody else",
    )
    notes.add(
        f"network.{mode}.sealed_compounds",
        found.sealed,
        f"{mode}: {found.sealed} compounds ({len(found.sealed_edge)} private streets) have no gate to a public street "
        "and were left out; what lies there snaps to the nearest public street",
    )


def is_inside(network: Network, points: Snapped) -> npt.NDArray[np.bool_]:
    """Return which points stand on a private street."""
    return np.asarray(points.on_network & (network.kind[np.where(points.on_network, points.edge, 0)] == PRIVATE))


def add_inside(network: Network, places: Places, geometry: npt.NDArray[np.object_], max_snap_m: float) -> Places:
    """Return entrances with those that only people of the same compound can use.

    Parameters
    ----------
    network : Network
        With compounds.
    places : Places
        The entrances on public streets; they stay as they are, so nobody outside is worse off.
    geometry : object array of shapely geometries, shape (facilities,)
        The facilities. Lines and areas are entered where private streets cross or come near them, too.
    max_snap_m : float
        As in `network.snap.snap`.

    Returns
    -------
    Places
        Sorted by facility. An entrance has a second place if some private street is at least as near to it as every
        public one.
    """
    xy, facility = find_entrances(network, geometry, max_snap_m, Notes(), PRIVATE)
    spots = np.column_stack([np.concatenate([places.facility, facility]), np.concatenate([places.xy, xy])])
    spots = np.unique(spots[np.isfinite(spots).all(axis=1)], axis=0)
    facility, xy = spots[:, 0].astype(np.int64), spots[:, 1:]
    outside, inside = snap_to_end(network, xy, max_snap_m), snap_inside(network, xy, max_snap_m)
    near = np.flatnonzero(inside.on_network & ~(outside.on_network & (outside.leg_m < inside.leg_m - AT_NODE_M)))
    every = places.snapped.followed_by(inside.take(near))
    owner = np.concatenate([places.facility, facility[near]])
    order = np.argsort(owner, kind="stable")
    return Places(every.take(order), np.concatenate([places.xy, xy[near]])[order], owner[order])
