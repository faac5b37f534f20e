"""Who is told about an incident, and who is paged after how long."""

from __future__ import annotations

from pydantic import Field

from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.values import Frozen


class Level(Frozen):
    """One step of the escalation."""

    after_seconds: float = Field(
        ge=0, title="After, in seconds", description="Counted from the incident's opening."
    )
    name: str = Field(max_length=80, title="Who", description="For instance «on-call engineer».")
    channels: list[SecretReference] = Field(
        default_factory=list,
        title="Channels",
        description="Where the Apprise address of each channel is kept.",
    )


class EscalationPath(StrictBlock):
    """Who is told, and in which order people are paged while an incident stays open."""

    _block_type_name = "Escalation path (Backstop)"
    _block_type_slug = "backstop-escalation-path"
    _description = "Who is told when an incident opens and closes, and who is paged after how long."

    levels: list[Level] = Field(default_factory=list, title="Levels")
    notices: list[SecretReference] = Field(
        default_factory=list,
        title="Opening and closing notices",
        description="Where the Apprise addresses are kept that hear of every opening and closing.",
    )
