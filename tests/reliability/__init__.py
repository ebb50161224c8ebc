"""Hostile input, kills and full disks: one line and exit code 2, or the right result; nothing lost, nothing left behind."""
