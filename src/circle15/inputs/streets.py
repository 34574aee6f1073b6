"""Street networks: OSM files, osmnx GraphML and line layers → `circle15.tables.Streets`, split where streets meet.

Nothing is contracted or dropped for being small here; that is the network's room. What a mode may use follows from
`circle15.inputs.osm_access` wherever the file has OSM's tags.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import osmium
from pyproj import CRS

from circle15.config import Datum
from circle15.errors import ROWS_SHOWN, ConfigError, InputError, Notes, Problem, counted
from circle15.inputs import osm_access, segments, transform
from circle15.inputs.osm_file import OSM_SCALE, OSM_SUFFIXES, UNDEFINED, OsmFile, open_osm
from circle15.tables import Streets
from circle15.units import METRES_PER_KM, SECONDS_PER_HOUR, FloatArray

WGS84 = CRS.from_epsg(4326)
MISSING_SHARE = 0.5
"""With more of the streets' nodes missing than this, the file is taken for truncated or unsorted."""
ROWS_KEPT = 50
CLASSES_SHOWN = 10
MULTIPOLYGON = "multipolygon"
STREET_KEYS = ("highway", "route", "railway", "public_transport")
"""A way has one of these, or nobody travels along it."""


def read_streets(
    path: Path,
    crs: str | CRS,
    *,
    layer: str | None,
    source_crs: str | None,
    ferries: bool,
    notes: Notes,
    access: osm_access.Access | None = None,
    gated: bool = False,
    datum: Datum = "wgs84",
    ballpark: bool = False,
) -> Streets:
    """Read a street network of any supported format.

    Parameters
    ----------
    path : Path
        ``.osm.pbf``, ``.osm``, ``.osm.bz2``, ``.osm.gz``, an osmnx ``.graphml``, or a line layer that GDAL reads.
    crs : str or CRS
        The run's metric CRS; all coordinates of the result are in it.
    layer : str or None
        Layer of a file with several.
    source_crs : str or None
        CRS of a line layer or GraphML that names none itself, or names a wrong one. OSM is always WGS 84.
    ferries : bool
        Whether ferries with a ``duration`` are streets.
    notes : Notes
        Receives what was left out or assumed.
    access : Access, optional
        The rules on who may use a street; by default those that circle15 ships for the world.
    gated : bool
        Whether to read private streets too, apart from the public ones.
    datum : {"wgs84", "gcj02", "bd09"}
        What a line layer's or GraphML's longitudes and latitudes are measured against.
    ballpark : bool
        Whether a line layer's or GraphML's datum may be taken for another where PROJ knows no way between them.

    Returns
    -------
    Streets
        At least one edge; each is open to at least one mode (or to those who live there) and longer than 0 m.

    Raises
    ------
    InputError
        If the file is missing, unreadable, truncated, has no streets, or its coordinates do not fit its CRS.
    ConfigError
        If `datum` contradicts the CRS, or is another than WGS 84 for an OSM file.
    """
    target, access = CRS.from_user_input(crs), access or osm_access.worldwide()
    if not path.exists():
        raise InputError(Problem("no such file", str(path), remedy="Check [network] source."))
    name = path.name.lower()
    if name.endswith(OSM_SUFFIXES):
        _refuse_datum(path, datum)
        streets = _read_osm(path, target, ferries, access, gated, notes)
    elif name.endswith(".graphml"):
        from circle15.inputs.street_layers import read_graphml  # noqa: PLC0415 - brings networkx

        streets = read_graphml(
            path, target, source_crs, notes, access=access, gated=gated, datum=datum, ballpark=ballpark
        )
    else:
        from circle15.inputs.street_layers import read_line_layer  # noqa: PLC0415 - brings networkx

        streets = read_line_layer(
            path,
            target,
            layer,
            source_crs,
            notes,
            access=access,
            gated=gated,
            datum=datum,
            ballpark=ballpark,
            ferries=ferries,
        )
    if not len(streets.u):
        raise InputError(
            Problem(
                "no street is open to any mode",
                str(path),
                remedy="Check that the file holds streets and their access tags.",
            )
        )
    return streets


