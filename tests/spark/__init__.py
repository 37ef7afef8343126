"""What needs Spark, which is too large for every setup: `make spark`."""
