"""What the outside may watch: logs and invariants."""
