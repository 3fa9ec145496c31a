"""What it means when Twilio's REST API refuses to create a call; the table is in ``domain/release_cause``."""

from ringoff.domain.release_cause import Outcome, ReleaseCause, classify_api_refusal


def is_certain(http_status: int, code: int | None) -> bool:
    """Whether an answer to a create says that surely nothing rings.

    A server error may come after the call was taken, or from a proxy that does not know. Only a 503 with an error code
    of the API's own is its refusal.
    """
    return (300 <= http_status < 500 and http_status != 408) or (http_status == 503 and code is not None)


def refusal(http_status: int, code: int | None, message: str) -> Outcome:
    """The outcome of an attempt whose create request was refused with this. It has no SIP status: nothing left."""
    disposition = classify_api_refusal(http_status, code)
    named = f"HTTP {http_status}" if code is None else f"HTTP {http_status}, error {code}"
    return Outcome(disposition, ReleaseCause(text=f"{named}: {message}"))
