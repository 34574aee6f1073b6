"""Which modes may use a street, in which direction, and where a journey may begin or end: OSM's tags, read by rules.

The words and classes stand in a file (`circle15.inputs.access_rules`); how tags outrank one another stands here, after
the OSM wiki's pages on ``access``, ``oneway``, ``cycleway``, ``conveying``, ``bridge``, ``tunnel`` and ``barrier``:

- The most specific tag wins: ``access`` < ``foot`` on foot, ``access`` < ``vehicle`` < ``bicycle`` by bicycle,
  ``access`` < ``vehicle`` < ``motor_vehicle`` < ``motorcar`` by car; each with ``:forward`` or ``:backward`` before
  itself in that direction. A value that no rule knows says nothing; the next less specific tag decides.
- Of a list (``yes;no``) the strictest value counts; of several classes (``highway``) each has to let the mode pass.
- ``access=yes`` opens no class of street that is closed to a mode by its kind; only the mode's own tag does.
- ``destination`` and ``customers`` are open: a journey to a facility may end there.
- ``private`` and ``residents`` are closed, but to those who live there; every other closed value is closed to them too.
- An area that people walk across (a square, a platform) is walked around: its outline is used. That is never shorter.
- Conditional tags (``access:conditional``…), lanes and turn restrictions are not read. ``oneway=reversible`` counts
  as both directions.
- Fast roads (``trunk``) are closed on foot and by bicycle by the file's rules; only the mode's own tag opens them.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from circle15.inputs.access_rules import AccessRules, FastRoadCondition, FastRoads, load_rules
from circle15.tables import BACKWARD, BOTH, FORWARD
from circle15.units import KM_PER_MILE, SECONDS_PER_HOUR, SECONDS_PER_MINUTE

Tags = Mapping[str, str]
Flags = tuple[int, int, int]
"""Direction flags on foot, by bicycle and by car, in the order of `circle15.tables.MODES`."""
Passes = tuple[bool, bool, bool]
"""Whether each of `circle15.tables.MODES` may."""

CLOSED: Flags = (0, 0, 0)
EVERYONE: Passes = (True, True, True)
NOBODY: Passes = (False, False, False)
FERRY = "ferry"
PLATFORM = "platform"
ROUNDABOUTS = frozenset({"roundabout", "circular"})

WALK_KEYS = ("access", "foot")
CYCLE_KEYS = ("access", "vehicle", "bicycle")
DRIVE_KEYS = ("access", "vehicle", "motor_vehicle", "motorcar")
DRIVE_OWN_KEYS = ("motor_vehicle", "motorcar")
ACCESS_KEYS = ("access", "foot", "vehicle", "bicycle", "motor_vehicle", "motorcar")
WAYS_ALONG = {"forward": FORWARD, "backward": BACKWARD}
"""Suffix of a tag that speaks of one direction → its flag."""
DIRECTED_ACCESS_KEYS = tuple(f"{key}:{suffix}" for key in ACCESS_KEYS for suffix in WAYS_ALONG)

CYCLEWAY_KEYS = ("cycleway", "cycleway:left", "cycleway:right", "cycleway:both")
CYCLEWAY_ONEWAY_KEYS = tuple(f"{key}:oneway" for key in CYCLEWAY_KEYS)
DIRECTION_KEYS = frozenset(
    {"oneway", "oneway:foot", "oneway:bicycle", "junction", "conveying", *CYCLEWAY_ONEWAY_KEYS, *DIRECTED_ACCESS_KEYS}
)
"""Tags that say something of a way's own direction, and nothing where its edges say the direction."""
WHEEL_DIRECTION_KEYS = frozenset({"oneway", "oneway:bicycle", "junction", *CYCLEWAY_ONEWAY_KEYS})
"""Those of them whose place the direction of a graph's edges takes: an edge without a twin is one-way, by wheels."""
SIDEWALK_KEYS = ("sidewalk", "sidewalk:both", "sidewalk:left", "sidewalk:right")
WAY_KEYS = (
    "highway", "route", "railway", "public_transport", "junction", "motorroad", "expressway", "conveying",
    "oneway", "oneway:foot", "oneway:bicycle", *ACCESS_KEYS, *DIRECTED_ACCESS_KEYS,
    *CYCLEWAY_KEYS, *CYCLEWAY_ONEWAY_KEYS, *SIDEWALK_KEYS,
    "lanes", "maxspeed", "duration", "bridge", "tunnel", "indoor", "layer", "level", "location",
)  # fmt: skip
"""Every tag of a way that the shipped rules look at."""

