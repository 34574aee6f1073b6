"""What each choice of a programme does, what could take its place, and why a demand stays open."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15 import tables
from circle15.plan.problem import ENOUGH, Siting
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Duties:
    """What each chosen option does; arrays of shape (chosen,), in the order of the options.

    Attributes
    ----------
    option : int64 array
        Rows of the chosen options.
    closes : int64 array
        Demands that are met, and to which the option adds something.
    decides : int64 array
        Those of them that would be open without it.
    runner_up : int64 array
        The option that could do what this one alone does at the least cost more, -1 where there is none. It isn't
        chosen, and has room.
    runner_up_cost : float64 array
        What that one would cost, with its site's fixed cost where the site isn't used otherwise; NaN without one.
    """

    option: IntArray
    closes: IntArray
    decides: IntArray
    runner_up: IntArray
    runner_up_cost: FloatArray


def duties(siting: Siting, chosen: BoolArray) -> Duties:
    """Return what each chosen option does."""
    rows = np.flatnonzero(chosen)
    met = siting.met(chosen)
    got = siting.gives @ chosen.astype(np.float64)
    shares = siting.by_option
    closes, decides = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    second, second_cost = np.full(len(rows), -1, dtype=np.int64), np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        at = slice(shares.indptr[row], shares.indptr[row + 1])
        demand, share = shares.indices[at], shares.data[at]
        use = met[demand] & (share > 0)
        demand, share = demand[use], share[use]
        lack = siting.need[demand] * (1.0 - ENOUGH) - (got[demand] - share)
        needed = lack > 0
        closes[number], decides[number] = len(demand), int(needed.sum())
        if needed.any():
            second[number], second_cost[number] = _runner_up(siting, chosen, int(row), demand[needed], lack[needed])
    return Duties(rows, closes, decides, second, second_cost)


def _runner_up(siting: Siting, chosen: BoolArray, row: int, demand: IntArray, lack: FloatArray) -> tuple[int, float]:
    part = siting.gives[demand].tocoo()
    able = np.bincount(part.col[part.data >= lack[part.row]], minlength=len(chosen)) == len(demand)
    able &= ~chosen
    others = chosen.copy()
    others[row] = False
    used = siting.sites_of(others)
    room = siting.floor_area_m2.copy()
    np.subtract.at(room, siting.option_site[others], siting.option_area_m2[others])
    able &= siting.option_area_m2 <= room[siting.option_site] * (1.0 + ENOUGH)
    found = np.flatnonzero(able)
    if not len(found):
        return -1, float("nan")
    site = siting.option_site[found]
    cost = siting.option_cost[found] + np.where(used[site], 0.0, siting.fixed_cost[site])
    best = int(np.argmin(cost))  # the first of the cheapest: the lowest id
    return int(found[best]), float(cost[best])


def why_open(
    siting: Siting, chosen: BoolArray, near: IntArray, elsewhere: BoolArray, barred: TextArray, *, budget: bool
) -> TextArray:
    """Return why each demand is open, ``""`` where it is met.

    Parameters
    ----------
    siting : Siting
        The problem.
    chosen : bool array of shape (options,)
        The programme.
    near : int64 array of shape (demands,)
        How many sites are in reach, whatever they may take in.
    elsewhere : bool array of shape (demands,)
        Whether another town's site would serve it.
    barred : object array of str, shape (demands,)
        Why no site can close the demand, ``""`` where one may.
    budget : bool
        Whether a budget was spent: then what is open could be closed for more money.
    """
    options = np.diff(siting.gives.indptr)
    amount = np.asarray(siting.gives.max(axis=1).todense()).ravel() if siting.gives.shape[1] else np.zeros(len(near))
    every = np.asarray(siting.gives.sum(axis=1)).ravel()
    fitting = siting.gives @ siting.fits_alone.astype(np.float64)
    need = siting.need * (1.0 - ENOUGH)
    conditions = [
        (siting.met(chosen), ""),
        (barred != "", None),
        (elsewhere & (every < need), tables.OTHER_TOWN),
        (near == 0, tables.NO_SITE_IN_REACH),
        (options == 0, tables.TYPE_NOT_ALLOWED),
        (amount <= 0, tables.NO_AMOUNT),
        (every < need, tables.TOO_FEW_SITES),
        (fitting < need, tables.NO_FLOOR_AREA),
    ]
    last = tables.OVER_BUDGET if budget else tables.NO_FLOOR_AREA
    reason = np.select([one for one, _ in conditions], [name or "" for _, name in conditions], default=last)
    return np.where((barred != "") & ~siting.met(chosen), barred, reason).astype(object)
