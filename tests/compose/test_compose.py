"""compose.yaml has pinned images, local ports and health checks, and the endpoints that `make demo-pinot` uses."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = DOCUMENT["services"]
PAGE = (ROOT / "docs" / "demo-pinot.md").read_text()
PINOT = {"controller", "broker", "server"}

each_service = pytest.mark.parametrize("name", SERVICES)


def published():
    """The port of this machine -> the service and its own port."""
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            host, outer, inner = port.rsplit(":", 2)
            yield host, int(outer), (name, int(inner))


def options(text):
    """The endpoints of the first ``dynapinot demo`` in a text."""
    command = text.partition("dynapinot demo")[2]
    return dict(re.findall(r"--([a-z-]+) (http://\S+)", command.partition("```")[0]))


def test_the_services_are_pinot_its_zookeeper_dynamodb_and_kinesis():
    assert SERVICES.keys() == PINOT | {"zookeeper", "kinesis", "dynamodb"}
    assert {SERVICES[name]["image"] for name in PINOT} == {"apachepinot/pinot:1.5.1"}


@each_service
def test_an_image_is_pinned_to_a_whole_version(name):
    assert re.fullmatch(r"[a-z0-9/-]+:\d+\.\d+\.\d+", SERVICES[name]["image"])


@each_service
def test_a_service_has_a_memory_limit_and_a_health_check(name):
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries", "start_period"}
    assert service["hostname"] == name


@each_service
def test_a_service_starts_after_the_services_it_needs_are_healthy(name):
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        assert how == {"condition": "service_healthy"}


def test_ports_are_published_on_this_machine_only_and_each_once():
    ports = list(published())
    assert {host for host, _, _ in ports} == {"127.0.0.1"}
    outer = [port for _, port, _ in ports]
    assert len(set(outer)) == len(outer) == 4


def test_services_keep_no_data_and_mount_nothing_of_this_machine():
    assert not any(
        {"volumes", "privileged", "network_mode", "env_file"} & service.keys() for service in SERVICES.values()
    )
    assert "volumes" not in DOCUMENT


def test_pinot_uses_json_with_kinesis_and_fits_its_memory_limit():
    for name in PINOT:
        java = SERVICES[name]["environment"]["JAVA_OPTS"].split()
        assert "-Daws.cborEnabled=false" in java
        assert "-Xmx1g" in java
        assert SERVICES[name]["mem_limit"] == "2g"
        assert SERVICES[name]["command"].split() == [f"Start{name.title()}", "-zkAddress", "zookeeper:2181"]


def test_the_command_on_the_page_uses_the_services_endpoints():
    reached = {outer: service for _, outer, service in published()}
    given = options(PAGE.partition("## With Docker")[2])
    of_pinot = urlsplit(given.pop("kinesis-endpoint-of-pinot"))
    assert {name: reached[urlsplit(url).port] for name, url in given.items()} == {
        "controller": ("controller", 9000),
        "broker": ("broker", 8099),
        "dynamodb-endpoint": ("dynamodb", 8000),
        "kinesis-endpoint": ("kinesis", 5000),
    }
    assert (of_pinot.hostname, of_pinot.port) == reached[urlsplit(given["kinesis-endpoint"]).port]
    assert {urlsplit(url).hostname for url in given.values()} == {"127.0.0.1"}


def test_make_demo_pinot_uses_the_options_of_the_page():
    recipe = re.search(r"^demo-pinot:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe, "the Makefile has no demo-pinot"
    assert options(recipe[1].replace("\\\n", " ")) == options(PAGE.partition("## With Docker")[2])
    assert "docker compose up --detach --wait" in recipe[1]


def test_the_page_names_the_pinned_versions():
    assert all(f"`{service['image']}`" in PAGE for service in SERVICES.values())
