"""Start of a job: read the request, check scope and limits, accept it, cancel or retry it."""
