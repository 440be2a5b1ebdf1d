"""A study's config: settings, entries that name each other, and where each key stands."""
