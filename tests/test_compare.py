"""`compare`: what changed between two runs and by which input, by hand on the street of 3 km."""

import hashlib
import json
import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15 import cli, comparison
from circle15.comparison.causes import Reruns, attribute
from circle15.comparison.changes import direction
from circle15.comparison.page import page, summary
from circle15.errors import ComputeError, InputError, Notes, OutputError
from planning_kit import Verified
from planning_kit import street as street_with_ledger
from street_kit import REACH, Quiet, Written, district, standard

THREE = [{"committee_id": "C1", "x": 0}, {"committee_id": "C2", "x": 1500}, {"committee_id": "C3", "x": 2800}]
F = {"facility_id": "F", "type": "a", "x": 600}
"""600 m from C1 and 900 m from C2, who have 1000 m; C3 has a gap."""
FB = {"facility_id": "FB", "type": "b", "x": 1450}
TIGHT = REACH.replace("minutes = 15", "minutes = 12")
"""800 m."""
BEDS = (
    '{ id = "a.c", kind = "provision", types = ["a"], measure = "capacity", unit = "beds", at_least = 100, '
    'scope = "committee", method = "2sfca", minutes = 15, mode = "walk", headline = true, clause = "1" },'
)


def run(folder, rules=REACH, committees=THREE, facilities=(F,), archive=True, edit=None, types=("a", "b", "c"), **more):
    more.setdefault("covers", ["a"])
    config = district(folder, standard(rules, types), committees, list(facilities), more.pop("cells", None), **more)
    if edit is not None:
        edit(config)
    return Written(config, archive=archive).folder


def compared(a, b, **more):
    return comparison.compare(a, b, progress=Quiet(), **more)


def changes(found) -> dict:
    rows = found.tables["changes"].itertuples()
    return {(r.committee_id, r.type_id): (r.before, r.after, r.cause, r.step) for r in rows}


def causes(found) -> dict:
    table = found.tables["causes"].set_index("cause")
    return {name: {k: v for k, v in row.items() if not pd.isna(v)} for name, row in table.iterrows()}


# one input changes ---------------------------------------------------------------------------------------------------


def test_a_facility_opens(tmp_path):
    """G at 2000 is 800 m from C3; C2, 500 m away, has F anyway."""
    g = {"facility_id": "G", "type": "a", "x": 2000}
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", facilities=[F, g]))
    assert changes(found) == {("C3", "a"): ("fail", "pass", "facilities", "facilities")}
    assert causes(found) == {"facilities": {"alone": 1, "only": 1, "step": 1, "passed_more": 1, "cancelled": 0}}
    row = found.tables["changes"].iloc[0]
    assert (row.direction, row.reason_before, row.reason_after) == ("better", "too_far", "within")
    assert (row.facility_before, row.facility_before_became) == ("F", "same")
    assert (row.facility_after, row.facility_after_was) == ("G", "opened")
    assert (row.time_before_s, row.time_after_s) == pytest.approx((2200 * 0.9, 800 * 0.9), abs=0.1)
    facility = found.tables["facilities"].iloc[0]
    assert (len(found.tables["facilities"]), facility.facility_id, facility.change) == (1, "G", "opened")
    assert (found.items, found.reruns) == (3, 0)  # one group alone: its exchange is B itself
    assert "C3 · a: fail (too far) → pass (within reach) — facilities, G opened" in summary(found, "en", written=False)


def test_a_facility_closes_and_another_moves(tmp_path):
    """F closes: C1 and C2 lose it. M goes from 1400 to 100: C1 has it at 100 m instead; C2 at 1400 m no longer."""
    m = {"facility_id": "M", "type": "a", "x": 1400}
    found = compared(run(tmp_path / "a", facilities=[F, m]), run(tmp_path / "b", facilities=[{**m, "x": 100}]))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "facilities", "facilities")}
    table = found.tables["facilities"].set_index("facility_id")
    assert table["change"].to_dict() == {"F": "closed", "M": "moved"}
    assert table.moved_m["M"] == pytest.approx(1300)
    row = found.tables["changes"].iloc[0]
    assert (row.facility_before, row.facility_before_became, row.facility_after_was) == ("M", "moved", "moved")


def test_all_facilities_close(tmp_path):
    found = compared(run(tmp_path / "a", facilities=[F, FB]), run(tmp_path / "b", facilities=[FB]))
    expected = ("pass", "fail", "facilities", "facilities")
    assert changes(found) == {("C1", "a"): expected, ("C2", "a"): expected}
    rows = found.tables["changes"]
    assert list(rows.reason_after) == ["none_exists"] * 2
    assert list(rows.facility_before_became) == ["closed"] * 2
    assert list(rows.facility_after) == [""] * 2


def test_a_district_that_had_no_facility_open(tmp_path):
    later = {**F, "opens": 2030}
    a, b = run(tmp_path / "a", facilities=[later]), run(tmp_path / "b")
    expected = ("fail", "pass", "facilities", "facilities")
    assert changes(compared(a, b)) == {("C1", "a"): expected, ("C2", "a"): expected}
    back = compared(b, a)
    assert {row[:2] for row in changes(back).values()} == {("pass", "fail")}
    assert back.tables["facilities"]["change"].tolist() == ["closed"]


