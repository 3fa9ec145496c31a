"""The form of an upload: what was typed and picked, and the request of the API that it means."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import BinaryIO, Final
from zoneinfo import available_timezones

import msgspec

from ringoff.api.bodies import convert
from ringoff.api.errors import located
from ringoff.api.ringg.large_lists import UploadForm as UploadRequest
from ringoff.domain.call_config import CallConfig, parse_call_config
from ringoff.domain.call_window import require_timezone
from ringoff.domain.errors import InvalidInput, RingoffError
from ringoff.domain.phone_number import NumberNormalizer
from ringoff.operations.campaigns import checked_times, require_name
from ringoff.operations.csv_header import guessed_columns
from ringoff.ports import Clock

COLUMN_FIELD: Final = "column."
"""Begins the name of each field that says which column feeds a variable."""
FIELDS_MAX: Final = 300
LARGE_FROM: Final = 50_000
"""Lists of so many rows are verified after they are stored: to register them takes longer than a browser waits."""
_CHUNK_BYTES: Final = 1 << 20
_RETRY: Final = ("retry_count", "retry_busy", "retry_not_picked", "retry_failed")


@dataclass(frozen=True, slots=True)
class UploadForm:
    """As filled in; shown again exactly so when something is wrong."""

    agent_id: str = ""
    campaign_name: str = ""
    country_code: str = ""
    timezone: str = "UTC"
    call_start_time: str = "09:00"
    call_end_time: str = "21:00"
    campaign_start_time: str = ""
    campaign_end_time: str = ""
    retry_count: str = "0"
    retry_busy: str = "30"
    retry_not_picked: str = "60"
    retry_failed: str = "30"
    max_call_length: str = "240"
    skip_invalid: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    """Variable -> column."""
    columns_of: str = ""
    """The mark of the header whose columns could be picked."""
    previewed: str = ""
    """The mark of the file and the columns whose preview was shown."""
    row_count: str = ""
    """How many rows the preview has found."""

    @property
    def variables_map(self) -> dict[str, str]:
        return {variable: column for variable, column in self.columns.items() if column}

    @property
    def is_large(self) -> bool:
        return self.row_count.isdecimal() and int(self.row_count) >= LARGE_FROM


def read(texts: Mapping[str, str]) -> UploadForm:
    """What a POST of the form says."""
    known = {name: text.strip() for name, text in texts.items() if name in UploadForm.__dataclass_fields__}
    known.pop("columns", None)
    known.pop("skip_invalid", None)
    if texts.get("again"):
        known["previewed"] = ""
    columns = {name.removeprefix(COLUMN_FIELD): text for name, text in texts.items() if name.startswith(COLUMN_FIELD)}
    return UploadForm(**known, skip_invalid=texts.get("skip_invalid") == "true", columns=columns)


def request_of(form: UploadForm) -> UploadRequest:
    """The form as the fields of an upload by the API; ``InvalidInput`` in its words."""
    texts = {
        "agent_id": form.agent_id,
        "campaign_name": form.campaign_name,
        "country_code": form.country_code,
        "variables_map": msgspec.json.encode(form.variables_map).decode(),
        "call_config": msgspec.json.encode(_call_config(form)).decode(),
        "campaign_start_time": form.campaign_start_time,
        "campaign_end_time": form.campaign_end_time,
    }
    request: UploadRequest = convert({name: text for name, text in texts.items() if text}, UploadRequest, strict=False)
    return request


def complaints(form: UploadForm, clock: Clock) -> Sequence[str]:
    """Everything that can be wrong without a look at the file, each in the words of the API."""
    config = CallConfig()
    found: list[str] = []
    try:
        request_of(form)
        require_name(form.campaign_name)
    except RingoffError as error:
        found.append(located(error))
    try:
        config = parse_call_config(_call_config(form), "call_config")
        checked_times(config, form.campaign_start_time or None, form.campaign_end_time or None, clock.now())
    except RingoffError as error:
        found.append(located(error))
    if form.country_code:
        try:
            NumberNormalizer(form.country_code)
        except RingoffError as error:
            found.append(located(error))
    return found


def with_columns(form: UploadForm, header: Sequence[str], variables: Sequence[str]) -> UploadForm:
    """The form with a column for each variable: as picked, "no column" too; guessed as long as nobody could pick."""
    mark = hashlib.sha256(msgspec.json.encode(list(header))).hexdigest()
    picked = form.columns if form.columns_of == mark else form.variables_map
    return replace(form, columns={**guessed_columns(header, variables), **picked}, columns_of=mark)


def mark_of(form: UploadForm, file: BinaryIO) -> str:
    """The same for the same file read in the same way, and for nothing else. Blocks while it reads the file."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    file.seek(0)
    digest.update(msgspec.json.encode([form.country_code, sorted(form.variables_map.items())]))
    return digest.hexdigest()


@cache
def zones() -> Sequence[str]:
    """The time zones to pick from."""
    found = []
    for name in sorted(available_timezones()):
        try:
            found.append(require_timezone(name, "timezone"))
        except InvalidInput:
            continue
    return found


def _call_config(form: UploadForm) -> dict[str, object]:
    call_time = {
        "call_start_time": form.call_start_time,
        "call_end_time": form.call_end_time,
        "timezone": form.timezone,
    }
    return {
        "max_call_length": _whole(form.max_call_length),
        "call_time": {name: text for name, text in call_time.items() if text},
        "call_retry_config": {name: _whole(getattr(form, name)) for name in _RETRY},
    }


def _whole(text: str) -> object:
    """A number as the API wants it; what is none goes there as it is, to be refused there."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