LIST_SIGNS = re.compile("[;,|]")
"""What parts the values of a list: OSM's own sign, and those of programs."""
NO_WORDS = frozenset({"", "no", "none", "false", "0", "f", "n"})
"""Values of ``bridge``, ``tunnel`` and ``indoor`` that deny it, as OSM and shapefiles made from it write them."""
GROUND_LEVEL = frozenset({"", "0", "0.0"})
PERMISSIVE = "permissive"
"""An open value that no rule treats apart: what private means to residents."""


class Way(NamedTuple):
    """What a way's tags say.

    Attributes
    ----------
    flags : tuple of three int
        0, `FORWARD`, `BACKWARD` or `BOTH` for each of `circle15.tables.MODES`.
    residents : tuple of three int
        The same for those who live along it: at least those of `flags`.
    boards : tuple of three bool
        Whether a journey by each mode may begin or end between the ends of the way.
    """

    flags: Flags
    residents: Flags
    boards: Passes


CLOSED_WAY = Way(CLOSED, CLOSED, NOBODY)


def main_class(highway: str) -> str:
    """Return the class that names a street: of several values of ``highway`` (``a;b``) the first."""
    return highway.split(";", 1)[0].strip().casefold()


def speed_class(tags: Tags) -> str:
    """Return what a car's speed follows from: every class of ``highway``, lists joined by ``;`` in the file's order."""
    if "highway" not in tags:
        return PLATFORM
    return ";".join(dict.fromkeys(_plain(tags["highway"]).split(";")))


def is_street(tags: Tags) -> bool:
    """Return whether a way's tags make it a street, a ferry or a platform, open or not."""
    return "highway" in tags or tags.get("route") == FERRY or _is_platform(tags)


def _is_platform(tags: Tags) -> bool:
    return PLATFORM in (tags.get("railway"), tags.get("public_transport"))


