# SPDX-License-Identifier: MIT OR Apache-2.0
"""Results of the rows, the table, and the history file."""
import math
import os
import platform
import statistics
import subprocess
import time


class Row:
    def __init__(self, name, kind, unit, goals, options):
        self.name = name
        self.kind = kind
        self.unit = unit
        self.goal_qemu, self.goal_warm, self.goal_native = goals
        self.options = options
        self.results = {}  # machine: [Measurement]
        self.failures = []

    def is_program(self):
        """It runs natively as well, and needs no exceptions."""
        return self.kind in ('user', 'more')

    def add(self, machine, measurement):
        for other, results in self.results.items():
            if results[0].checksum != measurement.checksum:
                self.failures.append(f'{self.name}: {machine} computes {measurement.checksum}, {other} {results[0].checksum}')
        self.results.setdefault(machine, []).append(measurement)

    def quiet(self, machine):
        """Results of turns on cores that nobody else used (quiet.py), if there are any, else all."""
        results = self.results.get(machine, [])
        return [result for result in results if not getattr(result, 'shared', False)] or results

    def was_never_quiet(self):
        return any(getattr(self.quiet(machine)[0], 'shared', False) for machine in self.results)

    def samples(self, machine, field):
        values = [getattr(result, field) for result in self.quiet(machine)]
        return [value for value in values if value is not None]


def read_rows():
    rows = []
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../rows.tsv'), encoding='utf-8') as file:
        for line in file:
            if not line.startswith('#'):
                name, kind, unit, *goals, options = line.rstrip('\n').split('\t')
                goals = [None if goal == '-' else float(goal) for goal in goals]
                rows.append(Row(name, kind, unit, goals, options.split(',')))
    return rows


class Figure:
    """Median of the rounds with its spread, or with `best` the least of all."""

    def __init__(self, row, machine, best, warm=False):
        prefix = 'warm_' if warm else ''
        medians = row.samples(machine, prefix + 'median')
        least = row.samples(machine, prefix + 'least')
        self.ns = None
        self.spread = None
        if medians:
            self.ns = min(least) if best else statistics.median(medians)
            self.spread = (max(medians) - min(medians)) / 2 / statistics.median(medians) * 100


def number(value):
    if value is None:
        return '-'
    return f'{value:.3g}' if value < 100 else f'{value:.0f}'


def duration(ns):
    """Nanoseconds without a unit, longer times with theirs."""
    if ns is None or ns < 1e6:
        return number(ns)
    return f'{ns / 1e6:.4g}ms' if ns < 1e9 else f'{ns / 1e9:.4g}s'


def percent(value):
    return '-' if value is None else f'{value:.0f}'


def divided(a, b):
    return None if a is None or b is None else a / b


