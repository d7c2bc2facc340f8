"""The P-IEANet network in torch, one file per part of the paper's Figure 4 (needs the train extra)."""
