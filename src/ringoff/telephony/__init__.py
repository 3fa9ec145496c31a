"""Carriers: drivers that put requests to ring on a wire and report what became of them."""
