"""A CSV upload through HTTP against a bare COPY of the very rows that it made, and the memory it takes."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import psutil

from bench.figures import Samples, Say, Verdict
from bench.rows import NUMBER_STRIDE, Tenant, first_tenant
from bench.server import Connection, KeptConnection, running_server
from bench.sizes import Run

_BOUNDARY = "ringoff-bench-boundary"
_READER = "ringoff.operations.csv_reader"
_LOOK_S = 0.02
_MIB = 2**20
_CHUNK_BYTES = 256 * 1024
_TABLES = ("contact", "call")
# What is copied bare are the stored rows; only the ids are new, so that they do not meet themselves.
_NEW_IDS = {"campaign_id": "$1::uuid AS campaign_id", "call_id": "ordered_uuid() AS call_id"}


@dataclass
class PeakMemory:
    """Resident bytes of the server and its CSV reader, PostgreSQL left out; the peak of their sum, and of each."""

    sum_bytes: int = 0
    server_bytes: int = 0
    reader_bytes: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def watch(self, server: psutil.Process) -> None:
        while not self.is_over.wait(_LOOK_S):
            server_bytes = server.memory_info().rss
            reader_bytes = sum(_resident(child) for child in server.children(recursive=True))
            self.sum_bytes = max(self.sum_bytes, server_bytes + reader_bytes)
            self.server_bytes = max(self.server_bytes, server_bytes)
            self.reader_bytes = max(self.reader_bytes, reader_bytes)

    def __str__(self) -> str:
        return (
            f"{self.sum_bytes / _MIB:.0f} MiB together (server {self.server_bytes / _MIB:.0f} MiB,"
            f" reader {self.reader_bytes / _MIB:.0f} MiB at their peaks)"
        )


async def measure(run: Run, say: Say) -> list[Verdict]:
    """Upload and bare COPY take turns, each into emptied tables."""
    rows, uploads_s, copies_s, peak = run.sizes.rows, [], [], PeakMemory()
    csv_path = run.work_dir / "contacts.csv"
    write_csv(csv_path, rows)
    with running_server(run.work_dir / "upload") as server, server.http() as http:
        idle_bytes = psutil.Process(server.process.pid).memory_info().rss
        async with server.database() as database:
            tenant = await first_tenant(database)
            for _ in range(run.sizes.uploads):
                await _empty(database)
                with watched(peak, server.process.pid):
                    took_s, campaign_id = _upload(http, csv_path, tenant, rows)
                uploads_s.append(took_s)
                prepared = await _prepare(database, campaign_id, run.work_dir)
                await _empty(database)
                copies_s.append(await _copy(database, prepared, rows))
    csv_path.unlink()
    upload_s, copy_s = median(uploads_s), median(copies_s)
    say(f"upload of {rows:,} rows to registered calls: {Samples.of_seconds(uploads_s)}, {rows / upload_s:,.0f} rows/s")
    say(f"bare COPY of its contact rows and its call rows: {Samples.of_seconds(copies_s)}")
    say(f"peak resident memory: {peak}; the idle server before: {idle_bytes / _MIB:.0f} MiB")
    return [
        Verdict(
            f"CSV of {rows:,} rows to registered calls: at most 3 x a bare COPY",
            f"{upload_s / copy_s:.2f} x ({upload_s:.1f} s / {copy_s:.1f} s)",
            upload_s <= 3 * copy_s,
        ),
        Verdict("resident memory < 400 MiB (server + reader)", str(peak), peak.sum_bytes < 400 * _MIB),
    ]


def write_csv(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("Mobile Number,Name,Company\r\n")
        for n in range(rows):
            file.write(f"+9198{n * NUMBER_STRIDE % 100_000_000:08d},Person {n},Acme {n % 5000} Limited\r\n")


def _upload(http: KeptConnection, csv_path: Path, tenant: Tenant, rows: int) -> tuple[float, UUID]:
    took_s, answer = send_csv(http, "/ca/api/v0/campaign/save", csv_path, tenant)
    assert answer["successful_rows"] == rows, answer
    return took_s, UUID(answer["list_id"])


def send_csv(http: KeptConnection, path: str, csv_path: Path, tenant: Tenant) -> tuple[float, Any]:
    """As a browser would send it: one multipart body with the file in it. Seconds to the answer, and the answer."""
    fields = {
        "agent_id": str(tenant.agent_id),
        "campaign_name": "bench",
        "country_code": "+91",
        "variables_map": json.dumps({"callee_name": "Name", "company": "Company"}),
        "call_config": "{}",
        "campaign_start_time": "2026-01-01T00:00",
        "campaign_end_time": "2099-01-01T00:00",
    }
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    parts.append(f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="contacts.csv"\r\n')
    head = ("".join(parts) + "Content-Type: text/csv\r\n\r\n").encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        with csv_path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(head) + csv_path.stat().st_size + len(tail)),
    }
    http.close()
    return http.send("POST", path, body(), headers)


async def _empty(database: Connection) -> None:
    await database.execute("TRUNCATE contact, call", timeout=600)
    await database.execute("CHECKPOINT", timeout=600)


async def _prepare(database: Connection, campaign_id: UUID, work_dir: Path) -> dict[str, tuple[Path, list[str]]]:
    """Binary COPY files of the rows that the upload has stored, column for column."""
    new_campaign_id = await database.fetchval("SELECT ordered_uuid()")
    prepared = {}
    for name in _TABLES:
        columns = [
            row["attname"]
            for row in await database.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
                " ORDER BY attnum",
                name,
            )
        ]
        path = work_dir / f"{name}.copy"
        selected = ", ".join(_NEW_IDS.get(column, column) for column in columns).replace("$1", f"'{new_campaign_id}'")
        query = f"SELECT {selected} FROM {name} WHERE campaign_id = '{campaign_id}' ORDER BY contact_id"
        await database.copy_from_query(query, output=path, format="binary", timeout=600)
        prepared[name] = (path, columns)
    return prepared


async def _copy(database: Connection, prepared: dict[str, tuple[Path, list[str]]], rows: int) -> float:
    """Both COPYs in one transaction: the same tables with the same indexes and constraints, in the same database."""
    began = time.perf_counter()
    async with database.transaction():
        for name, (path, columns) in prepared.items():
            status = await database.copy_to_table(name, source=path, columns=columns, format="binary", timeout=600)
            assert status == f"COPY {rows}", status
    took_s = time.perf_counter() - began
    for path, _columns in prepared.values():
        path.unlink()
    return took_s


@contextmanager
def watched(peak: PeakMemory, pid: int) -> Iterator[None]:
    peak.is_over.clear()
    watching = threading.Thread(target=peak.watch, args=(psutil.Process(pid),))
    watching.start()
    try:
        yield
    finally:
        peak.is_over.set()
        watching.join()


def _resident(child: psutil.Process) -> int:
    """Of a reader; a child that has not yet become one still shares the server's own pages."""
    try:
        return child.memory_info().rss if _READER in child.cmdline() else 0
    except psutil.Error:
        return 0
