"""Before and after: which items changed, what rates became of it, and what each project had to do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.assess.assemble import Judged
from circle15.network.travel import Places
from circle15.stages.run import Inputs, IntArray, Run
from circle15.stages.travel import ModeSurvey, all_pairs, renumber
from circle15.stages.verdicts import count_of_cells, pairs_within
from circle15.standard.requirements import Reach
from circle15.standard.resolve import serving_any
from circle15.tables import OVERRIDDEN
from circle15.units import FloatArray, within

BoolArray = npt.NDArray[np.bool_]

CLOSED, LEFT, OPENED, UNSETTLED, SETTLED = "closed", "left", "opened", "unsettled", "settled"
STATUSES = {
    CLOSED: "was a gap and passes",
    LEFT: "was a gap and still is one",
    OPENED: "was no gap and is one now",
    UNSETTLED: "was a gap or passed, and can't be told now",
    SETTLED: "could not be told, and passes now",
}
"""What became of an item → what it means."""

RATE_COLUMNS = (
    *("passed", "failed", "unknown", "exempt", "item_rate", "committee_rate"),
    *("population", "population_covered", "population_unknown", "population_rate"),
)
KEYS = {
    "district": ("district", ""),
    "towns": ("town", "town_id"),
    "zones": ("zone", "zone"),
    "domains": ("domain", "domain"),
    "types": ("type", "type_id"),
}
"""Table of rates → what it is by, and the column of its keys."""


def item_changes(committees: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return every item that was or is a gap, or whose verdict changed.

    Parameters
    ----------
    committees : DataFrame
        ``committee_id``, ``town_id``.
    before, after : DataFrame
        The tables *verdicts* of the two detections.

    Returns
    -------
    DataFrame
        ``committee_id, town_id, type_id, status, before, after, reason_before, reason_after, time_before_s,
        time_after_s, threshold_before_s, threshold_after_s, facility_before, facility_after, population,
        covered_before, covered_after``.
    """
    old, new = decided_items(before), decided_items(after)
    both = old.add_suffix("_before").join(new.add_suffix("_after"), how="outer")
    was, now = both["verdict_before"].to_numpy(dtype=object), both["verdict_after"].to_numpy(dtype=object)
    status = np.select(
        [
            (was == "fail") & (now == "pass"),
            (was == "fail") & (now == "fail"),
            (was != "fail") & (now == "fail"),
            (was == "unknown") & (now == "pass"),
            was != now,
        ],
        [CLOSED, LEFT, OPENED, SETTLED, UNSETTLED],
        default="",
    )
    both = both.assign(status=status)[status != ""].reset_index()
    town = committees.set_index("committee_id")["town_id"]
    return pd.DataFrame(
        {
            "committee_id": both["committee_id"],
            "town_id": both["committee_id"].map(town),
            "type_id": both["type_id"],
            "status": both["status"],
            "before": both["verdict_before"],
            "after": both["verdict_after"],
            "reason_before": both["reason_before"],
            "reason_after": both["reason_after"],
            "time_before_s": both["time_s_before"],
            "time_after_s": both["time_s_after"],
            "threshold_before_s": both["threshold_s_before"],
            "threshold_after_s": both["threshold_s_after"],
            "facility_before": both["facility_id_before"],
            "facility_after": both["facility_id_after"],
            "population": both["population_after"],
            "covered_before": both["population_covered_before"],
            "covered_after": both["population_covered_after"],
        }
    )


