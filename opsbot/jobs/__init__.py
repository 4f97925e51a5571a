"""Work that outlives the process: functions read from top to bottom, on durable steps."""
