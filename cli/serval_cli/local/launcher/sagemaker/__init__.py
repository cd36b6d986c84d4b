"""SageMaker's async endpoints, whose servers are processes of this machine."""
