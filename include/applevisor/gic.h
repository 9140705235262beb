/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * The GIC (interrupt controller) of a VM; macOS 15.0.
 *
 * Only a VM that was created with a GIC gives out an av_gic, and every function here wants one: what
 * has no GIC cannot be asked, and the compiler says so. An av_gic belongs to its VM and lives as long.
 */
#ifndef APPLEVISOR_GIC_H
#define APPLEVISOR_GIC_H

#include <applevisor/vcpu.h>
#include <applevisor/vm.h>

#if APPLEVISOR_MACOS >= 150000

AV_BEGIN_DECLS

typedef struct av_gic_state av_gic_state; /**< The saved state of a GIC. */

/* --- The GIC of a VM ------------------------------------------------------------------------- */

/**
 * The GIC of a VM.
 *
 * @param vm The VM.
 * @param gic Out: its GIC, borrowed, valid as long as the VM.
 * @retval AV_ERROR_NO_GIC The VM was created without one, and cannot get one any more: create it
 *     with av_vm_create_with_gic().
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_vm_get_gic(av_vm *vm, av_gic **gic);

/**
 * The VM of a GIC.
 *
 * @param gic The GIC, not NULL.
 * @return Its VM, borrowed.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_vm *av_gic_vm(const av_gic *gic);

/**
 * Puts Distributor, Redistributors and MSI frame into their reset state, for a reboot of the guest.
 *
 * @param gic The GIC.
 * @retval AV_ERROR_RUNNING A vCPU is running: stop all first.
 * @retval AV_ERROR_NULL_ARGUMENT gic is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_reset(av_gic *gic);

/**
 * Sets the level of a shared peripheral interrupt. An edge-triggered one becomes pending with true.
 *
 * @param gic The GIC.
 * @param intid INTID: an SPI that is not in the MSI range.
 * @param level True is asserted.
 * @retval AV_ERROR_OUT_OF_RANGE intid is no SPI, or reserved for MSIs.
 * @retval AV_ERROR_NULL_ARGUMENT gic is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_spi(av_gic *gic, uint32_t intid, bool level);

/**
 * Delivers a message-signalled interrupt, as if a device had written to the MSI frame.
 *
 * @param gic The GIC.
 * @param address Guest physical address of the write: base of the MSI region + 0x40.
 * @param intid INTID, in the MSI range.
 * @retval AV_ERROR_OUT_OF_RANGE intid is outside the MSI range, or the GIC has no MSIs.
 * @retval AV_ERROR_BAD_ARGUMENT address is another register.
 * @retval AV_ERROR_NULL_ARGUMENT gic is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_send_msi(av_gic *gic, hv_ipa_t address, uint32_t intid);

/**
 * Reads a register of the Distributor.
 *
 * @param gic The GIC.
 * @param reg One of hv_gic_distributor_reg_t: a byte offset.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no register of the Distributor.
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_distributor_reg(const av_gic *gic, hv_gic_distributor_reg_t reg,
                                           uint64_t *value);

/**
 * Writes a register of the Distributor. Read-only ones accept it and stay as they are.
 *
 * @param gic,reg As for av_gic_get_distributor_reg().
 * @param value What to write.
 * @return As av_gic_get_distributor_reg().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_distributor_reg(av_gic *gic, hv_gic_distributor_reg_t reg,
                                           uint64_t value);

/**
 * Reads a register of the MSI frame.
 *
 * @param gic The GIC.
 * @param reg One of hv_gic_msi_reg_t.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no register of the MSI frame.
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * @return Else what the framework answers where no MSI region is configured.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_msi_reg(const av_gic *gic, hv_gic_msi_reg_t reg, uint64_t *value);

/**
 * Writes a register of the MSI frame.
 *
 * @param gic,reg As for av_gic_get_msi_reg().
 * @param value What to write.
 * @return As av_gic_get_msi_reg().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_msi_reg(av_gic *gic, hv_gic_msi_reg_t reg, uint64_t value);

/* --- The part of a vCPU ---------------------------------------------------------------------- */

