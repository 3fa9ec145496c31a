"""Throws generated requests at a real server, from its own OpenAPI document: a step of its own, `make contract`.

What the document cannot say (a number must be the workspace's own, a window must open) makes some requests that fit the
schema a 400, so `positive_data_acceptance` is left out; every other check of schemathesis must hold.
"""

import argparse
import subprocess

from ringoff.api.ringg.not_offered import TAG as NOT_OFFERED
from tests.contract.tenants import COMPATIBLE
from tests.support.processes import ServerProcess


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemathesis", help="path of the command")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    # Thousands of access lines would hide the line that matters.
    with ServerProcess(simulated_speed="1000", log_level="warning") as server:
        command = [
            options.schemathesis,
            "run",
            f"{server.url}/openapi.json",
            "--header",
            f"X-API-KEY: {server.key}",
            "--seed",
            str(options.seed),
            "--max-time",
            str(options.seconds),
            "--exclude-checks",
            "positive_data_acceptance",
            # Nothing but 501, which every check of servers takes for a crash.
            "--exclude-tag",
            NOT_OFFERED,
            # Ends the key that the others need.
            "--exclude-path",
            f"{COMPATIBLE}/workspace/api-key",
        ]
        return subprocess.run(command, check=False, timeout=options.seconds * 5).returncode


if __name__ == "__main__":
    raise SystemExit(main())
