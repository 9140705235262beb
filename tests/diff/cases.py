# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes cases (case.h) for the rows of the encoding table: words of a row, and what its memory or branch operand is."""
import os
import random
import re
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tools', 'gen'))
import a64_table  # noqa: E402

FORMAT = '<IIIIQqBBBBBBBB'
WINDOW, WINDOW_SIZE = 0x10010000, 0x2000
CODE, CODE_SIZE = 0x10020000, 0x1000
PC = CODE + 0x800
NOP = 0xd503201f
NO_REG = 0xff
ALIGNED, MATCH, MATCH_PAIR, BRANCH = 1, 2, 4, 8

# What EL0 may read and write, and what is the same on any processor: op0, op1, CRn, CRm, op2.
SYSREGS = ((3, 3, 4, 2, 0),  # NZCV
           (3, 3, 4, 4, 0),  # FPCR
           (3, 3, 4, 4, 1))  # FPSR
# HINT numbers that do nothing in this setting: not WFE, WFI, SEV, SEVL, not pointer authentication, not newer than QEMU 7.2.
HINTS = [0, 1, 20, 32, 34, 36, 38] + list(range(48, 128))


def read_tsv(path):
    with open(path, encoding='utf-8') as f:
        lines = [line.rstrip('\n').split('\t') for line in f if line.strip() and not line.startswith('#')]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def load_table():
    return a64_table.Table(os.path.join(ROOT, 'data', 'a64-encodings.tsv'))


def implemented_classes():
    """Classes with status `done`; None when the list is not there."""
    path = os.path.join(ROOT, 'data', 'a64-classes.tsv')
    if not os.path.exists(path):
        return None
    return {row['class'] for row in read_tsv(path) if row['status'] == 'done'}


def excluded(path=None):
    return read_tsv(path or os.path.join(ROOT, 'tests', 'diff', 'excluded.tsv'))


def ldra_offset(w):
    return (bits(w, 20, 12) - (bits(w, 22, 22) << 9)) * 8


def equivalent(row, w):
    """For what the oracle lacks: an instruction that differs in memory ordering or hints only. None: there is none.

    Pointer authentication is switched off by SCTLR_EL1 on our side, so that it leaves the pointers alone.
    """
    cls, registers = row['class'], w & 0x3ff
    size = bits(w, 31, 30)
    if cls == 'branch_conditional_hinted':
        return w & ~0x10
    if cls == 'branch_unconditional_register' and row['name'] in ('bra', 'blra', 'reta'):
        return (0xd65f03c0, 0xd61f0000 | w & 0x3e0, 0xd63f0000 | w & 0x3e0)[('reta', 'bra', 'blra').index(row['name'])]
    if re.match('integer_pac_(aut|pac)(i|d)', cls):
        return NOP
    if cls == 'memory_single_general_immediate_signed_pac':
        offset = ldra_offset(w)
        return 0xf8400000 | (0xc00 if bits(w, 11, 11) else 0) | (offset & 0x1ff) << 12 | registers if -256 <= offset < 256 else None
    if cls == 'memory_ordered_rcpc_writeback':
        return size << 30 | 0x38400400 | (1 << size) << 12 | registers  # LDR, post-index
    if cls == 'memory_ordered_writeback':
        return size << 30 | 0x38000c00 | (-(1 << size) & 0x1ff) << 12 | registers  # STR, pre-index
    if cls in ('memory_ordered_pair_ldiapp', 'memory_ordered_pair_stilp'):
        registers |= bits(w, 20, 16) << 10 | bits(w, 30, 30) << 31
        if bits(w, 12, 12):
            return (0x29400000 if cls.endswith('ldiapp') else 0x29000000) | registers  # LDP, STP
        return (0x28c00000 | 2 << 15 if cls.endswith('ldiapp') else 0x29800000 | (-2 & 0x7f) << 15) | registers
    if cls == 'memory_single_simdfp_immediate_signed_offset_ordered':
        return 0x3c000000 | (w & 0xc0dff3ff)  # LDUR, STUR
    if cls == 'memory_vector_single_no_wb_ordered':
        return w & ~0x10000  # LD1, ST1 of one doubleword
    return None


def features_of(requirement):
    return set(re.findall(r'\w+', requirement))


