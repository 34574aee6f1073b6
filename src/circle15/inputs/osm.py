"""Facilities from an OSM file, by a mapping of tags to types.

A node is a point, a closed way or multipolygon relation a polygon, an open way (a fitness trail) a line; a closed way
with ``highway`` or ``route`` is a line too, unless ``area=yes``. Areas are measured in the run's metric CRS. A relation
of another kind (``site``, ``route``) has no shape of its own and is counted, not read.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import osmium
import pandas as pd
import shapely
from pyproj import CRS

from circle15.errors import Notes
from circle15.inputs import osm_copies, segments, transform
from circle15.inputs.mapping import Mapping, TypeRule
from circle15.inputs.names import real_name
from circle15.inputs.osm_file import open_osm
from circle15.inputs.streets import WGS84
from circle15.units import FloatArray

COLUMNS = ("facility_id", "type_id", "name", "confidence", "source", "opens", "closes")
AREA_RELATIONS = ("multipolygon", "boundary")

IntArray = npt.NDArray[np.int64]


@dataclass
class _Objects:
    """The objects of a file that some condition of the mapping may find, in the order of the file."""

    ids: list[str] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    shapes: list[shapely.Geometry] = field(default_factory=list)
    unshaped: dict[str, str] = field(default_factory=dict)  # id → why it has no shape
    outlines: dict[str, set[str]] = field(default_factory=dict)  # way → relations that it is the outline of, or a part

    def add(self, name: str, tags: dict[str, str], shape: shapely.Geometry) -> None:
        """Keep an object."""
        self.ids.append(name)
        self.tags.append(tags)
        self.shapes.append(shape)
        self.unshaped.pop(name, None)


def read_osm_places(path: Path, crs: str | CRS, mapping: Mapping, notes: Notes) -> gpd.GeoDataFrame:
    """Read the facilities that a mapping finds in an OSM file.

    Parameters
    ----------
    path : Path
        ``.osm.pbf``, ``.osm``, ``.osm.bz2`` or ``.osm.gz``.
    crs : str or CRS
        The run's metric CRS.
    mapping : Mapping
        Tags → types.
    notes : Notes
        Receives what was merged, left out or has no shape.

    Returns
    -------
    GeoDataFrame
        Columns ``facility_id, type_id, name, confidence, source, opens, closes, geometry``; one row for each object
        and type. The id is ``n``, ``w`` or ``r`` (node, way, relation) and OSM's number, with ``/`` and the type where
        one object is of several. ``opens`` and ``closes`` are empty (NaN). May have no rows.

    Raises
    ------
    InputError
        If the file is missing, truncated or no OSM data, or its coordinates do not fit `crs`.
    """
    crs = CRS.from_user_input(crs)
    objects = _gather(path, mapping, notes)
    _note_unshaped(objects, path, notes)
    moving = transform.Layer("facilities", str(path), notes)
    to_crs = partial(segments.project, source_crs=WGS84, crs=crs, layer=moving)
    shapes = np.array(objects.shapes, dtype=object)
    if len(shapes):
        shapes = shapely.transform(shapes, to_crs)
    area_m2 = np.where(shapely.get_dimensions(shapes) == 2, shapely.area(shapes), np.nan)  # noqa: PLR2004 - a polygon
    _note_ignored(objects, mapping, path, notes)

    found: list[tuple[TypeRule, IntArray]] = []
    for rule in mapping.types:
        rows, condition = _rows_of(rule, objects, area_m2)
        rows, condition = _leave_out_within(rule, rows, condition, objects, shapes, path, notes)
        rows, condition = _leave_out_copies(rule, rows, condition, objects, shapes, path, notes)
        rows, condition = _keep_polygons(rule, rows, condition, objects, shapes, path, notes)
        found.append((rule, _merge_pairs(rule, rows, condition, objects, shapes, path, notes)))
    _note_out_of_range(objects, mapping, area_m2, path, notes)
    absent = [rule.id for rule, rows in found if not len(rows) and rule.id in mapping.covers()]
    text = (
        f"{path.name}: {len(absent)} types that the mapping covers have no place in the file; it is taken at its word"
    )
    notes.add("osm.types_without_places", len(absent), text, absent)
    return _table(found, objects, shapes, crs, path)


# reading -----------------------------------------------------------------------------------------------------------


def _gather(path: Path, mapping: Mapping, notes: Notes) -> _Objects:
    objects, file = _Objects(), open_osm(path)
    polygons = osmium.geom.WKBFactory()
    keys = osmium.filter.KeyFilter(*sorted(mapping.keys))
    processor = file.processor().with_areas(osmium.filter.KeyFilter(*sorted(mapping.keys)))
    for item in file.objects(processor.with_filter(keys)):
        tags = dict(item.tags)
        if not mapping.may_find(tags):
            continue
        if item.is_node():
            objects.add(f"n{item.id}", tags, shapely.Point(item.lon, item.lat))
        elif item.is_way():
            _add_way(objects, item, tags)
        elif item.is_relation():
            _add_relation(objects, item, tags)
        elif not (item.from_way() and _is_line(tags)) and item.num_rings()[0]:  # one that crosses itself has none
            name = f"{'w' if item.from_way() else 'r'}{item.orig_id()}"
            parts = shapely.get_parts(shapely.from_wkb(polygons.create_multipolygon(item)))
            objects.add(name, tags, parts[0] if len(parts) == 1 else shapely.MultiPolygon(list(parts)))
    for name in objects.ids:
        objects.unshaped.pop(name, None)  # a relation may come after its area
    file.note_deleted("facilities", notes)
    return objects


def _add_way(objects: _Objects, way: Any, tags: dict[str, str]) -> None:
    """Keep a way as a line; of a closed one the area follows, so until then it is noted as without shape."""
    if way.is_closed() and not _is_line(tags):
        objects.unshaped[f"w{way.id}"] = "is no closed area in this file"
        return
    points = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
    if len(set(points)) > 1:
        objects.add(f"w{way.id}", tags, shapely.LineString(points))
    else:
        objects.unshaped[f"w{way.id}"] = "has fewer than two nodes in this file"


def _add_relation(objects: _Objects, relation: Any, tags: dict[str, str]) -> None:
    """Note a relation as without shape until its area comes, and which ways are its outline."""
    name, reason = f"r{relation.id}", "is of a kind without a shape"
    if tags.get("type") in AREA_RELATIONS:
        reason = "is no closed area in this file"
        for member in relation.members:
            if member.type == "w" and member.role != "inner":
                objects.outlines.setdefault(f"w{member.ref}", set()).add(name)
    objects.unshaped.setdefault(name, reason)


def _is_line(tags: dict[str, str]) -> bool:
    return tags.get("area") == "no" or (bool({"highway", "route"} & tags.keys()) and tags.get("area") != "yes")


# which rows are of a type ------------------------------------------------------------------------------------------


def _rows_of(rule: TypeRule, objects: _Objects, area_m2: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the rows of a type, and for each the condition that found it."""
    hits = [
        (row, number)
        for row, tags in enumerate(objects.tags)
        if (number := rule.condition_of(tags, area_m2[row])) is not None
    ]
    pairs = np.array(hits, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _leave_out_within(
    rule: TypeRule,
    rows: IntArray,
    condition: IntArray,
    objects: _Objects,
    shapes: npt.NDArray[np.object_],
    path: Path,
    notes: Notes,
) -> tuple[IntArray, IntArray]:
    """Leave out what lies in polygons that rule it out (pitches of schools), unless the tags say that it is shared."""
    if not rule.not_within or not len(rows):
        return rows, condition
    hosts = np.array([any(c.has_tags(tags) for c in rule.not_within) for tags in objects.tags], dtype=bool)
    hosts &= shapely.get_dimensions(shapes) == 2  # noqa: PLR2004 - a polygon
    inner, _ = shapely.STRtree(shapes[hosts]).query(shapely.point_on_surface(shapes[rows]), predicate="within")
    out = np.zeros(len(rows), dtype=bool)
    out[inner] = True
    out &= ~np.array([any(c.has_tags(objects.tags[row]) for c in rule.unless) for row in rows], dtype=bool)
    hosts_named = " or ".join(
        dict.fromkeys(f"{key}={'|'.join(values)}" for c in rule.not_within for key, values in c.tags.items())
    )
    _note(
        notes, "within", rows[out], objects, f"{path.name}: # {rule.id} left out, since they lie within {hosts_named}"
    )
    return rows[~out], condition[~out]


def _leave_out_copies(
    rule: TypeRule,
    rows: IntArray,
    condition: IntArray,
    objects: _Objects,
    shapes: npt.NDArray[np.object_],
    path: Path,
    notes: Notes,
) -> tuple[IntArray, IntArray]:
    """Leave out what draws a place as another object does, be that of a type for another area or of none."""
    if not len(rows):
        return rows, condition
    like = np.flatnonzero([rule.has_tags(tags) for tags in objects.tags])
    copies = [like[osm_copies.outlined_elsewhere([objects.ids[row] for row in like], objects.outlines)]]
    areas = np.setdiff1d(like[shapely.get_dimensions(shapes[like]) == 2], copies[0])  # noqa: PLR2004 - a polygon
    names, ids = [_name(objects, row) for row in areas], [objects.ids[row] for row in areas]
    copies.append(areas[osm_copies.drawn_elsewhere(shapes[areas], names, ids)])
    out = np.isin(rows, np.concatenate(copies))
    _note(notes, "drawn_twice", rows[out], objects, f"{path.name}: # {rule.id} left out, since another area draws them")
    return rows[~out], condition[~out]


def _keep_polygons(
    rule: TypeRule,
    rows: IntArray,
    condition: IntArray,
    objects: _Objects,
    shapes: npt.NDArray[np.object_],
    path: Path,
    notes: Notes,
) -> tuple[IntArray, IntArray]:
    """Leave out a node inside a polygon of the same type and name: the same place drawn twice."""
    if not len(rows):
        return rows, condition
    dimension = shapely.get_dimensions(shapes[rows])
    nodes, polygons = np.flatnonzero(dimension == 0), np.flatnonzero(dimension == 2)  # noqa: PLR2004 - a polygon
    inner, outer = shapely.STRtree(shapes[rows[polygons]]).query(shapes[rows[nodes]], predicate="within")
    out = np.zeros(len(rows), dtype=bool)
    for node, polygon in zip(nodes[inner], polygons[outer], strict=True):
        out[node] |= _name(objects, rows[node]) == _name(objects, rows[polygon])
    _note(
        notes,
        "node_and_area",
        rows[out],
        objects,
        f"{path.name}: # {rule.id} drawn as node and as area; the areas stay",
    )
    return rows[~out], condition[~out]


def _merge_pairs(
    rule: TypeRule,
    rows: IntArray,
    condition: IntArray,
    objects: _Objects,
    shapes: npt.NDArray[np.object_],
    path: Path,
    notes: Notes,
) -> IntArray:
    """Leave one of each pair that two conditions found near each other (a stop and its platform).

    Named ones stay before those without a name, then those of the first condition, then the first of the file.
    """
    if rule.merge_within_m is None or not len(rows):
        return rows
    unnamed = np.array([not _name(objects, row) for row in rows], dtype=bool)
    order = np.lexsort((rows, condition, unnamed))
    rows, condition = rows[order], condition[order]
    tree = shapely.STRtree(shapes[rows])
    one, other = tree.query(shapes[rows], predicate="dwithin", distance=rule.merge_within_m)
    later = (one > other) & (condition[one] != condition[other])
    out = np.zeros(len(rows), dtype=bool)
    pairs = np.column_stack([one[later], other[later]])
    for place, earlier in pairs[np.lexsort(pairs.T[::-1])]:
        names = {_name(objects, rows[place]), _name(objects, rows[earlier])}
        out[place] |= not out[earlier] and (len(names) == 1 or "" in names)
    text = f"{path.name}: # {rule.id} merged with one within {rule.merge_within_m:g} m"
    _note(notes, "merged", rows[out], objects, text)
    return np.sort(rows[~out])


def _table(
    found: list[tuple[TypeRule, IntArray]],
    objects: _Objects,
    shapes: npt.NDArray[np.object_],
    crs: CRS,
    path: Path,
) -> gpd.GeoDataFrame:
    types = np.bincount(np.concatenate([rows for _, rows in found] or [np.empty(0, dtype=np.int64)]))
    records = [
        (
            objects.ids[row] + (f"/{rule.id}" if types[row] > 1 else ""),
            rule.id,
            _given_name(objects, row),
            rule.confidence,
            path.name,
            np.nan,
            np.nan,
        )
        for rule, rows in found
        for row in rows
    ]
    geometry = [shapes[row] for _, rows in found for row in rows]
    table = pd.DataFrame(records, columns=list(COLUMNS))
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(geometry, crs=crs))


