"""The HTTP entrance: compatible routes, native routes, one error table."""
