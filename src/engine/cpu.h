/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The architectural state of one vCPU, and what its engine keeps beside it. Owned by the vCPU's thread; other threads touch
 * nothing but `requests` (and the mailbox behind it, under its lock).
 */
#ifndef ENGINE_CPU_H
#define ENGINE_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/sys/sysreg_names.h"
#include "engine/v128.h"

struct vm;
struct vcpu;
struct mmu;
struct code_cache;
struct ir_block;
struct x64_emit;
struct x64_contexts;
struct x64_jump;
struct x64_stats;

/* PSTATE other than NZCV and BTYPE, at their places in SPSR_ELx (AArch64). */
#define PSTATE_SP          (1u << 0)
#define PSTATE_EL(el)      ((uint32_t)(el) << 2)
#define PSTATE_EL_MASK     (3u << 2)
#define PSTATE_NRW         (1u << 4)
#define PSTATE_F           (1u << 6)
#define PSTATE_I           (1u << 7)
#define PSTATE_A           (1u << 8)
#define PSTATE_D           (1u << 9)
#define PSTATE_BTYPE_SHIFT 10 /* kept in cpu->btype */
#define PSTATE_SSBS        (1u << 12)
#define PSTATE_IL          (1u << 20)
#define PSTATE_SS          (1u << 21)
#define PSTATE_PAN         (1u << 22)
#define PSTATE_UAO         (1u << 23)
#define PSTATE_DIT         (1u << 24)
#define PSTATE_TCO         (1u << 25)
#define PSTATE_ALLINT      (1u << 13)

#define NZCV_N (1u << 31)
#define NZCV_Z (1u << 30)
#define NZCV_C (1u << 29)
#define NZCV_V (1u << 28)

/*
 * cpu->requests: set by any thread with cpu_request(), cleared all at once, polled by emitted code wherever a loop may close. There a bit
 * that is set with each of them is one operation less.
 */
enum {
    CPU_REQUEST_EXIT = 1u << 0,    /* hv_vcpus_exit */
    CPU_REQUEST_MAILBOX = 1u << 1, /* TLB and code invalidations from other threads */
    CPU_REQUEST_TIMER = 1u << 2,   /* a timer deadline has passed: look */
    CPU_REQUEST_IRQ = 1u << 3,     /* interrupt inputs or masks changed: look */
    CPU_REQUEST_PAUSE = 1u << 4,   /* the memory map is being changed: wait at the gate */
    CPU_REQUEST_WAIT = 1u << 5,    /* the vCPU's own: WFI, until wait_deadline */
    CPU_REQUEST_LOOK = 1u << 6,    /* the vCPU's own: for a stretch (mmu_look_for_stretch) */
    CPU_REQUEST_ANY = 1u << 7,     /* with any of them */
    CPU_REQUEST_MODE = 1u << 8,    /* the vCPU's own: the mode key is another (fp/fp_flags.h) */
};

/* Interrupt lines of a GIC. Physical ones are routed by HCR_EL2, virtual ones go to EL1. */
enum { CPU_LINE_IRQ = 1, CPU_LINE_FIQ = 2, CPU_LINE_VIRQ = 4, CPU_LINE_VFIQ = 8 };

/* Why a run ended; the values are the framework's. */
enum cpu_exit_reason {
    CPU_EXIT_CANCELED = 0,
    CPU_EXIT_EXCEPTION = 1,
    CPU_EXIT_VTIMER = 2,
    CPU_EXIT_UNKNOWN = 3
};

struct cpu_exit {
    uint32_t reason;
    uint64_t syndrome, virtual_address, physical_address;
};

