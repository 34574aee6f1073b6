"""A raster of persons per pixel, and those of groups on the same grid → a point for each inhabited pixel."""

import dataclasses
import functools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import rasterio
import rasterio.transform
import shapely
from rasterio.errors import RasterioError
from rasterio.windows import Window, intersect, intersection

from circle15.config import Config, PopulationConfig
from circle15.errors import ConfigError, InputError, Notes, Problem, raise_if_any
from circle15.inputs.datum import correct, correct_shapes
from circle15.inputs.formats import require_file
from circle15.inputs.groups import check_group_names, check_groups
from circle15.inputs.nearby import Nearby
from circle15.inputs.raster_files import is_raster, require_header
from circle15.inputs.transform import Layer as Moving
from circle15.inputs.vector import Layer, parse_crs
from circle15.tables import SHAPE
from circle15.units import FloatArray

SAME_GRID_PIXELS = 1e-3
"""How far the corners of two rasters on one grid may be apart: far less than a pixel, more than rounding."""

DATUM_MARGIN_M = 2000.0
"""Farther than a Chinese map's offset moves a place."""

NOT_OF_RASTERS = ("layer", "encoding", "columns", "set", "where", "cell_size_m")
"""Keys that mean nothing for a raster."""


def read_raster(
    config: Config, source: PopulationConfig, crs: pyproj.CRS, notes: Notes, nearby: Nearby | None
) -> gpd.GeoDataFrame:
    """Read a raster of persons per pixel, and its groups from rasters on the same grid, where people matter.

    Returns
    -------
    GeoDataFrame
        As of `population.read_population`, unsorted; errors and notes are described there.
    """
    path = config.resolve(source.source)
    require_file(path)
    unused = [key for key in NOT_OF_RASTERS if getattr(source, key)]
    if unused:
        raise ConfigError(
            *(Problem(f'"{key}" means nothing for a raster', str(path), remedy=f"Remove {key}.") for key in unused)
        )
    check_group_names(list(source.groups), path)
    paths = [path, *(config.resolve(one) for one in source.groups.values())]
    declared = parse_crs(source.crs, f'{path}: crs = "{source.crs}"') if source.crs else None
    with ExitStack() as stack:
        rasters = [_open(stack, one) for one in paths]
        raise_if_any(_check_grids(rasters, paths, same_crs=declared is None))
        found = _crs_of(rasters[0], declared, path, notes)
        transform, shape = rasters[0].transform, rasters[0].shape
        window = _window(rasters[0], found, crs, nearby, source.datum, path, notes)
        row, column, values = _inhabited(rasters, paths, window)
        for one, bands in zip(paths, (raster.count for raster in rasters), strict=True):
            notes.add("population.bands", bands - 1, f"{one.name}: only the first of {bands} bands is read")
    ids = _pixel_ids(row, column, shape)
    nan = np.isnan(values[:, 0])
    text = f"{path.name}: {nan.sum()} pixels are NaN and count as nobody"
    notes.add("population.nan_pixels", nan.sum(), text, ids[nan])
    problems = _check_values(values, ids, paths)
    whole = (window.height, window.width) == shape
    if not problems and whole and not (values[:, 0] > 0).any():
        problems.append(Problem("nobody lives in it", str(path), remedy="Check that band 1 holds persons per pixel."))
    figures = pd.DataFrame(np.nan_to_num(values, nan=0.0), columns=["total", *source.groups])
    problems += check_groups(figures, path, functools.partial(_rows, ids), notes)
    raise_if_any(problems)
    keep = (figures > 0).any(axis=1).to_numpy()
    cells = figures[keep].reset_index(drop=True)
    cells.insert(0, "cell_id", ids[keep])
    xy = np.column_stack(rasterio.transform.xy(transform, row[keep], column[keep], offset="center"))
    xy, moved_crs = correct(xy, found, source.datum, "population", str(path), notes)
    points = gpd.GeoSeries(shapely.points(xy), crs=moved_crs)
    moving = Moving("population", str(path), Notes(), source.ballpark)
    told = dataclasses.replace(moving, notes=notes)
    table = Layer(gpd.GeoDataFrame(cells, geometry=points), str(path), "cell_id", moving=told).project(crs)
    squares = _squares(transform, row[keep], column[keep])
    squares, moved_crs = correct_shapes(squares, found, source.datum, "population", str(path), Notes())
    shapes = gpd.GeoDataFrame({"cell_id": ids[keep]}, geometry=gpd.GeoSeries(squares, crs=moved_crs))
    shapes = Layer(shapes, str(path), "cell_id", moving=moving).project(crs)
    return table.assign(**{SHAPE: pd.Series(np.asarray(shapes.geometry.array, dtype=object), dtype=object)})


