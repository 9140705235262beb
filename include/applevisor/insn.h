/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: what an A64 load or store does, from its 32 bits.
 *
 * A Data Abort describes simple loads and stores itself (ISV). For pairs, SIMD and FP registers, and forms with writeback, it does
 * not, and a VMM that wants them on its devices decodes the instruction. <applevisor/mmio.h> does all of that; this header is the
 * decoder alone, which uses nothing but its arguments.
 *
 * Covered: every load and store of the base and SIMD&FP groups up to v9.4. Those that a device cannot answer one access at a time
 * (exclusives, atomics, tags, memory copy, 64-byte) are named and not described.
 */
#ifndef APPLEVISOR_INSN_H
#define APPLEVISOR_INSN_H

#include <applevisor/error.h>

AV_BEGIN_DECLS

/** What an instruction is, as far as memory goes. */
typedef enum av_insn_kind {
    AV_INSN_NOT_MEMORY,       /**< no load or store, or UNDEFINED, or of SVE or SME */
    AV_INSN_LOAD,             /**< described */
    AV_INSN_STORE,            /**< described */
    AV_INSN_PREFETCH,         /**< PRFM and its kind: a hint */
    AV_INSN_EXCLUSIVE,        /**< LDXR, STXR, pairs, acquire and release forms */
    AV_INSN_COMPARE_AND_SWAP, /**< CAS, CASP, RCWCAS */
    AV_INSN_ATOMIC,           /**< LDADD and its kind, SWP, 128-bit forms, RCWSWP */
    AV_INSN_TAG,              /**< FEAT_MTE: STG, LDG, STGP */
    AV_INSN_MEMORY_COPY,      /**< FEAT_MOPS: CPY, SET */
    AV_INSN_LS64,             /**< LD64B, ST64B, ST64BV */
    AV_INSN_GCS,              /**< guarded control stack */
    AV_INSN_ZERO_BLOCK,       /**< DC ZVA */
    AV_INSN_KIND_COUNT
} av_insn_kind;

/** How the address of the first byte is made. */
typedef enum av_insn_addressing {
    AV_INSN_BASE,          /**< base + offset; offset can be 0 */
    AV_INSN_BASE_REGISTER, /**< base + the extended and shifted index register */
    AV_INSN_PRE_INDEX,     /**< base + offset, which is written back to the base */
    AV_INSN_POST_INDEX, /**< base; base + offset, or base + the index register, is written back */
    AV_INSN_LITERAL,    /**< PC + offset */
    AV_INSN_AUTHENTICATED, /**< LDRAA, LDRAB: the authenticated base + offset, written back if writeback is set */
} av_insn_addressing;

/** There is none. */
#define AV_INSN_NO_REGISTER 255

/** An instruction, decoded. */
typedef struct av_insn {
    const char *name;  /**< mnemonic, static: "LDP", "LDADD"; "" for AV_INSN_NOT_MEMORY */
    uint32_t word;     /**< the instruction */
    av_insn_kind kind; /**< whether the rest is filled */

    /* The rest is filled for AV_INSN_LOAD and AV_INSN_STORE, and 0 otherwise. */
    av_insn_addressing addressing; /**< how the address is made */
    bool writeback;                /**< the base changes */
    uint8_t base;                  /**< Rn: 0 to 30; 31 is SP. AV_INSN_NO_REGISTER for a literal */
    uint8_t index;                 /**< Rm, 31 is XZR; AV_INSN_NO_REGISTER where offset counts */
    uint8_t index_extend;          /**< option: 2 UXTW, 3 LSL, 6 SXTW, 7 SXTX */
    uint8_t index_shift;           /**< 0 to 4 */
    int64_t offset;                /**< bytes, signed */

    bool is_vector;     /**< the registers are V registers */
    uint8_t n_regs;     /**< 1 to 4 */
    uint8_t regs[4];    /**< 0 to 31; general register 31 is XZR */
    uint8_t size_bytes; /**< of one memory access: 1, 2, 4, 8, and 16 for a Q register */
    bool sign_extend;   /**< of general registers */
    bool is_64_bit; /**< the extended value fills Xn; otherwise Wn, and the upper half of Xn is 0 */
    bool is_ordered;   /**< acquire or release */
    bool unprivileged; /**< LDTR, STTR */

    uint8_t
        n_elements; /**< accesses per register: 1, or the elements of LD1 to LD4, ST1 to ST4 (multiple structures) */
    bool interleaved;     /**< LD2 to LD4: the registers alternate */
    uint8_t lane;         /**< element of the register (single structures); 0 otherwise */
    bool keeps_others;    /**< a load changes the lane only */
    bool replicate;       /**< LD1R to LD4R: the element fills the register */
    uint8_t vector_bytes; /**< what replicate fills: 8 or 16 */
} av_insn;

/** One access of at most 8 bytes. */
typedef struct av_insn_transfer {
    uint16_t offset;    /**< from the address of the first byte */
    uint8_t size_bytes; /**< 1, 2, 4 or 8 */
    uint8_t reg;        /**< of the kind that av_insn says */
    uint8_t
        reg_byte; /**< byte of the V register that the access begins at; 0 for general registers */
} av_insn_transfer;

/** The most that one instruction makes: LD4 and ST4 of 16 bytes per register. */
#define AV_INSN_MAX_TRANSFERS 64

/**
 * Describes an instruction.
 *
 * @param word  The instruction.
 * @param insn  Out. Written on AV_OK only.
 * @retval AV_OK                   insn is filled; kind says whether it is a load or a store.
 * @retval AV_ERROR_NULL_ARGUMENT  insn is NULL.
 * Threads: any; uses nothing but its arguments. Since: 0.1.
 */
AV_API av_error av_insn_decode(uint32_t word, av_insn *insn);

/**
 * Lists the accesses of a load or store in the order of the architecture's pseudocode; addresses ascend. A Q register is two accesses
 * of 8 bytes, low half first.
 *
 * @param insn       Of kind AV_INSN_LOAD or AV_INSN_STORE.
 * @param transfers  Out: room for AV_INSN_MAX_TRANSFERS.
 * @param n          Out: how many there are, at least 1. Both are written on AV_OK only.
 * @retval AV_ERROR_NULL_ARGUMENT  An argument is NULL.
 * @retval AV_ERROR_BAD_ARGUMENT   insn is of another kind.
 * Threads: any; uses nothing but its arguments. Since: 0.1.
 */
AV_API av_error av_insn_transfers(const av_insn *insn, av_insn_transfer *transfers, unsigned *n);

/** The bytes from the first to behind the last: 1 to 64; 0 if insn is NULL or no load or store. Threads: any. Since: 0.1. */
AV_API unsigned av_insn_total_bytes(const av_insn *insn);

/** A stable lower-case name: "load", "compare and swap". "?" for a value out of range. Threads: any. Since: 0.1. */
AV_API const char *av_insn_kind_name(av_insn_kind kind);

AV_END_DECLS

#endif
