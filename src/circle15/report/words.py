"""Texts of the page, the workbook and the pictures, by language; one file of texts for each of them."""

from collections.abc import Mapping
from functools import lru_cache

from circle15.outputs.dictionary import Lang
from circle15.package_files import package_toml


@lru_cache(maxsize=16)
def texts(of: str, lang: Lang) -> Mapping[str, str]:
    """Return the texts of ``texts/<of>.toml`` in a language, by key.

    Every entry of the file is a table with ``zh`` and ``en``.
    """
    document = package_toml("circle15.report", f"texts/{of}.toml")
    return {key: entry[lang] for key, entry in document.items()}
