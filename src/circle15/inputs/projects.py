"""The ledger of projects: what is planned, started or done, a row each, as people edit it in a spreadsheet or QGIS.

A ledger that circle15 wrote has to come back in unharmed, whatever it was edited with: ids are text, words may be
Chinese, years may be dates, and a place is brought onto the grid of degrees that a CSV can hold (`on_degree_grid`), so
that it is the same place before and after.

A row with a ``marginal`` is no single project but a figure of a published plan: so many of a type in a year, by a
means, or in total. It has no place and changes nothing on the ground; it only counts.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
import pyproj
import shapely
from pyarrow import parquet

from circle15.config import LedgerConfig, ProjectsConfig
from circle15.errors import ConfigError, InputError, Notes, Problem, raise_if_any
from circle15.inputs.formats import EXCEL, PARQUET, SEPARATORS, nearest, place
from circle15.inputs.ids import clean_id, match_ids
from circle15.inputs.towns import NEAREST_M
from circle15.inputs.vector import COORDINATES, LINES, POLYGONS, Layer, Wanted, load_layer
from circle15.inputs.years import take_years
from circle15.standard.model import Standard
from circle15.tables import (
    ACTIONS,
    FORMULA_STARTS,
    MEANS,
    PROJECTS,
    STATUSES,
    Column,
    FacilityTable,
    TextArray,
    check_columns,
    clean_text,
    some_of,
)
from circle15.units import METRES_PER_KM

Mask = npt.NDArray[np.bool_]
Words = dict[str, str]

MEANS_WORDS: Words = {one: one for one in MEANS} | {
    "盘活存量": "reuse",
    "盘活": "reuse",
    "复合利用": "compound",
    "规划完善": "new",
    "新建": "new",
}
"""What a file may call the plan's three means → the means."""

ACTION_WORDS: Words = {one: one for one in ACTIONS} | {
    "新建": "open",
    "新增": "open",
    "扩建": "extend",
    "改扩建": "extend",
    "迁建": "move",
    "搬迁": "move",
    "关闭": "close",
    "撤销": "close",
}
"""What a file may call what a project does → the action."""

STATUS_WORDS: Words = {one: one for one in STATUSES} | {
    "计划": "planned",
    "规划": "planned",
    "未启动": "planned",
    "已启动": "started",
    "在建": "started",
    "启动": "started",
    "已完成": "done",
    "完成": "done",
    "建成": "done",
    "已建成": "done",
}
"""What a file may call how far a project has come → the status."""

TRUTH_WORDS: Words = {"true": "true", "1": "true", "yes": "true", "是": "true"} | {
    "false": "false",
    "0": "false",
    "no": "false",
    "否": "false",
}
"""What a file may write for yes and no."""

MARGINALS = ("year", "means", "total")
"""What a row that only counts is a figure by. Figures of different marginals are never added up."""

LEDGER = (*PROJECTS, Column("marginal"), Column("domain"), Column("at_least"))
"""The columns of a ledger: those of projects, and those that rows need which only count."""

YEARS = ("plan_year", "start_year", "open_year")
WORDY: dict[str, Words] = {
    "action": ACTION_WORDS,
    "means": MEANS_WORDS,
    "status": STATUS_WORDS,
    "marginal": {one: one for one in MARGINALS},
    "at_least": TRUTH_WORDS,
}
"""Columns that hold one of a few words."""

DEGREES_DECIMALS = 12
"""Decimals of longitudes and latitudes in the CSV files that circle15 writes, at most: a tenth of a micrometre. A place
moved by so little keeps every verdict, since a time within `units.TIME_TOLERANCE_S` of its threshold counts as within;
so a project is judged as a facility at the same coordinates is, which isn't moved at all."""

DEFUSED = re.compile(rf"'(?='*[{FORMULA_STARTS}])")
"""The quote that `outputs` puts before text which a spreadsheet would take for a formula."""

NO_ROWS = "has no rows"
"""How `formats.read_rows` says that a file has names of columns and nothing below them."""


