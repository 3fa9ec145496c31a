"""A demo campaign through the server's own HTTP API, with its progress in the terminal and the line that ends it."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

from ringoff.client import AsyncRingoffClient, ClientError, Retries
from ringoff.ports import Clock
from ringoff.telephony.outcome_mix import OutcomeMix

SPEED = "20"
CPS_MAX = 10
TRUNK_NAME = "Demo carrier"
CALLING_NUMBER = "+12025550199"
# Nobody can have these numbers. The last four digits choose the outcome: answered, busy, no answer, rejected,
# invalid, network failure, voicemail; the others are drawn by the simulated carrier.
AREA_CODES = range(202, 232)
LINES = ("0001", "0002", "0003", "0004", "0005", "0007", "0009", "0101", "0102", "0103")
# The mix of a warm list, without congestion: that slows a trunk down for seconds, as it should, but a demo is short.
MIX = OutcomeMix(answered=22, voicemail=38, no_answer=24, busy=5, invalid_number=4, rejected=3, unreachable=2)

_STATUSES = ("registered", "ongoing", "retry", "completed", "failed", "error", "cancelled")
_PENDING = {"registered", "ongoing", "retry"}
_TERMINAL_REFRESH_S, _FILE_REFRESH_S = 0.5, 3.0


async def run_demo(url: str, key: str, clock: Clock, stopping: asyncio.Event) -> None:
    """Upload, start, show; a mistake of the demo is said and leaves the server alone."""
    try:
        # Once: it speaks to the process that it runs in, and a server that is stopping has no answers any more.
        async with AsyncRingoffClient(url, key, retries=Retries(attempts_max=1)) as api:
            campaign_id = await _start_campaign(api, clock)
            print(_introduction(url, key, campaign_id), flush=True)
            await _show_progress(api, campaign_id, stopping)
    except ClientError as error:
        if not stopping.is_set():
            status = "" if error.status is None else f"{error.status} "
            print(f"the demo ended: {status}{error}", flush=True)


async def _start_campaign(api: AsyncRingoffClient, clock: Clock) -> str:
    """A draft with one registered call for each row, started at once on a slow trunk of its own."""
    agent_id = (await api.agents.list())[0].id
    await _ensure_calling_number(api)
    now = clock.now()
    saved = await api.campaigns.save(
        BytesIO(_contacts().encode()),
        file_name="demo.csv",
        agent_id=agent_id,
        campaign_name=f"Demo of {now:%Y-%m-%d %H:%M:%S}",
        country_code="+1",
        variables_map={"mobile_number": "Mobile Number", "callee_name": "Name"},
        call_config={
            "call_time": {"timezone": "UTC"},
            "call_retry_config": {"retry_count": 1, "retry_busy": 0, "retry_not_picked": 1},
        },
        campaign_start_time=now.isoformat(timespec="seconds"),
        campaign_end_time=(now + timedelta(days=1)).isoformat(timespec="seconds"),
    )
    await api.campaigns.start(agent_id=agent_id, list_id=saved.list_id, from_numbers=[CALLING_NUMBER])
    return saved.list_id


async def _ensure_calling_number(api: AsyncRingoffClient) -> None:
    own = api.native
    if any(row.number == CALLING_NUMBER for row in await own.numbers.list()):
        return
    trunk = await own.trunks.add(name=TRUNK_NAME, driver="simulated", cps_max=CPS_MAX, channels_max=100)
    await own.numbers.add(CALLING_NUMBER, display_name="Demo", trunk_id=trunk.trunk_id)


def _contacts() -> str:
    rows = [f"+1{area}555{line},Demo {area}-{line}" for line in LINES for area in AREA_CODES]
    return "\r\n".join(["Mobile Number,Name", *rows, ""])


def _introduction(url: str, key: str, campaign_id: str) -> str:
    body = json.dumps({"campaign_id": campaign_id})
    return f"""
A demo campaign dials {len(AREA_CODES) * len(LINES)} fictitious numbers on the simulated carrier, {CPS_MAX} a second.

  URL  {url}
  key  {key}

Open the URL in a browser, sign in with the key, and watch it. Terminate it there (press t), or from another terminal;
nothing rings after the answer:

  curl -X PATCH {url}/ca/api/v0/campaign/terminate -H 'X-API-KEY: {key}' -H 'Content-Type: application/json' -d '{body}'
"""


async def _show_progress(api: AsyncRingoffClient, campaign_id: str, stopping: asyncio.Event) -> None:
    is_terminal = sys.stdout.isatty()
    show = _rewriting() if is_terminal else _line_by_line()
    while not stopping.is_set():
        counts = await _counts(api, campaign_id)
        show("  ".join(f"{status} {counts[status]}" for status in _STATUSES))
        if counts and not any(counts[status] for status in _PENDING):
            end_of_line = "\n" if is_terminal else ""
            print(f"{end_of_line}The demo campaign is over; the server goes on. Stop it with Ctrl-C.", flush=True)
            return
        try:
            async with asyncio.timeout(_TERMINAL_REFRESH_S if is_terminal else _FILE_REFRESH_S):
                await stopping.wait()
        except TimeoutError:
            continue
    if is_terminal:
        print(flush=True)


async def _counts(api: AsyncRingoffClient, campaign_id: str) -> Counter[str]:
    """By effective status: a termination shows here with the very next look."""
    page = await api.calls.history_page(bulk_list_id=campaign_id, limit=1000)
    return Counter(call.status for call in page.calls)


def _rewriting() -> Callable[[str], None]:
    def show(text: str) -> None:
        sys.stdout.write(f"\r\x1b[2K{text}")
        sys.stdout.flush()

    return show


def _line_by_line() -> Callable[[str], None]:
    def show(text: str) -> None:
        print(text, flush=True)

    return show
