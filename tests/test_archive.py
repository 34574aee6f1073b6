"""`compute --archive`: the inputs that a run keeps give its verdicts again, byte for byte."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from circle15 import cli, comparison
from circle15.cache import open_cache
from circle15.comparison.rerun import exchange, items_of, place_kept, read_kept
from circle15.config import FacilitiesConfig, load_config
from circle15.errors import InputError, Notes
from circle15.outputs.archive import FOLDER, read_archive
from circle15.outputs.columns import VERDICTS, arrange
from circle15.outputs.csvfiles import write_tables
from circle15.pipeline import compute, judge, tabulate
from circle15.report.reading import read_run
from circle15.stages.changes import decided_items
from circle15.stages.run import Clock
from street_kit import REACH, Quiet, Written, district, standard

ROOT = Path(__file__).parents[1]
BEDS = (
    '{ id = "a.c", kind = "provision", types = ["a"], measure = "capacity", unit = "beds", at_least = 100, '
    'scope = "committee", method = "2sfca", minutes = 15, mode = "walk", headline = true, clause = "1" },'
)
DENSE = """
{ id = "a.d", kind = "reach", type = "a", headline = false, clause = "1", rules = [
    { density_per_km2 = { at_least = 50 }, minutes = 12, mode = "walk" },
    { density_per_km2 = { below = 50 }, minutes = 15, mode = "walk" },
] },
"""
"""Of C3, which is all water, no density is known."""


def rich(folder: Path) -> Path:
    """Everything that can be kept: areas, cells with a group, a census, field checks, water."""
    committees = [{"committee_id": "007", "x": 0}, {"committee_id": "C2", "x": 1500}, {"committee_id": "C3", "x": 2800}]
    cells = [{"x": x, "total": t, "old": t / 3} for x, t in ((0, 10), (100, 5), (1500, 20), (2800, 40))]
    areas = {"007": (-50, -50, 900, 50), "C2": (900, -50, 2000, 50), "C3": (2000, -50, 3000, 50)}
    facilities = [
        {"facility_id": "F", "type": "a", "x": 600, "capacity": 2, "standardised": "是"},
        {"facility_id": "00G", "type": "a", "x": 2100, "capacity": 0.1, "standardised": None},
        {"facility_id": "H", "type": "b", "x": 100, "opens": 2030},
    ]
    census = {"committee_id": ["007", "C2", "C3"], "total": [15.1, 1 / 3, 44], "old": [1 / 7, 0.1, 2.2]}
    checked = [("007", "a", "fail", "x", "2023-05-01", '=1+1, "quoted"')]
    config = district(
        folder, standard(REACH + "\n" + BEDS + DENSE), committees, facilities, cells, areas, ["a", "b"],
        census=census, overrides=checked,
    )  # fmt: skip
    text = config.read_text("utf-8")
    config.write_text(
        text.replace(
            "[population]", '[committees.water]\nsource = "areas.gpkg"\nwhere = "committee_id == \'C3\'"\n[population]'
        ),
        "utf-8",
    )
    return config


def verdicts_again(folder: Path, scratch: Path) -> bytes:
    """Detect on what a folder's run kept, and write the verdicts as a run does."""
    (scratch / "late").mkdir(parents=True)
    run, inputs, networks, traits = place_kept(read_kept(folder), open_cache(None), Clock(Quiet()), scratch / "late")
    results = tabulate(run, inputs, judge(run, inputs, networks, traits))
    write_tables({"verdicts": arrange(results.verdicts, VERDICTS)}, scratch, Notes())
    return (scratch / "verdicts.csv").read_bytes()


