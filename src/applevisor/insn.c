/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and stores from their encoding. Arm ARM DDI0487 J.a, C4.1.94.
 *
 * The generated table finds the semantic class of a word; the class's function here fills in what the word says. A class without a
 * function is one that is named and refused: its kind stands beside it.
 */
#include <applevisor/insn.h>

#include "applevisor/internal.h"

#define A64_FIELD(w, hi, lo) (((w) >> (lo)) & (0xffffffffu >> (31 - ((hi) - (lo)))))
#define A64_BIT(w, n)        ((w) >> (n)&1u)
#define Q_BYTES              16u

typedef void class_fn(uint32_t w, av_insn *insn);

static bool is_described(const av_insn *insn)
{
    return insn->kind == AV_INSN_LOAD || insn->kind == AV_INSN_STORE;
}

/* The field [hi:lo] as a signed number. */
static int64_t signed_field(uint32_t w, unsigned hi, unsigned lo)
{
    const int64_t sign = (int64_t)1 << (hi - lo);

    return ((int64_t)A64_FIELD(w, hi, lo) ^ sign) - sign;
}

static void one_reg(uint32_t w, av_insn *insn)
{
    insn->n_regs = 1;
    insn->regs[0] = (uint8_t)A64_FIELD(w, 4, 0);
    insn->base = (uint8_t)A64_FIELD(w, 9, 5);
}

static void two_regs(uint32_t w, av_insn *insn, unsigned second)
{
    one_reg(w, insn);
    insn->n_regs = 2;
    insn->regs[1] = (uint8_t)second;
}

static void addressing(av_insn *insn, av_insn_addressing how, int64_t offset)
{
    insn->addressing = how;
    insn->offset = offset;
    insn->writeback = how == AV_INSN_PRE_INDEX || how == AV_INSN_POST_INDEX;
}

/* --- One general-purpose register --------------------------------------------------------------------------------------------- */

/* opc: 0 stores, 1 loads, 2 loads and sign-extends to 64 bits (a prefetch where the size is 8), 3 to 32 bits. */
static void general(uint32_t w, av_insn *insn, unsigned size, unsigned opc)
{
    one_reg(w, insn);
    insn->kind = opc == 0 ? AV_INSN_STORE : AV_INSN_LOAD;
    if (size == 3 && opc == 2) {
        insn->kind = AV_INSN_PREFETCH;
        return;
    }
    insn->size_bytes = (uint8_t)(1u << size);
    insn->sign_extend = opc >= 2;
    insn->is_64_bit = opc < 2 ? size == 3 : opc == 2;
}

static void general_single(uint32_t w, av_insn *insn)
{
    general(w, insn, A64_FIELD(w, 31, 30), A64_FIELD(w, 23, 22));
}

static void extended_index(uint32_t w, av_insn *insn, unsigned shift)
{
    insn->addressing = AV_INSN_BASE_REGISTER;
    insn->index = (uint8_t)A64_FIELD(w, 20, 16);
    insn->index_extend = (uint8_t)A64_FIELD(w, 15, 13);
    insn->index_shift = (uint8_t)(A64_BIT(w, 12) != 0 ? shift : 0);
}

static void general_unsigned(uint32_t w, av_insn *insn)
{
    general_single(w, insn);
    addressing(insn, AV_INSN_BASE, (int64_t)A64_FIELD(w, 21, 10) * insn->size_bytes);
}

static void general_signed(uint32_t w, av_insn *insn)
{
    general_single(w, insn);
    addressing(insn, AV_INSN_BASE, signed_field(w, 20, 12));
}

static void general_unprivileged(uint32_t w, av_insn *insn)
{
    general_signed(w, insn);
    insn->unprivileged = true;
}

static void general_pre(uint32_t w, av_insn *insn)
{
    general_single(w, insn);
    addressing(insn, AV_INSN_PRE_INDEX, signed_field(w, 20, 12));
}

static void general_post(uint32_t w, av_insn *insn)
{
    general_single(w, insn);
    addressing(insn, AV_INSN_POST_INDEX, signed_field(w, 20, 12));
}

static void general_register(uint32_t w, av_insn *insn)
{
    general_single(w, insn);
    extended_index(w, insn, A64_FIELD(w, 31, 30));
}

