"""Where people live: a raster of persons per pixel, or cells as points or polygons → points with their people.

No person is made or lost here: the table's total is the file's, and both are noted. Groups of people (by age) are
figures of a cell beside its total: columns of cells, rasters on the same grid of a raster.
"""

import functools
import re
from collections.abc import Callable, Sequence
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

from circle15.config import Config, PopulationConfig
from circle15.errors import ConfigError, InputError, Notes, Problem, raise_if_any
from circle15.inputs.areal import areal_cells, inner_points, note_large_polygons, note_overlaps
from circle15.inputs.datum import correct
from circle15.inputs.formats import require_file
from circle15.inputs.vector import COORDINATES, POINTS, POLYGONS, Layer, Wanted, load_layer, parse_crs
from circle15.tables import POPULATION, Column, check_columns, clean_text
from circle15.units import FloatArray

RASTERS = (".tif", ".tiff", ".vrt", ".img", ".asc")

ROUNDING_PERSONS = 1.0
"""A group may exceed its cell's total by this much where both were rounded apart; it is noted."""

ROUNDING_SHARE = 1e-3
"""By this share of everybody, or by `ROUNDING_PERSONS`, a group may exceed the total in all: rounding evens out."""

NOISE = 1e-6
"""By this share a group may exceed its total in silence: rasters are in single precision."""

SAME_GRID_PIXELS = 1e-3
"""How far the corners of two rasters on one grid may be apart: far less than a pixel, more than rounding."""

NOT_OF_RASTERS = ("layer", "encoding", "columns", "set", "where", "cell_size_m")
"""Keys that mean nothing for a raster."""

GROUP_NAME = re.compile(r"[a-z0-9_]+")

NOT_A_GROUP = frozenset(
    {"committee_id", "name", "kind", "town_id", "zone", "area", "geometry", "population", "verdict", "passed"}
    | {"failed", "unknown", "exempt", "edge_affected", "status", "lon", "lat", "cell_id", "total", "land_km2"}
)
"""Columns of the tables that groups are written beside."""


def read_population(config: Config, crs: pyproj.CRS, notes: Notes) -> gpd.GeoDataFrame | None:
    """Read the population cells.

    Parameters
    ----------
    config : Config
        The run's configuration; every key of ``columns`` beside ``cell_id``, ``total`` and coordinates names a group,
        as does every key of ``groups`` for a raster.
    crs : pyproj.CRS
        The run's metric CRS.
    notes : Notes
        Gets the number of people, pixels that are NaN, groups larger than their total by no more than rounding,
        polygons that are large, and how many cells they were cut into.

    Returns
    -------
    GeoDataFrame or None
        ``cell_id``, ``total`` (persons), the groups (persons) and a point in `crs`: a pixel's centre; a polygon's
        centroid, or a representative point where that lies outside; with ``cell_size_m`` those of `areal.areal_cells`.
        Sorted by ``cell_id``. A raster has ids ``r<row>c<column>`` counted from 0, and no row for pixels without
        people. None without ``[population]``.

    Raises
    ------
    InputError
        If a file is missing, unreadable or without CRS, has negative or infinite numbers, lacks a total or the group of
        a cell that has people, has a group larger than its total by more than rounding, or if the rasters of groups
        lie on another grid.
    ConfigError
        If keys mean nothing for the kind of file, or a group can't be called so.
    """
    source = config.population
    if source is None:
        return None
    path = config.resolve(source.source)
    raster = path.suffix.lower() in RASTERS
    cells = _read_raster(config, source, crs, notes) if raster else _read_cells(source, path, crs, notes)
    cells = cells.sort_values("cell_id", ignore_index=True)
    total = float(cells["total"].sum())
    groups = ", ".join(f"{cells[name].sum():,.1f} {name}" for name in cells if name not in NOT_A_GROUP)
    text = f"{path.name}: {total:,.1f} people in {len(cells):,} cells{f', of them {groups}' if groups else ''}"
    notes.add("population.total", round(total), text)
    return cells


def check_group_names(names: Sequence[str], path: Path) -> None:
    """Refuse names that are no ids or belong to another column, with a `ConfigError`."""
    problems = []
    for name in names:
        if name in NOT_A_GROUP:
            remedy = "Give the group another name, e.g. age_60_plus."
            problems.append(Problem(f'a population group can\'t be called "{name}"', str(path), remedy=remedy))
        elif not GROUP_NAME.fullmatch(name):
            remedy = "Use small letters a to z, digits and _, e.g. age_60_plus."
            problems.append(Problem(f'"{name}" is no name for a population group', str(path), remedy=remedy))
    raise_if_any(problems, ConfigError)


def _check_groups(
    figures: pd.DataFrame, path: Path, label: Callable[[npt.NDArray[np.bool_]], tuple[str, ...]], notes: Notes
) -> list[Problem]:
    """Hold each group against ``total``: a part can't be larger than the whole, but both may have been rounded."""
    total, problems = figures["total"].to_numpy(dtype=np.float64), []
    for group in figures.columns.drop("total"):
        persons = figures[group].to_numpy(dtype=np.float64)
        above = np.where(np.isfinite(total) & (total >= 0), persons - total, np.nan)  # else the total is at fault
        wrong = above > ROUNDING_PERSONS
        remedy = "A group is part of the total: correct one or the other."
        if wrong.any():
            problems.append(Problem(f'"{group}" is larger than total', str(path), label(wrong), remedy))
        elif np.nansum(above) > max(ROUNDING_PERSONS, ROUNDING_SHARE * np.nansum(total)):
            what = f'"{group}" has more people than there are, {np.nansum(persons):,.1f} of {np.nansum(total):,.1f}'
            problems.append(Problem(what, str(path), remedy=remedy))
        rounded = ~wrong & (above > NOISE * np.maximum(total, 1.0))
        text = f'{path.name}: "{group}" is larger than total by rounding in {rounded.sum()} cells'
        notes.add("population.group_above_total", rounded.sum(), text, label(rounded))
    return problems


