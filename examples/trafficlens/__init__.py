"""TrafficLens: paste domains, see their traffic; cached at once, the others as they come, and every row ends."""
