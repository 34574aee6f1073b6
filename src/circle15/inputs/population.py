"""Where people live: a raster of persons per pixel, or cells as points or polygons → points with their people.

No person is made or lost here: the table's total is the file's, and both are noted.
"""

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
from circle15.inputs.formats import require_file
from circle15.inputs.vector import COORDINATES, POINTS, POLYGONS, Layer, Wanted, load_layer, parse_crs
from circle15.tables import POPULATION, Column, check_columns
from circle15.units import FloatArray

RASTERS = (".tif", ".tiff", ".vrt", ".img", ".asc")

ROUNDING_PERSONS = 1.0
"""A group may exceed its cell's total by this much where both were rounded apart."""

NOT_OF_RASTERS = ("layer", "encoding", "columns", "set", "where")
"""Keys that mean nothing for a raster."""


NOT_A_GROUP = frozenset(
    {"committee_id", "name", "kind", "town_id", "zone", "area", "geometry", "population", "verdict", "passed"}
    | {"failed", "unknown", "exempt", "edge_affected", "status", "lon", "lat"}
)
"""Columns of the tables that groups are written beside."""


def read_population(config: Config, crs: pyproj.CRS, notes: Notes) -> gpd.GeoDataFrame | None:
    """Read the population cells.

    Parameters
    ----------
    config : Config
        The run's configuration; every key of ``columns`` beside ``cell_id``, ``total`` and coordinates names a group.
    crs : pyproj.CRS
        The run's metric CRS.
    notes : Notes
        Gets the number of people, pixels that are NaN, and groups larger than their total.

    Returns
    -------
    GeoDataFrame or None
        ``cell_id``, ``total`` (persons), the groups (persons) and a point in `crs`: a pixel's centre; a polygon's
        centroid, or a representative point where that lies outside. Sorted by ``cell_id``. A raster has no groups,
        ids ``r<row>c<column>`` counted from 0, and no row for pixels without people. None without ``[population]``.

    Raises
    ------
    InputError
        If the file is missing, unreadable or without CRS, or has negative, infinite or (cells) missing numbers.
    ConfigError
        If keys mean nothing for a raster.
    """
    source = config.population
    if source is None:
        return None
    path = config.resolve(source.source)
    raster = path.suffix.lower() in RASTERS
    cells = _read_raster(source, path, crs, notes) if raster else _read_cells(source, path, crs, notes)
    cells = cells.sort_values("cell_id", ignore_index=True)
    total = float(cells["total"].sum())
    notes.add("population.total", round(total), f"{path.name}: {total:,.1f} people in {len(cells):,} cells")
    return cells


# cells -------------------------------------------------------------------------------------------------------------


def _read_cells(source: PopulationConfig, path: Path, crs: pyproj.CRS, notes: Notes) -> gpd.GeoDataFrame:
    known = {column.name for column in POPULATION} | {name for pair in COORDINATES for name in pair}
    groups = [Column(key, "number", required=True, minimum=0.0) for key in source.columns if key not in known]
    taken = [group.name for group in groups if group.name in NOT_A_GROUP]
    if taken:
        remedy = "Give the group another name, e.g. age_60_plus."
        raise ConfigError(
            *(Problem(f'a population group can\'t be called "{name}"', str(path), remedy=remedy) for name in taken)
        )
    contract = (*POPULATION, *groups)
    layer = load_layer(source, path, Wanted("population", contract, "cell_id", shapes=POINTS + POLYGONS), notes)
    layer.problems += check_columns(layer.table, contract, layer.where, layer.label)
    raise_if_any(layer.problems)
    names = [group.name for group in groups]
    _note_groups(layer, names, path, notes)
    table = layer.project(crs)
    table = table[[*(column.name for column in contract), "geometry"]].copy()
    table["geometry"] = _inner_points(np.asarray(table.geometry.array))
    return table


def _note_groups(layer: Layer, groups: list[str], path: Path, notes: Notes) -> None:
    total = layer.table["total"].to_numpy(dtype=np.float64)
    for group in groups:
        above = layer.table[group].to_numpy(dtype=np.float64) > total + ROUNDING_PERSONS
        text = f'{path.name}: "{group}" is larger than total by more than rounding in {above.sum()} cells'
        notes.add("population.group_above_total", above.sum(), text, layer.label(above))