def test_a_facility_is_altered(tmp_path):
    """3 beds for 15 people within 1000 m are 200 per 1000, 1 bed 67; 100 are asked for."""
    cells = [{"x": 0, "total": 10}, {"x": 1500, "total": 5}]
    a, b = (run(tmp_path / str(n), BEDS, facilities=[{**F, "capacity": n}], cells=cells) for n in (3, 1))
    found = compared(a, b)
    expected = ("pass", "fail", "facilities", "facilities")
    assert changes(found) == {("C1", "a"): expected, ("C2", "a"): expected}
    row = found.tables["facilities"].iloc[0]
    assert (row.facility_id, row.change, row.altered) == ("F", "altered", "capacity")


def test_the_year_acts_through_what_is_open(tmp_path):
    """The same file, two years: G opens in 2024."""
    g = {"facility_id": "G", "type": "a", "x": 2000, "opens": 2024}
    a, b = (run(tmp_path / str(year), facilities=[F, g], as_of=year) for year in (2023, 2024))
    found = compared(a, b)
    assert changes(found) == {("C3", "a"): ("fail", "pass", "facilities", "facilities")}
    assert found.tables["changes"].facility_after_was[0] == "opened"


def test_people_move_away(tmp_path):
    """F's 2 beds are shared by 35 people within 1000 m, 57 per 1000; then by 10, 200 per 1000. 100 are asked for."""
    f = {**F, "capacity": 2}
    many = [{"x": 0, "total": 15}, {"x": 1500, "total": 20}, {"x": 2800, "total": 40}]
    few = [{"x": 0, "total": 5}, {"x": 1500, "total": 5}, {"x": 2800, "total": 65}]
    a, b = (run(tmp_path / n, BEDS, facilities=[f], cells=c) for n, c in (("a", many), ("b", few)))
    found = compared(a, b)
    expected = ("fail", "pass", "population", "population")
    assert changes(found) == {("C1", "a"): expected, ("C2", "a"): expected}
    assert list(found.tables["changes"].population_before) == [15, 20]
    assert not len(found.tables["facilities"])


def cut(config) -> None:
    """Take away the street from 1000 to 1100 m."""
    path = config.parent / "net.gpkg"
    gpd.read_file(path).drop(index=10).to_file(path)


def test_a_street_is_cut(tmp_path):
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", edit=cut))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "network", "network")}
    assert found.tables["changes"].reason_after[0] == "none_reachable"


def test_the_threshold_is_tightened(tmp_path):
    """800 m instead of 1000: C2 is 900 m away."""
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", TIGHT))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "standard", "standard")}
    row = found.tables["changes"].iloc[0]
    assert (row.threshold_before_s, row.threshold_after_s) == (900, 720)


def test_a_committee_is_drawn_anew(tmp_path):
    moved = [THREE[0], {**THREE[1], "x": 1800}, THREE[2]]
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", committees=moved))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "boundary", "boundary")}


def test_a_setting_changes(tmp_path):
    """C2 lies 200 m beside the street: with 100 m it is off the network."""

    def strict(config) -> None:
        config.write_text(config.read_text("utf-8").replace("[committees]", "max_snap_m = 100\n[committees]"), "utf-8")

    beside = [THREE[0], {**THREE[1], "x": 700, "y": 200}]
    found = compared(run(tmp_path / "a", committees=beside), run(tmp_path / "b", committees=beside, edit=strict))
    assert changes(found) == {("C2", "a"): ("pass", "unknown", "settings", "settings")}
    assert found.tables["changes"].direction[0] == "worse"


def test_somebody_looked(tmp_path):
    checked = [("C1", "a", "fail", "x", "2023-05-01", "closed on Sundays")]
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", overrides=checked))
    assert changes(found) == {("C1", "a"): ("pass", "fail", "overrides", "overrides")}


# several at once -----------------------------------------------------------------------------------------------------


def test_both_causes_and_interaction(tmp_path):
    """H at 1900 closes, and 1000 m become 800.

    C2 has F at 900 m and H at 400 m: either change leaves it one of them, both leave none: interaction.
    C3 has H at 900 m: either change takes it. C1 has F at 600 m throughout.
    In sequence the standard comes first: it takes C3's, and the facilities then take C2's.
    """
    h = {"facility_id": "H", "type": "a", "x": 1900}
    found = compared(run(tmp_path / "a", facilities=[F, h]), run(tmp_path / "b", TIGHT))
    assert changes(found) == {
        ("C2", "a"): ("pass", "fail", "interaction", "facilities"),
        ("C3", "a"): ("pass", "fail", "standard|facilities", "standard"),
    }
    assert causes(found) == {
        "standard": {"alone": 1, "only": 0, "step": 1, "passed_more": -1, "cancelled": 0},
        "facilities": {"alone": 1, "only": 0, "step": 1, "passed_more": -1, "cancelled": 0},
        "interaction": {"alone": 1, "only": 1},
    }
    assert found.reruns == 2  # each alone; the sequence's first step is one of them, its last is B
    assert "1 turn only by several together" in summary(found, "en", written=False)


