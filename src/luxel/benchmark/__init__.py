"""What luxel's network is measured against, and how."""
