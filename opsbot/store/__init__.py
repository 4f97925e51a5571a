"""The bot's tables, through SQLAlchemy and nowhere else."""
