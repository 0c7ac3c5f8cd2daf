"""The composition root and the HTTP server."""
