"""The state machine of rollouts, its steps and the rule that starts it."""