def test_what_cancels_out_is_counted(tmp_path):
    """800 m would take F (900 m) from C2; G at 2100 gives it one at 600 m, and C3 one at 700 m."""
    g = {"facility_id": "G", "type": "a", "x": 2100}
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", TIGHT, facilities=[F, g]))
    assert changes(found) == {("C3", "a"): ("fail", "pass", "facilities", "facilities")}
    assert causes(found) == {
        "standard": {"alone": 0, "only": 0, "step": 0, "passed_more": -1, "cancelled": 1},
        "facilities": {"alone": 1, "only": 1, "step": 1, "passed_more": 2, "cancelled": 0},
    }


def test_what_cancels_out_is_told_even_if_no_verdict_changed(tmp_path):
    """800 m would take F (900 m) from C2; G stands 100 m from it, and too far from the others."""
    g = {"facility_id": "G", "type": "a", "x": 1600}
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", TIGHT, facilities=[F, g]), out=tmp_path / "cmp")
    assert changes(found) == {}
    assert causes(found) == {
        "standard": {"alone": 0, "only": 0, "step": 0, "passed_more": -1, "cancelled": 1},
        "facilities": {"alone": 0, "only": 0, "step": 0, "passed_more": 1, "cancelled": 0},
    }
    text = (tmp_path / "cmp" / "summary.txt").read_text("utf-8")
    assert "0 of 3 verdicts changed" in text
    assert "1 more would turn, and something else makes up for it" in text


def test_another_engine_is_a_setting_and_not_the_program(tmp_path):
    def other(config) -> None:
        config.write_text(
            config.read_text("utf-8").replace("[committees]", 'engine = "pandana"\n[committees]'), "utf-8"
        )

    found = compared(run(tmp_path / "a"), run(tmp_path / "b", edit=other))
    assert causes(found) == {"settings": {"alone": 0, "only": 0, "step": 0, "passed_more": 0, "cancelled": 0}}
    assert "Nothing changed" in summary(found, "en", written=False)


def test_everything_at_once(tmp_path):
    """Six groups differ: 5 exchanged alone that do something, and the steps sum to what changed."""
    cells = [{"x": 0, "total": 10}, {"x": 1500, "total": 10}]
    more = [{"x": 0, "total": 20}, {"x": 1500, "total": 10}]
    h = {"facility_id": "H", "type": "a", "x": 2000}
    checked = [("C1", "a", "unknown", "x", "2023-05-01", "y")]
    a = run(tmp_path / "a", cells=cells)
    moved = [THREE[0], {**THREE[1], "x": 1550}, THREE[2]]
    b = run(tmp_path / "b", TIGHT, moved, [h], cells=more, edit=cut, overrides=checked)
    found = compared(a, b)
    # C1 loses F (600 m) by the facilities (H is 2000 m off: fail), and in the field nobody could say: unknown in B.
    # C2, at 1550, has H at 450 m instead of F at 950 m: passes in both. C3 has H at 800 m, of 800: passes.
    assert changes(found) == {
        ("C1", "a"): ("pass", "unknown", "overrides", "overrides"),
        ("C3", "a"): ("fail", "pass", "facilities", "facilities"),
    }
    table = found.tables["causes"].set_index("cause")
    assert list(table.index) == ["boundary", "population", "network", "standard", "facilities", "overrides"]
    assert found.reruns == 10
    assert table.step.sum() == 2
    assert table.passed_more.sum() == 0  # 2 pass before and after
    # C2 would lose F by the cut or at 800 m; by the facilities alone C1 would fail, which is not what B says
    assert table.cancelled.to_dict() == {
        **dict.fromkeys(("boundary", "population", "facilities", "overrides"), 0),
        "network": 1,
        "standard": 1,
    }
    again = compared(b, a)
    assert {k: (v[1], v[0]) for k, v in changes(again).items()} == {k: v[:2] for k, v in changes(found).items()}


def test_a_standard_of_other_zones_goes_with_the_committees(tmp_path):
    def rename(config) -> None:
        path = config.parent / "own.toml"
        path.write_text(path.read_text("utf-8").replace('id = "u"', 'id = "v"'), "utf-8")

    other = [{**one, "zone": "v"} for one in THREE]
    a = run(tmp_path / "a")
    b = run(tmp_path / "b", TIGHT, other, edit=rename, facilities=[F, {**F, "facility_id": "G", "x": 2000}])
    found = compared(a, b)
    assert changes(found) == {("C3", "a"): ("fail", "pass", "facilities", "facilities")}
    assert [note.code for note in found.notes.items] == ["compare.exchanged_together"]
    # zones of one run alone stay in the rates, empty on the other side
    zones = found.tables["rates"].query("by == 'zone'").set_index("key")
    assert np.isnan(zones.a_passed["v"])
    assert np.isnan(zones.b_passed["u"])


# attribution by itself -----------------------------------------------------------------------------------------------

CODES = """
name = "m"
[[types]]
id = "a"
confidence = "high"
any = [{ code = "1" }]
[[types]]
id = "x"
confidence = "high"
any = [{ code = "2" }]
"""


