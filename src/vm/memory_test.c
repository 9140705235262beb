/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The VM's map against an array of pages, and its limits. Stops of vCPUs are counted, not made: there are none here. */
#include "vm/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/code.h"
#include "vm/internal.h"

static unsigned n_failed, n_stops, n_continues, n_code_dropped;

#define EXPECT(condition, ...)                                              \
    do {                                                                    \
        if (!(condition)) {                                                 \
            n_failed++;                                                     \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fprintf(stderr, "\n");                                          \
        }                                                                   \
    } while (0)

void vm_stop(struct vm *vm, struct vcpu *self)
{
    (void)vm;
    (void)self;
    n_stops++;
}

void vm_continue(struct vm *vm)
{
    (void)vm;
    n_continues++;
}

bool code_page_has_code(const struct code_cache *cache, const uint8_t *hva)
{
    (void)cache;
    (void)hva;
    return false;
}

void code_invalidate(struct code_cache *cache, const uint8_t *hva, uint64_t size)
{
    (void)cache;
    (void)hva;
    (void)size;
    n_code_dropped++;
}

void code_invalidate_all(struct code_cache *cache)
{
    (void)cache;
    n_code_dropped++;
}

static struct vm vm;

static void open_vm(unsigned ipa_bits, unsigned granule_log2)
{
    vm = (struct vm){.config = {.ipa_bits = ipa_bits, .granule_log2 = granule_log2},
                     .memory = vm_memory_create(ipa_bits)};
    if (vm.memory == NULL) {
        abort();
    }
}

static void close_vm(void)
{
    vm_memory_destroy(vm.memory);
}

/* Addresses are only numbers to the map: these need not exist. */
static void *host_at(uint64_t offset)
{
    return (void *)(uintptr_t)(0x100000000000ull + offset);
}

static void *lookup(uint64_t ipa, unsigned *permissions, int *level)
{
    *permissions = 99;
    *level = -9;
    return vm_lookup(&vm, ipa, permissions, level);
}

static void test_rules(void)
{
    unsigned p;
    int l;

    open_vm(36, 14);
    EXPECT(vm_map(&vm, host_at(0), 0, 0x4000, 7) == VM_OK, "map at 0");
    EXPECT(lookup(0x3fff, &p, &l) == host_at(0x3000) && p == 7, "last page, permissions %u", p);
    EXPECT(lookup(0x4000, &p, &l) == NULL && l == 3, "beyond: level %d", l);
    /* any overlap is refused and changes nothing */
    EXPECT(vm_map(&vm, host_at(0x100000), 0, 0x4000, 7) == VM_OVERLAP, "exact");
    EXPECT(vm_map(&vm, host_at(0x100000), 0x3000, 0x4000, 7) == VM_OVERLAP, "partial");
    EXPECT(lookup(0x4000, &p, &l) == NULL, "a refused map left pages");
    /* the hole of an unmap can be mapped again */
    EXPECT(vm_unmap(&vm, 0x1000, 0x1000) == VM_OK, "unmap a middle");
    EXPECT(lookup(0x0fff, &p, &l) == host_at(0) && lookup(0x1000, &p, &l) == NULL &&
               lookup(0x2000, &p, &l) == host_at(0x2000),
           "cut");
    EXPECT(vm_map(&vm, host_at(0x200000), 0x1000, 0x2000, 1) == VM_OVERLAP, "hole and live");
    EXPECT(vm_map(&vm, host_at(0x200000), 0x1000, 0x1000, 1) == VM_OK, "exactly the hole");
    EXPECT(lookup(0x1234, &p, &l) == host_at(0x200000) && p == 1, "hole filled");
    /* unmap of nothing succeeds and stops nobody */
    const unsigned stops = n_stops;
    EXPECT(vm_unmap(&vm, 0x100000, 0x100000) == VM_OK && n_stops == stops, "nothing there");
    EXPECT(vm_protect(&vm, 0, 0x5000, 1) == VM_NOT_MAPPED, "protect with a hole");
    EXPECT(lookup(0, &p, &l) != NULL && p == 7, "a refused protect changed something: %u", p);
    EXPECT(vm_protect(&vm, 0x2000, 0x1000, 0) == VM_OK && lookup(0x2000, &p, &l) != NULL && p == 0,
           "no access: %u", p);
    EXPECT(lookup(0x3000, &p, &l) != NULL && p == 7, "neighbour of a protect: %u", p);
    /* what the host memory does not allow is never given */
    EXPECT(vm_map(&vm, host_at(0), 0x8000, 0x1000, VM_WRITE | VM_HOST_NO_WRITE) == VM_HOST_DENIES,
           "map for writing");
    EXPECT(vm_map(&vm, host_at(0), 0x8000, 0x1000, VM_EXEC | VM_HOST_NO_READ) == VM_HOST_DENIES,
           "map for execution");
    EXPECT(lookup(0x8000, &p, &l) == NULL, "a denied map left a page");
    EXPECT(vm_map(&vm, host_at(0), 0x8000, 0x1000, VM_READ | VM_HOST_NO_WRITE) == VM_OK, "read");
    EXPECT(vm_map(&vm, host_at(0x1000), 0x9000, 0x1000, VM_READ) == VM_OK, "neighbour");
    EXPECT(vm_protect(&vm, 0x8000, 0x2000, 7) == VM_HOST_DENIES, "protect of both");
    EXPECT(lookup(0x9000, &p, &l) != NULL && p == VM_READ, "a denied protect: %u", p);
    EXPECT(vm_protect(&vm, 0x9000, 0x1000, 7) == VM_OK, "protect of the neighbour");
    EXPECT(vm_protect(&vm, 0x8000, 0x1000, VM_EXEC) == VM_OK && lookup(0x8000, &p, &l) != NULL &&
               p == VM_EXEC,
           "protect without writing: %u", p);
    EXPECT(vm_protect(&vm, 0x8000, 0x1000, VM_WRITE) == VM_HOST_DENIES, "it stays denied");
    EXPECT(vm_unmap(&vm, 0x8000, 0x2000) == VM_OK, "unmap");
    /* ranges */
    EXPECT(vm_map(&vm, host_at(0), 0x8000, 0, 7) == VM_BAD_RANGE, "empty");
    EXPECT(vm_map(&vm, host_at(0), 0x8800, 0x1000, 7) == VM_BAD_RANGE, "IPA not aligned");
    EXPECT(vm_map(&vm, host_at(0), 0x8000, 0x1800, 7) == VM_BAD_RANGE, "size not aligned");
    EXPECT(vm_map(&vm, host_at(8), 0x8000, 0x1000, 7) == VM_BAD_RANGE, "host not aligned");
    EXPECT(vm_map(&vm, NULL, 0x8000, 0x1000, 7) == VM_BAD_RANGE, "no host");
    EXPECT(vm_map(&vm, host_at(0), 1ull << 36, 0x1000, 7) == VM_BAD_RANGE, "beyond the IPA size");
    EXPECT(vm_map(&vm, host_at(0), (1ull << 36) - 0x1000, 0x2000, 7) == VM_BAD_RANGE,
           "across the IPA size");
    EXPECT(vm_map(&vm, host_at(0), (1ull << 36) - 0x1000, 0x1000, 7) == VM_OK, "the last page");
    EXPECT(vm_unmap(&vm, UINT64_MAX & ~0xfffull, 0x2000) == VM_BAD_RANGE, "wraps");
    EXPECT(vm_protect(&vm, 0, UINT64_MAX & ~0xfffull, 1) == VM_BAD_RANGE, "wraps");
    EXPECT(lookup(1ull << 36, &p, &l) == NULL && l == 0, "beyond the IPA size: level %d", l);
    EXPECT(n_stops == n_continues, "%u stops, %u continues", n_stops, n_continues);
    close_vm();
}

