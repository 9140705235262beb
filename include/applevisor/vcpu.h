/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * vCPUs: life, running, registers, and what other threads may do with them.
 *
 * A vCPU belongs to the thread that creates it, and a thread has one at most. Functions that take an
 * av_vcpu are for that thread; on any other they answer AV_ERROR_WRONG_THREAD and change nothing.
 * Other threads take an av_vcpu_handle: with it they stop a running vCPU, and have the owner run a
 * function for them.
 *
 * A thread that ends destroys its vCPU. The object stays until av_vcpu_destroy(), and answers
 * AV_ERROR_VCPU_GONE.
 */
#ifndef APPLEVISOR_VCPU_H
#define APPLEVISOR_VCPU_H

#include <applevisor/vm.h>

AV_BEGIN_DECLS

typedef struct av_vcpu av_vcpu;               /**< A vCPU, for its thread. */
typedef struct av_vcpu_handle av_vcpu_handle; /**< A weak reference to a vCPU, for any thread. */
typedef struct av_vcpu_config
    av_vcpu_config; /**< Choices for a vCPU, and what its ID registers say. */

/* --- Life ------------------------------------------------------------------------------------ */

/**
 * Creates a vCPU that belongs to the calling thread.
 *
 * @param vcpu Out: the vCPU, to be destroyed by the caller on this thread.
 * @param vm The VM; it gets a reference more.
 * @retval AV_ERROR_VCPU_EXISTS This thread has a vCPU already: use a thread per vCPU.
 * @retval AV_ERROR_NO_RESOURCES The VM has as many vCPUs as it can have (av_vcpu_get_max_count()).
 * @retval AV_ERROR_NO_MEMORY Out of memory.
 * @retval AV_ERROR_NULL_ARGUMENT A pointer is NULL.
 * Threads: any; it becomes the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_create(av_vcpu **vcpu, av_vm *vm);

/**
 * Creates a vCPU as a configuration says.
 *
 * @param vcpu,vm As for av_vcpu_create().
 * @param config The choices; NULL for all defaults. Remains the caller's.
 * @return As av_vcpu_create().
 * Threads: any; it becomes the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_create_with_config(av_vcpu **vcpu, av_vm *vm, const av_vcpu_config *config);

/**
 * Destroys a vCPU and gives up its reference to the VM. Who waits in av_vcpu_call() gets
 * AV_ERROR_VCPU_GONE.
 *
 * @param vcpu The vCPU; NULL does nothing.
 * @retval AV_OK It is gone.
 * @retval AV_ERROR_WRONG_THREAD The owner lives and is another thread: nothing is destroyed.
 * @retval AV_ERROR_RUNNING The call comes from a function of av_vcpu_call(): return from it first.
 * Threads: the owner; after the owner has ended, any. Since: 0.1.
 */
AV_API av_error av_vcpu_destroy(av_vcpu *vcpu);

static inline void av_vcpu_auto(av_vcpu **vcpu)
{
    av_vcpu_destroy(*vcpu);
}

/**
 * How many vCPUs a VM can have. Needs no VM.
 *
 * @param count Out: at least 1.
 * @retval AV_ERROR_NULL_ARGUMENT count is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vcpu_get_max_count(uint32_t *count);

/**
 * The number of a vCPU: the hv_vcpu_t of the framework.
 *
 * @param vcpu The vCPU, not NULL.
 * @return Its id, unique among the live vCPUs of its VM; still there when the vCPU is gone.
 * Threads: any. Since: 0.1.
 */
AV_API hv_vcpu_t av_vcpu_id(const av_vcpu *vcpu);

/* --- Running --------------------------------------------------------------------------------- */

/**
 * Runs the guest until something happens that the caller has to deal with. Functions of
 * av_vcpu_call() are run in between, without an exit that the caller sees.
 *
 * @param vcpu The vCPU.
 * @retval AV_OK The guest has left: av_vcpu_get_exit() says why.
 * @retval AV_ERROR_ILLEGAL_GUEST_STATE CPSR names a mode that this VM does not have.
 * @retval AV_ERROR_RUNNING The call comes from a function of av_vcpu_call().
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_run(av_vcpu *vcpu);

/**
 * Why the last av_vcpu_run() returned.
 *
 * HV_EXIT_REASON_UNKNOWN is the framework's way to say that it had no memory to go on. The guest is as
 * it was, and can be run again.
 *
 * HV_EXIT_REASON_CANCELED can also come without a request of one's own, when an earlier one was seen
 * twice: look again at what the thread waits for, and run on.
 *
 * @param vcpu The vCPU.
 * @param exit Out: a copy.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_exit(const av_vcpu *vcpu, hv_vcpu_exit_t *exit);

/* --- Other threads --------------------------------------------------------------------------- */

