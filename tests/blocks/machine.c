/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "machine.h"

#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "vm/test_host_level.h"

#define HVC_END  0xd4000022u /* HVC #1 */
#define DESC_TBL 3ull
#define TABLE(level) \
    (BLOCKS_RAM + (TABLE_PAGE + (uint64_t)(level)-1) * BLOCKS_PAGE) /* levels 1 to 3 */

/* What the VM maps, and how. */
static const struct {
    uint16_t page, n_pages;
    uint8_t permissions;
} ranges[] = {
    {0, CODE_PAGES, VM_READ | VM_WRITE | VM_EXEC},
    {DATA_PAGE, DATA_PAGES, VM_READ | VM_WRITE | VM_EXEC},
    {READ_ONLY_PAGE, 1, VM_READ | VM_EXEC},
    {VECTOR_PAGE, 2, VM_READ | VM_WRITE | VM_EXEC},
    {TABLE_PAGE, TABLE_PAGES, VM_READ | VM_WRITE | VM_EXEC},
};
#define N_RANGES (sizeof(ranges) / sizeof(ranges[0]))

/*
 * Notes ESR, ELR, FAR and SPSR in the log (a ring of 32-byte entries whose position is its first word) and returns behind the
 * instruction. Ends the run for BRK #1 and for what it does not know, instruction aborts among them. Leaves NZCV alone.
 */
static const uint32_t handler[] = {
    0xd518d089, /*       msr tpidr_el1, x9 */
    0xd51bd06a, /*       msr tpidrro_el0, x10 */
    0x10003fc9, /*       adr x9, log */
    0xf940012a, /*       ldr x10, [x9] */
    0x9100814a, /*       add x10, x10, #32 */
    0x927b194a, /*       and x10, x10, #0xfe0 */
    0xf900012a, /*       str x10, [x9] */
    0x8b0a0129, /*       add x9, x9, x10 */
    0xd538520a, /*       mrs x10, esr_el1 */
    0xf900012a, /*       str x10, [x9] */
    0xd538402a, /*       mrs x10, elr_el1 */
    0xf900052a, /*       str x10, [x9, #8] */
    0xd538600a, /*       mrs x10, far_el1 */
    0xf900092a, /*       str x10, [x9, #16] */
    0xd538400a, /*       mrs x10, spsr_el1 */
    0xf9000d2a, /*       str x10, [x9, #24] */
    0xd5385209, /*       mrs x9, esr_el1 */
    0xd35afd2a, /*       lsr x10, x9, #26 */
    0xd100554a, /*       sub x10, x10, #0x15 (SVC) */
    0xb400024a, /*       cbz x10, back */
    0xd1009d4a, /*       sub x10, x10, #0x27 (BRK) */
    0xb400012a, /*       cbz x10, breakpoint */
    0x9100f14a, /*       add x10, x10, #0x3c */
    0xd2801029, /*       mov x9, the classes to skip: 00, 07, 18, 1b, 1c, 24..27, 34, 35 */
    0xf2a32009, 0xf2c01e09, 0xf2e00609, 0x9aca2529, /* lsr x9, x9, x10 */
    0x370000c9,                                     /*       tbnz x9, #0, skip */
    HVC_END,    0x92403d29,                         /* breakpoint: and x9, x9, #0xffff */
    0xd1000529,                                     /*       sub x9, x9, #1 */
    0xb5000049,                                     /*       cbnz x9, skip */
    HVC_END,    0xd5384029,                         /* skip: mrs x9, elr_el1 */
    0x91001129,                                     /*       add x9, x9, #4 */
    0xd5184029,                                     /*       msr elr_el1, x9 */
    0xd53bd06a,                                     /* back: mrs x10, tpidrro_el0 */
    0xd538d089,                                     /*       mrs x9, tpidr_el1 */
    0xd69f03e0,                                     /*       eret */
};