/* The level is that of the table entry which a stage 2 of the VM's granule would lack. */
static void test_levels(void)
{
    static const struct {
        unsigned ipa_bits, granule_log2;
        uint64_t ipa;
        int level;
    } cases[] = {
        {36, 14, 0x40004000, 3},   {36, 14, 0x41fffff0, 3},
        {36, 14, 0x42000000, 2},   {36, 14, 0, 2},
        {40, 14, 0x40004000, 3},   {40, 14, 0, 2},
        {40, 14, 0x1000000000, 1}, {36, 12, 0x40001000, 3},
        {36, 12, 0x40200000, 2},   {36, 12, 0x80000000, 1},
        {40, 12, 0x8000000000, 0}, {32, 14, 0, 2},
        {31, 14, 0x7fffffff, 2},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned p;
        int l;
        open_vm(cases[i].ipa_bits, cases[i].granule_log2);
        EXPECT(vm_map(&vm, host_at(0), 0x40000000, 0x1000, 7) == VM_OK, "case %zu", i);
        EXPECT(lookup(cases[i].ipa, &p, &l) == NULL && l == cases[i].level, "case %zu: level %d", i,
               l);
        close_vm();
    }
    for (unsigned bits = 0; bits <= 40; bits++) { /* every size is accepted */
        unsigned p;
        int l;
        open_vm(bits, 14);
        EXPECT(lookup(0, &p, &l) == NULL && l >= 0 && l <= 3, "%u bits: level %d", bits, l);
        EXPECT(vm_map(&vm, host_at(0), 0, 0x1000, 7) == (bits < 12 ? VM_BAD_RANGE : VM_OK),
               "%u bits", bits);
        close_vm();
    }
}

/* --- Against a model ------------------------------------------------------------------------------------------------------------- */

#define MODEL_PAGES 256u
/* Around a boundary between two of the map's 1 GiB chunks. */
#define MODEL_BASE ((1ull << 30) - MODEL_PAGES / 2 * 4096)

