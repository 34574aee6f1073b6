"""What can be read of faulty inputs, so that one fault does not hide the others.

Nothing here goes into a result: `stages.check` looks at it, and every fault has been told by the readers before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from circle15.config import FacilitiesConfig, SourceConfig
from circle15.errors import Circle15Error, InputError, Notes, Problem
from circle15.inputs.census import ID_OF, read_census
from circle15.inputs.committees import AREAS, KIND_WORDS, read_committees, run_crs
from circle15.inputs.duplicates import settle_duplicates
from circle15.inputs.facilities import read_facilities
from circle15.inputs.land import LAND, read_water
from circle15.inputs.overrides import read_overrides
from circle15.inputs.population import read_population
from circle15.inputs.vector import MAX_LAT, MAX_LON, POINTS, POLYGONS, Layer, Wanted, load_layer
from circle15.stages.run import Inputs, Run
from circle15.stages.study_area import nearby
from circle15.standard.resolve import zone_ids
from circle15.tables import COMMITTEES, FACILITIES, KINDS, Column, FacilityTable, check_columns, clean_text

T = TypeVar("T")

EXIT_BUG = 70


class BugError(Circle15Error):
    """Something that circle15 did not foresee."""

    exit_code = EXIT_BUG


@dataclass
class Log:
    """What went wrong so far, in the order in which a detection would meet it.

    Attributes
    ----------
    errors : list of Circle15Error
        The first one is the one with which a detection would end.
    skipped : list of str
        What was not looked at, and why.
    """

    errors: list[Circle15Error] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def attempt(self, what: str, make: Callable[[], T]) -> T | None:
        """Return ``make()``, or None if it fails; `what` names it, should it fail in an unforeseen way."""
        try:
            return make()
        except Circle15Error as error:
            self.errors.append(error)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in one input must not hide the others
            told = f"{type(error).__name__}: {error}"
            if self.errors:  # it works on what faulty inputs left over
                self.skipped.append(f"{what}, which the faults above leave no basis for ({told})")
            else:
                self.errors.append(BugError(Problem(f"a bug in circle15: {told}", what, remedy="Please report it.")))
        return None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong, each thing once."""
        return tuple(dict.fromkeys(problem for error in self.errors for problem in error.problems))


@dataclass(frozen=True)
class Salvaged:
    """Inputs as far as they could be read.

    Attributes
    ----------
    inputs : Inputs
        Committees with a usable place only, facilities of the sources that could be read.
    ids : DataFrame
        ``committee_id`` and ``town_id`` of every committee that has an id, whatever else is wrong with it.
    whole : bool
        Whether this is all that there is: the inputs of a detection.
    sources : tuple of FacilitiesConfig
        The sources of facilities that were read, in the order of the facilities' ``extents``.
    unread : frozenset of str
        Types that sources claim to cover which could not be read.
    """

    inputs: Inputs
    ids: pd.DataFrame
    whole: bool
    sources: tuple[FacilitiesConfig, ...]
    unread: frozenset[str] = frozenset()


def salvage(run: Run, log: Log) -> Salvaged | None:
    """Read each input by itself, and of faulty ones what is left; None if no place of any could be found.

    Faults go to `log`, notes to the run's.
    """
    config = run.config
    known_crs = log.attempt("[run] crs", lambda: run_crs(config))
    read = log.attempt("committees", lambda: read_committees(config, known_crs, run.standard, run.notes))
    before = len(log.errors)
    ids, crs = None, known_crs
    if read is not None:
        committees, crs, ids = read, pyproj.CRS(read.crs), pd.DataFrame(read[["committee_id", "town_id"]])
    else:
        rows = _rows_of_committees(run)
        ids = None if rows is None else pd.DataFrame(rows[["committee_id", "town_id"]])
        crs = known_crs or _local_crs([*([] if rows is None else [rows]), *_places_of_facilities(run)])
        if crs is None:
            log.skipped.append(
                "population, facilities and network: no place of any committee or facility could be read"
            )
            return None
        committees = _located(rows, crs)
    target = crs if crs is not None else pyproj.CRS(committees.crs)
    where = None if read is None else nearby(run.standard, read)
    cells = log.attempt("population", lambda: read_population(config, target, run.notes, where))
    in_order = read is not None and len(log.errors) == before  # then what failed before were the facilities
    facilities, sources, unread = _facilities(run, log, target, already_told=in_order)
    ids = pd.DataFrame(columns=["committee_id", "town_id"]) if ids is None else ids
    return Salvaged(Inputs(target, committees, cells, facilities), ids, whole=False, sources=sources, unread=unread)


# committees --------------------------------------------------------------------------------------------------------