/* What a failed translation or access was; filled by the MMU, turned into a syndrome by exc_abort(). */
enum fault_type {
    FAULT_NONE,
    FAULT_TRANSLATION, /* level counts */
    FAULT_ACCESS_FLAG,
    FAULT_PERMISSION,
    FAULT_ADDRESS_SIZE,
    FAULT_ALIGNMENT,
    FAULT_EXTERNAL, /* synchronous External abort, not on a walk (or on a walk: s1_walk with level) */
    FAULT_UNSUPPORTED_EXCLUSIVE, /* DFSC 0x35: exclusive or atomic to memory that does not support it */
    FAULT_TLB_CONFLICT,
    FAULT_WATCHPOINT, /* EC 0x34 */
};
struct fault {
    uint8_t type; /* enum fault_type */
    int8_t level; /* -1..3 */
    uint8_t
        stage; /* 1 guest's stage 1; 2 guest's own stage 2; 3 the VM's map (goes to the host as a stage 2 fault) */
    bool s1_walk; /* S1PTW: a stage 2 or VM map fault on a stage 1 walk */
    bool is_write, is_fetch,
        is_cm;    /* is_cm: cache maintenance or address translation instruction */
    uint64_t va;  /* FAR */
    uint64_t ipa; /* HPFAR / physical_address, with page offset, when stage > 1 */
};

/* Constants that emitted code reads from the vCPU: for single (S) and double (D) precision, in all lanes. */
enum {
    X64_K_ABS_S,
    X64_K_ABS_D,
    X64_K_TINY_S, /* the least normal number */
    X64_K_TINY_D,
    X64_K_2P63_S,
    X64_K_2P63_D,
    X64_K_PAUTH, /* PAUTH_MIX1 and PAUTH_MIX2 */
    X64_K_COUNT
};

/* What follows from PSTATE while system registers stay as they are: cpu_update_mode(). */
struct cpu_mode {
    uint32_t pstate; /* the bits that count; UINT32_MAX: not known */
    uint32_t key;
    uint8_t index, index_unpriv;
};

#define X64_GUESSES            1024u
#define X64_PLACES             16384u
#define CPU_MMU_INDEX_COUNT    8
#define CPU_JUMP_CACHE_ENTRIES 4096

struct a64_cpu {
    /* --- Registers that translated code uses most; keep within a signed byte of the start where possible. */
    /* x[31] = the current stack pointer. Emitted code counts on the alignment (x64/thunks.c). */
    _Alignas(256) uint64_t x[32];
    uint64_t pc;
    uint32_t nzcv;   /* bits 31:28 */
    uint32_t pstate; /* PSTATE_*; EL, SP and the masks among them */
    _Atomic uint32_t requests;
    uint8_t btype;
    _Atomic bool running; /* in vm_vcpu_run(): MXCSR is the guest's */
    uint8_t
        mmu_index; /* translation context of ordinary accesses in the present state (enum mmu_index) */
    uint8_t mmu_index_unpriv;
    uint32_t mode_key; /* what translated blocks depend on: see a64/mode.h */
    uint32_t fpcr, fpsr;
    v128 v[32];

    uint64_t sp_el[4];      /* banked SP; the entry of the current SP is stale (x[31] holds it) */
    uint64_t sys[SR_COUNT]; /* storage of system registers, enum sysreg_storage */

    /* --- Exclusives monitor: address, size and the value seen by LDX. */
    bool excl_valid;
    uint8_t excl_size; /* log2 */
    uint64_t excl_va;
    v128 excl_value;

    uint64_t wait_deadline;        /* of CPU_REQUEST_WAIT, on vm_counter() */
    bool smp;                      /* MODE_SMP; set by vm_enter_guest() */
    bool event;                    /* WFE event register */
    bool irq_pending, fiq_pending; /* hv_vcpu_set_pending_interrupt: like HCR_EL2.VI and VF */
    _Atomic uint32_t
        gic_lines; /* CPU_LINE_*: outputs of the GIC's CPU interface; any thread, followed by CPU_REQUEST_IRQ */
    uint8_t step; /* software step: see sys/debug.h */
    bool vtimer_masked;
    bool trap_debug_exceptions, trap_debug_reg_accesses;
    uint64_t vtimer_offset;
    uint64_t features[2];     /* bit set of enum a64_feature: what the decoder allows */
    uint32_t pstate_exists;   /* PSTATE bits (without NZCV and BTYPE) that this vCPU has */
    struct cpu_mode modes[4]; /* by EL: the last one there, while no register has changed */

    struct fault fault;
    struct cpu_exit exit;

