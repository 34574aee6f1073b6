"""`suggest` on small districts whose answer can be worked out in one's head, and on the sample."""

import json
import random
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from circle15 import cli
from circle15.errors import ConfigError, InputError
from planning_kit import Suggested, Verified, detection_of, street, with_ledger
from street_kit import CRS, REACH, X0, Y0, standard

ROOT = Path(__file__).parents[1]
C1 = {"committee_id": "C1", "x": 0}
C2 = {"committee_id": "C2", "x": 1200}
FAR = [{"facility_id": "FA", "type": "a", "x": 2900}, {"facility_id": "FB", "type": "b", "x": 2900}]
"""Farther than 1000 m from all that lie west of 1900."""
REACH_B = REACH.replace("a.r", "b.r").replace('"a"', '"b"') + "\n"
BOTH = REACH + "\n" + REACH_B
MONEY = "[suggest]\nfixed_cost = { reuse = 6, compound = 8, new = 10 }\ntypes.a.cost = 4\ntypes.b.cost = 4\n"


def line(text: str) -> str:
    """Return a requirement on one line, as TOML asks for it."""
    return " ".join(text.split()) + "\n"


def site(candidate_id: str, x: float, **more) -> dict:
    return {"candidate_id": candidate_id, "x": x, **more}


# which site, and within what ----------------------------------------------------------------------------------------


def test_the_cheaper_of_two_in_reach(tmp_path):
    """K1 costs 10 + 5 and K2 8 + 5; K3 would cost 2 and lies 1300 m off."""
    sites = [site("K1", 500, fixed_cost=10, cost=5), site("K2", 600, fixed_cost=8, cost=5)]
    sites.append(site("K3", 1300, fixed_cost=1, cost=1))
    config = street(tmp_path, standard(REACH), [C1], FAR, [{"x": 0, "total": 7}], candidates=sites)
    run = Suggested(config)
    assert run.projects == ["K2/a"]
    row = run.row("K2/a")
    assert (row.cost, row.site_cost, row.runner_up, row.runner_up_cost) == (13, 8, "K1/a", 15)
    assert (row.closes, row.decides, row.people, row.means, row.town_id) == (1, 1, 7, "new", "T1")
    assert (row.action, row.status, row.units, row.candidate_id) == ("open", "planned", 1, "K2")
    demand = run.outcomes.iloc[0]
    assert (demand.need, demand.status, demand.projects, demand.sites_in_reach) == (1, "closed", "K2/a", 2)
    assert (run.solver["value"], run.solver["bound"], run.solver["gap"], run.solver["complete"]) == (13, 13, 0, True)
    chosen = run.table("candidates").set_index("candidate_id")
    assert list(chosen.chosen) == [False, True, False]
    assert list(chosen.serves) == [1, 1, 0]


def on_grid(x: float) -> tuple[float, float]:
    """Return where a site lies once it is brought to whole 1e-7 degrees: what a CSV file can hold."""
    degrees = gpd.GeoSeries([shapely.Point(X0 + x, Y0)], crs=CRS).to_crs(4326)
    rounded = gpd.GeoSeries([shapely.Point(round(degrees.x[0], 7), round(degrees.y[0], 7))], crs=4326).to_crs(CRS)
    return rounded.x[0] - X0, rounded.y[0] - Y0


@pytest.mark.parametrize(("metres", "closed"), [(1000, True), (1000.01, False), (1001, False)])
def test_the_threshold_is_inclusive(tmp_path, metres, closed):
    """From the committee along the street, then the site's own leg of some millimetres: 1000 m in all are in reach."""
    x, leg = on_grid(1500)
    committee = {"committee_id": "C1", "x": x + abs(leg) - metres}
    config = street(tmp_path, standard(REACH), [committee], FAR, candidates=[site("K1", 1500)])
    run = Suggested(config)
    assert run.projects == (["K1/a"] if closed else [])
    assert run.reasons() == {("C1", "a.r"): "" if closed else "no_site_in_reach"}
    if metres == 1000.01:
        return
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv"))
    assert after.verdict("a.r") == ("pass" if closed else "fail")


def test_of_equal_sites_the_lowest_id(tmp_path):
    sites = [site("K3", 300), site("K1", 500), site("K2", 400)]
    assert Suggested(street(tmp_path, standard(REACH), [C1], FAR, candidates=sites)).projects == ["K1/a"]


def test_two_cheap_ones_for_a_dear_one(tmp_path):
    """Relative costs: the new site between both costs 4 + 4, the idle buildings beside each 1 + 1."""
    sites = [site("K1", 600), site("K2", 0, means="reuse"), site("K3", 1900, means="reuse")]
    run = Suggested(street(tmp_path, standard(REACH), [C1, C2], FAR, candidates=sites))
    assert run.projects == ["K2/a", "K3/a"]
    assert run.solver["value"] == 4
    assert [*run.suggestions.closes, *run.suggestions.decides] == [1, 1, 1, 1]
    assert (run.row("K2/a").runner_up, run.row("K2/a").runner_up_cost) == ("K1/a", 8)