class Access:
    """Applies one set of rules to tags.

    Parameters
    ----------
    rules : AccessRules
        The words and classes.
    """

    def __init__(self, rules: AccessRules) -> None:
        self.rules = rules
        classes = rules.classes
        self.known_classes = frozenset().union(
            classes.nobody, classes.closed_to_walk, classes.closed_to_cycle, classes.open_to_drive, classes.other
        )
        fast_tags = {key for fast in rules.fast_roads.values() for one in (*fast.any,) for key in one.tags}
        fast_tags |= {key for fast in rules.fast_roads.values() for one in fast.unless for key in one}
        self._keys = frozenset(WAY_KEYS) | fast_tags
        self._way = lru_cache(maxsize=1 << 16)(self._read_way)
        self._says_open = lru_cache(maxsize=1024)(self._read_word)

    @property
    def way_keys(self) -> tuple[str, ...]:
        """Every tag of a way that these rules look at, sorted."""
        return tuple(sorted(self._keys))

    def way(self, tags: Tags) -> Way:
        """Return who may use a way, in which direction, and who may board it; values in any case, lists by ``;``."""
        keys = self._keys
        return self._way(frozenset((key, value) for key, value in tags.items() if key in keys))

    def barrier_passes(self, tags: Tags) -> Passes:
        """Return whether a node with a ``barrier`` may be passed on foot, by bicycle and by car.

        A wall without a gap is closed; a gate or any other barrier is open unless ``access=no|private`` or
        ``locked=yes``; what lets no wheels or no cars pass stands in the rules. The mode's own tag (``foot``,
        ``bicycle``, ``motor_vehicle``, ``motorcar``) overrides.
        """
        tags = {key: _plain(value) for key, value in tags.items()}
        kinds, rules = _parts(tags.get("barrier", "")), self.rules.barriers
        locked = "locked" in tags and _is_yes(tags, "locked")
        nobody = locked or bool(kinds & rules.closed_to_all)
        no_wheels = nobody or bool(kinds & rules.closed_to_wheels)
        no_car = no_wheels or bool(kinds & rules.closed_to_cars)
        return (
            self._opens(tags, WALK_KEYS, ("foot",), nobody)[0] > 0,
            self._opens(tags, CYCLE_KEYS, ("bicycle",), no_wheels)[0] > 0,
            self._opens(tags, DRIVE_KEYS, DRIVE_OWN_KEYS, no_car)[0] > 0,
        )

    def resident_passes(self, tags: Tags) -> Passes:
        """Return the same for those who live behind the barrier: where access is private, they have the key."""
        opened = self._as_resident(tags)
        if any(opened[key] != tags[key] for key in ACCESS_KEYS if key in tags):
            opened.pop("locked", None)
        return self.barrier_passes(opened)

    def unknown_values(self, tags: Tags) -> list[str]:
        """Return the access tags with a value, or a part of one, that no rule knows, as ``key=value``."""
        known = self.rules.values.open | self.rules.values.closed
        if _parts(tags.get("highway", "")) & self.rules.classes.nobody:
            return []  # its words open nothing
        keys = (key for key in (*ACCESS_KEYS, *DIRECTED_ACCESS_KEYS) if key in tags)
        strange = [f"{key}={tags[key]}" for key in keys if _parts(tags[key]) - known - {""}]
        keys = (key for key in ("oneway", "oneway:foot", "oneway:bicycle") if key in tags)
        return strange + [f"{key}={tags[key]}" for key in keys if _parts(tags[key]) - ONEWAY.keys() - {""}]

    # ways ----------------------------------------------------------------------------------------------------------

    def _read_way(self, items: frozenset[tuple[str, str]]) -> Way:
        tags = {key: _plain(value) for key, value in items}
        if tags.get("route") == FERRY:
            flags = self._ferry_flags(tags)
            return Way(flags, flags, NOBODY)
        if "highway" not in tags and _is_platform(tags):
            tags["highway"] = PLATFORM
        ways = [self._read_class(tags | {"highway": one}) for one in sorted(_parts(tags.get("highway", "no")))]
        first, *others = ways
        for other in others:
            first = Way(
                _each(first.flags, other.flags),
                _each(first.residents, other.residents),
                (
                    first.boards[0] and other.boards[0],
                    first.boards[1] and other.boards[1],
                    first.boards[2] and other.boards[2],
                ),
            )
        return first

    def _read_class(self, tags: dict[str, str]) -> Way:
        if tags["highway"] in self.rules.classes.nobody:
            return CLOSED_WAY
        return Way(self._flags(tags), self._flags(self._as_resident(tags)), self._boards(tags))

    def _flags(self, tags: Tags) -> Flags:
        return self._walk_flags(tags), self._cycle_flags(tags), self._drive_flags(tags)

    def _walk_flags(self, tags: Tags) -> int:
        """Return the direction flags of a street on foot.

        Open unless closed by its class, ``motorroad=yes`` or the rules on fast roads (where ``foot`` may still open
        it), or by ``foot`` or ``access``. ``oneway`` does not bind walkers; ``oneway:foot``, ``foot:forward``,
        ``foot:backward`` and ``conveying`` (an escalator) do.
        """
        closed = tags["highway"] in self.rules.classes.closed_to_walk or _is_yes(tags, "motorroad")
        flags, _ = self._opens(tags, WALK_KEYS, ("foot",), closed or self._is_fast(tags))
        conveyed = _directions(tags, "conveying", WAYS_ALONG)
        if "yes" in _parts(tags.get("conveying", "")):  # in which direction says oneway
            conveyed &= _directions(tags, "oneway")
        return flags & _directions(tags, "oneway:foot") & conveyed

    def _cycle_flags(self, tags: Tags) -> int:
        """Return the direction flags of a street by bicycle.

        What its class closes any open value of ``bicycle`` opens; steps only ``bicycle=yes|designated``. ``oneway``
        and roundabouts bind, unless ``oneway:bicycle``, ``cycleway*=opposite*``, ``cycleway:*:oneway=no|-1`` or
        ``bicycle:backward`` allow the other direction.
        """
        highway = tags["highway"]
        closed = highway in self.rules.classes.closed_to_cycle or _is_yes(tags, "motorroad")
        flags, told = self._opens(tags, CYCLE_KEYS, ("bicycle",), closed or self._is_fast(tags))
        if highway == "steps" and tags.get("bicycle") not in {"yes", "designated"}:
            return 0
        return flags & (self._cycle_oneway(tags) | told)

    @staticmethod
    def _cycle_oneway(tags: Tags) -> int:
        if "oneway:bicycle" in tags and _known(tags["oneway:bicycle"], ONEWAY):
            return _directions(tags, "oneway:bicycle")
        if any(tags.get(key, "").startswith("opposite") for key in CYCLEWAY_KEYS):
            return BOTH
        if any(tags.get(key) in {"no", "-1"} for key in CYCLEWAY_ONEWAY_KEYS):
            return BOTH
        return _street_oneway(tags)

    def _drive_flags(self, tags: Tags) -> int:
        """Return the direction flags of a street by car.

        Open on the classes that the rules open to cars; any other (track, path…) only where ``motor_vehicle`` or
        ``motorcar`` opens it. ``oneway`` and roundabouts bind; a motorway is one-way unless ``oneway=no``.
        """
        closed = tags["highway"] not in self.rules.classes.open_to_drive
        flags, told = self._opens(tags, DRIVE_KEYS, DRIVE_OWN_KEYS, closed)
        oneway = _street_oneway(tags)
        if tags["highway"] == "motorway":
            oneway = _directions(tags, "oneway", default=FORWARD)
        return flags & (oneway | told)

    def _ferry_flags(self, tags: Tags) -> Flags:
        """Walkers and cyclists may board unless it is forbidden, cars only where it is said; ``oneway`` binds all."""
        way = _directions(tags, "oneway")
        walk, _ = self._opens(tags, WALK_KEYS, ("foot",), closed_by_kind=False)
        cycle, _ = self._opens(tags, CYCLE_KEYS, ("bicycle",), closed_by_kind=False)
        drive, _ = self._opens(tags, DRIVE_KEYS, DRIVE_OWN_KEYS, closed_by_kind=True)
        return way & walk, way & cycle, way & drive

    # boarding ------------------------------------------------------------------------------------------------------

    def _boards(self, tags: Tags) -> Passes:
        """Return whether each mode may begin or end a journey on a street between its ends.

        Nobody on a motorway or its ramps, on a bridge, in a tunnel, or on a platform below the ground.
        """
        if self._is_bridge(tags) or self._is_tunnel(tags) or self._is_buried_platform(tags):
            return NOBODY
        if tags["highway"] in self.rules.boarding.closed_classes:
            return NOBODY
        return (True, True, not _is_yes(tags, "motorroad"))

    def _is_bridge(self, tags: Tags) -> bool:
        """Return whether a street is a bridge above the ground; an indoor one has doors."""
        kinds = _parts(tags.get("bridge", "")) - NO_WORDS - self.rules.boarding.bridges_on_the_ground
        return bool(kinds) and not _is_indoor(tags)

    def _is_tunnel(self, tags: Tags) -> bool:
        """Return whether a street is a tunnel without doors; one with a level belongs to a building or a station.

        Level 0 is the ground, and what a table has in every row.
        """
        kinds = _parts(tags.get("tunnel", "")) - NO_WORDS - self.rules.boarding.tunnels_with_doors
        return bool(kinds) and not _is_indoor(tags) and not _parts(tags.get("level", "")) - GROUND_LEVEL

    def _is_buried_platform(self, tags: Tags) -> bool:
        if tags["highway"] != PLATFORM:
            return False
        below = min(_lowest(tags.get("layer", "")), _lowest(tags.get("level", "")))
        return below < 0 or tags.get("location") == "underground" or bool(_parts(tags.get("tunnel", "")) - NO_WORDS)

    # fast roads ----------------------------------------------------------------------------------------------------

    def _is_fast(self, tags: Tags) -> bool:
        return any(
            tags["highway"] in fast.classes
            and not _has_any(tags, fast)
            and any(self._holds(condition, tags) for condition in fast.any)
            for fast in self.rules.fast_roads.values()
        )

    def _holds(self, condition: FastRoadCondition, tags: Tags) -> bool:
        """Return whether the tags say all that a condition asks for; what they do not tell does not hold."""
        asked = (
            (condition.kmh, lambda least: _kmh(tags.get("maxspeed", "")) >= least),
            (condition.lanes_each_way, lambda least: _lanes_each_way(tags) >= least),
            (condition.one_way, lambda wanted: (_street_oneway(tags) != BOTH) is wanted),
            (condition.bridge, lambda wanted: self._is_bridge(tags) is wanted),
            (condition.tunnel, lambda wanted: self._is_tunnel(tags) is wanted),
        )
        return all(holds(wanted) for wanted, holds in asked if wanted is not None) and all(
            bool(_parts(tags.get(key, "")) & values) for key, values in condition.tags.items()
        )

    # words ---------------------------------------------------------------------------------------------------------

    def _opens(self, tags: Tags, keys: tuple[str, ...], own: tuple[str, ...], closed_by_kind: bool) -> tuple[int, int]:
        """Judge each direction by the most specific of `keys` (named from general to specific) whose value is known.

        Returns
        -------
        flags : int
            The directions that are open.
        told : int
            Of these, the ones that a mode's own tag opens for that direction by name, against any ``oneway``.
        """
        flags = told = 0
        for suffix, flag in WAYS_ALONG.items():
            opened, by = self._judged(tags, keys, suffix)
            if opened is None:
                opened = not closed_by_kind
            elif opened:
                # a general tag may close a street, but does not turn a footway into a road
                opened = by in own or by.removesuffix(f":{suffix}") in own or not closed_by_kind
            flags |= flag if opened else 0
            told |= flag if opened and by.endswith(f":{suffix}") and by.removesuffix(f":{suffix}") in own else 0
        return flags, told

    def _judged(self, tags: Tags, keys: tuple[str, ...], suffix: str) -> tuple[bool | None, str]:
        for key in reversed(keys):
            for name in (f"{key}:{suffix}", key):
                opened = self._says_open(tags[name]) if name in tags else None
                if opened is not None:
                    return opened, name
        return None, ""

    def _read_word(self, value: str) -> bool | None:
        """Return whether a value is open, or None where no rule knows it; of a list (``a;b``) the strictest counts."""
        parts = _parts(value)
        if parts & self.rules.values.closed:
            return False
        return True if parts & self.rules.values.open else None

    def _as_resident(self, tags: Tags) -> dict[str, str]:
        """Return the tags with an open value wherever one lets residents in."""
        lets_in = self.rules.values.residents
        opened = dict(tags)
        for key in (*ACCESS_KEYS, *DIRECTED_ACCESS_KEYS):
            if key in tags and _parts(tags[key]) & lets_in:
                opened[key] = ";".join(sorted(PERMISSIVE if part in lets_in else part for part in _parts(tags[key])))
        return opened


