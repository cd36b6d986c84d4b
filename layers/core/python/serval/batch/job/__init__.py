"""The batch job itself: row, keys, options, states, cost and outcomes."""
