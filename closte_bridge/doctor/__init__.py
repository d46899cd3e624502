"""Every check of the troubleshooting list: what is wrong, and what to do about it."""
