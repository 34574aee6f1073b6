"""A run is written beside its folder and moved into place file by file, ``run.json`` last.

A reader never meets half a file, and a run that fails at any point leaves the earlier one as it was. Files in the
folder that circle15 did not write stay.
"""

import contextlib
import errno
import glob
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import pandas as pd
import pyproj

from circle15.errors import InputError, Notes, OutputError, Problem
from circle15.outputs.archive import FOLDER, Archive, write_archive
from circle15.outputs.columns import arranged_tables
from circle15.outputs.csvfiles import read_rate_csvs, write_csvs
from circle15.outputs.geopackage import write_geopackage
from circle15.outputs.lock import locked, place_beside
from circle15.outputs.manifest import RUN_JSON, Manifest, notes_of, read_manifest, sha256_of
from circle15.package_files import installation_error
from circle15.tables import Results

GEOPACKAGE = "circle15.gpkg"
SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")

REMEDIES = {
    errno.ENOSPC: "Free some space, or choose another folder with --out.",
    errno.EDQUOT: "Free some of your quota, or choose another folder with --out.",
    errno.EFBIG: "The file system or a limit forbids files of this size: choose another folder with --out.",
    errno.EROFS: "The file system is read-only: choose another folder with --out.",
    errno.EACCES: "Get the right to write there, close programs that hold its files, or choose another --out.",
    errno.ENOTDIR: "A part of this path is a file: remove it, or choose another folder with --out.",
    errno.EEXIST: "A file is where a folder should be: remove it, or choose another folder with --out.",
    errno.EISDIR: "A folder is where a file should be: remove it, or choose another folder with --out.",
    errno.ENAMETOOLONG: "Choose a shorter folder with --out.",
}
REMEDIES[errno.EPERM] = REMEDIES[errno.EACCES]
OTHER_REMEDY = "Choose another folder with --out."


def write_run(
    results: Results, folder: Path, manifest: Manifest, crs: pyproj.CRS | str, archive: Archive | None = None
) -> dict[str, str]:
    """Write every file of a run into `folder`.

    Parameters
    ----------
    results : Results
        What was found.
    folder : Path
        Made if absent; files in it that are not circle15's stay.
    manifest : Manifest
        What ``run.json`` tells; its notes take what is noticed while writing.
    crs : CRS or str
        The metric CRS of all geometries.
    archive : Archive or None
        The inputs, where they are to be kept.

    Returns
    -------
    dict of str to str
        Name of each file relative to `folder` → sha256; ``run.json``, which holds the run's timings, is left out.

    Raises
    ------
    OutputError
        If anything cannot be written, or another run is writing to the folder. The earlier run is untouched.
    """

    def fill(staging: Path) -> tuple[list[str], dict[str, int]]:
        tables = arranged_tables(results)
        write_geopackage(results, tables, staging / GEOPACKAGE, crs, manifest.notes)
        csvs = write_csvs(tables, results.committees, staging / "csv", manifest.notes, bom=manifest.bom)
        names = [GEOPACKAGE, *sorted(f"csv/{path.name}" for path in csvs)]
        if archive is not None:
            names += sorted(f"{FOLDER}/{name}" for name in write_archive(archive, staging / FOLDER))
        return names, {name: len(table) for name, table in tables.items()}

    return publish(folder, manifest, fill)


class Document(Protocol):
    """What ``run.json`` is made from: a `Manifest`, or what another command tells."""

    def document(self, outputs: Mapping[str, str], rows: Mapping[str, int]) -> dict[str, Any]:
        """Return the content of ``run.json``; ``timings`` holds ``stages``."""


def publish(
    folder: Path,
    manifest: Document,
    fill: Callable[[Path], tuple[list[str], dict[str, int]]],
    *,
    tables: bool = True,
) -> dict[str, str]:
    """Let `fill` write files into a folder beside `folder`, and move them into place together, ``run.json`` last.

    Parameters
    ----------
    folder : Path
        Made if absent; files in it that are not circle15's stay.
    manifest : Document
        What ``run.json`` tells.
    fill : callable
        Takes the folder to write into; returns the names of the files relative to it, and the number of rows of each
        table.
    tables : bool
        Whether it has a folder ``csv`` to write tables into.

    Returns
    -------
    dict of str to str
        Name of each file → sha256, as `write_run` says.

    Raises
    ------
    OutputError
        If anything cannot be written, or another run is writing to the folder. What was there is untouched.
    """
    folder, start = folder.resolve(), time.perf_counter()
    with _told(folder), _made(folder / "csv" if tables else folder), locked(folder), _staging(folder) as staging:
        if tables:
            (staging / "csv").mkdir()
        names, rows = fill(staging)
        files = {name: sha256_of(staging / name) for name in names}
        document = manifest.document(files, rows)
        document["timings"]["stages"].setdefault("write", time.perf_counter() - start)
        _write_json(staging / RUN_JSON, document)
        for name in (*names, RUN_JSON):
            _sync(staging / name)
        _move_into_place(staging, folder, (*names, RUN_JSON))
    return files


def read_rates(folder: Path) -> tuple[dict[str, pd.DataFrame], Notes, dict[str, str], int]:
    """Return what a run that `is_current` told: rate tables, notes, outputs with their sha256, number of gaps."""
    document = read_manifest(folder)
    if document is None:
        raise OutputError(Problem("cannot be read", str(folder / RUN_JSON), remedy="Compute anew with --fresh."))
    return read_rate_csvs(folder / "csv"), notes_of(document), dict(document["outputs"]), int(document["rows"]["gaps"])