def coded(config) -> None:
    """Let the facilities' types be codes of a mapping, which claims what it knows."""
    (config.parent / "m.toml").write_text(CODES, "utf-8")
    text = config.read_text("utf-8").replace('type_column = "type"', 'type_column = "type"\nmapping = "m.toml"')
    config.write_text(text.replace('covers = ["a"]\n', 'columns = { facility_id = "facility_id" }\n'), "utf-8")


@pytest.mark.parametrize("other", [0, 5])
def test_facilities_of_types_that_one_standard_has_come_with_it(tmp_path, other):
    """The same file: X of code 2 stands at C3, and is only read by the standard that has type x, which provides a.

    With `other`, F was moved by so many metres, too: that turns nothing.
    """
    both = [{**F, "type": 1}, {"facility_id": "X", "type": 2, "x": 2800}]
    moved = [{**both[0], "x": 600 + other}, both[1]]
    a = run(tmp_path / "a", facilities=both, edit=coded, types=("a",))
    text = standard(REACH, ("a", "x"), provides={"x": ["a"]})
    config = district(tmp_path / "b", text, THREE, moved, covers=["a"])
    coded(config)
    found = compared(a, Written(config, archive=True).folder)
    assert changes(found) == {("C3", "a"): ("fail", "pass", "standard", "standard")}
    assert list(causes(found)) == (["standard", "facilities"] if other else ["standard"])
    back = compared(found.b.folder, a)
    assert changes(back) == {("C3", "a"): ("pass", "fail", "standard", "standard")}


def test_zones_by_name_are_read_by_the_standard_that_judges(tmp_path):
    """The same committees, of zone 城 or 镇; B calls them v and u, and gives 镇 12 minutes: 800 m, not 900."""

    def own(names: tuple[str, str], town: int) -> str:
        zone = '{{ id = "{}", zh = "{}", en = "{}", modes = {{ residents = "walk", village = "walk" }} }}'
        zones = ", ".join(zone.format(one, name, f"{name}e") for one, name in zip("uv", names, strict=True))
        of = dict(zip(names, "uv", strict=True))
        rule = '{{ zones = ["{}"], minutes = {}, mode = "walk" }}'
        rules = ", ".join((rule.format(of["城"], 15), rule.format(of["镇"], town)))
        asked = f'{{ id = "a.r", kind = "reach", type = "a", headline = true, clause = "1", rules = [{rules}] }},'
        text = standard(asked, ("a",))
        start = text.index("zones = [")
        return text[:start] + f"zones = [ {zones} ]" + text[text.index("\n", start) :]

    named = [{**THREE[0], "zone": "城"}, {**THREE[1], "zone": "镇"}, {**THREE[2], "zone": "城"}]
    runs = []
    for name, text in (("a", own(("城", "镇"), 15)), ("b", own(("镇", "城"), 12))):
        runs.append(Written(district(tmp_path / name, text, named, [F], covers=["a"]), archive=True).folder)
    found = compared(*runs)
    assert changes(found) == {("C2", "a"): ("pass", "fail", "standard", "standard")}
    assert list(causes(found)) == ["standard"]


