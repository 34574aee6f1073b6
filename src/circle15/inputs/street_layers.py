"""Street networks that are not OSM files: osmnx GraphML and line layers."""

import ast
import dataclasses
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import geopandas as gpd
import networkx as nx
import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from circle15.config import Datum, SourceConfig
from circle15.errors import InputError, Notes, Problem, counted, raise_if_any
from circle15.inputs import osm_access, segments, transform
from circle15.inputs.datum import correct
from circle15.inputs.osm_access import Access, Way
from circle15.inputs.streets import ROWS_KEPT, note_ferries, note_strange_classes, note_unknown_access
from circle15.inputs.tag_values import tag_text
from circle15.inputs.vector import LINES, Wanted, parse_crs, read_vector
from circle15.tables import BACKWARD, BOTH, FORWARD, Streets
from circle15.units import METRES_PER_KM, SECONDS_PER_HOUR, FloatArray

SAME_POINT_M = 0.01
"""Vertices of a line layer this close to each other, in metres, are one."""
YES = frozenset({"yes", "True", "true", "1"})
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
UNKNOWN_CLASS = "unknown"
"""Road class of a street without a ``highway`` value."""

LENGTH_SHARE, LENGTH_M = 0.05, 5.0
"""An edge whose ``length`` says this much more, as a share and in metres, than what is drawn has lost its shape."""
GAP_M = 25.0
"""An edge of a graph that ends farther than this from its node, in metres, is drawn elsewhere than the node."""
TEXT_KEYS = ("osmid", "oneway", "reversed", "length", "bearing", "grade", "grade_abs", "speed_kph", "travel_time")
"""Edge attributes that osmnx would convert and that nothing here needs as numbers."""


# osmnx GraphML -----------------------------------------------------------------------------------------------------


@dataclass
class _Edges:
    """The edges of a graph, twins joined, in the order of their first appearance."""

    seen: dict[Hashable, int] = field(default_factory=dict)
    ends: list[tuple[int, int]] = field(default_factory=list)
    rows: list["_Edge"] = field(default_factory=list)
    ferries: list[str] = field(default_factory=list)

    def add(self, u: int, v: int, edge: "_Edge") -> None:
        """Add an edge, or what it opens to the twin that has the same ends and vertices."""
        if u > v or (u == v and edge.inner.tolist() > edge.inner[::-1].tolist()):
            u, v, edge = v, u, edge.turned()
        row = self.seen.setdefault((u, v, edge.inner.tobytes()), len(self.ends))
        if row < len(self.ends):
            self.rows[row] = self.rows[row].joined(edge)
        else:
            self.ends.append((u, v))
            self.rows.append(edge)


@dataclass(frozen=True)
class _Edge:
    """What one edge of a graph says: its tags, what the rules make of them, and the flags along the edge itself.

    `inner` are the vertices between its nodes; `loose` tells whether the first and the last of them is an end of the
    line that is not its node's point. `length_m` is what the graph says, NaN if nothing.
    """

    tags: dict[str, str]
    speed_class: str
    boards: osm_access.Passes
    flags: osm_access.Flags
    residents: osm_access.Flags
    inner: FloatArray
    loose: tuple[bool, bool]
    length_m: float

    def turned(self) -> "_Edge":
        """Return the same edge seen from its other end."""
        return dataclasses.replace(
            self,
            flags=_turned(self.flags),
            residents=_turned(self.residents),
            inner=self.inner[::-1],
            loose=self.loose[::-1],
        )

    def joined(self, twin: "_Edge") -> "_Edge":
        """Return this edge with what a twin opens; a car is as slow as on the slower of the two."""
        boards = [
            (one and open_to > 0) or (other and twin_open > 0)
            for one, other, open_to, twin_open in zip(
                self.boards, twin.boards, self.residents, twin.residents, strict=True
            )
        ]
        by_car = [edge.speed_class for edge in (self, twin) if edge.residents[2]] or [self.speed_class]
        return dataclasses.replace(
            self,
            speed_class=";".join(dict.fromkeys(by_car)),
            boards=(boards[0], boards[1], boards[2]),
            flags=_either(self.flags, twin.flags),
            residents=_either(self.residents, twin.residents),
        )


