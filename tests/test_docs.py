"""The documentation says what the code does: options, codes, columns, keys, links and command lines."""

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import pandas as pd
import pyogrio
import pytest
from click.testing import CliRunner

from circle15 import cli, config, tables
from circle15.inputs import projects
from circle15.stages import changes

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted((ROOT / "src" / "circle15").rglob("*.py"))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def first_cells(page: str, heading: str | None = None) -> set[str]:
    """Return every `code` in the first cells of the tables of a page, or of one of its sections."""
    if heading is not None:
        page = re.split(r"(?m)^## ", page.split(f"## {heading}\n", 1)[1])[0]
    cells = [line.split("|")[1] for line in page.replace(r"\|", " ").splitlines() if line.startswith("| ")]
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    found = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?s)```.*?```", "", page))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    arguments = [str(ROOT / "configs" / "sample.toml"), "--out", str(out), "--no-cache", "-q"]
    result = CliRunner().invoke(cli.circle15, ["compute", *arguments])
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def planning(tmp_path_factory) -> dict[str, tuple[Path, str]]:
    """Run suggest, verify and plan once, and plan on a ledger alone; return each one's folder and document."""
    folder = tmp_path_factory.mktemp("planned")
    relative = text(ROOT / "configs" / "sample.toml")
    found = {name: folder / name for name in ("suggest", "verify", "plan", "counted")}
    printed: dict[str, str] = {}
    ledger = found["suggest"] / "csv" / "suggestions.csv"
    again = relative.replace("../data/sample", (ROOT / "data" / "sample").as_posix())
    own = (ROOT / "data" / "sample" / "projects.csv").as_posix()
    assert own in again
    (folder / "again.toml").write_text(again.replace(own, ledger.as_posix()), encoding="utf-8")
    configurations = {
        "suggest": ROOT / "configs" / "sample.toml",
        "verify": folder / "again.toml",
        "plan": folder / "again.toml",
        "counted": ROOT / "configs" / "plans" / "pudong-2021-2023.toml",
    }
    for name, path in configurations.items():
        command = "plan" if name == "counted" else name
        more = ["--alternatives", "1"] if name == "suggest" else []
        arguments = [str(path), "--out", str(found[name]), "--cache", str(folder / "cache"), "-q", "--json", *more]
        result = CliRunner().invoke(cli.circle15, [command, *arguments])
        assert result.exit_code == 0, result.output
        printed[name] = result.stdout
    return {name: (found[name], printed[name]) for name in found}


@pytest.fixture(scope="module")
def planned(planning) -> dict[str, Path]:
    return {name: folder for name, (folder, _) in planning.items()}


