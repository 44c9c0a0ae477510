"""What people read: failures, suggestions, summaries."""
