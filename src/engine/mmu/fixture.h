/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * For the unit tests of the MMU: vCPUs without a run loop, guest memory, and tables built by hand. Each test is one program and
 * includes this once. What the MMU asks of the code cache and of the run loop is answered here, and counted.
 */
#ifndef ENGINE_MMU_FIXTURE_H
#define ENGINE_MMU_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/code.h"
#include "engine/mmu/internal.h"
#include "vm/internal.h"

static unsigned n_failed, n_checks;

#define EXPECT(condition, ...)                                              \
    do {                                                                    \
        n_checks++;                                                         \
        if (!(condition)) {                                                 \
            n_failed++;                                                     \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fprintf(stderr, "\n");                                          \
        }                                                                   \
    } while (0)

#define EXPECT_FAULT(cpu, want_type, want_level, want_stage, ...)                                 \
    do {                                                                                          \
        const struct fault *const f_ = &(cpu)->fault;                                             \
        EXPECT(f_->type == (want_type) && f_->level == (want_level) && f_->stage == (want_stage), \
               __VA_ARGS__);                                                                      \
        if (f_->type != (want_type) || f_->level != (want_level) || f_->stage != (want_stage)) {  \
            fprintf(stderr, "    was: type %d level %d stage %d\n", f_->type, f_->level,          \
                    f_->stage);                                                                   \
        }                                                                                         \
    } while (0)

static const uint8_t *code_at; /* the host page that holds code */
static unsigned n_invalidated;
static const uint8_t *invalidated_at;
static uint64_t invalidated_size;

void vm_stop(struct vm *vm, struct vcpu *self)
{
    (void)vm;
    (void)self;
}

void vm_continue(struct vm *vm)
{
    (void)vm;
}

bool code_page_has_code(const struct code_cache *cache, const uint8_t *hva)
{
    (void)cache;
    return code_at != NULL && ((uintptr_t)hva ^ (uintptr_t)code_at) >> 12 == 0;
}

void code_invalidate(struct code_cache *cache, const uint8_t *hva, uint64_t size)
{
    (void)cache;
    n_invalidated++;
    invalidated_at = hva;
    invalidated_size = size;
}

void code_invalidate_all(struct code_cache *cache)
{
    (void)cache;
}

/* Guest memory: RAM, of which the upper half is for tables. */
#define RAM_BASE    0x40000000ull
#define RAM_SIZE    (16ull << 20)
#define TABLES_BASE (RAM_BASE + RAM_SIZE / 2)

#define N_CPUS 2
static struct vm vm;
static struct vcpu vcpus[N_CPUS];
static struct a64_cpu *const cpu = &vcpus[0].cpu;
static uint8_t *ram;
static uint64_t next_table;

/* Everything that the walker knows; 48-bit addresses. */
static struct vm_profile profile = {
    .name = "test",
    .id =
        {
            [SR_ID_AA64PFR1_EL1] = 1,           /* BT */
            [SR_ID_AA64MMFR0_EL1] = 0x00100025, /* all granules, ASID 16, PA 48 */
            [SR_ID_AA64MMFR1_EL1] = 0x10301002, /* HAFDBS 2, HPDS, PAN3, XNX */
            [SR_ID_AA64MMFR2_EL1] = 1ull << 60 | 1ull << 32 | 1ull << 28, /* E0PD, LSE2, TTST */
        },
};

static uint8_t *ram_at(uint64_t ipa)
{
    return ram + (ipa - RAM_BASE);
}

static uint64_t *word_at(uint64_t ipa)
{
    return (uint64_t *)(void *)ram_at(ipa);
}

static void close_machine(void)
{
    for (unsigned i = 0; i < N_CPUS; i++) {
        mmu_destroy(&vcpus[i].cpu);
    }
    vm_memory_destroy(vm.memory);
    free(ram);
}

static void open_machine(bool el2)
{
    memset(&vm, 0, sizeof(vm));
    vm.config = (struct vm_config){
        .ipa_bits = 40, .granule_log2 = 14, .el2_enabled = el2, .profile = &profile};
    vm.memory = vm_memory_create(40);
    ram = aligned_alloc(65536, RAM_SIZE);
    if (vm.memory == NULL || ram == NULL) {
        abort();
    }
    memset(ram, 0, RAM_SIZE);
    if (vm_map(&vm, ram, RAM_BASE, RAM_SIZE, VM_READ | VM_WRITE | VM_EXEC) != VM_OK) {
        abort();
    }
    next_table = TABLES_BASE;
    code_at = NULL;
    memset(vcpus, 0, sizeof(vcpus));
    for (unsigned i = 0; i < N_CPUS; i++) {
        struct a64_cpu *const c = &vcpus[i].cpu;
        c->vm = &vm;
        c->vcpu = &vcpus[i];
        c->smp = true;
        c->pstate = PSTATE_EL(1) | PSTATE_SP;
        c->mmu_index = MMU_E10_1;
        c->mmu_index_unpriv = MMU_E10_0;
        c->sys[SR_ID_AA64DFR0_EL1] = 0x10305006;
        if (!mmu_create(c)) {
            abort();
        }
    }
}

/* --- Tables ------------------------------------------------------------------------------------------------------------------- */

