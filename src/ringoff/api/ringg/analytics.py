"""``GET /analytics/*``: the outer keys are the compatible API's, what is inside is ours (its documents do not say)."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import msgspec

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import date_of
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.errors import InvalidInput
from ringoff.domain.identifiers import AgentId, CampaignId
from ringoff.domain.records import AnalyticsFilter
from ringoff.domain.workspace import Principal
from ringoff.operations import analytics
from ringoff.operations.analytics import BUCKET_ENDS_S, AttemptSums, Performance

ROUTES = RouteTable("/ca/api/v0", ErrorShape.CODED, "analytics")


class AnalyticsQuery(msgspec.Struct, forbid_unknown_fields=True):
    start_date: str | None = None
    end_date: str | None = None
    agent_id: UUID | None = None
    bulk_list_id: UUID | None = None
    voicemail: bool | None = None


class Sums(msgspec.Struct, kw_only=True):
    """Of attempts that were on the wire."""

    attempts: int
    answered: int
    asr: float | None
    """Answered of all attempts, 0 to 1."""
    acd_s: float | None
    """Average seconds of talk of an answered attempt."""
    talk_s: float
    by_disposition: dict[str, int]


class PerformanceMetrics(Sums, kw_only=True):
    calls: int
    calls_by_status: dict[str, int]


class MetricsSummary(msgspec.Struct):
    start_date: str
    end_date: str
    """Both days are inside, in UTC."""
    total_calls: int
    completed_calls: int
    open_calls: int
    """Registered, in retry or on the wire."""


class PlatformAnswer(msgspec.Struct, kw_only=True):
    performance_metrics: PerformanceMetrics
    metrics_summary: MetricsSummary
    cached: bool = False
    """Never: every answer is read from the database."""


class DrillDownAnswer(msgspec.Struct, kw_only=True):
    performance_metrics: PerformanceMetrics
    cached: bool = False


class NumberSums(Sums, kw_only=True):
    number: str


class NumberAnswer(msgspec.Struct):
    number_analytics: list[NumberSums]


class DurationAnswer(msgspec.Struct):
    duration_distribution: dict[str, int]
    """Answered attempts by seconds of talk: ``0-10``, ``10-30``, …, ``300+``; the upper end is outside."""


class ClassificationAnswer(msgspec.Struct):
    classification_analytics: dict[str, int]
    """Empty: nobody reports what a call was about."""


@ROUTES.add("GET", "/analytics/platform-analytics")
async def platform_analytics(services: Services, principal: Principal, query: AnalyticsQuery) -> PlatformAnswer:
    """Calls and attempts of the workspace."""
    wanted = _filter(services, query)
    found = await analytics.performance(services.store, principal, wanted)
    by_status = found.calls_by_status
    summary = MetricsSummary(
        wanted.start_at.date().isoformat(),
        (wanted.end_at - wanted.end_at.resolution).date().isoformat(),
        sum(by_status.values()),
        by_status["completed"],
        sum(by_status[status] for status in ("registered", "retry", "ongoing")),
    )
    return PlatformAnswer(performance_metrics=_performance(found), metrics_summary=summary)


@ROUTES.add("GET", "/analytics/drill-down-analytics")
async def drill_down_analytics(services: Services, principal: Principal, query: AnalyticsQuery) -> DrillDownAnswer:
    """Calls and attempts of one campaign."""
    if query.bulk_list_id is None:
        raise InvalidInput("Missing required field: bulk_list_id", field="bulk_list_id")
    found = await analytics.performance(services.store, principal, _filter(services, query))
    return DrillDownAnswer(performance_metrics=_performance(found))


@ROUTES.add("GET", "/analytics/number-analytics")
async def number_analytics(services: Services, principal: Principal, query: AnalyticsQuery) -> NumberAnswer:
    """Attempts by calling number."""
    found = await analytics.by_number(services.store, principal, _filter(services, query))
    return NumberAnswer([NumberSums(number=number, **_sums(sums)) for number, sums in found])


@ROUTES.add("GET", "/analytics/duration-distribution")
async def duration_distribution(services: Services, principal: Principal, query: AnalyticsQuery) -> DurationAnswer:
    """Answered attempts by length of talk."""
    counts = await analytics.by_duration(services.store, principal, _filter(services, query))
    ends = [f"{end:.0f}" for end in BUCKET_ENDS_S]
    names = [f"{low}-{high}" for low, high in zip(["0", *ends], ends, strict=False)] + [f"{ends[-1]}+"]
    return DurationAnswer(dict(zip(names, counts, strict=True)))


@ROUTES.add("GET", "/analytics/classification-analytics")
async def classification_analytics(
    services: Services,
    principal: Principal,  # noqa: ARG001 - the key is checked all the same
    query: AnalyticsQuery,
) -> ClassificationAnswer:
    """What calls were about: nothing reports it, so it is empty."""
    _filter(services, query)
    return ClassificationAnswer({})


def _filter(services: Services, query: AnalyticsQuery) -> AnalyticsFilter:
    start, end = date_of(query.start_date, "start_date"), date_of(query.end_date, "end_date")
    start_at, end_at = analytics.range_of_days(start, end, services.clock.now().date())
    return AnalyticsFilter(
        start_at,
        end_at,
        AgentId(query.agent_id) if query.agent_id else None,
        CampaignId(query.bulk_list_id) if query.bulk_list_id else None,
        query.voicemail,
    )


def _performance(found: Performance) -> PerformanceMetrics:
    by_status = dict(found.calls_by_status)
    return PerformanceMetrics(calls=sum(by_status.values()), calls_by_status=by_status, **_sums(found.attempts))


def _sums(sums: AttemptSums) -> dict[str, Any]:
    return {**asdict(sums), "asr": sums.asr, "acd_s": sums.acd_s}
