"""Dated targets of a standard: each with its figure, what was measured, and whether it is met."""

import math
from dataclasses import dataclass

import pandas as pd

from circle15 import tables
from circle15.assess.supply import TOLERANCE
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
    "measured_target",
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
    found = _of_requirement(standard, one, requirements) if one.requirement else _of_run(standard, one, district)
    verdict, reason = found.verdict, found.reason
    if reason == tables.NOT_DUE:  # the requirement may be due later than the target
        verdict, reason = "fail", tables.BELOW_TARGET
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
        "measured": found.measured,
        "measured_target": found.target,
        "measured_unit": found.unit,
        "verdict": verdict,
        "reason": reason,
        "measured_by": one.requirement or one.measured_by,
        "clause": one.clause,
    }


@dataclass(frozen=True)
class _Measured:
    """What was measured, and what it was held against, in one unit."""

    measured: float
    target: float
    unit: str
    verdict: str
    reason: str


def _of_requirement(standard: Standard, one: DatedTarget, requirements: pd.DataFrame) -> _Measured:
    """Return what a requirement says for the whole district.

    One of committees without a target of its own is met when the share of committees of the standard's ``[target]``
    meets it, whatever the unknown ones are; one of every town, when all towns do.
    """
    found = requirements.loc[[one.requirement]].iloc[0]
    value, target, unit = float(found["value"]), float(found["target"]), str(found["unit"])
    if found["reason"] != tables.NO_TARGET:
        return _Measured(value, target, unit, str(found["verdict"]), str(found["reason"]))
    target = standard.target.percent
    low, high = (value if pd.isna(found[end]) else float(found[end]) for end in ("value_low", "value_high"))
    return _Measured(value, target, unit, *_held(low, high, ">=", target))


def _held(low: float, high: float, operator: str, target: float) -> tuple[str, str]:
    """Hold an interval against a figure: met or missed only if both ends say so."""
    if math.isnan(low):
        return "unknown", tables.NOTHING_JUDGED
    near = abs(target) * TOLERANCE
    met = {
        ">=": low >= target - near,
        "<=": high <= target + near,
        "=": low >= target - near and high <= target + near,
    }[operator]
    may_be = {
        ">=": high >= target - near,
        "<=": low <= target + near,
        "=": low <= target + near and high >= target - near,
    }[operator]
    if met:
        return "pass", tables.TARGET_MET
    return ("unknown", tables.SOME_UNKNOWN) if may_be else ("fail", tables.BELOW_TARGET)


def _of_run(standard: Standard, one: DatedTarget, district: pd.DataFrame) -> _Measured:
    """Return what the items of the district or the standard itself say."""
    if one.measured_by == "ledger":
        return _Measured(math.nan, math.nan, "", "unknown", tables.NEEDS_LEDGER)
    if one.measured_by == "item_rate":
        passed, failed, unknown = (float(district[name].sum()) for name in ("passed", "failed", "unknown"))
        measured = 100.0 * passed / (passed + failed) if passed + failed else math.nan
        every = passed + failed + unknown
        low, high = (100.0 * part / every if passed + failed else math.nan for part in (passed, passed + unknown))
        unit = "% of committee × type items"
        return _Measured(measured, one.value, unit, *_held(low, high, one.operator, one.value))
    if one.measured_by == "longest_minutes":
        reaches = [r for r in standard.requirements if isinstance(r, Reach) and r.headline]
        minutes = [rule.minutes for each in reaches for rule in each.limits]
        measured, unit = max((m for m in minutes if m is not None), default=math.nan), "min"
    else:
        measured = float(len(standard.domains if one.measured_by == "domains" else standard.types))
        unit = one.unit
    return _Measured(measured, one.value, unit, *_held(measured, measured, one.operator, one.value))
