"""One campaign: how it goes, live, what it was told to do, its calls, and the forms that start and end it."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from ringoff.api.errors import located
from ringoff.dashboard import outcomes
from ringoff.dashboard.calls import calls_page
from ringoff.dashboard.order_form import TYPED_COUNT_FROM
from ringoff.dashboard.places import asked_campaign
from ringoff.dashboard.streams import stream
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import Fields, Visit
from ringoff.domain.call_window import MINUTES_PER_DAY, CallWindow
from ringoff.domain.campaign import STARTED, CampaignStatus
from ringoff.domain.campaign_figures import CampaignFigures
from ringoff.domain.errors import InvalidInput, NotFound, RingoffError
from ringoff.domain.fair_share import DEFAULT_SHARE
from ringoff.domain.identifiers import CampaignId
from ringoff.domain.list_upload import UploadRow
from ringoff.domain.workspace import Principal
from ringoff.operations import agents, campaign_life, campaign_shares, campaigns, large_lists, targets
from ringoff.operations.campaign_figures import campaign_figures
from ringoff.operations.campaigns import StartTerms
from ringoff.ports import Store

PAGES = PageTable()
STARTABLE: Final = (CampaignStatus.DRAFT, CampaignStatus.TERMINATED)


@dataclass(frozen=True, slots=True)
class StartForm:
    """As filled in; shown again exactly so when something is wrong."""

    from_numbers: tuple[str, ...] = ()
    number_pool_id: str = ""
    when: str = "kept"
    """``kept``: as the campaign has it; ``now``; ``at``: what ``start_time`` says."""
    start_time: str = ""


_NUMBER: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?")
NOT_FILLED_IN: Final = StartForm()


@PAGES.get("/campaigns/{campaign_id}")
async def campaign_page(visit: Visit) -> Response:
    return await _show(visit, NOT_FILLED_IN)


@PAGES.get("/events/campaigns/{campaign_id}")
async def campaign_events(visit: Visit) -> Response:
    campaign_id = asked_campaign(visit)
    store, principal, rendering = visit.store, visit.principal, visit.dashboard.rendering
    await campaign_life.campaign(store, principal, campaign_id)

    async def render() -> str:
        return rendering.page("campaign_live.html", await _moving(store, principal, campaign_id))

    return await stream(visit, ("campaign", campaign_id), render)


@PAGES.post("/campaigns/{campaign_id}")
async def start(visit: Visit) -> Response:
    """Start a draft, or a terminated campaign again."""
    fields = await visit.fields()
    campaign_id = asked_campaign(visit)
    form = _read(fields)
    found = await campaign_life.campaign(visit.store, visit.principal, campaign_id)
    now = visit.dashboard.services.clock.now()
    try:
        await campaigns.start(
            visit.store,
            visit.principal,
            found.campaign.agent_id,
            campaign_id,
            form.from_numbers or (None if form.number_pool_id else []),
            number_pool_id=form.number_pool_id or None,
            now=now,
            terms=_terms(form, now),
        )
    except RingoffError as error:
        return await _show(visit, form, complaint=located(error), status=status_of(error))
    return visit.go(f"/campaigns/{campaign_id}")


@PAGES.post("/campaigns/{campaign_id}/share")
async def share(visit: Visit) -> Response:
    """Change what it gets of its trunk beside the others."""
    fields = await visit.fields()
    campaign_id = asked_campaign(visit)
    weight, percentage = _number(fields, "weight"), _number(fields, "concurrency_percentage")
    if weight is not None and not weight.is_integer():
        raise InvalidInput("weight must be a whole number", field="weight")
    await campaign_shares.change(
        visit.store,
        visit.principal,
        campaign_id,
        weight=None if weight is None else int(weight),
        concurrency_percentage=percentage,
    )
    return visit.go(f"/campaigns/{campaign_id}")


def _number(fields: Fields, name: str) -> float | None:
    """A finite number; None when the field is empty."""
    text = fields.text(name)
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise InvalidInput(f"{name} must be a number", field=name)
    return float(text)


def window_words(window: CallWindow) -> str:
    """``09:00 to 21:00``, or that it is always open."""
    if window.is_always_open:
        return "at any time"
    start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in (window.start_min, window.end_min))
    return f"{start} to {'24:00' if window.end_min == MINUTES_PER_DAY else end}"


async def _show(visit: Visit, form: StartForm, *, complaint: str = "", status: int = 200) -> Response:
    store, principal, campaign_id = visit.store, visit.principal, asked_campaign(visit)
    moving = await _moving(store, principal, campaign_id)
    campaign = moving["figures"].campaign
    calls = await calls_page(visit, campaign)
    return visit.show(
        "campaign.html",
        400 if calls.complaint and status == 200 else status,
        **moving,
        form=form,
        complaint=complaint,
        startable=STARTABLE,
        started=STARTED,
        typed_count_from=TYPED_COUNT_FROM,
        window_words=window_words(campaign.call_config.window),
        agent=await agents.read_agent(store, principal, campaign.agent_id, or_archived=True),
        callers=await targets.callers(store, principal),
        calls=calls,
        share=(await campaign_shares.shares(store, principal, [campaign_id])).get(campaign_id, DEFAULT_SHARE),
    )


async def _moving(store: Store, principal: Principal, campaign_id: CampaignId) -> dict[str, Any]:
    """What is told again and again to whoever looks at the campaign."""
    figures: CampaignFigures = await campaign_figures(store, principal, campaign_id)
    upload: UploadRow | None = None
    with suppress(NotFound):  # A list that was verified before its upload was answered is none of these.
        upload = await large_lists.uploaded(store, principal, campaign_id)
    return {
        "figures": figures,
        "campaign": figures.campaign,
        "counts": figures.counts,
        "zone": figures.campaign.call_config.window.timezone,
        "upload": upload,
        "series": outcomes.series(figures.outcomes),
        "outcome_rows": outcomes.rows(figures.outcomes),
        "buckets": _buckets(figures),
    }


def _buckets(figures: CampaignFigures) -> list[tuple[datetime, Mapping[str, int]]]:
    """The newest first, for those who read the chart as a table."""
    if figures.outcomes is None:
        return []
    return [(bucket.from_at, outcomes.by_line(bucket.by_disposition)) for bucket in reversed(figures.outcomes.buckets)]


def _read(fields: Fields) -> StartForm:
    when = fields.text("when")
    return StartForm(
        from_numbers=tuple(fields.texts("from_numbers")),
        number_pool_id=fields.text("number_pool_id"),
        when=when if when in ("kept", "now", "at") else "kept",
        start_time=fields.text("start_time"),
    )


def _terms(form: StartForm, now: datetime) -> StartTerms:
    match form.when:
        case "now":
            return StartTerms(start_time=now.isoformat())
        case "at":
            # A date that was not typed is refused in the words for one that cannot be read.
            return StartTerms(start_time=form.start_time or " ")
        case _:
            return StartTerms()