static void general_literal(uint32_t w, av_insn *insn)
{
    const unsigned opc = A64_FIELD(w, 31, 30);

    if (opc == 3) {
        insn->kind = AV_INSN_PREFETCH;
        return;
    }
    general(w, insn, opc == 1 ? 3 : 2, opc == 2 ? 2 : 1);
    addressing(insn, AV_INSN_LITERAL, signed_field(w, 23, 5) * 4);
    insn->base = AV_INSN_NO_REGISTER;
}

/* LDRAA, LDRAB */
static void general_pac(uint32_t w, av_insn *insn)
{
    general(w, insn, 3, 1);
    insn->name = A64_BIT(w, 23) != 0 ? "LDRAB" : "LDRAA";
    addressing(insn, AV_INSN_AUTHENTICATED,
               (signed_field(w, 22, 22) * 512 + (int64_t)A64_FIELD(w, 20, 12)) * 8);
    insn->writeback = A64_BIT(w, 11) != 0;
}

/* --- Ordered ------------------------------------------------------------------------------------------------------------------ */

/* LDAR, STLR, LDLAR, STLLR */
static void ordered(uint32_t w, av_insn *insn)
{
    general(w, insn, A64_FIELD(w, 31, 30), A64_BIT(w, 22));
    insn->is_ordered = true;
}

/* LDAPUR, STLUR */
static void ordered_unscaled(uint32_t w, av_insn *insn)
{
    general_signed(w, insn);
    insn->is_ordered = true;
}

static void ordered_rcpc(uint32_t w, av_insn *insn)
{
    general(w, insn, A64_FIELD(w, 31, 30), 1);
    insn->is_ordered = true;
}

static void ordered_store_writeback(uint32_t w, av_insn *insn)
{
    general(w, insn, A64_FIELD(w, 31, 30), 0);
    insn->is_ordered = true;
    addressing(insn, AV_INSN_PRE_INDEX, -(int64_t)insn->size_bytes);
}

static void ordered_rcpc_writeback(uint32_t w, av_insn *insn)
{
    ordered_rcpc(w, insn);
    addressing(insn, AV_INSN_POST_INDEX, insn->size_bytes);
}

/* LDIAPP, STILP: bit 12 clear means writeback. */
static void ordered_pair(uint32_t w, av_insn *insn, bool is_load)
{
    const unsigned size = 4u << A64_BIT(w, 30);
    const int64_t moved = 2 * (int64_t)size;

    two_regs(w, insn, A64_FIELD(w, 20, 16));
    insn->kind = is_load ? AV_INSN_LOAD : AV_INSN_STORE;
    insn->size_bytes = (uint8_t)size;
    insn->is_64_bit = size == 8;
    insn->is_ordered = true;
    if (A64_BIT(w, 12) == 0) {
        addressing(insn, is_load ? AV_INSN_POST_INDEX : AV_INSN_PRE_INDEX,
                   is_load ? moved : -moved);
    }
}

static void ordered_pair_load(uint32_t w, av_insn *insn)
{
    ordered_pair(w, insn, true);
}

static void ordered_pair_store(uint32_t w, av_insn *insn)
{
    ordered_pair(w, insn, false);
}

/* --- Pairs -------------------------------------------------------------------------------------------------------------------- */

static void pair(uint32_t w, av_insn *insn, unsigned size, av_insn_addressing how)
{
    two_regs(w, insn, A64_FIELD(w, 14, 10));
    insn->kind = A64_BIT(w, 22) != 0 ? AV_INSN_LOAD : AV_INSN_STORE;
    insn->size_bytes = (uint8_t)(1u << size);
    addressing(insn, how, signed_field(w, 21, 15) * insn->size_bytes);
}

/* opc: 0 is W, 1 LDPSW, 2 X. */
static void general_pair(uint32_t w, av_insn *insn, av_insn_addressing how)
{
    const unsigned opc = A64_FIELD(w, 31, 30);

    pair(w, insn, opc == 2 ? 3 : 2, how);
    insn->sign_extend = opc == 1;
    insn->is_64_bit = opc != 0;
}

static void general_pair_offset(uint32_t w, av_insn *insn)
{
    general_pair(w, insn, AV_INSN_BASE);
}

static void general_pair_pre(uint32_t w, av_insn *insn)
{
    general_pair(w, insn, AV_INSN_PRE_INDEX);
}

