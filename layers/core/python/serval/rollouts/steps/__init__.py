"""The steps of a rollout, in order: claim, verify, optimise, golden check, register, evaluate, conclude."""
