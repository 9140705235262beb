# SPDX-License-Identifier: MIT OR Apache-2.0
"""Turns at times when no other virtual machine uses the cores, as far as bench/core_speed can tell."""
import os
import subprocess
import time

SHARED = 1.25       # so many times the least time of a processor: its core has other work as well
MOST_PROCESSORS = 4  # with more of them, somebody always works somewhere
PATIENCE = 20       # seconds, for all turns of a row
PAUSE = 0.3


class Cores:
    """Knows the least time that each processor has shown."""

    def __init__(self, build):
        self.program = os.path.join(build, 'bench/core_speed')
        self.least = None
        self.patience = PATIENCE
        self.turns = self.shared_turns = 0

    def speeds(self):
        done = subprocess.run([self.program], capture_output=True, text=True, timeout=60, check=True)
        return [int(line) for line in done.stdout.split()]

    def are_shared(self):
        if not os.path.exists(self.program):
            return False
        now = self.speeds()
        if len(now) > MOST_PROCESSORS:
            return False
        if self.least is None or len(self.least) != len(now):
            self.least = now
        self.least = [min(pair) for pair in zip(self.least, now)]
        return max(now) > SHARED * min(self.least)

    def begin_row(self):
        self.patience = PATIENCE

    def turn(self, measure):
        """What measure() gives, if possible of a time when nobody else was on the cores."""
        while True:
            start = time.monotonic()
            shared = self.are_shared()
            while shared and self.patience > time.monotonic() - start:
                time.sleep(PAUSE)
                shared = self.are_shared()
            self.patience -= time.monotonic() - start
            start = time.monotonic()
            result = measure()
            shared |= self.are_shared()
            if not shared or self.patience <= 0:
                self.turns += 1
                self.shared_turns += shared
                result.shared = shared
                return result
            self.patience -= time.monotonic() - start

    def report(self):
        if self.shared_turns != 0:
            print(f'{self.shared_turns} of {self.turns} turns were taken while another virtual machine used the cores; '
                  '* after a row: all of a machine were')
