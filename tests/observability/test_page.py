"""The page's tables are the code's, and each expression on it can be asked."""

import pytest

from ringoff.observability.families import OF_DATABASE, OF_POOLS, OF_PROCESS, Family, Kind
from tests.observability.page import PAGE, log_calls, with_tables

FAMILIES = (*OF_PROCESS, *OF_POOLS, *OF_DATABASE)


def test_the_tables_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_tables(text), "python -m tests.observability.page writes them"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_conventions(family: Family) -> None:
    assert family.name.startswith("ringoff_")
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert not family.name.endswith(("_count", "_sum", "_bucket", "_ms"))
    assert family.help.endswith(".")
    assert "|" not in family.help
    if family.kind is Kind.HISTOGRAM:
        assert family.name.endswith("_seconds")
        assert list(family.buckets) == sorted(set(family.buckets))


def test_each_name_is_there_once() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_every_line_of_the_log_has_one_event_and_named_fields() -> None:
    assert len(log_calls()) > 100
    for call in log_calls():
        assert "**" not in call.fields, call.place
        assert not {"event", "level", "timestamp"} & set(call.fields), call.place
