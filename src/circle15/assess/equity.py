"""How evenly access is spread among people: Gini, Palma, Lorenz curve, and who has none.

Access is any figure of which nobody can have less than nothing: how many facilities a unit (a cell or a committee)
reaches, or how many places there are for each of its people. All people of a unit have the unit's access. Units
without people weigh nothing; units whose access is NaN (not known) are left out, and their people are counted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.object_]

BEST_SHARE = 0.1
WORST_SHARE = 0.4
"""Palma's ratio holds the best-served tenth against the worst-served four tenths."""

NOTHING = 1e-12
"""A share this small is floating-point noise: 40 % of the people may sum up to 39.99999999999999 %."""

LORENZ_AT = tuple(tenth / 10 for tenth in range(11))

NOBODY = "nobody"
NO_ACCESS = "no_access"
WORST_WITHOUT = "worst_without"

REASONS = {
    NOBODY: "there are no people whose access is known",
    NO_ACCESS: "nobody has access, so there is nothing whose spread could be measured",
    WORST_WITHOUT: "the worst-served 40 % have no access at all, so nothing can be divided by their share",
}
"""Reason code of a Gini or Palma that cannot be given → what it means."""

EQUITY_COLUMNS = (
    "type_id",
    "scope",
    "scope_id",
    "measure",
    "people",
    "people_unknown",
    "gini",
    "palma",
    "without_access",
    "reason",
)
LORENZ_COLUMNS = ("type_id", "share_of_people", "share_of_access")


def gini(access: FloatArray, people: FloatArray) -> float:
    """Return the Gini coefficient of access among people: 0 if all have the same, towards 1 if one has all.

    The coefficient is the mean difference between two people drawn at random, divided by twice the mean:

        G = Σ_i Σ_j w_i w_j |A_i − A_j| ÷ (2 Σ_i w_i A_i),   w_i = people_i ÷ Σ people

    With units sorted by access, the double sum is ``2 Σ_k W_k (1 − W_k) (A_(k+1) − A_k)`` with `W_k` the share of
    people in the first `k` units: O(n log n), and no difference of large numbers.

    Parameters
    ----------
    access : float64 array of shape (units,)
        0 or more; NaN where it isn't known.
    people : float64 array of shape (units,)
        0 or more.

    Returns
    -------
    float
        0 to 1; NaN if nobody's access is known, or nobody has any.

    Raises
    ------
    ValueError
        If access is negative or infinite, or people are negative or not finite.
    """
    return _gini(*_sorted(access, people))


def palma(access: FloatArray, people: FloatArray) -> float:
    """Return the share of access of the best-served 10 % of people ÷ that of the worst-served 40 %.

    A unit that straddles a cut is split. Equal access gives 0.25. Arguments and errors are those of `gini`.

    Returns
    -------
    float
        NaN if nobody's access is known, nobody has any, or the worst-served 40 % have none (it would be infinite).
    """
    return _palma(*_sorted(access, people))


def lorenz(access: FloatArray, people: FloatArray, at: npt.ArrayLike) -> FloatArray:
    """Return the Lorenz curve: which share of access the worst-served share `at` of people has.

    The curve is linear within a unit, as all its people have the same. Arguments and errors are those of `gini`.

    Parameters
    ----------
    access, people : float64 arrays of shape (units,)
        As in `gini`.
    at : array_like of shape (points,)
        Shares of people, 0 to 1, inclusive.

    Returns
    -------
    float64 array of shape (points,)
        0 to 1; NaN if nobody's access is known, or nobody has any.
    """
    points = np.asarray(at, dtype=np.float64)
    if not ((points >= 0) & (points <= 1)).all():
        raise ValueError("shares of people lie between 0 and 1")
    return _lorenz(*_sorted(access, people), points)


