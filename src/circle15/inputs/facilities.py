"""All ``[[facilities]]`` sources → one table, with the types that each source claims to know.

The claim matters as much as the places: a type that a source covers and that has no facility near by is a gap; a type
that no source covers is unknown. What a source covers is, unless ``covers`` says otherwise,

- with ``type``: that type;
- with ``type_column`` alone: the types that occur in it (a file that knows of the whole catalogue, and holds none of
  some types, has to say so with ``covers``);
- with a mapping, or ``from_osm``: the types that the mapping knows with high or medium confidence; of a table not those
  that follow from an area which some of its rows lack.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyproj
import shapely

from circle15.config import Config, FacilitiesConfig
from circle15.errors import Circle15Error, ConfigError, InputError, Notes, Problem, counted, raise_if_any
from circle15.inputs.codes import CodeBook, apply_mapping, area_of
from circle15.inputs.duplicates import settle_duplicates
from circle15.inputs.entrances import join_entrances, load_entrances
from circle15.inputs.formats import nearest
from circle15.inputs.mapping import Mapping, load_mapping
from circle15.inputs.names import drop_placeholders
from circle15.inputs.osm import read_osm_places
from circle15.inputs.osm_file import OSM_SUFFIXES
from circle15.inputs.parts import MEASURES, check_parts
from circle15.inputs.vector import Layer, Wanted, label, load_layer
from circle15.inputs.years import take_years
from circle15.standard.model import Standard
from circle15.standard.requirements import Quality
from circle15.tables import FACILITIES, Column, FacilityTable, check_columns, clean_text

NOT_OF_OSM = ("layer", "crs", "encoding", "ballpark", "columns", "set", "where", "entrances")
"""Keys that mean nothing with ``from_osm``."""

# The types are held against the standard apart, and ids are made where a source has none.
ROWS = tuple(column for column in FACILITIES if column.name not in ("facility_id", "type_id"))


RESERVED = ("source", "on_network")
"""Columns of facilities that circle15 fills itself."""

OSM_MAPPING = "osm"
"""The mapping of ``from_osm`` where the configuration names none."""

YEARS = ("opens", "closes")

TWICE = '"facility_id" occurs more than once'
TWICE_REMEDY = (
    "Make each one unique; several entrances of one facility go into a table of their own, named by entrances."
)

TYPO = 0.8
"""How like a type of the standard a mapping's has to be (difflib's ratio) to be taken for a misspelling of it."""


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
        Gets facilities that are not open, whose code is in no mapping or whose type is not in the standard, types
        that occur although no source covers them, and what two sources have or seem to have both.

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
        if item.drop_duplicates and number == 1:
            remedy = "Remove it here, or put the source that is to win first."
            errors.append(ConfigError(Problem("drop_duplicates has no earlier source to go by", where, remedy=remedy)))
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
    absent = table
    table = _open_in(table, config.run.as_of, notes)
    absent = absent[~absent["facility_id"].isin(table["facility_id"])]
    dropping = {name for item, name in zip(config.facilities, names, strict=True) if item.drop_duplicates}
    table = settle_duplicates(table, names, dropping, notes)
    covered = {
        t.id: tuple(s.name for s in sources if t.id in s.covers)
        for t in standard.types
        if any(t.id in s.covers for s in sources)
    }
    _note_not_covered(table, covered, notes)
    left_out = pd.DataFrame(absent[["facility_id", "type_id", "opens", "closes"]]).reset_index(drop=True)
    return FacilityTable(table, covered, {s.name: s.extent for s in sources}, left_out)


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
    mapping = _table_mapping(item, config, standard, where, notes)
    if item.type_column:
        _refuse_two_types(item, where)
        item = item.model_copy(update={"columns": {**item.columns, "type_id": item.type_column}})
    elif item.type:
        item = item.model_copy(update={"set": {**item.set, "type_id": item.type}})
    contract = (*FACILITIES, Column("town_id"))  # an id as well, though most sources have none
    layer = load_layer(item, path, Wanted("facilities", contract, "facility_id", also=_known(standard)), notes)
    _name_rows(layer, item, name, path, where)
    if mapping is not None and "name" not in layer.table and CodeBook(mapping).asks_names:
        remedy = 'Map one, e.g. columns = { name = "名称" }.'
        what = f'no column "name", by which the mapping "{item.mapping}" tells types of one code apart'
        layer.problems.append(Problem(what, layer.where, remedy=remedy))
    _set_aside(layer, path, notes)
    _check_rows(layer, notes)
    if mapping is None:
        layer.problems += [*_unknown_types(layer, standard), *check_parts(layer, standard)]
    entrances = _load_entrances(item, layer, config, notes)
    raise_if_any(layer.problems + (entrances.problems if entrances else []))
    table = layer.project(crs)
    extent = shapely.GeometryCollection(list(table.geometry)).convex_hull
    area_m2 = area_of(table.geometry.to_numpy())
    if entrances is not None:
        table = join_entrances(table, entrances.project(crs), name, notes)
    if mapping is None:
        covers = tuple(table["type_id"])
    else:
        table, unmeasured = apply_mapping(mapping, table, item.type_column or "code", area_m2, path.name, notes)
        covers = tuple(one for one in mapping.covers_by_codes() if one not in unmeasured)
        table = _only_types_of(table, standard, path.name, notes)
    table["source"] = name
    covers = _in_order(covers if claimed is None else claimed, standard)
    if mapping is not None:
        _note_without_rows(covers, table, path.name, notes)
    return _Source(name, layer.where, table, covers, extent)


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
    if not any(rule.by_tags for rule in mapping.types):
        remedy = "Name one that says which tags a type has, or none for the one that is shipped."
        raise ConfigError(Problem(f'the mapping "{item.mapping}" is not for OSM tags', where, remedy=remedy))
    table = read_osm_places(path, crs, mapping, notes)
    drop_placeholders(table, "facilities", str(path), label(table, "facility_id"), notes)
    contract = [*(c for c in FACILITIES if c.name in ("facility_id", "type_id")), *ROWS]
    raise_if_any(check_columns(table, contract, str(path), label(table, "facility_id")))
    table = _only_types_of(table, standard, name, notes)
    table["source"] = name
    covers = _in_order(mapping.covers_by_tags() if claimed is None else claimed, standard)
    return _Source(name, str(path), table, covers, None)


def _table_mapping(
    item: FacilitiesConfig, config: Config, standard: Standard, where: str, notes: Notes
) -> Mapping | None:
    """Return the mapping of a table's codes, if it has one; note what in it speaks of other data than the table's."""
    if item.mapping is None or item.source is None:
        return None
    mapping = load_mapping(item.mapping, config.folder)
    if not CodeBook(mapping).codes:
        remedy = "Name one with codes, e.g. amap; osm is for from_osm."
        raise ConfigError(Problem(f'the mapping "{item.mapping}" has no codes', where, remedy=remedy))
    known = [one.id for one in standard.types]
    named = [*(rule.id for rule in mapping.types), *mapping.codes.values()]
    typos = {
        one: near[0]
        for one in dict.fromkeys(named)
        if one not in known and (near := difflib.get_close_matches(one, known, n=1, cutoff=TYPO))
    }
    words = ", ".join(f"{one} (is it {near}?)" for one, near in typos.items())
    text = f'the mapping "{item.mapping}" names types that the standard does not have but for their spelling: {words}'
    notes.add("facilities.mapping_types", len(typos), text, typos)
    converted = "datum" in item.model_fields_set and item.datum == "wgs84"
    if mapping.datum not in (None, item.datum) and not converted:
        given = f"is declared to be {item.datum}" if "datum" in item.model_fields_set else "declares no datum"
        text = (
            f'{Path(item.source).name}: data with codes of "{item.mapping}" is {mapping.datum} as a rule, and this '
            f'source {given}: its places may lie some 500 m off. Declare datum = "{mapping.datum}", or "wgs84" if they '
            "were converted"
        )
        notes.add(f"facilities.{Path(item.mapping).stem}_datum", 1, text)
    return mapping


def _load_entrances(item: FacilitiesConfig, layer: Layer, config: Config, notes: Notes) -> Layer | None:
    if item.entrances is None or "facility_id" not in layer.table:
        return None
    path = config.resolve(item.entrances.source)
    return load_entrances(item.entrances, path, layer.table["facility_id"], notes, filtered=item.where is not None)


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


def _known(standard: Standard) -> tuple[str, ...]:
    """Return the columns beside the contract's that count: the town, attributes that are asked for, parts."""
    attributes = [one.attribute for one in standard.requirements if isinstance(one, Quality)]
    parts = [f"{measure}_as_{one.id}" for measure in MEASURES for one in standard.types]
    return ("town_id", *dict.fromkeys(attributes), *parts)


