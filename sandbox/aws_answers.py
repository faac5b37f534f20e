"""Where moto takes long to write an answer, made short: AWS answers at once, and what waits for it is measured here."""

from __future__ import annotations

from typing import Any

_PLAIN = {"AttributeValue": {"S", "N"}, "MessageAttributeValue": {"DataType", "StringValue"}}
"""By shape: members that are texts, written as they are."""


def install() -> None:
    """Correct moto in this process."""
    _tell_plain_values()
    _look_under_its_own_name_first()
    _know_its_services()


def _tell_plain_values() -> None:
    """A text or number in an answer is told as it is; moto looks for each of ten types under four names."""
    from moto.core.serialize import BaseJSONSerializer

    name = "_serialize_type_structure"
    serialize = getattr(BaseJSONSerializer, name)

    def told(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        plain = _PLAIN.get(shape.name)
        if plain and isinstance(value, dict) and value.keys() <= plain:
            self._default_serialize(serialized, value, shape, key)
        else:
            serialize(self, serialized, value, shape, key)

    setattr(BaseJSONSerializer, name, told)


def _look_under_its_own_name_first() -> None:
    """The first of a member's names is its own: a dict that has it needs no list of the others."""
    from moto.core.serialize import AttributePicker

    pick = AttributePicker.__call__

    def picked(self: Any, context: Any) -> Any:
        if type(context.obj) is dict and context.key in context.obj and not self.response_transformers:
            return context.obj[context.key]
        return pick(self, context)

    AttributePicker.__call__ = picked  # type: ignore[method-assign]  # moto offers no hook


def _know_its_services() -> None:
    """For each call moto lists its own folder and looks at every entry, to see whether a host is a service."""
    from moto import backends

    known = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: known
