"""Ringoff's own orders: terminations with receipts, campaigns that are paused and ended, suppressed numbers."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

from ringoff.client.answers import Download
from ringoff.client.campaigns import new_key
from ringoff.client.exchange import (
    NATIVE,
    Page,
    Repeat,
    Reply,
    Request,
    body_as,
    cursored,
    given,
    no_answer,
    segment,
)
from ringoff.client.methods import C, Group, Method, Walk
from ringoff.client.native_answers import Call, Campaign, Preview, Receipt, Suppressed, Suppression
from ringoff.client.native_figures import CampaignFigures, ListPreview, TableCall
from ringoff.client.transfers import Progress, Sink, Source, Target, Upload

Ongoing = Literal["finish", "hangup"]
Moment = datetime | date | str
Texts = list[str]
Receipts = list[Receipt]
Calls = list[Call]
TableCalls = list[TableCall]
Campaigns = list[Campaign]
Suppressions = list[Suppression]

_ORDERS = f"{NATIVE}/terminations"


class OrderMethods(Group[C]):
    """``client.native.terminations``."""

    @Method
    def give(
        self,
        *,
        agent_id: str | None = None,
        call_ids: Texts | None = None,
        campaign_id: str | None = None,
        mobile_numbers: Texts | None = None,
        reason: str | None = None,
        ongoing: Ongoing | None = None,
        suppress: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Request[Receipt]:
        """End every covered call now. Sent again under one key when the answer is lost, so it is one order."""
        body = given(
            agent_id=agent_id,
            call_ids=call_ids,
            campaign_id=campaign_id,
            mobile_numbers=mobile_numbers,
            reason=reason,
            ongoing=ongoing,
            suppress=suppress,
        )
        key = idempotency_key or new_key()
        return Request("POST", _ORDERS, body_as(Receipt), json=body, idempotency_key=key, repeat=Repeat.FREELY)

    @Method
    def preview(
        self,
        *,
        agent_id: str | None = None,
        call_ids: Texts | None = None,
        campaign_id: str | None = None,
        mobile_numbers: Texts | None = None,
        ongoing: Ongoing | None = None,
        suppress: bool | None = None,
    ) -> Request[Preview]:
        """What the same order would cover now; nothing is written."""
        body = given(
            agent_id=agent_id,
            call_ids=call_ids,
            campaign_id=campaign_id,
            mobile_numbers=mobile_numbers,
            ongoing=ongoing,
            suppress=suppress,
        )
        return Request("POST", f"{_ORDERS}/preview", body_as(Preview), json=body, repeat=Repeat.FREELY)

    @Walk
    def list(
        self,
        *,
        state: Literal["settling", "settled"] | None = None,
        level: str | None = None,
        text: str | None = None,
        given_from: Moment | None = None,
        given_to: Moment | None = None,
        page_size: int = 100,
    ) -> Request[Page[Receipt]]:
        """Receipts, newest first; ``text`` is looked for in ids, names, numbers, reasons and names of keys."""
        query = {
            "limit": page_size,
            "state": state,
            "level": level,
            "text": text,
            "given_from": given_from,
            "given_to": given_to,
        }
        return cursored(_ORDERS, query, "terminations", Receipts)

    @Method
    def get(self, termination_id: str) -> Request[Receipt]:
        """One receipt."""
        path = f"{_ORDERS}/{segment(termination_id)}"
        return Request("GET", path, body_as(Receipt), {"limit": 1}, repeat=Repeat.FREELY)

    @Walk
    def calls(self, termination_id: str, *, page_size: int = 100) -> Request[Page[Call]]:
        """The calls that an order covers."""
        return cursored(f"{_ORDERS}/{segment(termination_id)}", {"limit": page_size}, "calls", Calls)

    @Method
    def export_csv(self, termination_id: str, target: Target) -> Request[Download]:
        """All calls that an order covers as CSV, written as it comes."""
        sink = Sink(target)
        repeat = Repeat.FREELY if sink.is_path else Repeat.IF_NEVER_SENT
        return Request("GET", f"{_ORDERS}/{segment(termination_id)}/export", _downloaded, sink=sink, repeat=repeat)


class CampaignLifeMethods(Group[C]):
    """``client.native.campaigns``. A change is sent again only when it certainly never left: look, then repeat it."""

    @Walk
    def list(self, *, page_size: int = 100) -> Request[Page[Campaign]]:
        """Campaigns with their counts, newest first."""
        return cursored(f"{NATIVE}/campaigns", {"limit": page_size}, "campaigns", Campaigns)

    @Method
    def get(self, campaign_id: str) -> Request[Campaign]:
        """One campaign with its counts."""
        return Request("GET", _campaign(campaign_id), body_as(Campaign), repeat=Repeat.FREELY)

    @Method
    def figures(self, campaign_id: str) -> Request[CampaignFigures]:
        """Attempts by disposition and over time, ASR, ACD, and about when it will be done."""
        return Request("GET", f"{_campaign(campaign_id)}/figures", body_as(CampaignFigures), repeat=Repeat.FREELY)

    @Walk
    def calls(
        self,
        campaign_id: str,
        *,
        status: str | None = None,
        sub_status: str | None = None,
        mobile_number: str | None = None,
        registered_from: Moment | None = None,
        registered_to: Moment | None = None,
        page_size: int = 100,
    ) -> Request[Page[TableCall]]:
        """The campaign's calls, newest first."""
        query = {
            "limit": page_size,
            "status": status,
            "sub_status": sub_status,
            "mobile_number": mobile_number,
            "registered_from": registered_from,
            "registered_to": registered_to,
        }
        return cursored(f"{_campaign(campaign_id)}/calls", query, "calls", TableCalls)

    @Method
    def preview(
        self,
        file: Source,
        *,
        country_code: str,
        variables_map: Mapping[str, str] | None = None,
        file_name: str | None = None,
        progress: Progress | None = None,
    ) -> Request[ListPreview]:
        """What an upload would make of a CSV: rows as they would be registered, and why others would be refused."""
        form = given(
            country_code=country_code, variables_map=None if variables_map is None else json.dumps(dict(variables_map))
        )
        upload = Upload.of(form, file, file_name, progress)
        return Request("POST", f"{NATIVE}/campaigns/preview", body_as(ListPreview), upload=upload, repeat=Repeat.FREELY)

    @Method
    def share(
        self, campaign_id: str, *, weight: int | None = None, concurrency_percentage: float | None = None
    ) -> Request[Campaign]:
        """What it gets of its trunk beside the others: a weight from 1 to 100, a percentage of the channels."""
        body = given(weight=weight, concurrency_percentage=concurrency_percentage)
        return Request("PATCH", _campaign(campaign_id), body_as(Campaign), json=body, repeat=Repeat.FREELY)

    @Method
    def pause(self, campaign_id: str) -> Request[Campaign]:
        """After the answer no call of it is dialled until it is resumed."""
        return Request("POST", f"{_campaign(campaign_id)}/pause", body_as(Campaign))

    @Method
    def resume(self, campaign_id: str) -> Request[Campaign]:
        """Let it be dialled again."""
        return Request("POST", f"{_campaign(campaign_id)}/resume", body_as(Campaign))

    @Method
    def end(self, campaign_id: str) -> Request[Campaign]:
        """End it for good, with a receipt (``termination_id``)."""
        return Request("POST", f"{_campaign(campaign_id)}/end", body_as(Campaign))


