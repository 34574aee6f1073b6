"""The GeoPackage of a run: every table as a layer that opens in QGIS, the same bytes for the same results.

Beside the layers it holds two tables without geometry: the styles that QGIS draws them by, and what their columns mean.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyogrio
import pyogrio.raw
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS

from circle15.errors import Notes, OutputError, Problem
from circle15.outputs.columns import CELLS, CIRCLES, COMMITTEES, FACILITIES, RATE_LAYOUTS, arrange, geometry_of
from circle15.outputs.dictionary import load_dictionary
from circle15.outputs.styles import STYLE_NAME, STYLES_TABLE, style_of
from circle15.tables import Results, flat

GDAL_OPTIONS = {
    # Every GeoPackage stamps its layers with the time of writing; a fixed one gives the same bytes for the same run.
    "OGR_CURRENT_DATE": "1970-01-01T00:00:00.000Z",
    # The file is synced once when it is complete. The journal stays (in memory): without it, SQLite leaves a corrupt
    # file where the disk is full, and GDAL does not say so.
    "OGR_SQLITE_SYNCHRONOUS": "OFF",
    "OGR_SQLITE_JOURNAL": "MEMORY",
}
GDAL_ERRORS = (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError)

GEOMETRY = "geom"
RESERVED = ("fid", GEOMETRY)
"""Names that the GeoPackage driver keeps for itself."""
DICTIONARY_TABLE = "data_dictionary"
STAMP = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of writing, as in `GDAL_OPTIONS`."""

POINTS, LINES, AREAS, COLLECTIONS = "points", "lines", "areas", "collections"
FAMILY = np.array([POINTS, LINES, LINES, AREAS, POINTS, LINES, AREAS, COLLECTIONS])
"""By shapely's type id: point, line, ring, polygon, their three multi forms, collection."""
FIRST_MULTI = 4
GEOMETRY_TYPE = {POINTS: "Point", LINES: "LineString", AREAS: "Polygon", COLLECTIONS: "GeometryCollection"}
PROMOTE: dict[str, Callable[..., npt.NDArray[np.object_]]] = {
    POINTS: shapely.multipoints,
    LINES: shapely.multilinestrings,
    AREAS: shapely.multipolygons,
}


@dataclass(frozen=True)
class Layer:
    """One layer: a table and a geometry for each of its rows."""

    name: str
    table: pd.DataFrame
    geometry: npt.NDArray[np.object_]
    geometry_type: str
    description: str


def write_geopackage(
    results: Results, tables: dict[str, pd.DataFrame], path: Path, crs: CRS | str, notes: Notes
) -> None:
    """Write all layers of a run into a new file.

    Parameters
    ----------
    results : Results
        Where the geometries are, and the tables that only the GeoPackage has.
    tables : dict of str to DataFrame
        Arranged tables (`columns.arranged_tables`).
    path : Path
        A file that does not exist yet.
    crs : CRS or str
        The metric CRS of all geometries.
    notes : Notes
        Takes the columns that had to be renamed.

    Raises
    ------
    OutputError
        If GDAL cannot write, or what it wrote is not all there (it does not always tell of a full disk).
    """
    write_layers(_layers(results, tables), path, crs, notes)


def write_layers(layers: Iterable[Layer], path: Path, crs: CRS | str, notes: Notes) -> None:
    """Write layers into a new file, as `write_geopackage` does."""
    crs_text = _crs_text(CRS.from_user_input(crs))
    with _gdal_options():
        written = []
        for layer in layers:
            try:
                _write_layer(layer, path, crs_text, notes)
            except GDAL_ERRORS as error:
                raise _failed(path, str(error)) from error
            written.append(layer)
        attributes = {STYLES_TABLE: _styles(written), DICTIONARY_TABLE: _data_dictionary(written)}
        for name, table in attributes.items():
            try:
                _write_attributes(name, table, path)
            except GDAL_ERRORS as error:
                raise _failed(path, str(error)) from error
        _check_complete(path, written, {name: table.num_rows for name, table in attributes.items()})


def _layers(results: Results, tables: dict[str, pd.DataFrame]) -> Iterator[Layer]:
    """Yield every layer, the ones that a map shows on top first."""
    committees = tables["committees"]
    rows = committees.index.to_numpy()
    centres = geometry_of(results.committees)
    row_of = pd.Series(rows, index=committees["committee_id"].to_numpy(dtype=object))

    def at_centres(name: str, description: str) -> Layer:
        table = tables[name]
        return Layer(name, table, centres[row_of.loc[table["committee_id"].tolist()]], "Point", description)

    yield from _committee_layers(results, committees)
    yield at_centres("verdicts", "One point a committee and requirement, at the committee's centre")
    yield at_centres("gaps", "Failed headline requirements, at the committee's centre")
    yield from _facility_layers(results)
    checks = tables["facility_checks"]
    if len(checks):
        row = pd.Series(np.arange(len(results.facilities)), index=results.facilities["facility_id"].to_numpy())
        points = shapely.point_on_surface(geometry_of(results.facilities))[row.loc[checks["facility_id"].tolist()]]
        yield Layer("facility_checks", checks, points, "Point", "Facilities' own verdicts: quality, adjacency")
    if results.cells is not None:
        cells = arrange(results.cells, CELLS)
        shapes = geometry_of(results.cells)[cells.index]
        yield Layer("cells", cells, shapes, "Point", "Population cells and the committee that they belong to")
    yield from _town_layers(results)
    yield from _circle_layers(results)


