"""The loops that dial: claim, permit, settle, rescue, sweep."""