/**
 * Gives out a weak reference: it does not keep the vCPU, nor the VM.
 *
 * @param vcpu The vCPU, not NULL. It may be gone.
 * @return A handle with a reference of its own, to be given up with av_vcpu_handle_unref().
 * Threads: any that has the vCPU for sure. Since: 0.1.
 */
AV_API av_vcpu_handle *av_vcpu_get_handle(av_vcpu *vcpu);

/**
 * Takes another reference to a handle.
 *
 * @param handle A handle; NULL is allowed.
 * @return handle.
 * Threads: any. Since: 0.1.
 */
AV_API av_vcpu_handle *av_vcpu_handle_ref(av_vcpu_handle *handle);

/**
 * Gives up a reference to a handle. The vCPU does not mind.
 *
 * @param handle A handle; NULL does nothing.
 * Threads: any. Since: 0.1.
 */
AV_API void av_vcpu_handle_unref(av_vcpu_handle *handle);

static inline void av_vcpu_handle_auto(av_vcpu_handle **handle)
{
    av_vcpu_handle_unref(*handle);
}

/**
 * The number of the vCPU.
 *
 * @param handle A handle, not NULL.
 * @return Its id; still there when the vCPU is gone.
 * Threads: any. Since: 0.1.
 */
AV_API hv_vcpu_t av_vcpu_handle_id(const av_vcpu_handle *handle);

/**
 * Whether the vCPU exists.
 *
 * @param handle A handle, not NULL.
 * @return True as long as it is not destroyed and its thread has not ended.
 * Threads: any. Since: 0.1.
 */
AV_API bool av_vcpu_handle_is_valid(const av_vcpu_handle *handle);

/**
 * Makes a vCPU leave the guest: its av_vcpu_run() returns with HV_EXIT_REASON_CANCELED. Where it is
 * not running, its next one does so at once; no request is lost.
 *
 * @param handle A handle.
 * @retval AV_ERROR_VCPU_GONE The vCPU is destroyed.
 * @retval AV_ERROR_NULL_ARGUMENT handle is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vcpu_handle_exit(av_vcpu_handle *handle);

/**
 * Makes several vCPUs of a VM leave the guest, as av_vcpu_handle_exit() does. Handles whose vCPU is
 * gone are passed over.
 *
 * @param vm The VM.
 * @param handles count handles of its vCPUs; NULL is allowed where count is 0.
 * @param count How many.
 * @retval AV_ERROR_WRONG_VM One of them is of another VM: none is told.
 * @retval AV_ERROR_NULL_ARGUMENT vm, handles or one of the handles is NULL: none is told.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vm_vcpus_exit(av_vm *vm, av_vcpu_handle *const *handles, size_t count);

/** A function that the owner of a vCPU runs; every function of this header but run, serve and
 * destroy may be called in it. */
typedef void av_vcpu_function(av_vcpu *vcpu, void *argument);

/**
 * Has the owner of a vCPU run a function, and waits until it has returned. A running vCPU leaves the
 * guest for it and goes on; where the owner is elsewhere, its next av_vcpu_run() or av_vcpu_serve()
 * runs the function. On the owner's thread it is simply called.
 *
 * @param handle A handle.
 * @param function What to run.
 * @param argument Passed on.
 * @retval AV_OK The function has run.
 * @retval AV_ERROR_VCPU_GONE The vCPU is destroyed, or was before the function's turn came.
 * @retval AV_ERROR_NULL_ARGUMENT handle or function is NULL.
 * Threads: any; waits. Two threads that call functions on each other's vCPU wait for ever, unless they
 * serve. Since: 0.1.
 */
AV_API av_error av_vcpu_call(av_vcpu_handle *handle, av_vcpu_function *function, void *argument);

