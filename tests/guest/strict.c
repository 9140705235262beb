/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the architecture promises to several vCPUs, and QEMU 7.2 does not keep on x86: see QEMU_DIFFERS in run.py. */
#include "lib/guest.h"

#define SLOTS  512u
#define PASSES 40u
#define ROUNDS 200u

static uint32_t bad;      /* broken promises */
static uint64_t round_no; /* of the changes of code; even: it is out */
static uint32_t code[1024] __attribute__((aligned(4096)));

static void broken(void)
{
    __atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
}

/* --- STLR before LDAR stays so (Arm ARM B2.3.11): of two that store and then look at the other's place, one sees something --- */

static struct slot {
    uint64_t x, y, seen[2];
} slots[2][SLOTS] __attribute__((aligned(64)));

static void store_buffering(unsigned cpu)
{
    const unsigned side = cpu & 1;
    uint64_t turn = 0;

    for (unsigned pass = 0; pass < PASSES; pass++) {
        struct slot *s = slots[cpu / 2];
        if (side == 0) {
            for (unsigned i = 0; i < SLOTS; i++) {
                s[i] = (struct slot){0};
            }
        }
        barrier();
        for (unsigned i = 0; i < SLOTS; i++, s++) {
            if (i % 8 == 0) {
                meet(cpu, ++turn);
            }
            uint64_t *const mine = side == 0 ? &s->x : &s->y, *const other = side == 0 ? &s->y
                                                                                       : &s->x;
            __asm__ volatile("stlr %1, [%2]\n ldar %0, [%3]"
                             : "=&r"(s->seen[side])
                             : "r"(1ull), "r"(mine), "r"(other)
                             : "memory");
        }
        barrier();
        s = slots[cpu / 2];
        for (unsigned i = 0; side == 0 && i < SLOTS; i++) {
            if (s[i].seen[0] == 0 && s[i].seen[1] == 0) {
                broken();
            }
        }
        barrier();
    }
}

/* --- Code that changes under those who run it ------------------------------------------------------------------------------- */

static void publish(const uint32_t *place, uint32_t word)
{
    __asm__ volatile(
        "str %w0, [%1]\n dc cvau, %1\n dsb ish\n ic ivau, %1\n dsb ish\n isb" ::"r"(word),
        "r"(place)
        : "memory");
}

static uint64_t call(const uint32_t *place)
{
    return ((uint64_t(*)(void))(uintptr_t)place)();
}

static void pause(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        __asm__ volatile("" ::: "memory");
    }
}

/* code[0] goes by turns to code[2] and code[4], which is a change that running vCPUs may meet. */
static void call_for_ever(void)
{
    uint64_t now = 0;

    barrier();
    while (now < ROUNDS) {
        now = __atomic_load_n(&round_no, __ATOMIC_ACQUIRE);
        __asm__ volatile("isb" ::: "memory");
        const uint64_t value = call(code);
        __asm__ volatile("isb" ::: "memory");
        if (value != 100 && value != 200) {
            broken();
        }
        /* The code of a round is out before its number, and the next is not while that number stands. */
        const bool still = __atomic_load_n(&round_no, __ATOMIC_ACQUIRE) == now;
        if (still && (now & 1) == 0 && value != ((now & 2) == 0 ? 100 : 200)) {
            broken();
        }
    }
    barrier();
}

static void change_code(void)
{
    static const uint32_t words[] = {
        0x14000002, 0xd503201f, /* b code[2] */
        0xd2800c80, 0xd65f03c0, /* mov x0, #100; ret */
        0xd2801900, 0xd65f03c0, /* mov x0, #200; ret */
    };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        publish(code + i, words[i]);
    }
    barrier();
    /* round_no is odd before a change, and even when it is out. */
    for (uint64_t r = 1; r <= ROUNDS; r++) {
        if ((r & 1) == 0) {
            publish(code, (r & 2) == 0 ? 0x14000002 : 0x14000004);
        }
        __atomic_store_n(&round_no, r, __ATOMIC_RELEASE);
        __asm__ volatile("dmb ish" ::: "memory");
        pause(3000);
    }
    barrier();
}

static void program(unsigned cpu)
{
    store_buffering(cpu);
    if (cpu == 0) {
        change_code();
    } else {
        call_for_ever();
    }
}

int guest_main(void)
{
    map_identity();
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        start_cpu(i, program);
    }
    store_buffering(0);
    print_dec("store buffering, stlr and ldar: broken promises", bad);
    change_code();
    print_dec("code: broken promises", bad);
    return bad == 0 ? 0 : 1;
}
