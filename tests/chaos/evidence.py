"""What the checker knows of a run: read from files alone, in its own words, and independent of the code under test.

A directory holds ``wire.jsonl`` (what left for the carrier), ``journal.jsonl`` (what the clients sent and were told,
and what was killed) and ``dump.jsonl`` (what the database said in the end). Instants are CLOCK_MONOTONIC nanoseconds
where they are compared with each other; the database knows wall time only.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from sys import intern  # a long run has many calls, and few lists, agents and numbers
from typing import Any

WIRE, JOURNAL, DUMP = "wire.jsonl", "journal.jsonl", "dump.jsonl"

_LEVELS = {
    ("agent_id",): "agent",
    ("call_ids",): "calls",
    ("campaign_id",): "campaign",
    ("campaign_id", "mobile_numbers"): "campaign numbers",
    ("mobile_numbers",): "numbers",
}


@dataclass(frozen=True, slots=True)
class Selector:
    """What an order names. Parts given together narrow each other."""

    agent_id: str | None = None
    campaign_id: str | None = None
    call_ids: frozenset[str] | None = None
    mobile_numbers: frozenset[str] | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Selector":
        ids, numbers = body.get("call_ids"), body.get("mobile_numbers")
        return cls(
            body.get("agent_id"),
            body.get("campaign_id"),
            None if ids is None else frozenset(ids),
            None if numbers is None else frozenset(numbers),
        )

    @property
    def level(self) -> str:
        parts = ("agent_id", "campaign_id", "call_ids", "mobile_numbers")
        return _LEVELS.get(tuple(part for part in parts if getattr(self, part) is not None), "mixed")

    def matches(self, call: "Call") -> bool:
        return (
            (self.agent_id is None or self.agent_id == call.agent_id)
            and (self.campaign_id is None or self.campaign_id == call.list_id)
            and (self.call_ids is None or call.call_id in self.call_ids)
            and (self.mobile_numbers is None or call.number in self.mobile_numbers)
        )


@dataclass(frozen=True, slots=True)
class Order:
    """One termination as its client saw it. ``status`` is None when no answer came that decides anything."""

    selector: Selector
    sent_ns: int
    answered_ns: int
    answered_at: float
    """Wall time, for what only the database has a clock for."""
    status: int | None
    termination_id: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    """One upload, one individual call, or the start of a campaign that an order had ended, which registers new calls.

    ``answered_ns`` is None when nobody knows whether it was stored.
    """

    name: str
    agent_id: str
    numbers: tuple[str, ...]
    retry_count: int
    sent_ns: int
    answered_ns: int | None
    status: int | None
    list_id: str | None
    call_id: str | None
    is_restart: bool = False


@dataclass(frozen=True, slots=True)
class Ring:
    """A line of the wire log."""

    at_ns: int
    number: str
    call_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class Attempt:
    attempt_id: str
    state: str
    prepared_at: str


@dataclass(slots=True)
class Call:
    """A row of the final dump, and all that is known of it."""

    call_id: str
    list_id: str | None
    """The campaign, as orders name it; None for an individual call."""
    agent_id: str
    name: str
    epoch: int
    """How many orders had ended the campaign before the call was registered."""
    number: str
    status: str
    sub_status: str
    termination_id: str | None
    retry_barred: bool
    ended_at: float | None
    registration: Registration | None = None
    rings: list[Ring] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def is_of_a_restart(self) -> bool:
        """A list has all its calls before any order; the hidden campaign of individual calls takes more for ever."""
        return self.list_id is not None and self.epoch > 0


@dataclass(frozen=True, slots=True)
class Receipt:
    termination_id: str
    selector: Selector
    state: str
    cancelled_count: int
    """Calls that were pending."""
    retry_barred_count: int
    """Calls that were on the wire, and may not ring again."""


@dataclass(slots=True)
class Evidence:
    """Everything in one place."""

    orders: list[Order] = field(default_factory=list)
    registrations: list[Registration] = field(default_factory=list)
    restarts: dict[str, Registration] = field(default_factory=dict)
    """By name: what the start of each campaign has registered, if an order was faster. Nobody starts one twice."""
    crashes: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    """What must not have happened to the processes, and what could not be read."""
    calls: dict[str, Call] = field(default_factory=dict)
    strays: list[Ring] = field(default_factory=list)
    """Rings of calls that the database does not have."""
    rings: list[Ring] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """When each order raised its fences on campaigns."""


def read_evidence(directory: Path) -> Evidence:
    evidence = Evidence()
    _read_journal(directory / JOURNAL, evidence)
    _read_dump(directory / DUMP, evidence)
    _read_wire(directory / WIRE, evidence)
    return evidence


def _lines(path: Path, evidence: Evidence) -> Iterator[dict[str, Any]]:
    if not path.exists():
        evidence.troubles.append(f"{path.name} is missing")
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except ValueError:
                evidence.troubles.append(f"{path.name} line {number} cannot be read")


def _read_journal(path: Path, evidence: Evidence) -> None:
    for line in _lines(path, evidence):
        match line["kind"]:
            case "order":
                evidence.orders.append(
                    Order(
                        Selector.of(line["selector"]),
                        line["sent_ns"],
                        line["answered_ns"],
                        line["answered_at"],
                        line["status"],
                        line["termination_id"],
                    )
                )
            case "registration":
                evidence.registrations.append(
                    Registration(
                        line["name"],
                        line["agent_id"],
                        tuple(map(intern, line["numbers"])),
                        line["retry_count"],
                        line["sent_ns"],
                        line["answered_ns"] if line["status"] == 200 else None,
                        line["status"],
                        line["list_id"],
                        line["call_id"],
                    )
                )
            case "start":
                _read_start(line, evidence)
            case "crash":
                evidence.crashes[line["what"]] += 1
            case "trouble":
                evidence.troubles.append(line["what"])


def _read_start(line: Mapping[str, Any], evidence: Evidence) -> None:
    upload = next(known for known in reversed(evidence.registrations) if known.list_id == line["list_id"])
    evidence.restarts[upload.name] = replace(
        upload,
        sent_ns=line["sent_ns"],
        answered_ns=line["answered_ns"] if line["status"] == 200 else None,
        status=line["status"],
        is_restart=True,
    )


def _read_dump(path: Path, evidence: Evidence) -> None:
    by_name = {registration.name: registration for registration in evidence.registrations}
    for line in _lines(path, evidence):
        row = line["row"]
        match line["table"]:
            case "call":
                call = _call(row)
                call.registration = (evidence.restarts if call.is_of_a_restart else by_name).get(call.name)
                evidence.calls[call.call_id] = call
            case "dial_attempt":
                attempt = Attempt(row["attempt_id"], intern(row["state"]), row["prepared_at"])
                if call_of := evidence.calls.get(row["call_id"]):
                    call_of.attempts.append(attempt)
            case "termination":
                receipt = Receipt(
                    row["termination_id"],
                    Selector.of(row["selector"]),
                    row["state"],
                    row["cancelled_count"],
                    row["retry_barred_count"],
                )
                evidence.receipts[receipt.termination_id] = receipt


def _call(row: Mapping[str, Any]) -> Call:
    is_individual = row["kind"] == "individual"
    return Call(
        call_id=row["call_id"],
        list_id=None if is_individual else intern(row["campaign_id"]),
        agent_id=intern(row["agent_id"]),
        name=intern(row["callee_name"] if is_individual else row["campaign_name"]),
        epoch=row["epoch"],
        number=intern(row["called_number"]),
        status=intern(row["status"]),
        sub_status=intern(row["sub_status"]),
        termination_id=None if row["termination_id"] is None else intern(row["termination_id"]),
        retry_barred=row["retry_barred"],
        ended_at=None if row["ended_at"] is None else _seconds(row["ended_at"]),
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _read_wire(path: Path, evidence: Evidence) -> None:
    for line in _lines(path, evidence):
        ring = Ring(line["monotonic_ns"], intern(line["called_number"]), line["call_id"], line["attempt_id"])
        evidence.rings.append(ring)
        if call := evidence.calls.get(ring.call_id):
            call.rings.append(ring)
        else:
            evidence.strays.append(ring)
    evidence.rings.sort(key=lambda ring: ring.at_ns)
    for call in evidence.calls.values():
        call.rings.sort(key=lambda ring: ring.at_ns)
        call.attempts.sort(key=lambda attempt: (attempt.prepared_at, attempt.attempt_id))
