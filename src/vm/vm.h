/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One virtual machine: its vCPUs, guest memory and time. No globals, no hv_ types; several can live in one process.
 * Calls return VM_OK or a code whose meaning the caller turns into its own error; nothing is changed on failure.
 *
 * Threads: a vCPU's functions belong to one thread at a time (the caller's rule to enforce); the memory map, vm_vcpu_request_exit
 * and the map functions may be called from any thread.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/cpu.h"
#include "engine/trace.h"
#include "vm/exec_time.h"

enum vm_status {
    VM_OK = 0,
    VM_NO_MEMORY,
    VM_OVERLAP,   /* part of the range is mapped already */
    VM_BAD_RANGE, /* unaligned, wrapping, empty or beyond the IPA size */
    VM_BUSY,
    VM_LIMIT, /* too many */
    VM_UNSUPPORTED,
    VM_NOT_MAPPED,
    VM_HOST_DENIES, /* the host memory does not allow what the guest is to be allowed */
    VM_TOO_LATE,    /* there are vCPUs, or one has run already */
};

enum { VM_READ = 1, VM_WRITE = 2, VM_EXEC = 4 };
/* Of vm_map, beside the permissions: what the host memory does not allow, and vm_protect therefore never gives. */
enum { VM_HOST_NO_READ = 8, VM_HOST_NO_WRITE = 16 };

/* vm->state: vCPUs are to stay outside; there are, or were, several. */
enum { VM_STOPPING = 1, VM_SMP = 2 };

#define VM_MAX_VCPUS  64
#define VM_COUNTER_HZ 24000000u

/* Chip profile: what the ID registers say and which instructions exist. */
struct vm_profile {
    const char *name;      /* "m4", "m1", "max" */
    uint64_t id[SR_COUNT]; /* reset values of the ID registers; other entries 0 */
    uint64_t features[2];
    unsigned max_ipa_bits, default_ipa_bits;
    uint64_t ccsidr[3]; /* L1D, L1I, L2 */
    bool el2_supported;
};
const struct vm_profile *vm_profile_by_name(const char *name); /* NULL: unknown */

/* The level of x86-64 that this host has for translated code: 2 to 4; 0: nothing is translated. */
unsigned vm_host_level(void);
unsigned vm_host_level_by_name(const char *name); /* "v2" to "v4"; 0: no name of a level */

struct vm_config {
    unsigned ipa_bits;
    unsigned granule_log2; /* of the API's alignment rules: 12 or 14 */
    bool el2_enabled;
    bool
        interpreter; /* execute by the IR interpreter alone (HV_ENGINE=soft-interp), the oracle of the translator */
    bool eager;        /* translate everything when it is first reached (HV_ENGINE=soft-eager) */
    size_t code_bytes; /* of memory for translated code; 0: the usual. Tests have little. */
    unsigned
        host_level; /* that code is translated for (HV_HOST_LEVEL), at most vm_host_level(); 0: that */
    struct code_trace trace;
    const struct vm_profile *profile;
    bool
        hvc_band_exits; /* HVC #0 with X0[31:24] = 0xc1 exits like any other, which Apple's framework does not do */
    unsigned macos; /* 110000, 130000, 150200, 260000: major * 10000 + minor * 100 */
};

struct vm_memory; /* the map: vm/memory.c */

struct vcpu {
    struct a64_cpu cpu;
    struct vm *vm;
    unsigned id;          /* lowest free slot */
    _Atomic bool started; /* has run at least once */
    struct gic_cpu *gic;  /* its Redistributor and CPU interface; NULL without a GIC */
    _Atomic bool
        inside;  /* in guest code: holds translations of guest memory, and vm_stop waits for it */
    bool fences; /* around `inside`, its own: see vm_set_inside() */
    unsigned
        vm_state; /* vm->state as it is when nobody stops the VM, as far as this vCPU has been told: VM_SMP or 0 */
    _Atomic bool parked;
    pthread_cond_t wake;     /* of vm_vcpu_wait, with vm->gate */
    uint64_t timer_deadline; /* of vm_timer_set; guarded by the timer's lock */
    struct exec_time exec;   /* waiting is none */
    uint64_t exec_ticks;     /* what was last told of it */
};

/* What the engine asks of a GIC: its registers that system instructions reach, its frames, and the timers' interrupt lines. */
struct vm_gic_ops {
    /* id: the framework's register id. False: UNDEFINED. */
    bool (*read)(struct a64_cpu *cpu, uint16_t id, uint64_t *value);
    bool (*write)(struct a64_cpu *cpu, uint16_t id, uint64_t value);
    void (*timer)(struct a64_cpu *cpu, unsigned intid,
                  bool level); /* 26 CNTHP, 27 CNTV, 28 CNTHV, 30 CNTP */
    /* Whether an IPA lies in a frame of the GIC, and aligned accesses of 1, 2, 4 or 8 bytes there. */
    bool (*claims)(struct a64_cpu *cpu, uint64_t ipa);
    uint64_t (*load)(struct a64_cpu *cpu, uint64_t ipa, unsigned size);
    void (*store)(struct a64_cpu *cpu, uint64_t ipa, unsigned size, uint64_t value);
    void (*affinity)(struct a64_cpu *cpu); /* MPIDR_EL1 has changed */
};