/* --- Making ------------------------------------------------------------------------------------------------------------------- */

static uint8_t *page_of(const struct machine *m, unsigned page)
{
    return m->ram + page * BLOCKS_PAGE;
}

/* What every block finds in the data pages: the same for all, so that only code and registers tell blocks apart. */
static const uint8_t *data_template(void)
{
    static uint64_t data[DATA_PAGES * BLOCKS_PAGE / 8];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    if (data[0] == 0) {
        for (unsigned i = 0; i < DATA_PAGES / 2; i++) {
            const struct diff_case c = {
                .seed = i + 1, .base_reg = DIFF_NO_REG, .index_reg = DIFF_NO_REG};
            struct diff_state unused;
            case_expand(&c, &unused, data + i * (DIFF_WINDOW_SIZE / 8));
        }
        data[0] = 1;
    }
    pthread_mutex_unlock(&lock);
    return (const uint8_t *)data;
}

static size_t code_bytes_of_all;

void machine_set_code_bytes(size_t code_bytes)
{
    code_bytes_of_all = code_bytes;
}

bool machine_open(struct machine *m, enum executor executor)
{
    struct vm_config config = {.ipa_bits = 36,
                               .granule_log2 = 12,
                               .profile = vm_profile_by_name("max"),
                               .macos = 260000,
                               .interpreter = executor != EXECUTOR_DEFAULT &&
                                              executor != EXECUTOR_WARMING,
                               .eager = executor == EXECUTOR_DEFAULT,
                               .code_bytes = code_bytes_of_all,
                               .host_level = test_host_level()};

    memset(m, 0, sizeof(*m));
    m->executor = executor;
    m->ram = mmap(NULL, RAM_PAGES * BLOCKS_PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->ram == MAP_FAILED || vm_create(&config, &m->vm) != VM_OK ||
        vm_vcpu_create(m->vm, &m->vcpu) != VM_OK) {
        return false;
    }
    memcpy(page_of(m, READ_ONLY_PAGE), data_template(), BLOCKS_PAGE);
    for (unsigned i = 0; i < N_RANGES; i++) {
        if (vm_map(m->vm, page_of(m, ranges[i].page), BLOCKS_RAM + ranges[i].page * BLOCKS_PAGE,
                   ranges[i].n_pages * BLOCKS_PAGE, ranges[i].permissions) != VM_OK) {
            return false;
        }
    }
    return true;
}

void machine_close(struct machine *m)
{
    vm_vcpu_destroy(m->vcpu);
    vm_destroy(m->vm);
    munmap(m->ram, RAM_PAGES * BLOCKS_PAGE);
    memset(m, 0, sizeof(*m));
}

bool machine_ram_range(unsigned n, uint32_t *offset, uint32_t *size)
{
    if (n >= N_RANGES) {
        return false;
    }
    *offset = (uint32_t)(ranges[n].page * BLOCKS_PAGE);
    *size = (uint32_t)(ranges[n].n_pages * BLOCKS_PAGE);
    return true;
}

/* --- The world ---------------------------------------------------------------------------------------------------------------- */

static void put64(struct machine *m, uint64_t address, uint64_t value)
{
    memcpy(m->ram + (address - BLOCKS_RAM), &value, sizeof(value));
}

static void put_leaf(struct machine *m, uint64_t va, uint64_t descriptor)
{
    put64(m, TABLE(3) + (va >> 12 & 511) * 8, descriptor);
}

