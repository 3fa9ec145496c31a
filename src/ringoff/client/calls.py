"""Individual calls, their history page by page, its download, and one call in detail."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from ringoff.client.answers import CallDetails, Download, HistoryCall, HistoryPage, StartedCall
from ringoff.client.exchange import COMPATIBLE, Page, Repeat, Reply, Request, given, require_progress, within
from ringoff.client.methods import C, Group, Method, Walk
from ringoff.client.tolerance import read_as
from ringoff.client.transfers import Sink, Target

Moment = datetime | date | str
"""An instant with its zone, or a day."""
OneOrMore = str | list[str]

PAGE_SIZE: Final = 100
"""Of a history that is walked: what both servers accept."""

_SPACED: Final = {
    "Unique Call ID": "call_id",
    "Call Status": "call_status",
    "Call Direction": "call_direction",
    "Agent ID": "agent_id",
    "Initiated at": "initiated_at",
    "From Number": "from_number",
    "To Number": "to_number",
}


class CallMethods(Group[C]):
    """``client.calls``."""

    @Method
    def start(
        self,
        /,
        *,
        name: str,
        mobile_number: str,
        agent_id: str,
        from_number: OneOrMore | None = None,
        from_number_id: OneOrMore | None = None,
        custom_args_values: Mapping[str, Any] | None = None,
        call_config: Mapping[str, Any] | None = None,
        smart_formatter: Mapping[str, Any] | None = None,
        number_pool_id: str | None = None,
        voice_id: str | None = None,
        callback_url: str | None = None,
        callback_args: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Request[StartedCall]:
        """Ring one person. Sent again only when it certainly never left; ``fields`` go along as they are.

        The end of each try is told to ``callback_url``, with the ``headers`` and ``params`` of ``callback_args``.
        """
        body = given(
            name=name,
            mobile_number=mobile_number,
            agent_id=agent_id,
            from_number=from_number,
            from_number_id=from_number_id,
            custom_args_values=custom_args_values,
            call_config=call_config,
            smart_formatter=smart_formatter,
            number_pool_id=number_pool_id,
            voice_id=voice_id,
            callback_url=callback_url,
            callback_args=callback_args,
            **fields,
        )
        return Request("POST", f"{COMPATIBLE}/calling/v2/outbound/individual", _started, json=body)

    @Method
    def start_v1(
        self,
        /,
        *,
        name: str,
        mobile_number: str,
        agent_id: str,
        callback_url: str | None = None,
        callback_args: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Request[StartedCall]:
        """The first version of ``start``, for servers that have no other; it knows no pools and no voices."""
        body = given(
            name=name,
            mobile_number=mobile_number,
            agent_id=agent_id,
            callback_url=callback_url,
            callback_args=callback_args,
            **fields,
        )
        return Request("POST", f"{COMPATIBLE}/calling/outbound/individual", _started, json=body)

    @Walk
    def history(
        self,
        *,
        start_date: Moment | None = None,
        end_date: Moment | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        bulk_list_id: str | None = None,
        call_type: str | None = None,
        page_size: int = PAGE_SIZE,
        rows_max: int | None = None,
    ) -> Request[Page[HistoryCall]]:
        """Calls, newest first, fetched while they are asked for; at most one page is in memory.

        It ends with the last call or after ``rows_max``. A call that is registered meanwhile moves the pages and does
        not come twice; one that meanwhile leaves the filter by its status can push another out of sight. Ringoff
        refuses to go deeper than 10,000 calls (``BadRequest``): narrow the dates, or walk ``client.native.calls``.
        """
        query = {
            "start_date": start_date,
            "end_date": end_date,
            "agent_id": agent_id,
            "status": status,
            "bulk_list_id": bulk_list_id,
            "call_type": call_type,
        }
        return _history_from(query, 0, page_size, rows_max, frozenset())

    @Method
    def history_page(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        start_date: Moment | None = None,
        end_date: Moment | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        bulk_list_id: str | None = None,
        call_type: str | None = None,
    ) -> Request[HistoryPage]:
        """One page with its total."""
        query = {
            "limit": limit,
            "offset": offset,
            "start_date": start_date,
            "end_date": end_date,
            "agent_id": agent_id,
            "status": status,
            "bulk_list_id": bulk_list_id,
            "call_type": call_type,
        }
        return Request("GET", f"{COMPATIBLE}/calling/history", _page, query, repeat=Repeat.FREELY)

    @Method
    def download_history(
        self,
        target: Target,
        *,
        start_date: Moment | None = None,
        end_date: Moment | None = None,
        agent_id: OneOrMore | None = None,
        status: str | None = None,
        bulk_list_id: str | None = None,
        call_type: str | None = None,
        voicemail: bool | None = None,
        from_number: str | None = None,
        to_number: str | None = None,
        call_id: str | None = None,
        include_analysis: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Request[Download]:
        """The history as a ZIP of CSV, written to ``target`` as it comes; a path is made when all of it is there.

        A server that mails it instead says so in ``message``, and then nothing is written.
        """
        query = {
            "start_date": start_date,
            "end_date": end_date,
            "agent_id": agent_id,
            "status": status,
            "bulk_list_id": bulk_list_id,
            "call_type": call_type,
            "voicemail": voicemail,
            "from_number": from_number,
            "to_number": to_number,
            "call_id": call_id,
            "include_analysis": include_analysis,
            "limit": limit,
            "offset": offset,
        }
        # Whoever mails it would mail it twice.
        path = f"{COMPATIBLE}/calling/history/download"
        return Request("POST", path, _downloaded, query, sink=Sink(target))

    @Method
    def details(self, call_id: str, *, send_analysis: bool | None = None) -> Request[CallDetails]:
        """One call."""
        query = {"id": call_id, "send_analysis": send_analysis}
        path = f"{COMPATIBLE}/calling/call-details"
        return Request("GET", path, within("data", CallDetails), query, repeat=Repeat.FREELY)


def _started(reply: Reply) -> StartedCall:
    found = dict(reply.body["data"])
    for spaced, plain in _SPACED.items():
        if found.get(plain) is None and spaced in found:
            found[plain] = found[spaced]
    return read_as(found, StartedCall)


def _page(reply: Reply) -> HistoryPage:
    page = read_as(reply.body, HistoryPage)
    page.is_total_exact = reply.headers.get("x-total-is-exact", "true") != "false"
    return page


def _history_from(
    query: Mapping[str, Any], offset: int, limit: int, left: int | None, seen: frozenset[str]
) -> Request[Page[HistoryCall]]:
    """``left`` is how many rows may still come, ``seen`` what the page before had."""

    def read(reply: Reply) -> Page[HistoryCall]:
        page = _page(reply)
        fresh = [call for call in page.calls if call.id not in seen]
        require_progress(page.calls, fresh)
        rows = fresh if left is None else fresh[:left]
        still = None if left is None else left - len(rows)
        after = offset + len(page.calls)
        is_over = still == 0 or len(page.calls) < limit
        # A full page that is the last one by a total that can be trusted saves the question after it.
        if page.total is not None and page.is_total_exact and after >= page.total:
            is_over = True
        ids = frozenset(call.id for call in page.calls)
        return Page(rows, None if is_over else _history_from(query, after, limit, still, ids))

    asked = {**query, "limit": limit, "offset": offset}
    return Request("GET", f"{COMPATIBLE}/calling/history", read, asked, repeat=Repeat.FREELY)


def _downloaded(reply: Reply) -> Download:
    if reply.streamed_bytes is not None:
        return Download(file_bytes=reply.streamed_bytes)
    return Download(message=reply.body["message"])
