"""The methods of the benchmark: one file for each that is trained, `ablations` of P-IEANet, `statistical` measures."""
