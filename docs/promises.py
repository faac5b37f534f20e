"""The README's table of what the runbooks promise beside what was measured, made from `docs/measured/promises.json`.

`make bench ONLY=practised_recoveries REPORT=docs/measured` measures and writes that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flows._track_page import claim_told, share_told
from rules.claims import NOT_MEASURED, Measured
from rules.track_records import Share

BEGIN, END = "<!-- promises: made by `make docs` -->", "<!-- end of promises -->"


def with_promises(readme: str, measured: Path) -> str:
    """The README with its table as it was measured last; as it is where nothing was."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or not measured.exists():
        return readme
    told = json.loads(measured.read_text(encoding="utf-8"))
    return f"{before}{BEGIN}\n\n{_table(told)}\n\n{END}{after}"


def _table(told: dict[str, Any]) -> str:
    claims = [Measured.model_validate(each) for each in told["claims"]]
    share = Share.model_validate(told["foretold"])
    rows = [claim_told(claim) for claim in claims if claim.count]
    head = (
        f"Measured on {told['day']} over {told['incidents']} recoveries practised on the practice world, on "
        f"{told['cores']} busy cores; repeat it with `{told['command']}`."
    )
    tail = (
        f"Plans that took no longer than was predicted: {share_told(share)}; 90 to 98 % should. Not practised: "
        f"{'; '.join(claim.claim for claim in claims if not claim.count)}. Not to be had from the ledger: "
        f"{'; '.join(NOT_MEASURED)}. The alarm is asked for and the flow called directly here: what a webhook and the "
        "responder add is among the numbers below."
    )
    table = (
        f"| {row['claim']} ({row['source']}) | {row['promised']} | {row['value']} | {row['range']} | {row['count']} | "
        f"{row['verdict']} |"
        for row in rows
    )
    heading = (
        "| the runbooks promise | promised | measured | 95 % range | of | so |",
        "| --- |" + " --- |" * 5,
    )
    return "\n".join((head, "", *heading, *table, "", tail))
