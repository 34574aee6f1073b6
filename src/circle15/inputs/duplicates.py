"""One place in two sources: found by type, name and distance, always reported, left out only where that is asked.

Two facilities of one type from different sources are taken for one place if they lie within `NEAR_M` of each other and
their names are compatible (`compatible`). Distances are those of the geometries: a point in a park's polygon is 0 m
from it. A facility without a name has no compatible one. Nothing is merged: what stays, stays as it was.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from circle15.errors import Notes
from circle15.inputs.names import real_name
from circle15.units import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NEAR_M = 100.0
"""How far apart one place may lie in two sources, inclusive: one map has a school's gate and another its middle. Two
places of one type and one name do not stand that close as a rule, and no standard here has a shorter threshold."""

SAME_PLACE_M = 1.0
"""Coordinates of one place in one file differ by no more: the fifth decimal of a degree is 1.1 m."""

ALIKE = 0.8
"""Least ratio of difflib for names that are alike (twice the characters in common ÷ all characters), inclusive. One of
five characters may differ, and none of four: short names tell places apart by a single one (东方, 东风)."""

CONTAINED = 3
"""Least number of characters of a name that is part of the other; two (金桥) are a neighbourhood's."""

STEM = 2
"""Least number of characters that a name has beside its kind of place, if it is to name a single one."""

NEUTRAL = re.compile("总部|本部|总店|总院|总校")
"""Says that a place is the main one, which another source need not say."""

GENERIC = (
    "社区卫生服务中心", "社区卫生服务站", "社区文化活动中心", "综合为老服务中心", "日间照料中心", "长者照护之家",
    "老年活动室", "文化活动室", "卫生服务站", "地铁站", "公交站", "幼儿园", "养老院", "菜市场", "便利店", "大药房",
    "药店", "药房", "超市", "医院", "小学", "中学", "学校", "公园", "站",
)  # fmt: skip
"""Ends of names that say what kind of place it is, which the type says already. The first that fits is taken off."""

_NO_LETTER = re.compile(r"[^\w]|_")
_ORDINAL = re.compile("第([一二三四五六七八九])(?![一二三四五六七八九十百])")
_NUMBER = re.compile(r"\d+|第[一二三四五六七八九十百]+")
_MARK = re.compile(r"\d+|[一二三四五六七八九十东西南北]|(?<![a-z])[a-z](?![a-z])")


