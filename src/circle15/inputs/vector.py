"""Rows of a file → a table with the contract's column names and sound geometry in the run's CRS.

The steps, in this order: ``columns`` renames, ``set`` adds constants, ids and digits are brought to one form, ``where``
chooses rows, the geometry is checked (nothing is repaired), freed from a Chinese map's offset, and projected. Heights
are left out: no table of the design has them. Rows keep the number that they have in the file as their index, so that
every message can name them.
"""

import dataclasses
import difflib
import re
import tokenize
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely
from pyproj.exceptions import CRSError

from circle15.errors import ConfigError, InputError, Notes, Problem, raise_if_any
from circle15.inputs import transform
from circle15.inputs.conditions import QUOTED, refuse_mixed
from circle15.inputs.datum import correct_shapes
from circle15.inputs.formats import SHOWN, UNREAD_SHAPES, Source, nearest, place, read_rows
from circle15.inputs.headers import key_of, rename_columns
from circle15.inputs.ids import check_ids, clean_id, normalise, refuse_numbers, show_as_sheet
from circle15.inputs.misplaced import misplaced_metres
from circle15.inputs.names import drop_placeholders
from circle15.tables import EXACT_FLOATS, OWN_NAMES, Column, clean_text, flat, some_of
from circle15.units import METRES_PER_KM

Mask = npt.NDArray[np.bool_]
Label = Callable[[Mask], tuple[str, ...]]

COORDINATES = (("lon", "lat"), ("x", "y"))
"""Columns that make points: degrees (EPSG:4326 unless declared), or any CRS that is declared."""

POINTS = ("Point", "MultiPoint")
LINES = ("LineString", "MultiLineString", "LinearRing")
POLYGONS = ("Polygon", "MultiPolygon")
TYPE_IDS = {
    "Point": 0,
    "LineString": 1,
    "LinearRing": 2,
    "Polygon": 3,
    "MultiPoint": 4,
    "MultiLineString": 5,
    "MultiPolygon": 6,
    "GeometryCollection": 7,
}
"""Geometry type → its number in Shapely."""

MAX_LON = 180.0
MAX_LAT = 90.0
WHERE_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError, NameError, SyntaxError, TypeError, ValueError),
    *(re.error, tokenize.TokenError),
)
"""What a condition that can't be understood may end with."""
PLAIN_SIGNS = {"‘": "'", "’": "'", "“": '"', "”": '"', "、": ",", "。": ".", "《": "<", "》": ">"}
"""Signs of a Chinese keyboard that Unicode does not call wide forms of plain ones."""
WHOLE = r"-?\d+"
WORD = re.compile(r"[^\W\d]\w*")
TYPO = 0.75
"""How like a contract's column a key has to be (difflib's ratio) to be taken for a misspelling of it."""


@dataclass(frozen=True)
class Wanted:
    """What a reader expects of a file.

    Attributes
    ----------
    topic : str
        First part of the codes of the notes, e.g. ``committees``.
    contract : tuple of Column
        Columns of the table; its text columns stay text in ``where``.
    id_column : str
        Column that labels rows in messages.
    shapes : tuple of str
        Geometry types allowed.
    other_columns : bool
        Whether ``columns`` may map names outside the contract.
    without_geometry : bool
        Whether rows, or the whole file, may lack geometry.
    also : tuple of str
        Columns beside those of the contract that the reader takes if they are there, e.g. attributes of facilities.
    """

    topic: str = "input"
    contract: tuple[Column, ...] = ()
    id_column: str = ""
    shapes: tuple[str, ...] = POINTS + LINES + POLYGONS
    other_columns: bool = True
    without_geometry: bool = False
    also: tuple[str, ...] = ()


