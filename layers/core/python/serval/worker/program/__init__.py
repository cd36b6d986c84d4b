"""What a worker is made of: settings, machine, threads, loaded versions."""
