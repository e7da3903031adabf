"""The stand-in for the web site that TrafficLens reads: real HTTP, thousands of domains, every misbehaviour."""
