"""Assembly of a job's output: one file from the parts, the summary, and the end of the job."""
