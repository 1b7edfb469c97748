"""A module that takes a second to import."""

import time

time.sleep(1)


def load(path):
    return {}
