"""Street networks that are not OSM files: osmnx GraphML and line layers."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
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
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from circle15.config import Datum, SourceConfig
from circle15.errors import InputError, Notes, Problem, raise_if_any
from circle15.inputs import osm_access, segments
from circle15.inputs.datum import correct
from circle15.inputs.osm_access import KNOWN_CLASSES
from circle15.inputs.vector import LINES, Wanted, parse_crs, read_vector
from circle15.tables import BACKWARD, BOTH, FORWARD, Streets
from circle15.units import FloatArray

SAME_POINT_M = 0.01
"""Vertices of a line layer this close to each other, in metres, are one."""
CLASSES_SHOWN = 10
UNKNOWN_CLASS = "unknown"
"""Road class of a street without a ``highway`` value."""

DIRECTION_KEYS = frozenset(key for key in osm_access.WAY_KEYS if "oneway" in key) | {"junction"}
TEXT_KEYS = ("osmid", "oneway", "reversed", "length", "bearing", "grade", "grade_abs", "speed_kph", "travel_time")
"""Edge attributes that osmnx would convert and that nothing here needs as numbers."""


# osmnx GraphML -----------------------------------------------------------------------------------------------------


@dataclass
class _Edges:
    """The edges of a graph, twins joined, in the order of their first appearance."""

    seen: dict[Hashable, int] = field(default_factory=dict)
    ends: list[tuple[int, int]] = field(default_factory=list)
    inner: list[FloatArray] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    several_classes: int = 0

    def add(self, u: int, v: int, inner: FloatArray, direction: int, tags: dict[str, str]) -> None:
        """Add an edge, or its direction to the twin that has the same ends and vertices."""
        if u > v or (u == v and inner.tolist() > inner[::-1].tolist()):
            u, v, inner, direction = v, u, inner[::-1], _turned(direction)
        key = (u, v, inner.tobytes())
        row = self.seen.setdefault(key, len(self.ends))
        if row < len(self.ends):
            self.direction[row] |= direction
            return
        self.ends.append((u, v))
        self.inner.append(inner)
        self.direction.append(direction)
        self.tags.append(tags)


def _turned(direction: int) -> int:
    return {FORWARD: BACKWARD, BACKWARD: FORWARD}.get(direction, direction)


def read_graphml(
    path: Path, crs: CRS, source_crs: str | None, notes: Notes, gated: bool = False, datum: Datum = "wgs84"
) -> Streets:
    """Read a graph that osmnx saved.

    An edge and its twin in the other direction are one street, open both ways; an edge without twin is one-way by
    bicycle and by car. On foot every edge is open both ways. Which modes may use it follows from ``highway`` and
    the access tags, where the graph has them; of several classes on one edge the first counts.

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
    gated : bool
        Whether to read private streets too, apart from the public ones.
    datum : {"wgs84", "gcj02", "bd09"}
        What the coordinates are measured against.

    Raises
    ------
    InputError
        If the file is no GraphML of this kind, names no CRS, or holds coordinates that are no numbers.
    ConfigError
        If `datum` contradicts the CRS.
    """
    graph = _load_graph(path)
    own = source_crs or graph.graph.get("crs")
    if not own:
        remedy = 'Declare the one of its x and y, e.g. [network] crs = "EPSG:4326".'
        raise InputError(Problem("the graph names no CRS", str(path), remedy=remedy))
    node_xy = _graph_nodes(graph, path)
    edges = _graph_edges(graph, node_xy)
    if not edges.ends:
        raise InputError(Problem("holds no edges", str(path), remedy="Save a graph of streets."))
    text = f"{edges.several_classes} streets have several highway values; the first decides who may use them"
    notes.add("streets.several_classes", edges.several_classes, text)
    _note_unclassed(sum("highway" not in tags for tags in edges.tags), len(edges.tags), notes)

    size = np.array([len(inner) for inner in edges.inner])
    given = parse_crs(str(own), f"{path}: crs")
    all_xy, found = correct(np.concatenate([node_xy, *edges.inner]), given, datum, "streets", str(path), notes)
    first = np.concatenate([[0], np.cumsum(size + 2)]).astype(np.int64)
    vertex = np.empty(first[-1], dtype=np.int64)
    inner = np.ones(first[-1], dtype=bool)
    inner[first[:-1]] = inner[first[1:] - 1] = False
    vertex[first[:-1]], vertex[first[1:] - 1] = np.array(edges.ends, dtype=np.int64).T
    vertex[inner] = len(node_xy) + np.arange(size.sum())
    classes, road_class = _classes(edges.tags)
    lines = segments.Lines(
        vertex_xy=segments.project(all_xy, found, crs, str(path)),
        vertex=vertex,
        first=first,
        access=_graph_access(edges, _flags),
        road_class=road_class,
        road_classes=classes,
        speed_kmh=np.full(len(road_class), np.nan),
        residents=_graph_access(edges, _resident_flags) if gated else None,
    )
    return segments.split(lines, None, str(path), notes)


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


def _graph_edges(graph: Any, node_xy: FloatArray) -> _Edges:
    row = {name: i for i, name in enumerate(graph)}
    direction = FORWARD if graph.is_directed() else BOTH
    edges = _Edges()
    for tail, head, data in graph.edges(data=True):
        u, v = row[tail], row[head]
        tags = {key: _first(data[key]) for key in osm_access.WAY_KEYS if key in data and key not in DIRECTION_KEYS}
        edges.several_classes += isinstance(data.get("highway"), list)
        edges.add(u, v, _inner_vertices(data.get("geometry"), node_xy[u], node_xy[v]), direction, tags)
    return edges


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) and value else value)


def _inner_vertices(line: Any, start: FloatArray, stop: FloatArray) -> FloatArray:
    """Return the vertices between the two nodes; an end that is not its node's point stays as a vertex."""
    if line is None:
        return np.empty((0, 2))
    xy: FloatArray = shapely.get_coordinates(line)
    as_drawn = np.hypot(*(xy[0] - start)) + np.hypot(*(xy[-1] - stop))
    if np.hypot(*(xy[-1] - start)) + np.hypot(*(xy[0] - stop)) < as_drawn:
        xy = xy[::-1]
    begin = int((xy[0] == start).all())
    return np.ascontiguousarray(xy[begin : len(xy) - int((xy[-1] == stop).all())])


