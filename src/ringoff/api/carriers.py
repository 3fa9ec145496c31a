"""Where carriers report by HTTP: no API key, but a signature; stored here, and acted on where the attempt was dialled.

The address is outside every API family: its caller is a carrier, and what it gets back is for a carrier to read.
"""

from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ringoff.api.bodies import read_text_form
from ringoff.api.errors import RETRY_AFTER_S, STATUS_BY_ERROR
from ringoff.api.routing import PATH_TEMPLATE
from ringoff.api.services import Services
from ringoff.domain.errors import InvalidInput, NotFound, RingoffError
from ringoff.domain.identifiers import AttemptId, TrunkId
from ringoff.operations.callbacks import callback_trunk, keep_callback
from ringoff.telephony.twilio.config import CALLBACK_PATH, TwilioTrunk
from ringoff.telephony.twilio.signature import is_signed

PATH: Final = CALLBACK_PATH + "/{trunk_id:uuid}/{attempt_id:uuid}"
REPORT_BYTES_MAX: Final = 64 * 1024
REPORT_FIELDS_MAX: Final = 200
# A report of a call is answered by anything; a report of a second leg is answered by what to do next: nothing.
_NO_MORE_INSTRUCTIONS: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_log = structlog.get_logger("ringoff.api")


def carrier_routes(services: Services) -> list[Route]:
    """One for each carrier that reports by HTTP."""
    return [Route(PATH, _TwilioReports(services))]


class _TwilioReports:
    """Unknown trunk: 404. Not signed with its token: 403. No attempt of that trunk: 404. All without a word more."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PATH_TEMPLATE] = PATH
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        try:
            return await self._take(request)
        except RingoffError as error:
            status = STATUS_BY_ERROR.get(type(error), 500)
            if status >= 500:
                _log.error("report_failed", code=error.code, reason=error.message)
            return Response(status_code=status, headers={"Retry-After": RETRY_AFTER_S} if status == 503 else None)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # noqa: BLE001 - the last floor: the carrier gets an answer, the log gets the trace
            _log.exception("report_crashed")
            return Response(status_code=500)

    async def _take(self, request: Request) -> Response:
        trunk = await callback_trunk(self._services.store, TrunkId(request.path_params["trunk_id"]), "twilio")
        attempt_id = AttemptId(request.path_params["attempt_id"])
        pairs = await read_text_form(request, REPORT_BYTES_MAX, REPORT_FIELDS_MAX)
        try:
            account = TwilioTrunk.of(trunk)
        except InvalidInput:
            # What was stored is not what this driver reads: there is no token to verify with.
            raise NotFound("Not found") from None
        # The address comes from the trunk: what a proxy, or somebody, writes into the headers does not count.
        signature = request.headers.get("x-twilio-signature", "")
        if request.url.query or not is_signed(account.auth_token, account.callback_url(attempt_id), pairs, signature):
            _log.warning("a report was not signed by its trunk's account", trunk_id=str(trunk.trunk_id))
            return Response(status_code=403)
        fields = dict(pairs)
        await keep_callback(self._services.store, trunk, attempt_id, fields, fields.get("SequenceNumber", ""))
        return Response(_NO_MORE_INSTRUCTIONS, media_type="text/xml")
