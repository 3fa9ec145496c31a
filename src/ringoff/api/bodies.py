"""Bodies and query strings, read within their limits and refused with the place of the first mistake."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Message

from ringoff.api.services import ApiLimits
from ringoff.domain.errors import InvalidInput, TooLarge, UnsupportedMediaType

INTEGER_MAX: Final = 2**63 - 1
_SHOWN_LENGTH_MAX: Final = 64
_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_MISPLACED: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>.*)`$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"(?P<key>[^.\[\]]+)|\[(?P<index>[0-9]+)\]|\.|\[\.\.\.\]")


async def read_json(request: Request, limits: ApiLimits) -> Any:
    """One JSON value: UTF-8, no key twice in an object, nothing that the database could not keep."""
    _require_media_type(request, "application/json", if_missing=True)
    body = await _read_bounded(request, limits.json_bytes_max)
    try:
        return parse_json(body.decode(), "the body")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8: byte {error.start} is wrong") from None


def parse_json(text: str, name: str) -> Any:
    """One JSON value from a body or from a form field; ``name`` says which in the error."""
    try:
        value = json.loads(text, object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant)
        require_storable(value)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{name} is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise InvalidInput(f"{name} is nested too deeply") from None
    except ValueError:
        # The standard library's guard against numbers of thousands of digits.
        raise InvalidInput(f"{name} has a number that is too long") from None
    return value


async def read_text_form(request: Request, bytes_max: int, fields_max: int) -> list[tuple[str, str]]:
    """The pairs of a form without files (``application/x-www-form-urlencoded``), in UTF-8, in their order."""
    _require_media_type(request, "application/x-www-form-urlencoded", if_missing=False)
    body = await _read_bounded(request, bytes_max)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=fields_max)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the form is not UTF-8: {error.reason}") from None
    except ValueError:
        raise InvalidInput(f"the form has more than {fields_max} fields") from None
    require_storable(dict(pairs))
    return pairs


async def read_form(request: Request, limits: ApiLimits) -> FormData:
    """A multipart form with at most one file, spooled to disk while it streams in. The caller closes it."""
    _require_media_type(request, "multipart/form-data", if_missing=False)
    _refuse_announced(request, limits.csv_bytes_max)
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limits.csv_bytes_max:
            raise _too_large(limits.csv_bytes_max)
        return message

    return await Request(request.scope, counted).form(
        max_files=1, max_fields=limits.form_fields_max, max_part_size=limits.form_field_bytes_max
    )


def form_texts(form: FormData, file_field: str) -> tuple[dict[str, str], UploadFile]:
    """The text fields, each at most once, and the one file."""
    texts: dict[str, str] = {}
    file: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != file_field:
                raise InvalidInput(f"{name[:_SHOWN_LENGTH_MAX]} must be text, not a file", field=name)
            file = value
        elif name in texts:
            raise InvalidInput(f"{name[:_SHOWN_LENGTH_MAX]} is given twice", field=name)
        else:
            texts[name] = value
    if file is None and file_field in texts:
        raise InvalidInput(f"{file_field} must be a file: its part has no filename", field=file_field)
    if file is None:
        raise InvalidInput(f"Missing required field: {file_field}", field=file_field)
    require_storable(texts)
    return texts, file


def query_texts(request: Request, struct: type[msgspec.Struct]) -> dict[str, str | list[str]]:
    """The query string, each parameter at most once but those that the struct has as lists."""
    repeatable = _repeatable(struct)
    given: dict[str, str | list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name in repeatable:
            given[name] = [*given.get(name, ()), value]
        elif name in given:
            raise InvalidInput(f"{name[:_SHOWN_LENGTH_MAX]} is given twice", field=name)
        else:
            given[name] = value
    require_storable(given)
    return given


@cache
def _repeatable(struct: type[msgspec.Struct]) -> frozenset[str]:
    described = msgspec.inspect.type_info(struct)
    assert isinstance(described, msgspec.inspect.StructType), "a query is a struct"
    return frozenset(field.encode_name for field in described.fields if _is_list(field.type))


def _is_list(described: msgspec.inspect.Type) -> bool:
    if isinstance(described, msgspec.inspect.UnionType):
        return any(_is_list(one) for one in described.types)
    return isinstance(described, msgspec.inspect.ListType)


def header_texts(request: Request, struct: type[msgspec.Struct]) -> dict[str, str]:
    """The headers that a struct names, each at most once; other headers are nobody's business."""
    given: dict[str, str] = {}
    for name in struct.__struct_encode_fields__:
        values = request.headers.getlist(name)
        if len(values) > 1:
            raise InvalidInput(f"{name} is given twice", field=name)
        if values:
            given[name] = values[0]
    return given


