"""Numbers that are never rung: found by their first digits, added, imported, and taken off again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.responses import Response

from ringoff.api.bodies import convert, form_texts, read_form
from ringoff.api.errors import located
from ringoff.api.native.suppressions import NUMBERS_MAX, SuppressionForm
from ringoff.dashboard.places import asked_text, query
from ringoff.dashboard.table import PageTable, status_of
from ringoff.dashboard.visit import CSRF_FIELD, Visit
from ringoff.domain.errors import InvalidInput, NotFound, RingoffError
from ringoff.domain.identifiers import ApiKeyId
from ringoff.domain.records import SuppressedNumber
from ringoff.domain.termination import bad_entries
from ringoff.operations import suppressions, workspaces
from ringoff.operations.suppressions import COUNTED_MAX, ImportForm
from ringoff.operations.uploads import UploadReport

PAGES = PageTable()
PAGE_MAX: Final = 50
_SEPARATORS: Final = re.compile(r"[,;]+")


@dataclass(frozen=True, slots=True)
class AddForm:
    """As filled in; shown again exactly so when something is wrong."""

    numbers: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CsvForm:
    """As filled in, but for the file, which a browser wants picked again."""

    country_code: str = ""
    number_column: str = ""
    reason: str = ""
    skip_invalid: bool = False


@dataclass(frozen=True, slots=True)
class ListedNumber:
    """One row."""

    suppressed: SuppressedNumber
    sealed: str
    """The number as it may stand in an address."""
    is_shown: bool
    """In full to everybody: it is what was searched for."""
    key_name: str | None
    """Who added it; None when that is not known."""


@PAGES.get("/suppressions")
async def list_page(visit: Visit) -> Response:
    wanted = asked_text(visit, "number")
    try:
        beginning = suppressions.read_search(wanted)
    except InvalidInput as error:
        context = _NOTHING | {"wanted": wanted, "complaint": located(error)}
        return visit.show("suppressions.html", status_of(error), **context)
    after = visit.seal.opened(visit.asked("after")) or ""
    # One more than is shown tells whether there is a next page.
    found, total_count = await suppressions.find_suppressions(
        visit.store, visit.principal, beginning, after, PAGE_MAX + 1
    )
    rows = await _listed(visit, found[:PAGE_MAX], beginning)
    more = query({"number": wanted, "after": rows[-1].sealed}) if len(found) > PAGE_MAX else None
    context = _NOTHING | {"rows": rows, "more": more, "is_further": bool(after), "total_count": total_count}
    return visit.show("suppressions.html", **context | {"wanted": wanted, "done": _done(visit)})


@PAGES.get("/suppressions/new")
async def new_page(visit: Visit) -> Response:
    return _show_forms(visit)


@PAGES.post("/suppressions")
async def add(visit: Visit) -> Response:
    """Every pasted number, or none."""
    fields = await visit.fields()
    form = AddForm(fields.text("numbers"), fields.text("reason"))
    numbers, complaints = _pasted(form.numbers)
    if complaints:
        return _show_forms(visit, add=form, add_complaints=complaints, status=400)
    try:
        added_count = await suppressions.suppress(visit.store, visit.principal, numbers, form.reason or None)
    except RingoffError as error:
        return _show_forms(visit, add=form, add_complaints=[located(error)], status=status_of(error))
    return visit.go(f"/suppressions?{query({'added': str(added_count), 'known': str(len(numbers) - added_count)})}")


@PAGES.post("/suppressions/import")
async def import_file(visit: Visit) -> Response:
    """Every number of a file, or none. The page is its report: sent again, it adds nothing."""
    multipart = await read_form(visit.request, visit.dashboard.services.limits)
    form = CsvForm()
    try:
        texts, file = form_texts(multipart, "file")
        visit.require_csrf(texts.pop(CSRF_FIELD, ""))
        form = _csv_form(texts)
        await visit.take_place()
        report, added_count = await _imported(visit, texts, file)
    except RingoffError as error:
        # Without its token the form was not ours: that is no mistake to be corrected in it.
        if isinstance(error, InvalidInput) and error.field == CSRF_FIELD:
            raise
        return _show_forms(visit, csv=form, csv_complaints=[located(error)], status=status_of(error))
    finally:
        await multipart.close()
    return visit.show("suppressions_imported.html", report=report, added_count=added_count)


@PAGES.get("/suppressions/remove")
async def removal_page(visit: Visit) -> Response:
    """What is about to be taken off, and who put it there."""
    found = await suppressions.suppression(visit.store, visit.principal, _opened(visit, visit.asked("number")))
    [row] = await _listed(visit, [found], "")
    return visit.show("suppression_removal.html", row=row)


@PAGES.post("/suppressions/remove")
async def remove(visit: Visit) -> Response:
    fields = await visit.fields()
    await suppressions.allow(visit.store, visit.principal, _opened(visit, fields.text("number")))
    return visit.go("/suppressions?removed=1")


async def _listed(visit: Visit, found: Sequence[SuppressedNumber], searched: str) -> Sequence[ListedNumber]:
    names: Mapping[ApiKeyId, str] = {}
    if any(one.api_key_id is not None for one in found):
        names = {key.api_key_id: key.name for key in await workspaces.list_api_keys(visit.store, visit.principal)}
    return [
        ListedNumber(
            one,
            visit.seal.seal(one.mobile_number),
            is_shown=one.mobile_number == searched,
            key_name=None if one.api_key_id is None else names.get(one.api_key_id),
        )
        for one in found
    ]


async def _imported(visit: Visit, texts: Mapping[str, str], file: UploadFile) -> tuple[UploadReport, int]:
    given: SuppressionForm = convert(
        {name: text for name, text in texts.items() if text}, SuppressionForm, strict=False
    )
    if file.size == 0 and not file.filename:
        raise InvalidInput("Missing required field: file", field="file")
    wanted = ImportForm(given.country_code, given.number_column, given.remove_invalid_rows, given.reason)
    return await suppressions.import_suppressions(visit.store, visit.principal, wanted, file.file)


def _csv_form(texts: Mapping[str, str]) -> CsvForm:
    return CsvForm(
        country_code=texts.get("country_code", ""),
        number_column=texts.get("number_column", ""),
        reason=texts.get("reason", ""),
        skip_invalid=texts.get("remove_invalid_rows") == "true",
    )


def _pasted(text: str) -> tuple[Sequence[str], Sequence[str]]:
    """The numbers, each once, and every complaint with the line that it is about."""
    lines_and_entries = [
        (line, entry.strip())
        for line, row in enumerate(text.splitlines(), start=1)
        for entry in _SEPARATORS.split(row)
        if entry.strip()
    ]
    entries = [entry for _, entry in lines_and_entries]
    if not entries:
        return (), ["mobile_numbers must not be empty"]
    if len(entries) > NUMBERS_MAX:
        return (), [f"mobile_numbers takes at most {NUMBERS_MAX} entries, not {len(entries)}. A longer list is a file."]
    wrong = bad_entries("mobile_numbers", entries)
    complaints = [f"Line {lines_and_entries[error.position or 0][0]}: {error.message}" for error in wrong]
    return list(dict.fromkeys(entries)), complaints


def _opened(visit: Visit, sealed: str) -> str:
    number = visit.seal.opened(sealed)
    if number is None:
        raise NotFound("this address is of another session: search for the number again", field="number")
    return number


def _done(visit: Visit) -> Mapping[str, int]:
    """What the form that led here has done."""
    given = {name: visit.asked(name) for name in ("added", "known", "removed")}
    return {name: int(text) for name, text in given.items() if text.isascii() and text.isdigit() and len(text) < 10}


def _show_forms(
    visit: Visit,
    *,
    add: AddForm = AddForm(),
    add_complaints: Sequence[str] = (),
    csv: CsvForm = CsvForm(),
    csv_complaints: Sequence[str] = (),
    status: int = 200,
) -> Response:
    return visit.show(
        "suppressions_new.html",
        status,
        add=add,
        add_complaints=add_complaints,
        csv=csv,
        csv_complaints=csv_complaints,
        numbers_max=NUMBERS_MAX,
    )


_NOTHING: Final[dict[str, Any]] = {
    "rows": (),
    "more": None,
    "is_further": False,
    "total_count": None,
    "counted_max": COUNTED_MAX,
    "complaint": "",
    "done": {},
}
