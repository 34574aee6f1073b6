"""The committees: the units of detection, their centres and their areas.

A committee is a point (its centre), a polygon (its area; the centre is then where its people are), or both, from two
files. Circles are drawn from centres, so a centre that is chosen here is always noted.
"""

import dataclasses

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from pyproj.exceptions import ProjError

from circle15.config import AreasConfig, Config
from circle15.errors import ConfigError, InputError, Notes, Problem, counted, raise_if_any
from circle15.inputs.ids import match_ids
from circle15.inputs.land import LAND
from circle15.inputs.vector import POINTS, POLYGONS, Layer, Wanted, load_layer, parse_crs
from circle15.standard.model import Standard
from circle15.standard.resolve import zone_ids
from circle15.tables import COMMITTEES, KINDS, Column, check_columns, clean_text

TWICE = '"committee_id" occurs more than once'
TWICE_REMEDY = (
    "Make each one unique. Parts of one committee (an exclave) go into one row as a multipolygon, e.g. with Dissolve "
    "by this column in QGIS."
)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

KIND_WORDS = {
    "residents": "residents",
    "residential_committee": "residents",
    "居委": "residents",
    "居委会": "residents",
    "居民委员会": "residents",
    "village": "village",
    "village_committee": "village",
    "村委": "village",
    "村委会": "village",
    "村民委员会": "village",
}
"""What a file may call the two kinds of committee → the kind."""

AREAS = (Column("committee_id", required=True, unique=True),)

MAX_SCALE_ERROR = 0.01
"""How far lengths in the run's CRS may be off on the ground; a UTM zone is off by 0.0004, Web Mercator at Shanghai by
0.17. Travel times are off by as much."""

TIE_DECIMALS = 6
"""Distances to cells that agree to a micrometre are equal: floating-point noise must not choose the centre."""


def run_crs(config: Config) -> pyproj.CRS | None:
    """Return the metric CRS that ``[run] crs`` names, or None: `read_committees` then takes the local UTM zone.

    Raises
    ------
    ConfigError
        If it is unknown, not projected, not in metres, or a Mercator projection (whose metres are none).
    """
    if config.run.crs is None:
        return None
    where = f'{config.path}: [run] crs = "{config.run.crs}"'
    crs = parse_crs(config.run.crs, where)
    remedy = "Remove it (the local UTM zone is then used), or name a local metric CRS."
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    if not crs.is_projected:
        raise ConfigError(Problem(f"{crs.name} is in degrees, not in metres", where, remedy=remedy))
    if any(axis.unit_name not in ("metre", "meter") for axis in crs.axis_info[:2]):
        raise ConfigError(
            Problem(f"{crs.name} is in {crs.axis_info[0].unit_name}, not in metres", where, remedy=remedy)
        )
    if "Mercator" in method and "Transverse" not in method and "Oblique" not in method:
        raise ConfigError(Problem(f"{crs.name} does not measure in true metres", where, remedy=remedy))
    return crs


def read_committees(config: Config, crs: pyproj.CRS | None, standard: Standard, notes: Notes) -> gpd.GeoDataFrame:
    """Read the committees, and their areas where ``[committees.areas]`` names a second file.

    Parameters
    ----------
    config : Config
        The run's configuration.
    crs : pyproj.CRS or None
        The run's metric CRS; None takes the UTM zone in which the committees lie.
    standard : Standard
        Knows the zones.
    notes : Notes
        Gets committees without a zone, without an area, and with the very same centre.

    Returns
    -------
    GeoDataFrame
        Columns of `tables.COMMITTEES`, ``land_km2`` if the file has it, ``geometry`` (the centre; None where
        `choose_centres` has to find it) and ``area`` (a polygon or None), sorted by ``committee_id``; its ``crs``
        is the run's.

    Raises
    ------
    InputError
        Everything that is wrong with the file, or with the file of areas, at once.
    ConfigError
        If `crs` distorts lengths by more than `MAX_SCALE_ERROR` where the committees lie.
    """
    source = config.committees
    wanted = Wanted(
        "committees",
        (*COMMITTEES, LAND),
        "committee_id",
        shapes=POINTS + POLYGONS,
        other_columns=False,
        without_geometry=source.areas is not None,
    )
    layer = load_layer(source, config.resolve(source.source), wanted, notes)
    _check_committees(layer, standard)
    areas = _load_areas(config, source.areas, layer, notes) if source.areas else None
    raise_if_any(layer.problems + (areas.problems if areas else []))
    located = layer.table if layer.table.geometry.notna().any() or areas is None else areas.table
    crs = crs or _local_crs(located, layer.where)
    _check_scale(crs, located, config)
    table = layer.project(crs)
    table["area"] = _areas_of(table, areas.project(crs) if areas else None)
    land = [LAND.name] if LAND.name in table else []
    table = table.loc[:, [*(column.name for column in COMMITTEES), *land, "geometry", "area"]].set_crs(crs)
    table["geometry"] = [_centre_of(shape) for shape in table.geometry]
    table = table.sort_values("committee_id", ignore_index=True)
    _note_committees(table, notes, has_areas=source.areas is not None)
    return table


