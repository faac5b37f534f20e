"""The pages of a report over many incidents: one self-contained HTML page, and Markdown for the Prefect UI."""

from __future__ import annotations

from html import escape
from typing import Any

import svg

from flows._report import templates
from flows._track_record import TrackRecord
from flows._wording import headline, several, short_seconds
from rules.claims import NOT_MEASURED, Measured
from rules.drill_records import passed_total
from rules.outcomes import Verdict
from rules.readiness_times import ReadyTime
from rules.track_records import Durations, Record, Share, recovered_total

WIDTH, ROW, LEFT, RIGHT = 820, 30.0, 240.0, 90.0
"""Pixels. The narrow picture has no room for names beside the bars: they stand above."""
NARROW = 360

STYLE = """
.tr text{font:12px ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1a202c}
.tr .lane{fill:#f4f6f9}.tr .median{fill:#3f9f63}.tr .late{fill:#e07a3f}.tr .tail{stroke:#5a6679;stroke-width:1.5}
.tr .promise{stroke:#b45309;stroke-width:1.5;stroke-dasharray:5 4}
"""
DARK = """
.tr text{fill:#eef2f7}.tr .lane{fill:#1b212b}.tr .tail{stroke:#a6b0c0}.tr .promise{stroke:#f6ad55}
"""
"""The same on dark ground."""

_TONES = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.INCONCLUSIVE: "unsure"}
_WORDS = {Verdict.PASS: "kept", Verdict.FAIL: "not kept", Verdict.INCONCLUSIVE: "cannot tell yet"}


def html(told: TrackRecord) -> str:
    """The report as one HTML page that needs nothing else."""
    return (
        templates()
        .get_template("track.html.j2")
        .render(
            **_facts(told),
            wide_picture=_drawn(told, WIDTH),
            narrow_picture=_drawn(told, NARROW),
            picture_style=STYLE.strip(),
            picture_dark=DARK.strip(),
        )
    )


def markdown(told: TrackRecord) -> str:
    """The report as Markdown."""
    return templates().get_template("track.md.j2").render(**_facts(told))


def _facts(told: TrackRecord) -> dict[str, Any]:
    total, drilled = recovered_total(told.records), passed_total(told.drills)
    return {
        "title": f"Recoveries of {told.name}",
        "told": told,
        "in_short": _in_short(told, total),
        "figures": [
            {"label": "incidents", "value": str(sum(each.incidents for each in told.records))},
            {
                "label": f"recovered, of {total.of} that were tried",
                "value": "–" if total.value is None else f"{100 * total.value:.1f} %",
            },
            {
                "label": f"drills passed, of {drilled.of} that say anything",
                "value": "–" if drilled.value is None else f"{100 * drilled.value:.1f} %",
            },
            {
                "label": "recoveries would work now",
                "value": f"{told.ready} of {told.looked}" if told.looked else "not looked at",
            },
        ],
        "records": [_row(each) for each in told.records],
        "claims": [claim_told(each) for each in told.claims if each.count],
        "without": [each.claim for each in told.claims if not each.count],
        "not_measured": NOT_MEASURED,
        "foretold": share_told(told.foretold),
        "readiness": [_ready(each) for each in told.readiness if each.share != 1.0],
        "always_ready": several(sum(each.share == 1.0 for each in told.readiness), "recovery", "recoveries"),
        "drills": [
            {
                "environment": each.environment,
                "scenario": headline(each.scenario),
                "passed": share_told(each.passed),
                "inconclusive": each.inconclusive,
            }
            for each in told.drills
        ],
        "deliveries": [
            {
                "environment": each.environment,
                "deployments": each.deployments,
                "failures": share_told(each.change_failures),
                "recovery": _time(each.recovery),
            }
            for each in told.deliveries
        ],
    }


def _in_short(told: TrackRecord, total: Share) -> str:
    if not told.records:
        return "No incident was closed in this time."
    count = several(sum(each.incidents for each in told.records), "incident")
    broken = [each.claim for each in told.claims if each.verdict is Verdict.FAIL]
    kept = f"Not kept: {', '.join(broken)}." if broken else "No promise was broken for certain."
    return f"{count}; {total.good} of {total.of} that were tried were recovered. {kept}"


