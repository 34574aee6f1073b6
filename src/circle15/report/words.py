"""Texts of the page, the workbook and the pictures, by language; one file of texts for each of them."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from circle15.outputs.dictionary import Lang
from circle15.toml import parse_toml


@lru_cache(maxsize=16)
def texts(of: str, lang: Lang) -> Mapping[str, str]:
    """Return the texts of ``texts/<of>.toml`` in a language, by key.

    Every entry of the file is a table with ``zh`` and ``en``.
    """
    document = parse_toml(files("circle15.report").joinpath(f"texts/{of}.toml").read_bytes(), f"{of}.toml")
    return {key: entry[lang] for key, entry in document.items()}
