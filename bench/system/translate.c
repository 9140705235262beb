/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Writes 4096 instructions that were never there before and runs them once: arithmetic, loads, stores, and branches to the
 * next instruction. A unit is one instruction. Each call takes the next piece of a large arena, so that no store hits code.
 */
#include "system.h"

#define WORDS  4096
#define PIECES 1024

struct arena {
    uint64_t data[512];
    uint32_t code[PIECES][WORDS];
};

static uint32_t calls;

static uint32_t instruction(uint32_t i, uint32_t seed)
{
    const uint32_t n = (i * 2654435761u ^ seed) >> 7;

    switch (i % 8) {
    case 0:
        return 0x91000021 | (n & 0xfff) << 10; /* add x1, x1, #n */
    case 1:
        return 0xf9400002 | (n & 0x1ff) << 10; /* ldr x2, [x0, #8n] */
    case 2:
        return 0xca020023 | (n & 0x3f) << 10; /* eor x3, x1, x2, lsl #n */
    case 3:
        return 0xf9000003 | (n & 0x1ff) << 10; /* str x3, [x0, #8n] */
    case 4:
        return 0xf100007f | (n & 0xfff) << 10; /* cmp x3, #n */
    case 5:
        return 0x54000020 | (n & 0xd); /* b.cond to the next instruction */
    case 6:
        return 0x9b030441 | (n & 1) << 16; /* madd x1, x2, x3 or x2, x1 */
    default:
        return 0xd3400023 | (n & 0x3f) << 16 | 0x3f << 10; /* lsr x3, x1, #n */
    }
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;

    for (uint32_t i = 0; i < PIECES; i++) {
        arena->code[i][0] = 0; /* the host has a page there from now on */
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint32_t *const code = arena->code[calls % PIECES];
    void (*const function)(uint64_t *) = (void (*)(uint64_t *))(uintptr_t)code;

    for (uint32_t i = 0; i < WORDS - 1; i++) {
        code[i] = instruction(i, calls);
    }
    calls++;
    code[WORDS - 1] = 0xd65f03c0; /* ret */
    for (uint32_t i = 0; i < WORDS; i += 16) {
        __asm__ volatile("dc cvau, %0" ::"r"(&code[i]) : "memory");
    }
    __asm__ volatile("dsb ish\n ic iallu\n dsb ish\n isb" ::: "memory");
    function(arena->data);
    return 1;
}

const struct bench bench = {
    .name = "translate",
    .arena_bytes = sizeof(struct arena),
    .units = WORDS,
    .expected = 1,
    .prepare = prepare,
    .run = run,
};