def _crs_of(raster: Any, declared: pyproj.CRS | None, path: Path, notes: Notes) -> pyproj.CRS:
    """Return the CRS that is declared, or else the raster's own; a raster that lies nowhere is an error."""
    own = pyproj.CRS.from_user_input(raster.crs) if raster.crs else None
    if own is not None and declared is not None and not declared.equals(own, ignore_axis_order=True):
        text = f"{path.name} says that its CRS is {own.name}; the configuration's {declared.name} is used instead"
        notes.add("population.crs_overruled", 1, text)
    problems = []
    found = declared or own
    if found is None:
        remedy = 'Declare the one that it is in, e.g. crs = "EPSG:4326".'
        problems.append(Problem("does not say in which CRS it is", str(path), remedy=remedy))
    if raster.transform.is_identity:
        problems.append(Problem("does not say where its pixels lie", str(path), remedy="Georeference it."))
    raise_if_any(problems)
    assert found is not None
    return found


def _window(
    raster: Any, found: pyproj.CRS, crs: pyproj.CRS, nearby: Nearby | None, datum: str, path: Path, notes: Notes
) -> Window:
    """Return the part of a raster that holds the people who matter; it is empty if the raster ends before it."""
    whole = Window(0, 0, raster.width, raster.height)
    if nearby is None:
        return whole
    margin_m = 0.0 if datum == "wgs84" else DATUM_MARGIN_M
    box = (nearby.west - margin_m, nearby.south - margin_m, nearby.east + margin_m, nearby.north + margin_m)
    west, south, east, north = pyproj.Transformer.from_crs(crs, found, always_xy=True).transform_bounds(*box)
    if not (np.isfinite((west, south, east, north)).all() and west < east):  # across the date line, or a pole
        return whole
    corners = (west, west, east, east), (south, north, south, north)
    rows, columns = rasterio.transform.rowcol(raster.transform, *corners, op=np.asarray)
    left, top = max(int(np.floor(columns.min())), 0), max(int(np.floor(rows.min())), 0)
    right = min(int(np.ceil(columns.max())), raster.width)
    bottom = min(int(np.ceil(rows.max())), raster.height)
    if left >= right or top >= bottom:
        return Window(0, 0, 0, 0)
    unread = raster.width * raster.height - (right - left) * (bottom - top)
    text = (
        f"{path.name}: {unread:,} of {raster.width * raster.height:,} pixels were not read: they lie more than "
        f"{nearby.beyond} beyond the committees, and nobody there shares a facility with them"
    )
    notes.add("population.far", unread, text)
    return Window(left, top, right - left, bottom - top)


def _squares(transform: Any, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Return each pixel's outline; neighbours have their corners in common, to the last digit."""
    around = ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))
    corners = [rasterio.transform.xy(transform, row + down, column + right, offset="ul") for down, right in around]
    return np.asarray(shapely.polygons(np.moveaxis(np.array(corners), 2, 0)), dtype=object)


def _open(stack: ExitStack, path: Path) -> Any:
    require_file(path)
    is_raster(path)  # a group's file may be packed, too
    require_header(path)
    try:
        return stack.enter_context(rasterio.open(path))
    except RasterioError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: RasterioError) -> InputError:
    what = f"cannot be read as a raster ({str(error).strip().splitlines()[0]})"
    return InputError(Problem(what, str(path), remedy="Check that the file is whole."))


