"""Routes that the compatible API had once: older clients reach the operations of today by them."""

from typing import Any
from uuid import UUID

import msgspec
from starlette.datastructures import UploadFile

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, PageOffset, PageSize, instant
from ringoff.api.orders import TERMINATION_ID_HEADER
from ringoff.api.ringg.campaigns import JsonText, SavedCampaignAnswer, StartRequest, save_list, start_list
from ringoff.api.routing import Answer, AnswerHeader, RouteTable
from ringoff.api.services import Services
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.records import CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.operations import campaigns, contact_lists

WORKSPACE_ROUTES = RouteTable("/ca/api/v0", ErrorShape.CODED, "ancestors")
CALLING_ROUTES = RouteTable("/ca/api/v0", ErrorShape.DETAIL, "ancestors")

RUNNING_LISTS_MAX = 1_000
UNNAMED = "contacts.csv"


class ContactListForm(msgspec.Struct, forbid_unknown_fields=True):
    agent_id: UUID
    country_code: str
    variables_map: JsonText
    call_config: JsonText


class ListPage(msgspec.Struct, forbid_unknown_fields=True):
    limit: PageSize = 1000
    offset: PageOffset = 0


class ContactList(msgspec.Struct):
    list_id: str
    file_name: str
    """The campaign's name, which is the file's where the upload gave no other."""
    created_at: Instant
    status: str


class ContactListsAnswer(msgspec.Struct):
    contact_lists: list[ContactList]


class RunningList(ContactList):
    agent_id: str


class RunningListsAnswer(msgspec.Struct):
    bulk_calls: list[RunningList]


class DeletedListAnswer(msgspec.Struct):
    message: str = "Bulk list deleted successfully!"


class StartedBulkAnswer(msgspec.Struct, kw_only=True):
    campaign_id: str
    status: str = "campaign registered successfully!"
    has_ongoing_calls: bool


@WORKSPACE_ROUTES.add("GET", "/workspace/lists", deprecated=True)
async def list_contact_lists(services: Services, principal: Principal, query: ListPage) -> ContactListsAnswer:
    """Uploaded lists, newest first."""
    page, _ = await campaigns.list_campaigns(services.store, principal, query.limit, query.offset, with_counts=False)
    return ContactListsAnswer([ContactList(**_listed(campaign)) for campaign, _ in page])


@WORKSPACE_ROUTES.add("POST", "/calling/outbound/bulk", errors=(404,), deprecated=True)
async def call_bulk(services: Services, principal: Principal, body: StartRequest) -> StartedBulkAnswer:
    """Start an uploaded list on calling numbers."""
    started = await start_list(services, principal, body)
    return StartedBulkAnswer(campaign_id=str(started.campaign.campaign_id), has_ongoing_calls=started.has_ongoing_calls)


@CALLING_ROUTES.add("POST", "/calling/contact/list", deprecated=True)
async def upload_contact_list(
    services: Services, principal: Principal, form: ContactListForm, file: UploadFile
) -> SavedCampaignAnswer:
    """Upload a CSV of contacts, named like the file, without a start or an end of its own."""
    return await save_list(
        services,
        principal,
        file,
        agent_id=form.agent_id,
        name=(file.filename or UNNAMED)[: campaigns.NAME_LENGTH_MAX],
        country_code=form.country_code,
        variables_map=form.variables_map,
        call_config=form.call_config,
    )


@CALLING_ROUTES.add(
    "DELETE",
    "/calling/contact/{list_id}",
    errors=(404,),
    deprecated=True,
    answer_headers={
        TERMINATION_ID_HEADER: AnswerHeader("Names the order that ended what waited.", is_always_there=False)
    },
)
async def delete_contact_list(services: Services, principal: Principal, list_id: UUID) -> Answer[DeletedListAnswer]:
    """End what of a list waits, and take it out of the lists; the history of its calls stays."""
    termination_id = await contact_lists.delete(
        services.store, principal, CampaignId(list_id), observer=services.observer
    )
    headers = {} if termination_id is None else {TERMINATION_ID_HEADER: str(termination_id)}
    return Answer(DeletedListAnswer(), headers)


@CALLING_ROUTES.add("GET", "/calling/terminate", deprecated=True)
async def list_running_lists(services: Services, principal: Principal) -> RunningListsAnswer:
    """Lists that are started and not done: what a termination would end."""
    page = await contact_lists.running(services.store, principal, RUNNING_LISTS_MAX)
    return RunningListsAnswer([RunningList(**_listed(campaign), agent_id=str(campaign.agent_id)) for campaign in page])


def _listed(campaign: CampaignRow) -> dict[str, Any]:
    return {
        "list_id": str(campaign.campaign_id),
        "file_name": campaign.name,
        "created_at": instant(campaign.created_at),
        "status": campaign.status,
    }