def test_what_a_project_closes_and_what_it_decides(tmp_path):
    """C2 in the middle is reached by both sites; C1 only by the western one, C3 only by the eastern."""
    committees = [C1, C2, {"committee_id": "C3", "x": 1800}]
    sites = [site("K1", 600), site("K2", 1500)]
    run = Suggested(street(tmp_path, standard(REACH), committees, FAR, candidates=sites))
    assert list(run.suggestions.closes) == [2, 2]
    assert list(run.suggestions.decides) == [1, 1]
    assert list(run.outcomes.projects) == ["K1/a", "K1/a|K2/a", "K2/a"]
    assert run.suggestions.runner_up.isna().all()
    assert run.bill.query("by == 'all'").closes.item() == 4  # the gap that both close counts twice


# why a gap stays open -----------------------------------------------------------------------------------------------

TWICE = REACH.replace("clause", "min_count = 2, clause")
PRESENCE = '{ id = "c.p", kind = "presence", types = ["c"], scope = "town", clause = "1" },\n'
FLOOR = line("""{ id = "c.f", kind = "provision", types = ["c"], scope = "town", measure = "floor_area_m2",
    unit = "m²", at_least = 40, clause = "1" },""")
OTHER_TOWN = [C1, {"committee_id": "C2", "x": 2900, "town_id": "T2"}]
ROOM = "[suggest]\ntypes.a.floor_area_m2 = 60\n"

OPEN = [
    ("no_site_in_reach", REACH, [C1], [site("K1", 1300)], ""),
    ("type_not_allowed", REACH, [C1], [site("K1", 500, types="b")], ""),
    ("no_floor_area", REACH, [C1], [site("K1", 500, floor_area_m2=59)], ROOM),
    ("", REACH, [C1], [site("K1", 500, floor_area_m2=60)], ROOM),
    ("", REACH, [C1], [site("K1", 500, floor_area_m2=None)], ROOM),
    ("too_few_sites", TWICE, [C1], [site("K1", 500)], ""),
    ("", TWICE, [C1], [site("K1", 500), site("K2", 800)], ""),
    ("no_floor_area", TWICE, [C1], [site("K1", 500, floor_area_m2=60), site("K2", 800, floor_area_m2=1)], ROOM),
]


@pytest.mark.parametrize(("reason", "rules", "committees", "sites", "sections"), OPEN)
def test_why_a_gap_stays_open(tmp_path, reason, rules, committees, sites, sections):
    config = street(tmp_path, standard(rules), committees, FAR, candidates=sites, sections=sections)
    run = Suggested(config)
    assert run.reasons() == {("C1", "a.r"): reason}
    assert len(run.suggestions) == (0 if reason else 2 if rules is TWICE else 1)
    assert run.outcomes.status.item() == ("open" if reason else "closed")
    assert run.codes().get("suggest.open", 0) == int(bool(reason))


def test_room_for_one_of_two_types(tmp_path):
    """60 m² each on a site of 100 m²: one of them, and the cheaper one."""
    sections = "[suggest]\nfixed_cost.new = 1\n[suggest.types]\n"
    sections += "a = { cost = 5, floor_area_m2 = 60 }\nb = { cost = 3, floor_area_m2 = 60 }\n"
    sites = [site("K1", 500, floor_area_m2=100)]
    config = street(tmp_path, standard(BOTH), [C1], FAR, candidates=sites, sections=sections)
    run = Suggested(config)
    assert run.reasons() == {("C1", "a.r"): "no_floor_area", ("C1", "b.r"): ""}
    assert run.projects == ["K1/b"]
    assert (run.solver["value"], run.row("K1/b").floor_area_m2) == (4, 60)
    # with 120 m² there is room for both
    sites = [site("K1", 500, floor_area_m2=120)]
    run = Suggested(street(tmp_path / "both", standard(BOTH), [C1], FAR, candidates=sites, sections=sections))
    assert run.projects == ["K1/a", "K1/b"]


@pytest.mark.parametrize("by_town", [True, False])
def test_a_site_of_another_town(tmp_path, by_town):
    sites = [site("K1", 500, town_id="T2")]
    run = Suggested(street(tmp_path, standard(REACH), OTHER_TOWN, FAR, candidates=sites), by_town=by_town)
    assert run.reasons() == {("C1", "a.r"): "other_town" if by_town else ""}
    assert list(run.outcomes.sites_in_reach) == [0 if by_town else 1]
    assert list(run.suggestions.town_id) == ([] if by_town else ["T2"])


def test_a_site_without_a_town_is_of_the_nearest_committees(tmp_path):
    """K1 is nearer to C2 of T2 (1400 m) than to C1 (1500 m); K2 the other way round."""
    committees = [C1, {"committee_id": "C2", "x": 2900, "town_id": "T2"}]
    sites = [site("K1", 1500), site("K2", 600)]
    run = Suggested(street(tmp_path, standard(REACH), committees, FAR, candidates=sites), by_town=True)
    assert list(run.table("candidates").town_id) == ["T2", "T1"]
    assert list(run.suggestions.town_id) == ["T1"]


def test_what_no_site_can_change(tmp_path):
    """F1 is near and not good: a good one is asked for. In C2 somebody says that the pass is none."""
    good = line("""{ id = "a.q", kind = "quality", attribute = "good", equals = true, types = ["a"],
        scope = "committee", minutes = 15, mode = "walk", headline = true, clause = "1" },""")
    facilities = [{"facility_id": "F1", "type": "a", "x": 500, "good": "no"}]
    facilities += [{"facility_id": "F2", "type": "a", "x": 2500, "good": "yes"}]
    committees = [C1, {"committee_id": "C2", "x": 2400}]
    overrides = [["C2", "a", "fail", "me", "2023-01-01", "closed for good"]]
    sites = [site("K1", 300), site("K2", 2400)]
    rules = standard(REACH + "\n" + good)
    run = Suggested(street(tmp_path, rules, committees, facilities, candidates=sites, overrides=overrides))
    wanted = {("C1", "a.q"): "needs_attribute", ("C2", "a.r"): "overridden", ("C2", "a.q"): "overridden"}
    assert run.reasons() == wanted
    assert not run.projects


