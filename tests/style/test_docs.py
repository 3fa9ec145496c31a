"""What the documentation says is what the code says."""

from pathlib import Path

import pytest

from ringoff.domain.diagrams import call_diagram, campaign_diagram, dial_attempt_diagram

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("diagram", [call_diagram(), dial_attempt_diagram(), campaign_diagram()])
def test_the_diagrams_are_printed_from_the_tables(diagram: str) -> None:
    assert f"```mermaid\n{diagram}```" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/decisions/[0-9]*.md")), ids=lambda page: page.name)
def test_a_decision_fits_on_one_screen_and_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 50
    for part in ("## Context", "## Decision", "## Consequences", "## Alternatives", "## Checked by"):
        assert part in text, f"{page.name} has no {part}"
