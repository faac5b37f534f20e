"""The timeline as a picture: phases as bars, steps as marks on them, the promise as a line.

Drawn twice, wide for a desk and narrow for a phone, and readable on light and on dark ground.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import svg

from flows._wording import short_seconds
from ledger.stories import Story
from rules.outcomes import Phase

ROW = 30.0
TOP = 36.0
TAIL = 58.0
CHARACTER = 6.8
"""Width of a character of the labels, in pixels, on average."""

STYLE = """
.tl text{font:12px ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#4a5568}
.tl .name{font-weight:600;fill:#1a202c}.tl .took{font-variant-numeric:tabular-nums}
.tl .axis{stroke:#e2e8f0;stroke-width:1}.tl .lane{fill:#f4f6f9}
.tl .promise{stroke:#b45309;stroke-width:1.5;stroke-dasharray:5 4}.tl text.promised{fill:#b45309;font-weight:600}
.tl .end{stroke:#1a202c;stroke-width:1.5}.tl text.ended{fill:#1a202c;font-weight:600}
.tl .resume{stroke:#9333ea;stroke-width:1.5;stroke-dasharray:2 3}
.tl .detect{fill:#5b8def}.tl .decide{fill:#7c6ee6}.tl .guard{fill:#d69e2e}.tl .snapshot{fill:#3aa6a0}
.tl .act{fill:#e07a3f}.tl .verify{fill:#3f9f63}.tl .report{fill:#8a94a6}
.tl .step{stroke:#fff;stroke-width:1.5;fill:#1a202c}.tl .failed{fill:#dc2626}.tl .ground{fill:#fff}
"""
DARK = """
.tl text{fill:#a6b0c0}.tl .name,.tl text.ended{fill:#eef2f7}.tl .axis{stroke:#2c3442}.tl .lane{fill:#1b212b}
.tl .promise{stroke:#f6ad55}.tl text.promised{fill:#f6ad55}.tl .end{stroke:#eef2f7}
.tl .resume{stroke:#c084fc}
.tl .step{stroke:#12161d;fill:#eef2f7}.tl .failed{fill:#f87171}.tl .ground{fill:#12161d}
"""
"""The same on dark ground; the page puts it into its media query."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """From seconds after the opening to pixels."""

    left: float
    width: float
    seconds: float

    def x(self, second: float) -> float:
        return round(self.left + self.width * max(0.0, min(second, self.seconds)) / self.seconds, 1)


def draw(story: Story, width: int = 820) -> svg.SVG:
    """The picture, `width` pixels wide, to stand inline in a page that has STYLE."""
    phases = [phase for phase in Phase if any(s.phase is phase for s in story.stretches)]
    if not phases:
        return svg.SVG(viewBox=svg.ViewBoxSpec(0, 0, width, 1), elements=[])
    total = max(story.total_seconds, 0.001)
    promise = story.incident.budget_seconds
    shown = total * 1.02
    if promise <= 2.5 * total:
        shown = max(shown, promise * 1.03)
    room = 84.0 if width >= 600 else 76.0
    scale = _Scale(room, width - room - TAIL, shown)
    bottom = TOP + ROW * len(phases)
    elements: list[svg.Element] = []
    for number, phase in enumerate(phases):
        elements += _lane(story, phase, TOP + ROW * number, scale, width)
    elements = [*_axis(scale, bottom), *elements, *_lines(story, scale, bottom, total, promise)]
    told = ", ".join(f"{p.value} {short_seconds(story.seconds.get(p, 0.0))}" for p in phases)
    return svg.SVG(
        class_=["tl"],
        viewBox=svg.ViewBoxSpec(0, 0, width, bottom + 26),
        extra={"role": "img", "aria-label": f"Timeline: {told}"},
        elements=elements,
    )


def standalone(story: Story) -> str:
    """The picture as a file of its own, with its ground and its style."""
    picture, width = draw(story), 820
    height = picture.viewBox.height if isinstance(picture.viewBox, svg.ViewBoxSpec) else 300
    ground = svg.Rect(x=0, y=0, width=width, height=height, rx=8, class_=["ground"])
    style = svg.Style(text=f"{STYLE}@media (prefers-color-scheme:dark){{{DARK}}}")
    picture.elements = [style, ground, *(picture.elements or [])]
    picture.width, picture.height = width, height
    picture.xmlns = "http://www.w3.org/2000/svg"
    return picture.as_str()


def data_address(story: Story) -> str:
    """The picture as a `data:` address, for places that show Markdown."""
    return "data:image/svg+xml;base64," + base64.b64encode(standalone(story).encode()).decode()


def _lane(story: Story, phase: Phase, y: float, scale: _Scale, width: int) -> Iterable[svg.Element]:
    opened = story.incident.opened_at
    spans = [
        ((s.begin - opened).total_seconds(), (s.end - opened).total_seconds())
        for s in story.stretches
        if s.phase is phase
    ]
    yield svg.Rect(x=0, y=y + 3, width=width, height=ROW - 6, rx=6, class_=["lane"])
    yield svg.Text(x=10, y=y + ROW / 2 + 4, text=escape(phase.value), class_=["name"])
    last = scale.left
    for begin, end in spans:
        left, right = scale.x(begin), scale.x(end)
        last = max(last, left + max(right - left, 3.0))
        yield svg.Rect(
            x=left,
            y=y + 7,
            width=round(max(right - left, 3.0), 1),
            height=ROW - 14,
            rx=3,
            class_=[phase.value],
        )
    for step in story.steps if phase is Phase.ACT else []:
        second = ((step.result_at or step.intent_at) - opened).total_seconds()
        kind = ["step", "failed"] if step.result in ("failed", None) else ["step"]
        yield svg.Circle(cx=scale.x(second), cy=y + ROW / 2, r=4.2, class_=kind)
        last = max(last, scale.x(second) + 4)
    took = short_seconds(story.seconds.get(phase, sum(end - begin for begin, end in spans)))
    if last + 8 + CHARACTER * len(took) > width:  # no room behind the bar: before it
        begin = scale.x(spans[0][0])
        yield svg.Text(x=begin - 6, y=y + ROW / 2 + 4, text=took, text_anchor="end", class_=["took"])
    else:
        yield svg.Text(x=last + 7, y=y + ROW / 2 + 4, text=took, class_=["took"])


def _axis(scale: _Scale, bottom: float) -> Iterable[svg.Element]:
    steps = (
        0.1,
        0.2,
        0.5,
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        180,
        300,
        600,
        1800,
        3600,
        7200,
        14400,
        43200,
        86400,
    )
    most = 3 if scale.width < 400 else 6
    step = next((s for s in steps if scale.seconds / s <= most), scale.seconds)
    for number in range(int(scale.seconds / step) + 1):
        x = scale.x(number * step)
        yield svg.Line(x1=x, x2=x, y1=TOP, y2=bottom + 4, class_=["axis"])
        told = "0" if number == 0 else short_seconds(number * step, exact=False)
        yield svg.Text(x=x, y=bottom + 18, text=told, text_anchor="middle", class_=["took"])


def _lines(story: Story, scale: _Scale, bottom: float, total: float, promise: float) -> Iterable[svg.Element]:
    told = f"promise {short_seconds(promise, exact=False)}"
    if promise > scale.seconds:
        right = scale.left + scale.width + TAIL - 4
        yield svg.Text(x=right, y=13, text=f"{told} \u2192", text_anchor="end", class_=["promised"])
    else:
        yield from _flag(scale, promise, 13, bottom, told, "promise", "promised")
    for row in story.entries:
        if row.kind == "resume":
            x = scale.x((row.at - story.incident.opened_at).total_seconds())
            title = svg.Title(text=escape(row.text))
            yield svg.Line(x1=x, x2=x, y1=TOP - 2, y2=bottom, class_=["resume"], elements=[title])
    if story.ended_at:
        told = f"{story.incident.ending or 'closed'} after {short_seconds(total)}"
        yield from _flag(scale, total, 29, bottom, told, "end", "ended")


def _flag(
    scale: _Scale, second: float, y: float, bottom: float, told: str, line: str, label: str
) -> Iterable[svg.Element]:
    """A line through all lanes with its label on the side that has room."""
    x = scale.x(second)
    leftwards = x > scale.left + scale.width / 2
    yield svg.Line(x1=x, x2=x, y1=y - 9, y2=bottom, class_=[line])
    yield svg.Text(
        x=x - 6 if leftwards else x + 6,
        y=y,
        text=escape(told),
        text_anchor="end" if leftwards else "start",
        class_=[label],
    )