def test_an_override_that_passes_is_no_gap(tmp_path):
    overrides = [["C1", "a", "pass", "me", "2023-01-01", "the gate is open"]]
    config = street(tmp_path, standard(REACH), [C1, C2], FAR, candidates=[site("K1", 600)], overrides=overrides)
    run = Suggested(config)
    assert run.reasons() == {("C2", "a.r"): ""}


# several types on one site, costs -----------------------------------------------------------------------------------


def test_one_complex_for_two_types(tmp_path):
    """K1 takes both for 10 + 4 + 4 = 18; the other two cost 6 + 4 each, 20 together."""
    sites = [site("K1", 500), site("K2", 400, types="a", means="reuse"), site("K3", 300, types="b", means="reuse")]
    run = Suggested(street(tmp_path, standard(BOTH), [C1], FAR, candidates=sites, sections=MONEY))
    assert run.projects == ["K1/a", "K1/b"]
    assert list(run.suggestions.cost) == [9, 9]  # half of 10 each
    assert list(run.suggestions.site_cost) == [10, 10]
    assert (run.solver["value"], run.solver["relative_costs"]) == (18, False)
    # without K1/a the site stays for b: instead of it K2 would be opened, for 6 + 4
    assert list(zip(run.suggestions.runner_up, run.suggestions.runner_up_cost, strict=True)) == [
        ("K2/a", 10),
        ("K3/b", 10),
    ]


def test_the_bill_adds_up(tmp_path):
    """T1 has a complex (10 + 4 + 4), T2 an idle building for a (6 + 4) and a host for b (8 + 4)."""
    committees = [{"committee_id": "C1", "x": 0}, {"committee_id": "C2", "x": 1700, "town_id": "T2"}]
    sites = [site("K1", 0), site("K2", 1700, types="a", means="reuse"), site("K3", 1700, types="b", means="compound")]
    config = street(tmp_path, standard(BOTH), committees, FAR, candidates=sites, sections=MONEY)
    run = Suggested(config)
    bill = {(one.by, one.key): (one.sites, one.projects, one.cost) for one in run.bill.fillna("").itertuples()}
    assert bill == {
        ("all", ""): (3, 4, 40),
        ("means", "reuse"): (1, 1, 10),
        ("means", "compound"): (1, 1, 12),
        ("means", "new"): (1, 2, 18),
        ("type", "a"): (2, 2, 19),  # 9 of the complex
        ("type", "b"): (2, 2, 21),
        ("town", "T1"): (1, 2, 18),
        ("town", "T2"): (2, 2, 22),
    }
    assert run.suggestions.cost.sum() == run.table("programmes").cost.item() == run.solver["value"] == 40


def test_the_tables_own_costs_come_first(tmp_path):
    """cost_a of the table, else its cost, else [suggest.types]; the site's own fixed cost, else that of its means."""
    sites = [
        site("K1", 0, types="a", cost_a=1, cost=2, fixed_cost=3),
        site("K2", 0, types="b", cost=2),
    ]
    run = Suggested(street(tmp_path, standard(BOTH), [C1], FAR, candidates=sites, sections=MONEY))
    assert dict(zip(run.projects, run.suggestions.cost, strict=True)) == {"K1/a": 1 + 3, "K2/b": 2 + 10}


def test_money_for_some_only_is_refused(tmp_path):
    sites = [site("K1", 0, fixed_cost=3, cost=1), site("K2", 0, cost=1), site("K3", 0, fixed_cost=3)]
    with pytest.raises(InputError) as error:
        Suggested(street(tmp_path, standard(REACH), [C1], FAR, candidates=sites))
    text = str(error.value)
    assert '"fixed_cost" is missing where other costs are named' in text
    assert "the cost of a is missing where other costs are named" in text
    assert {problem.rows for problem in error.value.problems} == {("K2",), ("K3",)}
    assert not (tmp_path / "out-suggest").exists()


@pytest.mark.parametrize(("there", "taken", "cost"), [("rcn", "K1/a", 2), ("cn", "K2/a", 4), ("n", "K3/a", 8)])
def test_reuse_before_compound_before_new(tmp_path, there, taken, cost):
    """Without money a site costs 1, 2 or 4 by its means, and its type once more as much."""
    rows = {"r": site("K1", 900, means="reuse"), "c": site("K2", 500, means="复合利用"), "n": site("K3", 0)}
    config = street(tmp_path, standard(REACH), [C1], FAR, candidates=[rows[one] for one in there])
    run = Suggested(config)
    assert run.projects == [taken]
    assert (run.solver["value"], run.solver["relative_costs"]) == (cost, True)
    assert run.codes()["suggest.relative_costs"] == len(there)


