"""Source material: which files show which scene, how they were taken, and what people say they show."""
