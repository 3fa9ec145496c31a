"""Ringoff's own routes under ``/api/v1``, and the two health checks."""
