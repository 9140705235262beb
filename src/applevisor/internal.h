/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/applevisor/ share: failures that explain themselves, and how the framework is reached. */
#ifndef AV_INTERNAL_H
#define AV_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <applevisor/gic.h>
#include <applevisor/memory.h>
#include <applevisor/version.h>

#include "applevisor/framework.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A variable of each thread that costs no call. Small ones: such memory is scarce where a library is loaded late. */
#ifdef __APPLE__
#define AV_THREAD _Thread_local
#else
#define AV_THREAD _Thread_local __attribute__((tls_model("initial-exec")))
#endif

/* --- Failures ---------------------------------------------------------------------------------------------------------------- */

/*
 * Records the failure of this thread, "function: sentence", and returns the code. The sentence says what was wrong with which
 * argument, and what to do.
 */
av_error av_fail(av_error code, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define FAIL(code, ...) av_fail((code), __func__, __VA_ARGS__)

/*
 * What the framework refused: `code` with the framework's reason as the sentence, or, where it gives none, with the one of
 * `format`. av_fail_hv takes the code from ret. Both return AV_OK for HV_SUCCESS.
 */
av_error av_fail_hv_refused(hv_return_t ret, const char *function);
static inline av_error av_fail_hv(hv_return_t ret, const char *function)
{
    return __builtin_expect(ret == HV_SUCCESS, 1) ? AV_OK : av_fail_hv_refused(ret, function);
}
av_error av_fail_hv_as(av_error code, hv_return_t ret, const char *function, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));
#define FRAMEWORK(call) av_fail_hv((call), __func__)

#define NOT_NULL(pointer)                                                                  \
    do {                                                                                   \
        if ((pointer) == NULL) {                                                           \
            return FAIL(AV_ERROR_NULL_ARGUMENT, "%s is NULL, and must point to something", \
                        #pointer);                                                         \
        }                                                                                  \
    } while (0)

/* --- macOS versions ---------------------------------------------------------------------------------------------------------- */

/* Refuses what the system is too old for. `macos` as in APPLEVISOR_MACOS. */
av_error av_need_macos(uint32_t macos, const char *function);
#define NEEDS_MACOS(macos)                                      \
    do {                                                        \
        const av_error old_ = av_need_macos((macos), __func__); \
        if (old_ != AV_OK) {                                    \
            return old_;                                        \
        }                                                       \
    } while (0)

/* --- The VM ------------------------------------------------------------------------------------------------------------------ */

/* Which INTIDs are for MSIs, and where the frame is. The framework does not tell afterwards. */
struct msi_range {
    bool has_base;
    hv_ipa_t base;
    uint32_t first, count; /* count 0: no MSIs */
};

struct av_gic {
    av_vm *vm; /* NULL: the VM has no GIC */
    struct msi_range msi;
};

/* One range of guest addresses and the memory behind it. */
struct mapping {
    hv_ipa_t ipa;
    uint64_t size;
    struct av_memory *memory;
    size_t offset; /* of the first byte in the memory */
};

struct av_vm {
    _Atomic uint32_t references;
    bool is_shared;      /* the shared instance: no reference counts */
    hvx_vm *independent; /* NULL: it is the process's VM */
    size_t page_size;
    uint32_t ipa_bits;
    struct av_gic gic;

    /* What is mapped where, sorted by address, without overlaps. Guarded by map_lock. */
    pthread_rwlock_t map_lock;
    struct mapping *mappings;
    size_t n_mappings, mappings_capacity;
    struct av_memory *orphans; /* destroyed by their owner, but still mapped */
};

/* The value of a framework call that means "the VM", made for this one. */
#define IN_VM(vm, call)                                                       \
    ({                                                                        \
        hvx_vm *const selected_before_ = framework_select((vm)->independent); \
        __typeof__(call) result_ = (call);                                    \
        framework_select(selected_before_);                                   \
        result_;                                                              \
    })

/* The framework's objects behind the configurations; NULL for NULL, which means the defaults. */
hv_vm_config_t av_vm_config_hv(const av_vm_config *config);
hv_vcpu_config_t av_vcpu_config_hv(const av_vcpu_config *config);
hv_gic_config_t av_gic_config_hv(const av_gic_config *config);
struct msi_range av_gic_config_msi(const av_gic_config *config);

/* --- Memory ------------------------------------------------------------------------------------------------------------------ */

struct av_memory {
    av_vm *vm; /* one reference */
    char *host;
    size_t size;
    enum { MEMORY_FRAMEWORK, MEMORY_HEAP, MEMORY_CALLER } origin;
    struct av_memory *next_orphan; /* see av_vm.orphans */
};

/* Frees an object that is not mapped, and its bytes where they are its own. Leaves the reference to the VM to the caller. */
void av_memory_release(av_memory *memory);

/* --- What is mapped where (map.c). The caller holds map_lock ------------------------------------------------------------------ */

/* Index of the first mapping that ends above an address; n_mappings: none does. */
size_t av_map_find(const av_vm *vm, hv_ipa_t ipa);
/* Room for so many mappings more. False: out of memory. */
bool av_map_reserve(av_vm *vm, size_t more);
/* Both need room for one more. `add`: nothing of the range is mapped; `cut`: all of it is. */
void av_map_add(av_vm *vm, const struct mapping *mapping);
void av_map_cut(av_vm *vm, hv_ipa_t ipa, uint64_t size);
/* Whether all of the range is mapped, by `memory` where that is not NULL. */
bool av_map_covers(const av_vm *vm, const av_memory *memory, hv_ipa_t ipa, uint64_t size);

/* --- vCPUs ------------------------------------------------------------------------------------------------------------------- */

struct av_vcpu {
    av_vm *vm; /* NULL: the thread has ended, and the vCPU with it */
    hv_vcpu_t id;
    hv_vcpu_exit_t *exit;          /* the framework's */
    struct av_vcpu_handle *handle; /* one reference */
};

/*
 * For the run-loop kit, which takes plain ids: the VM that an id means on its vCPU's thread (NULL: the process's), and an exit of it
 * from any thread.
 */
hvx_vm *av_vcpu_vm_of(hv_vcpu_t id);
void av_vcpu_kick_in(hvx_vm *vm, hv_vcpu_t id);

/* Refuses a call that does not come from the vCPU's own thread. */
av_error av_vcpu_check(const av_vcpu *vcpu, const char *function);
#define OWNER(vcpu)                                              \
    do {                                                         \
        const av_error other_ = av_vcpu_check((vcpu), __func__); \
        if (other_ != AV_OK) {                                   \
            return other_;                                       \
        }                                                        \
    } while (0)

#endif
