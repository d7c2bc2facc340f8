"""From source material (panoramas, photographs, brackets) to pictures with pixel-level labels (paper section 4)."""