# notes -------------------------------------------------------------------------------------------------------------


def _given_name(objects: _Objects, row: int) -> str:
    return objects.tags[row].get("name", "").strip()


def _name(objects: _Objects, row: int) -> str:
    """Return the name of an object for comparing it, empty where it says nothing (``无``)."""
    return real_name(_given_name(objects, row))


def _note(notes: Notes, code: str, rows: IntArray, objects: _Objects, text: str) -> None:
    notes.add(f"osm.{code}", len(rows), text.replace("#", str(len(rows)), 1), [objects.ids[row] for row in rows])


def _note_unshaped(objects: _Objects, path: Path, notes: Notes) -> None:
    names = [f"{name} {why}" for name, why in objects.unshaped.items()]
    text = f"{path.name}: {len(names)} objects with tags of a facility have no usable shape and were left out"
    notes.add("osm.no_shape", len(names), text, names)


def _note_ignored(objects: _Objects, mapping: Mapping, path: Path, notes: Notes) -> None:
    for ignored in mapping.ignored:
        hits = (row for row, tags in enumerate(objects.tags) if any(c.has_tags(tags) for c in ignored.any))
        _note(
            notes,
            ignored.id,
            np.fromiter(hits, dtype=np.int64),
            objects,
            f"{path.name}: # {ignored.id}: {ignored.note}",
        )


def _note_out_of_range(objects: _Objects, mapping: Mapping, area_m2: FloatArray, path: Path, notes: Notes) -> None:
    """Count what has the tags of a type with an area rule and no type, for want of a polygon or of the right size."""
    sized = [(rule, c) for rule in mapping.types for c in rule.any if c.area_m2 is not None]
    rows = [
        row
        for row, tags in enumerate(objects.tags)
        if any(c.has_tags(tags) and not any(n.has_tags(tags) for n in rule.none) for rule, c in sized)
        and not mapping.types_of(tags, area_m2[row])
    ]
    chosen = np.array(rows, dtype=np.int64)
    flat = np.isnan(area_m2[chosen])
    text = f"{path.name}: # objects left out, since their type follows from their area and they are no polygons"
    _note(notes, "no_area", chosen[flat], objects, text)
    text = f"{path.name}: # objects left out, since no type has room for their area"
    _note(notes, "area_out_of_range", chosen[~flat], objects, text)