def equity_table(
    access_of: Mapping[str, FloatArray],
    people: FloatArray,
    town: TextArray,
    zone: TextArray,
    towns: Sequence[str],
    zones: Sequence[str],
    measure: str,
) -> pd.DataFrame:
    """Return how evenly access to each type is spread in the district, in each town and in each zone.

    Parameters
    ----------
    access_of : mapping of str to float64 array of shape (units,)
        Access of each unit by type id, as in `gini`.
    people : float64 array of shape (units,)
        People of each unit: of everybody, or of the group that the type is for.
    town, zone : object arrays of str, shape (units,)
        Town and zone of each unit; ``""`` for none. Every unit is in the district: leave out those that are in no
        committee.
    towns, zones : sequence of str
        Ids in the order of the rows.
    measure : str
        What access is, e.g. ``facilities_within``.

    Returns
    -------
    DataFrame
        Columns of `EQUITY_COLUMNS`. ``people`` are those whose access is known, ``people_unknown`` the others;
        ``without_access`` is the share of ``people`` whose access is 0, as a fraction; ``reason`` (one of `REASONS`)
        says why ``gini`` or ``palma`` is missing.
    """
    scopes = [("district", "", np.arange(len(people)))]
    for name, ids, of in (("town", towns, town), ("zone", zones, zone)):
        scopes += [(name, one, np.flatnonzero(of == one)) for one in ids]
    rows = []
    for type_id, access in access_of.items():
        for scope, scope_id, units in scopes:
            rows.append((type_id, scope, scope_id, measure, *_figures(access[units], people[units])))
    return pd.DataFrame(rows, columns=list(EQUITY_COLUMNS))


def lorenz_table(access_of: Mapping[str, FloatArray], people: FloatArray) -> pd.DataFrame:
    """Return the Lorenz curve of each type in the district, at every tenth of the people.

    Arguments are those of `equity_table`.

    Returns
    -------
    DataFrame
        ``type_id, share_of_people, share_of_access`` as fractions; a type to which nobody has access has NaN.
    """
    parts = [
        pd.DataFrame({"type_id": type_id, "share_of_people": LORENZ_AT, "share_of_access": curve})
        for type_id, curve in ((t, lorenz(access, people, LORENZ_AT)) for t, access in access_of.items())
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(LORENZ_COLUMNS))


def _figures(access: FloatArray, people: FloatArray) -> tuple[float, float, float, float, float, str]:
    """Return people, people unknown, Gini, Palma, share without access, and why one of them is missing."""
    unknown = float(people[np.isnan(access)].sum())
    sorted_access, weight = _sorted(access, people)
    known = float(people[~np.isnan(access)].sum())
    if not len(weight):
        return known, unknown, np.nan, np.nan, np.nan, NOBODY
    without = float(weight[sorted_access == 0].sum())
    ratio = _palma(sorted_access, weight)
    reason = "" if not np.isnan(ratio) else WORST_WITHOUT
    if sorted_access[-1] == 0:
        without, reason = 1.0, NO_ACCESS
    return known, unknown, _gini(sorted_access, weight), ratio, without, reason


def _sorted(access: FloatArray, people: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return access in rising order and the share of people who have it, of units that count."""
    if not np.isfinite(people).all() or (people < 0).any():
        raise ValueError("people must be finite and not negative")
    if np.isinf(access).any() or (access < 0).any():
        raise ValueError("access must be finite and not negative, or NaN where it isn't known")
    use = ~np.isnan(access) & (people > 0)
    own, weight = access[use].astype(np.float64), people[use].astype(np.float64)
    order = np.argsort(own, kind="stable")
    return own[order], weight[order] / weight.sum() if use.any() else weight


def _gini(access: FloatArray, weight: FloatArray) -> float:
    if not len(access) or access[-1] == 0:
        return np.nan
    below = np.minimum(np.cumsum(weight)[:-1], 1.0)
    return float((below * (1 - below) * np.diff(access)).sum() / (weight * access).sum())


def _palma(access: FloatArray, weight: FloatArray) -> float:
    worst, rest = _lorenz(access, weight, np.array([WORST_SHARE, 1 - BEST_SHARE]))
    return float((1 - rest) / worst) if worst > NOTHING else np.nan


def _lorenz(access: FloatArray, weight: FloatArray, at: FloatArray) -> FloatArray:
    if not len(access) or access[-1] == 0:
        return np.full(at.shape, np.nan)
    x = np.append(0.0, np.cumsum(weight))
    y = np.append(0.0, np.cumsum(weight * access))
    return np.asarray(np.interp(at, x / x[-1], y / y[-1]), dtype=np.float64)
