"""Follow and steer rollouts, fleets and batch jobs."""