static void general_pair_post(uint32_t w, av_insn *insn)
{
    general_pair(w, insn, AV_INSN_POST_INDEX);
}

static void vector_pair(uint32_t w, av_insn *insn, av_insn_addressing how)
{
    pair(w, insn, 2 + A64_FIELD(w, 31, 30), how);
    insn->is_vector = true;
}

static void vector_pair_offset(uint32_t w, av_insn *insn)
{
    vector_pair(w, insn, AV_INSN_BASE);
}

static void vector_pair_pre(uint32_t w, av_insn *insn)
{
    vector_pair(w, insn, AV_INSN_PRE_INDEX);
}

static void vector_pair_post(uint32_t w, av_insn *insn)
{
    vector_pair(w, insn, AV_INSN_POST_INDEX);
}

/* --- One SIMD&FP register ----------------------------------------------------------------------------------------------------- */

static unsigned vector_size(uint32_t w)
{
    return A64_BIT(w, 23) << 2 | A64_FIELD(w, 31, 30);
}

static void vector_single(uint32_t w, av_insn *insn)
{
    one_reg(w, insn);
    insn->kind = A64_BIT(w, 22) != 0 ? AV_INSN_LOAD : AV_INSN_STORE;
    insn->is_vector = true;
    insn->size_bytes = (uint8_t)(1u << vector_size(w));
}

static void vector_unsigned(uint32_t w, av_insn *insn)
{
    vector_single(w, insn);
    addressing(insn, AV_INSN_BASE, (int64_t)A64_FIELD(w, 21, 10) * insn->size_bytes);
}

static void vector_signed(uint32_t w, av_insn *insn)
{
    vector_single(w, insn);
    addressing(insn, AV_INSN_BASE, signed_field(w, 20, 12));
}

static void vector_ordered(uint32_t w, av_insn *insn)
{
    vector_signed(w, insn);
    insn->is_ordered = true;
}

static void vector_pre(uint32_t w, av_insn *insn)
{
    vector_single(w, insn);
    addressing(insn, AV_INSN_PRE_INDEX, signed_field(w, 20, 12));
}

static void vector_post(uint32_t w, av_insn *insn)
{
    vector_single(w, insn);
    addressing(insn, AV_INSN_POST_INDEX, signed_field(w, 20, 12));
}

static void vector_register(uint32_t w, av_insn *insn)
{
    vector_single(w, insn);
    extended_index(w, insn, vector_size(w));
}

static void vector_literal(uint32_t w, av_insn *insn)
{
    one_reg(w, insn);
    insn->kind = AV_INSN_LOAD;
    insn->is_vector = true;
    insn->size_bytes = (uint8_t)(4u << A64_FIELD(w, 31, 30));
    addressing(insn, AV_INSN_LITERAL, signed_field(w, 23, 5) * 4);
    insn->base = AV_INSN_NO_REGISTER;
}

/* --- Structures --------------------------------------------------------------------------------------------------------------- */

static void structure(uint32_t w, av_insn *insn, unsigned n_regs)
{
    one_reg(w, insn);
    insn->kind = A64_BIT(w, 22) != 0 ? AV_INSN_LOAD : AV_INSN_STORE;
    insn->is_vector = true;
    insn->n_regs = (uint8_t)n_regs;
    for (unsigned i = 1; i < n_regs; i++) {
        insn->regs[i] = (uint8_t)((insn->regs[0] + i) % 32);
    }
}

/* By Rm, or by the number of bytes when that is 31. */
static void structure_post(uint32_t w, av_insn *insn)
{
    const uint8_t rm = (uint8_t)A64_FIELD(w, 20, 16);

    addressing(insn, AV_INSN_POST_INDEX, 0);
    if (rm == 31) {
        insn->offset = av_insn_total_bytes(insn);
    } else {
        insn->index = rm;
        insn->index_extend = 3;
    }
}

static void multiple(uint32_t w, av_insn *insn)
{
    /* By opcode (bits 15:12): LD4, LD1 of four, LD3, LD1 of three, LD1 of one, LD2, LD1 of two. The table has no others. */
    static const struct {
        uint8_t n_regs;
        bool interleaved;
    } forms[16] = {[0] = {4, true},  [2] = {4, false}, [4] = {3, true},  [6] = {3, false},
                   [7] = {1, false}, [8] = {2, true},  [10] = {2, false}};
    const unsigned opcode = A64_FIELD(w, 15, 12), size = A64_FIELD(w, 11, 10);

    structure(w, insn, forms[opcode].n_regs);
    insn->interleaved = forms[opcode].interleaved;
    insn->size_bytes = (uint8_t)(1u << size);
    insn->n_elements = (uint8_t)((8u << A64_BIT(w, 30)) >> size);
}