def map_layers(results: Results) -> Iterator[Layer]:
    """Yield what a map of another command's results stands on: committees, facilities, towns and service circles."""
    yield from _committee_layers(results, arrange(results.committees, COMMITTEES))
    yield from _facility_layers(results)
    yield from _town_layers(results)
    yield from _circle_layers(results)


def _committee_layers(results: Results, committees: pd.DataFrame) -> Iterator[Layer]:
    rows = committees.index.to_numpy()
    centres = geometry_of(results.committees)[rows]
    yield Layer("committees", committees, centres, "Point", "Committees at their centres, all items counted")
    areas = geometry_of(results.committees, "area")[rows] if "area" in results.committees else np.array([None])
    if not shapely.is_missing(areas).all():
        yield from _by_family("committee_areas", committees, areas, "Committees as areas", main=AREAS)


def _facility_layers(results: Results) -> Iterator[Layer]:
    facilities = arrange(results.facilities, FACILITIES)
    shapes = geometry_of(results.facilities)[facilities.index]
    yield from _by_family("facilities", facilities, shapes, "Facilities as given", main=POINTS)


def _town_layers(results: Results) -> Iterator[Layer]:
    towns = arrange(results.towns, RATE_LAYOUTS["towns"])
    shapes = geometry_of(results.towns)[towns.index]
    main = AREAS if (FAMILY[shapely.get_type_id(shapes)] == AREAS).any() else POINTS
    yield from _by_family("towns", towns, shapes, "Rates by town", main=main)


def _circle_layers(results: Results) -> Iterator[Layer]:
    circles = arrange(results.circles, CIRCLES)
    shapes = geometry_of(results.circles)[circles.index]
    what = "What each committee's centre reaches"
    yield from _by_family("service_circles", circles, shapes, what, main=AREAS, multi=True)


def _by_family(
    name: str,
    table: pd.DataFrame,
    geometry: npt.NDArray[np.object_],
    description: str,
    *,
    main: str,
    multi: bool = False,
) -> Iterator[Layer]:
    """Yield points, lines and areas as layers of one geometry type each: QGIS does not style a mixed layer.

    The family `main` keeps the layer's name (and takes the rows without geometry), the others get ``_points`` and so
    on. A layer is Multi… where `multi` says so or any of its geometries is.
    """
    kind = shapely.get_type_id(geometry)
    family = np.where(kind < 0, main, FAMILY[kind])
    singular = name.removesuffix("ies") + "y" if name.endswith("ies") else name.removesuffix("s")
    for part in (main, *(f for f in GEOMETRY_TYPE if f != main)):
        mine = family == part
        if not mine.any() and part != main:
            continue
        promote = part in PROMOTE and (multi or bool((kind[mine] >= FIRST_MULTI).any()))
        shapes = _promoted(geometry[mine], part) if promote else geometry[mine]
        layer = name if part == main else f"{singular}_{part}"
        yield Layer(layer, table[mine], shapes, ("Multi" if promote else "") + GEOMETRY_TYPE[part], description)


def _promoted(geometry: npt.NDArray[np.object_], family: str) -> npt.NDArray[np.object_]:
    """Return the geometries of one family with every single one made a multi one."""
    done = geometry.copy()
    kind = shapely.get_type_id(geometry)
    single = (kind >= 0) & (kind < FIRST_MULTI)
    done[single] = PROMOTE[family](geometry[single], indices=np.arange(single.sum()))
    return done


def _write_layer(layer: Layer, path: Path, crs: str, notes: Notes) -> None:
    names = _field_names(layer.table)
    _tell_renamed(layer.name, names, notes)
    columns = {name: _arrow(layer.table[column]) for column, name in names.items()}
    columns[GEOMETRY] = pa.array(shapely.to_wkb(flat(layer.geometry)), type=pa.binary())
    pyogrio.raw.write_arrow(
        pa.table(columns),
        path,
        layer=layer.name,
        driver="GPKG",
        geometry_name=GEOMETRY,
        geometry_type=layer.geometry_type,
        crs=crs,
        layer_options={"DESCRIPTION": layer.description},
    )