def test_a_rich_district_without_its_files(tmp_path):
    config = rich(tmp_path / "in")
    folder = Written(config, archive=True).folder.rename(tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    written = read_run(folder).table("verdicts").set_index(["requirement_id", "committee_id"])
    assert written.reason["a.d", "C3"] == "condition_unknown"  # the water is read, too
    assert verdicts_again(folder, tmp_path / "again") == (folder / "csv" / "verdicts.csv").read_bytes()
    kept = {path.name for path in (folder / FOLDER).iterdir()}
    tables = {
        f"{name}.parquet" for name in ("absent", "cells", "census", "committees", "facilities", "overrides", "water")
    }
    assert kept == tables | {"archive.json", "standard.toml", "streets.npz"}


def test_the_sample(tmp_path):
    config = load_config(ROOT / "configs" / "sample.toml")
    compute(config, out=tmp_path / "out", archive=True, progress=Quiet())
    written = (tmp_path / "out" / "csv" / "verdicts.csv").read_bytes()
    assert verdicts_again(tmp_path / "out", tmp_path / "again") == written
    # compressed: less than the files that it came from, of 2.3 MB of outputs
    assert sum(path.stat().st_size for path in (tmp_path / "out" / FOLDER).iterdir()) < 400_000


def test_nothing_of_the_machine_is_kept_and_the_bytes_are_the_same(tmp_path):
    for name in ("one", "two"):
        Written(rich(tmp_path / name), archive=True)
    one, two = (tmp_path / name / "out" / FOLDER for name in ("one", "two"))
    for path in one.iterdir():
        content = path.read_bytes()
        assert content == (two / path.name).read_bytes(), path.name
        assert str(tmp_path).encode() not in content


def test_tables_come_back_as_they_were(tmp_path):
    folder = Written(rich(tmp_path), archive=True).folder
    archive = read_archive(folder / FOLDER)
    assert archive.committees["committee_id"].tolist() == ["007", "C2", "C3"]
    assert archive.facilities.table["facility_id"].tolist() == ["00G", "F"]
    assert archive.facilities.absent["facility_id"].tolist() == ["H"]
    assert archive.facilities.covered == {"a": ("facilities.csv",), "b": ("facilities.csv",)}
    assert archive.census["total"].tolist() == [15.1, 1 / 3, 44]
    assert archive.overrides["reason"].tolist() == ['=1+1, "quoted"']
    assert archive.streets.u.dtype == np.int32
    assert len(archive.streets.u) == 30
    assert archive.standard == (tmp_path / "own.toml").read_bytes()


def test_an_exchange_of_nothing_is_the_run(tmp_path):
    folder = Written(rich(tmp_path), archive=True).folder
    kept = read_kept(folder)
    items = items_of(exchange(kept, kept, ()), open_cache(None), Clock(Quiet()))
    written = decided_items(read_run(folder).table("verdicts"))["verdict"]
    assert items.sort_index().to_dict() == written.sort_index().to_dict()
    # 007 was checked in the field. F's 2 beds are for C2 and 007: 130 per 1000 of their 15.4 people. C3 has 0.1 bed.
    assert items.to_dict() == {("007", "a"): "fail", ("C2", "a"): "pass", ("C3", "a"): "fail"}


def test_gated_compounds_and_facilities_of_the_osm_file(tmp_path):
    """Streets that are closed to others, and a source without an extent of its own."""
    config = load_config(ROOT / "configs" / "sample.toml")
    network = config.network.model_copy(update={"gated_compounds": True})
    osm = FacilitiesConfig(from_osm=True, covers=["pharmacy"])
    config = config.model_copy(update={"network": network, "facilities": [*config.facilities, osm]})
    compute(config, out=tmp_path / "out", archive=True, progress=Quiet())
    archive = read_archive(tmp_path / "out" / FOLDER)
    assert None in archive.facilities.extents.values()
    assert sum(int((flags > 0).sum()) for flags in archive.streets.private.values()) > 0
    written = (tmp_path / "out" / "csv" / "verdicts.csv").read_bytes()
    assert verdicts_again(tmp_path / "out", tmp_path / "again") == written


def test_the_option_is_part_of_what_decides_the_folder(tmp_path):
    config = rich(tmp_path)
    without = Written(config)
    assert not (without.folder / FOLDER).exists()
    kept = Written(config, archive=True)
    assert not kept.outcome.unchanged
    assert (kept.folder / FOLDER / "archive.json").is_file()
    assert Written(config, archive=True).outcome.unchanged
    again = Written(config)
    assert not again.outcome.unchanged
    assert not list((again.folder / FOLDER).glob("*"))


def test_the_command(tmp_path):
    config = rich(tmp_path)
    assert cli.run(["compute", str(config), "--archive", "--out", str(tmp_path / "o"), "--no-cache", "-q"]) == 0
    document = json.loads((tmp_path / "o" / "run.json").read_text("utf-8"))
    assert document["options"] == {"archive": True}
    assert "archive/streets.npz" in document["outputs"]


@pytest.mark.parametrize("name", ["archive.json", "committees.parquet", "streets.npz", "standard.toml"])
def test_a_damaged_archive_is_refused(tmp_path, name):
    folder = Written(rich(tmp_path), archive=True).folder
    (folder / FOLDER / name).write_bytes(b"[]")
    with pytest.raises(InputError, match="has been changed"):
        comparison.compare(folder, folder, progress=Quiet())
    if name != "standard.toml":
        with pytest.raises(InputError, match=r"Compute the run anew with --archive"):
            read_archive(folder / FOLDER)
    (folder / FOLDER / name).unlink()
    with pytest.raises(InputError, match=r"cannot be read|anew with --archive"):
        read_archive(folder / FOLDER)


def test_an_archive_of_another_version(tmp_path):
    folder = Written(rich(tmp_path), archive=True).folder / FOLDER
    settings = json.loads((folder / "archive.json").read_text("utf-8"))
    (folder / "archive.json").write_text(json.dumps({**settings, "format": 99}), "utf-8")
    with pytest.raises(InputError, match="another version"):
        read_archive(folder)