@lru_cache(maxsize=1)
def worldwide() -> Access:
    """Return the rules that hold where no others are named, read once."""
    return Access(load_rules())


def _each(one: Flags, other: Flags) -> Flags:
    return one[0] & other[0], one[1] & other[1], one[2] & other[2]


@lru_cache(maxsize=1 << 14)
def _plain(value: str) -> str:
    """Return a value in the form that the rules have: plain width, lower case, no spaces around the parts of a list."""
    return ";".join(part.strip() for part in LIST_SIGNS.split(unicodedata.normalize("NFKC", value).casefold()))


@lru_cache(maxsize=1 << 14)
def _parts(value: str) -> frozenset[str]:
    return frozenset(_plain(value).split(";"))


def _is_yes(tags: Tags, key: str) -> bool:
    return bool(_parts(tags.get(key, "")) & {"yes", "true", "1"})


def _is_indoor(tags: Tags) -> bool:
    return tags["highway"] == "corridor" or bool(_parts(tags.get("indoor", "")) - NO_WORDS)


def _has_any(tags: Tags, fast: FastRoads) -> bool:
    """Return whether the tags tell of a way beside the lanes; of a list every part has to."""
    return any(
        all(key in tags and _parts(tags[key]) <= values for key, values in wanted.items()) for wanted in fast.unless
    )


