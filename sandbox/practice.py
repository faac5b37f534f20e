"""How each scenario is practised: which fault calls for it, and where. The crash sweep and the drills read it."""

from __future__ import annotations

from rules.values import Frozen


class Practice(Frozen):
    """One way to practise a scenario: the faults that call for it, started in this order."""

    scenario: str
    rung: str
    """The rung that then recovers."""
    faults: tuple[str, ...]
    environment: str = "prod"
    parameters: dict[str, str] = {}
    """What the scenario is asked for, beside the environment; `{good}` stands for the release that works, `{home}`
    for the sandbox's folder, `{damaged}` for when data was damaged."""
    break_glass: bool = False
    """Its plan asks a person, and in practice nobody is there."""


PRACTICES: tuple[Practice, ...] = (
    Practice(scenario="canary-failure", rung="terraform", faults=("bad-release",)),
    Practice(scenario="canary-failure", rung="direct", faults=("bad-release", "terraform-broken")),
    Practice(
        scenario="dev-test-failure",
        rung="comment",
        faults=("failing-tests",),
        environment="preprod",
        parameters={"run": "9017"},
    ),
    Practice(
        scenario="preprod-terraform-failure",
        rung="finish",
        faults=("lost-state",),
        environment="preprod",
        parameters={"release": "{good}"},
    ),
    Practice(
        scenario="preprod-terraform-failure",
        rung="push-state",
        faults=("unsaved-state",),
        environment="preprod",
        parameters={"release": "{good}", "state_file": "{home}/run/unsaved-preprod/errored.tfstate"},
    ),
    Practice(
        scenario="preprod-terraform-failure",
        rung="revert",
        faults=("wrong-configuration",),
        environment="preprod",
    ),
    Practice(
        scenario="preprod-test-failure",
        rung="clean-and-rerun",
        faults=("failed-preprod-tests",),
        environment="preprod",
        parameters={"run": "9019"},
    ),
    Practice(
        scenario="preprod-terraform-failure",
        rung="recreate",
        faults=("half-deployed", "function-changes-denied"),
        environment="preprod",
        parameters={"recreate": "yes"},
        break_glass=True,
    ),
    Practice(scenario="production-deploy-failure", rung="terraform", faults=("half-deployed",)),
    Practice(
        scenario="rollback-failure",
        rung="terraform",
        faults=("failed-rollback",),
        parameters={"watch_minutes": "0"},
    ),
    Practice(
        scenario="rollback-failure",
        rung="restore",
        faults=("damaged-data",),
        parameters={"watch_minutes": "0", "data_damaged_since": "{damaged}"},
        break_glass=True,
    ),
    Practice(
        scenario="stale-terraform-lock",
        rung="unlock",
        faults=("abandoned-terraform-lock",),
        break_glass=True,
    ),
    Practice(
        scenario="stuck-alarm",
        rung="set-ok",
        faults=("stuck-alarm",),
        environment="preprod",
        parameters={"alarm": "preprod-sentiment-retired-checks"},
    ),
    Practice(
        scenario="stuck-workflow",
        rung="run-again",
        faults=("stuck-workflow",),
        environment="preprod",
        parameters={"force_after_seconds": "4"},
    ),
    Practice(
        scenario="unreadable-secret",
        rung="restore",
        faults=("deleted-secret",),
        environment="preprod",
        parameters={"secret": "preprod/sentiment/dashboard-api-key"},
    ),
    Practice(
        scenario="exposed-credentials",
        rung="revoke",
        faults=("leaked-credentials",),
        environment="qa",
        parameters={
            "run": "run-leaky",
            "secret": "qa/orders/runner-key",
            "repository": "{home}/kit-repository.git",
            "others_revoked": "true",
        },
    ),
    Practice(
        scenario="exposed-personal-data",
        rung="withdraw",
        faults=("leaked-credentials",),
        environment="qa",
        parameters={
            "run": "run-leaky",
            "repository": "{home}/kit-repository.git",
            "people_told": "true",
        },
    ),
    Practice(
        scenario="wrong-queue-publish",
        rung="remove",
        faults=("wrong-queue",),
        environment="qa",
        parameters={"send_on_to_right_queue": "true"},
    ),
    Practice(
        scenario="hung-process",
        rung="end",
        faults=("finished-run", "hung-run"),
        environment="qa",
        parameters={"run": "run-hung"},
    ),
    Practice(
        scenario="production-misfire", rung="stop-and-block", faults=("production-run",), environment="qa"
    ),
    Practice(
        scenario="test-run-failure",
        rung="repeat",
        faults=("failed-run",),
        environment="qa",
        parameters={"run": "run-failed"},
    ),
    Practice(
        scenario="log-throttling",
        rung="read",
        faults=("throttled-run",),
        environment="qa",
        parameters={"run": "run-throttled"},
    ),
    Practice(
        scenario="stack-rollback", rung="rollback", faults=("bad-stack-release",), environment="masking"
    ),
    Practice(
        scenario="emergency-stop",
        rung="start",
        faults=("stopped-stack",),
        environment="masking",
        parameters={"start_again": "true"},
    ),
    Practice(
        scenario="redis-corruption",
        rung="restore",
        faults=("redis-data-lost",),
        environment="masking",
        break_glass=True,
    ),
    Practice(
        scenario="gateway-configuration-error",
        rung="put-files-back",
        faults=("broken-gateway-file",),
        environment="masking",
    ),
    Practice(scenario="network-failure", rung="reconnect", faults=("lost-network",), environment="masking"),
    Practice(
        scenario="resource-exhaustion", rung="update", faults=("starved-gateway",), environment="masking"
    ),
    Practice(scenario="container-start-failure", rung="start", faults=("lost-image",), environment="masking"),
)
"""Every scenario has at least one; a new one is added here and is swept from then on."""
