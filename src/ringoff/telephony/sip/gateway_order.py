"""In which order an attempt tries the gateways of its trunk."""

import random
from collections.abc import Collection, Sequence

from ringoff.telephony.sip.config import Gateway


def gateway_order(gateways: Sequence[Gateway], down: Collection[Gateway], chance: random.Random) -> list[Gateway]:
    """The first is drawn by weight; the others follow as listed, those known to be down last.

    Only gateways that are not ``down`` are drawn, unless all are: then the knowledge may be old, and one is tried.
    """
    up = [gateway for gateway in gateways if gateway not in down]
    drawn_from = up or list(gateways)
    first = chance.choices(drawn_from, [gateway.weight for gateway in drawn_from])[0]
    others = [gateway for gateway in gateways if gateway is not first]
    return [first, *sorted(others, key=lambda gateway: gateway in down)]
