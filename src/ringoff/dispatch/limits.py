"""The limits of the loops; every queue, batch, wait and lease is named here with its unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    batch_max: int = 50
    """Calls in one claim, and so in one permit."""
    dials_in_flight_max: int = 4
    """Batches between claim and commit at a time; a claim never builds a backlog beyond them."""
    round_claims_max: int = 64
    """Claims in one round; what has become due meanwhile is seen by the next one."""
    work_campaigns_max: int = 1_000
    """Of one workspace in one round; one with more shows others each time."""
    closed_campaigns_max: int = 10_000
    """Of workspaces that have more than that: so many outside their windows are remembered and not looked at."""
    events_batch_max: int = 500
    settle_every_s: float = 0.05
    """Between two batches of reports that are written, unless more than a batch of them waits: most of what a
    transaction costs is the same for one report and for fifty."""
    lease_s: float = 15.0
    permit_ttl_ms: int = 250
    """No request leaves later than this after its permit was checked."""
    originate_timeout_ms: int = 1_000
    slot_ttl_ms: int = 100
    """No request leaves later than this after its place in the trunk's pace was taken."""
    permit_grace_s: float = 2.0
    """How much longer than ``originate_timeout_ms`` a permit's transaction may take before we cut its connection."""
    put_off_s: float = 30.0
    """When a call that a permit refused is looked at again, if the sweeper has not come by then."""
    poll_s: float = 1.0
    drain_s: float = 5.0
    silence_timeout_s: float = 40.0
    """Nothing came back after the request: longer than SIP's Timer B (32 s, RFC 3261)."""
    ring_timeout_s: float = 60.0
    release_grace_s: float = 5.0
    """How long a carrier may take to confirm a release before we write it down ourselves."""
    congestion_hold_s: float = 2.0
    """The pace of a congested trunk is reduced at most this often: a burst of refusals is one."""
    tell_trunks_s: float = 5.0
    """How often a driver is told of its trunks although they have not changed: what failed is tried again."""
    tell_trunks_timeout_s: float = 10.0
    sweep_batch_max: int = 5_000
    rescue_batch_max: int = 500
    suspects_max: int = 20_000
    """Attempts whose lease ran out that are remembered between two looks."""
    rescue_patience_s: float = 2.0
    """How long a lease that ran out is watched before its attempt is closed: after an outage of the database, or a
    commit that took longer than the lease, the living renew within a moment."""
    outbox_keep_h: int = 72
    prune_batch_max: int = 10_000
    backoff_s: float = 0.5
    """Pause of a loop after the database did not answer."""
