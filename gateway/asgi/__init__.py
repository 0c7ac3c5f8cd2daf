"""ASGI on both sides of a decision: a scope becomes a raw request, a reply becomes messages."""