struct vm {
    struct vm_config config;
    struct vm_memory *memory;
    struct code_cache *code;
    const struct vm_gic_ops *gic; /* the engine's way to the GIC; NULL: the VM has none */
    struct gic *gic_device;       /* the GIC itself */
    pthread_mutex_t lock;         /* guards the vCPU table */
    struct vcpu *vcpus[VM_MAX_VCPUS];
    unsigned n_vcpus;
    pthread_mutex_t stopper; /* one vm_stop at a time; held from vm_stop to vm_continue */
    pthread_mutex_t gate;    /* guards the waits of stopped, stopping and parked threads */
    pthread_cond_t gate_open, all_outside;
    _Atomic unsigned state;      /* VM_STOPPING, VM_SMP */
    _Atomic uint32_t tick;       /* even; goes on each 4 ms while vm_tick_keep() is called */
    struct vcpu *stopper_inside; /* the stopper's own vCPU, to go back inside; guarded by stopper */
    struct vm_timer *timer;      /* the timer thread, made when first needed */
    uint64_t first_stamp, first_tick; /* of vm_stamp() and vm_counter() at one time */
    _Atomic uint64_t
        run_epoch; /* counts hv_vcpu_run calls: host writes to code take effect at the next run */
};

enum vm_status vm_create(const struct vm_config *config, struct vm **vm);
enum vm_status vm_destroy(struct vm *vm); /* VM_BUSY while it has vCPUs */

/* --- Memory (vm/memory.c). IPAs are page granular at 4 KiB below the API's own rule. */
enum vm_status vm_map(struct vm *vm, void *host, uint64_t ipa, uint64_t size, unsigned permissions);
enum vm_status vm_unmap(struct vm *vm, uint64_t ipa,
                        uint64_t size); /* what is not mapped is skipped */
enum vm_status vm_protect(struct vm *vm, uint64_t ipa, uint64_t size,
                          unsigned permissions); /* VM_NOT_MAPPED: a page is not */

/* One 4 KiB page of the map, for the MMU: host address of the page, or NULL (not mapped; *level = level of the translation fault).
 * Safe against vm_unmap: a vCPU inside the guest keeps the map from changing until its next poll. */
uint8_t *vm_lookup(struct vm *vm, uint64_t ipa, unsigned *permissions, int *level);
/* The same for as much around ipa as lies together, under the same rules. False: it is not mapped, *level. */
struct vm_range {
    uint64_t start, end; /* IPAs; end is behind it */
    uint8_t *host;       /* of start */
    unsigned permissions;
};
bool vm_lookup_range(struct vm *vm, uint64_t ipa, struct vm_range *range, int *level);
/* Changes when the map does. What was looked up between two equal versions, read with acquire, is still so. */
const _Atomic uint32_t *vm_map_version(const struct vm *vm);

/* --- vCPUs (vm/vcpu.c) */
enum vm_status vm_vcpu_create(struct vm *vm, struct vcpu **vcpu);
void vm_vcpu_destroy(struct vcpu *vcpu);
/* Fills vcpu->cpu.exit. Who has written FPCR or system registers since the first run has called cpu_update_mode(). */
enum vm_status vm_vcpu_run(struct vcpu *vcpu); /* VM_OK */
void vm_vcpu_request_exit(struct vcpu *vcpu);  /* any thread; the caller keeps the vCPU alive */

/* Changes of memory or code: stop every running vCPU at a block boundary (or find it outside the guest), run between
 * vm_stop and vm_continue, go on. Callable from a vCPU's own thread, inside or outside a run. */
void vm_stop(struct vm *vm, struct vcpu *self);
void vm_continue(struct vm *vm);

/* --- The GIC (vm/gic.c). Calls of vCPUs' registers and inputs go to vm->gic_device and vcpu->gic. */
struct gic_config;
enum vm_status vm_gic_create(
    struct vm *vm,
    const struct gic_config *config); /* VM_BUSY: it has one; VM_TOO_LATE: it has vCPUs */
bool vm_any_vcpu(struct vm *vm, bool (*is)(const struct vcpu *vcpu));
bool vm_vcpu_is_running(const struct vcpu *vcpu);
bool vm_vcpu_has_run(const struct vcpu *vcpu);

/* --- Time (vm/time.c) */
uint64_t vm_counter(
    void); /* 24 MHz ticks: CLOCK_MONOTONIC ns * 24 / 1000; mach_absolute_time() of include/darwin is the same */
/* The guest execution time in counter ticks. The vCPU's own thread. */
uint64_t vm_vcpu_exec_ticks(struct vcpu *vcpu);
/* CNTVCT_EL0 - with the vCPU's offset. */
static inline uint64_t vm_cntvct(const struct a64_cpu *cpu)
{
    return vm_counter() - cpu->vtimer_offset;
}
/* The timer thread sets CPU_REQUEST_TIMER on the vCPU (and wakes it) once vm_counter() reaches deadline; UINT64_MAX: none. */
void vm_timer_set(struct vcpu *vcpu, uint64_t deadline);

/* Parks the vCPU's thread until a request comes or the counter reaches deadline. */
void vm_vcpu_wait(struct vcpu *vcpu, uint64_t deadline);
/* Sets request bits and wakes a parked vCPU. Any thread. */
void vm_vcpu_request(struct vcpu *vcpu, uint32_t bits);
/* Every vCPU looks at its timers, whose inputs of the GIC have been forgotten. */
void vm_look_anew(struct vm *vm);

#endif
