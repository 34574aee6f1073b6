"""Years as files have them: a number, a date, or 2021年; what is neither is an error, never a guess.

What opens or closes counts by the year, so a date gives its year and loses the rest. A date has to begin with four
digits of a year: 9/1/2021 is September in one country and January in another, and 44440 is a spreadsheet's day count
or nothing at all. A time of day and its offset from UTC are left out with the rest: the year is the one that is
written.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.errors import Notes, Problem, counted
from circle15.inputs.formats import EXCEL
from circle15.inputs.vector import Layer
from circle15.units import FloatArray

Mask = npt.NDArray[np.bool_]

_YEAR = re.compile(r"([1-9]\d{3})(?:\.0+)?\s*年?")
_CLOCK = r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
_DATES = (
    re.compile(rf"([1-9]\d{{3}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_CLOCK}"),
    re.compile(r"([1-9]\d{3})([-/])(\d{1,2})"),
    re.compile(r"([1-9]\d{3})\s*(年)\s*(\d{1,2})\s*月\s*(?:(\d{1,2})\s*[日号])?"),
)
"""Year, separator, month, perhaps day. Without a day a point is no separator: 2020.5 is a number, and no year."""

_UTC = re.compile(r"\d{4}[-/.](\d{1,2})[-/.](\d{1,2})[T ]+(\d{1,2}):(\d{2}).*(?:Z|UTC|[+-]00(?::?00)?)")
NEXT_YEAR_FROM_H, LAST_YEAR_UNTIL_H = 10, 12
"""Hours of UTC on the last and on the first day of a year, between which it is another year somewhere on the earth:
zones are up to 14 hours ahead and 12 behind."""

VALUES_SHOWN = 3
_DAY_COUNT = re.compile(r"1905-0[3-9]-")
"""The days that a workbook counts as 1900 to 2100: March to September of 1905."""


def year_of(text: str) -> tuple[int, bool] | None:
    """Return the year that a text names and whether it is a whole date; None if it names none.

    Parameters
    ----------
    text : str
        ``2021``, ``2021.0``, ``2021年``; ``2021-09-01``, ``2021/9/1``, ``2021.9.1``, also with a time of day;
        ``2021-09``, ``2021年9月``, ``2021年9月1日``. Full-width digits are digits. The year has four.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if plain := _YEAR.fullmatch(text):
        return int(plain[1]), False
    for pattern in _DATES:
        found = pattern.fullmatch(text)
        if found:
            day = found[4] if found.re.groups > 3 and found[4] else "1"  # noqa: PLR2004 - the group of the day
            return _checked(int(found[1]), int(found[3]), int(day))
    return None


def another_year_elsewhere(text: str) -> bool:
    """Return whether a text is a time of UTC that is of another year in some zone; midnight is rather a date alone.

    A GeoPackage holds times in UTC: the first of January in China is saved as the last of December, 16:00.
    """
    found = _UTC.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if not found:
        return False
    month, day, hour, minute = (int(part) for part in found.groups())
    if (month, day) == (12, 31):
        return hour >= NEXT_YEAR_FROM_H
    return (month, day) == (1, 1) and 0 < hour * 60 + minute < LAST_YEAR_UNTIL_H * 60


def _checked(year: int, month: int, day: int) -> tuple[int, bool] | None:
    try:
        date(year, month, day)
    except ValueError:
        return None
    return year, True


def years_of(values: pd.Series) -> tuple[FloatArray, Mask, Mask]:
    """Return the years of a column, which of them were dates, and which values name no year.

    Parameters
    ----------
    values : Series
        Numbers, text, dates or a mixture. Missing and blank ones have no year (NaN), which is no fault.

    Returns
    -------
    years : float64 array of shape (rows,)
        NaN where there is none.
    dates, bad : bool arrays of shape (rows,)
    """
    text = values.astype("string").str.strip().fillna("")
    known = {one: year_of(one) for one in pd.unique(text) if one}
    found = [known.get(one) for one in text]
    years = np.array([np.nan if one is None else one[0] for one in found], dtype=np.float64)
    dates = np.array([one is not None and one[1] for one in found], dtype=bool)
    return years, dates, np.isnan(years) & (text != "").to_numpy(dtype=bool)


def take_years(layer: Layer, columns: Sequence[str], topic: str, notes: Notes) -> None:
    """Turn columns of a layer into years in place; what names no year goes to the layer's problems.

    Parameters
    ----------
    layer : Layer
        Its rows are changed where a column is there.
    columns : sequence of str
        Names of the columns.
    topic : str
        First part of the note's code.
    notes : Notes
        Gets ``<topic>.dates``: rows whose date counts by its year; ``<topic>.dates_in_utc``: rows of them whose time of
        UTC is of another year elsewhere.
    """
    for column in columns:
        if column not in layer.table:
            continue
        raw = layer.table[column]
        layer.table[column], dates, bad = years_of(raw)
        if bad.any():
            shown = ", ".join(f'"{value}"' for value in pd.unique(raw[bad].astype("string"))[:VALUES_SHOWN])
            remedy = "Write a year (2021) or a date that begins with it (2021-09-01), or leave it empty."
            layer.problems.append(Problem(f'"{column}" has {shown}: no year', layer.where, layer.label(bad), remedy))
        if layer.where.split(", layer ")[0].lower().endswith(EXCEL):
            counts = np.array([bool(_DAY_COUNT.match(str(value))) for value in raw], dtype=bool)
            if counts.any():
                what = f'"{column}" has dates of 1905, which are what a year becomes in a cell with a format of dates'
                remedy = "Give the cells the format of numbers, or write 1905 if it is meant."
                layer.problems.append(Problem(what, layer.where, layer.label(counts), remedy))
        text = f'{Path(layer.where).name}: {dates.sum()} values of "{column}" are dates, of which only the year counts'
        notes.add(f"{topic}.dates", dates.sum(), text, layer.label(dates))
        doubtful = dates & np.array([another_year_elsewhere(str(value)) for value in raw], dtype=bool)
        times = counted(doubtful.sum(), "time", "times")
        text = (
            f'{Path(layer.where).name}: {times} of "{column}" in UTC around New Year: '
            "the year is taken as it is written, and is another one by local time"
        )
        notes.add(f"{topic}.dates_in_utc", doubtful.sum(), text, layer.label(doubtful))