static void make_tables(struct machine *m, const struct world *w)
{
    const uint64_t kernel = 3ull | 3ull << 8 | 1ull << 10 | 1ull << 54; /* UXN */

    memset(page_of(m, TABLE_PAGE), 0, TABLE_PAGES * BLOCKS_PAGE);
    put64(m, TABLE(1) + (BLOCKS_RAM >> 30 & 511) * 8, TABLE(2) | DESC_TBL);
    put64(m, TABLE(2) + (BLOCKS_RAM >> 21 & 511) * 8, TABLE(3) | DESC_TBL);
    for (unsigned i = 0; i < CODE_PAGES; i++) {
        const uint64_t pa = BLOCKS_RAM + w->code_order[i] * BLOCKS_PAGE;
        put_leaf(m, BLOCKS_CODE + i * BLOCKS_PAGE, pa | w->code_attributes);
        /* Read and write for all, no execution. */
        put_leaf(m, BLOCKS_RAM + (BLOCKS_ALIAS_PAGE + i) * BLOCKS_PAGE,
                 pa | 3ull | 3ull << 8 | 1ull << 10 | 1ull << 6 | 3ull << 53);
    }
    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        put_leaf(m, BLOCKS_WINDOW + i * BLOCKS_PAGE, w->leaf[i]);
    }
    for (unsigned page = VECTOR_PAGE; page <= LOG_PAGE; page++) {
        const uint64_t at = BLOCKS_RAM + page * BLOCKS_PAGE;
        put_leaf(m, at, at | kernel | (page == LOG_PAGE ? 1ull << 53 : 2ull << 6));
    }
}

static void make_vectors(struct machine *m, const struct world *w)
{
    uint32_t *const at = (uint32_t *)(void *)page_of(m, VECTOR_PAGE);

    for (unsigned i = 0; i < BLOCKS_PAGE / 4; i++) {
        at[i] = HVC_END;
    }
    if (w->skip_faults) {
        for (unsigned offset = 0; offset <= 0x400; offset += 0x200) {
            at[offset / 4] = 0x14000000 | (0x800 - offset) / 4;
        }
        memcpy(at + 0x800 / 4, handler, sizeof(handler));
    }
}

static void set_world(struct machine *m, const struct world *w)
{
    struct a64_cpu *const cpu = &m->vcpu->cpu;
    uint64_t *const sys = cpu->sys;

    make_tables(m, w);
    make_vectors(m, w);
    cpu_reset(cpu);
    sys[SR_MAIR_EL1] = w->mair;
    sys[SR_TCR_EL1] = w->tcr;
    sys[SR_TTBR0_EL1] = w->ttbr[0];
    sys[SR_TTBR1_EL1] = w->ttbr[1];
    sys[SR_VBAR_EL1] = BLOCKS_RAM + VECTOR_PAGE * BLOCKS_PAGE;
    sys[SR_CPACR_EL1] = w->cpacr;
    sys[SR_SCTLR_EL1] = w->sctlr;
    for (unsigned i = 0; i < 10; i++) {
        sys[SR_APIAKEYLO_EL1 + i] = w->keys[i];
    }
    if (w->wcr != 0) {
        sys[SR_DBGWCR0_EL1] = w->wcr;
        sys[SR_DBGWVR0_EL1] = w->wvr;
        sys[SR_MDSCR_EL1] = 1ull << 13 | 1ull << 15; /* KDE, MDE */
    }
    if (m->executor == EXECUTOR_STEPPED) {
        /* A breakpoint that nothing hits makes blocks of one instruction; of EL0 and EL1, debug exceptions enabled. */
        sys[SR_DBGBCR0_EL1] = 1 | 3u << 1 | 15u << 5;
        sys[SR_DBGBVR0_EL1] = 0x7ffffffff000;
        sys[SR_MDSCR_EL1] = 1ull << 13 | 1ull << 15;
    }
    memcpy(m->sys, sys, sizeof(m->sys));
    memcpy(m->vectors, page_of(m, VECTOR_PAGE), sizeof(m->vectors));
    memcpy(m->tables, page_of(m, TABLE_PAGE), sizeof(m->tables));
    m->world = *w;
    m->has_world = true;
    mmu_registers_changed(cpu);
    mmu_watchpoints_changed(cpu);
    mmu_set_least_stretch(cpu, (w->number & 2) != 0 ? BLOCKS_PAGE : MMU_STRETCH_LEAST);
    mmu_flush_all(cpu);
}

