"""HTTP: events of API Gateway in, replies out."""
