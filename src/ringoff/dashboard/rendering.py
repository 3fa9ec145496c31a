"""Pages from templates: escaped always, numbers masked unless the session reveals them, times for every zone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from ringoff.dashboard.assets import Assets
from ringoff.domain.phone_number import mask

_STATUS_WORDS: Final[Mapping[str, str]] = {
    "registered": "waiting",
    "retry": "in retry",
    "ongoing": "on the wire",
    "completed": "completed",
    "failed": "failed",
    "error": "error",
    "cancelled": "cancelled",
}
_LEVEL_WORDS: Final[Mapping[str, str]] = {
    "agent": "all calls of an agent",
    "campaign": "a whole campaign",
    "calls": "named calls",
    "campaign_numbers": "numbers in a campaign",
    "numbers": "numbers everywhere",
    "mixed": "several selectors",
}


class Rendering:
    """The templates of the package. Whatever a list or an agent brought is text here, never markup."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader("ringoff.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["asset"] = assets.url
        self._environment.filters |= {
            "count": _count,
            "called": _called,
            "when": _when,
            "span": _span,
            "status_words": partial(_words, _STATUS_WORDS),
            "level_words": partial(_words, _LEVEL_WORDS),
            "bar": _bar,
            "unix": datetime.timestamp,
            "json": _json,
        }

    def page(self, template: str, context: Mapping[str, Any]) -> str:
        """One template with its context."""
        return self._environment.get_template(template).render(context)


def _words(by_word: Mapping[str, str], word: str) -> str:
    return by_word.get(word, word)


def _count(value: float) -> str:
    """1234567 -> 1,234,567; a fraction keeps one digit."""
    return f"{value:,.1f}" if not float(value).is_integer() else f"{int(value):,}"


@pass_context
def _called(context: Context, number: str) -> str:
    """A called number as this session may see it."""
    return number if context.get("reveals_numbers", False) else mask(number)


def _when(at: datetime | None, zone: str | None = None) -> Markup:
    """An instant in UTC, which a script turns into the viewer's zone; beside it the campaign's own zone."""
    if at is None:
        return Markup("–")  # noqa: RUF001 - a dash for eyes
    utc = at.astimezone(UTC)
    shown = Markup('<time datetime="{}" data-when>{}</time>').format(
        utc.isoformat(timespec="milliseconds"), f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    )
    if zone is None:
        return shown
    local = at.astimezone(ZoneInfo(zone))
    return shown + Markup(' <small class="zone">{} {}</small>').format(f"{local:%H:%M}", zone)


def _span(seconds: float | None) -> str:
    """A duration in the two largest units that matter."""
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash for eyes
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest_s:02} s"


def _json(value: Any) -> str:
    """For a script to read out of an element's text; escaped there like any text."""
    return msgspec.json.encode(value).decode()


def _bar(parts: Mapping[str, int]) -> Markup:
    """Parts of a whole as one bar: SVG, because a width in a style attribute would need a weaker content policy."""
    total = sum(parts.values())
    pieces, left = [], 0.0
    for name, part in parts.items():
        width = 100 * part / total if total else 0
        if width:
            pieces.append(
                Markup('<rect class="part-{}" x="{:.3f}" y="0" width="{:.3f}" height="8"/>').format(name, left, width)
            )
        left += width
    words = ", ".join(f"{part:,} {_STATUS_WORDS.get(name, name)}" for name, part in parts.items() if part)
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(words or "no calls", Markup("").join(pieces))
