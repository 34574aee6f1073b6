"""All ``[[facilities]]`` sources → one table, with the types that each source claims to know.

The claim matters as much as the places: a type that a source covers and that has no facility near by is a gap; a type
that no source covers is unknown. What a source covers is, unless ``covers`` says otherwise,

- with ``type``: that type;
- with ``type_column`` alone: the types that occur in it (a file that knows of the whole catalogue, and holds none of
  some types, has to say so with ``covers``);
- with a mapping, or ``from_osm``: the types that the mapping knows with high or medium confidence.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyproj
import shapely

from circle15.config import Config, FacilitiesConfig
from circle15.errors import Circle15Error, ConfigError, InputError, Notes, Problem, raise_if_any
from circle15.inputs.formats import nearest
from circle15.inputs.mapping import Mapping, load_mapping
from circle15.inputs.osm import read_osm_places
from circle15.inputs.vector import Layer, Wanted, label, load_layer
from circle15.standard.model import Standard
from circle15.tables import FACILITIES, Column, FacilityTable, check_columns, clean_text

OSM_SUFFIXES = (".osm", ".osm.pbf", ".osm.bz2", ".osm.gz", ".pbf")

NOT_OF_OSM = ("layer", "crs", "encoding", "columns", "set", "where")
"""Keys that mean nothing with ``from_osm``."""

# The types are held against the standard apart, and ids are made where a source has none.
ROWS = tuple(column for column in FACILITIES if column.name not in ("facility_id", "type_id"))


OSM_MAPPING = "osm"
"""The mapping of ``from_osm`` where the configuration names none."""


@dataclass(frozen=True)
class _Source:
    """One source that was read: its rows, what it covers, where it reaches."""

    name: str
    where: str
    table: gpd.GeoDataFrame
    covers: tuple[str, ...]
    extent: shapely.Geometry | None


def read_facilities(
    config: Config, standard: Standard, crs: pyproj.CRS, network_path: Path, notes: Notes
) -> FacilityTable:
    """Read every source of facilities and keep what is open in the run's year.

    Parameters
    ----------
    config : Config
        The run's configuration; ``as_of`` is the year.
    standard : Standard
        Knows the types.
    crs : pyproj.CRS
        The run's metric CRS.
    network_path : Path
        The network's file, for ``from_osm``.
    notes : Notes
        Gets facilities that are not open, whose code is in no mapping or whose type is not in the standard, and types
        that occur although no source covers them.

    Returns
    -------
    FacilityTable
        Columns of `tables.FACILITIES` and what else the files have, sorted by ``facility_id``. A source without
        ids gets ``<file stem>:<row>``. ``source`` is the file's name, with ``[2]`` and so on for the second source
        from one file. A source's extent is the convex hull of all its rows, open or not.

    Raises
    ------
    InputError
        Everything that is wrong with any of the files, at once.
    ConfigError
        If a type or mapping is unknown, or keys contradict the file.
    """
    names = _source_names(config, network_path)
    sources: list[_Source] = []
    errors: list[Circle15Error] = []
    for number, (item, name) in enumerate(zip(config.facilities, names, strict=True), start=1):
        where = f"{config.path}, facilities[{number}]"
        try:
            read = _read_osm if item.from_osm else _read_file
            path = network_path if item.source is None else config.resolve(item.source)
            sources.append(read(item, path, name, where, config, standard, crs, notes))
        except (ConfigError, InputError) as error:
            errors.append(error)
    for kind in (ConfigError, InputError):
        raise_if_any([p for error in errors if isinstance(error, kind) for p in error.problems], kind)
    raise_if_any(_shared_ids(sources))
    table = _join(sources, crs)
    table = _open_in(table, config.run.as_of, notes)
    covered = {
        t.id: tuple(s.name for s in sources if t.id in s.covers)
        for t in standard.types
        if any(t.id in s.covers for s in sources)
    }
    _note_not_covered(table, covered, notes)
    return FacilityTable(table, covered, {s.name: s.extent for s in sources})


def _source_names(config: Config, network_path: Path) -> list[str]:
    """Return a name for each source: its file's, numbered from the second that is called so."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for item in config.facilities:
        name = Path(item.source).name if item.source else network_path.name
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}[{seen[name]}]")
    return names


# one source --------------------------------------------------------------------------------------------------------


