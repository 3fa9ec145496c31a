"""Ringoff: a server for outbound calling campaigns whose kill switch can be trusted."""

__version__ = "0.3.0.dev0"
