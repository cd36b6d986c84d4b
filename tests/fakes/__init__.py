"""In-memory stand-ins at Serval's own ports."""
