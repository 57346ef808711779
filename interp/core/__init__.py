"""Arrays, checks, seeds, norm balls and files: what every other room builds on."""