static struct {
    uint64_t host; /* 0: not mapped */
    unsigned permissions;
} model[MODEL_PAGES];

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void compare(unsigned step)
{
    for (unsigned i = 0; i < MODEL_PAGES; i++) {
        unsigned p;
        int l;
        const uint8_t *const got = lookup(MODEL_BASE + i * 4096ull + 0x123, &p, &l);
        const uint8_t *const want = model[i].host != 0 ? host_at(model[i].host) : NULL;
        if (got != want || (want != NULL && p != model[i].permissions)) {
            EXPECT(false, "step %u, page %u: %p %u, not %p %u", step, i, (const void *)got, p,
                   (const void *)want, model[i].permissions);
            return;
        }
    }
}

static void test_model(void)
{
    uint32_t seed = 1;

    open_vm(36, 14);
    memset(model, 0, sizeof(model));
    for (unsigned step = 0; step < 20000 && n_failed == 0; step++) {
        const unsigned first = next_random(&seed) % MODEL_PAGES;
        const unsigned most = next_random(&seed) % 4 == 0 ? MODEL_PAGES - first : 8;
        unsigned n = 1 + next_random(&seed) % most;
        n = n > MODEL_PAGES - first ? MODEL_PAGES - first : n;
        const uint64_t ipa = MODEL_BASE + first * 4096ull,
                       host = 0x10000000 + (next_random(&seed) % 4 == 0 ? step : first) * 4096ull;
        const unsigned permissions = next_random(&seed) % 8;
        unsigned mapped = 0;
        for (unsigned i = first; i < first + n; i++) {
            mapped += model[i].host != 0;
        }
        switch (next_random(&seed) % 4) {
        case 0:
        case 1:
            EXPECT(vm_map(&vm, host_at(host), ipa, n * 4096ull, permissions) ==
                       (mapped != 0 ? VM_OVERLAP : VM_OK),
                   "step %u", step);
            for (unsigned i = 0; mapped == 0 && i < n; i++) {
                model[first + i].host = host + i * 4096ull;
                model[first + i].permissions = permissions;
            }
            break;
        case 2:
            EXPECT(vm_unmap(&vm, ipa, n * 4096ull) == VM_OK, "step %u", step);
            for (unsigned i = 0; i < n; i++) {
                model[first + i].host = 0;
            }
            break;
        default:
            EXPECT(vm_protect(&vm, ipa, n * 4096ull, permissions) ==
                       (mapped != n ? VM_NOT_MAPPED : VM_OK),
                   "step %u", step);
            for (unsigned i = 0; mapped == n && i < n; i++) {
                model[first + i].permissions = permissions;
            }
            break;
        }
        compare(step);
    }
    close_vm();
}

/* --- Cost and threads ------------------------------------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Pages are not touched: 8 GiB cost next to nothing. The bound is far above the microseconds it takes, for slow machines. */
static void test_cost(void)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < 10; i++) {
        open_vm(40, 14);
        const uint64_t start = now_ns();
        EXPECT(vm_map(&vm, host_at(0), 0x40000000, 8ull << 30, 7) == VM_OK, "8 GiB");
        const uint64_t took = now_ns() - start;
        best = took < best ? took : best;
        close_vm();
    }
    EXPECT(best < 1000000, "mapping 8 GiB took %llu ns", (unsigned long long)best);
    open_vm(40, 14);
    EXPECT(vm_map(&vm, host_at(0), 0, 1ull << 40, 7) == VM_OK, "all of 2^40");
    unsigned p;
    int l;
    EXPECT(lookup((1ull << 40) - 1, &p, &l) == host_at((1ull << 40) - 0x1000), "its last page");
    close_vm();
}

static _Atomic bool stop_reading;

/* What never changes is found whatever a writer does around it. */
static void *read_steadily(void *unused)
{
    uint64_t wrong = 0;

    (void)unused;
    while (!atomic_load(&stop_reading)) {
        unsigned p;
        int l;
        wrong += vm_lookup(&vm, 0x50000000 + 0x5000, &p, &l) != host_at(0x5000) || p != 3;
    }
    return (void *)(uintptr_t)wrong;
}

static void test_readers(void)
{
    pthread_t reader;
    void *wrong = NULL;

    open_vm(36, 14);
    vm_map(&vm, host_at(0), 0x50000000, 0x100000, 3);
    atomic_store(&stop_reading, false);
    if (pthread_create(&reader, NULL, read_steadily, NULL) != 0) {
        abort();
    }
    for (unsigned i = 0; i < 3000; i++) {
        const uint64_t ipa = 0x40000000 + i % 64 * 0x2000;
        if (i / 64 % 2 == 0) {
            vm_map(&vm, host_at(0x10000000 + i * 0x10000ull), ipa, 0x1000, 7);
        } else {
            vm_unmap(&vm, ipa, 0x1000);
        }
    }
    atomic_store(&stop_reading, true);
    pthread_join(reader, &wrong);
    EXPECT(wrong == NULL, "%llu wrong answers", (unsigned long long)(uintptr_t)wrong);
    close_vm();
}

int main(void)
{
    test_rules();
    test_levels();
    test_model();
    test_cost();
    test_readers();
    return n_failed == 0 ? 0 : 1;
}