@dataclass
class Layer:
    """Rows that were read, in the file's own CRS, with what is wrong with their geometry.

    Attributes
    ----------
    table : GeoDataFrame
        Renamed and filtered rows; the index counts the file's rows from 0.
    where : str
        The file as messages name it.
    id_column : str
        Column that labels the rows.
    problems : list of Problem
        Findings so far; the reader adds its own and raises once.
    moving : transform.Layer
        How it may be brought into another CRS, and who is told.
    """

    table: gpd.GeoDataFrame
    where: str
    id_column: str = ""
    problems: list[Problem] = field(default_factory=list)
    moving: transform.Layer = field(default_factory=lambda: transform.Layer("input", ""))

    def label(self, mask: Mask) -> tuple[str, ...]:
        """Return the labels of the rows in `mask`."""
        return label(self.table, self.id_column)(mask)

    def move(self, shapes: npt.NDArray[np.object_], crs: pyproj.CRS) -> npt.NDArray[np.object_]:
        """Return geometries of the layer in `crs`, all moved by one operation."""
        moving = self.moving if self.moving.where else dataclasses.replace(self.moving, where=self.where)
        return transform.transform_shapes(shapes, pyproj.CRS(self.table.crs), crs, moving)

    def project(self, crs: pyproj.CRS) -> gpd.GeoDataFrame:
        """Raise what was found, else return the table in `crs`; coordinates that `crs` cannot hold are an error."""
        raise_if_any(self.problems)
        table = self.table
        if table.crs is not None:
            shapes = self.move(np.asarray(table.geometry.array), crs)
            table = table.set_geometry(gpd.GeoSeries(shapes, index=table.index, crs=crs))
        lost = ~_finite(np.asarray(table.geometry.array))
        if lost.any():
            remedy = "Check that the file's crs is the one that its coordinates are in."
            raise InputError(Problem(f"cannot be projected to {crs.name}", self.where, self.label(lost), remedy))
        return table


def label(table: pd.DataFrame, id_column: str) -> Label:
    """Return a function from a row mask to labels: the id where there is one, else ``row N`` counted from 1."""

    def labels(mask: Mask) -> tuple[str, ...]:
        chosen = table.loc[mask]
        rows = [f"row {number + 1}" for number in chosen.index]
        if id_column not in chosen:
            return tuple(rows)
        return tuple(name or row for name, row in zip(clean_text(chosen[id_column]), rows, strict=True))

    return labels


def read_vector(
    config: Source, path: Path, crs: pyproj.CRS | None, notes: Notes, wanted: Wanted | None = None
) -> gpd.GeoDataFrame:
    """Read any vector layer or table of points into `crs` with the contract's column names.

    Parameters
    ----------
    config : SourceConfig or FacilitiesConfig
        How to read it.
    path : Path
        GeoPackage, GeoJSON, Shapefile or another layer that GDAL reads; (Geo)Parquet; CSV. Tables without geometry
        need ``lon`` and ``lat`` (degrees, EPSG:4326 unless ``crs`` says otherwise), or ``x`` and ``y`` with ``crs``.
    crs : pyproj.CRS or None
        The run's CRS; None leaves the file's own.
    notes : Notes
        Gets rows left out by ``where``, columns covered up by others, and CRS that were overruled.
    wanted : Wanted, optional
        Topic, contract and geometry types expected.

    Returns
    -------
    GeoDataFrame
        Columns of the file under their new names; the index counts the file's rows from 0.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty, lacks columns or a CRS, or has bad geometry; all findings at once.
    ConfigError
        If keys of `config` do not fit the file.
    """
    layer = load_layer(config, path, wanted or Wanted(), notes)
    if crs is not None:
        return layer.project(crs)
    raise_if_any(layer.problems)
    return layer.table


