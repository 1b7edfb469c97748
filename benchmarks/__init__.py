"""Benchmarks: ratios of two things measured alternately in one run. No test has a clock."""
