"""One town's plan as Markdown (一街镇一策)."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import jinja2

from circle15.package_files import package_templates

UNSAFE = re.compile(r"[^\w.-]+")


def town_markdown(content: Mapping[str, Any]) -> str:
    """Return the page of one town.

    Parameters
    ----------
    content : mapping
        What ``templates/town.md.j2`` asks for; text is escaped here, so that a name can break no table.
    """
    return _template().render(**content)


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return a folder's name for each town: its id without what a file system or a link may not hold, each once."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names):
        plain = UNSAFE.sub("_", name).strip("._") or "town"
        base, number = plain[:80], 2
        plain = base
        while plain.lower() in taken:
            plain, number = f"{base}_{number}", number + 1
        taken.add(plain.lower())
        found[name] = plain
    return found


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    loader = jinja2.FunctionLoader(package_templates("circle15.outputs"))
    environment = jinja2.Environment(
        loader=loader,
        autoescape=False,  # noqa: S701 - Markdown; `finalize` escapes what would break a table or be HTML
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("town.md.j2")


def _escaped(value: object) -> object:
    if not isinstance(value, str):
        return value
    flat = " ".join(value.split())
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", flat).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