def _rows_of_committees(run: Run) -> gpd.GeoDataFrame | None:
    """Return every committee with an id (of equal ones the first), its geometry None where it has no sound one."""
    source = run.config.committees
    contract = (*COMMITTEES, LAND)
    wanted = Wanted(
        "committees", contract, "committee_id", shapes=POINTS + POLYGONS, other_columns=False, without_geometry=True
    )
    layer = _load(source, run, wanted)
    if layer is None or "committee_id" not in layer.table:
        return None
    table = layer.table
    check_columns(table, [Column(c.name) for c in COMMITTEES], layer.where, layer.label)
    words = table["kind"]
    table["kind"] = words.map(KIND_WORDS).fillna(words)
    table["zone"], strange = zone_ids(run.standard, table["zone"].to_numpy(dtype=object))
    # without a sound zone and kind there is no mode of travel
    table.loc[strange | ~table["kind"].isin(KINDS).to_numpy(), "zone"] = ""
    table = _only_sound(table)
    table["area"] = _areas(run, table)
    keep = (table["committee_id"] != "") & ~table["committee_id"].duplicated()
    return table.loc[keep, [*(c.name for c in COMMITTEES), "geometry", "area"]]


def _areas(run: Run, table: gpd.GeoDataFrame) -> pd.Series:
    """Return each committee's polygon of the file of areas, in the committees' CRS, None where there is none."""
    source = run.config.committees.areas
    layer = _load(source, run, Wanted("areas", AREAS, "committee_id", shapes=POLYGONS)) if source else None
    if layer is None or "committee_id" not in layer.table or table.crs is None:
        return pd.Series(np.full(len(table), None, dtype=object), index=table.index)
    drawn = _only_sound(layer.table)
    drawn = drawn.loc[drawn.geometry.notna()].to_crs(table.crs)
    ids = clean_text(drawn["committee_id"])
    of = dict(zip(ids, drawn.geometry, strict=True))
    return pd.Series([of.get(one) for one in table["committee_id"]], index=table.index, dtype=object)


