/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * MMIO: a Data Abort becomes a list of accesses, and their answers become registers.
 *
 * The guest can change an instruction between the fault and our look at it. So what is decoded is held against what the syndrome
 * does say, direction and address, and everything that is made of it ends in registers of this vCPU.
 */
#include <string.h>

#include <applevisor/mmio.h>

#include "applevisor/kit.h"

#define PAGE 0x1000ull
/* Bits of an address that pointer authentication leaves alone whatever TCR_EL1.TxSZ is. */
#define UNSIGNED_BITS 0xffffull
#define TAG_BITS      (0xffull << 56)

/* --- What the syndrome describes ---------------------------------------------------------------------------------------------- */

static void from_access(const av_access *access, av_insn *insn)
{
    *insn = (av_insn){
        .name = "",
        .kind = access->is_write ? AV_INSN_STORE : AV_INSN_LOAD,
        .base = AV_INSN_NO_REGISTER,
        .index = AV_INSN_NO_REGISTER,
        .n_regs = 1,
        .regs = {access->reg},
        .size_bytes = access->size_bytes,
        .sign_extend = access->sign_extend,
        .is_64_bit = access->is_64_bit,
        .is_ordered = access->acquire_release,
        .n_elements = 1,
    };
}

/* --- The instruction and its address ------------------------------------------------------------------------------------------ */

static av_error fetch(hv_vcpu_t vcpu, const av_guest_memory *memory, av_insn *insn)
{
    uint64_t pc;
    uint8_t bytes[4];

    if (memory == NULL) {
        return av_fail(AV_ERROR_UNSUPPORTED, "av_mmio_begin",
                       "the syndrome does not describe the access (ISV is 0), and without an "
                       "av_guest_memory the instruction cannot be read");
    }
    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
    TRY(av_read_virtual(vcpu, memory, pc, bytes, sizeof(bytes)));
    const uint32_t word = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                          (uint32_t)bytes[3] << 24;
    TRY(av_insn_decode(word, insn));
    switch (insn->kind) {
    case AV_INSN_LOAD:
    case AV_INSN_STORE:
        return AV_OK;
    case AV_INSN_NOT_MEMORY:
    case AV_INSN_PREFETCH:
        return av_fail(
            AV_ERROR_ILLEGAL_GUEST_STATE, "av_mmio_begin",
            "the instruction 0x%08x at 0x%llx is no load or store, so it is not the one that "
            "faulted; or it is one of SVE or SME",
            word, (unsigned long long)pc);
    default:
        return av_fail(AV_ERROR_UNSUPPORTED, "av_mmio_begin",
                       "the instruction %s (0x%08x, %s) at 0x%llx cannot be made on a device",
                       insn->name, word, av_insn_kind_name(insn->kind), (unsigned long long)pc);
    }
}

/* Xn, or the stack pointer in use. */
static av_error get_base(hv_vcpu_t vcpu, unsigned base, hv_sys_reg_t *sp, uint64_t *value)
{
    uint64_t cpsr;

    if (base != ZERO_REGISTER) {
        return av_exit_get_x(vcpu, base, value);
    }
    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &cpsr));
    if ((cpsr & CPSR_SPSEL) == 0) {
        *sp = HV_SYS_REG_SP_EL0;
    } else {
        *sp = CPSR_EL(cpsr) == 2 ? HV_SYS_REG_SP_EL2 : HV_SYS_REG_SP_EL1;
    }
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, *sp, value));
    return AV_OK;
}

static av_error index_value(hv_vcpu_t vcpu, const av_insn *insn, uint64_t *value)
{
    TRY(av_exit_get_x(vcpu, insn->index, value));
    if (insn->index_extend == 2) {
        *value = (uint32_t)*value;
    } else if (insn->index_extend == 6) {
        *value = (uint64_t)(int64_t)(int32_t)(uint32_t)*value;
    }
    *value <<= insn->index_shift;
    return AV_OK;
}

