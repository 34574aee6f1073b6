"""What scripts and CI stand on: bars, annotations, JSON documents, the Makefile and the yearly job of the how-to."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import click
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from circle15 import cli
from circle15.cli.annotations import SHOWN, Annotation, cut, file_of
from circle15.cli.bar import Bar, meets
from circle15.inputs import overpass
from overpass_kit import CROSS, PLACES, Overpass, serving

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "configs" / "sample.toml"
DOCS = ROOT / "docs"
LIMIT = 10
"""Annotations of a kind that GitHub shows for one step."""


def invoke(*arguments: object):
    return CliRunner().invoke(cli.circle15, [str(one) for one in arguments], obj=cli.Terminal())


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def runs(tmp_path_factory, cache):
    """The sample's runs with --json: for each command its folder and its document."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for name in ("compute", "verify", "plan", "suggest"):
        result = invoke(name, SAMPLE, "--out", folder / name, "--cache", cache, "-q", "--json")
        assert result.exit_code == 0, result.stderr
        found[name] = folder / name, result.stdout
    return found


# JSON --------------------------------------------------------------------------------------------------------------


def schema_of(name: str) -> dict:
    return json.loads(files("circle15.cli").joinpath(f"schemas/{name}.json").read_text("utf-8"))


def no_constant(name: str):
    raise AssertionError(f"{name} is not JSON")


def hold(name: str, text: str) -> object:
    """Hold a document against its schema, and every row against the columns that the schema names."""
    document, schema = json.loads(text, parse_constant=no_constant), schema_of(name)
    Draft202012Validator(schema).validate(document)
    own = {"projects": {"proposed", "relative_cost", "site_cost", "runner_up", "runner_up_cost"}}
    for key, table in schema.get("properties", {}).items():
        known = set(table.get("items", {}).get("properties", {})) | own.get(key, set())
        rows = [row for row in document[key] if isinstance(row, dict)] if isinstance(document.get(key), list) else []
        if key != "requirements":  # of a standard: the keys of its file
            assert {column for row in rows for column in row} <= known, (name, key)
    return document


def commands(group: click.Group = cli.circle15, before: str = ""):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name}-")
        else:
            yield f"{before}{name}", command


def test_every_command_but_one_gives_json():
    without = {name for name, one in commands() if not any("--json" in p.opts for p in one.params)}
    assert without <= {"standards-schema"}  # which is JSON itself


@pytest.mark.parametrize("name", [name for name, one in commands() if any("--json" in p.opts for p in one.params)])
def test_every_document_has_a_schema_that_is_documented(name):
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"circle15 {name.replace('standards-', 'standards ')} --json"
    assert schema["type"] == "array" or schema["additionalProperties"] is False
    for key, entry in schema.get("properties", {}).items():
        assert entry.get("description"), key
    page = (DOCS / "reference" / "json.md").read_text("utf-8")
    assert (
        f"| `{name.replace('standards-', 'standards ')}` | [{name}.json](../../src/circle15/cli/schemas/{name}.json) |"
        in page
    )


def test_every_schema_belongs_to_a_command():
    names = {Path(one.name).stem for one in files("circle15.cli").joinpath("schemas").iterdir()}
    assert names <= {name for name, _ in commands()}


@pytest.mark.parametrize("name", ["compute", "verify", "plan", "suggest"])
def test_runs_print_what_their_schema_says(runs, name):
    folder, text = runs[name]
    document = hold(name, text)
    assert document["folder"] == str(folder)
    assert sorted(document["files"]) == sorted(json.loads((folder / "run.json").read_text("utf-8"))["outputs"])


