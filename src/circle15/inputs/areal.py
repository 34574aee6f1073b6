"""Polygons with people (census tracts) → square cells: areal weighting.

The people of a polygon are spread evenly over it, which is an assumption; its cells are the squares of a regular grid
whose corners are multiples of the cell's size in the run's CRS. What several polygons of one committee have in one
square adds up; a square that several committees share is a cell of each.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.errors import ComputeError, ConfigError, InputError, Notes, Problem
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]
Shapes = npt.NDArray[np.object_]

OVERLAP = 0.1
"""Neighbours drawn apart share slivers; more than this share of the smaller one is no sliver."""
LARGE_POLYGON_M = 500.0
"""A polygon wider than this hides from its one point how far its people walk: half of it is a quarter of 15 minutes."""

MAX_PIECES = 5_000_000
"""More pieces than this are taken for a cell size that was not meant: a district has 120,000 cells."""

SLIVER = 1e-9
"""Pieces with less than this share of their polygon come from rounding along the grid's lines."""

LOST_PERSONS = 1e-6
"""How many people may get lost in floating-point sums."""

NOISE = 1e-12
"""Of very many people even the best sum is not good to `LOST_PERSONS`; this share of them is noise."""

AREA_TOLERANCE = 1e-6
"""How far, as a share, the pieces of a polygon may differ from it in area."""


@dataclass(frozen=True)
class GridCells:
    """Squares of a grid with people.

    Attributes
    ----------
    column, row : int64 arrays of shape (cells,)
        The square reaches from ``column × size`` to ``(column + 1) × size`` in x, and so in y by row.
    group : int64 array of shape (cells,)
        Whose part of the square it is.
    point : object array of shapely points, shape (cells,)
        Where its people are taken to be.
    persons : float64 array of shape (cells, figures)
        People, one column a figure (total, groups).
    """

    column: IntArray
    row: IntArray
    group: IntArray
    point: Shapes
    persons: FloatArray


