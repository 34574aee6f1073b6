"""Overpass, OpenStreetMap's query server, asked through osmnx: patiently, and never content with half an answer.

osmnx keeps each answer in a folder, so that a fetch that was interrupted goes on where it was. Three habits of it are
changed here while a fetch lasts, by its own settings: it would go on with an answer that the server cut short (a
``remark``), would repeat a refused question every 55 s without end, and would ask a public name server where a name
has no address. Its settings, and Python's own way to look up names, are afterwards as they were.
"""

import json
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
import shapely

from circle15.errors import ComputeError, ConfigError, OutputError, Problem, raise_if_any
from circle15.inputs.mapping import ANY, NAME_KEYS, Condition, Mapping
from circle15.package_files import installation_error

PAUSES_S: tuple[float, ...] = (5.0, 15.0, 45.0, 120.0)
"""How long to wait after each failure that may pass; after one more the fetch gives up."""

BUSY = frozenset({429, 502, 503, 504})
"""HTTP answers that say: not now."""
QUERY_AREA_M2 = 20_000.0**2
"""A larger area is asked for in pieces: each is answered in time, and kept when the fetch is interrupted."""
SHOWN = 160
"""Characters of a strange answer that the message quotes."""

PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
"""Failures of the connection that may pass."""

Answer = dict[str, Any]
T = TypeVar("T")


class Progress(Protocol):
    """Where a fetch tells how far it is."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps, if they can be counted."""

    def advance(self, n: int = 1) -> None:
        """Finish `n` steps of the stage."""


class _RefusedError(Exception):
    """The server answered, but not with what was asked for."""

    def __init__(self, what: str, *, may_pass: bool) -> None:
        super().__init__(what)
        self.may_pass = may_pass


def check_url(url: str | None, where: str) -> None:
    """Raise a `ConfigError` unless `url` is None or the address of a server."""
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        remedy = 'Write it as "https://overpass-api.de/api", without /interpreter.'
        raise ConfigError(Problem(f'"{url}" is no address of an Overpass server', where, remedy=remedy))


@contextmanager
def connection(url: str | None, folder: Path, answered: Callable[[], None], **settings: Any) -> Iterator[str]:
    """Let osmnx ask `url`, and yield the server's name.

    Parameters
    ----------
    url : str or None
        Base address, e.g. ``https://overpass-api.de/api``; None for osmnx's own.
    folder : Path
        Where osmnx keeps the answers; one that was cut off while it was written is removed.
    answered : callable
        Told of each answer that came and is whole.
    **settings
        Further settings of osmnx.
    """
    import osmnx  # noqa: PLC0415 - brings scikit-learn: 0.7 s that only a fetch is worth

    def check(response: Any, *_: Any, **__: Any) -> None:
        if not response.is_redirect:
            _check_answer(response)
            answered()

    changes: dict[str, Any] = {
        "overpass_url": url or osmnx.settings.overpass_url,
        "overpass_rate_limit": False,  # a full server answers 429, and we wait then
        "doh_url_template": None,
        "use_cache": True,
        "cache_folder": folder,
        "cache_only_mode": False,
        "max_query_area_size": QUERY_AREA_M2,
        "requests_kwargs": {"hooks": {"response": check}},
        **settings,
    }
    before = {name: getattr(osmnx.settings, name) for name in changes}
    look_up = socket.getaddrinfo
    _remove_cut_off(folder)
    try:
        for name, value in changes.items():
            setattr(osmnx.settings, name, value)
        yield str(urlsplit(changes["overpass_url"]).netloc)
    finally:
        for name, value in before.items():
            setattr(osmnx.settings, name, value)
        socket.getaddrinfo = look_up


