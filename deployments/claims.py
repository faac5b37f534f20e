"""Which runs this host has taken, on disk: what a responder needs to know after it was killed itself."""

from __future__ import annotations

import contextlib
from pathlib import Path
from uuid import UUID

from ledger.holders import Holder, is_dead, this_process
from rules.values import Frozen


class Claim(Frozen):
    """One run, the responder that took it, and the process that carries it out."""

    run: UUID
    responder: Holder
    process: Holder
    words: str
    """How the claim shows in the run's Pending state; also tells ours from another's."""

    @classmethod
    def on(cls, run: UUID, process: Holder) -> Claim:
        """A claim of this responder, to be carried out by `process`."""
        me = this_process()
        words = (
            f"Taken by the responder on {me.host} (pid {me.pid}); "
            f"process {process.pid}, started {process.started:.2f}."
        )
        return cls(run=run, responder=me, process=process, words=words)


class Claims:
    """The claims of this host, one file each. Every change is one rename, so a kill leaves no half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)

    def note(self, claim: Claim) -> None:
        """Write a claim down. Do it before the run is claimed, so that a death in between can be told."""
        path = self._path(claim)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(claim.model_dump_json(), encoding="utf-8")
        unfinished.replace(path)

    def drop(self, claim: Claim) -> None:
        """Forget a claim: the run ended, or another responder was first."""
        self._path(claim).unlink(missing_ok=True)

    def inherit(self) -> list[Claim]:
        """Take over the claims whose responder is dead. Of two heirs only one gets each."""
        me = this_process()
        inherited = []
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(FileNotFoundError, ValueError):
                claim = Claim.model_validate_json(path.read_text(encoding="utf-8"))
                if claim.responder == me or is_dead(claim.responder) is not True:
                    continue
                mine = claim.model_copy(update={"responder": me})
                path.rename(self._path(mine))  # fails for the second heir
                self.note(mine)
                inherited.append(mine)
        return inherited

    def _path(self, claim: Claim) -> Path:
        return self._folder / f"{claim.run}.{claim.responder.pid}.json"
