"""``/api/v1/suppressions``: numbers that must not be rung, one by one or as CSV."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from ringoff.api.errors import ErrorShape
from ringoff.api.fields import E164Text, Instant, instant
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.api.tables import as_text, csv_lines
from ringoff.domain.errors import InvalidInput
from ringoff.domain.phone_number import has_e164_shape
from ringoff.domain.records import SuppressedNumber
from ringoff.domain.termination import REASON_LENGTH_MAX, parse_selector
from ringoff.domain.workspace import Principal
from ringoff.operations import suppressions
from ringoff.operations.suppressions import ImportForm

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "suppressions")

NUMBERS_MAX = 100
_COLUMNS = ("Mobile Number", "Reason", "Created At")


class SuppressRequest(msgspec.Struct, forbid_unknown_fields=True):
    """For the document only: numbers are read like those of a termination."""

    mobile_numbers: Annotated[list[E164Text], msgspec.Meta(min_length=1, max_length=NUMBERS_MAX)]
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)] | None = None


class SuppressedAnswer(msgspec.Struct):
    added_count: int
    """Numbers that were not on the list before."""


class SuppressionView(msgspec.Struct):
    mobile_number: str
    reason: str | None
    created_at: Instant
    termination_id: str | None
    """The order that added the number, if one did."""


class SuppressionList(msgspec.Struct):
    suppressions: list[SuppressionView]
    total_count: int
    next_cursor: str | None


class SuppressionQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    cursor: str = ""
    mobile_number: E164Text | None = None


class SuppressionForm(msgspec.Struct, forbid_unknown_fields=True):
    country_code: str
    number_column: str | None = None
    """The column of the numbers; ``Mobile Number`` without it."""
    remove_invalid_rows: bool = False
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH_MAX)] | None = None


class ImportedAnswer(msgspec.Struct):
    added_count: int
    total_rows: int
    successful_rows: int
    failed_rows: int


@ROUTES.add("POST", "/suppressions", status=201, errors=(409,), documented_body=SuppressRequest)
async def suppress_numbers(services: Services, principal: Principal, body: dict[str, Any]) -> SuppressedAnswer:
    """Never ring these numbers again, whoever uploads them; calls on the wire end by themselves."""
    given = dict(body)
    reason = given.pop("reason", None)
    if not isinstance(reason, str | None):
        raise InvalidInput("reason must be text", field="reason")
    for name in given:
        if name != "mobile_numbers":
            raise InvalidInput(f"unknown field: {str(name)[:64]}", field=str(name)[:64])
    if given.get("mobile_numbers") is None:
        raise InvalidInput("Missing required field: mobile_numbers", field="mobile_numbers")
    if given["mobile_numbers"] == []:
        raise InvalidInput("mobile_numbers must not be empty", field="mobile_numbers")
    numbers = parse_selector(given).mobile_numbers or ()
    return SuppressedAnswer(await suppressions.suppress(services.store, principal, numbers, reason))


@ROUTES.add("GET", "/suppressions")
async def list_suppressions(services: Services, principal: Principal, query: SuppressionQuery) -> SuppressionList:
    """Suppressed numbers in their order."""
    page, total_count = await suppressions.list_suppressions(
        services.store, principal, query.cursor, query.mobile_number, query.limit
    )
    next_cursor = page[-1].mobile_number if len(page) == query.limit else None
    return SuppressionList([_shown(row) for row in page], total_count, next_cursor)


@ROUTES.add("POST", "/suppressions/import", status=201)
async def import_suppressions(
    services: Services, principal: Principal, form: SuppressionForm, file: UploadFile
) -> ImportedAnswer:
    """Add every number of a CSV, or none: the rules are those of a campaign's upload."""
    report, added_count = await suppressions.import_suppressions(
        services.store,
        principal,
        ImportForm(form.country_code, form.number_column, form.remove_invalid_rows, form.reason),
        file.file,
    )
    return ImportedAnswer(added_count, report.total_rows, report.valid_rows, report.invalid_rows)


@ROUTES.add("GET", "/suppressions/export", media_type="text/csv")
async def export_suppressions(services: Services, principal: Principal) -> Response:
    """The whole list as CSV; it can be imported again."""
    headers = {"Content-Disposition": 'attachment; filename="suppressions.csv"'}
    return StreamingResponse(_csv(services, principal), media_type="text/csv", headers=headers)


@ROUTES.add("DELETE", "/suppressions/{mobile_number}", status=204, errors=(404,))
async def allow_number(services: Services, principal: Principal, mobile_number: str) -> None:
    """Let a number be rung again by calls that are registered or still wait."""
    if not has_e164_shape(mobile_number):
        raise InvalidInput("mobile_number is not an E.164 phone number with a leading +", field="mobile_number")
    await suppressions.allow(services.store, principal, mobile_number)


async def _csv(services: Services, principal: Principal) -> AsyncIterator[str]:
    yield csv_lines([_COLUMNS])
    async for page in suppressions.every_suppression(services.store, principal):
        yield csv_lines([(row.mobile_number, as_text(row.reason or ""), instant(row.created_at)) for row in page])


def _shown(row: SuppressedNumber) -> SuppressionView:
    termination_id = None if row.termination_id is None else str(row.termination_id)
    return SuppressionView(row.mobile_number, row.reason, instant(row.created_at), termination_id)
