"""The least that a run of a given length must have done to say anything."""

from tests.chaos.exercise import Demand
from tests.chaos.plan import CRASHES, Profile

_LONG_ENOUGH_FOR_ALL_S = 45.0


def demand_of(profile: Profile) -> Demand:
    """Far below what a slow machine reaches; a run in which something stood still falls short."""
    seconds = profile.seconds
    is_long = seconds >= _LONG_ENOUGH_FOR_ALL_S
    return Demand(
        answered=profile.answered_min or int(seconds * 3),
        carried_out=profile.carried_out_min or int(seconds * 2),
        carried_out_of_each_level=int(seconds / 60),
        while_dialled=int(seconds / 2),
        dials=int(seconds * 20),
        retries=int(seconds),
        number_fences=1 if is_long else 0,
        crashes=dict.fromkeys(CRASHES, 1) if is_long and profile.crash_pause_s is not None else {},
    )
