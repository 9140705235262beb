/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/hv/ share: the process's VM, the calling thread's vCPU, OS objects, and refusals that explain themselves. */
#ifndef HV_INTERNAL_H
#define HV_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include <Hypervisor/Hypervisor.h>

#include "vm/vm.h"

#define HV_EXPORT __attribute__((visibility("default")))
/* A variable of each thread that costs no call. Small ones: such memory is scarce where a library is loaded late. */
#define HV_THREAD _Thread_local __attribute__((tls_model("initial-exec")))

/* --- Refusals ---------------------------------------------------------------------------------------------------------------- */

/*
 * Records one sentence for people about a refused call of this thread, prints it to standard error when HV_TRACE is set, and
 * returns the code. The sentence says which argument was wrong and what was expected.
 */
hv_return_t hv_refuse(hv_return_t code, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define REFUSE(code, ...) hv_refuse((code), __func__, __VA_ARGS__)

/* The last sentence of this thread, or "" when nothing was refused yet. */
const char *hv_last_refusal(void);

/* --- Choices of the environment ---------------------------------------------------------------------------------------------- */

/* The macOS version to act as: the VM's when there is one, else what HV_MACOS says now (26.0 when unset or malformed). */
unsigned hv_macos(void);
/* Parses HV_MACOS. False: the text is not a version from 11.0 to 26.x. */
bool hv_macos_from_environment(unsigned *macos);
/* The profile that HV_CHIP names (m4 when unset). NULL: unknown name. */
const struct vm_profile *hv_profile_from_environment(void);
/* The VM's profile, or the environment's, or the default one. Never NULL. */
const struct vm_profile *hv_profile(void);

#define HV_VERSION(major, minor) ((major)*10000u + (minor)*100u)
/* Refuses a function that the macOS version acted as does not have. */
#define NEEDS_MACOS(major, minor)                                                        \
    do {                                                                                 \
        if (hv_macos() < HV_VERSION(major, minor)) {                                     \
            return REFUSE(HV_UNSUPPORTED, "this function needs macOS " #major "." #minor \
                                          "; HV_MACOS acts as an older one");            \
        }                                                                                \
    } while (0)

/* --- The process's VM -------------------------------------------------------------------------------------------------------- */

/*
 * The VM that calls of this thread mean: the one that it selected (applevisor/hvx.h), else the process's, which only hv_vm_create
 * and hv_vm_destroy change. NULL when there is none.
 */
struct vm *hv_process_vm(void);
extern HV_THREAD struct vm *hv_selected_vm;

/* A VM of the choices in config and environment, belonging to nobody yet. */
hv_return_t hv_make_vm(struct vm **vm, hv_vm_config_t config);

/* --- vCPUs ------------------------------------------------------------------------------------------------------------------- */

/* Registers that the API stores unmodified and the guest sees only from the next run on. */
enum { HV_STAGED_FPCR, HV_STAGED_FPSR, HV_STAGED_CPSR, HV_STAGED_COUNT };

struct hv_vcpu {
    hv_vcpu_t id; /* vcpu->id */
    struct vcpu *vcpu;
    unsigned staged; /* bits by number */
    uint64_t staged_values[HV_STAGED_COUNT];
};

/* The calling thread's vCPU; NULL: it has none. */
struct hv_vcpu *hv_own_vcpu(void);
/* Refuses an id that is not the calling thread's own vCPU. */
hv_return_t hv_explain_vcpu(const char *function, hv_vcpu_t id);

#define NOT_NULL(pointer)                                           \
    do {                                                            \
        if ((pointer) == NULL) {                                    \
            return REFUSE(HV_BAD_ARGUMENT, "%s is NULL", #pointer); \
        }                                                           \
    } while (0)

/* --- OS objects -------------------------------------------------------------------------------------------------------------- */

/* First member of every object that os_retain and os_release take. */
struct hv_object {
    uint64_t
        kind; /* enum hv_object_kind: a foreign pointer is recognised, as far as that is possible */
    _Atomic uint32_t references;
};
enum hv_object_kind {
    HV_OBJECT_VM_CONFIG = 0x6d762d636f6e6631,
    HV_OBJECT_VCPU_CONFIG = 0x7663707563666731,
    HV_OBJECT_GIC_CONFIG = 0x676963636f6e6631,
    HV_OBJECT_GIC_STATE = 0x6769637374617431,
};
void *hv_object_create(enum hv_object_kind kind,
                       size_t size); /* zeroed, one reference; NULL: out of memory */

struct hv_vm_config_s {
    struct hv_object object;
    uint32_t ipa_size;
    bool el2_enabled;
    hv_ipa_granule_t granule;
};
struct hv_vcpu_config_s {
    struct hv_object object;
};

struct hv_gic_config_s {
    struct hv_object object;
    hv_ipa_t distributor_base, redistributor_base, msi_base;
    bool has_msi_base;
    uint32_t msi_intid_base, msi_intid_count; /* count 0: no range */
};
struct hv_gic_state_s {
    struct hv_object object;
    size_t size;
    uint8_t data[];
};

/* True when the handle is a live object of its kind. */
static inline bool hv_is_vm_config(hv_vm_config_t config)
{
    return config != NULL && config->object.kind == HV_OBJECT_VM_CONFIG;
}
static inline bool hv_is_vcpu_config(hv_vcpu_config_t config)
{
    return config != NULL && config->object.kind == HV_OBJECT_VCPU_CONFIG;
}
static inline bool hv_is_gic_config(hv_gic_config_t config)
{
    return config != NULL && config->object.kind == HV_OBJECT_GIC_CONFIG;
}
static inline bool hv_is_gic_state(hv_gic_state_t state)
{
    return state != NULL && state->object.kind == HV_OBJECT_GIC_STATE;
}

#endif
