"""One place that an OSM file draws several times as an area counts once.

OSM asks for one element a place. Files hold more: the outer way of a multipolygon keeps the tags that moved to the
relation; somebody draws an outline again, along other ways; a school's grounds and its main building both are the
school of that name. What has the tags of one type, whatever its area, is one place where

- a way is the outline, or a part of it, of a relation; the relation stays, which knows the holes,
- two areas have the same outline, and the same name or one of them none,
- an area lies in another one of the same name, or neither has one; the outer one stays, as it does for nodes.

An area of another type stays: a playground in a park is one.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import shapely

from circle15.units import FloatArray

SAME_SHARE = 0.99
"""Of two areas, the part that they share, so that they count as the same: a vertex more or less is no other place."""

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Shapes = npt.NDArray[np.object_]


def outlined_elsewhere(ids: Sequence[str], outlines: Mapping[str, Collection[str]]) -> BoolArray:
    """Return which objects are the outline of another one, or a part of it.

    Parameters
    ----------
    ids : sequence of str
        ``w`` or ``r`` and OSM's number; all of them have the tags of one type.
    outlines : mapping of str to collection of str
        Way → the relations that it is an outer member of.
    """
    known = set(ids)
    return np.array([not known.isdisjoint(outlines.get(one, ())) for one in ids], dtype=bool)


def drawn_elsewhere(shapes: Shapes, names: Sequence[str], ids: Sequence[str]) -> BoolArray:
    """Return which areas draw a place that another of them draws, too.

    Of two with the same outline the one with a name stays, then a relation before a way, then the first.

    Parameters
    ----------
    shapes : object array of shapely geometries, shape (areas,)
        Polygons and multipolygons in metres; all of them have the tags of one type.
    names : sequence of str
        Empty where an area has none.
    ids : sequence of str
        ``w`` or ``r`` and OSM's number.
    """
    out = np.zeros(len(shapes), dtype=bool)
    valid = shapely.make_valid(shapes)
    one, other = shapely.STRtree(valid).query(valid, predicate="intersects")
    one, other = one[one != other], other[one != other]
    if not len(one):
        return out
    name = np.array(names, dtype=object)
    same_name, unnamed = name[one] == name[other], name == ""
    outline = _same_outline(valid, one, other)
    inside = _share(shapely.area(shapely.intersection(valid[one], valid[other])), shapely.area(valid[one]))
    inside = inside & ~outline & same_name & (shapely.area(valid[one]) < shapely.area(valid[other]))
    is_way = np.array([i.startswith("w") for i in ids], dtype=bool)
    rank = np.empty(len(shapes), dtype=np.int64)
    rank[np.lexsort((is_way, unnamed))] = np.arange(len(ids))
    outline = outline & (same_name | unnamed[one] | unnamed[other]) & (rank[one] > rank[other])
    out[one[inside | outline]] = True
    return out


def _same_outline(shapes: Shapes, one: IntArray, other: IntArray) -> BoolArray:
    """Return for pairs of areas whether their outlines, holes filled, are the same."""
    filled = np.array([_filled(shape) for shape in shapes], dtype=object)
    shared = shapely.area(shapely.intersection(filled[one], filled[other]))
    return _share(shared, np.maximum(shapely.area(filled[one]), shapely.area(filled[other])))


def _filled(shape: shapely.Geometry) -> shapely.Geometry:
    parts = [part for part in shapely.get_parts(shape) if shapely.get_dimensions(part) == 2]  # noqa: PLR2004 - an area
    return shapely.union_all([shapely.Polygon(part.exterior) for part in parts])


def _share(part: FloatArray, whole: FloatArray) -> BoolArray:
    return np.asarray(part >= SAME_SHARE * whole, dtype=bool)
