/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "case.h"

#include <stdbool.h>
#include <string.h>

/* splitmix64: every draw depends on the seed and the number of draws only. */
static uint64_t draw(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static unsigned below(uint64_t *s, unsigned n)
{
    return (unsigned)((draw(s) >> 32) * n >> 32);
}

static uint64_t integer(uint64_t *s)
{
    static const uint64_t corners[] = {
        0,
        1,
        2,
        0xff,
        0x7f,
        0x80,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x7fffffffffffffff,
        0x8000000000000000,
        0xffffffffffffffff,
        0xffffffff80000000,
        0xffffffff7fffffff,
        0xfffffffffffffffe,
        0x8000000080000000,
        0x0123456789abcdef,
        63,
        64,
        32,
        31,
    };
    const uint64_t r = draw(s);

    switch (r & 7) {
    case 0:
    case 1:
        return corners[(r >> 8) % (sizeof(corners) / sizeof(corners[0]))];
    case 2:
        return r >> 56; /* small */
    case 3:
        return draw(s) & 0xffffffff;
    case 4:
        return (uint64_t)(int64_t)(int32_t)(r >> 16);
    case 5: /* a run of ones */
        return (~0ull << (r >> 8 & 63)) >> (r >> 16 & 63);
    default:
        return draw(s);
    }
}

/* Values of one lane that matter to floating point, or to saturation. */
static uint64_t lane(uint64_t *s, unsigned size)
{
    static const uint64_t h[] = {0x0000, 0x8000, 0x0001, 0x03ff, 0x8200, 0x0400, 0x3c00,
                                 0xbc00, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x7c01,
                                 0xfd55, 0x3555, 0x3801, 0x4248, 0x7fff, 0x6400, 0x5800};
    static const uint64_t f[] = {0x00000000, 0x80000000, 0x00000001, 0x007fffff, 0x80400000,
                                 0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff, 0xff7fffff,
                                 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffa5a5a5,
                                 0x3f000000, 0x4f000000, 0xcf000000, 0x5f000000, 0x33800000,
                                 0x477fe000, 0x387fc000, 0x34000001, 0x7fffffff, 0x3fc00000,
                                 0x40200000, 0x0d800000, 0x5f800000, 0x4b000001};
    static const uint64_t d[] = {
        0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x000fffffffffffff,
        0x8008000000000000, 0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000,
        0x7fefffffffffffff, 0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000,
        0x7ff8000000000000, 0x7ff0000000000001, 0xfff5a5a5a5a5a5a5, 0x3fe0000000000000,
        0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000, 0xc3e0000000000000,
        0x43f0000000000000, 0x47efffffe0000000, 0x380fffffe0000000, 0x36a0000000000000,
        0x3ff8000000000000, 0x4004000000000000, 0x41dfffffffc00000, 0x7fffffffffffffff,
        0x4330000000000001,
    };
    static const uint64_t b[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x0f, 0x10, 0xf0, 0x08, 0xf8};
    const uint64_t r = draw(s);
    const unsigned pick = (unsigned)(r >> 8 & 0xffff);

    if ((r & 1) != 0) {
        switch (size) {
        case 0:
            return b[pick % (sizeof(b) / sizeof(b[0]))];
        case 1:
            return h[pick % (sizeof(h) / sizeof(h[0]))];
        case 2:
            return f[pick % (sizeof(f) / sizeof(f[0]))];
        default:
            return d[pick % (sizeof(d) / sizeof(d[0]))];
        }
    }
    if ((r & 2) != 0) { /* a number of middling size */
        switch (size) {
        case 0:
            break;
        case 1:
            return (r >> 48 & 0x83ff) | (12 + (r >> 32) % 8) << 10;
        case 2:
            return (r >> 32 & 0x807fffff) | (110 + (r >> 32) % 48) << 23;
        default:
            return (draw(s) & 0x800fffffffffffff) | (980 + (r >> 32) % 110) << 52;
        }
    }
    return draw(s);
}

static void vectors(uint64_t *s, struct diff_state *state)
{
    const unsigned size = below(s, 8) >>
                          1; /* of the lanes of this case; a few registers hold other things */

    for (unsigned r = 0; r < 32; r++) {
        const unsigned esize = below(s, 8) == 0 ? below(s, 4) : size;
        uint8_t bytes[16];

        for (unsigned i = 0; i < 16; i += 1u << esize) {
            const uint64_t value = lane(s, esize);
            memcpy(bytes + i, &value, 1u << esize);
        }
        memcpy(state->v[r], bytes, 16);
    }
}

static uint64_t fpcr(uint64_t *s)
{
    const uint64_t r = draw(s);

    if (r % 16 < 9) {
        return 0;
    }
    uint64_t value = (r >> 8 & 3) << 22;        /* RMode */
    value |= (r >> 16) % 4 == 0 ? 1u << 24 : 0; /* FZ */
    value |= (r >> 24) % 4 == 0 ? 1u << 25 : 0; /* DN */
    value |= (r >> 32) % 8 == 0 ? 1u << 26 : 0; /* AHP */
    value |= (r >> 40) % 4 == 0 ? 1u << 19 : 0; /* FZ16 */
    return value;
}

/* An address in the window for an access of this size: mostly anywhere inside, sometimes across the pages or off the ends. */
static uint64_t place(uint64_t *s, const struct diff_case *c)
{
    const uint64_t mask = (c->flags & DIFF_ALIGNED) != 0 ? ~((1ull << c->align) - 1) : ~0ull;
    const uint64_t span = DIFF_WINDOW_SIZE - 256;
    const uint64_t r = draw(s);
    uint64_t address;

    switch (r % 32) {
    case 0: /* across or behind the end */
        address = DIFF_WINDOW + DIFF_WINDOW_SIZE - 1 - (r >> 8) % (c->bytes + 8u);
        break;
    case 1: /* across or before the start */
        address = DIFF_WINDOW - 1 - (r >> 8) % (c->bytes + 8u);
        break;
    case 2:
    case 3:
    case 4: /* across the two pages */
        address = DIFF_WINDOW + 0x1000 - (r >> 8) % (c->bytes + 1u);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11: /* misaligned as it comes */
        address = DIFF_WINDOW + 64 + (r >> 8) % span;
        break;
    default:
        address = DIFF_WINDOW + 64 + ((r >> 8) % span & ~15ull);
        break;
    }
    return address & mask;
}

static uint64_t extend(uint64_t value, unsigned option, unsigned shift)
{
    if (option == 2) {
        value = (uint32_t)value;
    } else if (option == 6) {
        value = (uint64_t)(int64_t)(int32_t)value;
    }
    return value << shift;
}

static uint64_t *reg(struct diff_state *state, unsigned r)
{
    return r == 31 ? &state->sp : &state->x[r];
}

static uint64_t read_window(const uint64_t *window, uint64_t address, unsigned bytes)
{
    uint64_t value = 0;

    if (address >= DIFF_WINDOW && address + bytes <= DIFF_WINDOW + DIFF_WINDOW_SIZE) {
        memcpy(&value, (const char *)window + (address - DIFF_WINDOW), bytes);
    }
    return value;
}

static void memory_operand(uint64_t *s, const struct diff_case *c, struct diff_state *state,
                           const uint64_t *window)
{
    uint64_t address = place(s, c), offset = (uint64_t)c->offset;

    if (c->index_reg != DIFF_NO_REG && c->index_reg < 31 && c->index_reg != c->base_reg) {
        /* A small signed number; the unsigned extension gets a positive one, with rubbish above it. */
        const uint64_t r = draw(s);
        uint64_t index = (uint64_t)((int64_t)(r % 257) - 128);

        if (c->index_extend == 2) {
            index = (index & 0x7f) | r >> 32 << 32;
        } else if (c->index_extend == 6) {
            index = (index & 0xffffffff) | r >> 32 << 32;
        }
        state->x[c->index_reg] = index;
        offset += extend(index, c->index_extend, c->index_shift);
    }
    if (c->base_reg ==
        31) { /* the stack alignment check would come first, and QEMU does not have it */
        *reg(state, 31) = (address - offset) & ~15ull;
        address = *reg(state, 31) + offset;
    } else {
        *reg(state, c->base_reg) = address - offset;
    }
    if ((c->flags & DIFF_MATCH) != 0 && c->match_reg < 31 && c->match_reg != c->base_reg) {
        const bool pair = (c->flags & DIFF_MATCH_PAIR) != 0;
        const unsigned bytes = pair ? c->bytes / 2u : c->bytes;
        const uint64_t above = bytes < 8 ? draw(s) << 8 * bytes : 0; /* does not take part */

        state->x[c->match_reg] = read_window(window, address, bytes) | above;
        if (pair && c->match_reg + 1 < 31 && c->match_reg + 1 != c->base_reg) {
            state->x[c->match_reg + 1] = read_window(window, address + bytes, bytes) | above;
        }
    }
}

static uint64_t window_word(uint64_t seed, unsigned i)
{
    const uint64_t z = (seed + i) * 0x9e3779b97f4a7c15ull;

    return (z ^ z >> 29) * 0xbf58476d1ce4e5b9ull;
}

void case_expand(const struct diff_case *c, struct diff_state *state,
                 uint64_t window[DIFF_WINDOW_SIZE / 8])
{
    uint64_t s = c->seed;

    for (unsigned i = 0; i < DIFF_WINDOW_SIZE / 8; i++) {
        window[i] = window_word(c->seed, i);
    }
    for (unsigned i = 0; i < 31; i++) {
        state->x[i] = integer(&s);
    }
    state->sp = (DIFF_WINDOW + draw(&s) % DIFF_WINDOW_SIZE) & ~15ull;
    state->pc = DIFF_START;
    state->nzcv = draw(&s) >> 60 << 28;
    state->fpcr = fpcr(&s);
    state->fpsr = draw(&s) % 4 != 0 ? 0 : (draw(&s) & 0x0800009f);
    vectors(&s, state);
    if (c->base_reg == DIFF_NO_REG) {
        return;
    }
    if ((c->flags & DIFF_BRANCH) != 0) {
        /* Anywhere in the code page but the instructions of the case. */
        *reg(state, c->base_reg) = DIFF_CODE + (draw(&s) % 0x7f0 & ~3ull) +
                                   (draw(&s) % 2 != 0 ? 0x804 : 0);
    } else {
        memory_operand(&s, c, state, window);
    }
}

void case_changes(const struct diff_case *c, const uint64_t window[DIFF_WINDOW_SIZE / 8],
                  struct diff_result *result)
{
    result->n_changes = 0;
    for (unsigned i = 0; i < DIFF_WINDOW_SIZE / 8; i++) {
        if (window[i] != window_word(c->seed, i)) {
            if (result->n_changes < DIFF_MAX_CHANGES) {
                result->changes[result->n_changes] = (struct diff_change){8ull * i, window[i]};
            }
            result->n_changes++;
        }
    }
}