@dataclass(frozen=True)
class PlaceName:
    """A name in the forms that are compared.

    Attributes
    ----------
    given : str
        As the source has it.
    """

    given: str

    @cached_property
    def _text(self) -> str:
        text = NEUTRAL.sub("", unicodedata.normalize("NFKC", self.given).casefold())
        return _ORDINAL.sub(lambda found: f"第{'一二三四五六七八九'.index(found[1]) + 1}", text)

    @cached_property
    def plain(self) -> str:
        """NFKC and lower case, 第一 as 第1, without spaces, brackets, punctuation, `NEUTRAL` words; blank for none."""
        return _NO_LETTER.sub("", self._text) if real_name(self.given) else ""

    @cached_property
    def stem(self) -> str:
        """`plain` without the end that says what kind of place it is."""
        return next((self.plain.removesuffix(end) for end in GENERIC if self.plain.endswith(end)), self.plain)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Digits and ordinals, sorted."""
        return tuple(sorted(_NUMBER.findall(self._text)))

    @cached_property
    def marks(self) -> Counter[str]:
        """What tells places of like names apart: digits, Chinese numerals, directions, single letters."""
        return Counter(_MARK.findall(self._text))


def compatible(one: PlaceName, other: PlaceName) -> bool:
    """Return whether two names may be those of one place, in either order.

    They are compatible if

    - they are equal but for spaces, brackets, punctuation, case, width and `NEUTRAL` words, and not blank; or
    - one is part of the other, has `CONTAINED` characters or more, says more than the kind of place, and both have the
      same digits and ordinals: 金桥幼儿园 and 浦东新区金桥幼儿园, but not 明珠小学 and 第二明珠小学; or
    - they are alike (`ALIKE`), without the kind of place if both end in one, and have the same digits, numerals,
      directions and single letters: 金桥药店 and 金桥大药房, but not 金桥新村一居活动室 and 金桥新村二居活动室.
    """
    if one.plain == other.plain:
        return bool(one.plain)
    if len(one.stem) < STEM or len(other.stem) < STEM:
        return False
    short, long = sorted((one.plain, other.plain), key=lambda text: (len(text), text))
    if len(short) >= CONTAINED and short in long and one.numbers == other.numbers:
        return True
    if one.marks != other.marks:
        return False
    kinds = one.stem != one.plain and other.stem != other.plain
    texts = (one.stem, other.stem) if kinds else (one.plain, other.plain)
    first, second = sorted(texts)  # the ratio may differ with the order
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= ALIKE


def settle_duplicates(
    table: gpd.GeoDataFrame, sources: Sequence[str], dropping: Collection[str], notes: Notes
) -> gpd.GeoDataFrame:
    """Report facilities that two sources have, and leave out those of the later one where its source is to drop them.

    Parameters
    ----------
    table : GeoDataFrame
        ``facility_id, type_id, name, source, capacity, floor_area_m2`` and geometry in metres.
    sources : sequence of str
        Every value of ``source``, earlier ones first.
    dropping : collection of str
        Sources whose facilities go where an earlier source has them and keeps them.
    notes : Notes
        Gets ``facilities.duplicates`` (every pair, dropped or not), ``facilities.duplicates_dropped``, and
        ``facilities.same_place``: one type, name and place twice in one source, which is never dropped.

    Returns
    -------
    GeoDataFrame
        `table` without what was dropped; other rows are unchanged.
    """
    names = [PlaceName(name) for name in table["name"]]
    rank = table["source"].map({name: number for number, name in enumerate(sources)}).to_numpy(dtype=np.int64)
    pairs, away_m = _neighbours(table)
    across = rank[pairs[:, 0]] != rank[pairs[:, 1]]
    _note_same_place(table, names, pairs[~across & (away_m <= SAME_PLACE_M)], notes)
    alike = across.copy()
    alike[across] = [compatible(names[one], names[other]) for one, other in pairs[across]]
    pairs, away_m = pairs[alike], away_m[alike]
    turned = rank[pairs[:, 0]] > rank[pairs[:, 1]]
    pairs[turned] = pairs[turned, ::-1]
    _note_duplicates(table, pairs, away_m, notes)
    out = _dropped(rank, pairs, [number for number, name in enumerate(sources) if name in dropping])
    _note_dropped(table, pairs, out, notes)
    return table.loc[~out].reset_index(drop=True)


def _neighbours(table: gpd.GeoDataFrame) -> tuple[IntArray, FloatArray]:
    """Return pairs of rows of one type within `NEAR_M`, each once in the order of the table, and their distances."""
    shapes = table.geometry.to_numpy()
    found = [np.empty((0, 2), dtype=np.int64)]
    for rows in table.groupby("type_id", sort=True).indices.values():
        one, other = shapely.STRtree(shapes[rows]).query(shapes[rows], predicate="dwithin", distance=NEAR_M)
        once = one < other
        found.append(np.column_stack([rows[one[once]], rows[other[once]]]).astype(np.int64))
    pairs = np.concatenate(found)
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    return pairs, np.asarray(shapely.distance(shapes[pairs[:, 0]], shapes[pairs[:, 1]]), dtype=np.float64)


def _dropped(rank: IntArray, pairs: IntArray, dropping: Sequence[int]) -> BoolArray:
    """Return the rows that go: those of a source in `dropping` that an earlier source has and keeps."""
    out = np.zeros(len(rank), dtype=bool)
    for number in dropping:
        kept = ~out[pairs[:, 0]] & (rank[pairs[:, 1]] == number)
        out[pairs[kept, 1]] = True
    return out


def _note_same_place(table: gpd.GeoDataFrame, names: Sequence[PlaceName], pairs: IntArray, notes: Notes) -> None:
    shapes, ids = table.geometry.to_numpy(), table["facility_id"].to_numpy()
    same = shapely.equals_exact(shapes[pairs[:, 0]], shapes[pairs[:, 1]], tolerance=SAME_PLACE_M)
    rows = [f"{ids[i]} = {ids[j]}" for i, j in pairs[same] if names[i].plain == names[j].plain]
    text = f"{len(rows)} pairs of facilities have one type, name, place and source; both of each count"
    notes.add("facilities.same_place", len(rows), text, rows)


def _note_duplicates(table: gpd.GeoDataFrame, pairs: IntArray, away_m: FloatArray, notes: Notes) -> None:
    ids, source = table["facility_id"].to_numpy(), table["source"].to_numpy()
    rows = [f"{ids[i]} = {ids[j]} ({m:.0f} m)" for (i, j), m in zip(pairs, away_m, strict=True)]
    counts = Counter((source[i], source[j]) for i, j in pairs)
    where = ", ".join(f"{one} and {other} ({number})" for (one, other), number in sorted(counts.items()))
    text = (
        f"{len(pairs)} pairs of facilities from two sources seem to be one place: same type, compatible names, within "
        f"{NEAR_M:g} m: {where}. Both count unless drop_duplicates leaves the later one out"
    )
    notes.add("facilities.duplicates", len(pairs), text, rows)


def _note_dropped(table: gpd.GeoDataFrame, pairs: IntArray, out: BoolArray, notes: Notes) -> None:
    sized = table[["capacity", "floor_area_m2"]].notna().to_numpy()
    pairs = pairs[out[pairs[:, 1]] & ~out[pairs[:, 0]]]
    lost = len(set(pairs[(sized[pairs[:, 1]] & ~sized[pairs[:, 0]]).any(axis=1), 1].tolist()))
    text = f"{out.sum()} facilities left out, since an earlier source has them (drop_duplicates)"
    if lost:
        text += f"; {lost} of them have a capacity or floor area that the one kept lacks, and it stays without"
    notes.add("facilities.duplicates_dropped", out.sum(), text, table["facility_id"][out])
