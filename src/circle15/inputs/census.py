"""Census totals by town or committee, and cells scaled to them.

A raster or grid says where people live relative to one another; a census says how many there are. Within each area all
cells are multiplied by one factor, the total and every group by their own, so that each area has its official figures
and the pattern inside of it stays.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj

from circle15.config import Config
from circle15.errors import ComputeError, Notes, Problem, raise_if_any
from circle15.inputs.groups import check_group_names
from circle15.inputs.ids import match_ids
from circle15.inputs.vector import COORDINATES, Wanted, load_layer
from circle15.tables import Column, check_columns
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]

ID_OF = {"town": "town_id", "committee": "committee_id"}
FAR = 2.0
"""A factor beyond this, or below its inverse, says that cells and census hardly speak of the same area."""

NOBODY = 1e-12
"""Of a cell's total, or of one person, this share of a group is noise: no factor makes people of it."""

LOST_PERSONS = 1e-6
"""How far an area's cells may be from its census when they are scaled, persons."""


PLACED = "census."
"""Begins the id of a cell that stands for people whom only the census knows, at their committee's centre."""
UNTOLD = "groups_untold"
"""Attribute of the cells: groups of which the census says nothing, so that in placed cells they are not known."""


@dataclass(frozen=True)
class Census:
    """Official totals.

    Attributes
    ----------
    by : {"town", "committee"}
        What an area is.
    where : str
        The file, for messages.
    table : DataFrame
        Index: the areas' ids; columns: ``total`` and the groups, persons.
    """

    by: str
    where: str
    table: pd.DataFrame

    @property
    def name(self) -> str:
        """The file's name, for notes."""
        return Path(self.where).name


def read_census(config: Config, committees: gpd.GeoDataFrame, groups: list[str], notes: Notes) -> Census | None:
    """Read the table of ``[population.census]``; None where there is none.

    Parameters
    ----------
    config : Config
        The run's configuration. Every key of ``columns`` beside the id, ``total`` and coordinates names a group.
    committees : GeoDataFrame
        With ``committee_id`` and ``town_id``.
    groups : list of str
        Groups that the cells have: columns of the file with these names need no entry in ``columns``.
    notes : Notes
        Gets what the shared keys leave out.

    Returns
    -------
    Census
        One row for each area that has committees.

    Raises
    ------
    InputError
        With everything that is wrong: areas that are missing or unknown, numbers that are none, groups larger than
        their total.
    ConfigError
        If a group can't be called so.
    """
    source = config.population.census if config.population else None
    if source is None:
        return None
    path, id_column = config.resolve(source.source), ID_OF[source.by]
    known = {id_column, "total"} | {name for pair in COORDINATES for name in pair}
    named = [key for key in source.columns if key not in known]
    check_group_names(named, path)
    numbers = {group: Column(group, "number", required=True, minimum=0.0) for group in ("total", *named, *groups)}
    contract = (Column(id_column, required=True, unique=True), *numbers.values())
    wanted = Wanted("population.census", contract, id_column, without_geometry=True)
    layer = load_layer(source, path, wanted, notes)
    figures = [group for group in numbers if group in layer.table and group != "total"]
    contract = tuple(c for c in contract if c.name in layer.table or c.name in (id_column, "total"))
    layer.problems += check_columns(layer.table, contract, layer.where, layer.label)
    if id_column in layer.table:
        areas = list(dict.fromkeys(committees[id_column]))
        what = f"{source.by}s that have no committee" if source.by == "town" else "committees that do not exist"
        layer.problems += match_ids(layer.table[id_column], areas, layer.where, layer.label, what=what)
        layer.problems += _missing(areas, layer.table[id_column], source.by, layer.where)
    if "total" in layer.table:
        layer.problems += _too_large(layer.table, figures, layer.where, layer.label)
    raise_if_any(layer.problems)
    table = pd.DataFrame(layer.table).set_index(id_column)[["total", *figures]].astype(np.float64)
    return Census(source.by, layer.where, table)


