"""Whose each cell is: the people of a polygon or pixel go to the committees by the share of its land in each.

Within a cell people are taken to be spread evenly over its land, which is all of it but the water of
``[committees.water]``. A cell that lies in one area stays as it is; one that several share becomes a piece for each,
and one for what lies in none, so that whatever is counted by cells follows. A point has no area and lies in one.

Areas that lie on one another would count people twice: such land is of the lowest ``committee_id``, as points are.
Boundaries of neighbours that were drawn apart leave slivers, narrower than `SLIVER_M`: nobody lives on them.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.errors import ComputeError, ConfigError, InputError, Notes, Problem, counted
from circle15.inputs.areal import AREA_TOLERANCE, LOST_PERSONS, NOISE, SLIVER, cut_onto_grid, grid_ids, inner_points
from circle15.tables import SHAPE
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Shapes = npt.NDArray[np.object_]

SLIVER_M = 0.2
"""A piece that is nowhere as wide comes from drawing: degrees with six decimals are 0.1 m apart."""
SLIVER_SHARE = 0.01
"""And it is no more than this share of its cell, or the cell itself is so small."""

NO_PEOPLE = ("cell_id", "geometry", SHAPE)
"""Columns of the cells that hold no people."""

POLYGON_IDS = (3, 6)
"""Shapely's numbers of Polygon and MultiPolygon."""


@dataclass(frozen=True)
class Pieces:
    """Cells as the areas cut them; arrays of shape (pieces,), sorted by cell and then by committee.

    Attributes
    ----------
    cell : int64 array
        Row of the cell that it is a piece of.
    committee : int64 array
        Row of the committee, -1 for what lies in no area.
    share : float64 array
        Of the cell's people; those of a cell add up to 1.
    land : object array of shapely polygons or None
        Where the people are; None for a point.
    cut : bool array
        Whether it is less than its cell.
    """

    cell: IntArray
    committee: IntArray
    share: FloatArray
    land: Shapes
    cut: BoolArray


def share_cells(
    cells: gpd.GeoDataFrame,
    committees: gpd.GeoDataFrame,
    water: Shapes | None,
    size_m: float | None,
    path: Path,
    notes: Notes,
) -> tuple[gpd.GeoDataFrame, IntArray]:
    """Give each area its people of every cell, and cut polygons onto a grid where that is asked for.

    Parameters
    ----------
    cells : GeoDataFrame
        As `population.read_population` returns them.
    committees : GeoDataFrame
        As `committees.read_committees` returns them; those without an area get no people.
    water : object array of shapely polygons or None
        What is no land.
    size_m : float or None
        Side of the squares that polygons are cut into, metres.
    path : Path
        The cells' file, for messages.
    notes : Notes
        Gets how many cells are shared, how many lie in areas that overlap, which ones are all water, and how many
        squares there are.

    Returns
    -------
    tuple of GeoDataFrame and int64 array of shape (cells,)
        ``cell_id``, ``total``, the groups and a point, sorted by ``cell_id``; and the row of each cell's committee, -1
        outside of all areas. A piece of a shared cell is called ``<cell_id>/<committee_id>``, what is outside
        ``<cell_id>/``; its point lies on its own land. The sum of every figure is kept.

    Raises
    ------
    InputError
        If an area or a cell that it cuts isn't valid once it is projected.
    ConfigError
        If there are fewer squares than polygons with people.
    ComputeError
        If pieces do not make up their cells.
    """
    shapes = _shapes_of(cells)
    land = _land_of(shapes, cells["cell_id"].to_numpy(dtype=object), water, path, notes)
    rows, areas = _areas(committees)
    pieces = cut_by_areas(shapes, land, areas, str(path))
    pieces = replace(pieces, committee=np.append(rows, -1)[pieces.committee])
    _note_overlaps(shapes, cells, areas, notes)
    figures = ["total", *(str(name) for name in cells if name not in (*NO_PEOPLE, "total"))]
    persons = cells[figures].to_numpy(dtype=np.float64)[pieces.cell] * pieces.share[:, None]
    _note_shared(cells, pieces, persons[:, 0], path, notes)
    ids = committees["committee_id"].to_numpy(dtype=object)
    if size_m is not None:
        squares = cut_onto_grid(pieces.land, persons, size_m, pieces.committee)
        _note_squares(cells, len(squares.row), size_m, path, notes)
        place = np.stack([squares.row, squares.column], axis=1)
        _, square, parts = np.unique(place, axis=0, return_inverse=True, return_counts=True)
        several = parts[square.reshape(-1)] > 1
        names = _names(grid_ids(squares).to_numpy(dtype=object), several, squares.group, ids)
        points, persons, committee = squares.point, squares.persons, squares.group
    else:
        names = _names(cells["cell_id"].to_numpy(dtype=object)[pieces.cell], _several(pieces), pieces.committee, ids)
        points = np.asarray(cells.geometry.array, dtype=object)[pieces.cell].copy()
        points[pieces.cut] = inner_points(pieces.land[pieces.cut])
        committee = pieces.committee
    order = np.argsort(names.astype(str), kind="stable")
    table = pd.DataFrame({"cell_id": names, **dict(zip(figures, persons.T, strict=True))}).iloc[order]
    made = gpd.GeoDataFrame(table.reset_index(drop=True), geometry=gpd.GeoSeries(points[order], crs=cells.crs))
    _check_balance(cells[figures], made[figures])
    return made, committee[order]


