"""Lists of thousands and millions of rows: uploaded, verified afterwards, then started."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ringoff.client.answers import Balance, LargeList, StartedLargeList
from ringoff.client.campaigns import Texts, campaign_time, list_fields
from ringoff.client.exchange import COMPATIBLE, Repeat, Request, body_as, given, segment
from ringoff.client.methods import C, Group, Method
from ringoff.client.transfers import Progress, Source, Upload


class LargeListMethods(Group[C]):
    """``client.large_lists``."""

    @Method
    def upload(
        self,
        file: Source,
        *,
        agent_id: str,
        campaign_name: str,
        country_code: str,
        variables_map: Mapping[str, str],
        call_config: Mapping[str, Any],
        campaign_start_time: datetime | str | None = None,
        campaign_end_time: datetime | str | None = None,
        file_name: str | None = None,
        progress: Progress | None = None,
    ) -> Request[LargeList]:
        """Upload a CSV of contacts as ``campaigns.save`` does; the answer comes before the rows are verified."""
        times = given(campaign_start_time=campaign_start_time, campaign_end_time=campaign_end_time)
        fields = {
            **list_fields(agent_id, campaign_name, country_code, variables_map, call_config),
            **{name: campaign_time(at) for name, at in times.items()},
        }
        upload = Upload.of(fields, file, file_name, progress)
        return Request("POST", f"{COMPATIBLE}/campaign/upload-csv", body_as(LargeList), upload=upload)

    @Method
    def status(self, bulk_list_id: str) -> Request[LargeList]:
        """How far the verification is. Of Ringoff: ``status`` is ``verifying`` until it is ``draft`` or ``failed``."""
        address = f"{COMPATIBLE}/campaign/upload-status/{segment(bulk_list_id)}"
        return Request("GET", address, body_as(LargeList), repeat=Repeat.FREELY)

    @Method
    def check_balance(self, bulk_list_id: str) -> Request[Balance]:
        """What the list would cost; Ringoff bills nothing."""
        address = f"{COMPATIBLE}/campaign/check-balance/{segment(bulk_list_id)}"
        return Request("POST", address, body_as(Balance), repeat=Repeat.FREELY)

    @Method
    def start(
        self,
        *,
        bulk_list_id: str,
        agent_id: str,
        from_numbers: Texts | None = None,
        number_pool_id: str | None = None,
        country_code: str | None = None,
        campaign_start_time: datetime | str | None = None,
        campaign_end_time: datetime | str | None = None,
        call_config: Mapping[str, Any] | None = None,
        concurrency_percentage: float | None = None,
    ) -> Request[StartedLargeList]:
        """Begin to dial a verified list, from numbers or from a pool. Sent again only when it certainly never left."""
        times = given(campaign_start_time=campaign_start_time, campaign_end_time=campaign_end_time)
        body = given(
            bulk_list_id=bulk_list_id,
            agent_id=agent_id,
            from_numbers=from_numbers,
            number_pool_id=number_pool_id,
            country_code=country_code,
            call_config=call_config,
            concurrency_percentage=concurrency_percentage,
            **{name: campaign_time(at) for name, at in times.items()},
        )
        address = f"{COMPATIBLE}/campaign/make-call-async"
        return Request("POST", address, body_as(StartedLargeList), json=body)
