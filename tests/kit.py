"""Small street networks for tests, and an independent oracle for travel times on them."""

from __future__ import annotations

from functools import cached_property

import networkx as nx
import numpy as np
import shapely

from circle15.errors import Notes
from circle15.network.graph import ModeSpeeds, Network, build_network
from circle15.tables import BOTH, MODES, Streets

WALK = ModeSpeeds("walk", 4.0, 4.0, {}, float("nan"))
CYCLE = ModeSpeeds("cycle", 12.0, 12.0, {}, float("nan"))
DRIVE = ModeSpeeds("drive", float("nan"), 4.0, {"primary": 40.0, "residential": 20.0}, 30.0)


def make_streets(lines, flags=None, classes=None, kmh=None, boards=None) -> Streets:
    """Streets from lines of coordinates; lines that share a first or last vertex meet there."""
    lines = [np.asarray(line, dtype=float) for line in lines]
    ends = np.array([[line[0], line[-1]] for line in lines]).reshape(-1, 2)
    node_xy, index = np.unique(ends, axis=0, return_inverse=True)
    index = index.reshape(-1, 2).astype(np.int32)
    flag = np.asarray(flags if flags is not None else [BOTH] * len(lines), dtype=np.uint8)
    names = tuple(sorted(set(classes or ["residential"])))
    road = np.array([names.index(c) for c in (classes or ["residential"] * len(lines))], dtype=np.int16)
    return Streets(
        node_xy=node_xy,
        u=index[:, 0].copy(),
        v=index[:, 1].copy(),
        xy=np.concatenate(lines),
        first=np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64),
        access=dict.fromkeys(MODES, flag),
        road_class=road,
        road_classes=names,
        speed_kmh=np.full(len(lines), np.nan) if kmh is None else np.asarray(kmh, dtype=float),
        boards=dict.fromkeys(MODES, np.ones(len(lines), bool) if boards is None else np.asarray(boards, bool)),
        source="made by a test",
    )


def make_network(
    streets: Streets, speeds: ModeSpeeds = WALK, min_nodes: int = 1, notes: Notes | None = None
) -> Network:
    return build_network(streets, speeds, min_nodes, notes if notes is not None else Notes())


def random_streets(rng: np.random.Generator, size: int = 6, one_way: float = 0.2) -> Streets:
    """A jittered lattice with gaps, bends, one-way streets and a few parallel ones; not all of it connected."""
    xy = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2) * 100.0
    xy = xy + rng.uniform(-30, 30, xy.shape)
    lines, flags = [], []
    for i in range(size * size):
        for j in ([i + 1] if i % size < size - 1 else []) + ([i + size] if i + size < size * size else []):
            for number in range(2 if rng.random() < 0.1 else 1):
                if rng.random() < 0.2:
                    continue
                bent = number > 0 or rng.random() < 0.5  # two streets on one line would tie for the nearest
                middle = [(xy[i] + xy[j]) / 2 + rng.uniform(-25, 25, 2)] if bent else []
                lines.append([xy[i], *middle, xy[j]])
                flags.append(int(rng.choice([1, 2])) if rng.random() < one_way else BOTH)
    return make_streets(lines, flags)