def convert(raw: Any, type: Any, *, strict: bool) -> Any:
    """Shape a decoded value; the error names the field, the index and the value."""
    try:
        return msgspec.convert(raw, type, strict=strict)
    except msgspec.ValidationError as error:
        raise _placed(str(error), raw) from None


def require_storable(value: Any, field: str = "") -> None:
    """Refuse what neither text nor JSON of the database can hold: NUL, lone surrogates, numbers beyond 64 bits."""
    match value:
        case str():
            if _NOT_STORABLE.search(value):
                raise InvalidInput(f"{field or 'the body'} has a character that cannot be stored", field=field or None)
        case bool() | None:
            pass
        case int() | float():
            if abs(value) > INTEGER_MAX if isinstance(value, int) else not math.isfinite(value):
                raise InvalidInput(f"{field or 'the body'} has a number out of range", field=field or None)
        case Mapping():
            for key, inner in value.items():
                require_storable(key, field)
                require_storable(inner, f"{field}.{key}" if field else key)
        case Sequence():
            for position, inner in enumerate(value):
                require_storable(inner, f"{field}[{position}]")


def _placed(text: str, raw: Any) -> InvalidInput:
    found = _MISPLACED.match(text)
    what, path = (found["what"], found["path"] or "") if found else (text, "")
    if missing := _MISSING.match(what):
        field = f"{path}.{missing['name']}" if path else missing["name"]
        return InvalidInput(f"Missing required field: {field}", field=field)
    if unknown := _UNKNOWN.match(what):
        name = unknown["name"][:_SHOWN_LENGTH_MAX]
        field = f"{path}.{name}" if path else name
        return InvalidInput(f"unknown field: {field}", field=field)
    value, position = _look_up(raw, path)
    is_shown_already = not isinstance(value, str) or repr(value) in what
    shown = "" if is_shown_already else f", not {value[:_SHOWN_LENGTH_MAX]!r}"
    field = re.sub(r"\[[0-9.]+\]$", "", path)
    return InvalidInput(f"{path or 'the body'}: {what}{shown}", field=field or None, position=position)


def _look_up(raw: Any, path: str) -> tuple[Any, int | None]:
    """The value at a path as msgspec writes it, and the last index in it."""
    value, position = raw, None
    for step in _STEP.finditer(path):
        if step["key"] is not None and isinstance(value, Mapping):
            value, position = value.get(step["key"]), None
        elif step["index"] is not None and isinstance(value, list):
            position = int(step["index"])
            value = value[position]
        elif step[0] != ".":
            return None, None
    return value, position


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise InvalidInput(f"the field {key[:_SHOWN_LENGTH_MAX]!r} is given twice", field=key[:_SHOWN_LENGTH_MAX])
        made[key] = value
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"{name} is no number in JSON")


def _require_media_type(request: Request, wanted: str, *, if_missing: bool) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    given = request.headers.get("content-type")
    if given is None:
        if if_missing:
            return
        raise UnsupportedMediaType(f"the content type must be {wanted}; there is none")
    name, _, parameters = given.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters, re.IGNORECASE)
    if name.strip().lower() != wanted or (charset is not None and charset[1].lower() not in ("utf-8", "utf8")):
        raise UnsupportedMediaType(f"the content type must be {wanted}, not {given[:_SHOWN_LENGTH_MAX]!r}")


async def _read_bounded(request: Request, bytes_max: int) -> bytes:
    _refuse_announced(request, bytes_max)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
    return bytes(body)


def _refuse_announced(request: Request, bytes_max: int) -> None:
    """Say no before the first byte when the client has said how many there will be."""
    announced = request.headers.get("content-length", "")
    # Eighteen digits are more than any limit, and fewer than an integer may cost to read.
    if announced.isascii() and announced.isdigit() and (len(announced) > 18 or int(announced) > bytes_max):
        raise _too_large(bytes_max)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"the body is larger than {bytes_max} bytes")
