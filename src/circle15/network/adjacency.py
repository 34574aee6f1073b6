"""From facilities to facilities: the nearest along the network, and the straight line beside it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from circle15.network.graph import Network
from circle15.network.travel import Places, nearest
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NearestPlaces:
    """The nearest facility of each facility; arrays of shape (facilities,).

    Attributes
    ----------
    origin : int64 array
        Row of the facility that the way begins at: every one that has an entrance, in ascending order.
    time_s : float64 array
        Both access legs included; NaN where none is reached within the search limit.
    distance_m : float64 array
        Length of that path, access legs included; NaN likewise. Where edges differ in speed the fastest path isn't
        always the shortest.
    facility : int64 array
        Row of the nearest facility, -1 likewise.
    """

    origin: IntArray
    time_s: FloatArray
    distance_m: FloatArray
    facility: IntArray


def nearest_places(network: Network, from_: Places, to: Places, limit_s: float) -> NearestPlaces:
    """Find the nearest of some facilities for each of others, from any entrance of the one to any of the other.

    Parameters
    ----------
    network : Network
        The graph of the mode.
    from_ : Places
        Entrances of the facilities that the way begins at.
    to : Places
        Entrances of the facilities to find; of those at one spot the first counts. A facility that is in both is
        nearest to itself.
    limit_s : float
        Search limit in seconds, inclusive.
    """
    found = nearest(network, from_.snapped, to, limit_s)
    order = np.lexsort((found.facility, found.time_s, from_.facility))  # NaN comes last
    origin, first = np.unique(from_.facility[order], return_index=True)
    best = order[first]
    return NearestPlaces(origin, found.time_s[best], found.distance_m[best], found.facility[best])


def straight_m(from_: npt.NDArray[np.object_], to: npt.NDArray[np.object_]) -> FloatArray:
    """Return the straight line in metres from each geometry to the nearest of others.

    Parameters
    ----------
    from_, to : object arrays of shapely geometries
        In one metric CRS. Distances run between the nearest points of the shapes and are 0 where these meet; a missing
        or empty geometry is near to nothing.

    Returns
    -------
    float64 array, shape of `from_`
        NaN where there is nothing to be near to.
    """
    distance = np.full(len(from_), np.nan)
    (row, _), away = shapely.STRtree(to).query_nearest(from_, return_distance=True, all_matches=False)
    distance[row] = away
    return distance