def cut_by_areas(shapes: Shapes, land: Shapes, areas: Shapes, where: str) -> Pieces:
    """Cut cells along the boundaries of areas; only those are touched that a boundary crosses.

    Parameters
    ----------
    shapes : object array of shapely points and polygons, shape (cells,)
        The cells.
    land : object array of shapely polygons or None, shape (cells,)
        Where their people are; None for points.
    areas : object array of shapely polygons
        Of areas that lie on one another, the first one has the land.
    where : str
        The cells' file, for messages.

    Returns
    -------
    Pieces
        ``committee`` counts the areas, -1 is none.
    """
    none = len(areas)
    tree = shapely.STRtree(shapes)
    area, cell = tree.query(areas, predicate="intersects")
    first = _lowest(len(shapes), cell, area, none)
    covering, covered = tree.query(areas, predicate="covers")
    # a cell is whole if the first area that touches it covers it; what touches nothing is whole as well
    crossed = first != np.where(first < none, _lowest(len(shapes), covered, covering, none), none)
    whole = np.flatnonzero(~crossed)
    pairs = crossed[cell]
    _check_valid(shapes, crossed, "cells", where)
    _check_valid(areas, np.isin(np.arange(none), area[pairs]), "committees' areas", where)
    owner, committee, piece, share = _partition(land, cell[pairs], area[pairs], areas)
    less = shapely.area(piece) < shapely.area(shapes[owner]) * (1 - SLIVER)
    found = Pieces(
        cell=np.concatenate([whole, owner]),
        committee=np.concatenate([np.where(first < none, first, -1)[whole], committee]),
        share=np.concatenate([np.ones(len(whole)), share]),
        land=np.concatenate([land[whole], piece]),
        cut=np.concatenate([np.zeros(len(whole), dtype=bool), less]),
    )
    order = np.lexsort((found.committee, found.cell))
    return Pieces(**{name: values[order] for name, values in vars(found).items()})


def _shapes_of(cells: gpd.GeoDataFrame) -> Shapes:
    """Return each cell's polygon, or the point that it was given as."""
    points = np.asarray(cells.geometry.array, dtype=object)
    if SHAPE not in cells:
        return points
    shapes = cells[SHAPE].to_numpy(dtype=object)
    return np.where(shapely.is_missing(shapes), points, shapes)


def _areas(committees: gpd.GeoDataFrame) -> tuple[IntArray, Shapes]:
    """Return the rows of the committees that have an area, and the areas, by ``committee_id``."""
    rows = np.flatnonzero(committees["area"].notna().to_numpy())
    order = np.argsort(committees["committee_id"].to_numpy(dtype=str)[rows], kind="stable")
    return rows[order], committees["area"].to_numpy(dtype=object)[rows[order]]


def _lowest(cells: int, cell: IntArray, area: IntArray, areas: int) -> IntArray:
    """Return the lowest area of each cell, the number of areas where it has none."""
    lowest = np.full(cells, areas, dtype=np.int64)
    np.minimum.at(lowest, cell, area)
    return lowest


def _land_of(shapes: Shapes, ids: Shapes, water: Shapes | None, path: Path, notes: Notes) -> Shapes:
    """Return polygons without the water in them, None for points; what is all water stays, for the people are there."""
    land: Shapes = shapes.copy()
    land[~_is_polygon(shapes)] = None
    if water is None or not len(water):
        return land
    wet, cell = shapely.STRtree(land).query(water, predicate="intersects")
    order = np.lexsort((wet, cell))
    touched, begin = np.unique(cell[order], return_index=True)
    of_cell = np.empty(len(touched), dtype=object)
    for row, some in enumerate(np.split(water[wet[order]], begin[1:]) if len(touched) else []):
        of_cell[row] = some[0] if len(some) == 1 else shapely.union_all(some)
    land[touched] = _flat(shapely.difference(shapes[touched], of_cell))
    drowned = touched[shapely.area(land[touched]) <= SLIVER * shapely.area(shapes[touched])]
    land[drowned] = shapes[drowned]
    text = (
        f"{path.name}: {counted(len(drowned), 'cell is', 'cells are')} all water; the people of such a cell are taken "
        "to be spread over all of it"
    )
    notes.add("population.in_water", len(drowned), text, ids[drowned])
    return land


