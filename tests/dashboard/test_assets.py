"""What the package carries for browsers: the reviewed libraries with their licences, and nothing from elsewhere."""

import gzip
import re
from pathlib import Path

import httpx2
import pytest

from ringoff.dashboard.assets import Assets
from tests.support.vendored import SHA256_BY_FILE, sha256_of

DASHBOARD = Path(__file__).parents[2] / "src" / "ringoff" / "dashboard"
VENDOR = DASHBOARD / "static" / "vendor"


def test_the_libraries_are_those_that_were_reviewed() -> None:
    assert {path.name: sha256_of(path) for path in VENDOR.iterdir()} == {
        name: wanted for name, (_origin, wanted) in SHA256_BY_FILE.items()
    }


@pytest.mark.parametrize("name", ["htmx.min.js", "uPlot.iife.min.js", "pico.min.css"])
async def test_a_file_is_kept_for_good_and_sent_compressed_to_who_takes_it(
    browser: httpx2.AsyncClient, name: str
) -> None:
    url = Assets().url(f"vendor/{name}")
    plain = await browser.get(url, headers={"Accept-Encoding": "identity"})
    packed = await browser.get(url, headers={"Accept-Encoding": "gzip"})
    assert plain.content == packed.content == (VENDOR / name).read_bytes()
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    assert "immutable" in plain.headers["cache-control"]


@pytest.mark.parametrize("path", ["/static/x", "/static/000000000000/ringoff.css", "/static/../rendering.py"])
async def test_no_other_file_is_served(browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize("template", sorted(DASHBOARD.glob("templates/*.html")), ids=lambda path: path.name)
def test_a_template_asks_nobody_else_for_anything_and_trusts_nothing(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href|action|connect)=["']?(https?:)?//""", text)
    assert "|safe" not in text.replace(" ", "")
    assert "autoescape" not in text
    assert not re.search(r"\son[a-z]+=", text), "the content policy forbids handlers in attributes"
