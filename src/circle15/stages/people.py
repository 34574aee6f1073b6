"""Stage 2: every person gets a committee or is counted in a rest, and every committee a centre."""

import dataclasses

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from circle15.assess.coverage import ASSIGNED, OFF_NETWORK, OUTSIDE
from circle15.inputs.committees import cells_in_areas, choose_centres
from circle15.network.travel import Places, nearest
from circle15.stages.run import Inputs, IntArray, Networks, Run, xy_of
from circle15.standard.resolve import speed_kmh
from circle15.units import minutes_to_s, speed_m_per_s


def place_people(run: Run, inputs: Inputs, networks: Networks) -> Inputs:
    """Give every cell its committee, and every committee its centre.

    Where committees have areas, a cell belongs to the one that holds it; where none has, to the nearest one on foot.
    """
    cells, committees = inputs.cells, inputs.committees
    nobody = np.empty(0, dtype=np.int64)
    if cells is None:
        return dataclasses.replace(inputs, committees=choose_centres(committees, None, nobody, run.notes))
    if committees["area"].notna().any():
        committee = cells_in_areas(cells, committees, run.notes)
        committees = choose_centres(committees, cells, committee, run.notes)
        status = np.where(committee >= 0, ASSIGNED, OUTSIDE).astype(object)
    else:
        committee, status = _nearest_committee(run, committees, cells, networks)
    for name, text in ((OUTSIDE, "outside every committee"), (OFF_NETWORK, "off the network, so in no committee")):
        lost = status == name
        run.notes.add(
            f"population.{name}",
            int(lost.sum()),
            f"{inputs.persons[lost].sum():,.0f} of {inputs.persons.sum():,.0f} people ({int(lost.sum())} cells) live "
            f"{text}; they are counted, and in nobody's rate",
        )
    return dataclasses.replace(inputs, committees=committees, cell_committee=committee, cell_status=status)


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
    centres = Places(run.snap(networks, "walk", centre_xy), centre_xy, np.arange(len(committees)))
    found = nearest(networks.of["walk"], run.snap(networks, "walk", xy_of(cells)), centres, np.inf)
    committee = np.where(inside, found.facility, -1)
    status = np.select([committee >= 0, inside], [ASSIGNED, OFF_NETWORK], default=OUTSIDE).astype(object)
    return committee, status