def exclusion(rules, row, requirement):
    """The reason why the row, or a word of it with this feature requirement, is left out; None if it is not."""
    if row is not UNDEFINED_ROW and equivalent(row, row.value) is not None:
        return None
    for rule in rules:
        kind, pattern = rule['kind'], rule['pattern']
        if kind == 'feature' and pattern in features_of(requirement):
            return rule['reason']
        if kind in ('class', 'row') and re.fullmatch(pattern, row['class' if kind == 'class' else 'name']):
            return rule['reason']
    return None


# Stands in the list of rows for all words that no row owns, or that their row makes UNDEFINED.
UNDEFINED_ROW = {'class': 'undefined', 'name': 'undefined', 'group': '', 'require': ''}


def select(table, rows_re='', class_re='', everything=False):
    """(rows to test, {reason: rows left out})"""
    rules, done, out, left = excluded(), implemented_classes(), [], {}
    if re.search(rows_re, 'undefined') and re.search(class_re, 'undefined'):
        out.append(UNDEFINED_ROW)
    for row in sorted(table.rows, key=lambda r: (r['group'], r['class'], r['name'])):
        if row['group'] not in ('base', 'simd'):
            continue
        if (rows_re and not re.search(rows_re, row['name'])) or (class_re and not re.search(class_re, row['class'])):
            continue
        reason = exclusion(rules, row, row['require'])
        if reason is None and done is not None and not everything and row['class'] not in done:
            reason = 'not implemented'
        if reason is None:
            out.append(row)
        else:
            left.setdefault(reason, []).append(row)
    return out, left


def bits(w, hi, lo):
    return (w >> lo) & ((1 << (hi - lo + 1)) - 1)


def sbits(w, hi, lo):
    v = bits(w, hi, lo)
    return v - (1 << (hi - lo + 1)) if v >> (hi - lo) else v


class Memory:
    """The memory operand of a word; see struct diff_case."""

    def __init__(self, base, size, offset=0, n=1, aligned=False, index=NO_REG, extend=3, shift=0):
        self.base, self.bytes, self.offset = base, n << size, offset
        self.index, self.extend, self.shift = index, extend, shift
        self.align = (self.bytes.bit_length() - 1) if aligned else 0
        self.aligned = aligned


def structure(w, single):
    """Bytes of LD1..LD4."""
    q, size = bits(w, 30, 30), bits(w, 11, 10)
    if not single:
        n = {0: 4, 2: 4, 4: 3, 6: 3, 7: 1, 8: 2, 10: 2}[bits(w, 15, 12)]
        return n << (3 + q)
    n = (bits(w, 13, 13) << 1 | bits(w, 21, 21)) + 1
    scale = bits(w, 15, 14)
    if scale == 3:
        scale = size
    elif scale == 2 and size & 1:
        scale = 3
    return n << scale


def memory_operand(cls, w):
    rn, size = bits(w, 9, 5), bits(w, 31, 30)
    if cls.startswith('memory_vector_'):
        m = Memory(rn, 0)
        m.bytes = structure(w, 'single' in cls)
        m.aligned = cls.endswith('_ordered')
        m.align = 3 if m.aligned else 0
        return m
    if cls.startswith('memory_pair_'):
        scale = 2 + bits(w, 31, 30) if 'simdfp' in cls else (3 if bits(w, 31, 30) == 2 else 2)
        return Memory(rn, scale, 0 if 'post' in cls else sbits(w, 21, 15) << scale, 2)
    if cls == 'memory_exclusive_pair' or cls == 'memory_atomicops_cas_pair':
        return Memory(rn, 2 + bits(w, 30, 30), 0, 2, True)
    if cls in ('memory_exclusive_single', 'memory_ordered', 'memory_ordered_rcpc') or cls.startswith('memory_atomicops'):
        return Memory(rn, size, 0, 1, True)
    if cls == 'memory_single_general_immediate_signed_pac':
        return Memory(rn, 3, ldra_offset(w))
    if cls == 'memory_ordered_rcpc_writeback':
        return Memory(rn, size, 0, 1, True)
    if cls == 'memory_ordered_writeback':
        return Memory(rn, size, -(1 << size), 1, True)
    if cls.startswith('memory_ordered_pair_'):
        scale = 2 + bits(w, 30, 30)
        offset = -(2 << scale) if cls.endswith('stilp') and not bits(w, 12, 12) else 0
        return Memory(rn, scale, offset, 2, True)
    simd = 'simdfp' in cls
    scale = (bits(w, 23, 23) << 2 | size) if simd else size
    if cls.endswith('_register'):
        return Memory(rn, scale, 0, 1, False, bits(w, 20, 16), bits(w, 15, 13), scale if bits(w, 12, 12) else 0)
    if cls.endswith('immediate_unsigned'):
        return Memory(rn, scale, bits(w, 21, 10) << scale)
    if cls.startswith('memory_single_'):
        return Memory(rn, scale, 0 if 'post' in cls else sbits(w, 20, 12), 1, 'lda_stl' in cls or cls.endswith('_ordered'))
    return None