def patiently(ask: Callable[[], T], stage: str, host: str, progress: Progress) -> T:
    """Return ``ask()``, asking again after each of `PAUSES_S` where what went wrong may pass.

    Raises
    ------
    ComputeError
        If the server cannot be reached, stays busy, or gives no usable answer.
    OutputError
        If an answer cannot be kept on disk.
    InstallationError
        If a file of the installation cannot be read.
    """
    progress.stage(stage)
    for pause_s in (*PAUSES_S, None):
        try:
            return ask()
        except (_RefusedError, requests.RequestException) as error:
            may_pass = error.may_pass if isinstance(error, _RefusedError) else isinstance(error, PASSING)
            what = str(error) if isinstance(error, _RefusedError) else f"cannot be reached ({_reason(error)})"
            if not may_pass or pause_s is None:
                raise ComputeError(_gave_up(what, host, may_pass=may_pass)) from None
            progress.stage(f"{host} {what}: waiting {pause_s:g} s")
            time.sleep(pause_s)
            progress.stage(f"{stage}, again")
        except OSError as error:
            if error.filename and (broken := installation_error(Path(error.filename), error)):
                raise broken from error
            if error.errno is None:  # it isn't the system that says so: a library lacks its certificates, say
                raise ComputeError(_gave_up(f"cannot be reached ({error})", host, may_pass=False)) from error
            remedy = "Free some space, or make the folder writable."
            place = str(error.filename or stage)
            raise OutputError(Problem(f"cannot be written ({error.strerror})", place, remedy=remedy)) from error
    raise AssertionError("the last attempt returns or raises")


def _gave_up(what: str, host: str, *, may_pass: bool) -> Problem:
    server = "another server (--overpass-url, or overpass_url under [fetch])"
    extract = "take an extract (.osm.pbf) as [network] source."
    if not may_pass:
        return Problem(what, host, remedy=f"Name {server}, or {extract}")
    remedy = f"Try again later: what has come so far is kept. Or name {server}, or {extract}"
    return Problem(f"{what}, {len(PAUSES_S) + 1} times", host, remedy=remedy)


