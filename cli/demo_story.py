"""The demo's story: three releases, the third one's canary fails, production is recovered, somebody else looks."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import select

from cli import demo_ending, demo_routes
from cli.lasting import Lasting
from cli.live import Watching
from cli.pipeline import prove_there, short
from cli.prefect_api import PrefectApi
from cli.recover_server import watch
from cli.stages import Stages
from deployments import stack as stack_module
from deployments.stack import Stack
from ledger.database import Ledger, open_ledger
from ledger.models import AlarmRow
from rules.errors import StepFailed
from rules.outcomes import Outcome
from sandbox.places import Home as SandboxHome
from sandbox.world import Sandbox

SCENARIO, ENVIRONMENT = "canary-failure", "prod"
PREFECT_YAML = Path(stack_module.__file__).resolve().parent.parent / "prefect.yaml"
ALARM_SECONDS = 60.0
LOOK_SECONDS = 0.1


class Demo:
    """One telling. `stop` ends everything it started, whatever became of it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stages = Stages()
        self._sandbox: Lasting[Sandbox] | None = None
        self._stack: Lasting[Stack] | None = None

    @property
    def address(self) -> str:
        """Where the Prefect UI is."""
        return self._stack.value.prefect_address if self._stack else ""

    def tell(self) -> int:
        """Tell the whole story and return the exit code: 0 only if all of it went well."""
        with self._stages:
            self._sandbox = Lasting("sandbox", self._start_sandbox, Sandbox.stop)
            self._stack = Lasting("stack", self._start_stack, Stack.stop)
            sandbox = self._sandbox.value
            self._deploy(sandbox, 1, "good")
            api, ledger = PrefectApi(self._stack.value.server.api), open_ledger()
            self._prove(api, sandbox, 1)
            self._deploy(sandbox, 2, "good")
            self._prove(api, sandbox, 2)
            sandbox.subscribe(f"{self._stack.value.webhook_address}/alarms/sns")
            self._deploy(sandbox, 3, "its canary fails")
            run = self._alarm(ledger)
        outcome = self._recovered(api, ledger, run)
        with self._stages.stage("somebody else looks at production"):
            look = demo_ending.look(sandbox, ENVIRONMENT, sandbox.release(2))
        return demo_ending.tell(self._stages, outcome, look, ledger, api.ui)

    def tend(self) -> None:
        """Start again what has died."""
        if self._stack:
            self._stack.value.tend()

    def stop(self) -> None:
        """End everything that was started."""
        for lasting in (self._stack, self._sandbox):
            if lasting:
                lasting.stop()

    def _start_sandbox(self) -> Sandbox:
        with self._stages.stage("start the practice world: AWS, functions, alarms") as stage:
            sandbox = Sandbox.start(self._home / "sandbox")
            stage.say(sandbox.addresses.aws_url)
            return sandbox

    def _start_stack(self) -> Stack:
        with self._stages.stage("start Backstop: Prefect server, responder, webhook") as stage:
            stack = Stack(
                home=self._home,
                prefect_port=0,
                webhook_port=0,
                environments=self._home / "sandbox" / "environments",
                file=PREFECT_YAML,
                extra=demo_routes.receiver_variables(self._home, self._sandbox_home()),
                say=stage.say,
            )
            stack.start()
            return stack

    def _sandbox_home(self) -> SandboxHome:
        """The sandbox's files, as soon as they are written: its processes take longer."""
        home = SandboxHome((self._home / "sandbox").resolve())
        while not home.environment_file.exists():
            if self._sandbox and self._sandbox.has_failed:
                raise StepFailed("The practice world did not come up.")
            time.sleep(LOOK_SECONDS)
        return home

    def _deploy(self, sandbox: Sandbox, number: int, about: str) -> None:
        release = short(sandbox.release(number))
        with self._stages.stage(f"deploy release {number} ({release}, {about}) with Terraform") as stage:
            sandbox.deploy(ENVIRONMENT, number, lambda event: stage.say(str(event.get("@message", ""))[:60]))

    def _prove(self, api: PrefectApi, sandbox: Sandbox, number: int) -> None:
        release = sandbox.release(number)
        with self._stages.stage(f"prove release {number}, and remember it as good") as stage:
            stage.say(prove_there(api, ENVIRONMENT, release))

    def _alarm(self, ledger: Ledger) -> str:
        """Wait until the alarm has come in and a flow run was asked for; the run's id.

        Raises:
            StepFailed: no alarm came in.
        """
        with self._stages.stage("the alarm fires; SNS signs and delivers it to our webhook") as stage:
            give_up = time.monotonic() + ALARM_SECONDS
            wanted = select(AlarmRow).where(AlarmRow.state == "dispatched", AlarmRow.flow_run_id.is_not(None))
            while time.monotonic() < give_up:
                with ledger.reading() as session:
                    alarm = session.scalars(wanted.order_by(AlarmRow.received_at)).first()
                if alarm and alarm.flow_run_id:
                    stage.say(alarm.name)
                    return alarm.flow_run_id
                time.sleep(LOOK_SECONDS)
        raise StepFailed(
            f"No alarm came in within {ALARM_SECONDS:.0f} s.",
            hint=f"See {self._home / 'logs' / 'webhook.log'}.",
        )

    def _recovered(self, api: PrefectApi, ledger: Ledger, run: str) -> Outcome:
        with self._stages.stage("recover production") as stage:
            with Watching(ledger) as watching:
                outcome = watch(api, ledger, watching, run, SCENARIO, ENVIRONMENT)
            stage.say(outcome.ending.value)
        return outcome
