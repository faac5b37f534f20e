"""Ways to break the practice stack, each as it happens to a real one. Setting the stack back repairs them all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from docker import errors

from rules.errors import RecoveryRefused
from sandbox.stack import composing, port_holder
from sandbox.stack.compose_file import LABEL
from sandbox.stack.data_breaking import crash_over_data, lose_data, refuse_to_save
from sandbox.stack.stack import DockerStack

if TYPE_CHECKING:
    from docker.models.networks import Network

Break = Callable[[DockerStack], None]
"""Breaks it. Breaking it again changes nothing."""


def deploy_without_masking(stack: DockerStack) -> None:
    """A deployment brings release 2 of the app, and a configuration in which masking is switched off."""
    settings, config = stack.home / ".env", stack.config_env
    text = config.read_text(encoding="utf-8").replace("MASKING_ENABLED=true", "MASKING_ENABLED=false")
    if text == config.read_text(encoding="utf-8"):
        return
    config.write_text(text, encoding="utf-8")
    told = settings.read_text(encoding="utf-8").replace("APP_RELEASE=1", "APP_RELEASE=2")
    settings.write_text(told, encoding="utf-8")
    for service in ("app", "kong"):
        stack.container(service).remove(force=True)
    composing.up(stack.client, stack.file)


def stop_all(stack: DockerStack) -> None:
    """An emergency stop: every container is stopped, and nothing removed."""
    for each in composing.containers(stack.client, stack.addresses.project):
        each.stop(timeout=3)


def break_gateway_file(stack: DockerStack) -> None:
    """Somebody edits the declarative file, leaves a bracket open, and restarts the gateway."""
    (stack.home / "kong.yml").write_text('_format_version: "3.0"\nservices: [\n', encoding="utf-8")
    stack.container("kong").restart(timeout=2)


def lose_network(stack: DockerStack) -> None:
    """Somebody clears up networks: every container is disconnected, and the network is gone."""
    for network in _networks(stack):
        network.reload()
        for container in network.containers:
            network.disconnect(container, force=True)
        network.remove()


def disconnect_app(stack: DockerStack) -> None:
    """The app is taken off the network: it runs, and nobody finds it."""
    for network in _networks(stack):
        with contextlib.suppress(errors.APIError):
            network.disconnect(stack.container("app"), force=True)


def starve_gateway(stack: DockerStack) -> None:
    """Somebody sets the gateway's limits to next to nothing: it is throttled and hardly answers."""
    api, gateway = stack.client.api, stack.container("kong")
    # The SDK's own call does not know NanoCpus, which is what Compose sets.
    url = f"{api.base_url}/v{api.api_version}/containers/{gateway.id}/update"
    api.post(url, json={"NanoCpus": 10_000_000}).raise_for_status()


def _networks(stack: DockerStack) -> list[Network]:
    return stack.client.networks.list(filters={"label": f"{LABEL}.project={stack.addresses.project}"})


def take_port(stack: DockerStack) -> None:
    """The front stops, and before it is started again another process takes its port."""
    front = stack.container("nginx")
    front.stop(timeout=2)
    port_holder.hold(stack.home, stack.addresses.front)
    with contextlib.suppress(errors.APIError):
        front.start()


def lose_image(stack: DockerStack) -> None:
    """The app's image loses its name, and its container is gone: the name alone finds nothing to start from."""
    with contextlib.suppress(RecoveryRefused, errors.ImageNotFound):
        app = stack.container("app")
        stack.client.images.remove(str(app.attrs["Config"]["Image"]), force=True)
        app.remove(force=True)


def spoil_mount(stack: DockerStack) -> None:
    """The front's configuration file has become a folder, as when it was missing at a start: it cannot be mounted."""
    file, front = stack.home / "nginx.conf", stack.container("nginx")
    front.stop(timeout=2)
    if file.is_file():
        file.unlink()
        file.mkdir()
    with contextlib.suppress(errors.APIError):
        front.start()


STACK_FAULTS: dict[str, tuple[str, Break]] = {
    "bad-stack-release": (
        "A deployment brought another release and switched masking off; in masking.",
        deploy_without_masking,
    ),
    "stopped-stack": ("Every container of the stack was stopped on purpose; in masking.", stop_all),
    "broken-gateway-file": (
        "The gateway's declarative file cannot be read, and the gateway was restarted with it; in masking.",
        break_gateway_file,
    ),
    "lost-network": (
        "The stack's network is gone, and its containers run without one; in masking.",
        lose_network,
    ),
    "disconnected-app": (
        "The app was taken off the stack's network: it runs, and nobody finds it; in masking.",
        disconnect_app,
    ),
    "starved-gateway": (
        "The gateway's limit of CPU was changed to next to nothing; in masking.",
        starve_gateway,
    ),
    "taken-port": (
        "Another process holds the port of the stack's front, which cannot start; in masking.",
        take_port,
    ),
    "lost-image": (
        "The app's container is gone, and its image has lost its name; in masking.",
        lose_image,
    ),
    "spoiled-mount": (
        "The front's configuration file has become a folder, and it cannot start; in masking.",
        spoil_mount,
    ),
    "redis-data-lost": (
        "Most of the mappings in Redis are deleted, and one is a list; in masking.",
        lose_data,
    ),
    "redis-crash-loop": (
        "Redis cannot read its data, and ends at every start; in masking.",
        crash_over_data,
    ),
    "redis-cannot-save": (
        "Redis may not write to its folder, and refuses every write; its data is whole; in masking.",
        refuse_to_save,
    ),
}
"""Description and act of each, by name."""
