/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Maintenance that one vCPU does for all. vCPU 0 takes pages away from three others that store there all the time: what a DSB has
 * waited for must not happen any more, what the others did before must be there. Then it writes code for all.
 */
#include "lib/guest.h"

#define VA     0x80000000ull /* what level1[2] covers: one page */
#define FRAME  0x40200000ull /* free RAM: two pages by turns */
#define ROUNDS 90u

static uint64_t level2[512] __attribute__((aligned(4096)));
static uint64_t level3[512] __attribute__((aligned(4096)));
static uint32_t code[1024] __attribute__((aligned(4096)));

static uint32_t bad; /* broken promises */
static bool stop;
static uint64_t last[GUEST_CPUS]; /* what a vCPU has stored last */
static uint64_t faults;

/* The page has gone, or may not be written: it comes back. */
void guest_exception(struct frame *frame)
{
    const uint64_t esr = frame->esr;

    if (esr >> 26 != 0x25 || frame->far >> 12 != VA >> 12 || (esr & 0x40) == 0 ||
        ((esr & 0x3f) != 0x07 && (esr & 0x3f) != 0x0f)) {
        print_hex("not expected, ESR", esr);
        guest_exit(1);
    }
    __atomic_fetch_add(&faults, 1, __ATOMIC_RELAXED);
    __asm__ volatile("yield" ::: "memory");
}

static void set_page(uint64_t descriptor)
{
    __asm__ volatile("str %0, [%1]\n dsb ishst" ::"r"(descriptor), "r"(level3) : "memory");
}

/* Every scope that takes this page, as it is nG in ASID 0. */
static void invalidate(unsigned how)
{
    const uint64_t page = VA >> 12;

    switch (how % 6) {
    case 0:
        __asm__ volatile("tlbi vae1is, %0" ::"r"(page) : "memory");
        break;
    case 1:
        __asm__ volatile("tlbi vaae1is, %0" ::"r"(page) : "memory");
        break;
    case 2:
        __asm__ volatile("tlbi vale1is, %0" ::"r"(page) : "memory");
        break;
    case 3:
        __asm__ volatile("tlbi vaale1is, %0" ::"r"(page) : "memory");
        break;
    case 4:
        __asm__ volatile("tlbi aside1is, xzr" ::: "memory");
        break;
    default:
        __asm__ volatile("tlbi vmalle1is" ::: "memory");
        break;
    }
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

static void pause(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        __asm__ volatile("" ::: "memory");
    }
}

static volatile uint64_t *frame_words(unsigned n)
{
    return (volatile uint64_t *)(uintptr_t)(FRAME + (uint64_t)n * 0x1000);
}

/* --- Pages ------------------------------------------------------------------------------------------------------------------- */

static void store_for_ever(unsigned cpu)
{
    uint64_t n = 0;

    barrier();
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        n++;
        __asm__ volatile("str %0, [%1]" ::"r"(n), "r"(VA + 8 * cpu) : "memory");
    }
    last[cpu] = n;
    barrier();
}

static void take_pages_away(void)
{
    static const uint64_t kind = DESC_PAGE | DESC_MEMORY | DESC_NG | DESC_UXN | DESC_PXN;

    barrier();
    for (unsigned r = 0; r < ROUNDS; r++) {
        const unsigned frame = r & 1;
        volatile uint64_t *const old = frame_words(frame);
        uint64_t before[GUEST_CPUS];

        pause(2000);
        /* By turns the page goes, and becomes read-only. */
        set_page((r & 2) == 0 ? 0 : (FRAME + frame * 0x1000) | kind | DESC_RO);
        invalidate(r / 4);
        for (unsigned i = 0; i < GUEST_CPUS; i++) {
            before[i] = old[i];
        }
        pause(2000);
        for (unsigned i = 0; i < GUEST_CPUS; i++) {
            bad += old[i] != before[i];
        }
        if ((r & 2) != 0) { /* break before make */
            set_page(0);
            invalidate(r / 4 + 3);
        }
        set_page((FRAME + (frame ^ 1) * 0x1000) | kind);
    }
    /* The host may have let one of them wait all the time. */
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        while ((frame_words(0)[i] | frame_words(1)[i]) == 0) {
            __asm__ volatile("yield" ::: "memory");
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    barrier();
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        const uint64_t a = frame_words(0)[i], b = frame_words(1)[i];
        bad += (a > b ? a : b) != last[i];
    }
}

/* --- Code -------------------------------------------------------------------------------------------------------------------- */

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

/* In each round other code at other places, some of which the others have called just before. */
static void call_each_round(unsigned cpu)
{
    for (unsigned r = 0; r < ROUNDS; r++) {
        const uint32_t *const place = code + r % 7 * 150;
        barrier();
        if (cpu == 0) {
            publish(place, 0xd2800000 | r << 5); /* mov x0, #r */
            publish(place + 1, 0xd65f03c0);
        }
        barrier();
        __asm__ volatile("isb" ::: "memory");
        if (call(place) != r) {
            __atomic_fetch_add(&bad, 1, __ATOMIC_RELAXED);
        }
    }
    barrier();
}

static void others(unsigned cpu)
{
    store_for_ever(cpu);
    call_each_round(cpu);
}

int guest_main(void)
{
    uint64_t *const level1 = map_identity();

    level2[0] = (uintptr_t)level3 | DESC_TABLE;
    level1[2] = (uintptr_t)level2 | DESC_TABLE;
    set_page(FRAME | DESC_PAGE | DESC_MEMORY | DESC_NG | DESC_UXN | DESC_PXN);
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        start_cpu(i, others);
    }
    take_pages_away();
    print_dec("pages: broken promises", bad);
    call_each_round(0);
    print_dec("code: broken promises", bad);
    return bad == 0 ? 0 : 1;
}
