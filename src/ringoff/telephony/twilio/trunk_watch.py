"""Whether each trunk's account answers: asked when trunks change, now and then, and told when it changes."""

from collections.abc import Sequence
from typing import Final

import structlog

from ringoff.domain.carrier import TrunkReport, TrunkSpec
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import TrunkId, WorkspaceId
from ringoff.ports import Clock
from ringoff.telephony.twilio.config import TwilioTrunk
from ringoff.telephony.twilio.report_queue import ReportQueue
from ringoff.telephony.twilio.rest import NotReached, TwilioRest

log = structlog.get_logger()

LOOK_S: Final = 30.0
_Key = tuple[WorkspaceId, TrunkId]


class TrunkWatch:
    """Also keeps a connection to each carrier warm."""

    def __init__(self, clock: Clock, reports: ReportQueue) -> None:
        self._clock = clock
        self._reports = reports
        self._trunks: dict[_Key, TwilioTrunk] = {}
        self._told: dict[_Key, tuple[bool, str]] = {}
        self._next_look_s = 0.0

    def use(self, specs: Sequence[TrunkSpec]) -> None:
        """These and no others; one that cannot be read is down."""
        trunks: dict[_Key, TwilioTrunk] = {}
        for spec in specs:
            try:
                trunks[spec.workspace_id, spec.trunk_id] = TwilioTrunk.of(spec)
            except InvalidInput as error:
                self._tell((spec.workspace_id, spec.trunk_id), is_up=False, text=error.message)
        if trunks != self._trunks:
            self._next_look_s = 0.0
        self._trunks = trunks
        kept = {(spec.workspace_id, spec.trunk_id) for spec in specs}
        self._told = {key: told for key, told in self._told.items() if key in kept}

    def of_account(self, account_sid: str) -> TwilioTrunk | None:
        """A trunk with this account: which one makes no difference to a call that is only to be ended."""
        return next((trunk for trunk in self._trunks.values() if trunk.account_sid == account_sid), None)

    def all(self) -> Sequence[TwilioTrunk]:
        return list(self._trunks.values())

    def due(self) -> Sequence[TwilioTrunk]:
        """The trunks, if it is time to look at them."""
        now_s = self._clock.monotonic()
        if now_s < self._next_look_s:
            return []
        self._next_look_s = now_s + LOOK_S
        return self.all()

    def refused(self, trunk: TwilioTrunk, text: str) -> None:
        """A create was refused for the account's sake."""
        self._tell((trunk.workspace_id, trunk.trunk_id), is_up=False, text=text)

    async def look(self, rest: TwilioRest, trunk: TwilioTrunk) -> None:
        try:
            reply = await rest.account(trunk)
        except NotReached as error:
            is_up, text = False, str(error)
        else:
            is_up = reply.is_good
            text = "" if is_up else f"HTTP {reply.http_status} {reply.text('message')}".strip()
        key = (trunk.workspace_id, trunk.trunk_id)
        if self._trunks.get(key) == trunk:
            self._tell(key, is_up=is_up, text=text)

    def _tell(self, key: _Key, *, is_up: bool, text: str) -> None:
        if self._told.get(key) != (is_up, text):
            self._told[key] = (is_up, text)
            self._reports.put(TrunkReport(*key, is_up, text))
