"""Whether a drill may begin here and now. One that may not changes nothing and says every reason at once."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from rules.approvals import same_person
from rules.drills import FAULT_KINDS, AllowedDrill, DrillPolicy
from rules.severity import Tier
from rules.values import Frozen


class Circumstances(Frozen):
    """How things stand where the drill would begin. Every text is empty where there is nothing to say."""

    tier: Tier
    platform: str
    now: datetime
    requester: str = ""
    approver: str = ""
    open_incident: str = ""
    """An incident that is open there."""
    other_drill: str = ""
    """A drill that has not ended, anywhere: two at once could not be told apart."""
    freeze: str = ""
    lever: str = ""
    firing: tuple[str, ...] = ()
    """Alarms that fire there already."""
    nobody_comes: str = ""
    """Why no alarm would start the scenario."""


def hindrances(drill: AllowedDrill, policy: DrillPolicy, at: Circumstances) -> tuple[str, ...]:
    """Every reason why this drill may not begin; none: it may."""
    found = [
        *_by_platform(drill, at),
        *(_by_production(policy, at) if at.tier is Tier.PRODUCTION else ()),
        *_by_window(policy, at),
        f"the incident {at.open_incident} is open" if at.open_incident else "",
        f"the drill {at.other_drill} has not ended" if at.other_drill else "",
        at.freeze,
        at.lever,
        f"an alarm fires already: {', '.join(at.firing)}" if at.firing else "",
        at.nobody_comes,
    ]
    return tuple(reason for reason in found if reason)


def _by_platform(drill: AllowedDrill, at: Circumstances) -> list[str]:
    wanted = FAULT_KINDS[drill.fault].platform
    if wanted and wanted != at.platform:
        return [f"the fault {drill.fault.value} is one of the platform {wanted}, and this is {at.platform}"]
    return []


def _by_production(policy: DrillPolicy, at: Circumstances) -> list[str]:
    if not policy.production:
        return ["this is production, and its policy does not allow drills there"]
    found = []
    if policy.window is None:
        found.append("this is production, and its policy names no window")
    if not at.approver.strip():
        found.append("this is production, and nobody approved the drill")
    elif same_person(at.approver, at.requester):
        found.append("this is production, and the approval is the requester's own")
    return found


def _by_window(policy: DrillPolicy, at: Circumstances) -> list[str]:
    local = at.now.astimezone(ZoneInfo(policy.timezone))
    if policy.window is None or policy.window.holds(local):
        return []
    hours = f"{', '.join(policy.window.weekdays)}, {policy.window.start:%H:%M}-{policy.window.end:%H:%M}"
    return [f"it is {local:%a %H:%M} in {policy.timezone}, outside the window of drills ({hours})"]
