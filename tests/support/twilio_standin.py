"""A stand-in for Twilio's Calls API on loopback: what its documentation says of calls and their reports.

Nothing happens by itself: a test moves a call from state to state, and says which reports are posted, when and how
often. Only an update (cancel, complete) reports by itself, as long as ``reports_updates`` is true. It models the
documented behaviour; it does not prove it.
"""

import asyncio
import base64
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Self

import aiohttp
from aiohttp import web

from ringoff.clock import SystemClock
from ringoff.ports import Clock
from ringoff.telephony.twilio.signature import signature

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "a-token-that-is-secret"
_FINAL = {"completed", "busy", "no-answer", "canceled", "failed"}
_EVENT_BY_STATUS = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}


@dataclass
class StoodCall:
    """One call as the carrier sees it."""

    sid: str
    form: dict[str, str]
    events: list[str]
    created_at: str
    status: str = "queued"
    sequence_number: int = 0
    duration_s: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def resource(self) -> dict[str, object]:
        return {
            "sid": self.sid,
            "to": self.form["To"],
            "from": self.form["From"],
            "status": self.status,
            "direction": "outbound-api",
            "date_created": self.created_at,
            "duration": None if self.duration_s is None else str(self.duration_s),
            "answered_by": None,
        }


@dataclass
class Fault:
    """What the next create meets instead of a 201."""

    status: int | None = None
    code: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    takes_call: bool = False
    """The call is made all the same."""
    cuts: bool = False
    """The connection is cut instead of an answer."""
    answers_when: asyncio.Event | None = None
    """Nothing is answered before."""


