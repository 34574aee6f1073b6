"""Stage 2: every person gets a committee or is counted in a rest, and every committee a centre.

The order: committees get their share of each cell and their centre, and then cells are scaled to the census. Scaling
moves no centre, for all cells of a committee have the same factor.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from circle15.assess.coverage import ASSIGNED, OFF_NETWORK, OUTSIDE
from circle15.errors import counted
from circle15.inputs.census import PLACED, UNTOLD, read_census, scale_to_census
from circle15.inputs.committees import choose_centres
from circle15.inputs.land import land_km2, read_water
from circle15.inputs.sharing import share_cells
from circle15.network.compounds import add_inside
from circle15.network.travel import Places, nearest
from circle15.stages.run import Inputs, IntArray, Networks, Run, xy_of
from circle15.stages.travel import content_of
from circle15.standard.resolve import speed_kmh
from circle15.tables import SHAPE
from circle15.units import FloatArray, minutes_to_s, speed_m_per_s

NOT_GROUPS = ("cell_id", "total", "geometry", "committee_id", "status", SHAPE)
"""Columns of the cells that are no population groups."""


def place_people(run: Run, inputs: Inputs, networks: Networks) -> Inputs:
    """Give every cell its committee, and every committee its centre.

    Where committees have areas, the people of a cell belong to those that hold its land, and a cell that several share
    becomes several; where none has, a cell belongs to the nearest one on foot.
    """
    committees = inputs.committees
    nobody = np.empty(0, dtype=np.int64)
    if inputs.cells is None:
        return dataclasses.replace(inputs, committees=choose_centres(committees, None, nobody, run.notes))
    water = read_water(run.config, inputs.crs, run.notes)
    cells, committee = _share(run, inputs.cells, committees, water)
    if committees["area"].notna().any():
        committees = choose_centres(committees, cells, committee, run.notes)
        status = np.where(committee >= 0, ASSIGNED, OUTSIDE).astype(object)
    else:
        committee, status = _nearest_committee(run, committees, cells, networks)
    inputs = dataclasses.replace(
        inputs, cells=cells, committees=committees, cell_committee=committee, cell_status=status, water=water
    )
    inputs = _scale(run, inputs)
    for name, text in ((OUTSIDE, "outside every committee"), (OFF_NETWORK, "off the network, so in no committee")):
        lost = inputs.cell_status == name
        run.notes.add(
            f"population.{name}",
            int(lost.sum()),
            f"{inputs.persons[lost].sum():,.0f} of {inputs.persons.sum():,.0f} people "
            f"({counted(int(lost.sum()), 'cell', 'cells')}) live {text}; they are counted, and in nobody's rate",
        )
    return inputs


def _share(
    run: Run, cells: gpd.GeoDataFrame, committees: gpd.GeoDataFrame, water: npt.NDArray[np.object_] | None
) -> tuple[gpd.GeoDataFrame, IntArray]:
    """Return the cells as committees share them; only where some have an area, there is anything to share."""
    source = run.config.population
    size_m, path = (None, Path()) if source is None else (source.cell_size_m, run.config.resolve(source.source))
    figures = [cells[name].to_numpy() for name in ("cell_id", *groups_of(cells), "total")]
    shapes = [_content(of) for of in (cells.geometry.array, cells.get(SHAPE), committees["area"], water)]
    shared: tuple[gpd.GeoDataFrame, IntArray] = run.kept(
        lambda notes: share_cells(cells, committees, water, size_m, path, notes),
        *("shared cells", groups_of(cells), figures, committees["committee_id"].to_numpy(), shapes, size_m, path.name),
    )
    return shared


def _content(shapes: Iterable[shapely.Geometry | None] | None) -> Any:
    """Return shapes, some of them missing, as what a store can tell apart."""
    if shapes is None:
        return None
    every = np.asarray(shapes, dtype=object)
    there = ~shapely.is_missing(every)
    return np.flatnonzero(there), content_of(every[there])


def _scale(run: Run, inputs: Inputs) -> Inputs:
    """Scale the cells to the census, where there is one."""
    cells = inputs.cells
    census = None if cells is None else read_census(run.config, inputs.committees, groups_of(cells), run.notes)
    if cells is None or census is None:
        return inputs
    scaled, committee = scale_to_census(cells, inputs.cell_committee, inputs.committees, census, run.notes)
    status_of = dict(zip(cells["cell_id"], inputs.cell_status, strict=True))
    status = np.array([status_of.get(name, ASSIGNED) for name in scaled["cell_id"]], dtype=object)
    return dataclasses.replace(inputs, cells=scaled, cell_committee=committee, cell_status=status)


def groups_of(cells: gpd.GeoDataFrame) -> list[str]:
    """Return the names of the population groups among the columns of the cells."""
    return [str(name) for name in cells.columns if name not in NOT_GROUPS]


def densities(run: Run, inputs: Inputs) -> FloatArray:
    """Return the people of each committee per km² of its land, once people are placed.

    Returns
    -------
    float64 array of shape (committees,)
        NaN without population, where the land is not known, and where there is none (noted).
    """
    nothing = np.full(len(inputs.committees), np.nan)
    if inputs.cells is None:
        return nothing
    water = inputs.water
    land = land_km2(inputs.committees, water)
    areas = inputs.committees["area"].to_numpy(dtype=object)
    if water is not None and not shapely.intersects(shapely.union_all(water), areas).any():
        text = f"not one of {len(water)} polygons of water touches a committee's area: is its crs right?"
        run.notes.add("committees.water_elsewhere", len(water), text)
    none = land == 0
    text = f"{none.sum()} committees have no land, so no density: their area is all water, or land_km2 is 0"
    run.notes.add("committees.no_land", int(none.sum()), text, inputs.committees["committee_id"][none])
    people = inputs.population["total"]
    known = land > 0  # NaN isn't
    nothing[known] = people[known] / land[known]
    return nothing


def group_shares(inputs: Inputs) -> dict[str, FloatArray]:
    """Return each group's share of a committee's people, in percent, once people are placed.

    Returns
    -------
    dict of str to float64 array of shape (committees,)
        0 to 100 by group, as the rules of a standard ask for it; NaN where nobody lives. Empty without population.
    """
    people = inputs.population
    somebody = np.where(people["total"] > 0, people["total"], np.nan) if people else np.empty(0)
    shares = {group: 100.0 * persons / somebody for group, persons in people.items() if group != "total"}
    for group, share in shares.items():
        share[_untold(inputs, group)] = np.nan
    return shares


def _untold(inputs: Inputs, group: str) -> npt.NDArray[np.bool_]:
    """Return which committees have people that a census placed there without saying how many are of the group."""
    untold = np.zeros(len(inputs.committees), dtype=bool)
    if inputs.cells is not None and UNTOLD in inputs.cells.attrs and group in inputs.cells.attrs[UNTOLD]:
        placed = inputs.cells["cell_id"].astype(str).str.startswith(PLACED).to_numpy() & (inputs.cell_committee >= 0)
        untold[inputs.cell_committee[placed]] = True
    return untold


def _nearest_committee(
    run: Run, committees: gpd.GeoDataFrame, cells: gpd.GeoDataFrame, networks: Networks
) -> tuple[IntArray, npt.NDArray[np.object_]]:
    """Return the nearest committee on foot of cells within one threshold's walk of the committees' hull."""
    walk = speed_m_per_s(speed_kmh(run.standard, "walk"))
    buffer_m = minutes_to_s(run.standard.service_circle.minutes) * walk
    extent = shapely.buffer(shapely.convex_hull(shapely.multipoints(committees.geometry.to_numpy())), buffer_m)
    shapely.prepare(extent)
    inside = shapely.intersects(extent, cells.geometry.to_numpy())
    centre_xy = xy_of(committees)
    network, limit_m = networks.of["walk"], run.config.network.max_snap_m
    centres = Places(run.snap_to_end(networks, "walk", centre_xy), centre_xy, np.arange(len(committees)))
    if network.has_compounds:
        centres = add_inside(network, centres, committees.geometry.to_numpy(), limit_m)
    found = nearest(network, run.snap_to_begin(networks, "walk", xy_of(cells)), centres, np.inf)
    committee = np.where(inside, found.facility, -1)
    status = np.select([committee >= 0, inside], [ASSIGNED, OFF_NETWORK], default=OUTSIDE).astype(object)
    return committee, status
