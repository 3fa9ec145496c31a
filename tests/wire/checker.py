"""Judges a capture and the clients' journal; imports nothing of Ringoff and asks nobody for a status."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CAPTURE, JOURNAL = "capture.jsonl", "journal.jsonl"
LEVELS = ("agent", "calls", "campaign", "campaign numbers", "numbers")
_LEVEL_OF = {"agent_id": "agent", "call_ids": "calls", "campaign_id": "campaign", "mobile_numbers": "numbers"}
_GOAL_NS, _TOLERATED_NS = 250_000_000, 1_000_000_000
_MS = 1_000_000


@dataclass(slots=True)
class Seen:
    """What the wire shows of one call."""

    number: str
    invites: dict[str, int] = field(default_factory=dict)
    """First sight by CSeq."""
    repeated: int = 0
    released_ns: int | None = None
    """Our first CANCEL or BYE."""
    cancelled_ns: int | None = None
    ended_ns: int | None = None
    """The carrier's BYE, or its final answer other than 2xx."""
    final: str = ""
    """The status of the carrier's first final answer to the last INVITE, or to the one that was answered."""
    has_bye: bool = False
    """Whose ever; its 200 is not waited for."""

    @property
    def is_up(self) -> bool:
        """As the packets tell it: no final answer yet, or answered and no BYE."""
        return not self.has_bye and not self.final.startswith(("3", "4", "5", "6"))

    @property
    def is_crossed(self) -> bool:
        """Our CANCEL met a final answer on its way: the carrier's 200 to it changes nothing (RFC 3261 9.2)."""
        return self.cancelled_ns is not None and self.final != "487" and bool(self.final)


@dataclass(slots=True)
class Verdict:
    orders: int = 0
    hangups: int = 0
    covered: int = 0
    calls: int = 0
    invites: int = 0
    repeated: int = 0
    lost: int = 0
    refused: int = 0
    cancelled: int = 0
    hung_up: int = 0
    crossed: int = 0
    dropped: int = 0
    """Cancelled by us, and dropped by the carrier on that CANCEL without a final answer, as its own log says."""
    up_at_end: list[str] = field(default_factory=list)
    """Calls that no packet ended. The capture ends while the server still runs."""
    by_level: dict[str, list[int]] = field(default_factory=lambda: {level: [0, 0] for level in LEVELS})
    """Acknowledged orders, and those of them with hang-up."""
    after_acknowledgement: list[str] = field(default_factory=list)
    never_released: list[str] = field(default_factory=list)
    latencies_ns: list[int] = field(default_factory=list)

    @property
    def late(self) -> int:
        return sum(latency > _TOLERATED_NS for latency in self.latencies_ns)

    @property
    def is_clean(self) -> bool:
        return not (self.after_acknowledgement or self.never_released or self.late or self.lost)

    def lines(self) -> list[str]:
        ranked = sorted(self.latencies_ns) or [0]
        p50, p99 = (ranked[int(part * (len(ranked) - 1))] / _MS for part in (0.5, 0.99))
        over_goal = sum(latency > _GOAL_NS for latency in ranked)
        levels = [f"{level} {orders} ({hangups})" for level, (orders, hangups) in self.by_level.items()]
        return [
            f"{self.orders} orders acknowledged ({self.hangups} with hang-up), {self.covered} calls covered",
            f"by level (with hang-up): {', '.join(levels)}",
            f"{self.invites} INVITEs seen, {self.repeated} retransmissions, {self.lost} packets lost by the capture",
            (
                f"hang-ups: {len(self.latencies_ns)} live calls, p50 {p50:.1f} ms, p99 {p99:.1f} ms,"
                f" max {ranked[-1] / _MS:.1f} ms, over 250 ms {over_goal}, over 1 s {self.late}"
            ),
            (
                f"ends: {self.refused} refused, {self.cancelled} cancelled, {self.hung_up} with a BYE,"
                f" {self.crossed} of them with a CANCEL that crossed a final answer;"
                f" {self.dropped} dropped by the carrier on our CANCEL"
            ),
            f"calls that no packet ended before the server was stopped: {len(self.up_at_end)}",
            f"covered INVITEs after the acknowledgement: {len(self.after_acknowledgement)}",
            f"covered live calls never released: {len(self.never_released)}",
        ]


def check(directory: Path, dropped: Collection[str] = ()) -> Verdict:
    """Needs the two files of a run; ``dropped`` are the Call-IDs of which the carrier says that it dropped them."""
    return judge(_lines(directory / CAPTURE), _lines(directory / JOURNAL), dropped)


