"""How far from the committees things matter."""

import geopandas as gpd
import numpy as np
import shapely

from circle15.inputs.nearby import Nearby
from circle15.standard.model import Standard
from circle15.standard.requirements import Provision
from circle15.standard.resolve import speed_kmh, zone_modes
from circle15.units import minutes_to_s, speed_m_per_s

PERCENT = 100.0


def reach_m(standard: Standard, committees: gpd.GeoDataFrame) -> float:
    """Return how far one gets at most within the time of the service circle, by the fastest mode of a committee."""
    modes = _modes(standard, committees) | {"walk"}
    return max(_within_m(standard, standard.service_circle.minutes, mode) for mode in modes)


def nearby(
    standard: Standard,
    committees: gpd.GeoDataFrame,
    sensitivity: float | None = None,
    facilities: gpd.GeoDataFrame | None = None,
) -> Nearby | None:
    """Return where people matter: two thresholds beyond the committees, by the fastest mode that people share by.

    Whoever lives farther away reaches no facility that somebody of a committee reaches: one threshold to the facility
    is theirs, one the committee's. Committees without areas have the people around their centres, too, within one
    threshold on foot. A facility that something is shared by and that has several entrances, or is an area, reaches
    as far as it is wide.

    Parameters
    ----------
    standard : Standard
        Knows the thresholds: of the service circle, and of whatever is asked by catchment.
    committees : GeoDataFrame
        As `read_committees` returns them.
    sensitivity : float or None
        Percent by which speeds are raised in the run.
    facilities : GeoDataFrame, optional
        In the committees' CRS.

    Returns
    -------
    Nearby or None
        None if no committee has a place.
    """
    bounds = committees.geometry.bounds.to_numpy(dtype=np.float64)
    areas = gpd.GeoSeries(committees["area"], crs=committees.crs)
    every = np.vstack([bounds, areas.bounds.to_numpy(dtype=np.float64)])
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        return None
    one_m = reach_m(standard, committees)
    modes = _modes(standard, committees) | {"walk"}  # whoever is in no committee walks
    shared = [one for one in standard.requirements if isinstance(one, Provision) and one.minutes is not None]
    for asked in shared:
        if asked.minutes is not None:
            own = modes if asked.mode in (None, "zone") else {str(asked.mode)}
            one_m = max(one_m, *(_within_m(standard, asked.minutes, mode) for mode in own))
    one_m *= 1 + (sensitivity or 0.0) / PERCENT
    if shared and facilities is not None and len(facilities):
        within = shapely.box(*(every[:, :2].min(axis=0) - one_m), *(every[:, 2:].max(axis=0) + one_m))
        of_use = facilities.geometry[facilities.geometry.intersects(within)].bounds.to_numpy(dtype=np.float64)
        every = np.vstack([every, of_use[np.isfinite(of_use).all(axis=1)]])
    beyond_m = 2 * one_m
    if not committees["area"].notna().any():
        beyond_m += _within_m(standard, standard.service_circle.minutes, "walk")
    (west, south), (east, north) = every[:, :2].min(axis=0) - beyond_m, every[:, 2:].max(axis=0) + beyond_m
    return Nearby(float(west), float(south), float(east), float(north), beyond_m)


def _modes(standard: Standard, committees: gpd.GeoDataFrame) -> set[str]:
    return {str(mode) for mode in zone_modes(standard, committees["zone"], committees["kind"])} - {""}


def _within_m(standard: Standard, minutes: float, mode: str) -> float:
    drive = standard.speeds_kmh.drive
    kmh = max([drive.default, *drive.by_class.values()]) if mode == "drive" else speed_kmh(standard, mode)
    return minutes_to_s(minutes) * speed_m_per_s(kmh)
