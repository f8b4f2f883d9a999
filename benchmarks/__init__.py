"""What `make bench` runs: our decisions beside what a user would otherwise pick, in one run."""
