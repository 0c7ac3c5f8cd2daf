"""What all tables of the settings have in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table: frozen, no member that is not known, no value turned into another type, no value in an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=False,
    )