def _graph_access(edges: _Edges, rule: Callable[[dict[str, str]], osm_access.Flags]) -> npt.NDArray[np.uint8]:
    allowed = np.array([rule(tags) for tags in edges.tags], dtype=np.uint8) > 0
    ways = np.array(edges.direction, dtype=np.uint8)[:, None]
    ways = np.concatenate([np.full_like(ways, BOTH), ways, ways], axis=1)
    return np.where(allowed, ways, 0).astype(np.uint8)


# line layers -------------------------------------------------------------------------------------------------------


def read_line_layer(
    path: Path,
    crs: CRS,
    layer: str | None,
    source_crs: str | None,
    notes: Notes,
    gated: bool = False,
    datum: Datum = "wgs84",
) -> Streets:
    """Read streets from a layer of lines; they meet where they share a vertex.

    Vertices within `SAME_POINT_M` of each other are one. With a ``highway`` column, that and every other column named
    as one of `osm_access.WAY_KEYS` decide who may use a street, by the rules for OSM. Lines without a
    ``highway`` value are open to all modes (a note counts them); ``oneway`` binds bicycles and cars on them too.

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
    gated : bool
        Whether to read private streets too, apart from the public ones.
    datum : {"wgs84", "gcj02", "bd09"}
        What the coordinates are measured against.

    Raises
    ------
    InputError
        If the layer is empty, names no CRS, or has geometry that is missing, invalid, not finite or no line.
    ConfigError
        If `layer` is not there, or has to be named, or `datum` contradicts the CRS.
    """
    source = SourceConfig(source=str(path), layer=layer, crs=source_crs, datum=datum)
    table = read_vector(source, path, crs, notes, Wanted("streets", shapes=LINES))
    table = table.rename(columns=_tag_columns(table))
    tags = list(_row_tags(table))
    _note_strange_classes(tags, notes)
    raise_if_any(_check_oneway(tags, table, path))
    _note_unclassed(sum("highway" not in row for row in tags), len(tags), notes)
    flags = [_flags(row) for row in tags]
    residents = [_resident_flags(row) for row in tags] if gated else flags
    closed = sum(flag == osm_access.CLOSED for flag in residents)
    notes.add("streets.closed", closed, f"{closed} of {len(flags)} streets are closed to every mode and were left out")
    classes, road_class = _classes(tags)

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
        access=np.array(flags, dtype=np.uint8)[row],
        road_class=road_class[row],
        road_classes=classes,
        speed_kmh=np.full(len(row), np.nan),
        residents=np.array(residents, dtype=np.uint8)[row] if gated else None,
    )
    return segments.split(lines, None, str(path), notes)


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


