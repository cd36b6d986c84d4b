"""The program that lets the workers of the stage's spot fleets come and go, as ECS does on AWS."""