def read_projects(
    config: LedgerConfig,
    standard: Standard,
    committees: gpd.GeoDataFrame | None,
    facilities: FacilityTable | None,
    notes: Notes,
) -> gpd.GeoDataFrame:
    """Read the ledger of ``[projects]``; one with no rows is a ledger too.

    Parameters
    ----------
    config : Config
        The run's configuration; its plan's first year is the earliest that a row may name.
    standard : Standard
        Knows the types and domains.
    committees : GeoDataFrame or None
        As `read_committees` returns it: says where the district is, and its towns. None if none is at hand: places
        are then left out (noted), and towns taken as they are.
    facilities : FacilityTable or None
        What is extended, moved, closed or takes others in. None: such ids are taken as they are.
    notes : Notes
        Gets ``projects.coordinates_unread``, ``projects.undefused``, ``projects.dates``, ``projects.host_place``,
        ``projects.no_place``, ``projects.places_unread`` and ``projects.no_start``, beside those of the shared keys.

    Returns
    -------
    GeoDataFrame
        Columns of `tables.PROJECTS`, ``marginal`` and ``domain`` (text, ``""`` for none), ``at_least`` (bool), what
        else the file has, and ``geometry`` (a Point in the committees' CRS, or None), sorted by ``project_id``.
        ``type_id`` is filled in from the facility and ``domain`` from the type. ``units`` is 1 where it was blank,
        but NaN in rows that only count: a figure that the source leaves out.

    Raises
    ------
    ConfigError
        Without ``[projects]``.
    InputError
        With everything that is wrong with the ledger, at once.
    """
    if config.projects is None:
        remedy = 'Name one: [projects] source = "projects.csv". circle15 suggest writes one, csv/suggestions.csv.'
        what = "no section [projects]; verify and plan need a ledger"
        raise ConfigError(Problem(what, str(config.path), remedy=remedy))
    layer = _load_ledger(config, config.projects, notes)
    places = take_places(layer, None if committees is None else committees.crs, "projects", notes)
    _undo_defusing(layer, notes)
    for column, words in WORDY.items():
        take_words(layer, column, words, required=column in ("action", "status"))
    take_years(layer, YEARS, "projects", notes)
    contract = [dataclasses.replace(c, required=c.required and c.name not in WORDY, allowed=()) for c in LEDGER]
    layer.problems += check_columns(layer.table, contract, layer.where, layer.label)
    if "project_id" not in layer.table:
        raise_if_any(layer.problems)  # a file without it is hardly a ledger: what else is wrong would confuse
    single = (layer.table["marginal"] == "").to_numpy()
    if facilities is not None:
        _check_existing(layer, facilities)
        places = _at_hosts(layer, places, facilities, notes)
    _check_types(layer, standard)
    _check_years(layer, config.plan_years)
    _check_marginals(layer, ~single, places)
    _check_single(layer, single, places)
    if committees is not None:
        unknown_ids(layer, "town_id", committees["town_id"], "the committees' towns")
        check_inside(layer, places.points, committees)
    raise_if_any(layer.problems)
    _note_rows(layer, single, places, notes, district=committees is not None)
    return _arranged(layer, single, places.points, committees)


# places ------------------------------------------------------------------------------------------------------------


def on_degree_grid(points: TextArray, crs: pyproj.CRS, decimals: int = DEGREES_DECIMALS) -> TextArray:
    """Move points to the nearest place that a CSV file can hold: whole 1e-12 degrees of longitude and latitude.

    A point on this grid that is written to a file with twelve decimals and read again is the very same point, bit for
    bit, and so are its travel times.

    Parameters
    ----------
    points : object array of Point or None
        In `crs`.
    crs : pyproj.CRS
        The run's metric CRS.
    decimals : int
        Of a degree; fewer make a place that circle15 proposes itself short to write.

    Returns
    -------
    object array of Point or None
        In `crs`; None where `points` has none.
    """
    grid = np.full(len(points), None, dtype=object)
    have = ~shapely.is_missing(points)
    if have.any():
        degrees = shapely.get_coordinates(gpd.GeoSeries(points[have], crs=crs).to_crs(4326).to_numpy())
        rounded = np.round(degrees, decimals) + 0.0  # no -0.0, which a file's 0 would not give back
        grid[have] = gpd.GeoSeries(shapely.points(rounded), crs=4326).to_crs(crs).to_numpy()
    return grid


@dataclass(frozen=True)
class Places:
    """Where the rows of a file are.

    Attributes
    ----------
    points : object array of Point or None
        In the run's CRS; None where there is none, or none that can be used.
    given : bool array
        Rows with a place, whether it can be used or not.
    missing : bool array
        Rows certainly without one. A row whose coordinates can't be read is neither.
    """

    points: TextArray
    given: Mask
    missing: Mask


