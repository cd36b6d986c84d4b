"""Commands for fleets and async requests."""