/**
 * Where the Redistributor of a vCPU is. Set MPIDR_EL1 of the vCPU first.
 *
 * @param gic The GIC.
 * @param vcpu A vCPU of the same VM.
 * @param address Out: guest physical address of its first frame.
 * @retval AV_ERROR_WRONG_VM The vCPU is of another VM.
 * @retval AV_ERROR_WRONG_THREAD,AV_ERROR_VCPU_GONE,AV_ERROR_NULL_ARGUMENT As everywhere.
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_redistributor_base(const av_gic *gic, const av_vcpu *vcpu,
                                              hv_ipa_t *address);

/**
 * Reads a register of a vCPU's Redistributor.
 *
 * @param gic,vcpu As for av_gic_get_redistributor_base().
 * @param reg One of hv_gic_redistributor_reg_t.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no register of the Redistributor.
 * @return Else as av_gic_get_redistributor_base().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_redistributor_reg(const av_gic *gic, const av_vcpu *vcpu,
                                             hv_gic_redistributor_reg_t reg, uint64_t *value);

/**
 * Writes a register of a vCPU's Redistributor. GICR_ISPENDR0 and GICR_ICPENDR0 raise and lower
 * private interrupts.
 *
 * @param gic,vcpu,reg As for av_gic_get_redistributor_reg().
 * @param value What to write.
 * @return As av_gic_get_redistributor_reg().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_redistributor_reg(av_gic *gic, av_vcpu *vcpu,
                                             hv_gic_redistributor_reg_t reg, uint64_t value);

/**
 * Reads a CPU interface register (ICC_*).
 *
 * @param gic,vcpu As for av_gic_get_redistributor_base().
 * @param reg One of hv_gic_icc_reg_t.
 * @param value Out.
 * @retval AV_ERROR_BAD_ARGUMENT reg is no hv_gic_icc_reg_t.
 * @retval AV_ERROR_UNSUPPORTED The register needs EL2.
 * @return Else as av_gic_get_redistributor_base().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_icc_reg(const av_gic *gic, const av_vcpu *vcpu, hv_gic_icc_reg_t reg,
                                   uint64_t *value);

/**
 * Writes a CPU interface register (ICC_*).
 *
 * @param gic,vcpu,reg As for av_gic_get_icc_reg().
 * @param value What to write.
 * @return As av_gic_get_icc_reg().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_icc_reg(av_gic *gic, av_vcpu *vcpu, hv_gic_icc_reg_t reg,
                                   uint64_t value);

/**
 * Reads a register of the virtualisation control interface (ICH_*); needs EL2.
 *
 * @param gic,vcpu As for av_gic_get_redistributor_base().
 * @param reg One of hv_gic_ich_reg_t.
 * @param value Out.
 * @return As av_gic_get_icc_reg().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_ich_reg(const av_gic *gic, const av_vcpu *vcpu, hv_gic_ich_reg_t reg,
                                   uint64_t *value);

/**
 * Writes a register of the virtualisation control interface (ICH_*); needs EL2.
 *
 * @param gic,vcpu,reg As for av_gic_get_ich_reg().
 * @param value What to write.
 * @return As av_gic_get_icc_reg().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_ich_reg(av_gic *gic, av_vcpu *vcpu, hv_gic_ich_reg_t reg,
                                   uint64_t value);

/**
 * Reads a register of the virtual CPU interface (ICV_*); needs EL2.
 *
 * @param gic,vcpu As for av_gic_get_redistributor_base().
 * @param reg One of hv_gic_icv_reg_t.
 * @param value Out.
 * @return As av_gic_get_icc_reg().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_icv_reg(const av_gic *gic, const av_vcpu *vcpu, hv_gic_icv_reg_t reg,
                                   uint64_t *value);

/**
 * Writes a register of the virtual CPU interface (ICV_*); needs EL2.
 *
 * @param gic,vcpu,reg As for av_gic_get_icv_reg().
 * @param value What to write.
 * @return As av_gic_get_icc_reg().
 * Threads: the vCPU's owner. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_icv_reg(av_gic *gic, av_vcpu *vcpu, hv_gic_icv_reg_t reg,
                                   uint64_t value);

/* --- Saved state ----------------------------------------------------------------------------- */

/**
 * Saves the state of the GIC, but for the CPU interfaces' registers. All vCPUs must stand still.
 *
 * @param state Out: the state, to be destroyed by the caller. It keeps the VM alive.
 * @param gic The GIC.
 * @retval AV_ERROR_RUNNING A vCPU is running, or the state cannot be saved now: stop all vCPUs.
 * @retval AV_ERROR_NO_MEMORY Out of memory.
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_state_create(av_gic_state **state, av_gic *gic);

/**
 * Destroys a saved state.
 *
 * @param state The state; NULL does nothing.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API void av_gic_state_destroy(av_gic_state *state);

static inline void av_gic_state_auto(av_gic_state **state)
{
    av_gic_state_destroy(*state);
}

/**
 * How long the saved state is.
 *
 * @param state The state.
 * @param size Out: bytes.
 * @retval AV_ERROR_NULL_ARGUMENT An argument is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_state_get_size(const av_gic_state *state, size_t *size);

/**
 * Copies the saved state, to be kept in a file and given to av_gic_set_state() in another process.
 *
 * @param state The state.
 * @param data Out.
 * @param size Room at data: av_gic_state_get_size() at least.
 * @retval AV_ERROR_BUFFER_SIZE size is smaller: nothing is written.
 * @retval AV_ERROR_NULL_ARGUMENT A pointer is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_state_get_data(const av_gic_state *state, void *data, size_t size);

/**
 * Restores a saved state. The vCPUs have been created and have not run yet.
 *
 * @param gic The GIC, made with the configuration of the one that was saved.
 * @param data What av_gic_state_get_data() wrote.
 * @param size Its length.
 * @retval AV_ERROR_BAD_ARGUMENT This is no state of such a GIC: nothing changes.
 * @retval AV_ERROR_ILLEGAL_GUEST_STATE A vCPU has run already.
 * @retval AV_ERROR_NULL_ARGUMENT A pointer is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_set_state(av_gic *gic, const void *data, size_t size);

/* --- Configurations -------------------------------------------------------------------------- */