def test_content_counts_and_not_the_bytes_that_hold_it(tmp_path):
    """The same tables, written by another version of a library; a comment in the standard; a committee's name."""
    renamed = [{**one, "name": f"new {n}"} for n, one in enumerate(THREE)]
    a, b = run(tmp_path / "a"), run(tmp_path / "b", f"# a comment\n{TIGHT}", committees=renamed)
    path = b / "archive" / "facilities.parquet"
    gpd.read_parquet(path).to_parquet(path, compression="gzip")
    document = json.loads((b / "run.json").read_text("utf-8"))
    document["outputs"]["archive/facilities.parquet"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (b / "run.json").write_text(json.dumps(document), "utf-8")
    assert list(causes(compared(a, b))) == ["standard"]


def test_what_only_the_program_changed(tmp_path):
    """The very same inputs, and the first run's verdicts are those of another version."""
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    path = a / "csv" / "verdicts.csv"
    lines = path.read_text("utf-8").splitlines()
    assert [line.split(",")[5] for line in lines[1:]] == ["pass", "pass", "fail"]
    lines[1] = lines[1].replace(",pass,within,", ",fail,too_far,")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    document = json.loads((a / "run.json").read_text("utf-8"))
    document["outputs"]["csv/verdicts.csv"] = hashlib.sha256(path.read_bytes()).hexdigest()
    document["code"] = "of another version"
    (a / "run.json").write_text(json.dumps(document), "utf-8")
    found = compared(a, b)
    assert changes(found) == {("C1", "a"): ("fail", "pass", "program", "program")}


VERDICT = st.sampled_from(["pass", "fail", "unknown", "exempt"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_steps_sum_and_causes_are_what_is_defined(data):
    """Any verdicts of any exchanges: held against the definition, item by item."""
    groups = [("p",), ("q", "r"), ("s",)][: data.draw(st.integers(1, 3))]
    index = pd.MultiIndex.from_product([["C1", "C2", "C3"], ["a"]], names=["committee_id", "type_id"])
    drawn: dict[frozenset, pd.Series] = {}

    def detect(exchanged):
        if exchanged not in drawn:
            drawn[exchanged] = pd.Series(data.draw(st.lists(VERDICT, min_size=3, max_size=3)), index=index)
        return drawn[exchanged]

    before, after = detect(frozenset()), detect(frozenset(one for g in groups for one in g))
    found = attribute(before, after, groups, Reruns(detect, Notes(), index))
    changed = [item for item in index if before[item] != after[item]]
    assert list(found.items.index) == changed
    table = found.groups.set_index("cause")
    assert table.step.fillna(0).sum() == len(changed)
    assert table.passed_more.fillna(0).sum() == (after == "pass").sum() - (before == "pass").sum()
    states = [before, *(detect(frozenset(o for g in groups[: n + 1] for o in g)) for n in range(len(groups)))]
    for item in changed:
        alone = ["|".join(g) for g in groups if detect(frozenset(g))[item] == after[item]]
        assert found.items.cause[item] == ("|".join(alone) or "interaction")
        last = max(n for n in range(len(groups)) if states[n][item] != states[n + 1][item])
        assert found.items.step[item] == "|".join(groups[last])


def test_what_the_program_judges_otherwise_is_told_apart():
    index = pd.MultiIndex.from_product([["C1", "C2"], ["a"]], names=["committee_id", "type_id"])
    before, after = pd.Series(["fail", "fail"], index=index), pd.Series(["pass", "pass"], index=index)
    now = {frozenset(): ["fail", "pass"], frozenset({"network"}): ["pass", "pass"]}
    reruns = Reruns(lambda groups: pd.Series(now[groups], index=index), Notes(), index)
    found = attribute(before, after, [("network",)], reruns)
    assert found.items.cause.tolist() == ["network", "program"]
    assert found.items.step.tolist() == ["network", "program"]
    table = found.groups.set_index("cause")
    assert table.passed_more.to_dict() == {"network": 1, "program": 1}


def test_an_exchange_that_fails_is_noted():
    index = pd.MultiIndex.from_product([["C1"], ["a"]], names=["committee_id", "type_id"])
    states = {frozenset(): ["fail"], frozenset("pq"): ["pass"], frozenset("q"): ["pass"]}

    def detect(groups):
        if groups not in states:
            raise ComputeError("no")
        return pd.Series(states[groups], index=index)

    notes = Notes()
    found = attribute(detect(frozenset()), detect(frozenset("pq")), [("p",), ("q",)], Reruns(detect, notes, index))
    assert found.items.cause.tolist() == ["q"]
    assert found.items.step.tolist() == ["p|q"]  # what p does by itself in the sequence isn't known
    assert found.groups["alone"].isna().tolist() == [True, False]
    assert found.groups["alone"][1] == 1
    assert found.groups["only"].isna().all()
    assert [note.code for note in notes.items] == ["compare.exchange_failed"]


def test_what_may_be_a_failed_exchange_is_no_interaction():
    """q alone turns nothing, and p, which could not be exchanged, may well be the cause."""
    index = pd.MultiIndex.from_product([["C1"], ["a"]], names=["committee_id", "type_id"])
    states = {frozenset(): ["fail"], frozenset("pq"): ["pass"], frozenset("q"): ["fail"]}

    def detect(groups):
        if groups not in states:
            raise ComputeError("no")
        return pd.Series(states[groups], index=index)

    found = attribute(detect(frozenset()), detect(frozenset("pq")), [("p",), ("q",)], Reruns(detect, Notes(), index))
    assert found.items.cause.tolist() == ["not_told"]
    assert found.items.step.tolist() == ["p|q"]
    assert found.groups["cause"].tolist() == ["p", "q", "not_told"]
    assert found.groups["cancelled"].isna().tolist() == [True, False, True]


def test_directions():
    was = np.array(["fail", "fail", "unknown", "pass", "pass", "unknown", "exempt", "pass"], dtype=object)
    now = np.array(["pass", "unknown", "pass", "fail", "unknown", "fail", "fail", "exempt"], dtype=object)
    assert list(direction(was, now)) == ["better"] * 3 + ["worse"] * 3 + ["other"] * 2


def test_runs_of_another_version_are_judged_again(tmp_path):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", TIGHT)
    for folder in (a, b):
        document = json.loads((folder / "run.json").read_text("utf-8"))
        (folder / "run.json").write_text(json.dumps({**document, "code": "older"}), "utf-8")
    found = compared(a, b)
    assert changes(found) == {("C2", "a"): ("pass", "fail", "standard", "standard")}
    assert found.reruns == 2


# without causes ------------------------------------------------------------------------------------------------------


def test_what_counts_in_no_rate_is_told_too(tmp_path):
    """F is 9 minutes from C1. Asked within 10 and then within 1, uncounted; and of the town 5 places and then 50."""

    def own(minutes: int, places: int) -> str:
        near = REACH.replace("a.r", "a.near").replace("minutes = 15", f"minutes = {minutes}")
        town = (
            '{ id = "a.t", kind = "provision", types = ["a"], measure = "capacity", unit = "places", '
            f'at_least = {places}, per = 1000, scope = "town", clause = "1" }},'
        )
        return "\n".join([REACH, near.replace("headline = true", "headline = false"), town])

    cells = [{"x": 0, "total": 1000}]
    f = {**F, "capacity": 10}
    runs = [run(tmp_path / str(n), own(*n), facilities=[f], cells=cells) for n in ((10, 5), (1, 50))]
    found = compared(*runs)
    assert changes(found) == {}
    assert not found.unchanged
    rows = found.tables["others"]
    told = {(r.requirement_id, r.scope, r.scope_id): (r.before, r.after) for r in rows.itertuples()}
    assert told[("a.near", "committee", "C1")] == ("pass", "fail")
    assert told[("a.t", "town", "T1")] == ("pass", "fail")
    assert ("a.near", "committee", "C2") not in told  # 13.5 minutes: it fails both times
    text = summary(found, "en", written=False)
    assert "Other verdicts that changed: " in text
    assert "Nothing changed" not in text
    assert "a.t" in page(found, "en")


def test_a_target_that_falls_due_is_told(tmp_path):
    """Two of three committees reach a: 66.7 % of the 100 % that are due in 2025."""
    target = (
        '{ id = "t1", zh = "目标", en = "All of them", due = 2025, operator = ">=", value = 100, unit = "%", '
        'measured_by = "item_rate", clause = "1" },'
    )
    text = standard(REACH, ("a",), due=2025, targets=target)
    runs = []
    for year in (2023, 2025):
        config = district(tmp_path / str(year), text, THREE, [F], as_of=year, covers=["a"])
        runs.append(Written(config, archive=True).folder)
    found = compared(*runs)
    rows = found.tables["others"].query("target_id == 't1'")
    assert rows[["before", "after"]].to_numpy().tolist() == [["exempt", "fail"]]
    assert not found.unchanged


def test_columns_of_one_run_alone_are_noted(tmp_path):
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", facilities=[{**F, "grade": "A"}]))
    note = next(one for one in found.notes.items if one.code == "compare.attributes")
    assert (note.count, note.rows) == (1, ("grade",))


def test_rates_of_other_items_are_set_apart(tmp_path):
    """Of a, which both judge, 2 of 3 pass and then 1; B judges b as well, of which none is there."""
    b = REACH.replace("a.r", "b.r").replace('type = "a"', 'type = "b"')
    found = compared(run(tmp_path / "a"), run(tmp_path / "b", f"{TIGHT}\n{b}", covers=["a", "b"]))
    assert not found.alike
    assert found.common_rates == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    lines = summary(found, "en", written=False).splitlines()
    assert "item rate of the items that both judge: 66.6 % → 33.3 % (-33.3 points)" in lines
    assert 'class="n worse"' not in page(found, "en").split('id="rates-district"')[1].split("</table>")[0]
    assert 'class="n worse"' in page(found, "en").split('id="rates-type"')[1].split("</table>")[0]
    assert compared(run(tmp_path / "c"), run(tmp_path / "d", TIGHT)).alike


def test_the_same_run(tmp_path):
    a = run(tmp_path / "a")
    found = compared(a, a, out=tmp_path / "cmp")
    assert found.unchanged
    assert not found.why_no_causes
    assert "Nothing changed" in summary(found, "en", written=False)
    assert "没有变化" in summary(found, "zh", written=False)
    assert "Nothing changed" in (tmp_path / "cmp" / "compare.html").read_text("utf-8")


def test_without_archives_changes_are_shown_and_no_causes(tmp_path):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", TIGHT, archive=False)
    found = compared(a, b)
    assert changes(found) == {("C2", "a"): ("pass", "fail", "", "")}
    assert found.why_no_causes.text("en") == f"{b} kept no inputs. Compute again with --archive."
    assert f"No causes: {b} kept no inputs" in summary(found, "en", written=False)
    assert "请用 compute --archive 重新计算" in page(found, "zh")


def test_rates_stand_side_by_side(tmp_path):
    """2 of 3 items, then 1 of 3: -33.3 points."""
    found = compared(run(tmp_path / "a", archive=False), run(tmp_path / "b", TIGHT, archive=False))
    rates = found.tables["rates"].set_index(["by", "key"])
    assert list(dict.fromkeys(found.tables["rates"]["by"])) == ["district", "town", "zone", "domain", "type"]
    for row in (("district", ""), ("town", "T1"), ("zone", "u"), ("domain", "d"), ("type", "a")):
        assert (rates.a_passed[row], rates.b_passed[row]) == (2, 1)
        assert rates.points_item[row] == pytest.approx(-100 / 3, abs=1e-3)
    assert "item rate: 66.6 % → 33.3 % (-33.3 points)" in summary(found, "en", written=False)


def test_two_crs_give_no_causes(tmp_path):
    def other(config) -> None:
        text = config.read_text("utf-8").replace('as_of = 2023\ncrs = "EPSG:32651"', 'as_of = 2023\ncrs = "EPSG:4549"')
        config.write_text(text, "utf-8")

    found = compared(run(tmp_path / "a"), run(tmp_path / "b", TIGHT, edit=other))
    assert list(changes(found)) == [("C2", "a")]
    assert "two CRS" in found.why_no_causes.text("en")
    assert not len(found.tables["facilities"])  # the same places, measured in two CRS


def test_verify_folders(tmp_path):
    """A ledger opens P at 2000; verify's folder holds the district with it."""
    config = street_with_ledger(
        tmp_path / "v", standard(REACH), THREE, [F], projects=[{"project_id": "P", "x": 2000, "type_id": "a"}],
        sections="[plan]\nyears = [2024]\n",
    )  # fmt: skip
    verified = Verified(config).folder
    found = compared(run(tmp_path / "a"), verified)
    assert changes(found) == {("C3", "a"): ("fail", "pass", "", "")}
    assert found.tables["changes"].facility_after_was[0] == "opened"
    assert "which only compute --archive does" in found.why_no_causes.text("en")


# committees of other names -------------------------------------------------------------------------------------------


def mapping(folder, *rows) -> object:
    path = folder / "mapping.csv"
    path.write_text("committee_a,committee_b\n" + "".join(f"{a},{b}\n" for a, b in rows), "utf-8")
    return path


def test_other_committees_need_a_mapping(tmp_path):
    renamed = [*THREE[:2], {**THREE[2], "committee_id": "N3"}]
    a, b = run(tmp_path / "a"), run(tmp_path / "b", TIGHT, renamed)
    with pytest.raises(InputError) as error:
        compared(a, b)
    assert [(p.where, p.rows) for p in error.value.problems] == [(str(a), ("C3",)), (str(b), ("N3",))]
    assert all("--mapping" in p.remedy for p in error.value.problems)
    found = compared(a, b, mapping=mapping(tmp_path, ("C3", "N3")))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "standard", "standard")}
    assert list(causes(found)) == ["standard"]  # another id is no other committee: the mapping says so
    assert found.items == 3


def test_names_that_change_places(tmp_path):
    """C2 and C3 swap their ids: nothing changes, since each keeps its place."""
    swapped = [THREE[0], {**THREE[1], "committee_id": "C3"}, {**THREE[2], "committee_id": "C2"}]
    a, b = run(tmp_path / "a"), run(tmp_path / "b", TIGHT, swapped)
    found = compared(a, b, mapping=mapping(tmp_path, ("C2", "C3"), ("C3", "C2")))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "standard", "standard")}
    assert found.tables["changes"].committee_b[0] == "C3"


