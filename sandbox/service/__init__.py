"""A small service that collects texts, scores their sentiment and shows the result: three Lambda functions."""
