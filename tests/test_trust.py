"""Trust in one verdict: `explain`, overrides from the field, and speeds that turn verdicts."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pyproj import Geod

from circle15 import cli, pipeline
from circle15.config import load_config
from circle15.errors import ConfigError, InputError
from circle15.stages.explain import _minutes

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "configs" / "sample.toml"
TYPES = {"committee_id": str, "facility_id": str}
FIELD = "committee_id,type_id,verdict,author,date,reason\n"


class Quiet:
    """A progress that tells nobody."""

    def stage(self, name: str, total: int | None = None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def tell(self, text: str) -> None: ...

    def done(self) -> None: ...


def run(config: Path, out: Path, **options) -> pipeline.Outcome:
    return pipeline.compute(load_config(config), out=out, progress=Quiet(), **options)


def explain(config: Path, committee: str, type_id: str, **options):
    case, _ = pipeline.explain(load_config(config), committee=committee, type_id=type_id, progress=Quiet(), **options)
    return case


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "csv" / f"{name}.csv", dtype=TYPES, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    run(SAMPLE, folder, sensitivity=10.0)
    return folder


@pytest.fixture
def district(tmp_path) -> Path:
    """Return a configuration of one's own beside a copy of the sample's data, to change."""
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "sample")
    (tmp_path / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "standards" / "pudong-2021.toml", tmp_path / "configs" / "own.toml")
    shutil.copy(SAMPLE, tmp_path / "configs" / "sample.toml")
    return tmp_path / "configs" / "sample.toml"


def with_overrides(district: Path, *rows: str) -> Path:
    (district.parent / "field.csv").write_text(FIELD + "".join(f"{row}\n" for row in rows), "utf-8")
    text = district.read_text("utf-8")
    if "\n[overrides]\nsource" not in text:
        district.write_text(text + '\n[overrides]\nsource = "field.csv"\n', "utf-8")
    return district


# explain -----------------------------------------------------------------------------------------------------------


def test_explain_says_what_compute_says(done, tmp_path):
    """For planted cases of every kind of reason."""
    expected = pd.read_csv(ROOT / "data" / "sample" / "expected.csv", dtype=TYPES)
    verdicts = table(done, "verdicts").set_index(["committee_id", "requirement_id"])
    for case in expected.itertuples():
        found = explain(SAMPLE, case.committee_id, case.type_id, cache=tmp_path)
        for one in found.explanations:
            row = verdicts.loc[(case.committee_id, one.requirement_id)]
            assert (one.verdict, one.reason) == (row.verdict, row.reason), case.why
            if np.isfinite(row.time_s):
                assert one.time_s == pytest.approx(row.time_s, abs=1e-3)
                assert one.nearest[0].facility_id == row.facility_id
                assert one.nearest[0].distance_m == pytest.approx(row.distance_m, abs=0.06)
            assert sum(near.within for near in one.nearest) == min(3, int(np.nan_to_num(row.count_within)))


def test_the_way_is_a_way_from_the_committee_to_the_facility(done):
    """Its legs begin and end where they should, and its length on the ellipsoid is the distance."""
    case = explain(SAMPLE, "999002003", "kindergarten")
    assert case.explanations[0].nearest[0].time_s == pytest.approx(1437.3, abs=0.2)  # planted: round the wall
    routes = case.routes
    assert routes.crs == "EPSG:4326"
    parts = routes[routes.requirement_id == "kindergarten.reach"].set_index("part").geometry
    centre = routes[routes.part == "committee"].geometry.iloc[0]
    assert parts["first_leg"].coords[0] == pytest.approx(centre.coords[0], abs=1e-9)
    assert parts["first_leg"].coords[-1] == pytest.approx(parts["way"].coords[0], abs=1e-9)
    assert parts["way"].coords[-1] == pytest.approx(parts["last_leg"].coords[0], abs=1e-9)
    facilities = gpd.read_file(done / "circle15.gpkg", layer="facilities").to_crs(4326).set_index("facility_id")
    place = facilities.loc[case.explanations[0].nearest[0].facility_id].geometry
    assert place.distance(gpd.points_from_xy(*zip(parts["last_leg"].coords[-1], strict=True))[0]) < 1e-8
    metres = sum(Geod(ellps="WGS84").geometry_length(line) for line in parts)
    # UTM stretches by at most 0.04 % here
    assert metres == pytest.approx(case.explanations[0].nearest[0].distance_m, rel=5e-4)


def test_explain_on_the_command_line(tmp_path):
    file = tmp_path / "way.geojson"
    arguments = ["explain", str(SAMPLE), "--committee", "999002003", "--type", "kindergarten", "-q"]
    result = CliRunner().invoke(cli.circle15, [*arguments, "--geojson", str(file)])
    assert result.exit_code == 0, result.output
    assert "kindergarten.reach (reach): FAIL" in result.stdout
    assert "15 min by walk at 4 km/h" in result.stdout
    assert "1,437.3 s, 1,597.0 m, beyond; access legs 10 m" in result.stdout  # planted: 10 + 325 + 300 + 650 + 300 + 12
    assert "a way 8 min 57.3 s shorter" in result.stdout  # 1437.3 − 900 s
    assert "speeds at least 59.7 % higher" in result.stdout
    assert {f["properties"]["part"] for f in json.loads(file.read_text("utf-8"))["features"]} == {
        "first_leg",
        "way",
        "last_leg",
        "committee",
    }
    document = json.loads(CliRunner().invoke(cli.circle15, [*arguments, "--json"]).stdout)
    assert document["committee"]["committee_id"] == "999002003"
    (one,) = [r for r in document["requirements"] if r["requirement_id"] == "kindergarten.reach"]
    assert one["time_s"] == pytest.approx(1437.3, abs=0.2)
    assert one["nearest"][0]["within"] is False


def test_what_would_turn_a_pass(done):
    """The planted pharmacy 207 s away: alone within, so its closing turns it, or speeds 77 % lower."""
    one = explain(SAMPLE, "999001005", "pharmacy").explanations[0]
    assert one.time_s == pytest.approx(207.0, abs=0.2)
    (slower,) = [turn for turn in one.turns if "lower" in turn]
    percent = float(slower.removeprefix("speeds more than ").removesuffix(" % lower"))
    assert 0 <= percent - 100 * (1 - one.time_s / 900) < 0.1  # rounded up: so much lower is too slow for sure
    inside = [near.facility_id for near in one.nearest if near.within]
    assert f"the closing of {' and '.join(inside)}" in one.turns


def test_what_explain_says_would_turn_a_verdict_does_turn_it(done, district, tmp_path):
    """Taken at its word: at speeds as much higher as it says, and a little more, the verdict is a pass."""
    own = district.parent / "own.toml"
    factor = 1437.3 / 900 * 1.001
    text = own.read_text("utf-8").replace("walk = 4 ", f"walk = {4 * factor} ")
    own.write_text(text, "utf-8")
    assert explain(district, "999002003", "kindergarten", standard=str(own)).explanations[0].verdict == "pass"
    slower = text.replace(f"walk = {4 * factor} ", f"walk = {4 * factor / 1.002} ")
    own.write_text(slower, "utf-8")
    assert explain(district, "999002003", "kindergarten", standard=str(own)).explanations[0].verdict == "fail"


@pytest.mark.parametrize(
    ("committee", "type_id", "message"),
    [
        ("99900200", "kindergarten", 'no committee "99900200". Did you mean "999002001"?'),
        ("999002003", "kindergarden", 'no type "kindergarden". Did you mean "kindergarten"?'),
    ],
)
def test_explain_names_the_nearest_id(committee, type_id, message):
    with pytest.raises(ConfigError) as caught:
        explain(SAMPLE, committee, type_id)
    assert message.split(". ")[0] in str(caught.value)
    assert "Did you mean" in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(900.0, "15 min"), (900.04, "15 min 0.04 s"), (33.84, "33.8 s"), (60.0, "1 min"), (1437.3, "23 min 57.3 s")],
)
def test_durations_in_words(seconds, text):
    assert _minutes(seconds) == text


# overrides ---------------------------------------------------------------------------------------------------------


def test_an_override_holds_is_marked_everywhere_and_counted(done, district, tmp_path):
    config = with_overrides(
        district,
        "999002003,kindergarten,pass,王工,2023-05-31,墙上开了门",
        "999001005,pharmacy,fail,王工,2023-06-01T10:00,已停业",
        "999002008,pharmacy,pass,王工,2023-06-02,不适用",  # exempt: it has no zone
    )
    outcome = run(config, tmp_path / "out")
    before, after = (
        table(f, "verdicts").set_index(["committee_id", "requirement_id"]) for f in (done, tmp_path / "out")
    )
    key = [("999002003", "kindergarten.reach"), ("999001005", "pharmacy.reach")]
    assert after.loc[key, "verdict"].tolist() == ["pass", "fail"]
    assert set(after.loc[key, "reason"]) == {"overridden"}
    assert after.loc[key, "computed_verdict"].tolist() == ["fail", "pass"] == before.loc[key, "verdict"].tolist()
    others = before.index.difference(key)
    assert after.loc[others, "verdict"].equals(before.loc[others, "verdict"])
    assert after["computed_verdict"].notna().sum() == 2
    # people are counted as computed
    assert after["population_covered"].equals(before["population_covered"])
    for name in ("district", "types", "domains", "towns", "zones", "committees"):
        assert table(tmp_path / "out", name)["overridden"].sum() == 2, name
        assert table(done, name)["overridden"].sum() == 0, name
    types = table(tmp_path / "out", "types").set_index("type_id")["passed"]
    were = table(done, "types").set_index("type_id")["passed"]
    assert (types - were)[lambda change: change != 0].to_dict() == {"kindergarten": 1, "pharmacy": -1}
    gaps = table(tmp_path / "out", "gaps")
    assert len(gaps.query("committee_id == '999002003' and type_id == 'kindergarten'")) == 0
    assert gaps.query("committee_id == '999001005' and type_id == 'pharmacy'")["reason"].tolist() == ["overridden"]
    listed = table(tmp_path / "out", "overrides")
    assert listed[["committee_id", "verdict", "computed_verdict", "author", "date"]].to_numpy().tolist() == [
        ["999001005", "fail", "pass", "王工", "2023-06-01"],
        ["999002003", "pass", "fail", "王工", "2023-05-31"],
        ["999002008", "pass", "exempt", "王工", "2023-06-02"],
    ]
    notes = {note.code: note for note in outcome.notes.items}
    assert notes["overrides.applied"].count == 2
    assert notes["overrides.exempt"].count == 1
    case = explain(config, "999002003", "kindergarten")
    assert (case.explanations[0].verdict, case.explanations[0].computed) == ("pass", "fail")
    assert case.override["author"] == "王工"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("99900x,pharmacy,pass,a,2023-01-01,b", '"committee_id" is of no committee'),
        ("0999001005,pharmacy,pass,a,2023-01-01,b", "ids match those of the committees only with zeros in front"),
        ("999001005,farmacy,pass,a,2023-01-01,b", 'Did you mean "pharmacy"'),
        ("999001005,pharmacy,ok,a,2023-01-01,b", "\"verdict\" has 'ok'"),
        ("999001005,pharmacy,pass,,2023-01-01,b", '"author" is empty'),
        ("999001005,pharmacy,pass,a,31.5.2023,b", '"date" is no date'),
        ("999001005,pharmacy,pass,a,2023-01-01,", '"reason" is empty'),
    ],
)
def test_bad_overrides(district, tmp_path, row, message):
    with pytest.raises(InputError) as caught:
        run(with_overrides(district, row), tmp_path / "out")
    assert message in str(caught.value)
    assert "field.csv" in str(caught.value)


def test_two_overrides_of_one_item_are_refused(district, tmp_path):
    row = "999001005,pharmacy,pass,a,2023-01-01,b"
    with pytest.raises(InputError, match="two rows on one committee and type"):
        run(with_overrides(district, row, row.replace("pass", "fail")), tmp_path / "out")


# sensitivity -------------------------------------------------------------------------------------------------------


def test_verdicts_that_turn_are_those_of_runs_at_the_other_speeds(done, district, tmp_path):
    """Against two whole runs of a standard whose speeds, those of cars included, are 10 % lower and higher."""
    own = district.parent / "own.toml"
    text = own.read_text("utf-8")
    head, speeds = text.split("[speeds_kmh]", 1)
    found = {}
    for name, factor in (("verdict_slower", 0.9), ("verdict_faster", 1.1)):
        lines = []
        for line in speeds.splitlines():
            key, _, rest = line.partition("=")
            value = rest.split("#")[0].strip()
            plain = value.replace(".", "", 1).isdigit()
            lines.append(f"{key}= {float(value) * factor}" if plain else line)
        own.write_text(head + "[speeds_kmh]" + "\n".join(lines), "utf-8")
        run(district, tmp_path / name, standard=str(own))
        found[name] = table(tmp_path / name, "verdicts").set_index(["committee_id", "requirement_id"])["verdict"]
    base = table(done, "verdicts").set_index(["committee_id", "requirement_id"])["verdict"]
    expected = pd.DataFrame({"verdict": base, **found})
    expected = expected[(expected.verdict != expected.verdict_slower) | (expected.verdict != expected.verdict_faster)]
    listed = table(done, "sensitivity").set_index(["committee_id", "requirement_id"])
    assert len(expected) > 20
    pd.testing.assert_frame_equal(listed[list(expected.columns)].sort_index(), expected.sort_index(), check_dtype=False)


def test_without_the_option_nothing_is_varied(tmp_path):
    run(SAMPLE, tmp_path)
    assert not (tmp_path / "csv" / "sensitivity.csv").exists()
    assert not (tmp_path / "csv" / "overrides.csv").exists()


def test_another_percentage_is_another_run(tmp_path):
    out, cache = tmp_path / "out", tmp_path / "cache"
    run(SAMPLE, out, sensitivity=10.0, cache=cache)
    assert run(SAMPLE, out, sensitivity=10.0, cache=cache).unchanged
    assert not run(SAMPLE, out, sensitivity=5.0, cache=cache).unchanged
    assert not run(SAMPLE, out, cache=cache).unchanged
    assert not (out / "csv" / "sensitivity.csv").exists()  # the earlier run's own file goes