def options_of(command: click.Command) -> set[str]:
    """Return every option of a command, and of the commands below it."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for option in command.params if isinstance(option, click.Option) for name in option.opts}
    return own.union(*(options_of(one) for one in inner))


@pytest.mark.parametrize("name", cli.circle15.commands)
def test_every_option_is_documented(name):
    page = text(REFERENCE / "commands.md")
    section = re.split(r"(?m)^## ", page.split(f"## circle15 {name}\n", 1)[1])[0]
    real = options_of(cli.circle15.commands[name])
    for option in real:
        assert re.search(rf"\| [^|]*`[^`|]*{re.escape(option)}\b", section.replace(r"\|", "/")), option
    documented = {word for cell in first_cells(section) for word in re.findall(r"--[a-z-]+", cell)}
    assert documented == {option for option in real if option.startswith("--")} | {"--help"}


def test_every_command_is_documented():
    for name in cli.circle15.commands:
        assert f"## circle15 {name}\n" in text(REFERENCE / "commands.md")


def test_reasons_are_documented_with_the_verdict_they_have(sample):
    page = text(REFERENCE / "reason-codes.md")
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|", page)
    assert {reason for reason, _ in rows} == set(tables.REASONS) | set(tables.SCOPE_REASONS)
    of = dict(rows)
    found = pd.read_csv(sample / "csv" / "verdicts.csv")[["reason", "verdict"]].drop_duplicates()
    assert len(found) > 5
    for reason, verdict in found.itertuples(index=False):
        assert of[reason] == verdict
    requirements = pd.read_csv(sample / "csv" / "requirements.csv")
    targets = pd.read_csv(sample / "csv" / "targets.csv")
    scopes = page.split("## Reasons of towns", 1)[1].split("\n## ", 1)[0]
    of = dict(re.findall(r"(?m)^\| `(\w+)` \| (\w+) \|", scopes))
    for table in (requirements, targets):
        for reason, verdict in table[["reason", "verdict"]].drop_duplicates().itertuples(index=False):
            assert of[reason] == verdict


def test_reasons_of_open_gaps_are_documented():
    page = text(REFERENCE / "reason-codes.md")
    assert first_cells(page, "Reasons of open gaps") == set(tables.OPEN_REASONS)


def test_what_becomes_of_an_item_is_documented():
    page = text(REFERENCE / "reason-codes.md")
    assert first_cells(page, "What became of an item") == set(changes.STATUSES)


def test_every_exit_code_is_documented():
    page = text(REFERENCE / "reason-codes.md").split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    documented = {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", page)}
    kinds = [cls.exit_code for cls in _subclasses(cli.Circle15Error)]
    special = [value for name, value in vars(cli).items() if name.startswith("EXIT_")]
    assert documented == {0, 1, *kinds, *special}


def _subclasses(cls: type) -> list[type]:
    return [cls, *(one for sub in cls.__subclasses__() for one in _subclasses(sub))]


def test_every_note_is_documented():
    """Codes are the first argument of notes.add, or the second of the OSM reader's own `_note`."""
    documented = first_cells(text(REFERENCE / "reason-codes.md"), "Notes")
    patterns = [
        re.sub(r"<\w+>", "[^.]+", re.escape(code).replace(r"\<", "<").replace(r"\>", ">")) for code in documented
    ]
    found = set()
    for path in SOURCES:
        code = text(path)
        found |= {(path.name, c) for c in re.findall(r'notes\.add\(\s*f?"([^"]+)"', code)}
        found |= {(path.name, f"osm.{c}") for c in re.findall(r'_note\(\s*notes,\s*"([a-z_]+)"', code)}
    assert len(found) > 35
    for where, code in found - {("osm.py", "osm.{code}"), ("people.py", "population.{name}")}:
        plain = re.sub(r"\{[^}]*\}", "mean" if "centre" in code else "walk", code)
        assert any(re.fullmatch(pattern, plain) for pattern in patterns), f"{where}: {code}"


def test_notes_of_the_sample_are_documented(sample):
    documented = first_cells(text(REFERENCE / "reason-codes.md"), "Notes")
    codes = {note["code"] for note in json.loads(text(sample / "run.json"))["notes"]}
    assert len(codes) > 10
    for code in codes:
        general = re.sub(r"\.(elderly_walk|walk|cycle|drive)\.", ".<mode>.", code)
        assert general in documented, code


def test_notes_of_planning_are_documented(planned):
    documented = first_cells(text(REFERENCE / "reason-codes.md"), "Notes")
    for name, folder in planned.items():
        for note in json.loads(text(folder / "run.json"))["notes"]:
            general = re.sub(r"\.(elderly_walk|walk|cycle|drive)\.", ".<mode>.", note["code"])
            assert general in documented, f"{name}: {note['code']}"


def test_every_column_is_documented(sample):
    page = text(REFERENCE / "columns.md")
    sections = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
    files = sorted((sample / "csv").glob("*.csv"))
    assert len(files) == 14
    for path in files:
        (section,) = (body for title, body in sections.items() if path.name in title)
        for column in pd.read_csv(path, nrows=0).columns:
            assert f"`{column}`" in section, f"{path.name}: {column}"


def files_of(command: str) -> dict[str, str]:
    """Return what the page says of each CSV file of a command."""
    page = text(REFERENCE / "columns.md")
    part = re.split(r"(?m)^## ", page.split(f"## Files of {command}\n", 1)[1])[0]
    bodies = dict(one.split("\n", 1) for one in part.split("\n### ")[1:])
    return {
        name: body
        for title, body in bodies.items()
        for name in re.findall(r"\w+(?=\.csv)", title)
        if not title.startswith("towns/")
    }


