"""What the clients of a run did and were told, one JSON object a line: half of the checker's evidence."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self


class Journal:
    """Appends lines from any thread, and counts what the progress line shows."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._lock = Lock()
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def order(
        self,
        selector: Mapping[str, Any],
        *,
        sent_ns: int,
        answered_ns: int,
        answered_at: float,
        status: int | None,
        is_replayed: bool,
        termination_id: str | None,
    ) -> None:
        self._write(
            "order",
            f"order {status}",
            selector=selector,
            sent_ns=sent_ns,
            answered_ns=answered_ns,
            answered_at=answered_at,
            status=status,
            is_replayed=is_replayed,
            termination_id=termination_id,
        )

    def registration(
        self,
        name: str,
        *,
        agent_id: str,
        numbers: Sequence[str],
        retry_count: int,
        sent_ns: int,
        answered_ns: int,
        status: int | None,
        list_id: str | None = None,
        call_id: str | None = None,
    ) -> None:
        self._write(
            "registration",
            f"registration {status}",
            name=name,
            agent_id=agent_id,
            numbers=numbers,
            retry_count=retry_count,
            sent_ns=sent_ns,
            answered_ns=answered_ns,
            status=status,
            list_id=list_id,
            call_id=call_id,
        )

    def start(self, list_id: str, *, sent_ns: int, answered_ns: int, status: int | None) -> None:
        self._write(
            "start", f"start {status}", list_id=list_id, sent_ns=sent_ns, answered_ns=answered_ns, status=status
        )

    def crash(self, what: str) -> None:
        self._write("crash", "crash", what=what)

    def trouble(self, what: str) -> None:
        """Something that must not happen, whatever is killed."""
        self._write("trouble", "trouble", what=what)

    def _write(self, kind: str, counted_as: str, **fields: Any) -> None:
        line = json.dumps({"kind": kind, **fields})
        with self._lock:
            self._file.write(line + "\n")
            self.counts[counted_as] += 1
