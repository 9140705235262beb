/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Virtual machines: configurations, creation, the shared instance, and how long a VM lives.
 *
 * A VM is reference counted. The creator has one reference; every vCPU, memory object and saved GIC
 * state holds another. Whoever gives up the last one, on whatever thread, destroys the VM: the order
 * in which handles, vCPUs and memory go does not matter.
 *
 * Apple's framework allows one VM per process, and so do av_vm_create() and its siblings. Where the
 * framework is libhypervisor, av_vm_create_independent() makes any number beside it.
 */
#ifndef APPLEVISOR_VM_H
#define APPLEVISOR_VM_H

#include <applevisor/error.h>

AV_BEGIN_DECLS

typedef struct av_vm av_vm;                 /**< A virtual machine. */
typedef struct av_vm_config av_vm_config;   /**< Choices for a VM; macOS 13.0. */
typedef struct av_gic av_gic;               /**< The GIC of a VM; macOS 15.0, <applevisor/gic.h>. */
typedef struct av_gic_config av_gic_config; /**< Choices for a GIC; macOS 15.0. */

/* --- Creation -------------------------------------------------------------------------------- */

/**
 * Creates the VM of this process, with all defaults: no memory, no vCPU, no GIC.
 *
 * @param vm Out: the VM, with one reference that is the caller's to give up (av_vm_unref()).
 * @retval AV_OK The VM exists.
 * @retval AV_ERROR_VM_EXISTS The process has one already, or something still refers to an earlier
 *     one: share that (av_vm_ref()), give it up, or see av_vm_create_independent().
 * @retval AV_ERROR_NULL_ARGUMENT vm is NULL.
 * @retval AV_ERROR_DENIED On a Mac: the program is not signed with the entitlement.
 * @retval AV_ERROR_NO_RESOURCES The system has no room for another VM: retry later.
 * @retval AV_ERROR_NO_MEMORY The process is out of memory.
 * @retval AV_ERROR_BAD_ARGUMENT,AV_ERROR_UNSUPPORTED An environment variable (HV_CHIP, HV_MACOS,
 *     HV_ENGINE) names what libhypervisor does not have.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vm_create(av_vm **vm);

#if APPLEVISOR_MACOS >= 130000
/**
 * Creates the VM of this process as a configuration says.
 *
 * @param vm Out: as of av_vm_create().
 * @param config The choices; NULL for all defaults. Remains the caller's and can be destroyed at
 *     once.
 * @return As av_vm_create(); AV_ERROR_UNSUPPORTED also where the configuration asks for what the
 *     system lacks, such as EL2.
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_create_with_config(av_vm **vm, const av_vm_config *config);
#endif

#if APPLEVISOR_MACOS >= 150000
/**
 * Creates the VM of this process with a GIC. The only way to a GIC: it comes before all vCPUs.
 *
 * @param vm Out: as of av_vm_create().
 * @param gic Out: the GIC, for the functions of <applevisor/gic.h>. It belongs to the VM and lives
 *     as long. NULL: not wanted, av_vm_get_gic() finds it.
 * @param config Choices for the VM; NULL for all defaults. Remains the caller's.
 * @param gic_config Choices for the GIC: at least one base. Remains the caller's.
 * @return As av_vm_create_with_config(). AV_ERROR_BAD_ARGUMENT also where the regions of the GIC
 *     overlap, as in an untouched configuration, or pass the VM's IPA size. No VM is left behind.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_vm_create_with_gic(av_vm **vm, av_gic **gic, const av_vm_config *config,
                                      const av_gic_config *gic_config);
#endif

/**
 * Creates a VM beside the process's own. All functions take it like any other VM; a thread has still
 * one vCPU at most.
 *
 * @param vm Out: as of av_vm_create().
 * @param config Choices for the VM (macOS 13.0); NULL for all defaults. Remains the caller's.
 * @param gic_config Choices for a GIC (macOS 15.0); NULL for a VM without one. Remains the caller's.
 * @retval AV_ERROR_UNSUPPORTED This framework allows one VM per process, as Apple's does: use one
 *     process per VM there.
 * @return Else as av_vm_create_with_gic(), but never AV_ERROR_VM_EXISTS.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vm_create_independent(av_vm **vm, const av_vm_config *config,
                                         const av_gic_config *gic_config);

/**
 * Whether av_vm_create_independent() can succeed on this system.
 *
 * @return False where the framework allows one VM per process.
 * Threads: any. Since: 0.1.
 */
