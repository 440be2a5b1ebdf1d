"""File handling: atomic writes, HDF5 stores, progress reports, human-readable sizes."""
