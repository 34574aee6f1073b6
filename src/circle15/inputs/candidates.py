"""Sites that `suggest` may choose from: where, by which means, for which types, at what cost, and from when on."""

import dataclasses

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from circle15.config import CandidatesConfig, Config
from circle15.errors import InputError, Notes, Problem, raise_if_any
from circle15.inputs.formats import nearest
from circle15.inputs.ids import clean_id
from circle15.inputs.projects import (
    MEANS_WORDS,
    Places,
    check_inside,
    host_points,
    on_degree_grid,
    report,
    says_no_rows,
    take_places,
    take_words,
    unknown_ids,
)
from circle15.inputs.vector import Layer, Wanted, load_layer
from circle15.inputs.years import take_years
from circle15.standard.model import Standard
from circle15.tables import CANDIDATES, Column, FacilityTable, TextArray, check_columns, some_of

COST = "cost_"
"""Columns that begin so hold the cost of the type whose id follows."""

SEPARATOR = "|"
"""Stands between the types that a site may take."""


def read_candidates(
    config: Config, standard: Standard, committees: gpd.GeoDataFrame, facilities: FacilityTable, notes: Notes
) -> gpd.GeoDataFrame | None:
    """Read the sites of ``[candidates]``; None where the configuration names none, and sites are to be proposed.

    Parameters
    ----------
    config : Config
        The run's configuration; what can be used only after its plan's last year is noted.
    standard : Standard
        Knows the types.
    committees : GeoDataFrame
        As `read_committees` returns it: says where the district is, and its towns.
    facilities : FacilityTable
        Existing facilities, which may take others in.
    notes : Notes
        Gets ``candidates.too_late``, ``candidates.dates`` and ``candidates.coordinates_unread``, beside those of the
        shared keys.

    Returns
    -------
    GeoDataFrame
        Columns of `tables.CANDIDATES`, ``types`` as ids joined by ``|`` without spaces; each ``cost_<type>`` that the
        file has, as float64; what else it has; and ``geometry``, a Point in the committees' CRS on the grid of
        `projects.on_degree_grid`: the site's, or its host's where it has none. Sorted by ``candidate_id``.

    Raises
    ------
    InputError
        With everything that is wrong with the file, at once.
    """
    if config.candidates is None:
        return None
    costs = [Column(COST + one.id, "number", minimum=0.0) for one in standard.types]
    layer = _load(config, config.candidates, costs, notes)
    places = take_places(layer, committees.crs, "candidates", notes)
    take_words(layer, "means", MEANS_WORDS, required=True)
    take_years(layer, ["earliest_year"], "candidates", notes)
    contract = [dataclasses.replace(c, required=False, allowed=()) if c.name == "means" else c for c in CANDIDATES]
    contract += [column for column in costs if column.name in layer.table]
    layer.problems += check_columns(layer.table, contract, layer.where, layer.label)
    _check_costs(layer, standard)
    _take_types(layer, standard)
    unknown_ids(layer, "town_id", committees["town_id"], "the committees' towns")
    remedy = f"It has to be a facility of this run, open in {config.run.as_of}."
    unknown_ids(layer, "host_facility_id", facilities.table["facility_id"], "the facilities", remedy)
    points = _at_hosts(layer, places, facilities)
    check_inside(layer, points, committees)
    raise_if_any(layer.problems)
    late = (layer.table["earliest_year"] > config.plan_years[-1]).to_numpy()
    text = f"{late.sum()} sites can't be used before the plan ends in {config.plan_years[-1]}"
    notes.add("candidates.too_late", late.sum(), text, layer.label(late))
    table = pd.DataFrame(layer.table.drop(columns="geometry"))
    names = [column.name for column in contract]
    table = table[[*names, *(name for name in table.columns if name not in names)]]
    grid = gpd.GeoSeries(on_degree_grid(points, committees.crs), index=table.index, crs=committees.crs)
    return gpd.GeoDataFrame(table, geometry=grid).sort_values("candidate_id", ignore_index=True)


def _load(config: Config, source: CandidatesConfig, costs: list[Column], notes: Notes) -> Layer:
    # Costs by type are in the contract too, so that a key "cost_a" of columns isn't taken for a misspelt "cost".
    wanted = Wanted("candidates", (*CANDIDATES, *costs), "candidate_id", without_geometry=True)
    try:
        return load_layer(source, config.resolve(source.source), wanted, notes)
    except InputError as error:
        if not says_no_rows(error):
            raise
        remedy = "Add some, or remove [candidates]: sites are then proposed."
        raise InputError(dataclasses.replace(error.problems[0], remedy=remedy)) from None


def _check_costs(layer: Layer, standard: Standard) -> None:
    """Report columns that begin as costs of a type do, and name none of the standard's."""
    known = [one.id for one in standard.types]
    for name in [str(name) for name in layer.table.columns]:
        one = name.removeprefix(COST)
        if one != name and one not in known:
            remedy = f"Columns that begin with {COST} hold the cost of a type; rename others. {nearest(one, known)}"
            layer.problems.append(Problem(f'column "{name}" names no type of the standard', layer.where, remedy=remedy))


def _take_types(layer: Layer, standard: Standard) -> None:
    """Bring lists of types to one form, in place; types that are unknown or named twice are problems."""
    known = [one.id for one in standard.types]
    lists = [
        [clean_id(one) for one in clean_id(text).split(SEPARATOR)] if text else [] for text in layer.table["types"]
    ]
    strange = np.array([not set(one) <= set(known) for one in lists], dtype=bool)
    if strange.any():
        names = pd.Series([one for types in lists for one in types if one not in known], dtype=object)
        remedy = f"Join several by {SEPARATOR}. {nearest(str(names.iloc[0]), known)}"
        report(layer, f'"types" has {some_of(names)}, not among the standard\'s types', strange, remedy)
    twice = np.array([len(set(one)) < len(one) for one in lists], dtype=bool)
    report(layer, '"types" names a type twice', twice, "Name each once.")
    layer.table["types"] = pd.Series([SEPARATOR.join(one) for one in lists], index=layer.table.index, dtype=object)


def _at_hosts(layer: Layer, places: Places, facilities: FacilityTable) -> TextArray:
    """Return the place of each site, its host's where it has none of its own; no place at all is a problem."""
    host = layer.table["host_facility_id"]
    hosts = host_points(host, facilities)
    unknown = ((host != "") & ~host.isin(facilities.table["facility_id"])).to_numpy()  # reported as such
    bare = places.missing & shapely.is_missing(hosts) & ~unknown
    remedy = "Give lon and lat, or as host_facility_id a facility that is given as points."
    report(layer, "sites without a place", bare, remedy)
    return np.where(places.missing, hosts, places.points)