def load_layer(config: Source, path: Path, wanted: Wanted, notes: Notes) -> Layer:
    """Read a file up to its geometry checks, so that a reader can add its own findings before it raises.

    Parameters, notes and errors are those of `read_vector`; findings about geometry are returned, not raised.
    """
    where = place(config, path)
    declared = parse_crs(config.crs, f'{where}: crs = "{config.crs}"') if config.crs else None
    raw = read_rows(config, path, wanted.topic, notes)
    shown, unread_shapes = raw.attrs.get(SHOWN, {}), raw.attrs.get(UNREAD_SHAPES, {})
    own = raw.geometry if isinstance(raw, gpd.GeoDataFrame) else None
    raw = pd.DataFrame(raw.drop(columns=own.name) if own is not None else raw)
    _check_keys(config, wanted, where, has_geometry=own is not None)
    known = [column.name for column in wanted.contract] + list(wanted.also)
    known += [name for pair in COORDINATES for name in pair] if own is None else []
    named = rename_columns(raw, config, known, wanted.topic, path, notes)
    table = named.table
    show_as_sheet(table, named.of_file, shown, wanted.contract)
    before = normalise(table, wanted.contract, [name for pair in COORDINATES for name in pair])
    table = _filter(table, named.of_file, config, wanted, path, notes)
    raise_if_any(refuse_numbers(table, wanted.contract, where, label(table, "")))  # such ids make more look wrong
    labels = label(table, wanted.id_column)
    problems = check_ids(table, before, wanted.contract, wanted.topic, where, labels, notes)
    if own is not None:
        found = _overruled(own.crs, declared, wanted.topic, path, notes)
        shapes = np.asarray(own.loc[table.index].array, dtype=object)
    else:
        shapes, found = _points(table, declared, where, labels, wanted, problems)
        _refuse_datum(config, table, where)
        table = table.drop(columns=[name for pair in COORDINATES for name in pair], errors="ignore")
    shapes = flat(shapes)
    present = np.asarray(~shapely.is_missing(shapes))
    if found is None and present.any():
        remedy = 'Declare the one that the coordinates are in, e.g. crs = "EPSG:4326" for longitude and latitude.'
        problems.append(Problem("does not say in which CRS its coordinates are", where, remedy=remedy))
    unread = pd.Series(unread_shapes, dtype=object).reindex(table.index)
    problems += _check_shapes(shapes, found, wanted, where, labels, unread if own is not None else None)
    if found is not None:
        shapes, found = correct_shapes(shapes, found, config.datum, wanted.topic, where, notes)
    rows = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapes, index=table.index, crs=found))
    rows.attrs[OWN_NAMES] = named.have
    if any(column.name == "name" for column in wanted.contract):
        drop_placeholders(rows, wanted.topic, where, labels, notes)
    moving = transform.Layer(wanted.topic, where, notes, config.ballpark)
    return Layer(rows, where, wanted.id_column, problems, moving)


def _refuse_datum(config: Source, table: pd.DataFrame, where: str) -> None:
    """Refuse a datum for a table that has nothing that it could speak of."""
    if config.datum != "wgs84" and not any(set(pair) <= set(table.columns) for pair in COORDINATES):
        what = f'datum = "{config.datum}" means nothing, there are no coordinates'
        raise ConfigError(Problem(what, where, remedy="Remove datum."))


def check_overlap(places: gpd.GeoDataFrame, box: tuple[float, float, float, float], where: str) -> list[Problem]:
    """Return a problem if not one of `places` lies in the network's box: their CRS is wrong, or x and y are swapped.

    Single places outside of it are no error; they are off the network and are counted there.

    Parameters
    ----------
    places : GeoDataFrame
        In the run's CRS; rows without geometry are not looked at.
    box : tuple of float
        West, south, east and north of the network in the run's CRS, metres.
    where : str
        The places' file, for the message.
    """
    area = shapely.box(*box)
    shapes = places.geometry.dropna()
    if shapes.empty or shapes.intersects(area).any():
        return []
    degrees = shapely.transform(np.asarray(shapes.to_crs(4326).array), np.fliplr)
    turned = gpd.GeoSeries(degrees, crs=4326).to_crs(places.crs)
    distance_km = shapes.distance(area).min() / METRES_PER_KM
    remedy = (
        "They would lie in it with longitude and latitude swapped."
        if turned.intersects(area).any()
        else "Check the crs of both files, and that both are of one city."
    )
    what = f"none of {len(shapes)} places lies in the network's box; the nearest is {distance_km:,.1f} km away"
    return [Problem(what, where, remedy=remedy)]


