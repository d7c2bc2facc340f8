"""The protocol of a run: frames, budget, training, rows and their measures; and predictors that are not trained."""
