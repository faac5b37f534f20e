"""What every resource type shares: its schema, and errors worded as the real provider words them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tf.iface import Resource
from tf.schema import Attribute, NestedBlock, Schema
from tf.types import String, Unknown

State = dict[str, Any]


def text(name: str, **how: Any) -> Attribute:
    """A text attribute."""
    return Attribute(name, String(), **how)


def computed(*names: str) -> list[Attribute]:
    """Text attributes that only AWS decides."""
    return [Attribute(name, String(), computed=True) for name in names]


class AwsResource(Resource):  # type: ignore[misc]  # PyPI tf is untyped
    """A resource type. Subclasses say how to make, read, change and remove one; errors become diagnostics here."""

    TYPE: ClassVar[str]
    """Without the `aws_`."""
    SERVICE: ClassVar[str]
    NOUN: ClassVar[str]
    """Both as they stand in the real provider's error messages."""
    KEY: ClassVar[str]
    """The attribute that names one in messages and on import."""
    ATTRIBUTES: ClassVar[list[Attribute]]
    BLOCKS: ClassVar[list[NestedBlock]] = []

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        """The type's name without prefix."""
        return cls.TYPE

    @classmethod
    def get_schema(cls) -> Schema:
        """Attributes and blocks; every type has a computed `id`."""
        return Schema(version=0, attributes=[*computed("id"), *cls.ATTRIBUTES], block_types=cls.BLOCKS)

    def make(self, planned: State) -> State:
        """Create it and return its attributes."""
        raise NotImplementedError

    def look(self, current: State) -> State | None:
        """Read it as it is; None when it is gone."""
        raise NotImplementedError

    def change(self, current: State, planned: State) -> State:
        """Bring it from one state to the other and return its attributes."""
        raise NotImplementedError

    def remove(self, current: State) -> None:
        """Delete it."""
        raise NotImplementedError

    def create(self, ctx: Any, planned: State) -> State | None:
        """Terraform's create: nothing comes to be when it fails."""
        return self._told(ctx, "creating", planned, lambda: self.make(planned), None)

    def read(self, ctx: Any, current: State) -> State | None:
        """Terraform's refresh."""
        return self._told(ctx, "reading", current, lambda: self.look(current), current)

    def update(self, ctx: Any, current: State, planned: State) -> State | None:
        """Terraform's update: what was stays in the state when it fails."""
        return self._told(ctx, "updating", planned, lambda: self.change(current, planned), current)

    def delete(self, ctx: Any, current: State) -> State | None:
        """Terraform's destroy: it stays in the state when it fails."""

        def gone() -> None:
            self.remove(current)

        return self._told(ctx, "deleting", current, gone, current)

    def upgrade(self, ctx: Any, version: int, old: State) -> State:
        """Every version of a state is readable; attributes that came later are empty."""
        return {**dict.fromkeys(self._names()), **{k: v for k, v in old.items() if k in self._names()}}

    def import_(self, ctx: Any, id: str) -> State:  # noqa: A002 - the name that Terraform's library gives it
        """Take over what exists; Terraform reads it next."""
        blocks: State = {block.type_name: [] for block in self.BLOCKS}
        return {**dict.fromkeys(self._names()), **blocks, "id": id, self.KEY: id}

    def _names(self) -> list[str]:
        return ["id", *(a.name for a in self.ATTRIBUTES), *(b.type_name for b in self.BLOCKS)]

    def _told(
        self, ctx: Any, verb: str, state: State, act: Callable[[], State | None], otherwise: State | None
    ) -> State | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return act()
        except (ClientError, BotoCoreError) as error:
            ctx.diagnostics.add_error(self._wording(verb, state, error), "")
            return otherwise

    def _wording(self, verb: str, state: State, error: Exception) -> str:
        """One line, as the Go provider and SDK write it: everything in the summary."""
        answer = getattr(error, "response", {})
        told = answer.get("Error", {})
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        request = answer.get("ResponseMetadata", {}).get("RequestId", "")
        operation = getattr(error, "operation_name", "")
        name = state.get("id") if isinstance(state.get("id"), str) else state.get(self.KEY)
        cause = f"{told['Code']}: {told.get('Message', '')}" if told else f"request send failed, {error}"
        api = "" if told.get("Code", "").endswith("Exception") else "api error "
        return (
            f"{verb} {self.NOUN} ({name}): operation error {self.SERVICE}: {operation}, https response error "
            f"StatusCode: {status}, RequestID: {request}, {api}{cause}"
        )


def unknown(planned: State, *names: str) -> None:
    """Mark attributes in a plan as known only after the apply."""
    for name in names:
        planned[name] = Unknown