def _read_file(
    item: FacilitiesConfig,
    path: Path,
    name: str,
    where: str,
    config: Config,
    standard: Standard,
    crs: pyproj.CRS,
    notes: Notes,
) -> _Source:
    claimed = _claimed(item, standard, where)
    mapping = load_mapping(item.mapping, config.folder) if item.mapping else None
    if item.type_column:
        _refuse_two_types(item, where)
        item = item.model_copy(update={"columns": {**item.columns, "type_id": item.type_column}})
    elif item.type:
        item = item.model_copy(update={"set": {**item.set, "type_id": item.type}})
    layer = load_layer(item, path, Wanted("facilities", FACILITIES, "facility_id"), notes)
    given = "facility_id" in layer.table
    if not given:
        stem = name.replace(path.suffix, "", 1)
        layer.table["facility_id"] = [f"{stem}:{number + 1}" for number in layer.table.index]
    ids = (Column("facility_id", required=True, unique=True), Column("type_id", required=True))
    layer.problems += check_columns(layer.table, [*ids, *ROWS], layer.where, layer.label)
    layer.problems += _check_years(layer)
    if mapping is None:
        layer.problems += _unknown_types(layer, standard)
    table = layer.project(crs)
    extent = shapely.GeometryCollection(list(table.geometry)).convex_hull
    if mapping is not None:
        table = _apply(mapping, table, item.type_column or "code", standard, path, notes)
    table["source"] = name
    found = mapping.covers() if mapping is not None else tuple(table["type_id"])
    return _Source(name, layer.where, table, _in_order(found if claimed is None else claimed, standard), extent)


def _read_osm(
    item: FacilitiesConfig,
    path: Path,
    name: str,
    where: str,
    config: Config,
    standard: Standard,
    crs: pyproj.CRS,
    notes: Notes,
) -> _Source:
    problems = [
        Problem(f'"{key}" means nothing with from_osm', where, remedy=f"Remove {key}.")
        for key in NOT_OF_OSM
        if getattr(item, key)
    ]
    if not path.name.lower().endswith(OSM_SUFFIXES):
        remedy = "Give the network as .osm.pbf or .osm, or facilities from files of their own."
        problems.append(Problem(f"from_osm needs an OSM file, the network is {path.name}", where, remedy=remedy))
    raise_if_any(problems, ConfigError)
    claimed = _claimed(item, standard, where)
    mapping = load_mapping(item.mapping or OSM_MAPPING, config.folder)
    table = read_osm_places(path, crs, mapping, notes)
    contract = [*(c for c in FACILITIES if c.name in ("facility_id", "type_id")), *ROWS]
    raise_if_any(check_columns(table, contract, str(path), label(table, "facility_id")))
    table = _only_types_of(table, standard, name, notes)
    table["source"] = name
    return _Source(name, str(path), table, _in_order(mapping.covers() if claimed is None else claimed, standard), None)


def _refuse_two_types(item: FacilitiesConfig, where: str) -> None:
    twice = [f"{table}.type_id" for table in ("columns", "set") if "type_id" in getattr(item, table)]
    if twice:
        remedy = f"Remove {' and '.join(twice)}."
        raise ConfigError(Problem(f"type_column and {' and '.join(twice)} both name the type", where, remedy=remedy))


def _claimed(item: FacilitiesConfig, standard: Standard, where: str) -> tuple[str, ...] | None:
    """Return what the configuration says that the source covers, None if nothing; unknown types are errors."""
    known = [t.id for t in standard.types]
    asked = [*(item.covers or ()), *([item.type] if item.type else [])]
    problems = [
        Problem(f'unknown type "{name}"', where, remedy=nearest(name, known)) for name in asked if name not in known
    ]
    if item.type and any("type_id" in keys for keys in (item.columns, item.set)):
        problems.append(Problem("type and type_id both name the type", where, remedy="Remove one."))
    raise_if_any(problems, ConfigError)
    return tuple(item.covers) if item.covers is not None else None


def _in_order(types: tuple[str, ...], standard: Standard) -> tuple[str, ...]:
    """Return the standard's types among `types`, each once, in the standard's order."""
    return tuple(t.id for t in standard.types if t.id in set(types))


# rows --------------------------------------------------------------------------------------------------------------


def _check_years(layer: Layer) -> list[Problem]:
    early = (layer.table["closes"] < layer.table["opens"]).to_numpy()
    if not early.any():
        return []
    return [Problem('"closes" is before "opens"', layer.where, layer.label(early), "Correct these years.")]


