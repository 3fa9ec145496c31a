"""What it means when Twilio's REST API refuses to create a call: one table, by error code, then by HTTP status.

Source: https://www.twilio.com/docs/api/errors.
"""

from collections.abc import Mapping
from typing import Final

from ringoff.domain.release_cause import Disposition, Outcome, ReleaseCause

BY_CODE: Final[Mapping[int, Disposition]] = {
    10001: Disposition.TRUNK_REFUSED,  # account is not active
    10004: Disposition.CONGESTION,  # call concurrency limit exceeded
    20003: Disposition.TRUNK_REFUSED,  # authentication
    20005: Disposition.TRUNK_REFUSED,  # account not active
    20006: Disposition.TRUNK_REFUSED,  # access denied
    20008: Disposition.TRUNK_REFUSED,  # test credentials cannot do this
    20429: Disposition.CONGESTION,  # too many requests
    # The number is not one that can be rung.
    21211: Disposition.INVALID_NUMBER,  # invalid 'To' number
    21214: Disposition.INVALID_NUMBER,  # 'To' number cannot be reached
    21217: Disposition.INVALID_NUMBER,  # number does not appear to be valid
    # The account may not ring this number, and the trunk works on: the country is off, it is blocked, or not verified
    # on a trial account. Nothing changes by trying again.
    21215: Disposition.REJECTED,
    21216: Disposition.REJECTED,
    21219: Disposition.REJECTED,
    # The calling number is not this account's: the same for every call of the campaign. Calls are put back and the
    # trunk is stopped with an alarm, which beats a campaign that fails as a whole.
    21210: Disposition.TRUNK_REFUSED,
    21212: Disposition.TRUNK_REFUSED,
}
_BY_HTTP_STATUS: Final[Mapping[int, Disposition]] = {
    401: Disposition.TRUNK_REFUSED,
    403: Disposition.TRUNK_REFUSED,
    404: Disposition.TRUNK_REFUSED,  # no such account at this address
    429: Disposition.CONGESTION,
    503: Disposition.CONGESTION,
}


def is_certain(http_status: int, code: int | None) -> bool:
    """Whether an answer to a create says that surely nothing rings.

    A server error may come after the call was taken, or from a proxy that does not know. Only a 503 with an error code
    of the API's own is its refusal.
    """
    return (300 <= http_status < 500 and http_status != 408) or (http_status == 503 and code is not None)


def refusal(http_status: int, code: int | None, message: str) -> Outcome:
    """The outcome of an attempt whose create request was refused with this. It has no SIP status: nothing left."""
    disposition = BY_CODE.get(code) if code is not None else None
    if disposition is None:
        disposition = _BY_HTTP_STATUS.get(http_status, Disposition.NETWORK_FAILURE)
    named = f"HTTP {http_status}" if code is None else f"HTTP {http_status}, error {code}"
    return Outcome(disposition, ReleaseCause(text=f"{named}: {message}"))
