"""What keeps closte-bridge running: a systemd unit or a line in the user's crontab, written on request."""
