"""One function per rule: paths in, paths out, and every decision somewhere else."""