def _unknown_types(layer: Layer, standard: Standard) -> list[Problem]:
    if "type_id" not in layer.table:
        return []
    known = [t.id for t in standard.types]
    types = layer.table["type_id"]
    return [
        Problem(f'unknown type "{name}"', layer.where, layer.label((types == name).to_numpy()), nearest(name, known))
        for name in dict.fromkeys(types)
        if name and name not in known
    ]


def _apply(
    mapping: Mapping, table: gpd.GeoDataFrame, code_column: str, standard: Standard, path: Path, notes: Notes
) -> gpd.GeoDataFrame:
    """Translate codes to types; codes that the mapping does not have leave their rows out, counted by code."""
    codes = table["type_id"]
    types = codes.map({code: mapping.type_of(code) for code in dict.fromkeys(codes)})
    unmapped = codes[types.isna()]
    counts = ", ".join(f"{code} ({number})" for code, number in unmapped.value_counts(sort=True).sort_index().items())
    text = f"{path.name}: {len(unmapped)} rows left out, since the mapping has no type for their code: {counts}"
    notes.add("facilities.unmapped", len(unmapped), text, table["facility_id"][types.isna()])
    table = table.assign(**({} if code_column in table else {code_column: codes}), type_id=types)
    return _only_types_of(table.loc[types.notna()], standard, path.name, notes)


def _only_types_of(table: gpd.GeoDataFrame, standard: Standard, name: str, notes: Notes) -> gpd.GeoDataFrame:
    """Leave out what a mapping knows and the standard does not ask for."""
    foreign = ~table["type_id"].isin([t.id for t in standard.types])
    types = ", ".join(sorted(set(table["type_id"][foreign])))
    text = f"{name}: {foreign.sum()} facilities left out, since the standard has no such type: {types}"
    notes.add("facilities.not_in_standard", foreign.sum(), text, table["facility_id"][foreign])
    return table.loc[~foreign].copy()


# all sources -------------------------------------------------------------------------------------------------------


def _shared_ids(sources: list[_Source]) -> list[Problem]:
    """Return a problem for each pair of sources that have ids in common."""
    problems = []
    for number, one in enumerate(sources):
        for other in sources[:number]:
            both = sorted(set(one.table["facility_id"]) & set(other.table["facility_id"]))
            if both:
                what = f'"facility_id" occurs in {other.where} too'
                remedy = "Make ids unique over all sources, or leave facility_id unmapped in one of them."
                problems.append(Problem(what, one.where, tuple(both), remedy))
    return problems


def _join(sources: list[_Source], crs: pyproj.CRS) -> gpd.GeoDataFrame:
    """Put all rows into one table, contract first; a further column that is text in one source is text in all."""
    tables = [pd.DataFrame(s.table) for s in sources]
    joined = pd.concat(tables, ignore_index=True)
    names = [column.name for column in FACILITIES]
    others = [name for name in joined.columns if name not in (*names, "geometry")]
    for name in others:
        kinds = {t[name].dtype.kind for t in tables if name in t}
        if len(kinds) > 1 or joined[name].dtype == object:
            joined[name] = clean_text(joined[name])
    joined = joined[[*names, *others, "geometry"]].sort_values("facility_id", ignore_index=True)
    return gpd.GeoDataFrame(joined, geometry="geometry", crs=crs)


def _open_in(table: gpd.GeoDataFrame, year: int, notes: Notes) -> gpd.GeoDataFrame:
    """Keep what is open in `year`: opened by then, and not closed by then."""
    early = (table["opens"] > year).to_numpy()
    gone = (table["closes"] <= year).to_numpy() & ~early
    closed = early | gone
    text = (
        f"{closed.sum()} facilities are not open in {year} and left out: "
        f"{early.sum()} open later, {gone.sum()} have closed"
    )
    notes.add("facilities.not_open", closed.sum(), text, table["facility_id"][closed])
    return table.loc[~closed].reset_index(drop=True)


def _note_not_covered(table: gpd.GeoDataFrame, covered: dict[str, tuple[str, ...]], notes: Notes) -> None:
    loose = ~table["type_id"].isin(covered).to_numpy()
    counts = table["type_id"][loose].value_counts().sort_index()
    types = ", ".join(f"{name} ({number})" for name, number in counts.items())
    text = (
        f"{loose.sum()} facilities are of types that no source covers, which are unknown; they count only for types "
        f"that they provide: {types}"
    )
    notes.add("facilities.not_covered", loose.sum(), text, table["facility_id"][loose])
