"""Groups of people (by age …): figures of a cell beside its total, under names of their own."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.errors import ConfigError, Notes, Problem, raise_if_any

ROUNDING_PERSONS = 1.0
"""A group may exceed its cell's total by this much where both were rounded apart; it is noted."""

ROUNDING_SHARE = 1e-3
"""By this share of everybody, or by `ROUNDING_PERSONS`, a group may exceed the total in all: rounding evens out."""

NOISE = 1e-6
"""By this share a group may exceed its total in silence: rasters are in single precision."""

GROUP_NAME = re.compile(r"[a-z0-9_]+")

NOT_A_GROUP = frozenset(
    {"committee_id", "name", "kind", "town_id", "zone", "area", "geometry", "population", "verdict", "passed"}
    | {"failed", "unknown", "exempt", "edge_affected", "status", "lon", "lat", "cell_id", "total", "land_km2"}
    | {"shape"}
)
"""Columns of the tables that groups are written beside."""


def check_group_names(names: Sequence[str], path: Path) -> None:
    """Refuse names that are no ids or belong to another column, with a `ConfigError`."""
    problems = []
    for name in names:
        if name in NOT_A_GROUP:
            remedy = "Give the group another name, e.g. age_60_plus."
            problems.append(Problem(f'a population group can\'t be called "{name}"', str(path), remedy=remedy))
        elif not GROUP_NAME.fullmatch(name):
            remedy = "Use small letters a to z, digits and _, e.g. age_60_plus."
            problems.append(Problem(f'"{name}" is no name for a population group', str(path), remedy=remedy))
    raise_if_any(problems, ConfigError)


def check_groups(
    figures: pd.DataFrame, path: Path, label: Callable[[npt.NDArray[np.bool_]], tuple[str, ...]], notes: Notes
) -> list[Problem]:
    """Hold each group against ``total``: a part can't be larger than the whole, but both may have been rounded."""
    total, problems = figures["total"].to_numpy(dtype=np.float64), []
    for group in figures.columns.drop("total"):
        persons = figures[group].to_numpy(dtype=np.float64)
        above = np.where(np.isfinite(total) & (total >= 0), persons - total, np.nan)  # else the total is at fault
        wrong = above > ROUNDING_PERSONS
        remedy = "A group is part of the total: correct one or the other."
        if wrong.any():
            problems.append(Problem(f'"{group}" is larger than total', str(path), label(wrong), remedy))
        elif np.nansum(above) > max(ROUNDING_PERSONS, ROUNDING_SHARE * np.nansum(total)):
            what = f'"{group}" has more people than there are, {np.nansum(persons):,.1f} of {np.nansum(total):,.1f}'
            problems.append(Problem(what, str(path), remedy=remedy))
        rounded = ~wrong & (above > NOISE * np.maximum(total, 1.0))
        text = f'{path.name}: "{group}" is larger than total by rounding in {rounded.sum()} cells'
        notes.add("population.group_above_total", rounded.sum(), text, label(rounded))
    return problems
