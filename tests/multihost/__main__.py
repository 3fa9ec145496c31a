"""`make multihost`: one run with a seed on hosts of its own, its figures, and the checker's table."""

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.chaos.checker import check
from tests.multihost.disks import NoDisks
from tests.multihost.faults import FAULTS
from tests.multihost.network import NoNetwork
from tests.multihost.run import FIGURES, demand_of, profile_of, run_multihost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the evidence here (else only when it is not clean)")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this one (may be given again)")
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="ringoff-multihost-"))
    directory.mkdir(parents=True, exist_ok=True)
    faults = {name: FAULTS[name] for name in options.fault or FAULTS}
    profile = profile_of(options.seed, options.seconds)
    print(f"many hosts for {options.seconds:g} s, seed {options.seed}, evidence in {directory}", flush=True)
    try:
        run_multihost(profile, directory, faults=faults, say=lambda line: print(line, flush=True))
    except (NoNetwork, NoDisks) as reason:
        print(f"not possible here: {reason}")
        return 2
    verdict = check(directory, demand_of(profile, faults))
    print("\n".join(verdict.lines()))
    if verdict.is_clean and options.keep is None:
        shutil.rmtree(directory)
    else:
        print(f"figures: {directory / FIGURES}")
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
