"""One page that answers a study: every sentence and every table is worked out from the tidy tables."""
