"""Which people matter: those of the committees, and those who share facilities with them."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from circle15.errors import Notes, counted
from circle15.units import METRES_PER_KM


@dataclass(frozen=True)
class Nearby:
    """A box around the committees.

    Attributes
    ----------
    west, south, east, north : float
        Its sides in the run's CRS, metres.
    beyond_m : float
        How far it reaches beyond the committees.
    """

    west: float
    south: float
    east: float
    north: float
    beyond_m: float

    @property
    def box(self) -> shapely.Polygon:
        """The box."""
        return shapely.box(self.west, self.south, self.east, self.north)

    @property
    def beyond(self) -> str:
        """How far it reaches, for messages."""
        return f"{self.beyond_m / METRES_PER_KM:,.1f} km"


def only_nearby(cells: gpd.GeoDataFrame, nearby: Nearby, name: str, notes: Notes) -> gpd.GeoDataFrame:
    """Leave out cells that lie beyond the box; if all do, none is left out, for then something else is wrong.

    Parameters
    ----------
    cells : GeoDataFrame
        ``cell_id``, ``total``, and polygons or points.
    nearby : Nearby
        The box, in their CRS.
    name : str
        The file's, for the note.
    notes : Notes
        Gets the cells that were left out, and their people.
    """
    far = ~shapely.intersects(nearby.box, np.asarray(cells.geometry.array))
    if far.all():
        return cells
    text = (
        f"{name}: {counted(int(far.sum()), 'cell lies', 'cells lie')} more than {nearby.beyond} beyond the committees "
        f"and {'was' if far.sum() == 1 else 'were'} left out ({cells['total'][far].sum():,.0f} people): nobody there "
        "shares a facility with them"
    )
    notes.add("population.far", int(far.sum()), text, cells["cell_id"][far])
    return cells[~far]
