"""How a campaign goes: its attempts by disposition and over time, ASR and ACD, and about when it will be done."""

from collections.abc import Mapping, Sequence
from typing import Final

from ringoff.domain.campaign import STARTED
from ringoff.domain.campaign_eta import Eta, Workload, estimate
from ringoff.domain.campaign_figures import CampaignFigures, CampaignProgress, Outcomes
from ringoff.domain.errors import NotFound
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.overview_records import TrunkLoad
from ringoff.domain.records import CampaignCounts, CampaignRow
from ringoff.domain.workspace import Principal
from ringoff.operations.campaign_life import CountedCampaign
from ringoff.ports import Store

RECENT_MIN: Final = 5
"""Minutes over which the campaign's pace is measured."""


async def campaign_figures(store: Store, principal: Principal, campaign_id: CampaignId) -> CampaignFigures:
    """All of it at one instant and exact, except for the guess; ``NotFound`` when there is no such campaign.

    The cost does not grow with its calls, unless a version of before the counts were kept has registered them.
    """
    workspace_id = principal.workspace_id
    async with store.snapshot() as tx:
        campaign = await tx.campaigns.campaign(workspace_id, campaign_id)
        progress = await tx.figures.progress(workspace_id, campaign_id, RECENT_MIN)
        if campaign is None or progress is None:
            raise NotFound("Campaign not found", field="campaign_id")
        counts = (await tx.campaigns.counts(workspace_id, [campaign_id]))[campaign_id]
        outcomes = await tx.figures.outcomes(workspace_id, campaign_id) if progress.has_outcomes else None
        trunks = {trunk.trunk_id: trunk for trunk in await tx.figures.trunk_loads(workspace_id)}
    trunk = None if campaign.trunk_id is None else trunks[campaign.trunk_id]
    eta = estimate(_workload(campaign, progress, counts, outcomes, trunk))
    return CampaignFigures(campaign, progress.at, counts, outcomes, eta)


async def etas(store: Store, principal: Principal, listed: Sequence[CountedCampaign]) -> Mapping[CampaignId, Eta]:
    """About when each of these will be done, those that are started; the same guess as ``campaign_figures`` makes."""
    workspace_id = principal.workspace_id
    guessed: dict[CampaignId, Eta] = {}
    async with store.snapshot() as tx:
        trunks = {trunk.trunk_id: trunk for trunk in await tx.figures.trunk_loads(workspace_id)}
        for one in listed:
            campaign_id, trunk_id = one.campaign.campaign_id, one.campaign.trunk_id
            progress = None
            if one.campaign.status in STARTED:
                progress = await tx.figures.progress(workspace_id, campaign_id, RECENT_MIN)
            if progress is None:
                continue
            outcomes = None
            if progress.has_outcomes:
                outcomes = Outcomes(await tx.figures.outcome_sums(workspace_id, campaign_id), 1, ())
            trunk = None if trunk_id is None else trunks[trunk_id]
            guessed[campaign_id] = estimate(_workload(one.campaign, progress, one.counts, outcomes, trunk))
    return guessed


def _workload(
    campaign: CampaignRow,
    progress: CampaignProgress,
    counts: CampaignCounts,
    outcomes: Outcomes | None,
    trunk: TrunkLoad | None,
) -> Workload:
    return Workload(
        now=progress.at,
        status=campaign.status,
        registered_count=counts.registered,
        retry_count=counts.retry,
        ongoing_count=counts.ongoing,
        ended_count=counts.completed + counts.failed + counts.error,
        attempt_count=None if outcomes is None else outcomes.attempt_count,
        talk_s=0.0 if outcomes is None else outcomes.talk_s,
        measured_per_s=progress.measured_per_s,
        cps_limit=0.0 if trunk is None else trunk.cps_limit,
        channels_max=1 if trunk is None else trunk.channels_max,
        sharing_count=progress.sharing_count,
        window=campaign.call_config.window,
        start_at=campaign.start_at,
        end_at=campaign.end_at,
        last_due_at=progress.last_due_at,
    )
