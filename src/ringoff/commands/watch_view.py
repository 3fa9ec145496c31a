"""What `ringoff watch` shows: an overview as lines for a screen of any size."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ringoff.client.native_answers import CampaignCounts, Receipt
from ringoff.client.native_figures import Overview, Second, StartedCampaign, TrunkLoad
from ringoff.commands.desk import cell
from ringoff.commands.safe_text import plain

_WIDE_FROM: Final = 60
"""Columns; below, only what matters most has room."""
_FIXED_LINES: Final = 9
"""The first line, the rates, the health on one line or two, the headings, the last line."""
_BAR_WIDTH: Final = 14
_STEPS: Final = " ▁▂▃▄▅▆▇█"


def view(overview: Overview, url: str, trouble: str, *, width: int, height: int) -> RenderableType:
    """Everything, most important first: what a small screen cannot hold is counted, and cut off below."""
    is_wide = width >= _WIDE_FROM
    room = max(height - _FIXED_LINES, 3)
    trunks = max(1, min(len(overview.trunks), room // 3))
    orders = max(1, min(len(overview.terminations), room // 3))
    campaigns = max(1, room - trunks - orders)
    return Group(
        _first_line(overview, url, trouble),
        _rates(overview.rates, width),
        *([_health(overview)] if is_wide else [_cut(part) for part in _health_parts(overview)]),
        *_trunks(overview.trunks, trunks, is_wide=is_wide),
        *_campaigns(overview, campaigns, is_wide=is_wide),
        *_orders(overview.terminations, orders, is_wide=is_wide),
        _cut(Text("q leaves", style="dim")),
    )


def line_of(overview: Overview) -> str:
    """The same in one line, for where there is no screen."""
    second = _last_whole(overview.rates)
    counts = overview.campaigns.counts
    return plain(
        f"{overview.at} {second.dialled} dialled/s, {second.answered} answered/s, {second.failed} failed/s;"
        f" channels {_channels(overview.trunks)}; {overview.campaigns.started_count} campaigns started:"
        f" {counts.registered + counts.retry} waiting, {counts.ongoing} ongoing; {_health(overview).plain}"
    )


def _first_line(overview: Overview, url: str, trouble: str) -> Text:
    if trouble:
        return _cut(cell(f"NO ANSWER, looking again: {trouble}", "bold white on red"))
    return _cut(Text.assemble(("Ringoff ", "bold"), cell(f"{overview.at[11:19]}Z {url}", "dim")))


def _rates(rates: Sequence[Second], width: int) -> Text:
    second = _last_whole(rates)
    if width >= _WIDE_FROM:
        words = f"{second.dialled} dialled/s  {second.answered} answered/s  {second.failed} failed/s  "
    else:
        words = f"dial {second.dialled}/s  ans {second.answered}/s  fail {second.failed}/s  "
    seconds = [rate.dialled for rate in rates[:-1]][-max(width - len(words), 0) :] if width > len(words) else []
    most = max(seconds, default=0) or 1
    steps = "".join(_STEPS[-(-dialled * (len(_STEPS) - 1) // most)] for dialled in seconds)
    return _cut(Text.assemble((words, "bold"), (steps, "cyan")))


def _health(overview: Overview) -> Text:
    return _cut(Text("  ").join(_health_parts(overview)))


def _health_parts(overview: Overview) -> tuple[Text, Text]:
    database, webhooks = overview.database, overview.webhooks
    trip = "-" if database.round_trip_ms is None else f"{database.round_trip_ms:.1f} ms"
    waiting = webhooks.oldest_undelivered_s
    late = "none waits" if waiting is None else f"oldest waits {waiting:.0f} s"
    paused = f", {len(webhooks.paused)} paused" if webhooks.paused else ""
    return (
        Text(f"channels {_channels(overview.trunks)}  database {trip}"),
        Text(f"webhooks {late}{paused}", style="bold red" if webhooks.paused else ""),
    )


def _trunks(trunks: Sequence[TrunkLoad], rows_max: int, *, is_wide: bool) -> Iterable[RenderableType]:
    yield _heading("Trunks", len(trunks), rows_max)
    table = _rows()
    for trunk in trunks[:rows_max]:
        state, style = _state(trunk)
        cells: list[RenderableType] = [
            _cut(cell(trunk.name)),
            _cut(cell(state, style)),
            _bar(trunk.channels_in_use, trunk.channels_max),
            Text(f"{trunk.channels_in_use}/{trunk.channels_max}"),
        ]
        table.add_row(*cells, *([Text(f"{trunk.cps_now:g}/{trunk.cps_limit:g} cps")] if is_wide else []))
    yield table
    for trunk in trunks[:rows_max]:
        if trunk.alarm:
            yield _cut(cell(f"{trunk.name}: {trunk.alarm}", "bold red"))


def _state(trunk: TrunkLoad) -> tuple[str, str]:
    if trunk.alarm:
        return "ALARM", "bold red"
    if not trunk.is_enabled:
        return "disabled", "dim"
    if trunk.is_up is False:
        return "DOWN", "bold red"
    if trunk.is_silent:
        return "silent", "yellow"
    return ("slowed", "yellow") if trunk.is_reduced else ("up", "green")


def _campaigns(overview: Overview, rows_max: int, *, is_wide: bool) -> Iterable[RenderableType]:
    yield _heading("Campaigns", overview.campaigns.started_count, rows_max)
    table = _rows()
    for campaign in overview.campaigns.started[:rows_max]:
        table.add_row(*_campaign(campaign, is_wide=is_wide))
    yield table


def _campaign(campaign: StartedCampaign, *, is_wide: bool) -> list[RenderableType]:
    counts = campaign.counts or CampaignCounts()
    waiting = counts.registered + counts.retry
    ended = counts.total - waiting - counts.ongoing
    cells: list[RenderableType] = [_cut(cell(campaign.name)), _cut(cell(campaign.status))]
    if campaign.counts is None:
        return cells
    cells += [_bar(ended, counts.total), Text(f"{waiting:,} waiting" if is_wide else f"{waiting:,}")]
    return [*cells, Text(f"{counts.ongoing:,} ongoing")] if is_wide else cells


def _orders(receipts: Sequence[Receipt], rows_max: int, *, is_wide: bool) -> Iterable[RenderableType]:
    yield _heading("Last terminations", len(receipts), rows_max)
    table = _rows()
    for receipt in receipts[:rows_max]:
        at = (receipt.created_at or "")[11:19]
        told = receipt.reason or receipt.level
        cells = [_cut(cell(told)), Text(at), cell(receipt.state, "" if receipt.state == "settled" else "yellow")]
        table.add_row(
            *cells, Text(f"{receipt.counts.cancelled:,} cancelled" if is_wide else f"{receipt.counts.cancelled:,}")
        )
    yield table


def _heading(name: str, count: int, rows_max: int) -> Text:
    more = f" ({count - rows_max:,} more)" if count > rows_max else ""
    return _cut(Text.assemble((name, "bold underline"), (more or ("" if count else ": none"), "dim")))


def _rows() -> Table:
    """Lines of one height each: a name gives way before a figure does."""
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    return table


def _bar(done: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=done, width=_BAR_WIDTH)


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _channels(trunks: Sequence[TrunkLoad]) -> str:
    return f"{sum(trunk.channels_in_use for trunk in trunks)}/{sum(trunk.channels_max for trunk in trunks)}"


def _last_whole(rates: Sequence[Second]) -> Second:
    """The second before the running one."""
    return rates[-2] if len(rates) > 1 else Second(at="")
