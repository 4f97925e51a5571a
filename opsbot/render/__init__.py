"""From values to what people read: plain words, and HTML that survives the bridge."""
