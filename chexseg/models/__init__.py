"""Networks: modules and their weights."""
