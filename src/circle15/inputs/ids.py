"""Ids as people and spreadsheets write them: full-width characters, stray spaces, zeros that were lost.

Ids are brought to one form (NFKC, no invisible characters, single spaces), so that two files that mean one thing say
the same. Zeros are never put back: which codes had one is for the person to say who has the original.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15.errors import Notes, Problem
from circle15.tables import EXACT_FLOATS, Column, clean_text, exact_floats, some_of

Mask = npt.NDArray[np.bool_]
Label = Callable[[Mask], tuple[str, ...]]

FILLERS = frozenset("\u034f\u115f\u1160\u3164\uffa0\u2800")
"""Characters of letters' and signs' kinds that show nothing."""
ID_WORDS = ("kind", "zone")
"""Columns that name something by a word, and so are ids as well."""
CODES = ("committee_id", "town_id")
"""Ids that are codes of one length where they are digits; others (of OSM, of a database) grow with the years."""
CODE_LENGTH = 4
"""Shorter numbers are rather counted than coded."""
SPARSE = 10
"""Ids that were counted from 1 are at most about as many as the largest says; codes are this many times fewer."""

SCIENTIFIC = re.compile(
    r"'?[+-]?(?:(?:\d+[.,]\d*|[.,]\d+)\s*[eEdD]\s*[+-]?\d+|\d+\s*[eEdD]\s*\+\s*\d+|\d[eE]-\d+"
    r"|(?:\d+[.,]?\d*|[.,]\d+)\s*[×x*]\s*10\s*\^?\s*[+-]?\d+)"
)
"""``3.10115E+11``, ``3,1E+11``, ``3E+11``, ``310.115E+9``, ``3.1×10^11``: what programs make of long numbers."""
BARE_SCIENTIFIC = re.compile(r"\d+[eE]\d+")
NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")

UNTOLD = "\ufdd0"
"""Stands for a code of which it can't be told how its workbook shows it: a character that no text may have."""

FULL_WIDTH = {full: chr(full - 0xFEE0) for full in (*range(0xFF10, 0xFF1A), 0xFF0B, 0xFF0D, 0xFF0E)} | {0x2212: "-"}
"""Full-width digits, signs and point, and the minus sign → their ASCII forms. NFKC would make a 52 of 5²."""

TEXT_REMEDY = "A spreadsheet or a reader took codes for numbers: format the column as text and enter the codes again."


def is_id(column: Column) -> bool:
    """Return whether a column of a contract holds ids."""
    return column.dtype == "text" and (column.name.endswith("_id") or column.name in ID_WORDS)


NO_IDS = frozenset({"nan", "null", "none", "nil", "<na>", "<null>", "nat", "#n/a", "\\n", "无", "空", "缺失", "不详"})
"""In small letters, what programs and people write where there is no id."""


DASHES = frozenset("-–—")


def _visible(sign: str) -> bool:
    """Return whether a character can be seen: no control or format sign, no selector of variants, no filler."""
    if unicodedata.category(sign) in {"Cf", "Cc"} or sign in FILLERS:
        return False
    return not ("\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef")


def clean_id(text: str) -> str:
    """Return an id in its one form: NFKC, without invisible characters, runs of spaces as one, none at the ends."""
    plain = unicodedata.normalize("NFKC", text)
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(c for c in plain if c.isspace() or _visible(c))
    return " ".join(plain.split())


def clean_code(text: str) -> str:
    """Return an id in its one form, empty if it says that there is none (``NULL``, ``无``, ``-``)."""
    plain = clean_id(text)
    return "" if plain.casefold() in NO_IDS or set(plain) <= DASHES else plain


def clean_number(text: str) -> str:
    """Return a number with its full-width digits as plain ones; nothing between two digits is removed."""
    if text.isascii():
        return text
    plain = text.translate(FULL_WIDTH)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf").strip()


def show_as_sheet(
    table: pd.DataFrame, of_file: Mapping[str, str], shown: Mapping[str, pd.Series], contract: Iterable[Column]
) -> None:
    """Put what a workbook shows in place of what it stores, in columns of text; numbers stay as they are stored.

    Parameters
    ----------
    table : DataFrame
        Columns carry the contract's names; changed in place.
    of_file : mapping of str to str
        Column of `table` → the file's name for it.
    shown : mapping of str to Series
        For columns of the file, by the rows concerned, what the sheet shows; None where that can't be told.
    contract : iterable of Column
        Tells which columns hold text.
    """
    for column in contract:
        own = of_file.get(column.name, "")
        if column.dtype == "text" and own in shown:
            texts = shown[own].where(shown[own].notna(), UNTOLD) if is_id(column) else shown[own].dropna()
            table[column.name] = table[column.name].astype(object)
            table.loc[texts.index, column.name] = texts