def _turned(flags: osm_access.Flags) -> osm_access.Flags:
    other = {FORWARD: BACKWARD, BACKWARD: FORWARD}
    return other.get(flags[0], flags[0]), other.get(flags[1], flags[1]), other.get(flags[2], flags[2])


def _either(one: osm_access.Flags, other: osm_access.Flags) -> osm_access.Flags:
    return one[0] | other[0], one[1] | other[1], one[2] | other[2]


def read_graphml(
    path: Path,
    crs: CRS,
    source_crs: str | None,
    notes: Notes,
    *,
    access: Access,
    gated: bool = False,
    datum: Datum = "wgs84",
    ballpark: bool = False,
) -> Streets:
    """Read a graph that osmnx saved.

    An edge and its twin in the other direction are one street, open both ways; an edge without twin is one-way by
    bicycle and by car. On foot every edge is open both ways, unless its tags say otherwise for one direction
    (``foot:backward``, ``conveying``). Which modes may use it follows from ``highway`` and the access tags, where the
    graph has them; of several values on one edge (osmnx joins streets) the strictest counts.

    Parameters
    ----------
    path : Path
        The file. Nodes need ``x`` and ``y``; edges may have a ``geometry``.
    crs : CRS
        The run's metric CRS.
    source_crs : str or None
        CRS of the coordinates; by default the graph's own.
    notes : Notes
        Receives what was assumed.
    access : Access
        The rules on who may use a street.
    gated : bool
        Whether to read private streets too, apart from the public ones.
    datum : {"wgs84", "gcj02", "bd09"}
        What the coordinates are measured against.
    ballpark : bool
        Whether one datum may be taken for another where PROJ knows no way between them.

    Raises
    ------
    InputError
        If the file is no GraphML of this kind, names no CRS or an unknown one, holds coordinates that are no numbers,
        or edges that are drawn elsewhere than their nodes (farther than `GAP_M`).
    ConfigError
        If `datum` contradicts the CRS.
    """
    graph = _load_graph(path)
    given = _graph_crs(graph, source_crs, path)
    node_xy = _graph_nodes(graph, path)
    edges = _graph_edges(graph, node_xy, access, path)
    left_out = counted(len(edges.ferries), "edge of a ferry", "edges of ferries")
    text = f"{left_out} left out: an edge does not say how long its part of the way takes; use a .osm.pbf for ferries"
    notes.add("streets.ferries", len(edges.ferries), text, edges.ferries)
    if not edges.ends:
        raise InputError(Problem("holds no edges", str(path), remedy="Save a graph of streets."))
    tags = [edge.tags for edge in edges.rows]
    several = sum(";" in each.get("highway", "") for each in tags)
    text = (
        f"{counted(several, 'street has', 'streets have')} several highway values; each of them has to let a mode pass"
    )
    notes.add("streets.several_classes", several, text)
    _note_unclassed(sum("highway" not in each for each in tags), len(tags), notes)
    note_strange_classes(_strange_classes(tags, access), notes)
    rows = [f"edge {_node_names(graph, ends)}" for ends in edges.ends]
    barriers, strange = _graph_barriers(graph, access)
    note_unknown_access(_unknown_access(tags, rows, access) | strange, notes)
    note_closed([edge.residents if gated else edge.flags for edge in edges.rows], notes)

    size = np.array([len(edge.inner) for edge in edges.rows])
    all_xy, found = correct(
        np.concatenate([node_xy, *(edge.inner for edge in edges.rows)]), given, datum, "streets", str(path), notes
    )
    first = np.concatenate([[0], np.cumsum(size + 2)]).astype(np.int64)
    vertex = np.empty(first[-1], dtype=np.int64)
    inner = np.ones(first[-1], dtype=bool)
    inner[first[:-1]] = inner[first[1:] - 1] = False
    vertex[first[:-1]], vertex[first[1:] - 1] = np.array(edges.ends, dtype=np.int64).T
    vertex[inner] = len(node_xy) + np.arange(size.sum())
    vertex_xy = segments.project(all_xy, found, crs, transform.Layer("streets", str(path), notes, ballpark))
    _check_gaps(graph, edges, vertex_xy, len(node_xy), path)
    _note_lost_shapes(edges, rows, segments.lengths_m(vertex_xy[vertex], first), notes)
    classes, road_class = _classes([edge.speed_class for edge in edges.rows])
    lines = segments.Lines(
        vertex_xy=vertex_xy,
        vertex=vertex,
        first=first,
        access=np.array([edge.flags for edge in edges.rows], dtype=np.uint8),
        road_class=road_class,
        road_classes=classes,
        speed_kmh=np.full(len(road_class), np.nan),
        boards=np.array([edge.boards for edge in edges.rows], dtype=bool),
        residents=np.array([edge.residents for edge in edges.rows], dtype=np.uint8) if gated else None,
    )
    return segments.split(lines, barriers, str(path), notes)


