"""The doors: HTTP, command line, and the stack on one machine."""
