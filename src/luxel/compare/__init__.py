"""Enhanced pictures judged by their residual maps."""
