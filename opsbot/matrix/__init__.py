"""The chat edge: Matrix, and nowhere else."""
