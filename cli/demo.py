"""`backstop demo`: the main job, live, on a practice world. No account anywhere, and nothing left running."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cli import demo_home
from cli.options import command
from cli.printing import console

if TYPE_CHECKING:
    from cli.demo_story import Demo

app = command(
    "demo",
    "demo",
    "demo --once",
    exits="0 the incident ended recovered, and an independent look at the sandbox agrees · 1 unexpected · "
    "3 refused · 4 not recovered, or the look disagrees · 130 interrupted",
)


@app.default
def demo(
    *,
    once: Annotated[bool, Parameter(help="End by itself instead of keeping the Prefect UI up.")] = False,
) -> int:
    """The main job, live, on a practice world.

    Starts a stand-in AWS and Backstop's own parts, deploys three releases with real Terraform (the third one's
    canary fails), lets the alarm fire, and shows how Backstop recovers production. Everything is kept in
    BACKSTOP_HOME, or in `.backstop/demo` here; an earlier demo there is replaced.
    """
    from cli.tidy import left_tidy

    with demo_home.own_home() as home, left_tidy():
        from cli.demo_story import Demo

        story = Demo(home)
        try:
            code = story.tell()
            if not once:
                _stay(story)
        except KeyboardInterrupt:
            console().print("\nEnding: stopping everything that was started.")
            return 130
        finally:
            story.stop()
    return code


def _stay(story: Demo) -> None:
    console().print(f"\n[bold]The Prefect UI stays at {story.address} until Ctrl-C.[/]")
    try:
        while True:
            story.tend()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console().print("\nStopping everything that was started.")
