"""Where people live: a raster of persons per pixel, or cells as points or polygons → places with their people.

No person is made or lost here: whoever lives too far away to matter is left out and noted, as the table's total is.
Groups of people (by age) are figures of a cell beside its total: columns of cells, or rasters on the same grid.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from circle15.config import Config, PopulationConfig
from circle15.errors import ConfigError, InputError, Notes, Problem
from circle15.inputs.areal import check_polygons, inner_points, note_large_polygons, note_overlaps
from circle15.inputs.groups import NOT_A_GROUP, check_group_names, check_groups
from circle15.inputs.nearby import Nearby, only_nearby
from circle15.inputs.raster_files import is_raster
from circle15.inputs.vector import COORDINATES, POINTS, POLYGONS, Wanted, load_layer
from circle15.tables import POPULATION, SHAPE, Column, check_columns, clean_text


def read_population(
    config: Config, crs: pyproj.CRS, notes: Notes, nearby: Nearby | None = None
) -> gpd.GeoDataFrame | None:
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
        polygons that are large, and what lies too far from the committees.
    nearby : Nearby, optional
        Where people matter; what lies beyond is left out, of a raster it is not even read.

    Returns
    -------
    GeoDataFrame or None
        ``cell_id``, ``total`` (persons), the groups (persons) and a point in `crs`: a pixel's centre; a polygon's
        centroid, or a representative point where that lies outside. Pixels and polygons have their outlines in
        `tables.SHAPE`; `sharing.share_cells` cuts them. No row if a raster has nobody nearby: whether its place is
        wrong or the committees', is told where the network is known (`stages.read.check_places`). Sorted by
        ``cell_id``. A raster has ids ``r<row>c<column>`` counted from 0, and no row for pixels without people. None
        without ``[population]``.

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
    if is_raster(path):
        from circle15.inputs.rasters import read_raster  # noqa: PLC0415 - brings rasterio

        cells = read_raster(config, source, crs, notes, nearby)
        remedy = "A finer raster would say where they live"
        what, pixels = f"pixels of {path.name}", cells[SHAPE].to_numpy(dtype=object)
        note_large_polygons(pixels, cells["total"], cells["cell_id"], what, remedy, notes)
    else:
        cells = _read_cells(source, path, crs, notes, nearby)
    cells = cells.sort_values("cell_id", ignore_index=True)
    total = float(cells["total"].sum())
    groups = ", ".join(f"{cells[name].sum():,.1f} {name}" for name in cells if name not in NOT_A_GROUP)
    text = f"{path.name}: {total:,.1f} people in {len(cells):,} cells{f', of them {groups}' if groups else ''}"
    notes.add("population.total", round(total), text)
    return cells


def _read_cells(
    source: PopulationConfig, path: Path, crs: pyproj.CRS, notes: Notes, nearby: Nearby | None
) -> gpd.GeoDataFrame:
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
        layer.problems += check_groups(layer.table[figures], path, layer.label, notes)
    table = layer.project(crs)
    table = table[[*(column.name for column in contract), "geometry"]].copy()
    if not (table["total"] > 0).any():
        remedy = "Check that columns names the column of people."
        raise InputError(Problem("nobody lives in it", str(path), remedy=remedy))
    if nearby is not None:
        table = only_nearby(table, nearby, path.name, notes).copy()
    note_overlaps(table, path, notes)
    shapes = np.asarray(table.geometry.array, dtype=object).copy()
    if source.cell_size_m is not None:
        check_polygons(table, source.cell_size_m, str(path))
    else:
        remedy = "cell_size_m = 100 spreads them over their area"
        what = f"polygons of {path.name}"
        note_large_polygons(shapes, table["total"], table["cell_id"], what, remedy, notes)
    table["geometry"] = inner_points(shapes)
    solid = shapely.get_dimensions(shapes) > 1
    if solid.any():
        shapes[~solid] = None
        table[SHAPE] = pd.Series(shapes, index=table.index, dtype="object")
    return table


def _fill_uninhabited(table: pd.DataFrame, groups: list[str]) -> None:
    """Fill empty groups with 0 where the total is 0: of nobody, nobody is in a group."""
    if "total" not in table:
        return
    nobody = pd.to_numeric(table["total"], errors="coerce") == 0
    for group in groups:
        empty = nobody & (clean_text(table[group]) == "")
        table[group] = table[group].mask(empty, 0)
