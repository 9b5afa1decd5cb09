"""A function for each rule of the workflow: it reads and writes paths, and leaves decisions to the packages."""
