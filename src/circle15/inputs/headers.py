"""Names of columns as people and programs write them → the names of the contract.

A header is brought to the form that ids have (`ids.clean_id`): full-width letters, invisible characters and stray
spaces do not make another column of it. A column that circle15 knows is known in capitals as well, and so is one that
``columns`` names. What was read under another name than the file's own is noted; two columns that become one are an
error; a column that is one typing error away from a known one, which is not there, is noted, since it is not read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from circle15.config import FacilitiesConfig, SourceConfig
from circle15.errors import Notes, Problem, counted, raise_if_any
from circle15.inputs.formats import GB18030_REMEDY, nearest, place
from circle15.inputs.ids import clean_id

DBF_NAME_BYTES = 10
DBF_ENCODING = "gb18030"
SHORTEST = 3
"""Names of fewer letters are not looked at for typing errors: every other short name would be one letter away."""
FEATURE_IDS = ("fid", "ogc_fid", "ogr_fid", "objectid", "gid")
"""What databases call the running number of a row, which GDAL does not hand out as a column."""


@dataclass(frozen=True)
class Named:
    """Rows under the contract's names.

    Attributes
    ----------
    table : DataFrame
        The rows.
    of_file : dict of str to str
        Column of `table` → what the file calls it; constants have none.
    have : tuple of str
        All columns of the file, as it calls them.
    """

    table: pd.DataFrame
    of_file: dict[str, str]
    have: tuple[str, ...]


def key_of(name: str) -> str:
    """Return the form in which two names of columns are the same."""
    return clean_id(name).casefold()


def rename_columns(
    raw: pd.DataFrame,
    config: SourceConfig | FacilitiesConfig,
    known: Iterable[str],
    topic: str,
    path: Path,
    notes: Notes,
) -> Named:
    """Give columns the contract's names and add the constants; a column of the file that loses its name goes.

    Parameters
    ----------
    raw : DataFrame
        The rows as they were read, without geometry.
    config : SourceConfig or FacilitiesConfig
        ``columns`` and ``set`` are used here.
    known : iterable of str
        Names of columns that circle15 would read.
    topic : str
        First part of the notes' codes.
    path : Path
        The file.
    notes : Notes
        Gets ``<topic>.columns_covered``, ``<topic>.headers_cleaned`` and ``<topic>.header_typo``.

    Raises
    ------
    InputError
        If ``columns`` names one that is not there, or two columns of the file have one name in the end.
    """
    where = place(config, path)
    have = [str(name) for name in raw.columns]
    given = {*config.columns, *config.set}
    used, problems = _asked_for(config, have, where, path)
    rest = [name for name in have if name not in set(used.values())]
    keys = {key_of(name): name for name in known}
    covered = [name for name in rest if name in given or (key_of(name) in keys and keys[key_of(name)] in given)]
    names = {name: keys.get(key_of(name), clean_id(name)) for name in rest if name not in covered}
    problems += _become_one(names, where)
    raise_if_any(problems)
    text = f'{path.name}: {", ".join(covered)} of the file not read, since "columns" or "set" give others that name'
    notes.add(f"{topic}.columns_covered", len(covered), text, covered)
    _note_cleaned(names, used, config, topic, path, notes)

    table = raw[list(names)].rename(columns=names).copy()
    of_file = {new: old for old, new in names.items()} | used
    for new, old in used.items():
        table[new] = raw[old]
    for new, value in config.set.items():
        table[new] = value
    named = Named(table, of_file, tuple(have))
    _note_typos(named, known, topic, path, notes)
    return named


def _asked_for(
    config: SourceConfig | FacilitiesConfig, have: list[str], where: str, path: Path
) -> tuple[dict[str, str], list[Problem]]:
    """Return the columns of the file that ``columns`` names, by their new name, and what it asks for in vain."""
    used, problems = {}, []
    for new, old in config.columns.items():
        fitting = [old] if old in have else [name for name in have if key_of(name) == key_of(old)]
        if len(fitting) == 1:
            used[new] = fitting[0]
        elif fitting:
            shown = " and ".join(repr(name) for name in fitting)
            remedy = "Write it as the one of them is written that is meant."
            problems.append(Problem(f'columns.{new} = "{old}" may be {shown}', where, remedy=remedy))
        else:
            problems.append(_absent(new, old, have, where, path, guessed=not config.encoding))
    return used, problems


def _absent(new: str, old: str, have: list[str], where: str, path: Path, *, guessed: bool) -> Problem:
    """Return the problem of a column that ``columns`` names and the file does not have."""
    shapefile = path.suffix.lower() == ".shp"
    if old.casefold() in FEATURE_IDS:
        remedy = (
            f"It is the running number of the rows, which changes when the layer is saved anew, and is not read. Name "
            f"a column of ids of your own for columns.{new}, or leave it out where ids may be made from the rows. "
            f"The file has: {', '.join(have)}."
        )
        return Problem(f'no column "{old}"', where, remedy=remedy)
    garbled = shapefile and guessed and not all(name.isascii() for name in have)
    hint = f" {GB18030_REMEDY}" if garbled else ""
    cut = shapefile and len(old.encode(DBF_ENCODING, "replace")) > DBF_NAME_BYTES
    hint = (
        f" A shapefile's names are cut at 10 bytes (5 Chinese characters in GB18030, 3 in UTF-8).{hint}"
        if cut
        else hint
    )
    return Problem(
        f'no column "{old}"', where, remedy=f"columns.{new} asks for it. {nearest(_cut(old, have), have)}{hint}"
    )


def _cut(name: str, have: list[str]) -> str:
    """Return the longest of the names there are that `name` begins with, else `name`: long names may have been cut."""
    return max((other for other in have if other and name.startswith(other)), key=len, default=name)


def _become_one(names: Mapping[str, str], where: str) -> list[Problem]:
    """Return a problem for each name that several columns of the file would have."""
    problems = []
    for name in dict.fromkeys(names.values()):
        same = [old for old, new in names.items() if new == name]
        if len(same) > 1 and name:
            shown = " and ".join(repr(old) for old in same)
            remedy = f'Rename one of them, or say which is meant: columns = {{ {name} = "{same[0]}" }}.'
            problems.append(Problem(f'the columns {shown} are both "{name}"', where, remedy=remedy))
    return problems


def _note_cleaned(
    names: Mapping[str, str],
    used: Mapping[str, str],
    config: SourceConfig | FacilitiesConfig,
    topic: str,
    path: Path,
    notes: Notes,
) -> None:
    """Note headers that were read as another word than the file has; spaces at the ends alone are nothing to tell."""
    changed = [(old, new) for old, new in names.items() if old.strip(" ") != new]
    changed += [(old, config.columns[new]) for new, old in used.items() if old.strip(" ") != config.columns[new]]
    shown = ", ".join(f'{old!r} as "{new}"' for old, new in changed)
    read = counted(len(changed), "name of a column is", "names of columns are")
    notes.add(f"{topic}.headers_cleaned", len(changed), f"{path.name}: {read} read in plain form: {shown}")


def _note_typos(named: Named, known: Iterable[str], topic: str, path: Path, notes: Notes) -> None:
    """Note columns that are not known, and would be with one typing error less, where the known one is not there."""
    known = list(dict.fromkeys(known))
    strange = {name: old for name, old in named.of_file.items() if name not in known}
    absent = [name for name in known if name not in named.table]
    shapefile = path.suffix.lower() == ".shp"
    pairs = [
        (old, wanted)
        for name, old in strange.items()
        for wanted in absent
        if _one_error_apart(name.casefold(), wanted) or (shapefile and _is_cut(name.casefold(), wanted))
    ]
    shown = ", ".join(f'"{old}" (is it "{wanted}"?)' for old, wanted in pairs)
    unread = counted(len(pairs), "column is not read, and has a name", "columns are not read, and have names")
    text = f"{path.name}: {unread} one typing error away from one that would be read: {shown}"
    notes.add(f"{topic}.header_typo", len(pairs), text)


def _is_cut(name: str, wanted: str) -> bool:
    """Return whether a name is what a shapefile keeps of a longer one."""
    return len(name) == DBF_NAME_BYTES and len(wanted) > DBF_NAME_BYTES and wanted.startswith(name)


def _one_error_apart(one: str, other: str) -> bool:
    """Return whether one letter too many, too few or wrong, or two that changed places, make one word of the other."""
    if min(len(one), len(other)) < SHORTEST or abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    left, right = one[start:], other[start:]
    if len(left) != len(right):
        return left[1:] == right or right[1:] == left
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return left[1:] == right[1:] or swapped
