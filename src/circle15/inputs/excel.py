"""An Excel sheet → its rows as text, as a CSV of the same cells would give them.

The first row holds the names of the columns, each row below one thing. Sheets made for reading (titles, merged cells,
names in two rows) are refused with the cells named: what such a cell means for its neighbours is not for a program to
guess.
"""

import datetime as dt
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.cell.cell import Cell, MergedCell
from openpyxl.utils.cell import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from circle15.errors import ConfigError, InputError, Notes, Problem

ZEROS = re.compile(r"0{2,}")
"""A number format that shows 123 as 000123: what is shown is the code, what is stored has lost its zeros."""
EXCEL_DIGITS = 15
"""Excel keeps this many digits of a number; further ones become 0."""
FORMULA_TAG = re.compile(rb"<(?:\w+:)?f[ >/]")
CELLS_SHOWN = 8


@dataclass
class _Sheet:
    """A sheet's cells as text with their rows of the sheet, and what was found on the way."""

    where: str
    names: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)
    blank: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, what: str, cells: Sequence[str], remedy: str) -> None:
        """Add a problem that names its cells, if there are any."""
        if cells:
            more = f" and {len(cells) - CELLS_SHOWN} more" if len(cells) > CELLS_SHOWN else ""
            self.problems.append(Problem(f"{what}: {', '.join(cells[:CELLS_SHOWN])}{more}", self.where, remedy=remedy))


def read_excel(path: Path, layer: str | None, topic: str, notes: Notes) -> pd.DataFrame:
    """Read a sheet of an ``.xlsx`` or ``.xlsm`` file.

    Parameters
    ----------
    path : Path
        The file.
    layer : str or None
        The sheet; by default the first that is not hidden.
    topic : str
        First part of the codes of `notes`.
    notes : Notes
        Gets ``<topic>.sheets`` if the sheet was chosen among several, ``<topic>.hidden_rows`` (they are read) and
        ``<topic>.blank_rows`` (left out).

    Returns
    -------
    DataFrame
        Text in every cell: whole numbers without ``.0``, numbers formatted as ``0000`` with the zeros shown, dates as
        ``2021-09-01``, empty cells as ``""``. The index counts the rows below the names from 0.

    Raises
    ------
    InputError
        If the file can't be read or the sheet is no table: an empty first row, a title, merged cells, columns without a
        name or with the same one, values that are errors, formulas without a stored value, numbers that lost digits.
    ConfigError
        If `layer` is no sheet.
    """
    book = _open(path, values=True)
    sheet = _choose_sheet(book, path, layer, topic, notes)
    found = _Sheet(f"{path}, sheet {sheet.title}")
    _read_names(sheet, found)
    if not found.problems:
        _read_cells(sheet, found)
        _check_cells(sheet, path, found)
    if found.problems:
        raise InputError(*found.problems)
    _note_rows(sheet, found, path, topic, notes)
    index = pd.Index(np.array(found.rows, dtype=np.int64) - 2)
    return pd.DataFrame(found.cells, columns=found.names, index=index, dtype=object)


UNREADABLE = (
    *(InvalidFileException, zipfile.BadZipFile, zlib.error),
    *(KeyError, ValueError, OSError, SyntaxError, TypeError, NotImplementedError),
)
"""What openpyxl ends with on files that are damaged or none of its own."""


def _open(path: Path, *, values: bool) -> openpyxl.Workbook:
    """Open the file with the values that formulas had, or with the formulas."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # parts of a workbook that openpyxl does not keep: charts, rules
            return openpyxl.load_workbook(path, data_only=values)
    except UNREADABLE as error:
        reason = str(error).strip().splitlines()
        what = f"cannot be read as Excel ({reason[0] if reason else type(error).__name__})"
        remedy = "Open it in a spreadsheet program and save it as .xlsx, without a password."
        raise InputError(Problem(what, str(path), remedy=remedy)) from None


def _choose_sheet(book: openpyxl.Workbook, path: Path, layer: str | None, topic: str, notes: Notes) -> Worksheet:
    sheets = {str(sheet.title): sheet for sheet in book.worksheets}
    shown = [name for name, sheet in sheets.items() if sheet.sheet_state == "visible"]
    if layer is not None:
        if layer not in sheets:
            remedy = f"There are: {', '.join(sheets)}."
            raise ConfigError(Problem(f'no sheet "{layer}"', str(path), remedy=remedy))
        return sheets[layer]
    if not shown:
        raise InputError(Problem("has no sheet that is not hidden", str(path), remedy="Name one with layer."))
    others = [name for name in sheets if name != shown[0]]
    text = f'{path.name}: sheet "{shown[0]}" is read, others are not ({", ".join(others)}); layer names the one to read'
    notes.add(f"{topic}.sheets", len(others), text, others)
    return sheets[shown[0]]


# names -------------------------------------------------------------------------------------------------------------


def _read_names(sheet: Worksheet, found: _Sheet) -> None:
    """Fill in the names of the columns; a first row that can't be one of names is a problem."""
    filled = [(number, row) for number, row in _rows(sheet) if any(_text(cell) for cell in row)]
    if not filled:
        raise InputError(Problem("has no rows", found.where, remedy="Name a file or sheet that holds some."))
    merged = [str(area) for area in sheet.merged_cells.ranges if area.min_row == 1]
    remedy = "The first row has to hold one name for each column: unmerge it, and delete titles above the names."
    found.report("merged cells in the first row", merged, remedy)
    number, first = filled[0]
    if number > 1:
        remedy = f"The first row has to hold the names of the columns: delete the {number - 1} above."
        found.report("the first row is empty, the first that is not is row", [str(number)], remedy)
        return
    named = [at for at, cell in enumerate(first) if _text(cell).strip()]
    if not merged and len(named) == 1 and max(sum(bool(_text(c)) for c in row) for _, row in filled) > 1:
        remedy = "The first row has to hold the names of the columns: delete what stands above them."
        found.report(f'"{_text(first[named[0]]).strip()}" looks like a title', [_place(1, named[0])], remedy)
        return
    found.names = [_text(cell).strip() for cell in first]
    bare = [at for at, name in enumerate(found.names) if not name]
    nameless = [get_column_letter(at + 1) for at in bare if any(_text(row[at]).strip() for _, row in filled)]
    found.report("columns with values and no name", nameless, "Name them in the first row, or delete them.")
    twice = sorted({name for name in found.names if name and found.names.count(name) > 1})
    found.report("two columns have one name", twice, "Rename one of them.")


