"""Events on their way out: what they say, how they are signed, where they may go."""
