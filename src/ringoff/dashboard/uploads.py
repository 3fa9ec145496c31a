"""The upload of a list: choose, see what would be registered, then store exactly that as a draft.

Nothing of a file is kept before it is stored, so it comes twice: with the preview, and with the order to store it. A
script sends it again by itself, without scripts it is picked again. What is stored must be what the preview showed:
the mark of the file and of its columns goes with the form, and another file is previewed instead of stored.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from starlette.datastructures import UploadFile
from starlette.responses import Response

from ringoff.api.bodies import form_texts, read_form
from ringoff.api.errors import located
from ringoff.api.ringg.campaigns import save_list
from ringoff.api.ringg.large_lists import upload_large_list
from ringoff.dashboard import upload_form
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.upload_form import COLUMN_FIELD, FIELDS_MAX, UploadForm
from ringoff.dashboard.visit import CSRF_FIELD, Visit
from ringoff.domain.errors import Busy, InvalidInput, RingoffError
from ringoff.domain.identifiers import AgentId, CampaignId
from ringoff.operations import agents
from ringoff.operations.csv_columns import ALWAYS_THERE
from ringoff.operations.csv_header import START_BYTES, header_of
from ringoff.operations.list_preview import ListPreview, preview_list
from ringoff.operations.targets import offered

PAGES = PageTable()
CHANGED: Final = "this is not what the preview showed: file, columns or country code have changed. Look again."
"""Said when something else would be stored than was seen."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would become."""

    header: Sequence[str]
    variables: Sequence[str]
    """To be fed by columns: the number, the name, and what the agent knows besides."""
    report: ListPreview | None = None
    complaints: Sequence[str] = ()


@PAGES.get("/campaigns/new")
async def form_page(visit: Visit) -> Response:
    return await _show(visit, UploadForm(), None)


@PAGES.post("/campaigns/new/preview")
async def preview_part(visit: Visit) -> Response:
    """The preview for a page that keeps its file; asked for by a script."""
    async with _received(visit) as (given, file):
        await visit.take_place()
        form, preview = await _previewed(visit, given, file)
    return visit.show("upload_preview.html", form=form, preview=preview, **_FIXED)


@PAGES.post("/campaigns/new")
async def preview_or_store(visit: Visit) -> Response:
    """The preview; for what was previewed already, and is the same still, a draft."""
    async with _received(visit) as (given, file):
        try:
            await visit.take_place()
        except Busy as error:
            unseen = Preview((), ALWAYS_THERE, None, [located(error)])
            return await _show(visit, replace(given, previewed="", row_count=""), unseen, status=status_of(error))
        if not given.previewed:
            return await _show_preview(visit, given, file)
        is_same = await asyncio.to_thread(upload_form.mark_of, given, file.file) == given.previewed
        if file.size == 0 or not is_same:
            return await _show_preview(visit, given, file, complaint=CHANGED if file.size else "", status=400)
        try:
            campaign_id = await _store(visit, given, file)
        except RingoffError as error:
            return await _show_preview(visit, given, file, complaint=located(error), status=status_of(error))
    return visit.go(f"/campaigns/{campaign_id}#start")


async def _show_preview(
    visit: Visit, given: UploadForm, file: UploadFile, *, complaint: str = "", status: int = 200
) -> Response:
    form, preview = await _previewed(visit, given, file)
    if complaint and complaint not in preview.complaints:
        preview = replace(preview, complaints=(*preview.complaints, complaint))
    return await _show(visit, form, preview, status=400 if preview.complaints and status == 200 else status)


async def _store(visit: Visit, form: UploadForm, file: UploadFile) -> CampaignId:
    services, principal = visit.dashboard.services, visit.principal
    await file.seek(0)
    request = upload_form.request_of(form)
    if form.is_large:
        accepted = await upload_large_list(services, principal, request, file)
        return CampaignId(UUID(accepted.bulk_list_id))
    assert request.call_config is not None, "the form always says it"
    saved = await save_list(
        services,
        principal,
        file,
        agent_id=request.agent_id,
        name=request.campaign_name,
        country_code=request.country_code,
        variables_map=request.variables_map,
        call_config=request.call_config,
        start_time=request.campaign_start_time,
        end_time=request.campaign_end_time,
        remove_invalid_rows=form.skip_invalid,
    )
    return CampaignId(UUID(saved.list_id))


async def _previewed(visit: Visit, given: UploadForm, file: UploadFile) -> tuple[UploadForm, Preview]:
    """The form with the columns that were guessed and with the mark of what is shown, and the preview."""
    form = given
    complaints = list(upload_form.complaints(form, visit.dashboard.services.clock))
    variables = [*ALWAYS_THERE]
    header: Sequence[str] = ()
    report: ListPreview | None = None
    try:
        if form.agent_id and not complaints:
            agent = await agents.read_agent(visit.store, visit.principal, AgentId(UUID(form.agent_id)))
            variables += [name for name in agent.custom_variables if name not in ALWAYS_THERE]
        if file.size == 0:
            raise InvalidInput("Missing required field: file", field="file")
        await file.seek(0)
        header = header_of(await file.read(START_BYTES))
        form = upload_form.with_columns(form, header, variables)
        if not complaints:
            await file.seek(0)
            report = await preview_list(visit.store, visit.principal, form.country_code, form.variables_map, file.file)
            if not report.valid_count:
                raise InvalidInput(f"No valid rows: none of the {report.total_count:,} rows is valid", field="file")
    except RingoffError as error:
        complaints.append(located(error))
    if report is None or complaints:
        return replace(form, previewed="", row_count=""), Preview(header, variables, report, complaints)
    mark = await asyncio.to_thread(upload_form.mark_of, form, file.file)
    form = replace(form, previewed=mark, row_count=str(report.total_count))
    return form, Preview(header, variables, report, complaints)


@asynccontextmanager
async def _received(visit: Visit) -> AsyncIterator[tuple[UploadForm, UploadFile]]:
    """The form and its file, which streams to disk as the API's uploads do."""
    limits = replace(visit.dashboard.services.limits, form_fields_max=FIELDS_MAX)
    multipart = await read_form(visit.request, limits)
    try:
        texts, file = form_texts(multipart, "file")
        visit.require_csrf(texts.get(CSRF_FIELD, ""))
        yield upload_form.read(texts), file
    finally:
        await multipart.close()


async def _show(visit: Visit, form: UploadForm, preview: Preview | None, *, status: int = 200) -> Response:
    choice = await offered(visit.store, visit.principal)
    return visit.show(
        "upload.html",
        status,
        form=form,
        preview=preview,
        agents=choice.agents,
        zones=upload_form.zones(),
        is_repicked=preview is not None,
        **_FIXED,
    )


_FIXED: Final[dict[str, Any]] = {"column_field": COLUMN_FIELD, "always_there": ALWAYS_THERE}
