"""Putting Backstop on a Prefect server: blocks, deployments, schedules, and the processes that run them."""