def _refuse_datum(path: Path, datum: Datum) -> None:
    if datum != "wgs84":
        remedy = "OpenStreetMap is WGS 84: remove [network] datum."
        raise ConfigError(Problem(f'datum = "{datum}" contradicts an OSM file', str(path), remedy=remedy))


@dataclass
class _Ways:
    """What one pass over an OSM file gathers; the arrays run over the nodes of all kept ways."""

    ids: list[int] = field(default_factory=list)
    ways: list[osm_access.Way] = field(default_factory=list)
    road_class: list[int] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    count: list[int] = field(default_factory=list)
    duration_s: dict[int, float] = field(default_factory=dict)  # by row of `ids`
    refs: "array[int]" = field(default_factory=lambda: array("q"))
    x: "array[int]" = field(default_factory=lambda: array("i"))
    y: "array[int]" = field(default_factory=lambda: array("i"))
    # by node id: who may pass, and who of those that live behind it
    barriers: dict[int, tuple[tuple[bool, bool, bool], tuple[bool, bool, bool]]] = field(default_factory=dict)
    closed: int = 0
    ferries_unasked: list[int] = field(default_factory=list)
    ferries_untimed: list[int] = field(default_factory=list)
    unknown_access: dict[str, list[str]] = field(default_factory=dict)  # key=value → the ways that have it
    strange: Counter[str] = field(default_factory=Counter)  # classes that no rule knows
    outlines: int = 0
    objects: int = 0

    def note_words(self, name: str, tags: dict[str, str], access: osm_access.Access) -> None:
        """Remember what an object's tags say that no rule knows."""
        for tag in access.unknown_values(tags):
            self.unknown_access.setdefault(tag, []).append(name)


def _read_osm(path: Path, crs: CRS, ferries: bool, access: osm_access.Access, gated: bool, notes: Notes) -> Streets:
    file = open_osm(path)
    ways = _gather(file, ferries, access, gated)
    _gather_outlines(ways, file, access, gated)
    file.note_deleted("streets", notes)
    if not ways.ids and ways.closed:
        what = f"no streets: all of {counted(ways.closed, 'way', 'ways')} with a highway tag are closed to every mode"
        remedy = "Check their access tags, and the rules that [network] access names."
        raise InputError(Problem(what, str(path), remedy=remedy))
    if not ways.ids:
        held = "the file is empty or ends before its ways" if not ways.objects else "it holds none with a highway tag"
        raise InputError(Problem(f"no streets: {held}", str(path), remedy="Download or cut the extract again."))
    _note_ways(ways, notes)
    refs = np.frombuffer(ways.refs, dtype=np.int64)
    fixed = np.column_stack([np.frombuffer(ways.x, dtype=np.int32), np.frombuffer(ways.y, dtype=np.int32)])
    present = fixed[:, 0] != UNDEFINED
    if (refs < 0).any():
        remedy = "JOSM writes them for what was not uploaded; number them anew, e.g. with osmium renumber."
        raise InputError(
            Problem(f"{int((refs < 0).sum())} nodes of streets have negative ids", str(path), remedy=remedy)
        )
    _check_missing(present, np.repeat(ways.ids, ways.count), path, notes)

    ids, index, vertex = np.unique(refs[present], return_index=True, return_inverse=True)
    vertex_xy = segments.project(
        fixed[present][index] / OSM_SCALE, WGS84, crs, transform.Layer("streets", str(path), notes)
    )
    way = np.repeat(np.arange(len(ways.ids)), ways.count)[present]
    way, first, vertex = segments.runs(way, vertex, np.diff(np.cumsum(~present)[present], prepend=0) > 0)
    short = np.setdiff1d(np.arange(len(ways.ids)), way)
    text = f"{len(short)} streets have fewer than two different nodes in the file and were left out"
    notes.add("streets.too_short", len(short), text, [f"w{ways.ids[row]}" for row in short[:ROWS_KEPT]])
    speed = _ferry_speeds(ways, way, first, vertex_xy[vertex], present, notes)
    shut = speed == 0
    lines = segments.Lines(
        vertex_xy=vertex_xy,
        vertex=vertex,
        first=first,
        access=_flag_table([one.flags for one in ways.ways], way, shut),
        road_class=np.array(ways.road_class, dtype=np.int16)[way],
        road_classes=tuple(ways.classes),
        speed_kmh=np.where(shut, np.nan, speed),
        boards=np.array([one.boards for one in ways.ways], dtype=bool)[way],
        residents=_flag_table([one.residents for one in ways.ways], way, shut) if gated else None,
    )
    return segments.split(lines, _barriers(ways, ids), str(path), notes)


