"""How data sets lie in their folders: one module for each."""
