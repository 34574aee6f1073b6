"""Quality: whether a facility has an attribute, and for a committee whether one that has it is within the threshold."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.standard.requirements import Quality
from circle15.tables import clean_text

BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]

TRUE_WORDS = ("true", "yes", "1", "y", "是", "有", "达标")
FALSE_WORDS = ("false", "no", "0", "n", "否", "无", "未达标")
"""How tables write whether something is so; whatever else stands there is unknown."""


@dataclass(frozen=True)
class Attribute:
    """Whether facilities meet an attribute; bool arrays of shape (facilities,). Those in neither don't."""

    yes: BoolArray
    unknown: BoolArray


def attribute_of(facilities: pd.DataFrame, requirement: Quality) -> Attribute:
    """Return which facilities meet what a requirement asks of an attribute, and of which it isn't known.

    Parameters
    ----------
    facilities : DataFrame
        With the attribute as a column; without it, nothing is known.
    requirement : Quality
        ``equals`` true or false reads `TRUE_WORDS` and `FALSE_WORDS`; a number and ``at_least`` read numbers;
        ``one_of`` and a text compare text as it stands. What is blank, or can't be read so, is unknown.
    """
    n = len(facilities)
    if requirement.attribute not in facilities:
        return Attribute(np.zeros(n, dtype=bool), np.ones(n, dtype=bool))
    column = facilities[requirement.attribute]
    text = clean_text(column)
    numbers = pd.to_numeric(text.replace("", np.nan), errors="coerce").to_numpy(dtype=np.float64)
    if requirement.at_least is not None:
        return Attribute(numbers >= requirement.at_least, np.isnan(numbers))
    asked = requirement.equals
    if isinstance(asked, bool):
        words = text.str.lower()
        true, false = words.isin(TRUE_WORDS).to_numpy(), words.isin(FALSE_WORDS).to_numpy()
        return Attribute(true if asked else false, ~true & ~false)
    if isinstance(asked, float):
        return Attribute(numbers == asked, np.isnan(numbers))
    wanted = requirement.one_of or (asked,)
    return Attribute(text.isin(wanted).to_numpy(), (text == "").to_numpy())


@dataclass(frozen=True)
class Within:
    """Facilities within each committee's threshold, by what is known of their attribute; shape (committees,)."""

    yes: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]


def judge_quality(
    within: Within, lost_nearby: BoolArray, all_covered: bool, reach_verdict: TextArray, reach_reason: TextArray
) -> tuple[TextArray, TextArray]:
    """Return each committee's verdict and reason: one facility with the attribute within the threshold is enough.

    Parameters
    ----------
    within : Within
        What lies within the threshold.
    lost_nearby : bool array of shape (committees,)
        Whether a facility that is off the network, and that may have the attribute, lies within the threshold by
        straight line.
    all_covered : bool
        Whether sources claim to know every facility of each of the types.
    reach_verdict, reach_reason : object arrays of str, shape (committees,)
        The verdict on a facility of any quality: where nothing is asked or known, it is this one, too.
    """
    nothing_asked = (reach_verdict == "exempt") | (reach_reason == tables.NO_FACILITY_DATA)
    nothing_known = (reach_verdict == "unknown") & (within.yes == 0)
    chosen = [
        nothing_asked | nothing_known,
        within.yes > 0,
        within.unknown > 0,
        lost_nearby,
        np.full(len(reach_verdict), not all_covered),
        reach_verdict == "pass",
    ]
    words = ["pass", "unknown", "unknown", "unknown", "fail"]
    verdicts = [reach_verdict, *(np.full(len(reach_verdict), word, dtype=object) for word in words)]
    codes = [tables.WITHIN, tables.ATTRIBUTE_UNKNOWN, tables.FACILITY_OFF_NETWORK, tables.NO_FACILITY_DATA]
    codes.append(tables.WITHOUT_ATTRIBUTE)
    reasons = [reach_reason, *(np.full(len(reach_reason), code, dtype=object) for code in codes)]
    return np.select(chosen, verdicts, reach_verdict), np.select(chosen, reasons, reach_reason)
