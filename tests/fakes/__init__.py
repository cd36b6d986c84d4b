"""In-memory stand-ins at Serval's own ports; README.md says which to use when."""
