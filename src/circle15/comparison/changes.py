"""Two runs beside each other: rates, items whose verdict changed, facilities that came and went."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from circle15.comparison.pairing import Pairs, committees_of
from circle15.errors import Notes
from circle15.report.facts import ITEM_COUNTS
from circle15.report.reading import RunFolder
from circle15.stages.changes import KEYS, RATE_COLUMNS, decided_items

BETTER, WORSE, OTHER = "better", "worse", "other"
DIRECTIONS = {
    BETTER: "passes now, or failed and can't be told now",
    WORSE: "fails now, or passed and can't be told now",
    OTHER: "is exempt now, or was",
}
"""Which way a verdict changed → what it means."""

SAME, OPENED, CLOSED, MOVED, ALTERED = "same", "opened", "closed", "moved", "altered"
FACILITY_CHANGES = {
    OPENED: "is only in the second run",
    CLOSED: "is only in the first run",
    MOVED: "lies elsewhere",
    ALTERED: "has another type, capacity, floor area or other attribute",
    SAME: "is the same in both",
}
"""What became of a facility → what it means."""
MOVED_M = 0.01
"""Facilities lie elsewhere if a point of one is farther than this from the other, metres."""
NOT_ATTRIBUTES = ("facility_id", "geometry", "source", "on_network", "town_id", "name", "opens", "closes")
"""Columns of the facilities whose change is none of the facility's as far as verdicts go."""

DIFFERENT = ("item_rate", "committee_rate", "population_rate")
CHANGE_COLUMNS = (
    *("committee_id", "committee_b", "name", "town_id", "type_id", "direction", "before", "after"),
    *("reason_before", "reason_after", "cause", "step", "time_before_s", "time_after_s"),
    *("threshold_before_s", "threshold_after_s", "facility_before", "facility_before_became"),
    *("facility_after", "facility_after_was", "population_before", "population_after"),
)


OTHER_COLUMNS = (
    *("target_id", "requirement_id", "scope", "scope_id"),
    *("before", "after", "reason_before", "reason_after"),
)


def rate_table(a: RunFolder, b: RunFolder) -> pd.DataFrame:
    """Return the rates of both runs side by side.

    Returns
    -------
    DataFrame
        ``by, key, name_zh, name_en``, then each of `RATE_COLUMNS` as ``a_<name>`` and ``b_<name>`` (NaN where one of
        the runs has no such row), and for `DIFFERENT` ``points_item`` and so on: B − A in percentage points.
    """
    frames = []
    for name, (by, key) in KEYS.items():
        one, two = (_by_key(run.table(name), key) for run in (a, b))
        order = list(dict.fromkeys([*two.index, *one.index]))
        found: dict[str, Any] = {"by": by, "key": order}
        for language in ("name_zh", "name_en"):
            texts = [table[language] for table in (two, one) if language in table]
            found[language] = texts[0].combine_first(texts[-1]).reindex(order).fillna("").tolist() if texts else ""
        for column in RATE_COLUMNS:
            for side, table in (("a", one), ("b", two)):
                values = table[column] if column in table else pd.Series(np.nan, index=table.index)
                found[f"{side}_{column}"] = values.reindex(order).to_numpy(dtype=np.float64)
        frames.append(pd.DataFrame(found, index=range(len(order))))
    joined = pd.concat(frames, ignore_index=True)
    for column in DIFFERENT:
        joined[f"points_{column.removesuffix('_rate')}"] = (joined[f"b_{column}"] - joined[f"a_{column}"]) * 100
    return joined


def _by_key(table: pd.DataFrame, key: str) -> pd.DataFrame:
    return table.set_index(key) if key else table.set_index(pd.Index([""] * len(table)))


