/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "compare.h"

#include <inttypes.h>
#include <string.h>

#include "engine/a64/mode.h"
#include "engine/fp/fp.h"

#define MAX_EXITS 64 /* of one block: a loop may leave the guest in each round */

static const char *const sysreg_names[SR_COUNT] = {
#define SR(name) [SR_##name] = #name,
#include "engine/sys/sysreg_storage.inc"
#undef SR
};

/* What steps a stepped machine, and what tells the time of the host. */
static bool is_own_sysreg(const struct machine *m, unsigned sr)
{
    return m->executor == EXECUTOR_STEPPED &&
           (sr == SR_MDSCR_EL1 || sr == SR_DBGBCR0_EL1 || sr == SR_DBGBVR0_EL1);
}

struct word {
    const char *name;
    uint64_t a, b;
};

#define N_WORDS 24

/* Stepping is a mode of its own. When it is seen that FPSR.IXC has been set, which flushing waits for, depends on when somebody looks. */
static uint32_t mode_of(const struct a64_cpu *cpu, bool stepped)
{
    const uint32_t key = cpu->mode_key & ~(stepped ? MODE_BREAKPOINTS : 0);

    return (key & MODE_FLUSH) != 0 && (cpu->fpsr & FPSR_IXC) != 0 ? key ^ (MODE_FLUSH | MODE_FPCR)
                                                                  : key;
}

/* The state beside the numbered registers and the system registers. */
static unsigned words_of(const struct machine *ma, const struct machine *mb,
                         struct word words[N_WORDS])
{
    const struct a64_cpu *const a = &ma->vcpu->cpu, *const b = &mb->vcpu->cpu;
    const bool stepped = ma->executor == EXECUTOR_STEPPED || mb->executor == EXECUTOR_STEPPED;
    unsigned n = 0;

#define WORD(name, field) \
    words[n++] = (struct word){name, (uint64_t)(a->field), (uint64_t)(b->field)}
    WORD("pc", pc);
    WORD("nzcv", nzcv);
    WORD("pstate", pstate);
    WORD("btype", btype);
    WORD("fpcr", fpcr);
    WORD("fpsr", fpsr);
    words[n++] = (struct word){"mode key", mode_of(a, stepped), mode_of(b, stepped)};
    WORD("MMU index", mmu_index);
    WORD("MMU index, unprivileged", mmu_index_unpriv);
    WORD("sp_el0 (banked)", sp_el[(a->pstate & PSTATE_SP) != 0 ? 0 : 1]);
    WORD("event register", event);
    WORD("monitor valid", excl_valid);
    if (a->excl_valid && b->excl_valid) {
        WORD("monitor size", excl_size);
        WORD("monitor address", excl_va);
        WORD("monitor value, low", excl_value.d[0]);
        WORD("monitor value, high", excl_value.d[1]);
    }
    WORD("exit reason", exit.reason);
    WORD("exit syndrome", exit.syndrome);
    WORD("exit virtual address", exit.virtual_address);
    WORD("exit physical address", exit.physical_address);
#undef WORD
    words[n++] = (struct word){"host MXCSR", ma->mxcsr, mb->mxcsr};
    return n;
}

/* --- Equal? --------------------------------------------------------------------------------------------------------------------- */

static bool equal_sysregs(const struct machine *a, const struct machine *b)
{
    const uint64_t *const x = a->vcpu->cpu.sys, *const y = b->vcpu->cpu.sys;

    if (memcmp(x, y, sizeof(a->sys)) == 0) {
        return true;
    }
    for (unsigned i = 0; i < SR_COUNT; i++) {
        if (x[i] != y[i] && !is_own_sysreg(a, i) && !is_own_sysreg(b, i)) {
            return false;
        }
    }
    return true;
}

static bool is_ignored_memory(const struct machine *a, const struct machine *b, uint32_t offset)
{
    return (a->executor == EXECUTOR_BROKEN || b->executor == EXECUTOR_BROKEN) &&
           offset < CODE_PAGES * BLOCKS_PAGE;
}

static bool equal_memory(const struct machine *a, const struct machine *b)
{
    uint32_t offset, size;

    for (unsigned i = 0; machine_ram_range(i, &offset, &size); i++) {
        if (!is_ignored_memory(a, b, offset) &&
            memcmp(a->ram + offset, b->ram + offset, size) != 0) {
            return false;
        }
    }
    return true;
}

