"""The steps of a rollout: claim, verify, optimise, golden check, register, evaluate, conclude."""
