"""The practice Docker stack of runbook 004: Redis, a masking gateway, nginx and an app on a real engine."""
