"""Which modes may use a street, in which direction, and which may pass a barrier: the rules of OSM's access tags.

Assumptions, all after the OSM wiki's pages on ``access``, ``oneway``, ``cycleway`` and ``barrier``:

- The most specific tag wins: ``access`` < ``foot`` on foot, ``access`` < ``vehicle`` < ``bicycle`` by bicycle,
  ``access`` < ``vehicle`` < ``motor_vehicle`` < ``motorcar`` by car. A value that no rule knows says nothing; the
  next less specific tag decides.
- ``access=yes`` opens no class of street that is closed to a mode by its kind; only the mode's own tag does.
- ``destination`` and ``customers`` are open: a journey to a facility may end there.
- ``private`` and ``residents`` are closed, but to those who live there (`resident_flags`); every other closed value is
  closed to them too.
- A street with ``area=yes`` stays; its outline is used.
- Conditional tags (``access:conditional``…), lanes and turn restrictions are not read. ``oneway=reversible`` counts
  as both directions.
- ``highway=trunk`` is open on foot and by bicycle unless ``motorroad=yes`` or the mode's own tag closes it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from circle15.tables import BACKWARD, BOTH, FORWARD
from circle15.units import SECONDS_PER_HOUR, SECONDS_PER_MINUTE

Tags = Mapping[str, str]
Flags = tuple[int, int, int]
"""Direction flags on foot, by bicycle and by car, in the order of `circle15.tables.MODES`."""

CLOSED: Flags = (0, 0, 0)
FERRY = "ferry"

OPEN_VALUES = frozenset(
    {"yes", "designated", "permissive", "official", "public", "destination", "customers", "allowed"}
    | {"discouraged", "optional_sidepath", "1", "true"}
)
CLOSED_VALUES = frozenset(
    {"no", "private", "agricultural", "forestry", "delivery", "military", "emergency", "restricted", "employees"}
    | {"use_sidepath", "dismount", "permit", "psv", "bus", "residents", "staff", "unofficial", "0", "false"}
)
RESIDENT_VALUES = frozenset({"private", "residents"})
"""Of the closed values, those that let in whoever lives there."""

NOT_A_STREET = frozenset(
    {"construction", "proposed", "planned", "abandoned", "disused", "razed", "demolished", "dismantled", "removed"}
    | {"platform", "bus_stop", "services", "rest_area", "elevator", "emergency_bay", "escape", "traffic_island", "no"}
    | {"via_ferrata", "emergency_access_point", "street_lamp", "crossing", "traffic_signals", "toll_gantry"}
)
"""Values of ``highway`` that nobody travels along, whatever the access tags say."""

MOTORWAY = frozenset({"motorway", "motorway_link"})
CLOSED_TO_WALK = MOTORWAY | {"busway", "bus_guideway", "raceway"}
CLOSED_TO_CYCLE = CLOSED_TO_WALK | {"steps", "footway", "pedestrian", "corridor", "bridleway"}
OPEN_TO_DRIVE = MOTORWAY | frozenset(
    {"trunk", "trunk_link", "primary", "primary_link", "secondary", "secondary_link", "tertiary", "tertiary_link"}
    | {"unclassified", "residential", "living_street", "service", "road"}
)
KNOWN_CLASSES = CLOSED_TO_CYCLE | OPEN_TO_DRIVE | NOT_A_STREET | {"track", "path", "cycleway"}
"""Every value of ``highway`` that a rule knows; others are taken for paths, open on foot and by bicycle."""
ROUNDABOUTS = frozenset({"roundabout", "circular"})

WALK_KEYS = ("access", "foot")
CYCLE_KEYS = ("access", "vehicle", "bicycle")
DRIVE_KEYS = ("access", "vehicle", "motor_vehicle", "motorcar")
DRIVE_OWN_KEYS = ("motor_vehicle", "motorcar")
ACCESS_KEYS = ("access", "foot", "vehicle", "bicycle", "motor_vehicle", "motorcar")

CYCLEWAY_KEYS = ("cycleway", "cycleway:left", "cycleway:right", "cycleway:both")
CYCLEWAY_ONEWAY_KEYS = tuple(f"{key}:oneway" for key in CYCLEWAY_KEYS)
WAY_KEYS = (
    "highway", "route", "junction", "motorroad", "oneway", "oneway:foot", "oneway:bicycle",
    "foot:forward", "foot:backward",
    "access", "foot", "vehicle", "bicycle", "motor_vehicle", "motorcar", *CYCLEWAY_KEYS, *CYCLEWAY_ONEWAY_KEYS,
)  # fmt: skip
"""Every tag of a way that decides its flags."""

WALK_ONLY_BARRIERS = frozenset({"stile", "turnstile", "full-height_turnstile", "kissing_gate"})
WALK_CYCLE_BARRIERS = frozenset(
    {"bollard", "cycle_barrier", "block", "planter", "motorcycle_barrier", "log", "chicane"}
)


PERMISSIVE = "permissive"
"""An open value that no rule treats apart: what `RESIDENT_VALUES` mean to residents."""


def main_class(highway: str) -> str:
    """Return the class of a ``highway`` value; of several (``a;b``) the first."""
    return highway.split(";", 1)[0].strip()


def way_flags(tags: Tags) -> Flags:
    """Return the direction flags of a way on foot, by bicycle and by car.

    Parameters
    ----------
    tags : mapping of str to str
        The way's tags; only `WAY_KEYS` are looked at.

    Returns
    -------
    tuple of three int
        0, `FORWARD`, `BACKWARD` or `BOTH` for each of `circle15.tables.MODES`.
    """
    return _way_flags(tuple(tags.get(key) for key in WAY_KEYS))


def resident_flags(tags: Tags) -> Flags:
    """Return the direction flags of a way for those who live along it: at least those of `way_flags`.

    ``private`` and ``residents`` count as open; like every open value they open no class of street that is closed by
    its kind, unless they stand at the mode's own tag.
    """
    return way_flags(_as_resident(tags))


def _as_resident(tags: Tags) -> dict[str, str]:
    """Return the tags with an open value wherever one lets residents in."""
    own = {key for key in ACCESS_KEYS if key in tags and _parts(tags[key]) & RESIDENT_VALUES}
    return {**tags, **dict.fromkeys(own, PERMISSIVE)}


@lru_cache(maxsize=1 << 16)
def _way_flags(values: tuple[str | None, ...]) -> Flags:
    tags = {key: value for key, value in zip(WAY_KEYS, values, strict=True) if value is not None}
    if tags.get("route") == FERRY:
        return _ferry_flags(tags)
    tags["highway"] = main_class(tags.get("highway", "no"))
    if tags["highway"] in NOT_A_STREET:
        return CLOSED
    return walk_flags(tags), cycle_flags(tags), drive_flags(tags)


def walk_flags(tags: Tags) -> int:
    """Return the direction flags of a street on foot.

    Open unless a motorway, a busway, a raceway or ``motorroad=yes`` (where ``foot`` may still open it), or closed by
    ``foot`` or ``access``. Steps are open. ``oneway`` does not bind walkers; ``oneway:foot``, ``foot:forward`` and
    ``foot:backward`` do.
    """
    closed_by_kind = tags["highway"] in CLOSED_TO_WALK or _is_yes(tags, "motorroad")
    if not _is_open(tags, WALK_KEYS, ("foot",), closed_by_kind):
        return 0
    flags = oneway_flags(tags.get("oneway:foot")) or BOTH
    if tags.get("foot:forward") == "no":
        flags &= ~FORWARD
    if tags.get("foot:backward") == "no":
        flags &= ~BACKWARD
    return flags


def cycle_flags(tags: Tags) -> int:
    """Return the direction flags of a street by bicycle.

    Closed by kind: what is closed on foot, steps (``bicycle=yes|designated`` opens them), footways, pedestrian streets,
    corridors and bridleways (any open value of ``bicycle`` opens them). ``bicycle=dismount`` is closed. ``oneway`` and
    roundabouts bind, unless ``oneway:bicycle``, ``cycleway*=opposite*`` or ``cycleway:*:oneway=no|-1`` allow the
    other direction.
    """
    highway = tags["highway"]
    closed_by_kind = highway in CLOSED_TO_CYCLE or _is_yes(tags, "motorroad")
    if not _is_open(tags, CYCLE_KEYS, ("bicycle",), closed_by_kind):
        return 0
    if highway == "steps" and tags.get("bicycle") not in {"yes", "designated"}:
        return 0
    own = oneway_flags(tags.get("oneway:bicycle"))
    if own:
        return own
    if any(tags.get(key, "").startswith("opposite") for key in CYCLEWAY_KEYS):
        return BOTH
    if any(tags.get(key) in {"no", "-1"} for key in CYCLEWAY_ONEWAY_KEYS):
        return BOTH
    return _street_oneway(tags)


def drive_flags(tags: Tags) -> int:
    """Return the direction flags of a street by car.

    Open on the classes of `OPEN_TO_DRIVE`; any other (track, path…) only where ``motor_vehicle`` or ``motorcar`` opens
    it. ``oneway`` and roundabouts bind; a motorway is one-way unless ``oneway=no``.
    """
    if not _is_open(tags, DRIVE_KEYS, DRIVE_OWN_KEYS, tags["highway"] not in OPEN_TO_DRIVE):
        return 0
    if tags["highway"] == "motorway":
        return oneway_flags(tags.get("oneway")) or FORWARD
    return _street_oneway(tags)


def _ferry_flags(tags: Tags) -> Flags:
    """Walkers and cyclists may board unless it is forbidden, cars only where it is said; ``oneway`` binds everyone."""
    way = oneway_flags(tags.get("oneway")) or BOTH
    walk = _is_open(tags, WALK_KEYS, ("foot",), closed_by_kind=False)
    cycle = _is_open(tags, CYCLE_KEYS, ("bicycle",), closed_by_kind=False)
    drive = _is_open(tags, DRIVE_KEYS, DRIVE_OWN_KEYS, closed_by_kind=True)
    return way * walk, way * cycle, way * drive


def barrier_passes(tags: Tags) -> tuple[bool, bool, bool]:
    """Return whether a node with a ``barrier`` may be passed on foot, by bicycle and by car.

    A gate or any other barrier is open unless ``access=no|private`` or ``locked=yes``; bollards and their like are
    closed to cars, stiles and turnstiles to bicycles and cars. The mode's own tag (``foot``, ``bicycle``,
    ``motor_vehicle``, ``motorcar``) overrides.
    """
    barrier = tags.get("barrier", "")
    locked = _is_yes(tags, "locked")
    no_wheels = barrier in WALK_ONLY_BARRIERS
    no_car = no_wheels or barrier in WALK_CYCLE_BARRIERS
    return (
        _is_open(tags, WALK_KEYS, ("foot",), locked),
        _is_open(tags, CYCLE_KEYS, ("bicycle",), locked or no_wheels),
        _is_open(tags, DRIVE_KEYS, DRIVE_OWN_KEYS, locked or no_car),
    )


def resident_passes(tags: Tags) -> tuple[bool, bool, bool]:
    """Return the same for those who live behind the barrier: where access is private, they have the key."""
    opened = _as_resident(tags)
    if any(opened[key] != tags[key] for key in ACCESS_KEYS if key in tags):
        opened.pop("locked", None)
    return barrier_passes(opened)


def unknown_access_values(tags: Tags) -> list[str]:
    """Return the access tags of a way whose value no rule knows, as ``key=value``."""
    return [f"{key}={tags[key]}" for key in ACCESS_KEYS if key in tags and _says_open(tags[key]) is None]


def _is_open(tags: Tags, keys: tuple[str, ...], own: tuple[str, ...], closed_by_kind: bool) -> bool:
    """Judge by the most specific of `keys` (named from general to specific) whose value is known."""
    for key in reversed(keys):
        opened = _says_open(tags.get(key, ""))
        if opened is None:
            continue
        # A general tag may close a street, but does not turn a footway into a road.
        return opened and (key in own or not closed_by_kind)
    return not closed_by_kind


@lru_cache(maxsize=1024)
def _says_open(value: str) -> bool | None:
    """Return whether a value (of a list ``a;b``: any of it) is open, or None where no rule knows it."""
    parts = _parts(value)
    if parts & OPEN_VALUES:
        return True
    if parts & CLOSED_VALUES:
        return False
    return None


def _parts(value: str) -> set[str]:
    return {part.strip() for part in value.split(";")} | {value}


def _is_yes(tags: Tags, key: str) -> bool:
    return tags.get(key) in {"yes", "true", "1"}


def oneway_flags(value: str | None) -> int:
    """Return the flags that a ``oneway`` value says, 0 if it says nothing."""
    if value in {"yes", "true", "1"}:
        return FORWARD
    if value in {"-1", "reverse"}:
        return BACKWARD
    return BOTH if value in {"no", "false", "0", "reversible", "alternating"} else 0


def _street_oneway(tags: Tags) -> int:
    return oneway_flags(tags.get("oneway")) or (FORWARD if tags.get("junction") in ROUNDABOUTS else BOTH)


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
