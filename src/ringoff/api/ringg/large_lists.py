"""Large lists: upload, status and cost of a list that is verified after the answer, and its start."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from starlette.datastructures import UploadFile

from ringoff.api.bodies import convert, parse_json
from ringoff.api.errors import ErrorShape
from ringoff.api.ringg.campaigns import JsonText, VariablesMap
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.call_config import CallConfig, parse_call_config
from ringoff.domain.errors import ContradictoryInput, InvalidInput
from ringoff.domain.identifiers import AgentId, CampaignId
from ringoff.domain.list_upload import UploadRow, UploadState
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.domain.workspace import Principal
from ringoff.operations import campaigns, large_lists
from ringoff.operations.campaigns import StartTerms
from ringoff.operations.large_lists import LargeListForm, ReadableFile

ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "large lists")


class UploadForm(msgspec.Struct, forbid_unknown_fields=True):
    agent_id: UUID
    campaign_name: str
    country_code: str
    variables_map: JsonText
    call_config: JsonText | None = None
    campaign_start_time: str | None = None
    campaign_end_time: str | None = None


class AcceptedListAnswer(msgspec.Struct, kw_only=True):
    bulk_list_id: str
    status: str = "verifying"
    campaign_name: str
    total_callees: int = 0
    invalidated_rows_count: int = 0
    invalidated_rows_csv_url: str | None = None
    message: str = "CSV upload accepted for processing"


class InvalidatedRow(msgspec.Struct):
    """Why a row is not called. ``line`` counts from 1 and includes the header."""

    line: int
    column: str | None
    rule: str
    value: str | None


class ListStatusAnswer(msgspec.Struct, kw_only=True):
    bulk_list_id: str
    status: str
    """verifying, then failed, or draft and whatever becomes of the campaign."""
    campaign_name: str
    total_callees: int
    """Registered calls; 0 until all of them are."""
    invalidated_rows_count: int
    invalidated_rows_csv_url: str | None = None
    verified_rows_count: int
    valid_rows_count: int
    percent: int
    invalidated_rows: list[InvalidatedRow]
    """The first of them, when the verification is over."""
    failure: str | None
    """Why the list as a whole has failed."""


class BalanceAnswer(msgspec.Struct, kw_only=True):
    """In both documented shapes: they share the id, and no key means two things."""

    bulk_list_id: str
    status: str
    message: str = "Ringoff bills nothing: no credits are needed, and none are kept. Calls are billed by your carrier."
    required_credits: int = 0
    available_credits: int = 0
    sufficient_balance: bool = True


class StartLargeListRequest(msgspec.Struct, forbid_unknown_fields=True):
    bulk_list_id: UUID
    agent_id: UUID
    from_numbers: list[str] | None = None
    number_pool_id: str | None = None
    country_code: str | None = None
    campaign_start_time: str | None = None
    campaign_end_time: str | None = None
    call_config: dict[str, Any] | None = None
    concurrency_percentage: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0
    email_completion_user_ids: list[str] | None = None


class StartedLargeListAnswer(msgspec.Struct, kw_only=True):
    message: str = "Campaign calls scheduled"
    bulk_list_id: str
    status: str = "scheduled"


@ROUTES.add("POST", "/campaign/upload-csv")
async def upload_large_list(
    services: Services, principal: Principal, form: UploadForm, file: UploadFile
) -> AcceptedListAnswer:
    """Keep a CSV of contacts; it is verified, and its calls are registered, after the answer."""
    given = {"variables_map": parse_json(form.variables_map, "variables_map")}
    config = CallConfig()
    if form.call_config is not None:
        config = parse_call_config(parse_json(form.call_config, "call_config"), "call_config")
    campaign_id = await large_lists.upload(
        services.store,
        principal,
        LargeListForm(
            agent_id=AgentId(form.agent_id),
            name=form.campaign_name,
            country_code=form.country_code,
            variables_map=convert(given, VariablesMap, strict=True).variables_map,
            call_config=config,
            start_time=form.campaign_start_time,
            end_time=form.campaign_end_time,
        ),
        ReadableFile(file.file),
        services.clock.now(),
    )
    return AcceptedListAnswer(bulk_list_id=str(campaign_id), campaign_name=form.campaign_name)


@ROUTES.add("GET", "/campaign/upload-status/{bulk_list_id}", errors=(404,))
async def read_large_list(services: Services, principal: Principal, bulk_list_id: UUID) -> ListStatusAnswer:
    """How far the verification of a list is, or how it ended."""
    return _shown(await large_lists.uploaded(services.store, principal, CampaignId(bulk_list_id)))


@ROUTES.add("POST", "/campaign/check-balance/{bulk_list_id}", errors=(404,))
async def check_balance(services: Services, principal: Principal, bulk_list_id: UUID) -> BalanceAnswer:
    """What a list would cost: nothing here."""
    upload = await large_lists.uploaded(services.store, principal, CampaignId(bulk_list_id))
    return BalanceAnswer(bulk_list_id=str(upload.campaign_id), status=upload.campaign_status)


@ROUTES.add("POST", "/campaign/make-call-async", errors=(404, 422))
async def start_large_list(
    services: Services, principal: Principal, body: StartLargeListRequest
) -> StartedLargeListAnswer:
    """Start a verified list; what is said here of times and calls replaces what the upload said."""
    if bool(body.from_numbers) == bool(body.number_pool_id):
        raise ContradictoryInput("Provide exactly one of: from_numbers, number_pool_id", field="from_numbers")
    if body.email_completion_user_ids:
        raise InvalidInput("email_completion_user_ids is not supported yet", field="email_completion_user_ids")
    if body.country_code is not None:
        NumberNormalizer(body.country_code)  # Refuses one that is none; numbers were read with that of the upload.
    await campaigns.start(
        services.store,
        principal,
        AgentId(body.agent_id),
        CampaignId(body.bulk_list_id),
        body.from_numbers or None,
        number_pool_id=body.number_pool_id or None,
        now=services.clock.now(),
        terms=StartTerms(
            None if body.call_config is None else parse_call_config(body.call_config, "call_config"),
            body.campaign_start_time,
            body.campaign_end_time,
        ),
        # 0 is the documented default: what the campaign has stays, all of the trunk unless somebody said less.
        concurrency_percentage=body.concurrency_percentage or None,
    )
    return StartedLargeListAnswer(bulk_list_id=str(body.bulk_list_id))


def _shown(upload: UploadRow) -> ListStatusAnswer:
    is_over = upload.state is not UploadState.VERIFYING
    return ListStatusAnswer(
        bulk_list_id=str(upload.campaign_id),
        status=upload.campaign_status,
        campaign_name=upload.campaign_name,
        total_callees=upload.progress.registered_count if is_over else 0,
        invalidated_rows_count=upload.progress.invalid_count,
        verified_rows_count=upload.progress.rows_read,
        valid_rows_count=upload.valid_count,
        percent=upload.percent,
        invalidated_rows=[convert(fault, InvalidatedRow, strict=True) for fault in upload.faults],
        failure=upload.failure,
    )