def test_a_type_that_provides_another_closes_its_gap(tmp_path):
    """p provides a, so a new site of it costs 4 + 4 · 2 in relative figures; K2 is cheaper, and too far from C2."""
    own = standard(REACH, types=("a", "b", "c", "p"), provides={"p": ["a"]})
    sites = [site("K1", 600, types="p"), site("K2", 0, means="reuse")]
    config = street(tmp_path, own, [C1, C2], FAR, candidates=sites)
    run = Suggested(config)
    assert run.projects == ["K1/p"]
    assert run.solver["value"] == 12
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv"))
    assert after.status() == {("C1", "a"): "closed", ("C2", "a"): "closed"}


def test_a_provider_that_costs_nobody_knows_what_is_refused(tmp_path):
    """Money is named for a, and nothing for p, which provides it: a cost that is missing is not 0 and no number."""
    own = standard(REACH, types=("a", "p"), provides={"p": ["a"]})
    sections = "[suggest]\nfixed_cost.new = 1\ntypes.a.cost = 5\n"
    config = street(tmp_path, own, [C1], FAR[:1], candidates=[site("K1", 500, types="p")], sections=sections)
    with pytest.raises(InputError, match="the cost of p is missing"):
        Suggested(config)


def test_what_can_be_used_only_after_the_plan_is_left_out(tmp_path):
    """The plan's years are the three after 2023."""
    sites = [site("K1", 500, means="reuse", earliest_year=2027), site("K2", 500, earliest_year=2026)]
    run = Suggested(street(tmp_path, standard(REACH), [C1], FAR, candidates=sites))
    assert run.projects == ["K2/a"]
    assert run.row("K2/a").earliest_year == 2026
    assert run.codes()["candidates.too_late"] == 1
    alone = Suggested(street(tmp_path / "alone", standard(REACH), [C1], FAR, candidates=sites[:1]))
    assert alone.reasons() == {("C1", "a.r"): "no_site_in_reach"}


# towns, amounts, catchments -----------------------------------------------------------------------------------------


def test_a_town_without_one(tmp_path):
    """Presence in T2 is asked for beside the gaps; K1 lies in T1 and does nothing for it."""
    committees = [{"committee_id": "C1", "x": 0}, {"committee_id": "C2", "x": 2900, "town_id": "T2"}]
    facilities = [{**one, "x": 0} for one in FAR] + [{"facility_id": "FC", "type": "c", "x": 10, "town_id": "T1"}]
    sites = [site("K1", 0, types="c", town_id="T1"), site("K2", 2900, types="c", town_id="T2")]
    rules = standard(REACH.replace("minutes = 15", "metres = 3000") + "\n" + PRESENCE)
    config = street(tmp_path, rules, committees, facilities, candidates=sites, sections='[suggest]\nalso = ["c.p"]\n')
    run = Suggested(config)
    assert run.reasons() == {("T2", "c.p"): ""}
    assert run.projects == ["K2/c"]
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv")).table("requirements")
    rows = after[(after.requirement_id == "c.p") & (after.scope == "town")].set_index("scope_id")
    assert dict(rows.verdict) == {"T1": "pass", "T2": "pass"}
    # nobody asks: then nothing is closed, and a note says so
    quiet = Suggested(street(tmp_path / "not", rules, committees, facilities, candidates=sites))
    assert not quiet.projects
    assert quiet.codes()["suggest.not_asked"] == 1


@pytest.mark.parametrize(
    ("each", "reason", "taken"), [(5, "", 2), (8, "", 1), (3, "too_few_sites", 0), (None, "no_amount", 0)]
)
def test_floor_area_for_a_towns_people(tmp_path, each, reason, taken):
    """40 m² per 1000 are 20 m² for 500 people; 12 are there, so 8 are missing: two sites of 5, one of 8."""
    facilities = [{**FAR[0], "x": 0}, {"facility_id": "FC", "type": "c", "x": 0, "floor_area_m2": 12}]
    figures = "" if each is None else f"types.c.floor_area_m2 = {each}\n"
    sections = f'[suggest]\nalso = ["c.f"]\n{figures}'
    sites = [site("K1", 0, types="c"), site("K2", 2900, types="c")]
    rules, cells = standard(REACH + "\n" + FLOOR), [{"x": 0, "total": 500}]
    config = street(tmp_path, rules, [C1], facilities, cells, candidates=sites, sections=sections)
    run = Suggested(config)
    assert run.outcomes.need.item() == pytest.approx(8)
    assert run.outcomes.unit.item() == "m²"
    assert run.reasons() == {("T1", "c.f"): reason}
    assert len(run.projects) == taken
    if not taken:
        return
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv")).table("requirements")
    row = after[(after.requirement_id == "c.f") & (after.scope == "town")].iloc[0]
    assert row.value == pytest.approx((12 + taken * each) * 1000 / 500)
    assert row.verdict == "pass"


CATCHMENT = line("""{ id = "a.c", kind = "provision", types = ["a"], measure = "capacity", unit = "beds",
    at_least = 100, scope = "committee", method = "2sfca", minutes = 15, mode = "walk", headline = true,
    clause = "1" },""")