def test_merged_committees_are_left_out_and_told(tmp_path):
    """C2 and C3 become M at 1500: only C1 can be compared; M's people and streets still count in the exchanges."""
    merged = [THREE[0], {**THREE[1], "committee_id": "M"}]
    checked = [("C2", "a", "fail", "x", "2023-05-01", "y"), ("C1", "a", "fail", "x", "2023-05-01", "y")]
    a = run(tmp_path / "a", overrides=checked)
    b = run(tmp_path / "b", committees=merged, facilities=[F, {**F, "facility_id": "G", "x": 100}])
    found = compared(a, b, mapping=mapping(tmp_path, ("C2", "M"), ("C3", "M")))
    assert changes(found) == {("C1", "a"): ("fail", "pass", "overrides", "overrides")}
    assert (found.items, found.pairs.only_a, found.pairs.only_b) == (1, ("C2", "C3"), ("M",))
    (note,) = found.notes.items
    assert (note.code, note.rows) == ("compare.no_counterpart", ("C2", "C3", "M"))
    assert note.text in summary(found, "en", written=False)


def test_new_and_gone_committees(tmp_path):
    a, b = run(tmp_path / "a", committees=THREE[:2]), run(tmp_path / "b", TIGHT, THREE[1:])
    found = compared(a, b, mapping=mapping(tmp_path, ("C1", ""), ("", "C3")))
    assert changes(found) == {("C2", "a"): ("pass", "fail", "standard", "standard")}
    assert (found.pairs.only_a, found.pairs.only_b) == (("C1",), ("C3",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("committee_a\nC1\n", "no column committee_b"),
        ("committee_a,committee_b\nC9,C1\n", '"committee_a" has ids that the run does not have'),
        ("committee_a,committee_b\nC1,C9\n", '"committee_b" has ids that the run does not have'),
        ("committee_a,committee_b\nC1,C1\nC1,C1\n", "a pair stands twice"),
        ("committee_a,committee_b\nC1,C2\n", "the mapping does not name"),
        ("committee_a,committee_b\nC1,\nC2,\nC3,\n,C1\n,C2\n,C3\n", "not one committee is the same"),
        ("", "cannot be read"),
    ],
)
def test_wrong_mappings(tmp_path, text, message):
    a = run(tmp_path / "a", archive=False)
    path = tmp_path / "mapping.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        compared(a, a, mapping=path)
    with pytest.raises(InputError, match="cannot be read"):
        compared(a, a, mapping=tmp_path / "none.csv")
    path.write_bytes("committee_a,committee_b\n甲,乙\n".encode("gb18030"))
    with pytest.raises(InputError, match="Save it as CSV in UTF-8"):
        compared(a, a, mapping=path)


