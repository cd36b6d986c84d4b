"""The state machine of batch jobs, its steps and its schedules."""