def _graph_barriers(graph: Any, access: Access) -> tuple[segments.Barriers | None, dict[str, list[str]]]:
    """Return the barriers that stand at nodes, if the graph was saved with them, and words that no rule knows."""
    found, strange = {}, dict[str, list[str]]()
    for row, (name, data) in enumerate(graph.nodes(data=True)):
        if "barrier" in data:
            tags = {key: tag_text(data[key]) for key in ("barrier", "locked", *osm_access.ACCESS_KEYS) if key in data}
            for tag in access.unknown_values(tags):
                strange.setdefault(tag, []).append(f"node {name}")
            if not all(passes := access.barrier_passes(tags)):
                found[row] = (passes, access.resident_passes(tags))
    if not found:
        return None, strange
    table = np.array(list(found.values()), dtype=bool)
    return segments.Barriers(np.array(list(found), dtype=np.int64), table[:, 0], table[:, 1]), strange


def _note_lost_shapes(edges: _Edges, rows: list[str], drawn_m: FloatArray, notes: Notes) -> None:
    """Note edges that are drawn clearly shorter than the graph says: a straight line for a winding street."""
    said_m = np.array([edge.length_m for edge in edges.rows])
    lost = np.flatnonzero(said_m > drawn_m * (1 + LENGTH_SHARE) + LENGTH_M)
    text = (
        f"{counted(len(lost), 'edge is', 'edges are')} drawn shorter than the graph's length says (up to "
        f"{(said_m - drawn_m)[lost].max(initial=0.0):,.0f} m); has a simplified graph lost its geometry? "
        "What is drawn counts, so that ways may be too short"
    )
    notes.add("streets.shapes_lost", len(lost), text, [rows[row] for row in lost[:ROWS_KEPT]])


def _graph_crs(graph: Any, declared: str | None, path: Path) -> CRS:
    """Return the CRS that is declared or else the graph's own, also one in the form ``{'init': 'epsg:32632'}``."""
    if declared:
        return parse_crs(declared, f"{path}: crs")
    own = str(graph.graph.get("crs") or "").strip()
    remedy = 'Declare the one of its x and y, e.g. [network] crs = "EPSG:4326" for degrees.'
    if not own:
        raise InputError(Problem("the graph names no CRS", str(path), remedy=remedy))
    try:
        return _parse_old_crs(own)
    except CRSError:
        raise InputError(Problem(f"the graph's CRS {own!r:.80} is no known one", str(path), remedy=remedy)) from None


def _parse_old_crs(text: str) -> CRS:
    """Return a CRS, also one in the forms of osmnx before 1.0: ``{'init': 'epsg:32632'}``, ``{'proj': 'utm', …}``."""
    named: Any = text
    if text.startswith("{"):
        try:
            named = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise CRSError(text) from None
    if isinstance(named, dict) and "init" in named:
        named = str(named["init"])
    if isinstance(named, str):
        named = re.sub(r"^\+init=(\S+).*$", r"\1", named)
    return CRS.from_user_input(named)


def _node_names(graph: Any, ends: tuple[int, int]) -> str:
    names = list(graph)
    return f"{names[ends[0]]}–{names[ends[1]]}"