/* The address of the first byte, and the base's new value. */
static av_error address_of(hv_vcpu_t vcpu, const av_insn *insn, uint64_t far, uint64_t *address,
                           uint64_t *written_back)
{
    uint64_t base, moved = (uint64_t)insn->offset;
    hv_sys_reg_t sp;

    if (insn->addressing == AV_INSN_LITERAL) {
        TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_PC, &base));
    } else {
        TRY(get_base(vcpu, insn->base, &sp, &base));
    }
    if (insn->index != AV_INSN_NO_REGISTER) {
        TRY(index_value(vcpu, insn, &moved));
    }
    moved += base;
    *address = insn->addressing == AV_INSN_POST_INDEX ? base : moved;
    if (insn->addressing == AV_INSN_AUTHENTICATED) {
        /* The signature is not ours to check; the fault happened at the authenticated address, of which the low bits must agree. */
        *address = ((*address ^ far) & UNSIGNED_BITS) == 0 ? far : far + PAGE;
        moved = *address;
    }
    *written_back = moved;
    return AV_OK;
}

/* Where the fault lies in the access. The tag in the top byte, if there is one, is in both. */
static av_error locate(const av_exit_event *event, const av_insn *insn, uint64_t address,
                       uint64_t *ipa)
{
    const uint64_t far = event->virtual_address, delta = (far - address) & ~TAG_BITS;
    const uint64_t total = av_insn_total_bytes(insn);

    if (delta >= total || (insn->kind == AV_INSN_STORE) != event->u.abort.is_write) {
        return av_fail(
            AV_ERROR_ILLEGAL_GUEST_STATE, "av_mmio_begin",
            "the instruction %s (0x%08x) would access 0x%llx, but the fault is a %s at 0x%llx: "
            "it is not the one that faulted",
            insn->name, insn->word, (unsigned long long)address,
            event->u.abort.is_write ? "write" : "read", (unsigned long long)far);
    }
    const uint64_t in_page = far & (PAGE - 1);
    if (delta > in_page || in_page - delta + total > PAGE) {
        return av_fail(
            AV_ERROR_UNSUPPORTED, "av_mmio_begin",
            "%s at 0x%llx lies in two pages, and only the one of the fault has a known physical "
            "address",
            insn->name, (unsigned long long)address);
    }
    *ipa = event->physical_address - delta;
    return AV_OK;
}

/* --- Begin -------------------------------------------------------------------------------------------------------------------- */

static uint64_t low_bytes(uint64_t value, unsigned n)
{
    return n < 8 ? value & ((1ull << 8 * n) - 1) : value;
}

static uint64_t bytes_of(const hv_simd_fp_uchar16_t *v, unsigned first, unsigned n)
{
    uint64_t value = 0;
    uint8_t bytes[16];

    memcpy(bytes, v, sizeof(bytes));
    for (unsigned i = 0; i < n; i++) {
        value |= (uint64_t)bytes[first + i] << (8 * i);
    }
    return value;
}

/* What a store writes. */
static av_error store_value(hv_vcpu_t vcpu, const av_insn *insn, const av_insn_transfer *transfer,
                            uint64_t *value)
{
    hv_simd_fp_uchar16_t v;

    if (insn->is_vector) {
        TRY_HV(hv_vcpu_get_simd_fp_reg(vcpu, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + transfer->reg),
                                       &v));
        *value = bytes_of(&v, transfer->reg_byte, transfer->size_bytes);
        return AV_OK;
    }
    TRY(av_exit_get_x(vcpu, transfer->reg, value));
    *value = low_bytes(*value, transfer->size_bytes);
    return AV_OK;
}

static av_error list_accesses(hv_vcpu_t vcpu, uint64_t ipa, av_mmio *mmio)
{
    mmio->is_write = mmio->insn.kind == AV_INSN_STORE;
    TRY(av_insn_transfers(&mmio->insn, mmio->transfers, &mmio->n_accesses));
    for (unsigned i = 0; i < mmio->n_accesses; i++) {
        const av_insn_transfer *const transfer = &mmio->transfers[i];
        mmio->accesses[i] = (av_mmio_access){.ipa = ipa + transfer->offset,
                                             .size_bytes = transfer->size_bytes};
        if (mmio->is_write) {
            TRY(store_value(vcpu, &mmio->insn, transfer, &mmio->accesses[i].value));
        }
    }
    return AV_OK;
}

