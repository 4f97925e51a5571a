"""The newcomer's first minute: the whole of it on one machine, with nothing to set up."""
