"""The stand-in for the web site that TrafficLens reads: real HTTP, some thousands of domains, and every misbehaviour."""
