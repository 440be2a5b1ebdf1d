"""Files as such: written whole or not at all, stores of arrays, progress and sizes for people."""
