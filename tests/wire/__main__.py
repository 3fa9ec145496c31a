"""`make wire`: one run with a seed, and what the capture says about it."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.support import sipp
from tests.wire import capture
from tests.wire.checker import check
from tests.wire.run import run_wire


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for is_there, why_not in ((sipp.is_installed(), sipp.WHY_NOT), (capture.is_allowed(), capture.WHY_NOT)):
        if not is_there:
            print(f"cannot run: {why_not}")
            return 2
    directory = Path(tempfile.mkdtemp(prefix="ringoff-wire-"))
    print(f"{options.seconds:g} s, seed {options.seed}, capture and journal in {directory}", flush=True)
    carrier = asyncio.run(run_wire(directory, seconds=options.seconds, orders_min=1, seed=options.seed))
    verdict = check(directory)
    print("\n".join([*verdict.lines(), f"the carrier had no call up while the server still ran; it counted {carrier}"]))
    if carrier["FailedCall"]:
        print(sipp.why_failed(directory / "sipp"))
    is_explained = not (carrier["FailedCall"] or verdict.up_at_end)
    return 0 if verdict.is_clean and is_explained and verdict.invites else 1


if __name__ == "__main__":
    raise SystemExit(main())
