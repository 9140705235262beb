/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What single instructions cost: each word of words.py, 16 of them in a loop. Prints `frequency N`, and for each word that raises no exception
 * `name`, `word` and `ticks` for N_ROUNDS rounds, the least of three.
 */
#include "../../tests/guest/lib/guest.h"

#define N_COPIES 16u
#define N_ROUNDS 1024u
#define RETURN   512u /* word of the code that only returns */

static const struct {
    uint32_t word;
    const char *name;
} words[] = {
#include "words.inc"
};

static uint32_t code[1024] __attribute__((aligned(4096)));
static uint8_t memory[131072] __attribute__((aligned(4096)));
static volatile bool failed;

void guest_exception(struct frame *frame)
{
    failed = true;
    frame->elr = (uintptr_t)&code[RETURN];
}

static uint64_t ticks(void)
{
    uint64_t value;

    __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(value));
    return value;
}

static void write_code(uint32_t word)
{
    unsigned n = 0;

    code[n++] = 0xaa0b03e1; /* mov x1, x11 */
    code[n++] = 0x6f00e400; /* movi v0.2d, #0 */
    code[n++] = 0xd2800002; /* mov x2, #0 */
    for (unsigned i = 0; i < N_COPIES; i++) {
        code[n++] = word;
    }
    code[n++] = 0xd1000529;                            /* sub x9, x9, #1 */
    code[n] = 0xb5000009u | ((0u - n) & 0x7ffff) << 5; /* cbnz x9, to the start */
    code[n + 1] = code[RETURN] = 0xd65f03c0;           /* ret */
    __asm__ volatile("dsb ish" ::: "memory");
    for (unsigned i = 0; i < sizeof(code); i += 16) {
        __asm__ volatile("dc cvau, %0\n ic ivau, %0" ::"r"((uintptr_t)code + i) : "memory");
    }
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

static void run(uint64_t rounds)
{
    __asm__ volatile("mov x9, %0\n mov x10, %1\n mov x11, %2\n"
                     "fmov v1.4s, #1.5\n fmov v2.4s, #2.5\n fmov v3.4s, #0.5\n"
                     "mov x3, #3\n mov x4, #4\n mov x5, #5\n"
                     "mov x12, x30\n blr x10\n mov x30, x12\n" ::"r"(rounds),
                     "r"(code), "r"(memory + sizeof(memory) / 2)
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
                       "x12", "x30", "memory", "cc");
}

static void measure(uint32_t word, const char *name)
{
    uint64_t least = UINT64_MAX;

    write_code(word);
    failed = false;
    run(1);
    if (failed) { /* not there, or not with these operands */
        return;
    }
    run(64);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t start = ticks();
        run(N_ROUNDS);
        const uint64_t took = ticks() - start;
        least = took < least ? took : least;
    }
    if (!failed) {
        print("name ");
        print(name);
        print_hex("\nword", word);
        print_dec("ticks", least);
    }
}

int guest_main(void)
{
    uint64_t frequency;

    map_identity();
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    print_dec("frequency", frequency);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        measure(words[i].word, words[i].name);
    }
    return 0;
}
