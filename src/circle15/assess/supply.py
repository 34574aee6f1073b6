"""How much facilities offer: sums with what is known for sure, and with what it may be at most.

A facility counts once in a requirement, whatever it provides. Its count is 1 wherever it serves. Its capacity and floor
area belong to its own type, but for the parts that columns ``capacity_as_<type>`` (``floor_area_m2_as_<type>``) give to
what it provides beside that: over all types nothing is counted twice. Where a figure is missing, it may be anything;
where only the whole is known, the part of a type that it provides is anything up to it. A sum is then an interval, and
a verdict is given only if both of its ends agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.standard.model import Standard
from circle15.standard.resolve import serving_any, serving_types
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Supply:
    """What facilities offer for some types; arrays of shape (facilities,).

    Attributes
    ----------
    serving : bool array
        Whether the facility serves one of the types at all.
    low, high : float64 arrays
        What it offers for sure, and at most (infinite where a figure is missing); 0 where it doesn't serve.
    """

    serving: BoolArray
    low: FloatArray
    high: FloatArray


def supply_of(standard: Standard, facilities: pd.DataFrame, types: Sequence[str], measure: str) -> Supply:
    """Return what each facility offers for some types together.

    Parameters
    ----------
    standard : Standard
        For what provides what.
    facilities : DataFrame
        Columns of `tables.FACILITIES`, and where there are any ``<measure>_as_<type>``.
    types : sequence of str
        Ids of the types; a facility that is or provides several of them counts once.
    measure : {"count", "capacity", "floor_area_m2"}
        What is added up.
    """
    own = facilities["type_id"].isin(types).to_numpy()
    serving = facilities["type_id"].isin(serving_any(standard, types)).to_numpy()
    if measure == "count":
        ones = serving.astype(np.float64)
        return Supply(serving, ones, ones.copy())
    whole = facilities[measure].to_numpy(dtype=np.float64)
    parts = _parts(standard, facilities, types, measure)
    rest = np.where(np.isnan(whole), np.inf, np.maximum(whole - parts.left, 0.0))
    # what is left is its own for sure, unless an untold part of it is for a type that isn't asked about
    low = np.where(own & np.isfinite(rest) & ~parts.elsewhere, parts.told + rest, parts.told)
    high = np.where(own | parts.untold, parts.told + rest, parts.told)
    return Supply(serving, np.where(serving, low, 0.0), np.where(serving, high, 0.0))


def parts_of(facilities: pd.DataFrame, measure: str) -> dict[str, FloatArray]:
    """Return what each column ``<measure>_as_<type>`` gives to its type; arrays of shape (facilities,), NaN untold."""
    start = f"{measure}_as_"
    names = [str(name) for name in facilities.columns if str(name).startswith(start)]
    return {
        name.removeprefix(start): pd.to_numeric(facilities[name], errors="coerce").to_numpy(dtype=np.float64)
        for name in names
    }


@dataclass(frozen=True)
class _Parts:
    """Parts of what facilities have, for some types; arrays of shape (facilities,).

    Told for these types, told for any; whether one of these types that the facility provides is untold, and whether
    one that it provides and that isn't among them is.
    """

    told: FloatArray
    left: FloatArray
    untold: BoolArray
    elsewhere: BoolArray


def _parts(standard: Standard, facilities: pd.DataFrame, types: Sequence[str], measure: str) -> _Parts:
    parts, n = parts_of(facilities, measure), len(facilities)
    told, left = np.zeros(n), np.zeros(n)
    untold, elsewhere = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    for part in parts.values():
        left += np.nan_to_num(part)
    for type_id in (t.id for t in standard.types):
        providers = serving_types(standard, type_id)[1:]
        if not providers:
            continue
        part = parts.get(type_id, np.full(n, np.nan))
        missing = facilities["type_id"].isin(providers).to_numpy() & np.isnan(part)
        if type_id in types:
            told += np.nan_to_num(part)
            untold |= missing
        else:
            elsewhere |= missing
    return _Parts(told, left, untold, elsewhere)


def added_since(facilities: pd.DataFrame, year: int, supply: Supply, as_of: int) -> Supply:
    """Return the supply of what opened from `year` to `as_of`; what does not say when it opened may have."""
    opens = facilities["opens"].to_numpy(dtype=np.float64)
    new, unsaid = opens >= year, np.isnan(opens) & (year <= as_of)
    return Supply(
        supply.serving & (new | unsaid),
        np.where(new, supply.low, 0.0),
        np.where(new | unsaid, supply.high, 0.0),
    )


def sum_by(supply: Supply, place: IntArray, places: int) -> tuple[FloatArray, FloatArray]:
    """Add up by place (row of a town, -1 for none): the sure amounts and the largest possible ones."""
    use = place >= 0
    low = np.bincount(place[use], weights=supply.low[use], minlength=places)
    # infinite weights make NaN only where they meet their opposite, and there is none
    high = np.bincount(place[use], weights=supply.high[use], minlength=places)
    return low.astype(np.float64), high.astype(np.float64)


def judge_amount(
    low: FloatArray, high: FloatArray, target: float, covered: bool, missing: str = tables.AMOUNT_UNKNOWN
) -> tuple[TextArray, TextArray]:
    """Return verdict and reason of amounts that are to reach a target.

    Parameters
    ----------
    low, high : float64 arrays of shape (n,)
        The amount for sure, and at most; NaN where it can't be formed at all (nobody lives there).
    target : float
        Inclusive.
    covered : bool
        Whether a source claims to know every facility of one of the types at least.
    missing : str
        Reason where the two ends disagree.
    """
    some, most = enough(low, target), enough(high, target)
    conditions = [np.full(len(low), not covered), np.isnan(low), some, ~most]
    verdicts, reasons = ["unknown", "unknown", "pass", "fail"], [tables.NO_FACILITY_DATA, tables.NO_PEOPLE]
    reasons += [tables.ENOUGH, tables.TOO_LITTLE]
    return (
        np.select(conditions, verdicts, default="unknown").astype(object),
        np.select(conditions, reasons, default=missing).astype(object),
    )


TOLERANCE = 1e-9
"""Amounts are quotients of sums: what is this near to its target, relatively, is at it."""


def enough(amount: FloatArray, target: float) -> BoolArray:
    """Return which amounts reach a target, inclusively (see `TOLERANCE`); NaN never does."""
    return np.asarray(amount >= target * (1.0 - TOLERANCE))


def shares(yes: BoolArray, unknown: BoolArray, place: IntArray, places: int) -> tuple[FloatArray, FloatArray]:
    """Return the percent of facilities that meet something, by place: for sure, and at most; NaN without any.

    Parameters
    ----------
    yes, unknown : bool arrays of shape (facilities,)
        Those that surely do, and those of which it isn't known.
    place : int64 array of shape (facilities,)
        Row of the place, -1 for none.
    places : int
        Number of places.
    """
    use = place >= 0
    whole = np.bincount(place[use], minlength=places).astype(np.float64)
    whole[whole == 0] = np.nan
    sure = np.bincount(place[use], weights=yes[use], minlength=places)
    most = np.bincount(place[use], weights=(yes | unknown)[use], minlength=places)
    return 100.0 * sure / whole, 100.0 * most / whole