def zone_words(config: Config, committees: gpd.GeoDataFrame) -> pd.Series:
    """Return the committees' zones as their file has them, by which any standard may know them.

    Parameters
    ----------
    config : Config
        The run's configuration.
    committees : GeoDataFrame
        From `read_committees`, of the same file.

    Returns
    -------
    Series of str
        In the order of `committees`, ``""`` where there is none.
    """
    source = config.committees
    wanted = Wanted(
        "committees", COMMITTEES, "committee_id", shapes=POINTS + POLYGONS, without_geometry=source.areas is not None
    )
    table = load_layer(source, config.resolve(source.source), wanted, Notes()).table
    words = pd.Series(clean_text(table["zone"]).to_numpy(), index=clean_text(table["committee_id"]).to_numpy())
    return words.reindex(committees["committee_id"].to_numpy()).fillna("").reset_index(drop=True)


def _check_committees(layer: Layer, standard: Standard) -> None:
    """Check and normalise the columns in place; findings go to the layer's problems."""
    table = layer.table
    if "kind" in table:
        words = clean_text(table["kind"])
        table["kind"] = words.map(KIND_WORDS).fillna(words)
        other = ~table["kind"].isin([*KINDS, ""]).to_numpy()
        if other.any():
            found = ", ".join(f'"{word}"' for word in dict.fromkeys(words[other]))
            remedy = f"Known: {', '.join(KIND_WORDS)}. Others can be left out with where."
            layer.problems.append(Problem(f'"kind" has {found}', layer.where, layer.label(other), remedy))
    contract = [Column(c.name, required=c.required, unique=c.unique) for c in COMMITTEES]  # kinds are checked above
    contract += [LAND] if LAND.name in table else []
    layer.problems += _with_cure(check_columns(table, contract, layer.where, layer.label))
    table["zone"], unknown = zone_ids(standard, table["zone"].to_numpy(dtype=object))
    if unknown.any():
        found = ", ".join(f'"{word}"' for word in dict.fromkeys(table["zone"][unknown]))
        remedy = f"The standard's zones: {', '.join(zone.id for zone in standard.zones)}. Leave it empty if none holds."
        layer.problems.append(Problem(f'"zone" has {found}', layer.where, layer.label(unknown), remedy))
    several = np.array([s is not None and s.geom_type == "MultiPoint" and len(s.geoms) > 1 for s in table.geometry])
    if several.any():
        remedy = "Choose one."
        layer.problems.append(Problem("has several centres", layer.where, layer.label(several), remedy))


def _with_cure(problems: list[Problem]) -> list[Problem]:
    return [dataclasses.replace(one, remedy=TWICE_REMEDY) if one.what == TWICE else one for one in problems]


def _load_areas(config: Config, source: AreasConfig, committees: Layer, notes: Notes) -> Layer:
    """Read the file of areas and hold its ids against those of the committees."""
    wanted = Wanted("committees.areas", AREAS, "committee_id", shapes=POLYGONS, other_columns=False)
    areas = load_layer(source, config.resolve(source.source), wanted, notes)
    areas.problems += _with_cure(check_columns(areas.table, AREAS, areas.where, areas.label))
    if "committee_id" not in areas.table or "committee_id" not in committees.table:
        return areas
    ids = committees.table["committee_id"]
    what = "areas of committees that do not exist"
    areas.problems += match_ids(areas.table["committee_id"], ids, areas.where, areas.label, what=what)
    shapes = committees.table.geometry
    drawn = np.array([s is not None and s.geom_type in POLYGONS for s in shapes], dtype=bool)
    twice = drawn & ids.isin(areas.table["committee_id"]).to_numpy()
    if twice.any():
        remedy = "Remove [committees.areas], or give centres as points."
        areas.problems.append(Problem("areas in both files", committees.where, committees.label(twice), remedy))
    nowhere = np.asarray(shapely.is_missing(shapes.array)) & ~ids.isin(areas.table["committee_id"]).to_numpy()
    if nowhere.any():
        remedy = "Add one or the other."
        problem = Problem("neither centre nor area", committees.where, committees.label(nowhere), remedy)
        committees.problems.append(problem)
    return areas


