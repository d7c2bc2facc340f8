"""Low-light enhancement trained with and without the exposure loss (paper 5.3 (2), Table 4). Needs the train extra."""
