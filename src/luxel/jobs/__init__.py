"""Work over many files: finding them, processes, locks."""