class SuppressionMethods(Group[C]):
    """``client.native.suppressions``: numbers that are never rung."""

    @Method
    def add(self, mobile_numbers: Texts, *, reason: str | None = None) -> Request[Suppressed]:
        """Never ring these again. A number that is there already stays, so it may be sent again."""
        body = given(mobile_numbers=mobile_numbers, reason=reason)
        return Request("POST", f"{NATIVE}/suppressions", body_as(Suppressed), json=body, repeat=Repeat.FREELY)

    @Walk
    def list(self, *, mobile_number: str | None = None, page_size: int = 100) -> Request[Page[Suppression]]:
        """The numbers in their order."""
        query = {"limit": page_size, "mobile_number": mobile_number}
        return cursored(f"{NATIVE}/suppressions", query, "suppressions", Suppressions)

    @Method
    def import_csv(
        self,
        file: Source,
        *,
        country_code: str,
        number_column: str | None = None,
        remove_invalid_rows: bool | None = None,
        reason: str | None = None,
        file_name: str | None = None,
        progress: Progress | None = None,
    ) -> Request[Suppressed]:
        """Add every number of a CSV, or none."""
        flag = None if remove_invalid_rows is None else str(remove_invalid_rows).lower()
        fields = given(country_code=country_code, number_column=number_column, remove_invalid_rows=flag, reason=reason)
        upload = Upload.of(fields, file, file_name, progress)
        return Request("POST", f"{NATIVE}/suppressions/import", body_as(Suppressed), upload=upload)

    @Method
    def export_csv(self, target: Target) -> Request[Download]:
        """The whole list as CSV, written as it comes."""
        sink = Sink(target)
        # What an open file has got of an answer that broke off cannot be taken back.
        repeat = Repeat.FREELY if sink.is_path else Repeat.IF_NEVER_SENT
        return Request("GET", f"{NATIVE}/suppressions/export", _downloaded, sink=sink, repeat=repeat)

    @Method
    def remove(self, mobile_number: str) -> Request[None]:
        """Let a number be rung again."""
        path = f"{NATIVE}/suppressions/{segment(mobile_number)}"
        return Request("DELETE", path, no_answer, repeat=Repeat.FREELY)


def _campaign(campaign_id: str) -> str:
    return f"{NATIVE}/campaigns/{segment(campaign_id)}"


def _downloaded(reply: Reply) -> Download:
    return Download(file_bytes=reply.streamed_bytes)