def _areas_of(table: gpd.GeoDataFrame, areas: gpd.GeoDataFrame | None) -> pd.Series:
    """Return each committee's polygon, from its own geometry or the second file, or None, as plain objects."""
    own = [shape if shape is not None and shape.geom_type in POLYGONS else None for shape in table.geometry]
    given = dict(zip(areas["committee_id"], areas.geometry, strict=True)) if areas is not None else {}
    found = np.empty(len(table), dtype=object)
    for row, (shape, key) in enumerate(zip(own, table["committee_id"], strict=True)):
        found[row] = shape or given.get(key)
    return pd.Series(found, index=table.index, dtype=object)


def _centre_of(shape: shapely.Geometry | None) -> shapely.Point | None:
    if isinstance(shape, shapely.MultiPoint):
        return shape.geoms[0]
    return shape if isinstance(shape, shapely.Point) and not shape.is_empty else None


def _local_crs(table: gpd.GeoDataFrame, where: str) -> pyproj.CRS:
    """Return the UTM zone of the committees' median, which one mistyped coordinate doesn't move."""
    lon, lat = _lon_lat(table)
    try:
        crs: pyproj.CRS = gpd.GeoSeries([shapely.Point(np.median(lon), np.median(lat))], crs=4326).estimate_utm_crs()
    except RuntimeError:
        remedy = 'Name a metric one: [run] crs = "EPSG:…".'
        raise InputError(Problem("no UTM zone holds the committees", where, remedy=remedy)) from None
    return crs


def _check_scale(crs: pyproj.CRS, table: gpd.GeoDataFrame, config: Config) -> None:
    """Refuse a CRS whose metres are not metres on the ground at the committees, and committees far off the others."""
    lon, lat = _lon_lat(table)
    projection = pyproj.Proj(crs)
    error = _scale_error(projection, float(np.median(lon)), float(np.median(lat)))
    if not error <= MAX_SCALE_ERROR and config.run.crs is not None:
        where = f'{config.path}: [run] crs = "{config.run.crs}"'
        remedy = "Name one made for this region, or remove it (the local UTM zone is then used)."
        what = f"{crs.name} is off by {error:.1%} in length where the committees lie"
        raise ConfigError(Problem(what, where, remedy=remedy))

    strange = np.array([not _scale_error(projection, x, y) <= MAX_SCALE_ERROR for x, y in zip(lon, lat, strict=True)])
    if strange.any():
        what = f"committees lie where {crs.name} is off by more than {MAX_SCALE_ERROR:.0%}, far from most others"
        remedy = "Correct their coordinates; a district that large needs a CRS of its own ([run] crs)."
        ids = tuple(table.loc[table.geometry.notna(), "committee_id"].to_numpy(dtype=str)[strange])
        raise InputError(Problem(what, str(config.resolve(config.committees.source)), ids, remedy))


def _lon_lat(table: gpd.GeoDataFrame) -> tuple[FloatArray, FloatArray]:
    """Return where each committee with a geometry lies: the middle of its bounds, in degrees."""
    bounds = table.loc[table.geometry.notna()].to_crs(4326).bounds
    return (bounds.minx + bounds.maxx).to_numpy() / 2, (bounds.miny + bounds.maxy).to_numpy() / 2


def _scale_error(projection: pyproj.Proj, lon: float, lat: float) -> float:
    """Return how far lengths are off at a place, as a share; NaN where the projection has no place for it."""
    try:
        factors = projection.get_factors(lon, lat, errcheck=True)
    except ProjError:
        return float("nan")
    return max(abs(factors.meridional_scale - 1), abs(factors.parallel_scale - 1))


