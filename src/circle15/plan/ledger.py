"""What a ledger of projects says: how many, of what, how far they are, and where its own lists disagree.

A ledger holds real projects (``marginal`` is ``""``), or lists that only count, its *marginals*: by type and year
(``year``), by type and means (``means``), and printed totals by domain (``total``). Each is a *basis* of its own. They
tell of the same projects, so figures of one basis are never added to those of another.

A row stands for ``units`` projects; its cost is that of all of them. A row of a marginal may leave its number out or
say “not less than”: it counts what is printed and is marked ``at_least``. A share then is an interval, and a verdict
needs both of its ends.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.standard.model import DatedTarget, Standard
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]

GROUPINGS = {
    "projects": ("all", "domain", "type", "year", "means", "town", "department", "status"),
    "year": ("all", "domain", "type", "year", "town", "department", "status"),
    "means": ("all", "domain", "type", "means"),
    "total": ("all", "domain", "department"),
}
"""Basis → what its figures may be given by."""
DATED = ("projects", "year")
"""Bases whose rows have years and a status of their own."""
FIGURE_COLUMNS = (
    *("basis", "by", "key", "name_zh", "name_en", "projects", "at_least", "planned", "started", "done", "late"),
    *("cost", "cost_missing", "share_started"),
)
DISAGREEMENT_COLUMNS = ("domain", "type_id", "check", "value_a", "value_b", "difference", "note")
MILESTONE_COLUMNS = (
    *("milestone", "name_zh", "name_en", "due", "basis", "target", "value", "value_planned", "projects", "counted"),
    *("missing", "verdict", "reason"),
)
TARGET_COLUMNS = ("target_id", "measured", "measured_target", "measured_unit", "verdict", "reason")

WHOLE = 100.0
"""Percent; a share is not more than that, even where more is listed than a total says."""
TOLERANCE = 1e-9
"""Shares are quotients of sums: what is this near to its target, relatively, is at it."""
DEPARTMENTS = re.compile(r"[、,;|]")
"""What may stand between two departments."""


# Figures -----------------------------------------------------------------------------------------------------------


def ledger_figures(projects: pd.DataFrame, standard: Standard, as_of: int) -> pd.DataFrame:
    """Return the figures of a ledger, one row a basis, grouping and key.

    Parameters
    ----------
    projects : DataFrame
        Columns of `tables.PROJECTS`, ``marginal``, ``domain`` (blank: the type's) and ``at_least``.
    standard : Standard
        Names and order of domains and types.
    as_of : int
        The run's year, for `is_late`.

    Returns
    -------
    DataFrame
        Columns of `FIGURE_COLUMNS`. ``by`` is one of `GROUPINGS`; one that no row has a key for is left out, else rows
        without a key come last, under ``""``. The year is ``plan_year``, else ``start_year``. Several departments of
        one project are parted at 、 , ; or |, and it counts for each, so departments add up to more than all.

        ``projects`` is the sum of units, and ``at_least`` says that there is more without a number. ``planned``,
        ``started``, ``done`` and ``late`` are NaN for the bases ``means`` and ``total``, whose rows have no status.
        ``cost`` is NaN where no row has one; ``cost_missing`` is how many projects have none.

        ``share_started`` is the percent that is started or done, of ``projects``; but by all, domain and department
        the basis ``year`` is divided by the printed total of each domain that has one.
    """
    rows = _rows(projects, standard)
    rows["late"] = is_late(projects, as_of)
    names = {("domain", one.id): (one.zh, one.en) for one in standard.domains}
    names |= {("type", one.id): (one.zh, one.en) for one in standard.types}
    found = []
    for basis, groupings in GROUPINGS.items():
        own = rows[rows["basis"] == basis]
        for by in groupings:
            for key in _keys(own, by, standard):
                of_key = rows[_has(rows, by, key)]
                name_zh, name_en = names.get((by, key), ("", ""))
                first = {"basis": basis, "by": by, "key": key, "name_zh": name_zh, "name_en": name_en}
                found.append(first | _figures(of_key, basis, by))
    figures = pd.DataFrame(found, columns=list(FIGURE_COLUMNS))
    dtypes = dict.fromkeys(("projects", "cost_missing"), "int64") | {"at_least": "bool"}
    dtypes |= dict.fromkeys(("planned", "started", "done", "late", "cost", "share_started"), "float64")
    return figures.astype(dtypes)


def _figures(rows: pd.DataFrame, basis: str, by: str) -> dict[str, object]:
    """Return the figures of one basis from the rows, of every basis, that have one key."""
    own = rows[rows["basis"] == basis]
    units, status, costs = own["units"].to_numpy(), own["status"].to_numpy(), own["cost"].to_numpy()
    dated = basis in DATED
    counts: dict[str, object] = {s: units[status == s].sum() if dated else math.nan for s in tables.STATUSES}
    begun = _begun(own)
    divided = basis == "year" and by in ("all", "domain", "department")
    printed = rows[rows["basis"] == "total"] if divided else rows[:0]
    return counts | {
        "projects": int(units.sum()),
        "at_least": bool(own["more"].any()),
        "late": units[own["late"].to_numpy()].sum() if dated else math.nan,
        "cost": math.nan if np.isnan(costs).all() else np.nansum(costs),
        "cost_missing": int(units[np.isnan(costs)].sum()),
        "share_started": _share(own, printed, begun).percent if dated else math.nan,
    }


def is_late(projects: pd.DataFrame, as_of: int) -> BoolArray:
    """Return which projects are behind their own years.

    Late is what is still planned though its ``start_year`` (without one, its ``plan_year``) has passed, and what is not
    done though its ``open_year`` has. A year has passed when `as_of` is later: in the year itself nothing is late.
    """
    plan_year, start_year, open_year = (_numbers(projects, c) for c in ("plan_year", "start_year", "open_year"))
    status = projects["status"].to_numpy(dtype=object)
    to_start = np.where(np.isnan(start_year), plan_year, start_year)
    return np.asarray(((status == "planned") & (to_start < as_of)) | ((status != "done") & (open_year < as_of)))


def _rows(projects: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """Return what all figures are made from, one row a row of the ledger."""
    marginal = projects["marginal"].to_numpy(dtype=object)
    counts_only = marginal != ""
    units, plan_year, start_year = (_numbers(projects, c) for c in ("units", "plan_year", "start_year"))
    year = np.where(np.isnan(plan_year), start_year, plan_year)
    domain_of = {one.id: one.domain for one in standard.types}
    pairs = zip(projects["domain"], projects["type_id"], strict=True)
    return pd.DataFrame(
        {
            "basis": np.where(counts_only, marginal, "projects"),
            "all": "",
            "domain": _column(domain or domain_of.get(type_id, "") for domain, type_id in pairs),
            "type": projects["type_id"].to_numpy(dtype=object),
            "year": _column("" if np.isnan(y) else str(int(y)) for y in year),
            "means": projects["means"].to_numpy(dtype=object),
            "town": projects["town_id"].to_numpy(dtype=object),
            "department": _column(_departments(text) for text in projects["department"]),
            "status": projects["status"].to_numpy(dtype=object),
            # a real project without a number is one; a list without a number counts none of what it means
            "units": np.where(np.isnan(units), np.where(counts_only, 0.0, 1.0), units),
            "more": counts_only & (np.isnan(units) | projects["at_least"].to_numpy(dtype=bool)),
            "cost": _numbers(projects, "cost"),
            "listed_year": year,
            "plan_year": plan_year,
            "start_year": start_year,
            "open_year": _numbers(projects, "open_year"),
        }
    )


def _numbers(projects: pd.DataFrame, column: str) -> FloatArray:
    return projects[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _column(values: Iterable[object]) -> pd.Series:
    """Return texts, or tuples of them, as a column of objects."""
    return pd.Series(list(values), dtype=object)


def _departments(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in DEPARTMENTS.split(text) if name.strip()) or ("",)


def _has(rows: pd.DataFrame, by: str, key: str) -> BoolArray:
    if by == "department":
        return np.fromiter((key in names for names in rows[by]), dtype=bool, count=len(rows))
    return np.asarray(rows[by].to_numpy(dtype=object) == key)


def _keys(rows: pd.DataFrame, by: str, standard: Standard) -> list[str]:
    """Return the keys of a grouping in the standard's order, then by text, blank last; none if all are blank."""
    keys = {name for names in rows[by] for name in names} if by == "department" else set(rows[by])
    if by != "all" and keys <= {""}:
        return []
    orders: dict[str, Sequence[str]] = {
        "domain": [one.id for one in standard.domains],
        "type": [one.id for one in standard.types],
        "means": tables.MEANS,
        "status": tables.STATUSES,
    }
    place = {key: number for number, key in enumerate(orders.get(by, ()))}
    return sorted(keys, key=lambda key: (key == "", place.get(key, len(place)), key))


# Shares ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Share:
    """How many of a whole; ``low`` and ``high`` are what the percent is at least and at most."""

    counted: float
    whole: float
    percent: float
    low: float
    high: float


def _share(rows: pd.DataFrame, printed: pd.DataFrame, counts: BoolArray) -> _Share:
    """Return the share of the rows that count, in the printed totals and in the sums of domains that have none.

    More of what counts only raises it; more of the rest only lowers it, and no figure says how far.
    """
    units, more = rows["units"].to_numpy(), rows["more"].to_numpy()
    summed = ~rows["domain"].isin(printed["domain"]).to_numpy()
    counted, whole = float(units[counts].sum()), float(printed["units"].sum() + units[summed].sum())
    if whole == 0:
        return _Share(counted, whole, math.nan, math.nan, math.nan)
    percent = WHOLE * counted / whole
    more_whole = printed["more"].any() or (more & summed & ~counts).any()
    low = 0.0 if more_whole else min(percent, WHOLE)
    high = WHOLE if (more & counts).any() else min(percent, WHOLE)
    return _Share(counted, whole, percent, low, high)


def _begun(rows: pd.DataFrame) -> BoolArray:
    return rows["status"].isin(("started", "done")).to_numpy()


def _starts(rows: pd.DataFrame, as_of: int) -> FloatArray:
    """Return the year in which each row starts; what has started without a year of its own did so by `as_of`."""
    return _when(rows["start_year"].to_numpy(), rows["plan_year"].to_numpy(), _begun(rows), as_of)


def _opens(rows: pd.DataFrame, as_of: int) -> FloatArray:
    """Return the year by which each row is done, likewise."""
    return _when(rows["open_year"].to_numpy(), rows["plan_year"].to_numpy(), _is_done(rows), as_of)


def _is_done(rows: pd.DataFrame) -> BoolArray:
    return (rows["status"] == "done").to_numpy()


def _when(year: FloatArray, plan_year: FloatArray, happened: BoolArray, as_of: int) -> FloatArray:
    otherwise = np.where(happened, np.fmin(plan_year, as_of), plan_year)
    return np.where(np.isnan(year), otherwise, year)


def _needed(percent: float, whole: float) -> int:
    """Return the smallest number that is at least a percent of the whole."""
    exact = percent * whole / WHOLE
    return math.ceil(exact - TOLERANCE * max(1.0, exact))


# Milestones and targets --------------------------------------------------------------------------------------------


def milestones(
    projects: pd.DataFrame, standard: Standard, years: Sequence[int], started_percent: Sequence[float], as_of: int
) -> pd.DataFrame:
    """Return whether enough projects have started and are done by the end of each year of a programme.

    Parameters
    ----------
    projects : DataFrame
        As for `ledger_figures`.
    standard : Standard
        Which type is of which domain.
    years : sequence of int
        Years of the programme; all projects are to be done by the end of the last one.
    started_percent : sequence of float
        What percent is to have started by the end of each year, from the first on; what is beyond the last year is no
        milestone.
    as_of : int
        The run's year: the ledger's status is that of this year, and a milestone that is not met is ``exempt``
        (``not_due``) before its own.

    Returns
    -------
    DataFrame
        Columns of `MILESTONE_COLUMNS`, one row a milestone; with real projects and the marginal ``year`` in one ledger,
        one of each basis. ``value`` is the percent that has really started (done), that is by status, by the end of
        the year ``due``: by ``start_year`` (``open_year``), else ``plan_year``, or `as_of` if that is earlier.
        ``value_planned`` is the percent if everything goes as the ledger says. They are shares of ``projects``: for
        the basis ``year`` of the printed total of each domain that has one. ``missing`` is how many more it takes.
    """
    rows = _rows(projects, standard)
    printed = rows[rows["basis"] == "total"]
    asked = [("started", year, percent) for year, percent in zip(years, started_percent, strict=False)]
    asked += [("done", years[-1], WHOLE)]
    present = [basis for basis in DATED if (rows["basis"] == basis).any()] or ["projects"]
    found = []
    for basis in present:
        own = rows[rows["basis"] == basis]
        for what, due, percent in asked:
            found.append(_milestone(own, printed if basis == "year" else rows[:0], what, due, percent, as_of))
            found[-1]["basis"] = basis
    return pd.DataFrame(found, columns=list(MILESTONE_COLUMNS))


def _milestone(
    rows: pd.DataFrame, printed: pd.DataFrame, what: str, due: int, percent: float, as_of: int
) -> dict[str, object]:
    by_then = (_starts if what == "started" else _opens)(rows, as_of) <= due
    share = _share(rows, printed, by_then & (_begun if what == "started" else _is_done)(rows))
    verdict, reason = _judged(share.low, share.high, ">=", percent, due, as_of)
    return {
        "milestone": f"{what}_{due}",
        "name_zh": f"至{due}年底{'已启动' if what == 'started' else '已完成'}项目占比",
        "name_en": f"Projects {what} by the end of {due}",
        "due": due,
        "target": percent,
        "value": share.percent,
        "value_planned": _share(rows, printed, by_then).percent,
        "projects": int(share.whole),
        "counted": int(share.counted),
        "missing": max(0, _needed(percent, share.whole) - int(share.counted)),
        "verdict": verdict,
        "reason": reason,
    }


def ledger_targets(projects: pd.DataFrame, standard: Standard, as_of: int) -> pd.DataFrame:
    """Return the verdicts of those targets of the standard that are measured by the ledger.

    Parameters
    ----------
    projects : DataFrame
        As for `ledger_figures`.
    standard : Standard
        Whose targets.
    as_of : int
        The run's year: a target that is not met before it is due is ``exempt`` (``not_due``).

    Returns
    -------
    DataFrame
        Columns of `TARGET_COLUMNS`. A target in ``%`` is held against the share that has started by its year, as in
        `milestones`; any other against the number of projects of its domain: of real projects if the ledger has any,
        else the printed total, else the sum by year. Of “at least 36” it is certain that it is 36 or more, and unknown
        whether it is exactly 36.
    """
    rows = _rows(projects, standard)
    found = []
    for one in standard.targets:
        if one.measured_by == "ledger":
            measured, low, high = _measured(rows, one, as_of)
            judged = _judged(low, high, one.operator, one.value, one.due, as_of)
            found.append((one.id, measured, one.value, one.unit, *judged))
    return pd.DataFrame(found, columns=list(TARGET_COLUMNS))


def _measured(rows: pd.DataFrame, one: DatedTarget, as_of: int) -> tuple[float, float, float]:
    """Return what a target is held against, and what that is at least and at most."""
    real = (rows["basis"] == "projects").any()
    of_domain = rows if one.domain is None else rows[rows["domain"] == one.domain]
    basis = of_domain["basis"]
    if one.unit == "%":
        own = of_domain[basis == ("projects" if real else "year")]
        printed = of_domain[:0] if real else of_domain[basis == "total"]
        share = _share(own, printed, _begun(own) & (_starts(own, as_of) <= one.due))
        return share.percent, share.low, share.high
    own = of_domain[basis == ("projects" if real else "total" if (basis == "total").any() else "year")]
    if not real and own.empty:
        return math.nan, math.nan, math.nan
    number = float(own["units"].sum())
    return number, number, math.inf if own["more"].any() else number


def _judged(low: float, high: float, operator: str, target: float, due: int, as_of: int) -> tuple[str, str]:
    """Hold an interval against a figure: met or missed only if both ends say so.

    What is missed before it is due is exempt.
    """
    if math.isnan(low):
        return "unknown", tables.NOTHING_JUDGED
    near = abs(target) * TOLERANCE
    reaches, may_reach = low >= target - near, high >= target - near
    stays, may_stay = high <= target + near, low <= target + near
    met = {">=": reaches, "<=": stays, "=": reaches and stays}[operator]
    may_be = {">=": may_reach, "<=": may_stay, "=": may_reach and may_stay}[operator]
    if met:
        return "pass", tables.TARGET_MET
    if may_be:
        return "unknown", tables.SOME_UNKNOWN
    return ("exempt", tables.NOT_DUE) if as_of < due else ("fail", tables.BELOW_TARGET)


# Disagreements -----------------------------------------------------------------------------------------------------


def disagreements(projects: pd.DataFrame, standard: Standard) -> pd.DataFrame:
    """Return each place where the marginals of a ledger don't fit together; what is printed is kept.

    Held against one another are, where the ledger has both: by type the sums by year and by means (``by_year vs
    by_means``), by domain each of them and the printed total (``… vs total``), and what is listed up to the year of a
    target of the standard for the share that has started, and the number that this share asks for (``by_year vs
    <target>``). A number of which there may be more disagrees only if no number could agree; but a list that
    names less than the total is told in any case, as *unlisted*.

    Parameters
    ----------
    projects : DataFrame
        As for `ledger_figures`; real projects are not looked at.
    standard : Standard
        Order of domains and types, and the dated shares.

    Returns
    -------
    DataFrame
        Columns of `DISAGREEMENT_COLUMNS`. ``type_id`` of a domain's line names the types with projects without a
        number, joined by ``|``; ``difference`` is ``value_b`` − ``value_a``.
    """
    rows = _rows(projects, standard)
    by_year, by_means, totals = (rows[rows["basis"] == basis] for basis in ("year", "means", "total"))
    domains = _keys(rows, "domain", standard)
    found = [line for one in domains for line in _of_types(_of(by_year, one), _of(by_means, one), one, standard)]
    for name, listed in (("by_year", by_year), ("by_means", by_means)):
        for one in domains:
            found += _of_total(_of(listed, one), _of(totals, one), one, f"{name} vs total", standard)
    shares = [one for one in standard.targets if one.measured_by == "ledger" and one.unit == "%"]
    for share in shares:
        of_domain = rows if share.domain is None else _of(rows, share.domain)
        found += _of_share(of_domain, share)
    table = pd.DataFrame(found, columns=["domain", "type_id", "check", "value_a", "value_b", "note"])
    table = table.astype({"value_a": "int64", "value_b": "int64"})
    table["difference"] = table["value_b"] - table["value_a"]
    return table[list(DISAGREEMENT_COLUMNS)]


_Line = tuple[str, str, str, int, int, str]
"""domain, type_id, check, value_a, value_b, note"""


def _of(rows: pd.DataFrame, domain: str) -> pd.DataFrame:
    return rows[rows["domain"] == domain]


def _number(rows: pd.DataFrame) -> tuple[int, float]:
    """Return how many are numbered, and how many there may be."""
    number = int(rows["units"].sum())
    return number, math.inf if rows["more"].any() else number


def _of_types(by_year: pd.DataFrame, by_means: pd.DataFrame, domain: str, standard: Standard) -> list[_Line]:
    if by_year.empty or by_means.empty:
        return []
    offset = by_year["units"].sum() == by_means["units"].sum()
    note = "made up for by other types: the sums of the domain agree" if offset else ""
    lines = []
    for type_id in _keys(pd.concat([by_year, by_means]), "type", standard):
        (a, a_most), (b, b_most) = (_number(rows[rows["type"] == type_id]) for rows in (by_year, by_means))
        if a > b_most or b > a_most:
            lines.append((domain, type_id, "by_year vs by_means", a, b, note))
    return lines


def _of_total(listed: pd.DataFrame, total: pd.DataFrame, domain: str, check: str, standard: Standard) -> list[_Line]:
    if listed.empty or total.empty:
        return []
    (a, _), (b, b_most) = _number(listed), _number(total)
    if b <= a <= b_most:
        return []
    least = "at least " if math.isinf(b_most) else ""
    note = f"{least}{b - a} unlisted" if a < b else "more is listed than the total says"
    open_types = "|".join(_keys(listed[listed["more"]], "type", standard))
    return [(domain, open_types, check, a, b, note)]


def _of_share(rows: pd.DataFrame, one: DatedTarget) -> list[_Line]:
    """Compare what is listed up to a target's year with what the target asks for, whatever the status."""
    by_year = rows[rows["basis"] == "year"]
    if by_year.empty or one.operator == "<=":
        return []
    year, units = by_year["listed_year"].to_numpy(), by_year["units"].to_numpy()
    share = _share(by_year, rows[rows["basis"] == "total"], year <= one.due)
    needed = _needed(one.value, share.whole)
    if share.counted >= needed:
        return []
    later = int(units[year > one.due].sum())
    note = f"{share.percent:.1f} % of {share.whole:.0f}; {later} are listed for later years"
    return [(one.domain or "", "", f"by_year vs {one.id}", int(share.counted), needed, note)]