class Table:
    """Ratios to QEMU and Unicorn say how many times faster ours is, those to native how many times slower."""

    COLUMNS = (('row', 16), ('unit', 14), ('ours', 9), ('+-%', 5), ('interp', 9), ('qemu', 9), ('+-%', 5), ('faster', 8), ('goal', 6),
               ('warm', 9), ('faster', 8), ('goal', 6), ('unicorn', 9), ('faster', 8), ('native', 9), ('+-%', 5), ('slower', 8),
               ('goal', 6))

    def __init__(self, kinds, best):
        self.best = best
        self.qemus = [kind.name for kind in kinds if kind.name.startswith('qemu')]
        self.line(name for name, _ in self.COLUMNS)

    def line(self, cells):
        text = ''
        for cell, (name, width) in zip(cells, self.COLUMNS):
            text += cell.ljust(width) if name in ('row', 'unit') else cell.rjust(width)
        print(text.rstrip(), flush=True)

    def qemu(self, row, warm):
        """The faster of the two CPU models."""
        figures = [Figure(row, name, self.best, warm) for name in self.qemus]
        figures = [figure for figure in figures if figure.ns is not None]
        return min(figures, key=lambda figure: figure.ns, default=Figure(row, 'none', self.best))

    def ratios(self, row):
        ours = Figure(row, 'ours', self.best).ns
        warm = Figure(row, 'ours', self.best, True).ns
        cold_ratio = divided(self.qemu(row, False).ns, ours)
        warm_ratio = divided(self.qemu(row, True).ns, warm)
        return {
            'qemu': cold_ratio,
            'qemu, TLB warm': cold_ratio if warm_ratio is None else warm_ratio,
            'unicorn': divided(Figure(row, 'unicorn', self.best).ns, ours),
            'native': divided(ours, Figure(row, 'native', self.best).ns),
        }

    def print_row(self, row):
        ours, native = Figure(row, 'ours', self.best), Figure(row, 'native', self.best)
        qemu, warm = self.qemu(row, False), self.qemu(row, True)
        ratios = self.ratios(row)
        self.line([
            row.name + ('*' if row.was_never_quiet() else ''), row.unit, duration(ours.ns), percent(ours.spread), duration(Figure(row, 'interp', self.best).ns),
            duration(qemu.ns), percent(qemu.spread), number(ratios['qemu']), number(row.goal_qemu),
            duration(warm.ns), number(ratios['qemu, TLB warm'] if warm.ns is not None else None), number(row.goal_warm),
            duration(Figure(row, 'unicorn', self.best).ns), number(ratios['unicorn']),
            duration(native.ns), percent(native.spread), number(ratios['native']), number(row.goal_native)])

    def print_means(self, rows):
        user = [row for row in rows if row.kind == 'user']
        linux = [row for row in rows if row.kind == 'linux' and row.name != 'linux_boot']
        if len(user) > 1:
            print('geometric means of the user-level rows:')
            for against, goal in (('qemu', '3'), ('qemu, TLB warm', '2.3'), ('unicorn', '1'), ('native', '2.5')):
                self.print_mean(user, against, goal)
        if len(linux) > 1:
            print('geometric mean of the rows of work in Linux:')
            self.print_mean(linux, 'qemu', '2.5')

    def print_mean(self, rows, against, goal):
        values = [self.ratios(row)[against] for row in rows]
        values = [value for value in values if value is not None]
        if values:
            mean = math.exp(sum(map(math.log, values)) / len(values))
            print(f'  {against:<16}{mean:>7.2f} times {"slower" if against == "native" else "faster"} '
                  f'(goal {goal}, {len(values)} rows)')


def print_memory(memory):
    print('resident memory beyond guest RAM after the work in Linux (goal 200 MiB with 2 vCPUs):')
    for machine, samples in memory.items():
        print(f'  {machine:<16}{max(samples):>7.1f} MiB')


def print_calls(results):
    print(f'\n{"call of the framework":<30}{"median":>12}{"+-%":>7}')
    for name, samples in results.items():
        median = statistics.median(samples)
        print(f'{name:<30}{median:>12.1f}{(max(samples) - min(samples)) / 2 / max(median, 1) * 100:>7.0f}')


def processor():
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            for line in file:
                if line.startswith('model name'):
                    return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def append_history(path, top, rows, best):
    done = subprocess.run(['git', '-C', top, 'describe', '--always', '--dirty'], capture_output=True, text=True, check=False)
    commit = done.stdout.strip() or 'unknown'
    now = time.strftime('%Y-%m-%dT%H:%M:%S')
    new = not os.path.exists(path)
    with open(path, 'a', encoding='utf-8') as file:
        if new:
            file.write('time\tcommit\tprocessor\tstatistic\trow\tmachine\trounds\tns\tleast\tgreatest\n')
        for row in rows:
            for machine, results in row.results.items():
                for warm in (False, True):
                    figure = Figure(row, machine, best, warm)
                    samples = row.samples(machine, 'warm_median' if warm else 'median')
                    if figure.ns is not None:
                        file.write('\t'.join([
                            now, commit, processor(), 'least' if best else 'median', row.name, machine + ('_warm' if warm else ''),
                            str(len(results)), f'{figure.ns:.4f}', f'{min(samples):.4f}', f'{max(samples):.4f}']) + '\n')
