"""Fonts that hold every character of a picture: looked up in their own tables of characters, not trusted."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from fontTools.ttLib import TTCollection, TTFont  # type: ignore[import-untyped]
from matplotlib import font_manager

from circle15.errors import OutputError, Problem

LATIN = "DejaVu Sans"
"""Comes with matplotlib."""
CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC"),
    *("Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *("Noto Sans CJK JP", "Droid Sans Fallback", "Noto Serif CJK SC", "SimSun", "Arial Unicode MS"),
)
"""Families with Chinese, the first that is installed and holds most is taken."""
HINTS = (
    *("cjk", "notosanssc", "sourcehan", "pingfang", "hiragino", "msyh", "simhei", "wqy", "droidsansfallback"),
    *("simsun", "arialuni"),
)
"""How the names of their files begin or what they contain, in lower case."""
SHOWN = 12


@dataclass(frozen=True)
class Family:
    """An installed family: its name, file, and the number of its face in a collection."""

    name: str
    path: str
    face: int


def families_for(texts: Iterable[str]) -> list[str]:
    """Return the families that together hold every character of some texts, the first to be tried first.

    Raises
    ------
    OutputError
        If the installed fonts lack any.
    """
    needed = {one for text in texts for one in text if not one.isspace()}
    missing = needed - characters(_latin())
    if not missing:
        return [LATIN]
    best: tuple[set[str], list[str]] = (missing, [LATIN])
    for family in chinese_families():
        left = missing - characters(family)
        if len(left) < len(best[0]):
            best = (left, [family.name, LATIN])
    if best[0]:
        shown = "".join(sorted(best[0]))[:SHOWN]
        remedy = "Install a font with Chinese (Debian: fonts-noto-cjk), or take --lang en if all names are Latin."
        what = f"no installed font has {len(best[0])} of the characters, among them {shown}"
        raise OutputError(Problem(what, "pictures", remedy=remedy))
    return best[1]


@lru_cache(maxsize=1)
def chinese_families() -> tuple[Family, ...]:
    """Return the installed families of `CHINESE`, in their order.

    The system is looked through anew: matplotlib keeps a list from its first start, which knows no font that was
    installed later.
    """
    manager = font_manager.fontManager
    known = {str(entry.fname) for entry in manager.ttflist}
    for path in sorted(map(str, font_manager.findSystemFonts())):
        if path not in known and any(hint in path.rsplit("/", 1)[-1].lower() for hint in HINTS):
            manager.addfont(path)
    entries = sorted(manager.ttflist, key=lambda entry: (str(entry.fname), _face(entry)))
    found: dict[str, Family] = {}
    for entry in entries:
        if entry.name in CHINESE:
            name = str(entry.fname)
            found.setdefault(entry.name, Family(entry.name, name, _face(entry)))
    return tuple(found[name] for name in CHINESE if name in found)


@lru_cache(maxsize=32)
def characters(family: Family) -> frozenset[str]:
    """Return the characters that a family has glyphs for."""
    if family.path.lower().endswith((".ttc", ".otc")):
        with TTCollection(family.path, lazy=True) as collection:
            return _mapped(collection.fonts[family.face])
    with TTFont(family.path, lazy=True) as font:
        return _mapped(font)


def _mapped(font: TTFont) -> frozenset[str]:
    return frozenset(map(chr, font.getBestCmap() or {}))


def _latin() -> Family:
    return Family(LATIN, font_manager.findfont(LATIN, fallback_to_default=False), 0)


def _face(entry: font_manager.FontEntry) -> int:
    return int(getattr(entry, "index", 0))  # older versions of matplotlib know the first face only
