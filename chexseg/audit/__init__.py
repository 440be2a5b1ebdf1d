"""Reading records: checks studies against their records, and traces where a number came from."""
