"""What an upload would make of a CSV, before anything is stored: the same reader, the same rules, the same words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringoff.domain.identifiers import CampaignId
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.domain.workspace import Principal
from ringoff.operations.csv_report import ReadOptions, RowFault
from ringoff.operations.uploads import CsvUpload, UploadedFile
from ringoff.ports import Store

ROWS_SHOWN_MAX: Final = 20
FAULTS_SHOWN_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class ListPreview:
    """Rows by what would become of them. Duplicates are among the invalid rows, suppressed numbers among the valid."""

    columns: Sequence[str]
    """Of the header, as written; 200 at most."""
    sample: Sequence[Mapping[str, Any]]
    """The first valid rows as they would be registered, with the variables of their calls."""
    faults: Sequence[RowFault]
    """The first rows that would be refused, each with its line, column and rule."""
    total_count: int
    valid_count: int
    invalid_count: int
    duplicate_count: int
    suppressed_count: int
    """Valid rows that would be registered, and never rung: their numbers are on the suppression list."""


async def preview_list(
    store: Store, principal: Principal, country_code: str, variables_map: Mapping[str, str], file: UploadedFile
) -> ListPreview:
    """Read all of the file; nothing of it is kept. ``UploadRefused`` for a file that is no list of contacts."""
    NumberNormalizer(country_code)  # Refuses a country code that is none, before the file is read.
    options = ReadOptions(
        workspace_id=principal.workspace_id,
        # The numbers are staged as contacts of no campaign, until they have met the suppression list.
        campaign_id=CampaignId(principal.workspace_id),
        variables_map=dict(variables_map),
        country_code=country_code,
        remove_invalid_rows=True,
        is_preview=True,
        errors_shown_max=FAULTS_SHOWN_MAX,
        sample_rows_max=ROWS_SHOWN_MAX,
    )
    async with store.transaction() as tx, CsvUpload(file, options) as upload:
        suppressed_count = await tx.suppressions.count_among(principal.workspace_id, upload.rows())
    report = upload.report
    return ListPreview(
        columns=report.columns,
        sample=report.sample,
        faults=report.errors,
        total_count=report.total_rows,
        valid_count=report.valid_rows,
        invalid_count=report.invalid_rows,
        duplicate_count=report.duplicate_rows,
        suppressed_count=suppressed_count,
    )