/**
 * Waits for av_vcpu_call() without running the guest: for a vCPU that is switched off, or waits for
 * an interrupt, and for threads that do nothing else.
 *
 * @param vcpu The vCPU.
 * @param timeout_ms Milliseconds to wait at most; negative: as long as it takes.
 * @retval AV_OK Functions were run, or somebody asked for an exit: the next av_vcpu_run() reports it.
 * @retval AV_ERROR_TIMED_OUT Neither happened in time.
 * @retval AV_ERROR_RUNNING The call comes from a function of av_vcpu_call().
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_serve(av_vcpu *vcpu, int64_t timeout_ms);

/* --- Registers ------------------------------------------------------------------------------- */

/**
 * Reads a general register, PC, CPSR, FPCR or FPSR.
 *
 * @param vcpu The vCPU.
 * @param reg HV_REG_X0 to HV_REG_CPSR. 31 is PC, not the zero register.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no hv_reg_t.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_reg(const av_vcpu *vcpu, hv_reg_t reg, uint64_t *value);

/**
 * Writes a general register, PC, CPSR, FPCR or FPSR. What the processor would not take is kept and
 * read back, and counts from the next run on.
 *
 * @param vcpu The vCPU.
 * @param reg HV_REG_X0 to HV_REG_CPSR.
 * @param value Any.
 * @return As av_vcpu_get_reg().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_reg(av_vcpu *vcpu, hv_reg_t reg, uint64_t value);

/**
 * Reads a system register.
 *
 * @param vcpu The vCPU.
 * @param reg One of hv_sys_reg_t.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no hv_sys_reg_t.
 * @retval AV_ERROR_UNSUPPORTED The register needs EL2, a GIC, SME or a newer macOS.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_sys_reg(const av_vcpu *vcpu, hv_sys_reg_t reg, uint64_t *value);

/**
 * Writes a system register.
 *
 * @param vcpu The vCPU.
 * @param reg One of hv_sys_reg_t.
 * @param value What to write.
 * @retval AV_ERROR_DENIED The register cannot be changed.
 * @return Else as av_vcpu_get_sys_reg().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_sys_reg(av_vcpu *vcpu, hv_sys_reg_t reg, uint64_t value);

/**
 * Reads a SIMD and floating-point register.
 *
 * @param vcpu The vCPU.
 * @param reg HV_SIMD_FP_REG_Q0 to HV_SIMD_FP_REG_Q31.
 * @param value Out: 16 bytes, the least significant first. Any alignment.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no hv_simd_fp_reg_t.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_simd_fp_reg(const av_vcpu *vcpu, hv_simd_fp_reg_t reg,
                                        uint8_t value[16]);

/**
 * Writes a SIMD and floating-point register.
 *
 * @param vcpu,reg As for av_vcpu_get_simd_fp_reg().
 * @param value 16 bytes, the least significant first. Any alignment.
 * @return As av_vcpu_get_simd_fp_reg().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_simd_fp_reg(av_vcpu *vcpu, hv_simd_fp_reg_t reg,
                                        const uint8_t value[16]);

/* --- Interrupts, debug traps, time ----------------------------------------------------------- */

