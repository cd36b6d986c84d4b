"""SageMaker's async endpoints, with local processes as their servers."""
