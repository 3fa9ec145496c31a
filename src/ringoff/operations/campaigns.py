"""Campaigns: save an uploaded list of contacts, start it on calling numbers, list what there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ringoff.domain.call_config import CallConfig, parse_campaign_time
from ringoff.domain.call_window import opens_between
from ringoff.domain.campaign import CampaignStatus
from ringoff.domain.errors import Conflict, InvalidInput, NotFound
from ringoff.domain.identifiers import AgentId, CampaignId, NumberPoolId, TrunkId
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.domain.records import CampaignCounts, CampaignRow, NewCampaign
from ringoff.domain.webhook_records import StatusCallback
from ringoff.domain.workspace import CallingNumber, Principal
from ringoff.operations.agents import active_agent
from ringoff.operations.caller_ids import resolve_calling_numbers
from ringoff.operations.campaign_shares import set_share
from ringoff.operations.csv_report import ReadOptions
from ringoff.operations.number_pools import hold_pool
from ringoff.operations.status_callbacks import keep_callback
from ringoff.operations.uploads import CsvUpload, UploadedFile, UploadReport
from ringoff.ports import Store, Transaction

NAME_LENGTH_MAX: Final = 200
INVALID_AGENT: Final = "Invalid agent_id."
ALREADY_STARTED: Final = "Campaign already started"
NOT_READY: Final = "Bulk list is not ready to start."
"""Both are the public API's own words."""
TERMINATED_MEANWHILE: Final = "Campaign was terminated while it was being started: start it again for those left"


@dataclass(frozen=True, slots=True)
class CampaignForm:
    """What the client says about an uploaded list. Times are as written, local to the config's time zone.

    Without a start the list may be dialled at once, without an end for as long as it takes.
    """

    agent_id: AgentId
    name: str
    country_code: str
    variables_map: Mapping[str, str]
    call_config: CallConfig
    start_time: str | None
    end_time: str | None
    remove_invalid_rows: bool


@dataclass(frozen=True, slots=True)
class SavedCampaign:
    """A draft whose calls are registered."""

    campaign_id: CampaignId
    sample: Sequence[Mapping[str, Any]]
    total_count: int
    valid_count: int
    invalid_count: int


@dataclass(frozen=True, slots=True)
class StartTerms:
    """What a start may say anew; what it leaves out stays as the upload said it. Times are as written."""

    call_config: CallConfig | None = None
    start_time: str | None = None
    end_time: str | None = None

    @property
    def says_nothing(self) -> bool:
        return self.call_config is None and self.start_time is None and self.end_time is None


@dataclass(frozen=True, slots=True)
class StartedCampaign:
    campaign: CampaignRow
    has_ongoing_calls: bool


UPLOADED_TERMS: Final = StartTerms()


async def save(
    store: Store, principal: Principal, form: CampaignForm, file: UploadedFile, now: datetime
) -> SavedCampaign:
    """Store a draft with one registered call for each valid row of the file, or nothing at all."""
    start_at, end_at = checked_times(form.call_config, form.start_time, form.end_time, now)
    require_name(form.name)
    NumberNormalizer(form.country_code)  # Refuses a country code that is none, before the file is read.
    async with store.transaction() as tx:
        if await active_agent(tx, principal.workspace_id, form.agent_id) is None:
            raise InvalidInput(INVALID_AGENT, field="agent_id")
        campaign_id = await tx.campaigns.add_campaign(
            NewCampaign(
                workspace_id=principal.workspace_id,
                agent_id=form.agent_id,
                name=form.name,
                call_config=form.call_config,
                variables_map=form.variables_map,
                start_at=start_at,
                end_at=end_at,
            )
        )
        report = await _register_rows(tx, principal, campaign_id, form, file)
    return SavedCampaign(campaign_id, report.sample, report.total_rows, report.valid_rows, report.invalid_rows)


