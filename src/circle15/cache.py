"""Results on disk, keyed by the content of all that they depend on, the program's own code included."""

import hashlib
import pickle
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import joblib

LIBRARIES = (
    "geopandas",
    "numpy",
    "osmium",
    "osmnx",
    "pandana",
    "pandas",
    "pyogrio",
    "pyproj",
    "rasterio",
    "scipy",
    "shapely",
)
CACHE_LIMIT_BYTES = 4 * 2**30
"""What a run leaves in the store at most; what was used longest ago goes first. A district takes about 0.2 GB."""

T = TypeVar("T")


@lru_cache(maxsize=1)
def code_key() -> str:
    """Return a hash of circle15's own source and of the libraries that decide its results.

    A changed line of code so never meets a result that the old line computed.
    """
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode())
        digest.update(path.read_bytes())
    digest.update(repr(versions()).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in LIBRARIES}}


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_of(*parts: Any) -> str:
    """Return a hash of arrays, text and numbers by their content."""
    return str(joblib.hash(parts, hash_name="sha1"))


def open_cache(folder: Path | None) -> joblib.Memory:
    """Return a store in `folder`, or one that stores nothing."""
    return joblib.Memory(location=None if folder is None else str(folder), verbose=0)


def trim(store: joblib.Memory) -> None:
    """Remove what was used longest ago until the store is within `CACHE_LIMIT_BYTES`."""
    store.reduce_size(bytes_limit=CACHE_LIMIT_BYTES)


def kept(store: joblib.Memory, make: Callable[[], T], *key: Any) -> T:
    """Return ``make()``, or what it gave before for the same `key` and the same code.

    Parameters
    ----------
    store : joblib.Memory
        From `open_cache`.
    make : callable
        Makes the value; its result may depend on nothing but `key`.
    *key
        Arrays, text, numbers and plain containers of them.
    """
    if store.location is None:
        return make()
    result: T = pickle.loads(store.cache(_made, ignore=["make"])(hash_of(code_key(), *key), make))  # noqa: S301 - our own
    return result


def _made(key: str, make: Callable[[], object]) -> bytes:  # noqa: ARG001 - joblib stores by the key
    """Return what was made as bytes: joblib reads objects in Python, pickle in C, several times as fast."""
    return pickle.dumps(make(), protocol=5)
