"""Twilio, and carriers that copy its REST API: calls are placed over HTTP, and reported to our HTTP server."""