def _check_gaps(graph: Any, edges: _Edges, vertex_xy: FloatArray, nodes: int, path: Path) -> None:
    """Refuse edges whose first or last vertex lies far from its node: two coordinate systems in one file.

    Raises
    ------
    InputError
        Naming the edges.
    """
    size = np.array([len(edge.inner) for edge in edges.rows])
    last = nodes + np.cumsum(size) - 1
    gap_m = np.zeros(len(size))
    at_ends = zip(
        np.array(edges.ends, dtype=np.int64).T,
        np.array([edge.loose for edge in edges.rows]).T,
        (last - size + 1, last),
        strict=True,
    )
    for node, loose, end in at_ends:
        rows = np.flatnonzero(loose)
        gap_m[rows] = np.fmax(gap_m[rows], np.hypot(*(vertex_xy[node[rows]] - vertex_xy[end[rows]]).T))
    far = np.flatnonzero(gap_m > GAP_M)
    if len(far):
        what = f"{len(far)} of {len(size)} edges are drawn elsewhere than their nodes (up to {gap_m.max():,.0f} m away)"
        names = tuple(_node_names(graph, edges.ends[row]) for row in far[:ROWS_KEPT])
        remedy = (
            "Nodes and geometry have to be in one CRS: project the whole graph (osmnx.project_graph) and save it anew."
        )
        raise InputError(Problem(what, str(path), names, remedy))


def _load_graph(path: Path) -> Any:
    """Return the networkx graph; ids stay text, so that a graph of other ids than OSM's reads too."""
    import osmnx  # noqa: PLC0415 - brings scikit-learn: 0.7 s that only a GraphML is worth

    try:
        return osmnx.load_graphml(path, node_dtypes={"osmid": str}, edge_dtypes=dict.fromkeys(TEXT_KEYS, str))
    except (ParseError, nx.NetworkXError, shapely.errors.GEOSException, ValueError, KeyError, AttributeError) as error:
        what = f"cannot be read as osmnx GraphML: {str(error).strip() or type(error).__name__}"
        raise InputError(Problem(what, str(path), remedy="Save it with osmnx.save_graphml.")) from None


def _graph_nodes(graph: Any, path: Path) -> FloatArray:
    """Return the nodes' coordinates, or raise for those that have none."""
    if not len(graph):
        raise InputError(Problem("holds no nodes", str(path), remedy="Save a graph of streets."))
    xy = np.array(
        [(data.get("x", math.nan), data.get("y", math.nan)) for _, data in graph.nodes(data=True)], dtype=float
    )
    bad = ~np.isfinite(xy).all(axis=1)
    if bad.any():
        rows = tuple(f"node {name}" for name, is_bad in zip(graph, bad, strict=True) if is_bad)
        raise InputError(Problem("x or y is missing or no finite number", str(path), rows, "Correct these nodes."))
    return xy


def _graph_edges(graph: Any, node_xy: FloatArray, access: Access, path: Path) -> _Edges:
    row = {name: i for i, name in enumerate(graph)}
    edges, undirected = _Edges(), []
    for tail, head, data in graph.edges(data=True):
        u, v = row[tail], row[head]
        tags = {key: text for key in access.way_keys if key in data and (text := tag_text(data[key]))}
        if tags.get("route") == osm_access.FERRY:
            edges.ferries.append(f"edge {tail}–{head}")
            continue
        against = tag_text(data.get("reversed")) in YES
        if graph.is_directed():
            way, direction = _without_oneway(tags, access), FORWARD
        else:
            # nothing but the tags says the direction, along the edge from its `from`
            way, direction = read_street(tags, access), BOTH
            start = str(data.get("from", ""))
            against ^= start == str(head)
            if start not in (str(tail), str(head)) and _is_one_way(way):
                undirected.append(f"edge {tail}–{head}")
        flags, residents = (_along(each, direction, against) for each in (way.flags, way.residents))
        inner, loose = _inner_vertices(data.get("geometry"), node_xy[u], node_xy[v])
        length_m = float(text) if NUMBER.fullmatch(text := tag_text(data.get("length"))) else math.nan
        speed_class = _class_of(tags)
        edges.add(u, v, _Edge(tags, speed_class, way.boards, flags, residents, inner, loose, length_m))
    if undirected:
        what = "the graph has no directions, and nothing says in which one its one-way streets are open"
        raise InputError(Problem(what, str(path), tuple(undirected[:ROWS_KEPT]), "Save the directed graph."))
    return edges