def _name_rows(layer: Layer, item: FacilitiesConfig, name: str, path: Path, where: str) -> None:
    """Make ids from file and row where a source has none."""
    if "facility_id" in layer.table:
        return
    if item.entrances is not None:
        remedy = 'Map a column of ids, e.g. columns = { facility_id = "编号" }.'
        raise ConfigError(Problem("entrances need facilities with a facility_id", where, remedy=remedy))
    stem = name.replace(path.suffix, "", 1)
    layer.table["facility_id"] = [f"{stem}:{number + 1}" for number in layer.table.index]


def _set_aside(layer: Layer, path: Path, notes: Notes) -> None:
    """Rename columns of the file that have names of circle15's own, so that nothing is lost and nothing mistaken."""
    new = {}
    for name in RESERVED:
        if name in layer.table:
            new[name] = f"{name}_of_file"
            while new[name] in layer.table:
                new[name] += "_of_file"
    text = f"{path.name}: columns named as circle15's own are kept as {', '.join(new.values())}: {', '.join(new)}"
    notes.add("facilities.columns_renamed", len(new), text, list(new))
    layer.table = layer.table.rename(columns=new)


def _check_rows(layer: Layer, notes: Notes) -> None:
    """Hold all columns against their contract in place; findings go to the layer's problems."""
    take_years(layer, YEARS, "facilities", notes)
    ids = (Column("facility_id", required=True, unique=True), Column("type_id", required=True))
    found = check_columns(layer.table, [*ids, *ROWS], layer.where, layer.label)
    layer.problems += [dataclasses.replace(one, remedy=TWICE_REMEDY) if one.what == TWICE else one for one in found]
    layer.problems += _check_order(layer)


def _check_order(layer: Layer) -> list[Problem]:
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


def _only_types_of(table: gpd.GeoDataFrame, standard: Standard, name: str, notes: Notes) -> gpd.GeoDataFrame:
    """Leave out what a mapping knows and the standard does not ask for."""
    foreign = ~table["type_id"].isin([t.id for t in standard.types])
    types = ", ".join(sorted(set(table["type_id"][foreign])))
    text = f"{name}: {foreign.sum()} facilities left out, since the standard has no such type: {types}"
    notes.add("facilities.not_in_standard", foreign.sum(), text, table["facility_id"][foreign])
    return table.loc[~foreign].copy()


def _note_without_rows(covers: Sequence[str], table: gpd.GeoDataFrame, name: str, notes: Notes) -> None:
    absent = [one for one in covers if one not in set(table["type_id"])]
    text = f"{name}: {len(absent)} types that the source covers have no place in it; it is taken at its word"
    notes.add("facilities.types_without_places", len(absent), text, absent)


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
        f"{counted(closed.sum(), 'facility is', 'facilities are')} not open in {year} and left out: "
        f"{counted(early.sum(), 'opens', 'open')} later, {counted(gone.sum(), 'has', 'have')} closed"
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
