#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""docs/status.md, the function table and the library say the same. usage: status_test.py LIBRARY FUNCTIONS.tsv STATUS.md"""
import csv
import ctypes
import re
import sys

HV_UNSUPPORTED = 0xfae9400f - (1 << 32)


def main():
    library = ctypes.CDLL(sys.argv[1])
    with open(sys.argv[2], encoding='utf-8') as file:
        functions = {row['name']: row for row in csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE)
                     if row['name'].startswith('hv_')}
    with open(sys.argv[3], encoding='utf-8') as file:
        states = dict(re.findall(r'^\| `(hv_\w+)` \| (works|answers HV_UNSUPPORTED) \|', file.read(), re.M))
    print(f'1..{len(functions) + 1}')
    ok = set(states) == set(functions)
    print('ok' if ok else 'not ok', 1, '- a row for each of the', len(functions), 'functions')
    for number, (name, row) in enumerate(functions.items(), 2):
        function = getattr(library, name, None)
        good = function is not None
        # A missing function looks at no argument; one that works refuses these with another code, or needs none.
        if good and states.get(name) == 'answers HV_UNSUPPORTED':
            function.restype = ctypes.c_void_p if row['return_type'] != 'hv_return_t' else ctypes.c_int32
            good = function(*[None] * row['parameters'].count(',')) in (HV_UNSUPPORTED, None)
        elif good and row['return_type'] == 'hv_return_t':
            function.restype = ctypes.c_int32
            good = name == 'hv_vm_create' or function(*[None] * 6) != HV_UNSUPPORTED
        print('ok' if good else 'not ok', number, '-', name, states.get(name, 'has no row'))


main()
