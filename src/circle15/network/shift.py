"""Whether points lie off the streets as a whole, as coordinates of a Chinese map do that were taken for WGS 84.

Facilities stand along streets. Were they all moved by half a kilometre, their distances to the nearest street would be
those of any place in town. So their distances are compared, point by point, with those that they would have where a
displacement puts them, and the latter with those where it would put them in three other directions: points that lie far
from streets by their nature (in parks) come nearer to them by any displacement. Only one that brings them clearly
nearer than both is a finding.

Points in one `THIN_M` square count once, for the shops of a mall share their distance; distances are capped at `CAP_M`,
so that a few points far from everything do not decide; and a point counts only where the network reaches its places.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from circle15.network.graph import Network
from circle15.units import FloatArray

MIN_POINTS = 30
"""Sources of fewer do not tell."""
MIN_COMPARED = 15
"""Of them at least so many have to lie where the network reaches all their places."""
MAX_POINTS = 500
"""More add nothing; of more, every so many-th is taken."""
THIN_M = 100.0
CAP_M = 100.0
MIN_Z = 3.5
"""Standard errors by which the mean distance has to be smaller."""


@dataclass(frozen=True)
class Shift:
    """How near points come to the streets where a displacement puts them.

    Attributes
    ----------
    name : str
        The displacement's.
    points : int
        How many were compared.
    given_m, moved_m, elsewhere_m : float
        Mean distance to the nearest street as given, as displaced, and as displaced in other directions; each distance
        capped at `CAP_M`.
    z : float
        Mean of the paired differences (given - displaced) over its standard error, or that of (elsewhere - displaced),
        whichever is less.
    """

    name: str
    points: int
    given_m: float
    moved_m: float
    elsewhere_m: float
    z: float

    @property
    def clear(self) -> bool:
        """Whether the points fit the streets clearly better where the displacement puts them."""
        return self.points >= MIN_COMPARED and self.z >= MIN_Z


def choose_points(xy: FloatArray) -> npt.NDArray[np.int64]:
    """Return rows of `xy`, in order of place: one of each `THIN_M` square, at most `MAX_POINTS`, evenly over the area.

    Parameters
    ----------
    xy : float64 array of shape (points, 2)
        Coordinates in metres; rows that are not finite are passed over.
    """
    known = np.flatnonzero(np.isfinite(xy).all(axis=1))
    known = known[np.lexsort((xy[known, 1], xy[known, 0]))]
    _, first = np.unique(np.floor(xy[known] / THIN_M), axis=0, return_index=True)
    rows = known[first]
    if len(rows) > MAX_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MAX_POINTS).round().astype(np.int64)]
    return rows.astype(np.int64)


def compare_shifts(network: Network, xy: FloatArray, moved: Mapping[str, FloatArray]) -> list[Shift]:
    """Hold points against the streets, as given and as displaced.

    Parameters
    ----------
    network : Network
        The streets.
    xy : float64 array of shape (points, 2)
        As given, in the network's CRS; chosen by `choose_points`.
    moved : mapping of str to float64 array of shape (points, 2)
        By a displacement's name, where it puts the same points.

    Returns
    -------
    list of Shift
        One a displacement, in the order of `moved`; those of which not two points tell are left out.
    """
    given_m = _distances_m(network, xy)
    found = []
    for name, there in moved.items():
        moved_m = _distances_m(network, there)
        elsewhere_m = _elsewhere_m(network, xy, there)
        told = np.isfinite(given_m) & np.isfinite(moved_m) & np.isfinite(elsewhere_m)
        if told.sum() < 2:  # noqa: PLR2004 - a standard error needs two
            continue
        given, after, other = given_m[told], moved_m[told], elsewhere_m[told]
        z = min(_z(given - after), _z(other - after))
        found.append(Shift(name, len(after), float(given.mean()), float(after.mean()), float(other.mean()), z))
    return found


def _z(gain: FloatArray) -> float:
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return float(gain.mean() / error) if error > 0 else 0.0


def _elsewhere_m(network: Network, xy: FloatArray, there: FloatArray) -> FloatArray:
    """Return the mean distance over the other directions that the network reaches, NaN where it reaches none."""
    east, north = (there - xy).T
    turned = ((-north, east), (-east, -north), (north, -east))
    every = np.stack([_distances_m(network, xy + np.stack(step, axis=1)) for step in turned])
    reached = np.isfinite(every)
    count = np.where(reached.any(axis=0), reached.sum(axis=0), np.nan)
    return np.asarray(np.where(reached, every, 0.0).sum(axis=0) / count)


def best_shift(shifts: list[Shift]) -> Shift | None:
    """Return the clear one that brings the points nearest to the streets, or None."""
    clear = [one for one in shifts if one.clear]
    return min(clear, key=lambda one: one.moved_m - one.given_m) if clear else None


def _distances_m(network: Network, xy: FloatArray) -> FloatArray:
    """Return the distance of each point to the nearest street, at most `CAP_M`; NaN beyond the network."""
    tree = network.segments_to_begin[-1]
    inside = np.flatnonzero(shapely.intersects_xy(network.extent, *xy.T))
    (point, _), distance = tree.query_nearest(
        shapely.points(xy[inside]), max_distance=CAP_M, return_distance=True, all_matches=False
    )
    away = np.full(len(xy), np.nan)
    away[inside] = CAP_M
    away[inside[point]] = distance
    return away