def _tag_columns(table: gpd.GeoDataFrame) -> dict[str, str]:
    """Return the columns that are tags but for their case (``ONEWAY``); shapefiles often write them so."""
    lower = {str(name): str(name).lower() for name in table.columns if name != table.geometry.name}
    taken = set(table.columns)
    return {name: low for name, low in lower.items() if low in osm_access.WAY_KEYS and low not in taken}


def _note_strange_classes(tags: list[dict[str, str]], notes: Notes) -> None:
    strange = Counter(row["highway"] for row in tags if "highway" in row and _class_of(row) not in KNOWN_CLASSES)
    shown = ", ".join(f"{name} ({count})" for name, count in strange.most_common(CLASSES_SHOWN))
    notes.add(
        "streets.unknown_class",
        strange.total(),
        f"{strange.total()} streets have a highway value that no rule knows: {shown}; they were taken as paths, "
        "open on foot and by bicycle",
    )


def _row_tags(table: gpd.GeoDataFrame) -> Iterator[dict[str, str]]:
    """Yield each row's tags as text: 1.0 and True as OSM writes them, missing and blank left out."""
    present = [key for key in osm_access.WAY_KEYS if key in table and key != table.geometry.name]
    if not present:
        yield from ({} for _ in range(len(table)))
        return
    for values in zip(*(table[key].tolist() for key in present), strict=True):
        yield {key: text for key, value in zip(present, values, strict=True) if (text := _tag_text(value))}


def _tag_text(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN and pandas' missing values differ from themselves
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


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


def _flags(tags: dict[str, str]) -> osm_access.Flags:
    """Return the direction flags of a street that may lack a class; without one it is a road for everyone."""
    if "highway" in tags or tags.get("route") == osm_access.FERRY:
        return osm_access.way_flags(tags)
    return osm_access.way_flags({**tags, "highway": "road"})


def _resident_flags(tags: dict[str, str]) -> osm_access.Flags:
    """Return the same for those who live there; a ferry is nobody's home."""
    if tags.get("route") == osm_access.FERRY:
        return _flags(tags)
    return osm_access.resident_flags(tags if "highway" in tags else {**tags, "highway": "road"})


def _classes(tags: list[dict[str, str]]) -> tuple[tuple[str, ...], npt.NDArray[np.int16]]:
    """Return the road classes that occur, and each street's index into them."""
    known: dict[str, int] = {}
    codes = [known.setdefault(_class_of(row), len(known)) for row in tags]
    return tuple(known), np.array(codes, dtype=np.int16)


def _class_of(tags: dict[str, str]) -> str:
    return osm_access.main_class(tags["highway"]) if "highway" in tags else UNKNOWN_CLASS


def _note_unclassed(count: int, total: int, notes: Notes) -> None:
    text = f"{count} of {total} streets have no highway value; they were taken as open to all modes"
    notes.add("streets.no_highway", count, text)
