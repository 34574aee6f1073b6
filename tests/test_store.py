"""The store of intermediate results: it answers for what it was asked, settings and standard included."""

import shutil
from pathlib import Path

import pytest

from circle15.errors import InputError
from street_kit import REACH, Written, district, standard

ONE = [{"committee_id": "C1", "x": 500}, {"committee_id": "C2", "x": 2500}]
CELLS = [{"total": 40, "other": 4, "x": 510}, {"total": 60, "other": 6, "x": 2490}]
HERE = [
    {"facility_id": "F1", "type": "a", "x": 600, "alias": "b"},
    {"facility_id": "F2", "type": "b", "x": 2400, "alias": "a"},
]


def files(folder: Path, **options) -> dict[str, bytes]:
    shutil.rmtree(folder / "out", ignore_errors=True)
    return {
        path.name: path.read_bytes() for path in (Written(folder / "config.toml", **options).folder / "csv").iterdir()
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('total = "total"', 'total = "other"'),
        ('type_column = "type"', 'type_column = "alias"'),
    ],
)
def test_a_changed_setting_is_not_answered_from_the_store(tmp_path, old, new):
    config = district(tmp_path, standard(REACH), ONE, HERE, CELLS)
    before = files(tmp_path, cache=tmp_path / "store")
    text = config.read_text("utf-8")
    assert text.count(old) == 1
    config.write_text(text.replace(old, new), "utf-8")
    after = files(tmp_path, cache=tmp_path / "store")
    assert after == files(tmp_path) != before


def test_a_changed_standard_refuses_what_the_store_took(tmp_path):
    part = [{"facility_id": "F1", "type": "b", "x": 600, "capacity": 9, "capacity_as_a": 4}]
    district(tmp_path, standard(REACH, provides={"b": ["a"]}), ONE, part, CELLS, covers=["a", "b"])
    assert files(tmp_path, cache=tmp_path / "store")
    (tmp_path / "own.toml").write_text(standard(REACH), "utf-8")
    with pytest.raises(InputError, match="does not provide a"):
        files(tmp_path, cache=tmp_path / "store")


def test_a_store_that_is_cut_short_is_computed_anew(tmp_path):
    district(tmp_path, standard(REACH), ONE, HERE, CELLS)
    whole = files(tmp_path, cache=tmp_path / "store")
    kept = list((tmp_path / "store").rglob("output.pkl"))
    assert len(kept) > 3
    for path in kept:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert files(tmp_path, cache=tmp_path / "store") == whole
