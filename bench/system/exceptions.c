/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A loop at EL0 that calls EL1 by SVC or, with ABORT, loads from where nothing is mapped. A unit is one way there and back. */
#include "system.h"

#define ROUNDS  4096
#define USER_VA 0x80000000ull

struct arena {
    uint64_t tables[1024];
};

uint64_t enter(uint64_t rounds, uint64_t pc, uint64_t nothing);
extern const uint32_t user_svc[], user_abort[];

/* x12 counts exceptions. Registers that C expects to survive are not touched, so that `enter` returns from the last SVC. */
__asm__(".balign 4096\n"
        "user_svc:\n"
        "1:  svc     #0\n"
        "    subs    x0, x0, #1\n"
        "    b.ne    1b\n"
        "    svc     #1\n"
        "user_abort:\n"
        "1:  ldr     x3, [x2]\n"
        "    subs    x0, x0, #1\n"
        "    b.ne    1b\n"
        "    svc     #1\n"
        "    .balign 0x800\n"
        "vectors_el0:\n"
        "    .space  0x400\n"
        "    mrs     x9, esr_el1\n"
        "    lsr     x10, x9, #26\n"
        "    cmp     x10, #0x15\n"
        "    b.ne    2f\n"
        "    tst     x9, #0xffff\n"
        "    b.ne    leave\n"
        "    add     x12, x12, #1\n"
        "    eret\n"
        "2:  cmp     x10, #0x24\n"
        "    b.ne    leave\n"
        "    mrs     x9, far_el1\n"
        "    mrs     x10, elr_el1\n"
        "    cmp     x9, x2\n"
        "    cinc    x12, x12, eq\n"
        "    add     x10, x10, #4\n"
        "    msr     elr_el1, x10\n"
        "    eret\n"
        "    .balign 0x800\n"
        "enter:\n"
        "    mrs     x9, vbar_el1\n"
        "    str     x9, [sp, #-16]!\n"
        "    adr     x9, vectors_el0\n"
        "    msr     vbar_el1, x9\n"
        "    mov     x9, #0x3c0\n"
        "    msr     spsr_el1, x9\n"
        "    msr     elr_el1, x1\n"
        "    mov     x12, #0\n"
        "    isb\n"
        "    eret\n"
        "leave:\n"
        "    ldr     x9, [sp], #16\n"
        "    msr     vbar_el1, x9\n"
        "    isb\n"
        "    mov     x0, x12\n"
        "    ret\n");

static void prepare(void *memory)
{
    struct arena *const arena = memory;

    map_pages(bench_level1(), arena->tables, USER_VA, (uintptr_t)user_svc, 1,
              DESC_MEMORY | DESC_EL0 | DESC_RO | DESC_PXN | DESC_NG);
}

static uint64_t run(void *memory)
{
#ifdef ABORT
    const uint64_t offset = (uintptr_t)user_abort % PAGE;
#else
    const uint64_t offset = 0;
#endif

    (void)memory;
    return enter(ROUNDS, USER_VA + offset, USER_VA + 16 * PAGE);
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = sizeof(struct arena),
    .units = ROUNDS,
    .expected = ROUNDS,
    .prepare = prepare,
    .run = run,
};
