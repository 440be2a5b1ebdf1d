"""A synthetic CheXpert + CheXlocalize: chests with ten pathologies and exact masks."""