def decided_items(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return one row an item: its verdict over all headline requirements, the rest from the one that decides it."""
    heads = verdicts[verdicts["headline"]]
    rank = heads["verdict"].map({"fail": 0, "unknown": 1, "pass": 2, "exempt": 3})
    ordered = heads.assign(_rank=rank).sort_values(["committee_id", "type_id", "_rank"], kind="stable")
    first = ordered.drop_duplicates(["committee_id", "type_id"]).set_index(["committee_id", "type_id"])
    columns = ["verdict", "reason", "time_s", "threshold_s", "facility_id", "population", "population_covered"]
    return first[columns]


def effect_table(states: Sequence[tuple[str, float, Mapping[str, pd.DataFrame]]]) -> pd.DataFrame:
    """Return the rates of every state, for the district, towns, zones, domains and types.

    Parameters
    ----------
    states : sequence of (str, float, mapping)
        ``before`` or ``after``, the year up to which projects are applied (NaN for none), and the rate tables.

    Returns
    -------
    DataFrame
        ``by, key, state, year`` and the rates; then ``passed_more``: items that pass beside those that did before.
    """
    frames = []
    for name, (by, key) in KEYS.items():
        for state, year, rates in states:
            table = rates[name]
            shown = {c: table[c].to_numpy() for c in RATE_COLUMNS if c in table}
            keys = table[key].to_numpy(dtype=object) if key else np.full(len(table), "", dtype=object)
            frames.append(pd.DataFrame({"by": by, "key": keys, "state": state, "year": year, **shown}))
    joined = pd.concat(frames, ignore_index=True)
    first = joined[joined["state"] == "before"].set_index(["by", "key"])["passed"]
    earlier = first.reindex(pd.MultiIndex.from_frame(joined[["by", "key"]])).to_numpy()
    return joined.assign(passed_more=joined["passed"] - earlier)


@dataclass(frozen=True)
class State:
    """A detection with or without projects, as far as contributions ask for it."""

    inputs: Inputs
    surveys: dict[str, ModeSurvey]
    judged: Sequence[Judged]


@dataclass
class _Shares:
    """What each project has a part in; arrays of shape (projects,)."""

    closes: IntArray
    decides: IntArray
    opens: IntArray
    people: FloatArray
    people_alone: FloatArray
    people_lost: FloatArray

    @classmethod
    def of(cls, size: int) -> "_Shares":
        """Return shares of nothing."""
        counts, persons = [np.zeros(size, dtype=np.int64) for _ in range(3)], [np.zeros(size) for _ in range(3)]
        return cls(counts[0], counts[1], counts[2], persons[0], persons[1], persons[2])


def contributions(run: Run, before: State, after: State, ledger: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return what each applied project contributed to reach, by leaving it out alone.

    Parameters
    ----------
    before, after : State
        Without and with all projects.
    ledger : GeoDataFrame
        Those that were applied.

    Returns
    -------
    DataFrame
        ``project_id, closes, decides, opens, people, people_alone, people_lost, redundant_for_reach``: gaps that it
        helps to close and those that would be gaps again without it; gaps that it opens; persons × requirements whom
        it helps to reach something new, whom nothing else reaches, and who lose what they had. ``redundant_for_reach``
        says that nobody would miss it; whether its capacity is needed is another question.
    """
    size = len(ledger)
    shares = _Shares.of(size)
    number = {str(name): row for row, name in enumerate(ledger["project_id"])}
    touched = ledger[ledger["action"].isin(["move", "close"])]
    of_facility = dict(zip(touched["facility_id"].astype(str), touched["project_id"].astype(str), strict=True))
    moved = ledger[ledger["action"] == "move"]
    new_of = {one: one for one in number} | dict(
        zip(moved["facility_id"].astype(str), moved["project_id"].astype(str), strict=True)
    )
    now = _project_rows(after.inputs, {name: number[p] for name, p in new_of.items() if p in number}, added=True)
    was = _project_rows(before.inputs, {name: number[p] for name, p in of_facility.items()}, added=False)
    old = {one.requirement.id: one for one in before.judged}
    for one in after.judged:
        if isinstance(one.requirement, Reach) and one.requirement.headline:
            serving = serving_any(run.standard, one.requirement.types)
            _count_items(
                shares,
                old[one.requirement.id],
                one,
                _parts(before, one, serving, was),
                _parts(after, one, serving, now),
            )
            _count_people(run, shares, before, after, old[one.requirement.id], one, serving, was, now)
    judged = ledger["type_id"].isin(after.inputs.facilities.covered).to_numpy()
    text = f"{(~judged).sum()} projects are of types that no source covers, of which nothing can be judged"
    run.notes.add("projects.not_covered", int((~judged).sum()), text, ledger["project_id"][~judged])
    idle = judged & (shares.decides == 0) & (shares.people_alone == 0) & (shares.opens == 0) & (shares.people_lost == 0)
    return pd.DataFrame(
        {
            "project_id": ledger["project_id"].to_numpy(dtype=object),
            "closes": shares.closes,
            "decides": shares.decides,
            "opens": shares.opens,
            "people": shares.people,
            "people_alone": shares.people_alone,
            "people_lost": shares.people_lost,
            "redundant_for_reach": idle & ledger["action"].isin(["open", "move"]).to_numpy(),
        }
    )


def _project_rows(inputs: Inputs, project_of: Mapping[str, int], *, added: bool) -> IntArray:
    """Return the project that each facility stands for, -1 for none; with `added` only those that a ledger placed."""
    table = inputs.facilities.table
    rows = np.array([project_of.get(name, -1) for name in table["facility_id"]], dtype=np.int64)
    if added:
        rows[(table["source"] != tables.PROJECTS_SOURCE).to_numpy()] = -1
    return rows


def _parts(state: State, one: Judged, serving: tuple[str, ...], project: IntArray) -> tuple[IntArray, IntArray]:
    """Return committee and project of every facility of a project within the committee's threshold."""
    committees, projects = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for mode, survey in state.surveys.items():
        origin, row, _ = pairs_within(survey, serving, np.where(one.rules.mode == mode, one.rules.threshold_s, -1.0))
        mine = project[row] >= 0
        committees.append(origin[mine])
        projects.append(project[row[mine]])
    return np.concatenate(committees), np.concatenate(projects)


def _count_items(
    shares: _Shares, old: Judged, new: Judged, gone: tuple[IntArray, IntArray], there: tuple[IntArray, IntArray]
) -> None:
    """Add the items of one requirement: a project without its new place, or with its old one again, is left out."""
    computed = (old.reason != OVERRIDDEN) & (new.reason != OVERRIDDEN)  # no project changes what somebody checked
    closed = computed & (old.verdict == "fail") & (new.verdict == "pass")
    opened = computed & (old.verdict != "fail") & (new.verdict == "fail")
    pairs = pd.concat(
        [
            pd.DataFrame({"committee": there[0], "project": there[1], "step": -1}),
            pd.DataFrame({"committee": gone[0], "project": gone[1], "step": 1}),
        ]
    )
    steps = pairs.groupby(["committee", "project"], sort=False)["step"].sum().reset_index()
    committee, project = steps["committee"].to_numpy(), steps["project"].to_numpy()
    without = new.access.count_within[committee] + steps["step"].to_numpy()
    enough = without >= new.rules.min_count[committee]
    helps = closed[committee] & (steps["step"].to_numpy() < 0)
    np.add.at(shares.closes, project[helps], 1)
    decides = computed[committee] & (new.verdict[committee] == "pass") & (old.verdict[committee] != "unknown") & ~enough
    np.add.at(shares.decides, project[decides], 1)
    hurts = opened[committee] & (steps["step"].to_numpy() > 0) & enough
    np.add.at(shares.opens, project[hurts], 1)


def _count_people(
    run: Run,
    shares: _Shares,
    before: State,
    after: State,
    old: Judged,
    new: Judged,
    serving: tuple[str, ...],
    was: IntArray,
    now: IntArray,
) -> None:
    if old.cells is None or new.cells is None:
        return
    persons = after.inputs.persons
    gained, lost = new.cells.covered & ~old.cells.covered, old.cells.covered & ~new.cells.covered
    cell, project = _cells_of(run, after, new, serving, now, new.cells.covered)
    if len(cell):
        if (was >= 0).any() or (new.rules.min_count > 1).any():
            count = count_of_cells(run, after.inputs, after.surveys, new.rules, serving)
        else:  # nothing was closed or moved: whoever had one has it still
            count = np.bincount(cell, minlength=len(persons)) + old.cells.covered
        # without the project, what it moved would be where it was
        moved = np.where(np.isin(was, now[now >= 0]), was, -1)
        kept_cell, kept_project = _cells_of(run, before, old, serving, moved, new.cells.covered)
        size = len(shares.people)
        kept = np.isin(cell * size + project, kept_cell * size + kept_project)
        alone = count[cell] - 1 + kept < new.rules.min_count[after.inputs.cell_committee[cell]]
        np.add.at(shares.people, project[gained[cell]], persons[cell[gained[cell]]])
        np.add.at(shares.people_alone, project[alone], persons[cell[alone]])
    cell, project = _cells_of(run, before, old, serving, was, lost)
    np.add.at(shares.people_lost, project, persons[cell])


def _cells_of(
    run: Run, state: State, one: Judged, serving: tuple[str, ...], project: IntArray, wanted: BoolArray
) -> tuple[IntArray, IntArray]:
    """Return which wanted cells are within their threshold of which projects' facilities."""
    table = state.inputs.facilities.table
    rows = np.flatnonzero((project >= 0) & table["type_id"].isin(serving).to_numpy())
    cells, projects = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for mode, survey in state.surveys.items():
        limit_s = np.where(one.rules.mode == mode, one.rules.threshold_s, np.nan)
        if not len(rows) or not np.isfinite(limit_s).any():
            continue
        places: Places = renumber(survey.places, rows, len(table))
        longest = float(np.nanmax(limit_s))
        pairs = all_pairs(run, survey.key, survey.router.network, survey.cells, places, longest)
        cell = survey.cell_row[pairs.cell]
        limit = np.where(np.isfinite(limit_s), limit_s, -1.0)[state.inputs.cell_committee[cell]]
        inside = wanted[cell] & within(pairs.time_s, limit)
        cells.append(cell[inside])
        projects.append(project[rows[pairs.facility[inside]]])
    return np.concatenate(cells), np.concatenate(projects)
