"""`backstop apply`: make the Prefect server have what `prefect.yaml` and the environment files say."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from cli.options import AsJson, command
from cli.printing import console, print_json
from cli.running import prefect_address

app = command(
    "apply",
    "apply --rehearse",
    "apply",
    "apply --work-pool kubernetes",
    exits="0 done · 1 unexpected · 2 wrong command line · 3 refused: a file is wrong, nothing was changed",
)


@app.default
def apply(
    *,
    rehearse: bool = False,
    work_pool: Annotated[str | None, Parameter(name="--work-pool")] = None,
    as_json: AsJson = False,
) -> int:
    """Register environments, deployments, schedules and automations on the Prefect server.

    Applying twice changes nothing; what is gone from the files is removed; what is not ours is never touched.

    Args:
        rehearse: Only say what would change.
        work_pool: Let this pool's workers run the flows, not the responder.
        as_json: Print JSON.
    """
    from cli.prefect_api import PrefectApi

    PrefectApi().get("/health")  # one clear error at once; Prefect's own client would try for a minute
    os.environ["PREFECT_API_URL"] = prefect_address()
    from deployments.apply import apply as apply_all

    done = apply_all(work_pool=work_pool, rehearse=rehearse)
    if as_json:
        print_json([one.model_dump(mode="json") for one in done])
    else:
        for one in done:
            console().print(str(one), markup=False)
    return 0