/**
 * Whether an interrupt is pending for the next run.
 *
 * @param vcpu The vCPU.
 * @param type HV_INTERRUPT_TYPE_IRQ or HV_INTERRUPT_TYPE_FIQ.
 * @param pending Out.
 * @retval AV_ERROR_BAD_ARGUMENT type is neither of them.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_pending_interrupt(const av_vcpu *vcpu, hv_interrupt_type_t type,
                                              bool *pending);

/**
 * Makes an interrupt pending for the next run. It is taken back when that run returns: set it before
 * every run while the line is high. For VMs without a GIC.
 *
 * @param vcpu,type As for av_vcpu_get_pending_interrupt().
 * @param pending True is pending.
 * @return As av_vcpu_get_pending_interrupt().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_pending_interrupt(av_vcpu *vcpu, hv_interrupt_type_t type,
                                              bool pending);

/**
 * Whether debug exceptions of the guest (BRK, breakpoints, watchpoints, single step) leave it.
 *
 * @param vcpu The vCPU.
 * @param enabled Out; false at first.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_trap_debug_exceptions(const av_vcpu *vcpu, bool *enabled);

/**
 * Chooses whether debug exceptions of the guest leave it.
 *
 * @param vcpu The vCPU.
 * @param enabled The choice.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_trap_debug_exceptions(av_vcpu *vcpu, bool enabled);

/**
 * Whether the guest's accesses to debug registers leave it.
 *
 * @param vcpu The vCPU.
 * @param enabled Out; false at first.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_trap_debug_reg_accesses(const av_vcpu *vcpu, bool *enabled);

/**
 * Chooses whether the guest's accesses to debug registers leave it.
 *
 * @param vcpu The vCPU.
 * @param enabled The choice.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_trap_debug_reg_accesses(av_vcpu *vcpu, bool enabled);

/**
 * How long the vCPU has run in all.
 *
 * @param vcpu The vCPU.
 * @param ticks Out: units of mach_absolute_time(), as the framework counts (24 MHz on Apple silicon
 *     and on Linux).
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_exec_time(const av_vcpu *vcpu, uint64_t *ticks);

/**
 * How long the vCPU has run in all.
 *
 * @param vcpu The vCPU.
 * @param nanoseconds Out.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_exec_time_ns(const av_vcpu *vcpu, uint64_t *nanoseconds);

/**
 * Whether the virtual timer is kept from leaving the guest.
 *
 * @param vcpu The vCPU.
 * @param masked Out. Set by every exit with HV_EXIT_REASON_VTIMER_ACTIVATED.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_vtimer_mask(const av_vcpu *vcpu, bool *masked);

/**
 * Masks the virtual timer, or lets it leave the guest again.
 *
 * @param vcpu The vCPU.
 * @param masked The choice: false once the guest has dealt with the timer's interrupt.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_vtimer_mask(av_vcpu *vcpu, bool masked);

/**
 * What is subtracted from mach_absolute_time() to get the guest's CNTVCT_EL0.
 *
 * @param vcpu The vCPU.
 * @param offset Out: ticks.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_get_vtimer_offset(const av_vcpu *vcpu, uint64_t *offset);

/**
 * Sets what is subtracted from mach_absolute_time() to get the guest's CNTVCT_EL0.
 *
 * @param vcpu The vCPU.
 * @param offset Ticks, any value. Give all vCPUs of a VM the same.
 * @return As av_vcpu_get_trap_debug_exceptions().
 * Threads: the owner. Since: 0.1.
 */
AV_API av_error av_vcpu_set_vtimer_offset(av_vcpu *vcpu, uint64_t offset);

/* --- SME ------------------------------------------------------------------------------------- */

