"""Items, committee verdicts and rates: how the verdicts add up by type, domain, town, zone and district.

Item rate Σpass / Σ(pass + fail) over committee × type; committee rate Σpass / Σ(pass + fail) over committees, where
any failed item fails the committee, else any unknown leaves it unknown; population rate Σcovered / Σ(known) over
persons × type. What is unknown or exempt leaves both sides and is counted.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

COUNTS = ("passed", "failed", "unknown", "exempt", "edge_affected", "overridden")
RATE_COLUMNS = (
    *COUNTS,
    "item_rate",
    "item_rate_without_edge",
    "committee_rate",
    "population",
    "population_covered",
    "population_unknown",
    "population_rate",
)


def combine(verdicts: Sequence[npt.NDArray[np.object_]]) -> npt.NDArray[np.object_]:
    """Return one verdict from several that must all hold: fail before unknown before pass before exempt.

    Parameters
    ----------
    verdicts : sequence of object arrays of str, shape (n,)
        At least one.
    """
    every = np.stack(verdicts)
    return np.select(
        [(every == "fail").any(axis=0), (every == "unknown").any(axis=0), (every == "pass").any(axis=0)],
        ["fail", "unknown", "pass"],
        default="exempt",
    ).astype(object)


def judge_committees(items: pd.DataFrame) -> pd.DataFrame:
    """Return one row a committee: its verdict over its items and how many are of each verdict.

    Parameters
    ----------
    items : DataFrame
        ``committee_id``, ``verdict``, ``edge_affected`` of headline items.

    Returns
    -------
    DataFrame
        Indexed by committee_id, with ``verdict`` and `COUNTS`.
    """
    counts = _count(items, ["committee_id"])
    counts["verdict"] = np.select(
        [counts.failed > 0, counts.unknown > 0, counts.passed > 0], ["fail", "unknown", "pass"], default="exempt"
    )
    return counts[["verdict", *COUNTS]]


def rate(items: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """Return the rates of items grouped by one column, or of all of them.

    Parameters
    ----------
    items : DataFrame
        ``committee_id, verdict, edge_affected, population, population_covered, population_unknown`` and `by`.
        Population columns are NaN where the item is exempt or there is no population.
    by : str or None
        Column to group by; rows whose group is empty text are left out. None for one row over everything.

    Returns
    -------
    DataFrame
        `by` and `RATE_COLUMNS`; a rate without anything known is NaN.
    """
    keyed = items.assign(_all="") if by is None else items[items[by] != ""]
    key = by or "_all"
    table = _count(keyed, [key])
    table["item_rate"] = _share(table.passed, table.passed + table.failed)
    table["item_rate_without_edge"] = _share(table.passed, table.passed + table.failed - table.edge_affected)

    per_committee = _count(keyed, [key, "committee_id"])
    failed = per_committee.failed > 0
    passed = ~failed & (per_committee.unknown == 0) & (per_committee.passed > 0)
    level = per_committee.index.get_level_values(key)
    passed_sum, failed_sum = passed.groupby(level).sum(), failed.groupby(level).sum()
    table["committee_rate"] = _share(passed_sum, passed_sum + failed_sum)

    people = keyed.groupby(key, sort=True)[["population", "population_covered", "population_unknown"]].sum(min_count=1)
    table = table.join(people)
    table["population_rate"] = _share(table.population_covered, table.population - table.population_unknown)
    table = table.reset_index()
    return table[[*([by] if by else []), *RATE_COLUMNS]]


def _count(items: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    marks = items[keys].copy()
    for name, verdict in (("passed", "pass"), ("failed", "fail"), ("unknown", "unknown"), ("exempt", "exempt")):
        marks[name] = (items.verdict == verdict).to_numpy()
    for name in ("edge_affected", "overridden"):
        marks[name] = items[name].to_numpy(dtype=bool) if name in items else False
    return marks.groupby(keys, sort=True).sum()


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part.astype(np.float64) / whole.astype(np.float64).where(whole > 0)