def refuse_numbers(table: pd.DataFrame, contract: Iterable[Column], where: str, label: Label) -> list[Problem]:
    """Return ids that are no ids any more, since a program took codes for numbers.

    Parameters
    ----------
    table : DataFrame
        The rows that are used.
    contract : iterable of Column
        The table's.
    where : str
        The file as messages name it.
    label : callable
        From a row mask to labels that tell rows by their number: such ids do not tell them apart.
    """
    problems = []
    for column in contract:
        if column.name not in table or not is_id(column):
            continue
        values = table[column.name]
        untold = (values == UNTOLD).to_numpy(dtype=bool, na_value=False)
        if untold.any():
            what = f'"{column.name}" has cells whose number format does not let the code be told'
            remedy = (
                "Format the column as text and enter the codes as the sheet shows them, or copy them into a text "
                'column by =TEXT(A2,"…") with that format.'
            )
            problems.append(Problem(what, where, label(untold), remedy))
        text = clean_text(table[column.name])
        scientific = _scientific(text)
        if scientific.any():
            what = f'"{column.name}" has {some_of(text[scientific])}: codes that a spreadsheet cut short to a number'
            remedy = (
                "The lost digits cannot be won back here. Export the table again from the original with this column as "
                "text: in a spreadsheet, format it as text before the codes are entered or imported, then save it."
            )
            problems.append(Problem(what, where, label(scientific), remedy))
        rounded = _rounded(table[column.name])
        if rounded.any():
            what = f'"{column.name}" is stored as a decimal number, which does not keep all digits of such long codes'
            remedy = "Export the table again with this column as text, or as a whole number of 64 bits."
            problems.append(Problem(what, where, label(rounded), remedy))
    return problems


def _scientific(text: pd.Series) -> Mask:
    """Return which ids are numbers in scientific notation.

    ``3.10115E+11`` always is; ``3E11`` is if the column holds numbers only, else it may be a code.
    """
    distinct = [value for value in dict.fromkeys(text) if value]
    every = all(NUMBER.fullmatch(value) for value in distinct)
    found = {value for value in distinct if SCIENTIFIC.fullmatch(value) or (every and BARE_SCIENTIFIC.fullmatch(value))}
    return text.isin(found).to_numpy(dtype=bool)


def _rounded(values: pd.Series) -> Mask:
    """Return which values are floats beyond which not every whole number has a float of its own."""
    if not (pd.api.types.is_float_dtype(values) or pd.api.types.is_object_dtype(values)):
        return np.zeros(len(values), dtype=bool)
    if pd.api.types.is_float_dtype(values):
        return np.asarray(np.abs(values.to_numpy(dtype=np.float64, na_value=0.0)) >= exact_floats(values))
    return np.array([isinstance(value, float) and abs(value) >= EXACT_FLOATS for value in values], dtype=bool)


def normalise(table: pd.DataFrame, contract: Iterable[Column], numbers: Iterable[str]) -> dict[str, pd.Series]:
    """Bring the ids and numbers of `table` to one form, in place.

    Parameters
    ----------
    table : DataFrame
        Columns carry the contract's names. Only values that are text are touched.
    contract : iterable of Column
        Tells which columns hold ids, and which numbers.
    numbers : iterable of str
        Columns of numbers beside those of the contract (the coordinates).

    Returns
    -------
    dict of str to Series
        For each column in which something changed, the values that did, as they were, by the table's index.
    """
    cleaners = dict.fromkeys(numbers, clean_number)
    for column in contract:
        if is_id(column):
            cleaners[column.name] = clean_id if column.name in ID_WORDS else clean_code
        elif column.dtype != "text":
            cleaners[column.name] = clean_number
    before = {}
    for name, clean in cleaners.items():
        if name not in table or not isinstance(table[name], pd.Series) or pd.api.types.is_numeric_dtype(table[name]):
            continue
        old = table[name]
        new = old.astype(object).map(lambda value, clean=clean: clean(value) if isinstance(value, str) else value)
        changed = np.array([a is not b and isinstance(a, str) and a != b for a, b in zip(old, new, strict=True)], bool)
        if changed.any():
            before[name] = old[changed].astype(object)
            table[name] = new
    return before


def check_ids(
    table: pd.DataFrame,
    before: dict[str, pd.Series],
    contract: Iterable[Column],
    topic: str,
    where: str,
    label: Label,
    notes: Notes,
) -> list[Problem]:
    """Note what `normalise` changed and zeros that seem lost; return ids that it made equal.

    Parameters
    ----------
    table : DataFrame
        The rows that are used, cleaned.
    before : dict of str to Series
        What `normalise` returned.
    contract : iterable of Column
        The table's.
    topic : str
        First part of the codes of `notes`.
    where : str
        The file as messages name it.
    label : callable
        From a row mask to labels.
    notes : Notes
        Gets ``<topic>.ids_cleaned``, ``<topic>.numbers_cleaned`` and ``<topic>.leading_zero``.
    """
    problems = []
    columns = {column.name: column for column in contract}
    file = Path(where).name
    for name, old in before.items():
        touched = np.asarray(table.index.isin(old.index))
        id_column = name in columns and is_id(columns[name])
        read = f'in "{name}", {_examples(old, table[name])}'
        if id_column:
            text = f"{file}: {touched.sum()} ids with full-width characters or stray spaces {read}"
            notes.add(f"{topic}.ids_cleaned", touched.sum(), text, label(touched))
        else:
            text = f"{file}: {touched.sum()} numbers with full-width digits {read}"
            notes.add(f"{topic}.numbers_cleaned", touched.sum(), text, label(touched))
        if id_column and columns[name].unique:
            problems += _same_now(table[name], old, name, where, label)
    for name, column in columns.items():
        if name in table and is_id(column) and name not in ID_WORDS:
            short = lost_zeros(table[name], coded=name in CODES)
            text = (
                f'{file}: {short.sum()} of {len(short)} values of "{name}" are a digit or two shorter than the others; '
                "has a spreadsheet eaten their leading zeros?"
            )
            notes.add(f"{topic}.leading_zero", short.sum(), text, label(short))
    return problems


