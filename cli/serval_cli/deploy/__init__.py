"""``serval deploy``: plan a deployment, check the account, and deploy."""
