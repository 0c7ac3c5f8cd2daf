"""The tenant API for operators (FastAPI)."""

from gateway.server.admin.access import metrics_access
from gateway.server.admin.parts import AdminParts, AdminSettings, admin_parts
from gateway.server.admin.routes import admin_routes

__all__ = ["AdminParts", "AdminSettings", "admin_parts", "admin_routes", "metrics_access"]