def test_types_of_one_run_alone_are_told(tmp_path):
    both = REACH + "\n" + REACH.replace("a.r", "b.r").replace('"a"', '"b"')
    a, b = run(tmp_path / "a", types=("a",)), run(tmp_path / "b", both, facilities=[F, FB], covers=["a", "b"])
    found = compared(a, b)
    assert changes(found) == {}
    assert found.items == 3
    assert [(note.code, note.rows) for note in found.notes.items] == [("compare.other_types", ("b",))]
    other = REACH.replace("a.r", "b.r").replace('"a"', '"b"')
    c = run(tmp_path / "c", other, facilities=[FB], covers=["b"], types=("b",))
    with pytest.raises(InputError, match="no type in common"):
        compared(a, c)


# what is written -----------------------------------------------------------------------------------------------------

NASTY = '<script>alert("1")</script>, =1+1\n' + "长" * 200


def test_hostile_names_are_escaped_everywhere(tmp_path):
    named = [{**THREE[0], "name": "C1"}, {**THREE[1], "name": NASTY}, {**THREE[2], "name": "=HYPERLINK(1)"}]
    g = {**F, "facility_id": "G", "x": 2000, "name": "<img src=x onerror=alert(1)>"}
    out = tmp_path / "cmp"
    # no archives of these: names are those of the tables
    a = run(tmp_path / "a", committees=named, archive=False)
    b = run(tmp_path / "b", TIGHT, named, [F, g], archive=False)
    found = compared(a, b, out=out)
    html = (out / "compare.html").read_text("utf-8")
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert not re.search(r"https?://|src=\"|url\(", html)
    texts = pd.read_csv(out / "csv" / "changes.csv", dtype=str, keep_default_na=False)
    assert "'=HYPERLINK(1)" in set(texts["name"])
    line = next(line for line in summary(found, "en", written=False).splitlines() if "=HYPERLINK" in line)
    assert line.startswith("+ =HYPERLINK(1) C3")
    assert all(one.isprintable() for one in summary(found, "zh", written=False).splitlines())


