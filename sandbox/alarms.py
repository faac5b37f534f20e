"""The sandbox's CloudWatch evaluator: watches the service and sets alarm states; `alarm_actions` tells of them.

    python -m sandbox.alarms HOME

CloudWatch looks once a minute; here a period is half a second, and everything else is the alarm's own definition.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any

from sandbox import alarm_rules
from sandbox.organs import organ_client
from sandbox.places import ENVIRONMENTS, Home, Place
from sandbox.processes import live_and_die_with_parent
from sandbox.service_checks import Canary

PERIOD_SECONDS = 0.5
CALM_PERIODS = 4
"""While all is green and nothing was touched, only every fourth period is evaluated: two cores serve everybody."""
ALERT_SECONDS = 15.0
"""So long after something was touched, every period is evaluated."""

NAMESPACE, METRIC = "Sentiment/Health", "FailedChecks"


class Evaluator:
    """One environment's alarms."""

    def __init__(self, home: Home, place: Place) -> None:
        self._home, self._place = home, place
        self._cloudwatch = organ_client("cloudwatch", home.addresses().aws_url)
        self._canary = Canary(home, place)
        self._points: dict[str, deque[float | None]] = {}
        self._reset_seen = ""
        self._green = False
        self._skipped = 0

    def evaluate(self) -> None:
        """One period: check every function, then bring every alarm to the state it should have."""
        self._skipped += 1
        begun = self._reset_mark()
        if begun != self._reset_seen:
            self._reset_seen, self._green = begun, False
            self._points.clear()
        if self._green and self._skipped < CALM_PERIODS and not self._touched_lately():
            return
        self._skipped = 0
        alarms = self._cloudwatch.describe_alarms(
            AlarmNamePrefix=self._place.alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        if not alarms["MetricAlarms"]:
            return
        failed = self._canary.failed_checks()
        if self._reset_mark() != begun:
            return  # the world was set back while we looked: what we saw is not of it
        self._put_data(failed)
        silenced = self._silenced()
        states: dict[str, str] = {}
        for alarm in alarms["MetricAlarms"]:
            name = alarm["AlarmName"]
            function = next((d["Value"] for d in alarm["Dimensions"] if d["Name"] == "FunctionName"), "")
            states[name] = self._metric_state(alarm, None if name in silenced else failed.get(function))
            self._set(alarm, states[name], f"{METRIC} of {function}: {self._points[name][-1]}")
        for alarm in alarms["CompositeAlarms"]:
            firing = alarm_rules.is_true(alarm["AlarmRule"], states)
            names = ", ".join(name for name, state in states.items() if state == "ALARM") or "none"
            self._set(alarm, "ALARM" if firing else "OK", f"in ALARM: {names}")
        self._green = set(states.values()) == {"OK"} and not any(failed.values())

    def _touched_lately(self) -> bool:
        """Say whether somebody changed a function here, or broke or repaired something."""
        home, newest = self._home, 0.0
        for file in (home.changes_in(self._place.name), home.faults, home.silenced, home.active_faults):
            with contextlib.suppress(FileNotFoundError):
                newest = max(newest, file.stat().st_mtime)
        return time.time() - newest < ALERT_SECONDS

    def _metric_state(self, alarm: dict[str, Any], value: float | None) -> str:
        """What the last `EvaluationPeriods` points say, as the alarm itself defines it."""
        points = self._points.setdefault(alarm["AlarmName"], deque(maxlen=int(alarm["EvaluationPeriods"])))
        points.append(value)
        missing = alarm.get("TreatMissingData", "missing")
        known = [point for point in points if point is not None]
        if not known:
            return {"breaching": "ALARM", "notBreaching": "OK", "ignore": str(alarm["StateValue"])}.get(
                missing, "INSUFFICIENT_DATA"
            )
        breaching = [point >= float(alarm["Threshold"]) for point in known]
        if len(points) < (points.maxlen or 1):
            return str(alarm["StateValue"]) if breaching[-1] else "OK"
        return "ALARM" if all(breaching) else "OK"

    def _set(self, alarm: dict[str, Any], state: str, reason: str) -> None:
        if alarm["StateValue"] != state:
            self._cloudwatch.set_alarm_state(
                AlarmName=alarm["AlarmName"], StateValue=state, StateReason=reason
            )

    def _put_data(self, failed: dict[str, float]) -> None:
        self._cloudwatch.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": METRIC,
                    "Value": value,
                    "Dimensions": [{"Name": "FunctionName", "Value": function}],
                }
                for function, value in failed.items()
            ],
        )

    def _silenced(self) -> set[str]:
        try:
            return set(self._home.silenced.read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return set()

    def _reset_mark(self) -> str:
        try:
            return self._home.resets.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


def main(arguments: list[str]) -> int:
    """Evaluate until told to stop."""
    home = Home(Path(arguments[0]))
    live_and_die_with_parent()
    evaluators = [Evaluator(home, Place(name)) for name in ENVIRONMENTS]
    while not home.opened.exists():
        time.sleep(0.1)
    while True:
        begun = time.monotonic()
        for evaluator in evaluators:
            try:
                evaluator.evaluate()
            except Exception:  # noqa: BLE001 - the watcher outlives whatever it watches
                traceback.print_exc()
        home.evaluations.write_text(str(time.time()), encoding="utf-8")
        time.sleep(max(0.05, PERIOD_SECONDS - (time.monotonic() - begun)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
