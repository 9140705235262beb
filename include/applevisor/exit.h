/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: what an exit of hv_vcpu_run() means, and how to answer it.
 *
 *     av_exit_event event;
 *     hv_vcpu_run(vcpu);
 *     av_exit_decode(exit, &event);
 *     switch (event.kind) {
 *     case AV_EXIT_HVC: ...
 *
 * Decoding uses nothing but its arguments. The functions that take a vCPU call hv_vcpu_* and so belong on its thread. Everything
 * here works on Apple's framework as it does on libhypervisor.
 *
 * Arm ARM DDI0487 J.a, D19.2.37 (ESR_EL1, the layout of all syndromes), is cited by its field names.
 */
#ifndef APPLEVISOR_EXIT_H
#define APPLEVISOR_EXIT_H

#include <applevisor/error.h>

AV_BEGIN_DECLS

/** What ended a run. The comment says which member of the union in av_exit_event belongs to it; the others have none. */
typedef enum av_exit_kind {
    AV_EXIT_CANCELED,   /**< hv_vcpus_exit() */
    AV_EXIT_VTIMER,     /**< the virtual timer; see <applevisor/irq.h> */
    AV_EXIT_UNKNOWN,    /**< HV_EXIT_REASON_UNKNOWN, or a reason newer than this library */
    AV_EXIT_HVC,        /**< call; the PC is past the instruction already */
    AV_EXIT_SMC,        /**< call; av_exit_skip() when it is done */
    AV_EXIT_SVC,        /**< call */
    AV_EXIT_WAIT,       /**< wait: WFI, WFE, WFIT or WFET */
    AV_EXIT_SYSREG,     /**< sysreg: MRS, MSR, or a system instruction (IC, DC, AT, TLBI, SYS) */
    AV_EXIT_DATA_ABORT, /**< abort */
    AV_EXIT_INSTRUCTION_ABORT, /**< abort */
    AV_EXIT_BRK,               /**< call: the comment of BRK */
    AV_EXIT_BREAKPOINT,        /**< a hardware breakpoint */
    AV_EXIT_WATCHPOINT,        /**< watchpoint */
    AV_EXIT_STEP,              /**< step */
    AV_EXIT_FP,                /**< access to SIMD and FP registers */
    AV_EXIT_SVE,               /**< SVE instruction */
    AV_EXIT_SME,               /**< sme */
    AV_EXIT_FP_EXCEPTION,      /**< trapped floating-point exception */
    AV_EXIT_PAUTH,             /**< pointer authentication instruction or register trapped */
    AV_EXIT_PAUTH_FAILURE,     /**< authentication failed (FEAT_FPAC) */
    AV_EXIT_BRANCH_TARGET,     /**< FEAT_BTI */
    AV_EXIT_ERET,              /**< ERET, ERETAA, ERETAB trapped */
    AV_EXIT_ILLEGAL_STATE,     /**< PSTATE.IL */
    AV_EXIT_PC_ALIGNMENT,      /**< PC not a multiple of 4 */
    AV_EXIT_SP_ALIGNMENT,      /**< SP not a multiple of 16 */
    AV_EXIT_LS64,              /**< LD64B, ST64B, ST64BV, ST64BV0 trapped */
    AV_EXIT_MEMORY_COPY,       /**< MOPS */
    AV_EXIT_SERROR,            /**< SError */
    AV_EXIT_UNDEFINED,         /**< EC 0: no more is known */
    AV_EXIT_OTHER,             /**< a class that this library has no kind for; see ec */
    AV_EXIT_KIND_COUNT
} av_exit_kind;

/** TI of a trapped wait. */
typedef enum av_wait_kind { AV_WAIT_WFI, AV_WAIT_WFE, AV_WAIT_WFIT, AV_WAIT_WFET } av_wait_kind;

/** DFSC or IFSC, without the level. */
typedef enum av_fault {
    AV_FAULT_ADDRESS_SIZE,
    AV_FAULT_TRANSLATION, /**< nothing is mapped there: MMIO */
    AV_FAULT_ACCESS_FLAG,
    AV_FAULT_PERMISSION, /**< mapped, but not for this: see hv_vm_protect() */
    AV_FAULT_EXTERNAL,   /**< synchronous external abort */
    AV_FAULT_PARITY,     /**< parity or ECC error */
    AV_FAULT_TAG_CHECK,  /**< FEAT_MTE */
    AV_FAULT_ALIGNMENT,
    AV_FAULT_DEBUG,
    AV_FAULT_TLB_CONFLICT,
    AV_FAULT_EXCLUSIVE, /**< unsupported exclusive or atomic access */
    AV_FAULT_OTHER,
    AV_FAULT_COUNT
} av_fault;

/** No level belongs to the fault. */
#define AV_NO_LEVEL 127

/** One guest load or store of a general-purpose register, as the syndrome describes it. */
typedef struct av_access {
    uint8_t size_bytes;   /**< SAS: 1, 2, 4 or 8 */
    uint8_t reg;          /**< SRT: 0 to 30; 31 is the zero register, and never HV_REG_PC */
    bool is_write;        /**< WnR */
    bool sign_extend;     /**< SSE; false for a write */
    bool is_64_bit;       /**< SF: the register is Xn, otherwise Wn */
    bool acquire_release; /**< AR */
} av_access;

/** A Data or Instruction Abort. */
typedef struct av_abort {
    av_fault fault; /**< what was wrong */
    int8_t level;   /**< of the table walk, -1 to 3, or AV_NO_LEVEL */
    uint8_t status; /**< DFSC or IFSC as it stands */
    bool is_write;  /**< WnR; true for cache maintenance too, false for a fetch */
    bool
        cache_maintenance; /**< CM: DC, IC or AT by address; there is nothing to emulate, av_exit_skip() does */
    bool stage1_walk; /**< S1PTW: the guest's own table lies where nothing is mapped */
    bool external;    /**< EA */
    bool far_valid;   /**< not FnV: event.virtual_address is one */
    bool
        has_access; /**< ISV: access is valid. Otherwise <applevisor/mmio.h> decodes the instruction */
    av_access access; /**< if has_access */
} av_abort;

/** An exit, decoded. */
typedef struct av_exit_event {
    av_exit_kind kind;         /**< which member of u is valid */
    uint8_t ec;                /**< exception class */
    bool same_el;              /**< the class for an exception from the same EL */
    uint8_t instruction_bytes; /**< IL: 4, or 2 */
    uint64_t syndrome;         /**< as the framework gave it; 0 if the exit has none */
    uint64_t virtual_address;  /**< FAR: of aborts and watchpoints */
    uint64_t physical_address; /**< IPA: of aborts */
    union {
        struct {
            uint16_t immediate;
        } call;
        struct {
            av_wait_kind kind;
            bool has_reg; /**< RV: reg is valid (WFIT, WFET) */
            uint8_t reg;  /**< holds the CNTVCT_EL0 value to wait for; 31 is the zero register */
        } wait;
        struct {
            uint16_t id;   /**< op0:op1:CRn:CRm:op2 as hv_sys_reg_t has it; av_sysreg_name() */
            uint8_t reg;   /**< Rt: 0 to 30; 31 is the zero register */
            bool is_write; /**< MSR, or a system instruction; otherwise MRS */
        } sysreg;
        av_abort abort;
        struct {
            bool is_write, cache_maintenance;
        } watchpoint;
        struct {
            bool valid;     /**< ISV: exclusive is valid */
            bool exclusive; /**< EX: a load-exclusive was stepped */
        } step;
        struct {
            uint8_t
                reason; /**< SMTC: 0 CPACR or CPTR, 1 illegal in streaming mode, 2 not in streaming mode, 3 ZA is off, 4 ZT0 */
        } sme;
    } u; /**< members other than the kind's are zero */
} av_exit_event;

/**
 * Says what an exit means.
 *
 * @param exit   The record that hv_vcpu_create() gave, after a run.
 * @param event  Out. Written on AV_OK only. Members of the union other than the kind's are zero.
 * @retval AV_OK       event is filled; what this library does not know is AV_EXIT_OTHER or AV_EXIT_UNKNOWN.
 * @retval AV_ERROR_BAD_ARGUMENT  An argument is NULL.
 * Threads: any; uses nothing but its arguments. Since: 0.1.
 */
AV_API av_error av_exit_decode(const hv_vcpu_exit_t *exit, av_exit_event *event);

/**
 * Says what a syndrome means; addresses are left zero.
 *
 * @param syndrome  ESR_ELx layout: EC in 31:26, IL in 25, ISS in 24:0.
 * @param event     Out. Written on AV_OK only.
 * @retval AV_ERROR_BAD_ARGUMENT  event is NULL.
 * Threads: any; uses nothing but its arguments. Since: 0.1.
 */
AV_API av_error av_exit_from_syndrome(uint64_t syndrome, av_exit_event *event);

/**
 * Finds out which access caused a Data Abort.
 *
 * @param syndrome  ESR_ELx layout.
 * @param access    Out. Written on AV_OK only.
 * @retval AV_ERROR_BAD_ARGUMENT  access is NULL, or the class is not a Data Abort.
 * @retval AV_ERROR_UNSUPPORTED   ISV is 0: av_mmio_begin() decodes the instruction itself instead.
 * Threads: any; uses nothing but its arguments. Since: 0.1.
 */
AV_API av_error av_access_from_syndrome(uint64_t syndrome, av_access *access);

/** The value that a load of this access leaves in its register: cut to the size, then extended. Threads: any. Since: 0.1. */
AV_API uint64_t av_access_extend(const av_access *access, uint64_t value);

/** A stable lower-case name: "data abort", "wfi". "?" for a value out of range. Threads: any. Since: 0.1. */
AV_API const char *av_exit_kind_name(av_exit_kind kind);
/** As av_exit_kind_name(): "wfi". Threads: any. Since: 0.1. */
AV_API const char *av_wait_kind_name(av_wait_kind kind);
/** As av_exit_kind_name(): "translation fault". Threads: any. Since: 0.1. */
AV_API const char *av_fault_name(av_fault fault);

/**
 * Writes one line about an event, as for a trace: "data abort, translation fault level 3: write of 4 bytes from W5 at IPA 0x9000000".
 *
 * @param event   A decoded event; NULL writes an empty string.
 * @param buffer  Out: always ends in a \0 when size is not 0. Can be NULL when it is.
 * @param size    Of buffer, in bytes.
 * @return the length of the whole line, as snprintf() does.
 * Threads: any. Since: 0.1.
 */
AV_API int av_exit_describe(const av_exit_event *event, char *buffer, size_t size);

/* --- Answers ------------------------------------------------------------------------------------------------------------------ */

/**
 * Reads Xn, where 31 is the zero register: the register numbers of syndromes and instructions are these, not hv_reg_t.
 *
 * @retval AV_ERROR_BAD_ARGUMENT  reg is above 31, value is NULL, or the vCPU is not the caller's.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_exit_get_x(hv_vcpu_t vcpu, unsigned reg, uint64_t *value);

/** Writes Xn; a write of register 31 does nothing. Errors and threads as av_exit_get_x(). Since: 0.1. */
AV_API av_error av_exit_set_x(hv_vcpu_t vcpu, unsigned reg, uint64_t value);

/**
 * Goes on behind the instruction that was emulated: adds 4 to the PC, and ends what the instruction ends (BTYPE becomes 0, and a
 * software step is complete).
 *
 * Called for SMC, WFI, system registers, data aborts and BRK after they were dealt with. Never for HVC: the PC is past it already.
 *
 * @return what hv_vcpu_* answered.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_exit_skip(hv_vcpu_t vcpu);

/** av_exit_skip() where the kind of the event needs it: all but HVC and the exits that have no instruction. Threads: the vCPU's. Since: 0.1. */
AV_API av_error av_exit_finish(hv_vcpu_t vcpu, const av_exit_event *event);

/**
 * Answers a system register access: a read gets value, a write is dropped, and the guest goes on behind it.
 *
 * @retval AV_ERROR_BAD_ARGUMENT  event is NULL or of another kind, or the vCPU is not the caller's.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_exit_complete_sysreg(hv_vcpu_t vcpu, const av_exit_event *event, uint64_t value);

/**
 * Makes the guest's EL1 take an Undefined Instruction exception at the PC, as for a register or an instruction that is not there.
 *
 * ELR_EL1 is the PC: call it instead of av_exit_skip(), not after.
 *
 * @retval AV_ERROR_ILLEGAL_GUEST_STATE  The guest is at EL2, whose exceptions this function does not route.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_exit_inject_undefined(hv_vcpu_t vcpu);

/**
 * Makes the guest's EL1 take a synchronous External abort for the access of an abort event: nothing answers at that address.
 *
 * @param vcpu The vCPU of the event.
 * @param event  AV_EXIT_DATA_ABORT or AV_EXIT_INSTRUCTION_ABORT; its virtual address becomes FAR_EL1.
 * @retval AV_ERROR_BAD_ARGUMENT         event is NULL or of another kind.
 * @retval AV_ERROR_ILLEGAL_GUEST_STATE  The guest is at EL2.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_exit_inject_external_abort(hv_vcpu_t vcpu, const av_exit_event *event);

AV_END_DECLS

#endif