def _missing(areas: list[str], found: pd.Series, by: str, where: str) -> list[Problem]:
    absent = tuple(one for one in areas if one not in set(found))
    remedy = "Add their totals, or leave out [population.census]: part of a census would make them incomparable."
    return [Problem(f"has no row for some {by}s", where, absent, remedy)] if absent else []


def _too_large(
    table: pd.DataFrame, groups: list[str], where: str, label: Callable[[npt.NDArray[np.bool_]], tuple[str, ...]]
) -> list[Problem]:
    problems = []
    for group in groups:
        wrong = (table[group] > table["total"]).to_numpy()
        if wrong.any():
            remedy = "A group is part of the total: correct one or the other."
            problems.append(Problem(f'"{group}" is larger than total', where, label(wrong), remedy))
    return problems


def scale_to_census(
    cells: gpd.GeoDataFrame, committee: IntArray, committees: gpd.GeoDataFrame, census: Census, notes: Notes
) -> tuple[gpd.GeoDataFrame, IntArray]:
    """Scale the cells of each area to its census.

    - The total of an area's cells is multiplied by census ÷ cells; cells in no committee stay as they are.
    - A group is multiplied by its own factor, capped at each cell's total; the factor is such that the area's sum is
      kept. A group that the cells lack in an area is spread as the total is; one that the census lacks keeps its share
      of the total.
    - A committee without anybody in its cells whose census says otherwise gets a cell at its centre.

    Parameters
    ----------
    cells : GeoDataFrame
        ``cell_id``, ``total``, groups and points.
    committee : int64 array of shape (cells,)
        Row of each cell's committee, -1 for none.
    committees : GeoDataFrame
        ``committee_id``, ``town_id`` and centres.
    census : Census
        What `read_census` returned.
    notes : Notes
        Gets the range of the factors, and everything that was placed, spread, capped or left.

    Returns
    -------
    tuple of GeoDataFrame and int64 array
        The cells sorted by ``cell_id``, with cells that were added, and the row of each one's committee.

    Raises
    ------
    InputError
        If a town of the census has people, and its committees no cell with any: there is no telling where they live.
    ComputeError
        If the scaled cells do not add up to the census.
    """
    groups = [str(name) for name in cells.columns if name not in ("cell_id", "total", "geometry")]
    cells, committee = _place(cells, committee, committees, census, notes)
    ids = census.table.index.to_numpy(dtype=object)
    row_of = {name: row for row, name in enumerate(ids)}
    of_committee = np.array([row_of[name] for name in committees[ID_OF[census.by]]], dtype=np.int64)
    area = np.where(committee >= 0, of_committee[committee], -1)
    total = _scale_total(cells["total"].to_numpy(dtype=np.float64), area, census, notes)
    scaled: dict[str, FloatArray] = {"total": total}
    told = _Told()
    for group in dict.fromkeys([*groups, *census.table.columns.drop("total")]):
        own = cells[group].to_numpy(dtype=np.float64) if group in cells else np.full(len(cells), np.nan)
        before = cells["total"].to_numpy(dtype=np.float64)
        scaled[group] = _scale_group(group, own, before, total, area, census, told)
    told.tell(census, notes)
    _check_sums(scaled, area, census)
    figures = pd.DataFrame(scaled, index=cells.index)
    changed = gpd.GeoDataFrame(
        pd.concat([cells[["cell_id"]], figures], axis=1), geometry=cells.geometry.to_numpy(), crs=cells.crs
    )
    _note_rest(total, area, census, notes)
    changed.attrs[UNTOLD] = [group for group in groups if group not in census.table]
    return changed, committee


