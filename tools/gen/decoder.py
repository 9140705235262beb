#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Generates the A64 decoder from the encoding table and our table of classes.

usage: decoder.py ENCODINGS.tsv CLASSES.tsv feature_list.h|classes.h|decode.inc OUTPUT

feature_list.h enum a64_feature: one per FEAT_ name that an encoding of the base and simd groups needs
classes.h    a prototype per implemented semantic class
decode.inc   the rows, their conditions, and the index by bits 31:21

A class is `done` (it has a function a64_<class>), `undefined` (by every profile; the reason stands beside it) or `missing`.

CONSTRAINED UNPREDICTABLE words (sb_mask and cu_when of the table) are decoded like their neighbours, and these are the choices:
- should-be bits: every value is accepted, as on hardware and in QEMU. CFINV, XAFLAG and AXFLAG keep CRm 0: their words with another
  CRm lie in the space of MSR (immediate), where QEMU and we find nothing allocated.
- cu_when (registers that overlap): the class's function decides, and says what beside its code. Exclusives use the old values
  (atomics.c), load and store with write-back and pairs end as in QEMU (ldst.c, ldst_pair.c), memory copy and set is UNDEFINED (mops.c).
"""
import csv
import re
import sys

CHECK_FP = ('CheckFPEnabled64', 'CheckFPAdvSIMDEnabled64', 'AArch64_CheckFPAdvSIMDEnabled')
# Always there: every profile has them, and an AArch64 without is not ours.
# EL3 stands for SMC: there is none, but the host takes SMC in its place.
ALWAYS = {'FEAT_FP', 'FEAT_AdvSIMD', 'EL3'}
NEVER = set()


def tokens(text):
    return re.findall(r'==|!=|<=|>=|[()&|!<>:%+\-*,]|0b[01x]+|\w+', text)


class Condition:
    """Compiles a condition of the table's grammar (README of the table) to a C expression over the word w."""

    def __init__(self, text, fields):
        self.toks, self.pos, self.fields = tokens(text), 0, fields
        self.c = self.either()
        assert self.pos == len(self.toks), text

    def peek(self, ahead=0):
        i = self.pos + ahead
        return self.toks[i] if i < len(self.toks) else None

    def eat(self, expected=None):
        token = self.toks[self.pos]
        assert expected is None or token == expected, (self.toks, self.pos, expected)
        self.pos += 1
        return token

    def either(self):
        parts = [self.both()]
        while self.peek() == '|':
            self.eat()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else '(' + ' || '.join(parts) + ')'

    def both(self):
        parts = [self.negation()]
        while self.peek() == '&':
            self.eat()
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else '(' + ' && '.join(parts) + ')'

    def negation(self):
        if self.peek() == '!':
            self.eat()
            return '!' + self.negation()
        if self.peek() == '(':
            start = self.pos
            try:
                self.eat('(')
                inner = self.either()
                self.eat(')')
                if self.peek() not in ('%', '+', '-', '*', ':', '==', '!=', '<', '>', '<=', '>='):
                    return '(' + inner + ')'
            except (AssertionError, KeyError):
                pass
            self.pos = start
        return self.comparison()

    def value(self):
        expression, width = self.term()
        while self.peek() in ('+', '-', '*', '%', ':'):
            operator = self.eat()
            right, right_width = self.term()
            if operator == ':':
                expression, width = f'({expression} << {right_width} | {right})', width + right_width
            else:
                expression = f'({expression} {operator} {right})'
        return expression, width

    def term(self):
        token = self.eat()
        if token == '(':
            result = self.value()
            self.eat(')')
            return result
        if token.startswith('0b'):
            return f'{int(token, 2)}u', len(token) - 2
        if token.isdigit():
            return f'{int(token)}u', 32
        hi, lo = self.fields[token]
        if self.peek() == '<' and (self.peek(1) or '').isdigit() and self.peek(2) in ('>', ':'):
            self.eat()
            h = l = int(self.eat())
            if self.peek() == ':':
                self.eat()
                l = int(self.eat())
            self.eat('>')
            hi, lo = lo + h, lo + l
        return f'A64_FIELD(w, {hi}, {lo})', hi - lo + 1

    def comparison(self):
        if self.peek() == '1' and self.peek(1) in (None, ')', '|', '&'):
            self.eat()
            return '1'
        if self.peek() == 'BADBITMASK':
            self.eat()
            self.eat('(')
            arguments = []
            while self.peek() != ')':
                arguments.append(self.value()[0])
                if self.peek() == ',':
                    self.eat()
            self.eat(')')
            return f'bad_bit_mask({", ".join(arguments)})'
        left, _ = self.value()
        operator = self.eat()
        if self.peek().startswith('0b') and 'x' in self.peek():
            bits = self.eat()[2:]
            mask = int(''.join('0' if b == 'x' else '1' for b in bits), 2)
            return f'(({left} & {mask}u) {operator} {int(bits.replace("x", "0"), 2)}u)'
        right, _ = self.value()
        return f'({left} {operator} {right})'


def features_of(text):
    return [name for name in re.findall(r'[A-Za-z_]\w*', text)]


def feature_expression(text):
    def one(match):
        name = match.group(0)
        return '1' if name in ALWAYS else '0' if name in NEVER else f'HAS({feature_enum(name)})'
    return '(' + re.sub(r'[A-Za-z_]\w*', one, text).replace('&', '&&').replace('|', '||') + ')'


def feature_enum(name):
    return 'A64_FEAT_' + name.removeprefix('FEAT_')


