/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * One kernel per image, chosen by KERNEL_name. void kernel_run(uint64_t iterations); and kernel_insns, the instructions of
 * one iteration, which the assembler counts from the labels: straight-line code, and what it calls once each time.
 */
    .arch armv8-a+crypto
    .globl kernel_run, kernel_insns, kernel_name

    .macro count first:vararg
    .section .rodata
    .balign 8
kernel_insns:
    .quad (\first) / 4
    .previous
    .endm

    .section .rodata
    .balign 64
table:
    .quad 0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x3ff0000010000000, 0x3fefffffe0000000
    .bss
    .balign 4096
memory:
    .space 0x40100
    .text
    .balign 64

#ifdef KERNEL_integer
    .section .rodata
kernel_name: .asciz "integer"
    .text
kernel_run:
    mov     x1, #0x1234
    mov     x2, #0x9e37
    movk    x2, #0x79b9, lsl #16
    mov     x3, #7
    mov     x4, #0
1:  .rept   4
    add     x1, x1, x2
    eor     x3, x3, x1, lsr #7
    mul     x5, x3, x2
    ror     x6, x5, #13
    sub     x4, x4, x6
    and     x7, x4, #0xff00ff00ff00ff00
    orr     x8, x7, x1
    cmp     x8, x3
    csel    x9, x8, x4, hi
    ubfx    x10, x9, #5, #20
    add     w11, w10, w1, lsl #3
    madd    x4, x10, x3, x4
    adds    x12, x11, x4
    adc     x1, x1, xzr
    clz     x13, x12
    bfi     x3, x13, #8, #6
    .endr
    subs    x0, x0, #1
    b.ne    1b
2:  ret
    count   2b - 1b
#endif

#ifdef KERNEL_memory
    .section .rodata
kernel_name: .asciz "memory"
    .text
/* 256 KiB, a cache line and a bit at a time. */
kernel_run:
    adrp    x1, memory
    add     x1, x1, :lo12:memory
    mov     x2, #0
    mov     x5, #0
1:  .rept   4
    add     x3, x1, x2
    ldr     x4, [x3]
    add     x5, x5, x4
    ldp     x6, x7, [x3, #16]
    eor     x5, x5, x6
    str     x5, [x3, #8]
    ldrb    w8, [x3, #41]
    stp     x7, x8, [x3, #48]
    ldrh    w9, [x1, x2]
    add     x2, x2, #72
    and     x2, x2, #0x3fff8
    .endr
    subs    x0, x0, #1
    b.ne    1b
2:  ret
    count   2b - 1b
#endif

#ifdef KERNEL_calls
    .section .rodata
kernel_name: .asciz "calls"
    .text
kernel_run:
    stp     x29, x30, [sp, #-32]!
    stp     x19, x20, [sp, #16]
    mov     x19, x0
    mov     x0, #0
    adr     x20, 5f
1:  bl      3f
    blr     x20
    subs    x19, x19, #1
    b.ne    1b
2:  ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #32
    ret
3:  stp     x29, x30, [sp, #-16]!
    bl      5f
    bl      5f
    ldp     x29, x30, [sp], #16
    ret
4:
5:  add     x0, x0, #1
    eor     x0, x0, x0, lsl #1
    ret
6:
    count   (2b - 1b) + (4b - 3b) + 3 * (6b - 5b)
#endif

#ifdef KERNEL_double
    .section .rodata
kernel_name: .asciz "double"
    .text
kernel_run:
    adrp    x1, table
    add     x1, x1, :lo12:table
    ldp     d0, d1, [x1, #16]
    fmov    d2, #1.0
    fmov    d3, #0.5
    fmov    d4, #1.5
1:  .rept   4
    fmul    d4, d4, d0
    fadd    d5, d4, d2
    fmadd   d6, d5, d1, d3
    fsub    d7, d6, d3
    fmul    d4, d7, d3
    fdiv    d16, d5, d6
    fmax    d4, d4, d2
    fcmp    d16, d2
    fcsel   d17, d16, d5, gt
    fabs    d4, d4
    .endr
    fsqrt   d18, d17
    fcvtzs  x2, d18
    scvtf   d19, x2
    fmin    d4, d4, d0
    subs    x0, x0, #1
    b.ne    1b
2:  ret
    count   2b - 1b
#endif

#ifdef KERNEL_neon
    .section .rodata
kernel_name: .asciz "neon"
    .text
kernel_run:
    adrp    x1, table
    add     x1, x1, :lo12:table
    adrp    x2, memory
    add     x2, x2, :lo12:memory
    ldp     q0, q1, [x1]
1:  .rept   4
    add     v2.4s, v0.4s, v1.4s
    mla     v3.8h, v2.8h, v1.8h
    eor     v4.16b, v3.16b, v2.16b
    ushr    v5.2d, v4.2d, #9
    sub     v6.16b, v5.16b, v0.16b
    umax    v7.4s, v6.4s, v1.4s
    zip1    v16.8h, v7.8h, v2.8h
    ext     v17.16b, v16.16b, v3.16b, #5
    tbl     v18.16b, {v17.16b}, v0.16b
    smull   v19.4s, v18.4h, v2.4h
    cmgt    v20.4s, v19.4s, v7.4s
    bsl     v20.16b, v18.16b, v17.16b
    addp    v1.4s, v20.4s, v19.4s
    str     q1, [x2]
    ldr     q21, [x2, #16]
    orr     v1.16b, v1.16b, v21.16b
    .endr
    subs    x0, x0, #1
    b.ne    1b
2:  ret
    count   2b - 1b
#endif

#ifdef KERNEL_exceptions
    .section .rodata
kernel_name: .asciz "exceptions"
    .text
/* SVC to the vector of the current EL with SP_ELx, and back. */
kernel_run:
    mrs     x2, vbar_el1
    adr     x1, 7f
    msr     vbar_el1, x1
    isb
1:  svc     #0
    subs    x0, x0, #1
    b.ne    1b
2:  msr     vbar_el1, x2
    isb
    ret
    .balign 0x800
7:  .space  0x200
3:  mrs     x3, esr_el1
    lsr     x3, x3, #26
    eret
4:  .balign 0x800
    count   (2b - 1b) + (4b - 3b)
#endif

#ifdef KERNEL_branches
    .section .rodata
kernel_name: .asciz "branches"
    .text
/* Whether a branch is taken depends on a generator's bits; both ways have the same number of instructions. */
kernel_run:
    mov     x1, #0x4d2
    mov     x4, #0
    movz    x2, #0x7f2d
    movk    x2, #0x4c95, lsl #16
    movk    x2, #0xf42d, lsl #32
    movk    x2, #0x5851, lsl #48
1:  madd    x1, x1, x2, x2
    .irp    bit, 40, 45, 50, 55, 60, 63
    tbnz    x1, #\bit, 8f
    add     x4, x4, #1
    b       9f
8:  eor     x4, x4, #2
    nop
9:
    .endr
    subs    x0, x0, #1
    b.ne    1b
2:  ret
    /* madd, six times three instructions, subs, b.ne */
    count   21 * 4
#endif