def _flag_table(
    flags: list[osm_access.Flags], way: npt.NDArray[np.int64], shut: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    table = np.array(flags, dtype=np.uint8)[way]
    table[shut] = 0
    return table


def _gather(file: OsmFile, ferries: bool, access: osm_access.Access, gated: bool) -> _Ways:
    """Run through the file once; only ways that some mode may use leave their nodes behind."""
    ways = _Ways()
    processor = file.processor(osmium.osm.NODE | osmium.osm.WAY)
    for keys, kind in ((("barrier",), osmium.osm.NODE), (STREET_KEYS, osmium.osm.WAY)):
        only = osmium.filter.KeyFilter(*keys)
        only.enable_for(kind)
        processor.with_filter(only)
    for item in file.objects(processor):
        ways.objects += 1
        tags = dict(item.tags)
        if item.is_node():
            passes = access.barrier_passes(tags)
            ways.note_words(f"n{item.id}", tags, access)
            if not all(passes):
                ways.barriers[item.id] = (passes, access.resident_passes(tags))
        elif osm_access.is_street(tags):
            _add_way(ways, item, tags, ferries, access, gated)
    return ways


def _gather_outlines(ways: _Ways, file: OsmFile, access: osm_access.Access, gated: bool) -> None:
    """Add the rings of squares and platforms that are drawn as multipolygons: people walk along them.

    A way with a street's tags of its own has been read by these. A hole (a pavilion, a fountain) is joined to the rest
    of its square by the shortest line between their nodes, for streets may end at it.
    """
    squares, rings = _squares(file)
    if not squares:
        return
    wanted = osmium.filter.IdFilter(sorted(rings))
    wanted.enable_for(osmium.osm.WAY)
    processor = file.processor(osmium.osm.NODE | osmium.osm.WAY)
    processor.with_filter(wanted).with_filter(osmium.filter.EntityFilter(osmium.osm.WAY))
    count = len(ways.ids)
    nodes: dict[tuple[int, bool], list[list[tuple[int, int, int]]]] = {}
    for way in file.objects(processor):
        for square in rings[way.id]:
            nodes.setdefault(square, []).append([(node.ref, node.x, node.y) for node in way.nodes])
        if not osm_access.is_street(dict(way.tags)):
            _add_way(ways, way, squares[rings[way.id][0][0]], ferries=False, access=access, gated=gated)
    ways.outlines = len(ways.ids) - count
    for (relation_id, is_hole), holes in sorted(nodes.items()):
        if is_hole:
            outer = [node for ring in nodes.get((relation_id, False), []) for node in ring]
            for hole in holes:
                _join_hole(ways, relation_id, squares[relation_id], hole, outer, access)


def _squares(file: OsmFile) -> tuple[dict[int, dict[str, str]], dict[int, list[tuple[int, bool]]]]:
    """Return the tags of each square by its id; and for each way the squares that it is of, and whether as a hole."""
    squares: dict[int, dict[str, str]] = {}
    rings: dict[int, list[tuple[int, bool]]] = {}
    relations = osmium.FileProcessor(str(file.path), osmium.osm.RELATION)
    relations.with_filter(osmium.filter.KeyFilter(*STREET_KEYS))
    for relation in file.objects(relations):
        tags = dict(relation.tags)
        if tags.get("type") == MULTIPOLYGON and osm_access.is_street(tags) and tags.get("route") != osm_access.FERRY:
            squares[relation.id] = tags
            for member in relation.members:
                if member.type == "w":
                    rings.setdefault(member.ref, []).append((relation.id, member.role == "inner"))
    return squares, rings


def _join_hole(
    ways: _Ways,
    relation_id: int,
    tags: dict[str, str],
    hole: list[tuple[int, int, int]],
    outer: list[tuple[int, int, int]],
    access: osm_access.Access,
) -> None:
    """Add the shortest line between two nodes of a hole and the outline around it as a street of the square."""
    ends = [np.array([node for node in ring if node[1] != UNDEFINED], dtype=np.int64) for ring in (hole, outer)]
    read = access.way(tags)
    if not all(len(each) for each in ends) or read.residents == osm_access.CLOSED:
        return
    to_scale = np.array([np.cos(np.radians(ends[0][0, 2] / OSM_SCALE)), 1.0])
    away = np.hypot(*np.moveaxis((ends[0][:, None, 1:] - ends[1][None, :, 1:]) * to_scale, 2, 0))
    one, other = np.unravel_index(int(np.argmin(away)), away.shape)
    line = np.stack([ends[0][one], ends[1][other]])
    ways.ids.append(relation_id)
    ways.ways.append(read)
    ways.road_class.append(ways.classes.setdefault(osm_access.speed_class(tags), len(ways.classes)))
    ways.count.append(2)
    for column, values in zip((ways.refs, ways.x, ways.y), line.T.tolist(), strict=True):
        column.extend(values)


def _add_way(
    ways: _Ways, way: osmium.osm.Way, tags: dict[str, str], ferries: bool, access: osm_access.Access, gated: bool
) -> None:
    is_ferry = tags.get("route") == osm_access.FERRY
    read = access.way(tags)
    if is_ferry:
        duration = osm_access.duration_s(tags.get("duration"))
        if not ferries:
            ways.ferries_unasked.append(way.id)
            return
        if duration is None:
            ways.ferries_untimed.append(way.id)
            return
        ways.duration_s[len(ways.ids)] = duration
    ways.note_words(f"w{way.id}", tags, access)
    if (read.residents if gated else read.flags) == osm_access.CLOSED:
        ways.duration_s.pop(len(ways.ids), None)
        ways.closed += 1
        return
    ways.ids.append(way.id)
    ways.ways.append(read)
    road_class = osm_access.FERRY if is_ferry else osm_access.speed_class(tags)
    ways.strange.update(() if is_ferry else set(road_class.split(";")) - access.known_classes)
    ways.road_class.append(ways.classes.setdefault(road_class, len(ways.classes)))
    nodes = way.nodes
    ways.count.append(len(nodes))
    ways.refs.extend([node.ref for node in nodes])
    ways.x.extend([node.x for node in nodes])
    ways.y.extend([node.y for node in nodes])


def note_ferries(unasked: list[str], untimed: list[str], notes: Notes) -> None:
    """Note the ferries left out: nobody asked for them, or they have no readable duration."""
    text = f"{counted(len(unasked), 'ferry', 'ferries')} left out ([network] ferries = true takes them)"
    notes.add("streets.ferries", len(unasked), text, unasked)
    text = f"{counted(len(untimed), 'ferry', 'ferries')} without a readable duration tag left out"
    notes.add("streets.ferries_without_duration", len(untimed), text, untimed)


def note_unknown_access(found: dict[str, list[str]], notes: Notes) -> None:
    """Note the access tags (``key=value``) that no rule knows, each with the streets that have it."""
    count = sum(len(rows) for rows in found.values())
    verb = "access tag has a value" if count == 1 else "access tags have a value"
    text = f"{count:,} {verb} that no rule knows, or a list with one; such a word was read as if absent"
    most = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    shown = [f"{tag} ({len(rows)}: {', '.join(rows[:ROWS_SHOWN])})" for tag, rows in most[:ROWS_KEPT]]
    notes.add("streets.unknown_access", count, text, shown)


def note_strange_classes(strange: Counter[str], notes: Notes) -> None:
    """Note the classes of streets that no rule knows, with how many streets have each."""
    shown = ", ".join(f"{name} ({count})" for name, count in strange.most_common(CLASSES_SHOWN))
    has = counted(strange.total(), "street has", "streets have")
    text = f"{has} a highway value that no rule knows: {shown}; such a street was taken for a path, "
    notes.add("streets.unknown_class", strange.total(), f"{text}open on foot and by bicycle")


def _note_ways(ways: _Ways, notes: Notes) -> None:
    text = f"{counted(ways.closed, 'OSM way is', 'OSM ways are')} closed to every mode and left out"
    notes.add("streets.closed", ways.closed, text)
    text = f"{counted(ways.outlines, 'outline', 'outlines')} of squares or platforms drawn as multipolygons"
    notes.add("streets.outlines", ways.outlines, f"{text} read as streets; people walk along them, not across")
    note_ferries([f"w{way}" for way in ways.ferries_unasked], [f"w{way}" for way in ways.ferries_untimed], notes)
    note_unknown_access(ways.unknown_access, notes)
    note_strange_classes(ways.strange, notes)


def _check_missing(present: npt.NDArray[np.bool_], way_id: npt.NDArray[np.int64], path: Path, notes: Notes) -> None:
    missing = int((~present).sum())
    if missing > MISSING_SHARE * len(present):
        raise InputError(
            Problem(
                f"{missing} of {len(present)} nodes that its streets refer to are not in the file before them",
                str(path),
                remedy="The file is truncated, not sorted (nodes first) or cut without the ways' nodes; sort it"
                " (osmium sort) or cut it again with complete ways.",
            )
        )
    cut = np.unique(way_id[~present])
    text = f"{missing} nodes of {len(cut)} streets are not in the file; the streets were cut there"
    notes.add("streets.missing_nodes", missing, text, [f"w{way}" for way in cut[:ROWS_KEPT]])


def _ferry_speeds(
    ways: _Ways,
    way: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    xy: FloatArray,
    present: npt.NDArray[np.bool_],
    notes: Notes,
) -> FloatArray:
    """Return for each run the km/h at which a ferry keeps its duration, NaN for streets, 0 for a ferry that is cut."""
    speed = np.full(len(way), np.nan)
    if not ways.duration_s:
        return speed
    length = segments.lengths_m(xy, first)
    missing = np.bincount(np.repeat(np.arange(len(ways.ids)), ways.count)[~present], minlength=len(ways.ids))
    cut = []
    for row, duration in ways.duration_s.items():
        runs = way == row
        if missing[row]:
            cut.append(f"w{ways.ids[row]}")
            speed[runs] = 0.0
        else:
            speed[runs] = length[runs] / METRES_PER_KM * SECONDS_PER_HOUR / duration
    text = f"{len(cut)} ferries that leave the file were left out: their duration is that of the whole way"
    notes.add("streets.ferries_cut", len(cut), text, cut)
    return speed


def _barriers(ways: _Ways, ids: npt.NDArray[np.int64]) -> segments.Barriers | None:
    """Return the barriers that lie on kept ways."""
    if not ways.barriers:
        return None
    known = np.fromiter(ways.barriers, dtype=np.int64)
    passes = np.array(list(ways.barriers.values()), dtype=bool)
    on_way = np.isin(known, ids)
    return segments.Barriers(np.searchsorted(ids, known[on_way]), passes[on_way, 0], passes[on_way, 1])
