"""SageMaker endpoints: hand requests over, and complete what an endpoint has finished."""
