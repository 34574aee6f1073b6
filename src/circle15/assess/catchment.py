"""Floating catchments: how much of what facilities offer each person has in reach, when everybody in reach shares it.

Step one divides a facility's supply by the people who reach it, step two adds these ratios up over the facilities that
a cell reaches. The methods differ only in the weight of a pair of cell and facility; time takes the place of distance.
Supply is in any unit (persons, places, beds, m²), access in that unit per person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circle15.errors import ComputeError
from circle15.units import TIME_TOLERANCE_S, FloatArray, minutes_to_s, within

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BALANCE = 1e-9
"""What people have together may differ from what is in reach by this share: the rounding of sums."""


@dataclass(frozen=True)
class Catchment:
    """What people have in reach.

    Attributes
    ----------
    access : float64 array of shape (cells,)
        Supply per person; 0 where nothing that offers anything is in reach, and so for a cell in no pair because it is
        off the network: whoever knows which these are leaves them out of means.
    ratio : float64 array of shape (facilities,)
        Supply per weighted person in reach of the facility; NaN where nobody is.
    reached_supply, unreached_supply : float
        Supply of the facilities with somebody in reach, and of the others; people × access sums up to the former.
    """

    access: FloatArray
    ratio: FloatArray
    reached_supply: float
    unreached_supply: float


def two_step(
    cell: IntArray, facility: IntArray, weights: FloatArray, people: FloatArray, supply: FloatArray
) -> Catchment:
    """Return the access of each cell by the two-step floating catchment area method with weights.

        R_j = S_j / Σ_k P_k W_kj        A_i = Σ_j R_j W_ij

    with S_j the supply of facility j, P_k the people of cell k and W_kj the weight of the pair.

    Parameters
    ----------
    cell, facility : int64 arrays of shape (pairs,)
        Rows of the cell and of the facility of each pair in reach, each pair once.
    weights : float64 array of shape (pairs,)
        By `weights_2sfca`, `weights_steps` or `weights_gaussian`; a factor that all have in common changes nothing.
    people : float64 array of shape (cells,)
        Those who are entitled, of the study area and around it: whoever is left out doesn't share.
    supply : float64 array of shape (facilities,)
        What each facility offers. NaN is refused: whether an unknown capacity is nothing, or makes the answer unknown,
        is for the caller to say.

    Raises
    ------
    ValueError
        If an amount is negative, infinite or NaN, a row doesn't exist or a pair is there twice.
    ComputeError
        If Σ people × access differs from the supply in reach by more than `BALANCE`.

    References
    ----------
    Luo & Wang 2003, Environment and Planning B 30:865, doi 10.1068/b29120 (weights of 1); Luo & Qi 2009, Health & Place
    15:1100 (weights by zones of time); Dai 2010, Health & Place 16:1038 (Gaussian weights).
    """
    _check_amounts(people=people, supply=supply, weights=weights)
    _check_pairs(cell, facility, weights, len(people), len(supply))
    demand = np.bincount(facility, weights=people[cell] * weights, minlength=len(supply))
    reached = demand > 0
    ratio = np.full(len(supply), np.nan)
    # a weight of 1e-300 is for the balance to judge, not for a warning
    with np.errstate(over="ignore", invalid="ignore"):
        np.divide(supply, demand, out=ratio, where=reached)
        share = np.where(reached, ratio, 0.0)[facility] * weights
        access = np.bincount(cell, weights=share, minlength=len(people)).astype(np.float64)
    result = Catchment(access, ratio, float(supply[reached].sum()), float(supply[~reached].sum()))
    check_balance(result, people)
    return result


def check_balance(result: Catchment, people: FloatArray) -> float:
    """Hold what people have together against the supply in reach.

    Returns
    -------
    float
        The difference as a share of the supply in reach.

    Raises
    ------
    ComputeError
        If it is more than `BALANCE`.
    """
    together = float((people * result.access).sum())
    apart = abs(together - result.reached_supply)
    if not apart <= BALANCE * result.reached_supply:  # NaN, too
        raise ComputeError(
            f"floating catchment: what people have in reach sums up to {together:.12g} where the facilities in reach "
            f"offer {result.reached_supply:.12g}. No result is given; report this"
        )
    return apart / result.reached_supply if result.reached_supply else 0.0


def _check_amounts(**amounts: FloatArray) -> None:
    for name, values in amounts.items():
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(bad):
            raise ValueError(f"{name}: {len(bad)} are negative, infinite or not known; the first is row {bad[0]}")


def _check_pairs(cell: IntArray, facility: IntArray, weights: FloatArray, cells: int, facilities: int) -> None:
    if not len(cell) == len(facility) == len(weights):
        raise ValueError(f"pairs: {len(cell)} cells, {len(facility)} facilities and {len(weights)} weights")
    if not len(cell):
        return
    if min(cell.min(), facility.min()) < 0 or cell.max() >= cells or facility.max() >= facilities:
        raise ValueError(f"pairs: a row lies outside of {cells} cells and {facilities} facilities")
    key = facility * cells + cell
    if (np.diff(key) <= 0).any() and len(np.unique(key)) < len(key):  # usually sorted, which is seen at once
        raise ValueError(f"pairs: {len(key) - len(np.unique(key))} are there more than once")


# weights -----------------------------------------------------------------------------------------------------------


def weights_2sfca(time_s: FloatArray, limit_s: float) -> FloatArray:
    """Return 1 within the limit, inclusively, and 0 beyond: 2SFCA (Luo & Wang 2003).

    Parameters
    ----------
    time_s : float64 array of shape (pairs,)
        Seconds; NaN is beyond every limit.
    limit_s : float
        d0, in seconds.
    """
    _check_limit(limit_s)
    return within(time_s, limit_s).astype(np.float64)


def weights_steps(time_s: FloatArray, steps: Sequence[tuple[float, float]]) -> FloatArray:
    """Return the weight of the zone of time that each pair lies in: E2SFCA (Luo & Qi 2009).

    Parameters
    ----------
    time_s : float64 array of shape (pairs,)
        Seconds; NaN is beyond every zone.
    steps : sequence of (minutes, weight)
        Upper limit of each zone, inclusive, in ascending order; beyond the last one the weight is 0.

    Raises
    ------
    ValueError
        If there is no step, the minutes don't ascend from above 0, or a weight is negative or infinite.
    """
    minutes = np.array([one for one, _ in steps], dtype=np.float64)
    weights = np.array([one for _, one in steps], dtype=np.float64)
    if not len(minutes) or not (np.diff(minutes, prepend=0.0) > 0).all() or not np.isfinite(minutes).all():
        raise ValueError(f"steps: the minutes {minutes.tolist()} must ascend, from above 0")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(f"steps: the weights {weights.tolist()} must be 0 or more")
    result = np.zeros(np.shape(time_s))
    for upper, weight in zip(minutes[::-1].tolist(), weights[::-1].tolist(), strict=True):
        result[within(time_s, minutes_to_s(upper))] = weight
    return result


def weights_gaussian(time_s: FloatArray, limit_s: float) -> FloatArray:
    """Return Gaussian weights that fall from 1 at no distance to 0 at the limit (Dai 2010).

        G(t) = [exp(-(t / t0)² / 2) - exp(-1/2)] / [1 - exp(-1/2)], t <= t0, else 0

    Parameters
    ----------
    time_s : float64 array of shape (pairs,)
        Seconds; NaN is beyond every limit.
    limit_s : float
        t0, in seconds.

    Notes
    -----
    At t = t0 the weight is 0: people exactly there are no demand, and a facility that only they reach isn't reached.
    So that rounding doesn't decide whether they are, a time counts as t0 from `units.TIME_TOLERANCE_S` below it.
    """
    _check_limit(limit_s)
    inside = np.asarray(time_s) < limit_s - TIME_TOLERANCE_S
    share = np.where(inside, time_s, limit_s) / limit_s
    # both sides of the fraction times exp(1/2): near the limit the difference of two like numbers would lose digits
    return np.asarray(np.expm1((1.0 - share) * (1.0 + share) / 2.0) / np.expm1(0.5))


def _check_limit(limit_s: float) -> None:
    if not 0 < limit_s < np.inf:
        raise ValueError(f"a limit of {limit_s} s is no limit: it must be above 0 and finite")


# people ------------------------------------------------------------------------------------------------------------


def committee_access(access: FloatArray, people: FloatArray, committee: IntArray, committees: int) -> FloatArray:
    """Return the access of the average person of each committee.

    Parameters
    ----------
    access : float64 array of shape (cells,)
        By `two_step`. NaN is refused: a cell whose access isn't known belongs to committee -1.
    people : float64 array of shape (cells,)
        Those to average over.
    committee : int64 array of shape (cells,)
        Row of each cell's committee, -1 for none.
    committees : int
        Number of committees.

    Returns
    -------
    float64 array of shape (committees,)
        Mean weighted by people; NaN where a committee has none.

    Raises
    ------
    ValueError
        If an amount is negative, infinite or NaN, or a committee doesn't exist.
    """
    use = committee >= 0
    if (committee >= committees).any():
        raise ValueError(f"committee: a row lies outside of {committees} committees")
    _check_amounts(access=access[use], people=people[use])
    whole = np.bincount(committee[use], weights=people[use], minlength=committees)
    total = np.bincount(committee[use], weights=people[use] * access[use], minlength=committees)
    mean = np.full(committees, np.nan)
    np.divide(total, whole, out=mean, where=whole > 0)
    return mean