def test_an_unchanged_run_prints_the_same(runs, cache):
    folder, text = runs["compute"]
    again = hold("compute", invoke("compute", SAMPLE, "--out", folder, "--cache", cache, "-q", "--json").stdout)
    first = json.loads(text)
    assert again["unchanged"]
    assert not first["unchanged"]
    assert again | {"unchanged": False, "timings": {}} == first | {"timings": {}}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("standards-list", []),
        ("standards-show", ["pudong-2021"]),
        ("standards-show", ["gb50180-2018", "--type", "kindergarten"]),
        ("standards-check", ["pudong-2021"]),
        ("standards-diff", ["pudong-2021", "gb50180-2018"]),
        ("standards-diff", ["pudong-2021", "gb50180-2018", "--config", SAMPLE]),
        ("check", [SAMPLE, "-q"]),
        ("explain", [SAMPLE, "-q", "--committee", "999001001", "--type", "primary_school"]),
        ("explain", [SAMPLE, "-q", "--committee", "999001001", "--type", "kindergarten"]),
        ("plan", [ROOT / "configs" / "plans" / "pudong-2021-2023.toml", "-q", "--out", "plan"]),
        ("init", ["new", "-q"]),
    ],
)
def test_others_print_what_their_schema_says(name, arguments, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = ["--cache", cache] if name in ("check", "explain", "plan") else []
    result = invoke(*name.split("-"), *arguments, *more, "--json")
    assert result.exit_code == 0, result.stderr
    hold(name, result.stdout)


@pytest.mark.parametrize("name", ["standards-show", "standards-check"])
@pytest.mark.parametrize("standard", sorted(p.stem for p in (ROOT / "configs" / "standards").glob("*.toml")))
def test_shipped_standards_print_what_the_schema_says(name, standard):
    hold(name, invoke(*name.split("-"), standard, "--json").stdout)


def test_fetch_prints_what_its_schema_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(overpass, "PAUSES_S", (0.0, 0.0))
    (tmp_path / "c.csv").write_text(
        "committee_id,name,kind,town_id,zone,lon,lat\nc1,Middle,residents,t,urban,121.5,31.2\n", encoding="utf-8"
    )
    config = tmp_path / "f.toml"
    config.write_text(
        '[run]\nname = "f"\nstandard = "pudong-2021"\nas_of = 2023\n[network]\nsource = "n.graphml"\n'
        '[committees]\nsource = "c.csv"\n[fetch]\n[[facilities]]\nsource = "o.csv"\ntype = "park"\n',
        encoding="utf-8",
    )
    with serving(Overpass(CROSS, PLACES)) as server:
        arguments = ["fetch", str(config), "--overpass-url", server.url, "-q", "--json"]
        assert cli.run(arguments) == 0
        first = hold("fetch", capsys.readouterr().out)
        assert cli.run(arguments) == 0
        again = hold("fetch", capsys.readouterr().out)
    assert [first["network"]["kept"], again["network"]["kept"], again["facilities"]["kept"]] == [False, True, True]
    assert first["reach_m"] == 3000.0  # 15 minutes at 12 km/h
    assert again["reach_m"] is None
    assert first["snippet"].startswith("[[facilities]]")


def test_what_is_made_of_runs_prints_what_its_schema_says(runs, cache, tmp_path):
    of = {name: folder for name, (folder, _) in runs.items()}
    made = invoke("report", of["compute"], "--out", tmp_path / "pages", "--no-towns", "-q", "--json")
    document = hold("report", made.stdout)
    assert all((tmp_path / "pages" / name).is_file() for name in document["files"])
    for more in ([], ["--out", tmp_path / "changes"]):
        made = invoke("compare", of["compute"], of["verify"], "--cache", cache, "-q", "--json", *more)
        document = hold("compare", made.stdout)
        assert document["folder"] == (str(more[1]) if more else None)
    assert document["changes"]


def test_a_failure_prints_no_document(tmp_path, capsys):
    assert cli.run(["compute", str(tmp_path / "none.toml"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no such file" in err


# bars --------------------------------------------------------------------------------------------------------------


def district(**figures: float) -> pd.DataFrame:
    return pd.DataFrame([figures])


@pytest.mark.parametrize(
    ("of", "percent", "met"),
    [
        ("item", "95", True),  # 19 of 20
        ("item", "95.000001", False),
        ("committee", "66.66", True),  # 2 of 3
        ("committee", "66.67", False),
        ("population", "90", True),  # 81 of 100 - 10
        ("population", "90.01", False),
    ],
)
def test_each_bar_is_exact(of, percent, met, capsys):
    rates = district(passed=19, failed=1, population=100.0, population_covered=81.0, population_unknown=10.0)
    verdicts = pd.Series(["pass", "fail", "pass", "unknown", "exempt", "unknown"])
    assert meets(Bar(Fraction(percent), of), rates, lambda: verdicts, cli.Terminal()) is met
    assert capsys.readouterr().err.startswith("" if met else f"not met: the {of} rate is ")


def test_sums_of_floats_are_no_reason_to_miss_a_bar():
    covered = sum([0.1] * 9)  # 0.8999999999999999
    rates = district(passed=0, failed=0, population=1.0, population_covered=covered, population_unknown=0.0)
    assert meets(Bar(Fraction(90), "population"), rates, pd.Series, cli.Terminal())


@pytest.mark.parametrize("of", ["item", "committee", "population"])
@pytest.mark.parametrize(
    "figures", [{"passed": 0, "failed": 0}, {"passed": 0, "failed": 0, "population": float("nan")}]
)
def test_what_nothing_is_known_of_is_not_met(of, figures, capsys):
    figures = {"population_covered": float("nan"), "population_unknown": float("nan")} | figures
    assert not meets(Bar(Fraction(0), of), district(**figures), lambda: pd.Series(["unknown"]), cli.Terminal())
    assert "could be judged" in capsys.readouterr().err


def by_hand(folder: Path) -> dict[str, Fraction]:
    """Reckon the three rates from the table of verdicts alone, by plain loops."""
    table = pd.read_csv(folder / "csv" / "verdicts.csv", keep_default_na=False)
    items, committees = {}, {}
    covered = known = Fraction(0)
    for row in table[table["headline"]].to_dict("records"):
        items[row["committee_id"], row["type_id"]] = row["verdict"]  # the sample has one headline requirement a type
        committees.setdefault(row["committee_id"], []).append(row["verdict"])
        if row["population"] != "" and row["verdict"] != "exempt":
            covered += Fraction(str(row["population_covered"]))
            known += Fraction(str(row["population"])) - Fraction(str(row["population_unknown"] or 0))
    good = sum("fail" not in every and "unknown" not in every and "pass" in every for every in committees.values())
    bad = sum("fail" in every for every in committees.values())
    verdicts = list(items.values())
    passed, failed = verdicts.count("pass"), verdicts.count("fail")
    return {
        "item": Fraction(passed, passed + failed),
        "committee": Fraction(good, good + bad),
        "population": covered / known,
    }


@pytest.mark.parametrize("command", ["compute", "verify"])
@pytest.mark.parametrize("of", ["item", "committee", "population"])
def test_the_sample_meets_what_it_reaches_and_no_more(runs, cache, command, of, tmp_path):
    folder = runs[command][0]
    percent = float(by_hand(folder)[of] * 100)
    out = folder if command == "compute" else tmp_path / "out"
    for asked, code in ((percent - 0.001, 0), (percent + 0.001, 1)):
        bar = ["--fail-under", f"{max(asked, 0):.6f}", "--of", of]
        result = invoke(command, SAMPLE, "--out", out, "--cache", cache, "-q", *bar)
        assert result.exit_code == code, result.stderr
        assert result.stderr.startswith("not met: " if code else "")
        assert (out / "run.json").is_file()


@pytest.mark.parametrize("command", ["compute", "verify"])
def test_of_alone_is_a_mistake(command, capsys):
    assert cli.run([command, str(SAMPLE), "--of", "item"]) == 2
    assert "--of needs --fail-under" in capsys.readouterr().err
    assert cli.run([command, str(SAMPLE), "--fail-under", "nan"]) == 2
    assert cli.run([command, str(SAMPLE), "--fail-under", "101"]) == 2


# annotations -------------------------------------------------------------------------------------------------------

COMMAND = re.compile(r"::(error|warning|notice)(?: ([^:]*))?::(.*)")


def unescape(text: str) -> str:
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def parse(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as the runner does."""
    kind, properties, message = COMMAND.fullmatch(line).groups()
    pairs = [one.split("=", 1) for one in (properties or "").split(",") if one]
    return kind, {key: unescape(value) for key, value in pairs}, unescape(message)


def annotations(err: str) -> list[tuple[str, dict[str, str], str]]:
    return [parse(line) for line in err.splitlines() if line.startswith("::")]


@pytest.mark.parametrize("text", ["100 % : a, b\r\nc", "%0A is no line break", "::error::x", "示例, 中文: 一", ""])
def test_what_is_written_is_read_again(text):
    line = str(Annotation("warning", text, text, text))
    assert "\n" not in line
    assert "\r" not in line
    properties = {key: text for key in ("file", "title") if text}
    assert parse(line) == ("warning", properties, text)


def test_a_long_list_is_cut_and_says_so():
    found = [Annotation("notice", str(n)) for n in range(SHOWN + 5)]
    assert [one.message for one in cut(found, "types.csv")][-2:] == [str(SHOWN - 1), "5 more: types.csv has them all"]
    assert cut(found[:SHOWN], "x") == found[:SHOWN]
    assert cut([], "x") == []


def test_files_are_named_from_the_workspace(tmp_path, monkeypatch):
    work = tmp_path / "work"
    (work / "conf" / "data").mkdir(parents=True)
    config = work / "conf" / "a.toml"
    for path in (config, work / "conf" / "data" / "c.csv", tmp_path / "far.csv"):
        path.write_text("x", encoding="utf-8")
    monkeypatch.chdir(work / "conf")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(work))
    assert file_of("data/c.csv", config) == "conf/data/c.csv"
    assert file_of("data/c.csv: layer x", Path("a.toml")) == "conf/data/c.csv"
    assert file_of("", config) == file_of("a key of no file", config) == "conf/a.toml"
    assert file_of(str(tmp_path / "far.csv"), config) == ""
    assert file_of("x" * 5000, config) == "conf/a.toml"
    assert file_of("nul\0byte", None) == ""
    monkeypatch.delenv("GITHUB_WORKSPACE")
    assert file_of("data/c.csv", config) == "data/c.csv"


@pytest.mark.parametrize("command", ["compute", "verify", "check"])
def test_the_sample_is_annotated_within_what_github_shows(runs, cache, command, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(ROOT))
    out = [] if command == "check" else ["--out", tmp_path / "out", "--fail-under", "99"]
    result = invoke(command, SAMPLE, *out, "--cache", cache, "-q", "--annotate")
    found = annotations(result.stderr)
    assert len(found) == len(result.stderr.splitlines())  # -q leaves annotations alone
    for kind in ("error", "warning", "notice"):
        assert sum(one[0] == kind for one in found) <= LIMIT
    assert "::" not in result.stdout
    for _, properties, _ in found:
        assert (ROOT / properties["file"]).is_file()
    if command != "check":
        errors = [message for kind, _, message in found if kind == "error"]
        assert len(errors) == 1
        assert errors[0].startswith("not met: the item rate is ")
        gaps = pd.read_csv(tmp_path / "out" / "csv" / "gaps.csv")["type_id"].value_counts()
        told = {
            p["title"].split()[1]: int(m.split()[0]) for _, p, m in found if p.get("title", "").startswith("gaps: ")
        }
        assert len(told) == min(len(gaps), SHOWN)
        assert all(gaps[name] == count for name, count in told.items())
        assert min(told.values()) >= max([0, *(count for name, count in gaps.items() if name not in told)])
        targets = pd.read_csv(tmp_path / "out" / "csv" / "targets.csv")
        missed = targets[targets["verdict"] == "fail"]["target_id"].tolist()
        text = next(m for _, p, m in found if p.get("title") == f"{len(missed)} targets not met")
        assert [line.split(":")[0] for line in text.splitlines()] == missed


def test_notes_that_are_not_annotated_stay_lines(runs, cache):
    folder = runs["compute"][0]
    notes = json.loads((folder / "run.json").read_text("utf-8"))["notes"]
    result = invoke("compute", SAMPLE, "--out", folder, "--cache", cache, "--annotate")
    lines = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert len(lines) == len({(n["code"], n["text"]) for n in notes}) - SHOWN


def test_errors_are_annotated_in_their_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    config = tmp_path / "a.toml"
    config.write_text('[run]\nname = "a"\nas_of = "soon"\ncolour = "red"\n', encoding="utf-8")
    assert cli.run(["compute", str(config), "--annotate"]) == 2
    found = annotations(capsys.readouterr().err)
    assert {kind for kind, _, _ in found} == {"error"}
    assert all(properties["file"] == "a.toml" for _, properties, _ in found)
    assert any("colour" in message for _, _, message in found)


@pytest.mark.parametrize(
    "arguments", [["--annotate", "--as-of", "soon"], ["--as-of", "soon", "--annotate"], ["--annotate", "--nope"]]
)
def test_a_mistyped_command_line_is_annotated(arguments, capsys):
    assert cli.run(["compute", str(SAMPLE), *arguments]) == 2
    (found,) = annotations(capsys.readouterr().err)
    assert found[:2] == ("error", {"title": "usage"})


def test_without_the_option_nothing_is_annotated(runs, cache):
    result = invoke("compute", SAMPLE, "--out", runs["compute"][0], "--cache", cache)
    assert not annotations(result.stderr)


# Makefile and yearly job -------------------------------------------------------------------------------------------

COMMAND_LINE = Path(sys.executable).with_name("circle15")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def copy_sample(folder: Path) -> Path:
    """Copy the sample as a newcomer would have it: the configuration beside a folder ``data``."""
    shutil.copytree(ROOT / "data" / "sample", folder / "data", ignore=shutil.ignore_patterns("*.py", "*.md", "__*"))
    text = SAMPLE.read_text("utf-8").replace("../data/sample/", "data/")
    (folder / "my-district.toml").write_text(text, encoding="utf-8")
    return folder


def environment(cache: Path, **more: str) -> dict[str, str]:
    path = f"{COMMAND_LINE.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "CIRCLE15_CACHE": str(cache), "LC_ALL": "C.UTF-8"} | more


def make(folder: Path, cache: Path, *arguments: str) -> tuple[int, str]:
    command = ["make", "-f", str(DOCS / "how-to" / "Makefile.example"), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(cache), capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout + done.stderr


def started(output: str) -> list[str]:
    """Return which commands make ran on what."""
    return [
        " ".join([*words[1:2], *re.findall(r"--out (\S+)", line)])
        for line in output.splitlines()
        if (words := line.split()) and words[0] == "circle15"
    ]


def make_newer(path: Path) -> None:
    later = time.time() + 3600
    os.utime(path, (later, later))


EVERYTHING = {
    *("check", "compute out/2023", "compute out/2025", "verify out/verify", "plan out/plan", "compare out/2023-2025"),
    *("report out/2025-report", "report out/verify-report", "report out/plan-report"),
}
OF_THE_LEDGER = {"verify out/verify", "plan out/plan", "report out/verify-report", "report out/plan-report"}


@needs_make
def test_the_makefile_rebuilds_what_changed_and_no_more(tmp_path, cache):
    folder = copy_sample(tmp_path)
    code, said = make(folder, cache)
    assert code == 0, said
    assert sorted(started(said)) == sorted(EVERYTHING)
    for name in ("2023/run.json", "2025-report/report.html", "plan-report/report.html", "2023-2025/run.json"):
        assert (folder / "out" / name).is_file()
    assert json.loads((folder / "out" / "2025" / "run.json").read_text("utf-8"))["as_of"] == 2025

    code, said = make(folder, cache)
    assert (code, started(said)) == (0, [])
    assert "Nothing to be done" in said

    code, said = make(folder, cache, "-n", "-W", "data/projects.csv")
    assert sorted(started(said)) == sorted(OF_THE_LEDGER)
    for name in ("data/schools.csv", "my-district.toml"):
        code, said = make(folder, cache, "-n", "-W", name)
        assert sorted(started(said)) == sorted(EVERYTHING)
    code, said = make(folder, cache, "-n", "-W", "out/2023/run.json")
    assert started(said) == ["compare out/2023-2025"]

    with (folder / "data" / "projects.csv").open("a", encoding="utf-8") as ledger:
        ledger.write("\n")
    before = (folder / "out" / "2023" / "run.json").read_bytes()
    code, said = make(folder, cache, "out/verify/run.json")
    assert code == 0, said
    assert started(said) == ["verify out/verify"]
    assert (folder / "out" / "2023" / "run.json").read_bytes() == before


@needs_make
def test_wrong_data_stop_the_makefile_and_are_shown(tmp_path, cache):
    folder = copy_sample(tmp_path)
    (folder / "data" / "schools.csv").write_text("id,type\nS1,primary_school\n", encoding="utf-8")
    code, said = make(folder, cache)
    assert code == 2  # make's own
    assert started(said) == ["check"]
    assert "schools.csv" in said
    assert "lon" in said
    assert [path.name for path in (folder / "out").iterdir()] == []  # the next make checks again


@needs_make
def test_the_makefile_works_from_the_root_as_documented():
    page = (DOCS / "how-to" / "ci-and-makefiles.md").read_text("utf-8")
    (line,) = re.findall(r"(?m)^make .*$", page)
    done = subprocess.run([*shlex.split(line), "-n"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "circle15 check configs/sample.toml" in done.stdout


def workflow() -> dict:
    return yaml.load((DOCS / "how-to" / "yearly.yml").read_text("utf-8"), Loader=yaml.BaseLoader)


def test_the_yearly_job_is_a_workflow():
    document = workflow()
    assert set(document) == {"name", "on", "permissions", "concurrency", "env", "jobs"}
    (cron,) = [one["cron"] for one in document["on"]["schedule"]]
    assert re.fullmatch(r"\d+ \d+ \d+ \d+ \*", cron)  # a minute of a day of a month: once a year
    (job,) = document["jobs"].values()
    for step in job["steps"]:
        assert set(step) <= {"name", "uses", "with", "run"}
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
        assert "${{" not in step.get("run", "")  # nothing from outside becomes part of a script


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@needs_git
def test_every_step_of_the_yearly_job_runs_on_the_sample(tmp_path, cache):
    folder = copy_sample(tmp_path / "repository")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "2024")
    git(folder, "tag", "data-2024")
    schools = folder / "data" / "schools.csv"
    lines = schools.read_text("utf-8").splitlines(keepends=True)
    gone = next(line for line in lines if "primary_school" in line)
    schools.write_text("".join(line for line in lines if line != gone), encoding="utf-8")
    git(folder, "commit", "-qam", "2025: a school has closed")

    document = workflow()
    summary = tmp_path / "summary.md"
    own = document["env"] | {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(folder)}
    (job,) = document["jobs"].values()
    codes = {}
    for step in job["steps"]:
        if "run" not in step or step["name"] == "Install":  # what is tested is installed
            continue
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=folder,
            env=environment(cache, **own) | {"CIRCLE15_CACHE": str(cache)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        codes[step["name"]] = done.returncode
        if step["name"] == "Hold the rate against the bar":
            assert "not met: the item rate is 7" in done.stderr  # the sample has 78 %
        else:
            assert done.returncode == 0, done.stderr
        if step["name"] == "Detect":
            assert any(kind == "notice" and p["file"] == "my-district.toml" for kind, p, _ in annotations(done.stderr))
    assert codes.pop("Hold the rate against the bar") == 1
    assert set(codes.values()) == {0}
    assert (folder / "out" / "report" / "report.html").is_file()
    assert f"{gone.split(',')[0]} closed" in summary.read_text("utf-8")  # what changed, and why
    assert (folder / "out" / "changes" / "csv").is_dir()
