"""What the entries of a standard say of one another: ids, references, circles of ``provides``.

Works on the content of the TOML file as it was read, entries of the wrong shape included, so that these problems are
told together with those of single keys.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any

from circle15.errors import Problem
from circle15.toml import did_you_mean

Raw = Mapping[str, Any]

SECTIONS = ("zones", "domains", "types", "requirements", "targets", "hosts")

REFERENCES = (
    ("types", "domain", "domains"),
    ("types", "provides", "types"),
    ("requirements", "type", "types"),
    ("requirements", "types", "types"),
    ("requirements", "to_types", "types"),
    ("requirements", "zones", "zones"),
    ("targets", "domain", "domains"),
    ("targets", "requirement", "requirements"),
    ("hosts", "host_types", "types"),
    ("hosts", "types", "types"),
)
"""Entries of the first section name, by this key, entries of the last."""

_CLASSIFIED = ("motorway", "trunk", "primary", "secondary", "tertiary")
OSM_CLASSES = (
    *_CLASSIFIED,
    *(f"{name}_link" for name in _CLASSIFIED),
    *("unclassified", "residential", "living_street", "service", "road", "track", "pedestrian", "busway", "ferry"),
)
"""Street classes that a misspelt key may have meant."""

ALMOST_THE_SAME = 0.85
"""So similar to one of `OSM_CLASSES` a street class is a typing error; any other is taken for the street data's own."""


def contradictions(raw: Raw, where: str) -> list[Problem]:
    """Return everything that is wrong between the entries of a standard's file.

    Parameters
    ----------
    raw : mapping
        Content of the file, of any shape.
    where : str
        File, for the messages.
    """
    return [
        *chain.from_iterable(_repeated(raw, section, where) for section in SECTIONS),
        *_ambiguous_zones(raw, where),
        *chain.from_iterable(_unknown(raw, *reference, where) for reference in REFERENCES),
        *_circles(raw, where),
        *_without_note(raw, where),
        *_misspelt_classes(raw, where),
    ]


def _entries(raw: Raw, section: str) -> Iterator[tuple[int, Raw]]:
    """Yield the tables of a section with their numbers, counted from 1; whatever else stands there is left out."""
    values = raw.get(section)
    for number, entry in enumerate(values if isinstance(values, list) else [], start=1):
        if isinstance(entry, dict):
            yield number, entry


def _texts(entry: Raw, key: str) -> list[str]:
    """Return the text, or the texts of the list, under `key`."""
    value = entry.get(key)
    return [v.strip() for v in (value if isinstance(value, list) else [value]) if isinstance(v, str) and v.strip()]


def _id(entry: Raw) -> str:
    return "".join(_texts(entry, "id"))


def _ids(raw: Raw, section: str) -> list[str]:
    return [_id(entry) for _, entry in _entries(raw, section) if _id(entry)]


def _repeated(raw: Raw, section: str, where: str) -> Iterator[Problem]:
    twice = tuple(name for name, count in Counter(_ids(raw, section)).items() if count > 1)
    if twice:
        yield Problem(f'"{section}": an id occurs more than once', where, twice, "Make each one unique.")


def _ambiguous_zones(raw: Raw, where: str) -> Iterator[Problem]:
    owner: dict[str, tuple[int, str]] = {}
    for number, entry in _entries(raw, "zones"):
        for name in dict.fromkeys(text for key in ("id", "zh", "en", "aliases") for text in _texts(entry, key)):
            first, first_id = owner.setdefault(name, (number, _id(entry)))
            if first_id != _id(entry):  # `_repeated` tells of zones that share their id
                what = f'"zones[{first}]" and "zones[{number}]" are both called "{name}"'
                yield Problem(what, where, (), "Let each name mean one zone.")


def _unknown(raw: Raw, section: str, key: str, target: str, where: str) -> Iterator[Problem]:
    known = _ids(raw, target)
    if not known:
        return  # that the section is missing is told elsewhere
    for number, entry in _entries(raw, section):
        for name in _texts(entry, key):
            if name not in known:
                what = f'"{section}[{number}].{key}" names "{name}", which is no id of "{target}"'
                yield Problem(what, where, (_id(entry),) if _id(entry) else (), did_you_mean(name, known, "Known"))


def _circles(raw: Raw, where: str) -> Iterator[Problem]:
    provides = {_id(entry): set(_texts(entry, "provides")) for _, entry in _entries(raw, "types")}
    while True:
        try:
            TopologicalSorter(provides).prepare()
        except CycleError as error:
            # The sorter asks what comes before, so its circle runs against the arrows.
            circle = list(reversed(error.args[1]))
            yield Problem(f'"provides" goes in a circle: {" → ".join(circle)}', where, (), "Take one of them out.")
            provides[circle[0]].discard(circle[1])  # so that the next circle is found, too
        else:
            return


def _without_note(raw: Raw, where: str) -> Iterator[Problem]:
    status = raw.get("status")
    if status in ("reconstructed", "draft") and not _texts(raw, "note"):
        yield Problem(f'a standard whose "status" is "{status}" has to say why', where, (), 'Add a "note".')


def _misspelt_classes(raw: Raw, where: str) -> Iterator[Problem]:
    speeds = raw.get("speeds_kmh")
    drive = speeds.get("drive") if isinstance(speeds, dict) else None
    for name in drive if isinstance(drive, dict) else ():
        near = difflib.get_close_matches(name, [*OSM_CLASSES, "default"], n=1, cutoff=ALMOST_THE_SAME)
        if near and near[0] != name:
            yield Problem(f'unknown street class "speeds_kmh.drive.{name}"', where, (), f'Did you mean "{near[0]}"?')
