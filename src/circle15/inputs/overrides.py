"""Verdicts that somebody checked in the field, as a table: who, when, and why."""

from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd

from circle15.config import Config
from circle15.errors import Notes, Problem, raise_if_any
from circle15.inputs.formats import nearest
from circle15.inputs.ids import match_ids
from circle15.inputs.vector import Layer, Wanted, load_layer
from circle15.standard.model import Standard
from circle15.tables import Column, check_columns

VERDICTS = ("pass", "fail", "unknown")
"""What a check in the field can find; what is exempt follows from the standard."""

OVERRIDES = (
    Column("committee_id", required=True),
    Column("type_id", required=True),
    Column("verdict", required=True, allowed=VERDICTS),
    Column("author", required=True),
    Column("date", required=True),
    Column("reason", required=True),
)


def read_overrides(
    config: Config, committees: gpd.GeoDataFrame, standard: Standard, notes: Notes
) -> pd.DataFrame | None:
    """Read the table of ``[overrides]``; None where the configuration names none.

    Parameters
    ----------
    config : Config
        The run's configuration.
    committees : GeoDataFrame
        With ``committee_id``.
    standard : Standard
        Knows the types.
    notes : Notes
        Gets what the shared keys leave out.

    Returns
    -------
    DataFrame
        Columns of `OVERRIDES`, the date as ``YYYY-MM-DD``; each committee × type once.

    Raises
    ------
    InputError
        With everything that is wrong with the table: committees and types that there are not, dates that are none,
        two verdicts on one item.
    """
    if config.overrides is None:
        return None
    wanted = Wanted("overrides", OVERRIDES, "committee_id", without_geometry=True)
    layer = load_layer(config.overrides, config.resolve(config.overrides.source), wanted, notes)
    problems = check_columns(layer.table, OVERRIDES, layer.where, layer.label)
    raise_if_any(problems)  # the others compare what these make sure of
    table = pd.DataFrame(layer.table[[column.name for column in OVERRIDES]])
    what = '"committee_id" is of no committee'
    problems += match_ids(table["committee_id"], committees["committee_id"], layer.where, layer.label, what=what)
    problems += _strangers(layer, table, "type_id", [t.id for t in standard.types])
    table["date"], bad = _dates(table["date"])
    if bad.any():
        problems.append(Problem('"date" is no date', layer.where, layer.label(bad), "Write it as 2023-05-31."))
    twice = table.duplicated(["committee_id", "type_id"], keep=False).to_numpy()
    if twice.any():
        remedy = "Keep the one that holds."
        problems.append(Problem("two rows on one committee and type", layer.where, layer.label(twice), remedy))
    raise_if_any(problems)
    return table.reset_index(drop=True)


def _strangers(layer: Layer, table: pd.DataFrame, column: str, known: list[str]) -> list[Problem]:
    other = ~table[column].isin(known).to_numpy()
    if not other.any():
        return []
    first = str(table.loc[other, column].iloc[0])
    names = ", ".join(repr(value) for value in dict.fromkeys(table.loc[other, column]))
    what = f'"{column}" has {names}, which the run does not know'
    return [Problem(what, layer.where, layer.label(other), nearest(first, known))]


def _dates(values: pd.Series) -> tuple[pd.Series, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return dates as ISO text, and which can't be read as one; a time of day is left out."""
    found = [_date(str(value)) for value in values]
    return pd.Series(found, index=values.index, dtype=object), np.array([one == "" for one in found], dtype=bool)


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text.strip().split(" ")[0].split("T")[0]).isoformat()
    except ValueError:
        return ""
