"""What all groups of settings share: they are closed, and say which of their fields are unused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Settings(BaseModel):
    """A closed, immutable group of settings."""

    # Defaults are validated too: a 5 for a float is a 5.0, as it is when it comes from a config.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        validate_default=True,
        allow_inf_nan=False,
    )

    def unused(self) -> set[str]:
        """Returns the fields that change nothing, given the values of the others.

        They are not passed to the command, so that setting them makes nothing run again.
        """
        return set()


MISFIT = "misfit"


def misfit(found: str, expected: str, remedy: str) -> PydanticCustomError:
    """Returns the error of settings that do not fit together; a validator raises it."""
    context = {"found": found, "expected": expected, "remedy": remedy}
    return PydanticCustomError(MISFIT, "found {found}, expected {expected}. {remedy}", context)