def _is_polygon(shapes: Shapes) -> BoolArray:
    return np.asarray(np.isin(shapely.get_type_id(shapes), POLYGON_IDS))


def _partition(
    land: Shapes, cell: IntArray, area: IntArray, areas: Shapes
) -> tuple[IntArray, IntArray, Shapes, FloatArray]:
    """Give the land of cells to the areas, one area of each cell after the other, the lowest first.

    Parameters
    ----------
    land : object array of shapely polygons, shape (cells,)
        All cells; only those named in `cell` are looked at.
    cell, area : int64 arrays of shape (pairs,)
        Cells and areas that touch.
    areas : object array of shapely polygons
        By rank.

    Returns
    -------
    tuple of arrays of shape (pieces,)
        Cell, area (-1 for none), polygon, and share of the cell's land.
    """
    order = np.lexsort((area, cell))
    cell, area = cell[order], area[order]
    cells, first, count = np.unique(cell, return_index=True, return_counts=True)
    turn = np.arange(len(cell)) - np.repeat(first, count)
    rest = land.copy()
    piece = np.full(len(cell), None, dtype=object)
    for number in range(int(count.max(initial=0))):
        now = np.flatnonzero(turn == number)
        before = rest[cell[now]]
        piece[now] = _flat(shapely.intersection(before, areas[area[now]]))
        part = shapely.area(piece[now]) / np.fmax(shapely.area(before), np.finfo(float).tiny)
        left = now[(part > SLIVER) & (part < 1 - SLIVER)]
        rest[cell[now[part >= 1 - SLIVER]]] = shapely.Polygon()
        rest[cell[left]] = _flat(shapely.difference(rest[cell[left]], areas[area[left]]))
    owner = np.concatenate([cell, cells])
    committee = np.concatenate([area, np.full(len(cells), -1, dtype=np.int64)])
    piece = np.concatenate([piece, rest[cells]])
    size: FloatArray = np.asarray(shapely.area(piece), dtype=np.float64)
    whole: FloatArray = np.bincount(owner, weights=size, minlength=len(land)).astype(np.float64)
    if not np.allclose(whole[cells], shapely.area(land[cells]), rtol=AREA_TOLERANCE, atol=0.0):
        raise ComputeError("the pieces of cells do not make up their land")
    kept = _no_slivers(owner, piece, size, whole)
    owner, committee, piece, size = owner[kept], committee[kept], piece[kept], size[kept]
    left = np.bincount(owner, weights=size, minlength=len(land))
    return owner, committee, piece, size / left[owner]


def _no_slivers(owner: IntArray, piece: Shapes, size: FloatArray, whole: FloatArray) -> BoolArray:
    """Return which pieces are more than noise and drawing; a cell of nothing else keeps them all."""
    share = size / whole[owner]
    thin = np.flatnonzero((share > SLIVER) & (share < SLIVER_SHARE) & (2 * size < SLIVER_M * shapely.length(piece)))
    thin = thin[shapely.is_empty(shapely.buffer(piece[thin], -SLIVER_M / 2))]
    kept = share > SLIVER
    kept[thin] = False
    nothing = np.bincount(owner[kept], minlength=len(whole)) == 0
    return np.asarray(kept | nothing[owner])


def _flat(shapes: Shapes) -> Shapes:
    """Return shapes without the points and lines that an intersection leaves where outlines only touch."""
    shapes = shapes.copy()
    solid = shapely.get_dimensions(shapes) > 1
    shapes[~solid] = shapely.Polygon()
    for row in np.flatnonzero(solid & ~_is_polygon(shapes)):
        parts = shapely.get_parts(shapes[row])
        shapes[row] = shapely.multipolygons(parts[shapely.get_dimensions(parts) > 1])
    return shapes


def _check_valid(shapes: Shapes, used: BoolArray, what: str, where: str) -> None:
    bad = used & ~shapely.is_valid(shapes)
    if bad.any():
        remedy = "Repair or simplify them, or store their file in a metric CRS."
        text = f"{counted(int(bad.sum()), 'polygon', 'polygons')} of {what} cannot be cut: invalid once projected"
        raise InputError(Problem(text, where, remedy=remedy))