async def start(
    store: Store,
    principal: Principal,
    agent_id: AgentId,
    campaign_id: CampaignId,
    from_numbers: Sequence[str] | None,
    *,
    number_pool_id: str | None = None,
    now: datetime,
    terms: StartTerms = UPLOADED_TERMS,
    callback: StatusCallback | None = None,
    concurrency_percentage: float | None = None,
) -> StartedCampaign:
    """Let a draft be dialled from its start time on, showing ``from_numbers`` (numbers or ids) or those of a pool.

    A terminated campaign starts again, with new calls for those whose last call was terminated and who are not
    suppressed.
    """
    workspace_id = principal.workspace_id
    async with store.transaction() as tx:
        campaign = await tx.campaigns.campaign(workspace_id, campaign_id)
        if campaign is None:
            raise NotFound("Campaign not found", field="list_id")
        if campaign.agent_id != agent_id or await active_agent(tx, workspace_id, agent_id) is None:
            raise InvalidInput(INVALID_AGENT, field="agent_id")
        await _require_verified(tx, campaign)
        campaign = _under_terms(campaign, terms, now)
        shown = await _shown_numbers(tx, principal, from_numbers, number_pool_id)
        for number, line in await tx.campaigns.calling_numbers_in_contacts(workspace_id, campaign_id, shown.numbers):
            raise InvalidInput(
                f"{shown.field} has {number}, which the campaign calls (line {line} of the upload)", field=shown.field
            )
        if campaign.end_at is not None and campaign.end_at <= now:
            raise InvalidInput(f"the campaign's end time has passed: {campaign.end_at.isoformat()}", field="list_id")
        if campaign.status == CampaignStatus.TERMINATED:
            started = await _restart(tx, campaign, terms, shown)
        else:
            await _keep_terms(tx, campaign, terms)
            started = await tx.campaigns.start(
                workspace_id, campaign_id, shown.trunk_id, shown.fixed, None, shown.number_pool_id
            )
        if started is None:
            raise await _outrun(tx, campaign)
        if callback is not None:
            await keep_callback(tx, workspace_id, campaign_id, callback)
        if concurrency_percentage is not None:
            await set_share(tx, principal, campaign_id, None, concurrency_percentage)
        has_ongoing_calls = await tx.campaigns.has_ongoing_calls(workspace_id, campaign_id)
        await tx.calls.wake_dispatchers()
    return StartedCampaign(started, has_ongoing_calls)


async def list_campaigns(
    store: Store, principal: Principal, limit: int, offset: int, *, with_counts: bool
) -> tuple[Sequence[tuple[CampaignRow, CampaignCounts | None]], int]:
    """One page of campaigns, newest first, and how many there are in all."""
    async with store.snapshot() as tx:
        page, total = await tx.campaigns.campaigns(principal.workspace_id, limit, offset)
        if not with_counts:
            return [(campaign, None) for campaign in page], total
        ids = [campaign.campaign_id for campaign in page]
        counts = await tx.campaigns.counts(principal.workspace_id, ids)
    return [(campaign, counts[campaign.campaign_id]) for campaign in page], total


@dataclass(frozen=True, slots=True)
class _ShownNumbers:
    """What the called will see: the numbers that were named, or those of a pool as it is now."""

    field: str
    numbers: Sequence[str]
    trunk_id: TrunkId
    number_pool_id: NumberPoolId | None = None

    @property
    def fixed(self) -> Sequence[str]:
        return self.numbers if self.number_pool_id is None else []


async def _shown_numbers(
    tx: Transaction, principal: Principal, from_numbers: Sequence[str] | None, number_pool_id: str | None
) -> _ShownNumbers:
    if number_pool_id is None:
        numbers = await resolve_calling_numbers(tx, principal.workspace_id, from_numbers or [], "from_numbers")
        return _ShownNumbers("from_numbers", [number.number for number in numbers], _one_trunk(numbers))
    if from_numbers is not None:
        raise InvalidInput("Provide only one of: from_numbers, number_pool_id", field="number_pool_id")
    pool = await hold_pool(tx, principal, number_pool_id)
    return _ShownNumbers("number_pool_id", pool.numbers, pool.trunk_id, pool.number_pool_id)


async def _require_verified(tx: Transaction, campaign: CampaignRow) -> None:
    """Also of a campaign that an order has ended: whom a restart would call is known when the verification is over."""
    is_unfit = campaign.status in (CampaignStatus.VERIFYING, CampaignStatus.FAILED)
    if is_unfit or await tx.lists.is_verifying(campaign.workspace_id, campaign.campaign_id):
        raise Conflict(NOT_READY, field="list_id")


def _under_terms(campaign: CampaignRow, terms: StartTerms, now: datetime) -> CampaignRow:
    """The campaign as it will be dialled."""
    if terms.says_nothing:
        return campaign
    config = terms.call_config or campaign.call_config
    start_at, end_at = checked_times(
        config, terms.start_time or campaign.start_at, terms.end_time or campaign.end_at, now
    )
    return replace(campaign, call_config=config, start_at=start_at, end_at=end_at)


