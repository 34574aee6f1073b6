"""What one mode's network says about the facilities of one type: everything that verdicts are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15.network.snap import Snapped
from circle15.network.travel import Pairs, Places, Router, check_agreement, nearest, reachable
from circle15.units import TIME_TOLERANCE_S, FloatArray

IntArray = npt.NDArray[np.int64]

SEARCH_FACTOR = 3.0
"""The nearest facility is looked for up to this many times the threshold, so that a gap says how far it is."""


@dataclass(frozen=True)
class Survey:
    """Facilities of one type as seen on one mode's network.

    Facilities are numbered as in the `Places` that were surveyed. Arrays over committees have NaN or -1 for those
    that were not asked about.

    Attributes
    ----------
    time_s, distance_m : float64 arrays of shape (committees,)
        To the nearest facility; NaN where none is reached within the search limit.
    facility : int64 array of shape (committees,)
        The nearest facility, -1 likewise.
    any_path : bool array of shape (committees,)
        Whether any path leads to a facility, however long.
    pairs : Pairs
        Every committee × facility within the threshold.
    cell_time_s : float64 array of shape (cells asked,)
        Time from each cell to its nearest facility; NaN where none is reached within the search limit.
    disagreement_s : float
        Largest difference between the two independent searches.
    """

    time_s: FloatArray
    distance_m: FloatArray
    facility: IntArray
    any_path: npt.NDArray[np.bool_]
    pairs: Pairs
    cell_time_s: FloatArray
    disagreement_s: float


def survey(
    router: Router,
    places: Places,
    cells: Snapped,
    limit_s: FloatArray,
    thresholds_s: tuple[float, ...],
    has_path: npt.NDArray[np.bool_] | None = None,
) -> Survey:
    """Survey the facilities of one type.

    Parameters
    ----------
    router : Router
        The mode's network with the committees.
    places : Places
        Entrances of the type's facilities, numbered from 0.
    cells : Snapped
        The population cells that are judged by this mode.
    limit_s : float64 array of shape (committees,)
        Longest threshold of each committee in seconds; NaN where it isn't asked about.
    thresholds_s : tuple of float
        Every threshold that the times will be held against.
    has_path : bool array of shape (committees,), optional
        Committees of which it is known already that some path leads to a facility of the type: they are not asked
        for one here.

    Raises
    ------
    ComputeError
        If the search from the facilities and that from the committees disagree.
    """
    asked = np.isfinite(limit_s)
    longest = float(np.nanmax(limit_s, initial=0.0)) * SEARCH_FACTOR
    # one search from the facilities answers committees and cells alike
    every = nearest(router.network, router.origins.followed_by(cells), places, longest)
    found = every.first(len(router.origins))
    reached = asked & (found.time_s <= np.where(asked, limit_s, 0.0) * SEARCH_FACTOR + TIME_TOLERANCE_S)
    pairs = router.pairs_within(places, limit_s, thresholds_s)
    disagreement = check_agreement(router.network, found.time_s, pairs, limit_s, router.error_s)
    any_path = reached.copy()
    far = np.flatnonzero(asked & ~reached & router.origins.on_network & (True if has_path is None else ~has_path))
    if len(far):
        any_path[far] = reachable(router.network, router.origins.take(far), places)
    return Survey(
        time_s=np.where(reached, found.time_s, np.nan),
        distance_m=np.where(reached, found.distance_m, np.nan),
        facility=np.where(reached, found.facility, -1),
        any_path=any_path,
        pairs=pairs,
        cell_time_s=every.time_s[len(router.origins) :],
        disagreement_s=disagreement,
    )


@dataclass(frozen=True)
class Answer:
    """One requirement's access by one mode, over all the types that serve it; facilities are rows of the table."""

    time_s: FloatArray
    distance_m: FloatArray
    facility: IntArray
    any_path: npt.NDArray[np.bool_]
    count_within: IntArray
    cell_time_s: FloatArray


def answer(surveys: Sequence[tuple[Survey, IntArray]], threshold_s: FloatArray, cells: int) -> Answer:
    """Join the surveys of the types that serve a requirement.

    Parameters
    ----------
    surveys : sequence of (Survey, int64 array)
        Each with the table rows of its facilities, ascending.
    threshold_s : float64 array of shape (committees,)
        The requirement's threshold; NaN where it does not apply by this mode. At most the surveys' limits.
    cells : int
        Number of cells surveyed.
    """
    committees = len(threshold_s)
    time_s, distance = np.full(committees, np.nan), np.full(committees, np.nan)
    facility = np.full(committees, -1, dtype=np.int64)
    any_path, count = np.zeros(committees, dtype=bool), np.zeros(committees, dtype=np.int64)
    cell_time_s = np.full(cells, np.nan)
    limit = np.where(np.isfinite(threshold_s), threshold_s, -1.0)
    for one, rows in surveys:
        # a nearer one wins; of equally near ones the lower row
        row = np.where(one.facility >= 0, rows[one.facility] if len(rows) else -1, -1)
        better = ~(one.time_s >= time_s) & np.isfinite(one.time_s)
        better |= (one.time_s == time_s) & (row < facility)
        time_s, distance = np.where(better, one.time_s, time_s), np.where(better, one.distance_m, distance)
        facility = np.where(better, row, facility)
        any_path |= one.any_path
        inside = one.pairs.time_s <= limit[one.pairs.origin] + TIME_TOLERANCE_S
        count += np.bincount(one.pairs.origin[inside], minlength=committees)
        cell_time_s = np.fmin(cell_time_s, one.cell_time_s)
    return Answer(time_s, distance, facility, any_path, count, cell_time_s)
