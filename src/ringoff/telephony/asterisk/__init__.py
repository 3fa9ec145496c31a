"""The Asterisk driver: calls over any SIP trunk that an Asterisk has, steered through its REST interface (ARI)."""