def _examples(old: pd.Series, new: pd.Series) -> str:
    used = old[old.index.isin(new.index)].drop_duplicates().head(2)
    pairs = zip(used, new.loc[used.index], strict=True)
    return " and ".join(f'{value!r} read as "{plain}"' for value, plain in pairs)


def _same_now(new: pd.Series, old: pd.Series, name: str, where: str, label: Label) -> list[Problem]:
    """Return a problem for ids that were different before they were cleaned."""
    plain = clean_text(new)
    written = plain.where(~new.index.isin(old.index), old.reindex(new.index))
    problems = []
    for key, same in written.groupby(plain, sort=True):
        forms = list(dict.fromkeys(same))
        if key and len(forms) > 1:
            shown = " and ".join(repr(form) for form in forms)
            rows = label(np.asarray(new.index.isin(same.index)))
            remedy = "If they are one, keep one row; if not, make the ids differ in more than width or spaces."
            problems.append(Problem(f'"{name}" has {shown}, which are the same id', where, rows, remedy))
    return problems


def lost_zeros(values: pd.Series, *, coded: bool) -> Mask:
    """Return which ids seem to have lost leading zeros: digits one or two fewer than most others have.

    Parameters
    ----------
    values : Series
        Ids.
    coded : bool
        Whether ids that differ in length are suspicious even if none begins with 0. Ids that were counted (there are
        not many fewer than lie between the smallest and the largest) never are, wherever the count began.
    """
    text = clean_text(values)
    distinct = [one for one in dict.fromkeys(text) if one]
    none = np.zeros(len(text), dtype=bool)
    if len(distinct) < 2 or not all(one.isascii() and one.isdigit() for one in distinct):  # noqa: PLR2004 - a pair
        return none
    sizes, counts = np.unique([len(one) for one in distinct], return_counts=True)
    size = int(sizes[-1])
    if len(sizes) == 1 or sizes[0] < size - 2 or counts[-1] * 2 <= counts.sum():
        return none
    numbers = [int(one) for one in distinct]
    running = max(numbers) - min(numbers) < SPARSE * len(distinct)
    zero = any(one.startswith("0") and len(one) > 1 for one in distinct)
    code = coded and size >= CODE_LENGTH and not running
    return ((text.str.len() < size) & (text != "")).to_numpy(dtype=bool) if zero or code else none


def match_ids(
    left: pd.Series,
    right: Iterable[object],
    where: str,
    label: Label | None = None,
    *,
    of: str = "the committees",
    what: str = "",
) -> list[Problem]:
    """Find ids that a second table does not have; those that it has with zeros in front are told apart.

    Parameters
    ----------
    left : Series
        Ids that refer to `right`; empty ones are passed over.
    right : iterable of str
        Ids that exist.
    where : str
        The file of `left`, for messages.
    label : callable, optional
        From a row mask over `left` to labels; by default the ids themselves.
    of : str
        Whose ids `right` are, as a message says it.
    what : str
        What is wrong with ids that are nowhere in `right`.

    Returns
    -------
    list of Problem
        At most two: ids that differ in leading zeros only, and ids that do not exist.
    """
    ids = clean_text(left)
    known = set(clean_text(pd.Series(list(right), dtype=object)))
    missing = (~ids.isin(known) & (ids != "")).to_numpy(dtype=bool)
    stripped = {one.lstrip("0"): one for one in known if one.isascii() and one.isdigit()}
    digits = np.array([one.isascii() and one.isdigit() for one in ids], dtype=bool)
    zero = missing & digits & ids.str.lstrip("0").isin(stripped).to_numpy(dtype=bool)
    rows = label or (lambda mask: tuple(dict.fromkeys(ids[mask])))
    problems = []
    if zero.any():
        one = str(ids[zero].iloc[0])
        other = stripped[one.lstrip("0")]
        text = f'ids match those of {of} only with zeros in front: "{one}" here, "{other}" there'
        problems.append(Problem(text, where, rows(zero), TEXT_REMEDY))
    strange = missing & ~zero
    if strange.any():
        remedy = "Correct these ids, or leave the rows out with where."
        problems.append(Problem(what or f"ids that {of} do not have", where, rows(strange), remedy))
    return problems