def _check_balance(before: pd.DataFrame, after: pd.DataFrame) -> None:
    """Hold the sum of each figure against what it was."""
    sums = before.sum().to_numpy(dtype=np.float64)
    lost = np.abs(after.sum().to_numpy(dtype=np.float64) - sums).max(initial=0.0)
    if lost > max(LOST_PERSONS, NOISE * float(sums.max(initial=0.0))):
        raise ComputeError(f"{lost:g} people got lost between cells and their pieces")


def _several(pieces: Pieces) -> BoolArray:
    """Return which pieces have others of the same cell beside them."""
    return np.bincount(pieces.cell)[pieces.cell] > 1


def _names(cell: Shapes, several: BoolArray, committee: IntArray, ids: Shapes) -> Shapes:
    """Return the id of each piece: the cell's where it is whole, else with the committee's behind it."""
    own = np.append(ids, "")[committee]
    names = np.array([f"{c}/{o}" if s else c for c, s, o in zip(cell, several, own, strict=True)], dtype=object)
    while (again := pd.Series(names).duplicated().to_numpy()).any():  # "a/b" in "c", and "a" in "b/c"
        names[again] += "/"
    return names


def _note_shared(cells: gpd.GeoDataFrame, pieces: Pieces, persons: FloatArray, path: Path, notes: Notes) -> None:
    several = _several(pieces)
    shared = np.unique(pieces.cell[several])
    text = (
        f"{path.name}: {counted(len(shared), 'cell', 'cells')} ({persons[several].sum():,.0f} people) "
        f"{'lies' if len(shared) == 1 else 'lie'} in several committees' areas or partly outside of them; the people "
        "are shared by the land in each"
    )
    notes.add("population.shared", len(shared), text, cells["cell_id"].to_numpy(dtype=object)[shared])


def _note_squares(cells: gpd.GeoDataFrame, squares: int, size_m: float, path: Path, notes: Notes) -> None:
    """Note how many cells there are, and refuse fewer than there were."""
    text = (
        f"{path.name}: the people of {len(cells)} polygons are spread evenly over their land, "
        f"{squares:,} cells of {size_m:g} m"
    )
    notes.add("population.areal", squares, text)
    inhabited = int((cells["total"] > 0).sum())
    if squares < inhabited:
        what = f"cell_size_m = {size_m:g} makes {squares:,} cells of {inhabited:,} polygons with people"
        remedy = "Take a smaller one (100 is usual): people of several polygons would live at one point."
        raise ConfigError(Problem(what, str(path), remedy=remedy))


def _note_overlaps(shapes: Shapes, cells: gpd.GeoDataFrame, areas: Shapes, notes: Notes) -> None:
    """Note cells that lie, at least partly, in several committees' areas at once."""
    share, solid = np.zeros(len(shapes)), np.flatnonzero(_is_polygon(shapes))
    points = np.flatnonzero(~_is_polygon(shapes))
    _, inside = shapely.STRtree(shapes[points]).query(areas, predicate="intersects")
    share[points] = np.bincount(inside, minlength=len(points)) > 1
    twice = _twice(areas) if len(solid) else solid
    if len(twice):
        part, cell = shapely.STRtree(shapes[solid]).query(twice, predicate="intersects")
        size = shapely.area(shapely.intersection(shapes[solid[cell]], twice[part]))
        share[solid] = np.bincount(cell, weights=size, minlength=len(solid)) / shapely.area(shapes[solid])
    several = share > SLIVER
    people = float((share * cells["total"].to_numpy(dtype=np.float64))[several].sum())
    text = (
        f"{counted(several.sum(), 'cell', 'cells')} ({people:,.0f} people) in several committees' areas at once; "
        "each goes to the lowest committee_id"
    )
    notes.add("population.several_areas", several.sum(), text, cells["cell_id"][several])


def _twice(areas: Shapes) -> Shapes:
    """Return the land that lies in several areas, in parts that are more than slivers."""
    a, b = shapely.STRtree(areas).query(areas, predicate="intersects")
    a, b = a[a < b], b[a < b]
    both = shapely.intersection(areas[a], areas[b])
    both = both[shapely.area(both) > 0]
    both = both[~shapely.is_empty(shapely.buffer(both, -SLIVER_M / 2))]
    return np.asarray(shapely.get_parts(shapely.union_all(_flat(both))), dtype=object)