@pytest.mark.parametrize(("beds", "taken"), [(10, 1), (5, 2), (4, 0)])
def test_beds_that_are_shared(tmp_path, beds, taken):
    """Two-step: F's 2 beds are shared by the 40 people of C1, who have 50 per 1000 and lack 50; C2 lacks all 100.

    K1 and K2 at 800 and 850 are in reach of everybody, 100 people: b beds add 10 b per 1000 to both.
    """
    cells = [{"x": 0, "total": 10}, {"x": 700, "total": 30}, {"x": 1500, "total": 60}]
    committees = [C1, {"committee_id": "C2", "x": 1600}]
    facilities = [{"facility_id": "F", "type": "a", "x": 0, "capacity": 2}]
    sites = [site("K1", 800), site("K2", 850)]
    sections = f"[suggest]\ntypes.a.capacity = {beds}\n"
    config = street(tmp_path, standard(CATCHMENT), committees, facilities, cells, candidates=sites, sections=sections)
    run = Suggested(config)
    needs = run.outcomes.set_index("scope_id").need
    assert needs.to_dict() == pytest.approx({"C1": 50, "C2": 100})
    together = 2 * 10 * beds  # 4 beds on both sites add 80: enough for C1, whose gap needs both sites
    assert run.reasons() == {("C1", "a.c"): "", ("C2", "a.c"): "" if together >= 100 else "too_few_sites"}
    assert len(run.projects) == (taken or 2)
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv"))
    rows = after.table("verdicts").set_index("committee_id")
    added = 10 * beds * len(run.projects)
    assert rows.value.to_dict() == pytest.approx({"C1": 50 + added, "C2": added})
    assert rows.verdict.to_dict() == {"C1": "pass", "C2": "pass" if added >= 100 else "fail"}


def test_a_catchment_without_an_amount(tmp_path):
    cells, sites = [{"x": 0, "total": 10}], [site("K1", 800)]
    facilities = [{"facility_id": "F", "type": "a", "x": 0, "capacity": 0}]
    run = Suggested(street(tmp_path, standard(CATCHMENT), [C1], facilities, cells, candidates=sites))
    assert run.reasons() == {("C1", "a.c"): "no_amount"}


# a budget -----------------------------------------------------------------------------------------------------------

PEOPLE = [
    {"x": 0, "total": 100, "old": 0},
    {"x": 300, "total": 50, "old": 0},
    {"x": 1400, "total": 80, "old": 20},
    {"x": 1700, "total": 60, "old": 10},
]
"""The first two are C1's and within 1000 m of K1 at 200: 150 people. The others are C2's and within K2's: 140."""
TWO_TOWNS = [C1, {"committee_id": "C2", "x": 1400, "town_id": "T2", "kind": "village"}]
TWO_SITES = [site("K1", 200, cost=4, fixed_cost=6), site("K2", 1600, cost=4, fixed_cost=6)]


def spent(folder, budget: float, weights: str = "", **more) -> Suggested:
    sections = f"[suggest]\nweights = {{ {weights} }}\n" if weights else ""
    sites = more.pop("sites", TWO_SITES)
    config = street(folder, standard(REACH), TWO_TOWNS, FAR, PEOPLE, candidates=sites, sections=sections)
    return Suggested(config, budget=budget, **more)


@pytest.mark.parametrize(
    ("budget", "weights", "taken", "value"),
    [
        (9.99, "", [], 0),
        (10, "", ["K1/a"], 150),
        (20, "", ["K1/a", "K2/a"], 290),
        (10, "towns = { T2 = 2 }", ["K2/a"], 280),
        (10, "towns = { T2 = 1.07 }", ["K1/a"], 150),  # 149.8
        (10, "kinds = { village = 1.08 }", ["K2/a"], 151.2),
        (10, "zones = { u = 2 }", ["K1/a"], 300),
        (10, "groups = { old = 1.5 }", ["K2/a"], 155),  # 140 + 30 / 2
        (10, "groups = { old = 1.5 }, towns = { T1 = 1.1 }", ["K1/a"], 165),
    ],
)
def test_most_people_for_a_budget(tmp_path, budget, weights, taken, value):
    run = spent(tmp_path, budget, weights)
    assert run.projects == taken
    assert run.solver["objective"] == "people"
    assert run.solver["value"] == pytest.approx(value)
    people = {"K1/a": 150, "K2/a": 140}  # persons, not weighted
    assert dict(zip(run.projects, run.suggestions.people, strict=True)) == {one: people[one] for one in taken}
    assert run.table("programmes").people.item() == sum(people[one] for one in taken)
    reasons = {("C1", "a.r"): "K1/a", ("C2", "a.r"): "K2/a"}
    assert run.reasons() == {key: "" if one in taken else "over_budget" for key, one in reasons.items()}
    assert run.suggestions.cost.sum() == 10 * len(taken)


def test_a_site_in_the_middle_is_worth_more_than_either(tmp_path):
    """K3 at 750 reaches 0, 300, 1400 and 1700: all 290 for 15, where K1 and K2 together cost 20."""
    sites = [*TWO_SITES, site("K3", 750, cost=4, fixed_cost=11)]
    values = {10: ["K1/a"], 30: ["K3/a"]}
    for budget, taken in values.items():
        run = spent(tmp_path / str(budget), budget, sites=sites)
        assert run.projects == taken
    assert (run.row("K3/a").people, run.suggestions.cost.sum()) == (290, 15)


def test_a_larger_budget_never_serves_fewer(tmp_path):
    rng = random.Random(7)
    sites = [
        site(f"K{n}", rng.randrange(0, 2800), cost=rng.randrange(1, 6), fixed_cost=rng.randrange(1, 9))
        for n in range(7)
    ]
    values = [spent(tmp_path / str(b), b, sites=sites).solver["value"] for b in (4, 9, 14, 30)]
    assert values == sorted(values)
    assert values[-1] == 290