def cut_onto_grid(polygons: Shapes, persons: FloatArray, size_m: float, group: IntArray) -> GridCells:
    """Spread the people of polygons over the squares that they touch, in proportion to the area in each.

    A square with polygons of several groups is a cell of each. A cell's point is the mean of its pieces' centroids,
    weighted by their people, so that people stay inside of their polygon and out of a neighbouring lake; if it lies in
    none of the inhabited pieces, a point inside of the piece with the most people. A cell without people is left out.

    Parameters
    ----------
    polygons : object array of shapely polygons, shape (n,)
        Valid, in a metric CRS.
    persons : float64 array of shape (n, figures)
        People of each polygon; the first figure is the total.
    size_m : float
        Side of a square, metres.
    group : int64 array of shape (n,)
        Whose each polygon is: what polygons of one group have in a square adds up.

    Returns
    -------
    GridCells
        Sorted by row, column and group. Every figure's sum is kept to `LOST_PERSONS`.

    Raises
    ------
    ComputeError
        If the pieces do not make up their polygons, or people got lost.
    """
    piece, owner, row = _cut(polygons, np.arange(len(polygons)), size_m, axis=1)
    piece, above, column = _cut(piece, np.arange(len(piece)), size_m, axis=0)
    owner, row = owner[above], row[above]
    area = shapely.area(piece)
    keep = area > SLIVER * shapely.area(polygons)[owner]
    piece, owner, row, column, area = piece[keep], owner[keep], row[keep], column[keep], area[keep]
    whole = np.bincount(owner, weights=area, minlength=len(polygons))
    if not np.allclose(whole, shapely.area(polygons), rtol=AREA_TOLERANCE, atol=0.0):
        raise ComputeError("the pieces of polygons of people do not make up their area")

    people = persons[owner] * (area / whole[owner])[:, None]
    lived = (people > 0).any(axis=1)
    piece, people, area = piece[lived], people[lived], area[lived]
    place = np.stack([row[lived], column[lived], group[owner[lived]]], axis=1)
    square, cell = np.unique(place, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    sums = np.empty((len(square), persons.shape[1]))
    for figure in range(persons.shape[1]):
        sums[:, figure] = np.bincount(cell, weights=people[:, figure], minlength=len(square))
    lost = np.abs(sums.sum(axis=0) - persons.sum(axis=0)).max(initial=0.0)
    if lost > max(LOST_PERSONS, NOISE * float(persons.sum())):
        raise ComputeError(f"{lost:g} people got lost between polygons and cells")
    return GridCells(square[:, 1], square[:, 0], square[:, 2], _points(piece, people[:, 0], area, cell), sums)


def check_polygons(table: gpd.GeoDataFrame, size_m: float, where: str) -> None:
    """Refuse what cannot be cut onto a grid.

    Parameters
    ----------
    table : GeoDataFrame
        ``cell_id`` and shapes in the run's CRS.
    size_m : float
        Side of a square, metres.
    where : str
        The file, for messages.

    Raises
    ------
    ConfigError
        If some rows are no polygons, or there would be more than `MAX_PIECES` pieces.
    InputError
        If a polygon isn't valid once it is projected.
    """
    shapes = np.asarray(table.geometry.array, dtype=object)
    flat = shapely.get_dimensions(shapes) < 2  # noqa: PLR2004 - the dimension of an area
    if flat.any():
        remedy = "Remove cell_size_m: points have no area to spread people over."
        raise ConfigError(Problem("cell_size_m is for polygons", where, tuple(table["cell_id"][flat]), remedy))
    bad = ~shapely.is_valid(shapes) | ~(shapely.area(shapes) > 0)
    if bad.any():
        remedy = "Repair or simplify them, or store the file in a metric CRS."
        what = "polygons cannot be cut into cells: projected, they cross themselves or have no area"
        raise InputError(Problem(what, where, tuple(table["cell_id"][bad]), remedy))
    low, high = _span(shapes, size_m, 0), _span(shapes, size_m, 1)
    pieces = int(((low[1] - low[0] + 1) * (high[1] - high[0] + 1)).sum())
    if pieces > MAX_PIECES:
        remedy = "Take a larger one; 100 is usual."
        what = f"cell_size_m = {size_m:g} makes up to {pieces:,} cells, more than {MAX_PIECES:,}"
        raise ConfigError(Problem(what, where, remedy=remedy))


def grid_ids(cells: GridCells) -> pd.Series:
    """Return ``n<row>e<column>`` of each cell's square, padded so that text sorts as numbers do."""
    return "n" + _padded(cells.row) + "e" + _padded(cells.column)


def note_large_polygons(shapes: Shapes, total: pd.Series, ids: pd.Series, what: str, remedy: str, notes: Notes) -> None:
    """Note inhabited polygons or pixels that are wider than `LARGE_POLYGON_M` and yet stay one cell each.

    Parameters
    ----------
    shapes : object array of shapely geometries, shape (cells,)
        Missing ones and points have no width.
    total, ids : Series
        People of the cells, and how the note names these.
    what, remedy : str
        What the cells are, the file's name before it; and what can be done.
    notes : Notes
        Gets the note.
    """
    west, south, east, north = shapely.bounds(shapes).T
    wide = np.fmax(east - west, north - south) > LARGE_POLYGON_M
    wide &= (total > 0).to_numpy()
    text = (
        f"{wide.sum()} {what} are wider than {LARGE_POLYGON_M:g} m, and all people of each, or of the part of it that "
        f"a committee has, are taken to live at one point. {remedy}"
    )
    notes.add("population.large_polygons", wide.sum(), text, ids[wide])


def note_overlaps(table: gpd.GeoDataFrame, path: Path, notes: Notes) -> None:
    """Note inhabited polygons that share more than `OVERLAP` of the smaller: people may count twice."""
    own = table[(table["total"] > 0) & table.geometry.geom_type.isin(("Polygon", "MultiPolygon"))]
    shapes = np.asarray(own.geometry.array, dtype=object)
    sound = shapely.is_valid(shapes)  # what is not is told where polygons are cut
    shapes, ids = shapes[sound], own["cell_id"].to_numpy(dtype=object)[sound]
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    a, b = a[a < b], b[a < b]
    smaller = np.minimum(shapely.area(shapes[a]), shapely.area(shapes[b]))
    over = shapely.area(shapely.intersection(shapes[a], shapes[b])) > OVERLAP * smaller
    text = f"{path.name}: {over.sum()} pairs of polygons with people lie on one another: do people count twice?"
    pairs = [f"{ids[i]} and {ids[j]}" for i, j in zip(a[over], b[over], strict=True)]
    notes.add("population.overlapping_polygons", int(over.sum()), text, pairs)


def inner_points(shapes: Shapes) -> Shapes:
    """Return each shape's centroid, or a representative point where the centroid lies outside of it."""
    points = np.asarray(shapely.centroid(shapes), dtype=object)
    outside = ~shapely.intersects(shapes, points) & (shapely.get_dimensions(shapes) > 0)
    points[outside] = shapely.point_on_surface(shapes[outside])
    return points


def _span(shapes: Shapes, size_m: float, axis: int) -> tuple[FloatArray, FloatArray]:
    """Return the first and last square that each shape touches along an axis (0 is x, 1 is y), as whole floats."""
    bounds = shapely.bounds(shapes)
    first = np.floor(bounds[:, axis] / size_m)
    return first, np.maximum(np.ceil(bounds[:, axis + 2] / size_m) - 1, first)


def _cut(shapes: Shapes, owner: IntArray, size_m: float, axis: int) -> tuple[Shapes, IntArray, IntArray]:
    """Cut shapes at the multiples of a size along one axis.

    Strips first and squares from them: the squares are then cut from a few vertices each, not from the whole outline.

    Returns
    -------
    tuple of arrays of shape (pieces,)
        The pieces with an area, the `owner` of the shape that each comes from, and the number of its strip.
    """
    first, last = _span(shapes, size_m, axis)
    count = (last - first + 1).astype(np.int64)
    source = np.repeat(np.arange(len(shapes)), count)
    strip = (np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count) + first[source]).astype(np.int64)
    pieces = shapes[source]
    cut = count[source] > 1
    edge = shapely.bounds(pieces[cut])
    edge[:, axis], edge[:, axis + 2] = strip[cut] * size_m, (strip[cut] + 1) * size_m
    edge[:, 1 - axis] -= size_m  # the strip is wider than the shape, so that their outlines never run along one another
    edge[:, 3 - axis] += size_m
    pieces[cut] = shapely.intersection(pieces[cut], shapely.box(*edge.T))
    solid = shapely.area(pieces) > 0
    return pieces[solid], owner[source[solid]], strip[solid]


