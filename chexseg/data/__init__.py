"""X-rays, labels and masks as they lie in their folders, and the phantom."""
