"""CSV files: UTF-8, lines that end in a bare newline, columns and rows in a fixed order.

Missing is empty, booleans are ``true`` and ``false``, floats carry a fixed number of decimals (see `columns`). Text
that a spreadsheet would take for a formula gets a leading ``'``; a plain number such as ``-12`` is left alone.
"""

import csv
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from circle15.errors import Notes
from circle15.outputs.columns import OTHER_DECIMALS, RATE_LAYOUTS, decimals_of, geometry_of
from circle15.tables import FORMULA_STARTS, TextArray

FORMULA = re.compile(rf"'*[{FORMULA_STARTS}]")
"""Text that already has a ``'`` before such a sign gets another one, so that it comes back with its own."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
DEFUSED = re.compile(rf"'+[{FORMULA_STARTS}]")
DEGREES_DECIMALS = (7, 12)
"""At least and at most: a centimetre is written out, and digits beyond where a place has them, so that it comes back as
the same place."""


def write_csvs(
    tables: dict[str, pd.DataFrame], committees: gpd.GeoDataFrame, folder: Path, notes: Notes, *, bom: bool = False
) -> list[Path]:
    """Write one file a table into `folder` and return their paths.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Arranged tables (`columns.arranged_tables`) by the name of their file.
    committees : GeoDataFrame
        Where the centres are, in the row order that the arranged table's index refers to; written as ``lon``, ``lat``.
    folder : Path
        An existing folder.
    notes : Notes
        Takes the number of cells that were defused.
    bom : bool
        Whether the files begin with a byte order mark, for spreadsheets that need one.
    """
    centres = geometry_of(committees)[tables["committees"].index]
    tables = tables | {"committees": with_degrees(tables["committees"], centres, committees.crs, after="zone")}
    return write_tables(tables, folder, notes, bom=bom)


def write_tables(tables: dict[str, pd.DataFrame], folder: Path, notes: Notes, *, bom: bool = False) -> list[Path]:
    """Write arranged tables into `folder`, one file each, as `write_csvs` does."""
    defused: list[str] = []
    paths = []
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
            defused += [f"{name}.csv: {text}" for text in _write_table(table, file)]
        paths.append(path)
    text = f"{len(defused)} cells look like formulas and begin with ' in the CSV files (in the GeoPackage as given)"
    notes.add("csv.defused", len(defused), text, defused)
    return paths


def read_rate_csvs(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the rates and targets that `write_csvs` wrote into `folder`: ids as text, the defusing undone."""
    rates = {}
    ids = dict.fromkeys(("type_id", "domain", "town_id", "zone"), str)
    for name in (*RATE_LAYOUTS, "targets"):
        table = pd.read_csv(folder / f"{name}.csv", dtype=ids, keep_default_na=False, na_values=[""])
        for column in (c for c in ids if c in table):
            table[column] = undefuse(table[column].fillna(""))
        rates[name] = table
    return rates


def undefuse(texts: pd.Series) -> pd.Series:
    """Return text as it was before it was written: without the ``'`` before what looks like a formula."""
    return texts.astype(object).map(lambda text: text[1:] if DEFUSED.match(text) else text)


class _NewlineEnds:
    """Ends lines in LF while the csv module believes in CRLF: only so does it quote a lone CR in a cell."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(line.removesuffix("\r\n") + "\n")


def _write_table(table: pd.DataFrame, file: IO[str]) -> list[str]:
    """Write one table and return the cells that were defused."""
    defused: list[str] = []
    cells = [_cells(table[name], name, defused) for name in table.columns]
    writer = csv.writer(_NewlineEnds(file), lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*cells, strict=True))
    return defused


def _cells(values: pd.Series, name: str, defused: list[str]) -> list[str]:
    if values.dtype == "boolean":
        return values.map({True: "true", False: "false"}).astype(object).fillna("").tolist()
    if values.dtype == "Int64":
        whole = values.astype(object).where(values.notna(), None).tolist()
        return _each(whole, lambda v: "" if v is None else str(v))
    if values.dtype == np.float64:
        write = _degrees if name in {"lon", "lat"} else partial(_number, places=decimals_of(name))
        code, different = pd.factorize(values.to_numpy())  # NaN has the code -1
        written = [*(write(value) for value in different.tolist()), ""]
        return [written[one] for one in code.tolist()]
    texts = values.tolist()
    cells = _each(texts, _defuse)
    defused += [text for text, cell in zip(texts, cells, strict=True) if text is not None and text != cell]
    return cells


def _each(values: list[Any], write: Callable[[Any], str]) -> list[str]:
    """Write each different value once: most columns of the long tables hold few of them."""
    written = {value: write(value) for value in set(values)}
    return [written[value] for value in values]


def _degrees(value: float) -> str:
    least, most = DEGREES_DECIMALS
    whole, _, decimals = f"{value:.{most}f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(least, '0')}"


def _number(value: float, places: int | None) -> str:
    if places is None:
        return f"{value:.{OTHER_DECIMALS}f}".rstrip("0").rstrip(".")
    return f"{value:.{places}f}"


def _defuse(text: str | None) -> str:
    if text is None:
        return ""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def with_degrees(table: pd.DataFrame, points: TextArray, crs: object, after: str) -> pd.DataFrame:
    """Return a table with ``lon`` and ``lat`` of its points after a column; empty where there is no point.

    Parameters
    ----------
    table : DataFrame
        Arranged.
    points : object array of shapely Points or None, shape (rows,)
        One for each row.
    crs : CRS or str
        What they are in.
    after : str
        Name of the column that the two follow.
    """
    degrees = gpd.GeoSeries(points, crs=crs).to_crs("EPSG:4326")
    at = list(table.columns).index(after) + 1
    done = table.copy()
    done.insert(at, "lon", degrees.x.to_numpy() + 0.0)
    done.insert(at + 1, "lat", degrees.y.to_numpy() + 0.0)
    return done