_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:(mph)|km/?h|kph)?")


def _kmh(maxspeed: str) -> float:
    """Return a speed limit in km/h, the highest of a list; NaN where it has no number."""
    found = [_NUMBER.fullmatch(part) for part in _parts(maxspeed)]
    speeds = [float(one[1]) * (KM_PER_MILE if one[2] else 1.0) for one in found if one]
    return max(speeds, default=math.nan)


def _lanes_each_way(tags: Tags) -> float:
    """Return the lanes of one direction, the most of a list; NaN where they are not told."""
    found = [_NUMBER.fullmatch(part) for part in _parts(tags.get("lanes", ""))]
    lanes = max((float(one[1]) for one in found if one), default=math.nan)
    return lanes if _street_oneway(tags) != BOTH else lanes / 2


def _lowest(levels: str) -> float:
    """Return the lowest number of a list of layers or levels, 0 where there is none."""
    found = [_NUMBER.fullmatch(part) for part in _parts(levels)]
    return min((float(one[1]) for one in found if one), default=0.0)


ONEWAY = {
    **dict.fromkeys(("yes", "true", "1"), FORWARD),
    **dict.fromkeys(("-1", "reverse"), BACKWARD),
    **dict.fromkeys(("no", "false", "0", "reversible", "alternating"), BOTH),
}
"""Values of ``oneway`` and its like → the directions that are open."""


