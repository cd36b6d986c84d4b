"""SageMaker endpoints: hand requests over, and close what an endpoint has finished."""
