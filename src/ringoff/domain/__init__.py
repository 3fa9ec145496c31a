"""Decisions only: no await, no clock, no dice, no I/O."""