@pytest.mark.parametrize("name", ["suggest", "verify", "plan", "counted"])
def test_every_column_of_planning_is_documented_and_no_other(planned, name):
    command = "plan" if name == "counted" else name
    documented, proof = files_of(command), files_of("verify")
    detected = {
        one: body
        for title, body in (part.split("\n", 1) for part in text(REFERENCE / "columns.md").split("\n## ")[1:])
        for one in re.findall(r"\w+(?=\.csv)", title)
    }
    written = sorted((planned[name] / "csv").glob("*.csv"))
    for path in written:
        stem = re.sub(r"_\d+$", "", path.stem)
        columns = set(pd.read_csv(path, nrows=0).columns)
        body = documented[stem]
        if first_cells(body):
            assert first_cells(body) == columns, path.name
        elif "[verify]" in body:
            assert first_cells(proof[stem]) == columns, path.name
        else:
            assert "As those of `compute`" in body
            missing = [one for one in columns if f"`{one}`" not in detected[stem.removesuffix("_before")]]
            assert missing == [], path.name
    stems = {re.sub(r"_\d+$", "", path.stem) for path in written}
    if command == "plan":
        stems |= {"ledger_targets"} if name == "plan" else set(documented)
    assert set(documented) == stems


def test_the_files_of_a_town_are_documented(planned):
    page = text(REFERENCE / "columns.md").split("### towns/", 1)[1].split("\n## ", 1)[0]
    (folder, *_) = sorted((planned["plan"] / "towns").iterdir())
    assert {path.name for path in folder.iterdir()} == {
        word for word in re.findall(r"[\w.]+", page.split("\n", 1)[0]) if word.endswith((".md", ".csv"))
    }
    head = {path.stem: set(pd.read_csv(path, nrows=0).columns) for path in folder.glob("*.csv")}
    proof = files_of("verify")
    assert head["gaps"] == first_cells(proof["changes"])
    assert head["projects"] == first_cells(proof["projects"]) - {"lon", "lat"}
    assert head["rates"] == {*pd.read_csv(planned["plan"] / "csv" / "towns.csv", nrows=0).columns, "state"}
    assert "`state`" in page


