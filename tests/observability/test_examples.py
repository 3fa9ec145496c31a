"""The dashboard, the alerts and the page's expressions name only what a server exposes, and labels that it has."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ringoff.domain.release_cause import Disposition
from ringoff.domain.termination import Level
from ringoff.observability.families import OF_DATABASE, OF_POOLS, OF_PROCESS
from ringoff.observer_port import OrderOutcome, Refusal, Step
from ringoff.store.postgres import PostgresStore
from tests.observability.page import PAGE, ROOT
from tests.support.promql import named_in
from tests.support.watched_campaign import watched_campaign

pytestmark = pytest.mark.anyio

DASHBOARD = ROOT / "examples" / "grafana" / "ringoff.json"
RULES = ROOT / "examples" / "prometheus" / "ringoff.rules.yml"
_ROW = re.compile(r"^\| ([^|`]+) \| `([^`]+)` \|$", re.MULTILINE)
OF_PROMETHEUS = {"job", "instance"}
"""Labels that whoever scrapes adds."""
VALUES: Mapping[str, set[str]] = {
    "disposition": set(Disposition),
    "level": set(Level),
    "step": set(Step),
    "reason": set(Refusal),
    "outcome": {*OrderOutcome, "delivered", "retried", "dropped"},
    "end": {"answered", "unanswered"},
    "state": {"prepared", "originated", "ringing", "answered"},
    "condition": {"enabled", "stopped", "down", "silent", "slowed", "full"},
    "target": {"subscription", "callback"},
    "status": {"2xx", "3xx", "4xx", "5xx", "scheduled", "ongoing", "paused"},
    "pool": {"requests", "keys", "orders", "dispatch"},
    "route": {"/metrics", "/healthz", "/livez", "/readyz"},
}
"""What a condition on a label may ask for: the whole of it, where it is a closed list."""


@cache
def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return read


def asked(expression: str) -> str:
    """As Grafana sends it."""
    return expression.replace("$__rate_interval", "5m").replace('"$job"', '".*"').replace('"$driver"', '".*"')


def panels() -> Iterator[dict[str, Any]]:
    for panel in dashboard()["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions() -> list[tuple[str, str]]:
    """Where it stands, and the expression."""
    found = [
        (f"panel {panel['title']}: {target['refId']}", asked(target["expr"]))
        for panel in panels()
        for target in panel.get("targets", [])
    ]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        found += [(f"alert {rule['alert']}", rule["expr"]) for rule in group["rules"]]
    section = PAGE.read_text(encoding="utf-8").partition("### Expressions")[2].partition("\n## ")[0]
    found += [(f"page: {row[1].strip()}", row[2]) for row in _ROW.finditer(section)]
    return found


async def exposed(store: PostgresStore) -> dict[str, set[str]]:
    """Each sample's name with the labels that it has."""
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families((await watched_campaign(store)).scraped):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


async def test_every_expression_names_what_is_exposed(store: PostgresStore) -> None:
    labels = await exposed(store)
    places = expressions()
    assert len(places) > 60
    for place, expression in places:
        named = named_in(expression)
        assert named.selectors, place
        known = set(OF_PROMETHEUS)
        for metric, matchers in named.selectors:
            assert metric in labels, f"{place} names {metric}, which is not exposed"
            known |= labels[metric]
            for matcher in matchers:
                assert matcher.label in labels[metric] | OF_PROMETHEUS, f"{place}: {metric} has no {matcher.label}"
        assert named.grouped_by <= known, f"{place} groups by {named.grouped_by - known}"


def test_every_condition_asks_for_a_value_that_there_is() -> None:
    for place, expression in expressions():
        for _metric, matchers in named_in(expression).selectors:
            for matcher in matchers:
                if matcher.text == ".*":
                    continue
                assert set(matcher.text.split("|")) <= VALUES[matcher.label], f"{place}: {matcher}"


def test_legends_and_summaries_show_labels_that_the_expression_keeps() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert shown <= named_in(asked(target["expr"])).grouped_by, panel["title"]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            shown = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
            assert shown <= named_in(rule["expr"]).grouped_by, rule["alert"]


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    """What is not worth a look is not worth a metric."""
    of_panels = [text for place, text in expressions() if place.startswith("panel")]
    shown = {metric for text in of_panels for metric, _ in named_in(text).selectors}
    for family in (*OF_PROCESS, *OF_POOLS, *OF_DATABASE):
        forms = {family.name, *(f"{family.name}_{suffix}" for suffix in ("bucket", "count", "sum"))}
        assert forms & shown, family.name


def test_the_dashboard_asks_the_datasource_that_is_chosen_and_its_panels_do_not_overlap() -> None:
    variables = {variable["name"]: variable["type"] for variable in dashboard()["templating"]["list"]}
    assert variables == {"datasource": "datasource", "job": "query", "driver": "query"}
    assert dashboard()["schemaVersion"] >= 39
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert rows == ["Dialling", "Quality", "Terminations", "Webhooks", "Health", "HTTP"]
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: apt-get install prometheus)")
def test_prometheus_itself_reads_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"r{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    (tmp_path / "all.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    for path in (tmp_path / "all.yml", RULES):
        done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: apt-get install prometheus)")
async def test_prometheus_itself_finds_nothing_wrong_with_the_names(store: PostgresStore) -> None:
    text = (await watched_campaign(store)).scraped
    done = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ringoff")]
    assert complaints == []


@pytest.mark.parametrize(
    "expression",
    ['sum(rate(a{b="c"}[5m])', 'a{b~"c"}', "sum by (le rate(a))", 'a{b="c"', "a ; b"],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        named_in(expression)