def _only_sound(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Take away geometries that are invalid, empty, or not where degrees can be."""
    shapes = np.asarray(table.geometry.array, dtype=object).copy()
    bounds = shapely.bounds(shapes)
    sound = np.asarray(shapely.is_valid(shapes) & ~shapely.is_empty(shapes) & np.isfinite(bounds).all(axis=1))
    if table.crs is None:
        sound[:] = False
    elif table.crs.is_geographic:
        sound &= (np.abs(bounds) <= (MAX_LON, MAX_LAT, MAX_LON, MAX_LAT)).all(axis=1)
    shapes[~sound] = None
    return table.set_geometry(gpd.GeoSeries(shapes, index=table.index, crs=table.crs))


def _located(rows: gpd.GeoDataFrame | None, crs: pyproj.CRS) -> gpd.GeoDataFrame:
    """Return the committees that have a place, sorted, their polygons as areas; perhaps none."""
    columns = [column.name for column in COMMITTEES]
    if rows is None or not (rows.geometry.notna() | rows["area"].notna()).any():
        empty = pd.DataFrame({name: pd.Series(dtype=object) for name in [*columns, "area"]})
        return gpd.GeoDataFrame(empty, geometry=gpd.GeoSeries([], crs=crs))
    table = rows.loc[rows.geometry.notna() | rows["area"].notna()].copy()
    areas = gpd.GeoSeries(table["area"], crs=rows.crs).to_crs(crs)
    table = table.to_crs(crs)
    shapes = np.asarray(table.geometry.array, dtype=object)
    drawn = np.array([shape is not None and shape.geom_type in POLYGONS for shape in shapes], dtype=bool)
    table["area"] = pd.Series(np.where(drawn, shapes, areas.to_numpy()), index=table.index, dtype=object)
    somewhere = np.where(shapely.is_missing(shapes), table["area"].to_numpy(dtype=object), shapes)
    centres = shapely.point_on_surface(somewhere)
    table = table.set_geometry(gpd.GeoSeries(centres, index=table.index, crs=crs))
    return table.sort_values("committee_id", ignore_index=True)


def _local_crs(tables: list[gpd.GeoDataFrame]) -> pyproj.CRS | None:
    """Return the UTM zone of the median of the first table that has places."""
    for table in tables:
        shapes = table.geometry.dropna()
        if len(shapes):
            middle = shapes.to_crs(4326).representative_point()
            point = shapely.Point(float(middle.x.median()), float(middle.y.median()))
            try:
                crs: pyproj.CRS = gpd.GeoSeries([point], crs=4326).estimate_utm_crs()
            except RuntimeError:
                continue
            return crs
    return None


# facilities --------------------------------------------------------------------------------------------------------


def _places_of_facilities(run: Run) -> list[gpd.GeoDataFrame]:
    wanted = Wanted("facilities", FACILITIES, "facility_id", without_geometry=True)
    layers = [_load(item, run, wanted) for item in run.config.facilities if item.source]
    return [_only_sound(layer.table) for layer in layers if layer is not None]


def _facilities(
    run: Run, log: Log, crs: pyproj.CRS, *, already_told: bool
) -> tuple[FacilityTable, tuple[FacilitiesConfig, ...], frozenset[str]]:
    """Return the facilities of every source that can be read, these sources, and the types that the others claim."""
    config, network = run.config, run.config.resolve(run.config.network.source)
    if not already_told:
        whole = log.attempt("facilities", lambda: read_facilities(config, run.standard, crs, network, run.notes))
        if whole is not None:
            return whole, tuple(config.facilities), frozenset()
    tables: list[FacilityTable] = []
    sources: list[FacilitiesConfig] = []
    unread: set[str] = set()
    for item in config.facilities:
        alone = config.model_copy(update={"facilities": [item.model_copy(update={"drop_duplicates": False})]})
        own = Notes()
        try:
            tables.append(read_facilities(alone, run.standard, crs, network, own))
        except Circle15Error as error:
            # a ConfigError has been told, with the number of the source, which reading it alone does not know
            if isinstance(error, InputError):
                log.errors.append(error)
            unread |= _claims(item)
            continue
        sources.append(item)
        run.notes.items += [note for note in own.items if note.code != "facilities.not_covered"]
    return _together(tables, crs, run.notes), tuple(sources), frozenset(unread)


def _claims(item: FacilitiesConfig) -> set[str]:
    """Return the types that the configuration says that a source covers."""
    return set(item.covers if item.covers is not None else [item.type] if item.type else [])


def _together(tables: list[FacilityTable], crs: pyproj.CRS, notes: Notes) -> FacilityTable:
    """Put the tables of single sources into one; of facilities of one id the first."""
    if not tables:
        columns = {column.name: pd.Series(dtype=object) for column in FACILITIES}
        return FacilityTable(gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=crs)), {})
    tables = _named_apart(tables)
    rows = pd.concat([pd.DataFrame(one.table) for one in tables], ignore_index=True)
    rows = rows.drop_duplicates("facility_id").sort_values("facility_id", ignore_index=True)
    extents = {name: extent for one in tables for name, extent in one.extents.items()}
    table = settle_duplicates(gpd.GeoDataFrame(rows, geometry="geometry", crs=crs), list(extents), (), notes)
    covered: dict[str, tuple[str, ...]] = {}
    for one in tables:
        for type_id, names in one.covered.items():
            covered[type_id] = (*covered.get(type_id, ()), *names)
    return FacilityTable(table, covered, extents)


def _named_apart(tables: list[FacilityTable]) -> list[FacilityTable]:
    """Give the second and further source of one file its number, as reading them together does."""
    seen: dict[str, int] = {}
    named = []
    for one in tables:
        (name,) = one.extents
        seen[name] = seen.get(name, 0) + 1
        own = name if seen[name] == 1 else f"{name}[{seen[name]}]"
        covered: dict[str, tuple[str, ...]] = dict.fromkeys(one.covered, (own,))
        named.append(FacilityTable(one.table.assign(source=own), covered, {own: one.extents[name]}))
    return named


# tables that refer to committees -----------------------------------------------------------------------------------


def read_tables(run: Run, log: Log, found: Salvaged) -> None:
    """Read census, water and overrides for what is wrong with them, each held against the ids that are known."""
    config = run.config
    if not found.whole:
        census = config.population.census if config.population else None
        if census is not None:
            column = ID_OF[census.by]
            ids = _known(run, found, census, column)
            log.attempt("census", lambda: read_census(config, ids.loc[ids[column] != ""], [], run.notes))
        log.attempt("water", lambda: read_water(config, found.inputs.crs, run.notes))
    if config.overrides is not None:
        ids = _known(run, found, config.overrides, "committee_id")
        log.attempt("overrides", lambda: read_overrides(config, ids, run.standard, run.notes))


def _known(run: Run, found: Salvaged, source: SourceConfig, column: str) -> gpd.GeoDataFrame:
    """Return the ids that a table may have; where no committee could be read, those that it has itself."""
    if len(found.ids):
        return gpd.GeoDataFrame(found.ids)
    layer = _load(source, run, Wanted("ids", (Column(column),), column, without_geometry=True))
    ids = clean_text(layer.table[column]) if layer is not None and column in layer.table else pd.Series(dtype=object)
    return gpd.GeoDataFrame({"committee_id": ids, "town_id": ids})


def _load(source: SourceConfig | FacilitiesConfig, run: Run, wanted: Wanted) -> Layer | None:
    """Return a layer with whatever is wrong in it, None if there is no reading it."""
    assert source.source is not None
    try:
        return load_layer(source, run.config.resolve(source.source), wanted, Notes())
    except Circle15Error:
        return None
