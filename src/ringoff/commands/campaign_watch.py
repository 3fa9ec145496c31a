"""`ringoff campaign watch`: the calls of one campaign by status, until it has ended."""

from typing import Final

import msgspec
from rich.progress import MofNCompleteColumn, TaskID

from ringoff.client import ClientError, RingoffClient
from ringoff.client.native_answers import Campaign, CampaignCounts
from ringoff.commands.desk import Desk, Json, by_lines, wait
from ringoff.commands.ending import OK
from ringoff.commands.safe_text import plain
from ringoff.commands.server import HERE, Server, connected

STATUSES: Final = ("registered", "ongoing", "retry", "completed", "failed", "error", "cancelled")
_OVER: Final = frozenset({"completed", "terminated", "failed"})
_LOOK_EVERY_S: Final = 1.0
_FAILURES_MAX: Final = 10
_WIDE_FROM: Final = 70
"""Columns; below, the bars need them all."""
_GUESS_EVERY_LOOKS: Final = 10
_HINTS: Final = {
    "draft": "It is a draft: ringoff campaign start {0} --from-number NUMBER",
    "verifying": "Its list is still verified: ringoff campaign verification {0}",
    "paused": "It is paused: ringoff campaign resume {0}",
}


def watch(campaign_id: str, *, json: Json = False, server: Server = HERE) -> int:
    """Show how a campaign goes, until it has ended. Bars on a terminal, elsewhere a line for each change.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign list` shows it.
    """
    desk = Desk()
    with connected(server) as api:
        return look_on(api, campaign_id, desk, is_json=json)


def look_on(api: RingoffClient, campaign_id: str, desk: Desk, *, is_json: bool) -> int:
    """Until its end; Ctrl-C leaves it alone and goes."""
    try:
        found = api.native.campaigns.get(campaign_id)
        if hint := _HINTS.get(found.status):
            desk.note(hint.format(campaign_id))
        if desk.is_shown and desk.has_bars and not is_json:
            found = _with_bars(api, found, desk)
            desk.say(line_of(found))
        else:
            _with_lines(api, found, desk, is_json=is_json)
    except KeyboardInterrupt:
        desk.note("No longer watched; the campaign goes on as it was")
    return OK


def is_over(campaign: Campaign) -> bool:
    """Ended, with nothing left on the wire."""
    counts = campaign.counts or CampaignCounts()
    return campaign.status in _OVER and not (counts.ongoing or counts.registered or counts.retry)


def line_of(campaign: Campaign) -> str:
    """Status and counts on one line."""
    counts = campaign.counts or CampaignCounts()
    shown = ", ".join(f"{getattr(counts, status):,} {status}" for status in STATUSES)
    return f"{campaign.status}: {shown}"


def _with_bars(api: RingoffClient, found: Campaign, desk: Desk) -> Campaign:
    desk.note(f"{found.name} (Ctrl-C leaves it as it is)")
    with desk.bar(MofNCompleteColumn()) as bars:
        is_wide = bars.console.width >= _WIDE_FROM
        title = bars.add_task("", total=None)
        guess = _Guess(api, found.campaign_id)
        tasks: dict[str, TaskID] = {status: bars.add_task(status, total=None) for status in STATUSES}
        while True:
            counts = found.counts or CampaignCounts()
            ended = counts.total - counts.registered - counts.ongoing - counts.retry
            shown = f"{found.status}{'' if is_over(found) else guess.words()}" if is_wide else "in all"
            bars.update(title, description=plain(shown), completed=ended, total=counts.total)
            for status, task in tasks.items():
                bars.update(task, completed=getattr(counts, status), total=counts.total)
            if is_over(found):
                return found
            wait(_LOOK_EVERY_S)
            found = _again(api, found, desk)


class _Guess:
    """About when a campaign will be done; made anew every ten looks, for it costs more than a look."""

    def __init__(self, api: RingoffClient, campaign_id: str) -> None:
        self._api = api
        self._campaign_id = campaign_id
        self._looks = 0
        self._words = ""

    def words(self) -> str:
        """Nothing where there is no guess, or no server that makes one."""
        if self._looks % _GUESS_EVERY_LOOKS == 0:
            try:
                eta = self._api.native.campaigns.figures(self._campaign_id).eta
                self._words = _eta_words(eta.done_about_at, eta.opens_at)
            except ClientError:
                self._words = ""
        self._looks += 1
        return self._words


def _eta_words(done_about_at: str | None, opens_at: str | None) -> str:
    if done_about_at:
        return f", done about {_minute(done_about_at)}"
    return f", opens {_minute(opens_at)}" if opens_at else ""


def _minute(at: str) -> str:
    return f"{plain(at)[:16].replace('T', ' ')} UTC"


def _with_lines(api: RingoffClient, found: Campaign, desk: Desk, *, is_json: bool) -> None:
    show = by_lines(desk.say)
    before: Campaign | None = None
    while True:
        if is_json and found != before:
            desk.json_line(msgspec.to_builtins(found))
        elif not is_json:
            show(line_of(found))
        if is_over(found):
            return
        before = found
        wait(_LOOK_EVERY_S)
        found = _again(api, found, desk)


def _again(api: RingoffClient, found: Campaign, desk: Desk) -> Campaign:
    """The campaign now; a server that is away for a moment is waited for."""
    for failure in range(1, _FAILURES_MAX + 1):
        try:
            return api.native.campaigns.get(found.campaign_id)
        except ClientError as error:
            if failure == _FAILURES_MAX or (error.status is not None and error.status < 500):
                raise
            desk.note(f"{error.message}; looking again")
            wait(_LOOK_EVERY_S)
    raise AssertionError("the last failure is raised")