class Oracle:
    """Travel times by networkx on the uncontracted streets.

    Every straight piece is an edge of its own, and both points become nodes of the graph on their nearest piece: of
    those that may be boarded, one from which the largest part (by metres) of its piece in which everybody gets
    everywhere can be reached, or for the end of a journey one that can be reached from there.
    """

    def __init__(self, streets: Streets, speeds: ModeSpeeds, max_snap_m: float = 300.0) -> None:
        self.access_m_per_s = speeds.access_kmh / 3.6
        self.max_snap_m = max_snap_m
        self.pieces: list[tuple] = []
        for e in np.flatnonzero(streets.access[speeds.mode]).tolist():
            self.pieces += self._pieces_of(streets, speeds, e)
        self.shapes = [shapely.LineString([p[2], p[3]]) for p in self.pieces]

    def edges(self, name: str) -> set[int]:
        """Return the edges of which a piece may be begun on (``from``) or ended on (``to``)."""
        return {self.pieces[row][7] for row in self.boarded[name][0]}

    @cached_property
    def boarded(self) -> dict[str, tuple[list[int], shapely.STRtree]]:
        """The pieces that a journey may begin and end on, and their trees."""
        graph = nx.DiGraph()
        metres: dict = {}
        for one, two, _, _, flag, *_ in self.pieces:
            graph.add_nodes_from([one, two])
            _join(graph, one, two, 1.0, flag)
        part_of = {node: n for n, part in enumerate(nx.strongly_connected_components(graph)) for node in part}
        for one, two, start, end, *_ in self.pieces:
            if part_of[one] == part_of[two]:
                metres[part_of[one]] = metres.get(part_of[one], 0.0) + float(np.hypot(*(np.asarray(end) - start)))
        out, into = set(), set()
        self.cores: list = []
        for piece in nx.weakly_connected_components(graph):
            largest = max((part_of[node] for node in piece), key=lambda part: metres.get(part, 0.0))
            core = {node for node in piece if part_of[node] == largest}
            if not metres.get(largest):
                out, into = out | piece, into | piece
                self.cores += sorted(piece, key=str)
            else:
                one = next(iter(core))
                self.cores.append(one)
                out, into = out | nx.ancestors(graph, one) | core, into | nx.descendants(graph, one) | core
        found = {}
        for name, good, (first, second) in (("from", out, (1, 0)), ("to", into, (0, 1))):
            rows = [
                row
                for row, piece in enumerate(self.pieces)
                if piece[6] and ((piece[4] & 1 and piece[first] in good) or (piece[4] & 2 and piece[second] in good))
            ]
            found[name] = (rows, shapely.STRtree([self.shapes[row] for row in rows]))
        return found

    @staticmethod
    def _pieces_of(streets: Streets, speeds: ModeSpeeds, e: int) -> list[tuple]:
        kmh = speeds.kmh
        if np.isnan(kmh):
            kmh = speeds.class_kmh.get(streets.road_classes[streets.road_class[e]], speeds.default_kmh)
        if not np.isnan(streets.speed_kmh[e]):
            kmh = float(streets.speed_kmh[e])
        xy = streets.xy[streets.first[e] : streets.first[e + 1]]
        names = [("n", int(streets.u[e])), *[("v", e, k) for k in range(1, len(xy) - 1)], ("n", int(streets.v[e]))]
        flag, boards = int(streets.access[speeds.streets][e]), bool(streets.boards[speeds.streets][e])
        return [(names[k], names[k + 1], xy[k], xy[k + 1], flag, kmh / 3.6, boards, e) for k in range(len(xy) - 1)]

    @cached_property
    def graph(self) -> nx.DiGraph:
        graph = nx.DiGraph()
        for one, two, start, end, flag, speed, *_ in self.pieces:
            _join(graph, one, two, float(np.hypot(*(np.asarray(end) - start))) / speed, flag)
        return graph

    def __call__(self, a, b, cutoff_s: float | None = None) -> float:
        """Return the seconds from a to b; infinite where no path leads or one is off the network."""
        graph = self.graph
        feet = [self._foot(np.asarray(at, dtype=float), name) for at, name in ((a, "from"), (b, "to"))]
        if None in feet:
            return np.inf
        (near_a, foot_a, leg_a), (near_b, foot_b, leg_b) = feet
        try:
            self._attach("from", near_a, foot_a)
            self._attach("to", near_b, foot_b)
            if near_a == near_b:
                self._along(near_a, foot_a, foot_b)
            times = nx.single_source_dijkstra_path_length(graph, "from", cutoff=cutoff_s, weight="s")
            return leg_a + times.get("to", np.inf) + leg_b
        finally:
            graph.remove_nodes_from(["from", "to"])

    def _foot(self, at, name):
        rows, tree = self.boarded[name]
        near = rows[int(tree.nearest(shapely.Point(at)))]
        if self.shapes[near].distance(shapely.Point(at)) > self.max_snap_m:
            return None
        foot = np.asarray(self.shapes[near].interpolate(self.shapes[near].project(shapely.Point(at))).coords[0])
        return near, foot, float(np.hypot(*(foot - at))) / self.access_m_per_s

    def _attach(self, name: str, near: int, foot) -> None:
        """Join a foot to both ends of its piece, as far as the piece's direction lets one come or go."""
        one, two, start, end, flag, speed, *_ = self.pieces[near]
        for node, at, out, back in ((one, start, 2, 1), (two, end, 1, 2)):
            seconds = float(np.hypot(*(foot - at))) / speed
            here = seconds * speed < 1e-6  # at a junction one is on every street there
            if name == "from" and (flag & out or here):
                _add(self.graph, name, node, seconds)
            if name == "to" and (flag & back or here):
                _add(self.graph, node, name, seconds)

    def _along(self, near: int, foot_a, foot_b) -> None:
        _, _, start, _, flag, speed, *_ = self.pieces[near]
        ahead = np.hypot(*(foot_b - start)) - np.hypot(*(foot_a - start))
        if abs(ahead) < 1e-9 or flag & (1 if ahead > 0 else 2):
            _add(self.graph, "from", "to", abs(float(ahead)) / speed)


def _join(graph: nx.DiGraph, one, two, seconds: float, flag: int) -> None:
    if flag & 1:
        _add(graph, one, two, seconds)
    if flag & 2:
        _add(graph, two, one, seconds)


def _add(graph: nx.DiGraph, one, two, seconds: float) -> None:
    if graph.has_edge(one, two):
        seconds = min(seconds, graph[one][two]["s"])
    graph.add_edge(one, two, s=seconds)