static void multiple_post(uint32_t w, av_insn *insn)
{
    multiple(w, insn);
    structure_post(w, insn);
}

/* One lane of each register, or (opcode 11x) one element to all lanes. */
static void lane(uint32_t w, av_insn *insn)
{
    const unsigned q = A64_BIT(w, 30), s = A64_BIT(w, 12), size = A64_FIELD(w, 11, 10);
    unsigned scale = A64_FIELD(w, 15, 14);

    structure(w, insn, (A64_BIT(w, 13) << 1 | A64_BIT(w, 21)) + 1);
    if (scale == 3) {
        insn->replicate = true;
        scale = size;
    } else {
        unsigned byte = q << 3 | s << 2 |
                        size; /* the lane in units of bytes, then of the element */
        if (scale == 2 && (size & 1) != 0) {
            scale = 3;
        }
        insn->lane = (uint8_t)(byte >> scale);
        insn->keeps_others = insn->kind == AV_INSN_LOAD;
    }
    insn->size_bytes = (uint8_t)(1u << scale);
    insn->vector_bytes = (uint8_t)(8u << q);
}

static void lane_post(uint32_t w, av_insn *insn)
{
    lane(w, insn);
    structure_post(w, insn);
}

/* LDAP1, STL1 */
static void lane_ordered(uint32_t w, av_insn *insn)
{
    lane(w, insn);
    insn->is_ordered = true;
}

/* --- The classes -------------------------------------------------------------------------------------------------------------- */

enum class {
#define INSN_CLASSES
#define CLASS(name) CLASS_##name,
#include "kit_insn.inc"
#undef CLASS
#undef INSN_CLASSES
    CLASS_COUNT
};

#define INSN_CONDITIONS
#include "kit_insn.inc"
#undef INSN_CONDITIONS

static const struct row {
    uint32_t mask, value;
    uint8_t class;
    const char *name;
    bool (*undefined)(uint32_t w);
} rows[] = {
#define INSN_ROWS
#define ROW(mask, value, class, name, undefined) {mask, value, CLASS_##class, name, undefined},
#include "kit_insn.inc"
#undef ROW
#undef INSN_ROWS
};

_Static_assert(CLASS_COUNT < 256, "row.class");

