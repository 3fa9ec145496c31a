"""PostgreSQL, the only store: named SQL, migrations, the embedded server."""