def read_rows(path):
    with open(path, encoding='utf-8') as file:
        rows = [row for row in csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE) if row['group'] in ('base', 'simd')]
    for row in rows:
        # Should-be bits are ignored, as hardware does; CFINV and its like share their space with MSR (immediate) and keep them.
        loose = int(row['sb_mask'], 16) if row['sb_mask'] and not row['class'].startswith('integer_flags') else 0
        row['m'] = int(row['mask'], 16) & ~loose
        row['v'] = int(row['value'], 16) & row['m']
        row['f'] = {n: (int(h), int(l)) for n, h, l in (f.split(':') for f in row['fields'].split(';') if f)}
    rows.sort(key=lambda row: int(row['prio']))
    return rows


def read_classes(path):
    with open(path, encoding='utf-8') as file:
        return {row['class']: row for row in csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE)}


def all_features(rows):
    names = set()
    for row in rows:
        names.update(features_of(row['require']))
        for part in filter(None, row['feat_when'].split('; ')):
            names.update(features_of(part.split(' => ')[1]))
    # Not needed by any encoding, but asked for by the meaning of some.
    names.update(['FEAT_BTI', 'FEAT_FPAC', 'FEAT_FPACCOMBINE', 'FEAT_PAuth2', 'FEAT_EPAC', 'FEAT_AFP', 'FEAT_RPRES', 'FEAT_LSE2',
                  'FEAT_HAFDBS', 'FEAT_PAN3', 'FEAT_EBF16', 'FEAT_IDST', 'FEAT_E0PD', 'FEAT_RAS', 'FEAT_PAN', 'FEAT_UAO'])
    return sorted(names - ALWAYS - NEVER, key=str.lower)


def write_features(rows, out):
    out.append('#ifndef ENGINE_A64_FEATURE_LIST_H\n#define ENGINE_A64_FEATURE_LIST_H\n\nenum a64_feature {')
    out += [f'    {feature_enum(name)},' for name in all_features(rows)]
    out.append('    A64_FEAT_COUNT\n};\n_Static_assert(A64_FEAT_COUNT <= 128, "two words of bits");\n\n#endif')


def write_classes(classes, out):
    out.append('#ifndef ENGINE_A64_CLASSES_H\n#define ENGINE_A64_CLASSES_H\n\n#include "engine/a64/translate.h"\n')
    out += [f'a64_class_fn a64_{name};' for name, row in classes.items() if row['status'] == 'done']
    out.append('\n#endif')


def condition_function(out, kind, index, expression):
    out.append(f'static bool {kind}_{index}(uint32_t w)\n{{\n    (void)w;\n    return {expression};\n}}')
    return f'{kind}_{index}'


def write_decode(rows, classes, out):
    table, matches = [], []
    for i, row in enumerate(rows):
        see = undefined = feature = 'NULL'
        if row['see_when']:
            parts = [Condition(part.split(' -> ')[0], row['f']).c for part in row['see_when'].split('; ')]
            see = condition_function(out, 'see', i, ' || '.join(parts))
        if row['undef_when']:
            undefined = condition_function(out, 'undefined', i, Condition(row['undef_when'], row['f']).c)
        expressions = []
        for part in filter(None, row['feat_when'].split('; ')):
            when, needs = part.split(' => ')
            expressions.append(f'    if ({Condition(when, row["f"]).c}) {{\n        return {feature_expression(needs)};\n    }}')
        if expressions or (row['require'] and set(features_of(row['require'])) - ALWAYS):
            out.append(f'static bool allowed_{i}(uint32_t w, const uint64_t features[2])\n{{\n    (void)w;\n    (void)features;')
            out += expressions
            out.append(f'    return {feature_expression(row["require"]) if row["require"] else "1"};\n}}')
            feature = f'allowed_{i}'
        done = classes[row['class']]['status'] == 'done'
        check = any(c in row['checks'] for c in CHECK_FP)
        table.append(f'    {{"{row["name"]}", "{row["class"]}", {"a64_" + row["class"] if done else "NULL"}, '
                     f'{"A64_CHECK_FP" if check else "A64_CHECK_NONE"}}},')
        matches.append(f'    {{0x{row["m"]:08x}, 0x{row["v"]:08x}, {see}, {undefined}, {feature}}},')
    out += ['const struct a64_row a64_rows[] = {', *table, '};', f'const unsigned a64_n_rows = {len(rows)};', '']
    out += ['static const struct match matches[] = {', *matches, '};', '']

    # Candidates by bits 31:21, in the order of matching; equal lists are stored once.
    lists, starts, flat = {}, [], []
    for top in range(1 << 11):
        word, mask = top << 21, 0x7ff << 21
        members = tuple(i for i, row in enumerate(rows) if (row['v'] & mask) == (word & row['m'] & mask))
        if members not in lists:
            lists[members] = len(flat)
            flat += [*members, 0xffff]
        starts.append(lists[members])
    out += ['static const uint16_t candidates[] = {', '    ' + ', '.join(map(str, flat)) + ',', '};']
    out += ['static const uint16_t first_candidate[1 << 11] = {', '    ' + ', '.join(map(str, starts)) + ',', '};']


def main():
    encodings, classes_path, kind, output = sys.argv[1:]
    rows, classes = read_rows(encodings), read_classes(classes_path)
    unknown = {row['class'] for row in rows} ^ set(classes)
    if unknown:
        sys.exit(f'{classes_path} and {encodings} disagree about the classes {", ".join(sorted(unknown))}')
    out = ['/* Generated by tools/gen/decoder.py from the encoding table. */']
    {'feature_list.h': lambda: write_features(rows, out),
     'classes.h': lambda: write_classes(classes, out),
     'decode.inc': lambda: write_decode(rows, classes, out)}[kind]()
    with open(output, 'w', encoding='utf-8') as file:
        file.write('\n'.join(out) + '\n')


if __name__ == '__main__':
    main()
