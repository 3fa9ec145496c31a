"""The pages of the dashboard, asked for in process."""
