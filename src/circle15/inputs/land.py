"""Land of the committees, for densities: what the file says, else the area without its water."""

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from circle15.config import Config
from circle15.errors import Notes
from circle15.inputs.vector import POLYGONS, Wanted, read_vector
from circle15.tables import Column
from circle15.units import FloatArray, m2_to_km2

Shapes = npt.NDArray[np.object_]

LAND = Column("land_km2", "number", minimum=0.0)
"""Optional column of the committees' file."""

LEAST_LAND_M2 = 1.0
"""Less than this is left of an area that is all water: the rest is floating-point noise."""


def read_water(config: Config, crs: pyproj.CRS, notes: Notes) -> Shapes | None:
    """Return the polygons of ``[committees.water]`` in `crs`, None without the section.

    Raises
    ------
    InputError, ConfigError
        As `read_vector` does; lines and points are no water that has an area.
    """
    source = config.committees.water
    if source is None:
        return None
    wanted = Wanted("committees.water", shapes=POLYGONS)
    water = read_vector(source, config.resolve(source.source), crs, notes, wanted)
    return np.asarray(water.geometry.array, dtype=object)


def land_km2(committees: gpd.GeoDataFrame, water: Shapes | None) -> FloatArray:
    """Return each committee's land.

    Parameters
    ----------
    committees : GeoDataFrame
        ``area`` (polygon or None) in a metric CRS and, if the file has it, ``land_km2`` (NaN where empty), which wins.
    water : object array of shapely polygons or None
        Water in the same CRS; polygons may overlap one another. None if it isn't known: the whole area is land then.

    Returns
    -------
    float64 array of shape (committees,)
        km², measured in the plane of the CRS; NaN where neither is known.
    """
    areas = committees["area"].to_numpy(dtype=object)
    land_m2 = np.full(len(areas), np.nan)
    drawn = np.flatnonzero(committees["area"].notna().to_numpy())
    land_m2[drawn] = shapely.area(areas[drawn])
    if water is not None and len(water):
        area, wet = shapely.STRtree(water).query(areas[drawn], predicate="intersects")
        for one in np.unique(area):
            row = drawn[one]
            in_it = shapely.union_all(shapely.intersection(water[wet[area == one]], areas[row]))
            land_m2[row] -= shapely.area(in_it)
        land_m2[land_m2 < LEAST_LAND_M2] = 0.0
    land = m2_to_km2(land_m2)
    if LAND.name not in committees:
        return land
    given = committees[LAND.name].to_numpy(dtype=np.float64)
    return np.where(np.isnan(given), land, given)