def operand_field(row, hi, lo):
    """Random bits of a field, with a taste for corners."""
    width = hi - lo + 1
    r = random.random()
    if r < 0.55:
        return random.getrandbits(width)
    if r < 0.65:
        return 0
    if r < 0.8:
        return (1 << width) - 1
    if r < 0.9:
        return 1 << random.randrange(width)
    return random.randrange(min(1 << width, 4))


def set_field(w, row, name, value):
    hi, lo = row.fields[name]
    mask = ((1 << (hi - lo + 1)) - 1) << lo
    return (w & ~mask) | ((value << lo) & mask)


REGISTERS = ('Rd', 'Rn', 'Rm', 'Ra', 'Rt', 'Rt2', 'Rs')


def random_word(row):
    w = 0
    values = []
    for name, (hi, lo) in row.fields.items():
        if name in REGISTERS and hi - lo == 4:
            if values and random.random() < 0.12:
                v = random.choice(values)
            elif random.random() < 0.06:
                v = 31
            else:
                v = random.randrange(32)
            values.append(v)
        else:
            v = operand_field(row, hi, lo)
        w |= v << lo
    return (w & ~row.mask & 0xffffffff) | row.value


def branch_offset(row):
    """Into the code page beside the instructions of the case, or (one in eight) far away, where nothing is mapped."""
    name = next(n for n in ('imm26', 'imm19', 'imm14') if n in row.fields)
    hi, lo = row.fields[name]
    width = hi - lo + 1
    while True:
        if random.random() < 0.125:
            offset = random.getrandbits(width) - (1 << (width - 1))
            if abs(offset * 4) < 0x10000:
                continue
        else:
            offset = random.randrange(-0x7f0, 0x7f0) // 4
        if offset not in (0, -1):
            return name, offset


