"""The commands that speak to a running server, by its API alone; each module is imported when it is needed."""