def _is_one_way(way: Way) -> bool:
    return any(flags in (FORWARD, BACKWARD) for flags in way.residents)


def _without_oneway(tags: dict[str, str], access: Access) -> Way:
    """Return what tags say but for ``oneway`` and its like, whose place the edges take; a fast road stays one."""
    own = {key: text for key, text in tags.items() if key not in osm_access.WHEEL_DIRECTION_KEYS}
    way = read_street(own | {"oneway": "no"}, access)  # said, for a motorway without a word is one-way
    whole = read_street(tags, access)
    return way._replace(
        flags=_where_open(way.flags, whole.flags), residents=_where_open(way.residents, whole.residents)
    )


def _where_open(flags: osm_access.Flags, whole: osm_access.Flags) -> osm_access.Flags:
    return flags[0] if whole[0] else 0, flags[1] if whole[1] else 0, flags[2] if whole[2] else 0


def _along(flags: osm_access.Flags, direction: int, against: bool) -> osm_access.Flags:
    """Return a way's flags along one of its edges, which may run against it; wheels keep to the edge's direction."""
    walk, cycle, drive = _turned(flags) if against else flags
    return walk, cycle & direction, drive & direction


def _inner_vertices(line: Any, start: FloatArray, stop: FloatArray) -> tuple[FloatArray, tuple[bool, bool]]:
    """Return the vertices between the two nodes, and whether an end is not its node's point; then it stays a vertex."""
    if line is None:
        return np.empty((0, 2)), (False, False)
    xy: FloatArray = shapely.get_coordinates(line)
    as_drawn = np.hypot(*(xy[0] - start)) + np.hypot(*(xy[-1] - stop))
    if np.hypot(*(xy[-1] - start)) + np.hypot(*(xy[0] - stop)) < as_drawn:
        xy = xy[::-1]
    begins, ends = bool((xy[0] == start).all()), bool((xy[-1] == stop).all())
    return np.ascontiguousarray(xy[int(begins) : len(xy) - int(ends)]), (not begins, not ends)


# line layers -------------------------------------------------------------------------------------------------------


