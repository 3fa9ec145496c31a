"""The libraries that the package carries for browsers: which file comes from where, and what it must be.

``python -m tests.support.vendored NODE_MODULES TARGET`` copies them; the hashes are those of what npm delivered for
the integrity hashes in ``vendor/package-lock.json``.
"""

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Final

SHA256_BY_FILE: Final[dict[str, tuple[str, str]]] = {
    "htmx.min.js": ("htmx.org/dist/htmx.min.js", "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"),
    "hx-sse.min.js": (
        "htmx.org/dist/ext/hx-sse.min.js",
        "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
    ),
    "htmx.LICENSE.txt": ("htmx.org/LICENSE", "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38"),
    "uPlot.iife.min.js": (
        "uplot/dist/uPlot.iife.min.js",
        "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    ),
    "uPlot.min.css": ("uplot/dist/uPlot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    "uPlot.LICENSE.txt": ("uplot/LICENSE", "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
    "pico.min.css": (
        "@picocss/pico/css/pico.min.css",
        "fbc9a63fc9fc9f72d12fd7fc9806e11fa9f77ae4f9cad146b27003a1119ba3db",
    ),
    "pico.LICENSE.txt": (
        "@picocss/pico/LICENSE.md",
        "afaff063e044233f917b7807dccab022f09dca474f92b642846bee4850655bbf",
    ),
}


def copy(node_modules: Path, target: Path) -> None:
    """Each file, if it is what it should be."""
    for name, (origin, wanted) in SHA256_BY_FILE.items():
        found = sha256_of(node_modules / origin)
        if found != wanted:
            sys.exit(f"{origin} is not what was reviewed: its SHA-256 is {found}")
        shutil.copyfile(node_modules / origin, target / name)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]))
