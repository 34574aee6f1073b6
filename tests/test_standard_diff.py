"""What two standards differ in, and which verdicts could change: hand cases, and properties."""

import copy
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from circle15.standard.diff import Change, changes, changes_for, verdict_cases
from circle15.standard.load import load_standard, shipped_standards
from circle15.standard.model import Standard
from circle15.standard.resolve import Traits
from standard_kit import of_all_kinds

REACH, CATCH, QUALITY = 0, 2, 3


def parse(raw: dict) -> Standard:
    return Standard.parse(raw, "my.toml")


def plain() -> dict:
    """Two reaches, each of one rule: a by the zone's mode, b on foot, reported only."""
    raw = of_all_kinds()
    one = {"kind": "reach", "minutes": 15, "clause": "1"}
    raw["requirements"] = [
        {"id": "a.reach", "type": "a", "mode": "zone", "headline": True, **one},
        {"id": "b.reach", "type": "b", "mode": "walk", "headline": False, **one},
    ]
    raw["targets"] = []
    return raw


def cases(first: dict, second: dict) -> set[tuple[str, str, str, bool]]:
    return {(c.type_id, c.zone, c.kind, c.headline) for c in verdict_cases(parse(first), parse(second))}


def changed(path: list, value: object) -> dict:
    raw = plain()
    part = raw
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return raw


EVERYWHERE = {("town", "residents"), ("town", "village"), ("land", "residents"), ("land", "village")}
BY_MODE = {"walk": {("town", "residents")}, "cycle": {("town", "village"), ("land", "residents")},
           "drive": {("land", "village")}}  # fmt: skip


@pytest.mark.parametrize("name", shipped_standards())
def test_a_standard_does_not_differ_from_itself(name):
    standard = load_standard(name, Path())
    assert changes(standard, standard) == []
    assert verdict_cases(standard, standard) == []


def test_a_threshold_of_one_zone_concerns_that_zone_only():
    second = plain()
    rules = [
        {"zones": ["town"], "minutes": 10, "mode": "zone"},
        {"zones": ["land"], "minutes": 15, "mode": "zone"},
    ]
    second["requirements"][0] = {k: v for k, v in second["requirements"][0].items() if k not in ("minutes", "mode")}
    second["requirements"][0]["rules"] = rules
    assert cases(plain(), second) == {("a", "town", "residents", True), ("a", "town", "village", True)}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["requirements", 0, "minutes"], 10, {("a", *c, True) for c in EVERYWHERE}),
        (["requirements", 1, "minutes"], 10, {("b", *c, False) for c in EVERYWHERE}),
        (["requirements", 0, "min_count"], 2, {("a", *c, True) for c in EVERYWHERE}),
        (["requirements", 1, "headline"], True, {("b", *c, True) for c in EVERYWHERE}),
        (["requirements", 1, "mode"], "zone", {("b", *c, False) for c in EVERYWHERE - BY_MODE["walk"]}),
        (["requirements", 0, "kinds"], ["village"], {("a", z, "residents", True) for z in ("town", "land")}),
        (["zones", 0, "modes", "village"], "walk", {("a", "town", "village", True)}),
        (["types", 0, "provides"], [], set()),
        (["types", 1, "provides"], [], {("a", *c, True) for c in EVERYWHERE}),
        (["speeds_kmh", "cycle"], 15, {("a", *c, True) for c in BY_MODE["cycle"]}),
        (["speeds_kmh", "drive", "primary"], 50, {("a", *c, True) for c in BY_MODE["drive"]}),
        (["speeds_kmh", "elderly_walk"], 2, set()),
        (["requirements", 0, "note"], "words", set()),
        (["requirements", 0, "clause"], "elsewhere", set()),
        (["requirements", 0, "id"], "a.other", set()),
        (["service_circle", "minutes"], 10, set()),
        (["target", "percent"], 80, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)
def test_what_a_change_concerns(path, value, expected):
    assert cases(plain(), changed(path, value)) == expected
    assert cases(changed(path, value), plain()) == expected


def test_the_speed_on_foot_concerns_who_walks_and_who_walks_to_a_car():
    found = cases(plain(), changed(["speeds_kmh", "walk"], 5))
    walk_or_drive = BY_MODE["walk"] | BY_MODE["drive"]
    assert found == {("a", *c, True) for c in walk_or_drive} | {("b", *c, False) for c in EVERYWHERE}


def test_the_same_metres_are_the_same_verdict_at_any_speed():
    """15 minutes at 4 km/h are 1000 m; 12 minutes at 5 km/h, too."""
    metres = changed(["requirements", 1], {**plain()["requirements"][1], "metres": 1000})
    del metres["requirements"][1]["minutes"]
    assert cases(plain(), metres) == set()
    faster = copy.deepcopy(metres)
    faster["speeds_kmh"]["walk"] = 5
    assert {c for c in cases(metres, faster) if c[0] == "b"} == set()
    faster["requirements"][1] |= {"minutes": 12}
    del faster["requirements"][1]["metres"]
    assert {c for c in cases(metres, faster) if c[0] == "b"} == set()


def test_an_exemption_is_a_change():
    second = plain()
    second["requirements"][0] = {k: v for k, v in second["requirements"][0].items() if k not in ("minutes", "mode")}
    second["requirements"][0]["rules"] = [
        {"zones": ["land"], "exempt": True},
        {"zones": ["town"], "minutes": 15, "mode": "zone"},
    ]
    assert cases(plain(), second) == {("a", "land", "residents", True), ("a", "land", "village", True)}


