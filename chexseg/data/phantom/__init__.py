"""A synthetic CheXpert and CheXlocalize: chests with ten pathologies and exact masks."""
