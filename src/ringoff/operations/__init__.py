"""What a user can ask for: one verb a function, one transaction each."""