def take_places(layer: Layer, crs: pyproj.CRS | None, topic: str, notes: Notes) -> Places:
    """Return the one point that each row has, in the run's CRS; what is no single point goes to the layer's problems.

    To be called before a reader adds findings of its own: where the file's geometry is at fault, nothing is projected.

    Parameters
    ----------
    layer : Layer
        As it was loaded. Columns of coordinates beside a geometry (QGIS keeps those of a CSV, and leaves them where
        they were when a point is moved) are taken out.
    crs : pyproj.CRS or None
        The run's CRS; None leaves all points out.
    topic : str
        First part of the note's code.
    notes : Notes
        Gets ``<topic>.coordinates_unread``.
    """
    stale = [name for pair in COORDINATES for name in pair if name in layer.table]
    text = f"{layer.where}: {', '.join(stale)} are not read, since the file has a geometry"
    notes.add(f"{topic}.coordinates_unread", len(stale), text, stale)
    layer.table = layer.table.drop(columns=stale)
    shapes = np.asarray(layer.table.geometry.array, dtype=object)
    given = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    faulty = bool(layer.problems)
    missing = np.zeros(len(shapes), dtype=bool) if faulty else ~given
    points = np.array([_only_point(shape) for shape in shapes], dtype=object)
    several = given & np.isin([s.geom_type if s is not None else "" for s in shapes], [*LINES, *POLYGONS, "MultiPoint"])
    report(layer, "its place is no single point", several & shapely.is_missing(points), _ONE_POINT)
    there = ~shapely.is_missing(points)
    found = np.full(len(shapes), None, dtype=object)
    if crs is not None and not faulty and there.any():
        found[there] = layer.move(points[there], crs)
        lost = there & ~np.isfinite(shapely.get_x(found) + shapely.get_y(found))
        remedy = "Check that the file's crs is the one that its coordinates are in."
        report(layer, f"cannot be projected to {crs.name}", lost, remedy)
        found[lost] = None
    return Places(found, given, missing)


_ONE_POINT = "A site is one point; give its entrance."


def _only_point(shape: shapely.Geometry | None) -> shapely.Point | None:
    if isinstance(shape, shapely.MultiPoint) and len(shape.geoms) == 1:
        shape = shape.geoms[0]
    return shape if isinstance(shape, shapely.Point) and not shape.is_empty else None


def check_inside(layer: Layer, points: TextArray, committees: gpd.GeoDataFrame) -> None:
    """Report places farther than `NEAREST_M` from every committee: its area if it has one, else its centre."""
    areas = committees["area"].to_numpy(dtype=object)
    shapes = np.where(shapely.is_missing(areas), committees.geometry.to_numpy(), areas)
    inside = np.zeros(len(points), dtype=bool)
    inside[shapely.STRtree(shapes).query(points, predicate="dwithin", distance=NEAREST_M)[0]] = True
    what = f"outside the district: farther than {NEAREST_M / METRES_PER_KM:g} km from every committee"
    remedy = (
        "Check the coordinates (are longitude and latitude swapped?), datum and crs, or leave the rows out with where."
    )
    report(layer, what, ~inside & ~shapely.is_missing(points), remedy)


def host_points(hosts: Iterable[str], facilities: FacilityTable) -> TextArray:
    """Return a point for each id of a facility: its own, or its first entrance; None for areas, lines, other ids."""
    shapes = dict(zip(facilities.table["facility_id"], facilities.table.geometry, strict=True))
    found = [shapes.get(host) for host in hosts]
    first = [shape.geoms[0] if isinstance(shape, shapely.MultiPoint) else _only_point(shape) for shape in found]
    return np.array(first, dtype=object)


def _at_hosts(layer: Layer, places: Places, facilities: FacilityTable, notes: Notes) -> Places:
    """Give what opens in an existing facility, and has no place of its own, the place of its host."""
    table = layer.table
    hosted = ((table["action"] == "open") & (table["facility_id"] != "") & (table["marginal"] == "")).to_numpy()
    hosts = host_points(table["facility_id"], facilities)
    taken = hosted & places.missing & ~shapely.is_missing(hosts)
    text = f"{taken.sum()} projects without a place are put where the facility is that takes them in"
    notes.add("projects.host_place", taken.sum(), text, layer.label(taken))
    return Places(np.where(taken, hosts, places.points), places.given | taken, places.missing & ~taken)


# findings that candidates share ------------------------------------------------------------------------------------