/* Every class has a function or the kind that refuses it; unit test `insn` looks for one that has neither. */
// clang-format off
static const struct {
    class_fn *describe;
    uint8_t kind;
} classes[CLASS_COUNT] = {
    [CLASS_memory_single_general_immediate_unsigned] = {general_unsigned, 0},
    [CLASS_memory_single_general_immediate_signed_offset_normal] = {general_signed, 0},
    [CLASS_memory_single_general_immediate_signed_offset_unpriv] = {general_unprivileged, 0},
    [CLASS_memory_single_general_immediate_signed_offset_lda_stl] = {ordered_unscaled, 0},
    [CLASS_memory_single_general_immediate_signed_pre_idx] = {general_pre, 0},
    [CLASS_memory_single_general_immediate_signed_post_idx] = {general_post, 0},
    [CLASS_memory_single_general_immediate_signed_pac] = {general_pac, 0},
    [CLASS_memory_single_general_register] = {general_register, 0},
    [CLASS_memory_single_general_range] = {NULL, AV_INSN_PREFETCH},
    [CLASS_memory_literal_general] = {general_literal, 0},
    [CLASS_memory_ordered] = {ordered, 0},
    [CLASS_memory_ordered_writeback] = {ordered_store_writeback, 0},
    [CLASS_memory_ordered_rcpc] = {ordered_rcpc, 0},
    [CLASS_memory_ordered_rcpc_writeback] = {ordered_rcpc_writeback, 0},
    [CLASS_memory_ordered_pair_ldiapp] = {ordered_pair_load, 0},
    [CLASS_memory_ordered_pair_stilp] = {ordered_pair_store, 0},

    [CLASS_memory_pair_general_no_alloc] = {general_pair_offset, 0},
    [CLASS_memory_pair_general_offset] = {general_pair_offset, 0},
    [CLASS_memory_pair_general_pre_idx] = {general_pair_pre, 0},
    [CLASS_memory_pair_general_post_idx] = {general_pair_post, 0},
    [CLASS_memory_pair_simdfp_no_alloc] = {vector_pair_offset, 0},
    [CLASS_memory_pair_simdfp_offset] = {vector_pair_offset, 0},
    [CLASS_memory_pair_simdfp_pre_idx] = {vector_pair_pre, 0},
    [CLASS_memory_pair_simdfp_post_idx] = {vector_pair_post, 0},

    [CLASS_memory_single_simdfp_immediate_unsigned] = {vector_unsigned, 0},
    [CLASS_memory_single_simdfp_immediate_signed_offset_normal] = {vector_signed, 0},
    [CLASS_memory_single_simdfp_immediate_signed_offset_ordered] = {vector_ordered, 0},
    [CLASS_memory_single_simdfp_immediate_signed_pre_idx] = {vector_pre, 0},
    [CLASS_memory_single_simdfp_immediate_signed_post_idx] = {vector_post, 0},
    [CLASS_memory_single_simdfp_register] = {vector_register, 0},
    [CLASS_memory_literal_simdfp] = {vector_literal, 0},
    [CLASS_memory_vector_multiple_no_wb] = {multiple, 0},
    [CLASS_memory_vector_multiple_post_inc] = {multiple_post, 0},
    [CLASS_memory_vector_single_no_wb] = {lane, 0},
    [CLASS_memory_vector_single_no_wb_ordered] = {lane_ordered, 0},
    [CLASS_memory_vector_single_post_inc] = {lane_post, 0},

    [CLASS_memory_exclusive_single] = {NULL, AV_INSN_EXCLUSIVE},
    [CLASS_memory_exclusive_pair] = {NULL, AV_INSN_EXCLUSIVE},
    [CLASS_memory_atomicops_cas_single] = {NULL, AV_INSN_COMPARE_AND_SWAP},
    [CLASS_memory_atomicops_cas_pair] = {NULL, AV_INSN_COMPARE_AND_SWAP},
    [CLASS_memory_rcw_cas] = {NULL, AV_INSN_COMPARE_AND_SWAP},
    [CLASS_memory_rcw_cas_128] = {NULL, AV_INSN_COMPARE_AND_SWAP},
    [CLASS_memory_rcws_cas] = {NULL, AV_INSN_COMPARE_AND_SWAP},
    [CLASS_memory_rcws_cas_128] = {NULL, AV_INSN_COMPARE_AND_SWAP},
    [CLASS_memory_atomicops_ld] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_atomicops_swp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_atomicops_swp_128] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_atomicops_ld_128_ldclrp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_atomicops_ld_128_ldsetp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcw_ld_128_rcwclrp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcw_ld_128_rcwsetp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcw_ld_rcwclr] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcw_ld_rcwset] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcw_swp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcw_swp_128] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcws_ld_128_rcwsclrp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcws_ld_128_rcwssetp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcws_ld_rcwsclr] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcws_ld_rcwsset] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcws_swp] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_rcws_swp_128] = {NULL, AV_INSN_ATOMIC},
    [CLASS_memory_atomicops_ld_acc] = {NULL, AV_INSN_LS64},
    [CLASS_memory_atomicops_st_acc_st64b] = {NULL, AV_INSN_LS64},
    [CLASS_memory_atomicops_st_acc_st64bv] = {NULL, AV_INSN_LS64},
    [CLASS_memory_atomicops_st_acc_st64bv0] = {NULL, AV_INSN_LS64},
    [CLASS_memory_gcs_general_register] = {NULL, AV_INSN_GCS},
    [CLASS_memory_mcpymset_cpy] = {NULL, AV_INSN_MEMORY_COPY},
    [CLASS_memory_mcpymset_cpyf] = {NULL, AV_INSN_MEMORY_COPY},
    [CLASS_memory_mcpymset_set] = {NULL, AV_INSN_MEMORY_COPY},
    [CLASS_memory_mcpymset_setg] = {NULL, AV_INSN_MEMORY_COPY},
    [CLASS_integer_tags_mcgettag] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcgettagarray] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettag] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettaganddatapair] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettaganddatapairpost] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettaganddatapairpre] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagandzeroarray] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagandzerodata] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagandzerodatapost] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagandzerodatapre] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagarray] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpair] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpairandzerodata] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpairandzerodatapost] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpairandzerodatapre] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpairpost] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpairpre] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpost] = {NULL, AV_INSN_TAG},
    [CLASS_integer_tags_mcsettagpre] = {NULL, AV_INSN_TAG},
};
// clang-format on