static bool is_for_a_device(const av_abort *abort)
{
    switch (abort->fault) {
    case AV_FAULT_TRANSLATION:
    case AV_FAULT_PERMISSION:
    case AV_FAULT_ACCESS_FLAG:
    case AV_FAULT_ADDRESS_SIZE:
        return !abort->stage1_walk && !abort->external;
    default:
        return false;
    }
}

static av_error begin(hv_vcpu_t vcpu, const av_exit_event *event, const av_guest_memory *memory,
                      av_mmio *mmio)
{
    const av_abort *const abort = &event->u.abort;
    uint64_t ipa = event->physical_address, address = 0;

    mmio->n_accesses = 0;
    mmio->written_back = 0;
    if (abort->cache_maintenance) {
        mmio->is_write = true;
        mmio->insn = (av_insn){.name = "", .kind = AV_INSN_NOT_MEMORY};
        return AV_OK;
    }
    if (abort->has_access) {
        from_access(&abort->access, &mmio->insn);
    } else {
        TRY(fetch(vcpu, memory, &mmio->insn));
        TRY(address_of(vcpu, &mmio->insn, event->virtual_address, &address, &mmio->written_back));
        TRY(locate(event, &mmio->insn, address, &ipa));
    }
    return list_accesses(vcpu, ipa, mmio);
}

static __attribute__((noinline)) av_error no_device(const av_exit_event *event,
                                                    const char *function)
{
    return av_fail(AV_ERROR_BAD_ARGUMENT, function,
                   "the event is '%s%s%s', and must be an access to where nothing is mapped",
                   av_exit_kind_name(event->kind), event->kind == AV_EXIT_DATA_ABORT ? ", " : "",
                   event->kind == AV_EXIT_DATA_ABORT ? av_fault_name(event->u.abort.fault) : "");
}

static inline bool is_device_access(const av_exit_event *event)
{
    return event->kind == AV_EXIT_DATA_ABORT && is_for_a_device(&event->u.abort);
}

av_error av_mmio_begin(hv_vcpu_t vcpu, const av_exit_event *event, const av_guest_memory *memory,
                       av_mmio *mmio)
{
    av_mmio found;

    NOT_NULL(event);
    NOT_NULL(mmio);
    if (!is_device_access(event)) {
        return no_device(event, __func__);
    }
    TRY(begin(vcpu, event, memory, &found));
    *mmio = found;
    return AV_OK;
}

/* --- Complete ----------------------------------------------------------------------------------------------------------------- */

static av_error load_general(hv_vcpu_t vcpu, const av_mmio *mmio)
{
    const av_insn *const insn = &mmio->insn;

    /* The last one first: of twice the same register, which is CONSTRAINED UNPREDICTABLE, the first value stays. */
    for (unsigned i = mmio->n_accesses; i-- != 0;) {
        const av_access access = {
            .size_bytes = insn->size_bytes,
            .sign_extend = insn->sign_extend,
            .is_64_bit = insn->is_64_bit,
        };
        TRY(av_exit_set_x(vcpu, mmio->transfers[i].reg,
                          av_access_extend(&access, mmio->accesses[i].value)));
    }
    return AV_OK;
}

/* The bytes of one register, from all accesses to it. */
static av_error load_vector(hv_vcpu_t vcpu, const av_mmio *mmio, uint8_t reg)
{
    const av_insn *const insn = &mmio->insn;
    hv_simd_fp_uchar16_t v;
    uint8_t bytes[16] = {0};

    if (insn->keeps_others) {
        TRY_HV(hv_vcpu_get_simd_fp_reg(vcpu, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + reg), &v));
        memcpy(bytes, &v, sizeof(bytes));
    }
    for (unsigned i = 0; i < mmio->n_accesses; i++) {
        const av_insn_transfer *const transfer = &mmio->transfers[i];
        for (unsigned byte = 0; transfer->reg == reg && byte < transfer->size_bytes; byte++) {
            bytes[transfer->reg_byte + byte] = (uint8_t)(mmio->accesses[i].value >> (8 * byte));
        }
    }
    for (unsigned byte = insn->size_bytes; insn->replicate && byte < insn->vector_bytes; byte++) {
        bytes[byte] = bytes[byte - insn->size_bytes];
    }
    memcpy(&v, bytes, sizeof(v));
    TRY_HV(hv_vcpu_set_simd_fp_reg(vcpu, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + reg), v));
    return AV_OK;
}

