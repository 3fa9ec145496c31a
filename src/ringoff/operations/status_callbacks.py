"""The callback that comes with a request: where to tell of that call, or of that campaign's calls, until they end."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import WorkspaceId
from ringoff.domain.webhook_records import StatusCallback
from ringoff.domain.webhook_url import check_url
from ringoff.operations.subscriptions import check_headers, new_signing_secret
from ringoff.ports import Transaction

PARAMETERS_MAX: Final = 32
ORIGINS_MAX: Final = 100
"""Different hosts of one workspace: each has slots of its own."""

Parameter = str | int | float | bool


def read_callback(
    callback_url: str | None,
    headers: Mapping[str, str],
    parameters: Mapping[str, Parameter],
    *,
    allow_private: bool,
) -> StatusCallback | None:
    """None without a URL. Parameters become a part of the query; raises ``InvalidInput`` with the field."""
    if not callback_url:
        if headers or parameters:
            raise InvalidInput("callback_args needs callback_url", field="callback_args")
        return None
    check_url(callback_url, allow_private=allow_private)
    check_headers(headers, "callback_args.headers")
    if len(parameters) > PARAMETERS_MAX:
        raise InvalidInput(f"callback_args.params must be at most {PARAMETERS_MAX}", field="callback_args.params")
    parts = urlsplit(callback_url)
    added = urlencode({name: _text(value) for name, value in parameters.items()})
    query = "&".join(part for part in (parts.query, added) if part)
    whole = check_url(urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")), allow_private=allow_private)
    return StatusCallback(f"{parts.scheme}://{parts.netloc.lower()}", whole, headers)


async def keep_callback(tx: Transaction, workspace_id: WorkspaceId, subject_id: UUID, callback: StatusCallback) -> None:
    """Of a call or a campaign; the newest counts. ``InvalidInput`` when it names one host too many."""
    if not await tx.webhooks.keep_callback(
        workspace_id, subject_id, callback, signing_secret=new_signing_secret(), origins_max=ORIGINS_MAX
    ):
        raise InvalidInput(
            f"callback_url names a new host, and {ORIGINS_MAX} are known already: PUT /api/v1/webhooks needs one",
            field="callback_url",
        )


def _text(value: Parameter) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
