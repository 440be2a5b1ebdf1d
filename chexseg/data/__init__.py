"""Reading X-rays, labels and masks from their folders, and the phantom data set."""