/**
 * Makes a GIC configuration, in which nothing is chosen. Needs no VM.
 *
 * @param config Out: the configuration, to be destroyed by the caller.
 * @retval AV_ERROR_UNSUPPORTED The system is older than macOS 15.0.
 * @retval AV_ERROR_NO_MEMORY Out of memory.
 * @retval AV_ERROR_NULL_ARGUMENT config is NULL.
 * Threads: any; one at a time uses a configuration. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_config_create(av_gic_config **config);

/**
 * Destroys a configuration. VMs made with it stay as they are.
 *
 * @param config A configuration; NULL does nothing.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API void av_gic_config_destroy(av_gic_config *config);

static inline void av_gic_config_auto(av_gic_config **config)
{
    av_gic_config_destroy(*config);
}

/**
 * Chooses where the Distributor is.
 *
 * @param config The configuration.
 * @param address Guest physical address: a multiple of av_gic_get_distributor_base_alignment().
 * @retval AV_ERROR_MISALIGNED address is no such multiple: nothing changes.
 * @retval AV_ERROR_OUT_OF_RANGE The region would reach 2^64: nothing changes.
 * @retval AV_ERROR_NULL_ARGUMENT config is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_config_set_distributor_base(av_gic_config *config, hv_ipa_t address);

/**
 * Chooses where the region of all Redistributors is.
 *
 * @param config The configuration.
 * @param address Guest physical address: a multiple of av_gic_get_redistributor_base_alignment().
 * @return As av_gic_config_set_distributor_base().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_config_set_redistributor_base(av_gic_config *config, hv_ipa_t address);

/**
 * Chooses where the MSI frame is. There are MSIs only with a region and a range.
 *
 * @param config The configuration.
 * @param address Guest physical address: a multiple of av_gic_get_msi_region_base_alignment().
 * @return As av_gic_config_set_distributor_base().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_config_set_msi_region_base(av_gic_config *config, hv_ipa_t address);

/**
 * Chooses which SPIs are for MSIs.
 *
 * @param config The configuration.
 * @param base First INTID.
 * @param count How many; all lie in av_gic_get_spi_interrupt_range().
 * @retval AV_ERROR_OUT_OF_RANGE Not all of them are SPIs: nothing changes.
 * @retval AV_ERROR_NULL_ARGUMENT config is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_config_set_msi_interrupt_range(av_gic_config *config, uint32_t base,
                                                      uint32_t count);

/* --- Constants of the system ------------------------------------------------------------------ */

/**
 * The size of the Distributor's region. Needs no VM, like the functions below.
 *
 * @param bytes Out.
 * @retval AV_ERROR_UNSUPPORTED The system is older than macOS 15.0.
 * @retval AV_ERROR_NULL_ARGUMENT bytes is NULL.
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_distributor_size(size_t *bytes);

/**
 * What the Distributor's base must be a multiple of.
 *
 * @param bytes Out.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_distributor_base_alignment(size_t *bytes);

/**
 * The size of the region of all Redistributors.
 *
 * @param bytes Out.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_redistributor_region_size(size_t *bytes);

/**
 * The size of one Redistributor.
 *
 * @param bytes Out.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_redistributor_size(size_t *bytes);

/**
 * What the base of the Redistributors must be a multiple of.
 *
 * @param bytes Out.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_redistributor_base_alignment(size_t *bytes);

/**
 * The size of the MSI region.
 *
 * @param bytes Out.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_msi_region_size(size_t *bytes);

/**
 * What the MSI region's base must be a multiple of.
 *
 * @param bytes Out.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_msi_region_base_alignment(size_t *bytes);

/**
 * Which INTIDs are SPIs.
 *
 * @param base Out: the first.
 * @param count Out: how many.
 * @return As av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_spi_interrupt_range(uint32_t *base, uint32_t *count);

/**
 * The INTID of a reserved private interrupt.
 *
 * @param interrupt One of hv_gic_intid_t.
 * @param intid Out.
 * @retval AV_ERROR_BAD_ARGUMENT interrupt is no hv_gic_intid_t.
 * @return Else as av_gic_get_distributor_size().
 * Threads: any. Since: 0.1, macOS 15.0.
 */
AV_API av_error av_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid);

AV_END_DECLS

#endif /* APPLEVISOR_MACOS >= 150000 */

#endif /* APPLEVISOR_GIC_H */