def parse_crs(text: str, where: str) -> pyproj.CRS:
    """Return the CRS that `text` names (``EPSG:…``, WKT or a PROJ string), or raise a `ConfigError`."""
    try:
        return pyproj.CRS.from_user_input(text)
    except CRSError:
        remedy = 'Write an EPSG code such as "EPSG:4326", or WKT.'
        raise ConfigError(Problem("is no known CRS", where, remedy=remedy)) from None


def _check_keys(config: Source, wanted: Wanted, where: str, *, has_geometry: bool) -> None:
    """Refuse keys of ``columns`` and ``set`` that nothing would use, or that speak twice of one column."""
    names = [column.name for column in wanted.contract]
    pairs = [name for pair in COORDINATES for name in pair]
    problems = []
    for key in [*config.columns, *config.set]:
        if key in names or (key in pairs and not has_geometry):
            continue
        if key in pairs:
            remedy = f'Remove "{key}".'
            problems.append(Problem(f'columns: "{key}" is not used, the file has geometry', where, remedy=remedy))
        elif names and not wanted.other_columns:
            problems.append(Problem(f'unknown key "{key}" in columns or set', where, remedy=nearest(key, names)))
        elif near := difflib.get_close_matches(key, names, n=1, cutoff=TYPO):
            problems.append(Problem(f'unknown key "{key}"', where, remedy=f'Did you mean "{near[0]}"?'))
    both = sorted(set(config.columns) & set(config.set))
    problems += [Problem(f'"{key}" is in both columns and set', where, remedy="Remove one.") for key in both]
    if problems:
        raise ConfigError(*problems)


def _filter(
    table: pd.DataFrame, of_file: dict[str, str], config: Source, wanted: Wanted, path: Path, notes: Notes
) -> pd.DataFrame:
    """Keep the rows for which ``where`` holds; columns that hold only numbers compare as numbers, ids as text."""
    if config.where is None:
        return table
    place_ = f"{place(config, path)}: where = {config.where!r}"
    _refuse_signs(config.where, place_)
    ids = {column.name for column in wanted.contract if column.dtype == "text"}
    view = pd.DataFrame({name: clean_text(table[name]) if name in ids else _numbers(table[name]) for name in table})
    names = ", ".join(str(name) for name in view)
    _add_other_names(view, of_file, config.where)
    refuse_mixed(config.where, view, place_)
    try:
        keep = view.eval(config.where, engine="python", local_dict={}, global_dict={})
    except WHERE_ERRORS as error:
        raise ConfigError(
            Problem(str(error).strip() or "not understood", place_, remedy=f"Columns: {names}.")
        ) from None
    except NotImplementedError as error:
        raise ConfigError(Problem(f"not supported ({error})", place_, remedy=f"Columns: {names}.")) from None
    if (
        not isinstance(keep, pd.Series)
        or not keep.index.equals(view.index)  # a condition that sorts or picks rows speaks of other ones
        or not pd.api.types.is_bool_dtype(keep)
    ):
        raise ConfigError(
            Problem("is no condition on the columns", place_, remedy="E.g. where = \"status == 'open'\".")
        )
    mask = keep.fillna(value=False).to_numpy(dtype=bool)
    if not mask.any():
        remedy = (
            "Columns of numbers compare as numbers (code == 12), "
            f"ids and texts as text (name == 'a'). Text here: {', '.join(sorted(ids)) or 'none'}."
        )
        raise ConfigError(Problem(f"holds for none of {len(mask)} rows", place_, remedy=remedy))
    left_out = int((~mask).sum())
    text = f"{path.name}: {left_out} of {len(mask)} rows left out by where = {config.where!r}"
    notes.add(f"{wanted.topic}.where", left_out, text, label(table, wanted.id_column)(~mask))
    return table.loc[mask]


def _refuse_signs(where: str, place_: str) -> None:
    """Refuse a condition that is written with the signs of a Chinese keyboard: they mean nothing to it."""
    plain = {sign: PLAIN_SIGNS.get(sign) or unicodedata.normalize("NFKC", sign) for sign in dict.fromkeys(where)}
    outside = QUOTED.sub("", where)
    strange = {
        sign: ascii_ for sign, ascii_ in plain.items() if sign in outside and not sign.isascii() and ascii_.isascii()
    }
    if strange:
        shown = ", ".join(f"{sign} for {ascii_}" for sign, ascii_ in strange.items())
        remedy = (
            "Write letters, digits, signs and quotation marks of a condition in their plain (half-width) form; the "
            "name of a column that has such signs goes between backticks (`人口（人）` > 0)."
        )
        raise ConfigError(Problem(f"is written with {shown}", place_, remedy=remedy))


