"""The dashboard as a person uses it: real processes, a real browser, and the wire log for the truth."""
