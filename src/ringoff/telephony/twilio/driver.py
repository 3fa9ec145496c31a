"""The driver of Twilio and of carriers that copy its REST API: asks for calls, hears of them, and ends them.

Twilio rings after it has taken the request, so the answer to a create (201) is not the end of it: reports come to our
HTTP server and reach ``take_callback``. They may be late, doubled, out of order or lost; what is not reported for
``poll_s`` is asked for. A create is written once, and ``originate`` returns when it is written: what is answered is
an event like any other. When nothing is answered nor reported, the attempt ends INDETERMINATE, and whatever rings for
it is ended as soon as it is known: by the late answer, by a report, or by a listing.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import structlog

from ringoff.domain.attempt_records import ExpiredAttempt, OriginateRefused, OriginateRequest, OriginateTooLate
from ringoff.domain.carrier import CarrierCallback, TrunkReport, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.events import CarrierEvent, Released
from ringoff.domain.identifiers import AttemptId
from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause
from ringoff.ports import Clock
from ringoff.telephony.twilio.call_book import CallBook, is_sid
from ringoff.telephony.twilio.call_ender import LOST_LOOKS_S, CallEnder
from ringoff.telephony.twilio.call_status import LEG_FAILED, STAGE_BY_STATUS, Stage, whole_number
from ringoff.telephony.twilio.config import TwilioTrunk
from ringoff.telephony.twilio.create_form import create_form
from ringoff.telephony.twilio.refusals import is_certain, refusal
from ringoff.telephony.twilio.report_queue import ReportQueue
from ringoff.telephony.twilio.rest import NotReached, Reply, SendPermit, TwilioRest
from ringoff.telephony.twilio.trunk_watch import TrunkWatch
from ringoff.telephony.twilio.twilio_call import StatusReport, TwilioCall

log = structlog.get_logger()

REQUESTS_MAX: Final = 4
"""Requests at a time that nobody waits for: polls, looks at trunks, looks for lost calls. Ends are not among them."""
TICK_S: Final = 1.0
STOP_S: Final = 2.0
END_AGAIN_S: Final = 6.0
"""Longer than one request may take."""
_NotSent = OriginateRefused | OriginateTooLate


class TwilioDriver:
    """Implements ``driver_port.CallDriver``.

    ``write_timeout_s``: how long ``originate`` waits for a connection to write on; keep it below the engine's
    ``originate_timeout_ms``.
    """

    def __init__(self, clock: Clock, *, write_timeout_s: float = 0.9) -> None:
        self._clock = clock
        self._write_timeout_s = write_timeout_s
        self._reports = ReportQueue()
        self._book = CallBook(clock, self._reports)
        self._watch = TrunkWatch(clock, self._reports)
        self._requests = asyncio.Semaphore(REQUESTS_MAX)
        self._rest: TwilioRest | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._ends: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        if self._running is not None:
            return
        self._reports.open()
        self._rest = TwilioRest(self._clock)
        is_open = asyncio.Event()
        self._running = asyncio.create_task(self._run(self._rest, is_open), name="twilio")
        await is_open.wait()

    async def stop(self) -> None:
        """Ends of calls that are under way get ``STOP_S``, other requests are cut off. Calls that are up stay up: their
        leases decide."""
        if self._ends:
            await asyncio.wait(self._ends, timeout=STOP_S)
        running, self._running, self._tasks = self._running, None, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if self._rest is not None:
            await self._rest.close()
            self._rest = None
        self._book.clear()
        self._reports.close()

    async def use_trunks(self, trunks: Sequence[TrunkSpec]) -> None:
        self._watch.use(trunks)
        current = {(trunk.workspace_id, trunk.trunk_id): trunk for trunk in self._watch.all()}
        for call in self._book:
            # A call is asked for and ended with the token that is good now.
            call.trunk = current.get((call.trunk.workspace_id, call.trunk.trunk_id), call.trunk)
        if self._tasks is not None:
            self._look_at_due_trunks()

    async def originate(self, request: OriginateRequest) -> str:
        if self._tasks is None:
            raise _refused(Disposition.NETWORK_FAILURE, "the driver is not started")
        try:
            trunk = TwilioTrunk.of(request.trunk)
        except InvalidInput as error:
            raise _refused(Disposition.TRUNK_REFUSED, error.message) from None
        form = create_form(trunk, request)
        now_s = self._clock.monotonic()
        call = TwilioCall(
            request.attempt_id, trunk, request.called_number, request.calling_number, self._clock.now(), now_s, now_s
        )
        permit = SendPermit(request.send_until)
        self._book.add(call)
        # A task of its own: what the carrier answers is told by events, and nobody waits for it.
        creating = self._tasks.create_task(self._create(call, form, permit))
        creating.add_done_callback(lambda _: permit.decided.set())
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await permit.decided.wait()
        except TimeoutError:
            if not permit.has_left:
                self._abandon(call, permit)
        except asyncio.CancelledError:
            self._abandon(call, permit)
            raise
        if permit.has_left:
            return call.sid or str(call.attempt_id)
        raise (creating.result() if creating.done() and not creating.cancelled() else None) or OriginateTooLate

    async def resume(self, attempt_id: AttemptId, send_until: float) -> None:
        """Nothing here ever asks for a second permit: the carrier tries its own gateways."""

    async def release(self, attempt_id: AttemptId) -> None:
        """Returns when the end of the call is under way; it is asked for until the carrier says that it is over."""
        call = self._book.of(attempt_id)
        if call is not None:
            self._doom(call)

    async def adopt(self, stranded: Sequence[ExpiredAttempt]) -> None:
        """By the id that was written down; without one the call is looked for, like one whose create was not answered.

        Their attempts are closed: nothing is told of them any more, and whatever rings is ended.
        """
        for attempt in stranded:
            try:
                self._book.adopt(attempt)
            except InvalidInput as error:
                log.error("a stranded call cannot be asked for", reason=error.message)

    async def live(self) -> frozenset[AttemptId]:
        """What the carrier lists as queued, ringing or up, of the calls that this process knows.

        A create that is not answered yet counts, and a trunk that cannot be asked counts with all of its calls.
        """
        live = {call.attempt_id for call in self._book if call.sid is None and not call.is_lost}
        for trunk in {call.trunk for call in self._book}:
            ours = {call.sid: call.attempt_id for call in self._book if call.trunk == trunk}
            try:
                listed = await self._listed(trunk)
            except NotReached as error:
                log.warning("live calls could not be listed", trunk_id=str(trunk.trunk_id), reason=str(error))
                live |= set(ours.values())
            else:
                live |= {ours[sid] for sid in listed & ours.keys()}
        return frozenset(live)

    async def take_callback(self, callback: CarrierCallback) -> None:
        fields = callback.fields
        sid = fields.get("CallSid", "")
        if not is_sid(sid):
            return
        call = self._book.of(callback.attempt_id)
        if call is not None and call.sid in (None, sid):
            self._book.learn_sid(call, sid)
            self._note(call, fields)
        elif not self._book.is_finished(sid):
            self._end_stray(callback.attempt_id, sid, fields)

    async def events(self, count_max: int) -> Sequence[CarrierEvent | TrunkReport]:
        return await self._reports.take(count_max)

    # Creating

    async def _create(self, call: TwilioCall, form: list[tuple[str, str]], permit: SendPermit) -> _NotSent | None:
        """One request, written once. Returns why it was not written; what came of it afterwards is told by events."""
        assert self._rest is not None
        try:
            reply = await self._rest.create(call.trunk, form, permit)
        except NotReached as error:
            return self._unanswered(call, permit, str(error))
        except Exception as error:
            log.exception("a create failed in a way that it should not", attempt_id=str(call.attempt_id))
            return self._unanswered(call, permit, type(error).__name__)
        sid = reply.text("sid")
        if reply.is_good and is_sid(sid):
            self._created(call, sid, reply)
        elif not reply.is_good and is_certain(reply.http_status, reply.code):
            self._refused(call, refusal(reply.http_status, reply.code, reply.text("message")))
        else:
            self._write_off(call, f"the carrier's answer says nothing: HTTP {reply.http_status}")
        return None

    def _created(self, call: TwilioCall, sid: str, reply: Reply) -> None:
        if call.sid is None:
            self._book.learn_sid(call, sid)
        elif call.sid != sid:
            log.error("a report named another call than the create", attempt_id=str(call.attempt_id), call_sid=sid)
            if (stray := self._book.add_stray(call.attempt_id, call.trunk, sid)) is not None:
                self._doom(stray)
            return
        if not call.is_over:
            self._book.note_reply(call, reply)
        if call.is_lost:
            log.warning("a create was answered too late; its call is ended", attempt_id=str(call.attempt_id))
        if call.is_doomed or call.is_lost:
            self._doom(call)

    def _refused(self, call: TwilioCall, outcome: Outcome) -> None:
        if outcome.disposition is Disposition.TRUNK_REFUSED:
            self._watch.refused(call.trunk, outcome.cause.text)
        self._book.forget(call)
        if not call.is_lost:
            self._over(call, outcome)

    def _unanswered(self, call: TwilioCall, permit: SendPermit, reason: str) -> _NotSent | None:
        if permit.has_left:
            self._write_off(call, reason)
            return None
        self._book.forget(call)
        if permit.was_refused:
            # The next one finds a warm connection.
            self._start(self._look_at_trunk(call.trunk))
            return OriginateTooLate()
        # Nothing rang, and nothing is wrong with the number: put back, and slow down.
        return _refused(Disposition.CONGESTION, f"the carrier cannot be reached: {reason}")

    def _write_off(self, call: TwilioCall, reason: str) -> None:
        """Nobody will say what became of the request, unless a report has named its call already."""
        if call.sid is not None or call.is_lost:
            return
        self._lose(call)
        self._over(call, Outcome(Disposition.INDETERMINATE, ReleaseCause(text=reason)))

    def _over(self, call: TwilioCall, outcome: Outcome) -> None:
        """An end that the carrier has no report for."""
        self._reports.put(
            Released(
                call.attempt_id,
                self._clock.now(),
                outcome.cause,
                was_answered=False,
                disposition=outcome.disposition,
            )
        )

    def _abandon(self, call: TwilioCall, permit: SendPermit) -> None:
        """Nobody waits for the create any more. What has not left will not leave."""
        permit.is_withdrawn = True
        if permit.has_left:
            self._lose(call)
            if call.sid is not None:
                self._doom(call)
        else:
            self._book.forget(call)

    def _lose(self, call: TwilioCall) -> None:
        if not call.is_lost:
            call.is_lost = True
            log.warning("the fate of a create is unknown; its call will be ended", attempt_id=str(call.attempt_id))

    # Hearing and ending

    def _note(self, call: TwilioCall, fields: Mapping[str, str]) -> None:
        """One report of a call that we know."""
        call.note_answered_by(fields.get("AnsweredBy", ""))
        status = fields.get("CallStatus", "")
        # The way to the agent: https://www.twilio.com/docs/voice/twiml/stream#statuscallback and .../twiml/dial#action.
        has_stream_failed = fields.get("StreamEvent", "") == "stream-error"
        has_leg_failed = status == "in-progress" and fields.get("DialCallStatus", "") in LEG_FAILED
        if has_stream_failed:
            status = "in-progress"  # only an answered call has a stream
        report = StatusReport(
            status,
            whole_number(fields.get("SequenceNumber", "")),
            fields.get("SipResponseCode", ""),
            fields.get("CallDuration", ""),
        )
        self._book.note(call, report)
        if (has_stream_failed or has_leg_failed) and not call.is_over:
            log.warning("the agent could not be reached", attempt_id=str(call.attempt_id))
            call.agent_failed = True
            self._doom(call)
        elif call.is_lost and not call.is_doomed:
            self._doom(call)

    def _end_stray(self, attempt_id: AttemptId, sid: str, fields: Mapping[str, str]) -> None:
        """A call rings for an attempt that is over, or a second one for the same attempt: nobody may talk to nobody."""
        if STAGE_BY_STATUS.get(fields.get("CallStatus", "")) in (None, Stage.OVER):
            return
        trunk = self._watch.of_account(fields.get("AccountSid", ""))
        if trunk is None:
            log.error("a stray call cannot be ended: no trunk has its account", call_sid=sid)
            return
        stray = self._book.add_stray(attempt_id, trunk, sid)
        if stray is not None:
            log.warning("a call of an attempt that is over is ended", attempt_id=str(attempt_id), call_sid=sid)
            self._doom(stray)

    def _doom(self, call: TwilioCall) -> None:
        """End it, now if we know its id, else as soon as we do."""
        call.is_doomed = True
        if call.sid is not None and not call.is_over:
            call.heard_s = self._clock.monotonic()
            ending = self._start(self._end(call))
            if ending is not None:
                self._ends.add(ending)
                ending.add_done_callback(self._ends.discard)

    async def _end(self, call: TwilioCall) -> None:
        """Not behind the polls: somebody's telephone rings."""
        if self._rest is not None and not await CallEnder(self._rest, self._book).end(call):
            # At the next tick again: the engine waits a few seconds before it writes the call down unconfirmed.
            call.heard_s = self._clock.monotonic() - END_AGAIN_S

    # What goes on by itself

    async def _run(self, rest: TwilioRest, is_open: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            is_open.set()
            while True:
                try:
                    self._tick(rest)
                except Exception:
                    log.exception("a round of looking after calls failed")
                await self._clock.sleep(TICK_S)

    def _tick(self, rest: TwilioRest) -> None:
        """Ask for what is silent, end again what was not ended, look for what is lost, look at the trunks.

        Nothing is waited for: a carrier that hangs must not keep the next round from ending calls.
        """
        ender = CallEnder(rest, self._book)
        now_s = self._clock.monotonic()
        self._look_at_due_trunks()
        for call in self._book:
            silent_s = now_s - call.heard_s
            if call.sid is None:
                if call.is_lost:
                    self._look_for(call, now_s, ender)
            elif call.is_doomed:
                if silent_s >= END_AGAIN_S:
                    self._doom(call)
            elif silent_s >= call.trunk.poll_s:
                call.heard_s = now_s
                self._start(self._bounded(ender.ask(call)))

    def _look_for(self, call: TwilioCall, now_s: float, ender: CallEnder) -> None:
        if call.looks >= len(LOST_LOOKS_S):
            log.error("no call was found for a create of unknown fate", attempt_id=str(call.attempt_id))
            self._book.forget(call)
        elif now_s - call.sent_s >= LOST_LOOKS_S[call.looks]:
            call.looks += 1
            self._start(self._bounded(ender.look_for(call)))

    def _look_at_due_trunks(self) -> None:
        for trunk in self._watch.due():
            self._start(self._look_at_trunk(trunk))

    async def _look_at_trunk(self, trunk: TwilioTrunk) -> None:
        if self._rest is not None:
            await self._bounded(self._watch.look(self._rest, trunk))

    async def _listed(self, trunk: TwilioTrunk) -> frozenset[str]:
        if self._rest is None:
            raise NotReached("the driver is not started")
        sids: set[str] = set()
        for status in ("queued", "ringing", "in-progress"):
            sids |= {str(call.get("sid")) for call in await self._rest.calls(trunk, {"Status": status})}
        return frozenset(sids)

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._requests:
            await work

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """In the group of the driver; one that fails ends no other."""
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(_survived(work))


async def _survived(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a request to the carrier failed in a way that it should not")


def _refused(disposition: Disposition, text: str) -> OriginateRefused:
    return OriginateRefused(Outcome(disposition, ReleaseCause(text=text)))