def _add_other_names(view: pd.DataFrame, of_file: dict[str, str], where: str) -> None:
    """Add columns under the names that ``where`` may call them by: the file's own, in its own or in any case."""
    for new, old in of_file.items():
        for name in (old, clean_id(old)):
            if name not in view:
                view[name] = view[new]
    keys: dict[str, list[str]] = {}
    for new in of_file:
        keys.setdefault(key_of(new), []).append(new)
    for word in dict.fromkeys(WORD.findall(QUOTED.sub("", where))):
        same = keys.get(key_of(word), [])
        if word not in view and len(same) == 1:
            view[word] = view[same[0]]


def _numbers(values: pd.Series) -> pd.Series:
    """Return a text column as numbers if every filled-in value is one, else as it is."""
    if not (pd.api.types.is_string_dtype(values) or pd.api.types.is_object_dtype(values)):
        return values
    filled = clean_text(values).replace("", np.nan)
    numbers = pd.to_numeric(filled, errors="coerce")
    if numbers.abs().max() >= EXACT_FLOATS and filled.dropna().str.fullmatch(WHOLE).all():
        digits = [int(value) if isinstance(value, str) else None for value in filled]
        return pd.Series(digits, index=values.index, dtype=object)  # digit by digit: floats would make codes equal
    return numbers if filled.notna().any() and numbers.notna().equals(filled.notna()) else values


def _overruled(
    own: pyproj.CRS | None, declared: pyproj.CRS | None, topic: str, path: Path, notes: Notes
) -> pyproj.CRS | None:
    """Return the declared CRS if there is one, and note where it contradicts the file's own."""
    if own is not None and declared is not None and not declared.equals(own, ignore_axis_order=True):
        text = f"{path.name} says that its CRS is {own.name}; the configuration's {declared.name} is used instead"
        notes.add(f"{topic}.crs_overruled", 1, text)
    return declared if declared is not None else own


def _points(
    table: pd.DataFrame,
    declared: pyproj.CRS | None,
    where: str,
    labels: Label,
    wanted: Wanted,
    problems: list[Problem],
) -> tuple[npt.NDArray[np.object_], pyproj.CRS | None]:
    """Return points from two columns, None for rows with bad coordinates (added to `problems`), and their CRS."""
    pairs = [pair for pair in COORDINATES if set(pair) <= set(table.columns)]
    none = np.full(len(table), None, dtype=object)
    if not pairs:
        if not wanted.without_geometry:
            have = ", ".join(str(name) for name in table.columns)
            remedy = (
                "Name its columns lon and lat, or x and y (with crs), or map them: "
                f'columns = {{ lon = "…", lat = "…" }}; the file has: {have}.'
            )
            problems.append(Problem("has no geometry and no coordinates", where, remedy=remedy))
        return none, declared
    # With both pairs there, a projected crs can only be that of x and y.
    x_name, y_name = pairs[-1] if declared is not None and declared.is_projected else pairs[0]
    degrees = x_name == "lon"
    if degrees and declared is not None and not declared.is_geographic:
        remedy = "Map the columns to x and y, or declare a CRS in degrees."
        problems.append(Problem(f"lon and lat cannot be in {declared.name}", where, remedy=remedy))
    xy = np.column_stack([_coordinate(table, name, where, labels, wanted, problems) for name in (x_name, y_name)])
    good = np.isfinite(xy).all(axis=1)
    none[good] = shapely.points(xy[good])
    return none, declared or (pyproj.CRS.from_epsg(4326) if degrees else None)


