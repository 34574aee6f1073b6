"""The inputs of a run as they were after reading, kept in its folder: a later run can stand on them.

``archive/`` holds the tables in the run's CRS as GeoParquet, the streets as arrays, the standard as it was, and the
settings. What a number was made from is then there even when the files that it came from are not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from pydantic import ValidationError

from circle15.config import Config
from circle15.errors import InputError, Problem
from circle15.tables import SHAPE, FacilityTable, Streets

FOLDER = "archive"
FORMAT = 3
"""Of ``archive/``: it counts up when what is kept changes its meaning."""
ZONE_WORD = "zone_word"
"""Column of the kept committees: the zone as their file has it, which another standard may read as another one."""
SETTINGS = "archive.json"
STANDARD = "standard.toml"
STREETS = "streets.npz"
STREET_ARRAYS = ("node_xy", "u", "v", "xy", "first", "road_class", "speed_kmh", "line")
REMEDY = "Compute the run anew with --archive."


@dataclass(frozen=True)
class Archive:
    """The inputs of a detection after reading, before people get a committee.

    Attributes
    ----------
    config : Config
        The configuration after the command line's overrides.
    standard : bytes
        Content of the standard's file.
    crs : pyproj.CRS
        The metric CRS of all geometry.
    committees : GeoDataFrame
        As `inputs.committees.read_committees` returns them: centres, and ``area``; and `ZONE_WORD`.
    cells : GeoDataFrame or None
        Population as it was read, polygons uncut; None without one.
    facilities : FacilityTable
        Those open in the run's year.
    streets : Streets
        The streets of all modes.
    overrides : DataFrame or None
        Verdicts from the field.
    census : DataFrame or None
        Totals by town or committee; the id is a column.
    water : object array of shapely polygons or None
        What is no land.
    """

    config: Config
    standard: bytes
    crs: pyproj.CRS
    committees: gpd.GeoDataFrame
    cells: gpd.GeoDataFrame | None
    facilities: FacilityTable
    streets: Streets
    overrides: pd.DataFrame | None = None
    census: pd.DataFrame | None = None
    water: npt.NDArray[np.object_] | None = None

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that there are, by the name of their file."""
        water = None if self.water is None else gpd.GeoDataFrame(geometry=list(self.water), crs=self.crs)
        every = {
            "committees": _with_series(self.committees, "area"),
            "cells": self.cells if self.cells is None else _with_series(self.cells, SHAPE),
            "facilities": self.facilities.table,
            "absent": self.facilities.absent,
            "overrides": self.overrides,
            "census": self.census,
            "water": water,
        }
        return {name: table for name, table in every.items() if table is not None}


