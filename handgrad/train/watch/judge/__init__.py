"""What a rule looks for: functions from evidence and bounds to signs of a mistake."""
