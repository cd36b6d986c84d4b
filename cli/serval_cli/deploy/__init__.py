"""``serval deploy``: what is deployed, what it asks of the account, and the deployment itself."""
