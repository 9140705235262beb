/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * oracle_load(const struct diff_state *): loads all registers and runs into the case. Copied to the page ORACLE_LOADER (oracle.c),
 * where the branch at its end is a direct one, so that no register is needed for it.
 */
    .arch armv8-a
    .section .rodata
    .balign 16
    .global oracle_load, oracle_load_branch, oracle_load_end
    .equ SP_, 31 * 8
    .equ NZCV_, 33 * 8
    .equ FPCR_, 34 * 8
    .equ FPSR_, 35 * 8
    .equ V_, 36 * 8
oracle_load:
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    ldr q\n, [x0, #(V_ + 16 * \n)]
    .endr
    .irp n, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
    ldr q\n, [x0, #(V_ + 16 * \n)]
    .endr
    ldr x1, [x0, #SP_]
    mov sp, x1
    ldr x1, [x0, #NZCV_]
    msr nzcv, x1
    ldr x1, [x0, #FPCR_]
    msr fpcr, x1
    ldr x1, [x0, #FPSR_]
    msr fpsr, x1
    .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    ldr x\n, [x0, #(8 * \n)]
    .endr
    ldp x0, x1, [x0]
oracle_load_branch:
    b . /* patched: to DIFF_START */
oracle_load_end:
