"""Events, rules and schedules in EventBridge."""