def oneway_flags(value: str | None) -> int:
    """Return the flags that a ``oneway`` value says, 0 if it says nothing; of a list what every value allows."""
    found = _known(value or "", ONEWAY)
    flags = BOTH if found else 0
    for one in found:
        flags &= one
    return flags


def _known(value: str, words: Mapping[str, int]) -> list[int]:
    return [words[part] for part in sorted(_parts(value)) if part in words]


def _directions(tags: Tags, key: str, words: Mapping[str, int] = ONEWAY, default: int = BOTH) -> int:
    """Return the directions that a tag leaves open: of a list those that every value does, perhaps none."""
    found = _known(tags.get(key, ""), words)
    flags = BOTH if found else default
    for one in found:
        flags &= one
    return flags


def _street_oneway(tags: Tags) -> int:
    round_about = FORWARD if _parts(tags.get("junction", "")) & ROUNDABOUTS else BOTH
    return _directions(tags, "oneway", default=round_about)


_CLOCK = re.compile(r"(\d+):([0-5]?\d)(?::([0-5]?\d))?")
_ISO = re.compile(r"P(?:(\d+)D)?T?(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?")
_MINUTES = re.compile(r"\d+(?:\.\d+)?")


def duration_s(text: str | None) -> float | None:
    """Return the seconds of a ``duration`` tag, or None where it is absent, unreadable or nought.

    Accepts ``HH:MM``, ``HH:MM:SS``, plain minutes (``20``) and ISO 8601 (``PT1H5M``).
    """
    text = (text or "").strip()
    seconds = 0.0
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE + rest
    elif _MINUTES.fullmatch(text):
        seconds = float(text) * SECONDS_PER_MINUTE
    elif iso := _ISO.fullmatch(text):
        days, hour, minute, second = (float(part or 0) for part in iso.groups())
        seconds = (days * 24 + hour) * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE + second
    return seconds or None
