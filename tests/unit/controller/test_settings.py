"""The settings of `hotpeers controller`: accepted values, and the errors of bad ones."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hotpeers.base.errors import SettingsError
from hotpeers.cli.main import cli
from hotpeers.controller.settings import ControllerSettings


def parse(**given: str) -> ControllerSettings:
    """The settings from these flags, and the defaults of the command for the others."""
    command = cli.commands["controller"]
    raw = {str(option.name): str(option.default) for option in command.params}
    return ControllerSettings.parse(**{**raw, "image": "hotpeers:1", **given})


def test_defaults() -> None:
    settings = parse()
    assert (str(settings.listen), str(settings.health_listen)) == (":9443", ":8080")
    assert settings.identity
    assert settings.service == settings.lease == "hotpeers-controller"
    assert settings.certificate_secret == "hotpeers-certificates"
    assert settings.webhook_configuration == "hotpeers-injector"
    assert settings.bind_readers
    assert settings.sidecar_resources["requests"] == {"cpu": "10m", "memory": "64Mi"}
    assert settings.drain_seconds == 5
    assert settings.needs_cluster


def test_secret_of_orchestrators_is_a_name_and_a_key() -> None:
    assert parse(orchestrator_token_secret="reader/token.jwt").orchestrator_token_secret
    for wrong in ("reader", "reader/", "/token", "a/b/c", "Reader/token", "a/b c"):
        with pytest.raises(SettingsError, match="is no NAME/KEY of a Secret"):
            parse(orchestrator_token_secret=wrong)


def test_gateway_of_kagent_is_that_of_the_sidecar_unless_it_is_named() -> None:
    assert parse().kagent_gateway == ""
    assert parse(kagent_gateway="http://kagent:8083/").kagent_gateway == "http://kagent:8083"


def test_the_word_none_disables_a_setting() -> None:
    settings = parse(webhook_configuration="none", health_listen="none", sidecar_resources="")
    assert settings.webhook_configuration == ""
    assert settings.health_listen is None
    assert settings.sidecar_resources == {}


def test_no_cluster_is_needed_when_its_features_are_disabled() -> None:
    settings = parse(
        certificate_dir="/c",
        bind_readers="false",
        orchestrators="false",
        native_sidecars="true",
        guard_configuration="none",
        hold_configuration="none",
    )
    assert not settings.needs_cluster


def test_hold_is_on_unless_it_is_switched_off() -> None:
    settings = parse()
    assert settings.holds
    assert (settings.hold_ack_seconds, settings.hold_idle_seconds) == (20.0, 600.0)
    assert not parse(hold_configuration="none").holds
    assert parse(hold_window="Sat 02:00-05:00").hold_window == "Sat 02:00-05:00"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hold_window", "at night"),
        ("hold_ack_seconds", "0"),
        ("hold_idle_seconds", "-1"),
        ("hold_repay", "maybe"),
        ("account", "a user"),
    ],
)
def test_error_names_the_invalid_setting_of_the_hold(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name.replace("_", "-")):
        parse(**{name: value})


def test_guard_is_on_unless_it_is_switched_off() -> None:
    settings = parse(registry_url="http://registry:12121")
    assert settings.guards
    assert settings.guard_configuration == "hotpeers-guard"
    assert not parse(guard_configuration="none").guards


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("listen", "none", "--listen"),
        ("listen", "x", "--listen"),
        ("health_listen", "a:b", "--health-listen"),
        ("image", "", "--image"),
        ("image_pull_policy", "Sometimes", "--image-pull-policy"),
        ("native_sidecars", "maybe", "--native-sidecars"),
        ("bind_readers", "perhaps", "--bind-readers"),
        ("injection_namespaces", "a in b", "--injection-namespaces.*is not a label requirement"),
        ("service", "A_B", "--service.*'A_B': is no name of an object"),
        ("drain_seconds", "-1", "--drain-seconds"),
        ("max_drain_seconds", "-1", "--max-drain-seconds"),
        ("max_drain_seconds", "86401", "--max-drain-seconds"),
        ("policies_per_namespace", "0", "--policies-per-namespace"),
        ("policies_per_namespace", "many", "--policies-per-namespace"),
        ("subjects_per_namespace", "513", "--subjects-per-namespace"),
        ("drain_seconds", "61", "--drain-seconds"),
        ("sidecar_resources", "{", "--sidecar-resources"),
        ("sidecar_resources", "[]", "--sidecar-resources"),
        ("sidecar_resources", '{"requests": 1}', "--sidecar-resources"),
        ("sidecar_resources", '{"requests": {"cpu": "much"}}', "--sidecar-resources"),
        ("sidecar_resources", '{"claims": {}}', "--sidecar-resources"),
        ("guard_configuration", "A_B", "--guard-configuration"),
        ("registry_url", "registry:12121", "--registry-url"),
        ("registry_url", "http://user:secret@registry", "--registry-url"),
        ("kagent_gateway", "kagent:8083", "--kagent-gateway"),
        ("audit_calls", "perhaps", "--audit-calls"),
        ("trace_calls", "2", "--trace-calls"),
        ("traces_endpoint", "collector:4317", "--traces-endpoint"),
        ("traces_endpoint", "http://user:secret@collector:4318", "--traces-endpoint"),
        ("kagent_gateway", "http://kagent?a=b", "--kagent-gateway"),
        ("log_level", "loud", "--log-level"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        parse(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["run", "controller", "hub"])
def test_each_flag_is_in_the_reference(name: str) -> None:
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "settings.md").read_text()
    for option in cli.commands[name].params:
        assert isinstance(option, click.Option)
        assert f"| `{option.opts[0]}` | `{option.envvar}` |" in reference


def test_each_flag_has_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTPEERS_IMAGE_PULL_POLICY", "Sometimes")
    done = CliRunner().invoke(cli, ["controller", "--image=hotpeers:1"])
    assert "HOTPEERS_IMAGE_PULL_POLICY" in done.stderr