def read_line_layer(
    path: Path,
    crs: CRS,
    layer: str | None,
    source_crs: str | None,
    notes: Notes,
    *,
    access: Access,
    gated: bool = False,
    datum: Datum = "wgs84",
    ballpark: bool = False,
    ferries: bool = False,
) -> Streets:
    """Read streets from a layer of lines; they meet where they share a vertex.

    A column ``reversed``, which osmnx writes, marks rows that run against the direction that their tags speak of.

    Vertices within `SAME_POINT_M` of each other are one. With a ``highway`` column, that and every other column named
    as one of `Access.way_keys` decide who may use a street, by the rules for OSM; a cell may hold a list, as a table
    that osmnx saved does. Lines without a ``highway`` value are open to all modes (a note counts them); ``oneway``
    binds bicycles and cars on them too.

    Parameters
    ----------
    path : Path
        A file with one layer of lines, or with several and `layer` named.
    crs : CRS
        The run's metric CRS.
    layer : str or None
        The layer.
    source_crs : str or None
        CRS of the file where it names none, or a wrong one.
    notes : Notes
        Receives what was assumed.
    access : Access
        The rules on who may use a street.
    gated : bool
        Whether to read private streets too, apart from the public ones.
    datum : {"wgs84", "gcj02", "bd09"}
        What the coordinates are measured against.
    ballpark : bool
        Whether one datum may be taken for another where PROJ knows no way between them.

    Raises
    ------
    InputError
        If the layer is empty, names no CRS, or has geometry that is missing, invalid, not finite or no line.
    ConfigError
        If `layer` is not there, or has to be named, or `datum` contradicts the CRS.
    """
    source = SourceConfig(source=str(path), layer=layer, crs=source_crs, datum=datum, ballpark=ballpark)
    table = read_vector(source, path, crs, notes, Wanted("streets", shapes=LINES))
    table = table.rename(columns=_tag_columns(table, access))
    tags = list(_row_tags(table, access))
    note_strange_classes(_strange_classes(tags, access), notes)
    raise_if_any(_check_oneway(tags, table, path))
    unclassed = sum("highway" not in row and row.get("route") != osm_access.FERRY for row in tags)
    _note_unclassed(unclassed, len(tags), notes)
    numbers = [f"row {number + 1}" for number in table.index]
    note_unknown_access(_unknown_access(tags, numbers, access), notes)
    ways = [_street_of_row(row, access, turned) for row, turned in zip(tags, _reversed_rows(table), strict=True)]
    speed_kmh = _ferries(ways, tags, numbers, shapely.length(np.asarray(table.geometry.array)), ferries, notes)
    note_closed([way.residents if gated else way.flags for way in ways], notes)
    classes, road_class = _classes([_class_of(row) for row in tags])

    parts, row = shapely.get_parts(np.asarray(table.geometry.array), return_index=True)
    xy, line = shapely.get_coordinates(parts, return_index=True)
    vertex_xy, vertex = merge_points(xy, SAME_POINT_M)
    kept, first, vertex = segments.runs(line, vertex, np.zeros(len(line), dtype=bool))
    collapsed = len(parts) - len(kept)
    text = f"{collapsed} lines shorter than {SAME_POINT_M} m were left out"
    notes.add("streets.too_short", collapsed, text, [f"row {row[i] + 1}" for i in np.setdiff1d(line, kept)])
    row = row[kept]
    lines = segments.Lines(
        vertex_xy=vertex_xy,
        vertex=vertex,
        first=first,
        access=np.array([way.flags for way in ways], dtype=np.uint8)[row],
        road_class=road_class[row],
        road_classes=classes,
        speed_kmh=speed_kmh[row],
        boards=np.array([way.boards for way in ways], dtype=bool)[row],
        residents=np.array([way.residents for way in ways], dtype=np.uint8)[row] if gated else None,
    )
    return segments.split(lines, None, str(path), notes)


def _reversed_rows(table: gpd.GeoDataFrame) -> list[bool]:
    """Return which rows run against their way's own direction."""
    column = next((name for name in table.columns if str(name).lower() == "reversed"), None)
    return [False] * len(table) if column is None else [tag_text(value) in YES for value in table[column].tolist()]


def _street_of_row(tags: dict[str, str], access: Access, turned: bool) -> Way:
    way = read_street(tags, access)
    return way._replace(flags=_turned(way.flags), residents=_turned(way.residents)) if turned else way


def _ferries(
    ways: list[Way], tags: list[dict[str, str]], rows: list[str], length_m: FloatArray, wanted: bool, notes: Notes
) -> FloatArray:
    """Return the speed of each line, NaN for streets; ferries that are not wanted or tell no duration are closed."""
    speed_kmh = np.full(len(ways), np.nan)
    unasked: list[str] = []
    untimed: list[str] = []
    for row, each in enumerate(tags):
        if each.get("route") != osm_access.FERRY:
            continue
        duration = osm_access.duration_s(each.get("duration"))
        if wanted and duration is not None:
            speed_kmh[row] = length_m[row] / METRES_PER_KM * SECONDS_PER_HOUR / duration
        else:
            ways[row] = osm_access.CLOSED_WAY
            (untimed if wanted else unasked).append(rows[row])
    note_ferries(unasked, untimed, notes)
    return speed_kmh


