"""The methods luxel is compared with, one file per row of the paper's Tables 1 and 2, on shared blocks."""
