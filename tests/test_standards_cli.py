"""``circle15 standards``: list, show, check, diff and schema, at the terminal and as JSON."""

import json
import tomllib
from pathlib import Path

import pytest

from circle15 import cli
from circle15.standard.load import shipped_standards

ROOT = Path(__file__).parent.parent
SHELF = ROOT / "configs" / "standards"
SAMPLE = ROOT / "configs" / "sample.toml"


@pytest.fixture
def run(capfd):
    def run(*arguments: str, code: int = 0):
        assert cli.run(["standards", *arguments]) == code
        return capfd.readouterr()

    return run


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a standard that differs from pudong-2021 by replaced texts."""

    def write(*replaced: tuple[str, str]) -> str:
        text = (SHELF / "pudong-2021.toml").read_text(encoding="utf-8")
        for old, new in replaced:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


KINDERGARTEN = (
    '{ id = "kindergarten.reach",               kind = "reach", type = "kindergarten",               minutes = 15'
)


def test_list(run):
    shown = run("list").out
    rows = json.loads(run("list", "--json").out)
    assert [row["id"] for row in rows] == list(shipped_standards())
    for row in rows:
        raw = tomllib.loads((SHELF / f"{row['id']}.toml").read_text(encoding="utf-8"))
        for section in ("zones", "domains", "types", "requirements"):
            assert row[section] == len(raw[section])
        assert row["targets"] == len(raw.get("targets", []))
        (line,) = [line for line in shown.splitlines() if line.startswith(row["id"])]
        assert all(text in line for text in (raw["status"], raw["zh"], raw["en"]))
        assert row["source"] == raw["source"]


def test_show_one_type(run):
    shown = run("show", "gb50180-2018", "--type", "kindergarten")
    assert "1 within 300 m on foot" in shown.out
    assert "附录C 表C.0.2" in shown.out
    assert "quoted by a secondary text" in shown.out
    assert "primary_school" not in shown.out
    document = json.loads(run("show", "gb50180-2018", "--type", "kindergarten", "--json").out)
    assert [one["id"] for one in document["requirements"]] == ["kindergarten.reach"]
    assert document["requirements"][0]["metres"] == 300
    assert document["requirements"][0]["checked"] == "secondary"
    assert [one["id"] for one in document["domains"]] == ["education"]


def test_show_all_is_not_folded_when_piped(run):
    shown = run("show", "pudong-2021").out
    raw = tomllib.loads((SHELF / "pudong-2021.toml").read_text(encoding="utf-8"))
    for one in raw["requirements"]:
        (line,) = [line for line in shown.splitlines() if line.startswith(f"{one['id']} ")]
        assert one["clause"] in line
        assert one.get("note", "") in line
    for one in raw["targets"]:
        assert f"\n{one['id']} " in shown


def test_show_an_unknown_type_or_standard(run):
    assert (
        'no type "kindergarden". Did you mean "kindergarten"?'
        in run("show", "pudong-2021", "--type", "kindergarden", code=2).err
    )
    assert 'Did you mean "pudong-2021"?' in run("show", "pudong", code=2).err


def test_check_sums_up_what_is_sound(run, own):
    shown = run("check", own()).out
    assert "pudong-2021 (reconstructed) is sound" in shown
    assert "types without a requirement: none" in shown
    document = json.loads(run("check", str(SHELF / "gb50180-2018.toml"), "--json").out)
    raw = tomllib.loads((SHELF / "gb50180-2018.toml").read_text(encoding="utf-8"))
    assert document["kinds"] == {"reach": 18, "provision": 1}
    assert document["without_requirement"] == [t["id"] for t in raw["types"] if t["named_in"] == "not_used"]
    assert document["needs"]["group total"] == ["convenience_store.per_people"]


def test_check_tells_of_everything_that_is_wrong(run, own):
    path = own((f"{KINDERGARTEN},", KINDERGARTEN.replace("15", "0,")), ("cycle = 12 ", "cycl = 12 "))
    told = run("check", path, code=2)
    assert told.out == ""
    errors = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3
    assert any("minutes" in line and "(1 row: kindergarten.reach)" in line for line in errors)
    assert any('unknown key "speeds_kmh.cycl". Did you mean "cycle"?' in line for line in errors)
    assert any('"speeds_kmh.cycle" is missing' in line for line in errors)


def test_a_path_starts_where_the_command_runs(run, own, tmp_path, monkeypatch):
    own()
    monkeypatch.chdir(tmp_path)
    assert "is sound" in run("check", "own.toml").out
    assert "no such file" in run("check", "other.toml", code=2).err


def test_diff_of_the_same(run):
    assert run("diff", "pudong-2021", "pudong-2021").out == "pudong-2021 and pudong-2021 say the same\n"
    document = json.loads(run("diff", "pudong-2021", "pudong-2021", "--json").out)
    assert document["changes"] == document["verdicts"] == []
    assert document["committees"] is None


def test_diff_counts_the_committees_of_a_district(run, own):
    """The sample has 32 committees; 31 of them have a zone."""
    import geopandas as gpd  # noqa: PLC0415

    path = own((KINDERGARTEN, KINDERGARTEN.replace("15", "10")))
    document = json.loads(run("diff", "pudong-2021", path, "--config", str(SAMPLE), "--json").out)
    assert document["changes"] == [
        {"section": "requirements", "id": "kindergarten.reach", "what": "changed", "key": "minutes"}
        | {"before": 15.0, "after": 10.0}
    ]
    table = gpd.read_file(ROOT / "data" / "sample" / "committees.gpkg", layer="committees")
    with_zone = int((table["zone"].fillna("") != "").sum())
    assert document["committees"] == {
        "committees": len(table),
        "types": {"kindergarten": {"items": with_zone, "reported": with_zone}},
    }
    shown = run("diff", "pudong-2021", path, "--config", str(SAMPLE)).out
    assert f"of {len(table)} committees" in shown
    assert "1 within" not in shown.split("verdicts that could change")[0]


def test_diff_by_density_needs_the_people(run, own):
    """Below 20,000 people per km² 15 minutes as before, above it 10: the committees of that density are counted."""
    rules = (
        'rules = [{ density_per_km2 = { below = 20000 }, minutes = 15, mode = "zone" }, '
        '{ density_per_km2 = { at_least = 20000 }, minutes = 10, mode = "zone" }]'
    )
    line = f'{KINDERGARTEN}, mode = "zone",  min_count = 1'
    path = own((line, line.replace('minutes = 15, mode = "zone",  min_count = 1', rules)))
    document = json.loads(run("diff", "pudong-2021", path, "--config", str(SAMPLE), "--json").out)
    pieces = [case["density"] for case in document["verdicts"]]
    assert {"at_least": 20000.0, "below": None} in pieces
    assert "unknown" in pieces
    assert {"at_least": 0.0, "below": 20000.0} not in pieces
    assert document["committees"]["types"].keys() <= {"kindergarten"}


def test_schema(run):
    assert run("schema").out == (SHELF / "standard.schema.json").read_text(encoding="utf-8")


def test_the_group_alone_shows_its_help(run):
    told = run(code=2)
    assert "diff" in told.out + told.err
