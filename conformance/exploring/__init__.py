"""`--explore`: the search beyond the vectors. Hypothesis is imported here, and only where it is asked for.

`items` are pytest's, `explore` is one search of a format from the settings to its line in the summary, `search`
draws files and tries them, `expectation` says what is right, `failure` what went wrong, `known` whether a
baseline has it, `report` tells it, and `found` keeps the files.
"""