static const struct row *find_row(uint32_t word)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((word & rows[i].mask) == rows[i].value) {
            return rows[i].undefined != NULL && rows[i].undefined(word) ? NULL : &rows[i];
        }
    }
    return NULL;
}

av_error av_insn_decode(uint32_t word, av_insn *insn)
{
    NOT_NULL(insn);
    *insn = (av_insn){.name = "", .word = word};
    /* A system instruction that stores. */
    if ((word & ~0x1fu) == 0xd50b7420u) {
        insn->name = "DC ZVA";
        insn->kind = AV_INSN_ZERO_BLOCK;
        return AV_OK;
    }
    const struct row *const row = find_row(word);
    if (row == NULL) {
        return AV_OK;
    }
    insn->name = row->name;
    if (classes[row->class].describe == NULL) {
        insn->kind = (av_insn_kind)classes[row->class].kind;
        return AV_OK;
    }
    insn->index = AV_INSN_NO_REGISTER;
    insn->n_elements = 1;
    classes[row->class].describe(word, insn);
    if (!is_described(insn)) {
        *insn = (av_insn){.name = row->name, .word = word, .kind = insn->kind};
    }
    return AV_OK;
}

/* --- Accesses ----------------------------------------------------------------------------------------------------------------- */

unsigned av_insn_total_bytes(const av_insn *insn)
{
    return insn == NULL || !is_described(insn)
               ? 0
               : (unsigned)insn->size_bytes * insn->n_elements * insn->n_regs;
}

av_error av_insn_transfers(const av_insn *insn, av_insn_transfer *transfers, unsigned *n)
{
    NOT_NULL(insn);
    NOT_NULL(transfers);
    NOT_NULL(n);
    if (!is_described(insn)) {
        return FAIL(AV_ERROR_BAD_ARGUMENT,
                    "the instruction is '%s' (%s), and must be a load or a store", insn->name,
                    av_insn_kind_name(insn->kind));
    }
    const unsigned elements = insn->n_elements, regs = insn->n_regs, total = elements * regs;
    unsigned count = 0, offset = 0;
    for (unsigned i = 0; i < total; i++) {
        /* Interleaved, the register changes with every element; otherwise when one is full. */
        const unsigned reg = insn->interleaved ? i % regs : i / elements;
        const unsigned element = insn->lane + (insn->interleaved ? i / regs : i % elements);
        const unsigned piece = insn->size_bytes == Q_BYTES ? 8 : insn->size_bytes;
        for (unsigned done = 0; done < insn->size_bytes; done += piece) {
            transfers[count++] = (av_insn_transfer){
                .offset = (uint16_t)(offset + done),
                .size_bytes = (uint8_t)piece,
                .reg = insn->regs[reg],
                .reg_byte = (uint8_t)(element * insn->size_bytes + done),
            };
        }
        offset += insn->size_bytes;
    }
    *n = count;
    return AV_OK;
}

const char *av_insn_kind_name(av_insn_kind kind)
{
    static const char *const names[AV_INSN_KIND_COUNT] = {
        [AV_INSN_NOT_MEMORY] = "no load or store",
        [AV_INSN_LOAD] = "load",
        [AV_INSN_STORE] = "store",
        [AV_INSN_PREFETCH] = "prefetch",
        [AV_INSN_EXCLUSIVE] = "exclusive",
        [AV_INSN_COMPARE_AND_SWAP] = "compare and swap",
        [AV_INSN_ATOMIC] = "atomic",
        [AV_INSN_TAG] = "memory tagging",
        [AV_INSN_MEMORY_COPY] = "memory copy and set",
        [AV_INSN_LS64] = "64-byte access",
        [AV_INSN_GCS] = "guarded control stack",
        [AV_INSN_ZERO_BLOCK] = "zero block",
    };

    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "?";
}