class TwilioStandIn:
    """Start it, point a trunk's ``base_url`` at it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.calls: dict[str, StoodCall] = {}
        self.created: asyncio.Queue[StoodCall] = asyncio.Queue()
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._asked = asyncio.Event()
        self.auth_token = AUTH_TOKEN
        self.reports_updates = True
        self.account_status = 200
        self.page_size = 50
        self.is_pausing_updates = False
        """An update is answered with the state before it, as when the carrier has not come to it yet."""
        self.answers_on_cancel = False
        """The callee answers in the moment that the cancel comes."""
        self.cut_updates = 0
        """So many updates are cut off instead of answered."""
        self.answers_to_reports: list[int] = []
        self.base_url = ""
        self._tasks: set[asyncio.Task[int]] = set()

    async def __aenter__(self) -> Self:
        application = web.Application()
        root = "/2010-04-01/Accounts/{account}"
        application.router.add_get(root + ".json", self._account)
        application.router.add_get(root + "/Calls.json", self._list)
        application.router.add_post(root + "/Calls.json", self._create)
        application.router.add_get(root + "/Calls/{sid}.json", self._fetch)
        application.router.add_post(root + "/Calls/{sid}.json", self._update)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await self._runner.cleanup()

    def count(self, method: str, ending: str) -> int:
        """How many requests of a kind have come."""
        return sum(1 for verb, path, _ in self.requests if verb == method and path.endswith(ending))

    async def until(self, count: int, method: str, ending: str) -> None:
        """Wait for so many requests of a kind."""
        while self.count(method, ending) < count:
            self._asked.clear()
            await self._asked.wait()

    def _hear(self, request: tuple[str, str, dict[str, str]]) -> None:
        self.requests.append(request)
        self._asked.set()

    def updates(self, call: StoodCall) -> list[str]:
        """The ``Status`` of each update of this call."""
        return [form["Status"] for verb, path, form in self.requests if verb == "POST" and call.sid in path]

    async def move(
        self, call: StoodCall, status: str, *, is_reported: bool = True, duration_s: int = 0, **extra: str
    ) -> Mapping[str, str]:
        """Into the next state, and the report of it; returns the report's fields."""
        call.status = status
        if status in _FINAL:
            call.duration_s = duration_s
            extra = {"CallDuration": str(duration_s)} | extra
            call.ended.set()
        fields = self.fields(call, CallStatus=status, SequenceNumber=str(call.sequence_number), **extra)
        call.sequence_number += 1
        event = "completed" if status in _FINAL else _EVENT_BY_STATUS.get(status, "")
        if is_reported and event in call.events:
            await self.post(call, fields)
        return fields

    def fields(self, call: StoodCall, **more: str) -> dict[str, str]:
        """What every report has, and more."""
        return {
            "CallSid": call.sid,
            "AccountSid": ACCOUNT_SID,
            "To": call.form["To"],
            "From": call.form["From"],
            "Direction": "outbound-api",
            "ApiVersion": "2010-04-01",
            **more,
        }

    async def post(self, call: StoodCall, fields: Mapping[str, str], url: str | None = None) -> int:
        """A signed report; the status that it is answered with."""
        url = url or call.form["StatusCallback"]
        headers = {"X-Twilio-Signature": signature(self.auth_token, url, fields.items())}
        async with self._session.post(url, data=dict(fields), headers=headers) as answer:
            self.answers_to_reports.append(answer.status)
            return answer.status

    async def _create(self, request: web.Request) -> web.StreamResponse:
        posted = await request.post()
        form = {name: str(value) for name, value in posted.items()}
        self._hear(("POST", request.path, form))
        if not self._is_ours(request):
            return _refusal(401, 20003, "Authenticate")
        fault = self.faults.popleft() if self.faults else Fault()
        call: StoodCall | None = None
        if fault.status is None or fault.takes_call:
            call = self._new_call(form, [str(event) for event in posted.getall("StatusCallbackEvent", [])])
        if fault.answers_when is not None:
            await fault.answers_when.wait()
        if fault.cuts:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault.body is not None:
            return web.Response(status=fault.status or 201, body=fault.body, headers=fault.headers)
        if call is None or fault.status is not None:
            assert fault.status is not None
            return _refusal(fault.status, fault.code, "stand-in", fault.headers)
        return web.json_response(call.resource(), status=201)

    def _new_call(self, form: dict[str, str], events: list[str]) -> StoodCall:
        sid = f"CA{len(self.calls) + 1:032x}"
        call = StoodCall(sid, form, events, format_datetime(self._clock.now()))
        self.calls[sid] = call
        self.created.put_nowait(call)
        return call

    async def _account(self, request: web.Request) -> web.StreamResponse:
        self._hear(("GET", request.path, {}))
        if not self._is_ours(request):
            return _refusal(401, 20003, "Authenticate")
        if self.account_status != 200:
            return _refusal(self.account_status, None, "stand-in")
        return web.json_response({"sid": ACCOUNT_SID, "status": "active"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._hear(("GET", request.path, dict(request.query)))
        if not self._is_ours(request):
            return _refusal(401, 20003, "Authenticate")
        wanted = {name.lower(): value for name, value in request.query.items() if name in ("To", "From", "Status")}
        found = [call.resource() for call in reversed(self.calls.values())]
        found = [call for call in found if all(call[name] == value for name, value in wanted.items())]
        page = int(request.query.get("Page", "0"))
        shown = found[page * self.page_size : (page + 1) * self.page_size]
        following = request.rel_url.update_query(Page=str(page + 1))
        more = str(following) if len(found) > (page + 1) * self.page_size else None
        return web.json_response({"calls": shown, "next_page_uri": more})

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        self._hear(("GET", request.path, {}))
        call = self.calls.get(request.match_info["sid"])
        if call is None or not self._is_ours(request):
            return _refusal(404, 20404, "not found")
        return web.json_response(call.resource())

    async def _update(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self._hear(("POST", request.path, form))
        call = self.calls.get(request.match_info["sid"])
        if call is None or not self._is_ours(request):
            return _refusal(404, 20404, "not found")
        if self.cut_updates:
            self.cut_updates -= 1
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if self.answers_on_cancel and form["Status"] == "canceled":
            await self.move(call, "in-progress")
        is_up = call.status == "in-progress"
        if call.status in _FINAL or (is_up and form["Status"] == "canceled"):
            return _refusal(400, 21220, "Call is not in-progress. Cannot redirect.")
        before = call.resource()
        task = asyncio.create_task(self._ended(call, "completed" if is_up else "canceled"))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response(before if self.is_pausing_updates else call.resource() | {"status": call.status})

    async def _ended(self, call: StoodCall, status: str) -> int:
        await self.move(call, status, is_reported=self.reports_updates, duration_s=1 if status == "completed" else 0)
        return 0

    def _is_ours(self, request: web.Request) -> bool:
        token = base64.b64encode(f"{ACCOUNT_SID}:{self.auth_token}".encode()).decode()
        return request.headers.get("Authorization") == f"Basic {token}"


def _refusal(
    status: int, code: int | None, message: str, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    body = {"status": status, "message": message} | ({} if code is None else {"code": code})
    return web.json_response(body, status=status, headers=headers)