def _check_grids(rasters: Sequence[Any], paths: Sequence[Path], *, same_crs: bool) -> list[Problem]:
    """Hold the grids of the groups against that of the total: a pixel must be the same place in all."""
    first, problems = rasters[0], []
    corners = [(0, 0), (first.height, 0), (0, first.width)]  # row, column
    for raster, path in zip(rasters[1:], paths[1:], strict=True):
        away = np.inf
        if not (first.transform.is_degenerate or raster.transform.is_degenerate):
            there = rasterio.transform.xy(raster.transform, *np.transpose(corners), offset="ul")
            at = rasterio.transform.rowcol(first.transform, *there, op=np.asarray)
            away = float(np.abs(np.transpose(at) - corners).max())
        if raster.shape != first.shape or away > SAME_GRID_PIXELS or (same_crs and raster.crs != first.crs):
            what = f"lies on another grid, {_grid(raster)}, than {paths[0].name}, {_grid(first)}"
            remedy = f"Resample it so that its numbers of people are kept, e.g. gdalwarp -r sum onto {paths[0].name}."
            problems.append(Problem(what, str(path), remedy=remedy))
    return problems


def _grid(raster: Any) -> str:
    at = raster.transform
    corner = f"{at.a:.6g} × {at.e:.6g} from {at.c:.10g}, {at.f:.10g}"
    return f"{raster.width} × {raster.height} pixels of {corner} ({raster.crs or 'no CRS'})"


def _inhabited(
    rasters: Sequence[Any], paths: Sequence[Path], wanted: Window
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Return row, column and values of every pixel with a number of people in some raster, row by row.

    A masked pixel is nobody in the first raster (the total), and NaN in the others, for their number is missing there.
    The rasters are read block by block: a country's file may be larger than memory, its inhabited pixels are not.
    """
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, len(rasters))))]
    for _, block in rasters[0].block_windows(1):
        if not (wanted.height and wanted.width and intersect(block, wanted)):
            continue
        window = intersection(block, wanted)
        blocks = [_block(raster, path, window) for raster, path in zip(rasters, paths, strict=True)]
        values = np.stack([np.where(masked, np.nan, block) for block, masked in blocks], axis=-1)
        values[blocks[0][1], 0] = 0.0
        # A NaN of the total that is the nodata value is nobody; any other NaN stays, to be counted.
        row, column = np.nonzero((values[..., 0] != 0) | (np.nan_to_num(values[..., 1:]) != 0).any(axis=-1))
        parts.append((row + int(window.row_off), column + int(window.col_off), values[row, column]))
    row, column, found = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((column, row))
    return row[order], column[order], found[order]


def _block(raster: Any, path: Path, window: Any) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return the values of band 1 in a window, and which of them are masked; a nodata value of 0 masks nothing."""
    try:
        values = raster.read(1, window=window).astype(np.float64)
        masked = raster.read_masks(1, window=window) == 0
    except RasterioError as error:
        raise _unreadable(path, error) from None
    if raster.nodata == 0:
        masked &= values != 0
    return values * raster.scales[0] + raster.offsets[0], masked


def _pixel_ids(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], shape: tuple[int, int]
) -> npt.NDArray[np.object_]:
    """Return ``r<row>c<column>``, padded with zeros so that text sorts as numbers do."""
    high, wide = len(str(shape[0] - 1)), len(str(shape[1] - 1))
    rows = pd.Series(row).astype(str).str.zfill(high)
    columns = pd.Series(column).astype(str).str.zfill(wide)
    return ("r" + rows + "c" + columns).to_numpy(dtype=object)


def _check_values(values: FloatArray, ids: npt.NDArray[np.object_], paths: Sequence[Path]) -> list[Problem]:
    """Return what is wrong with the figures of pixels, one column a raster; the first is the total."""
    problems = []
    for figure, path in zip(values.T, paths, strict=True):
        negative, infinite = (figure < 0) & ~np.isinf(figure), np.isinf(figure)
        missing = np.isnan(figure) & (values[:, 0] > 0)
        if negative.any():
            lowest = figure[negative].min()
            what = f"has negative numbers of people, down to {lowest:g}"
            remedy = f"If {lowest:g} stands for no data, say so in the file, e.g. gdal_edit -a_nodata {lowest:g}."
            problems.append(Problem(what, str(path), _rows(ids, negative), remedy))
        if infinite.any():
            what = "has infinite numbers of people"
            problems.append(Problem(what, str(path), _rows(ids, infinite), "Correct these pixels."))
        if missing.any():
            what, remedy = f"has no number where {paths[0].name} has people", "Fill in 0 where the group has nobody."
            problems.append(Problem(what, str(path), _rows(ids, missing), remedy))
    return problems


def _rows(ids: npt.NDArray[np.object_], mask: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(str(i) for i in ids[mask])
