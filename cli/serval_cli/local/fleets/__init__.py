"""The program that starts and stops the workers of spot fleets, as ECS does on AWS."""
