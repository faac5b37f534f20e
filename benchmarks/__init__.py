"""What Backstop promises about time, measured: `make bench`."""
