"""The pictures of the documentation show what there is: each page of the dashboard, in each variant, and no other."""

import re
from pathlib import Path

from tests.browser.screenshots import VARIANTS
from tests.browser.stage import Stage, paths_of

ROOT = Path(__file__).parents[2]


def test_every_page_has_its_pictures() -> None:
    names = paths_of(Stage(*[""] * len(Stage.__dataclass_fields__)))
    wanted = {f"{name}-{variant}.png" for name in names for variant in VARIANTS}
    assert {path.name for path in (ROOT / "docs" / "images").iterdir()} == wanted, "make screenshots takes them again"


def test_every_picture_that_is_shown_is_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for shown in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / shown).is_file(), f"{page.name} shows {shown}"