/* --- The block ----------------------------------------------------------------------------------------------------------------- */

static void load_code(struct machine *m, const struct block *b)
{
    uint32_t *const code = (uint32_t *)(void *)m->ram;

    for (unsigned i = 0; i < CODE_PAGES * BLOCKS_PAGE / 4; i++) {
        code[i] = BLOCKS_END;
    }
    for (unsigned i = 0; i < b->n_words; i++) {
        const uint32_t offset = b->start + 4 * i;
        const uint32_t page = b->world.mmu ? b->world.code_order[offset / BLOCKS_PAGE]
                                           : offset / (uint32_t)BLOCKS_PAGE;
        uint32_t w = b->words[i];
        if (m->executor == EXECUTOR_BROKEN && block_is_add_sub(w)) {
            w ^= 1u << 30;
        }
        code[page * BLOCKS_PAGE / 4 + offset % BLOCKS_PAGE / 4] = w;
    }
}

/* A program that runs with the MMU off reaches them, by a lucky pointer. */
static void repair_world(struct machine *m)
{
    if (memcmp(page_of(m, VECTOR_PAGE), m->vectors, sizeof(m->vectors)) != 0 ||
        memcmp(page_of(m, TABLE_PAGE), m->tables, sizeof(m->tables)) != 0) {
        memcpy(page_of(m, VECTOR_PAGE), m->vectors, sizeof(m->vectors));
        memcpy(page_of(m, TABLE_PAGE), m->tables, sizeof(m->tables));
        mmu_flush_all(&m->vcpu->cpu);
    }
}

void machine_load(struct machine *m, const struct block *b)
{
    struct a64_cpu *const cpu = &m->vcpu->cpu;

    if (!m->has_world || m->world.seed != b->world.seed || m->world.number != b->world.number) {
        set_world(m, &b->world);
    }
    repair_world(m);
    load_code(m, b);
    memcpy(page_of(m, DATA_PAGE), data_template(), DATA_PAGES * BLOCKS_PAGE);
    memset(page_of(m, LOG_PAGE), 0, BLOCKS_PAGE);

    memcpy(cpu->sys, m->sys, sizeof(m->sys));
    mmu_registers_changed(cpu);
    memcpy(cpu->x, b->state.x, sizeof(b->state.x));
    memcpy(cpu->v, b->state.v, sizeof(cpu->v));
    cpu_set_pstate(cpu, b->pstate);
    for (unsigned el = 0; el < 4; el++) {
        cpu_set_sp(cpu, el, el < 2 ? b->sp[el] : 0);
    }
    cpu->nzcv = (uint32_t)b->state.nzcv;
    cpu->fpcr = (uint32_t)b->state.fpcr;
    cpu->fpsr = (uint32_t)b->state.fpsr;
    cpu->btype = 0;
    cpu->smp = (b->world.number & 1) != 0; /* as if there were another vCPU */
    cpu->event = false;
    cpu->step = 0;
    cpu->excl_valid = false;
    cpu->pc = BLOCKS_CODE + b->start + (b->world.upper ? BLOCKS_UPPER : 0);
    cpu_update_mode(cpu);
}

bool machine_continue(struct machine *m)
{
    struct a64_cpu *const cpu = &m->vcpu->cpu;

    if (cpu->exit.reason != CPU_EXIT_EXCEPTION) {
        return false;
    }
    switch (cpu->exit.syndrome >> 26) {
    case EC_HVC: /* PC is behind it already; #1 is the end, #0 has a convention of its own */
        return (cpu->exit.syndrome & 0xffff) != 1;
    case EC_SMC:
    case EC_WFX:
    case EC_DABT_LOWER:
        cpu->pc += 4;
        return true;
    default:
        return false;
    }
}

/* --- Running, with a clock ------------------------------------------------------------------------------------------------------ */

