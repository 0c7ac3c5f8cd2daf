"""The backend whose bytes pass through the gateway."""
