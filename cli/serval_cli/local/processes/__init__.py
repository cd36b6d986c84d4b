"""Start, record and end the processes of the local stage."""