static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by running_lock, so that it exists while another thread asks it to exit. */
static struct machine *running;
static _Atomic unsigned runs, limit_ms = 1000;
static _Atomic bool too_long; /* the clock has asked for the exit */

static void set_running(struct machine *m)
{
    pthread_mutex_lock(&running_lock);
    running = m;
    pthread_mutex_unlock(&running_lock);
}

static void cancel_running(bool disturbed_only)
{
    pthread_mutex_lock(&running_lock);
    if (running != NULL && (!disturbed_only || running->disturbed)) {
        vm_vcpu_request_exit(running->vcpu);
    }
    pthread_mutex_unlock(&running_lock);
}

static uint64_t clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#define WAITING_MS 60000u /* of wall-clock time, for what waits and uses no processor */
#define GRACE_MS   5000u  /* to react to the request */

/* The limit is processor time, because another process may have the processor for seconds. */
static void *clock_thread(void *unused)
{
    unsigned seen = 0;
    uint64_t cpu_start = 0, wall_start = 0;

    (void)unused;
    for (;;) {
        usleep(atomic_load(&limit_ms) >= 500 ? 50000 : 5000);
        const unsigned now = atomic_load(&runs);
        if (now != seen || now % 2 == 0) {
            seen = now;
            cpu_start = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
            wall_start = clock_ms(CLOCK_MONOTONIC);
            continue;
        }
        const uint64_t limit = atomic_load(&limit_ms);
        const uint64_t cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        const uint64_t wall = clock_ms(CLOCK_MONOTONIC) - wall_start;
        if (cpu >= limit || wall >= WAITING_MS) {
            atomic_store(&too_long, true);
            cancel_running(false);
        }
        if (cpu >= limit + GRACE_MS || wall >= 2 * WAITING_MS) {
            static const char text[] = "blocks: a vCPU does not react to a request to exit\n";
            (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
            abort();
        }
    }
    return NULL;
}

void machine_start_clock(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, clock_thread, NULL) != 0) {
        fprintf(stderr, "blocks: cannot start a thread\n");
        exit(2);
    }
    pthread_detach(thread);
}

void machine_set_limit_ms(unsigned ms)
{
    atomic_store(&limit_ms, ms);
}

static void *disturb_thread(void *unused)
{
    (void)unused;
    for (unsigned i = 0;; i++) {
        cancel_running(true);
        for (volatile unsigned spin = 0; spin < i % 64 * 16; spin++) {
        }
        if (i % 16 == 0) {
            usleep(1);
        }
    }
    return NULL;
}

void machine_start_disturbing(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, disturb_thread, NULL) != 0) {
        fprintf(stderr, "blocks: cannot start a thread\n");
        exit(2);
    }
    pthread_detach(thread);
}

bool machine_run(struct machine *m)
{
    atomic_store(&too_long, false);
    set_running(m);
    atomic_fetch_add(&runs, 1); /* odd while the vCPU is in the guest */
    vm_vcpu_run(m->vcpu);
    while (m->disturbed && m->vcpu->cpu.exit.reason == CPU_EXIT_CANCELED &&
           !atomic_load(&too_long)) {
        m->n_cancelled++;
        vm_vcpu_run(m->vcpu);
    }
    atomic_fetch_add(&runs, 1);
    set_running(NULL);
    /* The thread's rounding mode and masks belong to the caller; the sticky flags belong to nobody. */
    m->mxcsr = _mm_getcsr() & ~0x3fu;
    /* A request that came too late is not for the next run. */
    const uint32_t others = atomic_exchange(&m->vcpu->cpu.requests, 0) &
                            ~(uint32_t)CPU_REQUEST_EXIT;
    if (others != CPU_REQUEST_ANY && others != 0) {
        cpu_request(&m->vcpu->cpu, others);
    }
    return m->vcpu->cpu.exit.reason != CPU_EXIT_CANCELED;
}
