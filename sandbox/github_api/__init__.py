"""A stand-in for GitHub's REST API that remembers: runs that live, pull requests, comments, issues, webhooks."""