def _row(record: Record) -> dict[str, Any]:
    return {
        "environment": record.environment,
        "scenario": headline(record.scenario),
        "incidents": record.incidents,
        "recovered": share_told(record.recovered),
        "refused": record.refused,
        "false_starts": share_told(record.false_starts) if record.false_starts.of else "",
        "taken": _time(record.to_recover),
        "promised": short_seconds(record.promised, exact=False),
        "in_time": share_told(record.in_time),
        "phases": [{"name": name, "taken": _time(each)} for name, each in record.phases.items()],
        "restore_age": _time(record.restore_age) if record.restore_age else "",
        "foretold": share_told(record.foretold) if record.foretold.of else "",
        "waits": _time(record.waits) if record.waits else "",
    }


def _ready(found: ReadyTime) -> dict[str, str]:
    return {
        "environment": found.environment,
        "scenario": headline(found.scenario),
        "share": "–" if found.share is None else f"{100 * found.share:.1f} %",
        "not_ready": short_seconds(found.not_ready) if found.not_ready else "–",
        "unknown": short_seconds(found.unknown) if found.unknown else "–",
    }


def claim_told(found: Measured) -> dict[str, Any]:
    """A promise beside what was measured, in words."""

    def worded(value: float | None) -> str:
        if value is None:
            return "–"
        return short_seconds(value) if found.seconds else f"{100 * value:.1f} %"

    bound = short_seconds(found.promised, exact=False) if found.seconds else f"{100 * found.promised:.0f} %"
    return {
        "claim": found.claim,
        "source": found.source,
        "promised": f"{'≥' if found.at_least else '≤'} {bound}",
        "value": worded(found.value),
        "range": f"{worded(found.low).removesuffix(' %')} to {worded(found.high)}" if found.count else "–",
        "count": found.count,
        "tone": _TONES[found.verdict] if found.count else "",
        "verdict": _WORDS[found.verdict] if found.count else "nothing measured",
    }


def share_told(share: Share) -> str:
    """A share in words: `96.0 % of 50 (86.5 to 98.9)`."""
    if share.value is None:
        return "–"
    return f"{100 * share.value:.1f} % of {share.of} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _time(found: Durations | None) -> str:
    if found is None:
        return "–"
    return f"{short_seconds(found.median)} (p95 {short_seconds(found.p95)}, of {found.count})"


def _drawn(told: TrackRecord, width: int) -> str:
    """Each scenario's middle recovery as a bar, its slowest of twenty as a line, its promise dashed."""
    shown = [(each, each.to_recover) for each in told.records if each.to_recover is not None]
    if not shown:
        return ""
    wide = width >= WIDTH
    left, row = (LEFT, ROW) if wide else (8.0, ROW + 18)
    most = max(max(taken.p95, taken.high) for _, taken in shown) * 1.05 or 1.0
    scale = (width - left - RIGHT) / most
    elements: list[svg.Element] = []
    for number, (record, taken) in enumerate(shown):
        y = row * number + (0 if wide else 18)
        name = escape(f"{record.environment}: {headline(record.scenario)}")
        bar, tail = max(2.0, taken.median * scale), left + taken.p95 * scale
        late = "late" if record.promised and taken.median > record.promised else "median"
        elements += [
            svg.Rect(x=left, y=y + 3, width=width - left - RIGHT, height=ROW - 6, rx=5, class_=["lane"]),
            svg.Rect(x=left, y=y + 8, width=round(bar, 1), height=ROW - 16, rx=3, class_=[late]),
            svg.Line(x1=left + bar, x2=round(tail, 1), y1=y + 15, y2=y + 15, class_=["tail"]),
            svg.Text(x=width - RIGHT + 8, y=y + 19, text=short_seconds(taken.median)),
            svg.Text(x=0 if wide else left, y=y + (19 if wide else -1), text=name),
        ]
        if record.promised and record.promised <= most:
            x = round(left + record.promised * scale, 1)
            elements.append(svg.Line(x1=x, x2=x, y1=y + 2, y2=y + ROW - 2, class_=["promise"]))
    return svg.SVG(
        class_=["tr"],
        viewBox=svg.ViewBoxSpec(0, 0, width, row * len(shown) + 4),
        extra={"role": "img", "aria-label": "Seconds to recover, by environment and scenario"},
        elements=elements,
    ).as_str()