def _arrow(values: pd.Series) -> pa.Array:
    if values.dtype == "boolean":
        return pa.array(values, type=pa.bool_())
    if values.dtype == "Int64":
        return pa.array(values, type=pa.int64())
    if values.dtype == np.float64:
        return pa.array(values, type=pa.float64(), from_pandas=True)
    return pa.array(values, type=pa.string(), from_pandas=True)


def _write_attributes(name: str, table: pa.Table, path: Path) -> None:
    """Write a table without geometry; GDAL enters it in the contents, so that QGIS finds it."""
    entry = load_dictionary().table(name)
    options = {"DESCRIPTION": entry.meaning_en, "FID": "id"}
    pyogrio.raw.write_arrow(table, path, layer=name, driver="GPKG", layer_options=options)


def _styles(layers: list[Layer]) -> pa.Table:
    """Return the table of styles in the form that QGIS reads from GeoPackages: one default style a layer."""
    named = [(layer, _field_names(layer.table)) for layer in layers]
    styles = [style_of(layer.name, layer.geometry_type, names) for layer, names in named]
    known = [style for style in styles if style]
    text = {
        "f_table_catalog": ["" for _ in known],
        "f_table_schema": ["" for _ in known],
        "f_table_name": [style.layer for style in known],
        "f_geometry_column": [GEOMETRY for _ in known],
        "styleName": [STYLE_NAME for _ in known],
        "styleQML": [style.qml for style in known],
        "styleSLD": [style.sld for style in known],
    }
    more = {name: ["" for _ in known] for name in ("owner", "ui")}
    return pa.table(
        {name: pa.array(values, type=pa.string()) for name, values in text.items()}
        | {"useAsDefault": pa.array([True for _ in known], type=pa.bool_())}
        | {"description": pa.array([style.description for style in known], type=pa.string())}
        | {name: pa.array(values, type=pa.string()) for name, values in more.items()}
        | {"update_time": pa.array([STAMP for _ in known], type=pa.timestamp("ms", tz="UTC"))}
    )


def _data_dictionary(layers: list[Layer]) -> pa.Table:
    """Return what every column of the layers is called and means; the user's own have their name alone."""
    rows = []
    for layer in layers:
        for column, name in _field_names(layer.table).items():
            one = load_dictionary().column(layer.name, column)
            rows.append((layer.name, name, one.kind, one.zh, one.en, one.meaning_zh, one.meaning_en))
    names = ("table", "column", "kind", "title_zh", "title_en", "meaning_zh", "meaning_en")
    return pa.table({name: pa.array([row[at] for row in rows], type=pa.string()) for at, name in enumerate(names)})


def _field_names(table: pd.DataFrame) -> dict[str, str]:
    """Return the field's name of every column: SQLite knows no case, and the driver reserves some names."""
    taken = set(RESERVED)
    names = {}
    for column in table.columns:
        name, number = str(column), 2
        while name.lower() in taken:
            name, number = f"{column}_{number}", number + 1
        taken.add(name.lower())
        names[str(column)] = name
    return names


def _tell_renamed(layer: str, names: dict[str, str], notes: Notes) -> None:
    renamed = [f"{old} → {new}" for old, new in names.items() if old != new]
    why = "a GeoPackage knows no case and reserves fid and geom"
    text = f"{len(renamed)} columns of layer {layer} are renamed there: {why}"
    notes.add("geopackage.renamed", len(renamed), text, renamed)


def _check_complete(path: Path, layers: list[Layer], attributes: dict[str, int]) -> None:
    """Raise unless the file holds every row of every layer and table, and its spatial index every geometry.

    GDAL builds the index when it closes the file, and an error at that point does not reach us.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            pages, size = (base.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            whole = path.stat().st_size == pages * size
            for table, count in (_counts(layers) | attributes).items():
                found = base.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 - our own names
                whole = whole and found == count
    except sqlite3.Error as error:
        raise _failed(path, str(error)) from error
    if not whole:
        raise _failed(path, "the file is not complete")


def _counts(layers: list[Layer]) -> dict[str, int]:
    """Return how many rows each layer's table and its spatial index must have."""
    counts = {layer.name: len(layer.table) for layer in layers}
    for layer in layers:
        there = ~(shapely.is_missing(layer.geometry) | shapely.is_empty(layer.geometry))
        counts[f"rtree_{layer.name}_{GEOMETRY}_rowid"] = int(there.sum())
    return counts


def _failed(path: Path, why: str) -> OutputError:
    remedy = "Most often the disk is full or the folder cannot be written: free some space or choose another --out."
    return OutputError(Problem(f"the GeoPackage could not be written ({why})", str(path), remedy=remedy))


def _crs_text(crs: CRS) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


@contextmanager
def _gdal_options() -> Iterator[None]:
    """Set `GDAL_OPTIONS` for as long as the file is written, and put back what was there."""
    before = {name: pyogrio.get_gdal_config_option(name) for name in GDAL_OPTIONS}
    pyogrio.set_gdal_config_options(GDAL_OPTIONS)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)
