"""The judging room: pytest plugin, testee protocol, judge, diagnosis, baselines, command line.

Nothing is imported here, because `endianproof.conformance.testee` runs inside guests that have none of the
suite's dependencies.
"""
