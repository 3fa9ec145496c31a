"""``POST /api/v1/campaigns/preview``: what an upload would make of a CSV, before anything is stored."""

from typing import Any

import msgspec
from starlette.datastructures import UploadFile

from ringoff.api.bodies import convert, parse_json
from ringoff.api.errors import ErrorShape
from ringoff.api.ringg.campaigns import JsonText, VariablesMap
from ringoff.api.routing import RouteTable
from ringoff.api.services import Services
from ringoff.domain.workspace import Principal
from ringoff.operations import list_preview

ROUTES = RouteTable("/api/v1", ErrorShape.NATIVE, "campaigns")


class ListPreviewForm(msgspec.Struct, forbid_unknown_fields=True):
    country_code: str
    variables_map: JsonText = "{}"


class RowFaultView(msgspec.Struct):
    """Why one row would be refused."""

    line: int
    """Of the file, from 1, on which the row begins; the header has one, too."""
    column: str | None
    rule: str
    value: str | None


class ListPreviewView(msgspec.Struct, kw_only=True):
    columns: list[str]
    """Of the header; 200 at most."""
    sample: list[dict[str, Any]]
    """The first 20 valid rows, as the agent will know them."""
    faults: list[RowFaultView]
    """The first 200 rows that would be refused."""
    total_rows: int
    valid_rows: int
    invalid_rows: int
    duplicate_rows: int
    """Of the invalid ones, those that repeat a number."""
    suppressed_rows: int
    """Of the valid ones, those that are never rung: their numbers are on the suppression list."""


@ROUTES.add("POST", "/campaigns/preview")
async def preview_list(
    services: Services, principal: Principal, form: ListPreviewForm, file: UploadFile
) -> ListPreviewView:
    """Read a CSV as an upload would; nothing of it is stored."""
    given = {"variables_map": parse_json(form.variables_map, "variables_map")}
    variables_map = convert(given, VariablesMap, strict=True).variables_map
    preview = await list_preview.preview_list(services.store, principal, form.country_code, variables_map, file.file)
    return ListPreviewView(
        columns=list(preview.columns),
        sample=[dict(row) for row in preview.sample],
        faults=[RowFaultView(fault.line, fault.column, fault.rule, fault.value) for fault in preview.faults],
        total_rows=preview.total_count,
        valid_rows=preview.valid_count,
        invalid_rows=preview.invalid_count,
        duplicate_rows=preview.duplicate_count,
        suppressed_rows=preview.suppressed_count,
    )
