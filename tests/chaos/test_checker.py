"""The checker on logs written by hand: it finds each kind of violation, and nothing in a clean run."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import Verdict, check
from tests.chaos.evidence import DUMP, JOURNAL, WIRE
from tests.chaos.exercise import Demand
from tests.chaos.rules import RULES

AGENT, OTHER_AGENT = "agent-1", "agent-2"
ORDER, LIST = "order-1", "list-1"
ORDERED_AT = "2026-01-05T10:00:01+00:00"
ANSWERED_AT = 1_767_607_202.0  # a second later
BEFORE, AFTER = "2026-01-05T10:00:00+00:00", "2026-01-05T10:00:09+00:00"
ORDER_SENT_NS, ORDER_ANSWERED_NS = 1_000, 1_100


class Story:
    """A list of four numbers, dialled and ended; then a call of another agent. Tests change it, then tell it."""

    def __init__(self) -> None:
        numbers = ["+911", "+912", "+913", "+914"]
        self.upload = registration("list one", AGENT, numbers, 100, list_id=LIST)
        self.order = {
            "kind": "order",
            "selector": {"campaign_id": LIST},
            "sent_ns": ORDER_SENT_NS,
            "answered_ns": ORDER_ANSWERED_NS,
            "answered_at": ANSWERED_AT,
            "status": 200,
            "termination_id": ORDER,
        }
        self.later_call = registration("call one", OTHER_AGENT, ["+912"], 2_000, call_id="later")
        self.journal: list[dict[str, Any]] = [self.upload, self.order, self.later_call, {"kind": "crash", "what": "x"}]
        self.calls = {
            "done": call("done", "+911", "completed"),
            "swept": call("swept", "+912", "cancelled", by=ORDER),
            "barred": call("barred", "+913", "cancelled", by=ORDER, retry_barred=True, ended_at=AFTER),
            "unknown": call("unknown", "+914", "error", ended_at=AFTER),
            "later": call("later", "+912", "completed", campaign_id="individual-1", ended_at=AFTER),
        }
        self.calls["later"] |= {"kind": "individual", "agent_id": OTHER_AGENT, "callee_name": "call one", "epoch": 3}
        self.attempts = [
            attempt("done", "released"),
            attempt("barred", "released"),
            attempt("unknown", "indeterminate"),
            attempt("later", "released", AFTER),
        ]
        self.rings = [ring("done", 500), ring("barred", 900), ring("unknown", 950), ring("later", 3_000)]
        self.receipt = {
            "termination_id": ORDER,
            "selector": {"campaign_id": LIST},
            "state": "settled",
            "cancelled_count": 1,
            "retry_barred_count": 1,
            "some_later_column": "no matter",
        }

    def told(self, directory: Path, demand: Demand | None = None) -> Verdict:
        rows = [("call", row) for row in self.calls.values()]
        rows += [("dial_attempt", row) for row in self.attempts]
        rows.append(("termination", self.receipt))
        write(directory / JOURNAL, self.journal)
        write(directory / DUMP, [{"table": table, "row": row} for table, row in rows if row])
        for line in self.rings:
            if line["call_id"] in self.calls:
                line["called_number"] = line["called_number"] or self.calls[line["call_id"]]["called_number"]
        write(directory / WIRE, self.rings)
        return check(directory, demand)


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def registration(name: str, agent_id: str, numbers: list[str], sent_ns: int, **ids: str) -> dict[str, Any]:
    times = {"sent_ns": sent_ns, "answered_ns": sent_ns + 100, "status": 200}
    known = {"list_id": None, "call_id": None}
    names = {"name": name, "agent_id": agent_id, "numbers": numbers, "retry_count": 1}
    return {"kind": "registration", **names, **times, **known, **ids}


def call(call_id: str, number: str, status: str, by: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "campaign_id": LIST,
        "kind": "list",
        "agent_id": AGENT,
        "campaign_name": "list one",
        "epoch": 0,
        "callee_name": None,
        "called_number": number,
        "status": status,
        "sub_status": "USER_TERMINATED" if status == "cancelled" else "ANY",
        "termination_id": by,
        "retry_barred": False,
        "ended_at": ORDERED_AT if status == "cancelled" else BEFORE,
        **changes,
    }


def attempt(call_id: str, state: str, prepared_at: str = BEFORE, suffix: str = "") -> dict[str, Any]:
    return {"attempt_id": f"a-{call_id}{suffix}", "call_id": call_id, "state": state, "prepared_at": prepared_at}


def ring(call_id: str, at_ns: int, suffix: str = "") -> dict[str, Any]:
    return {"monotonic_ns": at_ns, "called_number": None, "call_id": call_id, "attempt_id": f"a-{call_id}{suffix}"}


def test_a_clean_run_is_clean(tmp_path: Path) -> None:
    verdict = Story().told(tmp_path)
    assert verdict.is_clean, "\n".join(verdict.lines())
    assert verdict.exercise.dials == 4
    assert verdict.exercise.while_dialled == 1


def dialled_after_the_answer(story: Story) -> None:
    story.rings.append(ring("swept", ORDER_ANSWERED_NS + 1))


def completed_by_a_dial_after_the_answer(story: Story) -> None:
    story.calls["done"]["ended_at"] = AFTER
    story.rings[0]["monotonic_ns"] = ORDER_ANSWERED_NS + 1


def failed_without_a_dial(story: Story) -> None:
    story.calls["swept"] |= {"status": "failed", "termination_id": None}
    story.receipt["cancelled_count"] = 0


def an_error_of_a_call_that_never_left(story: Story) -> None:
    del story.rings[2]


def an_error_after_an_earlier_ring(story: Story) -> None:
    story.attempts.append(attempt("unknown", "indeterminate", ORDERED_AT, "-second"))


def ended_by_a_later_order_only(story: Story) -> None:
    story.journal.append({**story.order, "sent_ns": 1_200, "answered_ns": 1_300, "termination_id": "order-2"})
    story.order |= {"termination_id": "order-0"}
    story.calls["swept"]["termination_id"] = "order-2"


def cancelled_though_the_order_named_another_list(story: Story) -> None:
    story.order["selector"] = {"campaign_id": "list-2"}


def cancelled_though_registered_after_the_answer(story: Story) -> None:
    story.order |= {"selector": {"mobile_numbers": ["+912", "+913"]}}
    story.calls["later"] |= {"status": "cancelled", "termination_id": ORDER, "sub_status": "USER_TERMINATED"}


def cancelled_by_nobody(story: Story) -> None:
    story.calls["done"] |= {"status": "cancelled", "sub_status": "USER_TERMINATED"}


def a_receipt_of_an_order_that_found_nothing(story: Story) -> None:
    story.order |= {"status": 400, "termination_id": None}


def a_row_is_missing(story: Story) -> None:
    del story.calls["done"]
    del story.rings[0]


def a_row_is_there_twice(story: Story) -> None:
    story.calls["again"] = {**story.calls["done"], "call_id": "again"}
    story.rings.append(ring("again", 600))


def a_campaign_started_again(story: Story) -> None:
    """The order had ended all four before any was dialled."""
    story.journal.append({"kind": "start", "list_id": LIST, "sent_ns": 2_000, "answered_ns": 2_100, "status": 200})
    for place, number in enumerate(story.upload["numbers"]):
        story.calls[f"old {place}"] = call(f"old {place}", number, "cancelled", by=ORDER)
        story.calls[f"new {place}"] = call(f"new {place}", number, "failed", epoch=1, ended_at=AFTER)
        story.rings.append(ring(f"new {place}", 3_000))
    for call_id in ("done", "swept", "barred", "unknown"):
        del story.calls[call_id]
    story.attempts = story.attempts[3:]
    story.rings = story.rings[3:]
    story.receipt |= {"cancelled_count": 4, "retry_barred_count": 0}


def a_row_of_a_campaign_started_again_is_missing(story: Story) -> None:
    a_campaign_started_again(story)
    del story.calls["new 0"]
    story.rings = [line for line in story.rings if line["call_id"] != "new 0"]


def a_row_of_a_campaign_started_again_is_there_twice(story: Story) -> None:
    a_campaign_started_again(story)
    story.calls["again"] = {**story.calls["new 0"], "call_id": "again"}


def new_calls_of_a_campaign_that_nobody_started_again(story: Story) -> None:
    a_campaign_started_again(story)
    del story.journal[-1]


def new_calls_dialled_after_another_order(story: Story) -> None:
    a_campaign_started_again(story)
    story.journal.append({**story.order, "sent_ns": 2_500, "answered_ns": 2_600, "termination_id": "order-2"})


def a_call_that_nobody_registered(story: Story) -> None:
    story.calls["alien"] = call("alien", "+917", "failed", campaign_name="list nine")


def a_call_that_never_ends(story: Story) -> None:
    story.calls["later"] |= {"status": "retry", "ended_at": None}


def one_attempt_left_twice(story: Story) -> None:
    story.rings.append(ring("later", 3_500))


def more_rings_than_retries(story: Story) -> None:
    story.rings += [ring("later", 3_500, "-second"), ring("later", 3_600, "-third")]


def rung_again_after_an_unknown_fate(story: Story) -> None:
    story.attempts[3]["state"] = "indeterminate"
    story.attempts.append(attempt("later", "released", AFTER, "-second"))
    story.rings.append(ring("later", 3_500, "-second"))


def a_ring_of_no_call(story: Story) -> None:
    story.rings.append({**ring("nobody", 3_500), "called_number": "+919"})


def an_order_without_a_receipt(story: Story) -> None:
    story.order["termination_id"] = "order-9"


def a_receipt_that_never_settled(story: Story) -> None:
    story.receipt["state"] = "settling"


def a_receipt_that_counts_too_many(story: Story) -> None:
    story.receipt["cancelled_count"] = 2


def a_receipt_that_forgets_a_barred_call(story: Story) -> None:
    story.receipt["retry_barred_count"] = 0


def a_refusal_while_a_call_was_pending(story: Story) -> None:
    story.order["selector"] = {"call_ids": ["swept"]}
    story.journal.append(
        {**story.order, "sent_ns": 300, "answered_ns": 400, "status": 400, "termination_id": None},
    )


@pytest.mark.parametrize(
    ("rule", "happened"),
    [
        ("dials after the acknowledgement", dialled_after_the_answer),
        ("dials after the acknowledgement", completed_by_a_dial_after_the_answer),
        ("covered calls not cancelled", completed_by_a_dial_after_the_answer),
        ("covered calls not cancelled", failed_without_a_dial),
        ("covered calls not cancelled", an_error_of_a_call_that_never_left),
        ("covered calls not cancelled", an_error_after_an_earlier_ring),
        ("covered calls not cancelled", ended_by_a_later_order_only),
        ("uncovered calls cancelled", cancelled_though_the_order_named_another_list),
        ("uncovered calls cancelled", cancelled_though_registered_after_the_answer),
        ("uncovered calls cancelled", cancelled_by_nobody),
        ("uncovered calls cancelled", a_receipt_of_an_order_that_found_nothing),
        ("calls lost", a_row_is_missing),
        ("calls lost", a_row_is_there_twice),
        ("calls lost", a_row_of_a_campaign_started_again_is_missing),
        ("calls lost", a_row_of_a_campaign_started_again_is_there_twice),
        ("calls lost", new_calls_of_a_campaign_that_nobody_started_again),
        ("dials after the acknowledgement", new_calls_dialled_after_another_order),
        ("calls lost", a_call_that_nobody_registered),
        ("calls lost", a_call_that_never_ends),
        ("numbers rung twice", one_attempt_left_twice),
        ("numbers rung twice", more_rings_than_retries),
        ("numbers rung twice", rung_again_after_an_unknown_fate),
        ("numbers rung twice", a_ring_of_no_call),
        ("orders forgotten", an_order_without_a_receipt),
        ("orders forgotten", a_receipt_that_never_settled),
        ("orders forgotten", a_receipt_that_counts_too_many),
        ("orders forgotten", a_receipt_that_forgets_a_barred_call),
        ("orders refused although terminable", a_refusal_while_a_call_was_pending),
    ],
)
def test_it_finds(tmp_path: Path, rule: str, happened: Callable[[Story], None]) -> None:
    story = Story()
    happened(story)
    verdict = story.told(tmp_path)
    assert verdict.count(rule) > 0, "\n".join(verdict.lines())
    assert not verdict.is_clean


def test_a_campaign_started_again_has_each_number_twice(tmp_path: Path) -> None:
    story = Story()
    a_campaign_started_again(story)
    verdict = story.told(tmp_path)
    assert verdict.is_clean, "\n".join(verdict.lines())


def test_an_order_without_an_answer_may_have_been_carried_out(tmp_path: Path) -> None:
    story = Story()
    story.order |= {"status": None, "termination_id": None}
    assert story.told(tmp_path).is_clean


def test_an_upload_without_an_answer_is_all_or_nothing(tmp_path: Path) -> None:
    story = Story()
    story.upload |= {"status": None, "list_id": None}
    assert story.told(tmp_path).is_clean
    a_row_is_missing(story)
    assert story.told(tmp_path).count("calls lost") == 1


def test_what_cannot_be_read_is_trouble(tmp_path: Path) -> None:
    Story().told(tmp_path)
    with (tmp_path / WIRE).open("a") as wire:
        wire.write('{"monotonic_ns": 12')
    assert check(tmp_path).troubles == ("wire.jsonl line 5 cannot be read",)


def test_too_little_exercise_is_a_failure(tmp_path: Path) -> None:
    verdict = Story().told(tmp_path, Demand(answered=2, dials=5, crashes={"x": 1, "y": 1}))
    assert verdict.shortfalls == (
        "orders answered: 1, at least 2 are needed",
        "dials: 4, at least 5 are needed",
        "crashes: y: 0, at least 1 are needed",
    )
    assert not verdict.is_clean


def test_the_table_names_every_rule(tmp_path: Path) -> None:
    table = "\n".join(Story().told(tmp_path).lines())
    assert all(rule in table for rule in RULES)
    assert table.endswith("every rule was kept")


@pytest.mark.parametrize("name", ["checker", "evidence", "exercise", "order_index", "rules"])
def test_the_checker_knows_nothing_of_the_product(name: str) -> None:
    tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text())
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in imported if module.split(".")[0] == "ringoff"]
    own = {f"tests.chaos.{other}" for other in ("checker", "evidence", "exercise", "order_index", "rules")}
    assert {module for module in imported if module.startswith("tests")} <= own
