"""Makes the kits importable by name, runs the sample once for all who only read its runs, and slow files first."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from circle15 import cli

# how long an example takes on a busy machine is no property of the program
settings.register_profile("circle15", deadline=None)
settings.load_profile("circle15")

CONFIGS = Path(__file__).parents[1] / "configs"
SLOW_FIRST = ("check", "ci", "docs", "compare", "verify", "wheel", "real_data", "plan", "report", "trust", "pipeline")
"""Files that take longest, so that none of them is left to one process at the end (--no-loadscope-reorder)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {f"test_{name}": number for number, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory) -> Callable[[str], Path]:
    """What gives the folder of the sample's run of a command, or of ``plan`` on a ledger alone (``ledger``).

    Each is run once, when it is first asked for. Many files read them: nobody writes there.
    """
    folder, done = tmp_path_factory.mktemp("sample"), set()

    def run(name: str) -> Path:
        if name not in done:
            config = CONFIGS / ("plans/pudong-2021-2023.toml" if name == "ledger" else "sample.toml")
            command = "plan" if name == "ledger" else name
            arguments = [command, str(config), "--out", str(folder / name), "--cache", str(folder / "cache"), "-q"]
            result = CliRunner().invoke(cli.circle15, arguments)
            assert result.exit_code == 0, result.output
            done.add(name)
        return folder / name

    return run
