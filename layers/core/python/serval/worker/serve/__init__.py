"""The worker as a server behind a SageMaker endpoint."""