def _rows(sheet: Worksheet) -> Iterator[tuple[int, tuple[Cell | MergedCell, ...]]]:
    """Yield every row with its number, which is that of the sheet."""
    yield from enumerate(sheet.iter_rows(min_row=1, min_col=1), start=1)


# cells -------------------------------------------------------------------------------------------------------------


def _read_cells(sheet: Worksheet, found: _Sheet) -> None:
    """Fill in the rows below the names; columns without a name are empty and go."""
    kept = [at for at, name in enumerate(found.names) if name]
    found.names = [found.names[at] for at in kept]
    for number, row in _rows(sheet):
        if number == 1:
            continue
        texts = [_text(row[at]) for at in kept]
        if not any(text.strip() for text in texts):
            found.blank.append(number)
            continue
        found.errors += [f"{_place(number, at)} ({row[at].value})" for at in kept if row[at].data_type == "e"]
        found.too_long += [_place(number, at) for at in kept if _lost_digits(row[at].value)]
        found.rows.append(number)
        found.cells.append(texts)
    if found.rows:
        found.blank = [number for number in found.blank if number < found.rows[-1]]


def _check_cells(sheet: Worksheet, path: Path, found: _Sheet) -> None:
    merged = sorted((a for a in sheet.merged_cells.ranges if a.min_row > 1), key=lambda a: (a.min_row, a.min_col))
    remedy = "Only the first of such cells has a value: unmerge them and fill in every row."
    found.report("merged cells", [str(area) for area in merged], remedy)
    found.report("values that are errors", found.errors, "Correct the formulas, or enter the values.")
    remedy = "Open the file in a spreadsheet program, let it calculate, and save it."
    found.report("formulas without a stored value", _without_value(sheet, path, found), remedy)
    remedy = (
        f"A spreadsheet keeps {EXCEL_DIGITS} digits of a number: format the column as text and enter the codes again."
    )
    found.report(f"numbers of more than {EXCEL_DIGITS} digits", found.too_long, remedy)


def _without_value(sheet: Worksheet, path: Path, found: _Sheet) -> list[str]:
    """Return the cells that hold a formula and no value: a program wrote them that doesn't calculate.

    The file is opened a second time for it, and only if some sheet has formulas at all.
    """
    with zipfile.ZipFile(path) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        if not any(FORMULA_TAG.search(parts.read(name)) for name in sheets):
            return []
    formulas = _open(path, values=False)[sheet.title]
    last = found.rows[-1] if found.rows else 1
    return [
        _place(number, at)
        for number, row in _rows(formulas)
        for at, cell in enumerate(row)
        if number <= last and cell.data_type == "f" and _is_empty(sheet.cell(number, at + 1))
    ]


def _is_empty(cell: Cell | MergedCell) -> bool:
    return cell.value is None and cell.data_type != "str"  # a formula that gives "" is stored as an empty text


def _note_rows(sheet: Worksheet, found: _Sheet, path: Path, topic: str, notes: Notes) -> None:
    hidden = [number for number in found.rows if sheet.row_dimensions[number].hidden]
    text = f"{path.name}: {len(hidden)} rows are hidden in the sheet (by a filter?) and are read as well"
    notes.add(f"{topic}.hidden_rows", len(hidden), text, _row_names(hidden))
    text = f"{path.name}: {len(found.blank)} empty rows between others were left out"
    notes.add(f"{topic}.blank_rows", len(found.blank), text, _row_names(found.blank))


def _row_names(numbers: Iterable[int]) -> list[str]:
    return [f"row {number} of the sheet" for number in numbers]


def _place(number: int, at: int) -> str:
    """Return how a spreadsheet calls the cell in row `number` and the column `at`, counted from 0."""
    return f"{get_column_letter(at + 1)}{number}"


def _lost_digits(value: Any) -> bool:
    """Return whether a whole number is so long that its last digits may be lost."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) < 10.0**EXCEL_DIGITS:
        return False
    return isinstance(value, float) or not str(abs(value))[EXCEL_DIGITS:].strip("0")


def _text(cell: Cell | MergedCell) -> str:
    """Return a cell's value as text."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number_text(value, str(cell.number_format))
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _number_text(value: float, shown_as: str) -> str:
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 10.0**EXCEL_DIGITS)
    if not whole:
        return repr(float(value))
    text = str(int(value))
    return text.zfill(len(shown_as)) if value >= 0 and ZEROS.fullmatch(shown_as) else text
