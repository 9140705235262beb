/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Code written and rewritten by the program that runs it, with the maintenance that the architecture asks for. */
#include "lib/guest.h"

static uint32_t buffer[4096] __attribute__((aligned(4096)));

static void publish(const uint32_t *code, unsigned n_words)
{
    for (unsigned i = 0; i < n_words; i++) {
        __asm__ volatile("dc cvau, %0" ::"r"(code + i) : "memory");
    }
    __asm__ volatile("dsb ish" ::: "memory");
    for (unsigned i = 0; i < n_words; i++) {
        __asm__ volatile("ic ivau, %0" ::"r"(code + i) : "memory");
    }
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

static uint64_t call(const uint32_t *code)
{
    return ((uint64_t(*)(void))(uintptr_t)code)();
}

static uint32_t mov_x0(unsigned value)
{
    return 0xd2800000 | value << 5;
}

static void rewrite(const char *name)
{
    uint64_t sum = 0;

    /* The same place again and again. */
    for (unsigned i = 0; i < 500; i++) {
        buffer[0] = mov_x0(i);
        buffer[1] = 0xd65f03c0;
        publish(buffer, 2);
        sum += call(buffer);
    }
    print_dec(name, sum);

    /* Code that goes over the end of a page: only its second half changes. */
    uint32_t *const split = buffer + 1022;
    split[0] = mov_x0(1000);
    split[1] = 0xd503201f;
    split[2] = 0x91000400; /* add x0, x0, #1 */
    split[3] = 0xd65f03c0;
    publish(split, 4);
    print_dec(" split", call(split));
    split[2] = 0x91000800; /* add x0, x0, #2 */
    publish(split + 2, 1);
    print_dec(" split, second page changed", call(split));
    split[0] = mov_x0(2000);
    publish(split, 1);
    print_dec(" split, first page changed", call(split));

    /* A caller that stays while its callee, in the same page, changes. */
    uint32_t *const caller = buffer + 2048;
    static const uint32_t caller_code[] = {
        0xaa1e03e9, /* mov x9, x30 */
        0x9400000f, /* bl caller + 64 */
        0x91002800, /* add x0, x0, #10 */
        0xd61f0120, /* br x9 */
    };
    for (unsigned i = 0; i < 4; i++) {
        caller[i] = caller_code[i];
    }
    sum = 0;
    for (unsigned i = 0; i < 100; i++) {
        caller[16] = mov_x0(i & 3 ? i : 0xffff);
        caller[17] = 0xd65f03c0;
        publish(caller, 18);
        sum += call(caller);
    }
    print_dec(" caller", sum);

    /* A block that rewrites the instruction behind its own barrier. */
    uint32_t *const own = buffer + 3072;
    static const uint32_t own_code[] = {
        0xb9000001, /* str w1, [x0] */
        0xd50b7b20, /* dc cvau, x0 */
        0xd5033b9f, /* dsb ish */
        0xd50b7520, /* ic ivau, x0 */
        0xd5033b9f, /* dsb ish */
        0xd5033fdf, /* isb */
        0xd2800020, /* mov x0, #1: replaced */
        0xd65f03c0, /* ret */
    };
    sum = 0;
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 8; j++) {
            own[j] = own_code[j];
        }
        publish(own, 8);
        sum += ((uint64_t(*)(uint32_t *, uint32_t))(uintptr_t)own)(own + 6, mov_x0(100 + i));
    }
    print_dec(" own", sum);
}

int guest_main(void)
{
    rewrite("MMU off");
    map_identity();
    rewrite("MMU on");
    return 0;
}