def report(layer: Layer, what: str, mask: Mask, remedy: str) -> None:
    """Add a problem that names the rows of `mask` to the layer's, if there are any."""
    if mask.any():
        layer.problems.append(Problem(what, layer.where, layer.label(mask), remedy))


def take_words(layer: Layer, column: str, words: Words, *, required: bool) -> None:
    """Bring a column of words to those of the contract, in place; what is no known word goes to the layer's problems.

    Parameters
    ----------
    layer : Layer
        Its column is added, blank, if it is missing and not `required`.
    column : str
        Name of the column.
    words : dict of str to str
        What may be written → what is meant.
    required : bool
        Whether every row has to have one.
    """
    meant: dict[str, list[str]] = {}
    for word, one in words.items():
        meant.setdefault(one, [])
        meant[one] += [word] if word != one else []
    allowed = ", ".join(f"{one} ({' '.join(others)})" if others else one for one, others in meant.items())
    if column not in layer.table:
        if required:
            remedy = (
                f'Add one, or give all rows the same: set = {{ {column} = "{next(iter(meant))}" }}. Known: {allowed}.'
            )
            layer.problems.append(Problem(f'no column "{column}"', layer.where, remedy=remedy))
        else:
            layer.table[column] = ""
        return
    text = clean_text(layer.table[column])
    found = text.map(lambda one: words.get(clean_id(one).lower(), "")).astype(object)
    blank = (text == "").to_numpy()
    other = (found == "").to_numpy() & ~blank
    report(layer, f'"{column}" has {some_of(text[other])}', other, f"Known: {allowed}.")
    if required:
        report(layer, f'"{column}" is empty', blank, f"Fill it in for every row. Known: {allowed}.")
    layer.table[column] = found


def unknown_ids(layer: Layer, column: str, known: Iterable[str], whose: str, remedy: str = "") -> None:
    """Report ids that are none of the `known`, blank ones aside; the nearest is named, and zeros that were lost.

    Parameters
    ----------
    layer : Layer
        Its column is text.
    column : str
        Name of the column.
    known : iterable of str
        Ids that there are.
    whose : str
        What they are, as a message says it: ``the standard's types``.
    remedy : str
        What to tell beside the nearest id; by default all the ids that there are.
    """
    values = layer.table[column]
    every = list(dict.fromkeys(known))
    other = ~values.isin([*every, ""])
    if not other.any():
        return
    what = f'"{column}" has {some_of(values[other])}, not among {whose}'
    found = match_ids(values, every, layer.where, layer.label, of=whose, what=what)
    hint = nearest_id(str(values[other].iloc[0]), every, remedy)
    layer.problems += [dataclasses.replace(one, remedy=hint) if one.what == what else one for one in found]


def nearest_id(one: str, known: list[str], remedy: str) -> str:
    """Return a remedy that names the nearest of many ids, without all the others, and then `remedy`."""
    if not remedy:
        return nearest(one, known)
    near = difflib.get_close_matches(one, known, n=1, cutoff=0.5)
    return f'Did you mean "{near[0]}"? {remedy}' if near else remedy


# rules of the ledger -----------------------------------------------------------------------------------------------


def _check_existing(layer: Layer, facilities: FacilityTable) -> None:
    """Hold ids of facilities against those there are; what is extended, moved or closed tells the type by its own.

    One that isn't open in the run's year is known as well: years differ between what writes a ledger and what reads it.
    """
    table = layer.table
    types = {
        name: kind
        for every in (facilities.absent, facilities.table)
        for name, kind in zip(every["facility_id"], every["type_id"], strict=True)
    }
    remedy = "It has to be a facility of this run's sources."
    unknown_ids(layer, "facility_id", types, "the facilities", remedy)
    taken = table["project_id"].isin(types).to_numpy()
    report(layer, '"project_id" is a facility\'s id', taken, "It becomes one when it is applied: choose another.")

    changed = table["action"].isin(("extend", "move", "close"))
    own = table["facility_id"].map(types).fillna("").astype(object).where(changed, "")
    wrong = (own != "") & (table["type_id"] != "") & (table["type_id"] != own)
    what = f'"type_id" is not the facility\'s own, which is {some_of(own[wrong])}'
    report(layer, what, wrong.to_numpy(), "Correct one of them; leave type_id empty to take the facility's.")
    table["type_id"] = table["type_id"].where((own == "") | (table["type_id"] != ""), own)


