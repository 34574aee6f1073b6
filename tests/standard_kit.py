"""A small standard with requirements of all kinds."""

import tomllib


def of_all_kinds() -> dict:
    """A valid standard with requirements of all kinds, as read from TOML."""
    return tomllib.loads(
        """
        id = "kinds"
        zh = "类"
        en = "kinds"
        status = "official"
        source = "a test"
        speeds_kmh = { walk = 4, elderly_walk = 3, cycle = 12, drive = { default = 30 } }
        service_circle = { minutes = 15 }
        target = { percent = 90, due = 2030, clause = "1" }
        zones = [
          { id = "town", zh = "镇", en = "Town", modes = { residents = "walk", village = "cycle" } },
          { id = "land", zh = "乡", en = "Land", modes = { residents = "cycle", village = "drive" } },
        ]
        domains = [{ id = "all", zh = "全", en = "All", clause = "2" }]
        types = [
          { id = "a", zh = "甲", en = "A", domain = "all", tier = "community", named_in = "list", clause = "3", group = "old" },
          { id = "b", zh = "乙", en = "B", domain = "all", tier = "community", named_in = "list", clause = "4", provides = ["a"] },
          { id = "z", zh = "戊", en = "Z", domain = "all", tier = "community", named_in = "list", clause = "4" },
        ]
        requirements = [
          { id = "a.reach", kind = "reach", type = "a", headline = true, clause = "5", rules = [
            { zones = ["town"], minutes = 10, mode = "walk" },
            { zones = ["land"], density_per_km2 = { at_least = 1000 }, metres = 500, mode = "walk", min_count = 2 },
            { zones = ["land"], density_per_km2 = { below = 1000 }, exempt = true },
          ] },
          { id = "a.floor", kind = "provision", types = ["a", "b"], scope = "district", measure = "floor_area_m2", unit = "m²", at_least = 40, clause = "6" },
          { id = "a.catch", kind = "provision", types = ["a"], scope = "committee", measure = "capacity", unit = "beds", group = "old", at_least = 5, method = "e2sfca", minutes = 15, mode = "walk", steps = [{ minutes = 5, weight = 1 }, { minutes = 15, weight = 0.5 }], clause = "7" },
          { id = "a.good", kind = "quality", types = ["a"], scope = "town", attribute = "grade", one_of = ["A", "B"], percent = 80, clause = "8" },
          { id = "a.near_b", kind = "adjacency", types = ["a"], to_types = ["z"], scope = "district", metres = 100, percent = 95, clause = "9" },
          { id = "a.presence", kind = "presence", types = ["a"], clause = "10" },
          { id = "a.total", kind = "total", types = ["a"], measure = "capacity", unit = "beds", at_least = 100, since = 2021, due = 2025, clause = "11" },
        ]
        targets = [
          { id = "beds", zh = "床", en = "Beds", operator = ">=", value = 100, unit = "beds", due = 2025, clause = "11", requirement = "a.total" },
          { id = "projects", zh = "项", en = "Projects", operator = "=", value = 3, unit = "projects", due = 2025, clause = "12", measured_by = "ledger" },
        ]
        """  # noqa: E501
    )