def test_a_budget_without_people_is_refused(tmp_path):
    config = street(tmp_path, standard(REACH), [C1], FAR, candidates=[site("K1", 0)])
    with pytest.raises(ConfigError, match=r"a budget is spent on people, and there is no population.*\[population\]"):
        Suggested(config, budget=5.0)
    assert not (tmp_path / "out-suggest").exists()


# alternatives, time limits, the same again --------------------------------------------------------------------------


def test_alternatives_differ_and_cost_little_more(tmp_path):
    """K1 costs 20 and K2 21, 5 % more; K3 costs 22 and is too dear."""
    sites = [site(f"K{n}", 100 * n, cost=0, fixed_cost=19 + n) for n in (1, 2, 3)]
    config = street(tmp_path, standard(REACH), [C1], FAR, [{"x": 0, "total": 5}], candidates=sites)
    run = Suggested(config, alternatives=3)
    assert run.projects == ["K1/a"]
    assert list(run.table("suggestions_2").project_id) == ["K2/a"]
    assert not (run.folder / "csv" / "suggestions_3.csv").exists()
    rows = run.table("programmes")
    assert rows.cost.tolist() == [20, 21]
    assert rows.closed.tolist() == [1, 1]
    assert rows.sites_of_the_first.tolist() == [1, 0]
    assert rows.sites_not_in_the_first.tolist() == [0, 1]
    assert run.codes()["suggest.few_alternatives"] == 2
    # what the other run leaves behind doesn't stay
    assert not (Suggested(config).folder / "csv" / "suggestions_2.csv").exists()


def test_alternatives_for_a_budget(tmp_path):
    """K1 serves 150 and K2 140, 6.7 % fewer."""
    for slack, count in ((0.05, 1), (0.07, 2)):
        config = street(
            tmp_path / str(slack), standard(REACH), TWO_TOWNS, FAR, PEOPLE, candidates=TWO_SITES,
            sections=f"[suggest]\nslack = {slack}\n",
        )  # fmt: skip
        rows = Suggested(config, budget=10.0, alternatives=1).table("programmes")
        assert rows.people.tolist() == [150, 140][:count]


@pytest.mark.parametrize("options", [{}, {"budget": 10.0}, {"alternatives": 2}])
def test_a_search_without_time_writes_what_it_has(tmp_path, options):
    config = street(tmp_path, standard(REACH), TWO_TOWNS, FAR, PEOPLE, candidates=TWO_SITES)
    run = Suggested(config, time_limit_s=1e-9, **options)
    assert run.projects == (["K1/a"] if "budget" in options else ["K1/a", "K2/a"])
    assert (run.solver["reproducible"], run.solver["complete"]) == (False, False)
    assert run.codes()["suggest.not_reproducible"] == 1
    assert "the time limit ended it" in str(run.manifest["notes"])


