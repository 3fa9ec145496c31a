"""Whose turn it is to claim: workspace by workspace, trunk by trunk, and the campaigns of a trunk by weight.

A round gives every campaign that is due one claim, and ends after ``round_claims_max`` of them: what has become due
meanwhile is looked at again, and the next round goes on where this one ended. Workspaces alternate, and so do the
trunks of each; one whose campaigns have all had their claim starts again while others are not through. So what a
workspace gets does not depend on how many campaigns another one has.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ringoff.domain.attempt_records import DialWork
from ringoff.domain.fair_share import DEFAULT_SHARE, ChannelUse, FairQueue, Share
from ringoff.domain.identifiers import CampaignId, TrunkId, WorkspaceId

_TRUNKS_REMEMBERED_MAX = 10_000
_EMPTY_CLAIM = 1
"""What a claim that found nothing counts, in calls: it must not be the first to be asked for ever."""


@dataclass(slots=True)
class _Trunk:
    """What outlives a round."""

    queue: FairQueue[CampaignId]
    use: ChannelUse[CampaignId] | None = None


@dataclass(slots=True)
class _Line:
    """The campaigns of one trunk that are due in this round."""

    trunk: _Trunk
    running: dict[CampaignId, DialWork]
    """Those that may have more to claim."""
    fresh: set[CampaignId]
    """Those that have had no turn in this round."""
    waiting: deque[CampaignId] = field(default_factory=deque)

    def next(self, shares: Mapping[CampaignId, Share]) -> DialWork | None:
        while self.running:
            if not self.waiting:
                self.trunk.queue.contend({c: shares.get(c, DEFAULT_SHARE).weight for c in self.running})
                self.waiting = deque(self.trunk.queue.order(self.trunk.use))
            work = self.running.get(self.waiting.popleft())
            if work is not None:
                return work
        return None


class Turns:
    """Decides who claims next, and how much; one per dispatcher. ``begin`` a round, then ``next`` until None."""

    def __init__(self, batch_max: int, round_claims_max: int, dials_in_flight_max: int) -> None:
        self._batch_max = batch_max
        self._round_claims_max = round_claims_max
        self._dials_in_flight_max = dials_in_flight_max
        self._trunks: dict[TrunkId, _Trunk] = {}
        self._shares: Mapping[CampaignId, Share] = {}
        self._lines: dict[WorkspaceId, deque[TrunkId]] = {}
        self._by_trunk: dict[TrunkId, _Line] = {}
        self._workspaces: deque[WorkspaceId] = deque()
        self._served_at: dict[WorkspaceId, int] = {}
        self._served_count = 0
        self._claims_left = 0
        self._fresh_count = 0
        self._in_flight: Counter[WorkspaceId] = Counter()
        self.is_held_back = False
        """A workspace was passed over because of its batches in flight: the end of one is worth a round."""

    def begin(self, due: Sequence[DialWork], shares: Mapping[CampaignId, Share]) -> None:
        """A round for these campaigns; those that are not in ``shares`` have the default."""
        self._shares = shares
        self._claims_left = self._round_claims_max
        self.is_held_back = False
        self._by_trunk = {}
        self._lines = {}
        for work in due:
            line = self._by_trunk.get(work.trunk_id)
            if line is None:
                line = self._by_trunk[work.trunk_id] = _Line(self._trunk(work.trunk_id), {}, set())
                self._lines.setdefault(work.workspace_id, deque()).append(work.trunk_id)
            line.running[work.campaign_id] = work
            line.fresh.add(work.campaign_id)
        self._fresh_count = len(due)
        self._served_at = {w: self._served_at[w] for w in self._lines if w in self._served_at}
        # Who was served longest ago is first: a round may end before everybody had a turn.
        self._workspaces = deque(sorted(self._lines, key=lambda w: self._served_at.get(w, 0)))

    def next(self) -> DialWork | None:
        """Who asks next; None when the round is over."""
        if self._claims_left == 0 or self._fresh_count == 0:
            return None
        for _ in range(len(self._workspaces)):
            workspace_id = self._workspaces[0]
            self._workspaces.rotate(-1)
            if self._holds_enough(workspace_id):
                self.is_held_back = True
                continue
            work = self._next_of(workspace_id)
            if work is not None:
                self._claims_left -= 1
                self._served_count += 1
                self._served_at[workspace_id] = self._served_count
                return work
        return None

    def share(self, work: DialWork) -> Share:
        return self._shares.get(work.campaign_id, DEFAULT_SHARE)

    def has_rivals(self, work: DialWork) -> bool:
        """Whether another campaign of the trunk is due."""
        line = self._by_trunk.get(work.trunk_id)
        return line is not None and len(line.running) > 1

    def quantum(self, work: DialWork) -> int:
        """How many calls the claim may take, for the sake of the others."""
        trunk = self._by_trunk[work.trunk_id].trunk
        return trunk.queue.quantum(work.campaign_id, trunk.use)

    def channels_seen(self, work: DialWork, use: ChannelUse[CampaignId] | None) -> None:
        """Its channels are what the trunk is short of, or (None) they are not."""
        self._by_trunk[work.trunk_id].trunk.use = use

    def claimed(self, work: DialWork, asked: int, count: int) -> None:
        """It has claimed ``count`` of the ``asked`` calls: with fewer, nothing else of it is due."""
        line = self._by_trunk[work.trunk_id]
        line.trunk.queue.charge(work.campaign_id, count or _EMPTY_CLAIM)
        if line.trunk.use is not None and count:
            line.trunk.use = line.trunk.use.with_more(work.campaign_id, count)
        if work.campaign_id in line.fresh:
            line.fresh.remove(work.campaign_id)
            self._fresh_count -= 1
        if count < asked or count == 0:
            line.running.pop(work.campaign_id, None)
            line.trunk.queue.withdraw(work.campaign_id)

    def rest(self, trunk_id: TrunkId) -> None:
        """The trunk takes nothing more in this round."""
        line = self._by_trunk[trunk_id]
        self._fresh_count -= len(line.fresh)
        line.running.clear()
        line.fresh.clear()

    def took_off(self, workspace_id: WorkspaceId) -> None:
        """One more batch of it is in flight."""
        self._in_flight[workspace_id] += 1

    def landed(self, workspace_id: WorkspaceId) -> None:
        self._in_flight[workspace_id] -= 1
        if self._in_flight[workspace_id] <= 0:
            del self._in_flight[workspace_id]

    def _trunk(self, trunk_id: TrunkId) -> _Trunk:
        trunk = self._trunks.pop(trunk_id, None) or _Trunk(FairQueue(self._batch_max))
        self._trunks[trunk_id] = trunk
        if len(self._trunks) > _TRUNKS_REMEMBERED_MAX:
            del self._trunks[next(iter(self._trunks))]
        return trunk

    def _holds_enough(self, workspace_id: WorkspaceId) -> bool:
        """One place in flight is left to the others, if there are others: a slow carrier holds up its own only."""
        most = max(1, self._dials_in_flight_max - 1)
        return len(self._workspaces) > 1 and self._in_flight[workspace_id] >= most

    def _next_of(self, workspace_id: WorkspaceId) -> DialWork | None:
        trunk_ids = self._lines[workspace_id]
        for _ in range(len(trunk_ids)):
            trunk_id = trunk_ids[0]
            trunk_ids.rotate(-1)
            work = self._by_trunk[trunk_id].next(self._shares)
            if work is not None:
                return work
        return None