def _inner_points(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return each shape's centroid, or a representative point where the centroid lies outside of it."""
    points = shapely.centroid(shapes)
    outside = ~shapely.intersects(shapes, points) & (shapely.get_dimensions(shapes) > 0)
    points[outside] = shapely.point_on_surface(shapes[outside])
    return points


# rasters -----------------------------------------------------------------------------------------------------------


def _read_raster(source: PopulationConfig, path: Path, crs: pyproj.CRS, notes: Notes) -> gpd.GeoDataFrame:
    require_file(path)
    unused = [key for key in NOT_OF_RASTERS if getattr(source, key)]
    if unused:
        raise ConfigError(
            *(Problem(f'"{key}" means nothing for a raster', str(path), remedy=f"Remove {key}.") for key in unused)
        )
    declared = parse_crs(source.crs, f'{path}: crs = "{source.crs}"') if source.crs else None
    try:
        with rasterio.open(path) as raster:
            own = pyproj.CRS.from_user_input(raster.crs) if raster.crs else None
            row, column, people = _inhabited(raster)
            transform, shape, bands = raster.transform, raster.shape, raster.count
    except RasterioError as error:
        what = f"cannot be read as a raster ({str(error).strip().splitlines()[0]})"
        raise InputError(Problem(what, str(path), remedy="Check that the file is whole.")) from None
    found = declared or own
    if own is not None and declared is not None and not declared.equals(own, ignore_axis_order=True):
        text = f"{path.name} says that its CRS is {own.name}; the configuration's {declared.name} is used instead"
        notes.add("population.crs_overruled", 1, text)
    notes.add("population.bands", bands - 1, f"{path.name}: only the first of {bands} bands is read")
    ids = _pixel_ids(row, column, shape)
    nan = np.isnan(people)
    text = f"{path.name}: {nan.sum()} pixels are NaN and count as nobody"
    notes.add("population.nan_pixels", nan.sum(), text, ids[nan])
    problems = _check_raster(people, ids, path)
    if found is None:
        remedy = 'Declare the one that it is in, e.g. crs = "EPSG:4326".'
        problems.append(Problem("does not say in which CRS it is", str(path), remedy=remedy))
    if transform.is_identity:
        problems.append(Problem("does not say where its pixels lie", str(path), remedy="Georeference it."))
    if not problems and not (people > 0).any():
        problems.append(Problem("nobody lives in it", str(path), remedy="Check that band 1 holds persons per pixel."))
    raise_if_any(problems)
    keep = people > 0
    x, y = rasterio.transform.xy(transform, row[keep], column[keep], offset="center")
    cells = {"cell_id": ids[keep], "total": people[keep]}
    points = gpd.GeoSeries(shapely.points(np.column_stack([x, y])), crs=found)
    return Layer(gpd.GeoDataFrame(cells, geometry=points), str(path), "cell_id").project(crs)


def _inhabited(raster: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Return row, column and value of every pixel of band 1 that is neither masked nor 0, row by row.

    The raster is read block by block: a country's file may be larger than memory, its inhabited pixels are not.
    """
    scale, offset = raster.scales[0], raster.offsets[0]
    parts = []
    for _, window in raster.block_windows(1):
        values = raster.read(1, window=window).astype(np.float64) * scale + offset
        # A NaN that is the nodata value is masked here; any other NaN stays, to be counted.
        values[raster.read_masks(1, window=window) == 0] = 0.0
        row, column = np.nonzero(values)
        parts.append((row + window.row_off, column + window.col_off, values[row, column]))
    row, column, people = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((column, row))
    return row[order], column[order], people[order]


def _pixel_ids(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], shape: tuple[int, int]
) -> npt.NDArray[np.object_]:
    """Return ``r<row>c<column>``, padded with zeros so that text sorts as numbers do."""
    high, wide = len(str(shape[0] - 1)), len(str(shape[1] - 1))
    rows = pd.Series(row).astype(str).str.zfill(high)
    columns = pd.Series(column).astype(str).str.zfill(wide)
    return ("r" + rows + "c" + columns).to_numpy(dtype=object)


def _check_raster(people: FloatArray, ids: npt.NDArray[np.object_], path: Path) -> list[Problem]:
    problems = []
    negative, infinite = people < 0, np.isinf(people)
    if (negative & ~infinite).any():
        lowest = people[negative & ~infinite].min()
        remedy = f"If {lowest:g} stands for no data, say so in the file, e.g. gdal_edit -a_nodata {lowest:g}."
        rows = tuple(str(i) for i in ids[negative & ~infinite])
        problems.append(Problem(f"has negative numbers of people, down to {lowest:g}", str(path), rows, remedy))
    if infinite.any():
        rows = tuple(str(i) for i in ids[infinite])
        problems.append(Problem("has infinite numbers of people", str(path), rows, "Correct these pixels."))
    return problems