def _with_series(table: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """Return a table whose further column of shapes, if it has it, is one that GeoParquet knows."""
    if name not in table:
        return table
    return table.assign(**{name: gpd.GeoSeries(list(table[name]), crs=table.crs, index=table.index)})


def _with_objects(table: gpd.GeoDataFrame | None, name: str) -> gpd.GeoDataFrame | None:
    """Return a table whose further column of shapes, if it has it, is one of plain objects, as readers make it."""
    if table is None or name not in table:
        return table
    return table.assign(**{name: pd.Series(list(table[name]), index=table.index, dtype=object)})


def write_archive(archive: Archive, folder: Path) -> list[str]:
    """Write the inputs of a run into a new folder; the same inputs give the same bytes.

    Parameters
    ----------
    archive : Archive
        What is kept.
    folder : Path
        Made; its parent exists.

    Returns
    -------
    list of str
        Names of the files, relative to `folder`.
    """
    folder.mkdir()
    names = []
    for name, table in archive.tables.items():
        names.append(f"{name}.parquet")
        # zstd: a third smaller than the usual snappy, and as fast to read
        table.to_parquet(folder / names[-1], compression="zstd")
    streets = archive.streets
    arrays = {name: getattr(streets, name) for name in STREET_ARRAYS}
    arrays |= {f"access_{mode}": flags for mode, flags in streets.access.items()}
    arrays |= {f"boards_{mode}": flags for mode, flags in streets.boards.items()}
    arrays |= {f"private_{mode}": flags for mode, flags in streets.private.items()}
    np.savez_compressed(folder / STREETS, **arrays)
    (folder / STANDARD).write_bytes(archive.standard)
    text = json.dumps(_settings(archive), ensure_ascii=False, indent=2, sort_keys=True)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8", newline="\n")
    return [*names, STREETS, STANDARD, SETTINGS]


def _settings(archive: Archive) -> dict[str, Any]:
    facilities, streets = archive.facilities, archive.streets
    return {
        "format": FORMAT,
        "path": archive.config.path.name,
        "configuration": archive.config.model_dump(mode="json", exclude_none=True),
        "crs": archive.crs.to_wkt(),
        "covered": {name: list(sources) for name, sources in facilities.covered.items()},
        "extents": {name: _hex(extent) for name, extent in facilities.extents.items()},
        "source_order": list(facilities.extents),
        "type_order": list(facilities.covered),
        "road_classes": list(streets.road_classes),
        "streets_source": Path(streets.source).name,
    }


def _hex(extent: Any) -> str | None:
    return None if extent is None else str(shapely.to_wkb(extent, hex=True))


def has_archive(outputs: Mapping[str, str]) -> bool:
    """Return whether a run kept its inputs, by the outputs that its ``run.json`` names."""
    return f"{FOLDER}/{SETTINGS}" in outputs


def read_archive(folder: Path) -> Archive:
    """Read what `write_archive` wrote.

    Raises
    ------
    InputError
        If files are missing, or are not those of this version.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings.get("format") != FORMAT:
            what = f"was kept by another version (format {settings.get('format')}; this one reads {FORMAT})"
            raise InputError(Problem(what, str(folder), remedy=REMEDY))
        return _archive(folder, settings)
    except (OSError, ValueError, KeyError, AttributeError, ValidationError) as error:
        if isinstance(error, InputError):
            raise
        what = f"the inputs that the run kept cannot be read ({type(error).__name__}: {error})"
        raise InputError(Problem(what, str(folder), remedy=REMEDY)) from error


def _archive(folder: Path, settings: Mapping[str, Any]) -> Archive:
    config = Config.model_validate(settings["configuration"])
    config._path = Path(settings["path"])  # noqa: SLF001 - as load_config sets it
    committees = _with_objects(gpd.read_parquet(folder / "committees.parquet"), "area")
    assert committees is not None
    extents = settings["extents"]
    facilities = FacilityTable(
        gpd.read_parquet(folder / "facilities.parquet"),
        {name: tuple(settings["covered"][name]) for name in settings["type_order"]},
        {name: None if not extents[name] else shapely.from_wkb(extents[name]) for name in settings["source_order"]},
        pd.read_parquet(folder / "absent.parquet"),
    )
    water = _optional(folder / "water.parquet", spatial=True)
    return Archive(
        config=config,
        standard=(folder / STANDARD).read_bytes(),
        crs=pyproj.CRS(settings["crs"]),
        committees=committees,
        cells=_with_objects(_optional(folder / "cells.parquet", spatial=True), SHAPE),
        facilities=facilities,
        streets=_streets(folder / STREETS, settings),
        overrides=_optional(folder / "overrides.parquet"),
        census=_optional(folder / "census.parquet"),
        water=None if water is None else np.asarray(water.geometry.array, dtype=object),
    )


def _optional(path: Path, *, spatial: bool = False) -> Any:
    if not path.is_file():
        return None
    return gpd.read_parquet(path) if spatial else pd.read_parquet(path)


def _streets(path: Path, settings: Mapping[str, Any]) -> Streets:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    access, boards, private = (
        {name.removeprefix(kind): flags for name, flags in arrays.items() if name.startswith(kind)}
        for kind in ("access_", "boards_", "private_")
    )
    return Streets(
        **{name: arrays[name] for name in STREET_ARRAYS},
        access=access,
        boards=boards,
        private=private,
        road_classes=tuple(settings["road_classes"]),
        source=settings["streets_source"],
    )