def test_another_kind_of_requirement_is_a_change_of_what_is_reported():
    second = plain()
    second["requirements"].append(of_all_kinds()["requirements"][CATCH])
    assert cases(plain(), second) == {("a", *c, False) for c in EVERYWHERE}
    third = copy.deepcopy(second)
    third["requirements"][-1]["steps"][0]["weight"] = 0.9
    assert cases(second, third) == {("a", *c, False) for c in EVERYWHERE}
    third = copy.deepcopy(second)
    third["requirements"][-1]["unit"] = "places"
    assert cases(second, third) == set()


def test_what_is_asked_of_towns_changes_no_verdict_of_a_committee():
    first, second = of_all_kinds(), of_all_kinds()
    second["requirements"][QUALITY]["percent"] = 90
    assert cases(first, second) == set()
    assert changes(parse(first), parse(second)) == [Change("requirements", "a.good", "changed", "percent", 80.0, 90.0)]


def test_a_type_and_a_zone_that_only_one_has():
    second = plain()
    second["types"].append({**second["types"][0], "id": "c"})
    assert cases(plain(), second) == set()
    second["requirements"].append({**second["requirements"][0], "id": "c.reach", "type": "c"})
    assert cases(plain(), second) == {("c", *c, True) for c in EVERYWHERE}
    second = plain()
    second["zones"].append({**second["zones"][0], "id": "sea", "zh": "海", "en": "Sea"})
    assert {c[1] for c in cases(plain(), second)} == {"sea"}


def by_density(cut: float, minutes: float = 15) -> dict:
    raw = plain()
    raw["requirements"][0] = {k: v for k, v in raw["requirements"][0].items() if k not in ("minutes", "mode")}
    raw["requirements"][0]["rules"] = [
        {"density_per_km2": {"below": cut}, "minutes": minutes, "mode": "cycle"},
        {"density_per_km2": {"at_least": cut}, "minutes": 15, "mode": "walk"},
    ]
    return raw


def test_a_cut_that_moves_concerns_what_lies_between():
    found = verdict_cases(parse(by_density(1000)), parse(by_density(3000)))
    assert {case.density for case in found} == {(1000.0, 3000.0)}
    assert {(case.zone, case.kind) for case in found} == EVERYWHERE
    traits = Traits.of(["town"] * 5 + [""], ["village"] * 6)
    traits.density[:] = [999.0, 1000.0, 2999.0, 3000.0, np.nan, 1000.0]
    assert {name: list(mask) for name, mask in changes_for(found, traits).items()} == {
        "a": [False, True, True, False, False, False]
    }


def test_an_unknown_density_is_a_case_of_its_own():
    found = verdict_cases(parse(plain()), parse(by_density(1000)))
    unknown = [case for case in found if np.isnan(case.density[0])]
    assert {(case.zone, case.kind) for case in unknown} == EVERYWHERE
    assert all("unknown" in case.after[0] for case in unknown)
    traits = Traits.of(["town"], ["village"])
    # a village of the town cycled 15 minutes before: below the cut it still does
    assert list(changes_for(found, traits)["a"]) == [True]
    traits.density[:] = 10
    assert list(changes_for(found, traits)["a"]) == [False]


def test_shares_are_cases_too():
    second = plain()
    second["requirements"][0] = {k: v for k, v in second["requirements"][0].items() if k not in ("minutes", "mode")}
    second["requirements"][0]["rules"] = [
        {"share_percent": {"group": "old", "below": 30}, "minutes": 15, "mode": "zone"},
        {"share_percent": {"group": "old", "at_least": 30}, "minutes": 10, "mode": "zone"},
    ]
    found = verdict_cases(parse(plain()), parse(second))
    assert {case.shares for case in found if not np.isnan(case.shares[0][1][0])} == {(("old", (30.0, np.inf)),)}
    traits = Traits.of(["land"] * 3, ["residents"] * 3)
    traits.share["old"] = np.array([29.0, 30.0, np.nan])
    assert list(changes_for(found, traits)["a"]) == [False, True, True]


def test_every_difference_is_named_by_its_key():
    second = plain()
    second["en"] = "others"
    second["speeds_kmh"]["drive"]["primary"] = 50
    second["zones"][0]["modes"]["village"] = "walk"
    second["requirements"][0]["minutes"] = 10
    del second["requirements"][1]
    second["types"].append({**second["types"][0], "id": "c"})
    found = {(c.section, c.id, c.what, c.key): (c.before, c.after) for c in changes(parse(plain()), parse(second))}
    walk = {"residents": "walk", "village": "walk"}
    assert found == {
        ("standard", "", "changed", "en"): ("kinds", "others"),
        ("speeds_kmh", "", "changed", "drive.primary"): (None, 50.0),
        ("zones", "town", "changed", "modes"): ({**walk, "village": "cycle"}, walk),
        ("types", "c", "added", ""): (None, None),
        ("requirements", "b.reach", "removed", ""): (None, None),
        ("requirements", "a.reach", "changed", "minutes"): (15.0, 10.0),
    }


CHANGES = st.lists(
    st.sampled_from([
        (["requirements", 0, "minutes"], 10), (["requirements", 0, "mode"], "walk"), (["types", 1, "provides"], []),
        (["requirements", 1, "minutes"], 20), (["zones", 0, "modes", "village"], "walk"), (["speeds_kmh", "walk"], 5),
        (["requirements", 0, "zones"], ["town"]), (["requirements", 1, "kinds"], ["village"]),
    ]),
    max_size=4,
)  # fmt: skip


@given(CHANGES, CHANGES)
def test_a_comparison_reads_the_same_from_both_sides(first, second):
    one, other = plain(), plain()
    for raw, several in ((one, first), (other, second)):
        for path, value in several:
            part = raw
            for key in path[:-1]:
                part = part[key]
            part[path[-1]] = value
    assert cases(one, other) == cases(other, one)
    assert (cases(one, other) == set()) or changes(parse(one), parse(other))