@pytest.mark.parametrize("command", ["suggest", "verify", "plan"])
def test_every_layer_of_planning_is_documented(planned, command):
    part = text(REFERENCE / "columns.md").split("## GeoPackage", 1)[1].split("Of `suggest`", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|") for line in part.splitlines() if line.startswith("| `")]
    of = {layer for row in rows if f"`{command}`" in row[2] for layer in re.findall(r"`(\w+)`", row[1])}
    path = planned[command] / "circle15.gpkg"
    assert {str(name) for name, _ in pyogrio.list_layers(path)} == of
    beneath = {"committees", "committee_areas", "facilities", "facility_areas", "towns", "service_circles"}
    for layer in of - beneath - {"data_dictionary", "layer_styles"}:
        head = set(pd.read_csv(planned[command] / "csv" / f"{layer}.csv", nrows=0).columns) - {"lon", "lat"}
        assert set(pyogrio.read_info(path, layer=layer)["fields"]) == head, layer
    assert not (planned["counted"] / "circle15.gpkg").exists()


def test_every_layer_and_its_own_columns_are_documented(sample):
    page = text(REFERENCE / "columns.md").split("## GeoPackage", 1)[1]
    layers = [str(name) for name, _ in pyogrio.list_layers(sample / "circle15.gpkg")]
    assert "service_circles" in layers
    for layer in layers:
        assert f"`{layer}`" in page, layer
    for layer in ("facilities", "cells", "service_circles"):
        for column in pyogrio.read_info(sample / "circle15.gpkg", layer=layer)["fields"]:
            assert f"`{column}`" in page, f"{layer}: {column}"


def test_keys_of_run_json_are_documented(sample):
    page = text(REFERENCE / "columns.md").split("## run.json", 1)[1]
    for key in json.loads(text(sample / "run.json")):
        assert f"`{key}`" in page, key


@pytest.mark.parametrize("name", ["suggest", "verify", "plan", "counted"])
def test_keys_of_run_json_of_planning_are_documented(planned, name):
    page = text(REFERENCE / "columns.md").split("## run.json", 1)[1]
    document = json.loads(text(planned[name] / "run.json"))
    command = "plan" if name == "counted" else name
    assert document["command"] == command
    for key in document:
        assert f"`{key}`" in page, key
    for key in ("options", "solver", "verify", "plan"):
        for inner in document.get(key, {}):
            assert f"`{inner}`" in page, f"{key}: {inner}"


def documented_json(command: str) -> list[str]:
    """Return the keys that the page gives the JSON document of a command, in its order."""
    page = text(REFERENCE / "commands.md")
    section = re.split(r"(?m)^## ", page.split(f"## circle15 {command}\n", 1)[1])[0]
    said = section.replace("\n", " ").split("one document with the keys ", 1)[1].split(". ", 1)[0]
    return re.findall(r"`(\w+)`", said)


@pytest.mark.parametrize("name", ["suggest", "verify", "plan", "counted"])
def test_what_planning_prints_and_writes_is_documented(planning, name):
    command = "plan" if name == "counted" else name
    folder, printed = planning[name]
    manifest = json.loads(text(folder / "run.json"))
    keys, said = set(json.loads(printed)), set(documented_json(command))
    if command == "plan":
        of_district = {"programme", "effects", "changes"}
        assert said - (set() if name == "plan" else of_district) == keys
    else:
        assert said == keys
    section = text(REFERENCE / "commands.md").split(f"## circle15 {command}\n", 1)[1].split("\n## ", 1)[0]
    section = section.replace("`towns/<town>/", "`")
    for file in manifest["outputs"]:
        shown = re.sub(r"^towns/[^/]+/", "", file)
        assert f"`{shown}`" in section, file


def test_every_configuration_key_is_documented():
    page = text(REFERENCE / "configuration.md")
    shared = first_cells(page, "Keys that inputs share")
    sections = {
        "`[run]`": (config.RunConfig, set()),
        "`[network]`": (config.NetworkConfig, set()),
        "`[committees]`": (config.CommitteesConfig, shared),
        "`[population]`": (config.PopulationConfig, shared),
        "`[population.census]`": (config.CensusConfig, shared),
        "`[[facilities]]`": (config.FacilitiesConfig, shared | {"covers"}),
        "`[fetch]`": (config.FetchConfig, set()),
        "`[suggest]`": (config.SuggestConfig, set()),
        "`[suggest.types.<type>]`": (config.TypeFigures, set()),
        "`[suggest.weights]`": (config.WeightsConfig, set()),
        "`[plan]`": (config.PlanConfig, set()),
    }
    assert shared == set(config.SourceConfig.model_fields)
    for heading, (model, elsewhere) in sections.items():
        documented = first_cells(page, heading)
        assert set(model.model_fields) - elsewhere - documented == set(), heading
        assert documented - set(model.model_fields) == set(), heading
    for name in config.Config.model_fields:
        assert f"[{name}]" in page
    others = (config.AreasConfig, config.WaterConfig, config.OverridesConfig)
    for model in (*others, config.CandidatesConfig, config.ProjectsConfig):
        assert set(model.model_fields) == shared
    assert "\n## `[committees.water]`\n" in page
    for default in ("max_snap_m", "min_component_nodes"):
        assert f"| `{default}` | {config.NetworkConfig.model_fields[default].default:g} |" in page


def test_a_configuration_of_a_ledger_alone_is_documented():
    """`Config` is a `LedgerConfig` with a district."""
    page = text(REFERENCE / "configuration.md").split("\n## ", 1)[0]
    assert issubclass(config.Config, config.LedgerConfig)
    for name in (*config.DISTRICT, *config.LedgerConfig.model_fields):
        assert f"[{name}]" in page, name


def test_columns_of_candidates_and_projects_are_documented():
    page = text(REFERENCE / "configuration.md")
    assert first_cells(page, "`[candidates]`") == {one.name for one in tables.CANDIDATES} | {"cost_<type>"}
    assert first_cells(page, "`[projects]`") == {one.name for one in projects.LEDGER}


@pytest.mark.parametrize(
    ("heading", "column", "words"),
    [
        ("`[candidates]`", "means", projects.MEANS_WORDS),
        *(("`[projects]`", column, words) for column, words in projects.WORDY.items()),
    ],
)
def test_words_of_the_ledger_are_documented(heading, column, words):
    """Every word that a file may have, after the one that it stands for."""
    page = text(REFERENCE / "configuration.md")
    section = re.split(r"(?m)^## ", page.split(f"## {heading}\n", 1)[1])[0]
    (line,) = [one for one in section.splitlines() if one.startswith(f"| `{column}` |")]
    meant = ""
    found = {}
    for one in re.findall(r"[^\W_]+", line.split("|")[2]):
        meant = one if words.get(one) == one else meant
        if one in words:
            found[one] = meant
    assert found == words


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_resolves(page):
    body = re.sub(r"(?s)```.*?```", "", text(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", body):
        assert not target.startswith("/"), target
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(text(path)), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_line_is_one_that_circle15_understands(page):
    body = text(page)
    lines = re.findall(
        r"(?m)^\s*(?:/usr/bin/time .+? )?(circle15 (?!\[)[^\n#]+)", "\n".join(re.findall(r"(?s)```\w*\n(.*?)```", body))
    )
    lines += [line for line in re.findall(r"`(circle15 [^`\n]+)`", re.sub(r"(?s)```.*?```", "", body)) if "--" in line]
    for line in lines:
        if "[OPTIONS]" in line:
            continue
        _, name, *arguments = shlex.split(line.split(" > ")[0])
        command = cli.circle15.commands[name]
        context = command.make_context(name, arguments, parent=click.Context(cli.circle15), resilient_parsing=False)
        if "config" in context.params:
            assert context.params["config"].suffix == ".toml", line


def test_the_readme_and_the_tutorial_show_command_lines():
    for page in (ROOT / "README.md", ROOT / "docs" / "tutorial.md"):
        assert "circle15 compute" in text(page)


def test_configurations_named_in_the_docs_exist():
    for page in PAGES:
        for name in re.findall(r"circle15 compute ((?:configs|docs)/\S+\.toml)", text(page)):
            assert name == "configs/checked.toml" or (ROOT / name).is_file(), f"{page.name}: {name}"  # tutorial's own


def test_figures_of_the_sample_are_those_of_a_run(sample):
    district = pd.read_csv(sample / "csv" / "district.csv").iloc[0]
    failed, judged = int(district["failed"]), int(district["passed"] + district["failed"])
    readme, tutorial = text(ROOT / "README.md"), text(ROOT / "docs" / "tutorial.md")
    assert f"{failed} gaps · rates are rounded down" in readme
    assert f"{int(district['passed'])} ÷ {judged} = {district['passed'] / judged * 100:.3f} %" in tutorial
    assert f"\n{failed} gaps · rates are rounded down" in tutorial
    (line,) = re.findall(r"(?m)^out/sample: (.*)$", readme)
    assert set(line.split(", ")) == {str(path.relative_to(sample)) for path in sample.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory) -> tuple[list[tuple[str, set[str]]], Path]:
    """Go through the tutorial: every block of output with what its command printed, and the folder of the files."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("configs", "data"):
        shutil.copytree(ROOT / name, folder / name)
    page = text(ROOT / "docs" / "tutorial.md")
    fences = re.findall(r"(?sm)^```(\w*)\n(.*?)^```$", page)
    checked, rows = [body for kind, body in fences if kind == "csv"]
    (section,) = [body for kind, body in fences if kind == "toml"]
    (folder / "configs" / "checked.csv").write_text(checked, encoding="utf-8")
    (folder / "configs" / "checked.toml").write_text(text(ROOT / "configs" / "sample.toml") + section, encoding="utf-8")
    ledger = text(ROOT / "data" / "sample" / "projects.csv")
    (folder / "configs" / "ledger.csv").write_text(ledger + rows, encoding="utf-8")
    sample_toml = text(ROOT / "configs" / "sample.toml")
    mine = sample_toml.replace('source = "../data/sample/projects.csv"', 'source = "ledger.csv"')
    assert mine != sample_toml
    (folder / "configs" / "mine.toml").write_text(mine, encoding="utf-8")
    strict = text(ROOT / "configs" / "standards" / "pudong-2021.toml").replace('id = "pudong-2021"', 'id = "strict"')
    strict = re.sub(r'(id = "pharmacy.reach",.* minutes = )15', r"\g<1>10", strict)
    (folder / "strict.toml").write_text(strict, encoding="utf-8")

    found, printed = [], set[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CIRCLE15_CACHE", str(folder / "cache"))
        for block in (body for kind, body in fences if not kind):
            if block.startswith("circle15 "):
                result = CliRunner().invoke(cli.circle15, shlex.split(block)[1:])
                assert result.exit_code == 0, result.output
                printed = {" ".join(line.split()) for line in result.output.splitlines()}
            elif not block.startswith("source "):
                found.append((block, printed))
    return found, folder


def test_the_tutorial_shows_what_its_commands_print(tutorial):
    """It once showed a population rate of the code before."""
    blocks, folder = tutorial
    assert len(blocks) >= 8
    for block, printed in blocks:
        for line in block.splitlines():
            assert line.strip(" …") == "" or " ".join(line.split()) in printed, line
    assert (folder / "way.geojson").is_file()


@pytest.mark.parametrize(
    ("folder", "name", "keys"),
    [
        ("sample", "verdicts", "type_id"),
        ("sample", "requirements", "requirement_id"),
        ("sample", "targets", "target_id"),
        ("sample-suggest", "suggestions", r"project_id \| cost"),
        ("sample-suggest", "outcomes", "scope_id"),
        ("sample-verify", "changes", "committee_id"),
        ("mine", "projects", r"project_id \| closes"),
        ("sample-plan", "figures", "by"),
    ],
)
def test_the_tutorial_shows_rows_that_its_files_have(tutorial, folder, name, keys):
    table = pd.read_csv(tutorial[1] / "out" / folder / "csv" / f"{name}.csv", dtype=str, keep_default_na=False)
    if name == "verdicts":
        table = table[table["committee_id"] == "999002003"]
    page = text(ROOT / "docs" / "tutorial.md")
    head, body = re.search(rf"(?m)^(\| {keys} .*\|)\n\|[-|]+\|\n((?:\|.*\n)+)", page).groups()
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, *body.splitlines())]
    assert len(rows) >= 2
    for row in rows:
        assert row in table[head].to_numpy().tolist(), row


def test_the_tutorial_shows_a_part_of_a_towns_page(tutorial):
    page = text(ROOT / "docs" / "tutorial.md")
    (shown,) = re.findall(r"(?sm)^```markdown\n(.*?)^```$", page)
    (path,) = re.findall(r"`(out/sample-plan/towns/\S+/README.md)`", page)
    lines = text(tutorial[1] / path).splitlines()
    assert [line for line in shown.splitlines() if line.strip(" …") and line not in lines] == []


def test_the_tutorial_counts_what_changes(tutorial):
    """What its sentences say of gaps, and of the verdict from the field."""
    folder = tutorial[1] / "out"
    gaps = {
        name: set(pd.read_csv(folder / name / "csv" / "gaps.csv", dtype=str)[["committee_id", "type_id"]].itertuples(
            index=False, name=None
        ))
        for name in ("sample", "checked", "strict", "2021")
    }  # fmt: skip
    assert gaps["sample"] - gaps["checked"] == {("999002003", "kindergarten")}
    assert {type_id for _, type_id in gaps["strict"] - gaps["sample"]} == {"pharmacy"}
    assert len(gaps["strict"] - gaps["sample"]) == 4
    closed, not_yet = gaps["sample"] - gaps["2021"], gaps["2021"] - gaps["sample"]
    assert [type_id for _, type_id in closed] == ["community_cultural_center"] * 4
    assert (len(not_yet), len({committee for committee, _ in not_yet})) == (3, 1)


def test_the_readme_names_the_picture_and_pictures_are_small():
    assert "docs/img/sample.png" in text(ROOT / "README.md")
    pictures = sorted((ROOT / "docs" / "img").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 200_000, picture.name
