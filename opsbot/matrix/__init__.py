"""The chat edge, through matrix-nio and nowhere else."""
