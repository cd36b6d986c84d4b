"""The canary policy: what it measures, and what it decides."""