AV_API bool av_vm_independent_supported(void);

/* --- References ------------------------------------------------------------------------------ */

/**
 * Takes another reference.
 *
 * @param vm A VM; NULL is allowed.
 * @return vm.
 * Threads: any. Since: 0.1.
 */
AV_API av_vm *av_vm_ref(av_vm *vm);

/**
 * Gives up a reference. The last one, with those of vCPUs, memory and GIC states, destroys the VM.
 *
 * @param vm A VM; NULL does nothing. The caller must not use it any more.
 * Threads: any. Since: 0.1.
 */
AV_API void av_vm_unref(av_vm *vm);

static inline void av_vm_auto(av_vm **vm)
{
    av_vm_unref(*vm);
}

/* --- The shared instance --------------------------------------------------------------------- */

/**
 * Creates the VM that the whole program shares, once; it is the process's VM and is never destroyed.
 *
 * @retval AV_OK There is a shared VM, be it from an earlier call, of whatever kind.
 * @return Else as av_vm_create(); a later call can still succeed.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vm_shared_init(void);

#if APPLEVISOR_MACOS >= 130000
/**
 * Creates the shared VM as a configuration says, unless there is one.
 *
 * @param config As for av_vm_create_with_config(); ignored where there is a shared VM.
 * @return As av_vm_shared_init() and av_vm_create_with_config().
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_shared_init_with_config(const av_vm_config *config);
#endif

#if APPLEVISOR_MACOS >= 150000
/**
 * Creates the shared VM with a GIC, unless there is one.
 *
 * @param config,gic_config As for av_vm_create_with_gic(); ignored where there is a shared VM.
 * @return As av_vm_shared_init() and av_vm_create_with_gic(). AV_OK does not mean that there is a
 *     GIC: the shared VM may be from an earlier call. av_vm_shared_gic() tells.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_vm_shared_init_with_gic(const av_vm_config *config,
                                           const av_gic_config *gic_config);
#endif

/**
 * The shared VM.
 *
 * @return NULL before a successful av_vm_shared_init(). Borrowed, and valid for ever: av_vm_ref() and
 *     av_vm_unref() do nothing to it.
 * Threads: any. Since: 0.1.
 */
AV_API av_vm *av_vm_shared(void);

#if APPLEVISOR_MACOS >= 150000
/**
 * The GIC of the shared VM.
 *
 * @return NULL where there is no shared VM, or it has no GIC. Borrowed, and valid for ever.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_gic *av_vm_shared_gic(void);
#endif

/* --- Properties ------------------------------------------------------------------------------ */

/**
 * The unit of guest memory: addresses and sizes of mappings are multiples of it.
 *
 * @param vm A VM, not NULL.
 * @return Bytes: 0x4000, or 0x1000 where the configuration says so.
 * Threads: any. Since: 0.1.
 */
AV_API size_t av_vm_page_size(const av_vm *vm);

/**
 * The size of the guest physical address space.
 *
 * @param vm A VM, not NULL.
 * @return n: addresses are 0 to 2^n - 1.
 * Threads: any. Since: 0.1.
 */
AV_API uint32_t av_vm_ipa_size(const av_vm *vm);

/* --- Configurations -------------------------------------------------------------------------- */

