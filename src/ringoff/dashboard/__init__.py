"""What an operator sees in a browser: made on the server, kept live by server-sent events, usable without scripts."""