def _place(
    cells: gpd.GeoDataFrame, committee: IntArray, committees: gpd.GeoDataFrame, census: Census, notes: Notes
) -> tuple[gpd.GeoDataFrame, IntArray]:
    """Return the cells with one more for every committee of the census that has people and no cell with any."""
    inside = committee >= 0
    persons = cells["total"].to_numpy(dtype=np.float64)
    lived_in = np.bincount(committee[inside], weights=persons[inside], minlength=len(committees)) > 0
    official = census.table["total"].reindex(committees[ID_OF[census.by]]).to_numpy(dtype=np.float64)
    if census.by == "town":
        towns = committees["town_id"].to_numpy(dtype=object)
        empty = [t for t in dict.fromkeys(towns[official > 0]) if not lived_in[towns == t].any()]
        remedy = (
            "Check that the population covers these towns and that their committees lie in it, or set their total to 0."
        )
        what = "towns with people in the census and none in any cell of their committees"
        raise_if_any([Problem(what, census.where, tuple(empty), remedy)] if empty else [])
        return cells, committee
    rows = np.flatnonzero((official > 0) & ~lived_in)
    if not len(rows):
        return cells, committee
    names = committees["committee_id"].to_numpy(dtype=object)[rows]
    groups = dict.fromkeys(cells.columns.drop(["cell_id", "total", "geometry"]), 0.0)
    ids = [f"{PLACED}{name}" for name in names]
    points = committees.geometry.to_numpy()[rows]
    figures = {"cell_id": ids, "total": official[rows], **groups}
    added = gpd.GeoDataFrame(figures, geometry=points, crs=pyproj.CRS(cells.crs))
    unsaid = ", ".join(str(group) for group in groups if group not in census.table)
    notes.add(
        "population.census_placed",
        len(rows),
        f"{census.name}: {official[rows].sum():,.0f} people of {len(rows)} committees without anybody in their cells "
        f"are placed at the committee's centre{f', none of them in {unsaid}' if unsaid else ''}",
        names,
    )
    both = pd.concat([cells, added[cells.columns]], ignore_index=True)
    place = np.append(committee, rows)
    order = np.argsort(both["cell_id"].to_numpy(dtype=str), kind="stable")
    return both.iloc[order].reset_index(drop=True), place[order].astype(np.int64)


def _scale_total(total: FloatArray, area: IntArray, census: Census, notes: Notes) -> FloatArray:
    official = census.table["total"].to_numpy(dtype=np.float64)
    found = _sum(total, area, len(official))
    some = found > 0
    factor = np.ones(len(official))
    factor[some] = official[some] / found[some]
    low, middle, high = np.quantile(factor[some], [0, 0.5, 1]) if some.any() else (1.0, 1.0, 1.0)
    text = (
        f"{census.name}: the people of {some.sum()} {census.by}s are scaled from {found.sum():,.0f} to "
        f"{official.sum():,.0f}, by {low:.3g} to {high:.3g} (median {middle:.3g})"
    )
    notes.add("population.census", int(some.sum()), text)
    far = some & ((factor > FAR) | (factor < 1 / FAR))
    text = (
        f"{census.name}: {far.sum()} {census.by}s have more than {FAR:g} times, or less than 1/{FAR:g} of, the people "
        "in the census that they have in cells"
    )
    notes.add("population.census_far", int(far.sum()), text, census.table.index[far])
    return np.where(area >= 0, total * factor[area], total)


@dataclass
class _Told:
    """What the scaling of the groups has to tell: group → number of areas or cells."""

    kept: list[str] = field(default_factory=list)
    spread: dict[str, list[str]] = field(default_factory=dict)
    capped: dict[str, int] = field(default_factory=dict)

    def tell(self, census: Census, notes: Notes) -> None:
        text = f"{census.name}: {', '.join(self.kept)} not in the census; scaled as the total is"
        notes.add("population.census_group_kept", len(self.kept), text, self.kept)
        for group, areas in self.spread.items():
            text = (
                f'{census.name}: the cells of {len(areas)} {census.by}s have nobody in "{group}" and the census does; '
            )
            text += "they are spread as the total is"
            notes.add("population.census_group_spread", len(areas), text, areas)
        for group, number in self.capped.items():
            text = (
                f'{census.name}: "{group}" would be larger than total in {number} cells and is capped there; the rest '
            )
            text += "goes to other cells of the area"
            notes.add("population.census_capped", number, text)


