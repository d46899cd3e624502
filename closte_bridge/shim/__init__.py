"""The must-use plugin: its files, and putting them into WordPress."""