def _check_types(layer: Layer, standard: Standard) -> None:
    """Hold types and domains against the standard, and give every row the domain of its type."""
    table = layer.table
    domains = {one.id: one.domain for one in standard.types}
    unknown_ids(layer, "type_id", domains, "the standard's types")
    unknown_ids(layer, "domain", [one.id for one in standard.domains], "the standard's domains")
    blank = (table["type_id"] == "") & (table["action"] == "open")
    untyped = (blank & (table["marginal"] != "total")).to_numpy()
    report(layer, '"type_id" is empty', untyped, "What opens needs a type of the standard.")
    nothing = (blank & (table["marginal"] == "total") & (table["domain"] == "")).to_numpy()
    report(layer, "neither type_id nor domain", nothing, "Say what the total is of.")
    own = table["type_id"].map(domains).fillna("").astype(object)
    wrong = ((own != "") & (table["domain"] != "") & (table["domain"] != own)).to_numpy()
    report(layer, '"domain" is not that of the type', wrong, "Leave it empty: it follows from the type.")
    table["domain"] = table["domain"].where(own == "", own)


def _check_years(layer: Layer, years: list[int]) -> None:
    table = layer.table
    span = str(years[0]) if len(years) == 1 else f"{years[0]} to {years[-1]}"
    remedy = f"Correct these years, or begin with an earlier one in [plan] years (now {span})."
    for column in YEARS:
        early = (table[column] < years[0]).to_numpy()
        report(layer, f'"{column}" is before the plan\'s first year {years[0]}', early, remedy)
    late = (table["start_year"] > table["open_year"]).to_numpy()
    report(layer, '"start_year" is after "open_year"', late, "Correct these years.")


def _check_marginals(layer: Layer, marginal: Mask, places: Places) -> None:
    """Report rows that only count and say what would change something, or not what they count by."""
    table = layer.table
    act = ((table["action"] != "open") & (table["action"] != "")).to_numpy()
    report(layer, "rows with a marginal only count, and cannot extend, move or close", marginal & act, "Write open.")
    what = "rows with a marginal only count, and have no place and no facility_id"
    fixed = places.given | (table["facility_id"] != "").to_numpy()
    report(layer, what, marginal & fixed, "Empty these cells, or the marginal if the row is a project of its own.")
    yearless = (table["marginal"] == "year").to_numpy() & table[[*YEARS]].isna().all(axis=1).to_numpy()
    report(layer, "figures by year without a year", yearless, "Fill in plan_year.")
    bare = ((table["marginal"] == "means") & (table["means"] == "")).to_numpy()
    report(layer, "figures by means without means", bare, "Fill in means.")


def _check_single(layer: Layer, single: Mask, places: Places) -> None:
    """Report projects that lack what their action needs, or that cannot all be done."""
    table = layer.table
    action = table["action"]
    on = single & action.isin(("extend", "move", "close")).to_numpy()
    nameless = on & (table["facility_id"] == "").to_numpy()
    report(layer, '"facility_id" is empty', nameless, "Say which facility is extended, moved or closed.")
    added = (table[["capacity", "floor_area_m2"]].fillna(0.0) > 0.0).any(axis=1).to_numpy()
    remedy = "Fill in capacity or floor_area_m2: how much is added."
    report(layer, "extensions that add nothing", on & (action == "extend").to_numpy() & ~added, remedy)
    moved = single & (action == "move").to_numpy() & places.missing
    report(layer, "moves without a place", moved, "Give lon and lat of where it moves to.")
    many = single & (table["units"] > 1).to_numpy()
    remedy = "Write one row for each place."
    report(layer, "several units at one place", many & (places.given | on), remedy)
    gone = on & action.isin(("move", "close")).to_numpy() & ~nameless
    ids = table["facility_id"][gone]
    twice = gone & table["facility_id"].isin(ids[ids.duplicated()]).to_numpy()
    report(layer, "one facility is moved or closed twice", twice, "Keep the row that holds.")


def _note_rows(layer: Layer, single: Mask, places: Places, notes: Notes, *, district: bool) -> None:
    table = layer.table
    nowhere = single & (table["action"] == "open").to_numpy() & places.missing
    text = f"{nowhere.sum()} projects have no place: they are counted, and can't change a verdict"
    notes.add("projects.no_place", nowhere.sum(), text, layer.label(nowhere))
    if not district:
        text = f"{places.given.sum()} projects have a place that is not looked at, since only counts are asked for"
        notes.add("projects.places_unread", places.given.sum(), text, layer.label(places.given))
    begun = table["status"].isin(("started", "done")) & table["start_year"].isna() & table["plan_year"].isna()
    text = f"{begun.sum()} projects have begun, and neither start_year nor plan_year says when"
    notes.add("projects.no_start", int(begun.sum()), text, layer.label(begun.to_numpy()))


