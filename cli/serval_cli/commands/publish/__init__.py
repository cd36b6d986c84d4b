"""Commands that publish a model and steer its rollout."""
