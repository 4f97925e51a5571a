"""What plugins do without a person who asks: at a time, or when another program calls."""