static av_error load_vectors(hv_vcpu_t vcpu, const av_mmio *mmio)
{
    for (unsigned i = 0; i < mmio->insn.n_regs; i++) {
        TRY(load_vector(vcpu, mmio, mmio->insn.regs[i]));
    }
    return AV_OK;
}

static av_error write_back(hv_vcpu_t vcpu, const av_mmio *mmio)
{
    const unsigned base = mmio->insn.base;
    hv_sys_reg_t sp;
    uint64_t old;

    if (base != ZERO_REGISTER) {
        return av_exit_set_x(vcpu, base, mmio->written_back);
    }
    TRY(get_base(vcpu, base, &sp, &old));
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, sp, mmio->written_back));
    return AV_OK;
}

av_error av_mmio_complete(hv_vcpu_t vcpu, const av_mmio *mmio)
{
    NOT_NULL(mmio);
    if (mmio->insn.kind == AV_INSN_LOAD) {
        TRY(mmio->insn.is_vector ? load_vectors(vcpu, mmio) : load_general(vcpu, mmio));
    }
    if (mmio->insn.writeback) {
        TRY(write_back(vcpu, mmio));
    }
    return av_exit_skip(vcpu);
}

static av_error nothing_at(const av_mmio_access *access, bool is_write)
{
    return av_fail(AV_ERROR_NOT_MAPPED, "av_mmio_run",
                   "nothing is at IPA 0x%llx for a %s of %u bytes", (unsigned long long)access->ipa,
                   is_write ? "write" : "read", access->size_bytes);
}

/*
 * Most accesses by far: the syndrome says all, which is one register. Each way is a function of its own, which keeps little over its calls.
 */
static __attribute__((noinline)) av_error load_described(hv_vcpu_t vcpu, const av_exit_event *event,
                                                         void *context, av_mmio_handler *handler)
{
    const av_access *const access = &event->u.abort.access;
    av_mmio_access made = {.ipa = event->physical_address, .size_bytes = access->size_bytes};

    if (!handler(context, false, &made)) {
        return nothing_at(&made, false);
    }
    if (access->reg > ZERO_REGISTER) { /* an event that the client has made */
        return av_exit_set_x(vcpu, access->reg, 0);
    }
    TRY(kit_set_x(vcpu, access->reg, kit_extend(access, made.value)));
    return kit_skip(vcpu);
}

static __attribute__((noinline)) av_error store_described(hv_vcpu_t vcpu,
                                                          const av_exit_event *event, void *context,
                                                          av_mmio_handler *handler)
{
    const av_access *const access = &event->u.abort.access;
    av_mmio_access made = {.ipa = event->physical_address, .size_bytes = access->size_bytes};

    TRY(av_exit_get_x(vcpu, access->reg, &made.value));
    made.value = low_bytes(made.value, access->size_bytes);
    if (!handler(context, true, &made)) {
        return nothing_at(&made, true);
    }
    return kit_skip(vcpu);
}

/* Apart, because so many accesses take much of a stack. */
static __attribute__((noinline)) av_error run_listed(hv_vcpu_t vcpu, const av_exit_event *event,
                                                     const av_guest_memory *memory,
                                                     av_mmio_handler *handler, void *context)
{
    av_mmio mmio;

    TRY(begin(vcpu, event, memory, &mmio));
    for (unsigned i = 0; i < mmio.n_accesses; i++) {
        if (!handler(context, mmio.is_write, &mmio.accesses[i])) {
            return nothing_at(&mmio.accesses[i], mmio.is_write);
        }
    }
    return av_mmio_complete(vcpu, &mmio);
}

av_error av_mmio_run(hv_vcpu_t vcpu, const av_exit_event *event, const av_guest_memory *memory,
                     av_mmio_handler *handler, void *context)
{
    NOT_NULL(event);
    NOT_NULL(handler);
    if (!is_device_access(event)) {
        return no_device(event, __func__);
    }
    if (!event->u.abort.has_access || event->u.abort.cache_maintenance) {
        return run_listed(vcpu, event, memory, handler, context);
    }
    return event->u.abort.access.is_write ? store_described(vcpu, event, context, handler)
                                          : load_described(vcpu, event, context, handler);
}