def fix_word(row, w):
    """Gives the fields that the environment restricts values that it can bear."""
    cls = row['class']
    if cls.startswith('branch_conditional') or cls == 'branch_unconditional_immediate':
        return set_field(w, row, *branch_offset(row))
    if cls.startswith('memory_literal'):
        target = WINDOW + random.randrange(0, WINDOW_SIZE - 16, 4)
        if random.random() < 0.05:
            target = WINDOW + WINDOW_SIZE - random.choice((-4, 0, 4, 8, 12))
        return set_field(w, row, 'imm19', (target - PC) // 4)
    if cls == 'memory_single_general_immediate_signed_pac':
        offset = random.randrange(-32, 32)
        return set_field(set_field(w, row, 'imm9', offset), row, 'S', int(offset < 0))
    if cls == 'system_register_system':
        op0, op1, crn, crm, op2 = random.choice(SYSREGS)
        return (w & ~0x1fffe0 & 0xffffffff) | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
    if row['name'] == 'hint':
        return 0xd503201f | random.choice(HINTS) << 5
    return w


def unsuitable(row, w, memory):
    """Words that are legal but cannot be compared here."""
    cls = row['class']
    if memory and memory.index == memory.base:
        return True  # wherever base + base points
    if memory and memory.aligned and memory.base == 31 and memory.offset % memory.bytes != 0:
        return True  # SP is a multiple of 16, so this is misaligned, which FEAT_LSE2 allows and QEMU 7.2 does not
    if cls.startswith('memory_atomicops') or cls.startswith('memory_exclusive'):
        return bits(w, 20, 16) == bits(w, 9, 5) and cls.startswith('memory_exclusive') and bits(w, 22, 22) == 0
    return False


def load_exclusive_before(w, cls):
    """The LDXR or LDXP that makes the store-exclusive succeed: to registers that it does not use."""
    used = {bits(w, 9, 5), bits(w, 4, 0), bits(w, 20, 16), bits(w, 14, 10), 31}
    rt, rt2 = random.sample([r for r in range(31) if r not in used], 2)
    word = (w & 0xc0000000) | 0x085f7c00 | bits(w, 9, 5) << 5 | rt
    return (word & ~0x7c00) | 0x00200000 | rt2 << 10 if cls.endswith('pair') else word


def make_case(table, rules, row, index):
    """One packed case, or None when the row has no word that fits (after many tries)."""
    cls = row['class']
    for _ in range(400):
        w = fix_word(row, random_word(row))
        owner, status = table.match(w)
        if owner is not row or status != 'ok' or table.constrained(row, w):
            continue
        if exclusion(rules, row, table.feats(row, w)):
            continue
        replacement = equivalent(row, w) or w
        memory = memory_operand(cls, w) if cls.startswith('memory_') else None
        if unsuitable(row, w, memory):
            continue
        break
    else:
        return None
    pre, flags, match = NOP, 0, NO_REG
    if memory is None:
        memory = Memory(NO_REG, 0)
    if memory.aligned:
        flags |= ALIGNED
    if cls == 'branch_unconditional_register':
        target = 30 if row['name'] == 'reta' else bits(w, 9, 5)
        if target != 31:
            memory.base, flags = target, BRANCH
    if cls.startswith('memory_exclusive') and bits(w, 22, 22) == 0 and random.random() < 0.75:
        pre = load_exclusive_before(w, cls)
    if cls.startswith('memory_atomicops_cas') and random.random() < 0.5:
        match = bits(w, 20, 16)
        flags |= MATCH | (MATCH_PAIR if cls.endswith('pair') else 0)
    return struct.pack(FORMAT, w, pre, index, replacement, random.getrandbits(64), memory.offset, memory.base, memory.index, memory.extend,
                       memory.shift, memory.bytes, memory.align, match, flags)


# (mask, value) of unallocated words at which QEMU 7.2 stops: AdvSIMD two-register miscellaneous (FP16).
QEMU_ASSERTS = ((0x8f7e0c00, 0x0e780800),)


def is_undefined(table, w):
    """UNDEFINED by the table, and not only because of should-be bits, which processors ignore."""
    _, status = table.match(w)
    if status == 'ok' or any((w & mask) == value for mask, value in QEMU_ASSERTS):
        return False
    for row in table.idx_sb:
        ignored = int(row['sb_mask'], 16)
        if (w & row.mask & ~ignored) == (row.value & ~ignored):
            return False
    return True


def write_undefined(table, index, count, out):
    """Legal words of all rows with a bit or two flipped: near misses show more than random words."""
    rows = [r for r in table.rows if r['group'] in ('base', 'simd')]
    table.idx_sb = [r for r in table.rows if r['sb_mask']]
    while count > 0:
        w = random_word(random.choice(rows))
        for _ in range(random.choice((0, 1, 1, 1, 2))):
            w ^= 1 << random.randrange(32)
        if is_undefined(table, w):
            out.write(struct.pack(FORMAT, w, NOP, index, w, random.getrandbits(64), 0, NO_REG, NO_REG, 0, 0, 1, 0, NO_REG, 0))
            count -= 1


def write_cases(table, rows, count, seed, out):
    """rows: [(index, row)]. The words of a row depend on the seed and the row alone. Returns the rows without any case."""
    rules, empty = excluded(), []
    for index, row in rows:
        random.seed('%d %s %s' % (seed, row['class'], row['name']))
        if row is UNDEFINED_ROW:
            write_undefined(table, index, count * 20, out)
            continue
        free = bin(~row.mask & 0xffffffff).count('1')
        n = count if free else min(count, 20)
        for i in range(n):
            case = make_case(table, rules, row, index)
            if case is None:
                empty.append(row)
                break
            out.write(case)
    return empty
