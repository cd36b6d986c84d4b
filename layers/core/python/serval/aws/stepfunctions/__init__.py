"""Executions and task tokens in Step Functions."""