def _arranged(layer: Layer, single: Mask, points: TextArray, committees: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """Return the table as it leaves: columns in order, blanks that have a meaning filled in, sorted by id."""
    table = pd.DataFrame(layer.table.drop(columns="geometry"))
    table["units"] = table["units"].mask(single & table["units"].isna().to_numpy(), 1.0)
    table["at_least"] = (table["at_least"] == "true").to_numpy(dtype=bool)
    names = [column.name for column in LEDGER]
    table = table[[*names, *(name for name in table.columns if name not in names)]]
    crs = None if committees is None else committees.crs
    grid = points if crs is None else on_degree_grid(points, crs)
    shapes = gpd.GeoSeries(grid, index=table.index, crs=crs)
    return gpd.GeoDataFrame(table, geometry=shapes).sort_values("project_id", ignore_index=True)


# the file ----------------------------------------------------------------------------------------------------------


def _load_ledger(config: LedgerConfig, source: ProjectsConfig, notes: Notes) -> Layer:
    """Load the file; where it has names of columns only, as a ledger has that was just begun, a layer of no rows."""
    path = config.resolve(source.source)
    wanted = Wanted("projects", LEDGER, "project_id", without_geometry=True)
    try:
        return load_layer(source, path, wanted, notes)
    except InputError as error:
        if not says_no_rows(error):
            raise
    have = _names_in(config, source)
    where = place(source, path)
    problems = [
        Problem(f'no column "{old}"', where, remedy=f"columns.{new} asks for it. {nearest(old, have)}")
        for new, old in source.columns.items()
        if old not in have
    ]
    used = [*source.columns.values(), *(name for pair in COORDINATES for name in pair), "geometry"]
    names = dict.fromkeys([*(name for name in have if name not in used), *source.columns, *source.set])
    table = pd.DataFrame(columns=pd.Index(names, dtype=object), dtype=object)
    return Layer(gpd.GeoDataFrame(table, geometry=gpd.GeoSeries([])), where, "project_id", problems)


def says_no_rows(error: InputError) -> bool:
    """Return whether an error of `load_layer` is that the file has no rows."""
    return [problem.what for problem in error.problems] == [NO_ROWS]


def _names_in(config: LedgerConfig, source: ProjectsConfig) -> list[str]:
    """Return the names of the columns of a file that was read, and has no rows."""
    path = config.resolve(source.source)
    suffix = path.suffix.lower()
    if suffix in SEPARATORS:
        encoding = source.encoding or "utf-8-sig"
        head = pd.read_csv(path, sep=SEPARATORS[suffix], nrows=0, encoding=encoding, index_col=False)
        return [str(name).strip() for name in head.columns]
    if suffix in PARQUET:
        return [str(name) for name in parquet.read_schema(path).names]
    if suffix in EXCEL:
        from circle15.inputs.excel import read_excel  # noqa: PLC0415 - brings openpyxl

        return [str(name) for name in read_excel(path, source.layer, "projects", Notes()).columns]
    layers = [str(name) for name, shape in pyogrio.list_layers(path) if shape is not None]
    layer = source.layer or next(iter(layers), None)  # as `formats` chooses: styles that QGIS keeps have no geometry
    return [str(name) for name in pyogrio.read_info(path, layer=layer)["fields"]]


def _undo_defusing(layer: Layer, notes: Notes) -> None:
    """Take the quote off text that was defused when it was written, in every column that is no number."""
    numbers = {column.name for column in LEDGER if column.dtype != "text"}
    undone = np.zeros(len(layer.table), dtype=bool)
    for name in [name for name in layer.table.columns if name not in numbers | {"geometry"}]:
        values = layer.table[name].astype(object)
        quoted = np.array([isinstance(one, str) and DEFUSED.match(one) is not None for one in values], dtype=bool)
        if quoted.any():
            layer.table[name] = values.where(~quoted, values[quoted].str[1:])
            undone |= quoted
    text = f"{undone.sum()} rows have text with a ' before a sign that a spreadsheet calculates with; the ' is left out"
    notes.add("projects.undefused", undone.sum(), text, layer.label(undone))
