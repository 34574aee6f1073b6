"""A graph of OSM ways → one whose edges alone say who may go where, as osmnx's GraphML has no other means to say it.

In a GraphML of osmnx an edge without a twin is one-way, by bicycle and by car alike, and a node lets everyone pass. OSM
knows more: ``oneway:bicycle=no``, a motorway without ``oneway``, a gate. So here a street whose modes differ in
direction, or in what lies at its ends, is drawn once for each group of modes that agree, closed to the others; a
barrier is a node of its own at the end of every street for the modes that may not pass. Who may use a street at all
still follows from its access tags, which stay. On foot every edge of a GraphML is open both ways: what OSM says
otherwise (``oneway:foot``) is counted.
"""

from collections.abc import Iterator
from typing import Any

import networkx as nx
from shapely import LineString

from circle15.errors import Notes
from circle15.inputs import osm_access
from circle15.inputs.osm_access import Access
from circle15.tables import BACKWARD, BOTH, FORWARD, MODES

BARRIER_KEYS = ("barrier", "locked", *osm_access.ACCESS_KEYS)
"""Tags of a node that decide who may pass it."""
OTHER_KEYS = ("osmid", "name", "length")
TURNED = frozenset({"-1", "reverse", "T"})
"""Values of ``oneway`` for which osmnx turns a way's nodes round, with ``all_oneway`` too."""
CLOSING = {"walk": "foot", "cycle": "bicycle", "drive": "motorcar"}
"""The most specific access tag of each mode."""
EVERYONE = {"foot": "yes", "bicycle": "yes", "motor_vehicle": "yes"}

Point = tuple[float, float]
Street = tuple[Any, Any, int]
"""First node, last node, and the direction flags in which an edge is drawn."""


def spell_out(graph: "nx.MultiDiGraph[Any]", access: Access, notes: Notes) -> "nx.MultiDiGraph[Any]":
    """Return a graph that the GraphML reader takes as the OSM reader takes its ways.

    Parameters
    ----------
    graph : MultiDiGraph
        Made by osmnx with ``all_oneway``: each edge once, of one way only, with its tags, in the way's direction (or
        against it, where ``oneway`` is one of `TURNED`).
        Nodes with ``x`` and ``y`` in degrees, and the tags in `BARRIER_KEYS`.
    access : Access
        The rules on who may use a street.
    notes : Notes
        Gets the streets that are one-way on foot.
    """
    drawn = _Drawing(graph, access)
    # what still says something when the edges say the direction
    kept_keys = [*(key for key in access.way_keys if key not in osm_access.DIRECTION_KEYS), *OTHER_KEYS]
    one_way_on_foot = set()
    for number, (start, stop, data) in enumerate(graph.edges(data=True)):
        tags = {key: str(data[key]) for key in access.way_keys if key in data}
        points = _points(graph, start, stop, data)
        if tags.get("oneway") in TURNED:
            start, stop, points = stop, start, points[::-1]  # noqa: PLW2901 - back to the way's own direction
        directions = directions_of(tags, access)
        if directions[0] != BOTH and access.way(tags).flags[0]:
            one_way_on_foot.add(data["osmid"])
        groups = _groups(drawn.ends(start, stop, number), directions)
        kept = {key: data[key] for key in kept_keys if key in data}
        for street, modes in groups.items():
            closed = {CLOSING[mode]: "no" for mode in MODES if mode not in modes}
            drawn.add(street, points, kept | closed)
    text = f"{len(one_way_on_foot)} OSM ways are one-way on foot; GraphML can't say so, and they are walked both ways"
    notes.add("fetch.one_way_on_foot", len(one_way_on_foot), text, [f"w{way}" for way in sorted(one_way_on_foot)])
    return drawn.graph


def directions_of(tags: dict[str, str], access: Access) -> osm_access.Flags:
    """Return the direction flags that a way would have on foot, by bicycle and by car if it were open to everyone."""
    open_to_all = {key: value for key, value in tags.items() if key not in osm_access.ACCESS_KEYS} | EVERYONE
    return access.way(open_to_all).flags


def _groups(ends: list[tuple[Any, Any]], directions: osm_access.Flags) -> dict[Street, list[str]]:
    """Return the streets to draw, with the modes that share each; walkers share any with their ends."""
    groups: dict[Street, list[str]] = {}
    for row in (1, 2):
        groups.setdefault((*ends[row], directions[row] or BOTH), []).append(MODES[row])
    shared = next((street for street in groups if street[:2] == ends[0]), (*ends[0], BOTH))
    groups.setdefault(shared, []).append(MODES[0])
    return groups


def _points(graph: "nx.MultiDiGraph[Any]", start: Any, stop: Any, data: dict[str, Any]) -> list[Point]:
    if "geometry" in data:
        return [(x, y) for x, y, *_ in data["geometry"].coords]
    return [(graph.nodes[node]["x"], graph.nodes[node]["y"]) for node in (start, stop)]


class _Drawing:
    """The new graph while it grows."""

    def __init__(self, source: "nx.MultiDiGraph[Any]", access: Access) -> None:
        self.graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph(**source.graph)
        self._source = source
        self._seen: set[tuple[Any, ...]] = set()
        self._shut = dict(self._barriers(access))
        for node, data in source.nodes(data=True):
            self.graph.add_node(str(node), x=data["x"], y=data["y"])

    def _barriers(self, access: Access) -> Iterator[tuple[Any, tuple[bool, bool, bool]]]:
        for node, data in self._source.nodes(data=True):
            if "barrier" in data:
                passes = access.barrier_passes({key: str(data[key]) for key in BARRIER_KEYS if key in data})
                if not all(passes):
                    yield node, passes

    def ends(self, start: Any, stop: Any, number: int) -> list[tuple[str, str]]:
        """Return the two nodes of each mode's edge: at a barrier that shuts it out, one of the edge's own."""
        return [
            (self._end(start, mode, f"{number}a"), self._end(stop, mode, f"{number}b")) for mode in range(len(MODES))
        ]

    def _end(self, node: Any, mode: int, suffix: str) -> str:
        if node not in self._shut or self._shut[node][mode]:
            return str(node)
        own, at = f"{node}/{suffix}", self._source.nodes[node]
        self.graph.add_node(own, x=at["x"], y=at["y"])
        return own

    def add(self, street: Street, points: list[Point], attributes: dict[str, Any]) -> None:
        """Draw a street, with one more vertex where it would be taken for the twin of another."""
        start, stop, direction = street
        while (key := _twin_key(start, stop, points)) in self._seen:
            (x, y), (next_x, next_y) = points[:2]
            points = [points[0], ((x + next_x) / 2, (y + next_y) / 2), *points[1:]]
        self._seen.add(key)
        shape = {"geometry": LineString(points)} if len(points) > 2 else {}  # noqa: PLR2004 - more than its ends
        attributes = attributes | shape | {"oneway": direction != BOTH, "reversed": False}
        if direction & FORWARD:
            self.graph.add_edge(start, stop, **attributes)
        if direction & BACKWARD:
            turned = {"geometry": LineString(points[::-1])} if shape else {}
            self.graph.add_edge(stop, start, **(attributes | turned | {"reversed": True}))


def _twin_key(start: str, stop: str, points: list[Point]) -> tuple[Any, ...]:
    """Return what two streets have in common if the GraphML reader would join them: both ends and every vertex."""
    if (start, points) > (stop, points[::-1]):
        start, stop, points = stop, start, points[::-1]
    return start, stop, *points