    struct mmu *mmu; /* TLBs */
    struct code_cache *code;
    const _Atomic uint64_t *may_have_code; /* code_page_may_have_code() */
    struct translator *translator;
    struct {
        const void *tlb, *tlb_unpriv; /* the TLB's entries of ordinary and unprivileged accesses */
        struct x64_jump *jumps;       /* of the present context, or a table without entries */
        struct ir_block *
            from; /* the block whose exit number from_exit was taken last; NULL: none that can be linked */
        uint32_t from_exit;
        uint32_t
            flags_kind; /* X64_FLAGS(): NZCV are those of flags_a and flags_b; 0: nzcv has them. 0 outside of emitted code */
        uint64_t flags_a, flags_b;
        /* The page of the last access that left as a device's, known until any maintenance (struct mmu_device). */
        struct {
            uint64_t tag[2];     /* VA | 0xfff, for loads and for stores; 0: none */
            const void *entries; /* of the TLB by whose tables it is one */
            uint64_t page;       /* its address in the VM's map */
            uint32_t version;    /* of that map */
            int8_t level;        /* of the fault */
        } device;
        const _Atomic uint32_t *map_version; /* vm_map_version() */
        uint32_t
            until_asked; /* so many indirect jumps that ask, until of one it is noted where it leads */
        uint32_t draw;         /* a random number for that */
        uint32_t variant;      /* MODE_EACH_CHECK: what the next block is to be, once */
        struct x64_emit *emit; /* scratch of the emitter */
        struct x64_contexts *contexts;
        struct x64_stats *stats;
        uint64_t begun; /* run epoch of what holds in the jump tables */
        struct {
            struct x64_jump *jump;
            const struct x64_jump *table;
            struct ir_block *block; /* NULL: there are none or several */
        } alone; /* the entry that holds, when there is one, of BTYPE 0: x64_block_alone() */
        int (*enter)(struct a64_cpu *cpu, const void *code); /* x64_run() */
        v128 k[X64_K_COUNT];
        uint8_t recip[256], rsqrt[256]; /* fractions of estimates (x64/vop_estimate.c) */
        /* pauth_update(), for instruction and data keys, and by half of the address space: the bits of a pointer that are its code, and
         * bit 55; the bit that tells the half when a pointer is signed. */
        uint64_t pauth_top[2][2];
        uint32_t pauth_sign[2];
        uintptr_t guesses[X64_GUESSES]; /* addends that loads found last (x64/mem.c) */
        uint64_t outside[X64_PLACES /
                         64]; /* by address: instructions seen to access what is in no stretch */
    } x64;
    struct a64_cpu *code_next;        /* guarded by the code cache's lock */
    struct ir_block **jump_cache;     /* CPU_JUMP_CACHE_ENTRIES */
    _Atomic uint64_t code_generation; /* of the code cache: what left before it is forgotten here */
    uint64_t run_epoch;               /* vm->run_epoch when the present run began */
    struct vcpu *vcpu;
    struct vm *vm;
};

static inline unsigned cpu_el(const struct a64_cpu *cpu)
{
    return cpu->pstate >> 2 & 3;
}

static inline void cpu_request(struct a64_cpu *cpu, uint32_t bits)
{
    atomic_fetch_or(&cpu->requests, bits | CPU_REQUEST_ANY);
}

/* After any change of PSTATE.EL/SP/PAN/UAO, FPCR, SCTLR, HCR, CPACR, CPTR, MDSCR, TCR: recompute mode_key and the MMU indices. */
void cpu_update_mode(struct a64_cpu *cpu);

/* Sets PSTATE (not NZCV, not BTYPE) and switches the banked SP; calls cpu_update_mode(). */
void cpu_set_pstate(struct a64_cpu *cpu, uint32_t pstate);

/* The state after hv_vcpu_create (sys/cpu.c). */
void cpu_reset(struct a64_cpu *cpu);

/* All of CPSR as SPSR_ELx would show it. */
static inline uint32_t cpu_get_cpsr(const struct a64_cpu *cpu)
{
    return cpu->nzcv | cpu->pstate | (uint32_t)cpu->btype << PSTATE_BTYPE_SHIFT;
}
void cpu_set_cpsr(struct a64_cpu *cpu, uint32_t cpsr);

/* SP of one EL, whether it is the current one or not. */
uint64_t cpu_get_sp(const struct a64_cpu *cpu, unsigned el);
void cpu_set_sp(struct a64_cpu *cpu, unsigned el, uint64_t value);

#endif