#if APPLEVISOR_MACOS >= 150200
/**
 * Reads PSTATE.SM and PSTATE.ZA.
 *
 * @param vcpu The vCPU.
 * @param state Out.
 * @retval AV_ERROR_UNSUPPORTED Guests have no SME here, or the system is older than macOS 15.2.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT See above.
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_get_sme_state(const av_vcpu *vcpu, hv_vcpu_sme_state_t *state);

/**
 * Writes PSTATE.SM and PSTATE.ZA. A change of SM zeroes the Z and P registers.
 *
 * @param vcpu The vCPU.
 * @param state The new state.
 * @return As av_vcpu_get_sme_state().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_set_sme_state(av_vcpu *vcpu, const hv_vcpu_sme_state_t *state);

/**
 * Reads a Z register. PSTATE.SM must be 1.
 *
 * @param vcpu The vCPU.
 * @param reg HV_SME_Z_REG_0 to HV_SME_Z_REG_31.
 * @param value Out: size bytes.
 * @param size av_vm_config_get_max_svl_bytes() bytes.
 * @retval AV_ERROR_BUFFER_SIZE size is another.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no hv_sme_z_reg_t, or PSTATE.SM is 0.
 * @return Else as av_vcpu_get_sme_state().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_get_sme_z_reg(const av_vcpu *vcpu, hv_sme_z_reg_t reg, void *value,
                                      size_t size);

/**
 * Writes a Z register. PSTATE.SM must be 1.
 *
 * @param vcpu,reg,size As for av_vcpu_get_sme_z_reg().
 * @param value size bytes.
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_set_sme_z_reg(av_vcpu *vcpu, hv_sme_z_reg_t reg, const void *value,
                                      size_t size);

/**
 * Reads a P register. PSTATE.SM must be 1.
 *
 * @param vcpu The vCPU.
 * @param reg HV_SME_P_REG_0 to HV_SME_P_REG_15.
 * @param value Out: size bytes.
 * @param size An eighth of av_vm_config_get_max_svl_bytes() bytes.
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_get_sme_p_reg(const av_vcpu *vcpu, hv_sme_p_reg_t reg, void *value,
                                      size_t size);

/**
 * Writes a P register. PSTATE.SM must be 1.
 *
 * @param vcpu,reg,size As for av_vcpu_get_sme_p_reg().
 * @param value size bytes.
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_set_sme_p_reg(av_vcpu *vcpu, hv_sme_p_reg_t reg, const void *value,
                                      size_t size);

/**
 * Reads the ZA array. PSTATE.ZA must be 1.
 *
 * @param vcpu The vCPU.
 * @param value Out: size bytes.
 * @param size The square of av_vm_config_get_max_svl_bytes().
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_get_sme_za_reg(const av_vcpu *vcpu, void *value, size_t size);

/**
 * Writes the ZA array. PSTATE.ZA must be 1.
 *
 * @param vcpu,size As for av_vcpu_get_sme_za_reg().
 * @param value size bytes.
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_set_sme_za_reg(av_vcpu *vcpu, const void *value, size_t size);

/**
 * Reads ZT0. PSTATE.ZA must be 1.
 *
 * @param vcpu The vCPU.
 * @param value Out: 64 bytes, of any alignment.
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_get_sme_zt0_reg(const av_vcpu *vcpu, uint8_t value[64]);

/**
 * Writes ZT0. PSTATE.ZA must be 1.
 *
 * @param vcpu The vCPU.
 * @param value 64 bytes, of any alignment.
 * @return As av_vcpu_get_sme_z_reg().
 * Threads: the owner. Since: 0.1, macOS 15.2.
 */
AV_API av_error av_vcpu_set_sme_zt0_reg(av_vcpu *vcpu, const uint8_t value[64]);
#endif

/* --- Configurations -------------------------------------------------------------------------- */

/**
 * Makes a vCPU configuration with all defaults. Needs no VM.
 *
 * @param config Out: the configuration, to be destroyed by the caller.
 * @retval AV_ERROR_NO_MEMORY Out of memory.
 * @retval AV_ERROR_NULL_ARGUMENT config is NULL.
 * Threads: any; one at a time uses a configuration. Since: 0.1.
 */
AV_API av_error av_vcpu_config_create(av_vcpu_config **config);

/**
 * Destroys a configuration. vCPUs made with it stay as they are.
 *
 * @param config A configuration; NULL does nothing.
 * Threads: any. Since: 0.1.
 */
AV_API void av_vcpu_config_destroy(av_vcpu_config *config);

static inline void av_vcpu_config_auto(av_vcpu_config **config)
{
    av_vcpu_config_destroy(*config);
}

/**
 * What an ID register of a vCPU with this configuration says.
 *
 * @param config The configuration.
 * @param reg One of hv_feature_reg_t.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no hv_feature_reg_t.
 * @retval AV_ERROR_UNSUPPORTED reg needs a newer macOS: 15.2 for the last two.
 * @retval AV_ERROR_NULL_ARGUMENT config or value is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vcpu_config_get_feature_reg(const av_vcpu_config *config, hv_feature_reg_t reg,
                                               uint64_t *value);

/**
 * What CCSIDR_EL1 of a vCPU with this configuration says, for each cache level.
 *
 * @param config The configuration.
 * @param type HV_CACHE_TYPE_DATA or HV_CACHE_TYPE_INSTRUCTION.
 * @param values Out: 8 values, of level 1 to 8.
 * @retval AV_ERROR_BAD_ARGUMENT type is neither of them.
 * @retval AV_ERROR_NULL_ARGUMENT config or values is NULL.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_vcpu_config_get_ccsidr_el1_sys_reg_values(const av_vcpu_config *config,
                                                             hv_cache_type_t type,
                                                             uint64_t values[8]);

AV_END_DECLS

#endif /* APPLEVISOR_VCPU_H */
