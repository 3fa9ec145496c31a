"""Which campaigns were found outside their window, so that they take no place among what is looked at before it opens.

Only a memory of what was judged. The database leaves a campaign out while it is as it was then and its own clock says
that the window has not opened: nothing that is remembered too long keeps an open campaign from being dialled.
"""

from collections.abc import Sequence
from datetime import datetime

from ringoff.domain.attempt_records import ClosedCampaign, DialWork
from ringoff.domain.identifiers import CampaignId


class WindowRests:
    """Of one dispatcher."""

    def __init__(self, campaigns_max: int) -> None:
        self._campaigns_max = campaigns_max
        self._rests: dict[CampaignId, ClosedCampaign] = {}

    def rest(self, work: DialWork, opens_at: datetime) -> bool:
        """Whether it will be left out; not where so many are already that the list would become too long."""
        if work.campaign_id not in self._rests and len(self._rests) >= self._campaigns_max:
            return False
        self._rests[work.campaign_id] = ClosedCampaign(work.campaign_id, work.campaign_changed_at, opens_at)
        return True

    def resting(self) -> Sequence[ClosedCampaign]:
        return list(self._rests.values())

    def wait_s(self, now: datetime, at_most_s: float) -> float:
        """Seconds until the first of them opens; what has opened is forgotten."""
        self._rests = {campaign_id: rest for campaign_id, rest in self._rests.items() if rest.opens_at > now}
        opens_at = min((rest.opens_at for rest in self._rests.values()), default=None)
        return at_most_s if opens_at is None else min(at_most_s, (opens_at - now).total_seconds())
