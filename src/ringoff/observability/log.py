"""Logs to standard error, as JSON or for eyes, in which no phone number is readable; those of libraries too."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import structlog
from structlog.typing import Processor

from ringoff.domain.phone_number import mask

# Also inside sentences and URLs: a number is personal data wherever it turns up.
_NUMBER = re.compile(r"(?<![0-9])\+[0-9]{8,15}(?![0-9])")


def configure_log(level: str, log_format: str) -> None:
    """``auto`` means for eyes on a terminal, JSON elsewhere."""
    for_eyes = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if for_eyes
        else structlog.processors.JSONRenderer()
    )
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask_numbers,
        renderer,
    ]
    structlog.configure(
        processors=[*before, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries that use the standard library's logging: what they warn about is worth a line, their chatter is not.
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[lines])
    logging.captureWarnings(capture=True)
    # While the database is away the pool prints a traceback for each try; our loops say it in a line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    # While a collector is away, that a batch was lost is a line; each try to send it is none.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)


def mask_numbers(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: masks what looks like an E.164 number in every field, at any depth."""
    for name, value in event.items():
        event[name] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(lambda found: mask(found[0]), value)
    if isinstance(value, Mapping):
        return {_masked(key): _masked(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_masked(inner) for inner in value]
    if isinstance(value, bool | int | float | type(None)):
        return value
    return _masked(str(value))
