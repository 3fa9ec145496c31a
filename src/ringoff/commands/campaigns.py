"""`ringoff campaign`: list, upload, start, watch, share, pause, resume and end."""

from itertools import islice
from typing import Final

import msgspec
from cyclopts import App

from ringoff.client.native_answers import Campaign, CampaignCounts
from ringoff.commands.campaign_upload import upload, verification
from ringoff.commands.campaign_watch import look_on, watch
from ringoff.commands.desk import Desk, Flag, Json, Limit, Several, Yes
from ringoff.commands.ending import MISUSED, OK, Ended
from ringoff.commands.server import HERE, Server, connected, fate_told
from ringoff.commands.terminate import confirm, require_somebody

_NUMBERS_SHOWN_MAX: Final = 10
_UNKNOWN: Final = "whether it was carried out is unknown: `ringoff campaign list` shows it"

campaign_app = App(name="campaign")
campaign_app.command(upload)
campaign_app.command(verification)
campaign_app.command(watch)


@campaign_app.command(name="list")
def list_campaigns(*, limit: Limit = 50, status: str | None = None, json: Json = False, server: Server = HERE) -> int:
    """Campaigns, newest first.

    Parameters
    ----------
    limit
        How many are shown; 0 for all.
    status
        Only those that are draft, verifying, scheduled, ongoing, paused, completed, terminated or failed.
    """
    desk = Desk()
    with connected(server) as api:
        found = (row for row in api.native.campaigns.list() if status in (None, row.status))
        shown = islice(found, limit or None)
        if json:
            desk.json_rows(msgspec.to_builtins(row) for row in shown)
            return OK
        columns = {"Campaign": "left", "Name": "left", "Status": "left", "Waiting": "right", "Calls": "right"}
        desk.table(columns, ((row.campaign_id, row.name, row.status, *_counts(row)) for row in shown))
    return OK


@campaign_app.command
def start(
    campaign_id: str,
    *,
    from_number: Several = None,
    number_pool_id: str | None = None,
    watch: Flag = False,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Begin to dial a draft, or once more whoever was cancelled when a campaign was terminated.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign list` shows it.
    from_number
        A calling number; may be repeated.
    number_pool_id
        A pool of calling numbers instead.
    watch
        Stay and show how it goes.
    """
    desk = Desk()
    with connected(server) as api:
        if not from_number and not number_pool_id:
            there = ", ".join(number.number for number in api.numbers.list()[:_NUMBERS_SHOWN_MAX])
            raise Ended(f"give --from-number or --number-pool-id; the workspace has {there or 'no number'}", MISUSED)
        draft = api.native.campaigns.get(campaign_id)
        with fate_told(_UNKNOWN):
            api.campaigns.start_v2(
                agent_id=draft.agent_id, list_id=campaign_id, from_numbers=from_number, number_pool_id=number_pool_id
            )
        return _tell(api.native.campaigns.get(campaign_id), desk, is_json=json and not watch) or (
            look_on(api, campaign_id, desk, is_json=json) if watch else OK
        )


@campaign_app.command
def share(
    campaign_id: str,
    *,
    weight: int | None = None,
    concurrency_percentage: float | None = None,
    json: Json = False,
    server: Server = HERE,
) -> int:
    """Show what a campaign gets of its trunk beside the others, or change it, also while it is dialled.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign list` shows it.
    weight
        From 1 to 100; 10 is usual. Twice the weight is twice the calls while both have calls due.
    concurrency_percentage
        How many of the trunk's channels it may use at a time.
    """
    desk = Desk()
    with connected(server) as api, fate_told(_UNKNOWN):
        if weight is None and concurrency_percentage is None:
            found = api.native.campaigns.get(campaign_id)
        else:
            found = api.native.campaigns.share(
                campaign_id, weight=weight, concurrency_percentage=concurrency_percentage
            )
    if json:
        desk.json(msgspec.to_builtins(found))
    elif found.weight is None or found.concurrency_percentage is None:
        desk.say("the server is of a version that knows no shares")
    else:
        channels = f"at most {found.concurrency_percentage:g} % of the trunk's channels"
        desk.say(f"{found.name} has weight {found.weight}, {channels}")
    return OK


@campaign_app.command
def pause(campaign_id: str, *, json: Json = False, server: Server = HERE) -> int:
    """Hold a campaign: after the answer no call of it is dialled until it is resumed; calls on the wire go on.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign list` shows it.
    """
    with connected(server) as api, fate_told(_UNKNOWN):
        return _tell(api.native.campaigns.pause(campaign_id), Desk(), is_json=json)


@campaign_app.command
def resume(campaign_id: str, *, json: Json = False, server: Server = HERE) -> int:
    """Let a paused campaign go on.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign list` shows it.
    """
    with connected(server) as api, fate_told(_UNKNOWN):
        return _tell(api.native.campaigns.resume(campaign_id), Desk(), is_json=json)


@campaign_app.command
def end(campaign_id: str, *, yes: Yes = False, json: Json = False, server: Server = HERE) -> int:
    """End a campaign for good: what waits is cancelled, and it cannot be started again. `terminate` leaves that open.

    Parameters
    ----------
    campaign_id
        As `ringoff campaign list` shows it.
    """
    desk = Desk()
    if not yes:
        require_somebody(desk, "ended")
    with connected(server) as api:
        if not yes:
            found = api.native.campaigns.get(campaign_id)
            pending, _total = _counts(found)
            confirm(desk, pending, f"{pending:,} waiting calls of {found.name}, and the campaign for good", "ended")
        with fate_told(_UNKNOWN):
            ended = api.native.campaigns.end(campaign_id)
    if not json and ended.termination_id:
        desk.say(f"X-Termination-Id: {ended.termination_id}")
    return _tell(ended, desk, is_json=json)


def _counts(campaign: Campaign) -> tuple[int, int]:
    counts = campaign.counts or CampaignCounts()
    return counts.registered + counts.retry, counts.total


def _tell(campaign: Campaign, desk: Desk, *, is_json: bool) -> int:
    if is_json:
        desk.json(msgspec.to_builtins(campaign))
    else:
        desk.say(f"{campaign.name} is {campaign.status}")
    return OK
