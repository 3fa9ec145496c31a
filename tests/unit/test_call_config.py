"""The public shape of the call settings: what is read, what is refused and by which name, and the stored shape."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringoff.domain.call_config import (
    CallConfig,
    from_json,
    parse_call_config,
    parse_campaign_time,
    to_json,
)
from ringoff.domain.call_window import ALWAYS, CallWindow
from ringoff.domain.errors import InvalidInput
from ringoff.domain.retry_policy import RetryPolicy

FULL = {
    "idle_timeout_warning": 7,
    "idle_timeout_end": 14,
    "max_call_length": 300,
    "call_retry_config": {"retry_count": 3, "retry_busy": 10, "retry_not_picked": 20, "retry_failed": 40},
    "call_time": {
        "call_start_time": "09:30",
        "call_end_time": "21:00",
        "timezone": "Europe/Berlin",
        "scheduled_at": "2026-10-18T10:30:00",
    },
}


def test_the_documented_shape_is_read() -> None:
    assert parse_call_config(FULL) == CallConfig(
        idle_timeout_warning_s=7,
        idle_timeout_end_s=14,
        max_call_length_s=300,
        retry=RetryPolicy(3, 10, 20, 40),
        window=CallWindow(570, 1260, "Europe/Berlin"),
        scheduled_at=datetime(2026, 10, 18, 8, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"call_time": None, "call_retry_config": None, "max_call_length": None},
        {"call_time": {}, "call_retry_config": {}},
        {"call_time": {"timezone": None}, "call_retry_config": {"retry_count": None, "retry_rejected": None}},
        {"max_concurrent_calls": 10, "whatever": {"x": []}},
    ],
)
def test_what_is_absent_takes_its_default(raw: object) -> None:
    assert parse_call_config(raw) == CallConfig()
    assert parse_call_config(raw).window == ALWAYS


def test_a_part_of_the_call_time_is_enough() -> None:
    assert parse_call_config({"call_time": {"call_start_time": "08:00"}}).window == CallWindow(
        480, 1440, "Asia/Kolkata"
    )
    assert parse_call_config({"call_time": {"call_end_time": "08:00"}}).window == CallWindow(0, 480, "Asia/Kolkata")
    assert parse_call_config({"call_time": {"timezone": "UTC"}}).window == CallWindow(0, 1440, "UTC")


def test_whole_floats_are_whole() -> None:
    assert parse_call_config({"max_call_length": 60.0}).max_call_length_s == 60


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ([], "call_config"),
        ("{}", "call_config"),
        (5, "call_config"),
        ({"call_time": "09:00"}, "call_config.call_time"),
        ({"call_time": []}, "call_config.call_time"),
        ({"call_retry_config": 3}, "call_config.call_retry_config"),
        ({"max_call_length": 0}, "call_config.max_call_length"),
        ({"max_call_length": 86_401}, "call_config.max_call_length"),
        ({"max_call_length": True}, "call_config.max_call_length"),
        ({"max_call_length": "240"}, "call_config.max_call_length"),
        ({"max_call_length": 1.5}, "call_config.max_call_length"),
        ({"max_call_length": float("nan")}, "call_config.max_call_length"),
        ({"max_call_length": float("inf")}, "call_config.max_call_length"),
        ({"max_call_length": 10**5000}, "call_config.max_call_length"),
        ({"idle_timeout_end": -1}, "call_config.idle_timeout_end"),
        ({"idle_timeout_warning": []}, "call_config.idle_timeout_warning"),
        ({"call_retry_config": {"retry_count": 51}}, "call_config.call_retry_config.retry_count"),
        ({"call_retry_config": {"retry_count": False}}, "call_config.call_retry_config.retry_count"),
        ({"call_retry_config": {"retry_busy": "30"}}, "call_config.call_retry_config.retry_busy"),
        ({"call_retry_config": {"retry_failed": 10_081}}, "call_config.call_retry_config.retry_failed"),
        ({"call_retry_config": {"retry_not_picked": -1}}, "call_config.call_retry_config.retry_not_picked"),
        ({"call_retry_config": {"retry_rejected": 1}}, "call_config.call_retry_config.retry_rejected"),
        ({"call_retry_config": {"retry_bussy": 1}}, "call_config.call_retry_config.retry_bussy"),
        ({"call_time": {"call_end": "21:00"}}, "call_config.call_time.call_end"),
        ({"call_time": {"call_start_time": "9"}}, "call_config.call_time.call_start_time"),
        ({"call_time": {"call_start_time": 900}}, "call_config.call_time.call_start_time"),
        ({"call_time": {"call_end_time": ""}}, "call_config.call_time.call_end_time"),
        ({"call_time": {"call_start_time": "09:00", "call_end_time": "09:00"}}, "call_config.call_time.call_end_time"),
        ({"call_time": {"timezone": "Asia"}}, "call_config.call_time.timezone"),
        ({"call_time": {"timezone": 5}}, "call_config.call_time.timezone"),
        ({"call_time": {"scheduled_at": "tomorrow"}}, "call_config.call_time.scheduled_at"),
        ({"call_time": {"scheduled_at": 1_700_000_000}}, "call_config.call_time.scheduled_at"),
    ],
)
def test_what_is_wrong_is_refused_by_its_path(raw: object, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_call_config(raw)
    assert refused.value.field == field
    assert field in refused.value.message
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18/10/2026, 10:30", datetime(2026, 10, 18, 5, 0, tzinfo=UTC)),
        ("18/10/2026 10:30", datetime(2026, 10, 18, 5, 0, tzinfo=UTC)),
        (" 8/1/2026,9:05 ", datetime(2026, 1, 8, 3, 35, tzinfo=UTC)),
        ("2026-10-18T10:30:00", datetime(2026, 10, 18, 5, 0, tzinfo=UTC)),
        ("2026-10-18 10:30", datetime(2026, 10, 18, 5, 0, tzinfo=UTC)),
        ("2026-10-18T10:30:00.25", datetime(2026, 10, 18, 5, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-10-18T10:30:00Z", datetime(2026, 10, 18, 10, 30, tzinfo=UTC)),
        ("2026-10-18T10:30:00+02:00", datetime(2026, 10, 18, 8, 30, tzinfo=UTC)),
    ],
)
def test_campaign_times_are_read(text: str, expected: datetime) -> None:
    read = parse_campaign_time(text, "Asia/Kolkata", "campaign_start_time")
    assert read == expected
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "32/01/2026, 10:00", "10/13/2026, 10:00", "29/02/2026, 10:00", "18-10-2026, 10:30",
        "18/10/26, 10:30", "18/10/2026, 24:00", "18/10/2026, 10:60", "18/10/2026", "2026-10-18", "20261018T103000",
        "2026-W01-1T10:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "31/12/9999, 23:59",
        "2026-10-18T10:30:00+25:00",
        "\uff11\uff18/10/2026, 10:30", "18/10/2026, 10:30\n18/10/2026, 10:30", "1" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_campaign_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_campaign_time(text, "Asia/Kolkata", "campaign_start_time")
    assert refused.value.field == "campaign_start_time"
    assert len(refused.value.message) < 200


def test_local_times_that_the_clocks_skip_or_repeat() -> None:
    read = parse_campaign_time("08/03/2026, 02:30", "America/New_York", "campaign_start_time")
    assert read == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    read = parse_campaign_time("01/11/2026, 01:30", "America/New_York", "campaign_start_time")
    assert read == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def windows() -> st.SearchStrategy[CallWindow]:
    minutes = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] != pair[1])
    zones = st.sampled_from(["Asia/Kolkata", "America/New_York", "UTC"])
    return st.builds(lambda pair, zone: CallWindow(pair[0], pair[1], zone), minutes, zones)


configs = st.builds(
    CallConfig,
    st.integers(0, 3600),
    st.integers(0, 3600),
    st.integers(1, 86_400),
    st.builds(RetryPolicy, st.integers(0, 50), *[st.integers(0, 10_080)] * 3, st.booleans()),
    windows(),
    st.none() | st.datetimes(datetime(2000, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(configs)
def test_the_stored_shape_round_trips(config: CallConfig) -> None:
    stored: dict[str, Any] = json.loads(json.dumps(to_json(config)))
    assert from_json(stored) == config


def test_what_an_older_version_did_not_store_takes_its_default() -> None:
    assert from_json({}) == CallConfig()
    assert from_json({"max_call_length_s": 9}) == CallConfig(max_call_length_s=9)


def test_what_a_newer_version_has_stored_is_ignored() -> None:
    config = CallConfig(max_call_length_s=9)
    stored = to_json(config)
    newer = {
        **stored,
        "beep_s": 1,
        "retry": {**stored["retry"], "retry_never": True},
        "window": {**stored["window"], "holidays": []},
    }
    assert from_json(newer) == config


texts = st.text("019:/-TZ +aé\x00", max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
TIME_KEYS = ["call_start_time", "call_end_time", "timezone", "scheduled_at"]
RETRY_KEYS = ["retry_count", "retry_busy", "retry_not_picked", "retry_failed", "retry_rejected"]
known_keys = st.sampled_from([*FULL, *TIME_KEYS, *RETRY_KEYS])


def read_or_refused(raw: object) -> CallConfig | InvalidInput:
    try:
        return parse_call_config(raw)
    except InvalidInput as refused:
        return refused


@given(st.dictionaries(known_keys, json_values | st.dictionaries(known_keys, json_values, max_size=4), max_size=5))
def test_any_input_is_read_or_refused(raw: dict[str, object]) -> None:
    read = read_or_refused(raw)
    if isinstance(read, CallConfig):
        assert from_json(to_json(read)) == read
    else:
        assert (read.field or "").startswith("call_config.")
