"""The compatible routes under ``/ca/api/v0``, shape for shape."""
