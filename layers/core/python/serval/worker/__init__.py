"""The fleet worker: takes async requests from queues, or answers as an inference server."""