def judge(
    capture: Iterable[Mapping[str, Any]], journal: Iterable[Mapping[str, Any]], dropped: Collection[str] = ()
) -> Verdict:
    verdict = Verdict()
    calls = _calls(capture, verdict)
    by_number: dict[str, list[Seen]] = {}
    for call in calls.values():
        by_number.setdefault(call.number, []).append(call)
    verdict.calls = len(calls)
    verdict.invites = sum(len(call.invites) for call in calls.values())
    verdict.repeated = sum(call.repeated for call in calls.values())
    for call_id, call in calls.items():
        _count_end(call, verdict, is_dropped=call_id in dropped)
    records = list(journal)
    campaigns = [record for record in records if record["kind"] == "campaign"]
    covered_by_any: set[str] = set()
    for order in (record for record in records if record["kind"] == "order"):
        verdict.orders += 1
        verdict.hangups += order["is_hangup"]
        counts = verdict.by_level[_level(order["selector"])]
        counts[0] += 1
        counts[1] += order["is_hangup"]
        covered = _covered(order, campaigns)
        covered_by_any |= covered
        for number in covered:
            for call in by_number.get(number, ()):
                _judge_call(call, order, verdict)
    verdict.covered = len(covered_by_any)
    return verdict


def _count_end(call: Seen, verdict: Verdict, *, is_dropped: bool) -> None:
    if call.is_up and is_dropped and call.cancelled_ns is not None and not call.final:
        verdict.dropped += 1
    elif call.is_up:
        verdict.up_at_end.append(call.number)
    elif call.has_bye:
        verdict.hung_up += 1
    elif call.final == "487":
        verdict.cancelled += 1
    else:
        verdict.refused += 1
    verdict.crossed += call.is_crossed


def _level(selector: Mapping[str, Any]) -> str:
    match sorted(selector):
        case ["campaign_id", "mobile_numbers"]:
            return "campaign numbers"
        case [only]:
            return _LEVEL_OF[only]
        case mix:
            raise ValueError(f"no level: {mix}")


def _judge_call(call: Seen, order: Mapping[str, Any], verdict: Verdict) -> None:
    acknowledged_ns = order["acknowledged_ns"]
    late = [at_ns for at_ns in call.invites.values() if at_ns > acknowledged_ns]
    verdict.after_acknowledgement += [f"{call.number} {(at_ns - acknowledged_ns) / _MS:.3f} ms" for at_ns in late]
    was_there = min(call.invites.values()) <= acknowledged_ns
    ends = [at_ns for at_ns in (call.released_ns, call.ended_ns) if at_ns is not None]
    is_live = was_there and (not ends or min(ends) > order["sent_ns"])
    if not order["is_hangup"] or not is_live:
        return
    if not ends:
        verdict.never_released.append(call.number)
    elif call.released_ns is not None and call.released_ns == min(ends):
        verdict.latencies_ns.append(max(0, call.released_ns - acknowledged_ns))
    elif min(ends) > acknowledged_ns + _TOLERATED_NS:
        verdict.never_released.append(call.number)


def _covered(order: Mapping[str, Any], campaigns: Iterable[Mapping[str, Any]]) -> set[str]:
    """Every called number of the order whose campaign had been started before the order was sent."""
    selector = order["selector"]
    covered: set[str] = set()
    for campaign in campaigns:
        is_named = all(campaign[name] == selector.get(name, campaign[name]) for name in ("agent_id", "campaign_id"))
        if is_named and campaign["started_ns"] < order["sent_ns"]:
            covered |= set(campaign["numbers"])
    if "mobile_numbers" in selector:
        covered &= set(selector["mobile_numbers"])
    if "call_ids" in selector:
        covered &= set(order["numbers_of_calls"])
    return covered


def _calls(capture: Iterable[Mapping[str, Any]], verdict: Verdict) -> dict[str, Seen]:
    calls: dict[str, Seen] = {}
    for record in capture:
        if "lost" in record:
            verdict.lost += record["lost"]
            continue
        first, *rest = record["head"].split("\r\n")
        headers = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in rest)}
        call_id, sequence, at_ns = headers.get("call-id", ""), headers.get("cseq", ""), record["at_ns"]
        if record["is_to_carrier"] and first.startswith("INVITE "):
            number = first.split()[1].removeprefix("sip:").partition("@")[0]
            call = calls.setdefault(call_id, Seen(number))
            call.repeated += sequence in call.invites
            if sequence not in call.invites and not call.final.startswith("2"):
                # After a challenge: this one's answer counts.
                call.final = ""
            call.invites.setdefault(sequence, at_ns)
        elif call_id in calls:
            _note_end(calls[call_id], first, sequence, record)
    return calls


def _note_end(call: Seen, first: str, sequence: str, record: Mapping[str, Any]) -> None:
    at_ns = record["at_ns"]
    if first.startswith("BYE "):
        call.has_bye = True
    if record["is_to_carrier"]:
        if first.startswith("CANCEL ") and call.cancelled_ns is None:
            call.cancelled_ns = at_ns
        if first.startswith(("CANCEL ", "BYE ")) and call.released_ns is None:
            call.released_ns = at_ns
        return
    is_final = first.startswith("SIP/2.0 ") and first[8] >= "2" and sequence.endswith("INVITE")
    if is_final and not call.final:
        call.final = first[8:11]
    is_refusal = is_final and first[8] >= "3"
    if (is_refusal or first.startswith("BYE ")) and call.ended_ns is None:
        call.ended_ns = at_ns


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
