"""What the plugin does at each of pytest's hooks, by the part of a run."""
