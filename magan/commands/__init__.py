"""What `magan correct`, `merge`, `run` and `report` do around the workflow: a study, its run, its outcome."""
