"""``POST /campaign/save``, ``POST /campaign/start`` and its second version, ``GET /campaign/all``."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from starlette.datastructures import UploadFile

from ringoff.api.bodies import convert, parse_json
from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageOffset, PageSize, instant, instant_or_none
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.call_config import parse_call_config
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AgentId, CampaignId
from ringoff.domain.records import CampaignCounts, CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.operations import campaigns
from ringoff.operations.campaigns import CampaignForm
from ringoff.operations.status_callbacks import read_callback

ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "campaigns")

JsonText = Annotated[str, msgspec.Meta(extra_json_schema={"contentMediaType": "application/json"})]


class SaveForm(msgspec.Struct, forbid_unknown_fields=True):
    agent_id: UUID
    campaign_name: str
    country_code: str
    variables_map: JsonText
    call_config: JsonText
    campaign_start_time: str
    campaign_end_time: str
    remove_invalid_rows: bool = False
    transliterate_callee_name: bool = False


class VariablesMap(msgspec.Struct):
    """Agent variable -> column of the CSV."""

    variables_map: dict[str, str]


class SavedCampaignAnswer(msgspec.Struct, kw_only=True):
    message: str = "Contacts imported successfully!"
    list_id: str
    custom_args_values: list[dict[str, Any]]
    """The first rows, as the agent will know them."""
    total_rows: int
    successful_rows: int
    failed_rows: int


class StartRequest(msgspec.Struct, forbid_unknown_fields=True):
    agent_id: UUID
    list_id: UUID
    from_numbers: list[str] | None = None
    callback_url: str | None = None


class StartRequestV2(msgspec.Struct, forbid_unknown_fields=True):
    agent_id: UUID
    list_id: UUID
    from_numbers: list[str] | None = None
    number_pool_id: str | None = None
    email_completion_user_ids: list[str] | None = None
    callback_url: str | None = None


class StartedCampaignAnswer(msgspec.Struct, kw_only=True):
    status: str = "campaign registered successfully!"
    has_ongoing_calls: bool


class CampaignPage(msgspec.Struct, forbid_unknown_fields=True):
    call_count: bool = False
    limit: PageSize = 10
    offset: PageOffset = 0


class ListedCampaign(msgspec.Struct):
    id: str
    name: str
    campaign_status: str
    created_at: Instant
    updated_at: Instant
    campaign_start_time: Instant | None
    campaign_end_time: Instant | None
    total_count: int | msgspec.UnsetType = msgspec.UNSET
    registered_count: int | msgspec.UnsetType = msgspec.UNSET
    completed_count: int | msgspec.UnsetType = msgspec.UNSET


class Pagination(msgspec.Struct):
    total: int
    limit: int
    offset: int


class CampaignListAnswer(msgspec.Struct):
    campaigns: list[ListedCampaign]
    pagination: Pagination


@ROUTES.add("POST", "/campaign/save")
async def save_campaign(
    services: Services, principal: Principal, form: SaveForm, file: UploadFile
) -> SavedCampaignAnswer:
    """Upload a CSV of contacts: a draft campaign with one registered call for each row."""
    if form.transliterate_callee_name:
        raise InvalidInput("transliterate_callee_name is not supported yet", field="transliterate_callee_name")
    return await save_list(
        services,
        principal,
        file,
        agent_id=form.agent_id,
        name=form.campaign_name,
        country_code=form.country_code,
        variables_map=form.variables_map,
        call_config=form.call_config,
        start_time=form.campaign_start_time,
        end_time=form.campaign_end_time,
        remove_invalid_rows=form.remove_invalid_rows,
    )


@ROUTES.add("POST", "/campaign/start", errors=(404,), deprecated=True)
async def start_campaign(services: Services, principal: Principal, body: StartRequest) -> StartedCampaignAnswer:
    """Start a saved campaign on calling numbers."""
    return await _start(services, principal, body)


@ROUTES.add("POST", "/campaign/v2/start", errors=(404,))
async def start_campaign_v2(services: Services, principal: Principal, body: StartRequestV2) -> StartedCampaignAnswer:
    """Start a saved campaign; the second version of the request."""
    if body.email_completion_user_ids:
        raise InvalidInput("email_completion_user_ids is not supported yet", field="email_completion_user_ids")
    return await _start(services, principal, body)


@ROUTES.add("GET", "/campaign/all")
async def list_campaigns(services: Services, principal: Principal, query: CampaignPage) -> CampaignListAnswer:
    """Campaigns, newest first; with call_count=true, how many of their calls still wait."""
    page, total = await campaigns.list_campaigns(
        services.store, principal, query.limit, query.offset, with_counts=query.call_count
    )
    return CampaignListAnswer(
        [_listed(campaign, counts) for campaign, counts in page],
        Pagination(total, query.limit, query.offset),
    )


async def save_list(
    services: Services,
    principal: Principal,
    file: UploadFile,
    *,
    agent_id: UUID,
    name: str,
    country_code: str,
    variables_map: str,
    call_config: str,
    start_time: str | None = None,
    end_time: str | None = None,
    remove_invalid_rows: bool = False,
) -> SavedCampaignAnswer:
    """What this route and its ancestor share: the map and the configuration are JSON texts."""
    given = {"variables_map": parse_json(variables_map, "variables_map")}
    saved = await campaigns.save(
        services.store,
        principal,
        CampaignForm(
            agent_id=AgentId(agent_id),
            name=name,
            country_code=country_code,
            variables_map=convert(given, VariablesMap, strict=True).variables_map,
            call_config=parse_call_config(parse_json(call_config, "call_config"), "call_config"),
            start_time=start_time,
            end_time=end_time,
            remove_invalid_rows=remove_invalid_rows,
        ),
        file.file,
        services.clock.now(),
    )
    return SavedCampaignAnswer(
        list_id=str(saved.campaign_id),
        custom_args_values=[dict(row) for row in saved.sample],
        total_rows=saved.total_count,
        successful_rows=saved.valid_count,
        failed_rows=saved.invalid_count,
    )


async def start_list(
    services: Services, principal: Principal, body: StartRequest | StartRequestV2
) -> campaigns.StartedCampaign:
    """What all routes that start a list share."""
    callback = read_callback(body.callback_url, {}, {}, allow_private=services.limits.webhook_allow_private)
    number_pool_id = body.number_pool_id if isinstance(body, StartRequestV2) else None
    if body.from_numbers is None and number_pool_id is None:
        raise InvalidInput("Missing required field: from_numbers", field="from_numbers")
    return await campaigns.start(
        services.store,
        principal,
        AgentId(body.agent_id),
        CampaignId(body.list_id),
        body.from_numbers,
        number_pool_id=number_pool_id,
        now=services.clock.now(),
        callback=callback,
    )


async def _start(
    services: Services, principal: Principal, body: StartRequest | StartRequestV2
) -> StartedCampaignAnswer:
    started = await start_list(services, principal, body)
    return StartedCampaignAnswer(has_ongoing_calls=started.has_ongoing_calls)


def _listed(campaign: CampaignRow, counts: CampaignCounts | None) -> ListedCampaign:
    listed = ListedCampaign(
        id=str(campaign.campaign_id),
        name=campaign.name,
        campaign_status=campaign.status,
        created_at=instant(campaign.created_at),
        updated_at=instant(campaign.updated_at),
        campaign_start_time=instant_or_none(campaign.start_at),
        campaign_end_time=instant_or_none(campaign.end_at),
    )
    if counts is not None:
        listed.total_count = campaign.total_count
        listed.registered_count = counts.registered
        listed.completed_count = counts.completed
    return listed