def _reason(error: Exception) -> str:
    """Return the innermost cause in words, e.g. ``Connection refused``."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    found = re.findall(r"\[Errno -?\d+\] ([^'\")]+)", str(error))
    return found[-1].strip() if found else type(error).__name__


# answers -----------------------------------------------------------------------------------------------------------


def _check_answer(response: Any) -> None:
    """Refuse what is no whole answer of an Overpass server, before osmnx keeps it or works with it."""
    if not response.ok:
        status = f"answers {response.status_code} {response.reason}"
        may_pass = response.status_code in BUSY
        raise _RefusedError(status if may_pass else f"{status}: {_words(response.text)}", may_pass=may_pass)
    try:
        answer = response.json()
    except ValueError:
        raise _RefusedError(f"answers with no JSON: {_words(response.text)}", may_pass=False) from None
    if isinstance(answer, dict) and "remark" in answer:
        raise _RefusedError(f"stopped before the end: {_words(str(answer['remark']))}", may_pass=True)
    elements = answer.get("elements") if isinstance(answer, dict) else None
    if not isinstance(elements, list) or not all(_is_sound(one) for one in elements):
        raise _RefusedError("answers with JSON that is no OpenStreetMap data", may_pass=False)
    held = {one["id"] for one in elements if one["type"] == "node"}
    if any(one["type"] == "way" and not held.issuperset(one["nodes"]) for one in elements):
        raise _RefusedError("answers with ways without their nodes", may_pass=True)


def _is_sound(element: Any) -> bool:
    match element:
        case {"type": "node", "id": int(), "lat": int() | float(), "lon": int() | float()}:
            return True
        case {"type": "way", "id": int(), "nodes": [_, *_]} | {"type": "relation", "id": int(), "members": [*_]}:
            return True
    return False


def _words(text: str) -> str:
    """Return the beginning of an answer without its markup, on one line."""
    plain = " ".join(re.sub(r"(?s)<(style|script).*?</\1>|<[^>]*>", " ", text).split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}…"


def _remove_cut_off(folder: Path) -> None:
    """Remove kept answers that are no JSON: the fetch was killed while osmnx wrote them."""
    for path in folder.glob("*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            path.unlink()


# facilities --------------------------------------------------------------------------------------------------------


def download_places(area: shapely.Polygon | shapely.MultiPolygon, mapping: Mapping) -> Iterator[Answer]:
    """Yield answers that together hold everything in `area` (degrees) that a mapping may find; within `connection`.

    osmnx's own download of features can't ask for patterns of names: it would bring every named object, and with the
    long-distance roads and boundaries among them half a country. So the question is ours; how a large area is split,
    sent and kept is osmnx's.
    """
    from osmnx import _overpass, settings  # noqa: PLC0415 - as above

    for ring in _overpass._make_overpass_polygon_coord_strs(area):  # noqa: SLF001 - see above
        clauses = "".join(f'nwr{one}(poly:"{ring}");' for one in clauses_of(mapping))
        query = f"[out:json][timeout:{settings.requests_timeout}];({clauses});(._;>;);out;"
        yield _overpass._overpass_request(OrderedDict(data=query))  # noqa: SLF001 - see above


def clauses_of(mapping: Mapping) -> list[str]:
    """Return filters of Overpass QL that together find at least what a mapping may find.

    Raises
    ------
    ConfigError
        If a condition consists of a name alone, in a pattern that the server does not understand.
    """
    conditions = [c for rule in mapping.types for c in (*rule.any, *rule.not_within)]
    conditions += [c for ignored in mapping.ignored for c in ignored.any]
    whole = _alternatives(c for c in conditions if c.name is None and len(c.tags) == 1)
    clauses = [_filter(key, values) for key, values in whole.items()]
    names: list[str] = []
    problems = []
    for condition in conditions:
        if any(key in whole and _within(values, whole[key]) for key, values in condition.tags.items()):
            continue  # asked for already
        tags = "".join(_filter(key, set(values)) for key, values in condition.tags.items())
        pattern = _posix(condition.name) if condition.name else None
        if tags:
            clauses += [tags] if pattern is None else _named(pattern, tags)
        elif pattern is not None:
            names.append(pattern)
        else:
            shown = condition.name.pattern if condition.name else f"area_m2 = {condition.area_m2} alone"
            remedy = "Use only alternatives (a|b), groups, ranges and repetitions, or add a tag to the condition."
            what = f"an Overpass server can't search for {shown}"
            problems.append(Problem(what, f"mapping {mapping.name}", remedy=remedy))
    raise_if_any(problems, ConfigError)
    clauses += _named("|".join(f"({name})" for name in dict.fromkeys(names))) if names else []
    return list(dict.fromkeys(clauses))


def _named(pattern: str, tags: str = "") -> list[str]:
    return [f'{tags}["{key}"~"{_quoted(pattern)}"]' for key in NAME_KEYS]


def _alternatives(conditions: Iterable[Condition]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for condition in conditions:
        for key, values in condition.tags.items():
            found.setdefault(key, set()).update(values)
    return found


def _within(values: Iterable[str], others: set[str]) -> bool:
    return ANY in others or others.issuperset(values)


def _filter(key: str, values: set[str]) -> str:
    """Return the filter for a key with one of `values`, alone or in a list such as ``a;b``.

    Numbers may be meant by a range (``1-3``), and a wanted list is met by its parts in any order: there, any value is
    let through, as in each case where more is asked for than a mapping finds in the end.
    """
    if ANY in values or any(value.isdigit() or re.search("[;,]", value) for value in values):
        return f'["{_quoted(key)}"]'
    words = "|".join(_escaped(value) for value in sorted(values))
    return f'["{_quoted(key)}"~"{_quoted(f"(^|[;,]) *({words}) *($|[;,])")}"]'


def _escaped(text: str) -> str:
    return re.sub(r"([][\\.^$*+?(){}|])", r"\\\1", text)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _posix(pattern: re.Pattern[str]) -> str | None:
    """Return a pattern as POSIX has it, None where Python's means something else there or nothing."""
    beyond = r"\(\?|\\[A-Za-z0-9]|[*+?}][?+]"
    return None if re.search(beyond, pattern.pattern) else pattern.pattern
