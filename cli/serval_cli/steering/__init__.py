"""Follow and steer what runs: rollouts, fleets, batch jobs."""