def _points(piece: Shapes, people: FloatArray, area: FloatArray, cell: IntArray) -> Shapes:
    """Return one point for each cell, inside of one of its inhabited pieces."""
    cells = int(cell.max()) + 1 if len(cell) else 0
    nobody = np.bincount(cell, weights=people, minlength=cells) == 0  # of the total; a group may have somebody
    weight = np.where(nobody[cell], area, people)
    centroid = shapely.get_coordinates(shapely.centroid(piece))
    whole = np.bincount(cell, weights=weight, minlength=cells)
    mean = [np.bincount(cell, weights=weight * one, minlength=cells) / whole for one in centroid.T]
    points: Shapes = np.asarray(shapely.points(np.stack(mean, axis=1)), dtype=object)
    inside = np.zeros(cells, dtype=bool)
    np.logical_or.at(inside, cell, shapely.intersects(piece, points[cell]) & (weight > 0))
    order = np.lexsort((np.arange(len(cell)), -weight, cell))
    most = order[np.unique(cell[order], return_index=True)[1]]  # the first piece of each cell, by people
    points[~inside] = inner_points(piece[most[~inside]])
    return points


def _padded(number: IntArray) -> pd.Series:
    """Return numbers as text of one width, so that text sorts as numbers do."""
    text = pd.Series(number).astype(str)
    return text.str.zfill(int(text.str.len().max()) if len(text) else 0)
