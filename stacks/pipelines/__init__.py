"""The state machine of durable pipelines, and the function that does its steps."""