#if APPLEVISOR_MACOS >= 130000
/**
 * Makes a configuration with all defaults.
 *
 * @param config Out: the configuration, to be destroyed by the caller with av_vm_config_destroy().
 * @retval AV_ERROR_UNSUPPORTED The system is older than macOS 13.0.
 * @retval AV_ERROR_NO_MEMORY Out of memory.
 * @retval AV_ERROR_NULL_ARGUMENT config is NULL.
 * Threads: any; one at a time uses a configuration. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_config_create(av_vm_config **config);

/**
 * Destroys a configuration. VMs made with it stay as they are.
 *
 * @param config A configuration; NULL does nothing.
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API void av_vm_config_destroy(av_vm_config *config);

static inline void av_vm_config_auto(av_vm_config **config)
{
    av_vm_config_destroy(*config);
}

/**
 * The largest IPA size of this system. Needs no VM.
 *
 * @param bits Out: number of address bits.
 * @retval AV_ERROR_UNSUPPORTED The system is older than macOS 13.0.
 * @retval AV_ERROR_NULL_ARGUMENT bits is NULL.
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_config_get_max_ipa_size(uint32_t *bits);

/**
 * The IPA size of a VM that does not choose one. Needs no VM.
 *
 * @param bits Out: number of address bits.
 * @return As av_vm_config_get_max_ipa_size().
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_config_get_default_ipa_size(uint32_t *bits);

/**
 * What was chosen as IPA size.
 *
 * @param config The configuration.
 * @param bits Out: number of address bits.
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_config_get_ipa_size(const av_vm_config *config, uint32_t *bits);

/**
 * Chooses the size of the guest physical address space.
 *
 * @param config The configuration.
 * @param bits Number of address bits, up to the maximum; 0 for the default.
 * @retval AV_ERROR_OUT_OF_RANGE bits is above av_vm_config_get_max_ipa_size(): nothing changes.
 * @retval AV_ERROR_NULL_ARGUMENT config is NULL.
 * Threads: any. Since: 0.1, macOS 13.0.
 */
AV_API av_error av_vm_config_set_ipa_size(av_vm_config *config, uint32_t bits);
#endif

#if APPLEVISOR_MACOS >= 150000
/**
 * Whether guests can have EL2 on this system. Needs no VM.
 *
 * @param supported Out.
 * @retval AV_ERROR_UNSUPPORTED The system is older than macOS 15.0.
 * @retval AV_ERROR_NULL_ARGUMENT supported is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_vm_config_get_el2_supported(bool *supported);

/**
 * Whether the guest shall have EL2.
 *
 * @param config The configuration.
 * @param enabled Out.
 * @return As av_vm_config_get_el2_supported().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_vm_config_get_el2_enabled(const av_vm_config *config, bool *enabled);

/**
 * Chooses whether the guest shall have EL2. Where the system has none, creating the VM answers
 * AV_ERROR_UNSUPPORTED.
 *
 * @param config The configuration.
 * @param enabled The choice; false is the default.
 * @return As av_vm_config_get_el2_supported().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_vm_config_set_el2_enabled(av_vm_config *config, bool enabled);
#endif

#if APPLEVISOR_MACOS >= 150200
/**
 * The longest streaming vector of SME. Needs no VM.
 *
 * @param bytes Out: the length in bytes.
 * @retval AV_ERROR_UNSUPPORTED Guests have no SME here, or the system is older than macOS 15.2.
 * @retval AV_ERROR_NULL_ARGUMENT bytes is NULL.
 * Threads: any. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vm_config_get_max_svl_bytes(size_t *bytes);
#endif

#if APPLEVISOR_MACOS >= 260000
/**
 * The page size of a VM that does not choose one. Needs no VM.
 *
 * @param granule Out: HV_IPA_GRANULE_4KB or HV_IPA_GRANULE_16KB.
 * @retval AV_ERROR_UNSUPPORTED The system is older than macOS 26.0.
 * @retval AV_ERROR_NULL_ARGUMENT granule is NULL.
 * Threads: any. Since: 0.1, macOS 26.0.
 */
AV_API av_error av_vm_config_get_default_ipa_granule(hv_ipa_granule_t *granule);

/**
 * What was chosen as page size.
 *
 * @param config The configuration.
 * @param granule Out: HV_IPA_GRANULE_4KB or HV_IPA_GRANULE_16KB.
 * @return As av_vm_config_get_default_ipa_granule().
 * Threads: any. Since: 0.1, macOS 26.0.
 */
AV_API av_error av_vm_config_get_ipa_granule(const av_vm_config *config, hv_ipa_granule_t *granule);

/**
 * Chooses the page size of stage 2, which is the unit of mappings.
 *
 * @param config The configuration.
 * @param granule HV_IPA_GRANULE_4KB or HV_IPA_GRANULE_16KB.
 * @retval AV_ERROR_BAD_ARGUMENT granule is neither of them: nothing changes.
 * @return Else as av_vm_config_get_default_ipa_granule().
 * Threads: any. Since: 0.1, macOS 26.0.
 */
AV_API av_error av_vm_config_set_ipa_granule(av_vm_config *config, hv_ipa_granule_t granule);
#endif

AV_END_DECLS

#endif /* APPLEVISOR_VM_H */
