"""Dated targets of a standard: each with its figure, what was measured, and whether it is met."""

import numpy as np
import pandas as pd

from circle15 import tables
from circle15.standard.model import DatedTarget, Standard
from circle15.standard.requirements import Reach

COLUMNS = (
    "target_id",
    "domain",
    "name_zh",
    "name_en",
    "operator",
    "value",
    "unit",
    "due",
    "measured",
    "measured_unit",
    "verdict",
    "reason",
    "measured_by",
    "clause",
)


OPERATORS = {">=": "at_least", "<=": "at_most", "=": "exactly"}
"""In words: a spreadsheet would take a cell that begins with = for a formula."""


def target_table(standard: Standard, requirements: pd.DataFrame, district: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Return one row a target of the standard.

    Parameters
    ----------
    standard : Standard
        Whose targets.
    requirements : DataFrame
        The table *requirements*, with rows of scope ``district``.
    district : DataFrame
        The rates of the district, one row.
    as_of : int
        The run's year: a target that is not met before it is due is ``exempt`` (``not_due``).
    """
    of_district = requirements[requirements["scope"] == "district"].set_index("requirement_id")
    rows = [_row(standard, one, of_district, district, as_of) for one in standard.targets]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    standard: Standard, one: DatedTarget, requirements: pd.DataFrame, district: pd.DataFrame, as_of: int
) -> dict[str, object]:
    measured, unit, verdict, reason = (
        _of_requirement(standard, one, requirements) if one.requirement else _of_run(standard, one, district)
    )
    if verdict == "fail" and as_of < one.due:
        verdict, reason = "exempt", tables.NOT_DUE
    return {
        "target_id": one.id,
        "domain": one.domain or "",
        "name_zh": one.zh,
        "name_en": one.en,
        "operator": OPERATORS[one.operator],
        "value": one.value,
        "unit": one.unit,
        "due": one.due,
        "measured": measured,
        "measured_unit": unit,
        "verdict": verdict,
        "reason": reason,
        "measured_by": one.requirement or one.measured_by,
        "clause": one.clause,
    }


def _of_requirement(standard: Standard, one: DatedTarget, requirements: pd.DataFrame) -> tuple[float, str, str, str]:
    """Return what a requirement says for the whole district.

    One of committees is met when the share of committees of the standard's own ``[target]`` meets it; one of every
    town, when all towns do.
    """
    found = requirements.loc[[one.requirement]].iloc[0]
    if found["reason"] != tables.NO_TARGET:
        return float(found["value"]), str(found["unit"]), str(found["verdict"]), str(found["reason"])
    value = float(found["value"])
    if np.isnan(value):
        return value, str(found["unit"]), "unknown", tables.NOTHING_JUDGED
    met = value >= standard.target.percent
    return value, str(found["unit"]), *(("pass", tables.TARGET_MET) if met else ("fail", tables.BELOW_TARGET))


def _of_run(standard: Standard, one: DatedTarget, district: pd.DataFrame) -> tuple[float, str, str, str]:
    """Return what the rates of the district or the standard itself say."""
    if one.measured_by == "ledger":
        return float("nan"), "", "unknown", tables.NEEDS_LEDGER
    if one.measured_by == "item_rate":
        rate = float(district["item_rate"].iloc[0]) if len(district) else float("nan")
        measured, unit = 100.0 * rate, "% of committee × type items"
    elif one.measured_by == "longest_minutes":
        minutes = [
            rule.minutes for r in standard.requirements if isinstance(r, Reach) and r.headline for rule in r.limits
        ]
        measured, unit = max((m for m in minutes if m is not None), default=float("nan")), "min"
    else:
        measured = float(len(standard.domains if one.measured_by == "domains" else standard.types))
        unit = one.unit
    if np.isnan(measured):
        return measured, unit, "unknown", tables.NOTHING_JUDGED
    met = {">=": measured >= one.value, "<=": measured <= one.value, "=": measured == one.value}[one.operator]
    return measured, unit, *(("pass", tables.TARGET_MET) if met else ("fail", tables.BELOW_TARGET))