def merge_points(xy: FloatArray, tolerance_m: float) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return distinct points, and for each row of `xy` the one that it is.

    Points within `tolerance_m` (inclusive) are one, and so are chains of such points; the lowest (x, then y) stands for
    all of a group.
    """
    distinct, number = np.unique(xy, axis=0, return_inverse=True)
    number = number.reshape(-1)
    pairs = cKDTree(distinct).query_pairs(tolerance_m, output_type="ndarray")
    if not len(pairs):
        return distinct, number.astype(np.int64)
    links = sparse.coo_matrix((np.ones(len(pairs), dtype=bool), pairs.T), shape=(len(distinct), len(distinct)))
    group = csgraph.connected_components(links, directed=False)[1]
    _, index, merged = np.unique(group, return_index=True, return_inverse=True)
    return distinct[index], merged[number].astype(np.int64)


def _tag_columns(table: gpd.GeoDataFrame, access: Access) -> dict[str, str]:
    """Return the columns that are tags but for their case (``ONEWAY``); shapefiles often write them so."""
    lower = {str(name): str(name).lower() for name in table.columns if name != table.geometry.name}
    taken = set(table.columns)
    return {name: low for name, low in lower.items() if low in access.way_keys and low not in taken}


def _strange_classes(tags: list[dict[str, str]], access: Access) -> Counter[str]:
    classes = (one for row in tags if "highway" in row for one in osm_access.speed_class(row).split(";"))
    return Counter(one for one in classes if one not in access.known_classes)


def _row_tags(table: gpd.GeoDataFrame, access: Access) -> Iterator[dict[str, str]]:
    """Yield each row's tags as text: 1.0 and True as OSM writes them, lists joined, missing and blank left out."""
    present = [key for key in access.way_keys if key in table and key != table.geometry.name]
    if not present:
        yield from ({} for _ in range(len(table)))
        return
    for values in zip(*(table[key].tolist() for key in present), strict=True):
        yield {key: text for key, value in zip(present, values, strict=True) if (text := tag_text(value))}


def _check_oneway(tags: list[dict[str, str]], table: gpd.GeoDataFrame, path: Path) -> list[Problem]:
    """Find values of ``oneway`` that are no OSM values: read as two-way they would be wrong without a word."""
    other = [(number, row["oneway"]) for number, row in zip(table.index, tags, strict=True) if _strange_oneway(row)]
    if not other:
        return []
    values = ", ".join(repr(value) for value in dict.fromkeys(value for _, value in other))
    rows = tuple(f"row {number + 1}" for number, _ in other)
    remedy = "Known: yes, true, 1 (along the line), -1, reverse (against it), no, false, 0 (both ways), or empty."
    return [Problem(f'"oneway" has {values}', str(path), rows, remedy)]


def _strange_oneway(tags: dict[str, str]) -> bool:
    return "oneway" in tags and not osm_access.oneway_flags(tags["oneway"])


# shared ------------------------------------------------------------------------------------------------------------


def read_street(tags: dict[str, str], access: Access) -> Way:
    """Return who may use a street that may lack a class; without one it is a road for everyone."""
    return access.way(tags if osm_access.is_street(tags) else {**tags, "highway": "road"})


def note_closed(flags: list[osm_access.Flags], notes: Notes) -> None:
    """Note the streets that no mode may use."""
    closed = sum(each == osm_access.CLOSED for each in flags)
    text = f"{closed:,} of {counted(len(flags), 'street is', 'streets are')} closed to every mode and left out"
    notes.add("streets.closed", closed, text)


def _unknown_access(tags: list[dict[str, str]], rows: list[str], access: Access) -> dict[str, list[str]]:
    """Return the access tags that no rule knows (``key=value``), each with the rows that have it."""
    found: dict[str, list[str]] = {}
    for row, each in zip(rows, tags, strict=True):
        for tag in access.unknown_values(each):
            found.setdefault(tag, []).append(row)
    return found


def _classes(of_street: list[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int16]]:
    """Return the road classes that occur, and each street's index into them."""
    known: dict[str, int] = {}
    codes = [known.setdefault(name, len(known)) for name in of_street]
    return tuple(known), np.array(codes, dtype=np.int16)


def _class_of(tags: dict[str, str]) -> str:
    return osm_access.speed_class(tags) if "highway" in tags else UNKNOWN_CLASS


def _note_unclassed(count: int, total: int, notes: Notes) -> None:
    text = f"{count} of {total} streets have no highway value; they were taken as open to all modes"
    notes.add("streets.no_highway", count, text)
