"""Population rates of the group that a type is for: of the children under three, how many reach a nursery."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from circle15.assess.coverage import People

COLUMNS = (
    "type_id",
    "group",
    "scope",
    "scope_id",
    "population",
    "population_covered",
    "population_unknown",
    "population_rate",
)


def group_rates(people: Mapping[tuple[str, str], People], committees: pd.DataFrame) -> pd.DataFrame:
    """Return covered ÷ known people of each type's group, for the district, each town and each zone.

    Parameters
    ----------
    people : mapping of (type_id, group) to People
        The group's people by committee.
    committees : DataFrame
        ``town_id`` and ``zone`` in the order of the arrays; committees without a zone are in no zone's row.

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`; a rate without anybody known is NaN.
    """
    frames = [pd.DataFrame(columns=list(COLUMNS))]
    for (type_id, group), one in people.items():
        asked = np.isfinite(one.covered)
        table = pd.DataFrame(
            {
                "town": committees["town_id"].to_numpy(),
                "zone": committees["zone"].to_numpy(),
                "population": np.where(asked, one.population, 0.0),
                "population_covered": np.where(asked, one.covered, 0.0),
                "population_unknown": np.where(asked, one.unknown, 0.0),
            }
        )
        for scope in ("district", "town", "zone"):
            key = pd.Series("", index=table.index) if scope == "district" else table[scope]
            use = table if scope == "district" else table[key != ""]
            sums = use.drop(columns=["town", "zone"]).groupby(key.loc[use.index], sort=True).sum()
            known = sums["population"] - sums["population_unknown"]
            sums["population_rate"] = sums["population_covered"] / known.where(known > 0)
            sums = sums.rename_axis("scope_id").reset_index()
            frames.append(sums.assign(type_id=type_id, group=group, scope=scope)[list(COLUMNS)])
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]
