"""The Kubernetes manifests: valid by its own schemas, restricted, and naming what Ringoff has."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.known import DEPLOY, PROBES, ROLES, assert_are_settings, commands, drain_s

HOME = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted(path.parent for path in HOME.rglob("kustomization.yaml"))
MANIFESTS = sorted(path for path in HOME.rglob("*.yaml") if path.name != "kustomization.yaml")
# Not of Kubernetes itself, so its schemas do not know them.
_CUSTOM = {"PodMonitor"}

Object = dict[str, Any]


def objects() -> Iterator[tuple[Path, Object]]:
    for path in MANIFESTS:
        for found in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path, found


def of_kind(kind: str) -> dict[str, Object]:
    return {found["metadata"]["name"]: found for _path, found in objects() if found["kind"] == kind}


def pod_templates() -> dict[str, Object]:
    return (
        {name: found["spec"]["template"] for name, found in (of_kind("Deployment") | of_kind("Job")).items()}
        | {name: found["spec"]["jobTemplate"]["spec"]["template"] for name, found in of_kind("CronJob").items()}
    )  # fmt: skip


SETTINGS: dict[str, str] = of_kind("ConfigMap")["ringoff"]["data"]
EVERY_POD = sorted(pod_templates())
EVERY_DEPLOYMENT = sorted(of_kind("Deployment"))


def container(name: str) -> Object:
    [found] = pod_templates()[name]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(name: str) -> dict[str, str]:
    return SETTINGS | {variable["name"]: variable["value"] for variable in container(name).get("env", [])}


def ids(case: tuple[Path, Object]) -> str:
    return f"{case[1]['kind']}-{case[1]['metadata']['name']}"


@pytest.mark.parametrize("case", [case for case in objects() if case[1]["kind"] not in _CUSTOM], ids=ids)
def test_kubernetes_knows_every_field(case: tuple[Path, Object]) -> None:
    kubernetes_validate.validate(case[1], desired_version=kubernetes_validate.latest_version(), strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    wrong = of_kind("Deployment")["ringoff-serve"]
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 90
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, desired_version=kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_every_file_is_in_its_kustomization(directory: Path) -> None:
    named = yaml.safe_load((directory / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    files = {path.name for path in MANIFESTS if path.parent == directory}
    assert {name for name in named if name.endswith(".yaml")} == files
    assert all((directory / name).exists() for name in named)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("directory", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_kubectl_puts_it_together(directory: Path) -> None:
    rendered = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(rendered))
    for each in found:
        if each["kind"] == "Deployment":
            labels = each["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert labels["app.kubernetes.io/name"] == "ringoff", "by which it is scraped"
            assert each["spec"]["template"]["spec"]["containers"][0]["image"] == "ringoff:dev"
    assert found


@pytest.mark.parametrize("name", EVERY_POD)
def test_its_command_and_its_settings_are_of_this_version(name: str) -> None:
    [command] = container(name)["args"]
    assert command in commands()
    assert container(name)["envFrom"] == [{"configMapRef": {"name": "ringoff"}}]
    assert_are_settings(environment(name))


def test_every_role_runs_twice() -> None:
    roles = {container(name)["args"][0]: found["spec"]["replicas"] for name, found in of_kind("Deployment").items()}
    assert roles == dict.fromkeys(ROLES, 2)


@pytest.mark.parametrize("name", EVERY_DEPLOYMENT)
def test_a_stop_leaves_time_for_the_drain(name: str) -> None:
    before = container(name).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    assert before[0] == "sleep"
    needed = int(before[1]) + drain_s(environment(name)) + 10
    assert pod_templates()[name]["spec"]["terminationGracePeriodSeconds"] > needed


def test_who_takes_requests_answers_until_nobody_sends_any() -> None:
    """A pod is told to end at the same moment as the nodes are told to leave it out."""
    assert int(container("ringoff-serve")["lifecycle"]["preStop"]["exec"]["command"][1]) >= 5


@pytest.mark.parametrize("name", EVERY_DEPLOYMENT)
def test_its_probes_ask_what_is_there(name: str) -> None:
    found = container(name)
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = found[probe]["httpGet"]
        assert asked["path"] in PROBES
        assert ports[asked["port"]] == 9464, "as the image sets RINGOFF_METRICS_PORT"
    assert found["livenessProbe"]["httpGet"]["path"] != found["readinessProbe"]["httpGet"]["path"]


@pytest.mark.parametrize("name", EVERY_POD)
def test_a_pod_keeps_to_the_restricted_standard(name: str) -> None:
    pod = pod_templates()[name]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10_001, "whom the image makes"
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    own = container(name)["securityContext"]
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(name)["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("name", EVERY_POD)
def test_the_password_comes_in_a_file(name: str) -> None:
    mounted = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
    assert SETTINGS["RINGOFF_CONFIG"].startswith(mounted["secret"] + "/")
    assert environment(name).keys() - SETTINGS.keys() <= {"RINGOFF_RETENTION_DAYS"}
    [secret] = [volume["secret"] for volume in pod_templates()[name]["spec"]["volumes"] if volume["name"] == "secret"]
    assert secret == {"secretName": "ringoff", "defaultMode": 0o440}
    assert not of_kind("Secret"), "nobody's password belongs here"


@pytest.mark.parametrize("name", EVERY_DEPLOYMENT)
def test_a_node_that_is_drained_takes_one_at_a_time(name: str) -> None:
    budget = of_kind("PodDisruptionBudget")[name]["spec"]
    labels = pod_templates()[name]["metadata"]["labels"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_nobody_gets_in_but_by_a_rule() -> None:
    rules = of_kind("NetworkPolicy")
    assert rules["ringoff-nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    [service] = of_kind("Service").values()
    reached = rules["ringoff-clients"]["spec"]["podSelector"]["matchLabels"]
    assert service["spec"]["selector"] == reached
    assert reached.items() <= pod_templates()["ringoff-serve"]["metadata"]["labels"].items()
    selected = rules["ringoff-database-only"]["spec"]["podSelector"]["matchExpressions"][0]["values"]
    components = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in pod_templates().values()}
    assert set(selected) == components - {"dispatch", "deliver"}


def test_the_schema_changes_in_the_job_alone() -> None:
    assert SETTINGS["RINGOFF_MIGRATE"] == "never"
    assert [container(name)["args"] for name in of_kind("Job")] == [["migrate"]]


def test_retention_never_meets_itself() -> None:
    [job] = of_kind("CronJob").values()
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
