"""Durable pipelines: run by Step Functions step by step, as async requests.

What a step gives is computed by the same code as in the process of ``infer``; what lies between
the steps is kept in the data bucket, and what is done is recorded, so that nothing runs again that
has ended.
"""
