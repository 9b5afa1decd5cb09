"""What `magan init` proposes for a folder of files: a sample sheet, with the reason of each column, and a study."""