async def _keep_terms(tx: Transaction, campaign: CampaignRow, terms: StartTerms) -> None:
    """Locks the campaign's row, for which an order would wait: nothing slow comes after it."""
    if terms.says_nothing:
        return
    assert campaign.start_at is not None, "every list has a start"
    changed = await tx.campaigns.reschedule(
        campaign.workspace_id, campaign.campaign_id, campaign.call_config, campaign.start_at, campaign.end_at
    )
    if changed is None:
        raise await _outrun(tx, campaign)


async def _outrun(tx: Transaction, campaign: CampaignRow) -> Conflict:
    """Why a start of this campaign, as it was read, found it changed: another start, or an order in between."""
    present = await tx.campaigns.campaign(campaign.workspace_id, campaign.campaign_id)
    is_ended = present is not None and present.status == CampaignStatus.TERMINATED
    is_same = present is not None and (present.status, present.epoch) == (campaign.status, campaign.epoch)
    return Conflict(TERMINATED_MEANWHILE if is_ended and not is_same else ALREADY_STARTED, field="list_id")


async def _restart(
    tx: Transaction, campaign: CampaignRow, terms: StartTerms, shown: _ShownNumbers
) -> CampaignRow | None:
    """Terminal means terminal: the calls stay, and their contacts get new ones. None when somebody was faster."""
    workspace_id, campaign_id, epoch = campaign.workspace_id, campaign.campaign_id, campaign.epoch
    assert campaign.start_at is not None, "every list has a start"
    new_count = await tx.campaigns.register_terminated(workspace_id, campaign_id, epoch, campaign.start_at)
    if not new_count:
        raise Conflict("Campaign was terminated and has nobody left to call", field="list_id")
    await _keep_terms(tx, campaign, terms)
    return await tx.campaigns.restart(
        workspace_id, campaign_id, epoch, shown.trunk_id, shown.fixed, new_count, None, shown.number_pool_id
    )


async def _register_rows(
    tx: Transaction, principal: Principal, campaign_id: CampaignId, form: CampaignForm, file: UploadedFile
) -> UploadReport:
    options = ReadOptions(
        workspace_id=principal.workspace_id,
        campaign_id=campaign_id,
        variables_map=dict(form.variables_map),
        country_code=form.country_code,
        remove_invalid_rows=form.remove_invalid_rows,
    )
    async with CsvUpload(file, options) as upload:
        copied_count = await tx.campaigns.copy_contacts(upload.rows())
        report = upload.report
    registered_count = await tx.campaigns.register_contacts(principal.workspace_id, campaign_id)
    if not copied_count == report.valid_rows == registered_count:
        raise RuntimeError(
            f"{report.valid_rows} rows were read, {copied_count} stored, {registered_count} registered as calls"
        )
    return report


def require_name(name: str) -> None:
    """``InvalidInput`` for a campaign's name that is empty or too long."""
    if not name.strip() or len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(f"campaign_name must have 1 to {NAME_LENGTH_MAX} characters", field="campaign_name")


def checked_times(
    config: CallConfig, start_time: str | datetime | None, end_time: str | datetime | None, now: datetime
) -> tuple[datetime, datetime | None]:
    """Start and end in UTC, as written (local to the config's zone) or as an instant that was read before.

    A start in the past means at once, so only what is left of the time counts.
    """
    window = config.window
    start_at = _moment(start_time, window.timezone, "campaign_start_time") or now
    if config.scheduled_at is not None:
        start_at = max(start_at, config.scheduled_at)
    end_at = _moment(end_time, window.timezone, "campaign_end_time")
    if end_at is None:
        return start_at, None
    if end_at <= start_at:
        raise InvalidInput("campaign_end_time must be after the start", field="campaign_end_time")
    if end_at <= now:
        raise InvalidInput("campaign_end_time must be in the future", field="campaign_end_time")
    if not opens_between(window, max(start_at, now), end_at):
        raise InvalidInput(
            "call_config.call_time is a window that never opens between the campaign's start and end",
            field="call_config.call_time",
        )
    return start_at, end_at


def _moment(given: str | datetime | None, timezone: str, field: str) -> datetime | None:
    return parse_campaign_time(given, timezone, field) if isinstance(given, str) else given


def _one_trunk(numbers: Sequence[CallingNumber]) -> TrunkId:
    first = numbers[0]
    for position, number in enumerate(numbers):
        if number.trunk_id != first.trunk_id:
            raise InvalidInput(
                f"from_numbers[{position}] is on another trunk than {first.number}: all must be on one",
                field="from_numbers",
                position=position,
            )
    return first.trunk_id
