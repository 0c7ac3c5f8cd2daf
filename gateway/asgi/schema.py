"""A model's JSON schema as an OpenAPI document can hold it in place: with no references of its own."""

from typing import Any

from pydantic import BaseModel

Described = dict[str, Any]


def inlined(model: type[BaseModel]) -> Described:
    """A model's schema with every reference replaced by what it refers to; ours refer to nothing twice over."""
    schema = model.model_json_schema()
    definitions: Described = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            rest = {name: item for name, item in value.items() if name != "$ref"}
            return {**resolved(definitions[value["$ref"].rpartition("/")[2]]), **rest}
        return {name: resolved(item) for name, item in value.items()}

    plain: Described = resolved(schema)
    return plain