#define D_VALID      1ull
#define D_TABLE      3ull
#define D_PAGE       3ull
#define D_BLOCK      1ull
#define D_AF         (1ull << 10)
#define D_NG         (1ull << 11)
#define D_AP(ap)     ((uint64_t)(ap) << 6)
#define D_ATTR(n)    ((uint64_t)(n) << 2)
#define D_GP         (1ull << 50)
#define D_DBM        (1ull << 51)
#define D_CONTIGUOUS (1ull << 52)
#define D_PXN        (1ull << 53)
#define D_UXN        (1ull << 54)
#define D_ADDRESS    0x0000fffffffff000ull

static uint64_t new_table(unsigned granule_log2)
{
    const uint64_t size = 1ull << granule_log2, at = (next_table + size - 1) & ~(size - 1);

    if (at + size > RAM_BASE + RAM_SIZE) {
        abort();
    }
    next_table = at + size;
    memset(ram_at(at), 0, size);
    return at;
}

static int start_level(unsigned granule_log2, unsigned ia_bits)
{
    return 3 - (int)((ia_bits - 1 - granule_log2) / (granule_log2 - 3));
}

/* The address of the descriptor for va at `level`, with tables made on the way. */
static uint64_t descriptor_at(uint64_t root, unsigned granule_log2, int from, uint64_t va,
                              unsigned ia_bits, int level)
{
    const unsigned stride = granule_log2 - 3;
    uint64_t table = root;

    for (int l = from;; l++) {
        const unsigned shift = granule_log2 + stride * (unsigned)(3 - l);
        const unsigned top = l == from ? ia_bits : shift + stride;
        const uint64_t index = (va & ((1ull << top) - 1)) >> shift;
        if (l == level) {
            return table + 8 * index;
        }
        uint64_t *const entry = word_at(table + 8 * index);
        if (*entry == 0) {
            *entry = new_table(granule_log2) | D_TABLE;
        }
        table = *entry & D_ADDRESS;
    }
}

/* One root for TTBR0 and one for TTBR1, both with the same granule and size. */
struct tables {
    uint64_t root[2];
    unsigned granule_log2, ia_bits;
};
static struct tables t;

#define MAIR 0x0000000000004404ffull /* 0 Normal WB, 1 Device-nGnRE, 2 Normal NC */

static uint64_t tcr_of(unsigned granule_log2, unsigned ia_bits)
{
    const uint64_t tg0 = granule_log2 == 12 ? 0 : granule_log2 == 14 ? 2 : 1;
    const uint64_t tg1 = granule_log2 == 12 ? 2 : granule_log2 == 14 ? 1 : 3;
    const uint64_t txsz = 64 - ia_bits;

    return txsz | tg0 << 14 | txsz << 16 | tg1 << 30 | 5ull << 32 /* IPS: 48 bits */;
}

/* MMU of EL1&0 on, caches on. */
static void use_tables(unsigned granule_log2, unsigned ia_bits)
{
    t = (struct tables){.granule_log2 = granule_log2, .ia_bits = ia_bits};
    for (unsigned i = 0; i < 2; i++) {
        t.root[i] = new_table(granule_log2);
    }
    cpu->sys[SR_TTBR0_EL1] = t.root[0];
    cpu->sys[SR_TTBR1_EL1] = t.root[1];
    cpu->sys[SR_TCR_EL1] = tcr_of(granule_log2, ia_bits);
    cpu->sys[SR_MAIR_EL1] = MAIR;
    cpu->sys[SR_SCTLR_EL1] = 1 | 1ull << SCTLR_C | 1ull << 12;
    mmu_registers_changed(cpu);
    mmu_flush_all(cpu);
}

static uint64_t *descriptor_of(uint64_t va, int level)
{
    return word_at(descriptor_at(t.root[va >> 55 & 1], t.granule_log2,
                                 start_level(t.granule_log2, t.ia_bits), va, t.ia_bits, level));
}

static void map_at(uint64_t va, int level, uint64_t pa, uint64_t bits)
{
    *descriptor_of(va, level) = pa | (level == 3 ? D_PAGE : D_BLOCK) | bits;
}

/* --- Accesses ----------------------------------------------------------------------------------------------------------------- */

static bool load(uint64_t va, unsigned size_log2, uint64_t *value)
{
    v128 v = {.q = 0};
    const bool ok = mmu_load(cpu, va, size_log2, 0, size_log2, &v);

    *value = v.d[0];
    mmu_look_for_stretch(cpu);
    return ok;
}

__attribute__((unused)) static bool can_load(uint64_t va)
{
    uint64_t v;

    return load(va, 0, &v);
}

/* Stores what is there. */
__attribute__((unused)) static bool can_store(uint64_t va)
{
    v128 v = {.q = 0};
    const bool ok = mmu_store(cpu, va, 0, 0, 0, &v);

    return ok;
}

__attribute__((unused)) static bool can_fetch(uint64_t va)
{
    bool guarded;

    return mmu_fetch(cpu, va, &guarded) != NULL;
}

static int report(const char *name)
{
    printf("%s: %u checks, %u failed\n", name, n_checks, n_failed);
    return n_failed == 0 ? 0 : 1;
}

#endif