def test_files(tmp_path):
    """The same inputs give the same bytes, and the tables what the comparison holds."""
    a, b = run(tmp_path / "a"), run(tmp_path / "b", TIGHT)
    found = compared(a, b, out=tmp_path / "one", lang="zh", cache=tmp_path / "cache")
    compared(a, b, out=tmp_path / "two", lang="zh")
    names = {
        *(f"csv/{name}.csv" for name in ("changes", "others", "rates", "causes", "facilities")),
        "summary.txt",
        "compare.html",
    }
    assert set(found.files) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert (tmp_path / "one" / "summary.txt").read_text("utf-8") == summary(found, "zh", written=False)
    assert "达标（限时内）→ 不达标" in summary(found, "zh", written=False) or "不达标" in summary(
        found, "zh", written=False
    )
    document = json.loads((tmp_path / "one" / "run.json").read_text("utf-8"))
    assert (document["command"], document["rows"]["changes"], document["counts"]["items"]) == ("compare", 1, 3)
    read = pd.read_csv(tmp_path / "one" / "csv" / "changes.csv")
    assert list(read.columns) == list(found.tables["changes"].columns)
    assert read.cause.tolist() == ["standard"]


def test_folders_that_are_none(tmp_path):
    a = run(tmp_path / "a")
    with pytest.raises(InputError, match="no such folder"):
        compared(a, tmp_path / "nothing")
    with pytest.raises(OutputError, match="holds a run of circle15 compute"):
        compared(a, a, out=a)
    compared(a, a, out=tmp_path / "cmp")
    with pytest.raises(InputError, match="holds a run of compare"):
        compared(a, tmp_path / "cmp")
    (a / "csv" / "verdicts.csv").write_text("x", "utf-8")
    with pytest.raises(InputError, match="has been changed"):
        compared(a, a)


def test_the_command(tmp_path, capsys):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", TIGHT)
    arguments = ["compare", str(a), str(b), "--no-cache"]
    assert cli.run(arguments) == 0
    told = capsys.readouterr()
    assert "1 of 3 verdicts changed: 1 worse" in told.out
    assert "causes … " in told.err
    assert cli.run([*arguments, "-q", "--json", "--out", str(tmp_path / "cmp")]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert told.err == ""
    assert (document["items"], document["unchanged"], document["changes"][0]["cause"]) == (3, False, "standard")
    assert document["causes"][0]["passed_more"] == -1
    assert cli.run([*arguments, "-q", "--fail-on-worse"]) == 1
    assert "worse: 1 items passed" in capsys.readouterr().err
    assert cli.run(["compare", str(b), str(a), "-q", "--no-cache", "--fail-on-worse", "--lang", "zh"]) == 0
    assert "变好" in capsys.readouterr().out
    assert cli.run(["compare", str(a)]) == 2
    assert cli.run(["compare", str(a), str(tmp_path)]) == 3
