"""Times between many pairs of nodes by pandana's contraction hierarchy, with its traps closed.

Pandana truncates weights to integer thousandths and adds them up in 32 bits: beyond 2**31 thousandths its
construction never returns, or its answers are wrong by hours without a word. So the length of one such thousandth
(the *tick*) follows here from an upper bound on the longest path; weights are put half a tick above a whole number,
where truncation rounds; unreachable pairs become infinite; node numbers are checked; what it prints to the file
descriptor of stdout is sent away; and a sample of its answers is held against an exact search before any is used.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import ComputeError
from circle15.network.graph import Network
from circle15.quiet import quiet_stdout
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]

MAX_TICKS = 2**31 - 1
SHORTCUT_MARGIN = 4.0
"""Shortcuts of the hierarchy and sums of its two half-searches may be longer than the longest shortest path."""
THOUSANDTHS = 1000.0
UNREACHABLE = 4294967.295
SAMPLE_ORIGINS = 12
SAMPLE_TARGETS = 40


@dataclass(frozen=True)
class Hierarchy:
    """A contraction hierarchy over a network's nodes.

    Attributes
    ----------
    tick_s : float
        Length in seconds of the integer unit that it calculates in.
    error_s : float
        Bound on the difference between its times and exact ones, for paths of as many edges as the sample's
        longest, doubled.
    bound_s : float
        The upper bound on the longest shortest path that `tick_s` follows from.
    sample_error_s : float
        Largest difference to an exact search found in the sample.
    """

    tick_s: float
    error_s: float
    bound_s: float
    sample_error_s: float
    _pandana: Any
    _nodes: int

    def node_times(self, tail: IntArray, head: IntArray) -> FloatArray:
        """Return the seconds from each `tail` to the `head` in the same row; infinite where no path leads.

        Raises
        ------
        ComputeError
            If a node is not in the network (pandana itself doesn't refuse it).
        """
        return _ask(self._pandana, self._nodes, self.tick_s, tail, head)


def build_hierarchy(network: Network, limit_s: float) -> Hierarchy:
    """Build the hierarchy and check a sample of its answers against exact searches.

    Parameters
    ----------
    network : Network
        The graph.
    limit_s : float
        Longest time that will be asked about; the sample's paths go that far.

    Raises
    ------
    ComputeError
        If weights are negative or not finite, or if a sampled time is off by more than `Hierarchy.error_s`.
    """
    import pandana  # noqa: PLC0415 - half a second, only where a hierarchy is wanted

    tail, head, edge = network.arcs
    weight = network.time_s[edge]
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise ComputeError(f"{network.mode}: some street has a negative or infinite travel time")
    bound = longest_path_bound(network)
    tick = bound * SHORTCUT_MARGIN / MAX_TICKS
    ticks = np.maximum(np.rint(weight / tick), 1.0)
    with quiet_stdout():
        net = pandana.Network(
            pd.Series(network.node_xy[:, 0]),
            pd.Series(network.node_xy[:, 1]),
            pd.Series(tail.astype(np.int64)),
            pd.Series(head.astype(np.int64)),
            pd.DataFrame({"time": (ticks + 0.5) / THOUSANDTHS}),
            twoway=False,
        )
    hops, worst = _check_sample(network, net, tick, limit_s)
    return Hierarchy(tick, tick * hops, bound, worst, net, network.nodes)


def longest_path_bound(network: Network) -> float:
    """Return an upper bound in seconds on the longest of all shortest paths.

    Per component: a path that passes through the largest strongly connected part is at most the farthest way into
    one of its nodes plus the farthest way out; one that does not can use each arc outside it once at most. Compounds
    all lie outside it, and no path visits two: there only arcs that hang together count.
    """
    graph = network.graph
    tail, head, edge = network.arcs
    weight = network.time_s[edge]
    bound = float(weight.max(initial=1.0))
    _, weak = csgraph.connected_components(graph, directed=True, connection="weak")
    _, strong = csgraph.connected_components(graph, directed=True, connection="strong")
    size = np.bincount(strong)
    for component in range(weak.max() + 1):
        member = np.flatnonzero(weak == component)
        core = strong[member[np.argmax(size[strong[member]])]]
        root = np.flatnonzero(strong == core)[:1]
        out = csgraph.dijkstra(graph, indices=root)
        back = csgraph.dijkstra(network.transposed, indices=root)
        outside = np.flatnonzero((weak[tail] == component) & (strong[tail] != core) & (strong[head] != core))
        through = out[np.isfinite(out)].max() + back[np.isfinite(back)].max()
        rest = float(weight[outside].sum())
        if network.has_compounds:
            rest = _heaviest_part(tail[outside], head[outside], weight[outside], len(weak))
        bound = max(bound, float(through), rest)
    return bound


def _heaviest_part(tail: npt.NDArray[np.int32], head: npt.NDArray[np.int32], weight: FloatArray, nodes: int) -> float:
    """Return the largest sum of the weights of arcs that hang together."""
    joined = sparse.coo_matrix((np.ones(len(tail), np.int8), (tail, head)), shape=(nodes, nodes))
    _, part = csgraph.connected_components(joined, directed=False)
    return float(np.bincount(part[tail], weights=weight).max(initial=0.0))


def _ask(net: Any, nodes: int, tick_s: float, tail: IntArray, head: IntArray) -> FloatArray:
    for ids in (tail, head):
        if len(ids) and (ids.min() < 0 or ids.max() >= nodes):
            raise ComputeError("a time was asked for a node that is not in the network; this is a bug in circle15")
    if not len(tail):
        return np.empty(0)
    with quiet_stdout(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a long list of unconnected pairs; they become infinite here
        answer = np.asarray(net.shortest_path_lengths(tail, head, "time"), dtype=np.float64)
    return np.where(answer >= UNREACHABLE - 1.0, np.inf, np.rint(answer * THOUSANDTHS) * tick_s)


def _check_sample(network: Network, net: Any, tick_s: float, limit_s: float) -> tuple[int, float]:
    """Compare sampled pairs with exact searches; return twice the most edges on a path, and the worst difference."""
    # evenly spread node numbers: the sample is the same in every run
    origins = np.unique(np.linspace(0, network.nodes - 1, SAMPLE_ORIGINS).astype(np.int64))
    exact, previous = csgraph.dijkstra(network.graph, indices=origins, limit=limit_s, return_predecessors=True)
    hops, worst = 1, 0.0
    pairs: list[tuple[IntArray, IntArray, FloatArray]] = []
    for row, origin in enumerate(origins):
        reached = np.flatnonzero(np.isfinite(exact[row]))
        hops = max(hops, _depth(previous[row], reached))
        target = reached[np.linspace(0, len(reached) - 1, SAMPLE_TARGETS).astype(np.int64)]
        pairs.append((np.full(len(target), origin), target, exact[row, target]))
    tail, head, time_s = (np.concatenate(part) for part in zip(*pairs, strict=True))
    answer = _ask(net, network.nodes, tick_s, tail, head)
    worst = float(np.abs(answer - time_s).max())
    allowed = tick_s * 2 * hops
    if not worst <= allowed:
        raise ComputeError(
            f"{network.mode}: the contraction hierarchy disagrees with an exact search by {worst:.3f} s "
            f'(at most {allowed:.3f} s is rounding). Use engine = "scipy" and report this'
        )
    return 2 * hops, worst


def _depth(previous: npt.NDArray[np.int32], reached: IntArray) -> int:
    """Return the most edges on a path of a shortest-path tree."""
    jump = np.arange(len(previous))
    jump[reached] = np.where(previous[reached] >= 0, previous[reached], reached)
    steps = (jump != np.arange(len(previous))).astype(np.int64)
    while True:
        further = jump[jump]
        if np.array_equal(further, jump):
            return int(steps[reached].max(initial=1))
        steps = steps + steps[jump]
        jump = further
