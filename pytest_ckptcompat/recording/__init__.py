"""Making goldens: recording a release, importing checkpoints from the wild."""
