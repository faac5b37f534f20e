"""`backstop up`: everything of one machine, watched, until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from cli.options import command
from cli.printing import console

app = command(
    "up",
    "up",
    "up --prefect-port 4300 --webhook-port 8300",
    "up --host 0.0.0.0",
    exits="0 stopped by Ctrl-C or SIGTERM · 1 unexpected · 2 wrong command line · 3 refused: it runs already, a port "
    "is taken, a file is wrong · 4 a part did not come up",
)

Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65535))]


@app.default
def up(*, host: str = "127.0.0.1", prefect_port: Port = 4200, webhook_port: Port = 8081) -> int:
    """Run Backstop on this machine: Prefect server, responder and webhook receiver.

    Registers environments and deployments first. A part that dies is started again; all of them end with this
    command. What they say is in `logs` in BACKSTOP_HOME.

    Args:
        host: Address to listen on. Everybody who reaches it can start recoveries: put a proxy in front of it.
        prefect_port: Of the Prefect server and its UI; 0 takes any free one.
        webhook_port: Of the webhook receiver; 0 takes any free one.
    """
    from deployments.stack import Stack

    stack = Stack(host=host, prefect_port=prefect_port, webhook_port=webhook_port, say=console().print)
    stack.start()
    stack.run()
    return 0
