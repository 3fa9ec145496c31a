"""The capacity page is what its model prints, and the model agrees with what was measured."""

import re
from dataclasses import replace

import pytest

from bench.capacity import PAGE, Load, need, points, rendered, tables
from bench.capacity_figures import MEASURED, Figure

# Rates on machines that others use vary by this much from run to run.
_OFF_MAX = 0.15


def test_the_page_is_what_the_model_prints() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rendered(page) == page, "python -m bench.capacity --write"
    assert set(re.findall(r"<!-- ([a-z ]+), printed", page)) == tables(Load()).keys()


def test_a_page_with_another_figure_is_found() -> None:
    page = PAGE.read_text(encoding="utf-8")
    changed = page.replace("| 1,000,000 | 79 |", "| 1,000,000 | 80 |")
    assert changed != page
    assert rendered(changed) == page


@pytest.mark.parametrize(("name", "model", "measured"), points())
def test_the_model_agrees_with_what_was_measured(name: str, model: float, measured: float) -> None:
    assert abs(model / measured - 1) <= _OFF_MAX


@pytest.mark.parametrize("figure", MEASURED, ids=lambda figure: figure.name)
def test_every_figure_says_where_it_is_from(figure: Figure) -> None:
    assert re.search(r"docs/benchmarks.md|bench footprint|settings|assumed|fitted", figure.source)


def test_rates_are_in_proportion_and_processes_are_whole() -> None:
    small, large = need(Load(calls_per_day=1e6)), need(Load(calls_per_day=1e7))
    assert large.dials_per_s == pytest.approx(10 * small.dials_per_s)
    assert large.database_bytes == pytest.approx(10 * small.database_bytes)
    assert small.dispatchers >= 2
    assert large.dispatchers > small.dispatchers


def test_what_is_kept_for_half_as_long_takes_half_the_room_but_for_the_events() -> None:
    whole, half = Load(outbox_days=0), Load(outbox_days=0, retention_days=Load().retention_days / 2)
    assert need(half).database_bytes == pytest.approx(need(whole).database_bytes / 2)


def test_a_longer_talk_is_more_calls_at_once_and_no_more_dials() -> None:
    load = Load()
    longer = need(replace(load, talk_s=2 * load.talk_s))
    assert longer.dials_per_s == need(load).dials_per_s
    assert longer.live_calls > need(load).live_calls