def files_of(folder) -> dict[str, bytes]:
    paths = [*folder.glob("csv/*.csv"), folder / "circle15.gpkg"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_same_again_and_in_another_order(tmp_path):
    rng = random.Random(3)
    committees = [{"committee_id": f"C{n}", "x": 180 * n, "town_id": f"T{n % 2}"} for n in range(9)]
    means = ("reuse", "compound", "new")
    sites = [site(f"K{n}", rng.randrange(0, 2000), means=means[n % 3], floor_area_m2=50) for n in range(12)]
    sections = "[suggest]\ntypes.a.floor_area_m2 = 30\ntypes.b.floor_area_m2 = 30\n"
    cells = [{"x": 90 * n, "total": 10 + n} for n in range(20)]
    config = street(tmp_path, standard(BOTH), committees, FAR, cells, candidates=sites, sections=sections)
    first = files_of(Suggested(config, alternatives=1).folder)
    assert files_of(Suggested(config, out="again", alternatives=1).folder) == first
    rng.shuffle(sites)
    config = street(tmp_path, standard(BOTH), committees, FAR, cells, candidates=sites, sections=sections)
    other = files_of(Suggested(config, out="other", alternatives=1).folder)
    for name in ("csv/suggestions.csv", "csv/outcomes.csv", "csv/bill.csv", "csv/suggestions_2.csv"):
        assert other[name] == first[name]


def test_no_gaps_at_all(tmp_path):
    """Nothing to do is an answer: a head and no rows, which is a ledger like any other."""
    near = [{**one, "x": 0} for one in FAR]
    config = street(tmp_path, standard(BOTH), [C1], near, [{"x": 0, "total": 5}], candidates=[site("K1", 0)])
    assert cli.run(["suggest", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out-suggest")]) == 0
    text = (tmp_path / "out-suggest" / "csv" / "suggestions.csv").read_text("utf-8")
    assert text.startswith("project_id,action,")
    assert text.count("\n") == 1
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv"))
    assert (after.status(), after.passed()) == ({}, {"before": 2, "2023": 2})
    layer = with_ledger(config, "out-suggest/circle15.gpkg", more='layer = "suggestions"')
    assert Verified(layer).bytes_of("csv/verdicts.csv") == after.bytes_of("csv/verdicts.csv")


# the ledger and back ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def suggested(tmp_path_factory):
    """A programme with ids that a spreadsheet would take for numbers or formulas, and Chinese names."""
    folder = tmp_path_factory.mktemp("suggested")
    committees = [{"committee_id": "C1", "x": 0, "town_id": "01"}, {"committee_id": "C2", "x": 1500, "town_id": "02"}]
    sites = [
        site("007", 33.3, name="空置厂房", means="reuse"),
        site("=8", 1234.5, y=12.3, name="-楼 ①", means="compound", earliest_year=2025),
        site("1e5", 1533.3, name='"a", b', types="b"),
    ]
    sections = "[suggest]\ntypes.a = { capacity = 12.5, floor_area_m2 = 30 }\n"
    cells = [{"x": 0, "total": 5}, {"x": 1500, "total": 6}]
    config = street(folder, standard(BOTH), committees, FAR, cells, candidates=sites, sections=sections)
    run = Suggested(config)
    assert set(run.reasons().values()) == {""}
    return config, run, Verified(with_ledger(config, "out-suggest/csv/suggestions.csv"))


def excel(table: pd.DataFrame, folder) -> str:
    table.to_excel(folder / "edited.xlsx", index=False)
    return 'source = "edited.xlsx"'


def gb18030(table: pd.DataFrame, folder) -> str:
    table.to_csv(folder / "edited.csv", index=False, encoding="gb18030")
    return 'source = "edited.csv"\nencoding = "gb18030"'


def gbk(table: pd.DataFrame, folder) -> str:
    table.to_csv(folder / "gbk.csv", index=False, encoding="gbk", errors="replace")
    return 'source = "gbk.csv"\nencoding = "gbk"'


def shuffled(table: pd.DataFrame, folder) -> str:
    """Rows in another order, columns renamed, and what nobody asks for left out."""
    other = table.iloc[::-1].drop(columns=["runner_up", "people", "closes"]).rename(columns={"project_id": "项目编号"})
    other.to_csv(folder / "other.csv", index=False, sep=",", encoding="utf-8-sig")
    return 'source = "other.csv"\ncolumns = { project_id = "项目编号" }'


def layer(table: pd.DataFrame, folder) -> str:
    return 'source = "out-suggest/circle15.gpkg"\nlayer = "suggestions"'


@pytest.mark.parametrize("edit", [excel, gb18030, gbk, shuffled, layer])
def test_the_ledger_comes_back_unharmed(suggested, edit):
    config, run, plain = suggested
    table = run.suggestions.astype(object).where(run.suggestions.notna(), None)
    toml = config.read_text("utf-8")
    other = config.parent / f"{edit.__name__}.toml"
    other.write_text(f"{toml}\n[projects]\n{edit(table, config.parent)}\n", "utf-8")
    again = Verified(other, out=f"out-{edit.__name__}")
    assert again.bytes_of("csv/verdicts.csv") == plain.bytes_of("csv/verdicts.csv")
    assert again.bytes_of("csv/changes.csv") == plain.bytes_of("csv/changes.csv")
    assert list(again.projects.index) == list(plain.projects.index)


def test_what_the_ledger_promises_is_what_is_found(suggested):
    _, run, after = suggested
    assert after.passed() == {"before": 0, "2026": 4}
    assert set(after.status().values()) == {"closed"}
    rows = run.suggestions.set_index("project_id").sort_index()
    found = after.projects.sort_index()
    for name in ("closes", "decides", "people"):
        assert found[name].astype(int).tolist() == rows[name].astype(int).tolist(), name
    assert list(found.town_id) == list(rows.town_id)


def test_people_who_need_two(tmp_path):
    """Both sites are needed before anybody has two: each helps all 10, as a verification counts them."""
    sites = [site("K1", 500), site("K2", 800)]
    config = street(tmp_path, standard(TWICE), [C1], FAR, [{"x": 0, "total": 10}], candidates=sites)
    run = Suggested(config)
    after = Verified(with_ledger(config, "out-suggest/csv/suggestions.csv"))
    assert after.projects.people.tolist() == [10, 10]
    assert run.suggestions.people.tolist() == [10, 10]
    assert run.table("programmes").people.item() == 10


def test_the_layer_is_the_table(suggested):
    _, run, _ = suggested
    shapes = gpd.read_file(run.folder / "circle15.gpkg", layer="suggestions")
    assert list(shapes.project_id) == [one.removeprefix("'") for one in run.projects]  # the CSV defuses "=8/a"
    degrees = shapes.to_crs(4326).geometry
    assert (degrees.x - run.suggestions.lon).abs().max() < 1e-9
    assert (degrees.y - run.suggestions.lat).abs().max() < 1e-9
    candidates = gpd.read_file(run.folder / "circle15.gpkg", layer="candidates")
    assert candidates.chosen.sum() == run.suggestions.candidate_id.nunique()


# bad input, what is printed -----------------------------------------------------------------------------------------

K = site("K1", 0)
BAD = {
    "means": ([{**K, "means": None}], ["K1", '"means" is empty', "reuse (", "compound (", "new ("]),
    "word": ([{**K, "means": "build"}], ["K1", '"means" has "build"', "Known: reuse"]),
    "type": ([{**K, "types": "a|z"}], ["K1", '"types" has "z"', "not among the standard's types"]),
    "cost": ([{**K, "cost": "ten"}], ["K1", '"cost"', "ten", "plain digits"]),
    "twice": ([K, K], ["K1", '"candidate_id"', "more than once"]),
    "far": ([K, site("K2", 9000)], ["K2", "outside the district: farther than", "longitude and latitude swapped"]),
    "nowhere": ([K, {"candidate_id": "K2", "x": None}], ["K2", "sites without a place", "host_facility_id"]),
    "town": ([{**K, "town_id": "T9"}], ["K1", '"town_id" has "T9"', "not among the committees' towns"]),
    "host": ([{**K, "host_facility_id": "F9"}], ["K1", '"host_facility_id" has "F9"', "open in 2023"]),
    "minus": ([{**K, "fixed_cost": -1}], ["K1", '"fixed_cost" is below 0']),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sites_are_named_and_nothing_is_written(tmp_path, capsys, case):
    sites, parts = BAD[case]
    config = street(tmp_path, standard(REACH), [C1], FAR, candidates=sites)
    assert cli.run(["suggest", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "sites.csv" in err
    for part in parts:
        assert part in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sections", "part"),
    [
        ('[suggest]\nalso = ["a.x"]', 'suggest.also names "a.x"'),
        ("[suggest]\ntypes.z.cost = 1", 'suggest.types names "z"'),
        ("[suggest]\nweights.towns.T9 = 2", 'suggest.weights.towns names "T9"'),
        ("[suggest]\nweights.groups.old = 2", 'suggest.weights.groups names "old"'),
        ("[suggest]\nweights.zones.x = 2", 'suggest.weights.zones names "x"'),
        ("[suggest]\nweights.towns.T1 = 0", "greater than 0"),
        ("[suggest]\nbudget = 5", "budget"),
    ],
)
def test_bad_settings_are_named(tmp_path, capsys, sections, part):
    config = street(tmp_path, standard(REACH), [C1], FAR, candidates=[K], sections=sections)
    assert cli.run(["suggest", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert part in err
    assert "config.toml" in err
    assert not (tmp_path / "out").exists()


def test_what_is_printed(tmp_path, capsys):
    config = street(tmp_path, standard(REACH), TWO_TOWNS, FAR, PEOPLE, candidates=TWO_SITES[:1], run='out = "o"')
    arguments = ["suggest", str(config), "--no-cache", "-q", "--out", str(tmp_path / "out"), "--alternatives", "1"]
    assert cli.run(arguments) == 0
    text, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in text
    assert "1 of 2 gaps closed by 1 projects on 1 sites, cost 10\n" in text
    assert "cost: 10, bound 10, gap 0.00 %\n" in text
    assert ["no_site_in_reach", "1"] in [row.split() for row in text.splitlines()]
    assert ["T1", "1", "1", "10"] in [row.split() for row in text.splitlines()]
    assert cli.run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(tmp_path / "out")
    assert [one["status"] for one in found["outcomes"]] == ["closed", "open"]
    assert found["bill"][0] == {"by": "all", "key": "", "sites": 1, "projects": 1, "cost": 10, "closes": 1}
    assert found["suggestions"][0]["project_id"] == "K1/a"
    assert found["suggestions"][0]["plan_year"] is None
    assert found["solver"]["value"] == 10
    assert set(found["files"]) == {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")} - {
        "run.json"
    }


def test_notes_go_to_stderr(tmp_path, capsys):
    config = street(tmp_path, standard(REACH), [C1], FAR, candidates=[K])
    assert cli.run(["suggest", str(config), "--no-cache", "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "note: no costs are named" in err
    assert "no costs are named" not in out
    assert "solve … " in err


# proposed sites: the sample -----------------------------------------------------------------------------------------


def test_the_sample(tmp_path):
    """Without [candidates] sites are proposed and marked so; what they close is closed when it is verified."""
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "sample")
    (tmp_path / "configs").mkdir()
    config = tmp_path / "configs" / "sample.toml"
    # one year, since facilities that open later close gaps by themselves
    config.write_text(f"{detection_of(ROOT / 'configs' / 'sample.toml')}\n[plan]\nyears = [2023]\n", "utf-8")
    run = Suggested(config)
    rows = run.outcomes
    assert run.suggestions.proposed.all()
    assert len(rows) == (rows.status == "closed").sum() == 173
    assert run.suggestions.relative_cost.sum() == pytest.approx(run.solver["value"])
    assert run.suggestions.cost.isna().all()  # no money was named
    assert run.solver["value"] <= run.solver["bound"] * 1.01
    for by in ("means", "type", "town"):
        part = run.bill[run.bill.by == by]
        assert part.cost.sum() == pytest.approx(run.solver["value"])
        assert part.projects.sum() == len(run.suggestions)
    after = Verified(with_ledger(config, tmp_path / "configs" / "out-suggest" / "csv" / "suggestions.csv"))
    closed = {key for key, status in after.status().items() if status == "closed"}
    heads = rows[rows.headline]
    assert closed == set(zip(heads.scope_id, heads.type_id, strict=True))
    assert "left" not in set(after.status().values())
    assert "opened" not in set(after.status().values())
    # a verification counts people by every type that a project provides, and decides what nobody could tell before
    found = after.projects.sort_index()
    promised = run.suggestions.set_index("project_id").sort_index()
    assert (found.closes == promised.closes).all()
    assert (found.people >= promised.people).all()
    assert (found.decides >= promised.decides).all()
