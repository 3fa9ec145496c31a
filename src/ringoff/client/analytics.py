"""Sums over calls and attempts. What is inside is the server's own, so it comes as it is."""

from datetime import date
from typing import Any

from ringoff.client.exchange import COMPATIBLE, Repeat, Reply, Request
from ringoff.client.methods import C, Group, Method

Day = date | str
"""A date, or YYYY-MM-DD."""
Sums = dict[str, Any]


class AnalyticsMethods(Group[C]):
    """``client.analytics``; each takes ``start_date``, ``end_date`` (both inside), ``agent_id``, ``bulk_list_id``."""

    @Method
    def platform(
        self,
        *,
        start_date: Day | None = None,
        end_date: Day | None = None,
        agent_id: str | None = None,
        bulk_list_id: str | None = None,
        voicemail: bool | None = None,
    ) -> Request[Sums]:
        """Calls and attempts of the workspace."""
        return _sums("platform-analytics", start_date, end_date, agent_id, bulk_list_id, voicemail)

    @Method
    def drill_down(
        self,
        bulk_list_id: str,
        *,
        start_date: Day | None = None,
        end_date: Day | None = None,
        agent_id: str | None = None,
        voicemail: bool | None = None,
    ) -> Request[Sums]:
        """Calls and attempts of one campaign."""
        return _sums("drill-down-analytics", start_date, end_date, agent_id, bulk_list_id, voicemail)

    @Method
    def numbers(
        self,
        *,
        start_date: Day | None = None,
        end_date: Day | None = None,
        agent_id: str | None = None,
        bulk_list_id: str | None = None,
        voicemail: bool | None = None,
    ) -> Request[Sums]:
        """Attempts by calling number."""
        return _sums("number-analytics", start_date, end_date, agent_id, bulk_list_id, voicemail)

    @Method
    def durations(
        self,
        *,
        start_date: Day | None = None,
        end_date: Day | None = None,
        agent_id: str | None = None,
        bulk_list_id: str | None = None,
        voicemail: bool | None = None,
    ) -> Request[Sums]:
        """Answered attempts by length of talk."""
        return _sums("duration-distribution", start_date, end_date, agent_id, bulk_list_id, voicemail)

    @Method
    def classifications(
        self,
        *,
        start_date: Day | None = None,
        end_date: Day | None = None,
        agent_id: str | None = None,
        bulk_list_id: str | None = None,
        voicemail: bool | None = None,
    ) -> Request[Sums]:
        """What calls were about."""
        return _sums("classification-analytics", start_date, end_date, agent_id, bulk_list_id, voicemail)


def _sums(
    name: str,
    start_date: Day | None,
    end_date: Day | None,
    agent_id: str | None,
    bulk_list_id: str | None,
    voicemail: bool | None,
) -> Request[Sums]:
    query = {
        "start_date": start_date,
        "end_date": end_date,
        "agent_id": agent_id,
        "bulk_list_id": bulk_list_id,
        "voicemail": voicemail,
    }
    return Request("GET", f"{COMPATIBLE}/analytics/{name}", _as_it_is, query, repeat=Repeat.FREELY)


def _as_it_is(reply: Reply) -> Sums:
    return dict(reply.body)
