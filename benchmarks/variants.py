"""What simpler methods would have got wrong, and how much hangs on the speeds: verdicts of committee × requirement.

All variants ask the exact searches of circle15 with points put on the network in other ways, so a difference comes from
the way they were put there and from nothing else.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from circle15.network.graph import Network
from circle15.network.snap import Snapped, place, snap_to_begin, snap_to_end
from circle15.network.travel import Places, nearest
from circle15.units import FloatArray, within
from setting import District

BoolArray = npt.NDArray[np.bool_]
Snapper = Callable[[Network, FloatArray, float, bool], Snapped]
"""Puts points on a network, for the beginnings of journeys or for their ends."""

SEARCH_FACTOR = 1.25
"""Times are looked for this much beyond the threshold: more than whole minutes or 10 % of speed can move."""


def explode(network: Network) -> Network:
    """Return the network with every vertex a node and every straight piece an edge: uncontracted."""
    size = np.diff(network.first)
    edge = np.repeat(np.arange(len(size)), size)
    vertex = np.arange(len(edge))
    node = network.nodes + vertex  # inner vertices are nodes of their own; ends are the old nodes
    node[network.first[:-1]] = network.u
    node[network.first[1:] - 1] = network.v
    piece = np.flatnonzero(edge[1:] == edge[:-1])
    ids, ends = np.unique(np.concatenate([node[piece], node[piece + 1]]), return_inverse=True)
    every_xy = np.concatenate([network.node_xy, network.xy])
    length = np.hypot(*(network.xy[piece + 1] - network.xy[piece]).T)
    whole = edge[piece]
    return dataclasses.replace(
        network,
        node_xy=every_xy[ids],
        u=ends[: len(piece)].astype(np.int32),
        v=ends[len(piece) :].astype(np.int32),
        forward=network.forward[whole],
        backward=network.backward[whole],
        length_m=length,
        time_s=length * network.time_s[whole] / np.where(network.length_m[whole] > 0, network.length_m[whole], 1.0),
        xy=network.xy[np.stack([piece, piece + 1], axis=1).ravel()],
        first=2 * np.arange(len(piece) + 1, dtype=np.int64),
        kind=network.kind[whole],
        boards=network.boards[whole],
    )


def exact(network: Network, xy: FloatArray, max_snap_m: float, begins: bool) -> Snapped:
    """Put points where circle15 does."""
    return (snap_to_begin if begins else snap_to_end)(network, xy, max_snap_m)


def snap_to_node(network: Network, xy: FloatArray, max_snap_m: float, _begins: bool = True) -> Snapped:
    """Put points on their nearest node, with the straight line to it as access leg."""
    leg_m, node = cKDTree(network.node_xy).query(xy)
    edges = np.arange(len(network.u))
    at_node = np.zeros(network.nodes, dtype=np.int64)
    at_node[network.v], at_node[network.u] = edges, edges  # any edge at the node will do: it is found at its end
    edge = at_node[node]
    along_m = np.where(network.u[edge] == node, 0.0, network.length_m[edge])
    return place(network, np.where(leg_m <= max_snap_m, edge, -1), along_m, leg_m)


def without_legs(snapper: Snapper) -> Snapper:
    """Return a snapper that forgets the access leg."""

    def bare(network: Network, xy: FloatArray, max_snap_m: float, begins: bool) -> Snapped:
        found = snapper(network, xy, max_snap_m, begins)
        return dataclasses.replace(found, leg_s=np.where(found.on_network, 0.0, np.inf))

    return bare


def faster(network: Network, factor: float) -> Network:
    """Return the network of travellers whose speed, access legs included, is `factor` times as high."""
    return dataclasses.replace(
        network,
        kmh=network.kmh * factor,
        max_kmh=network.max_kmh * factor,
        access_kmh=network.access_kmh * factor,
        time_s=network.time_s / factor,
    )


def times(district: District, networks: dict[str, Network], snapper: Snapper) -> FloatArray:
    """Return the seconds from each committee to the nearest facility that serves each requirement.

    Shape (committees, requirements of the book); NaN where none is reached a little beyond the threshold.
    """
    columns = {type_id: column for column, type_id in enumerate(district.questions[0].entrances)}
    own = np.full((len(district.inputs.committees), len(columns)), np.nan)
    max_snap_m = district.run.config.network.max_snap_m
    for asked in district.questions:
        network = networks[asked.mode]
        committees = snapper(network, asked.committee_xy, max_snap_m, True)
        for type_id, (xy, facility) in asked.entrances.items():
            places = Places(snapper(network, xy, max_snap_m, False), xy, facility)
            found = nearest(network, committees, places, SEARCH_FACTOR * asked.threshold_s)
            own[asked.committee_row, columns[type_id]] = found.time_s
    served = [
        np.fmin.reduce([own[:, columns[s]] for s in district.serving[requirement.type] if s in columns])
        for requirement, _ in district.book
    ]
    return np.stack(served, axis=1)


def compare(truth: BoolArray, other: BoolArray, asked: BoolArray) -> dict[str, float]:
    """Return in per cent how `other` verdicts differ from true ones, arrays of shape (committees, requirements)."""
    wrong = (truth != other) & asked
    pairs, committees = int(asked.sum()), int(asked.any(axis=1).sum())
    return {
        "verdicts": pairs,
        "wrong_percent": 100 * float(wrong.sum()) / pairs,
        "false_pass_percent": 100 * float((wrong & other).sum()) / pairs,
        "false_fail_percent": 100 * float((wrong & truth).sum()) / pairs,
        "committees_with_one_percent": 100 * float(wrong.any(axis=1).sum()) / committees,
    }


def snapping(district: District) -> list[dict[str, float | str]]:
    """Return what each simpler way of putting points on the network gets wrong."""
    networks = district.networks
    every_node = {mode: explode(network) for mode, network in networks.items()}
    threshold_s = district.thresholds_s
    asked = np.isfinite(threshold_s)
    exact_s = times(district, networks, exact)
    truth = within(exact_s, threshold_s)
    ways: dict[str, BoolArray] = {
        "crossing (contracted node), with legs": within(times(district, networks, snap_to_node), threshold_s),
        "crossing (contracted node), no legs": within(
            times(district, networks, without_legs(snap_to_node)), threshold_s
        ),
        "nearest OSM node, with legs": within(times(district, every_node, snap_to_node), threshold_s),
        "nearest OSM node, no legs": within(times(district, every_node, without_legs(snap_to_node)), threshold_s),
        "edge, no legs": within(times(district, networks, without_legs(exact)), threshold_s),
        "edge with legs, whole minutes rounded down": np.floor(exact_s / 60) * 60 <= threshold_s,
    }
    return [{"way": name, **compare(truth, verdict, asked)} for name, verdict in ways.items()]


def speeds(district: District, factors: tuple[float, ...] = (0.9, 1.1)) -> list[dict[str, float | str]]:
    """Return the share of verdicts that turn when everybody moves slower or faster."""
    threshold_s = district.thresholds_s
    truth = within(times(district, district.networks, exact), threshold_s)
    rows: list[dict[str, float | str]] = []
    mode_of = np.stack([rules.mode for _, rules in district.book], axis=1)
    for factor in factors:
        moved = {mode: faster(network, factor) for mode, network in district.networks.items()}
        verdict = within(times(district, moved, exact), threshold_s)
        for mode in ("walk", "cycle", "both"):
            asked = np.isfinite(threshold_s) & ((mode_of == mode) | (mode == "both"))
            turned = (truth != verdict) & asked
            rows.append({
                "speeds": f"{100 * (factor - 1):+.0f} %",
                "mode": mode,
                "verdicts": int(asked.sum()),
                "turned_percent": 100 * float(turned.sum()) / int(asked.sum()),
                "pass_percent_before": 100 * float((truth & asked).sum()) / int(asked.sum()),
                "pass_percent_after": 100 * float((verdict & asked).sum()) / int(asked.sum()),
            })  # fmt: skip
    return rows
