"""What an operator says of a deployment, read once: a TOML file, the environment over it, one frozen `Settings`.

`model` owns the members and their rules, `reading` how the two sources become one value or a list of faults,
`reference` the page that documents them. Nothing else of the gateway reads the environment.
"""

from gateway.settings.model import Settings
from gateway.settings.reading import Fault, SettingsError, read

__all__ = ["Fault", "Settings", "SettingsError", "read"]