def _coordinate(
    table: pd.DataFrame, name: str, where: str, labels: Label, wanted: Wanted, problems: list[Problem]
) -> npt.NDArray[np.float64]:
    raw = table[name]
    blank = raw.isna().to_numpy()
    if not pd.api.types.is_numeric_dtype(raw):
        raw = clean_text(raw)
        blank = (raw == "").to_numpy()
    values = pd.to_numeric(raw.where(~blank, None), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    findings = [("is not a number", np.isnan(values) & ~blank), ("is infinite", np.isinf(values))]
    if not wanted.without_geometry:
        findings.append(("is missing (NaN or empty)", blank))
    for what, mask in findings:
        if mask.any():
            remedy = "Correct these coordinates, or leave the rows out with where."
            shown = f": {some_of(raw[mask])}" if what == "is not a number" else ""
            problems.append(Problem(f'"{name}" {what}{shown}', where, labels(mask), remedy))
    return values


def _check_shapes(
    shapes: npt.NDArray[np.object_],
    crs: pyproj.CRS | None,
    wanted: Wanted,
    where: str,
    labels: Label,
    unread: pd.Series | None,
) -> list[Problem]:
    """Return everything that is wrong with geometries.

    `unread` says, by row, what is there of geometries that are missing here; None if these have been reported already.
    """
    problems = []

    def report(what: str, mask: Mask, remedy: str, rows: tuple[str, ...] | None = None) -> None:
        if mask.any():
            problems.append(Problem(what, where, labels(mask) if rows is None else rows, remedy))

    missing = np.asarray(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    finite = _finite(shapes)
    if unread is not None:
        there = unread.notna().to_numpy()
        for kind_of_shape in dict.fromkeys(unread.dropna()):
            remedy = (
                "Repair it, or turn it into polygons in QGIS (Fix geometries, or Multipart to singleparts), then save "
                "it anew."
            )
            report(f"geometry is {kind_of_shape}, which is not read", (unread == kind_of_shape).to_numpy(), remedy)
        if not wanted.without_geometry:
            report("geometry is missing or empty", missing & ~there, "Draw it, or leave the rows out with where.")
    report("coordinates are NaN or infinite", ~finite, "Correct these geometries.")
    kind = shapely.get_type_id(shapes)
    wrong = ~missing & ~np.isin(kind, [TYPE_IDS[name] for name in wanted.shapes])
    kinds = ", ".join(sorted(name for name, number in TYPE_IDS.items() if (kind[wrong] == number).any()))
    report(f"holds {kinds}", wrong, f"Expected here: {', '.join(wanted.shapes)}.")
    invalid = ~missing & finite & ~np.asarray(shapely.is_valid(shapes))
    reasons = np.asarray(shapely.is_valid_reason(shapes[invalid]))
    rows = tuple(f"{name}: {reason}" for name, reason in zip(labels(invalid), reasons, strict=True))
    report(
        "geometry is invalid",
        invalid,
        "Repair it where you can see it, e.g. with Fix geometries in QGIS; circle15 does not change shapes.",
        rows,
    )
    if crs is not None and crs.is_projected:
        problems += misplaced_metres(shapes[finite], crs, where)
    if crs is not None and crs.is_geographic:
        box = np.abs(shapely.bounds(shapes))
        lon, lat = np.fmax(box[:, 0], box[:, 2]), np.fmax(box[:, 1], box[:, 3])
        swapped = finite & (lat > MAX_LAT) & (lat <= MAX_LON) & (lon <= MAX_LAT)
        report("latitudes are beyond 90 degrees", swapped, "Are longitude and latitude swapped?")
        beyond = finite & ~swapped & ((lon > MAX_LON) | (lat > MAX_LAT))
        remedy = f"Are they metres? {crs.name} is in degrees; declare the crs that they are in."
        report("coordinates are no longitudes and latitudes", beyond, remedy)
    return problems


def _finite(shapes: npt.NDArray[np.object_]) -> Mask:
    """Return which geometries have no NaN or infinite coordinate; missing and empty ones have none."""
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    good = np.ones(len(shapes), dtype=bool)
    good[owner[~np.isfinite(xy).all(axis=1)]] = False
    return good
