"""A list of millions: how soon its upload is answered, how long its verification takes, and the memory of both."""

import time
from collections.abc import Iterator
from typing import Any

import psutil

from bench.figures import Say, Verdict
from bench.rows import first_tenant
from bench.server import KeptConnection, UnexpectedAnswer, running_server, wait_for
from bench.sizes import Run
from bench.upload import PeakMemory, send_csv, watched, write_csv

_MIB = 2**20
_CSV_MAX = 4096 * _MIB
_LOOK_S = 0.25
_WITHIN_S = 1_800.0
_MEMORY_MAX = 500 * _MIB


async def measure(run: Run, say: Say) -> list[Verdict]:
    """One upload, watched until its last call is registered."""
    rows, peak = run.sizes.large_list_rows, PeakMemory()
    csv_path = run.work_dir / "large.csv"
    write_csv(csv_path, rows)
    file_mib = csv_path.stat().st_size / _MIB
    with (
        running_server(run.work_dir / "large_list", csv_bytes_max=str(_CSV_MAX)) as server,
        server.http() as http,
    ):
        idle_mib = psutil.Process(server.process.pid).memory_info().rss / _MIB
        async with server.database() as database:
            tenant = await first_tenant(database)
            with watched(peak, server.process.pid):
                answered_s, answer = send_csv(http, "/ca/api/v0/campaign/upload-csv", csv_path, tenant)
                first_look, verified_s = _until_verified(http, answer["bulk_list_id"], rows)
            pending = await database.fetchval("SELECT count(*) FROM call WHERE status = 'registered'", timeout=600)
    csv_path.unlink()
    if pending != rows:
        raise UnexpectedAnswer(f"{pending:,} calls are registered, not {rows:,}")
    say(f"{rows:,} rows, {file_mib:.0f} MiB: answered after {answered_s:.2f} s, {file_mib / answered_s:.0f} MiB/s")
    say(f"verified {verified_s:.1f} s after the answer, {rows / verified_s:,.0f} rows/s")
    say(f"peak resident memory: {peak}; the idle server before: {idle_mib:.0f} MiB")
    return [
        Verdict(
            f"list of {rows:,} rows: the upload is answered before its verification ends",
            f"{answered_s:.2f} s; verified {verified_s:.1f} s later",
            first_look == "verifying",
        ),
        Verdict(
            f"list of {rows:,} rows: resident memory < {_MEMORY_MAX // _MIB} MiB (server + reader)",
            str(peak),
            peak.sum_bytes < _MEMORY_MAX,
        ),
    ]


def _until_verified(http: KeptConnection, list_id: str, rows: int) -> tuple[str, float]:
    """The status right after the answer, and the seconds until the list is a draft."""
    began = time.perf_counter()
    seen: list[dict[str, Any]] = []

    def looks() -> Iterator[bool]:
        while True:
            seen.append(http.send("GET", f"/ca/api/v0/campaign/upload-status/{list_id}")[1])
            yield seen[-1]["status"] != "verifying"

    if not wait_for(looks(), _WITHIN_S, _LOOK_S):
        raise UnexpectedAnswer(f"after {_WITHIN_S:.0f} s: {seen[-1]}")
    if seen[-1]["total_callees"] != rows:
        raise UnexpectedAnswer(str(seen[-1]))
    return seen[0]["status"], time.perf_counter() - began
