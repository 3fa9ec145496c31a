"""``GET /api/v1/campaigns/{campaign_id}/figures``: how a campaign goes, and about when it will be done."""

from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import Instant, instant, instant_or_none
from ringoff.api.native.campaigns import CampaignCountsView, counts_view
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.campaign_eta import Eta, EtaState
from ringoff.domain.campaign_figures import Outcomes
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.workspace import Principal
from ringoff.operations import campaign_figures

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "campaigns")


class DispositionView(msgspec.Struct):
    """Attempts that ended with one disposition."""

    disposition: str
    attempts: int
    answered: int
    talk_s: float


class BucketView(msgspec.Struct):
    """Attempts by disposition whose end was written down in one piece of time."""

    at: Instant
    attempts: dict[str, int]


class OutcomesView(msgspec.Struct, kw_only=True):
    attempts: int
    """Attempts that are over."""
    answered: int
    talk_s: float
    asr: float | None
    """Answered by all attempts, from 0 to 1; None before the first has ended."""
    acd_s: float | None
    """Seconds of talk for each answered attempt; None before the first."""
    by_disposition: list[DispositionView]
    bucket_s: int
    """How long a bucket is: a minute, ten, an hour, six, a day, a week."""
    buckets: list[BucketView]
    """200 at most, oldest first; those in which nothing ended are left out."""


class EtaView(msgspec.Struct, kw_only=True):
    """A guess from averages."""

    state: EtaState
    done_about_at: Instant | None
    """None while it is not started, paused, done, or its trunk is off; None when it is more than 90 days away."""
    opens_at: Instant | None
    """When it may ring, if it may not ring now."""
    is_cut_off: bool
    """The campaign's end comes first, and calls will be left."""
    attempts_left: int
    attempts_per_s: float | None


class FiguresView(msgspec.Struct, kw_only=True):
    campaign_id: str
    name: str
    status: str
    at: Instant
    """The database's clock."""
    counts: CampaignCountsView
    outcomes: OutcomesView | None
    """None for a campaign that an older version has begun: nobody has noted how its attempts ended."""
    eta: EtaView


@ROUTES.add("GET", "/campaigns/{campaign_id}/figures", errors=(404,))
async def read_figures(services: Services, principal: Principal, campaign_id: UUID) -> FiguresView:
    """Counts, attempts by disposition and over time, ASR, ACD, and about when it will be done."""
    figures = await campaign_figures.campaign_figures(services.store, principal, CampaignId(campaign_id))
    return FiguresView(
        campaign_id=str(figures.campaign.campaign_id),
        name=figures.campaign.name,
        status=figures.campaign.status,
        at=instant(figures.at),
        counts=counts_view(figures.counts),
        outcomes=None if figures.outcomes is None else _outcomes(figures.outcomes),
        eta=_eta(figures.eta),
    )


def _outcomes(outcomes: Outcomes) -> OutcomesView:
    return OutcomesView(
        attempts=outcomes.attempt_count,
        answered=outcomes.answered_count,
        talk_s=outcomes.talk_s,
        asr=outcomes.asr,
        acd_s=outcomes.acd_s,
        by_disposition=[
            DispositionView(row.disposition, row.attempt_count, row.answered_count, row.talk_ms / 1_000)
            for row in outcomes.sums
        ],
        bucket_s=outcomes.bucket_width_min * 60,
        buckets=[BucketView(instant(bucket.from_at), dict(bucket.by_disposition)) for bucket in outcomes.buckets],
    )


def _eta(eta: Eta) -> EtaView:
    return EtaView(
        state=eta.state,
        done_about_at=instant_or_none(eta.done_about_at),
        opens_at=instant_or_none(eta.opens_at),
        is_cut_off=eta.is_cut_off,
        attempts_left=eta.attempts_left,
        attempts_per_s=eta.attempts_per_s,
    )