def _scale_group(
    group: str, own: FloatArray, before: FloatArray, total: FloatArray, area: IntArray, census: Census, told: _Told
) -> FloatArray:
    """Return a group scaled; `own` and `before` are the group and the total of the cells as they were."""
    if group not in census.table:
        told.kept.append(group)
        ratio = np.divide(own, before, out=np.zeros(len(own)), where=before > 0)
        return np.where(area >= 0, ratio * total, own)
    official = census.table[group].to_numpy(dtype=np.float64)
    known = np.nan_to_num(own)
    scaled, capped = known.copy(), 0
    order = np.argsort(area, kind="stable")
    ends = np.searchsorted(area[order], np.arange(len(official) + 1))
    for row, (first, last) in enumerate(pairwise(ends)):
        mine = order[first:last]
        if not known[mine].sum() > NOBODY and official[row] > 0:
            told.spread.setdefault(group, []).append(str(census.table.index[row]))
        scaled[mine], full = fill(known[mine], total[mine], float(official[row]))
        capped += full
    if capped:
        told.capped[group] = capped
    return scaled


def fill(group: FloatArray, room: FloatArray, target: float) -> tuple[FloatArray, int]:
    """Scale a group by one factor, capped at the room in each cell, so that it sums to a target.

    The factor `f` solves ``Σ min(f × group, room) = target``. If all cells where the group is are full before that, the
    rest goes into the other cells in proportion to their room.

    Parameters
    ----------
    group, room : float64 arrays of shape (cells,)
        0 or more; the room is the cells' total.
    target : float
        At most the sum of the room.

    Returns
    -------
    tuple of float64 array of shape (cells,) and int
        The scaled group, and how many cells would have exceeded their room by the plain factor.
    """
    has = group > NOBODY * np.maximum(room, 1.0)
    if not has.any():
        whole = room.sum()
        return (room * (target / whole) if whole > 0 else np.zeros(len(room))), 0
    group = np.where(has, group, 0.0)
    plain = int((group * (target / group.sum()) > room * (1 + LOST_PERSONS)).sum())
    most = float(room[has].sum())
    if target >= most:
        other = np.where(has, 0.0, room)
        free = other.sum()
        return np.where(has, room, other * ((target - most) / free if free > 0 else 0.0)), plain
    # cells fill up in the order of room ÷ group: try how many are full
    order = np.flatnonzero(has)[np.argsort(room[has] / group[has], kind="stable")]
    full = np.append(0.0, np.cumsum(room[order])[:-1])
    left = np.cumsum(group[order][::-1])[::-1]
    factor = (target - full) / left
    fits = factor <= room[order] / group[order]  # with this factor, the next cell isn't full
    number = int(np.argmax(fits)) if fits.any() else len(order) - 1  # in floating point it may be, just so
    return np.minimum(group * factor[number], room), plain


def _check_sums(scaled: dict[str, FloatArray], area: IntArray, census: Census) -> None:
    for name in census.table:
        official = census.table[name].to_numpy(dtype=np.float64)
        off = np.abs(_sum(scaled[str(name)], area, len(official)) - official)
        if (off > LOST_PERSONS * np.maximum(1.0, official * LOST_PERSONS)).any():
            raise ComputeError(f'cells scaled to the census are off by {off.max():g} people in "{name}"')


def _note_rest(total: FloatArray, area: IntArray, census: Census, notes: Notes) -> None:
    rest = area < 0
    text = f"{census.name}: {rest.sum()} cells ({total[rest].sum():,.0f} people) in no committee are not scaled"
    notes.add("population.census_outside", int(rest.sum()), text)


def _sum(figure: FloatArray, area: IntArray, areas: int) -> FloatArray:
    inside = area >= 0
    return np.bincount(area[inside], weights=figure[inside], minlength=areas).astype(np.float64)