def check_writable(folder: Path, command: str = "compute", inputs: Iterable[Path] = ()) -> None:
    """Raise the `OutputError` that writing a run to `folder` would meet, without writing any.

    For the start of a run: it tells of an unwritable folder, of another run that is writing there, or of files that
    would be lost, before hours of work rather than after. Nothing stays behind.

    Parameters
    ----------
    folder : Path
        Where to.
    command : str
        What is to be written: a run of another command is no earlier one of this, and isn't replaced.
    inputs : iterable of Path
        Files that this run reads: none of them may be among what it replaces.
    """
    folder = folder.resolve()
    _refuse_loss(folder, command, {path.resolve() for path in inputs})
    with contextlib.suppress(_NothingToKeep), _told(folder), _made(folder / "csv"), locked(folder), _staging(folder):
        raise _NothingToKeep


def _refuse_loss(folder: Path, command: str, inputs: set[Path]) -> None:
    """Refuse to replace another command's run, a file that this run reads, or a ledger that somebody edited."""
    earlier = read_manifest(folder)
    if earlier is None:
        return
    other = earlier.get("command", "compute")
    if other != command:
        remedy = "Choose another --out, or remove the folder."
        raise OutputError(Problem(f"holds a run of circle15 {other}, which would be lost", str(folder), remedy=remedy))
    outputs = earlier.get("outputs")
    for name, sha256 in outputs.items() if isinstance(outputs, dict) else ():
        path = folder / name
        if path.resolve() in inputs:
            remedy = "Copy it elsewhere and name the copy in the configuration, or choose another --out."
            raise OutputError(Problem("is read by this run, which would replace it", str(path), remedy=remedy))
        if PurePosixPath(name).name.startswith(LEDGERS) and path.is_file() and sha256_of(path) != sha256:
            remedy = "Copy it elsewhere, or choose another --out."
            raise OutputError(Problem("was edited since it was written, and would be lost", str(path), remedy=remedy))


LEDGERS = ("suggestions", "ledger.csv", "projects.csv")
"""How the names of files begin that people edit."""


class _NothingToKeep(Exception):  # noqa: N818 - undoes what was made, is no error
    pass


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n", "utf-8", newline="\n")


def _move_into_place(staging: Path, folder: Path, names: Sequence[str]) -> None:
    """Move the files of a complete run from `staging` into `folder`; undo all of it if one cannot be moved."""
    kept = staging / "before"
    done: list[str] = []
    try:
        for name in (*_leftovers(folder, names), *names):
            source, target, backup = staging / name, folder / name, kept / name
            if os.path.lexists(target):
                backup.parent.mkdir(parents=True, exist_ok=True)
                _keep(target, backup)
            done.append(name)
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
            else:
                target.unlink(missing_ok=True)
        _sync(folder)
    except BaseException:
        for name in reversed(done):
            _put_back(kept / name, folder / name)
        raise


def _keep(target: Path, backup: Path) -> None:
    """Keep a second name of the old file, so that at no moment a reader finds none."""
    try:
        os.link(target, backup, follow_symlinks=False)
    except OSError:
        # Some file systems know no hard links. A folder in the file's place fails here too, which tells the user.
        shutil.copy2(target, backup, follow_symlinks=False)


def _put_back(backup: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        if os.path.lexists(backup):
            backup.replace(target)
        else:
            target.unlink(missing_ok=True)


def _leftovers(folder: Path, names: Sequence[str]) -> list[str]:
    """Return files of the earlier run that this one does not replace.

    Side files of the old GeoPackage, which a program such as QGIS leaves there, must go: SQLite would play the old
    journal into the new file.
    """
    earlier = (read_manifest(folder) or {}).get("outputs")
    ours = [name for name in earlier if isinstance(name, str)] if isinstance(earlier, dict) else []
    ours += [GEOPACKAGE + ending for ending in SQLITE_COMPANIONS]
    inside = [n for n in ours if not PurePosixPath(n).is_absolute() and ".." not in PurePosixPath(n).parts]
    return [n for n in inside if n not in names and (folder / n).is_file()]


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the folder with its parents; if what follows fails, remove those that were made here."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):  # another program may have put something in
                path.rmdir()
        raise


def _staging_path(folder: Path) -> Path:
    return place_beside(folder, f"{os.getpid()}.tmp")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Make a folder for half-written files on the same file system, and remove it in any case."""
    staging = _staging_path(folder)
    for dead in staging.parent.glob(f".{glob.escape(folder.name)}.circle15.*.tmp"):
        shutil.rmtree(dead)  # left by a run that was killed: we hold the lock
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no such call for folders
    handle = os.open(path, os.O_RDWR if path.is_file() and os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the operating system says into an error that names the place and the way out.

    What is said of a file elsewhere is no failure to write: something was to be read.
    """
    try:
        yield
    except OutputError as error:
        raise OutputError(*(replace(p, where=_final(p.where, folder)) for p in error.problems)) from error
    except OSError as error:
        place = str(error.filename2 or error.filename or folder)
        if not _is_written(Path(place).absolute(), folder):
            remedy = "It was there when the run began: put it back, and run again."
            unread = InputError(Problem(f"cannot be read ({error.strerror or error})", place, remedy=remedy))
            raise (installation_error(Path(place), error) or unread) from error
        where = _final(place, folder)
        remedy = REMEDIES.get(error.errno or 0, OTHER_REMEDY)
        raise OutputError(Problem(f"cannot be written ({error.strerror or error})", where, remedy=remedy)) from error


def _is_written(path: Path, folder: Path) -> bool:
    """Return whether a run that goes to `folder` writes this path: in it, hidden beside it, or a folder above it."""
    hidden = str(place_beside(folder, ""))
    return path.is_relative_to(folder) or folder.is_relative_to(path) or str(path).startswith(hidden)


def _final(name: str, folder: Path) -> str:
    """Return where a file of the staging folder was to go: the user knows nothing of that folder."""
    return name.replace(str(_staging_path(folder)), str(folder))