def item_tables(a: RunFolder, b: RunFolder, pairs: Pairs, types: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the items that both runs judge, by the same index of ``committee_id`` (A's) and ``type_id``."""
    old, new = decided_items(a.table("verdicts")), decided_items(b.table("verdicts"))
    new = new.rename(index=pairs.rename_b, level="committee_id")
    index = old.index.intersection(new.index)
    wanted = index.get_level_values(0).isin(list(pairs.same)) & index.get_level_values(1).isin(list(types))
    index = index[wanted].sort_values()
    return old.loc[index], new.loc[index]


def item_count(run: RunFolder) -> int:
    """Return how many items a run's rates are of, exempt ones included."""
    district = run.table("district")
    return int(district[list(ITEM_COUNTS.values())].to_numpy(dtype=np.float64).sum())


def item_rate(verdicts: pd.Series) -> float:
    """Return the share of 1 of items that pass, of those that could be judged; NaN if there are none."""
    passed, failed = (int((verdicts == one).sum()) for one in ("pass", "fail"))
    return passed / (passed + failed) if passed + failed else math.nan


def change_table(
    a: RunFolder, pairs: Pairs, before: pd.DataFrame, after: pd.DataFrame, facilities: pd.DataFrame
) -> pd.DataFrame:
    """Return every item whose verdict changed.

    Parameters
    ----------
    before, after : DataFrame
        From `item_tables`.
    facilities : DataFrame
        From `facility_table`.

    Returns
    -------
    DataFrame
        Columns of `CHANGE_COLUMNS`, ``cause`` and ``step`` empty; times NaN where nothing is reached.
    """
    changed = (before["verdict"] != after["verdict"]).to_numpy()
    old, new = before[changed], after[changed]
    ids = old.index.get_level_values("committee_id")
    committees = committees_of(a).set_index("committee_id").reindex(ids)
    change = dict(zip(facilities["facility_id"], facilities["change"], strict=True))
    was, now = old["verdict"].to_numpy(dtype=object), new["verdict"].to_numpy(dtype=object)
    table = {
        "committee_id": ids,
        "committee_b": [pairs.same[one] for one in ids],
        "name": committees["name"].to_numpy(),
        "town_id": committees["town_id"].to_numpy(),
        "type_id": old.index.get_level_values("type_id"),
        "direction": direction(was, now),
        "before": was,
        "after": now,
        "reason_before": old["reason"].to_numpy(),
        "reason_after": new["reason"].to_numpy(),
        "cause": "",
        "step": "",
        "time_before_s": old["time_s"].to_numpy(),
        "time_after_s": new["time_s"].to_numpy(),
        "threshold_before_s": old["threshold_s"].to_numpy(),
        "threshold_after_s": new["threshold_s"].to_numpy(),
        "facility_before": old["facility_id"].to_numpy(),
        "facility_before_became": _looked_up(old["facility_id"], change),
        "facility_after": new["facility_id"].to_numpy(),
        "facility_after_was": _looked_up(new["facility_id"], change),
        "population_before": old["population"].to_numpy(),
        "population_after": new["population"].to_numpy(),
    }
    return pd.DataFrame(table, columns=CHANGE_COLUMNS)


def _looked_up(ids: pd.Series, change: Mapping[str, str]) -> list[str]:
    return ["" if not one else change.get(one, SAME) for one in ids]


def other_table(a: RunFolder, b: RunFolder, pairs: Pairs) -> pd.DataFrame:
    """Return what changed beside the items: dated targets, requirements of towns and the district, uncounted verdicts.

    Returns
    -------
    DataFrame
        Columns of `OTHER_COLUMNS`: a target (``target_id``), or a requirement of a town, the district or, where it
        counts in no rate, a committee (``scope``, ``scope_id``), that both runs judge and not alike.
    """
    frames = []
    for table, keys in (("targets", ["target_id"]), ("requirements", ["requirement_id", "scope", "scope_id"])):
        frames.append(_judged_otherwise(a.table(table), b.table(table), keys))
    frames.append(
        _judged_otherwise(_uncounted(a, {}), _uncounted(b, pairs.rename_b), ["requirement_id", "scope", "scope_id"])
    )
    kept = [frame for frame in frames if len(frame)]
    joined = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(OTHER_COLUMNS))
    return joined.reindex(columns=list(OTHER_COLUMNS)).fillna("")


def _uncounted(run: RunFolder, rename: Mapping[str, str]) -> pd.DataFrame:
    """Return the committees' verdicts that count in no rate, by the ids that the comparison calls them by."""
    table = run.table("verdicts")
    own = table[~table["headline"].astype(bool)]
    ids = [rename.get(one, one) for one in own["committee_id"]]
    return own.assign(scope="committee", scope_id=ids)


def _judged_otherwise(old: pd.DataFrame, new: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the rows of the same key whose verdicts differ, in the order of the old ones."""
    if not len(old) or not len(new):
        return pd.DataFrame()
    columns = [*keys, "verdict", "reason"]
    both = old[columns].merge(new[columns], on=keys, suffixes=("_a", "_b"), validate="one_to_one")
    both = both[both["verdict_a"] != both["verdict_b"]]
    named = {"verdict_a": "before", "verdict_b": "after", "reason_a": "reason_before", "reason_b": "reason_after"}
    return both.rename(columns=named)


def direction(was: npt.NDArray[np.object_], now: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return which way verdicts changed: fail before unknown before pass; exempt is no place on that way."""
    rank = {"fail": 0, "unknown": 1, "pass": 2}
    found = [
        OTHER if "exempt" in pair else BETTER if rank[pair[1]] > rank[pair[0]] else WORSE
        for pair in zip(was, now, strict=True)
    ]
    return np.array([*found, ""], dtype=object)[:-1]


def facility_table(a: RunFolder, b: RunFolder) -> pd.DataFrame:
    """Return the facilities that are not the same in both runs, matched by their ids.

    Returns
    -------
    DataFrame
        ``facility_id, type_id, name, town_id, change, moved_m, altered``: what became of it (`FACILITY_CHANGES`), how
        far apart its two places are (Hausdorff distance), and which columns differ, joined by ``|``.
    """
    one, two = (_facilities(run) for run in (a, b))
    if one.crs != two.crs and one.crs is not None and two.crs is not None:
        two = two.to_crs(one.crs)
    both = one.index.intersection(two.index)
    old, new = one.loc[both], two.loc[both]
    moved_m = shapely.hausdorff_distance(old.geometry.to_numpy(), new.geometry.to_numpy())
    moved_m = np.where(np.asarray(shapely.equals(old.geometry.to_numpy(), new.geometry.to_numpy())), 0.0, moved_m)
    shared = [name for name in one if name in two and name not in NOT_ATTRIBUTES]
    differs = {name: _differs(old[name], new[name]) for name in shared}
    altered = ["|".join(name for name in shared if differs[name][row]) for row in range(len(both))]
    change = np.select([moved_m > MOVED_M, np.array([bool(x) for x in altered], dtype=bool)], [MOVED, ALTERED], SAME)
    kept = change != SAME
    frames = [
        _rows(two.loc[both[kept]], change[kept], moved_m[kept], np.array(altered, dtype=object)[kept]),
        _rows(one.loc[one.index.difference(two.index)], CLOSED),
        _rows(two.loc[two.index.difference(one.index)], OPENED),
    ]
    joined = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    return joined.sort_values(["type_id", "facility_id"], ignore_index=True)


def note_attributes(a: RunFolder, b: RunFolder, notes: Notes) -> None:
    """Note columns of facilities that one run alone has: they may turn verdicts, and no facility is listed for them."""
    one, two = (set(_facilities(run).columns) for run in (a, b))
    left = sorted((one ^ two) - set(NOT_ATTRIBUTES))
    text = f"{len(left)} columns of facilities are in one run alone and not compared: {', '.join(left)}"
    notes.add("compare.attributes", len(left), text, left)


def _facilities(run: RunFolder) -> gpd.GeoDataFrame:
    table = run.layers.get("facilities")
    if table is None:
        table = gpd.GeoDataFrame({"facility_id": [], "type_id": [], "name": [], "town_id": []}, geometry=[])
    return table.set_index("facility_id")


def _differs(old: pd.Series, new: pd.Series) -> npt.NDArray[np.bool_]:
    before, after = old.astype(object).to_numpy(), new.astype(object).to_numpy()
    blank = pd.isna(before) & pd.isna(after)
    return np.asarray((before != after) & ~blank, dtype=bool)


def _rows(table: pd.DataFrame, change: object, moved_m: object = np.nan, altered: object = "") -> pd.DataFrame:
    names = ("type_id", "name", "town_id")
    text = {name: table[name].fillna("").to_numpy() if name in table else "" for name in names}
    found = {"facility_id": table.index, **text, "change": change, "moved_m": moved_m, "altered": altered}
    return pd.DataFrame(found, index=range(len(table)))
