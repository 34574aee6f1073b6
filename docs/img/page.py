"""Take the picture of the sample's report: `python docs/img/page.py`; needs the dev extra and Chromium.

Runs nothing: `circle15 compute configs/sample.toml` and `circle15 report out/sample` first.
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS_KEPT = 64
TYPE = "社区卫生服务中心"


def main() -> None:
    """Choose a type and a committee on the page's map, and keep what the window shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=Path("out/sample-report/report.html"))
    parser.add_argument("--committee", default="999001006")
    parser.add_argument("--to", type=Path, default=Path("docs/img/report.png"))
    given = parser.parse_args()
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 700})
        page.goto(given.page.resolve().as_uri())
        page.select_option("#shown", label=TYPE)
        page.select_option("#by", "verdict")
        page.fill("#find", given.committee)
        page.press("#find", "Enter")
        page.locator("#map").evaluate("node => node.scrollIntoView()")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    shot.quantize(COLOURS_KEPT).save(given.to, optimize=True)


if __name__ == "__main__":
    main()
