"""Coordinates of a layer → another CRS, all by one operation: the best that PROJ knows for where the layer lies.

PROJ knows several ways from one datum to another, each for its part of the world, and left to itself takes for each
point the one whose part it lies in: a layer across the edge of such a part is torn, by 71 m for Beijing 1954 at 31.22
degrees north. Here the extent of the whole layer decides, and how accurate the operation is is noted. Where PROJ knows
no way at all, it would take the one datum for the other (a *ballpark* operation), which may be wrong by hundreds of
metres: that is an error unless the configuration allows it. CGCS2000 and WGS 84 differ by less than a metre and are
taken for one another. A run's CRS whose datum is not named (a plane for measuring) has that of WGS 84.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from pyproj.aoi import AreaOfInterest
from pyproj.exceptions import ProjError
from pyproj.transformer import TransformerGroup

from circle15.errors import InputError, Notes, Problem
from circle15.units import FloatArray

DATUMS_LIKE_WGS84 = frozenset({"World Geodetic System 1984", "World Geodetic System 1984 ensemble", "China 2000"})
"""Between these a ballpark operation is right to less than a metre."""
EXACT_M = 1.0
"""Operations that are accurate to this, in metres, are not worth a note."""
MAX_LON, MAX_LAT = 180.0, 90.0

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Layer:
    """What is moved, for messages and notes.

    Attributes
    ----------
    topic : str
        First part of the note's code.
    where : str
        The file as messages name it.
    notes : Notes
        Gets ``<topic>.datum_operation``: how one datum was turned into another, and how accurately.
    ballpark : bool
        Whether an operation may be used that takes one datum for another.
    """

    topic: str
    where: str
    notes: Notes = field(default_factory=Notes)
    ballpark: bool = False


def transform_shapes(
    shapes: npt.NDArray[np.object_], source: pyproj.CRS, target: pyproj.CRS, layer: Layer
) -> npt.NDArray[np.object_]:
    """Return geometries in `target`, vertex by vertex; missing ones stay missing, what has no place there is infinite.

    Parameters
    ----------
    shapes : object array of Geometry or None
        In `source`.
    source, target : pyproj.CRS
        From and to.
    layer : Layer
        What they are of.

    Raises
    ------
    InputError
        As `operation_for` does.
    """
    xy = shapely.get_coordinates(shapes)
    moved = transform_points(xy, source, target, layer)
    return shapes if moved is xy else shapely.set_coordinates(shapes.copy(), moved)


def transform_points(xy: FloatArray, source: pyproj.CRS, target: pyproj.CRS, layer: Layer) -> FloatArray:
    """Return coordinates of shape (points, 2), x or longitude first, in `target`, as `transform_shapes` does."""
    if not len(xy) or source.is_exact_same(target):
        return xy
    good = xy[np.isfinite(xy).all(axis=1)]
    bounds = (*good.min(axis=0), *good.max(axis=0)) if len(good) else (0.0, 0.0, 0.0, 0.0)
    west, south, east, north = (float(value) for value in bounds)
    operation = operation_for(source, target, (west, south, east, north), layer)
    return np.column_stack(operation(xy[:, 0], xy[:, 1]))


def operation_for(
    source: pyproj.CRS, target: pyproj.CRS, bounds: Bounds, layer: Layer
) -> Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Return the one operation that moves a whole layer, from x and y to x and y, and note how accurate it is.

    Parameters
    ----------
    source, target : pyproj.CRS
        From and to.
    bounds : tuple of float
        Smallest x and y and largest x and y of the layer, in `source`.
    layer : Layer
        What is moved.

    Raises
    ------
    InputError
        If PROJ knows no operation between the two datums for this place, and `layer` does not allow a ballpark one.
    """
    source, target = _flat(source), _flat(target)
    area = _area(source, bounds)
    group = _group(source, target, area, ballpark=_alike(source, target))
    if not group.transformers:
        group = _group(source, target, area, ballpark=True)
        known = bool(group.transformers)
        if not known or not layer.ballpark:
            raise InputError(_no_operation(source, target, layer, known=known))
    best = group.transformers[0]
    _note(best, group, source, target, layer)
    return best.transform


def _flat(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without its heights."""
    return crs.sub_crs_list[0] if crs.is_compound else crs.to_2d() if len(crs.axis_info) > 2 else crs  # noqa: PLR2004


def _alike(source: pyproj.CRS, target: pyproj.CRS) -> bool:
    """Return whether the one datum may be taken for the other."""
    other = _datum_name(target)
    like = other in DATUMS_LIKE_WGS84 or other.lower().startswith("unknown")
    return like and _datum_name(source) in DATUMS_LIKE_WGS84


def _datum_name(crs: pyproj.CRS) -> str:
    base = crs.geodetic_crs
    return base.datum.name if base is not None and base.datum is not None else crs.name


def _area(crs: pyproj.CRS, bounds: Bounds) -> AreaOfInterest | None:
    """Return where a layer lies in degrees of its own datum, None if that isn't on the earth."""
    if crs.geodetic_crs is None:
        return None
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
        west, south, east, north = to_degrees.transform_bounds(*bounds)
    except ProjError:
        return None
    inside = -MAX_LON <= west <= MAX_LON and -MAX_LON <= east <= MAX_LON and -MAX_LAT <= south <= north <= MAX_LAT
    return AreaOfInterest(west, south, east, north) if inside else None


def _group(source: pyproj.CRS, target: pyproj.CRS, area: AreaOfInterest | None, *, ballpark: bool) -> TransformerGroup:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of grids that are not installed: the note tells of them
        return TransformerGroup(
            source,
            target,
            always_xy=True,
            area_of_interest=area,  # type: ignore[arg-type]  # the stubs name the class by another module
            allow_ballpark=ballpark,
        )


def _no_operation(source: pyproj.CRS, target: pyproj.CRS, layer: Layer, *, known: bool) -> Problem:
    if not known:
        remedy = "Check that the file's crs is the one that its coordinates are in."
        return Problem(f"PROJ knows no way from {source.name} to {target.name}", layer.where, remedy=remedy)
    one, other = _datum_name(source), _datum_name(target)
    what = (
        f"PROJ knows no way from the datum of {source.name} ({one}) to that of {target.name} ({other}) where the layer "
        "lies; to take one for the other may be wrong by some hundred metres"
    )
    remedy = (
        "Convert the file with the surveying office's parameters, or write them into its crs (WKT with a BOUNDCRS, or "
        "a PROJ string with +towgs84); ballpark = true beside crs takes one datum for the other all the same."
    )
    return Problem(what, layer.where, remedy=remedy)


def _note(
    best: pyproj.Transformer, group: TransformerGroup, source: pyproj.CRS, target: pyproj.CRS, layer: Layer
) -> None:
    steps = [step for step in str(best.description).split(" + ") if "axis order" not in step]
    how = ", ".join(step for step in steps if " to " in step or "allpark" in step) or ", ".join(steps)
    if best.accuracy < 0 and _alike(source, target):
        return
    if 0 <= best.accuracy <= EXACT_M and group.best_available:
        return
    accuracy = (
        f"accurate to {best.accuracy:g} m" if best.accuracy >= 0 else "a guess that may be some hundred metres off"
    )
    text = f"{Path(layer.where).name}: all coordinates are moved by one operation, {how}: {accuracy}"
    missing = [str(operation.name) for operation in group.unavailable_operations[:1]]
    if missing and not group.best_available:
        text += f". A better one needs a grid that is not installed ({missing[0]})"
    layer.notes.add(f"{layer.topic}.datum_operation", 1, text)
