"""One picture or many: the residual map and what follows from it."""
