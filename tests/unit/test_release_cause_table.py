"""The table of release causes in docs/sip.md, row by row, and no entry of the code without a row."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringoff.domain import release_cause
from ringoff.domain.call import CallStatus
from ringoff.domain.call_window import ALWAYS
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause, classify
from ringoff.domain.retry_policy import RetryPolicy, next_step

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DELAYS = RetryPolicy(retry_count=3, retry_busy_min=11, retry_not_picked_min=22, retry_failed_min=33)
DELAY_MIN = {"retry_busy": 11, "retry_not_picked": 22, "retry_failed": 33}
SAMPLES: dict[str, list[int | None]] = {  # what a word of the table stands for
    "2xx": [200, 202],
    "1xx": [100, 183],
    "nothing": [None],
    "other 6xx": [601, 606, 699],
    "other 3xx": [300, 302, 399],
    "4xx": [400, 405, 481, 488, 499],
    "5xx": [500, 502, 504, 599],
    "other 1 to 127": [2, 3, 27, 38, 41, 127],
}
RATE_LIMIT = "other 5xx with a text of a rate limit"


@dataclass(frozen=True)
class Row:
    sip: tuple[str, ...]
    q850: tuple[str, ...]
    disposition: Disposition
    again: str


def _words(cell: str) -> tuple[str, ...]:
    return tuple(word for word in cell.strip().split(", ") if word != "-")


def _rows() -> list[Row]:
    text = (Path(__file__).parents[2] / "docs" / "sip.md").read_text()
    section = text.partition("## What an answer means")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    rows = []
    for sip, q850, disposition, again in lines:
        rows.append(Row(_words(sip), _words(q850), Disposition(disposition.strip(" `")), again.strip()))
    return rows


ROWS = _rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.disposition.value)


def _codes(words: tuple[str, ...]) -> list[int | None]:
    return [code for word in words if word != RATE_LIMIT for code in SAMPLES.get(word) or [int(word)]]


@each_row
def test_each_sip_status_of_a_row(row: Row) -> None:
    for status in _codes(row.sip):
        # Whatever the Q.850 cause beside it says.
        causes = [None] if status is None else [None, 1, 17, 34]
        assert {classify(ReleaseCause(status, cause, "x"), was_answered=False) for cause in causes} == {
            row.disposition
        }, status
    if RATE_LIMIT in row.sip:
        for status, text in ((500, "CPS limit exceeded"), (502, "too many calls"), (599, "Throttled: rate")):
            assert classify(ReleaseCause(status, None, text), was_answered=False) is row.disposition


@each_row
def test_each_q850_cause_of_a_row(row: Row) -> None:
    for cause in _codes(row.q850):
        assert classify(ReleaseCause(None, cause), was_answered=False) is row.disposition, cause


@each_row
def test_what_a_row_says_of_the_next_try(row: Row) -> None:
    def step(policy: RetryPolicy) -> tuple[CallStatus, bool, float | None]:
        got = next_step(Outcome(row.disposition, ReleaseCause()), policy, ALWAYS, 0, 0, NOW)
        pause_min = None if got.next_attempt_at is None else (got.next_attempt_at - NOW).total_seconds() / 60
        return got.status, got.spends_retry, pause_min

    status, spends_retry, pause_min = step(DELAYS)
    delay = re.match(r"`(\w+)`", row.again)
    if row.again == "never":
        assert status not in {CallStatus.RETRY, CallStatus.REGISTERED}
    elif row.again.startswith("put back"):
        assert (status, spends_retry) == (CallStatus.RETRY, False)
    elif row.again.endswith("if the campaign says so"):
        assert delay is not None
        assert status is CallStatus.FAILED
        willing = RetryPolicy(retry_count=3, retry_not_picked_min=22, retry_rejected=True)
        assert step(willing) == (CallStatus.RETRY, True, DELAY_MIN[delay[1]])
    else:
        assert delay is not None
        assert (status, spends_retry, pause_min) == (CallStatus.RETRY, True, DELAY_MIN[delay[1]])


@pytest.mark.parametrize(
    ("table", "column"), [(release_cause._BY_SIP_STATUS, "sip"), (release_cause._BY_Q850_CAUSE, "q850")]
)
def test_no_entry_of_the_code_is_without_its_row(table: dict[int, Disposition], column: str) -> None:
    written = {
        int(word): row.disposition for row in ROWS for word in getattr(row, column) if word.isdigit() and word != "0"
    }
    assert written == dict(table)


def test_every_word_of_the_table_is_tried() -> None:
    assert len(ROWS) == 10
    unknown = {
        word
        for row in ROWS
        for word in (*row.sip, *row.q850)
        if not word.isdigit() and word not in SAMPLES and word != RATE_LIMIT
    }
    assert not unknown
    # Not in the table, because no carrier says them: the agent's failure, and a cancellation by an order.
    assert set(Disposition) - {row.disposition for row in ROWS} == {Disposition.AGENT_FAILED, Disposition.CANCELLED}
