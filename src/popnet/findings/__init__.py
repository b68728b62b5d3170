"""What was found, in rows."""
