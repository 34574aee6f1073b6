"""The same questions, answered as others would: short scripts to hold circle15 against.

Asked, on foot and by bicycle: the time from each committee to the nearest facility of each type and the number of them
within the threshold, and the time from each population cell to the nearest. Everybody starts from the streets in
memory (reading the file is the same for all, and osmnx takes longer than we do) and from the same entrances, and writes
nothing. The scripts look for the nearest facility as far as the threshold, which decides the verdict, unless `reach`
asks for more; circle15 always looks three times as far. What else each leaves out is said at its head.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandana
import pandas as pd
import shapely
from scipy import sparse
from scipy.sparse import csgraph

from circle15.errors import Notes
from circle15.network.graph import Network, build_network
from circle15.network.search import at_points, field_to
from circle15.network.snap import Snapped, snap_to_begin, snap_to_end
from circle15.network.travel import find_ranges
from circle15.quiet import quiet_stdout
from circle15.stages.run import Networks
from circle15.stages.travel import survey_modes
from circle15.tables import BACKWARD, FORWARD, Streets
from circle15.units import TIME_TOLERANCE_S, FloatArray, speed_m_per_s, travel_time_s
from setting import District, Questions, Watch, with_engine

IntArray = npt.NDArray[np.int64]


@dataclass
class Answers:
    """What a script found; columns are the types in the order of the standard.

    Attributes
    ----------
    time_s, count : float64 and int64 arrays of shape (committees, types)
        Seconds to the nearest facility (NaN where none is reached) and number within the threshold.
    cell_time_s : float64 array of shape (cells, types)
        Seconds from each cell.
    watch : Watch
        Seconds by step.
    """

    time_s: FloatArray
    count: IntArray
    cell_time_s: FloatArray
    watch: Watch

    @classmethod
    def empty(cls, district: District) -> "Answers":
        """Return answers with nothing found yet."""
        assert district.inputs.cells is not None
        committees, cells, types = len(district.inputs.committees), len(district.inputs.cells), len(district.book)
        return cls(
            np.full((committees, types), np.nan),
            np.zeros((committees, types), np.int64),
            np.full((cells, types), np.nan),
            Watch(),
        )


# (a) ---------------------------------------------------------------------------------------------------------------


def tutorial(district: District, reach: float = 1.0) -> Answers:
    """Answer like a tutorial: every OSM node is a node, minutes as weights, points at their nearest node.

    Leaves out: access legs, places along a street, what pandana cuts off each weight below a thousandth of a minute,
    and any limit to how far away the nearest node may be.
    """
    answers = Answers.empty(district)
    for asked in district.questions:
        with answers.watch.on("graph"):
            xy, tail, head, metres = every_vertex(district.streets, asked.mode)
            minutes = travel_time_s(metres, asked.speeds.kmh) / 60.0
            with quiet_stdout():
                net = pandana.Network(
                    pd.Series(xy[:, 0]),
                    pd.Series(xy[:, 1]),
                    pd.Series(tail),
                    pd.Series(head),
                    pd.DataFrame({"minutes": minutes}),
                    twoway=False,
                )
        _ask_pandana(net, asked, 60.0, reach, answers)
    return answers


def every_vertex(streets: Streets, mode: str) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
    """Return node coordinates, and arcs as (from, to, metres), of all straight pieces that `mode` may use.

    Only the largest piece of the network is kept, as osmnx does unless told otherwise.
    """
    flags = np.repeat(streets.access[mode], np.diff(streets.first))
    used = np.flatnonzero(flags > 0)
    edge = np.repeat(np.arange(len(streets.u)), np.diff(streets.first))
    xy, node = np.unique(streets.xy[used, 0] + 1j * streets.xy[used, 1], return_inverse=True)
    inner = np.flatnonzero(edge[used][1:] == edge[used][:-1])
    a, b, flag = node[inner], node[inner + 1], flags[used][inner]
    joined = sparse.coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(len(xy), len(xy)))
    _, piece = csgraph.connected_components(joined, directed=False)
    kept = piece == np.argmax(np.bincount(piece))
    stays = kept[a]
    # nodes in the order of the file, as others would have them: neighbours are near one another in memory
    old, first = np.unique(np.stack([a[stays], b[stays]], axis=1), return_index=True)
    order = old[np.argsort(first)]
    number = np.empty(len(xy), dtype=np.int64)
    number[order] = np.arange(len(order))
    a, b, flag, xy = number[a[stays]], number[b[stays]], flag[stays], xy[order]
    ahead, back = flag & FORWARD > 0, flag & BACKWARD > 0
    tail, head = np.concatenate([a[ahead], b[back]]), np.concatenate([b[ahead], a[back]])
    return np.stack([xy.real, xy.imag], axis=1), tail, head, np.abs(xy[head] - xy[tail])


def _ask_pandana(net: pandana.Network, asked: Questions, unit_s: float, reach: float, answers: Answers) -> None:
    """Ask by `set_pois` and `nearest_pois`; count by node pairs that a straight line could join in time.

    Counting by ``aggregate``, as some tutorials do, ranges over every node of the city and takes minutes.
    """
    threshold = asked.threshold_s / unit_s
    far = threshold * reach
    name = str(net.impedance_names[0])
    with answers.watch.on("snap"):
        committee = net.get_node_ids(*asked.committee_xy.T).to_numpy()
        cell = net.get_node_ids(*asked.cell_xy.T).to_numpy()
    tree = shapely.STRtree(shapely.points(asked.committee_xy))
    reach_m = asked.threshold_s * speed_m_per_s(asked.speeds.kmh)
    for column, (type_id, (xy, facility)) in enumerate(asked.entrances.items()):
        with answers.watch.on("nearest"), quiet_stdout():
            net.set_pois(type_id, far, 1, xy[:, 0], xy[:, 1])
            nearest = net.nearest_pois(far, type_id, num_pois=1, imp_name=name)[1]
            nearest = nearest.where(nearest < far) * unit_s
            answers.time_s[asked.committee_row, column] = nearest.loc[committee]
            answers.cell_time_s[asked.cell_row, column] = nearest.loc[cell]
        with answers.watch.on("pairs"), quiet_stdout():
            place = net.get_node_ids(*xy.T).to_numpy()
            to, origin = tree.query(shapely.points(xy), predicate="dwithin", distance=reach_m)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # pandana lists every pair that no path joins
                time = np.asarray(net.shortest_path_lengths(committee[origin], place[to], name)) if len(to) else to
            hit = time <= threshold
            pairs = np.unique(np.stack([origin[hit], facility[to[hit]]]), axis=1)
            answers.count[asked.committee_row, column] = np.bincount(pairs[0], minlength=len(committee))


# (b) ---------------------------------------------------------------------------------------------------------------


def pandana_contracted(district: District, reach: float = 1.0) -> Answers:
    """Answer like (a) on circle15's contracted graph, in seconds.

    Leaves out: access legs and edges; a point gets the nearest crossing, which may be a hundred metres off. Small
    pieces of network are dropped.
    """
    answers = Answers.empty(district)
    for asked in district.questions:
        with answers.watch.on("graph"):
            network = _contract(district, asked)
            tail, head, edge = network.arcs
            with quiet_stdout():
                net = pandana.Network(
                    pd.Series(network.node_xy[:, 0]),
                    pd.Series(network.node_xy[:, 1]),
                    pd.Series(tail.astype(np.int64)),
                    pd.Series(head.astype(np.int64)),
                    pd.DataFrame({"seconds": network.time_s[edge]}),
                    twoway=False,
                )
        _ask_pandana(net, asked, 1.0, reach, answers)
    return answers


def _contract(district: District, asked: Questions) -> Network:
    return build_network(district.streets, asked.speeds, district.run.config.network.min_component_nodes, Notes())


# (c) ---------------------------------------------------------------------------------------------------------------


def bare_scipy(district: District, reach: float = 1.0) -> Answers:
    """Answer by bounded searches alone: one from all facilities of a type, one from each committee.

    Exact on edges and with access legs. Leaves out: which facility is the nearest and how many metres away, whether
    any path leads there, and every check.
    """
    answers = Answers.empty(district)
    for asked in district.questions:
        with answers.watch.on("graph"):
            network = _contract(district, asked)
        with answers.watch.on("snap"):
            max_snap_m = district.run.config.network.max_snap_m
            committees, cells = (snap_to_begin(network, xy, max_snap_m) for xy in (asked.committee_xy, asked.cell_xy))
            xy = np.concatenate([xy for xy, _ in asked.entrances.values()])
            every = snap_to_end(network, xy, max_snap_m)
        with answers.watch.on("ranges"):
            limit_s = np.full(len(committees), asked.threshold_s)
            ranges = find_ranges(network, committees, limit_s)
        tree = shapely.STRtree(shapely.points(asked.committee_xy))
        reach_m = asked.threshold_s * speed_m_per_s(network.max_kmh)
        begin = 0
        for column, (xy, facility) in enumerate(asked.entrances.values()):
            places = every.take(np.arange(begin, begin + len(xy)))
            begin += len(xy)
            with answers.watch.on("nearest"):
                field = field_to(network, places, reach * asked.threshold_s)
                for points, rows, found in (
                    (committees, asked.committee_row, answers.time_s),
                    (cells, asked.cell_row, answers.cell_time_s),
                ):
                    time_s, _ = at_points(network, field, points, places)
                    found[rows, column] = np.where(time_s <= reach * asked.threshold_s, time_s, np.nan)
            with answers.watch.on("pairs"):
                to, origin = tree.query(shapely.points(xy), predicate="dwithin", distance=reach_m)
                edge = places.edge[to]
                time_s = places.leg_s[to] + np.minimum(
                    ranges.time_to(origin, network.u[edge].astype(np.int64)) + places.from_u[to],
                    ranges.time_to(origin, network.v[edge].astype(np.int64)) + places.from_v[to],
                )
                _same_edge(time_s, network, committees, places, origin, to)
                hit = time_s <= asked.threshold_s + TIME_TOLERANCE_S
                pairs = np.unique(np.stack([origin[hit], facility[to[hit]]]), axis=1)
                answers.count[asked.committee_row, column] = np.bincount(pairs[0], minlength=len(committees))
    return answers


def _same_edge(
    time_s: FloatArray, network: Network, committees: Snapped, places: Snapped, origin: IntArray, to: IntArray
) -> None:
    """Lower the times of pairs on one two-way edge; the few that lie on a one-way street are left out."""
    edge = places.edge[to]
    both = (committees.edge[origin] == edge) & network.forward[edge] & network.backward[edge]
    o, p = origin[both], to[both]
    pace = network.time_s[edge[both]] / np.maximum(network.length_m[edge[both]], 1e-9)
    direct = np.abs(committees.along_m[o] - places.along_m[p]) * pace + committees.leg_s[o] + places.leg_s[p]
    time_s[both] = np.minimum(time_s[both], direct)


# (d) ---------------------------------------------------------------------------------------------------------------


def ours(district: District, reach: float = 3.0) -> Answers:  # noqa: ARG001 - it is always three times
    """Answer by circle15's own network and travel stages, on walk and cycle alone.

    Leaves out nothing: finds entrances, distances and whether any path exists, and holds two searches against each
    other.
    """
    answers = Answers.empty(district)
    run = with_engine(district.run, district.run.config.network.engine)
    with answers.watch.on("graph"):
        networks = Networks({asked.mode: _contract(district, asked) for asked in district.questions}, "benchmark")
    surveys = survey_modes(run, district.inputs, networks, district.book)
    for name, seconds in run.clock.timings.items():
        step = name.split()[0]
        answers.watch.seconds[step] = answers.watch.seconds.get(step, 0.0) + seconds
    for asked in district.questions:
        one = surveys[asked.mode]
        for column, type_id in enumerate(asked.entrances):
            ((found, _),) = one.surveys[type_id]
            rows = asked.committee_row
            answers.time_s[rows, column] = found.time_s[rows]
            answers.count[rows, column] = np.bincount(found.pairs.origin, minlength=len(answers.count))[rows]
            answers.cell_time_s[one.cell_row, column] = found.cell_time_s
    return answers


PEERS = {
    "tutorial": tutorial,
    "pandana contracted": pandana_contracted,
    "bare scipy": bare_scipy,
    "circle15": ours,
}


def ratios(
    district: District, seconds: dict[str, list[float]], answers: dict[str, Answers]
) -> list[dict[str, float | str]]:
    """Return for each script its median seconds, our time over its time round by round, and how its answers differ.

    Verdicts are those of committee × type within the threshold; each script's own count decides.
    """
    own = seconds.get("circle15")
    truth = answers.get("circle15")
    asked = np.isfinite(district.thresholds_s)
    rows: list[dict[str, float | str]] = []
    for name, all_s in seconds.items():
        row: dict[str, float | str] = {"script": name, "median_s": float(np.median(all_s)), "least_s": min(all_s)}
        if own and truth:
            share = np.array(own) / np.array(all_s)
            row |= {"ours_over_it": float(np.median(share)), "from": float(share.min()), "to": float(share.max())}
            found, right = answers[name].count > 0, truth.count > 0
            row["verdicts_apart_percent"] = 100 * float((found != right)[asked].mean())
            row["counts_apart_percent"] = 100 * float((answers[name].count != truth.count)[asked].mean())
            apart = np.abs(answers[name].time_s - truth.time_s)
            row["median_time_apart_s"] = float(np.nanmedian(apart))
            row["largest_time_apart_s"] = float(np.nanmax(apart))
        rows.append(row)
    return rows
