"""What every written table, column and code is called and means, in Chinese and English.

The one source for titles in workbooks and pages, for the dictionary inside a GeoPackage, and for how a column that
was written is read again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from circle15.toml import parse_toml

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")

KINDS = (
    *("id", "text", "code", "flag"),
    *(
        "count",
        "persons",
        "number",
        "money",
        "rate",
        "percent",
        "seconds",
        "metres",
        "square_metres",
        "degrees",
        "year",
    ),
)
"""What a column holds: text (ids, free text, codes of this dictionary), true or false, and numbers by their unit."""
TEXT_KINDS = ("id", "text", "code")


@dataclass(frozen=True)
class Entry:
    """A name with its titles and what it means; `kind` (of columns) is one of `KINDS`, ``""`` where it isn't known."""

    name: str
    zh: str
    en: str
    meaning_zh: str = ""
    meaning_en: str = ""
    kind: str = ""

    def title(self, lang: Lang) -> str:
        """Return the title in a language."""
        return self.zh if lang == "zh" else self.en

    def meaning(self, lang: Lang) -> str:
        """Return what it means, in a language."""
        return self.meaning_zh if lang == "zh" else self.meaning_en


@dataclass(frozen=True)
class Dictionary:
    """Every entry by its name.

    Attributes
    ----------
    tables, columns, codes : mapping of str to Entry
        Tables by the name of their CSV file or layer; columns; and codes: verdicts, reasons, statuses, means, modes.
    own : mapping of (str, str) to Entry
        Columns that mean something else in one table, by table and column.
    """

    tables: Mapping[str, Entry]
    columns: Mapping[str, Entry]
    codes: Mapping[str, Entry]
    own: Mapping[tuple[str, str], Entry]

    def table(self, name: str) -> Entry:
        """Return the entry of a table; numbers behind its name (``suggestions_2``) are passed over."""
        return self.tables.get(base_of(name), Entry(name, name, name))

    def column(self, table: str, name: str) -> Entry:
        """Return the entry of a column in a table; one of the user's own has its name for a title and no kind."""
        found = self.own.get((base_of(table), name), self.columns.get(name))
        return found or Entry(name, name, name)

    def code(self, value: str) -> Entry:
        """Return the entry of a code; an unknown one stands for itself."""
        return self.codes.get(value, Entry(value, value, value))


def base_of(table: str) -> str:
    """Return a table's name without the number behind it."""
    return table.rstrip("0123456789").rstrip("_")


@lru_cache(maxsize=1)
def load_dictionary() -> Dictionary:
    """Return the dictionary of ``dictionary.toml``."""
    document = parse_toml(files("circle15.outputs").joinpath("dictionary.toml").read_bytes(), "dictionary.toml")
    tables, own = {}, {}
    for name, fields in document["tables"].items():
        for column, entry in fields.pop("columns", {}).items():
            own[name, column] = Entry(column, **entry)
        tables[name] = Entry(name, **fields)
    columns = {name: Entry(name, **fields) for name, fields in document["columns"].items()}
    codes = {name: Entry(name, **fields) for name, fields in document["codes"].items()}
    return Dictionary(tables, columns, codes, own)
