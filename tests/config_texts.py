"""Configurations as texts, with other values or without some fields."""

import json

from aifashion.config import AttributeConfig, KeypointConfig


def changed(**values) -> str:
    """The JSON of the standard configuration with some values replaced; a value of `...` leaves the field out."""
    content = json.loads(KeypointConfig().to_json()) | values
    return json.dumps({name: value for name, value in content.items() if value is not ...})


def changed_attributes(**values) -> str:
    """As `changed`, of a classifier's configuration."""
    content = json.loads(AttributeConfig().to_json()) | values
    return json.dumps({name: value for name, value in content.items() if value is not ...})