def _note_committees(table: gpd.GeoDataFrame, notes: Notes, *, has_areas: bool) -> None:
    ids = table["committee_id"]
    no_zone = (table["zone"] == "").to_numpy()
    text = f"{counted(no_zone.sum(), 'committee has no zone and is', 'committees have no zone and are')} exempt"
    notes.add("committees.no_zone", no_zone.sum(), text, ids[no_zone])
    if has_areas:
        bare = table["area"].isna().to_numpy()
        text = (
            f"{counted(bare.sum(), 'committee has', 'committees have')} no area in the file of areas: no cell is theirs"
        )
        notes.add("committees.no_area", bare.sum(), text, ids[bare])
    given = table.loc[table.geometry.notna()]
    xy = pd.DataFrame(shapely.get_coordinates(given.geometry.array), index=given.index)
    same = xy.duplicated(keep=False).to_numpy()
    text = f"{same.sum()} committees share their centre with another, to the last digit"
    notes.add("committees.same_centre", same.sum(), text, given["committee_id"][same])


def choose_centres(
    committees: gpd.GeoDataFrame, cells: gpd.GeoDataFrame | None, committee: IntArray, notes: Notes
) -> gpd.GeoDataFrame:
    """Give every committee without a centre one where its people are.

    The centre is the mean of its cells' points weighted by people if the area holds it, else the inhabited cell
    nearest to that mean (of equals the lowest ``cell_id``), and where nobody lives a representative point of the area.

    Parameters
    ----------
    committees : GeoDataFrame
        As `read_committees` returns it.
    cells : GeoDataFrame or None
        ``cell_id``, ``total`` and points.
    committee : int64 array of shape (cells,)
        Row of each cell's committee, -1 for none, as `sharing.share_cells` returns it; not looked at without cells.
    notes : Notes
        Gets how many centres were chosen in each of the three ways.

    Returns
    -------
    GeoDataFrame
        `committees` with a centre in every row.
    """
    todo = np.flatnonzero(committees.geometry.isna().to_numpy())
    ids = committees["committee_id"].to_numpy(dtype=object)
    areas = committees["area"].to_numpy(dtype=object)
    centres = np.asarray(committees.geometry.array, dtype=object).copy()
    people = _inhabited(cells, committee)
    ways: dict[str, list[str]] = {"mean": [], "cell": [], "area": []}
    for row in todo:
        centres[row], way = _centre_by_people(areas[row], people.get(int(row)))
        ways[way].append(ids[row])
    texts = {
        "mean": "at the mean of its people",
        "cell": "at the inhabited cell nearest to the mean of its people, which lies outside its area",
        "area": "at a representative point of its area, since nobody lives there",
    }
    for way, rows in ways.items():
        text = f"{len(rows)} committees given as areas: centre {texts[way]}"
        notes.add(f"committees.centre_{way}", len(rows), text, rows)
    return committees.set_geometry(gpd.GeoSeries(centres, index=committees.index, crs=committees.crs))


def _inhabited(cells: gpd.GeoDataFrame | None, committee: IntArray) -> dict[int, pd.DataFrame]:
    """Return the cells with people by the row of their committee, sorted by ``cell_id``."""
    if cells is None:
        return {}
    table = pd.DataFrame(
        {
            "committee": committee,
            "cell_id": cells["cell_id"].to_numpy(),
            "total": cells["total"].to_numpy(),
            "x": shapely.get_x(cells.geometry.array),
            "y": shapely.get_y(cells.geometry.array),
        }
    )
    table = table.loc[(table["total"] > 0) & (table["committee"] >= 0)].sort_values("cell_id")
    return {int(str(row)): group for row, group in table.groupby("committee", sort=False)}


def _centre_by_people(
    area: shapely.Polygon | shapely.MultiPolygon, cells: pd.DataFrame | None
) -> tuple[shapely.Point, str]:
    if cells is None:
        return area.representative_point(), "area"
    xy, people = cells[["x", "y"]].to_numpy(), cells["total"].to_numpy()
    origin = xy[0]  # sums near zero keep the digits that sums of northings lose
    mean = origin + ((xy - origin) * people[:, None]).sum(axis=0) / people.sum()
    point = shapely.Point(mean)
    if area.intersects(point):
        return point, "mean"
    away = np.round(np.hypot(*(xy - mean).T), TIE_DECIMALS)
    return shapely.Point(xy[np.argmin(away)]), "cell"
