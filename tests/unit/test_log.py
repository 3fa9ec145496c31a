"""No phone number is readable in a log line, wherever in it it is."""

import json
import subprocess
import sys

from ringoff.observability.log import mask_numbers


def test_numbers_are_masked_in_every_field_at_any_depth() -> None:
    event = {
        "event": "dialled +919876543297 twice",
        "called_number": "+919876543297",
        "numbers": ["+12025550101", {"to": "+12025550102"}],
        "attempts": 3,
        "error": None,
    }
    assert mask_numbers(None, "info", event) == {
        "event": "dialled +9198…97 twice",
        "called_number": "+9198…97",
        "numbers": ["+1202…01", {"to": "+1202…02"}],
        "attempts": 3,
        "error": None,
    }


def test_what_is_no_number_is_left_alone() -> None:
    event = {"event": "offset +0530, total +1234567, sum 12+123456789012345678"}
    assert mask_numbers(None, "info", dict(event)) == event


SAYS = """
import logging, warnings
import structlog
from ringoff.observability.log import configure_log

configure_log("info", "auto")
structlog.get_logger().info("dialled", number="+919876543297")
logging.getLogger("asyncio").error("nobody waited for %s", "+919876543297", exc_info=ValueError("sip:+919876543297@x"))
warnings.warn("an old way to ring +919876543297")
logging.getLogger("uvicorn.error").info("chatter")
"""


def test_what_libraries_say_is_a_json_line_without_numbers_too() -> None:
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["level"], line.get("logger")) for line in lines] == [
        ("info", None),
        ("error", "asyncio"),
        ("warning", "py.warnings"),
    ]
    assert all(line["timestamp"].endswith("Z") and line["event"] for line in lines)
    assert "9876543297" not in done.stderr
    assert lines[1]["exception"] == "ValueError: sip:+9198…97@x"