bool compare_equal(const struct machine *a, const struct machine *b)
{
    struct word words[N_WORDS];
    const unsigned n = words_of(a, b, words);

    for (unsigned i = 0; i < n; i++) {
        if (words[i].a != words[i].b) {
            return false;
        }
    }
    return memcmp(a->vcpu->cpu.x, b->vcpu->cpu.x, sizeof(a->vcpu->cpu.x)) == 0 &&
           memcmp(a->vcpu->cpu.v, b->vcpu->cpu.v, sizeof(a->vcpu->cpu.v)) == 0 &&
           equal_sysregs(a, b) && equal_memory(a, b);
}

/* --- Printing -------------------------------------------------------------------------------------------------------------------- */

static void print_numbered(FILE *out, const struct a64_cpu *a, const struct a64_cpu *b)
{
    for (unsigned i = 0; i < 32; i++) {
        if (a->x[i] != b->x[i]) {
            fprintf(out, "  %s%-10u %016" PRIx64 "  %016" PRIx64 "\n", i == 31 ? "sp=x" : "x", i,
                    a->x[i], b->x[i]);
        }
    }
    for (unsigned i = 0; i < 32; i++) {
        if (memcmp(&a->v[i], &b->v[i], 16) != 0) {
            fprintf(out, "  v%-10u %016" PRIx64 "%016" PRIx64 "  %016" PRIx64 "%016" PRIx64 "\n", i,
                    a->v[i].d[1], a->v[i].d[0], b->v[i].d[1], b->v[i].d[0]);
        }
    }
}

static void print_memory(FILE *out, const struct machine *a, const struct machine *b)
{
    uint32_t offset, size;
    unsigned n = 0;

    for (unsigned i = 0; machine_ram_range(i, &offset, &size); i++) {
        for (uint32_t o = offset; o < offset + size && !is_ignored_memory(a, b, offset); o += 8) {
            uint64_t x, y;
            memcpy(&x, a->ram + o, 8);
            memcpy(&y, b->ram + o, 8);
            if (x != y && n++ < 8) {
                fprintf(out, "  memory at IPA %" PRIx64 " %016" PRIx64 "  %016" PRIx64 "\n",
                        (uint64_t)(BLOCKS_RAM + o), x, y);
            }
        }
    }
    if (n > 8) {
        fprintf(out, "  ... %u doublewords of memory in all\n", n);
    }
}

void compare_print(FILE *out, const struct machine *ma, const struct machine *mb)
{
    const struct a64_cpu *const a = &ma->vcpu->cpu, *const b = &mb->vcpu->cpu;
    struct word words[N_WORDS];
    const unsigned n = words_of(ma, mb, words);

    for (unsigned i = 0; i < n; i++) {
        if (words[i].a != words[i].b) {
            fprintf(out, "  %-24s %" PRIx64 "  %" PRIx64 "\n", words[i].name, words[i].a,
                    words[i].b);
        }
    }
    print_numbered(out, a, b);
    for (unsigned i = 0; i < SR_COUNT; i++) {
        if (a->sys[i] != b->sys[i] && !is_own_sysreg(ma, i) && !is_own_sysreg(mb, i)) {
            fprintf(out, "  %-16s %" PRIx64 "  %" PRIx64 "\n", sysreg_names[i], a->sys[i],
                    b->sys[i]);
        }
    }
    print_memory(out, ma, mb);
}

/* --- Running --------------------------------------------------------------------------------------------------------------------- */

enum outcome compare_run(struct machine *a, struct machine *b, const struct block *block)
{
    machine_load(a, block);
    machine_load(b, block);
    for (unsigned n = 0; n < MAX_EXITS; n++) {
        const bool ended_a = machine_run(a), ended_b = machine_run(b);
        if (!ended_a || !ended_b) {
            return ended_a ? OUTCOME_HANG_B : ended_b ? OUTCOME_HANG_A : OUTCOME_HANG;
        }
        if (!compare_equal(a, b)) {
            return OUTCOME_DIFFERENT;
        }
        if (!machine_continue(a) || !machine_continue(b)) {
            break;
        }
    }
    return OUTCOME_EQUAL;
}