# cells -------------------------------------------------------------------------------------------------------------


def _read_cells(source: PopulationConfig, path: Path, crs: pyproj.CRS, notes: Notes) -> gpd.GeoDataFrame:
    if source.groups:
        columns = ", ".join(f'{group} = "…"' for group in source.groups)
        remedy = f"Name its columns instead: columns = {{ {columns} }}."
        raise ConfigError(Problem('"groups" names rasters, and this is no raster', str(path), remedy=remedy))
    known = {column.name for column in POPULATION} | {name for pair in COORDINATES for name in pair}
    groups = [key for key in source.columns if key not in known]
    check_group_names(groups, path)
    contract = (*POPULATION, *(Column(group, "number", required=True, minimum=0.0) for group in groups))
    layer = load_layer(source, path, Wanted("population", contract, "cell_id", shapes=POINTS + POLYGONS), notes)
    _fill_uninhabited(layer.table, groups)
    layer.problems += check_columns(layer.table, contract, layer.where, layer.label)
    figures = ["total", *groups]
    if set(figures) <= set(layer.table):
        layer.problems += _check_groups(layer.table[figures], path, layer.label, notes)
    table = layer.project(crs)
    table = table[[*(column.name for column in contract), "geometry"]].copy()
    if not (table["total"] > 0).any():
        remedy = "Check that columns names the column of people."
        raise InputError(Problem("nobody lives in it", str(path), remedy=remedy))
    note_overlaps(table, path, notes)
    if source.cell_size_m is not None:
        return areal_cells(table, figures, source.cell_size_m, path, notes)
    note_large_polygons(table, path, notes)
    table["geometry"] = inner_points(np.asarray(table.geometry.array))
    return table


def _fill_uninhabited(table: pd.DataFrame, groups: list[str]) -> None:
    """Fill empty groups with 0 where the total is 0: of nobody, nobody is in a group."""
    if "total" not in table:
        return
    nobody = pd.to_numeric(table["total"], errors="coerce") == 0
    for group in groups:
        empty = nobody & (clean_text(table[group]) == "")
        table[group] = table[group].mask(empty, 0)


# rasters -----------------------------------------------------------------------------------------------------------


def _read_raster(config: Config, source: PopulationConfig, crs: pyproj.CRS, notes: Notes) -> gpd.GeoDataFrame:
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
        own = pyproj.CRS.from_user_input(rasters[0].crs) if rasters[0].crs else None
        row, column, values = _inhabited(rasters, paths)
        transform, shape = rasters[0].transform, rasters[0].shape
        for one, bands in zip(paths, (raster.count for raster in rasters), strict=True):
            notes.add("population.bands", bands - 1, f"{one.name}: only the first of {bands} bands is read")
    found = declared or own
    if own is not None and declared is not None and not declared.equals(own, ignore_axis_order=True):
        text = f"{path.name} says that its CRS is {own.name}; the configuration's {declared.name} is used instead"
        notes.add("population.crs_overruled", 1, text)
    ids = _pixel_ids(row, column, shape)
    nan = np.isnan(values[:, 0])
    text = f"{path.name}: {nan.sum()} pixels are NaN and count as nobody"
    notes.add("population.nan_pixels", nan.sum(), text, ids[nan])
    problems = _check_values(values, ids, paths)
    if found is None:
        remedy = 'Declare the one that it is in, e.g. crs = "EPSG:4326".'
        problems.append(Problem("does not say in which CRS it is", str(path), remedy=remedy))
    if transform.is_identity:
        problems.append(Problem("does not say where its pixels lie", str(path), remedy="Georeference it."))
    if not problems and not (values[:, 0] > 0).any():
        problems.append(Problem("nobody lives in it", str(path), remedy="Check that band 1 holds persons per pixel."))
    figures = pd.DataFrame(np.nan_to_num(values, nan=0.0), columns=["total", *source.groups])
    problems += _check_groups(figures, path, functools.partial(_rows, ids), notes)
    raise_if_any(problems)
    keep = (figures > 0).any(axis=1).to_numpy()
    xy = np.column_stack(rasterio.transform.xy(transform, row[keep], column[keep], offset="center"))
    xy, found = correct(xy, pyproj.CRS(found), source.datum, "population", str(path), notes)
    cells = figures[keep].reset_index(drop=True)
    cells.insert(0, "cell_id", ids[keep])
    points = gpd.GeoSeries(shapely.points(xy), crs=found)
    return Layer(gpd.GeoDataFrame(cells, geometry=points), str(path), "cell_id").project(crs)


def _open(stack: ExitStack, path: Path) -> Any:
    require_file(path)
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
    rasters: Sequence[Any], paths: Sequence[Path]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Return row, column and values of every pixel with a number of people in some raster, row by row.

    A masked pixel is nobody in the first raster (the total), and NaN in the others, for their number is missing there.
    The rasters are read block by block: a country's file may be larger than memory, its inhabited pixels are not.
    """
    parts = []
    for _, window in rasters[0].block_windows(1):
        blocks = [_block(raster, path, window) for raster, path in zip(rasters, paths, strict=True)]
        values = np.stack([np.where(masked, np.nan, block) for block, masked in blocks], axis=-1)
        values[blocks[0][1], 0] = 0.0
        # A NaN of the total that is the nodata value is nobody; any other NaN stays, to be counted.
        row, column = np.nonzero((values[..., 0] != 0) | (np.nan_to_num(values[..., 1:]) != 0).any(axis=-1))
        parts.append((row + window.row_off, column + window.col_off, values[row, column]))
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
