"""What lies on disk: JSON lines, files that are replaced whole, configurations, locks and the folders of runs."""
