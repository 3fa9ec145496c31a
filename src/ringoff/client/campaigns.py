"""Campaigns: upload, start, list, and the order that ends what waits."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from ringoff.client.answers import ListedCampaign, SavedCampaign, StartedCampaign, Terminated
from ringoff.client.exchange import (
    COMPATIBLE,
    REPLAYED_HEADER,
    TERMINATION_ID_HEADER,
    Page,
    Repeat,
    Reply,
    Request,
    body_as,
    given,
    require_progress,
)
from ringoff.client.methods import C, Group, Method, Walk
from ringoff.client.tolerance import read_as
from ringoff.client.transfers import Progress, Source, Upload

Alias = Literal["agent", "calls", "campaign", "campaign-numbers", "numbers"]
Texts = list[str]
Campaigns = list[ListedCampaign]

PAGE_SIZE: Final = 100


class CampaignMethods(Group[C]):
    """``client.campaigns``."""

    @Method
    def save(
        self,
        file: Source,
        *,
        agent_id: str,
        campaign_name: str,
        country_code: str,
        variables_map: Mapping[str, str],
        call_config: Mapping[str, Any],
        campaign_start_time: datetime | str,
        campaign_end_time: datetime | str,
        remove_invalid_rows: bool | None = None,
        transliterate_callee_name: bool | None = None,
        file_name: str | None = None,
        progress: Progress | None = None,
    ) -> Request[SavedCampaign]:
        """Upload a CSV of contacts, from a path or an open file, read while it is sent.

        Times are ``DD/MM/YYYY, HH:MM`` in the time zone of ``call_config.call_time``; a datetime is written so, as its
        clock shows it. ``progress`` is told the bytes of the file that are sent, and their total. Sent again only when
        it certainly never left: there could be two campaigns.
        """
        fields = {
            **list_fields(agent_id, campaign_name, country_code, variables_map, call_config),
            "campaign_start_time": campaign_time(campaign_start_time),
            "campaign_end_time": campaign_time(campaign_end_time),
            **_flags(
                remove_invalid_rows=remove_invalid_rows,
                transliterate_callee_name=transliterate_callee_name,
            ),
        }
        upload = Upload.of(fields, file, file_name, progress)
        return Request("POST", f"{COMPATIBLE}/campaign/save", _saved, upload=upload)

    @Method
    def start(
        self, *, agent_id: str, list_id: str, from_numbers: Texts, callback_url: str | None = None
    ) -> Request[StartedCampaign]:
        """Begin to dial; ``from_numbers`` are numbers or their ids. Sent again only when it certainly never left.

        The end of each try of the campaign's calls is told to ``callback_url``.
        """
        body = given(agent_id=agent_id, list_id=list_id, from_numbers=from_numbers, callback_url=callback_url)
        return Request("POST", f"{COMPATIBLE}/campaign/start", body_as(StartedCampaign), json=body)

    @Method
    def start_v2(
        self,
        *,
        agent_id: str,
        list_id: str,
        from_numbers: Texts | None = None,
        number_pool_id: str | None = None,
        email_completion_user_ids: Texts | None = None,
        callback_url: str | None = None,
    ) -> Request[StartedCampaign]:
        """The second version of ``start``."""
        body = given(
            agent_id=agent_id,
            list_id=list_id,
            from_numbers=from_numbers,
            number_pool_id=number_pool_id,
            email_completion_user_ids=email_completion_user_ids,
            callback_url=callback_url,
        )
        return Request("POST", f"{COMPATIBLE}/campaign/v2/start", body_as(StartedCampaign), json=body)

    @Walk
    def list(
        self, *, call_count: bool | None = None, page_size: int = PAGE_SIZE, rows_max: int | None = None
    ) -> Request[Page[ListedCampaign]]:
        """Campaigns, newest first, fetched while they are asked for; with ``call_count`` the counts are there."""
        return _campaigns_from(call_count, 0, page_size, rows_max, frozenset())


def list_fields(
    agent_id: str,
    campaign_name: str,
    country_code: str,
    variables_map: Mapping[str, str],
    call_config: Mapping[str, Any],
) -> dict[str, str]:
    """What every upload says beside its times."""
    return {
        "agent_id": agent_id,
        "campaign_name": campaign_name,
        "country_code": country_code,
        "variables_map": json.dumps(variables_map),
        "call_config": json.dumps(call_config),
    }


def termination(
    selector: Mapping[str, Any],
    *,
    alias: Alias | None,
    terminate_all_calls: bool | None,
    idempotency_key: str | None,
) -> Request[Terminated]:
    """The order. An empty list is sent as it is, so that the server refuses it: it must not widen the order."""
    return Request(
        "PATCH",
        f"{COMPATIBLE}/campaign/terminate" + (f"/{alias}" if alias else ""),
        _terminated,
        {"terminate_all_calls": terminate_all_calls},
        json=selector,
        idempotency_key=idempotency_key or new_key(),
        # Even without the key it would only end what the first one has ended.
        repeat=Repeat.FREELY,
    )


def new_key() -> str:
    """A name for an order that nobody else has given."""
    return secrets.token_urlsafe(16)


def _saved(reply: Reply) -> SavedCampaign:
    body = dict(reply.body)
    body.setdefault("list_id", body.get("bulk_list_id"))
    return read_as(body, SavedCampaign)


def _terminated(reply: Reply) -> Terminated:
    return Terminated(
        message=reply.body["message"],
        termination_id=reply.headers.get(TERMINATION_ID_HEADER),
        is_replayed=reply.headers.get(REPLAYED_HEADER) == "true",
    )


def _campaigns_from(
    call_count: bool | None, offset: int, limit: int, left: int | None, seen: frozenset[str]
) -> Request[Page[ListedCampaign]]:
    def read(reply: Reply) -> Page[ListedCampaign]:
        page = read_as(reply.body["campaigns"], Campaigns)
        fresh = [campaign for campaign in page if campaign.id not in seen]
        require_progress(page, fresh)
        rows = fresh if left is None else fresh[:left]
        still = None if left is None else left - len(rows)
        ids = frozenset(campaign.id for campaign in page)
        is_over = still == 0 or len(page) < limit
        after = offset + len(page)
        return Page(rows, None if is_over else _campaigns_from(call_count, after, limit, still, ids))

    query = {"call_count": call_count, "limit": limit, "offset": offset}
    return Request("GET", f"{COMPATIBLE}/campaign/all", read, query, repeat=Repeat.FREELY)


def campaign_time(at: datetime | str) -> str:
    return at if isinstance(at, str) else f"{at:%d/%m/%Y, %H:%M}"


def _flags(**values: bool | None) -> dict[str, str]:
    return {name: str(value).lower() for name, value in values.items() if value is not None}
