"""`make chaos`: one long or short run with a seed, its progress, and the checker's table."""

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.demands import demand_of
from tests.chaos.plan import Profile
from tests.chaos.run import run_chaos


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the evidence here (else only when it is not clean)")
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="ringoff-chaos-"))
    directory.mkdir(parents=True, exist_ok=True)
    profile = Profile(seed=options.seed, seconds=options.seconds)
    print(f"chaos for {options.seconds:g} s, seed {options.seed}, evidence in {directory}", flush=True)
    run_chaos(profile, directory, say=lambda line: print(line, flush=True))
    verdict = check(directory, demand_of(profile))
    print("\n".join(verdict.lines()))
    if verdict.is_clean and options.keep is None:
        shutil.rmtree(directory)
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
