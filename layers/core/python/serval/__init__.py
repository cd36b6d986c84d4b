"""Serval: a folder with a trained model becomes a production API in your own AWS account."""
